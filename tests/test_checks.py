"""What code notices in a planner's answer, and what it must leave alone: a false finding costs a second call."""

import pytest

from ditpipe.agent.checks import check_answer, singular
from ditpipe.prompts.answers import PlannedObject, PlannerAnswer
from ditpipe.prompts.layout import Place


def thing(subject: str, colour: str, position: Place, detail: str = "") -> PlannedObject:
    return PlannedObject(subject=subject, colour=colour, detail=detail, position=position)


def found(brief: str, *objects: PlannedObject, background: str = "") -> str:
    return " ".join(check_answer(brief, PlannerAnswer(objects=list(objects), background=background, mood="")))


@pytest.mark.parametrize(
    "plural, one",
    [("cats", "cat"), ("houses", "house"), ("lighthouses", "lighthouse"), ("buses", "bus"), ("bus", "bus"),
     ("cactuses", "cactus"), ("foxes", "fox"), ("butterflies", "butterfly"), ("glass", "glass")],
)  # fmt: skip
def test_singulars_by_spelling(plural: str, one: str) -> None:
    assert singular(plural) == one


@pytest.mark.parametrize(
    "brief",
    [
        "a red cat on the left and a blue dog on the right",
        "on the left a red cat, on the right a blue dog",
        "left: a red cat, right: a blue dog",
        "a red cat (left) and a blue dog (right)",
        "A red cat to the left of a blue dog",
        "a red cat and a blue dog under a pink sky",
        "a cat in red next to a blue dog",
        "a red cat and a blue dog on green grass",
    ],
)
def test_right_answers_are_left_alone(brief: str) -> None:
    assert found(brief, thing("cat", "red", "left"), thing("dog", "blue", "right")) == ""


@pytest.mark.parametrize(
    "brief",
    [
        "a cat on the right and a dog on the left",
        "on the right a cat, on the left a dog",
        "right: a cat, left: a dog",
        "a cat (right) and a dog (left)",
        "a cat to the right of a dog",
    ],
)
def test_places_said_in_many_ways(brief: str) -> None:
    assert "The brief puts the cat at the right" in found(brief, thing("cat", "", "left"), thing("dog", "", "right"))


def test_above_and_below() -> None:
    swapped = thing("bird", "", "bottom"), thing("tree", "", "top")
    assert "other way round" in found("a bird above a tree", *swapped)
    assert "other way round" not in found("a bird below a tree", *swapped)


def test_a_colour_belongs_to_the_noun_after_it() -> None:
    swapped = thing("cat", "blue", "left"), thing("dog", "red", "right")
    said = found("a red cat and a blue dog", *swapped)
    assert "The brief says 'red cat', the plan 'blue cat'." in said
    assert "The brief says 'blue dog', the plan 'red dog'." in said


def test_an_object_left_out() -> None:
    assert "no rocket" in found("a red cat and a blue rocket", thing("cat", "red", "center"))


def test_an_object_invented() -> None:
    assert "does not mention 'dog'" in found("a red cat", thing("cat", "red", "left"), thing("dog", "red", "right"))


def test_counts() -> None:
    houses = thing("house", "red", "left"), thing("house", "red", "right")
    assert found("two red houses", *houses) == ""
    assert "asks for two houses, the plan has 1" in found("two red houses", houses[0])


def test_a_wider_place_word_allows_the_corner() -> None:
    pair = thing("cat", "", "top left"), thing("dog", "", "top right")
    assert found("a cat and a dog at the top", *pair) == ""
