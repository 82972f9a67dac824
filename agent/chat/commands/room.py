"""Room on a canvas: of several arrangements of a plan the one in which most is seen. Pure: plans in, a plan out.

Boxes may overlap, since the order says which one is in front. But what was seen stays seen, what is asked for is seen,
and others shrink or move no more than they must.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from math import hypot

from ....prompts.layout.canvas import SIDE
from ....prompts.layout.normalise import at_least_a_token
from ....prompts.layout.places import make_room, move_aside
from ....prompts.layout.token_owners import TOKEN, order_of, owned_tokens, tokens_by_name
from ....prompts.plan import MAX_ORDER, Box, Region, ScenePlan

SEEN = 0.3  # share of a region's box that should stay visible
HIDDEN = 0.15  # with less of its box it counts as hidden
HALF = 0.5  # maximum share of its area that a region loses before it is moved
Holds = Callable[[ScenePlan], bool]


def visible_shares(plan: ScenePlan) -> dict[str, float]:
    """The share of each region's own box that no other region covers, by name."""
    boxes = [region.box for region in plan.regions]
    xs = sorted({edge for box in boxes for edge in (box.left, box.right)})
    ys = sorted({edge for box in boxes for edge in (box.top, box.bottom)})
    columns, rows = ({edge: index for index, edge in enumerate(edges)} for edges in (xs, ys))
    owners = [[-1] * len(xs) for _ in ys]  # of the rectangles between all edges: the frontmost box
    for index in order_of([region.z_order for region in plan.regions]):
        left, right = columns[boxes[index].left], columns[boxes[index].right]
        for row in owners[rows[boxes[index].top] : rows[boxes[index].bottom]]:
            row[left:right] = [index] * (right - left)
    seen = [0.0] * (len(boxes) + 1)  # the last one: of no box
    widths = [end - start for start, end in pairwise(xs)]
    for row, (top, bottom) in zip(owners, pairwise(ys), strict=False):
        for owner, width in zip(row, widths, strict=False):
            seen[owner] += width * (bottom - top)
    return {region.name: seen[index] / region.box.area for index, region in enumerate(plan.regions)}


def newly_hidden(before: ScenePlan, after: ScenePlan, *, token: int = TOKEN) -> dict[str, str]:
    """Regions of which much less is seen than before, by name: 'mostly', 'nearly' or 'wholly' hidden. token: side of an
    image token in pixels; what owns none is not drawn at all."""
    seen, now, owned, owns = visible_shares(before), visible_shares(after), _owned(before, token), _owned(after, token)
    mostly = {name: "mostly" for name, share in now.items() if share < SEEN and seen.get(name, 1) > 2 * SEEN}
    nearly = {name: "nearly" for name, share in now.items() if share < HIDDEN <= seen.get(name, 1)}
    return mostly | nearly | {name: "wholly" for name, count in owns.items() if not count and owned.get(name, 1)}


def still_hidden(before: ScenePlan, after: ScenePlan, *, token: int) -> dict[str, str]:
    """Regions that own no image token, now as before, and the frontmost one over each of them, by name."""
    owned, owns = _owned(before, token), _owned(after, token)
    hidden = [region for region in after.regions if not owns[region.name] and not owned.get(region.name, 1)]
    front = [after.regions[index] for index in reversed(order_of([region.z_order for region in after.regions]))]
    return {r.name: next(other.name for other in front if other.box.overlap(r.box)) for r in hidden}


def drawable(plan: ScenePlan, *, token: int) -> ScenePlan:
    """The plan with boxes that hold the centre of at least one image token each."""
    columns, rows = _grid(plan, token)
    grown = {}
    for region in plan.regions:
        box = region.box
        if not owned_tokens([box], order=[0], rows=rows, columns=columns)[0]:
            grown[region.name] = at_least_a_token((box.left, box.top, box.right, box.bottom), rows, columns)
    return with_boxes(plan, grown)


def _owned(plan: ScenePlan, token: int) -> dict[str, int]:
    """How many image tokens each region owns, by name; 1 each where a free shape says more than its box."""
    if any(region.mask for region in plan.regions):
        return {region.name: 1 for region in plan.regions}
    columns, rows = _grid(plan, token)
    return tokens_by_name(plan.regions, rows=rows, columns=columns)


def _grid(plan: ScenePlan, token: int) -> tuple[int, int]:
    """Columns and rows of image tokens; a side that the plan leaves to the model is taken as SIDE pixels."""
    return max(1, (plan.width or SIDE) // token), max(1, (plan.height or plan.width or SIDE) // token)


def with_boxes(plan: ScenePlan, boxes: dict[str, Box]) -> ScenePlan:
    """New boxes by name; a free shape does not go with them."""
    return plan.model_copy(update={"regions": [
        region.model_copy(update={"box": boxes[region.name], "mask": ""})
        if boxes.get(region.name, region.box) != region.box else region
        for region in plan.regions
    ]})  # fmt: skip


def arrangements(plan: ScenePlan, names: Sequence[str], *, fixed: Sequence[str] = ()) -> list[ScenePlan]:
    """A plan in which regions have new boxes, in three manners: others make room; all of them but the `fixed`; none."""
    boxes = [plan.region(name).box for name in names]
    if not any(region.box.overlap(box) > 1e-6 for region in plan.regions if region.name not in names for box in boxes):
        return [plan]
    roomy = [_with_room(plan, names, fixed=unmoved) for unmoved in dict.fromkeys([(), tuple(fixed)])]
    return [in_sight(each, names) for each in (*roomy, plan)]


def best(before: ScenePlan, plans: Iterable[ScenePlan], names: Sequence[str], *, holds: Holds) -> ScenePlan:
    """The plan that costs least: `names` are those of the regions that were asked for; `holds`: whether a plan is as it
    was asked for. The first of equals; what was asked for at its full size comes first."""
    seen, candidates = visible_shares(before), list(plans)
    wanted = {name: candidates[0].region(name).box.area for name in names}

    def cost(plan: ScenePlan) -> float:
        return round(_cost(before, plan, seen, wanted) + (0 if holds(plan) else 20), 3)

    return min(candidates, key=cost)


def _cost(before: ScenePlan, plan: ScenePlan, seen: dict[str, float], wanted: dict[str, float]) -> float:
    """How much of what is asked for and of the others is lost."""
    old, now = {region.name: region.box for region in before.regions}, visible_shares(plan)
    cost = 0.0
    for region in plan.regions:
        name, share, box = region.name, now[region.name], region.box
        if name in wanted:
            cost += 1.5 * max(0.0, 1 - share * box.area / wanted[name])
            cost += _unseen(share, seen.get(name, 1))
            continue
        was = old[name]
        cost += max(0.0, 1 - share * box.area / max(seen[name] * was.area, 1e-6)) if seen[name] else 0
        cost += _unseen(share, seen[name])
        cost += 0.3 * hypot(box.centre[0] - was.centre[0], box.centre[1] - was.centre[1])
        for target in wanted:
            there = plan.region(target).box
            covered = box.overlap(there) / min(box.area, there.area)
            already = was.overlap(old[target]) / min(was.area, old[target].area) if target in old else 0.0
            cost += 0.5 * max(0.0, covered - already)
    return cost


def _unseen(share: float, before: float) -> float:
    """What it costs that less than SEEN of a region is seen, and less than before."""
    return 1 + 5 * (SEEN - share) / SEEN if share < min(SEEN, before) - 1e-6 else 0.0


def _with_room(plan: ScenePlan, names: Sequence[str], *, fixed: Sequence[str]) -> ScenePlan:
    """Others make room for these regions: they shrink, or else move aside, where they can."""
    regions = {region.name: region for region in plan.regions}
    for name in names:
        for other in [region for region in regions.values() if region.name not in (*names, *fixed)]:
            box = regions[name].box
            if not box.overlap(other.box) > 1e-6:
                continue
            rest = [region.box for region in regions.values() if region.name != other.name]
            cut, aside = make_room(box, other.box), move_aside(box, other.box, rest)
            shrinks = cut != other.box and cut.area >= HALF * other.box.area
            new = cut if shrinks or aside == other.box else aside
            if new != other.box:
                regions[other.name] = other.model_copy(update={"box": new, "mask": ""})
    return plan.model_copy(update={"regions": list(regions.values())})


def in_sight(plan: ScenePlan, names: Sequence[str]) -> ScenePlan:
    """The order changed where one of these regions and another one cover each other too much: the smaller is in front
    then."""
    for name in names:
        for other in [region.name for region in plan.regions if region.name not in names]:
            first, second = plan.region(name), plan.region(other)
            shared = first.box.overlap(second.box)
            front, back = (first, second) if is_before(plan, name, other) else (second, first)
            if shared > (1 - SEEN) * back.box.area and shared <= (1 - SEEN) * front.box.area:
                plan = in_front(plan, [back.name], front.name)
    return plan


def is_before(plan: ScenePlan, name: str, other: str) -> bool:
    """Whether a region covers another by their order."""
    index = {region.name: (region.z_order, number) for number, region in enumerate(plan.regions)}
    return index[name] > index[other]


def in_front(plan: ScenePlan, names: Sequence[str], back: str) -> ScenePlan:
    """These regions in front of another one; the others keep their order."""
    floor = plan.region(back).z_order + 1
    if floor > MAX_ORDER:
        order = order_of([region.z_order for region in plan.regions])
        ranks = {plan.regions[index].name: rank for rank, index in enumerate(order)}
        plan = _each(plan, lambda region: region.model_copy(update={"z_order": ranks[region.name]}))
        floor = plan.region(back).z_order + 1
    return _each(
        plan,
        lambda region: (
            region.model_copy(update={"z_order": max(region.z_order, floor)})
            if region.name in names and not is_before(plan, region.name, back)
            else region
        ),
    )


def _each(plan: ScenePlan, change: Callable[[Region], Region]) -> ScenePlan:
    return plan.model_copy(update={"regions": [change(region) for region in plan.regions]})
