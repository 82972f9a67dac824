"""Warnings of fields that cannot act: covered regions, negatives without guidance, options without effect."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from ..prompts.plan import ScenePlan
from ..prompts.prompt_syntax import unread_syntax, weight_warnings
from ..prompts.wording import ignored_wording
from .families.base import Family
from .regions.mask_image import pixels_of
from .regions.prompt_schedule import Level
from .regions.region_masks import SCENE, region_ids, strengths_at
from .request import RenderRequest


def ignored_field_warnings(
    request: RenderRequest, plan: ScenePlan, family: Family, *, region_weights: Tensor, grid: tuple[int, int],
    levels: Sequence[Level], steps: int, guidance: float, is_edit: bool,
) -> list[str]:  # fmt: skip
    """One sentence per field of the request that has no effect.

    region_weights: (regions + 1, tokens); levels: one per block.
    """
    prompts = [plan.scene, *(region.prompt for region in plan.regions)]
    texts = [text for prompt in prompts for text in (prompt.high_level, prompt.low_level)]
    negatives = [plan.negative, *(region.negative for region in plan.regions)]
    notes = [*unread_syntax([*texts, *negatives]), *weight_warnings([*texts, *negatives], act=family.weighted)]
    notes += [*ignored_wording(plan, family.style), *family.unsaid(plan, levels)]
    notes += _hidden(plan, region_weights, grid, is_edit=is_edit)
    if not any(level.startswith("region") for level in levels):
        notes.append("the prompt schedule has no level of the regions: their prompts and negatives have no effect")
    for region in plan.regions:
        if region.strength and not any(strengths_at([region], done / steps)[0] for done in range(steps)):
            notes.append(
                f"region {region.name!r} has no effect: none of {steps} steps lies between its start {region.start:g} "
                f"and its end {region.end:g}"
            )
    if any(negatives) and not family.negatable:
        notes.append("this model takes no negative prompt: yours was ignored")
    elif any(negatives) and guidance <= 1:
        notes.append("the negative prompt was ignored: it needs a guidance scale above 1")
    if request.guidance_scale is not None and not family.guidable:
        notes.append("this model takes no guidance scale: yours was ignored")
    if is_edit and request.image:
        notes.append("the start picture is for the picture that is changed: what the edit draws starts from noise")
    if is_edit and request.step_cache:
        notes.append("step cache: not used while a part of a picture is drawn anew")
    if "tiling" in request.save_memory and max(grid) * family.patch <= family.tile:
        notes.append(f"save_memory 'tiling' does nothing here: a tile has {family.tile * family.cell} pixels a side")
    return [note for note in notes if note]


def _hidden(plan: ScenePlan, region_weights: Tensor, grid: tuple[int, int], *, is_edit: bool) -> list[str]:
    """Warnings for regions without weight in any token, with the names of those that cover them.

    What an edit draws in a free shape covers whole tokens and keeps the pixels between them.
    """
    notes = []
    for index, region in enumerate(plan.regions):
        if region_weights[index + 1].any():
            continue
        alone = region_ids([region], rows=grid[0], columns=grid[1]) == 1
        over = region_ids(plan.regions, rows=grid[0], columns=grid[1])[alone].unique()
        covering = [plan.regions[int(i) - 1] for i in over if i != SCENE]
        names = ", ".join(repr(other.name) for other in covering)
        shapes = [pixels_of(other, plan.size) for other in covering]
        if is_edit and any(r.mask for r in covering) and (pixels_of(region, plan.size) & ~np.any(shapes, axis=0)).any():
            notes.append(f"the free shape of {names} is finer than the model's tokens: it is drawn in pieces")
            continue
        notes.append(
            f"region {region.name!r} is not seen: {names} covers all of it; give it a higher z_order, or move it"
        )
    return list(dict.fromkeys(notes))
