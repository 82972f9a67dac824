"""Runs one turn of a session: records the command, carries it out and records the result.

Long work is recorded before it begins, so that it can be finished after the process was killed.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...prompts.answers.chat_schema import Understanding
from ...prompts.errors import DitpipeError, JobCancelled, ModelError, RunError, one_line
from ...prompts.plan import ScenePlan
from ...prompts.prompt_style import sync_scene_prompt
from ...prompts.revision import Revision
from ...renderer.pictures.artifacts import read_metadata, read_request
from ...tools.jobs.engine import JobContext
from ...tools.jobs.job_events import JobEvent
from ..events import Painting, Planned, Waiting
from ..runs.folder import RunRecord, run_record, write_record
from ..runs.resume_policy import picture_settings
from .history import steps_back, steps_forward
from .phrases import not_done
from .replies import approval_question, turn_reply, unchanged_reply
from .store import Status, Turn, TurnPicture
from .stored_session import StoredSession
from .turn_job import Act, Replied, Understood

if TYPE_CHECKING:
    from ...renderer.checkpoints.vocabulary import Vocabulary
    from ..agent import Agent

ANSWERS = ("yes", "no")  # to a plan that waits
log = logging.getLogger(__name__)


class TurnRunner:
    """Carries out the turns of one session, as a part of one job. Each public method returns the finished turn."""

    def __init__(
        self, session: StoredSession, *, agent: Agent, interpret: Callable[[str], Understanding], context: JobContext
    ) -> None:
        """`interpret`: the command of a message; `context`: of the job, which is told what happens."""
        self.session, self.store, self.agent = session, session.store, agent
        self._interpret, self._context = interpret, context

    def run(self, turn: Turn, act: Act) -> None:
        """Runs or resumes a turn to its end, and reports `Replied`. Failures and stops are recorded as such;
        an interrupted job leaves the turn as it is, to be resumed."""
        try:
            turn = self._carry_out(turn, act)
        except JobCancelled:
            if self._context.interrupted.is_set():
                raise
            turn = self._end(turn, "stopped", "Stopped; the picture is as it was.")
        except (DitpipeError, ValueError) as error:
            reply = f"That did not work: {one_line(error)}"
            may_pass = isinstance(error, ModelError) or (isinstance(error, DitpipeError) and bool(error.resume))
            if may_pass:
                reply = f"{reply.rstrip('.')}. The picture is as it was; say it again to try once more."
            turn = self._end(turn, "failed", reply, may_pass=may_pass, suggestions=(turn.message,) if may_pass else ())
            if isinstance(error, DitpipeError) and error.resume and turn.folder:
                advice = f" What it began is kept in {self.session.path(turn.folder)}; or run: {error.resume}"
                turn = self._write(turn, reply=turn.reply + advice)
        except Exception:  # a turn left pending would be tried again at each start
            log.exception("turn %s of session %s failed", turn.number, self.session.id)
            turn = self._end(turn, "failed", "That did not work: an internal error; the log says more")
        self._context.emit(Replied(turn))

    def _carry_out(self, turn: Turn, act: Act) -> Turn:
        if turn.kind is not None and turn.folder is not None:  # it was being drawn
            return self.draw(turn)
        if act.do == "revise" and act.revision:
            return self.revise(turn, act.revision, whole=act.whole)
        if act.do == "again":
            return self.do(turn, Understanding("change", whole=True, fresh=True))
        if act.do == "replan" and act.plan:
            return self.replan(turn, act.plan)
        if act.do == "approve":
            return self.approve(turn, act.plan)
        return self.interpret(turn, turn.message)

    def _end(self, turn: Turn, status: Status, reply: str, **fields: Any) -> Turn:
        """Ends a turn early; what it has recorded meanwhile stays."""
        current = next(other for other in self.session.turns if other.number == turn.number)
        return self._write(current, status=status, reply=reply, **fields)

    def interpret(self, turn: Turn, message: str) -> Turn:
        """Interprets a message and carries it out. The turn's own, said again after a failure, goes on from what was
        drawn then."""
        if message == turn.message and (failed := self.session.drawn_before_failing(turn)):
            return self._try_again(turn, failed)
        result = self._interpret(message)
        self._context.emit(Understood(result))
        self._context.raise_if_stopped()
        return self.do(turn, result)

    def do(self, turn: Turn, result: Understanding) -> Turn:
        """Carries out what a message means."""
        turn = self._write(turn, kind=result.kind, notes=result.notes, touched=result.touched)
        match result.kind:
            case "new brief":
                return self.paint(turn, result.brief)
            case "change":
                return self.change(turn, result)
            case "accept" if self.session.waiting:
                return self.approve(turn, None)
            case "accept":
                return self._done(turn, "Glad you like it." if self.session.head else "Then tell me what to paint.")
            case "choose":
                return self.choose(turn, result.number)
            case "undo" | "redo":
                return self.navigate(turn, result.steps, forward=result.kind == "redo")
        return self._done(turn, result.reply, suggestions=result.suggestions)

    def paint(self, turn: Turn, brief: str) -> Turn:
        """Draws a new picture of a brief."""
        if not self.session.title:
            self.store.rename(self.session.id, brief if len(brief) <= 60 else brief[:59] + "…")
        seed, folder, before = self.agent.settings.picture_seed(), _folder(turn), self._ended_early(turn)
        if before and before.brief == brief and before.seed is not None:  # the same brief once more
            seed = before.seed
        return self.draw(self._write(turn, brief=brief, seed=seed, folder=folder))

    def change(self, turn: Turn, result: Understanding) -> Turn:
        """Draws what a change makes different, or everything; another try after a failure that may pass is that
        one's."""
        failed = self._ended_early(turn)
        if result.fresh and failed and failed.may_pass:
            return self._try_again(turn, failed)
        return self._become(turn, result.plan or self._plan(), whole=result.whole, fresh=result.fresh)

    def revise(self, turn: Turn, revision: Revision, *, whole: bool) -> Turn:
        """Draws what a revision changes, or with `whole` everything. Raises ValueError if it does not fit the plan."""
        plan = self._plan()
        changed = sync_scene_prompt(plan, revision.apply(plan))
        turn = self._write(turn, kind="change", touched=tuple(revision.names))
        return self._become(turn, changed, whole=whole)

    def _try_again(self, turn: Turn, failed: Turn) -> Turn:
        if failed.folder is None:
            return self.interpret(turn, failed.message)
        same = (
            "kind", "brief", "plan", "revision", "seed", "base", "parent", "folder", "approved", "notes", "touched",
        )  # fmt: skip
        return self.draw(self._write(turn, **{name: getattr(failed, name) for name in same}))

    def replan(self, turn: Turn, changed: ScenePlan) -> Turn:
        """Draws this plan in place of the current one."""
        plan = self._plan()
        changed = changed.with_size(plan.width, plan.height)
        whole = (plan.scene, plan.whole) != (changed.scene, changed.whole)
        changed = sync_scene_prompt(plan, changed)
        revision = _difference(plan, changed)
        turn = self._write(turn, kind="change", touched=tuple(revision.names) if revision else ())
        return self._become(turn, changed, whole=whole, revision=revision)

    def _become(
        self, turn: Turn, changed: ScenePlan, *, whole: bool, fresh: bool = False, revision: Revision | None = None
    ) -> Turn:
        """Draws a changed plan, or shows it in place of one that waits; `revision`: the difference, if it is known."""
        waiting, head = self.session.waiting, self.session.head
        if waiting:
            self._context.emit(Planned(changed))
            self._context.emit(Waiting(changed, self.session.path(waiting.folder or "")))
            self._write(waiting, status="done", head=turn.head)
            run = {name: getattr(waiting, name) for name in ("brief", "seed", "folder", "approved")}
            reply = approval_question(changed, self._vocabulary)
            reply = f"{reply}{not_done(turn.notes)}"
            return self._write(turn, **run, plan=changed, status="waiting", reply=reply, suggestions=ANSWERS)
        assert head is not None
        if changed == head.plan and not fresh:
            return self._done(turn, "It is like that already; nothing was drawn.")
        if head.plan and not revision:
            revision = _difference(head.plan, changed)
        seeds = [other.seed for other in self.session.turns if other.seed is not None]
        turn = self._write(
            turn, plan=changed, revision=revision, brief=head.brief, parent=head.number, folder=_folder(turn),
            base=None if whole or fresh or not (revision and revision.names) else head.picture,
            seed=(max(seeds) + 1) % 2**62 if fresh else head.seed,
        )  # fmt: skip
        return self.draw(turn)

    def approve(self, turn: Turn, plan: ScenePlan | None) -> Turn:
        """Draws the plan that waits, or a changed one."""
        waiting = self.session.waiting
        if waiting is None or waiting.plan is None:
            raise ValueError("no plan waits for a yes")
        approved = waiting.plan
        if plan:
            approved = sync_scene_prompt(approved, plan.with_size(approved.width, approved.height))
        folder = waiting.folder
        if waiting.approved:  # a run is approved once; if that was stopped or failed, another plan is a new run
            before = self._ended_early(turn)
            folder = before.folder if before and before.plan == approved else _folder(turn)
        self._write(waiting, approved=True, head=turn.head)
        turn = self._write(
            turn, kind="accept", brief=waiting.brief, plan=approved, seed=waiting.seed, folder=folder, approved=True
        )
        return self.draw(turn)

    def choose(self, turn: Turn, number: int) -> Turn:
        """Makes another candidate the current picture."""
        head = self.session.head
        if head is None or not 1 <= number <= len(head.candidates):
            count = len(head.candidates) if head else 0
            raise ValueError(f"there are {count} candidates to choose from" if count else "there is only one picture")
        chosen = head.candidates[number - 1]
        request = read_request(self.session.path(chosen.picture))
        return self._done(
            turn, f"This is number {number}.", parent=head.number, head=turn.number, picture=chosen.picture,
            critique=chosen.critique, plan=request.edited_plan, seed=request.seed, brief=head.brief,
            candidates=head.candidates, touched=head.touched,
        )  # fmt: skip

    def show(self, turn: Turn, number: int) -> Turn:
        """Makes the picture of any turn the current one."""
        target = next((other for other in self.session.turns if other.number == number and other.picture), None)
        if target is None:
            raise ValueError(f"turn {number} has no picture")
        self._drop_waiting(turn)
        return self._done(turn, f"Back at: {target.message}", head=number)

    def navigate(self, turn: Turn, steps: int, *, forward: bool = False) -> Turn:
        """Makes the picture that many steps back, or forward, the current one (see history.py)."""
        turns, head = self.session.turns, self.store.record(self.session.id).head
        if self.session.waiting and not forward:
            self._drop_waiting(turn)
            return self._done(turn, "The plan is dropped; nothing was drawn.")
        number = steps_forward(turns, head, steps) if forward else steps_back(turns, head, steps)
        target = next(other for other in turns if other.number == number)
        self._drop_waiting(turn)
        return self._done(turn, f"Back at: {target.message}", head=number)

    def draw(self, turn: Turn) -> Turn:
        """Draws what the turn records, or resumes its run, and finishes the turn."""
        session = self.session
        assert turn.folder is not None
        folder = session.path(turn.folder)
        if not (folder / "run.json").exists():
            painter, record = self._run_of(turn)
            before = self._ended_early(turn)
            if before and before.folder and _is_of(session.path(before.folder), record):
                turn, folder = self._write(turn, folder=before.folder), session.path(before.folder)
            else:
                write_record(folder, record)
        else:
            record = run_record(folder)
            model = record.settings.get("model", self.agent.settings.model)
            if model != self.agent.settings.model:
                raise RunError(f"this picture was begun with another model; open the session with --model {model}")
            painter = self.agent.with_settings(**picture_settings(record))

        def emit(event: JobEvent) -> None:
            nonlocal turn
            if isinstance(event, Planned) and turn.plan != event.plan:
                turn = self._write(turn, plan=event.plan)
            self._context.emit(event)

        approved = (turn.plan or True) if turn.approved else False
        last = painter.run(folder, replace(self._context, emit=emit), approved=approved)
        self._drop_waiting(turn)
        if isinstance(last, Waiting):
            reply = approval_question(last.plan, self._vocabulary)
            return self._write(turn, status="waiting", plan=last.plan, reply=reply, suggestions=ANSWERS)
        if last.painting.halted:  # said again, the turn goes on from there
            error = ModelError(last.painting.halted)
            error.resume = last.painting.resume
            raise error
        return self._painted(turn, last.painting)

    def _run_of(self, turn: Turn) -> tuple[Agent, RunRecord]:
        """The agent that draws a turn, and the record of its run."""
        painter = self.agent.with_settings(
            approve=self.agent.settings.approve and turn.kind == "new brief", seed=turn.seed or 0
        )
        base = self.session.path(turn.base) if turn.base else None
        judged, tried = (self._head_of(turn).critique, self._tried_before(turn)) if base else (None, [])
        return painter, painter.record(turn.brief, plan=turn.plan, base=base, judged=judged, tried=tried)

    def _ended_early(self, turn: Turn) -> Turn | None:
        """The turn before, if it was stopped or failed: what it has drawn is kept, and may be resumed."""
        before = [other for other in self.session.turns if other.number < turn.number][-1:]
        return next((other for other in before if other.status in ("stopped", "failed")), None)

    def _painted(self, turn: Turn, painting: Painting) -> Turn:
        best, folder = painting.best, self.session.folder
        picture = str(painting.path.relative_to(folder))
        rounds, candidates = (
            tuple(TurnPicture(picture=str(each.path.relative_to(folder)), critique=each.critique) for each in pictures)
            for pictures in (painting.rounds, best.candidates)
        )
        parent = next((other for other in self.session.turns if other.number == turn.parent), None)
        done = turn.model_copy(
            update={
                "picture": picture, "plan": best.plan, "critique": best.critique, "seed": best.request.seed,
                "rounds": rounds, "candidates": candidates, "head": turn.number, "round": best.number,
                "comparison": painting.best_try.comparison,
            }
        )  # fmt: skip
        if not best.number and parent:
            candidates = (TurnPicture(picture=picture, critique=best.critique), *rounds)
            done = done.model_copy(update={"candidates": candidates, "parent": parent.parent})
            all_the_same = (f"number {painting.best_try.number + 1}", turn.message)
            return self._done(done, unchanged_reply(painting), suggestions=all_the_same)
        vocabulary, agent = self._vocabulary, self.agent
        warnings = [
            warning
            for warning in read_metadata(painting.path)[1]
            if not (vocabulary and vocabulary.is_shape_warning(warning))
        ]
        if agent.settings.seed == "random" and turn.kind in ("new brief", "accept"):
            warnings.append(f"the seed is {best.request.seed}")
        notes = [f" Note: {warning}." for warning in warnings]
        return self._done(done, turn_reply(done, parent.plan if parent else None, vocabulary) + "".join(notes))

    @property
    def _vocabulary(self) -> Vocabulary | None:
        return self.agent.vocabulary

    def _head_of(self, turn: Turn) -> Turn:
        """The turn whose picture a turn changes."""
        return next(other for other in self.session.turns if other.number == turn.parent)

    def _tried_before(self, turn: Turn) -> list[ScenePlan]:
        """Plans that were tried on the picture that a turn changes, and rejected."""
        head = self._head_of(turn)
        if head.round != 0 or head.folder is None:
            return []
        earlier = run_record(self.session.path(head.folder)).tried
        return [*earlier, *(read_request(self.session.path(picture.picture)).edited_plan for picture in head.rounds)]

    def _drop_waiting(self, turn: Turn) -> None:
        waiting = self.session.waiting
        if waiting and waiting.number != turn.number:
            self._write(waiting, status="done", head=turn.head)

    def _plan(self) -> ScenePlan:
        plan = self.session.plan
        if plan is None:
            raise ValueError("there is no picture yet; say what it should show")
        return plan

    def _write(self, turn: Turn, **fields: Any) -> Turn:
        return self.store.update(self.session.id, turn.model_copy(update=fields))

    def _done(self, turn: Turn, reply: str, **fields: Any) -> Turn:
        return self._write(turn, **fields, status="done", reply=f"{reply}{not_done(turn.notes)}")


def _difference(before: ScenePlan, after: ScenePlan) -> Revision | None:
    """What a revision can say of the difference; None where size, style, palette or negative differ, or nothing."""
    same = before.whole == after.with_size(before.width, before.height).whole
    return Revision.between(before, after) if same else None


def _folder(turn: Turn) -> str:
    return f"turn-{turn.number:04}"


def _is_of(folder: Path, record: RunRecord) -> bool:
    """Whether a folder holds the run of that record."""
    try:
        return run_record(folder) == record
    except RunError:
        return False
