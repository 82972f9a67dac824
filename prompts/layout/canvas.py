"""Sizes and shapes of the canvas as people write them: '512', '1280x768', '16:9'."""

import re
from itertools import product
from math import ceil, floor, log, sqrt

from ..plan import MAX_SIDE, MIN_SIDE

MULTIPLE = 16  # pixels: sides are multiples of it in every model
SIDE = 1024  # pixels of a picture whose size neither the plan nor the model says
MOST = 99_999  # pixels a side that are read as a wish
WIDEST = 4.0  # the longer side in shorter ones, at most
_SIZE = re.compile(r"\s*(\d{1,5})(?:\s*[x×]\s*(\d{1,5}))?\s*", re.IGNORECASE | re.ASCII)
_RATIO = re.compile(r"\s*(\d+(?:\.\d+)?)\s*[:/x×]\s*(\d+(?:\.\d+)?)\s*", re.ASCII)


def read_size(size: object) -> int | str:
    """A side in pixels as a number, or both as 'WIDTHxHEIGHT'. Raises ValueError for anything else."""
    match = _SIZE.fullmatch(str(size))
    sides = [int(side) for side in match.groups() if side] if match else []
    if not sides or any(side % MULTIPLE or not 64 <= side <= MAX_SIDE for side in sides):
        raise ValueError(
            f"give pixels a side, such as 512, or WIDTHxHEIGHT, such as 1280x768: multiples of {MULTIPLE} from 64 to "
            f"{MAX_SIDE}"
        )
    return sides[0] if len(sides) == 1 else f"{sides[0]}x{sides[1]}"


def read_aspect(aspect: object) -> str:
    """A shape as 'WIDTH:HEIGHT'. Raises ValueError for anything else, and for one longer than `WIDEST`."""
    ratio = ratio_of(str(aspect))
    if ratio is None or not 1 / WIDEST <= ratio <= WIDEST:
        raise ValueError(f"give WIDTH:HEIGHT, such as 16:9, neither side more than {WIDEST:g} times the other")
    return re.sub(r"\s*[:/x×]\s*", ":", str(aspect).strip())


def ratio_of(aspect: str) -> float | None:
    """Width over height of '16:9'; None for what is no shape."""
    match = _RATIO.fullmatch(aspect)
    return float(match[1]) / float(match[2]) if match and float(match[1]) and float(match[2]) else None


def canvas_size(size: int | str | None, aspect: str | None, *, side: int, multiple: int = MULTIPLE) -> tuple[int, int]:
    """Width and height in pixels of a size and shape from `read_size` and `read_aspect`.

    side: of a square of the model's own, where `size` names none; a shape gets the area of the square. multiple: of
    which both sides are one, in pixels. Raises ValueError for a size whose sides are not.
    """
    if aspect is not None and not isinstance(size, str):
        return shaped(ratio_of(aspect) or 1, side=size or side, multiple=multiple)
    if size is None:
        return side, side
    width, height = map(int, size.split("x")) if isinstance(size, str) else (size, size)
    if width % multiple or height % multiple:
        near = "{}×{}".format(*nearest_sides(width, height, multiple=multiple))
        raise ValueError(f"{width}×{height}: sides are multiples of {multiple} in this model, {near} is near")
    return width, height


def shaped(ratio: float, *, side: int, multiple: int = MULTIPLE) -> tuple[int, int]:
    """Width and height of about the area of a square, width over height being about `ratio`."""
    ratio = min(WIDEST, max(1 / WIDEST, ratio))
    exact = side * sqrt(ratio), side / sqrt(ratio)
    near = product(*((floor(length / multiple), ceil(length / multiple)) for length in exact))
    sizes = [nearest_sides(across * multiple, down * multiple, multiple=multiple) for across, down in near]

    def error(size: tuple[int, int]) -> float:  # a wrong shape is seen, a few more pixels are not
        width, height = size
        return abs(log(width / height / ratio)) + abs(log(width * height / side**2)) / 2

    return min(sizes, key=error)


def drawn_canvas(
    width: int | None, height: int | None, aspect: str | None, *, side: int, multiple: int, ratio: float = 1.0
) -> tuple[tuple[int, int] | None, str]:
    """Width and height in pixels of a size or shape as somebody's words name it, and a note if it is not drawn just so;
    None if they name none.

    side: of a square with the area that a shape gets. ratio: width over height where only one of them is named, and no
    shape. multiple: of which both sides are one, in pixels.
    """
    shape = ratio_of(aspect or "")
    width, height = (min(max(0, length or 0), MOST) for length in (width, height))
    if shape is not None and not (width and height) and not 1 / WIDEST <= shape <= WIDEST:
        shape = min(WIDEST, max(1 / WIDEST, shape))
        note = f"the shape {aspect} is not drawn: neither side is more than {WIDEST:g} times the other"
    else:
        note = "" if shape is not None or not aspect else f"the shape {aspect!r} is not one: width:height, such as 16:9"
    if width and height and max(width, height) < MIN_SIDE:  # 16 and 9, or centimetres
        note = f"the size {width}×{height} is taken as a shape: a side has at least {MIN_SIDE} pixels"
        shape, width, height = min(WIDEST, max(1 / WIDEST, shape or width / height)), 0, 0
    if width or height:
        ratio = shape or ratio
        wanted = width or round(height * ratio), height or round(width / ratio)
        smaller, least = min(1.0, MAX_SIDE / max(wanted)), MAX_SIDE / WIDEST  # as large as can be, in the same shape
        size = nearest_sides(*(max(smaller * length, min(least, length)) for length in wanted), multiple=multiple)
        made = "" if size == wanted else "the size {}×{} was made {}×{}".format(*wanted, *size)
        return size, "; ".join(filter(None, [note, made]))
    return shaped(shape, side=side, multiple=multiple) if shape else None, note


def nearest_sides(width: float, height: float, *, multiple: int = MULTIPLE, largest: int = MAX_SIDE) -> tuple[int, int]:
    """The sides that can be drawn nearest to these: multiples from MIN_SIDE pixels to the largest."""
    least, most = -(-MIN_SIDE // multiple), largest // multiple
    across, down = (min(most, max(least, round(side / multiple))) * multiple for side in (width, height))
    return across, down
