"""The synthetic briefs about numbers, sizes and absences: what their answers say stands in the brief."""

from collections.abc import Callable

import numpy as np
import pytest

from ditpipe.prompts.layout.places import DEFAULT_PLACES
from training.brief_parts import Thing, plural
from training.brief_quantities import (
    Quantity,
    absences_of,
    compared,
    contrasted,
    kinds,
    lookalikes,
    one_kind,
    quantity_brief,
    rows_of,
    without,
    words_for,
)

FORMS = (one_kind, kinds, compared, contrasted, lookalikes)
CAT, DOG = Thing("cat", "red", "", "red cat"), Thing("dog", "brown", "", "dog")


@pytest.mark.parametrize("form", FORMS, ids=[form.__name__ for form in FORMS])
def test_the_things_of_an_answer_stand_in_the_brief(form: Callable[[np.random.Generator], Quantity]) -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        text, rows = form(rng)
        for subject, *_ in rows:
            assert str(subject) in text or plural(str(subject)) in text, (text, rows)
        assert "{" not in text


def test_few_are_a_row_each_and_many_a_row_with_their_number() -> None:
    assert [row[3] for row in rows_of([(CAT, 4), (DOG, 2)])] == list(DEFAULT_PLACES[6])
    assert rows_of([(CAT, 7), (DOG, 1)]) == [("cat", "red", "", "left", 7), ("dog", "brown", "", "right")]
    assert rows_of([(CAT, 12)]) == [("cat", "red", "", "center", 12)]


def test_numbers_are_said_in_words_figures_and_dozens() -> None:
    rng = np.random.default_rng(2)
    said = {words_for(24, rng).rpartition(" ")[2] for _ in range(200)}
    assert {"24", "twenty-four", "dozen"} <= said


def test_what_is_not_wanted_is_none_of_the_objects() -> None:
    rng = np.random.default_rng(3)
    for _ in range(300):
        text, absent = without(rng, "a cat", ["cat"])
        assert absent and all(item.lower() in text.lower() and item not in ("cat", "cats") for item in absent), text


def test_of_the_briefs_some_show_nothing_and_some_miss_nothing() -> None:
    rng = np.random.default_rng(4)
    answers = [quantity_brief(rng)[1] for _ in range(400)]
    assert 0.1 < sum(not answer.objects for answer in answers) / 400 < 0.3
    assert 0.3 < sum(bool(answer.absent) for answer in answers) / 400 < 0.6


@pytest.mark.parametrize(
    "brief, absent",
    [
        ("a red cat on the beach. No text please.", ["text"]),
        ("a red cat. No text, no logo.", ["text", "logo"]),
        ("a red cat, without any people", ["people"]),
        ("a red cat. Negative prompt: blurry, text, watermark", ["blurry", "text", "watermark"]),
        ("a red cat. No rush.", []),
        ("Not a dog but a red cat", []),
        ("nothing but a red cat", []),
    ],
)
def test_the_other_briefs_too_say_what_they_do_not_want(brief: str, absent: list[str]) -> None:
    assert absences_of(brief) == absent
