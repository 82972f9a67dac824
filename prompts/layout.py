"""Boxes by arithmetic instead of by model: regular divisions (paper, section II-A) and places said in words."""

from typing import Literal, get_args

from .scene import Box

Place = Literal[
    "top left", "top", "top right", "left", "center", "right", "bottom left", "bottom", "bottom right"
]  # fmt: skip
PLACES: tuple[Place, ...] = get_args(Place)


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


def boxes_for(places: list[Place]) -> list[Box]:
    """One box per place word, as large as the other places let it be; places that repeat share their part side by side.

    The canvas is cut into as many columns and rows as the words need: 'left' and 'right' make two columns of full
    height, 'top left' … 'bottom right' a 2×2 grid, and a word from the middle makes it three.
    """
    column_of = {place: 0 if "left" in place else 2 if "right" in place else 1 for place in PLACES}
    row_of = {place: 0 if "top" in place else 2 if "bottom" in place else 1 for place in PLACES}
    used_columns = sorted({column_of[p] for p in places})
    used_rows = sorted({row_of[p] for p in places})

    def span(index: int, used: list[int]) -> tuple[float, float]:
        # 'left' alone takes the left half; 'left' and 'right' halve the canvas; all three make thirds.
        if used == [1] or (index == 1 and len(used) == 1):
            return 0.0, 1.0
        if 1 in used:
            return index / 3, (index + 1) / 3
        return (0.0, 0.5) if index == 0 else (0.5, 1.0)

    boxes = []
    for i, place in enumerate(places):
        left, right = span(column_of[place], used_columns)
        top, bottom = span(row_of[place], used_rows)
        twins = [j for j, other in enumerate(places) if other == place]
        part, width = twins.index(i), (right - left) / len(twins)
        boxes.append(Box(left=left + part * width, top=top, right=left + (part + 1) * width, bottom=bottom))
    return boxes
