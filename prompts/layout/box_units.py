"""Boxes as language models write them → edges as shares of the picture: units, swapped edges, overflow."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import median

CUT = 0.1  # share of the picture up to which overflow is cut off; with more the layout is scaled
Edges = tuple[float, float, float, float]  # left, top, right, bottom


@dataclass(frozen=True)
class Unit:
    """The picture's width and height in a layout's numbers."""

    width: float
    height: float
    name: str


def to_shares(
    boxes: Sequence[Sequence[float]], *, unit: float = 1000, canvas: tuple[int, int] | None = None, scale: bool = True
) -> tuple[list[Edges], list[str]]:
    """Left, top, right and bottom of each box, 0 to 1 of the picture, and a note per change.

    unit: the expected value of a whole side. canvas: width and height of the picture in pixels. Another unit is
    recognised from all boxes together. scale: whether boxes far beyond the picture are a layout for a larger one; else
    they are cut at its edge. Boxes may still have no area. Raises ValueError for a box that is neither four numbers nor
    a point.
    """
    if not boxes:
        return [], []
    for box in boxes:
        if len(box) not in (2, 4) or not all(isfinite(value) for value in box):
            raise ValueError(f"a box is four finite numbers: left, top, right and bottom, not {list(box)}")
    found = _unit(boxes, unit, canvas)
    notes = [] if found.name == "" else [f"the boxes were read as {found.name}"]
    points = sum(len(box) == 2 for box in boxes)
    if points:
        notes.append("points were given instead of boxes: each got a box around it")
    shares = [(box[0] / found.width, box[1] / found.height, box[-2] / found.width, box[-1] / found.height)
              for box in boxes]  # fmt: skip
    if any(right < left or bottom < top for left, top, right, bottom in shares):
        notes.append("edges in the wrong order were turned round")
    ordered = [(min(left, right), min(top, bottom), max(left, right), max(top, bottom))
              for left, top, right, bottom in shares]  # fmt: skip
    if points:
        ordered = _around_points(ordered, [len(box) == 2 for box in boxes])
    return _fitted(ordered, notes, scale=scale)


def _unit(boxes: Sequence[Sequence[float]], expected: float, canvas: tuple[int, int] | None) -> Unit:
    """The unit that the boxes are in; its name is empty for the expected one."""
    right, bottom = (max(abs(value) for box in boxes for value in box[axis::2]) for axis in (0, 1))
    largest = max(right, bottom)
    whole = Unit(expected, expected, "")
    if 0 < largest <= 1 < expected:
        return Unit(1, 1, "shares from 0 to 1")
    if largest <= 100 < expected:
        return Unit(100, 100, "percent")
    if largest > expected and canvas and 1 - CUT <= max(right / canvas[0], bottom / canvas[1]) <= 1 + CUT:
        return Unit(*canvas, f"pixels of {canvas[0]}×{canvas[1]}")
    # Several objects that fill one quarter of the picture and leave the rest: models trained on 512×512 layouts. In
    # thousandths, what lies in that quarter ends at its middle.
    if expected == 1000 and len(boxes) > 2 and 500 < largest <= 512 * 1.02 and min(right, bottom) > 512 * 0.8:
        return Unit(512, 512, "pixels of 512×512")
    return whole


def _around_points(edges: list[Edges], is_point: Sequence[bool]) -> list[Edges]:
    """Squares around points, small enough that the nearest two hardly touch, and at most a fifth of the picture."""
    points = [(edge[0], edge[1]) for edge, point in zip(edges, is_point, strict=True) if point]
    nearest = [
        min(max(abs(x - u), abs(y - v)) for j, (u, v) in enumerate(points) if j != i)
        for i, (x, y) in enumerate(points)
        if len(points) > 1
    ]
    half = min(0.2, max(0.05, median(nearest) if nearest else 0.2)) / 2
    return [
        (left - half, top - half, left + half, top + half) if point else (left, top, right, bottom)
        for (left, top, right, bottom), point in zip(edges, is_point, strict=True)
    ]


def _fitted(edges: list[Edges], notes: list[str], *, scale: bool) -> tuple[list[Edges], list[str]]:
    """The edges inside the picture. Large overflow means a layout for a larger canvas, which is scaled per axis if
    `scale`; other overflow is cut off."""
    for axis in (0, 1) if scale else ():
        low = min(0.0, *(edge[axis] for edge in edges))
        high = max(1.0, *(edge[axis + 2] for edge in edges))
        lost = any(_inside(edge[axis], edge[axis + 2]) < 0.5 for edge in edges)
        if high - low > 1 + CUT or (lost and high - low > 1):
            edges = [_scaled(edge, axis, low, high) for edge in edges]
            notes.append(
                f"the layout reached far beyond the picture's {('sides', 'top or bottom')[axis]}: scaled to fit"
            )
    cut = [tuple(min(1.0, max(0.0, value)) for value in edge) for edge in edges]
    if cut != edges:
        notes.append("boxes that reached beyond the picture were cut at its edge")
    return cut, notes  # type: ignore[return-value]


def _inside(start: float, end: float) -> float:
    """The share of a span that lies in 0 to 1; 1 for a span without length inside it."""
    if end <= start:
        return float(0 <= start <= 1)
    return max(0.0, min(1.0, end) - max(0.0, start)) / (end - start)


def _scaled(edge: Edges, axis: int, low: float, high: float) -> Edges:
    values = list(edge)
    for index in (axis, axis + 2):
        values[index] = (values[index] - low) / (high - low)
    return values[0], values[1], values[2], values[3]
