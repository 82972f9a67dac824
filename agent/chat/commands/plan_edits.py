"""Edits of a plan, as pure functions from plan to plan. `indices` are those of the regions to edit.

Scene prompts are not touched here: prompts/prompt_style.py adapts them.
"""

from collections.abc import Sequence
from typing import Any, Literal

from ....prompts.answers.planner_schema import BEHIND_THE_NOUN, PlannedObject
from ....prompts.layout.places import (
    Place,
    box_at_place,
    box_beside,
    box_within,
    freest_place,
    make_room,
    move_aside,
    move_to_place,
    scaled,
)
from ....prompts.plan import Box, LeveledPrompt, Region, ScenePlan, unique_name
from ....prompts.prompt_style import COLOURS, SHADES, SIZES, subject_of, with_place
from ..phrases import enumerated, located

Relation = Literal["left", "right", "top", "bottom"]


def with_looks(plan: ScenePlan, indices: Sequence[int], looks: str) -> ScenePlan:
    """New looks: a new colour replaces the old one, other details are added: 'orange', 'striped', 'made of glass'."""
    return _each(plan, indices, lambda region: _prompt(region, low=relooked(region.prompt.low_level, looks)))


def relooked(low: str, looks: str) -> str:
    """'striped red' with 'orange' is 'striped orange', with 'made of glass' 'striped red, made of glass'."""
    before, _, behind = (part.strip() for part in low.partition(","))
    if looks.split(" ")[0] in BEHIND_THE_NOUN:
        return f"{before}, {looks}" if before else looks
    words = looks.replace(" and ", " ").split()
    if words == [word for word in words if word in SHADES]:  # 'darker' keeps the colour
        rest = [word for word in before.split() if word not in SHADES]
        colour = next((i for i, word in enumerate(rest) if word in COLOURS), 0)
        before = " ".join([*rest[:colour], *words, *rest[colour:]])
    elif any(word in COLOURS for word in words):
        before = " ".join([*(w for w in before.split() if w not in COLOURS | SHADES and w not in words), *words])
    else:
        before = " ".join([*words, *(word for word in before.split() if word not in words)])
    return f"{before}, {behind}" if behind else before


def resized(plan: ScenePlan, indices: Sequence[int], factor: float) -> ScenePlan:
    """Larger or smaller boxes, with 'big' or 'small' in the prompt; other regions make room."""
    word = "big" if factor > 1 else "small"

    def grown(region: Region) -> Region:
        sizes = [part for part in region.prompt.low_level.split(" ") if part in SIZES]
        low = " ".join(part for part in region.prompt.low_level.split(" ") if part not in SIZES)
        opposite = any((size in ("big", "large", "huge")) != (factor > 1) for size in sizes)
        low = low if opposite else f"{word} {low}".strip()
        return with_place(_prompt(region.model_copy(update={"box": scaled(region.box, factor)}), low=low))

    return _with_room(_each(plan, indices, grown), indices)


def moved(plan: ScenePlan, indices: Sequence[int], place: Place) -> ScenePlan:
    """To another place. A region that would be hidden changes places with it; others make room."""
    for index in indices:
        old = plan.regions[index].box
        new = move_to_place(old, place)
        others = [(i, region.box) for i, region in enumerate(plan.regions) if i not in indices]
        hidden = [i for i, box in others if new.overlap(box) > 0.7 * box.area]
        plan = _each(plan, [index], lambda region, box=new: region.model_copy(update={"box": box}))
        if len(hidden) == 1:
            plan = _each(plan, hidden, lambda region, box=old: region.model_copy(update={"box": box}))
    return _with_room(plan, indices)


def nudged(plan: ScenePlan, indices: Sequence[int], way: Relation) -> ScenePlan:
    """A sixth of the canvas further."""
    dx, dy = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}[way]

    def shifted(region: Region) -> Region:
        box = region.box
        width, height = box.right - box.left, box.bottom - box.top
        # A region that spans the canvas in that direction cannot move: it shrinks by a third.
        width, height = (
            (width * 2 / 3 if dx and width > 0.8 else width),
            (height * 2 / 3 if dy and height > 0.8 else height),
        )
        left = min(max(box.left + dx / 6, 0.0), 1 - width)
        top = min(max(box.top + dy / 6, 0.0), 1 - height)
        if dx > 0 and width != box.right - box.left:
            left = 1 - width
        if dy > 0 and height != box.bottom - box.top:
            top = 1 - height
        edges = (left, top, left + width, top + height)
        left, top, right, bottom = (round(edge, 4) for edge in edges)
        return region.model_copy(update={"box": Box(left=left, top=top, right=right, bottom=bottom)})

    return _with_room(_each(plan, indices, shifted), indices)


def moved_beside(plan: ScenePlan, indices: Sequence[int], relation: Relation, other: int) -> ScenePlan:
    """Next to another region, on that side of it; if it stands on the other side, the two change places."""
    index = indices[0]
    here, there = plan.regions[index].box, plan.regions[other].box
    axis = 0 if relation in ("left", "right") else 1
    sign = 1 if relation in ("right", "bottom") else -1
    apart = (here.centre[axis] - there.centre[axis]) * sign
    if apart < -0.15:
        return swapped(plan, index, other)
    if apart > 0.3 and abs(here.centre[1 - axis] - there.centre[1 - axis]) < 0.2:
        return plan  # it is there already
    box = box_beside(there, relation)
    return _with_room(_each(plan, indices, lambda region: region.model_copy(update={"box": box})), indices)


def swapped(plan: ScenePlan, first: int, second: int) -> ScenePlan:
    """Two regions change places."""
    boxes = {first: plan.regions[second].box, second: plan.regions[first].box}
    regions = [
        region.model_copy(update={"box": boxes.get(index, region.box)}) for index, region in enumerate(plan.regions)
    ]
    return plan.model_copy(update={"regions": regions})


def without(plan: ScenePlan, indices: Sequence[int]) -> ScenePlan:
    """The plan without these regions. Raises ValueError if none would be left."""
    left = [region for index, region in enumerate(plan.regions) if index not in indices]
    if not left:
        raise ValueError("Then nothing would be left. Say 'start over: …' for another picture.")
    return plan.model_copy(update={"regions": left})


def replaced(plan: ScenePlan, indices: Sequence[int], thing: PlannedObject) -> ScenePlan:
    """Something else in the same place."""

    def other(region: Region) -> Region:
        place = region.prompt.high_level[len(subject_of(region)) :]
        prompt = LeveledPrompt(high_level=f"{thing.subject}{place}", low_level=thing.appearance)
        return region.model_copy(update={"prompt": prompt})

    plan = _each(plan, indices, other)
    return renamed(plan, indices, thing.subject)


def renamed(plan: ScenePlan, indices: Sequence[int], subject: str) -> ScenePlan:
    """The regions named after their new subject."""
    regions = list(plan.regions)
    for index in indices:
        others = {region.name for i, region in enumerate(regions) if i != index}
        regions[index] = regions[index].model_copy(update={"name": unique_name(subject, others)})
    return plan.model_copy(update={"regions": regions})


def added(plan: ScenePlan, things: Sequence[tuple[PlannedObject, Box | None]]) -> ScenePlan:
    """New regions, each in its box or where there is most room; regions in the way make room if they can."""
    for thing, box in things:
        box = box or box_at_place(freest_place([region.box for region in plan.regions]))
        low = thing.appearance
        name = unique_name(thing.subject, {region.name for region in plan.regions})
        prompt = LeveledPrompt(high_level=thing.subject, low_level=low)
        new = with_place(Region(name=name, box=box, prompt=prompt))
        plan = _with_room(plan.model_copy(update={"regions": [*plan.regions, new]}), [len(plan.regions)])
    return plan


def reseeded(plan: ScenePlan, indices: Sequence[int], seed: int) -> ScenePlan:
    """The same regions from new noise."""
    return _each(plan, indices, lambda region: region.model_copy(update={"seed": seed}))


def _with_room(plan: ScenePlan, indices: Sequence[int]) -> ScenePlan:
    """Other regions make room for these: they shrink, or else move. Where they cannot, the region itself shrinks; if
    they overlap even then, it is drawn above the other."""
    regions = list(plan.regions)
    for index in indices:
        for i, other in enumerate(regions):
            if i in indices or not regions[index].box.overlap(other.box):
                continue
            room, own = make_room(regions[index].box, other.box), make_room(other.box, regions[index].box)
            if room != other.box:
                regions[i] = other.model_copy(update={"box": room})
            elif (aside := move_aside(regions[index].box, other.box, _boxes(regions, but=(i,)))) != other.box:
                regions[i] = other.model_copy(update={"box": aside})
            elif own != regions[index].box:
                regions[index] = regions[index].model_copy(update={"box": own})
            elif other.z_order >= regions[index].z_order:
                regions[index] = regions[index].model_copy(update={"z_order": min(100, other.z_order + 1)})
    return plan.model_copy(update={"regions": regions})


def _boxes(regions: Sequence[Region], *, but: Sequence[int]) -> list[Box]:
    return [region.box for index, region in enumerate(regions) if index not in but]


def _each(plan: ScenePlan, indices: Sequence[int], change: Any) -> ScenePlan:
    regions = [change(region) if index in indices else region for index, region in enumerate(plan.regions)]
    return plan.model_copy(update={"regions": regions})


def _prompt(region: Region, *, low: str) -> Region:
    prompt = LeveledPrompt(high_level=region.prompt.high_level, low_level=low)
    return region.model_copy(update={"prompt": prompt})


def around(x: float, y: float, side: float = 1 / 3) -> Box:
    """A square about a point, inside the canvas."""
    return box_within(x - side / 2, y - side / 2, side, side)


def choices(plan: ScenePlan) -> str:
    """'a red cat (left) or a blue rocket (right)'."""
    return enumerated([located(region) for region in plan.regions], "or")
