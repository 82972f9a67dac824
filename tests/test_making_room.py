"""Who gives way to whom when a thing is added or moved: smaller, elsewhere, or below."""

import pytest

from ditpipe import Box, LeveledPrompt, Region, ScenePlan, columns
from ditpipe.agent.chat.commands.plan_edits import added, moved
from ditpipe.prompts.answers.planner_schema import PlannedObject
from ditpipe.prompts.layout.places import box_at_place, move_aside

CAR = PlannedObject(subject="car", colour="yellow", detail="", position="right")


def plan_of(**boxes: Box) -> ScenePlan:
    regions = [Region(name=name, box=box, prompt=LeveledPrompt(high_level=name)) for name, box in boxes.items()]
    return ScenePlan(scene=LeveledPrompt(high_level="a scene"), regions=regions)


def test_what_is_added_is_no_larger_than_its_neighbours_leave_it() -> None:
    left, middle, right = columns(3)
    plan = added(plan_of(banana=left, fox=middle), [(CAR, box_at_place("right"))])
    assert plan.region("fox").box == middle
    assert plan.region("car").box.left == pytest.approx(right.left) and plan.region("car").z_order == 0


def test_what_cannot_become_smaller_stands_elsewhere() -> None:
    owl, rocket = box_at_place("top left"), Box(left=0.5, top=0.25, right=1, bottom=0.75)
    plan = moved(plan_of(owl=owl, house=box_at_place("bottom left"), rocket=rocket), [0], "right")
    assert plan.region("owl").box == box_at_place("top right") and plan.region("rocket").box == box_at_place(
        "bottom right"
    )


def test_nothing_moves_onto_a_third_thing_or_out_of_the_picture() -> None:
    box, other = box_at_place("top right"), Box(left=0.5, top=0.25, right=1, bottom=0.75)
    assert move_aside(box, other, [box_at_place("bottom right"), box_at_place("bottom left")]) == other
    below = move_aside(box, other, [])
    assert below == box_at_place("bottom right") and not below.overlap(box)
    assert move_aside(Box(left=0, top=0, right=1, bottom=1), other, []) == other
