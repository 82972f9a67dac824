"""Whose sessions are whose: one context per caller, with a store of its own; all share one agent's models."""

import threading
from pathlib import Path

from ...prompts.errors import RunError
from ...prompts.plan import ScenePlan
from ...renderer.pictures.file_ref import path_inside
from ...tools.jobs.engine import LOCAL, JobContext
from ...tools.jobs.local_engine import LocalEngine
from ..agent import Agent
from ..chat.chat_state import checked_message
from ..chat.session import Session, Sessions
from ..chat.store import Store
from ..chat.turn_job import Act, TurnInput, TurnSettings
from .turns import Turns

VERSIONS = 4  # pictures drawn at once to choose from


def carry_out(agent: Agent, turn: TurnInput, context: JobContext) -> None:
    """Runs a turn of a caller's session with the agent, as the job of that context. Raises RunError."""
    chosen = turn.settings.model_dump(exclude_none=True)
    store = caller_store(agent.settings.sessions, turn.caller)
    Sessions(agent.with_settings(**chosen) if chosen else agent, store=store).carry_out(turn, context)


def caller_store(folder: Path | None, caller: str) -> Store:
    """The sessions of a caller, in or under the folder of sessions. Raises RunError."""
    home = Store(folder)
    return home if caller == LOCAL else Store(path_inside(home.folder, f"callers/{caller.replace(':', '-')}"))


class UserContexts:
    """Every caller's context, made on first use. A caller is a name that authentication found, never request text."""

    def __init__(self, agent: Agent, jobs: LocalEngine, *, warm: threading.Event) -> None:
        self._agent, self._jobs, self._warm, self._lock = agent, jobs, warm, threading.Lock()
        self._contexts: dict[str, UserContext] = {}

    def of(self, caller: str) -> "UserContext":
        with self._lock:
            if caller not in self._contexts:
                sessions = Sessions(self._agent, store=caller_store(self._agent.settings.sessions, caller))
                self._contexts[caller] = UserContext(
                    sessions, Turns(self._jobs, sessions, caller=caller, warm=self._warm)
                )
            return self._contexts[caller]


class UserContext:
    """One caller's sessions and the turns that run in them; those that an ended process left unfinished are resumed."""

    def __init__(self, sessions: Sessions, turns: Turns) -> None:
        self.sessions, self.turns = sessions, turns
        turns.finish_interrupted()

    def find(self, session: str) -> Session | None:
        """The session of that id, or None for an empty or unknown one."""
        try:
            return self.sessions.open(session) if session else None
        except RunError:
            return None

    def send(
        self, session: Session, message: str, *, plan: ScenePlan | None = None, summary: str = "", approve: bool = False
    ) -> bool:
        """Starts a turn; False if one runs already. Raises ValueError for an empty or overlong message.

        `plan`: a change by hand that is drawn first, as a turn whose message is `summary`.
        """
        by_hand = [Act(do="replan", message=summary or "changed by hand", plan=plan)] if plan else []
        by_words = Act(do="say", message=checked_message(message))
        return self.turns.start(session, *by_hand, by_words, settings=TurnSettings(approve=approve))

    def versions(self, session: Session) -> bool:
        """Draws `VERSIONS` pictures of the plan in one batch, to choose from; False if a turn runs already."""
        several = TurnSettings(candidates=VERSIONS, rounds=1)
        return self.turns.start(session, Act(do="again", message=f"show {VERSIONS} versions"), settings=several)

    def delete(self, session: Session) -> None:
        """Removes a session with its pictures, and its queued turn. Raises RunError while a turn runs in it."""
        self.sessions.delete(session.id)
        self.turns.stop(session.id)
        self.turns.changes.announce()
