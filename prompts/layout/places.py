"""Box arithmetic: grids (paper, section II-A), boxes for positions in words, moving and resizing."""

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Literal, get_args

from ..plan import Box

Place = Literal[
    "top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right"
]  # fmt: skip
PLACES: tuple[Place, ...] = get_args(Place)
Size = Literal["tiny", "small", "large", "huge"]
# Areas of things of different sizes beside each other; None: a thing whose size is not said.
AREAS: dict[Size | None, float] = {"tiny": 0.15, "small": 0.3, None: 0.5, "large": 0.75, "huge": 1.0}
CORNERS: tuple[Place, ...] = ("top left", "top right", "bottom left", "bottom right")
# Default positions by number of objects.
DEFAULT_PLACES: dict[int, tuple[Place, ...]] = {
    1: ("center",), 2: ("left", "right"), 3: ("left", "center", "right"), 4: CORNERS, 5: (*CORNERS, "center"),
    6: ("top left", "top", "top right", "bottom left", "bottom", "bottom right"),
    7: ("top left", "top", "top right", "left", "center", "right", "bottom"),
    8: ("top left", "top", "top right", "left", "right", "bottom left", "bottom", "bottom right"),
    9: PLACES,
}  # fmt: skip


def grid(columns: int, rows: int) -> list[Box]:
    """columns×rows equal boxes, row by row from the top left. Raises ValueError below 1×1."""
    if columns < 1 or rows < 1:
        raise ValueError(f"a grid needs at least one column and one row, got {columns}×{rows}")
    return [
        Box(left=c / columns, top=r / rows, right=(c + 1) / columns, bottom=(r + 1) / rows)
        for r in range(rows)
        for c in range(columns)
    ]


def columns(count: int) -> list[Box]:
    """`count` boxes side by side, from the left."""
    return grid(count, 1)


def rows(count: int) -> list[Box]:
    """`count` boxes above each other, from the top."""
    return grid(1, count)


def expand_box(box: Box, others: Sequence[Box], *, by: float = 0.1) -> Box:
    """Moves each edge of a box outwards by `by` of the canvas, unless that would increase an overlap with another
    box."""
    for edge, outermost in (("left", 0.0), ("top", 0.0), ("right", 1.0), ("bottom", 1.0)):
        position = getattr(box, edge)
        moved = max(0.0, position - by) if outermost == 0.0 else min(1.0, position + by)
        wider = box.model_copy(update={edge: moved})
        if all(wider.overlap(other) <= box.overlap(other) for other in others):
            box = wider
    return box


def boxes_for(places: Sequence[Place], *, sizes: Sequence[Size | None] | None = None) -> list[Box]:
    """One box per position, as large as the other positions allow; with sizes smaller, so that they are in proportion.

    'left' and 'right' give two columns of full height, 'top left' … 'bottom right' a 2×2 grid, 'top' with 'bottom left'
    and 'bottom right' one wide box above two. The canvas is divided by rows or by columns, whichever makes the smallest
    box larger. A position that occurs several times is divided: up to three side by side, more in a grid.
    """
    across = [0 if "left" in place else 2 if "right" in place else 1 for place in places]
    down = [0 if "top" in place else 2 if "bottom" in place else 1 for place in places]
    by_rows = [
        (*_span(x, {a for a, b in zip(across, down, strict=True) if b == y}), *_span(y, set(down)))
        for x, y in zip(across, down, strict=True)
    ]
    by_columns = [
        (*_span(x, set(across)), *_span(y, {b for a, b in zip(across, down, strict=True) if a == x}))
        for x, y in zip(across, down, strict=True)
    ]

    def smallest(spans: list[tuple[float, float, float, float]]) -> float:
        return min(((right - left) * (bottom - top) for left, right, top, bottom in spans), default=0.0)

    chosen = by_columns if smallest(by_columns) > smallest(by_rows) else by_rows
    boxes = []
    for i, (left, right, top, bottom) in enumerate(chosen):
        sharing = [j for j, place in enumerate(places) if place == places[i]]
        per_row = len(sharing) if len(sharing) <= 3 else ceil(sqrt(len(sharing)))
        width, height = (right - left) / per_row, (bottom - top) / ceil(len(sharing) / per_row)
        row, column = divmod(sharing.index(i), per_row)
        x, y = left + column * width, top + row * height
        boxes.append(Box(left=x, top=y, right=min(1.0, x + width), bottom=min(1.0, y + height)))
    return in_proportion(boxes, sizes) if sizes and any(sizes) else boxes


def in_proportion(boxes: Sequence[Box], sizes: Sequence[Size | None]) -> list[Box]:
    """The boxes, each shrunk about its centre, so that their areas are to each other as AREAS says of their sizes."""
    unit = min(box.area / AREAS[size] for box, size in zip(boxes, sizes, strict=True))
    shrunk = []
    for box, size in zip(boxes, sizes, strict=True):
        side, (x, y) = sqrt(unit * AREAS[size] / box.area), box.centre
        width, height = (box.right - box.left) * side, (box.bottom - box.top) * side
        shrunk.append(box_within(x - width / 2, y - height / 2, width, height))
    return shrunk


def _span(index: int, used: set[int]) -> tuple[float, float]:
    """Start and end of part 0, 1 or 2 of an axis: the whole axis, a half or a third, depending on the parts in use."""
    if used == {1}:
        return 0.0, 1.0
    if 1 in used:
        return index / 3, (index + 1) / 3
    return (0.0, 0.5) if index == 0 else (0.5, 1.0)


def box_at_place(place: Place, side: float = 0.5) -> Box:
    """A square of that side at a position: in the corner, or centred on the edge."""
    left = 0.0 if "left" in place else 1 - side if "right" in place else (1 - side) / 2
    top = 0.0 if "top" in place else 1 - side if "bottom" in place else (1 - side) / 2
    return box_within(left, top, side, side)


def box_within(left: float, top: float, width: float, height: float) -> Box:
    """A box of that size, limited to the canvas and moved inside it."""
    width, height = min(width, 1.0), min(height, 1.0)
    left, top = min(max(left, 0.0), 1 - width), min(max(top, 0.0), 1 - height)
    edges = (round(edge, 4) for edge in (left, top, left + width, top + height))
    return Box(**dict(zip(("left", "top", "right", "bottom"), edges, strict=True)))


def scaled(box: Box, factor: float) -> Box:
    """The box about its centre, `factor` times as wide and high; not below a fifth of the canvas, and inside it."""
    width, height = max(0.2, (box.right - box.left) * factor), max(0.2, (box.bottom - box.top) * factor)
    x, y = box.centre
    return box_within(x - width / 2, y - height / 2, width, height)


def move_to_place(box: Box, place: Place) -> Box:
    """Moves a box to another position, keeping its size; a side longer than 0.6 along a named direction becomes 0.5.

    'left' and 'right' keep the vertical position, 'top' and 'bottom' the horizontal one.
    """
    width, height = box.right - box.left, box.bottom - box.top
    across = "left" in place or "right" in place or place == "center"
    down = "top" in place or "bottom" in place or place == "center"
    width, height = (0.5 if across and width > 0.6 else width), (0.5 if down and height > 0.6 else height)
    left = 0.0 if "left" in place else 1 - width if "right" in place else (1 - width) / 2 if across else box.left
    top = 0.0 if "top" in place else 1 - height if "bottom" in place else (1 - height) / 2 if down else box.top
    return box_within(left, top, width, height)


def make_room(box: Box, other: Box) -> Box:
    """The largest part of `other` on one side of `box`; all of `other` if less than 30% of it would be left."""
    if not box.overlap(other):
        return other
    edges = other.model_dump()
    parts = [("right", box.left), ("bottom", box.top), ("left", box.right), ("top", box.bottom)]
    cut = [edges | {name: at} for name, at in parts]
    large = [Box(**part) for part in cut if part["right"] - part["left"] >= 0.3 and part["bottom"] - part["top"] >= 0.3]
    best = max(
        large, key=lambda part: (round(part.area, 3), min(part.right - part.left, part.bottom - part.top)), default=None
    )
    return best if best and best.area >= 0.3 * other.area else other


def move_aside(box: Box, other: Box, rest: Sequence[Box]) -> Box:
    """Moves `other`, at its size, beside `box`: to the nearest side where it fits on the canvas and overlaps none of
    `rest`. Returns it unchanged if there is no such side."""
    width, height = other.right - other.left, other.bottom - other.top
    moves = [
        (box.right - other.left, 0.0), (box.left - other.right, 0.0),
        (0.0, box.bottom - other.top), (0.0, box.top - other.bottom),
    ]  # fmt: skip
    for across, down in sorted(moves, key=lambda move: round(abs(move[0] + move[1]), 4)):
        left, top = other.left + across, other.top + down
        if min(left, top) < -1e-6 or left + width > 1 + 1e-6 or top + height > 1 + 1e-6:
            continue
        moved = box_within(left, top, width, height)
        if all(moved.overlap(neighbour) < 1e-3 for neighbour in rest):
            return moved
    return other
