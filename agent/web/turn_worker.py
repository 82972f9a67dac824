"""Runs the turns of the page: each in a thread of its own, one drawing at a time, and reports their progress.

A page only watches: it may be closed, reloaded or opened twice while a turn runs. Knows neither HTTP nor HTML.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from typing import Any

from ...prompts.errors import DitpipeError, one_line
from ...renderer.request import Step
from ..chat.session import ChatEvent, Replied, Session, Sessions, Understood
from ..events import Critiqued, Planned, Rendered, Revised, Stepped

PREVIEW_EVERY = 0.4  # least seconds between two previews, since each one is decoded
SLOW = 10.0  # seconds: a longer remaining time is shown
STOPPED_EARLY = "Stopped before it began; nothing was drawn."

log = logging.getLogger(__name__)
Drawing = Callable[[Session], Iterator[ChatEvent]]


@dataclass(frozen=True)
class Progress:
    """How far a turn is. `total` is 0 while unknown; `preview` is a PNG, number `previews` of this turn."""

    text: str
    done: int = 0
    total: int = 0
    preview: bytes | None = None
    previews: int = 0
    stoppable: bool = True


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


class TurnWorker:
    """The running turns of one caller.

    `render_lock`: held while drawing, shared by all workers. `warm`: set once the models are loaded.
    """

    def __init__(self, render_lock: threading.Lock, warm: threading.Event) -> None:
        self._render_lock, self._warm, self._lock = render_lock, warm, threading.Lock()
        self._progress: dict[str, Progress] = {}
        self._running: dict[str, Session] = {}
        self._stops: dict[str, threading.Event] = {}
        self._problems: dict[str, str] = {}
        self.changes = Changes()

    def progress(self, session: str) -> Progress | None:
        """Progress of this session's turn; None if none runs."""
        return self._progress.get(session)

    def problem(self, session: str) -> str:
        """Why the last turn could not even begin, in one line; empty if it began."""
        return self._problems.get(session, "")

    def start(self, session: Session, drawing: Drawing) -> bool:
        """Runs a turn in the background; False if one runs already."""
        with self._lock:
            if session.id in self._progress:
                return False
            self._progress[session.id] = Progress("Reading your words …")
            self._running[session.id] = session
            self._stops[session.id] = threading.Event()
            self._problems.pop(session.id, None)
        threading.Thread(target=self._run, args=[session, drawing], name=f"web-{session.id}", daemon=True).start()
        self.changes.announce()
        return True

    def stop(self, session: str) -> None:
        """Ends the turn: at the next step while it draws, else once the plan is there."""
        with self._lock:
            running, stop = self._running.get(session), self._stops.get(session)
        if running and stop:
            stop.set()
            running.stop()
            self._note(session, text="Stopping …", stoppable=False)

    def finish_interrupted(self, sessions: Sessions) -> None:
        """Goes on with every turn that an ended process left unfinished."""
        for record in sessions.list():
            try:
                session = sessions.open(record.id)
                unfinished = session.unfinished
            except DitpipeError as error:  # the others are gone on with
                log.warning("session %r is left as it is: %s", record.id, one_line(error))
                continue
            if unfinished:
                self.start(session, lambda opened: opened.resume())

    def _note(self, session: str, **changes: Any) -> None:
        with self._lock:
            if session in self._progress:
                self._progress[session] = replace(self._progress[session], **changes)
        self.changes.announce()

    def _run(self, session: Session, drawing: Drawing) -> None:
        stop = self._stops[session.id]
        try:
            if self._until(stop, lambda: self._render_lock.acquire(timeout=0.2), session, WAITING):
                try:
                    if self._until(stop, lambda: self._warm.wait(0.2), session, LOADING):
                        self._follow(session, drawing(session), stop)
                finally:
                    self._render_lock.release()
        except (DitpipeError, ValueError) as error:
            self._problems[session.id] = one_line(error)
        except Exception:
            log.exception("the turn of session %s could not be followed", session.id)
            self._problems[session.id] = "an internal error; the log says more"
        finally:
            with self._lock:
                del self._progress[session.id], self._running[session.id], self._stops[session.id]
            self.changes.announce()

    def _until(self, stop: threading.Event, ready: Callable[[], bool], session: Session, text: str) -> bool:
        """Waits for `ready`; False if the turn was stopped before."""
        waited = False
        while not ready():
            if not waited:
                self._note(session.id, text=text)
            waited = True
            if stop.is_set():
                self._problems[session.id] = STOPPED_EARLY
                return False
        if waited:
            self._note(session.id, text="Reading your words …")
        return True

    def _follow(self, session: Session, events: Iterator[ChatEvent], stop: threading.Event) -> None:
        watch = _Watch()
        for event in _stoppable(session, events, stop):
            if changes := watch.see(event):
                if stop.is_set():
                    changes = {name: value for name, value in changes.items() if name not in ("text", "stoppable")}
                self._note(session.id, **changes)


WAITING = "Another picture is being drawn; yours is next …"
LOADING = "Loading the models; this happens once after each start …"


def _stoppable(session: Session, events: Iterator[ChatEvent], stop: threading.Event) -> Iterator[ChatEvent]:
    """The events of a turn. A stop during planning ends it as soon as there is a plan; while drawing, the steps ask."""
    for event in events:
        yield event
        if stop.is_set() and isinstance(event, Understood | Planned) and isinstance(events, Generator):
            session.stop()  # a turn that begins after the request has cleared it
            yield events.throw(KeyboardInterrupt())


class _Watch:
    """Turns events into what a person reads."""

    def __init__(self) -> None:
        self._previews, self._preview_time, self._start_time, self._round = 0, 0.0, 0.0, 0

    def see(self, event: ChatEvent) -> dict[str, Any]:
        """The fields of Progress that the event changes."""
        match event:
            case Understood():
                return {"text": "Planning the picture …" if event.command.kind == "new brief" else "Working on it …"}
            case Planned():
                return {"text": "This is the layout; drawing begins …"}
            case Stepped(number, step):
                return self._step(number, step)
            case Rendered():
                return {"text": "Looking at it …", "total": 0, "done": 0}
            case Critiqued():
                return {"text": "Comparing it with the plan …"}
            case Revised(_, revision):
                return {"text": f"Drawing again: {', '.join(revision.names)} …"}
            case Replied():
                return {"stoppable": False}
        return {}

    def _step(self, number: int, step: Step) -> dict[str, Any]:
        now = time.monotonic()
        if number != self._round or step.index == 1:
            self._round, self._start_time = number, now
        text = "Drawing" if number == 1 else f"Drawing, try {number}"
        left = (now - self._start_time) / max(1, step.index - 1) * (step.total - step.index) if step.index > 1 else 0
        if left > SLOW:
            text += f"; this machine needs about {_duration(left)} more"
        changes: dict[str, Any] = {"text": f"{text} …", "done": step.index, "total": step.total}
        if now - self._preview_time >= PREVIEW_EVERY and step.index < step.total:
            buffer = BytesIO()
            step.preview().save(buffer, "PNG")
            self._preview_time, self._previews = time.monotonic(), self._previews + 1
            changes |= {"preview": buffer.getvalue(), "previews": self._previews}
        return changes


def _duration(seconds: float) -> str:
    return f"{round(seconds / 60)} minutes" if seconds >= 90 else f"{round(seconds / 10) * 10} seconds"
