"""Places said in words become boxes: inside the canvas, beside each other, never over each other."""

from itertools import combinations

import pytest

from ditpipe import boxes_for, grid
from ditpipe.prompts.layout.places import PLACES, Place


@pytest.mark.parametrize("count", range(1, 10))
def test_no_choice_of_places_makes_boxes_overlap(count: int) -> None:
    for places in combinations(PLACES, count):
        boxes = boxes_for(list(places))
        assert len(boxes) == count
        assert all(a.overlap(b) < 1e-9 for i, a in enumerate(boxes) for b in boxes[:i]), places


def test_all_nine_places_are_the_regular_grid() -> None:
    for box, cell in zip(boxes_for(list(PLACES)), grid(3, 3), strict=True):
        assert box.model_dump() == pytest.approx(cell.model_dump())


@pytest.mark.parametrize("place", PLACES)
def test_twins_share_their_place_without_overlap(place: Place) -> None:
    first, second = boxes_for([place, place])
    assert first.overlap(second) < 1e-9
    assert first.area == pytest.approx(second.area) and first.centre[0] < second.centre[0]


@pytest.mark.parametrize("one, other", [("left", "right"), ("top left", "top right"), ("left", "center")])
def test_left_stays_left_of_right(one: Place, other: Place) -> None:
    first, second = boxes_for([one, other])
    assert first.right <= second.left + 1e-9


@pytest.mark.parametrize("one, other", [("top", "bottom"), ("top left", "bottom left"), ("top", "center")])
def test_top_stays_above_bottom(one: Place, other: Place) -> None:
    first, second = boxes_for([one, other])
    assert first.bottom <= second.top + 1e-9


def test_the_order_of_the_words_does_not_matter() -> None:
    there = boxes_for(["left", "top right", "bottom right"])
    back = boxes_for(["bottom right", "top right", "left"])
    assert there == back[::-1]
