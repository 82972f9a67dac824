"""The job handlers of a renderer: draw a plan, and draw changed regions into a picture."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from ...prompts.critique import Critique
from ...prompts.plan import ScenePlan
from ...prompts.revision import Revision
from ...renderer.pictures.artifacts import read_result, write, write_result
from ...renderer.regions.mask_image import shape_of
from ...renderer.request import PictureRenderer, RenderRequest, RenderResult, Saving
from ..api_schema import REPORT, EditInput, RedrawInput, Report, read_report
from ..uploads import digest_outside
from ..watching.tracing import span
from .device_lock import drawing_on
from .engine import JobContext, JobHandler

PICTURE = "picture.png"  # in a job's folder, as in the folder of an agent's run


EditReviewer = Callable[[RenderResult, RenderResult, Critique | None], Report]
"""(picture before, edited picture, critique of the one before if it is known) → what a critic says of the edit."""


def renderer_handlers(
    renderer: PictureRenderer,
    request_for: Callable[[ScenePlan], RenderRequest],
    review: EditReviewer | None = None,
    *,
    save_memory: Sequence[Saving] = (),
) -> dict[str, JobHandler]:
    """The handlers "render" and "edit"; each returns a PNG that carries the request it can be drawn from again.

    `request_for` a plan has the server's settings; a job's input says what differs from them. A picture stays in its
    job's folder with its latents: an edit continues from them, or without them from the request. `review` compares an
    edit with the picture before it; None: nobody does. `save_memory`: what every request gets because memory
    ran out without it, which is a warning of its picture.
    """
    spared = [f"out of memory: drawn again with save_memory {','.join(save_memory)}"] if save_memory else []

    def saving(request: RenderRequest) -> RenderRequest:
        names = dict.fromkeys([*request.save_memory, *save_memory])
        return request.model_copy(update={"save_memory": list(names)})

    def save(result: RenderResult, folder: Path) -> bytes:
        write_result(folder / PICTURE, result)
        return (folder / PICTURE).read_bytes()

    def render(payload: dict[str, Any], context: JobContext) -> bytes:
        job = RedrawInput.model_validate(payload)
        settings = job.model_dump(include={"seed", "steps", "guidance_scale", "solver"}, exclude_none=True)
        request = request_for(job.plan).model_copy(update=settings)
        with span("render"), drawing_on(renderer.device, context):
            result = renderer.render(saving(request), context.on_step)
        return save(replace(result, warnings=(*result.warnings, *spared, *job.notes)), context.folder)

    def edit(payload: dict[str, Any], context: JobContext) -> bytes:
        job = EditInput.model_validate(payload)
        base, notes = context.folder.parent / (job.base or ""), [*job.notes, *spared]
        before = read_result(base / PICTURE) if job.base and (base / PICTURE).exists() else job.request
        if (before if isinstance(before, RenderRequest) else before.request).files:  # the folder may be a stranger's
            raise ValueError("this picture was made with files of another machine; it is not drawn again here")
        with span("render"), drawing_on(renderer.device, context):
            if isinstance(before, RenderRequest):
                before = renderer.render(saving(before), context.on_step)
            elif save_memory:
                before = replace(before, request=saving(before.request))
            result = renderer.edit(before, job.revision, context.on_step)
        if job.protected and job.protected != _digest(result, job.revision):
            notes.append(
                "the uploaded picture differs from the one that its plan draws here: outside the mask the answer has "
                "the pixels that were drawn here"
            )
        if review:
            context.raise_if_stopped()
            with span("critique"):
                report = review(before, result, read_report(base).critique if job.base else None)
            notes += report.warnings
            write(context.folder / REPORT, report.model_dump_json().encode())
        result = replace(result, warnings=tuple(dict.fromkeys([*result.warnings, *notes])))
        return save(result, context.folder)

    return {"render": render, "edit": edit}


def _digest(result: RenderResult, revision: Revision) -> str:
    """The hash of a picture's pixels outside the free shape that a revision drew in."""
    shape = next(shape for region in revision.added if (shape := shape_of(region)) is not None)
    return digest_outside(Image.fromarray(shape).convert("L"), result.image)
