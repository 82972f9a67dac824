"""What an answer in words becomes: prompts on both levels that read like English."""

import pytest

from ditpipe.prompts.layout import Place
from ditpipe.prompts.planner_schema import PlannedObject, PlannerAnswer, plan_from_answer, scene_text


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
