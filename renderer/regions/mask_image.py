"""A region's free shape: `Region.mask`, a PNG in base64, white inside the region. Loads no torch."""

import base64
from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...prompts.plan import MAX_MASK, Region

LARGEST = 2048  # pixels per side of a mask, as of a picture


def mask_text(mask: Image.Image) -> str:
    """A black and white picture of a shape as `Region.mask`. Raises ValueError if its PNG is too large."""
    buffer = BytesIO()
    mask.convert("1", dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    text = base64.b64encode(buffer.getvalue()).decode()
    if len(text) > MAX_MASK:
        raise ValueError(
            f"the mask has too much detail: as a PNG it may take {MAX_MASK * 3 // 4:,} bytes, and it takes "
            f"{len(buffer.getvalue()):,}; smooth its edges, or leave single pixels out"
        )
    return text


def shape_of(region: Region) -> NDArray[np.bool_] | None:
    """The pixels of a region's free shape within its box, bool (height, width); None if the region has no mask.

    Raises ValueError if the mask is not a PNG, is larger than `LARGEST`, or is empty inside the box.
    """
    if not region.mask:
        return None
    mask, box = _opened(region.mask), region.box
    height, width = mask.shape
    down = slice(round(box.top * height), round(box.bottom * height))
    across = slice(round(box.left * width), round(box.right * width))
    shape = np.zeros_like(mask)
    shape[down, across] = mask[down, across]
    if not shape.any():
        raise ValueError(f"region {region.name!r}: its mask leaves nothing of its box")
    return shape


def pixels_of(region: Region, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The pixels of a region, bool (height, width): its free shape, or its box. size: the picture's width and height.

    Raises ValueError as `shape_of`.
    """
    if (shape := shape_of(region)) is not None:
        return shape
    (width, height), box = size, region.box
    pixels = np.zeros((height, width), dtype=np.bool_)
    across = slice(round(box.left * width), round(box.right * width))
    pixels[round(box.top * height) : round(box.bottom * height), across] = True
    return pixels


@lru_cache(maxsize=8)
def _opened(text: str) -> NDArray[np.bool_]:
    try:
        with Image.open(BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",)) as image:
            if max(image.size) > LARGEST:  # by the header, before the pixels are unpacked
                raise ValueError(f"a mask of {image.width}×{image.height} pixels is too large")
            return np.asarray(image.convert("L")) >= 128
    except (OSError, SyntaxError, ValueError) as error:
        raise ValueError(f"the mask of a region is not a PNG in base64 that can be read: {error}") from error
