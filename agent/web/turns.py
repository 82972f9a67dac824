"""The turns of the page: jobs of the server's queue, whose progress any window can follow.

A page only watches: it may be closed, reloaded or opened twice while a turn runs. Knows neither HTTP nor HTML.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from ...prompts.errors import DitpipeError, one_line
from ...tools.jobs.engine import Job
from ...tools.jobs.follow import POLL, changes
from ...tools.jobs.local_engine import LocalEngine
from ..chat.session import Session, Sessions
from ..chat.turn_job import TURN, Act, TurnInput, TurnSettings
from .progress import Narration, Progress

PREVIEWS = 8  # of each round
READING = "Reading your words …"
WAITING = "Another picture is being drawn; yours is next …"
LOADING = "Loading the models; this happens once after each start …"
STOPPED_EARLY = "Stopped before it began; nothing was drawn."

log = logging.getLogger(__name__)


class Changes:
    """Wakes the event streams of a caller's windows, from any thread."""

    def __init__(self) -> None:
        self._wakers: set[Callable[[], object]] = set()
        self._lock = threading.Lock()

    def announce(self) -> None:
        with self._lock:
            for wake in self._wakers:
                wake()

    @contextmanager
    def subscribed(self) -> Iterator[asyncio.Event]:
        """Yields an event of the running loop that is set on every change."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> object:
            return loop.call_soon_threadsafe(event.set)

        with self._lock:
            self._wakers.add(wake)
        try:
            yield event
        finally:
            with self._lock:
                self._wakers.discard(wake)


class Turns:
    """The running turns of one caller. `warm`: set once the models are loaded."""

    def __init__(self, jobs: LocalEngine, sessions: Sessions, *, caller: str, warm: threading.Event) -> None:
        self._engine, self._sessions, self._caller, self._warm = jobs, sessions, caller, warm
        self._lock = threading.Lock()
        self._progress: dict[str, Progress] = {}
        self._jobs: dict[str, Job] = {}  # of each session
        self._problems: dict[str, str] = {}
        self.changes = Changes()

    def progress(self, session: str) -> Progress | None:
        """Progress of this session's turn; None if none runs."""
        return self._progress.get(session)

    def problem(self, session: str) -> str:
        """Why the last turn could not start, in one line; empty if it began."""
        return self._problems.get(session, "")

    def start(self, session: Session, *acts: Act, settings: TurnSettings | None = None) -> bool:
        """Queues turns of a session; False if one runs already. Raises QueueFull; DitpipeError without workers."""
        with self._lock:
            if session.id in self._progress:
                return False
            self._progress[session.id] = Progress(READING, messages=tuple(act.message for act in acts))
            self._problems.pop(session.id, None)
        turn = TurnInput(session=session.id, acts=acts, caller=self._caller, settings=settings or TurnSettings())
        try:
            job = self._engine.submit(TURN, turn.model_dump(mode="json"), caller=self._caller, previews=PREVIEWS)
        except BaseException:
            del self._progress[session.id]
            raise
        self._watch(session, job)
        return True

    def stop(self, session: str) -> None:
        """Ends the turn: at the next step while it draws, else once the plan is there."""
        if job := self._jobs.get(session):
            self._note(session, text="Stopping …", stoppable=False)
            self._engine.cancel(job.id, caller=self._caller)

    def finish_interrupted(self) -> None:
        """Goes on with every turn that an ended process left unfinished, and watches those that are queued already."""
        for job in self._engine.recent(self._caller):
            if job.kind == TURN and not job.is_finished:
                turn = TurnInput.model_validate(job.payload)
                try:
                    session = self._sessions.open(turn.session)
                except DitpipeError as error:  # it was deleted meanwhile
                    log.warning("a message of session %r is dropped: %s", turn.session, one_line(error))
                    self._engine.cancel(job.id, caller=self._caller)
                    continue
                self._progress[turn.session] = Progress(READING, messages=tuple(act.message for act in turn.acts))
                self._watch(session, job)
        for record in self._sessions.list():
            try:
                session = self._sessions.open(record.id)
                unfinished = session.unfinished
            except DitpipeError as error:  # the others are resumed
                log.warning("session %r is left as it is: %s", record.id, one_line(error))
                continue
            if unfinished:
                self.start(session, Act(do="resume"))

    def _watch(self, session: Session, job: Job) -> None:
        self._jobs[session.id] = job
        self._note(session.id, job=job.id)
        threading.Thread(target=self._follow, args=[session, job], name=f"web-{session.id}", daemon=True).start()
        self.changes.announce()

    def _note(self, session: str, **fields: Any) -> None:
        with self._lock:
            before = self._progress.get(session)
            if before and not before.stoppable:  # it is being stopped, or over: that stays on the page
                fields = {name: value for name, value in fields.items() if name not in ("text", "stoppable")}
            if before is None or (now := replace(before, **fields)) == before:
                return
            self._progress[session] = now
        self.changes.announce()

    def _follow(self, session: Session, job: Job) -> None:
        state, narration, begun = job, Narration(), False
        try:
            for change in changes(self._engine, job, float("inf")):
                if isinstance(change, Job):
                    state = change
                elif change:
                    begun = True
                    self._note(session.id, **narration.of(change))
                else:
                    time.sleep(POLL)
                if not begun:
                    text = LOADING if not self._warm.is_set() else WAITING if state.status == "queued" else READING
                    self._note(session.id, text=text)
            while state.status == "cancelled" and session.busy:  # until the step in progress has ended
                time.sleep(POLL)
            if state.status == "cancelled" and not any(turn.job == job.id for turn in session.turns):
                self._problems[session.id] = STOPPED_EARLY
            if state.error:
                self._problems[session.id] = state.error
            self._engine.remove(state)
        except (DitpipeError, ValueError) as error:
            self._problems[session.id] = one_line(error)
        except Exception:
            log.exception("the turn of session %s could not be followed", session.id)
            self._problems[session.id] = "an internal error; the log says more"
        finally:
            with self._lock:
                del self._progress[session.id], self._jobs[session.id]
            self.changes.announce()
