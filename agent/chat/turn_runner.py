"""One turn of a session: what was heard is recorded, done, and recorded again. Knows no words of messages.

Whatever takes long is written down before it begins, so that it can be finished after a kill.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ...prompts.chat_schema import ChatCommand
from ...prompts.errors import DitpipeError, RunError, first_problem
from ...prompts.plan import ScenePlan
from ...prompts.prompt_style import sync_scene_prompt
from ...prompts.revision import Revision
from ...renderer.pictures.artifacts import read_metadata, read_request
from ..events import Event, Finished, Painting, Planned, Waiting
from ..runs.folder import run_record
from ..runs.resume_policy import picture_settings
from .history import steps_back, steps_forward
from .replies import ask_for_a_yes, told, told_unchanged
from .store import Shot, Turn

if TYPE_CHECKING:
    from ...renderer.checkpoints.vocabulary import Vocabulary
    from .session import Session


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Understood:
    """What a message was taken for, before anything is done about it."""

    heard: ChatCommand


@dataclass(frozen=True)
class Replied:
    """The turn is over: done, waiting for a yes, stopped or failed, as `turn.status` says. `turn.reply` answers it."""

    turn: Turn


ChatEvent = Event | Understood | Replied
Doing = Generator[ChatEvent, None, Turn]


def guarded(session: Session, turn: Turn, doing: Doing) -> Iterator[ChatEvent]:
    """Runs a turn to its end, whatever that is, and yields `Replied` last."""
    try:
        turn = yield from doing
    except KeyboardInterrupt:
        stopped = {"status": "stopped", "reply": "Stopped; the picture is as it was."}
        turn = session.store.update(session.id, _now(session, turn).model_copy(update=stopped))
        if not session.sessions.stop_of(session.id).is_set():
            raise
    except (DitpipeError, ValueError) as error:
        reason = first_problem(error) if isinstance(error, ValidationError) else " ".join(str(error).split())
        turn = _failed(session, turn, reason)
    except Exception:  # a turn left pending would be tried again at each start
        log.exception("turn %s of session %s failed", turn.number, session.id)
        turn = _failed(session, turn, "an internal error; the log says more")
    yield Replied(turn)


def _failed(session: Session, turn: Turn, reason: str) -> Turn:
    failed = {"status": "failed", "reply": f"That did not work: {reason}"}
    return session.store.update(session.id, _now(session, turn).model_copy(update=failed))


def _now(session: Session, turn: Turn) -> Turn:
    return next(one for one in session.turns if one.number == turn.number)


class Turning:
    """The turns of one session. Each method does one thing a person can ask for, and returns the finished turn."""

    def __init__(self, session: Session) -> None:
        self.session, self.store = session, session.store

    def hear(self, turn: Turn) -> Doing:
        heard = self.session.sessions.listener.hear(turn.message, self.session.shown)
        yield Understood(heard)
        return (yield from self.do(turn, heard))

    def do(self, turn: Turn, heard: ChatCommand) -> Doing:
        turn = self._write(turn, kind=heard.kind)
        match heard.kind:
            case "new brief":
                return (yield from self.paint(turn, heard.brief))
            case "change":
                return (yield from self.change(turn, heard))
            case "accept" if self.session.waiting:
                return (yield from self.approve(turn, None))
            case "accept":
                return self._done(turn, "Glad you like it." if self.session.head else "Then tell me what to paint.")
            case "choose":
                return self.choose(turn, heard.choice)
            case "undo" | "redo":
                return self.walk(turn, heard.steps, forward=heard.kind == "redo")
        return self._done(turn, heard.reply)

    def paint(self, turn: Turn, brief: str) -> Doing:
        """A new picture, of a brief."""
        if not self.session.title:
            self.store.rename(self.session.id, brief if len(brief) <= 60 else brief[:59] + "…")
        seed, folder = self.session.agent.settings.seed, _folder(turn)
        return (yield from self.draw(self._write(turn, brief=brief, seed=seed, folder=folder)))

    def change(self, turn: Turn, heard: ChatCommand) -> Doing:
        """What a revision changes, or everything."""
        plan = self._plan()
        changed = sync_scene_prompt(plan, heard.revision.apply(plan)) if heard.revision else plan
        return (yield from self._become(turn, plan, changed, whole=heard.whole, fresh=heard.fresh))

    def replan(self, turn: Turn, changed: ScenePlan) -> Doing:
        """The picture becomes this plan."""
        plan = self._plan()
        changed = changed.with_size(plan.width, plan.height)
        whole = (plan.scene, plan.width, plan.height, plan.negative) != (
            changed.scene, changed.width, changed.height, changed.negative,
        )  # fmt: skip
        turn = self._write(turn, kind="change")
        return (yield from self._become(turn, plan, sync_scene_prompt(plan, changed), whole=whole, fresh=False))

    def _become(self, turn: Turn, plan: ScenePlan, changed: ScenePlan, *, whole: bool, fresh: bool) -> Doing:
        waiting, head = self.session.waiting, self.session.head
        if waiting:
            yield Planned(changed)
            yield Waiting(changed, self.session.path(waiting.folder or ""))
            self._write(waiting, status="done", head=turn.head)
            kept = {name: getattr(waiting, name) for name in ("brief", "seed", "folder", "approved")}
            reply = ask_for_a_yes(changed, self._vocabulary)
            return self._write(turn, **kept, plan=changed, status="waiting", reply=reply)
        assert head is not None
        if changed == plan and not fresh:
            return self._done(turn, "It is like that already; nothing was drawn.")
        same_canvas = (plan.width, plan.height, plan.negative) == (changed.width, changed.height, changed.negative)
        revision = Revision.between(plan, changed) if same_canvas else None
        seeds = [one.seed for one in self.session.turns if one.seed is not None]
        turn = self._write(
            turn, plan=changed, revision=revision, brief=head.brief, parent=head.number, folder=_folder(turn),
            base=None if whole or fresh or not (revision and revision.names) else head.picture,
            seed=(max(seeds) + 1) % 2**62 if fresh else head.seed,
        )  # fmt: skip
        return (yield from self.draw(turn))

    def approve(self, turn: Turn, plan: ScenePlan | None) -> Doing:
        """A yes to the plan that waits, or to a changed one."""
        waiting = self.session.waiting
        if waiting is None or waiting.plan is None:
            raise ValueError("no plan waits for a yes")
        agreed = waiting.plan
        if plan:
            agreed = sync_scene_prompt(agreed, plan.with_size(agreed.width, agreed.height))
        # A run takes one yes. If that one was stopped and another plan agreed to, a new run draws it.
        folder = _folder(turn) if waiting.approved else waiting.folder
        self._write(waiting, approved=True, head=turn.head)
        turn = self._write(
            turn, kind="accept", brief=waiting.brief, plan=agreed, seed=waiting.seed, folder=folder, approved=True
        )
        return (yield from self.draw(turn))

    def choose(self, turn: Turn, number: int) -> Turn:
        """Another candidate becomes the picture."""
        head = self.session.head
        if head is None or not 1 <= number <= len(head.candidates):
            there = len(head.candidates) if head else 0
            raise ValueError(f"there are {there} candidates to choose from" if there else "there is only one picture")
        shot = head.candidates[number - 1]
        request = read_request(self.session.path(shot.picture))
        return self._done(
            turn, f"This is number {number}.", parent=head.number, head=turn.number, picture=shot.picture,
            critique=shot.critique, plan=request.edited_plan, seed=request.seed, brief=head.brief,
            candidates=head.candidates,
        )  # fmt: skip

    def show(self, turn: Turn, number: int) -> Turn:
        """The picture of any turn is shown."""
        meant = next((one for one in self.session.turns if one.number == number and one.picture), None)
        if meant is None:
            raise ValueError(f"turn {number} has no picture")
        self._drop_waiting(turn)
        return self._done(turn, f"Back at: {meant.message}", head=number)

    def walk(self, turn: Turn, steps: int, *, forward: bool = False) -> Turn:
        """Another picture of the session is shown: so many steps before this one, or after it (see `walking`)."""
        turns, head = self.session.turns, self.store.record(self.session.id).head
        if self.session.waiting and not forward:
            self._drop_waiting(turn)
            return self._done(turn, "The plan is dropped; nothing was drawn.")
        number = steps_forward(turns, head, steps) if forward else steps_back(turns, head, steps)
        meant = next(one for one in turns if one.number == number)
        return self._done(turn, f"Back at: {meant.message}", head=number)

    def draw(self, turn: Turn) -> Doing:
        """Draws what the turn has on record, or goes on with it, and finishes the turn."""
        session = self.session
        assert turn.folder is not None
        folder, stop = session.path(turn.folder), session.sessions.stop_of(session.id)
        if (folder / "run.json").exists():
            record = run_record(folder)
            model = record.settings.get("model", session.agent.settings.model)
            if model != session.agent.settings.model:
                raise RunError(f"this picture was begun with another model; open the session with --model {model}")
            painter = session.agent.with_settings(**picture_settings(record))
            events = painter.resume(folder, approved=turn.plan or True if turn.approved else False)
        else:
            approve = session.agent.settings.approve and turn.kind == "new brief"
            painter = session.agent.with_settings(approve=approve, seed=turn.seed or 0)
            base = session.path(turn.base) if turn.base else None
            judged, tried = (self._head_of(turn).critique, self._tried_before(turn)) if base else (None, [])
            events = painter.stream(
                turn.brief, plan=turn.plan, base=base, folder=folder, judged=judged, tried=tried
            )
        painter.stop = stop
        for event in _drained(events, painter):
            if isinstance(event, Planned) and turn.plan != event.plan:
                turn = self._write(turn, plan=event.plan)
            yield event
            if isinstance(event, Waiting):
                self._drop_waiting(turn)
                reply = ask_for_a_yes(event.plan, self._vocabulary)
                return self._write(turn, status="waiting", plan=event.plan, reply=reply)
            if isinstance(event, Finished):
                self._drop_waiting(turn)
                return self._painted(turn, event.painting)
        raise AssertionError("a run ends with Finished or Waiting")

    def _painted(self, turn: Turn, painting: Painting) -> Turn:
        best, folder = painting.best, self.session.folder
        picture = str(painting.path.relative_to(folder))
        rounds = tuple(Shot(picture=str(r.path.relative_to(folder)), critique=r.critique) for r in painting.rounds)
        shots = tuple(Shot(picture=str(c.path.relative_to(folder)), critique=c.critique) for c in best.candidates)
        parent = next((one for one in self.session.turns if one.number == turn.parent), None)
        done = turn.model_copy(
            update={
                "picture": picture, "plan": best.plan, "critique": best.critique, "seed": best.request.seed,
                "rounds": rounds, "candidates": shots, "head": turn.number, "round": best.number,
                "comparison": painting.best_try.comparison,
            }
        )  # fmt: skip
        if not best.number and parent:
            shots = (Shot(picture=picture, critique=best.critique), *rounds)
            done = done.model_copy(update={"candidates": shots, "parent": parent.parent})
            return self._done(done, told_unchanged(painting))
        vocabulary, agent = self._vocabulary, self.session.agent
        warnings = [*(agent.omissions(turn.brief, best.plan) if turn.kind in ("new brief", "accept") else [])]
        warnings += [
            one for one in read_metadata(painting.path)[1] if not (vocabulary and vocabulary.is_shape_warning(one))
        ]
        notes = [f" Note: {warning}." for warning in warnings]
        return self._done(done, told(done, parent.plan if parent else None, vocabulary) + "".join(notes))

    @property
    def _vocabulary(self) -> Vocabulary | None:
        return self.session.agent.vocabulary

    def _head_of(self, turn: Turn) -> Turn:
        """The turn whose picture a turn changes."""
        return next(one for one in self.session.turns if one.number == turn.parent)

    def _tried_before(self, turn: Turn) -> list[ScenePlan]:
        """The plans that earlier turns drew into the picture that a turn changes, and that were not taken."""
        head = self._head_of(turn)
        if head.round != 0 or head.folder is None:
            return []
        earlier = run_record(self.session.path(head.folder)).tried
        return [*earlier, *(read_request(self.session.path(shot.picture)).edited_plan for shot in head.rounds)]

    def _drop_waiting(self, turn: Turn) -> None:
        waiting = self.session.waiting
        if waiting and waiting.number != turn.number:
            self._write(waiting, status="done", head=turn.head)

    def _plan(self) -> ScenePlan:
        plan = self.session.plan
        if plan is None:
            raise ValueError("there is no picture yet; say what it should show")
        return plan

    def _write(self, turn: Turn, **known: Any) -> Turn:
        return self.store.update(self.session.id, turn.model_copy(update=known))

    def _done(self, turn: Turn, reply: str, **known: Any) -> Turn:
        return self._write(turn, **known, status="done", reply=reply)


def _folder(turn: Turn) -> str:
    return f"turn-{turn.number:04}"


def _drained(events: Iterator[Event], painter: Any) -> Iterator[Event]:
    """The events; if nobody reads them to their end, the drawing is ended before anything else goes on."""
    try:
        yield from events
    except GeneratorExit:
        painter.stop.set()
        with suppress(KeyboardInterrupt):
            for _ in events:
                pass
        raise
