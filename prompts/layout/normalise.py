"""Layouts of language models → valid boxes, each visible in at least one image token.

Lenient: whatever can be interpreted is accepted, and every change is a note.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ..plan import MAX_REGIONS, Box, unique_name
from .box_units import Edges, to_shares
from .token_owners import SCENE, TOKEN, owned_tokens, token_owners

INSIDE = 0.9  # least share of a box's area in a larger box to count as inside it
MOSTLY = 0.5  # the same, from which on it is put in front where nothing is said of the two: a cat on a sofa
ALIKE = 0.8  # least intersection over union of two boxes to count as the same


@dataclass(frozen=True)
class Layout:
    """Objects in the given order. z_orders: all 0 if later objects are in front, which is the default order.

    indices: of the given objects that are in the layout. notes: the changes, a sentence each.
    """

    names: list[str]
    boxes: list[Box]
    z_orders: list[int]
    indices: list[int]
    notes: list[str]


def normalise(
    names: Sequence[str],
    boxes: Sequence[Sequence[float]],
    *,
    unit: float = 1000,
    canvas: tuple[int, int] = (1024, 1024),
    pixels: tuple[int, int] | None = None,
    token: int = TOKEN,
    in_front: Sequence[tuple[int, int]] = (),
) -> Layout:
    """The layout of named boxes, each [left, top, right, bottom], in which every object owns a token.

    unit: as in `box_units.to_shares`. canvas: width and height in pixels; pixels: those that the boxes may be in, if
    they are others. token: its side in pixels. in_front: pairs of indices, the first of which
    stands before the second. Objects beyond what a plan, or the picture's tokens, have room for are left out, and
    noted. Raises ValueError as `to_shares`.
    """
    rows, columns = max(1, canvas[1] // token), max(1, canvas[0] // token)
    shares, notes = to_shares(boxes, unit=unit, canvas=pixels or canvas)
    most = min(MAX_REGIONS, rows * columns)
    if len(names) > most:
        left_out = ", ".join(repr(name) for name in names[most:])
        notes.append(f"a plan has room for {most} regions: left out {left_out}")
    indices = list(range(min(len(names), most)))
    pairs = [pair for pair in in_front if max(pair) < most]
    grown = [at_least_a_token(shares[index], rows, columns) for index in indices]
    unique = unique_names([names[index] for index in indices])
    if too_small := [name for index, name in enumerate(unique) if _smaller(shares[index], grown[index])]:
        notes.append(f"{_quoted(too_small)}: smaller than a token of the image model, made that large")
    order, found = _order(grown, unique, pairs)
    visible, order, moved = _all_seen(grown, order, unique, rows=rows, columns=columns)
    in_list_order = order == sorted(order)
    z_orders = [0 if in_list_order else order.index(index) for index in indices]
    return Layout(unique, visible, z_orders, indices, [*notes, *found, *moved])


def unique_names(names: Sequence[str]) -> list[str]:
    """Names that a plan can have: not empty, at most 60 characters, equal ones numbered."""
    unique: list[str] = []
    for name in names:
        unique.append(unique_name(name.strip() or "object", set(unique)))
    return unique


def at_least_a_token(edges: Edges, rows: int, columns: int) -> Box:
    """The box, grown about its middle until it holds the centre of a token."""
    left, right = _grown(edges[0], edges[2], columns)
    top, bottom = _grown(edges[1], edges[3], rows)
    return Box(left=left, top=top, right=right, bottom=bottom)


def _grown(start: float, end: float, count: int) -> tuple[float, float]:
    start, end = round(start, 4), round(end, 4)
    cell = min(count - 1, int((start + end) / 2 * count))
    if start < (cell + 0.5) / count < end:
        return start, end
    first = next((c for c in range(count) if start <= (c + 0.5) / count < end), None)
    if first is not None:
        return start, end
    return round(min(start, cell / count), 6), round(max(end, (cell + 1) / count), 6)


def _smaller(edges: Edges, box: Box) -> bool:
    return box.right - box.left > edges[2] - edges[0] + 1e-3 or box.bottom - box.top > edges[3] - edges[1] + 1e-3


def _order(boxes: Sequence[Box], names: Sequence[str], pairs: Sequence[tuple[int, int]]) -> tuple[list[int], list[str]]:
    """Indices from the back: as listed, but what lies in a larger box before it, and as `pairs` say."""
    notes: list[str] = []
    behind: dict[int, set[int]] = {index: set() for index in range(len(boxes))}  # what must lie behind each box
    in_larger = {
        (inner, outer): box.share_in(other)
        for inner, box in enumerate(boxes) for outer, other in enumerate(boxes) if other.area > box.area
    }  # fmt: skip
    for (inner, outer), share in in_larger.items():
        if share >= INSIDE:
            behind[inner].add(outer)
    for front, back in pairs:
        if front == back or back in behind[front]:
            continue
        if not _leads_to(behind, back, front):
            behind[front].add(back)
        elif front in behind[back] and in_larger.get((back, front), 0) >= INSIDE:
            notes.append(f"{names[front]!r} cannot be in front of {names[back]!r}, which would not be seen")
        elif boxes[front].overlap(boxes[back]):
            notes.append(f"{names[front]!r} in front of {names[back]!r}: left out, for it contradicts the other pairs")
    for (inner, outer), share in in_larger.items():
        if share >= MOSTLY and not _leads_to(behind, outer, inner):
            behind[inner].add(outer)
    order: list[int] = []
    while len(order) < len(boxes):
        order.append(next(i for i in range(len(boxes)) if i not in order and behind[i] <= set(order)))
    stated = set(pairs)
    lifted = [inner for inner, outers in behind.items() if any(o > inner and (inner, o) not in stated for o in outers)]
    if lifted:
        notes.append(f"put in front of the larger boxes that they mostly lie in: {_quoted([names[i] for i in lifted])}")
    return order, notes


def _leads_to(behind: dict[int, set[int]], start: int, goal: int) -> bool:
    """Whether `goal` must lie behind `start`."""
    seen, waiting = set[int](), [start]
    while waiting:
        index = waiting.pop()
        if index == goal:
            return True
        if index not in seen:
            seen.add(index)
            waiting += behind[index]
    return False


def _all_seen(
    boxes: Sequence[Box], order: list[int], names: Sequence[str], *, rows: int, columns: int
) -> tuple[list[Box], list[int], list[str]]:
    """Boxes and order in which every box owns a token: covered boxes are moved to the front, shrunk if necessary, or
    moved aside; a box of several objects is divided."""
    boxes, notes = list(boxes), list[str]()

    def hidden(some: Sequence[Box], ordered: Sequence[int]) -> list[int]:
        counts = owned_tokens(some, order=ordered, rows=rows, columns=columns)
        return [index for index, count in enumerate(counts) if not count]

    while unseen := hidden(boxes, order):
        index = unseen[0]
        in_front = [*(other for other in order if other != index), index]
        if len(hidden(boxes, in_front)) < len(unseen):
            order = in_front
            notes.append(f"{names[index]!r} was covered by others and is now in front of them")
            continue
        group = [other for other, box in enumerate(boxes) if _alike(box, boxes[index])]
        shared = _divided(boxes, group, rows=rows, columns=columns)
        if len(group) > 1 and len(hidden(shared, order)) < len(unseen):
            boxes = shared
            notes.append(f"{_quoted([names[i] for i in group])} had one box: divided between them")
            continue
        smaller = [*boxes[:index], _halved(boxes[index], rows, columns), *boxes[index + 1 :]]
        if len(hidden(smaller, in_front)) < len(unseen):
            boxes, order = smaller, in_front
            notes.append(f"{names[index]!r} was covered by others: made smaller, in front of them")
            continue
        boxes[index] = _free_token(boxes, order, index, rows=rows, columns=columns)
        order = in_front
        notes.append(f"{names[index]!r} was covered by others: moved beside them")
    return boxes, order, notes


def _alike(box: Box, other: Box) -> bool:
    """Whether two boxes are nearly the same."""
    common = box.overlap(other)
    return common >= ALIKE * (box.area + other.area - common)


def _divided(boxes: Sequence[Box], group: Sequence[int], *, rows: int, columns: int) -> list[Box]:
    """The boxes, of which those of a group share that of its first, side by side along the longer side in tokens."""
    whole, out = boxes[group[0]], list(boxes)
    width, height = whole.right - whole.left, whole.bottom - whole.top
    across = width * columns >= height * rows
    for place, index in enumerate(group):
        start, end = place / len(group), (place + 1) / len(group)
        edges = (
            (whole.left + start * width, whole.top, whole.left + end * width, whole.bottom)
            if across
            else (whole.left, whole.top + start * height, whole.right, whole.top + end * height)
        )
        out[index] = at_least_a_token(edges, rows, columns)
    return out


def _halved(box: Box, rows: int, columns: int) -> Box:
    """The box about its middle, half as wide and high."""
    width, height = (box.right - box.left) / 4, (box.bottom - box.top) / 4
    x, y = box.centre
    return at_least_a_token((x - width, y - height, x + width, y + height), rows, columns)


def _free_token(boxes: Sequence[Box], order: Sequence[int], index: int, *, rows: int, columns: int) -> Box:
    """The nearest token to a box's centre that is free: the scene's, or of a box with several."""
    owners = token_owners(boxes, order=order, rows=rows, columns=columns)
    counts = owned_tokens(boxes, order=order, rows=rows, columns=columns)
    x, y = boxes[index].centre
    free = [
        (abs((column + 0.5) / columns - x) + abs((row + 0.5) / rows - y), row, column)
        for row in range(rows)
        for column in range(columns)
        if owners[row][column] == SCENE or counts[owners[row][column]] > 1
    ]
    _, row, column = min(free)
    edges = (column / columns, row / rows, (column + 1) / columns, (row + 1) / rows)
    left, top, right, bottom = (round(edge, 6) for edge in edges)
    return Box(left=left, top=top, right=right, bottom=bottom)


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
