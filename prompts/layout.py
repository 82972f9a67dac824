"""Boxes by arithmetic instead of by model: regular divisions (paper, section II-A) and places said in words."""

from collections.abc import Sequence
from math import ceil, sqrt
from typing import Literal, get_args

from .scene import Box

Place = Literal[
    "top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right"
]  # fmt: skip
PLACES: tuple[Place, ...] = get_args(Place)
CORNERS: tuple[Place, ...] = ("top left", "top right", "bottom left", "bottom right")
# Where so many things stand if nobody says where.
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


def roomier(box: Box, others: Sequence[Box], *, by: float = 0.1) -> Box:
    """The box with each edge moved outwards by `by` of the canvas, at most to its rim, where no other box is met."""
    for edge, outermost in (("left", 0.0), ("top", 0.0), ("right", 1.0), ("bottom", 1.0)):
        here = getattr(box, edge)
        moved = max(0.0, here - by) if outermost == 0.0 else min(1.0, here + by)
        wider = box.model_copy(update={edge: moved})
        if all(wider.overlap(other) <= box.overlap(other) for other in others):
            box = wider
    return box


def boxes_for(places: list[Place]) -> list[Box]:
    """One box per place word, as large as the other places let it be.

    A place that several share is divided: up to three stand side by side, more in rows.
    'left' and 'right' make two columns of full height, 'top left' … 'bottom right' a 2×2 grid, 'top' with 'bottom left'
    and 'bottom right' one wide box over two. Of the division by rows and the one by columns, the roomier is taken.
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
        return min((right - left) * (bottom - top) for left, right, top, bottom in spans)

    chosen = by_columns if smallest(by_columns) > smallest(by_rows) else by_rows
    boxes = []
    for i, (left, right, top, bottom) in enumerate(chosen):
        twins = [j for j, place in enumerate(places) if place == places[i]]
        across_it = len(twins) if len(twins) <= 3 else ceil(sqrt(len(twins)))
        width, height = (right - left) / across_it, (bottom - top) / ceil(len(twins) / across_it)
        line, column = divmod(twins.index(i), across_it)
        x, y = left + column * width, top + line * height
        boxes.append(Box(left=x, top=y, right=min(1.0, x + width), bottom=min(1.0, y + height)))
    return boxes


def _span(index: int, used: set[int]) -> tuple[float, float]:
    """Start and end of one of three parts (0, 1, 2), given which parts are used: all, halves or thirds."""
    if used == {1}:
        return 0.0, 1.0
    if 1 in used:
        return index / 3, (index + 1) / 3
    return (0.0, 0.5) if index == 0 else (0.5, 1.0)
