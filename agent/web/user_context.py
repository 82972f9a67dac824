"""Whose sessions are whose: one context per caller, with a store of its own; all share one agent's models."""

import threading
from collections.abc import Iterator
from typing import Any

from ...prompts.errors import RunError
from ...prompts.plan import ScenePlan
from ...tools.jobs.engine import LOCAL
from ..agent import Agent
from ..chat.session import ChatEvent, Session, Sessions
from ..chat.store import Store
from .turn_worker import Drawing, TurnWorker

VERSIONS = 4  # pictures drawn at once to choose from


class UserContexts:
    """Every caller's context, made on first use. A caller is a name that authentication found, never request text."""

    def __init__(self, agent: Agent) -> None:
        self._agent, self._render_lock, self._lock = agent, threading.Lock(), threading.Lock()
        self._contexts: dict[str, UserContext] = {}
        self.warm = threading.Event()

    def warm_up(self) -> None:
        """Loads the models before anybody waits for them. What is missing is reported when it is needed."""
        self._agent.warm_up()
        self.warm.set()

    def of(self, caller: str) -> "UserContext":
        with self._lock:
            if caller not in self._contexts:
                home = Store(self._agent.settings.sessions)
                store = home if caller == LOCAL else Store(home.folder / "callers" / caller.replace(":", "-"))
                worker = TurnWorker(self._render_lock, self.warm)
                self._contexts[caller] = UserContext(self._agent, store, worker)
            return self._contexts[caller]


class UserContext:
    """One caller's sessions and the turns that run in them."""

    def __init__(self, agent: Agent, store: Store, worker: TurnWorker) -> None:
        self._agent, self._store, self.worker = agent, store, worker
        self._messages: dict[str, str] = {}
        worker.finish_interrupted(self.sessions())

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

    def send(self, session: Session, message: str, plan: ScenePlan | None = None, summary: str = "") -> bool:
        """Starts a turn; False if one runs already.

        `plan`: a change by hand that is drawn first, as a turn whose message is `summary`.
        """

        def drawing(opened: Session) -> Iterator[ChatEvent]:
            if plan:
                yield from opened.replan(plan, summary or "changed by hand")
            yield from opened.say(message)

        return self.draw(session, drawing, message)

    def draw(self, session: Session, drawing: Drawing, message: str) -> bool:
        """Starts a drawing; False if one runs already."""
        before = self._messages.get(session.id, "")
        self._messages[session.id] = message
        started = self.worker.start(session, drawing)
        if not started:
            self._messages[session.id] = before
        return started

    def message_in_flight(self, session: Session) -> str:
        """The message that was just sent, until its turn is recorded; else empty."""
        if not self.worker.progress(session.id):
            return ""
        turns = session.turns
        return "" if turns and turns[-1].status == "pending" else self._messages.get(session.id, "")

    def versions(self, session: Session) -> bool:
        """Draws `VERSIONS` pictures of the plan in one batch, to choose from; False if a turn runs already."""
        several = self.sessions(candidates=VERSIONS, rounds=1).open(session.id)
        message = f"show {VERSIONS} versions"
        return self.draw(several, lambda opened: opened.again(message), message)

    def delete(self, session: Session) -> None:
        """Removes a session with its pictures. Raises RunError while a turn runs in it."""
        self.sessions().delete(session.id)
        self.worker.changes.announce()
