"""The answer of a capable language model, its schema, and the plan that it becomes."""

import json
from typing import Any

import pytest
from planner_replies import whole
from scripted import scripted

from ditpipe import Planner, ScenePlan
from ditpipe.prompts.answers.plan_answer import DetailsAnswer, LayoutAnswer, PlanAnswer, plan_from, unmet, with_details
from ditpipe.prompts.wording import PromptStyle


def region(name: str, box: Any, **fields: Any) -> dict[str, Any]:
    return {"name": name, "box": box, "high_level": f"a {name}", "low_level": "red"} | fields


def answer(*regions: dict[str, Any], **fields: Any) -> PlanAnswer:
    whole = {"high_level": "a street in the rain", "low_level": "grey light", "regions": list(regions)}
    return PlanAnswer.model_validate(whole | fields)


def schemas(part: Any) -> list[dict[str, Any]]:
    """Every object of a JSON schema."""
    if isinstance(part, list):
        return [one for each in part for one in schemas(each)]
    return [part, *(one for each in part.values() for one in schemas(each))] if isinstance(part, dict) else []


def test_an_answer_becomes_a_plan_with_both_levels() -> None:
    cat = region("cat", {"left": 0, "top": 0, "right": 500, "bottom": 1000}, negative="collar")
    sign = region("sign", [500, 0, 1000, 500], lettering="OPEN")
    plan = plan_from(answer(cat, sign, style="watercolour", negative="people"))
    assert not plan.notes
    assert (plan.style, plan.negative, plan.width) == ("watercolour", "people", None)
    assert (plan.scene.high_level, plan.scene.low_level) == ("a street in the rain", "grey light")
    assert (plan.region("cat").negative, plan.region("sign").lettering) == ("collar", "OPEN")
    assert plan.region("sign").box.bottom == 0.5
    assert ScenePlan.model_validate_json(plan.model_dump_json()) == plan


def test_palettes_are_asked_for_where_the_image_model_takes_them() -> None:
    replies = whole(region("car", [0, 0, 500, 1000], colors=["#FF0000", "0f0", "teal"]), colors=["#112233"])
    with scripted(replies, replies) as model:
        taking, other = (Planner(model, style=PromptStyle(palette=palette)).plan("a car") for palette in (True, False))
    assert (taking.colors, taking.regions[0].colors) == (["#112233"], ["#FF0000", "#00ff00"])
    assert "colors of 'car': left out 'teal'" in taking.notes[0] and not other.colors and not other.notes
    assert "colors" not in str(PlanAnswer.model_json_schema())


def test_a_scene_without_objects_is_a_plan() -> None:
    plan = plan_from(answer(negative="people", high_level="hills at dawn"))
    assert (plan.regions, plan.negative) == ([], "people")


@pytest.mark.parametrize(
    "fields, size",
    [
        ({}, None), ({"aspect": "16:9"}, (1360, 768)), ({"aspect": "9 x 16"}, (768, 1360)), ({"aspect": "1:1"}, None),
        ({"width": 1280, "height": 768}, (1280, 768)), ({"width": 1000, "height": 99999}, (512, 2048)),
        ({"width": 3840, "height": 2160}, (2048, 1152)), ({"width": 1200, "aspect": "2:1"}, (1200, 608)),
        ({"height": 640}, (640, 640)), ({"width": 10**400, "aspect": f"1:{'9' * 400}"}, (512, 2048)),
        ({"aspect": "1:100"}, (512, 2048)), ({"aspect": "wide"}, None), ({"aspect": "0:1"}, None),
        ({"width": 16, "height": 9}, (1360, 768)), ({"width": 40, "height": 60, "aspect": "1:2"}, (720, 1440)),
    ],
)  # fmt: skip
def test_the_brief_sets_the_canvas(fields: dict[str, Any], size: tuple[int, int] | None) -> None:
    plan = plan_from(answer(**fields))
    assert (plan.width, plan.height) == (size or (None, None))


def test_a_chosen_size_wins_and_that_is_said() -> None:
    plan = plan_from(answer(aspect="16:9"), width=512, height=512)
    assert plan.size == (512, 512)
    assert plan.notes == ["the brief's shape, 16:9, is not used: 512×512 was chosen"]
    assert not plan_from(answer(aspect="1:1"), width=512, height=512).notes


def test_nothing_is_left_out_in_silence() -> None:
    balloons = [region(f"balloon {i}", [100 * i, 0, 100 * i + 90, 200]) for i in range(6)]
    count = {"thing": "balloons", "number": 20, "regions": [f"balloon {i}" for i in range(20)]}
    many = {"thing": "stars", "number": 90, "regions": []}
    check = {"question": "is the sky free of clouds?", "holds": False}
    fronts = [{"front": "Balloon 1", "behind": "balloon 0"}, {"front": "cat", "behind": "balloon 1"}]
    given = answer(
        *balloons, left_out=["the smell of coffee"], counts=[count, many], checks=[check], in_front=fronts, aspect="9:1"
    )
    assert plan_from(given).notes == [
        "the shape 9:1 is not drawn: neither side is more than 4 times the other",
        "'cat' before 'balloon 1': left open, the plan has no regions of these names",
        "left out of the plan: the smell of coffee",
        "the brief asks for 90 stars, and a plan has room for 32 regions: how many are drawn is left to chance",
    ]
    assert unmet(given) == [
        "the brief asks for 20 balloons, the plan has 6.", "not so in the plan: is the sky free of clouds?"
    ]  # fmt: skip


@pytest.mark.parametrize("names", [("cat", "cat"), ("Cat", "cat 2"), ("cat 2", "cat")])
def test_regions_of_one_name_are_counted_and_described_each(names: tuple[str, str]) -> None:
    cats = [{"name": "cat", "box": [500 * i, 0, 500 * i + 400, 900], "high_level": "a cat"} for i in range(2)]
    count = {"thing": "cats", "number": 2, "regions": ["Cat", "Cat"]}
    layout = LayoutAnswer.model_validate({"high_level": "two cats", "regions": cats, "counts": [count]})
    looks = ("blue", "red") if names[0] == "cat 2" else ("red", "blue")
    details = [{"name": name, "low_level": low} for name, low in zip(names, looks, strict=True)]
    second = DetailsAnswer.model_validate({"regions": details, "left_out": ["purring"]})
    plan = plan_from(with_details(layout, second))
    assert [region.prompt.low_level for region in plan.regions] == ["red", "blue"] and not unmet(layout)
    assert plan.notes == ["left out of the plan: purring"]


def test_gaps_are_read_as_empty_and_strangers_dropped() -> None:
    cat = {"name": "cat", "box": [0, 0, 1000, 1000], "low_level": None, "mood": "calm", "negative": "a\x1bb"}
    plan = plan_from(PlanAnswer.model_validate({"high_level": "a cat", "regions": [cat], "thoughts": "…"}))
    assert (plan.region("cat").prompt.high_level, plan.region("cat").negative) == ("cat", "a b")


def test_a_list_of_what_must_not_be_there_is_read_as_one_text() -> None:
    plan = plan_from(answer(region("cat", [0, 0, 500, 500], negative=["dogs"]), negative=["people", "cars"]))
    assert (plan.negative, plan.regions[0].negative) == ("people, cars", "dogs")


def test_what_a_model_writes_into_notes_is_one_visible_line() -> None:
    plan = plan_from(answer(left_out=["a\x1b[31m dog\nand more", "x" * 900, ""]))
    assert plan.notes[0] == "left out of the plan: a\N{REPLACEMENT CHARACTER}[31m dog and more"
    assert ScenePlan.model_validate(plan.model_dump()) == plan


def test_a_unit_behind_the_number_is_read() -> None:
    plan = plan_from(answer(region("cat", ["0%", "10%", "50%", "100 %"])))
    assert list(plan.region("cat").box.model_dump().values()) == [0, 0.1, 0.5, 1]


def test_boxes_in_pixels_of_a_picture_that_is_drawn_smaller_are_read() -> None:
    plan = plan_from(answer(region("cat", [0, 540, 1920, 2160]), width=3840, height=2160))
    assert list(plan.region("cat").box.model_dump().values()) == [0, 0.25, 0.5, 1] and plan.size == (2048, 1152)


def test_objects_without_places_are_put_beside_each_other() -> None:
    plan = plan_from(answer(region("cat", [0, 0, 0, 0]), region("dog", [0, 0, 0, 0])))
    assert [one.box.left for one in plan.regions] == [0, 0.5] and "no boxes" in plan.notes[0]


@pytest.mark.parametrize("fields, problem", [({"high_level": ""}, "high_level"), ({"style": "x" * 1001}, "1001")])
def test_what_no_plan_has_room_for_is_said_to_the_model(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        plan_from(answer(**fields))


def test_an_answer_without_its_regions_goes_back() -> None:
    parts = [region("cat", [0, 0, 500, 1000]), region("dog", [500, 0, 1000, 1000])]
    apart = "\n".join(json.dumps(part) for part in parts)  # one object a region, each as good as a scene
    with scripted(apart, whole(*parts)) as model:
        assert [each.name for each in Planner(model).plan("a cat and a dog").regions] == ["cat", "dog"]
    assert "regions: Field required" in model.calls[1][-1].content


def test_a_hundred_of_one_name_are_a_plan_in_two_calls_too() -> None:
    names = ["balloon"] * 100
    layout = LayoutAnswer.model_validate(answer(*[region(name, [i, 0, i + 400, 400]) for i, name in enumerate(names)]))
    details = [{"name": "balloon" if i == 0 else f"balloon {i + 1}", "low_level": "red"} for i in range(32)]
    plan = plan_from(with_details(layout, DetailsAnswer.model_validate({"low_level": "", "regions": details})))
    assert len(plan.regions) == 32 and all(each.prompt.low_level == "red" for each in plan.regions)


@pytest.mark.parametrize("nothing", ["none", "None.", "no", "N/A"])
def test_a_field_that_says_that_it_is_empty_is_empty(nothing: str) -> None:
    cat = region("cat", [0, 0, 500, 1000], negative=nothing)
    plan = plan_from(answer(cat, negative=nothing, style=nothing))
    assert (plan.negative, plan.style, plan.regions[0].negative) == ("", "", "")
    assert plan_from(answer(cat, negative="no people")).negative == "no people"


def test_a_size_without_end_and_an_empty_word_in_a_list_are_read() -> None:
    huge = answer(region("cat", [0, 0, 5000, 5000]), width=10**400, height=3, left_out=["None.", "the moon"])
    assert plan_from(huge).notes[-1] == "left out of the plan: the moon"
    assert not any("none" in note.casefold() for note in plan_from(huge).notes)
