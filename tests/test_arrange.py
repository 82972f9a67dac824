"""Places where a brief leaves them open: by code, not by the model."""

import pytest

from ditpipe.agent.planning.layout_repair import repair_counts, repair_layout
from ditpipe.prompts.answers.planner_schema import PlannedObject, PlannerAnswer
from ditpipe.renderer.checkpoints.registry import checkpoint
from ditpipe.renderer.checkpoints.vocabulary import vocabulary_of


def answer(*places: str) -> PlannerAnswer:
    objects = [PlannedObject(subject="cat", colour="red", detail="", position=place) for place in places]  # type: ignore[arg-type]
    return PlannerAnswer(objects=objects, background="", mood="calm")


def places(brief: str, *said: str) -> list[str]:
    return [one.position for one in repair_layout(brief, answer(*said)).objects]


def test_things_piled_up_without_a_word_get_the_usual_places() -> None:
    assert places("four cats", "left", "center", "right", "center") == [
        "top left", "top right", "bottom left", "bottom right",
    ]  # fmt: skip


@pytest.mark.parametrize("brief", ["three cats in a row", "three cats side by side on the beach", "3 cats, lined up"])
def test_a_row_is_a_row(brief: str) -> None:
    assert places(brief, "top left", "top right", "bottom") == ["left", "center", "right"]


@pytest.mark.parametrize(
    ("brief", "said"),
    [
        ("three cats at the top", ("top", "top", "top")),
        ("four cats, two above two", ("top", "top", "bottom", "bottom")),
        ("three cats", ("top", "bottom left", "bottom right")),
        ("two cats sitting on a cat", ("top", "top", "bottom")),
        ("ten cats", ("left",) * 10),
    ],
)
def test_what_was_said_or_is_in_order_stays(brief: str, said: tuple[str, ...]) -> None:
    assert places(brief, *said) == list(said)


@pytest.mark.parametrize(
    ("brief", "given", "settled"),
    [
        ("five books", ["book"], ["book"] * 5),
        ("three cups of tea beside seven women", ["cup of tea", "woman"], ["cup of tea"] * 3 + ["woman"] * 7),
        ("four goldfish", ["goldfish"] * 6, ["goldfish"] * 4),
        ("two cats and a cat", ["cat"], ["cat"]),  # nothing is plain here
        ("two fish bowls", ["fish"], ["fish"]),
        ("40 cats", ["group of 12 cats"], ["group of 12 cats"]),
        ("thirty cats and nine dogs", ["cat", "dog"], ["cat", "dog"]),  # more than a plan has room for
        ("two cats, no, three dogs", ["cat"], ["cat"]),
        ("two cats, no people", ["cat"], ["cat", "cat"]),
        ("four vases on a shelf, while five cats sleep", ["vase"] * 4 + ["cat"], ["vase"] * 4 + ["cat"] * 5),
        ("two dogs, each with three balls", ["dog", "ball"], ["dog", "ball"]),
    ],
)
def test_a_number_that_the_brief_says_plainly_is_settled(brief: str, given: list[str], settled: list[str]) -> None:
    vocabulary = vocabulary_of(checkpoint("pocket"))
    assert vocabulary
    things = [PlannedObject(subject=subject, colour="red", detail="", position="center") for subject in given]
    counted = repair_counts(brief, PlannerAnswer(objects=things, background="", mood="calm"), vocabulary)
    assert [thing.subject for thing in counted.objects] == settled
