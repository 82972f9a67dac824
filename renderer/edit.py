"""What an edit changes: which tokens are drawn anew, and which pixels that can reach."""

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from ..prompts.scene import ScenePlan
from .denoise import cells_of
from .masks import blend, shape_of, shares

# Latent cells beyond the drawn ones whose pixels an edit may change: 16 pixels, and 64 in Sana. The decoder's
# convolutions reach further in principle, and its group norms everywhere; `python -m benchmarks.controls` measures what
# arrives there.
REACH = 2


def changed_tokens(before: ScenePlan, after: ScenePlan, *, rows: int, columns: int, patch: int) -> Tensor:
    """Tokens that hear a changed region before or after, its feather included: bool (rows*columns,).

    Regions are told apart by their names; one that only one of the plans has is changed. One that has a free shape
    after the edit is drawn in that shape and nowhere else, wherever it was before.
    Raises ValueError if there are none: the revision changes nothing that is seen.
    """
    tokens = torch.zeros(rows * columns, dtype=torch.bool)
    for plan, changed in _changed(before, after):
        heard = shares(plan.regions, rows=rows, columns=columns, patch=patch)
        tokens |= heard[[i + 1 for i in changed]].sum(0) > 0
    if not tokens.any():
        raise ValueError("the revision changes nothing that is seen: name a visible region and give it something new")
    return tokens


def keep_pixels(
    old: Image.Image, new: Image.Image, drawn: Tensor, before: ScenePlan, after: ScenePlan, *, patch: int, cell: int = 8
) -> Image.Image:
    """The edited picture, with the pixels of the old one wherever the drawn tokens, bool (n,), do not reach.

    Outside a region's free shape every pixel stays the old one's, and along its edge the new picture is blended in.
    """
    rows, columns = old.height // cell, old.width // cell
    changed = [plan.regions[i] for plan, which in _changed(before, after) for i in which]
    shapes = [shape for region in changed if (shape := shape_of(region)) is not None]
    if not shapes:
        return Image.composite(new, old, _reached(drawn, old.size, patch=patch, cell=cell))
    weight = blend(torch.stack(shapes).any(0), REACH * cell)
    if len(shapes) < len(changed):
        boxes = torch.zeros_like(drawn)
        for plan, which in _changed(before, after):
            heard = shares(plan.regions, rows=rows // patch, columns=columns // patch, patch=patch)
            boxes |= heard[[i + 1 for i in which if not plan.regions[i].mask]].sum(0).to(drawn.device) > 0
        weight = torch.maximum(weight, _weights(_reached(boxes, old.size, patch=patch, cell=cell)))
    weight = torch.minimum(weight, _weights(_reached(drawn, old.size, patch=patch, cell=cell)))
    return Image.composite(new, old, Image.fromarray((255 * weight).round().to(torch.uint8).numpy()))


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
    cells = cells_of(drawn.cpu(), size[1] // cell, size[0] // cell, patch)
    mask = Image.fromarray(cells.numpy()).convert("L").filter(ImageFilter.MaxFilter(2 * REACH + 1))
    return mask.resize(size, Image.Resampling.NEAREST)


def _weights(mask: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(mask).copy()).float() / 255
