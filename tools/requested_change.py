"""A change in plain language → the input of a job, by the chat's interpreter."""

import secrets
from collections.abc import Callable

from ..prompts.answers.chat_schema import ChatCommand
from ..prompts.plan import ScenePlan
from ..prompts.prompt_style import sync_scene_prompt
from ..prompts.revision import Revision
from ..renderer.request import RenderRequest
from .api_schema import EditInput, RenderInput

ChangeReader = Callable[[str, ScenePlan], ChatCommand]
"""(message, plan of the picture) → the command in it. Raises DitpipeError if the model behind it fails."""


def change_command(read: ChangeReader, message: str, plan: ScenePlan, *, field: str) -> ChatCommand:
    """The change in a message. Raises ValueError with the interpreter's reply if there is none. field: of the message,
    for the error."""
    command = read(message, plan)
    if command.kind == "change":
        return command
    if command.kind == "new brief":
        raise ValueError(f"{field}: this describes a new picture, not a change of this one; have it painted instead")
    raise ValueError(f"{field}: {command.reply or 'say what is to change in this picture'}")


def change_input(
    command: ChatCommand, request: RenderRequest, edit: Callable[[Revision], EditInput], *, seed: int | None = None
) -> tuple[str, EditInput | RenderInput]:
    """The kind and the input of the job for a change.

    An edit, made by `edit`, if the change names regions; else the whole picture is rendered again, from the same noise
    unless the command asks for another try. `seed`: noise for what is drawn.
    """
    plan = request.edited_plan
    if command.revision and command.revision.names and not (command.whole or command.fresh):
        return "edit", edit(_seeded(command.revision, seed))
    revised = sync_scene_prompt(plan, command.revision.apply(plan)) if command.revision else plan
    changed = command.plan or revised
    redraw_seed = secrets.randbelow(2**31) if command.fresh else request.seed % 2**62
    return "render", RenderInput(
        plan=changed,
        seed=redraw_seed if seed is None else seed,
        steps=request.steps,
        guidance_scale=request.guidance_scale,
    )


def _seeded(revision: Revision, seed: int | None) -> Revision:
    """The revision with that seed for all regions that it draws; unchanged for None."""
    if seed is None:
        return revision
    changes = [change.model_copy(update={"seed": seed}) for change in revision.changes]
    added = [region.model_copy(update={"seed": seed}) for region in revision.added]
    return revision.model_copy(update={"changes": changes, "added": added})
