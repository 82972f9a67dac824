"""The rules by which plans are right on public briefs, on plans made by hand."""

from typing import Any

import pytest

from benchmarks.public_briefs import measure_answers, measure_layouts, summary
from ditpipe import Box, LeveledPrompt, Region, ScenePlan
from ditpipe.agent.evaluate.judging.planner_truth import wrong


def plan_of(*things: tuple[str, str, tuple[float, float, float, float]], negative: str = "") -> ScenePlan:
    regions = [
        Region(
            name=f"{name} {number}",
            box=Box(left=left, top=top, right=right, bottom=bottom),
            prompt=LeveledPrompt(high_level=name, low_level=colour),
        )
        for number, (name, colour, (left, top, right, bottom)) in enumerate(things)
    ]
    return ScenePlan(scene=LeveledPrompt(high_level="a scene"), negative=negative, regions=regions)


def truth(*objects: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {"objects": list(objects), "relations": [], "absent": [], "exact": False} | rest


LEFT, RIGHT, SMALL = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0), (0.6, 0.4, 0.8, 0.6)


def test_things_are_counted_by_whole_words_and_colours() -> None:
    plan = plan_of(("red cat", "striped", LEFT), ("catfish", "grey", RIGHT))
    assert not wrong(plan, truth({"class": "cat", "count": 1, "color": "red"}, exact=True))
    assert wrong(plan, truth({"class": "cat", "count": 2})) == ["1 of 2  cat"]
    assert not wrong(plan_of(("catfish", "grey", RIGHT)), truth({"class": "catfish", "count": 1, "color": "gray"}))
    assert not wrong(plan_of(("women", "", LEFT)), truth({"class": "person", "count": 1}))


@pytest.mark.parametrize("word, holds", [("left of", True), ("right of", False), ("larger", True), ("smaller", False)])
def test_relations_are_those_of_boxes(word: str, holds: bool) -> None:
    plan = plan_of(("car", "", LEFT), ("horse", "", SMALL))
    both = ({"class": "car", "count": 1}, {"class": "horse", "count": 1})
    assert bool(wrong(plan, truth(*both, relations=[[0, word, 1]]))) is not holds


def test_what_is_absent_is_in_no_region_and_in_the_negative() -> None:
    none = truth(absent=["backpack"], exact=True)
    street = ("street", "", LEFT)
    assert not wrong(plan_of(street, negative="backpacks"), none)
    assert wrong(plan_of(street), none) == ["backpack is not in the negative"]
    assert wrong(plan_of(("backpack", "red", LEFT), negative="backpacks"), none) == ["backpack is in the plan"]


def test_published_layouts_are_plans_and_answers() -> None:
    layout = {"set": "own", "model": "gpt", "prompt": "a cat left of a dog", "background": "a lawn", "negative": None}
    right, swapped = (
        layout | {"objects": [["cat", [cat, 0, cat + 200, 400]], ["dog", [dog, 0, dog + 200, 400]]]}
        for cat, dog in ((0, 250), (250, 0))
    )
    both = truth({"class": "cat", "count": 1}, {"class": "dog", "count": 1}, relations=[[0, "left of", 1]])
    row = {"id": "1", "set": "own", "task": "spatial", "prompt": layout["prompt"]} | both
    assert measure_layouts([right, swapped]) == {"own gpt": [2, 2]}
    assert measure_answers([right], [row]) == {"gpt: own spatial": [1, 1]}
    assert measure_answers([swapped, right | {"prompt": "another"}], [row]) == {"gpt: own spatial": [0, 1]}


def test_the_last_line_is_one_json_object() -> None:
    last = summary({"lmd negation": [1, 2]}).splitlines()[-1]
    assert last == '{"right": 1, "of": 2, "tasks": {"lmd negation": [1, 2]}}'
