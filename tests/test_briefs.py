"""The synthetic briefs of the planner's training: whatever their answers say stands in the brief."""

import re
from collections.abc import Callable

import numpy as np
import pytest

from ditpipe.prompts.layout.places import PLACES
from training.brief_parts import Whole, plural
from training.brief_turns import TURNS, misspellings
from training.brief_voices import VOICES
from training.brief_words import BACKGROUND_PHRASES, KNOWN, OTHERS
from training.briefs import body_of, brief_and_answer

USUAL_COLOUR = KNOWN | OTHERS


@pytest.mark.parametrize("index", range(len(VOICES)), ids=[voice.__name__ for _, voice in VOICES])
def test_answers_of_voices_stand_in_the_brief(index: int) -> None:
    rng, (_, voice) = np.random.default_rng(index), VOICES[index]
    for _ in range(60):
        stands(voice(rng, body_of))


@pytest.mark.parametrize("form", [form for _, form in TURNS if form is not misspellings])
def test_answers_of_turns_stand_in_the_brief(form: Callable[[np.random.Generator], Whole]) -> None:
    rng = np.random.default_rng(2)
    for _ in range(60):
        whole = form(rng)
        stands(whole)
        assert len({thing.place for thing in whole.things}) == len(whole.things), whole


def test_what_is_misspelt_is_spelt_right_in_the_answer() -> None:
    rng = np.random.default_rng(4)
    every = [(whole, thing) for whole in (misspellings(rng) for _ in range(200)) for thing in whole.things]
    assert all(thing.subject in USUAL_COLOUR for _, thing in every)
    missing = [thing.subject for whole, thing in every if thing.subject not in whole.text.lower()]
    assert len(missing) > 100  # else nothing would be misspelt


def stands(whole: Whole) -> None:
    text = " ".join(re.sub(r"[,.()]", " ", whole.text.lower()).split())
    assert 1 <= len(whole.things) <= 9, whole
    for thing in whole.things:
        assert thing.subject.lower() in text or plural(thing.subject).lower() in text, whole
        assert thing.colour.lower() in text or thing.colour == USUAL_COLOUR[thing.subject], whole
        assert all(word in text for word in re.sub("[,]", " ", thing.detail.lower()).split()), whole
        assert thing.place in PLACES, whole
    assert whole.background in ("", *BACKGROUND_PHRASES) or whole.background.lower() in text, whole
    assert not re.search(r"[{}]|  |,,", re.sub(r"\{([^{}]*)\}", r"\1", whole.text)), whole


def test_of_what_was_corrected_the_last_word_counts() -> None:
    rng, seen = np.random.default_rng(1), 0
    voice = next(voice for _, voice in VOICES if voice.__name__ == "corrected_self")
    while seen < 20:
        whole = voice(rng, body_of)
        found = re.search(r"an? (\w+) [\w' -]+? - correction: an? (\w+) one", whole.text)
        if found:
            assert found[2] in [thing.colour for thing in whole.things], whole
            seen += 1


def test_the_same_seed_gives_the_same_briefs() -> None:
    first, second = (np.random.default_rng(3) for _ in range(2))
    assert [brief_and_answer(first) for _ in range(50)] == [brief_and_answer(second) for _ in range(50)]


@pytest.mark.parametrize(
    "noun, many",
    [("ox", "oxen"), ("traffic light", "traffic lights"), ("glass of wine", "glasses of wine")],
)
def test_plurals(noun: str, many: str) -> None:
    assert noun in OTHERS and plural(noun) == many
