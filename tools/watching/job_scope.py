"""The job that a thread works on: its id is on every log line and in a span, its outcome in the log and the metrics."""

import logging
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from .tracing import span

BUCKETS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)  # upper bounds, in seconds

log = logging.getLogger(__name__)
_current: ContextVar[str] = ContextVar("job", default="")


@dataclass
class Durations:
    """How often something ended in which way, and how long it took: a histogram per tuple of labels."""

    _lock: threading.Lock = field(default_factory=threading.Lock)
    _rows: dict[tuple[str, ...], tuple[list[int], float]] = field(default_factory=dict)

    def add(self, labels: tuple[str, ...], seconds: float) -> None:
        with self._lock:
            counts, total = self._rows.get(labels) or ([0] * (len(BUCKETS) + 1), 0.0)
            counts[bisect_left(BUCKETS, seconds)] += 1
            self._rows[labels] = counts, total + seconds

    def rows(self) -> list[tuple[tuple[str, ...], list[int], float]]:
        """(labels, how many took up to each of `BUCKETS` and any time, seconds in all), each including the former."""
        with self._lock:
            copies = [(labels, list(counts), total) for labels, (counts, total) in self._rows.items()]
        return [(labels, [sum(counts[: i + 1]) for i in range(len(counts))], total) for labels, counts, total in copies]


def current_job() -> str:
    """The id of the job that this thread works on; empty if there is none."""
    return _current.get()


@contextmanager
def job_scope(job_id: str, kind: str) -> Iterator[None]:
    """Within it log lines name the job, and what runs is in its span."""
    token = _current.set(job_id)
    try:
        with span("job", {"ditpipe.job.id": job_id, "ditpipe.job.kind": kind}):
            yield
    finally:
        _current.reset(token)


@contextmanager
def watched_job(job_id: str, kind: str, status: Callable[[], str], durations: Durations) -> Iterator[None]:
    """`job_scope`; how the job ended, which `status` tells, is logged and counted. 'queued': it is drawn later."""
    started = time.monotonic()
    with job_scope(job_id, kind):
        log.info("job begun", extra={"kind": kind})
        yield
        ended, seconds = status(), time.monotonic() - started
        durations.add((kind, ended), seconds)
        log.info("job %s", ended, extra={"kind": kind, "status": ended, "seconds": round(seconds, 3)})
