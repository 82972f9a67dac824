"""What a renderer can do for a studio: draw a plan, and draw changed regions into a picture and keep the rest."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from ...prompts.plan import ScenePlan
from ...prompts.revision import Revision
from ...renderer.pictures.artifacts import read_result, write_result
from ...renderer.regions.mask_image import shape_of
from ...renderer.request import OnStep, RenderRequest, RenderResult
from ..api_schema import EditOrder, RenderOrder
from ..uploads import digest_outside
from .service import Work

if TYPE_CHECKING:
    from ...renderer.pipeline import Renderer

KEPT = "picture.png"  # in the folder of a work, which a run of the agent is, too


def renderer_works(renderer: "Renderer", request: Callable[[ScenePlan], RenderRequest]) -> dict[str, Work]:
    """The works "render" and "edit"; each gives a PNG that carries the request it can be made from again.

    `request` of a plan has the server's settings; an order says what differs from them. Each picture stays in the
    folder of its work with its latents, as paintings do: an edit goes on from them, and from the request without them.
    """

    def kept(result: RenderResult, folder: Path) -> bytes:
        write_result(folder / KEPT, result)
        return (folder / KEPT).read_bytes()

    def render(asked: dict[str, Any], folder: Path, on_step: OnStep) -> bytes:
        order = RenderOrder.model_validate(asked)
        said = order.model_dump(include={"seed", "steps", "guidance_scale", "solver"}, exclude_none=True)
        return kept(renderer.render(request(order.plan).model_copy(update=said), on_step), folder)

    def edit(asked: dict[str, Any], folder: Path, on_step: OnStep) -> bytes:
        order = EditOrder.model_validate(asked)
        base = folder.parent / (order.base or "") / KEPT
        before = read_result(base) if order.base and base.exists() else order.request
        result, notes = renderer.edit(before, order.revision, on_step), list(order.notes)
        if order.protected and order.protected != _digest(result, order.revision):
            notes.append(
                "the picture that was sent is not, pixel for pixel, the one that its plan draws here: outside the mask "
                "the answer has what was drawn here"
            )
        return kept(replace(result, warnings=tuple(dict.fromkeys([*result.warnings, *notes]))), folder)

    return {"render": render, "edit": edit}


def _digest(result: RenderResult, revision: Revision) -> str:
    """The hash of a picture's pixels outside the free shape that a revision drew in."""
    shape = next(shape for region in revision.added if (shape := shape_of(region)) is not None)
    return digest_outside(Image.fromarray(shape).convert("L"), result.image)
