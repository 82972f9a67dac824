"""What a renderer can do for a studio: draw a plan, and draw changed regions into a picture and keep the rest."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..prompts.scene import ScenePlan
from ..renderer.picture import png_bytes
from ..renderer.pipeline import OnStep, Renderer, RenderRequest
from .contract import EditOrder, RenderOrder
from .studio import Work


def renderer_works(renderer: Renderer, request: Callable[[ScenePlan], RenderRequest]) -> dict[str, Work]:
    """The works "render" and "edit"; each gives a PNG that carries the request it can be made from again.

    `request` of a plan has the server's settings; an order says what differs from them.
    """

    def render(asked: dict[str, Any], folder: Path, on_step: OnStep) -> bytes:
        order = RenderOrder.model_validate(asked)
        said = order.model_dump(include={"seed", "steps", "guidance_scale"}, exclude_none=True)
        return png_bytes(renderer.render(request(order.plan).model_copy(update=said), on_step))

    def edit(asked: dict[str, Any], folder: Path, on_step: OnStep) -> bytes:
        order = EditOrder.model_validate(asked)
        if order.request.model != renderer.model:
            raise ValueError(f"{order.request.model!r} drew this picture; only {renderer.model!r} draws here")
        return png_bytes(renderer.edit(order.request, order.revision, on_step))

    return {"render": render, "edit": edit}
