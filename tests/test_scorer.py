"""The embedded critic's eyes with their shipped weights, on pictures composed as in training."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from ditpipe import Box, ScenePlan, columns, grid
from ditpipe.agent.refine.critic import EmbeddedCritic
from ditpipe.prompts.critique import Critique
from ditpipe.prompts.errors import ModelError
from ditpipe.prompts.plan import LeveledPrompt, Region
from ditpipe.renderer.scorer import Scorer

FIXTURES = Path(__file__).parent / "fixtures"
PAIR = ["red cat", "blue rocket"]


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.load()


@pytest.fixture
def pair() -> Image.Image:
    """A red cat in the left half, a blue rocket in the right half."""
    return Image.open(FIXTURES / "red_cat_blue_rocket.png")


def plan_for(left: str, right: str) -> ScenePlan:
    regions = [
        Region(name=side, box=box, prompt=LeveledPrompt(high_level=text.split()[1], low_level=text.split()[0]))
        for side, box, text in zip(("left", "right"), columns(2), (left, right), strict=True)
    ]
    return ScenePlan(scene=LeveledPrompt(high_level=f"{left} beside {right}"), regions=regions)


def test_it_names_what_is_there(scorer: Scorer, pair: Image.Image) -> None:
    fits = scorer.score(pair, columns(2), PAIR)
    assert [(fit.seen, fit.problem) for fit in fits] == [("red cat", ""), ("blue rocket", "")]
    assert all(0.6 < (fit.score or 0) <= 1 for fit in fits)


def test_a_missing_object_is_seen_as_nothing(scorer: Scorer) -> None:
    image = Image.open(FIXTURES / "three_corners.png")
    texts = ["purple turtle", "yellow balloon", "orange robot", "green car"]
    fits = scorer.score(image, grid(2, 2), texts)
    assert [fit.seen for fit in fits] == ["purple turtle", "yellow balloon", "orange robot", "nothing"]
    assert (fits[3].score or 0) < 0.1 and fits[3].problem == "asked for 'green car', sees 'nothing'"


@pytest.mark.parametrize(
    "text",
    ["a crimson kitten", "striped red cat on the beach", "Red, cats", "cat", "red kitties", "red cat, furry",
     "red cat sitting on a fence"],
)  # fmt: skip
def test_other_words_for_a_label_are_the_label(scorer: Scorer, pair: Image.Image, text: str) -> None:
    (fit,) = scorer.score(pair, columns(2)[:1], [text])
    assert (fit.score or 0) > 0.6 and not fit.problem


@pytest.mark.parametrize("text", ["red dog", "blue cat", "red rocket", "green mushroom"])
def test_one_wrong_word_is_enough_to_fail(scorer: Scorer, pair: Image.Image, text: str) -> None:
    (fit,) = scorer.score(pair, columns(2)[:1], [text])
    assert fit.score is not None and fit.score < 0.2 and fit.problem == f"asked for {text!r}, sees 'red cat'"


@pytest.mark.parametrize(
    "text",
    ["red dragon", "a philosopher", "cat and dog", "red catfish", "red cat toy", "a red cat's tail", "catlike", "red"],
)
def test_what_is_outside_its_world_is_not_judged(scorer: Scorer, pair: Image.Image, text: str) -> None:
    (fit,) = scorer.score(pair, columns(2)[:1], [text])
    assert fit.problem == f"cannot judge {text!r}, which is outside this critic's world"
    assert fit.score is None and fit.seen == "red cat"


@pytest.mark.parametrize("text", ["red caterpillar", "red cat market", "red cattail", "red cat-flap", "red catman"])
def test_only_whole_words_name_a_thing(scorer: Scorer, pair: Image.Image, text: str) -> None:
    (fit,) = scorer.score(pair, columns(2)[:1], [text])
    assert fit.score is None and fit.problem == f"cannot judge {text!r}, which is outside this critic's world"


@pytest.mark.parametrize(
    "text", ["red fisherman", "white cauliflower", "blue starfish", "sunhat", "teacup", "apple pie"]
)
def test_no_piece_of_a_word_names_a_thing(scorer: Scorer, text: str) -> None:
    (fit,) = scorer.score(Image.new("RGB", (64, 64), "navy"), grid(1, 1), [text])
    assert fit.score is None


@pytest.mark.parametrize(
    ("text", "seen"),
    [("red foxes", "fox"), ("red leaves", "leaf"), ("red cacti", "cactus"), ("red carrot cake", "cupcake")],
)
def test_plurals_and_the_last_of_several_nouns_name_the_thing(scorer: Scorer, text: str, seen: str) -> None:
    fit, label = scorer.score(Image.new("RGB", (64, 64), "navy"), 2 * grid(1, 1), [text, f"red {seen}"])
    assert fit.score is not None and fit.score == label.score


def test_a_colour_it_does_not_know_is_not_passed_over(scorer: Scorer, pair: Image.Image) -> None:
    (fit,) = scorer.score(pair, columns(2)[:1], ["brown cat"])
    assert fit.problem == "cannot judge 'brown'"


def test_it_stands_blur_size_and_shifted_boxes(scorer: Scorer, pair: Image.Image) -> None:
    boxes = [Box(left=0, top=0.15, right=0.52, bottom=0.85), Box(left=0.48, top=0.1, right=1, bottom=0.9)]
    for image in (pair.filter(ImageFilter.GaussianBlur(1)), pair.resize((256, 256)), pair.convert("RGBA")):
        assert [fit.seen for fit in scorer.score(image, boxes, PAIR)] == PAIR


def test_a_call_leaves_nothing_behind(scorer: Scorer, pair: Image.Image) -> None:
    first = scorer.score(pair, columns(2), PAIR)
    scorer.score(Image.new("RGB", (64, 128), "green"), grid(1, 1), ["red dragon"])
    assert scorer.score(pair, columns(2), PAIR) == first


def test_boxes_and_texts_must_pair_up(scorer: Scorer, pair: Image.Image) -> None:
    with pytest.raises(ValueError, match="2 boxes and 1 texts"):
        scorer.score(pair, columns(2), ["red cat"])
    assert scorer.score(pair, [], []) == []


def test_missing_weights_are_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load the embedded critic from"):
        Scorer.load(tmp_path)


def test_the_embedded_critic_flags_a_swapped_plan(pair: Image.Image) -> None:
    critic = EmbeddedCritic()
    good, swapped = critic.critique(pair, plan_for(*PAIR)), critic.critique(pair, plan_for(*reversed(PAIR)))
    assert good.score and good.score > 0.6 and good.summary == "2 of 2 regions show what was asked"
    assert swapped.score and swapped.score < 0.2 and swapped.summary == "0 of 2 regions show what was asked"
    assert [one.name for one in swapped.regions] == ["left", "right"] and all(one.problem for one in swapped.regions)


def test_the_embedded_critics_mean_is_that_of_the_judged_regions(pair: Image.Image) -> None:
    critic = EmbeddedCritic()
    half = critic.critique(pair, plan_for("red cat", "teal astronaut"))
    none = critic.critique(pair, plan_for("teal astronaut", "grey skyscraper"))
    assert half.score == half.regions[0].score and half.regions[1].score is None
    assert half.summary == "1 of 2 regions show what was asked; 1 cannot be judged"
    assert none.score is None and none.summary == "nothing can be judged"


def test_a_picture_without_regions_has_no_score(pair: Image.Image) -> None:
    beach = ScenePlan(scene=LeveledPrompt(high_level="on the beach"), regions=[])
    assert EmbeddedCritic().critique(pair, beach) == Critique(score=None, regions=[], summary="nothing can be judged")


@pytest.mark.process
def test_loading_the_models_says_nothing() -> None:
    program = "from ditpipe import Renderer\nfrom ditpipe.renderer.scorer import Scorer\nRenderer().pipe; Scorer.load()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
