"""Inputs of jobs for edits and variations of an uploaded picture, in OpenAI's Images API."""

from collections.abc import Callable
from typing import Any

from PIL import Image

from ..prompts.answers.chat_schema import Understanding
from ..prompts.plan import LeveledPrompt, Region, ScenePlan
from ..prompts.revision import Revision
from ..renderer.checkpoints.registry import Checkpoint
from ..renderer.pictures.artifacts import request_in
from ..renderer.regions.mask_image import mask_text
from ..renderer.request import RenderRequest
from .api_schema import EditInput, RedrawInput, check_upload, edit_of_upload, redraw_of
from .jobs.service import PictureService
from .openai_images_schema import ImageSettings
from .requested_change import change_input
from .uploads import box_of, digest_outside, hole_in, is_inside, shared_area

SAME_PLACE = 0.6  # least intersection over union at which a mask replaces a region of the plan


def edits_of(
    service: PictureService,
    picture: Image.Image,
    mask: Image.Image | None,
    settings: ImageSettings,
    request_for: Callable[[ScenePlan], RenderRequest],
    steps: int,
) -> list[EditInput]:
    """The inputs of `n` edits: a region with the shape of the mask's hole, on top of the plan. It replaces the region
    that covers the same area, if there is one, and all that lie in the hole. Without a mask it replaces all regions."""
    request = request_in(picture, name="image")
    plan, prompt = request.edited_plan, LeveledPrompt(high_level=settings.prompt)
    seeds = [(request.seed if settings.seed is None else settings.seed) + i for i in range(settings.n)]
    names = {region.name for region in plan.regions}
    name = next(name for i in range(1, 99) if (name := f"edit {i}") not in names)
    notes = unused_settings(settings, picture)
    if mask is None:
        hole, shape, removed, scene = Image.new("L", picture.size, 255), "", sorted(names), prompt
        notes += ["no mask: the whole picture was drawn anew; a mask is transparent where the picture is to change"]
    else:
        hole, scene = hole_in(mask, size=picture.size, name="mask" if settings.mask else "image"), None  # type: ignore[attr-defined]
        shape = mask_text(hole)
        same = max(plan.regions, key=lambda region: shared_area(hole, region.box), default=None)
        removed = [same.name] if same and shared_area(hole, same.box) >= SAME_PLACE else []
        name = removed[0] if removed else name
        removed += [region.name for region in plan.regions if region.name != name and is_inside(region, hole)]
    top = min(100, 1 + max((region.z_order for region in plan.regions), default=0))
    added = Region(name=name, box=box_of(hole), prompt=prompt, z_order=top, mask=shape)
    revisions = [
        Revision(removed=removed, added=[added.model_copy(update={"seed": seed})], scene=scene) for seed in seeds
    ]
    here, protected = request_for(plan), digest_outside(hole, picture)
    return [
        edit_of_upload(service, request, revision, here=here, steps=steps).model_copy(
            update={"notes": notes, "protected": protected if shape else None}
        )
        for revision in revisions
    ]


def changes_of(
    service: PictureService,
    picture: Image.Image,
    result: Understanding,
    settings: ImageSettings,
    request_for: Callable[[ScenePlan], RenderRequest],
    checkpoint: Checkpoint,
) -> list[tuple[str, Any]]:
    """Kind and input of `n` jobs for a change in plain language."""
    request = request_in(picture, name="image")
    here = request_for(request.edited_plan)
    check_upload(service, request, here=here, steps=checkpoint.steps)
    first = request.seed % 2**62 if settings.seed is None and settings.n > 1 else settings.seed

    def edit(revision: Revision) -> EditInput:
        return edit_of_upload(service, request, revision, here=here, steps=checkpoint.steps)

    def job(seed: int | None) -> tuple[str, EditInput | RedrawInput]:
        return change_input(result, request, edit, here=here, checkpoint=checkpoint, seed=seed)

    return [job(None if first is None else first + i) for i in range(settings.n)]


def variations_of(
    service: PictureService,
    picture: Image.Image,
    settings: ImageSettings,
    request_for: Callable[[ScenePlan], RenderRequest],
    checkpoint: Checkpoint,
) -> list[RedrawInput]:
    """The inputs of `n` renders of the picture's plan from other noise."""
    request = request_in(picture, name="image")
    plan, here = request.edited_plan, request_for(request.edited_plan)
    check_upload(service, request, here=here, steps=checkpoint.steps)
    free = plan.model_copy(update={"regions": [region.model_copy(update={"seed": None}) for region in plan.regions]})
    first = (request.seed + 1) % 2**62 if settings.seed is None else settings.seed
    return [redraw_of(request, free, seed=first + i, here=here, checkpoint=checkpoint) for i in range(settings.n)]


def unused_settings(settings: ImageSettings, picture: Image.Image) -> list[str]:
    """Warnings for settings that an edit or a variation ignores."""
    notes = []
    if settings.quality not in ("auto", "medium", "standard"):
        notes.append(f"quality {settings.quality!r} is not used: the picture's own steps are taken")
    if settings.size not in ("auto", f"{picture.width}x{picture.height}"):
        notes.append(f"size {settings.size} is not used: the picture's is kept, {picture.width}x{picture.height}")
    return notes
