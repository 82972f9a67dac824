"""Who draws for the page: each session's turn runs in a thread of its own, one at a time, and says how far it is.

The page only looks: it may be closed, reloaded or opened twice while a turn runs. Knows no Gradio.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO

from ...prompts.errors import DitpipeError, one_line
from ...renderer.request import Step
from ..chat.session import ChatEvent, Replied, Session, Sessions, Understood
from ..events import Critiqued, Planned, Rendered, Revised, Stepped

PREVIEW_EVERY = 0.4  # seconds between two previews at least, since each one is decoded
SLOW = 10.0  # seconds still to go from which on they are said

log = logging.getLogger(__name__)
Drawing = Callable[[Session], Iterator[ChatEvent]]


@dataclass(frozen=True)
class Progress:
    """How far a turn is. `total` is 0 while that cannot be said; `preview` is a PNG, the `previews`-th of the turn."""

    text: str
    done: int = 0
    total: int = 0
    preview: bytes | None = None
    previews: int = 0
    stoppable: bool = False


class Desk:
    """The turns that are being drawn now.

    `easel`: the lock that lets one of them draw at a time, on whatever desk. `warm`: set once the models are loaded.
    """

    def __init__(self, easel: threading.Lock, warm: threading.Event) -> None:
        self._easel, self._warm, self._lock = easel, warm, threading.Lock()
        self._progress: dict[str, Progress] = {}
        self._drawing: dict[str, Session] = {}
        self._said: dict[str, str] = {}

    def progress(self, session: str) -> Progress | None:
        """How far this session's turn is; None if none runs."""
        return self._progress.get(session)

    def complaint(self, session: str) -> str:
        """What could not even begin, in one line; said once."""
        return self._said.pop(session, "")

    def start(self, session: Session, drawing: Drawing) -> bool:
        """Runs a turn in the background; False if one runs already."""
        with self._lock:
            if session.id in self._progress:
                return False
            self._progress[session.id] = Progress("Reading your words …")
            self._drawing[session.id] = session
        threading.Thread(target=self._run, args=[session, drawing], name=f"web-{session.id}", daemon=True).start()
        return True

    def stop(self, session: str) -> None:
        """Ends the drawing at its next step."""
        if drawing := self._drawing.get(session):
            self._note(session, text="Stopping …", stoppable=False)
            drawing.stop()

    def finish_what_was_left(self, sessions: Sessions) -> None:
        """Goes on with every turn that an ended process left unfinished."""
        for record in sessions.list():
            try:
                session = sessions.open(record.id)
                unfinished = session.unfinished
            except DitpipeError as error:  # the others are gone on with
                log.warning("session %r is left as it is: %s", record.id, one_line(error))
                continue
            if unfinished:
                self.start(session, lambda one: one.resume())

    def _note(self, session: str, **changes: object) -> None:
        with self._lock:
            if session in self._progress:
                self._progress[session] = replace(self._progress[session], **changes)  # type: ignore[arg-type]

    def _run(self, session: Session, drawing: Drawing) -> None:
        try:
            if not self._easel.acquire(blocking=False):
                self._note(session.id, text="Another picture is being drawn; yours is next …")
                self._easel.acquire()
            try:
                if not self._warm.is_set():
                    self._note(session.id, text="Loading the models; this happens once after each start …")
                    self._warm.wait()
                    self._note(session.id, text="Reading your words …")
                watch = _Watch()
                for event in drawing(session):
                    if changes := watch.see(event):
                        self._note(session.id, **changes)
            finally:
                self._easel.release()
        except (DitpipeError, ValueError) as error:
            self._said[session.id] = one_line(error)
        except Exception:
            log.exception("the turn of session %s could not be followed", session.id)
            self._said[session.id] = "an internal error; the log says more"
        finally:
            with self._lock:
                del self._progress[session.id], self._drawing[session.id]


class _Watch:
    """Turns events into what a person is told."""

    def __init__(self) -> None:
        self._previews, self._looked, self._began, self._round = 0, 0.0, 0.0, 0

    def see(self, event: ChatEvent) -> dict[str, object]:
        match event:
            case Understood():
                return {"text": "Planning the picture …" if event.command.kind == "new brief" else "Working on it …"}
            case Planned():
                return {"text": "This is the layout; drawing begins …", "stoppable": True}
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

    def _step(self, number: int, step: Step) -> dict[str, object]:
        now = time.monotonic()
        if number != self._round or step.index == 1:
            self._round, self._began = number, now
        text = "Drawing" if number == 1 else f"Drawing, try {number}"
        left = (now - self._began) / max(1, step.index - 1) * (step.total - step.index) if step.index > 1 else 0
        if left > SLOW:
            text += f"; this machine needs about {_words(left)} more"
        seen: dict[str, object] = {"text": f"{text} …", "done": step.index, "total": step.total, "stoppable": True}
        if now - self._looked >= PREVIEW_EVERY and step.index < step.total:
            buffer = BytesIO()
            step.preview().save(buffer, "PNG")
            self._looked, self._previews = time.monotonic(), self._previews + 1
            seen |= {"preview": buffer.getvalue(), "previews": self._previews}
        return seen


def _words(seconds: float) -> str:
    return f"{round(seconds / 60)} minutes" if seconds >= 90 else f"{round(seconds / 10) * 10} seconds"
