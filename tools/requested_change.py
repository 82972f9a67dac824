"""A change asked for in words becomes an order: what the chat's reader makes of the words, for one picture."""

import secrets
from collections.abc import Callable

from ..prompts.chat_schema import ChatCommand
from ..prompts.plan import ScenePlan
from ..prompts.prompt_style import sync_scene_prompt
from ..prompts.revision import Revision
from ..renderer.request import RenderRequest
from .api_schema import EditOrder, RenderOrder

Reader = Callable[[str, ScenePlan], ChatCommand]
"""(message, plan of the picture) → what the message means. Raises DitpipeError if the model behind it fails."""


def understood_change(read: Reader, message: str, plan: ScenePlan, *, field: str) -> ChatCommand:
    """What a message changes. Raises ValueError, which names the `field` that carried it, if it asks for no change of
    this picture: the reader's own answer or question is passed on."""
    heard = read(message, plan)
    if heard.kind == "change":
        return heard
    if heard.kind == "new brief":
        raise ValueError(f"{field}: this describes a new picture, not a change of this one; have it painted instead")
    raise ValueError(f"{field}: {heard.reply or 'say what is to change in this picture'}")


def order_change(
    heard: ChatCommand, request: RenderRequest, edit: Callable[[Revision], EditOrder], *, seed: int | None = None
) -> tuple[str, EditOrder | RenderOrder]:
    """A job's kind and its order: the named regions drawn into the picture by the order that `edit` makes, or
    the whole picture again, from the same noise unless another try was asked for. `seed`: noise for what is drawn."""
    plan = request.edited_plan
    if heard.revision and heard.revision.names and not (heard.whole or heard.fresh):
        return "edit", edit(_seeded(heard.revision, seed))
    changed = sync_scene_prompt(plan, heard.revision.apply(plan)) if heard.revision else plan
    noise = secrets.randbelow(2**31) if heard.fresh else request.seed % 2**62
    order = RenderOrder(
        plan=changed, seed=noise if seed is None else seed, steps=request.steps, guidance_scale=request.guidance_scale
    )
    return "render", order


def _seeded(revision: Revision, seed: int | None) -> Revision:
    """The revision with that seed for whatever it draws; None leaves it as it is."""
    if seed is None:
        return revision
    changes = [change.model_copy(update={"seed": seed}) for change in revision.changes]
    added = [region.model_copy(update={"seed": seed}) for region in revision.added]
    return revision.model_copy(update={"changes": changes, "added": added})
