"""Uploaded pictures, decoded within limits, and the holes of their masks."""

from hashlib import sha256

import numpy as np
from PIL import Image

from ..prompts.plan import Box, Region
from ..renderer.pictures.bounded import open_bounded
from ..renderer.regions.mask_image import pixels_of

MAX_PIXELS = 2048 * 2048


def open_upload(content: bytes, *, name: str) -> Image.Image:
    """A decoded picture with its PNG text chunks. Raises ValueError if it is not one, or has over 2048×2048 pixels."""
    return open_bounded(content, name=name, most=MAX_PIXELS)


def hole_in(mask: Image.Image, *, size: tuple[int, int], name: str = "mask") -> Image.Image:
    """White where a mask is more than half transparent. Raises ValueError for a wrong size, and for an opaque mask."""
    if mask.size != size:
        raise ValueError(f"{name}: it is {mask.width}×{mask.height} pixels and the picture {size[0]}×{size[1]}")
    hole = mask.convert("RGBA").getchannel("A").point(lambda alpha: 255 * (alpha < 128))
    if hole.getbbox() is None:
        raise ValueError(f"{name}: no pixel is transparent, so nothing is to be changed")
    return hole


def box_of(hole: Image.Image) -> Box:
    """The box around a hole."""
    (left, top, right, bottom), (width, height) = hole.getbbox() or (0, 0, *hole.size), hole.size
    return Box(left=left / width, top=top / height, right=right / width, bottom=bottom / height)


def shared_area(hole: Image.Image, box: Box) -> float:
    """Intersection over union of a hole and a box, 0 to 1."""
    width, height = hole.size
    left, right, top, bottom = (
        round(edge) for edge in (box.left * width, box.right * width, box.top * height, box.bottom * height)
    )
    inside = left, top, right, bottom
    shared, whole = (sum(mask.histogram()[128:]) for mask in (hole.crop(inside), hole))
    return shared / max(1, whole + (right - left) * (bottom - top) - shared)


def is_inside(region: Region, hole: Image.Image) -> bool:
    """Whether all pixels of a region lie in a hole."""
    return not bool((pixels_of(region, hole.size) & (np.asarray(hole) < 128)).any())


def digest_outside(hole: Image.Image, picture: Image.Image) -> str:
    """A hash of the picture's pixels outside the hole, which an edit must not change."""
    outside = Image.composite(Image.new("RGB", picture.size), picture.convert("RGB"), hole)
    return sha256(outside.tobytes()).hexdigest()
