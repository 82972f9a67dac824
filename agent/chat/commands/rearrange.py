"""Regions moved, resized, swapped and added, each as of several arrangements the one in which most is seen (`room.py`).

Pure: plan in, plan out. A size is a factor of width and height: twice as big is twice as wide and twice as high.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import ceil, hypot, sqrt

from ....prompts.answers.chat_answer import Direction, Relation
from ....prompts.layout.places import PLACES, Place, box_within, move_to_place
from ....prompts.plan import MAX_REGIONS, Box, Region, ScenePlan, unique_name
from ....prompts.prompt_style import names_places, place_of, text_at_place
from ..phrases import enumerated
from .boxes import aligned, around, centred, gap, in_line, opposite, scaled, shared, span, spans, with_span
from .room import arrangements, best, in_front, in_sight, is_before, newly_hidden, visible_shares, with_boxes

RegionEdit = Callable[[Region], Region]
LARGEST, SMALLEST = 4.0, 0.25  # factors of a size
FLUSH = 0.05  # of the canvas: what is as near to an edge stands at it
STEP = 1 / 6  # of the canvas: 'a little further'
USUAL = 0.4  # side of something new, as a share of the canvas
NEAR = 0.15  # the widest gap between things that are next to each other
ANYWHERE: tuple[Place, ...] = ("right", "left", *(each for each in PLACES if each not in ("right", "left")))
FREEST = 3  # places that are tried where none is said
SIZES = (1.0, 0.8, 0.65, 0.5, 0.35)  # tried in this order, as shares of the wanted size
AXES: dict[str, tuple[int, int]] = {  # relation → axis (0 across, 1 down) and direction on it
    "left of": (0, -1), "right of": (0, 1), "above": (1, -1), "below": (1, 1),
}  # fmt: skip


def free_name(name: str, taken: set[str]) -> str:
    """A name for a new region: 'cat', 'cat 2' … Raises ValueError where a plan has room for no more."""
    if len(taken) >= MAX_REGIONS:
        raise ValueError(f"a picture has at most {MAX_REGIONS} regions")
    return unique_name(name.strip() or "object", taken)


def placed(plan: ScenePlan, high_level: str, box: Box) -> str:
    """A new region's high level: with its place, if the regions of this plan name theirs."""
    return text_at_place(high_level, box) if names_places(plan) else high_level


def is_related(plan: ScenePlan, name: str, relation: Relation, others: Sequence[str]) -> bool:
    """Whether a relation between a region and others holds, by centres, gaps and order."""
    box, boxes = plan.region(name).box, [plan.region(other).box for other in others]
    if relation in ("in front of", "behind"):
        return all(is_before(plan, name, other) is (relation == "in front of") for other in others)
    if relation in AXES:
        axis, sign = AXES[relation]
        return all((box.centre[axis] - other.centre[axis]) * sign > 0.01 for other in boxes)
    if relation == "between":
        return any(
            min(b.centre[axis] for b in boxes) - 0.01 < box.centre[axis] < max(b.centre[axis] for b in boxes) + 0.01
            and max(b.centre[axis] for b in boxes) - min(b.centre[axis] for b in boxes) > 0.05
            for axis in (0, 1)
        )
    return any(gap(box, other) <= NEAR for other in boxes)


def is_at(plan: ScenePlan, names: Sequence[str], place: Place) -> bool:
    """Whether the centre of these regions together is nearer to this place than to the opposite one; a box as wide as
    the canvas is both left and right."""
    box = around([plan.region(name).box for name in names])
    return all(word in place_of(box).split() or spans(box, word) for word in place.split())


def moved(plan: ScenePlan, names: Sequence[str], place: Place) -> ScenePlan:
    """To a place; several stand there side by side. A region that would be covered may change places with a single
    one. What is in a corner and is to be at one of its two edges goes to the middle of that edge."""
    if len(names) > 1:
        boxes = in_line([plan.region(name).box for name in names], place)
        targets = [dict(zip(names, [scaled(box, size) for box in boxes], strict=True)) for size in SIZES]
    else:
        was = plan.region(names[0]).box
        box = move_to_place(was, place)
        stands = place_of(was)
        if stands != place and place in stands.split() and hypot(box.left - was.left, box.top - was.top) < FLUSH:
            box = _in_the_middle(box, 0 if place in ("top", "bottom") else 1)
        targets = [{names[0]: move_to_place(scaled(box, size), place)} for size in SIZES]
    plans = [each for boxes in targets for each in arrangements(with_boxes(plan, boxes), names)]
    if len(names) == 1:
        covered = [
            r for r in plan.regions if r.name != names[0] and targets[0][names[0]].overlap(r.box) > 0.5 * r.box.area
        ]
        if len(covered) == 1:
            exchanged = targets[0] | {covered[0].name: plan.region(names[0]).box}
            plans.append(with_boxes(plan, exchanged))
    return best(plan, plans, names, holds=lambda each: is_at(each, names, place))


def _in_the_middle(box: Box, axis: int) -> Box:
    """In the middle of the canvas along an axis, elsewhere as it is."""
    start, end = span(box, axis)
    return with_span(box, axis, (1 - end + start) / 2, (1 + end - start) / 2)


def nudged(plan: ScenePlan, names: Sequence[str], direction: Direction) -> ScenePlan:
    """A sixth of the canvas that way, together; a box that spans the canvas shrinks by a third towards that edge."""
    axis, sign = {"left": (0, -1), "right": (0, 1), "up": (1, -1), "down": (1, 1)}[direction]
    edges = {name: span(plan.region(name).box, axis) for name in names}
    if all(end - start > 0.8 for start, end in edges.values()):
        lengths = {name: (end - start) * 2 / 3 for name, (start, end) in edges.items()}
        new = {name: (0.0, length) if sign < 0 else (1 - length, 1.0) for name, length in lengths.items()}
    else:
        room = {name: max(0.0, start if sign < 0 else 1 - end) for name, (start, end) in edges.items()}
        shifts = {name: sign * min(STEP, room[name]) for name in names}
        new = {name: (start + shifts[name], end + shifts[name]) for name, (start, end) in edges.items()}
    further = with_boxes(plan, {name: with_span(plan.region(name).box, axis, *ends) for name, ends in new.items()})
    if further == plan or _overlaps(further, names) > _overlaps(plan, names) + 0.01:  # one of them stands at the edge
        return plan
    return best(plan, arrangements(further, names), names, holds=lambda _: True)


def moved_beside(plan: ScenePlan, names: Sequence[str], relation: Relation, others: Sequence[str]) -> ScenePlan:
    """To a side of another region, or between two. A region on the very other side may change places with it."""
    if relation in ("in front of", "behind"):
        return _over_or_under(plan, names, relation, others)

    def holds(each: ScenePlan) -> bool:
        return all(is_related(each, name, relation, others) for name in names)

    if (
        relation in AXES
        and holds(plan)
        and all(
            aligned(plan.region(name).box, plan.region(other).box, AXES[relation][0])
            for name in names
            for other in others
        )
    ):
        return plan  # it is there already
    box = plan.region(names[0]).box
    plans = [
        each
        for size in SIZES
        for boxes in _moved_beside(plan, [plan.region(name).box for name in names], relation, others, size)
        for each in arrangements(with_boxes(plan, dict(zip(names, boxes, strict=True))), names, fixed=others)
    ]
    if relation in AXES and len(names) == len(others) == 1:
        plans.append(with_boxes(plan, {names[0]: plan.region(others[0]).box, others[0]: box}))
    return best(plan, plans, names, holds=holds)


def swapped(plan: ScenePlan, first: str, second: str) -> ScenePlan:
    """Two regions change places; each keeps its size where there is room for it, else they take each other's boxes."""
    boxes = plan.region(first).box, plan.region(second).box
    exchanged = with_boxes(plan, {first: boxes[1], second: boxes[0]})
    if 0.8 < boxes[0].area / boxes[1].area < 1.25:
        return exchanged
    in_place = with_boxes(plan, {first: centred(boxes[0], boxes[1]), second: centred(boxes[1], boxes[0])})
    mirrored = with_boxes(plan, {first: opposite(boxes[0], boxes), second: opposite(boxes[1], boxes)})
    plans = [in_place, mirrored, exchanged]
    plans += [in_sight(each, [first, second]) for each in plans]

    def holds(each: ScenePlan) -> bool:
        """Whether each is now on that side of the other where the other was."""
        was, now = boxes, (each.region(first).box, each.region(second).box)
        across, down = ((now[0].centre[i] - now[1].centre[i]) * (was[0].centre[i] - was[1].centre[i]) for i in (0, 1))
        return across + down < 0

    return best(plan, plans, [first, second], holds=holds)


def resized(plan: ScenePlan, names: Sequence[str], factor: float) -> tuple[ScenePlan, str]:
    """Boxes `factor` times as wide and high, as far as the canvas goes, and a note if that is less than requested.

    Others make room where they can. Where they cannot, they keep their boxes and stand in front.
    """
    before, limited = plan, min(LARGEST, max(SMALLEST, factor))
    tried = [limited, limited**0.75, limited**0.5] if limited > 1 else [limited]
    plans = [with_boxes(plan, {name: scaled(plan.region(name).box, each) for name in names}) for each in tried]
    seen = _seen_areas(plan, names)

    def holds(each: ScenePlan) -> bool:
        """Whether more is seen of what grows, not less: they may stand before each other."""
        areas = zip(_seen_areas(each, names), seen, strict=True)
        return factor <= 1 or all(now > was - 1e-3 for now, was in areas)

    plans = [arranged for each in plans for arranged in arrangements(each, names)]
    plan = best(plan, [each for each in plans if holds(each)] or [plan], names, holds=lambda _: True)
    short = [name for name in names if not 0.9 < _scale(before, plan, name) / factor < 1.1]
    if not short:
        return plan, ""
    are = "are" if len(short) > 1 else "is"
    return plan, f"the {enumerated(short)} {are} as {'large' if factor > 1 else 'small'} as the picture allows"


def _seen_areas(plan: ScenePlan, names: Sequence[str]) -> list[float]:
    shares = visible_shares(plan)
    return [shares[name] * plan.region(name).box.area for name in names]


def added(
    plan: ScenePlan, region: Callable[[ScenePlan, Box], Region], count: int, *, place: Place | None,
    relation: Relation | None, others: Sequence[str], size: float,
) -> ScenePlan:  # fmt: skip
    """New regions at the given place, else where there is most room. `region`: makes one for a box, under a free name.

    size: of their sides beside the usual.
    """
    side = min(1.0, max(0.1, USUAL * min(LARGEST, max(SMALLEST, size))))
    plans = list[ScenePlan]()
    for share in SIZES:
        if place or relation or count > 3:
            plans += _with_group(plan, region, count, place=place, relation=relation, others=others, side=side * share)
            continue
        scattered = plan
        for _ in range(count):
            tries = _with_group(scattered, region, 1, place=None, relation=None, others=(), side=side * share)
            scattered = best(scattered, tries, _new(scattered, tries[0]), holds=lambda _: True)
        plans.append(scattered)
    names = _new(plan, plans[0])

    def holds(each: ScenePlan) -> bool:
        if relation:
            return all(is_related(each, name, relation, others) for name in names)
        return place is None or is_at(each, names, place)

    return best(plan, plans, names, holds=holds)


def _new(before: ScenePlan, after: ScenePlan) -> list[str]:
    there = {region.name for region in before.regions}
    return [region.name for region in after.regions if region.name not in there]


def _with_group(
    plan: ScenePlan, region: Callable[[ScenePlan, Box], Region], count: int, *, place: Place | None,
    relation: Relation | None, others: Sequence[str], side: float,
) -> list[ScenePlan]:  # fmt: skip
    """The plan with new regions of one size, in each of the manners that may be tried."""
    plans = list[ScenePlan]()
    for boxes in _places(plan, count, place=place, relation=relation, others=others, side=side):
        more = plan
        for box in boxes:
            more = more.model_copy(update={"regions": [*more.regions, region(more, box)]})
        if relation in ("in front of", "behind"):
            plans.append(_reordered(more, _new(plan, more), relation, others))
        else:
            plans += arrangements(more, _new(plan, more), fixed=others)
    return plans


def _places(
    plan: ScenePlan, count: int, *, place: Place | None, relation: Relation | None, others: Sequence[str], side: float
) -> list[list[Box]]:
    """Boxes for new things, in each of the manners that may be tried."""
    square = [Box(left=0.0, top=0.0, right=side, bottom=side)] * count
    if relation in ("in front of", "behind"):
        x, y = plan.region(others[0]).box.centre
        shifts = (0.25, 0.0) if relation == "in front of" else (-0.25, -0.5, -0.75)
        return [shared(box_within(x - side / 2, y - side / 2 + down * side, side, side), count) for down in shifts]
    if relation:
        return _beside(plan, count, relation, others, (side, side))
    if place:
        return [in_line(square, place)]
    lines = [in_line(square, each) for each in ANYWHERE]
    return sorted(lines, key=lambda boxes: round(_covered(plan, boxes), 3))[:FREEST]


def _beside(
    plan: ScenePlan, count: int, relation: Relation, others: Sequence[str], side: tuple[float, float]
) -> list[list[Box]]:
    """Boxes on that side of the others, or in the gap between two; next to: on each side."""
    boxes = [plan.region(name).box for name in others]
    left, right = min(b.left for b in boxes), max(b.right for b in boxes)
    top, bottom = min(b.top for b in boxes), max(b.bottom for b in boxes)
    width, height = side
    x, y = (left + right) / 2, (top + bottom) / 2
    if relation == "next to":
        sides: list[Relation] = ["right of", "left of"] if left < 1 - right else ["left of", "right of"]
        return [each for side_of in sides for each in _beside(plan, count, side_of, others, side)]
    if relation == "between":
        x, y = (sum(b.centre[axis] for b in boxes) / len(boxes) for axis in (0, 1))
        width, height = min(width, USUAL * 0.8), min(height, USUAL * 0.8)
        return [shared(box_within(x - width / 2, y - height / 2, width, height), count)]
    axis, sign = AXES[relation]
    free = ((left, 1 - right) if axis == 0 else (top, 1 - bottom))[0 if sign < 0 else 1]
    edge = ((left, right) if axis == 0 else (top, bottom))[0 if sign < 0 else 1]
    answers = []
    for length in dict.fromkeys([min(side[axis], free), side[axis]]):  # in the gap that is there; as large as usual
        if length < min(0.15, side[axis]):
            continue
        start = min(max(edge - length if sign < 0 else edge, 0.0), 1 - length)
        wide, high = (length, height) if axis == 0 else (width, length)
        middle = (start + length / 2, y) if axis == 0 else (x, start + length / 2)
        answers.append(shared(box_within(middle[0] - wide / 2, middle[1] - high / 2, wide, high), count))
    return answers


def _moved_beside(
    plan: ScenePlan, boxes: Sequence[Box], relation: Relation, others: Sequence[str], size: float
) -> list[list[Box]]:
    """`size` of these boxes on that side of the others: in a row, in a column, or many in rows; largest first."""
    sides = [(min(0.5, box.right - box.left) * size, min(0.5, box.bottom - box.top) * size) for box in boxes]
    widths, heights = zip(*sides, strict=True)
    if len(boxes) == 1:
        return _beside(plan, 1, relation, others, sides[0])
    if len(boxes) > 3:
        across = ceil(sqrt(len(boxes)))
        side = min(1.0, across * max(widths)), min(1.0, ceil(len(boxes) / across) * max(heights))
        return _beside(plan, len(boxes), relation, others, side)
    rows = _beside(plan, 1, relation, others, (min(1.0, sum(widths)), max(heights)))
    columns = _beside(plan, 1, relation, others, (max(widths), min(1.0, sum(heights))))
    places = [_divided(frame, sides, axis=0) for (frame,) in rows]
    places += [_divided(frame, sides, axis=1) for (frame,) in columns]
    return sorted(places, key=lambda placed: -round(sum(box.area for box in placed), 3))


def _divided(frame: Box, sides: Sequence[tuple[float, float]], *, axis: int) -> list[Box]:
    """Boxes of these widths and heights one after another along an axis of a frame, narrower where it is."""
    start, end = span(frame, axis)
    across, shrunk = span(frame, 1 - axis), (end - start) / sum(side[axis] for side in sides)
    boxes = []
    for side in sides:
        length, breadth = side[axis] * shrunk, min(side[1 - axis], across[1] - across[0])
        margin = (across[0] + across[1] - breadth) / 2
        box = with_span(frame, axis, start, start + length)
        boxes.append(with_span(box, 1 - axis, margin, margin + breadth))
        start += length
    return boxes


def _over_or_under(plan: ScenePlan, names: Sequence[str], relation: Relation, others: Sequence[str]) -> ScenePlan:
    """In front of others, or behind them, where it stands if they overlap, else over a part of them; several beside
    each other."""

    def overlap(each: ScenePlan, name: str) -> bool:
        return any(each.region(name).box.overlap(each.region(other).box) for other in others)

    for index, name in enumerate(names):
        ordered = _reordered(plan, [name], relation, others)
        box, there = plan.region(name).box, plan.region(others[0]).box
        overlaps = overlap(plan, name)
        if overlaps and not newly_hidden(plan, ordered):
            plan = ordered
            continue
        width, height = box.right - box.left, box.bottom - box.top
        x, y = there.left + (index + 0.5) / len(names) * (there.right - there.left), there.centre[1]
        up, edge = (0.25, there.bottom) if relation == "in front of" else (0.75, there.top)
        boxes = [box_within(x - width * s / 2, y - height * s * up, width * s, height * s) for s in SIZES]
        boxes += [
            box_within(centre[0] - width / 2, centre[1] - height / 2, width, height)
            for centre in ((x, edge), (there.left, box.centre[1]), (there.right, box.centre[1]))
        ]
        plans = [ordered] if overlaps else []
        plans += [with_boxes(ordered, {name: each}) for each in boxes]
        plan = best(plan, plans, [name], holds=partial(overlap, name=name))
    return plan


def _reordered(plan: ScenePlan, names: Sequence[str], relation: Relation, others: Sequence[str]) -> ScenePlan:
    for other in others:
        for name in names:
            front, back = ([name], other) if relation == "in front of" else ([other], name)
            plan = in_front(plan, front, back)
    return plan


def _overlaps(plan: ScenePlan, names: Sequence[str]) -> float:
    """The area in which these regions overlap each other."""
    boxes = [plan.region(name).box for name in names]
    return sum(box.overlap(other) for i, box in enumerate(boxes) for other in boxes[:i])


def _covered(plan: ScenePlan, boxes: Sequence[Box]) -> float:
    """How much of the middles of the regions some boxes cover."""
    middles = [scaled(region.box, 0.9) for region in plan.regions]
    return sum(box.overlap(middle) for box in boxes for middle in middles)


def _scale(before: ScenePlan, after: ScenePlan, name: str) -> float:
    """How many times as wide and high a region has become, on average."""
    return sqrt(after.region(name).box.area / before.region(name).box.area)
