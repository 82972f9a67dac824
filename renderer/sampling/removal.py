"""Removal of regions: background is drawn in their place, also in tokens of neighbours that their boxes touch.

A region owns the tokens whose centres lie in its box, and its object fills the box: if the box ends within a token, a
strip of the object is in a neighbour's token. Such tokens are redrawn as background, and the pixels inside the
neighbour's box are restored.
"""

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from ...prompts.plan import Box, LeveledPrompt, Region, ScenePlan
from ...prompts.prompt_style import background_of
from ..regions.mask_image import shape_of
from ..regions.region_masks import region_weights

OVERLAP = 0.1  # most of a removed box that may overlap another box, which would be seen there instead of background


def clears_background(before: ScenePlan, after: ScenePlan) -> bool:
    """Whether `after` is `before` without some regions on the background, and its scene prompt is a list of regions
    followed by a background. With the list in the prompt, neighbours grow into the gap."""
    removed, left = _removed(before, after), after.regions
    return bool(
        removed
        and [region for region in before.regions if region not in removed] == left
        and not any(region.mask for region in removed)
        and all(gone.box.overlap(other.box) <= OVERLAP * gone.box.area for gone in removed for other in left)
        and background_of(after) is not None
    )


def background_plan(plan: ScenePlan) -> ScenePlan:
    """The plan with a scene prompt that names the background only."""
    background = background_of(plan)
    high_level = plan.scene.high_level if background is None else background
    scene = LeveledPrompt(high_level=high_level, low_level=plan.scene.low_level)
    return plan.model_copy(update={"scene": scene})


def cleared_tokens(before: ScenePlan, after: ScenePlan, *, rows: int, columns: int, patch: int) -> Tensor:
    """Tokens that the box of a removed region touches, bool (rows*columns,). Every other region keeps at least one."""
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
    """The new picture with the old pixels inside the remaining regions, blended over `fade` pixels."""
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


_FINE = 8  # subdivisions of a token's side, in whose centres contact with a box is tested


def _removed(before: ScenePlan, after: ScenePlan) -> list[Region]:
    names = {region.name for region in after.regions}
    return [region for region in before.regions if region.name not in names]


def _inside(box: Box, rows: int, columns: int) -> Tensor:
    """Cells of a grid whose centres lie in the box: bool (rows, columns)."""
    down, across = (torch.arange(count, dtype=torch.float64).add(0.5) / count for count in (rows, columns))
    vertical = (down >= box.top) & (down < box.bottom)
    return vertical[:, None] & ((across >= box.left) & (across < box.right))[None, :]
