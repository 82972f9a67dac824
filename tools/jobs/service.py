"""`PictureService`: an engine and its limits, for HTTP, MCP and LangChain."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from .engine import Job, PictureEngine
from .follow import afollow, changes, follow
from .job_events import JobEvent


@dataclass(frozen=True)
class PictureService:
    """An engine and its limits.

    `patience`: seconds that a call waits for its picture before it returns the job's id. `largest`: most pixels a side.
    """

    jobs: PictureEngine
    patience: float = 45
    largest: int = 2048

    def submit(self, kind: str, job_input: BaseModel, *, caller: str, previews: int = 0) -> Job:
        """Queues a job for the handler `kind`. Raises QueueFull; DitpipeError if nothing can be drawn here."""
        payload = job_input.model_dump(mode="json", exclude={"wait"})
        return self.jobs.submit(kind, payload, caller=caller, previews=previews)

    def follow(self, job: Job, *, patience: float | None = None) -> Iterator[Job | JobEvent]:
        """Yields the job's events and states; its final state comes last. See `follow.follow`."""
        return follow(self.jobs, job, patience=self._patience(patience))

    def afollow(self, job: Job, *, patience: float | None = None) -> AsyncIterator[Job | JobEvent]:
        """`follow`, without blocking the event loop."""
        return afollow(self.jobs, job, patience=self._patience(patience))

    def changes(self, job: Job, patience: float | None) -> Iterator[Job | JobEvent | None]:
        """What `follow` yields; None where the caller pauses before the next look."""
        return changes(self.jobs, job, self._patience(patience))

    def _patience(self, seconds: float | None) -> float:
        return self.patience if seconds is None else seconds
