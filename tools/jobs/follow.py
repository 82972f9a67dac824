"""Follows a job of any engine, with and without an event loop: one stream of what it reports and of its states."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

from .engine import Job, JobEngine
from .job_events import JobEvent

POLL = 0.03  # seconds between two looks at a job


def follow(engine: JobEngine, job: Job, *, patience: float = float("inf")) -> Iterator[Job | JobEvent]:
    """Every event from the job's beginning on, and its state where that changed, until it is finished or `patience`
    seconds are over. Its state comes last."""
    for change in changes(engine, job, patience):
        if change is None:
            time.sleep(POLL)
        else:
            yield change


async def afollow(engine: JobEngine, job: Job, *, patience: float = float("inf")) -> AsyncIterator[Job | JobEvent]:
    """`follow`, without blocking the event loop."""
    for change in changes(engine, job, patience):
        if change is None:
            await asyncio.sleep(POLL)
        else:
            yield change


def changes(engine: JobEngine, job: Job, patience: float) -> Iterator[Job | JobEvent | None]:
    """What `follow` yields; None where its driver pauses before the next look."""
    last, seen, deadline = None, 0, time.monotonic() + patience
    while True:
        state = engine.get(job.id, caller=job.caller)
        events = engine.events(job, seen) if state.events > seen else []  # all of them, if the state is a last one
        yield from events
        seen += len(events)
        ends = state.is_finished or time.monotonic() >= deadline
        if state != last or (ends and events):
            yield state
        if ends:
            return
        last = state
        yield None
