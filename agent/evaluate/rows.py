"""Measured rows on disk, one a measured picture, found again by a digest of what was asked."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ...prompts.errors import OutOfMemory, RunError
from ...prompts.outside_json import JsonObject, parse_json
from ...tools.jobs.engine import JobContext, JobHandler
from ...tools.jobs.follow import follow
from ...tools.jobs.local_engine import LocalEngine

ROW = "row"  # the kind of job
ROWS = "rows.jsonl"
Worker = TypeVar("Worker")


@dataclass(frozen=True)
class Row:
    """query: all that determines the result, as JSON. measured: the result."""

    query: JsonObject
    measured: JsonObject


def failure(error: Exception) -> JsonObject:
    """What is stored of a picture that could not be drawn; for want of memory it is tried again the next time."""
    return {"error": str(error)} | ({"retry": True} if isinstance(error, OutOfMemory) else {})


def digest_of(query: JsonObject) -> str:
    """The key of a row: of equal JSON, whatever the order of its fields."""
    return sha256(json.dumps(query, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:20]


class RowStore:
    """Rows in a JSON Lines file, appended as they are measured.

    A last line without its end is of a run that was killed while it wrote, and is dropped.
    """

    def __init__(self, folder: Path) -> None:
        """Makes the folder. Raises RunError if it cannot be used, or if a line of its file is not a row."""
        self.path, self._lock = folder / ROWS, Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            text = self.path.read_text(encoding="utf-8") if self.path.exists() else ""
            whole, _, incomplete = text.rpartition("\n")
            self._rows = dict(map(self._row_of, whole.splitlines()))
            self._found = len(self._rows)
            if incomplete:
                self.path.write_text(f"{whole}\n" if whole else "", encoding="utf-8")
        except OSError as error:
            raise RunError(f"{folder}: {error.strerror}") from error

    def _row_of(self, line: str) -> tuple[str, Row]:
        try:
            given = parse_json(line)
            key, row = digest_of(given["query"]), Row(dict(given["query"]), dict(given["measured"]))
            if key != given["key"]:
                raise ValueError("its key is another row's")
            return key, row
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{self.path} holds a line that is not a row; give another --out") from error

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, query: JsonObject) -> Row | None:
        """The row of what was asked; None if it is not measured yet."""
        return self._rows.get(digest_of(query))

    def lacks(self, query: JsonObject) -> bool:
        """Whether this is to be measured: it never was, or it failed for want of memory."""
        row = self.get(query)
        return row is None or bool(row.measured.get("retry"))

    @contextmanager
    def checked(self) -> Iterator[None]:
        """Raises RunError in place of what odd values of rows raise: those that were there before may be anybody's."""
        try:
            yield
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            if not self._found:
                raise
            raise RunError(f"{self.path} holds a row with values of another kind; give another --out") from error

    def add(self, query: JsonObject, measured: JsonObject) -> Row:
        """Appends a row."""
        key, row = digest_of(query), Row(query, measured)
        line = json.dumps({"key": key, "query": query, "measured": measured}, ensure_ascii=False)
        with self._lock:
            with self.path.open("a", encoding="utf-8") as out:
                out.write(line + "\n")
            self._rows[key] = row
        return row


def measure_rows(
    queries: Sequence[JsonObject], measure: Callable[[Worker, JsonObject], JsonObject], store: RowStore, *,
    workers: Iterable[Worker], title: str, console: Console | None = None,
) -> list[Row]:  # fmt: skip
    """The rows of all queries, in their order; what is stored already is not measured again, but for what says `retry`.

    Each worker (for example a renderer, one a device) takes the next row from one queue. What `measure` raises ends the
    run after the rows that are being measured; they are stored.
    """
    missing = list({digest_of(each): each for each in queries if store.lacks(each)}.values())
    if missing:
        console = console or Console(stderr=True)
        _measure(missing, measure, store, list(workers), _progress(title, console), len(queries) - len(missing))
    return [row for each in queries if (row := store.get(each))]


def _measure(
    missing: Sequence[JsonObject], measure: Callable[[Worker, JsonObject], JsonObject], store: RowStore,
    workers: Sequence[Worker], progress: Progress, done: int,
) -> None:  # fmt: skip
    """Measures each row as a job of a queue that lasts as long as this call: rows are what a later one goes on from."""
    faults: list[Exception] = []

    def handler(worker: Worker) -> Mapping[str, JobHandler]:
        def row(payload: JsonObject, context: JobContext) -> None:
            query = missing[payload["number"]]
            try:
                if not faults:
                    store.add(query, measure(worker, query))
            except Exception as error:
                faults.append(error)

        return {ROW: row}

    with TemporaryDirectory(prefix="ditpipe-") as folder, progress:
        bar = progress.add_task("", total=done + len(missing), completed=done)
        handlers = {f"worker-{number}": handler(worker) for number, worker in enumerate(workers)}
        engine = LocalEngine(Path(folder), handlers, capacity=len(missing), share=len(missing))
        try:
            for job in [engine.submit(ROW, {"number": number}) for number in range(len(missing))]:
                for _ in follow(engine, job):
                    pass
                if faults:
                    raise faults[0]
                progress.advance(bar)
        finally:
            engine.close()


def _progress(title: str, console: Console) -> Progress:
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
