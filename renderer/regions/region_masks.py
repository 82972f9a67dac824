"""A plan's boxes and masks → `region_weights`, the weight of each prompt in every image token, and `region_ids`.

The grid is the transformer's: rows×columns tokens of patch×patch latent cells. Prompt 0 is the scene prompt, i+1 that
of regions[i] (paper, section II-A; there, regions are equal divisions of the canvas).
"""

from collections.abc import Sequence
from math import ceil

import torch
import torch.nn.functional as F
from torch import Tensor

from ...prompts.plan import Region, ScenePlan
from .mask_image import shape_of

SCENE = 0


def check_masks(plan: ScenePlan) -> None:
    """Raises ValueError for a mask whose size is not the picture's."""
    for region in plan.regions:
        shape = shape_of(region)
        if shape is not None and tuple(shape.shape[::-1]) != plan.size:
            size, wanted = f"{shape.shape[1]}×{shape.shape[0]}", "{}×{}".format(*plan.size)
            raise ValueError(f"region {region.name!r}: its mask has {size} pixels and the picture {wanted}")


def blend(shape: Tensor, reach: int) -> Tensor:
    """Opacity with which a shape of an edited picture is pasted: 0 outside, 1 inside, float32 (height, width).

    It rises along a rim inside the shape's edge, `reach` / 2 pixels wide, at most half the way to the middle of a
    narrow part. The picture's border is not an edge.
    """
    outside = (~shape).float()[None, None]
    depth = torch.zeros_like(outside)  # distance to the edge in pixels, at most `reach`
    for _ in range(reach):
        depth += 1 - outside
        outside = F.max_pool2d(outside, 3, stride=1, padding=1)
    deepest = F.max_pool2d(depth, (2 * reach + 1, 1), stride=1, padding=(reach, 0))
    deepest = F.max_pool2d(deepest, (1, 2 * reach + 1), stride=1, padding=(0, reach))
    return (2 * depth / deepest.clamp(min=1)).clamp(max=1)[0, 0]


def region_ids(regions: Sequence[Region], *, rows: int, columns: int) -> Tensor:
    """Prompt index per token, with hard edges (`region_weights` has feathers): int64 (rows*columns,), row by row.

    A token belongs to the box that contains its centre, or to the free shape that has a pixel in it. Where regions
    overlap the highest `z_order` wins, among equals the later region. Uncovered tokens belong to the scene. Raises
    ValueError for a box that contains no token centre, and for an unreadable mask.
    """
    out = torch.full((rows, columns), SCENE, dtype=torch.long)
    for index, region in _from_below(regions):
        shape = _tokens(region, rows, columns)
        if shape is None:
            down, across = _inside(region, rows, columns)
            shape = down[:, None] & across[None, :]
        out[shape] = index + 1
    return out.flatten()


def region_weights(regions: Sequence[Region], *, rows: int, columns: int, patch: int) -> Tensor:
    """Weight of each prompt in every token: float64 (regions + 1, rows*columns); a token's weights sum to one.

    Regions are composited as layers, lowest `z_order` first: opaque in the box or free shape, fading out linearly over
    `feather` latent cells beyond it. Without feathers every weight is 0 or 1 and equals `region_ids`. Raises ValueError
    as `region_ids`.
    """
    out = torch.zeros(len(regions) + 1, rows, columns, dtype=torch.float64)
    out[SCENE] = 1
    for index, region in _from_below(regions):
        shape = _tokens(region, rows, columns)
        if shape is None:
            down, across = (_fade(inside, patch, region.feather) for inside in _inside(region, rows, columns))
            opacity = down[:, None] * across[None, :]
        else:
            opacity = _faded(shape, patch, region.feather)
        out *= 1 - opacity
        out[index + 1] += opacity
    return out.flatten(1)


def visible_regions(plan: ScenePlan, *, token: int) -> set[str]:
    """Names of the regions with at least one token in `region_ids`. token: pixels per side of a token. Raises as
    that."""
    width, height = plan.size
    owner = region_ids(plan.regions, rows=height // token, columns=width // token)
    return {plan.regions[int(index) - 1].name for index in owner.unique() if index != SCENE}


def strengths_at(regions: Sequence[Region], progress: float) -> tuple[float, ...]:
    """The strength of each region's prompt at `progress`, the share of steps done (0 ≤ progress < 1)."""
    return tuple(region.strength if region.start <= progress < region.end else 0.0 for region in regions)


def scale_region_weights(region_weights: Tensor, strengths: Sequence[float]) -> Tensor:
    """Multiplies the weights of region i by strengths[i]; the scene prompt gets the rest."""
    factors = torch.tensor(strengths, dtype=region_weights.dtype, device=region_weights.device)
    scaled = region_weights[1:] * factors[:, None]
    return torch.cat([1 - scaled.sum(0, keepdim=True), scaled]).round(decimals=6)


def downsample_weights(region_weights: Tensor, grid: tuple[int, int], scale: int) -> Tensor:
    """Weights on a coarser grid: the mean of scale×scale tokens, (prompts, coarse tokens)."""
    if scale == 1:
        return region_weights
    rows, columns = (-(-side // scale) for side in grid)
    mean = torch.nn.functional.adaptive_avg_pool2d(region_weights.unflatten(1, grid), (rows, columns)).flatten(1)
    return mean.round(decimals=6)


def _from_below(regions: Sequence[Region]) -> list[tuple[int, Region]]:
    return sorted(enumerate(regions), key=lambda pair: pair[1].z_order)


def _inside(region: Region, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """Whether the box contains the centre of each row (rows,) and column (columns,) of tokens."""
    x = (torch.arange(columns, dtype=torch.float64) + 0.5) / columns
    y = (torch.arange(rows, dtype=torch.float64) + 0.5) / rows
    box = region.box
    down, across = (y >= box.top) & (y < box.bottom), (x >= box.left) & (x < box.right)
    if not (across.any() and down.any()):
        raise ValueError(
            f"region {region.name!r} covers no latent token; at this size a box needs at least "
            f"{ceil(1000 / columns) / 1000:.3f} of the width and {ceil(1000 / rows) / 1000:.3f} of the height"
        )
    return down, across


def _fade(inside: Tensor, patch: int, feather: float) -> Tensor:
    """Opacity per token along one axis: 1 inside, falling to 0 over `feather` cells; the mean over the token's
    cells."""
    if not feather:
        return inside.double()
    first, last = inside.nonzero()[0], inside.nonzero()[-1] + 1
    cell = torch.arange(len(inside) * patch, dtype=torch.float64) + 0.5
    beyond = torch.maximum(first * patch - cell, cell - last * patch).clamp(min=0)
    return (1 - beyond / feather).clamp(min=0).view(-1, patch).mean(1)


def _tokens(region: Region, rows: int, columns: int) -> Tensor | None:
    """The tokens in which a free shape has a pixel, bool (rows, columns); None if the region has no mask."""
    shape = shape_of(region)
    if shape is None:
        return None
    return F.adaptive_max_pool2d(torch.from_numpy(shape).float()[None, None], (rows, columns))[0, 0] > 0


def _faded(shape: Tensor, patch: int, feather: float) -> Tensor:
    """`_fade` of a free shape, in all directions: float64 (rows, columns)."""
    reached = shape.double()[None, None]
    reached = reached.repeat_interleave(patch, 2).repeat_interleave(patch, 3)
    opacity = reached.clone()
    for beyond in range(ceil(feather)):
        reached = F.max_pool2d(reached, 3, stride=1, padding=1)
        opacity = torch.maximum(opacity, reached * max(0.0, 1 - (beyond + 0.5) / feather))
    return F.avg_pool2d(opacity, patch)[0, 0]
