"""Edits: which tokens are redrawn, which pixels are kept, and which changes were not intended."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from ...prompts.plan import ScenePlan
from ..regions.mask_image import pixels_of, shape_of
from ..regions.region_masks import SCENE, blend, region_weights
from .sampler import tokens_to_cells

# Latent cells beyond the redrawn ones whose pixels an edit may change: 16 pixels, in the pocket checkpoint 32, in Sana
# 64. The receptive field of the decoder's convolutions is larger, and its group norms are global; `python -m
# benchmarks.controls` measures the change further out.
REACH = 2
# A pixel counts as changed if a channel differs by this much, of 255; a region, if this share of its pixels does.
VISIBLE = 12
NOTICED = 0.01
UNINTENDED = "the edit also changed "


def margin_of(before: ScenePlan, after: ScenePlan, *, rows: int, columns: int) -> int:
    """Width in tokens of the background margin that an edit redraws around changed regions: 1/16 of the shorter side.

    Objects reach beyond their boxes: without a margin, parts of the old object stay and the new one is cut off. 0 for
    free shapes, outside which nothing may change.
    """
    shaped = any(plan.regions[i].mask for plan, which in _changed(before, after) for i in which)
    return 0 if shaped else max(1, min(rows, columns) // 16)


def changed_tokens(
    before: ScenePlan, after: ScenePlan, *, rows: int, columns: int, patch: int, margin: int = 0
) -> Tensor:
    """Mask of the tokens that an edit redraws, bool (rows*columns,): tokens where a changed region has weight before or
    after, feathers included, and background tokens at most `margin` tokens from them.

    Regions are matched by name; a region that only one of the plans has is changed. A region with a free shape after
    the edit is redrawn in that shape only. Raises ValueError if the mask is empty: the revision changes nothing
    visible.
    """
    tokens, background = torch.zeros(rows * columns, dtype=torch.bool), torch.ones(rows * columns, dtype=torch.bool)
    for plan, changed in _changed(before, after):
        weights = region_weights(plan.regions, rows=rows, columns=columns, patch=patch)
        tokens |= weights[[i + 1 for i in changed]].sum(0) > 0
        background &= weights[SCENE] == 1
    if not tokens.any():
        raise ValueError("the revision changes nothing visible: name a visible region and give it something new")
    around = F.max_pool2d(tokens.view(1, 1, rows, columns).float(), 2 * margin + 1, stride=1, padding=margin).flatten()
    return tokens | ((around > 0) & background)


def keep_pixels(
    old: Image.Image, new: Image.Image, drawn: Tensor, before: ScenePlan, after: ScenePlan, *, patch: int, cell: int = 8
) -> Image.Image:
    """Composites the new picture onto the old one inside the redrawn tokens, bool (n,), fading out over `REACH` latent
    cells, so that no edge is visible.

    Outside a region's free shape every old pixel is kept; inside, the new picture is blended in along the edge.
    """
    rows, columns = old.height // cell, old.width // cell
    changed = [plan.regions[i] for plan, which in _changed(before, after) for i in which]
    shapes = [torch.from_numpy(shape) for region in changed if (shape := shape_of(region)) is not None]
    if not shapes:
        return Image.composite(new, old, _faded(drawn, old.size, patch=patch, cell=cell))
    weight = blend(torch.stack(shapes).any(0), REACH * cell)
    if len(shapes) < len(changed):
        boxes = torch.zeros_like(drawn)
        for plan, which in _changed(before, after):
            weights = region_weights(plan.regions, rows=rows // patch, columns=columns // patch, patch=patch)
            boxes |= weights[[i + 1 for i in which if not plan.regions[i].mask]].sum(0).to(drawn.device) > 0
        weight = torch.maximum(weight, _weights(_reached(boxes, old.size, patch=patch, cell=cell)))
    weight = torch.minimum(weight, _weights(_reached(drawn, old.size, patch=patch, cell=cell)))
    return Image.composite(new, old, Image.fromarray((255 * weight).round().to(torch.uint8).numpy()))


def unintended_changes(old: Image.Image, new: Image.Image, before: ScenePlan, after: ScenePlan) -> dict[str, float]:
    """Share of visibly changed pixels in each region that the edit does not change, by name; the background is ''.

    Pixels in boxes of changed regions do not count; shares below `NOTICED` are left out. A pixel is visibly changed if
    a channel differs by `VISIBLE` or more. Both pictures have the same size.
    """
    width, height = new.size
    differs = np.abs(np.asarray(old, dtype=np.int16) - np.asarray(new, dtype=np.int16)).max(-1) >= VISIBLE
    named, covered = np.zeros((2, height, width), dtype=bool)
    places = {}
    changed = [(plan, {plan.regions[i].name for i in which}) for plan, which in _changed(before, after)]
    for plan, _ in changed:
        for region in plan.regions:
            box, inside = region.box, np.zeros_like(named)
            rows = slice(round(box.top * height), round(box.bottom * height))
            inside[rows, round(box.left * width) : round(box.right * width)] = True
            covered |= inside
            if any(region.name in others for _, others in changed):
                named |= inside
            else:
                places[region.name] = inside
    changed_shares = {
        name: float(differs[place].mean())
        for name, inside in (places | {"": ~covered}).items()
        if (place := inside & ~named).any()
    }
    return {name: share for name, share in changed_shares.items() if share >= NOTICED}


def unintended_changes_warning(changed: dict[str, float]) -> list[str]:
    """The warning of `unintended_changes`: 'the edit also changed 12% of 'rocket' and 3% of the background'."""
    parts = [f"{share:.0%} of {repr(name) if name else 'the background'}" for name, share in changed.items()]
    return [UNINTENDED + " and ".join(parts)] if parts else []


def _changed(before: ScenePlan, after: ScenePlan) -> list[tuple[ScenePlan, list[int]]]:
    """Both plans, each with the indices of its changed regions, whose area the edit redraws."""
    old, new = ({region.name: region for region in plan.regions} for plan in (before, after))
    differ = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    shaped = {name for name in differ if name in new and new[name].mask}
    shapes = [shape for name in shaped if (shape := shape_of(new[name])) is not None]
    if shapes:  # what is taken away under a shape needs no place of its own
        height, width = shapes[0].shape
        outside = ~np.any(shapes, axis=0)
        shaped |= {n for n in differ - {*new} if not (pixels_of(old[n], (width, height)) & outside).any()}
    return [
        (before, [i for i, region in enumerate(before.regions) if region.name in differ - shaped]),
        (after, [i for i, region in enumerate(after.regions) if region.name in differ]),
    ]


def _reached(drawn: Tensor, size: tuple[int, int], *, patch: int, cell: int) -> Image.Image:
    """White where pixels may change: the cells of the redrawn tokens, dilated by `REACH`."""
    cells = tokens_to_cells(drawn.cpu(), size[1] // cell, size[0] // cell, patch)
    mask = Image.fromarray(cells.numpy()).convert("L").filter(ImageFilter.MaxFilter(2 * REACH + 1))
    return mask.resize(size, Image.Resampling.NEAREST)


def _faded(drawn: Tensor, size: tuple[int, int], *, patch: int, cell: int) -> Image.Image:
    """White in the redrawn tokens, falling linearly to black over `REACH` cells."""
    cells = tokens_to_cells(drawn.cpu(), size[1] // cell, size[0] // cell, patch)
    near = cells.float().repeat_interleave(cell, 0).repeat_interleave(cell, 1)[None, None]
    steps = torch.zeros_like(near)  # number of dilations, by a pixel each, that cover the pixel
    for _ in range(REACH * cell):
        steps += near
        near = F.max_pool2d(near, 3, stride=1, padding=1)
    return Image.fromarray((255 * steps[0, 0] / (REACH * cell)).round().to(torch.uint8).numpy())


def _weights(mask: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(mask).copy()).float() / 255
