"""The vision critic with scripted replies, and what a critique changes in the next round."""

import json

import pytest
from PIL import Image
from plans import plan_of
from scripted import scripted

from ditpipe.agent.critic import VisionCritic
from ditpipe.agent.reviser import revise, with_unused_seeds
from ditpipe.prompts.critique import Critique, RegionScore
from ditpipe.prompts.errors import CritiqueError
from ditpipe.prompts.plan import LeveledPrompt
from ditpipe.prompts.revision import RegionChange

PICTURE = Image.new("RGB", (96, 96), "green")
PLAN = plan_of(2)  # 'thing 0' and 'thing 1', both red


def verdict(**scores: float) -> str:
    rows = [{"name": name.replace("_", " "), "score": score, "seen": "a blob"} for name, score in scores.items()]
    return json.dumps({"score": 0.4, "regions": rows, "summary": "Two blobs."})


GOOD = verdict(thing_0=0.9, thing_1=0.2)


def critique(*scores: float) -> Critique:
    rows = [RegionScore(name=f"thing {i}", score=score, seen="a blob") for i, score in enumerate(scores)]
    return Critique(score=min(scores), regions=rows)


def test_a_good_reply_is_a_critique_and_the_model_saw_plan_and_picture() -> None:
    with scripted(GOOD) as model:
        found = VisionCritic(model).critique(PICTURE, PLAN)
    assert [one.score for one in found.regions] == [0.9, 0.2] and found.summary == "Two blobs."
    plan, picture = list(model.asked[0][-1].content)
    assert isinstance(plan, dict) and json.loads(plan["text"]) == PLAN.model_dump()
    assert isinstance(picture, dict) and picture["image_url"]["url"].startswith("data:image/png;base64,iVBOR")


def test_a_malformed_reply_is_asked_again_with_the_validation_message() -> None:
    with scripted(verdict(thing_0=7, thing_1=0.2), GOOD) as model:
        found = VisionCritic(model).critique(PICTURE, PLAN)
    assert found.regions[0].score == 0.9
    assert "regions.0.score" in str(model.asked[1][-1].content)


def test_a_reply_that_stays_malformed_is_an_error_with_the_raw_reply() -> None:
    with scripted("it is", "nice", "I think") as model, pytest.raises(CritiqueError, match="after 2 repairs") as caught:
        VisionCritic(model).critique(PICTURE, PLAN)
    assert caught.value.reply == "I think"


@pytest.mark.parametrize(
    "reply",
    [verdict(thing_0=0.9), verdict(thing_0=0.9, thing_2=0.9), verdict(thing_0=0.9, thing_1=0.9, thing_2=0.9)],
    ids=["missing", "unknown", "one too many"],
)
def test_region_names_must_be_the_plans(reply: str) -> None:
    with scripted(reply, GOOD) as model:
        assert VisionCritic(model).critique(PICTURE, PLAN).regions[1].score == 0.2
    assert "exactly one entry for each of thing 0, thing 1" in str(model.asked[1][-1].content)


def test_a_region_judged_twice_is_refused() -> None:
    rows = [{"name": "thing 0", "score": 0.9, "seen": "a blob"}] * 2
    twice = json.dumps({"score": 0.4, "regions": rows})
    with scripted(twice, twice, twice) as model, pytest.raises(CritiqueError, match="exactly one entry"):
        VisionCritic(model).critique(PICTURE, PLAN)


def test_nothing_is_revised_when_every_region_is_good_enough() -> None:
    assert revise(PLAN, critique(0.5, 0.9), round_number=1) is None
    assert revise(PLAN, critique(0.5, 0.9), round_number=1, threshold=0.6) is not None


def test_only_weak_regions_change_and_always_in_the_same_way() -> None:
    revision = revise(PLAN, critique(0.9, 0.2), round_number=1)
    assert revision is not None and [change.name for change in revision.changes] == ["thing 1"]
    assert revise(PLAN, critique(0.9, 0.2), round_number=1) == revision
    revised = revision.apply(PLAN)
    assert revised.regions[0] == PLAN.regions[0] and revised.scene == PLAN.scene
    assert revised.regions[1].seed is not None and revised.regions[1].prompt == PLAN.regions[1].prompt


def unjudged(name: str) -> RegionScore:
    return RegionScore(name=name, score=None, seen="?", problem="cannot judge 'astronaut'")


def test_what_was_not_judged_is_never_revised() -> None:
    judged = RegionScore(name="thing 0", score=0.1, seen="a blob")
    revision = revise(PLAN, Critique(score=0.1, regions=[judged, unjudged("thing 1")]), round_number=3)
    assert revision is not None and revision.names == ["thing 0"]
    nothing = Critique(score=None, regions=[unjudged("thing 0"), unjudged("thing 1")])
    assert revise(PLAN, nothing, round_number=1) is None


def test_a_region_that_is_not_judged_says_why() -> None:
    with pytest.raises(ValueError, match="says why"):
        RegionScore(name="cat", score=None, seen="?")


def test_a_vision_critics_score_is_null_only_where_nothing_is_judged() -> None:
    rows = [unjudged(name).model_dump() for name in ("thing 0", "thing 1")]
    with scripted(json.dumps({"score": 0.4, "regions": rows}), json.dumps({"score": None, "regions": rows})) as model:
        assert VisionCritic(model).critique(PICTURE, PLAN).score is None
    assert "score: null if no region is judged" in str(model.asked[1][-1].content)


def test_every_round_and_region_gets_noise_of_its_own() -> None:
    revisions = [revise(PLAN, critique(0.1, 0.1), round_number=number) for number in (1, 2, 3)]
    seeds = [change.seed for revision in revisions if revision for change in revision.changes]
    assert len(seeds) == 6 == len(set(seeds))


def test_no_seed_is_given_twice_to_a_region() -> None:
    first = revise(PLAN, critique(0.1, 0.9), round_number=1)
    assert first is not None
    again = revise(first.apply(PLAN), critique(0.1, 0.9), round_number=1)
    other = revise(PLAN, critique(0.1, 0.9), round_number=1, tried=[first.apply(PLAN)])
    turn = revise(PLAN, critique(0.1, 0.9), round_number=1, origin="another picture")
    seeds = [revision.changes[0].seed for revision in (first, again, other, turn) if revision]
    assert len(seeds) == 4 and seeds[1] == seeds[2] and len(set(seeds)) == 3


def test_what_spoilt_another_region_is_drawn_from_other_noise_alone() -> None:
    revision = revise(PLAN, critique(0.9, 0.9), round_number=3, spoiling=["thing 0"])
    assert revision is not None and revision.reason == "thing 0: it spoilt another region"
    assert revision.changes == [RegionChange(name="thing 0", seed=revision.changes[0].seed)]


def test_a_prompt_that_is_full_is_not_said_more_strongly() -> None:
    full = PLAN.regions[0].model_copy(update={"prompt": LeveledPrompt(high_level="a", low_level="red " * 249)})
    long = PLAN.model_copy(update={"regions": [full, PLAN.regions[1]]})
    revision = revise(long, critique(0.1, 0.9), round_number=2)
    assert revision is not None and revision.changes[0].prompt is None


def test_a_plan_that_was_tried_gets_other_seeds_where_it_changes() -> None:
    assert with_unused_seeds(PLAN, ["thing 0"], []) == PLAN
    once = with_unused_seeds(PLAN, ["thing 0"], [PLAN])
    twice = with_unused_seeds(PLAN, ["thing 0"], [PLAN, once])
    assert once.regions[1] == PLAN.regions[1] and len({p.regions[0].seed for p in (PLAN, once, twice)}) == 3


def test_from_the_second_round_on_the_prompt_is_stronger_but_only_once() -> None:
    second = revise(PLAN, critique(0.1, 0.9), round_number=2)
    assert second is not None and second.changes[0].prompt == LeveledPrompt(high_level="a", low_level="bright red")
    third = revise(second.apply(PLAN), critique(0.1, 0.9), round_number=3)
    assert third is not None and third.changes[0].prompt is None and third.changes[0].seed != second.changes[0].seed
