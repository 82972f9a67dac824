"""Where a thing that is in the way may stand instead."""

from ditpipe import Box
from ditpipe.prompts.layout.places import box_at_place, move_aside


def test_nothing_moves_onto_a_third_thing_or_out_of_the_picture() -> None:
    box, other = box_at_place("top right"), Box(left=0.5, top=0.25, right=1, bottom=0.75)
    assert move_aside(box, other, [box_at_place("bottom right"), box_at_place("bottom left")]) == other
    below = move_aside(box, other, [])
    assert below == box_at_place("bottom right") and not below.overlap(box)
    assert move_aside(Box(left=0, top=0, right=1, bottom=1), other, []) == other
