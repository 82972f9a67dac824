"""The vision critic with scripted replies, and what a critique changes in the next round."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from llm_servers import chat_server, says
from PIL import Image
from plans import plan_of
from scripted import scripted

from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.refine.numbered_boxes import crop, numbered
from ditpipe.agent.refine.reviser import revise, with_unused_seeds
from ditpipe.agent.refine.vision_critic import VisionCritic
from ditpipe.prompts.answers.visual_checks import VisualCheck, share_right
from ditpipe.prompts.critique import Critique, RegionScore
from ditpipe.prompts.errors import CritiqueError
from ditpipe.prompts.plan import Box
from ditpipe.prompts.revision import RegionChange

PICTURE = Image.new("RGB", (96, 96), "green")
PLAN = plan_of(2)  # 'thing 0' and 'thing 1', both red


def asks(question: str, holds: bool | None, needs: int | None = None) -> dict[str, Any]:
    return {"question": question, "needs": needs, "holds": holds}


def looks(box: int, *checks: dict[str, Any], problem: str = "") -> dict[str, Any]:
    return {"box": box, "seen": "a blob", "checks": list(checks), "problem": problem}


def verdict(*boxes: dict[str, Any], scene: Sequence[dict[str, Any]] = ()) -> str:
    return json.dumps({"boxes": boxes, "scene": list(scene), "summary": "Two blobs."})


THERE = looks(1, asks("is there a thing?", True), asks("is it red?", True, needs=1))
ABSENT = looks(2, asks("is there a thing?", False), asks("is it red?", True, needs=1), problem="no thing")
GOOD = verdict(THERE, ABSENT)


def critique(*scores: float) -> Critique:
    rows = [RegionScore(name=f"thing {i}", score=score, seen="a blob") for i, score in enumerate(scores)]
    return Critique(score=min(scores), regions=rows)


def test_a_good_reply_is_a_critique_and_the_model_saw_plan_boxes_and_crops() -> None:
    with scripted(GOOD) as model:
        found = VisionCritic(model).critique(PICTURE, PLAN)
    assert [(one.name, one.score, one.problem) for one in found.regions] == [
        ("thing 0", 1, ""),
        ("thing 1", 0, "no thing"),
    ]
    assert found.score == 0.5 and found.summary == "Two blobs."
    parts = [part for part in model.calls[0][-1].content if isinstance(part, dict)]
    assert [part["type"] for part in parts] == ["text", "image_url"] + ["text", "image_url"] * len(PLAN.regions)
    assert '"box": 2, "name": "thing 1"' in parts[0]["text"] and parts[4]["text"] == "Box 2:"
    assert all(part["image_url"]["url"].startswith("data:image/png;base64,iVBOR") for part in parts[1::2])


def test_after_a_cut_off_answer_each_box_still_has_its_entry() -> None:
    def boxes(number: int) -> str:
        return verdict(*[looks(n, asks("is there a thing?", True)) for n in range(1, number + 1)])

    with chat_server(says(boxes(4), finish_reason="length"), says(boxes(4)), says(boxes(2))) as server:
        critic = VisionCritic(chat_model("small", base_url=server.url))
        assert critic.critique(PICTURE, plan_of(4)).score == critic.critique(PICTURE, PLAN).score == 1
    schemas = [request["response_format"]["json_schema"]["schema"]["properties"] for request in server.sent]
    lists = [(schema["boxes"]["minItems"], schema["boxes"]["maxItems"]) for schema in schemas]
    assert lists == [(4, 4), (4, 4), (2, 2)]
    assert schemas[1]["scene"]["maxItems"] < schemas[0]["scene"]["maxItems"]


@pytest.mark.parametrize(
    "checks, score",
    [
        ([asks("a cat?", True), asks("red?", True, 1), asks("left of the rocket?", True, 1)], 1),
        ([asks("a cat?", False), asks("red?", True, 1)], 0),
        ([asks("a cat?", True), asks("red?", False, 1)], 0.25),
        ([asks("a cat?", True), asks("red?", False, 1), asks("striped?", True, 1)], 0.4444),
        ([asks("a sign?", True), asks("letters?", False, 1), asks("does it read OPEN?", True, 2)], 0.1111),
        ([asks("a cat?", None), asks("red?", True, 1)], None),
        ([asks("a cat?", True), asks("red?", None, 1)], 1),
        ([asks("a cat?", True, 0), asks("red?", True, 7)], 1),
    ],
)
def test_a_question_counts_only_where_its_parent_holds(checks: list[dict[str, Any]], score: float | None) -> None:
    assert share_right([VisualCheck.model_validate(check) for check in checks]) == score


def test_the_scene_counts_as_one_region_and_its_failures_are_named() -> None:
    scene = [asks("is it night?", True), asks("is it free of people?", False)]
    whole = looks(3, asks("is it night?", True))  # some models count the picture as a box
    with scripted(verdict(THERE, ABSENT | {"checks": THERE["checks"]}, whole, scene=scene)) as model:
        found = VisionCritic(model).critique(PICTURE, PLAN)
    assert found.score == 0.75 and found.summary == "Two blobs. Not so: is it free of people?"


def test_a_picture_without_regions_is_judged_by_its_scene() -> None:
    bare = PLAN.model_copy(update={"regions": []})
    with scripted(verdict(scene=[asks("is it a meadow?", True)])) as model:
        assert VisionCritic(model).critique(PICTURE, bare).score == 1


def test_what_is_wrong_is_said_even_where_the_model_does_not() -> None:
    vague = looks(1, asks("is there a thing?", True), asks("is it red?", False, 1))
    with scripted(verdict(vague, ABSENT)) as model:
        assert VisionCritic(model).critique(PICTURE, PLAN).regions[0].problem == "no: is it red?"


def test_a_region_that_cannot_be_seen_has_no_score() -> None:
    hidden = looks(2, asks("is there a thing?", None))
    with scripted(verdict(THERE, hidden)) as model:
        found = VisionCritic(model).critique(PICTURE, PLAN)
    assert found.score == 1 and found.regions[1].score is None and found.regions[1].problem == "it cannot be seen"


@pytest.mark.parametrize(
    "reply, problem",
    [
        (verdict(THERE), "exactly one entry for each of the numbers 1, 2"),
        (verdict(THERE, ABSENT, ABSENT), "exactly one entry"),
        (verdict(THERE, looks(3, asks("?", True))), "exactly one entry"),
        (verdict(THERE, looks(2)), "checks of box 2: ask at least whether its subject is there"),
        (verdict(THERE, looks(2, asks("red?", True) | {"holds": "maybe"})), "boxes.1.checks.0.holds"),
    ],
    ids=["missing", "twice", "unknown", "no question", "neither yes nor no"],
)
def test_a_malformed_reply_is_asked_again_with_what_is_wrong(reply: str, problem: str) -> None:
    with scripted(reply, GOOD) as model:
        assert VisionCritic(model).critique(PICTURE, PLAN).regions[1].score == 0
    assert problem in str(model.calls[1][-1].content)


def test_a_reply_that_stays_malformed_is_an_error_with_the_raw_reply() -> None:
    with scripted("it is", "nice", "I think") as model, pytest.raises(CritiqueError, match="after 2 repairs") as caught:
        VisionCritic(model).critique(PICTURE, PLAN)
    assert caught.value.reply == "I think"


def test_boxes_are_outlined_and_crops_enlarged() -> None:
    small = Box(left=0.4, top=0.4, right=0.45, bottom=0.45)
    outlined = numbered(PICTURE, [small, Box(left=0, top=0, right=1, bottom=1)])
    assert outlined.size == (1024, 1024) and outlined.getpixel((410, 450)) == (255, 45, 45)
    assert outlined.getpixel((700, 700)) == outlined.getpixel((512, 900)), "the rest is as it was"
    assert max(crop(PICTURE, small).size) == 512 and crop(PICTURE, small).getpixel((256, 256)) == (0, 128, 0)


def test_a_server_gets_one_message_with_all_pictures() -> None:
    with chat_server(says(GOOD)) as server:
        found = VisionCritic(chat_model("eyes", base_url=server.url)).critique(PICTURE, PLAN)
    person = server.sent[0]["messages"][-1]["content"]
    assert found.score == 0.5 and [part["type"] for part in person].count("image_url") == 3


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


def test_a_plan_that_was_tried_gets_other_seeds_where_it_changes() -> None:
    assert with_unused_seeds(PLAN, ["thing 0"], []) == PLAN
    once = with_unused_seeds(PLAN, ["thing 0"], [PLAN])
    twice = with_unused_seeds(PLAN, ["thing 0"], [PLAN, once])
    assert once.regions[1] == PLAN.regions[1] and len({p.regions[0].seed for p in (PLAN, once, twice)}) == 3
