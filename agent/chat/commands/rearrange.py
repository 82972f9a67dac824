"""Regions moved, resized and added on a canvas, with room made for them. Pure: plan in, plan out."""

from collections.abc import Callable, Sequence
from math import ceil, sqrt

from ....prompts.answers.chat_answer import Direction, Relation
from ....prompts.layout.places import (
    Place,
    box_at_place,
    box_within,
    freest_place,
    make_room,
    move_aside,
    move_to_place,
)
from ....prompts.layout.token_owners import order_of, owned_tokens
from ....prompts.plan import MAX_REGIONS, Box, Region, ScenePlan, unique_name
from ....prompts.prompt_style import names_places, text_at_place

RegionEdit = Callable[[Region], Region]
CELLS = 32  # a side of the grid on which it is counted what is seen
LARGEST, SMALLEST = 4.0, 0.25  # factors of a size
STEP = 1 / 6  # of the canvas: 'a little further'
USUAL = 0.4  # side of something new, as a share of the canvas
SEEN = 0.3  # share of a region's box that should stay visible
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


def with_boxes(plan: ScenePlan, boxes: dict[str, Box]) -> ScenePlan:
    """New boxes by name; a free shape does not go with them."""
    return plan.model_copy(update={"regions": [
        region.model_copy(update={"box": boxes[region.name], "mask": ""})
        if boxes.get(region.name, region.box) != region.box else region
        for region in plan.regions
    ]})  # fmt: skip


def newly_hidden(before: ScenePlan, after: ScenePlan) -> list[str]:
    """Names of regions of which something was seen before, and nothing is seen now."""
    seen = visible_shares(before)
    return [name for name, share in visible_shares(after).items() if not share and seen.get(name, 1)]


def visible_shares(plan: ScenePlan) -> dict[str, float]:
    """The share of each region's own box that no other region covers, by name."""
    boxes, order = [r.box for r in plan.regions], order_of([r.z_order for r in plan.regions])
    owned = owned_tokens(boxes, order=order, rows=CELLS, columns=CELLS)
    alone = [owned_tokens([box], order=[0], rows=CELLS, columns=CELLS)[0] for box in boxes]
    return {r.name: own / whole if whole else 0.0 for r, own, whole in zip(plan.regions, owned, alone, strict=True)}


def moved(plan: ScenePlan, names: Sequence[str], place: Place) -> ScenePlan:
    """To a place; several share it side by side. A region that would be covered changes places with a single one."""
    targets = {name: move_to_place(plan.region(name).box, place) for name in names}
    if len(names) > 1:
        targets = dict(zip(names, _shared(box_at_place(place, 0.5), len(names)), strict=True))
    covered = [r for r in plan.regions if r.name not in names and any(_covers(box, r.box) for box in targets.values())]
    if len(names) == 1 and len(covered) == 1:
        targets[covered[0].name] = plan.region(names[0]).box
    return _make_room(with_boxes(plan, targets), list(targets))


def nudged(plan: ScenePlan, names: Sequence[str], direction: Direction) -> ScenePlan:
    """A sixth of the canvas that way; a box that spans the canvas shrinks by a third towards that edge."""
    axis, sign = {"left": (0, -1), "right": (0, 1), "up": (1, -1), "down": (1, 1)}[direction]
    boxes = {}
    for name in names:
        start, end = _span(plan.region(name).box, axis)
        length = end - start
        if length > 0.8:
            length *= 2 / 3
            start = 0.0 if sign < 0 else 1 - length
        else:
            start = min(max(start + sign * STEP, 0.0), 1 - length)
        boxes[name] = _with_span(plan.region(name).box, axis, start, start + length)
    return _make_room(with_boxes(plan, boxes), names)


def moved_beside(plan: ScenePlan, names: Sequence[str], relation: Relation, others: Sequence[str]) -> ScenePlan:
    """To a side of another region, or between two. A region on the very other side changes places with it."""
    if relation in ("in front of", "behind"):
        return _reordered(plan, names, relation, others)
    if relation in AXES and len(names) == len(others) == 1:
        axis, sign = AXES[relation]
        here, there = plan.region(names[0]).box, plan.region(others[0]).box
        if (here.centre[axis] - there.centre[axis]) * sign > 0.15 and _aligned(here, there, axis):
            return plan  # it is there already
        if (there.centre[axis] - here.centre[axis]) * sign > 0.15 and _aligned(here, there, axis):
            return with_boxes(plan, {names[0]: there, others[0]: here})
    size = plan.region(names[0]).box
    side = min(0.5, size.right - size.left), min(0.5, size.bottom - size.top)
    boxes = _beside(plan, len(names), relation, others, side)
    return _make_room(with_boxes(plan, dict(zip(names, boxes, strict=True))), names, keep=others)


def resized(plan: ScenePlan, names: Sequence[str], factor: float) -> tuple[ScenePlan, str]:
    """Boxes `factor` times as wide and high, as far as the canvas goes, and a note if that is less than was said.

    Others make room where they can. Where they cannot, they keep their boxes and stand in front.
    """
    factor = min(LARGEST, max(SMALLEST, factor))
    for name in names:
        box = _scaled(plan.region(name).box, factor)
        larger = with_boxes(plan, {name: box})
        roomy = _make_room(larger, [name])
        if roomy.region(name).box != box:  # there is no room: the others stand in front of it
            over = [r.name for r in larger.regions if r.name != name and r.box.overlap(box)]
            roomy = _in_front(larger, over, name)
        plan = roomy
    reached = min(sqrt(plan.region(name).box.area) for name in names) if names else 0.0
    note = f"{', '.join(names)}: as large as the picture allows" if factor > 1.05 and reached > 0.97 else ""
    return plan, note


def places_for(
    plan: ScenePlan, count: int, *, place: Place | None, relation: Relation | None, others: Sequence[str], scale: float
) -> list[Box]:
    """Boxes for new things: where it was said, else where there is most room."""
    side = min(1.0, max(0.1, USUAL * min(LARGEST, max(SMALLEST, scale))))
    if relation and relation not in ("in front of", "behind"):
        return _beside(plan, count, relation, others, (side, side))
    if relation:
        x, y = plan.region(others[0]).box.centre
        down = side / 4 if relation == "in front of" else -side / 4
        return _shared(box_within(x - side / 2, y - side / 2 + down, side, side), count)
    if place:
        return _shared(box_at_place(place, side), count)
    taken = [region.box for region in plan.regions]
    boxes: list[Box] = []
    for _ in range(count if count <= 3 else 1):
        boxes.append(box_at_place(freest_place([*taken, *boxes], side), side))
    return boxes if count <= 3 else _shared(box_at_place(freest_place(taken, 0.5), 0.5), count)


def with_region(plan: ScenePlan, region: Region, *, relation: Relation | None, others: Sequence[str]) -> ScenePlan:
    """The plan with a new region, for which others make room; in front of or behind `others` it overlaps them."""
    plan = plan.model_copy(update={"regions": [*plan.regions, region]})
    if relation in ("in front of", "behind"):
        return _reordered(plan, [region.name], relation, others)
    return _make_room(plan, [region.name])


def _beside(
    plan: ScenePlan, count: int, relation: Relation, others: Sequence[str], side: tuple[float, float]
) -> list[Box]:
    """Boxes on that side of the others, or in the gap between two."""
    boxes = [plan.region(name).box for name in others]
    left, right = min(b.left for b in boxes), max(b.right for b in boxes)
    top, bottom = min(b.top for b in boxes), max(b.bottom for b in boxes)
    width, height = side
    x, y = (left + right) / 2, (top + bottom) / 2
    if relation == "between" and len(boxes) > 1:
        x = sum(b.centre[0] for b in boxes) / len(boxes)
        y = sum(b.centre[1] for b in boxes) / len(boxes)
        width, height = min(width, USUAL * 0.8), min(height, USUAL * 0.8)
    elif relation in AXES:
        axis, sign = AXES[relation]
        room = (left, 1 - right) if axis == 0 else (top, 1 - bottom)
        free = room[0] if sign < 0 else room[1]
        length = max(0.2, min(side[axis], max(free, 0.25)))
        edge = (left, top)[axis] if sign < 0 else (right, bottom)[axis]
        start = min(max(edge - length if sign < 0 else edge, 0.0), 1 - length)
        width, height = (length, height) if axis == 0 else (width, length)
        x, y = (start + length / 2, y) if axis == 0 else (x, start + length / 2)
    else:  # next to: on the side with more room
        wider = left >= 1 - right
        return _beside(plan, count, "left of" if wider else "right of", others, side)
    return _shared(box_within(x - width / 2, y - height / 2, width, height), count)


def _shared(box: Box, count: int) -> list[Box]:
    """A box divided among things: up to three side by side, more in rows."""
    per_row = count if count <= 3 else ceil(sqrt(count))
    rows = ceil(count / per_row)
    width, height = (box.right - box.left) / per_row, (box.bottom - box.top) / rows
    return [
        box_within(box.left + i % per_row * width, box.top + i // per_row * height, width, height) for i in range(count)
    ]


def _make_room(plan: ScenePlan, names: Sequence[str], *, keep: Sequence[str] = ()) -> ScenePlan:
    """Others make room for these: they shrink, or else move. Where they cannot, or must not (`keep`), the region itself
    shrinks; if they overlap even then, the smaller one is in front."""
    regions = list(plan.regions)
    for i, region in enumerate(regions):
        if region.name not in names:
            continue
        for j, other in enumerate(regions):
            if other.name in names or not regions[i].box.overlap(other.box):
                continue
            room, own = make_room(regions[i].box, other.box), make_room(other.box, regions[i].box)
            rest = [r.box for k, r in enumerate(regions) if k != j]
            if other.name not in keep and room != other.box:
                regions[j] = other.model_copy(update={"box": room})
            elif other.name not in keep and (aside := move_aside(regions[i].box, other.box, rest)) != other.box:
                regions[j] = other.model_copy(update={"box": aside})
            elif own != regions[i].box:
                regions[i] = regions[i].model_copy(update={"box": own})
            else:
                front, back = (i, j) if regions[i].box.area <= other.box.area else (j, i)
                if regions[front].z_order <= regions[back].z_order and not _is_before(front, back, regions):
                    z_order = min(100, regions[back].z_order + 1)
                    regions[front] = regions[front].model_copy(update={"z_order": z_order})
    return plan.model_copy(update={"regions": regions})


def _is_before(front: int, back: int, regions: Sequence[Region]) -> bool:
    """Whether one region covers another by their order alone."""
    return (regions[front].z_order, front) > (regions[back].z_order, back)


def _reordered(plan: ScenePlan, names: Sequence[str], relation: Relation, others: Sequence[str]) -> ScenePlan:
    for other in others:
        for name in names:
            front, back = ([name], other) if relation == "in front of" else ([other], name)
            plan = _in_front(plan, front, back)
    return plan


def _in_front(plan: ScenePlan, names: Sequence[str], back: str) -> ScenePlan:
    """These regions in front of another."""
    floor = plan.region(back).z_order + 1
    return plan.model_copy(update={"regions": [
        region.model_copy(update={"z_order": min(100, max(region.z_order, floor))}) if region.name in names else region
        for region in plan.regions
    ]})  # fmt: skip


def _covers(box: Box, other: Box) -> bool:
    return box.overlap(other) > (1 - SEEN) * other.area


def _aligned(box: Box, other: Box, axis: int) -> bool:
    """Whether two boxes lie in one row (axis 0) or column (axis 1)."""
    start, end = _span(box, 1 - axis)
    other_start, other_end = _span(other, 1 - axis)
    return min(end, other_end) - max(start, other_start) > 0.3 * min(end - start, other_end - other_start)


def _scaled(box: Box, factor: float) -> Box:
    width, height = (box.right - box.left) * factor, (box.bottom - box.top) * factor
    x, y = box.centre
    return box_within(x - width / 2, y - height / 2, max(width, 0.06), max(height, 0.06))


def _span(box: Box, axis: int) -> tuple[float, float]:
    return (box.left, box.right) if axis == 0 else (box.top, box.bottom)


def _with_span(box: Box, axis: int, start: float, end: float) -> Box:
    edges = {"left": start, "right": end} if axis == 0 else {"top": start, "bottom": end}
    return box.model_copy(update={name: round(edge, 4) for name, edge in edges.items()})
