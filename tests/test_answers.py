"""What an answer in words becomes: prompts on both levels that read like English."""

import pytest

from ditpipe.prompts.answers.planner_schema import (
    PlannedObject,
    PlannerAnswer,
    ShortAnswer,
    plan_from_answer,
    plural,
    scene_text,
)
from ditpipe.prompts.layout.places import Place, Size, boxes_for
from ditpipe.prompts.plan import MAX_REGIONS
from ditpipe.prompts.prompt_style import background_of


def thing(subject: str, colour: str = "", detail: str = "", position: Place = "center") -> PlannedObject:
    return PlannedObject(subject=subject, colour=colour, detail=detail, position=position)


@pytest.mark.parametrize(
    "one, low_level, text",
    [
        (thing("cat", "red"), "red", "red cat"),
        (thing("cat", "red", "striped"), "striped red", "striped red cat"),
        (thing("cat", "red", "with white spots"), "red, with white spots", "red cat with white spots"),
    ],
)
def test_details_stand_where_english_puts_them(one: PlannedObject, low_level: str, text: str) -> None:
    region = plan_from_answer(PlannerAnswer(objects=[one], background="", mood=""), width=96, height=96).regions[0]
    assert (region.prompt.low_level, region.prompt.text) == (low_level, text)


@pytest.mark.parametrize(
    "one, background, sentence",
    [
        (thing("owl", "orange"), "at night", "an orange owl at night"),
        (thing("unicorn"), "in Paris", "a unicorn in Paris"),
        (thing("umbrella", position="left"), "", "an umbrella on the left"),
        (thing("cat", "red"), "spooky forest", "a red cat, spooky forest"),
    ],
)
def test_the_scene_is_one_sentence(one: PlannedObject, background: str, sentence: str) -> None:
    assert scene_text(PlannerAnswer(objects=[one], background=background, mood="")) == sentence


def test_boxes_are_in_proportion_to_the_sizes_and_stay_in_their_places() -> None:
    huge, small, plain, tiny = boxes_for(
        ["top left", "top right", "bottom left", "bottom right"], sizes=["huge", "small", None, "tiny"]
    )
    assert huge.area > plain.area > small.area > tiny.area
    assert (huge.left, huge.top, huge.right, huge.bottom) == (0, 0, 0.5, 0.5), "the largest keeps all of its place"
    assert tiny.centre == pytest.approx((0.75, 0.75))


@pytest.mark.parametrize("places", [("left", "top right", "bottom right"), ("top", "left", "right", "bottom")])
def test_places_of_unequal_room_do_not_turn_sizes_round(places: tuple[Place, ...]) -> None:
    sizes: list[Size | None] = ["small", "large", "large", "large"]
    areas = [box.area for box in boxes_for(places, sizes=sizes[: len(places)])]
    assert areas[0] < min(areas[1:])


def short(*rows: tuple[object, ...], background: str = "", **fields: object) -> ShortAnswer:
    return ShortAnswer.model_validate({"objects": rows, "background": background, "mood": "soft light", **fields})


@pytest.mark.parametrize(
    "answer",
    [
        short(("cat", "red", "", "left"), ("dog", "blue", "old", "right")),
        short(("cat", "red", "", "left", "large"), ("mouse", "grey", "", "right", "tiny"), absent=["dogs"]),
        short(("balloon", "red", "", "top", 12), ("cat", "grey", "", "bottom")),
        short(background="on the beach", absent=["people"]),
    ],
)
def test_a_short_answer_and_the_long_one_say_the_same(answer: ShortAnswer) -> None:
    assert ShortAnswer.of(answer.to_planner_answer()) == answer


def test_an_ordinary_short_answer_has_no_further_words() -> None:
    answer = short(("cat", "red", "", "left"))
    assert answer.model_dump_json() == '{"objects":[["cat","red","","left"]],"background":"","mood":"soft light"}'


def test_many_of_the_same_fill_their_place_and_are_told_by_number() -> None:
    answer = short(("owl", "brown", "", "left", 5), ("cherry", "red", "", "right", 7), background="at night")
    plan = plan_from_answer(answer.to_planner_answer(), width=96, height=96)
    assert plan.scene.high_level == "5 brown owls on the left and 7 red cherries on the right at night"
    assert background_of(plan) == "at night", "an edit can tell the background from the list"
    assert [region.box.right <= 0.5 for region in plan.regions] == [True] * 5 + [False] * 7


def test_more_than_a_plan_has_room_for_become_a_group() -> None:
    answer = short(("star", "white", "", "top", 100), ("cat", "grey", "", "bottom", 3)).to_planner_answer()
    assert [thing.subject for thing in answer.objects] == ["group of 100 stars", "cat", "cat", "cat"]
    assert len(short(("star", "white", "", "center", MAX_REGIONS)).to_planner_answer().objects) == MAX_REGIONS


@pytest.mark.parametrize(
    "noun, several",
    [("cat", "cats"), ("cherry", "cherries"), ("key", "keys"), ("box", "boxes"), ("cup of tea", "cups of tea")],
)
def test_plurals_are_spelt(noun: str, several: str) -> None:
    assert plural(noun) == several


def test_an_answer_that_only_says_what_is_absent_is_an_empty_scene() -> None:
    plan = plan_from_answer(
        PlannerAnswer(objects=[], background="", mood="soft light", absent=["cups"]), width=None, height=None
    )
    assert (plan.scene.high_level, plan.regions, plan.negative) == ("an empty scene", [], "cups")
