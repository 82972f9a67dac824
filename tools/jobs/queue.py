"""The queue of the local engine, whose whole state is one SQLite file. Knows nothing of drawing.

A job whose process ended while it was running is queued again, at most `MAX_ATTEMPTS` times; one that a closing engine
released does not count as an attempt.
"""

import json
import re
import sqlite3
import time
import uuid
import weakref
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

from ...prompts.errors import QueueFull, RunError, UnknownPicture
from ...prompts.outside_json import parse_json
from ...prompts.outside_sqlite import check_tables, open_safely
from .engine import FINISHED, RECENT, Job, Status

MAX_ATTEMPTS = 3
MAX_PREVIEWS = 16  # of each round

TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    caller TEXT NOT NULL,
    work TEXT NOT NULL,
    asked TEXT NOT NULL,
    previews INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'queued',
    step INTEGER NOT NULL DEFAULT 0,
    steps INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    attempts INTEGER NOT NULL DEFAULT 0,
    turn INTEGER NOT NULL DEFAULT 0,
    device TEXT NOT NULL DEFAULT '',
    started REAL,
    finished REAL
);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, caller);
CREATE INDEX IF NOT EXISTS jobs_by_caller ON jobs (caller, turn);
CREATE TABLE IF NOT EXISTS events (
    job TEXT NOT NULL,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (job, number)
) WITHOUT ROWID;
"""

JOB = "SELECT *, (SELECT count(*) FROM events WHERE job = jobs.id) AS events FROM jobs"

# Ids name folders, and the file is not trusted: only ids that this module can have made are drawn. The caller whose
# last job started longest ago is next; of a caller's jobs the oldest.
NEXT = """
SELECT id FROM jobs AS waiting WHERE status = 'queued' AND length(id) = 32 AND id NOT GLOB '*[^0-9a-f]*'
ORDER BY (SELECT max(turn) FROM jobs WHERE caller = waiting.caller), number LIMIT 1
"""


class JobQueue:
    """The table, for any number of threads and processes. capacity: most queued jobs; share: most per caller. Raises
    RunError if the file cannot be used."""

    def __init__(self, file: Path, *, capacity: int = 128, share: int = 64) -> None:
        self.file, self.capacity, self.share = file, capacity, share
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with self._table() as table:
                check_tables(table, TABLE)
                table.execute("PRAGMA journal_mode = WAL")
                table.executescript(TABLE)
            # While one connection is open, the others that close do not write the log back into the file: 20 times as
            # many jobs and events a second (docs/log.md).
            held = sqlite3.connect(file, timeout=30, check_same_thread=False)
            held.execute("SELECT count(*) FROM jobs WHERE number < 0").fetchall()
            weakref.finalize(self, held.close)
        except (OSError, ValueError, sqlite3.Error) as error:
            raise RunError(f"cannot keep the queue in {file}: {error}") from error

    @contextmanager
    def _table(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A connection. durable: what it commits outlives the machine's power, and not only this process."""
        with closing(sqlite3.connect(self.file, timeout=30, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            open_safely(connection)  # the file is not trusted
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            yield connection

    @contextmanager
    def _writing(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A transaction that excludes every other writer from its first statement on."""
        with self._table(durable=durable) as table, table:
            table.execute("BEGIN IMMEDIATE")
            yield table

    def add(self, kind: str, payload: dict[str, Any], *, caller: str, previews: int = 0) -> Job:
        """Queues a job. Raises QueueFull."""
        with self._writing(durable=True) as table:
            row = table.execute(
                "SELECT count(*) AS waiting, coalesce(sum(caller = ?), 0) AS own FROM jobs WHERE status = 'queued'",
                [caller],
            ).fetchone()
            if row["waiting"] >= self.capacity or row["own"] >= self.share:
                seconds = table.execute(
                    "SELECT avg(finished - started) FROM (SELECT * FROM jobs WHERE status = 'done' "
                    "ORDER BY number DESC LIMIT 20)"
                ).fetchone()[0]
                full = f"{row['own']} of your" if row["own"] >= self.share else str(row["waiting"])
                message = f"the queue is full: {full} pictures are waiting; try again later"
                raise QueueFull(message, retry_after=max(1, round(seconds or 1.0)))
            job_id = uuid.uuid4().hex
            table.execute(
                "INSERT INTO jobs (id, caller, work, asked, previews) VALUES (?, ?, ?, ?, ?)",
                [job_id, caller, kind, json.dumps(payload), previews],
            )
        return self.get(job_id, caller=caller)

    def get(self, job_id: str, *, caller: str) -> Job:
        """A caller's job by its id. Raises UnknownPicture; RunError if this version of ditpipe did not write it."""
        with self._table() as table:
            row = table.execute(f"{JOB} WHERE id = ? AND caller = ?", [job_id, caller]).fetchone()
        if row is None:
            raise UnknownPicture(f"no picture {job_id[:40]!r}: give the id that a drawing tool returned")
        return _job(row)

    def recent(self, caller: str) -> list[Job]:
        """A caller's newest `RECENT` jobs, newest first, without those that cannot be read."""
        with self._table() as table:
            rows = table.execute(f"{JOB} WHERE caller = ? ORDER BY number DESC LIMIT ?", [caller, RECENT])
            jobs = []
            for row in rows:
                with suppress(RunError):  # in a folder of somebody else's
                    jobs.append(_job(row))
            return jobs

    def counts(self) -> dict[Status, int]:
        """How many jobs of all callers are in each state."""
        with self._table() as table:
            found = dict(table.execute("SELECT status, count(*) FROM jobs GROUP BY status").fetchall())
        return {status: found.get(status, 0) for status in get_args(Status)}

    def cancel(self, job_id: str, *, caller: str) -> Job:
        """Ends a job that is not finished; a running one at its next step. Raises UnknownPicture."""
        self.get(job_id, caller=caller)
        with self._table() as table:
            table.execute(
                "UPDATE jobs SET status = 'cancelled', finished = ? WHERE id = ? AND status IN ('queued', 'running')",
                [time.time(), job_id],
            )
        return self.get(job_id, caller=caller)

    def waiting(self) -> int:
        """The number of queued jobs."""
        with self._table() as table:
            return int(table.execute("SELECT count(*) FROM jobs WHERE status = 'queued'").fetchone()[0])

    def claim(self, device: str) -> Job | None:
        """Marks the next job as running on `device` and returns it; None if no job waits. What cannot be read fails.

        The caller must hold the device's lock: a job still marked as running there was left by a process that ended,
        and is queued again first.
        """
        while row := self._claim(device):
            try:
                return _job(row)
            except RunError as error:
                with self._table() as table:
                    table.execute(
                        "UPDATE jobs SET status = 'failed', error = ?, finished = ? WHERE id = ?",
                        [str(error), time.time(), row["id"]],
                    )
        return None

    def _claim(self, device: str) -> sqlite3.Row | None:
        with self._writing() as table:
            _requeue(table, device)
            claimed = table.execute(
                "UPDATE jobs SET status = 'running', device = ?, started = ?, step = 0, attempts = attempts + 1, "
                f"turn = (SELECT max(turn) + 1 FROM jobs) WHERE id = ({NEXT}) RETURNING id",
                [device, time.time()],
            ).fetchone()
            row: sqlite3.Row | None = claimed and table.execute(f"{JOB} WHERE id = ?", [claimed["id"]]).fetchone()
        return row

    def requeue(self, device: str) -> None:
        """Requeues jobs marked as running on a device. The caller must hold the device's lock."""
        with self._writing() as table:
            _requeue(table, device)

    def devices(self) -> list[str]:
        """The devices that jobs are marked as running on."""
        with self._table() as table:
            rows = table.execute("SELECT DISTINCT device FROM jobs WHERE status = 'running'")
            return [row["device"] for row in rows]

    def release(self, job: Job) -> None:
        """Queues a running job again as if it had not been claimed. A cancelled one stays cancelled."""
        with self._table() as table:
            table.execute(
                "UPDATE jobs SET status = 'queued', step = 0, attempts = attempts - 1 "
                "WHERE id = ? AND status = 'running'",
                [job.id],
            )

    def remove(self, job: Job) -> bool:
        """Deletes a finished job; its caller's turn still counts. False if it is not finished."""
        with self._writing() as table:
            row = table.execute(
                f"DELETE FROM jobs WHERE id = ? AND status IN {FINISHED} RETURNING turn", [job.id]
            ).fetchone()
            if row:
                newest = "(SELECT max(number) FROM jobs WHERE caller = ?)"
                table.execute(f"UPDATE jobs SET turn = max(turn, ?) WHERE number = {newest}", [row["turn"], job.caller])
                table.execute("DELETE FROM events WHERE job = ?", [job.id])
        return row is not None

    def record(self, job: Job, name: str, event: dict[str, Any], *, step: int, steps: int) -> bool:
        """Records what a running job reports, and how far it is. False if the job is no longer running."""
        with self._writing() as table:
            updated = table.execute(
                "UPDATE jobs SET step = ?, steps = ? WHERE id = ? AND status = 'running'", [step, steps, job.id]
            )
            if updated.rowcount == 1:
                table.execute(
                    "INSERT INTO events SELECT ?, count(*) + 1, ?, ? FROM events WHERE job = ?",
                    [job.id, name, json.dumps(event), job.id],
                )
            return updated.rowcount == 1

    def events(self, job: Job, after: int = 0) -> list[tuple[str, Any]]:
        """Names and fields of what a job has reported, without the first `after` events."""
        with self._table() as table:
            query = "SELECT name, body FROM events WHERE job = ? AND number > ? ORDER BY number"
            rows = table.execute(query, [job.id, after]).fetchall()
        return [(str(row["name"]), _json_or_none(row["body"])) for row in rows]

    def finish(self, job: Job, status: Status, error: str = "") -> bool:
        """Ends a running job. False if it was cancelled before."""
        with self._table() as table:
            updated = table.execute(
                "UPDATE jobs SET status = ?, error = ?, finished = ? WHERE id = ? AND status = 'running'",
                [status, error, time.time(), job.id],
            )
            return updated.rowcount == 1


def _json_or_none(body: Any) -> Any:
    try:
        return parse_json(body)
    except (TypeError, ValueError):
        return None


def _requeue(table: sqlite3.Connection, device: str) -> None:
    table.execute(
        "UPDATE jobs SET status = 'failed', error = ?, finished = ? "
        "WHERE status = 'running' AND device = ? AND attempts >= ?",
        [f"the process ended {MAX_ATTEMPTS} times while drawing this", time.time(), device, MAX_ATTEMPTS],
    )
    table.execute("UPDATE jobs SET status = 'queued', step = 0 WHERE status = 'running' AND device = ?", [device])


def _job(row: sqlite3.Row) -> Job:
    """Raises RunError for a row that this module did not write: the file may come from elsewhere."""
    names = ("id", "caller", "previews", "status", "step", "steps", "error", "events")
    try:
        fields = {name: row[name] for name in names}
        job = Job(kind=row["work"], payload=parse_json(row["asked"]), **fields)
        texts, numbers = (job.caller, job.kind, job.error), (job.previews, job.step, job.steps)
        if not (all(isinstance(text, str) for text in texts) and all(isinstance(number, int) for number in numbers)):
            raise ValueError("a text where a number is, or a number for a text")
        if not re.fullmatch("[0-9a-f]{32}", job.id) or job.status not in get_args(Status):
            raise ValueError("its id or its state is none of a job's")
        if not isinstance(job.payload, dict) or not 0 <= job.previews <= MAX_PREVIEWS:
            raise ValueError("its input or its count of previews is none of a job's")
    except (TypeError, ValueError) as error:
        raise RunError(f"this picture's job cannot be read by this version of ditpipe: {error}") from error
    return job
