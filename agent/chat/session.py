"""Conversations about a picture: sessions of turns, each of which draws only what its message changes.

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

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import cast

from filelock import FileLock, Timeout

from ...prompts.answers.chat_schema import Kind, Understanding
from ...prompts.errors import RunError
from ...prompts.plan import ScenePlan
from ...prompts.revision import Revision
from ...tools.jobs.engine import JobContext
from ...tools.jobs.in_process import InProcessEngine
from ..agent import Agent
from ..drawable import what_can_be_drawn
from .chat_state import checked_message
from .commands.short_commands import HELP
from .export import copy_session, write_zip
from .interpreter import Interpreter, interpreter_for
from .region_names import rename_region
from .store import SessionRecord, Store, Turn
from .stored_session import StoredSession
from .turn_job import TURN, Act, ChatEvent, Replied, TurnInput, Understood, turn_handler
from .turn_runner import TurnRunner

__all__ = ["ChatEvent", "Replied", "Session", "Sessions", "Turn", "Understood"]


class Sessions:
    """All sessions of a store. One agent, its models and its settings serve them all."""

    def __init__(
        self,
        agent: Agent | None = None,
        *,
        store: Store | None = None,
        interpreter: Interpreter | None = None,
        previews: int = 0,
    ) -> None:
        """`agent`: None for one with the default settings; its setting `sessions` is the store's folder.

        `interpreter`: None for the one that fits the agent's planner. `previews`: of each round, in its `Stepped`
        events.
        """
        self.agent = agent or Agent()
        self.store = store or Store(self.agent.settings.sessions)
        self._interpreter, self.previews = interpreter, previews
        self.jobs = InProcessEngine(self.store.folder, {TURN: turn_handler(self.carry_out)})

    @property
    def interpreter(self) -> Interpreter:
        """Turns messages into commands; made on first use."""
        if self._interpreter is None:
            self._interpreter = interpreter_for(self.agent)
        return self._interpreter

    def list(self) -> list[SessionRecord]:
        """All sessions, the most recently used first."""
        return self.store.records()

    def new(self, title: str = "") -> "Session":
        """A session without turns; its first brief becomes its title if it has none."""
        return Session(self, self.store.create(title))

    def open(self, id: str) -> "Session":
        """A session by its id or an unambiguous prefix of it. If it has an `unfinished` turn, `resume()` draws it.

        Raises RunError if there is no such session.
        """
        return Session(self, self.store.record(id))

    def carry_out(self, turn: TurnInput, context: JobContext) -> None:
        """Runs the acts of a turn in its session, as the job of that context."""
        self.open(turn.session).carry_out(turn.acts, context)

    def delete(self, id: str) -> None:
        """Removes a session with its turns and pictures. Raises RunError if it is running or does not exist."""
        session = self.open(id)
        with session._work():
            self.store.delete(session.id)
        shutil.rmtree(session.folder, ignore_errors=True)


class Session(StoredSession):
    """One conversation, and what can be done in it.

    Calls that draw are iterators over the events of a job, which begins with the first one that is read; a turn whose
    reader leaves early is `unfinished`. A session runs one turn at a time, across processes; a second one raises
    RunError. Errors of a turn (an unreachable model, a plan that cannot be drawn) end it as 'failed' with the reason as
    its reply, and leave the picture as it was; what was drawn before is resumed when the message is repeated.
    """

    def __init__(self, sessions: Sessions, record: SessionRecord) -> None:
        super().__init__(sessions.store, record.id)
        self.sessions, self.agent = sessions, sessions.agent

    def say(self, message: str) -> Iterator[ChatEvent]:
        """Interprets a message and carries it out. Raises ValueError for an empty or overlong message."""
        return self._turn(Act(do="say", message=checked_message(message)))

    def change(self, revision: Revision, message: str = "", *, whole: bool = False) -> Iterator[ChatEvent]:
        """Draws a revision into the picture, only the regions it names; with `whole` all of it, from the same seeds.

        While a plan waits for approval, that plan is changed and goes on waiting. Without `revision.scene` the scene
        prompt follows the regions where it can (prompts/prompt_style.py). A revision that does not fit the plan ends
        the turn as 'failed'.
        """
        return self._turn(Act(do="revise", message=message or "change", revision=revision, whole=whole))

    def replan(self, plan: ScenePlan, message: str = "") -> Iterator[ChatEvent]:
        """As `change`, to this plan: draws the differences, or all of it if scene prompt, size or negative differ."""
        return self._turn(Act(do="replan", message=message or "change", plan=plan))

    def approve(self, plan: ScenePlan | None = None, message: str = "yes") -> Iterator[ChatEvent]:
        """Approves the plan that waits, or this changed one, and draws it; 'failed' if none waits."""
        return self._turn(Act(do="approve", message=message, plan=plan))

    def again(self, message: str = "try again") -> Iterator[ChatEvent]:
        """Draws the whole plan again from new noise."""
        return self._turn(Act(do="again", message=message))

    def choose(self, number: int, message: str = "") -> Turn:
        """Shows another candidate of the picture, from 1. Raises ValueError."""
        return self._at_once(message or f"number {number}", lambda runner, turn: runner.choose(turn, number))

    def undo(self, steps: int = 1, message: str = "") -> Turn:
        """Shows the picture that many steps back; nothing is lost. Raises ValueError if there are not so many."""
        message = message or ("undo" if steps == 1 else f"go back {steps}")
        return self._at_once(message, lambda runner, turn: runner.navigate(turn, steps), kind="undo")

    def redo(self, steps: int = 1, message: str = "") -> Turn:
        """Reverts an undo; 0 steps: all of the last undo. Raises ValueError if nothing was undone."""
        return self._at_once(
            message or "redo", lambda runner, turn: runner.navigate(turn, steps, forward=True), kind="redo"
        )

    def show(self, number: int, message: str = "") -> Turn:
        """Shows the picture of any turn of this session, as an undo does. Raises ValueError."""
        return self._at_once(
            message or f"back to {number}", lambda runner, turn: runner.show(turn, number), kind="undo"
        )

    def rename_region(self, name: str, new: str) -> Turn:
        """Gives a region of the picture another name; nothing is drawn. Raises ValueError if that cannot be."""
        return self._at_once(f"{name}: called {new}", lambda _, turn: rename_region(self, turn, name, new))

    def resume(self) -> Iterator[ChatEvent]:
        """Finishes the `unfinished` turn from its last finished step: the same seeds and plan, so the same picture."""
        return self._turn(Act(do="resume"))

    def stop(self) -> None:
        """Ends the drawing at its next step, from any thread; the turn becomes 'stopped', the session goes on."""
        for job in self.sessions.jobs.recent():
            if job.payload["session"] == self.id:
                self.sessions.jobs.cancel(job.id)

    def rename(self, title: str) -> None:
        """Gives the session another title."""
        self.store.rename(self.id, title)

    def branch(self, number: int | None = None, title: str = "") -> "Session":
        """A new session that begins with a copy of this one's turns, up to that number; None: all of them."""
        return Session(self.sessions, copy_session(self, number, title))

    def export(self, path: Path) -> Path:
        """Writes a zip: plan.json, picture.png, every turn's picture, transcript.md and session.json."""
        return write_zip(self, path)

    def _interpret(self, message: str) -> Understanding:
        if message.lower() == "/help":  # the terminal's command, said to any face
            return Understanding("question", reply=f"{HELP} {what_can_be_drawn(self.agent.vocabulary_summary)}")
        state = self.chat_state(draws=self.agent.vocabulary_summary, token=self.agent.checkpoint.token)
        return self.sessions.interpreter.interpret(message, state)

    def carry_out(self, acts: Sequence[Act], context: JobContext) -> None:
        """Runs a turn for each act, as the job of that context; what an earlier try of it has finished stays so."""
        with self._work():
            begun = [turn for turn in self.turns if turn.job and turn.job == context.id]
            runner = self._runner(context)
            for act, turn in zip_longest(acts, begun[: len(acts)]):
                if turn is None and act.do == "resume":
                    turn = next((turn for turn in reversed(self.turns) if turn.status == "pending"), None)
                elif turn is None:
                    self._give_up_unfinished()
                    turn = self.store.add(self.id, act.message, job=context.id)
                if turn and turn.status == "pending":
                    runner.run(turn, act)
                if context.stop.is_set():
                    break

    def _runner(self, context: JobContext) -> TurnRunner:
        return TurnRunner(self, agent=self.agent, interpret=self._interpret, context=context)

    @contextmanager
    def _work(self) -> Iterator[None]:
        """Holds the session for one turn. Raises RunError if another call, in any process, holds it."""
        lock = FileLock(self._lock, thread_local=False)
        try:
            lock.acquire(timeout=0.5)
        except Timeout as error:
            raise RunError("this session is at work on a message already; stop it, or wait until it is done") from error
        try:
            yield
        finally:
            lock.release()

    def _turn(self, act: Act) -> Iterator[ChatEvent]:
        payload = TurnInput(session=self.id, acts=(act,)).model_dump(mode="json")
        return cast("Iterator[ChatEvent]", self.sessions.jobs.run(TURN, payload, previews=self.sessions.previews))

    def _give_up_unfinished(self) -> None:
        for turn in self.turns:
            if turn.status == "pending":
                stopped = {"status": "stopped", "reply": "This was interrupted, and not resumed."}
                self.store.update(self.id, turn.model_copy(update=stopped))

    def _at_once(self, message: str, act: Callable[[TurnRunner, Turn], Turn], kind: Kind = "choose") -> Turn:
        """A turn without events. If it raises ValueError, it is removed from the transcript."""
        with self._work():
            turn = self.store.add(self.id, message, kind=kind)
            try:
                return act(self._runner(JobContext(self.folder)), turn)
            except BaseException:
                self.store.remove(self.id, turn)
                raise
