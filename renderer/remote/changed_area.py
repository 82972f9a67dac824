"""The pixels in which a server draws an edit, and the picture with nothing but them changed. Loads no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ...prompts.plan import Box, Region, ScenePlan
from ..regions.mask_image import pixels_of

MARGIN = 1 / 16  # of the shorter side: objects reach beyond their boxes
FADE = 8  # pixels over which an edit comes in, within its own area


def changed_area(before: ScenePlan, after: ScenePlan, size: tuple[int, int]) -> Image.Image:
    """White where a region that differs is seen before or after, and in a margin of background around it. size: width
    and height of the picture.

    A region with a free shape after the edit is drawn in that shape only, without a margin. Raises ValueError if
    nothing is white: the revision changes nothing visible.
    """
    old, new = ({region.name: region for region in plan.regions} for plan in (before, after))
    differ = {name for name in {*old, *new} if old.get(name) != new.get(name)}
    shaped = {name for name in differ if name in new and new[name].mask}
    area = np.zeros((size[1], size[0]), dtype=np.bool_)
    for plan in (before, after):
        owners = _owners(plan.regions, size)
        for number, region in enumerate(plan.regions):
            if region.name not in differ or (plan is before and region.name in shaped):
                continue
            area |= owners == number
            if not shaped:
                area |= _pixels(region.model_copy(update={"box": _wider(region.box, size), "mask": ""}), size) & (
                    owners == -1
                )
    if not area.any():
        raise ValueError("the revision changes nothing visible: name a visible region and give it something new")
    return Image.fromarray(area)


def keep_rest(old: Image.Image, new: Image.Image, area: Image.Image) -> Image.Image:
    """The new picture within the area, coming in over `FADE` pixels, and every pixel of the old one outside. All three
    have the same size."""
    near = np.asarray(area.convert("L").filter(ImageFilter.BoxBlur(FADE)), dtype=np.float32) / 255
    weight = np.clip(2 * near - 1, 0, 1) * np.asarray(area.convert("L"), dtype=np.float32)
    return Image.composite(new, old, Image.fromarray(weight.round().astype(np.uint8)))


def _owners(regions: list[Region], size: tuple[int, int]) -> NDArray[np.int16]:
    """The index of the region that is seen at each pixel, int16 (height, width); -1: none."""
    owners = np.full((size[1], size[0]), -1, dtype=np.int16)
    for number, region in sorted(enumerate(regions), key=lambda pair: pair[1].z_order):
        owners[_pixels(region, size)] = number
    return owners


def _pixels(region: Region, size: tuple[int, int]) -> NDArray[np.bool_]:
    """`pixels_of` at this size, also of a shape that was made for another one."""
    found = pixels_of(region, size)
    if found.shape == (size[1], size[0]):
        return found
    return np.asarray(Image.fromarray(found).convert("L").resize(size, Image.Resampling.NEAREST)) >= 128


def _wider(box: Box, size: tuple[int, int]) -> Box:
    margin = min(size) * MARGIN
    across, down = margin / size[0], margin / size[1]
    return Box(
        left=max(0.0, box.left - across), top=max(0.0, box.top - down), right=min(1.0, box.right + across),
        bottom=min(1.0, box.bottom + down),
    )  # fmt: skip
