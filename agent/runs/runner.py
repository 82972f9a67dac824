"""Runs the loop over a run's folder: starts, resumes or waits, and names the way on after a fault."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...prompts.errors import CritiqueError, DitpipeError, ModelError, PlanningError, RenderError, RunError, one_line
from ...prompts.plan import ScenePlan
from ...renderer.pictures.artifacts import add_warnings, copy_result, read_request, write
from ..events import Finished, Painting, Waiting
from .entry import CandidateEntry, Entry
from .resume_policy import resume_command
from .steps import RunSteps


def run(steps: RunSteps, approved: bool | ScenePlan = False) -> Finished | Waiting:
    """Runs from the last finished node on; returns the last event.

    `approved` answers a plan that waits: True, or the changed plan. Errors are those of `Agent.resume`. A critic or a
    reviser that fails ends the run with what is drawn: the painting says so, and the run resumes at the same node.
    """
    from langgraph.types import Command

    from ..loop import build_graph
    from .state import UnreadableState, checkpoints, read_state

    folder, record, settings = steps.folder, steps.record, steps.settings
    size = steps.size
    if record.base:
        size = read_request(record.base).edited_plan.with_size(*size).size
    start: dict[str, Any] = {"brief": record.brief}
    start |= {"plan": record.plan.with_size(*size).model_dump()} if record.plan else {}
    approved = approved.with_size(*size) if isinstance(approved, ScenePlan) else approved
    nodes = (3 + settings.candidates) * settings.rounds + 10
    config: Any = {"configurable": {"thread_id": "run"}, "recursion_limit": nodes}
    begun, failure = False, ""
    try:
        with checkpoints(folder) as saver:
            app = build_graph(settings, folder=folder, steps=steps).compile(checkpointer=saver)
            state = read_state(app, config)
            entry_point: Any = None if state.values else start
            if state.next == ("approve",):
                if not approved:
                    waiting = Waiting(ScenePlan.model_validate(state.values["plan"]), folder)
                    steps.context.emit(waiting)  # the log has it already
                    return waiting
                entry_point = Command(resume=True if approved is True else approved.model_dump())
            elif isinstance(approved, ScenePlan) and state.values and approved != _first_plan(state.values):
                raise RunError(
                    f"the plan of {folder} had its yes already, and this one differs; go on without --yes, or draw "
                    f"this one: ditpipe render {folder / 'plan.json'}"
                )
            begun = True
            try:
                app.invoke(entry_point, config, durability="sync")
            except (CritiqueError, PlanningError, ModelError) as error:
                _keep_reply(folder, error)
                if app.get_state(config).next not in (("critique",), ("revise",)):
                    raise
                failure = one_line(error)
            state = app.get_state(config)
    except DitpipeError as error:
        if begun and not isinstance(error, RenderError):  # it may pass, and each finished node is saved
            error.resume = resume_command(folder, settings)
            error.add_note(f"go on with: {error.resume}")
        raise
    except UnreadableState as error:
        raise RunError(
            f"the checkpoints of {folder} cannot be read ({error}): an older version of ditpipe wrote them, or "
            f"somebody else; remove {folder / 'checkpoints.sqlite'}, and the run begins anew"
        ) from error
    except sqlite3.Error as error:
        raise RunError(
            f"cannot go on in {folder}: {error}; if the disk was full, then later: {resume_command(folder, settings)}"
        ) from error
    if state.next == ("approve",):
        steps.context.raise_if_stopped()
        last: Finished | Waiting = Waiting(ScenePlan.model_validate(state.values["plan"]), folder)
    else:
        last = Finished(_painting(steps, state.values, failure, judged=state.next != ("critique",)))
    steps.emit(last)
    return last


def _keep_reply(folder: Path, error: DitpipeError) -> None:
    """Writes the raw reply of a model that could not be read to the run's folder, and says so."""
    if isinstance(error, PlanningError | CritiqueError):
        reply = folder / "reply.txt"
        write(reply, error.reply.encode(errors="backslashreplace"))
        error.args = (f"{error} (the last reply is in {reply})",)


def _painting(steps: RunSteps, state: dict[str, Any], failure: str, *, judged: bool) -> Painting:
    """The rounds of a state; the best one's picture is copied to the run's picture.png.

    `failure`: of a critic or a reviser, if one ended the run; then the last round may not be `judged`.
    """
    folder, entries = steps.folder, [Entry.model_validate(entry) for entry in state["tried"]]
    halted = f"nothing was drawn again: {failure}"
    if not judged:
        seen = [Entry.model_validate(entry) for entry in state.get("judged", [])]
        drawn = [*seen, *map(Entry.model_validate, state["drawn"][len(seen) :])]
        candidates = [CandidateEntry(path=entry.path, critique=entry.critique) for entry in drawn if len(drawn) > 1]
        entries.append(max(drawn, key=lambda entry: entry.rank).model_copy(update={"candidates": candidates}))
        part = f"{len(drawn) - len(seen)} of {len(drawn)} pictures of " if seen else ""
        halted = f"{part}round {len(entries)} {'were' if seen else 'was'} not judged: {failure}"
    rounds = tuple(entry.as_round(folder, number) for number, entry in enumerate(entries, start=1))
    before = state.get("before")
    base = Entry.model_validate(before).as_round(folder, 0) if before else None
    painting = Painting(steps.record.brief, folder, rounds, base)
    if failure:
        painting = replace(painting, halted=halted, resume=resume_command(folder, steps.settings))
    copy_result(painting.best.path, painting.path)
    if notes := painting.notes:
        add_warnings(painting.path, notes)
    return painting


def _first_plan(state: dict[str, Any]) -> ScenePlan | None:
    """The plan that a run began to draw; later ones are revised."""
    if state.get("tried"):
        return Entry.model_validate(state["tried"][0]).plan
    return ScenePlan.model_validate(state["plan"]) if state.get("plan") else None
