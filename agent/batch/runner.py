"""`BatchRun`: plans lines ahead, sorts what is planned, keeps an engine busy, and writes what comes back."""

import shutil
import threading
import time
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path

from filelock import FileLock, Timeout

from ...prompts.errors import DitpipeError, QueueFull, RunError, first_line, one_line
from ...prompts.plan import ScenePlan
from ...prompts.plan_files import read_plan
from ...renderer.pictures.artifacts import write
from ...tools.jobs.engine import Job, PictureEngine
from ...tools.jobs.follow import changes
from ...tools.jobs.job_events import JobEvent
from ..agent import Agent
from .lines import Line, LineInput, load_line, read_lines, reuse_key
from .manifest import Manifest, Row, file_of
from .worker import BATCH, BatchInput, LineDrawn, LineFailed

CALLER = "batch"
PLANNED = 2048  # lines that are planned ahead, and so sorted together
AT_A_TIME = 256  # lines that are read between two looks at the engine
POLL = 0.05  # seconds between two looks at the engine
GIVE_UP = 20  # lines that fail one after the other for the same reason, before any is drawn


@dataclass
class _Flight:
    """A job, and its lines that are not finished."""

    job: Job
    changes: Iterator[Job | JobEvent | None]
    lines: dict[str, LineInput]


@dataclass(frozen=True)
class _Ready:
    """A line with its plan. order: its place among the others; group: lines of an equal one may be drawn in one batch,
    empty if it is drawn alone."""

    order: tuple[str, ...]
    number: int
    line: LineInput
    group: tuple[str, ...]


@dataclass
class BatchRun:
    """One shard of a file, drawn into a folder by an engine.

    shard: (i, n), the i-th of n parts; a line belongs to one by its digest. planners: briefs that are planned at a
    time. in_flight: jobs that the engine has at a time. together: most lines of one batch. Opening it reads the file;
    `run` draws what is not done yet.
    """

    agent: Agent
    lines_file: Path
    folder: Path
    shard: tuple[int, int] = (1, 1)
    planners: int = 1
    in_flight: int = 2
    together: int = 1
    lines: list[Line] = field(init=False)

    def __post_init__(self) -> None:
        """Raises RunError if the file or the folder cannot be used."""
        number, of = self.shard
        self.manifest = Manifest(self.folder, self.shard)
        self.work = self.folder / ".work" / f"{number}-of-{of}"
        self.lines = [line for line in read_lines(self.lines_file, self.agent) if int(line.key, 16) % of == number - 1]
        self.rows = self.manifest.done()
        self._by_key = {line.key: line for line in reversed(self.lines)}  # the first of equal ones
        self.skipped = sum(line.key in self.rows for line in self.lines)
        self._ready: list[_Ready] = []
        self._planning: dict[Future[ScenePlan], tuple[Line, LineInput]] = {}
        self._flights: list[_Flight] = []
        self._last: tuple[str, ...] = ()  # the place in the order of the latest line that was begun
        self._failures: list[str] = []
        self._stop = threading.Event()

    @property
    def left(self) -> int:
        """Keys that have no result yet."""
        return len(self._by_key.keys() - self.rows.keys())

    @contextmanager
    def locked(self) -> Iterator[Path]:
        """The folder of the engine, empty; nobody else draws this shard meanwhile. Raises RunError."""
        try:
            self.work.mkdir(parents=True, exist_ok=True)
            with FileLock(self.work / "lock").acquire(timeout=0):
                shutil.rmtree(self.work / "engine", ignore_errors=True)  # of a process that was killed
                yield self.work / "engine"
                shutil.rmtree(self.work / "engine", ignore_errors=True)
        except Timeout as error:
            raise RunError(f"another ditpipe is drawing this into {self.folder}") from error
        except OSError as error:
            raise RunError(f"cannot write in {self.folder}: {error.strerror}") from error
        if all(row.status == "done" for row in self.rows.values()) and not self.left:
            shutil.rmtree(self.work, ignore_errors=True)
            with suppress(OSError):
                self.work.parent.rmdir()  # unless another shard is at work

    def stop(self) -> None:
        """Ends `run` at the next step; lines in progress stay pending. From any thread."""
        self._stop.set()

    def run(self, engine: PictureEngine) -> Iterator[Row]:
        """Draws what is not done, and yields each row as it is written. At the end, or after `stop`, the manifest is in
        the order of the lines.

        Raises DitpipeError if nothing can be drawn at all; what is done is kept.
        """
        self.manifest.rewrite(self.manifest.rows().values())
        for line in self.lines:
            if line.error:
                yield self._keep(Row(line=line.number, key=line.key, status="failed", error=line.error))
        waiting = deque(line for line in self._by_key.values() if line.key not in self.rows)
        pool = ThreadPoolExecutor(self.planners, "planner")
        try:
            while (waiting or self._planning or self._ready or self._flights) and not self._stop.is_set():
                yield from self._plan_ahead(pool, waiting)
                self._submit(engine)
                yield from self._collect(engine)
                if engine.fault:
                    raise DitpipeError(engine.fault)
                if len(self._failures) >= GIVE_UP and len(set(self._failures)) == 1:
                    raise DitpipeError(f"{GIVE_UP} lines failed one after the other: {self._failures[0]}")
                self._stop.wait(POLL)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            others = [row for key, row in self.manifest.rows().items() if key not in self._by_key]
            finished = [row.model_copy(update={"line": 0}) for row in others if row.status == "done"]
            self.manifest.rewrite([*self.all_rows(), *finished])

    def all_rows(self) -> list[Row]:
        """A row per line, in their order; equal lines have the same picture."""
        return [
            self.rows.get(line.key, Row(line=line.number, key=line.key)).model_copy(
                update={"line": line.number, "name": line.name}
            )
            for line in self.lines
        ]

    def _plan_ahead(self, pool: ThreadPoolExecutor, waiting: deque[Line]) -> Iterator[Row]:
        for _ in range(min(len(waiting), AT_A_TIME, PLANNED - len(self._ready) - len(self._planning))):
            line = waiting.pop()  # the deque is in reverse
            read = load_line(self.lines_file, line, self.agent)
            if read.plan:
                self._add(line, read, read.plan)
            else:
                self._planning[pool.submit(self._planned, read)] = line, read
        for future in [future for future in self._planning if future.done()]:
            line, read = self._planning.pop(future)
            error = future.exception()
            if error is None:
                self._add(line, read, future.result())
            elif isinstance(error, DitpipeError | ValueError):
                yield self._fail(line, read, one_line(error))
            else:
                yield self._fail(line, read, f"the planner failed: {first_line(error)}")

    def _planned(self, read: LineInput) -> ScenePlan:
        """The planner's plan, kept in the folder: a killed batch does not ask for it again."""
        file = self.work / "plans" / f"{read.key}.json"
        with suppress(RunError):
            return read_plan(file)
        painter = self.agent.with_settings(**read.options)
        plan = painter.plan(read.brief).with_size(*painter.size)
        write(file, plan.model_dump_json().encode())
        return plan

    def _add(self, line: Line, read: LineInput, plan: ScenePlan) -> None:
        painter = self.agent.with_settings(**read.options)
        if read.plan and {"size", "aspect"} & read.options.keys():  # the line's own size wins over its plan's
            plan = plan.model_copy(update=dict(zip(("width", "height"), painter.size, strict=True)))
        plan, settings = plan.with_size(*painter.size), painter.settings
        order = reuse_key(plan, read.options)
        size, sampling, loras, *_ = order
        one_round = settings.rounds == settings.candidates == 1
        group = (size, sampling) if one_round and not loras and not settings.step_cache else ()
        ready = _Ready(order, line.number, read.model_copy(update={"plan": plan}), group)
        insort(self._ready, ready, key=lambda ready: (ready.order, ready.number))

    def _submit(self, engine: PictureEngine) -> None:
        """Begins lines in their order: the next one after the latest, at the end the first."""
        while self._ready and len(self._flights) < self.in_flight:
            at = bisect_left(self._ready, self._last, key=lambda ready: ready.order)
            at = at if at < len(self._ready) else 0
            first = self._ready[at]
            group = self._ready[at : at + self.together] if first.group else [first]
            group = list(takewhile(lambda ready: ready.group == first.group, group))
            lines = [ready.line for ready in group]
            try:
                job = engine.submit(BATCH, BatchInput(lines=lines).model_dump(mode="json"), caller=CALLER)
            except QueueFull:
                return
            self._last = group[-1].order
            del self._ready[at : at + len(group)]
            flight = _Flight(job, changes(engine, job, float("inf")), {line.key: line for line in lines})
            self._flights.append(flight)

    def _collect(self, engine: PictureEngine) -> Iterator[Row]:
        for flight in list(self._flights):
            for change in flight.changes:
                if change is None:
                    break
                if isinstance(change, LineDrawn) and (read := flight.lines.pop(change.key, None)):
                    yield self._draw(read, change)
                elif isinstance(change, LineFailed) and (read := flight.lines.pop(change.key, None)):
                    yield self._fail(self._by_key[read.key], read, change.error)
                elif isinstance(change, Job) and change.is_finished:
                    self._flights.remove(flight)
                    for read in flight.lines.values():
                        yield self._fail(self._by_key[read.key], read, change.error or f"its job was {change.status}")
                    engine.remove(change)

    def _draw(self, read: LineInput, drawn: LineDrawn) -> Row:
        """Writes the files of a line, then its row."""
        names = {kind: file_of(kind, read.key, suffix) for kind, suffix in (("pictures", "png"), ("plans", "json"))}
        write(self.folder / names["pictures"], drawn.picture)
        critique = None
        if drawn.critique:
            critique = file_of("critiques", read.key, "json")
            write(self.folder / critique, drawn.critique.model_dump_json(indent=2).encode())
        write(self.folder / names["plans"], drawn.plan.model_dump_json(indent=2).encode())
        self._failures = []
        width, height = drawn.plan.size
        return self._keep(
            Row(
                line=self._by_key[read.key].number, key=read.key, status="failed" if drawn.halted else "done",
                brief=read.brief or drawn.plan.scene.high_level, picture=names["pictures"], plan=names["plans"],
                critique=critique, score=drawn.critique.score if drawn.critique else None, rounds=drawn.rounds,
                seed=drawn.seed, width=width, height=height, model=self.agent.model, seconds=round(drawn.seconds, 3),
                warnings=list(drawn.warnings), error=drawn.halted,
            )
        )  # fmt: skip

    def _fail(self, line: Line, read: LineInput, error: str) -> Row:
        self._failures.append(error)
        brief = read.brief or (read.plan.scene.high_level if read.plan else "")
        return self._keep(Row(line=line.number, key=line.key, status="failed", brief=brief, error=error))

    def _keep(self, row: Row) -> Row:
        self.rows[row.key] = row
        self.manifest.append(row)
        return row


def per_minute(count: int, started: float) -> float:
    """Throughput since `started`, a time of `time.monotonic`."""
    return 60 * count / max(time.monotonic() - started, 1e-9)
