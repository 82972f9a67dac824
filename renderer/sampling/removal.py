"""Removed regions: background takes their place, also in tokens that belong to a neighbour and only touch their boxes.

A region owns the tokens whose centres lie in its box, and its object fills the box: where the box ends within a token,
a strip of the object stands in a neighbour's token. Such tokens are redrawn as background; the neighbour's own pixels,
those in its box, are put back.
"""

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ...prompts.plan import Box, LeveledPrompt, Region, ScenePlan
from ...prompts.prompt_style import background_of
from ..regions.mask_image import shape_of
from ..regions.region_masks import region_weights

OVERLAP = 0.1  # most of a removed box that may lie in another region's: more of it shows that region, and no background


def clears_background(before: ScenePlan, after: ScenePlan) -> bool:
    """Whether `after` is `before` without some regions that stood on the background, and its scene prompt tells the
    background from the list of regions. With the list, pieces of the neighbours grow into the gap."""
    removed, left = _removed(before, after), after.regions
    return bool(
        removed
        and [region for region in before.regions if region not in removed] == left
        and not any(region.mask for region in removed)
        and all(gone.box.overlap(other.box) <= OVERLAP * gone.box.area for gone in removed for other in left)
        and background_of(after) is not None
    )


def background_plan(plan: ScenePlan) -> ScenePlan:
    """The plan with nothing but the background in its scene prompt."""
    background = background_of(plan)
    high_level = plan.scene.high_level if background is None else background
    scene = LeveledPrompt(high_level=high_level, low_level=plan.scene.low_level)
    return plan.model_copy(update={"scene": scene})


def cleared_tokens(before: ScenePlan, after: ScenePlan, *, rows: int, columns: int, patch: int) -> Tensor:
    """Tokens of neighbours that the box of a removed region touches, bool (rows*columns,). A region keeps one token."""
    touched = torch.zeros(rows, columns, dtype=torch.bool)
    for region in _removed(before, after):
        fine = _inside(region.box, rows * _FINE, columns * _FINE)
        touched |= fine.view(rows, _FINE, columns, _FINE).any(3).any(1)
    cleared = touched.flatten()
    weights = region_weights(after.regions, rows=rows, columns=columns, patch=patch)
    for own in weights[1:] > 0:
        if not (own & ~cleared).any():
            cleared = cleared & ~own
    return cleared


def keep_neighbours(
    old: Image.Image, new: Image.Image, before: ScenePlan, after: ScenePlan, *, fade: int
) -> Image.Image:
    """The new picture with the old pixels inside the regions that stay, which it meets within `fade` pixels."""
    height, width = old.height, old.width
    unchanged = torch.zeros(height, width, dtype=torch.bool)
    for region in after.regions:
        shape = shape_of(region)
        unchanged |= _inside(region.box, height, width) if shape is None else torch.from_numpy(shape)
    for region in _removed(before, after):
        unchanged &= ~_inside(region.box, height, width)
    near, steps = (~unchanged).float()[None, None], torch.zeros(1, 1, height, width)
    for _ in range(fade):
        steps += near
        near = F.max_pool2d(near, 3, stride=1, padding=1)
    weight = Image.fromarray((255 * steps[0, 0] / fade).round().to(torch.uint8).numpy())
    return Image.composite(new, old, weight)


_FINE = 8  # parts of a token's side: what a box touches by less than half of one is not touched


def _removed(before: ScenePlan, after: ScenePlan) -> list[Region]:
    names = {region.name for region in after.regions}
    return [region for region in before.regions if region.name not in names]


def _inside(box: Box, rows: int, columns: int) -> Tensor:
    """Cells of a grid whose centres lie in the box: bool (rows, columns)."""
    down, across = (torch.arange(count, dtype=torch.float64).add(0.5) / count for count in (rows, columns))
    vertical = (down >= box.top) & (down < box.bottom)
    return vertical[:, None] & ((across >= box.left) & (across < box.right))[None, :]
