"""Whose sessions are whose: one room per caller, with its own store; all rooms share one agent's models."""

import threading
from collections.abc import Iterator
from typing import Any

from ...prompts.errors import RunError
from ...prompts.plan import ScenePlan
from ...tools.jobs.engine import LOCAL
from ..agent import Agent
from ..chat.session import ChatEvent, Session, Sessions
from ..chat.store import Store
from .turn_worker import Desk, Drawing

VERSIONS = 4


class Rooms:
    """Every caller's room, made on first use. A caller is a name that the gate found, never text of a request."""

    def __init__(self, agent: Agent) -> None:
        self._agent, self._easel, self._lock = agent, threading.Lock(), threading.Lock()
        self._rooms: dict[str, Room] = {}
        self.warm = threading.Event()

    def warm_up(self) -> None:
        """Loads the models before anybody waits for them. What is missing is said when it is needed."""
        self._agent.warm_up()
        self.warm.set()

    def of(self, caller: str) -> "Room":
        with self._lock:
            if caller not in self._rooms:
                home = Store(self._agent.settings.sessions)
                store = home if caller == LOCAL else Store(home.folder / "callers" / caller.replace(":", "-"))
                self._rooms[caller] = Room(self._agent, store, Desk(self._easel, self.warm))
            return self._rooms[caller]


class Room:
    """One caller's sessions and the turns that are being drawn in them."""

    def __init__(self, agent: Agent, store: Store, desk: Desk) -> None:
        self._agent, self._store, self.desk = agent, store, desk
        self._saying: dict[str, str] = {}
        desk.finish_what_was_left(self.sessions())

    def sessions(self, **options: Any) -> Sessions:
        """The sessions under the agent's settings, some of them changed; the models are shared."""
        return Sessions(self._agent.with_settings(**options) if options else self._agent, store=self._store)

    def find(self, session: str, **options: Any) -> Session | None:
        """The session of that id, or None for an empty or unknown one."""
        try:
            return self.sessions(**options).open(session) if session else None
        except RunError:
            return None

    def new(self, **options: Any) -> Session:
        return self.sessions(**options).new()

    def say(self, session: Session, message: str, plan: ScenePlan | None = None) -> bool:
        """Starts a turn, after one that draws what was changed by hand in `plan`; False if a turn runs already."""

        def drawing(one: Session) -> Iterator[ChatEvent]:
            if plan:
                yield from one.replan(plan, "changed by hand")
            yield from one.say(message)

        return self.draw(session, drawing, message)

    def draw(self, session: Session, drawing: Drawing, message: str) -> bool:
        """Starts a drawing; False if one runs already."""
        self._saying[session.id] = message
        return self.desk.start(session, drawing)

    def said_now(self, session: Session | None) -> list[dict[str, str]]:
        """The message that was just sent, until its turn is recorded."""
        if session is None or not self.desk.progress(session.id):
            return []
        message, turns = self._saying.get(session.id, ""), session.turns
        recorded = turns and turns[-1].status == "pending"
        return [] if recorded or not message else [{"role": "user", "content": message}]

    def versions(self, session: Session) -> None:
        """Draws some pictures of the plan in one batch, to choose from."""
        own = self.find(session.id, candidates=VERSIONS, rounds=1)
        assert own is not None
        self.draw(own, lambda one: one.again(f"show {VERSIONS} versions"), f"show {VERSIONS} versions")
