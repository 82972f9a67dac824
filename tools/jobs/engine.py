"""`JobEngine`, the interface of engines that draw jobs; `LocalEngine` implements it, a cluster's engine could.

queued ──► running ──► done | failed | cancelled
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from ...renderer.request import OnStep

Status = Literal["queued", "running", "done", "failed", "cancelled"]
FINISHED = ("done", "failed", "cancelled")
RECENT = 100  # jobs in a list
LOCAL = "local"  # the caller's name on a machine without keys


@dataclass(frozen=True)
class Job:
    """The state of one picture. `kind` names its handler, `payload` is the handler's input as JSON."""

    id: str
    caller: str
    kind: str
    payload: dict[str, Any]
    previews: int
    status: Status
    step: int
    steps: int
    error: str

    @property
    def is_finished(self) -> bool:
        return self.status in FINISHED


@dataclass(frozen=True)
class JobContext:
    """What a handler gets beside its input: a folder of its own, a callback per step, and the cancel signal.

    `stop` is set once the job is cancelled or the engine closes. `on_step` then raises KeyboardInterrupt, as an agent
    with this `stop` does; a handler that computes without steps checks `stop` itself.
    """

    folder: Path
    on_step: OnStep = lambda step: None
    stop: threading.Event = field(default_factory=threading.Event)


JobHandler = Callable[[dict[str, Any], JobContext], bytes]
"""(payload, context) → a PNG file's bytes. The same payload gives the same bytes."""


class JobEngine(Protocol):
    """Draws jobs, one per device at a time, and keeps their pictures. Each caller sees only its own jobs."""

    folder: Path  # absolute; holds the pictures, and the server's own files

    def open(self) -> None:
        """Starts drawing, first the unfinished jobs of ended processes; returns at once."""

    def close(self) -> None:
        """Stops within one step; jobs that were running are queued again."""

    def submit(self, kind: str, payload: dict[str, Any], *, caller: str, previews: int = 0) -> Job:
        """Queues a job; `previews` intermediate pictures are kept. Raises QueueFull; DitpipeError without workers."""

    def get(self, job_id: str, *, caller: str) -> Job:
        """The present state of a caller's job. Raises UnknownPicture."""

    def recent(self, caller: str) -> list[Job]:
        """A caller's newest `RECENT` jobs, newest first."""

    def cancel(self, job_id: str, *, caller: str) -> Job:
        """Ends a job that is not finished; a running one at its next step. Raises UnknownPicture."""

    def remove(self, job: Job) -> None:
        """Deletes a finished job with its files; any other is left as it is."""

    def file(self, job: Job, kind: str = "") -> Path:
        """A job's picture; `kind` 'small' is its thumbnail, a number the preview of that number, from 1."""

    def job_folder(self, job: Job) -> Path:
        """The folder of the job's handler."""
