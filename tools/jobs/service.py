"""`PictureService`: an engine, its limits, and the one way to follow a job, for HTTP, MCP and LangChain."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from pydantic import BaseModel

from .engine import Job, JobEngine

POLL = 0.04  # seconds between polls of a job


@dataclass(frozen=True)
class PictureService:
    """An engine and its limits.

    `patience`: seconds that a call waits for its picture before it returns the job's id. `largest`: most pixels a side.
    """

    jobs: JobEngine
    patience: float = 45
    largest: int = 2048

    def submit(self, kind: str, job_input: BaseModel, *, caller: str, previews: int = 0) -> Job:
        """Queues a job for the handler `kind`. Raises QueueFull; DitpipeError if nothing can be drawn here."""
        payload = job_input.model_dump(mode="json", exclude={"wait"})
        return self.jobs.submit(kind, payload, caller=caller, previews=previews)

    def follow(self, job: Job, *, patience: float | None = None) -> Iterator[Job]:
        """The job at each change, until it is finished or `patience` seconds are over."""
        for state in self.states(job, patience):
            if state is None:
                time.sleep(POLL)
            else:
                yield state

    async def afollow(self, job: Job, *, patience: float | None = None) -> AsyncIterator[Job]:
        """`follow`, without blocking the event loop."""
        for state in self.states(job, patience):
            if state is None:
                await asyncio.sleep(POLL)
            else:
                yield state

    def states(self, job: Job, patience: float | None) -> Iterator[Job | None]:
        """The job at each change; None where the caller pauses before the next look."""
        last, deadline = None, time.monotonic() + (self.patience if patience is None else patience)
        while True:
            state = self.jobs.get(job.id, caller=job.caller)
            if state != last:
                yield state
            if state.is_finished or time.monotonic() >= deadline:
                return
            last = state
            yield None
