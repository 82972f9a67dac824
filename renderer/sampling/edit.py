"""What an edit changes: the tokens that it draws, and the pixels that they can reach."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from ...prompts.plan import ScenePlan
from ..regions.mask_image import shape_of
from ..regions.region_masks import SCENE, blend, region_weights
from .sampler import tokens_to_cells

# Latent cells beyond the drawn ones whose pixels an edit may change: 16 pixels, and 64 in Sana. The decoder's
# convolutions reach further in principle, and its group norms everywhere; `python -m benchmarks.controls` measures what
# arrives there.
REACH = 2
# A pixel looks different if a channel differs by this much, out of 255; a place, if this share of its pixels does.
VISIBLE = 12
NOTICED = 0.01
UNINTENDED = "the edit also changed "


def margin_of(before: ScenePlan, after: ScenePlan, *, rows: int, columns: int) -> int:
    """How many tokens around what changed an edit draws where only the background is: a sixteenth of the shorter side.

    An object reaches beyond its box. Without a margin that part of the old one stays, and that of the new one is cut
    off. None around a free shape, beyond which nothing may change.
    """
    shaped = any(plan.regions[i].mask for plan, which in _changed(before, after) for i in which)
    return 0 if shaped else max(1, min(rows, columns) // 16)


def changed_tokens(
    before: ScenePlan, after: ScenePlan, *, rows: int, columns: int, patch: int, margin: int = 0
) -> Tensor:
    """Tokens with a weight of a changed region before or after, feathers included, and background tokens at most
    `margin` tokens from them: bool (rows*columns,).

    Regions are matched by name; a region that only one of the plans has is changed. A region that has a free shape
    after the edit is drawn in that shape alone, wherever it was before.
    Raises ValueError if there are none: the revision changes nothing visible.
    """
    tokens, background = torch.zeros(rows * columns, dtype=torch.bool), torch.ones(rows * columns, dtype=torch.bool)
    for plan, changed in _changed(before, after):
        weights = region_weights(plan.regions, rows=rows, columns=columns, patch=patch)
        tokens |= weights[[i + 1 for i in changed]].sum(0) > 0
        background &= weights[SCENE] == 1
    if not tokens.any():
        raise ValueError("the revision changes nothing that is seen: name a visible region and give it something new")
    around = F.max_pool2d(tokens.view(1, 1, rows, columns).float(), 2 * margin + 1, stride=1, padding=margin).flatten()
    return tokens | ((around > 0) & background)


def keep_pixels(
    old: Image.Image, new: Image.Image, drawn: Tensor, before: ScenePlan, after: ScenePlan, *, patch: int, cell: int = 8
) -> Image.Image:
    """The edited picture, with the pixels of the old one wherever the drawn tokens, bool (n,), do not reach. Beyond
    the drawn tokens the new picture fades into the old one, so that no square shows.

    Outside a region's free shape every pixel stays the old one's, and along its edge the new picture is blended in.
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
    """The share of visibly different pixels in each region that the edit does not change, by name, and in the
    background as ''. Pixels in boxes of changed regions do not count; shares below `NOTICED` are left out.

    Both pictures have the same size. Different pixels are those of which a channel differs by `VISIBLE` or more.
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
    """Both plans, each with the indices of its regions in whose place the edit draws."""
    old, new = ({region.name: region for region in plan.regions} for plan in (before, after))
    differ = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    shaped = {name for name in differ if name in new and new[name].mask}
    return [
        (before, [i for i, region in enumerate(before.regions) if region.name in differ - shaped]),
        (after, [i for i, region in enumerate(after.regions) if region.name in differ]),
    ]


def _reached(drawn: Tensor, size: tuple[int, int], *, patch: int, cell: int) -> Image.Image:
    """White where pixels may change: the cells of the drawn tokens and `REACH` more."""
    cells = tokens_to_cells(drawn.cpu(), size[1] // cell, size[0] // cell, patch)
    mask = Image.fromarray(cells.numpy()).convert("L").filter(ImageFilter.MaxFilter(2 * REACH + 1))
    return mask.resize(size, Image.Resampling.NEAREST)


def _faded(drawn: Tensor, size: tuple[int, int], *, patch: int, cell: int) -> Image.Image:
    """White in the drawn tokens, and black from `REACH` cells beyond them on; between the two it falls linearly."""
    cells = tokens_to_cells(drawn.cpu(), size[1] // cell, size[0] // cell, patch)
    near = cells.float().repeat_interleave(cell, 0).repeat_interleave(cell, 1)[None, None]
    steps = torch.zeros_like(near)  # how often what is reached can grow by a pixel after it came here
    for _ in range(REACH * cell):
        steps += near
        near = F.max_pool2d(near, 3, stride=1, padding=1)
    return Image.fromarray((255 * steps[0, 0] / (REACH * cell)).round().to(torch.uint8).numpy())


def _weights(mask: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(mask).copy()).float() / 255
