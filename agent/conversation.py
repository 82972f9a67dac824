"""A picture talked into shape: sessions of turns, each of which draws only what its message changes.

    session = Sessions().new()
    for event in session.say("a red cat on the left and a blue rocket on the right, at night"):
        ...
    for event in session.say("make the cat orange"):
        ...
    session.undo()
    session.picture, session.plan

Events are those of `Agent.stream` (Planned, Stepped, Rendered, Critiqued, Revised, Finished, Waiting); the first event
of a message is `Understood` and the last one always `Replied`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..prompts.messages import Heard
from ..prompts.scene import Critique, Revision, ScenePlan
from .listener import Listener
from .painter import Agent
from .rounds import Event
from .sessions import SessionRecord, Store, Turn


@dataclass(frozen=True)
class Understood:
    """What a message was taken for, before anything is done about it."""

    heard: Heard


@dataclass(frozen=True)
class Replied:
    """The turn is over: done, waiting for a yes, stopped or failed, as `turn.status` says; `turn.reply` is the answer."""

    turn: Turn


ChatEvent = Event | Understood | Replied


class Sessions:
    """All conversations of a store. One agent's models serve them all; each session's settings are the agent's."""

    def __init__(self, agent: Agent | None = None, *, store: Store | None = None, listener: Listener | None = None) -> None:
        """`agent`: None for one with the default settings; its setting `sessions` says where the store is.

        `listener`: None for the one that fits the agent's planner.
        """
        raise NotImplementedError

    def list(self) -> list[SessionRecord]:
        """All sessions, the latest used first."""
        raise NotImplementedError

    def new(self, title: str = "") -> "Session":
        """A session without turns; its first brief becomes its title if it has none."""
        raise NotImplementedError

    def open(self, id: str) -> "Session":
        """A session by its id or a clear beginning of it. Raises RunError. If it has an `unfinished` turn: `resume()`."""
        raise NotImplementedError


class Session:
    """One conversation. Everything is read from the store, so several objects of one session show the same.

    Calls that draw are iterators of events: nothing happens before they are read. Only one of them runs at a time in a
    session, whichever process it is in; another raises RunError. Errors of a turn (a model that cannot be reached, a
    plan that cannot be drawn) end it as 'failed' with the reason as its reply, and leave the picture as it was.
    """

    id: str
    title: str
    folder: Path
    agent: Agent

    @property
    def turns(self) -> list[Turn]:
        """The transcript, in the order of the messages."""
        raise NotImplementedError

    @property
    def states(self) -> list[Turn]:
        """The turns from the first picture to the one that is shown: what undo walks along."""
        raise NotImplementedError

    @property
    def head(self) -> Turn | None:
        """The turn whose picture is shown."""
        raise NotImplementedError

    @property
    def waiting(self) -> Turn | None:
        """The turn whose plan waits for a yes, or None."""
        raise NotImplementedError

    @property
    def unfinished(self) -> Turn | None:
        """A turn that a killed process left; None while another process is still at work on it."""
        raise NotImplementedError

    @property
    def busy(self) -> bool:
        """Whether some process is at work on a turn of this session."""
        raise NotImplementedError

    @property
    def plan(self) -> ScenePlan | None:
        """The plan that waits for a yes, else the one that the picture shows."""
        raise NotImplementedError

    @property
    def critique(self) -> Critique | None:
        raise NotImplementedError

    @property
    def picture_path(self) -> Path | None:
        """The PNG that is shown (it carries its request), or None."""
        raise NotImplementedError

    @property
    def picture(self) -> Image.Image | None:
        raise NotImplementedError

    def path(self, file: str) -> Path:
        """A turn's or candidate's file as an absolute path."""
        raise NotImplementedError

    def say(self, message: str) -> Iterator[ChatEvent]:
        """Understands a message and does what it says. Raises ValueError for an empty one."""
        raise NotImplementedError

    def change(self, revision: Revision, message: str = "", *, whole: bool = False) -> Iterator[ChatEvent]:
        """Draws a revision into the picture, only the regions it names; with `whole` all of it, from the same seeds.

        While a plan waits for a yes, the plan is changed and goes on waiting. Without `revision.scene` the scene prompt
        follows the regions where it can (prompts/wording.py). Raises ValueError if it does not fit the plan.
        """
        raise NotImplementedError

    def replan(self, plan: ScenePlan, message: str = "") -> Iterator[ChatEvent]:
        """As `change`, to this plan: what differs is drawn. The whole picture if its scene prompt, size or negative do."""
        raise NotImplementedError

    def approve(self, plan: ScenePlan | None = None, message: str = "yes") -> Iterator[ChatEvent]:
        """Says yes to the plan that waits, or to this changed one, and draws it. Raises ValueError if none waits."""
        raise NotImplementedError

    def again(self, message: str = "try again") -> Iterator[ChatEvent]:
        """Draws the whole plan again from new noise."""
        raise NotImplementedError

    def choose(self, number: int, message: str = "") -> Turn:
        """Shows another candidate of the picture, from 1. Raises ValueError."""
        raise NotImplementedError

    def undo(self, steps: int = 1, message: str = "") -> Turn:
        """Shows the picture that many steps back; nothing is lost. Raises ValueError if there are not so many."""
        raise NotImplementedError

    def redo(self, steps: int = 1, message: str = "") -> Turn:
        """The way back from an undo. Raises ValueError if there is none."""
        raise NotImplementedError

    def show(self, number: int, message: str = "") -> Turn:
        """Shows the picture of any turn of this session. Raises ValueError."""
        raise NotImplementedError

    def resume(self) -> Iterator[ChatEvent]:
        """Finishes the `unfinished` turn from its last finished step: the same seeds and plan, so the same picture."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ends the drawing at its next step, from any thread; the turn becomes 'stopped', the session goes on."""
        raise NotImplementedError

    def rename(self, title: str) -> None:
        raise NotImplementedError

    def branch(self, number: int | None = None, title: str = "") -> "Session":
        """A new session that begins with a copy of this one's turns, up to that number; None: all of them."""
        raise NotImplementedError

    def export(self, path: Path) -> Path:
        """Writes a zip: plan.json, picture.png, every turn's picture, transcript.md and session.json."""
        raise NotImplementedError
