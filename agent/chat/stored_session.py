"""A session as the store has it: its turns, current picture and plan. Reads only; draws nothing."""

from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout
from PIL import Image

from ...prompts.critique import Critique
from ...prompts.plan import ScenePlan
from ...renderer.pictures.artifacts import open_image
from ...renderer.pictures.file_ref import path_inside
from .chat_state import ChatState
from .history import path_to
from .replies import BRIEFS, hints
from .store import Store, Turn

BEGINNING = 3  # pictures, after which what can be said is known


class StoredSession:
    """Everything is read from the store on each access, so several objects of one session agree."""

    def __init__(self, store: Store, id: str) -> None:
        self.store, self.id = store, id
        self.folder = path_inside(store.folder, id)
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
        """The turns from the first picture to the current one: the path that undo follows."""
        return path_to(self.turns, self.store.record(self.id).head)

    @property
    def head(self) -> Turn | None:
        """The turn of the current picture."""
        return next(iter(self.states[-1:]), None)

    @property
    def waiting(self) -> Turn | None:
        """The turn whose plan waits for approval, or None."""
        return next((turn for turn in reversed(self.turns) if turn.status == "waiting"), None)

    @property
    def unfinished(self) -> Turn | None:
        """A turn that a killed process left behind; None while another process still works on it."""
        pending = next((turn for turn in reversed(self.turns) if turn.status == "pending"), None)
        return None if pending is None or self.busy else pending

    @property
    def busy(self) -> bool:
        """Whether some process works on a turn of this session; one that was deleted has none."""
        if not self._lock.parent.is_dir():  # a lock would make it again
            return False
        # The test takes the lock for a moment. One test at a time, so that none takes another for a turn.
        with FileLock(self._lock.with_suffix(".look")), suppress(Timeout), FileLock(self._lock).acquire(timeout=0):
            return False
        return True

    @property
    def plan(self) -> ScenePlan | None:
        """The plan that waits for approval, else that of the current picture."""
        turn = self.waiting or self.head
        return turn.plan if turn else None

    @property
    def critique(self) -> Critique | None:
        head = self.head
        return head.critique if head else None

    @property
    def picture_path(self) -> Path | None:
        """The current picture's PNG (it carries its request), or None."""
        head = self.head
        return self.path(head.picture) if head and head.picture else None

    @property
    def picture(self) -> Image.Image | None:
        path = self.picture_path
        return open_image(path) if path else None

    @property
    def suggestions(self) -> tuple[str, ...]:
        """Messages that may come next: answers to a question back; at first a brief, then what can be changed."""
        turns, plan = self.turns, self.plan
        if not turns:
            return BRIEFS
        if turns[-1].status == "pending":
            return ()
        if turns[-1].suggestions or turns[-1].status != "done":
            return turns[-1].suggestions
        if plan is None:
            return BRIEFS
        return hints(plan) if sum(turn.picture is not None for turn in turns) <= BEGINNING else ()

    def drawn_before_failing(self, turn: Turn) -> Turn | None:
        """The turn before this one, if it failed on the same message after it had drawn something, of the picture that
        is still the current one."""
        before = next((other for other in reversed(self.turns) if other.number < turn.number), None)
        if before is None or before.status != "failed" or before.folder is None or before.message != turn.message:
            return None
        head = self.head.number if self.head else None
        drawn = self.path(before.folder) / "round-1"
        return before if drawn.exists() and before.parent in (None, head) else None

    def path(self, file: str) -> Path:
        """A turn's or candidate's file as an absolute path. Raises RunError if it is not in the session's folder."""
        return path_inside(self.folder, file)

    def chat_state(self, *, draws: str, token: int) -> ChatState:
        """What the next message is interpreted against. draws: what the image model can draw. token: side of its
        tokens in pixels."""
        head, turns, waiting = self.head, self.turns, self.waiting
        before = [turn for turn in turns if turn.status != "pending"]
        unclear = before[-1] if before and before[-1].kind == "unclear" else None
        current = waiting or head
        touched = current.touched if current else ()
        parent = next((turn for turn in turns if head and turn.number == head.parent), None)
        return ChatState(
            plan=self.plan, critique=None if waiting else self.critique, waiting=waiting is not None,
            previous=waiting.plan if waiting else parent.plan if parent else None,
            candidates=len(head.candidates) if head and not waiting else 0,
            messages=tuple(turn.message for turn in before), unclear_message=unclear.message if unclear else "",
            question=unclear.reply if unclear else "", touched=touched, draws=draws, token=token,
        )  # fmt: skip
