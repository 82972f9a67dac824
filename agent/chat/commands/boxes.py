"""Boxes in shares of the canvas: larger, in a line, divided, and how they lie beside each other."""

from collections.abc import Sequence
from math import ceil, sqrt

from ....prompts.layout.places import Place, box_at_place, box_within
from ....prompts.plan import Box

LEAST = 0.06  # side of a box, as a share of the canvas
IN_THE_CORNER = 0.39  # farthest centre from the edge of what is called 'left' or 'top'


def in_line(boxes: Sequence[Box], place: Place) -> list[Box]:
    """Boxes side by side at a place, one above the other on the left and the right; smaller if they have no room. In a
    corner all of them are in it."""
    down = place in ("left", "right")
    if len(boxes) > 4:
        side = max(boxes[0].right - boxes[0].left, boxes[0].bottom - boxes[0].top)
        return shared(box_at_place(place, min(1.0, 0.75 * side * ceil(sqrt(len(boxes))))), len(boxes))
    lengths = [(b.bottom - b.top) if down else (b.right - b.left) for b in boxes]
    scale = min(1.0, 1 / sum(lengths))
    if " " in place and len(boxes) > 1:
        innermost = lengths[0 if "right" in place else -1]
        scale = min(scale, IN_THE_CORNER / (sum(lengths) - innermost / 2))
    lengths = [length * scale for length in lengths]
    start = (1 - sum(lengths)) / 2
    if not down:
        start = 0.0 if "left" in place else 1 - sum(lengths) if "right" in place else start
    placed_boxes = []
    for box, length in zip(boxes, lengths, strict=True):
        across = min(0.6, ((box.right - box.left) if down else (box.bottom - box.top)) * (scale if scale < 0.6 else 1))
        edge = box_at_place(place, across)
        low = edge.left if down else edge.top
        left, top, width, height = (low, start, across, length) if down else (start, low, length, across)
        placed_boxes.append(box_within(left, top, width, height))
        start += length
    return placed_boxes


def shared(box: Box, count: int) -> list[Box]:
    """A box divided among things: up to three side by side, more in rows."""
    per_row = count if count <= 3 else ceil(sqrt(count))
    rows = ceil(count / per_row)
    width, height = (box.right - box.left) / per_row, (box.bottom - box.top) / rows
    return [
        box_within(box.left + i % per_row * width, box.top + i // per_row * height, width, height) for i in range(count)
    ]


def around(boxes: Sequence[Box]) -> Box:
    """The box that holds all of these."""
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    return Box(left=left, top=top, right=max(box.right for box in boxes), bottom=max(box.bottom for box in boxes))


def opposite(box: Box, boxes: Sequence[Box]) -> Box:
    """A box at the other end of the space that these boxes take; those that do not overlap, do not then either."""
    space = around(boxes)
    left, top = space.left + space.right - box.right, space.top + space.bottom - box.bottom
    return box_within(left, top, box.right - box.left, box.bottom - box.top)


def gap(box: Box, other: Box) -> float:
    """The distance between two boxes, as a share of the canvas; 0 if they touch."""
    across = max(0.0, box.left - other.right, other.left - box.right)
    return max(across, box.top - other.bottom, other.top - box.bottom)


def spans(box: Box, word: str) -> bool:
    """Whether a box is nearly as wide (or high) as the canvas, so that it is at 'left' (or 'top') as well."""
    start, end = span(box, 0 if word in ("left", "right") else 1)
    return word != "center" and end - start > 0.8


def aligned(box: Box, other: Box, axis: int) -> bool:
    """Whether two boxes lie in one row (axis 0) or column (axis 1): most of the shorter is beside the longer."""
    start, end = span(box, 1 - axis)
    other_start, other_end = span(other, 1 - axis)
    return min(end, other_end) - max(start, other_start) > 0.8 * min(end - start, other_end - other_start)


def centred(box: Box, other: Box) -> Box:
    """A box of this one's size about the centre of another, inside the canvas."""
    (x, y), width, height = other.centre, box.right - box.left, box.bottom - box.top
    return box_within(x - width / 2, y - height / 2, width, height)


def scaled(box: Box, factor: float) -> Box:
    width, height = (box.right - box.left) * factor, (box.bottom - box.top) * factor
    x, y = box.centre
    width, height = max(width, LEAST), max(height, LEAST)
    return box_within(x - width / 2, y - height / 2, width, height)


def span(box: Box, axis: int) -> tuple[float, float]:
    return (box.left, box.right) if axis == 0 else (box.top, box.bottom)


def with_span(box: Box, axis: int, start: float, end: float) -> Box:
    edges = {"left": start, "right": end} if axis == 0 else {"top": start, "bottom": end}
    return box.model_copy(update={name: round(edge, 4) for name, edge in edges.items()})
