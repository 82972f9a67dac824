"""The texts that encoders get of a plan, for each kind of image model."""

import pytest
from plans import changed, plan_of

from ditpipe import LeveledPrompt, ScenePlan
from ditpipe.prompts.prompt_style import noun_phrase
from ditpipe.prompts.wording import STICKER_WORDS, PromptStyle, ignored_wording, joined, region_text, scene_text
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS, FAMILIES, checkpoint

WRITES = PromptStyle(lettering=True)
BOAT = LeveledPrompt(high_level="an old sailing boat", low_level="weathered planks, torn sails")


@pytest.mark.parametrize(
    "parts, whole",
    [(("a cat", "red"), "a cat, red"), (("A cat sits.", "Soft light."), "A cat sits. Soft light."),
     (("", "red"), "red"),
     (("a cat", "", " "), "a cat"), (("猫。", "红色"), "猫。 红色")],
)  # fmt: skip
def test_sentences_are_joined_as_sentences_and_phrases_by_commas(parts: tuple[str, ...], whole: str) -> None:
    assert joined(*parts) == whole


def test_a_regions_levels_follow_each_other_and_precede_the_noun_in_sticker_words_alone() -> None:
    plan = changed(plan_of(1), prompt=BOAT)
    assert region_text(plan, plan.regions[0], "both") == "an old sailing boat, weathered planks, torn sails"
    cat = changed(plan_of(1), prompt=LeveledPrompt(high_level="cat", low_level="red"))
    assert region_text(cat, cat.regions[0], "both", STICKER_WORDS) == "red cat"
    article = cat.regions[0].model_copy(update={"prompt": LeveledPrompt(high_level="A cat", low_level="red, asleep")})
    assert region_text(cat, article, "both", STICKER_WORDS) == "red cat asleep"


@pytest.mark.parametrize(
    "high, low, phrase",
    [("cat on the left", "small striped dark blue", "a small dark blue cat"),
     ("a cat", "red with white spots", "a red cat"),
     ("a cat sitting upright", "soft ginger fur with tiny white paws", "a cat sitting upright")],
)  # fmt: skip
def test_a_thing_is_called_by_its_own_colour_and_never_by_that_of_a_part(high: str, low: str, phrase: str) -> None:
    region = changed(plan_of(1), prompt=LeveledPrompt(high_level=high, low_level=low)).regions[0]
    assert noun_phrase(region) == phrase


def test_the_style_is_in_every_text_once() -> None:
    plan = changed(plan_of(1), prompt=BOAT).model_copy(update={"style": "watercolour"})
    assert scene_text(plan, "high") == "many things in rows, watercolour"
    said = plan.model_copy(update={"scene": LeveledPrompt(high_level="A Watercolour of a boat")})
    assert scene_text(said, "both") == "A Watercolour of a boat"
    pink = plan.model_copy(update={"style": "ink", "scene": LeveledPrompt(high_level="a pink flamingo")})
    assert scene_text(pink, "high") == "a pink flamingo, ink"
    assert region_text(plan, plan.regions[0], "high") == "an old sailing boat, watercolour"
    assert region_text(plan, plan.regions[0], "low") == "weathered planks, torn sails"


def test_lettering_is_in_the_prompts_of_models_that_write() -> None:
    plan = changed(plan_of(1), prompt=BOAT, lettering="ARGO")
    assert 'the text "ARGO" on it' in region_text(plan, plan.regions[0], "both", WRITES)
    assert "ARGO" not in region_text(plan, plan.regions[0], "both") and not ignored_wording(plan, WRITES)
    assert ignored_wording(plan, PromptStyle())[0].startswith("lettering of 'thing 0': not used")


def test_no_prompt_is_taken_for_the_other_when_one_level_is_empty() -> None:
    plan = changed(plan_of(1), prompt=LeveledPrompt(high_level="cat"))
    assert [region_text(plan, plan.regions[0], part) for part in ("high", "low", "both")] == ["cat"] * 3
    bare = ScenePlan(scene=LeveledPrompt(high_level="", low_level="dusk"), regions=[])
    assert scene_text(bare, "high") == "dusk"


def test_published_models_are_not_spoken_to_as_the_pocket_model_is() -> None:
    assert checkpoint("pocket").style is STICKER_WORDS and checkpoint("pocket").prompt_schedule == "scene-then-regions"
    for name in CHECKPOINTS.keys() - {"pocket"}:
        row = checkpoint(name)
        assert (
            row.style.manner != "sticker words"
            and not row.style.regions_name_places
            and row.prompt_schedule == "regions"
        )
    assert all(family.style.tokens and family.style.languages for family in FAMILIES.values())
