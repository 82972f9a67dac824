"""A picture talked into shape: sessions of turns, each of which draws only what its message changes.

    session = Sessions().new()
    for event in session.say("a red cat on the left and a blue rocket on the right, at night"):
        ...
    for event in session.say("make the cat orange"):
        ...
    session.undo()
    session.picture, session.plan

Events are those of `Agent.stream` (Planned, Waiting, Stepped, Rendered, Critiqued, Compared, Revised, Finished);
the first event of a message is `Understood` and the last one always `Replied`.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from PIL import Image

from ...prompts.chat_schema import ChatCommand, Kind
from ...prompts.critique import Critique
from ...prompts.errors import RunError
from ...prompts.plan import MAX_BRIEF, ScenePlan
from ...prompts.revision import Revision
from ...renderer.pictures.artifacts import open_image
from ...renderer.pictures.file_ref import path_inside
from ..agent import Agent
from .history import path_to
from .listener import Listener, Shown
from .store import SessionRecord, Store, Turn
from .turn_runner import ChatEvent, Doing, Replied, Turning, Understood, guarded

__all__ = ["ChatEvent", "Replied", "Session", "Sessions", "Turn", "Understood"]


class Sessions:
    """All conversations of a store. One agent's models serve them all; each session's settings are the agent's."""

    def __init__(
        self, agent: Agent | None = None, *, store: Store | None = None, listener: Listener | None = None
    ) -> None:
        """`agent`: None for one with the default settings; its setting `sessions` says where the store is.

        `listener`: None for the one that fits the agent's planner.
        """
        self.agent = agent or Agent()
        self.store = store or Store(self.agent.settings.sessions)
        self._listener = listener
        self._stops: dict[str, threading.Event] = {}

    @property
    def listener(self) -> Listener:
        """What understands the messages, made on first use."""
        if self._listener is None:
            from .listener import listener_for

            self._listener = listener_for(self.agent)
        return self._listener

    def list(self) -> list[SessionRecord]:
        """All sessions, the latest used first."""
        return self.store.records()

    def new(self, title: str = "") -> "Session":
        """A session without turns; its first brief becomes its title if it has none."""
        return Session(self, self.store.create(title))

    def open(self, id: str) -> "Session":
        """A session by its id or a clear beginning of it. If it has an `unfinished` turn, `resume()` draws it.

        Raises RunError if there is no such session.
        """
        return Session(self, self.store.record(id))

    def stop_of(self, id: str) -> threading.Event:
        """The event that ends the drawing of a session, shared by all its objects here."""
        return self._stops.setdefault(id, threading.Event())


class Session:
    """One conversation. Everything is read from the store, so several objects of one session show the same.

    Calls that draw are iterators of events: nothing happens before they are read. Only one of them runs at a time in a
    session, whichever process it is in; another raises RunError. Errors of a turn (a model that cannot be reached, a
    plan that cannot be drawn) end it as 'failed' with the reason as its reply, and leave the picture as it was.
    """

    def __init__(self, sessions: Sessions, record: SessionRecord) -> None:
        self.sessions, self.id, self.agent = sessions, record.id, sessions.agent
        self.store, self.folder = sessions.store, path_inside(sessions.store.folder, record.id)
        self._lock = self.folder / "session.lock"

    @property
    def title(self) -> str:
        return self.store.record(self.id).title

    @property
    def turns(self) -> list[Turn]:
        """The transcript, in the order of the messages."""
        return self.store.turns(self.id)

    @property
    def states(self) -> list[Turn]:
        """The turns from the first picture to the one that is shown: what undo walks along."""
        return path_to(self.turns, self.store.record(self.id).head)

    @property
    def head(self) -> Turn | None:
        """The turn whose picture is shown."""
        return next(iter(self.states[-1:]), None)

    @property
    def waiting(self) -> Turn | None:
        """The turn whose plan waits for a yes, or None."""
        return next((turn for turn in reversed(self.turns) if turn.status == "waiting"), None)

    @property
    def unfinished(self) -> Turn | None:
        """A turn that a killed process left; None while another process is still at work on it."""
        pending = next((turn for turn in reversed(self.turns) if turn.status == "pending"), None)
        return None if pending is None or self.busy else pending

    @property
    def busy(self) -> bool:
        """Whether some process is at work on a turn of this session."""
        # Whoever looks takes the lock for a moment: one at a time, so that nobody takes another onlooker for work.
        with FileLock(self._lock.with_suffix(".look")), suppress(Timeout), FileLock(self._lock).acquire(timeout=0):
            return False
        return True

    @property
    def plan(self) -> ScenePlan | None:
        """The plan that waits for a yes, else the one that the picture shows."""
        turn = self.waiting or self.head
        return turn.plan if turn else None

    @property
    def critique(self) -> Critique | None:
        head = self.head
        return head.critique if head else None

    @property
    def picture_path(self) -> Path | None:
        """The PNG that is shown (it carries its request), or None."""
        head = self.head
        return self.path(head.picture) if head and head.picture else None

    @property
    def picture(self) -> Image.Image | None:
        path = self.picture_path
        return open_image(path) if path else None

    def path(self, file: str) -> Path:
        """A turn's or candidate's file as an absolute path. Raises RunError if it is not in the session's folder."""
        return path_inside(self.folder, file)

    def say(self, message: str) -> Iterator[ChatEvent]:
        """Understands a message and does what it says. Raises ValueError for an empty or endless one."""
        yield from self._turn(_readable(message), self._turning.hear)

    def change(self, revision: Revision, message: str = "", *, whole: bool = False) -> Iterator[ChatEvent]:
        """Draws a revision into the picture, only the regions it names; with `whole` all of it, from the same seeds.

        While a plan waits for a yes, the plan is changed and goes on waiting. Without `revision.scene` the scene prompt
        follows the regions where it can (prompts/prompt_style.py). What does not fit the plan ends the turn as
        'failed'.
        """
        heard = ChatCommand(kind="change", revision=revision, whole=whole)
        yield from self._turn(message or "change", lambda turn: self._turning.do(turn, heard))

    def replan(self, plan: ScenePlan, message: str = "") -> Iterator[ChatEvent]:
        """As `change`, to this plan: what differs is drawn; all of it if its scene prompt, size or negative differ."""
        yield from self._turn(message or "change", lambda turn: self._turning.replan(turn, plan))

    def approve(self, plan: ScenePlan | None = None, message: str = "yes") -> Iterator[ChatEvent]:
        """Says yes to the plan that waits, or to this changed one, and draws it; 'failed' if none waits."""
        yield from self._turn(message, lambda turn: self._turning.approve(turn, plan))

    def again(self, message: str = "try again") -> Iterator[ChatEvent]:
        """Draws the whole plan again from new noise."""
        heard = ChatCommand(kind="change", whole=True, fresh=True)
        yield from self._turn(message, lambda turn: self._turning.do(turn, heard))

    def choose(self, number: int, message: str = "") -> Turn:
        """Shows another candidate of the picture, from 1. Raises ValueError."""
        return self._at_once(message or f"number {number}", lambda turn: self._turning.choose(turn, number))

    def undo(self, steps: int = 1, message: str = "") -> Turn:
        """Shows the picture that many steps back; nothing is lost. Raises ValueError if there are not so many."""
        said = message or ("undo" if steps == 1 else f"go back {steps}")
        return self._at_once(said, lambda turn: self._turning.walk(turn, steps), kind="undo")

    def redo(self, steps: int = 1, message: str = "") -> Turn:
        """The way back from an undo; 0 steps: all that the last undo took back. Raises ValueError if there is none."""
        return self._at_once(message or "redo", lambda turn: self._turning.walk(turn, steps, forward=True), kind="redo")

    def show(self, number: int, message: str = "") -> Turn:
        """Shows the picture of any turn of this session, as an undo does. Raises ValueError."""
        return self._at_once(message or f"back to {number}", lambda turn: self._turning.show(turn, number), kind="undo")

    def resume(self) -> Iterator[ChatEvent]:
        """Finishes the `unfinished` turn from its last finished step: the same seeds and plan, so the same picture."""
        with self._work():
            turn = next((turn for turn in reversed(self.turns) if turn.status == "pending"), None)
            if turn is None:
                return
            known = turn.kind is not None and turn.folder is not None
            yield from guarded(self, turn, self._turning.draw(turn) if known else self._turning.hear(turn))

    def stop(self) -> None:
        """Ends the drawing at its next step, from any thread; the turn becomes 'stopped', the session goes on."""
        self.sessions.stop_of(self.id).set()

    def rename(self, title: str) -> None:
        self.store.rename(self.id, title)

    def branch(self, number: int | None = None, title: str = "") -> "Session":
        """A new session that begins with a copy of this one's turns, up to that number; None: all of them."""
        from .export import branched

        return Session(self.sessions, branched(self, number, title))

    def export(self, path: Path) -> Path:
        """Writes a zip: plan.json, picture.png, every turn's picture, transcript.md and session.json."""
        from .export import exported

        return exported(self, path)

    @property
    def shown(self) -> Shown:
        """What the person has before them."""
        head, turns, waiting = self.head, self.turns, self.waiting
        before = [turn for turn in turns if turn.status != "pending"]
        asked = before[-1].message if before and before[-1].kind == "unclear" else ""
        touched = tuple(head.revision.names) if head and head.revision else ()
        return Shown(
            plan=self.plan, critique=None if waiting else self.critique, waiting=waiting is not None,
            candidates=len(head.candidates) if head and not waiting else 0,
            said=tuple(turn.message for turn in before), asked=asked, touched=touched,
            draws=self.agent.vocabulary_summary,
        )  # fmt: skip

    @property
    def _turning(self) -> Turning:
        return Turning(self)

    @contextmanager
    def _work(self) -> Iterator[None]:
        """Holds the session for one turn. Raises RunError if another call, here or in another process, has it."""
        lock = FileLock(self._lock, thread_local=False)
        try:
            lock.acquire(timeout=0.5)
        except Timeout as error:
            raise RunError("this session is at work on a message already; stop it, or wait until it is done") from error
        try:
            self.sessions.stop_of(self.id).clear()
            yield
        finally:
            lock.release()

    def _turn(self, message: str, act: Callable[[Turn], Doing]) -> Iterator[ChatEvent]:
        with self._work():
            self._give_up_unfinished()
            turn = self.store.add(self.id, message)
            yield from guarded(self, turn, act(turn))

    def _give_up_unfinished(self) -> None:
        for turn in self.turns:
            if turn.status == "pending":
                said = {"status": "stopped", "reply": "This was interrupted, and not gone on with."}
                self.store.update(self.id, turn.model_copy(update=said))

    def _at_once(self, message: str, act: Callable[[Turn], Turn], kind: Kind = "choose") -> Turn:
        """A turn without events; one that cannot be done raises ValueError and leaves no trace."""
        with self._work():
            turn = self.store.add(self.id, message, kind=kind)
            try:
                return act(turn)
            except BaseException:
                self.store.remove(self.id, turn)
                raise


def _readable(message: str) -> str:
    if not message.strip():
        raise ValueError("the message is empty")
    if len(message) > MAX_BRIEF:
        raise ValueError(f"the message has {len(message):,} characters; at most {MAX_BRIEF:,} are read")
    return message.strip()
