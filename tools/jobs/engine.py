"""The interface of engines that draw jobs. A job is a kind, a JSON payload and a folder; it reports typed events.

queued ──► running ──► done | failed | cancelled

`LocalEngine` keeps its jobs in a folder, `InProcessEngine` in memory; a cluster's engine can stand behind the same
methods. `follow.py` follows a job of any of them.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path
from typing import Any, Literal, Protocol

from ...prompts.errors import JobCancelled
from ...renderer.request import Step
from ..watching.job_scope import Durations
from .job_events import JobEvent, Stepped, preview_of

Status = Literal["queued", "running", "done", "failed", "cancelled"]
FINISHED = ("done", "failed", "cancelled")
STATES: dict[Status, str] = {  # after "the picture"
    "queued": "is queued", "running": "is being drawn", "done": "is done", "failed": "could not be drawn",
    "cancelled": "was cancelled",
}  # fmt: skip
RECENT = 100  # jobs in a list
LOCAL = "local"  # the caller's name on a machine without keys


@dataclass(frozen=True)
class Job:
    """The state of one job. `kind` names its handler, `payload` is the handler's input as JSON.

    `step` of `steps` counts over all rounds so far; `events`: how many it has reported.
    """

    id: str
    caller: str
    kind: str
    payload: dict[str, Any]
    previews: int
    status: Status
    step: int
    steps: int
    error: str
    events: int = field(default=0, compare=False)

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED

    @property
    def state(self) -> str:
        """The status in words, after "the picture": 'could not be drawn', with the error if there is one."""
        return STATES[self.status] + (f": {self.error}" if self.error else "")


@dataclass(frozen=True)
class JobContext:
    """What a handler gets beside its input: a folder of its own, a way to report events, and the cancel signal.

    `stop` is set once the job is to end; whatever computes without steps calls `raise_if_stopped` now and then.
    `interrupted` is set with it where the job is to be finished later, because its engine closes or nobody reads its
    events any more: what is half done then stays as it is. `previews`: how many each round's steps report.
    """

    folder: Path
    emit: Callable[[JobEvent], None] = lambda event: None
    stop: threading.Event = field(default_factory=threading.Event)
    interrupted: threading.Event = field(default_factory=threading.Event)
    previews: int = 0
    id: str = ""

    def raise_if_stopped(self) -> None:
        """Raises JobCancelled once the job is to end."""
        if self.stop.is_set():
            raise JobCancelled

    def on_step(self, step: Step, round: int = 1) -> None:
        """Reports a step of a round, with a preview where one is due. Raises as `raise_if_stopped`."""
        self.raise_if_stopped()
        numbers = range(1, self.previews + 1)
        due = step.index in (ceil(number * step.total / (self.previews + 1)) for number in numbers)
        self.emit(Stepped(round, step.index, step.total, preview_of(step) if due else None))
        self.raise_if_stopped()  # another process may have cancelled it: `emit` has found out


class JobLost(Exception):
    """The worker of a job was lost; the job is queued again. `blamed`: the job may have ended it, so that this
    counts as one of its attempts."""

    def __init__(self, message: str, *, blamed: bool) -> None:
        super().__init__(message)
        self.blamed = blamed


JobHandler = Callable[[dict[str, Any], JobContext], bytes | None]
"""(payload, context) → a PNG file's bytes, None for a job without a picture of its own. The same payload gives the same
bytes."""


class JobEngine(Protocol):
    """Draws jobs, one per device at a time. Each caller sees only its own jobs."""

    def close(self) -> None:
        """Stops within one step."""

    def submit(self, kind: str, payload: dict[str, Any], *, caller: str = LOCAL, previews: int = 0) -> Job:
        """Begins a job, or queues it; each round's steps report `previews` pictures. Raises QueueFull; DitpipeError
        without workers."""

    def get(self, job_id: str, *, caller: str = LOCAL) -> Job:
        """The present state of a caller's job. Raises UnknownPicture."""

    def recent(self, caller: str = LOCAL) -> list[Job]:
        """A caller's newest `RECENT` jobs, newest first."""

    def events(self, job: Job, after: int = 0) -> list[JobEvent]:
        """What a job has reported, without the first `after` events."""

    def cancel(self, job_id: str, *, caller: str = LOCAL) -> Job:
        """Ends a job that is not finished; a running one at its next step. Raises UnknownPicture."""

    def remove(self, job: Job) -> None:
        """Forgets a finished job with its files; any other is left as it is."""


class PictureEngine(JobEngine, Protocol):
    """A JobEngine that outlives its process and keeps pictures; what a closing one interrupts is queued again."""

    folder: Path  # absolute; holds the pictures, and the server's own files
    durations: Durations  # of its jobs, by kind and how they ended

    @property
    def is_ready(self) -> bool:
        """Whether something can draw."""

    @property
    def fault(self) -> str:
        """Why nothing can be drawn here, in one line; empty if there is no reason."""

    @property
    def waits_for(self) -> str:
        """Why nothing is drawn at present, in one line; empty once something can draw."""

    def counts(self) -> dict[Status, int]:
        """How many jobs of all callers are in each state."""

    def replica_counts(self) -> dict[str, int]:
        """How many replicas on a cluster are in each state; empty without a cluster."""

    def open(self) -> None:
        """Starts drawing, first the unfinished jobs of ended processes; returns at once."""

    def file(self, job: Job, kind: str = "") -> Path:
        """A job's picture; `kind` 'small' is its thumbnail."""

    def job_folder(self, job: Job) -> Path:
        """The folder of the job's handler."""


class StepCount:
    """Steps over all rounds of a job: the total grows with each round that is needed."""

    def __init__(self) -> None:
        self._totals: dict[int, int] = {}

    def add(self, event: Stepped) -> tuple[int, int]:
        """(steps done, steps in all) with this one."""
        self._totals[event.round] = event.total
        total = sum(self._totals.values())
        return total - event.total + event.index, total
