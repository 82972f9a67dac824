"""What an edit gained and lost, by the scores of the picture before and of its own."""

import numpy as np
import pytest
from PIL import Image, ImageDraw
from plans import plan_of

from ditpipe import Box, Critique, LeveledPrompt, ScenePlan
from ditpipe.agent.events import rank_key
from ditpipe.agent.refine.edit_review import Comparison, ScoreDrop, compare_edit, removed_regions
from ditpipe.prompts.critique import RegionScore
from ditpipe.prompts.revision import Revision
from ditpipe.renderer.sampling.edit import unintended_changes, unintended_changes_warning

BEFORE = plan_of(4)
GREEN = Revision(changes=[{"name": "thing 0", "prompt": {"high_level": "a", "low_level": "green"}}]).apply(BEFORE)  # type: ignore[list-item]


def scores(*values: float | None) -> Critique:
    regions = [
        RegionScore(name=f"thing {i}", score=value, seen="?", problem="" if value is not None else "unknown")
        for i, value in enumerate(values)
    ]
    return Critique(score=0.5, regions=regions)


GOOD = scores(0.9, 0.9, 0.9, 0.9)


def beside(
    after: ScenePlan, now: Critique, then: Critique | None = GOOD, remains_critique: Critique | None = None
) -> Comparison:
    return compare_edit(BEFORE, after, critique_before=then, critique_after=now, remains_critique=remains_critique)


def test_a_change_that_came_out_is_gained_and_nothing_lost() -> None:
    found = beside(GREEN, scores(0.8, 0.9, 0.7, 0.9))
    assert found == Comparison(gained=["thing 0"], lost=[]) and not found.is_worse


def test_what_was_shown_before_and_is_gone_after_its_change_is_lost() -> None:
    """The picture before shows no green thing, yet it shows the thing."""
    found = beside(GREEN, scores(0.0, 0.9, 0.9, 0.9))
    assert found.lost == [ScoreDrop(name="thing 0", before=0.9, after=0.0)] and found.is_worse


def test_a_change_that_does_not_come_out_where_nothing_was_is_not_worse() -> None:
    found = beside(GREEN, scores(0.1, 0.9, 0.9, 0.9), scores(0.2, 0.9, 0.9, 0.9))
    assert not found.gained and not found.lost and not found.is_worse


@pytest.mark.parametrize("score", [0.08, 0.6])
def test_a_neighbour_that_falls_outweighs_a_change(score: float) -> None:
    found = beside(GREEN, scores(0.9, score, 0.9, 0.9))
    assert found.gained == ["thing 0"] and found.lost == [ScoreDrop(name="thing 1", before=0.9, after=score)]
    assert found.is_worse and found.notes == [f"'thing 1' came out worse ({score:.2f}, before 0.90)"]


def test_what_is_put_in_front_of_another_thing_may_hide_it() -> None:
    """As when a box is added over it by hand; one that covers less than half of it may not."""
    box = BEFORE.regions[1].box
    for right, lost in ((box.right, []), (box.left + (box.right - box.left) / 3, ["thing 1"])):
        new = BEFORE.regions[0].model_copy(update={"name": "new", "box": box.model_copy(update={"right": right})})
        after = Revision(added=[new]).apply(BEFORE)
        now = scores(0.9, 0.0, 0.9, 0.9)
        assert [drop.name for drop in beside(after, now).lost] == lost


def test_of_two_changes_one_neighbour_may_be_the_price() -> None:
    both = Revision(changes=[{"name": f"thing {i}", "negative": "fog"} for i in (0, 1)]).apply(BEFORE)  # type: ignore[misc]
    found = beside(both, scores(0.9, 0.9, 0.1, 0.9))
    assert not found.is_worse and found.notes


def test_what_cannot_be_judged_counts_as_drawn() -> None:
    assert beside(GREEN, scores(None, 0.9, 0.9, 0.9)).gained == ["thing 0"]
    assert compare_edit(BEFORE, GREEN, critique_before=None, critique_after=None) == Comparison(
        gained=["thing 0"], lost=[]
    )


def test_a_removed_region_is_gained_unless_it_is_still_seen() -> None:
    after = Revision(removed=["thing 3"]).apply(BEFORE)
    absent = removed_regions(BEFORE, after)
    assert absent and [region.name for region in absent.regions] == ["thing 3"]
    seen = Critique(score=0.8, regions=[RegionScore(name="thing 3", score=0.8, seen="d")])
    now = scores(0.9, 0.9, 0.9)
    assert beside(after, now).gained == ["thing 3"]
    still = beside(after, now, remains_critique=seen)
    assert still.left == ["thing 3"] and not still.gained and not still.is_worse
    assert still.notes == ["something of 'thing 3' is still where it was"]


def test_what_stands_in_the_place_of_another_is_not_looked_for_there() -> None:
    one, other = (region.box for region in BEFORE.regions[:2])
    swapped = Revision(changes=[{"name": "thing 0", "box": other}, {"name": "thing 1", "box": one}]).apply(BEFORE)  # type: ignore[list-item]
    half = one.model_copy(update={"right": 0.25})
    narrower = Revision(changes=[{"name": "thing 0", "box": half}]).apply(BEFORE)  # type: ignore[list-item]
    assert (
        removed_regions(BEFORE, swapped) is None
        and removed_regions(BEFORE, GREEN) is None
        and removed_regions(BEFORE, narrower) is None
    )


def test_rounds_are_ranked_by_what_they_gained_less_what_they_lost_and_then_by_score() -> None:
    fine, harmful = (
        Comparison(gained=["a"], lost=[]),
        Comparison(gained=["a"], lost=[ScoreDrop(name="b", before=1, after=0)]),
    )
    low, high = (Critique(score=score, regions=[]) for score in (0.3, 0.8))
    assert rank_key(low, fine) > rank_key(high, harmful) and rank_key(high, fine) > rank_key(low, fine)
    assert rank_key(high, None) > rank_key(low, None) > rank_key(None, None)


def test_what_looks_different_beside_an_edit_is_measured_on_the_pixels() -> None:
    moved = Revision(changes=[{"name": "thing 0", "box": Box(left=0, top=0, right=0.25, bottom=0.5)}])  # type: ignore[list-item]
    after, old = moved.apply(BEFORE), Image.new("RGB", (96, 96), "grey")
    new = old.copy()
    ImageDraw.Draw(new).rectangle((0, 0, 47, 47), fill="white")  # where the changed region was
    assert unintended_changes(old, new, BEFORE, after) == {} and unintended_changes_warning({}) == []
    ImageDraw.Draw(new).rectangle((48, 0, 95, 11), fill="white")
    changed = unintended_changes(old, new, BEFORE, after)
    assert changed == {"thing 1": 0.25} and unintended_changes_warning(changed) == [
        "the edit also changed 25% of 'thing 1'"
    ]
    faint = Image.fromarray(np.asarray(old) + np.uint8(5))
    assert unintended_changes(old, faint, BEFORE, after) == {}


def test_the_background_is_what_no_region_covers() -> None:
    region = BEFORE.regions[0].model_copy(update={"prompt": LeveledPrompt(high_level="dog")})
    alone, dog = (BEFORE.model_copy(update={"regions": [one]}) for one in (BEFORE.regions[0], region))
    old, new = Image.new("RGB", (96, 96), "grey"), Image.new("RGB", (96, 96), "white")
    assert unintended_changes(old, new, alone, dog) == {"": 1.0}
    assert unintended_changes_warning({"": 1.0}) == ["the edit also changed 100% of the background"]
