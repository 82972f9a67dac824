"""Synthetic briefs about arrangement: what the tables promise, and what some forms mean."""

import re

import numpy as np
import pytest

from ditpipe.prompts.layout.places import CORNERS, PLACES
from training.brief_arrangements import AMID, ARRANGEMENTS, BY_COLOUR, ORDERED, SAME, amid, arrangement, named_places
from training.brief_parts import plural
from training.brief_words import BACKGROUND_PHRASES


def test_objects_are_mentioned_in_the_order_of_their_places() -> None:
    rows = [(form, places) for table in ORDERED.values() for places, forms in table for form in forms]
    for form, places in [*rows, *AMID]:
        assert re.findall(r"\{(\d)\}", form) == [str(i) for i in range(len(places))], form


def test_every_object_has_a_place_of_its_own() -> None:
    rows = [(count, places) for count, table in ORDERED.items() for places, _ in table]
    rows += [(count, places) for count, same in (*SAME.items(), *BY_COLOUR.items()) for _, _, places in same]
    for count, places in rows:
        assert len(set(places)) == len(places) == count, places
        assert set(places) <= set(PLACES)


@pytest.mark.parametrize("form", sorted({form for forms in ARRANGEMENTS.values() for _, form in forms}, key=str))
def test_forms_mention_their_subjects(form: object) -> None:
    rng = np.random.default_rng(3)
    for count, forms in ARRANGEMENTS.items():
        for _, one in forms:
            if one is form:
                for _ in range(20):
                    text, things = one(rng, count)
                    assert "{" not in text
                    assert len({thing.place for thing in things}) == len(things), text
                    assert all(t.subject in text or plural(t.subject) in text for t in things), text
                    assert all(word in text for t in things for word in t.detail.split()), text


def test_a_background_is_said_in_every_such_sentence() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        whole = amid(rng, arrangement)
        said = BACKGROUND_PHRASES.get(whole.background, ()) + (whole.background,)
        assert whole.background and any(words in whole.text for words in said), whole


@pytest.mark.parametrize(
    ("points", "places"),
    [
        ([(0, 0), (1, 0)], ["left", "right"]),
        ([(0, 0), (0, 1), (0, 2)], ["top", "center", "bottom"]),
        ([(0, 0), (1, 0), (1, 1)], ["top left", "top right", "bottom right"]),
        ([(0, 0), (-1, 0), (1, 0), (0, -1)], ["bottom", "bottom left", "bottom right", "top"]),
        ([(0, 0), (1, 0), (0, 1), (1, 1)], list(CORNERS)),
    ],
)
def test_points_of_a_grid(points: list[tuple[int, int]], places: list[str]) -> None:
    """'A cat left of a dog, which stands above a car' takes three corners."""
    assert named_places(points) == places
