"""Runs the loop over a run's folder: starts, resumes or waits, and names the way on after a fault."""

import sqlite3
from typing import Any

from ...prompts.errors import CritiqueError, DitpipeError, PlanningError, RenderError, RunError
from ...prompts.plan import ScenePlan
from ...renderer.pictures.artifacts import add_warnings, copy_result, read_request, write
from ..events import Finished, Painting, Waiting
from .entry import Entry
from .resume_policy import resume_command
from .steps import RunSteps


def run(steps: RunSteps, approved: bool | ScenePlan = False) -> Finished | Waiting:
    """Runs from the last finished node on; returns the last event.

    `approved` answers a plan that waits: True, or the changed plan. Errors are those of `Agent.resume`.
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
    config: Any = {"configurable": {"thread_id": "run"}, "recursion_limit": 4 * settings.rounds + 10}
    begun = False
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
            app.invoke(entry_point, config, durability="sync")
            state = app.get_state(config)
    except DitpipeError as error:
        if isinstance(error, PlanningError | CritiqueError):
            reply = folder / "reply.txt"
            write(reply, error.reply.encode(errors="backslashreplace"))
            error.args = (f"{error} (the last reply is in {reply})",)
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
        last = Finished(_painting(steps, state.values))
    steps.emit(last)
    return last


def _painting(steps: RunSteps, state: dict[str, Any]) -> Painting:
    """The rounds of a finished state; the best one's picture is copied to the run's picture.png."""
    folder = steps.folder
    rounds = tuple(
        Entry.model_validate(entry).as_round(folder, number) for number, entry in enumerate(state["tried"], start=1)
    )
    before = state.get("before")
    base = Entry.model_validate(before).as_round(folder, 0) if before else None
    painting = Painting(steps.record.brief, folder, rounds, base)
    copy_result(painting.best.path, painting.path)
    if notes := painting.notes:
        add_warnings(painting.path, notes)
    return painting


def _first_plan(state: dict[str, Any]) -> ScenePlan | None:
    """The plan that a run began to draw; later ones are revised."""
    if state.get("tried"):
        return Entry.model_validate(state["tried"][0]).plan
    return ScenePlan.model_validate(state["plan"]) if state.get("plan") else None
