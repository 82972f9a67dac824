"""The engine of a program that draws for itself: a thread per job, everything in memory."""

import asyncio
import sys
import threading
import uuid
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...prompts.errors import JobCancelled, UnknownPicture, first_line
from ..watching.job_scope import job_scope
from .engine import LOCAL, RECENT, Job, JobContext, JobHandler, Status, StepCount
from .follow import POLL, afollow, follow
from .job_events import JobEvent, Stepped


@dataclass
class _Running:
    """A job, and what only its own process knows of it."""

    job: Job
    events: list[JobEvent] = field(default_factory=list)
    steps: StepCount = field(default_factory=StepCount)
    stop: threading.Event = field(default_factory=threading.Event)
    interrupted: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None

    def emit(self, event: JobEvent) -> None:
        self.events.append(event)
        step, steps = self.steps.add(event) if isinstance(event, Stepped) else (self.job.step, self.job.steps)
        self.job = replace(self.job, step=step, steps=steps, events=len(self.events))

    def interrupt(self) -> None:
        """Ends the job and waits for the step in progress. Not while the interpreter ends: no thread runs then."""
        self.interrupted.set()
        self.stop.set()
        while not self.ended.wait(POLL) and not sys.is_finalizing():
            pass


class InProcessEngine:
    """Jobs of this process; see `JobEngine`. `folder`: a job's handler may write in a folder of the job's id in it.

    Each job runs in a thread of its own, and waits only for the device that it draws on. `run` and `arun` are the short
    way: they submit a job, yield its events and raise what its handler raised.
    """

    def __init__(self, folder: Path, handlers: Mapping[str, JobHandler]) -> None:
        self.folder, self.handlers = folder, handlers
        self._jobs: dict[str, _Running] = {}

    def close(self) -> None:
        for running in list(self._jobs.values()):
            running.interrupt()

    def submit(self, kind: str, payload: dict[str, Any], *, caller: str = LOCAL, previews: int = 0) -> Job:
        job = Job(uuid.uuid4().hex, caller, kind, payload, previews, "running", 0, 0, "")
        running = self._jobs[job.id] = _Running(job)
        name = f"job-{kind}-{job.id[:8]}"
        threading.Thread(target=copy_context().run, args=(self._work, running), name=name, daemon=True).start()
        return job

    def get(self, job_id: str, *, caller: str = LOCAL) -> Job:
        return self._running(job_id, caller).job

    def recent(self, caller: str = LOCAL) -> list[Job]:
        jobs = [running.job for running in self._jobs.values() if running.job.caller == caller]
        return jobs[: -RECENT - 1 : -1]

    def events(self, job: Job, after: int = 0) -> list[JobEvent]:
        return self._running(job.id, job.caller).events[after:]

    def cancel(self, job_id: str, *, caller: str = LOCAL) -> Job:
        running = self._running(job_id, caller)
        running.stop.set()
        return running.job

    def remove(self, job: Job) -> None:
        if self._running(job.id, job.caller).job.is_finished:
            del self._jobs[job.id]

    def run(self, kind: str, payload: dict[str, Any], *, previews: int = 0) -> Iterator[JobEvent]:
        """The events of a new job. A reader that leaves early interrupts it, and waits for the step in progress."""
        yield from self.read(self.submit(kind, payload, previews=previews))

    def read(self, job: Job) -> Iterator[JobEvent]:
        """`run`, of a job that was submitted."""
        running = self._running(job.id, job.caller)
        try:
            for change in follow(self, job):
                if isinstance(change, JobEvent):
                    yield change
        finally:
            running.interrupt()
            self.remove(job)
        if running.error:
            raise running.error

    async def arun(self, kind: str, payload: dict[str, Any], *, previews: int = 0) -> AsyncGenerator[JobEvent, None]:
        """`run`, without blocking the event loop."""
        job = self.submit(kind, payload, previews=previews)
        running = self._running(job.id, job.caller)
        try:
            async for change in afollow(self, job):
                if isinstance(change, JobEvent):
                    yield change
        finally:
            await asyncio.to_thread(running.interrupt)
            self.remove(job)
        if running.error:
            raise running.error

    def _running(self, job_id: str, caller: str) -> _Running:
        running = self._jobs.get(job_id)
        if running is None or running.job.caller != caller:
            raise UnknownPicture(f"no job {job_id[:40]!r}")
        return running

    def _work(self, running: _Running) -> None:
        job = running.job
        context = JobContext(
            self.folder / job.id, running.emit, running.stop, running.interrupted, job.previews, job.id
        )
        status: Status = "done"
        try:
            with job_scope(job.id, job.kind):
                self.handlers[job.kind](job.payload, context)
        except JobCancelled as error:
            running.error, status = error, "cancelled"
        except BaseException as error:  # raised again where the events are read
            running.error, status = error, "failed"
        failure = first_line(running.error) if running.error else ""
        running.job = replace(running.job, status=status, error=failure)
        running.ended.set()
