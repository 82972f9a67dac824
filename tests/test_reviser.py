"""The reviser that is a chat model, and the whole loop with planner, critic and reviser behind servers on loopback."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from llm_servers import chat_server, refuses, says
from loop_replies import answer, change, looks, painter, pocket_plan, verdict
from PIL import Image
from plans import plan_of
from scripted import scripted

from ditpipe.agent.events import Critiqued, Finished, Revised
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.models import Models
from ditpipe.agent.refine.critic import rank_candidates
from ditpipe.agent.refine.model_reviser import ModelReviser, Try
from ditpipe.agent.refine.vision_critic import VisionCritic
from ditpipe.agent.settings import settings_of
from ditpipe.prompts.answers.revision_answer import RevisionAnswer, revision_answer, revision_from
from ditpipe.prompts.critique import Critique, RegionScore
from ditpipe.prompts.errors import PlanningError
from ditpipe.prompts.plan import Box, ScenePlan
from ditpipe.prompts.revision import Revision
from ditpipe.renderer.pictures.artifacts import read_request
from ditpipe.renderer.regions.mask_image import mask_text
from ditpipe.renderer.request import RenderRequest, RenderResult

PLAN = plan_of(2)  # 'thing 0' and 'thing 1'


def critique(*scores: float, whole: float | None = None) -> Critique:
    rows = [
        RegionScore(name=f"thing {i}", score=score, seen="a dog", problem="no cat") for i, score in enumerate(scores)
    ]
    return Critique(score=min(scores) if whole is None else whole, regions=rows)


def revised(reply: str, *more: str, weak: Critique | None = None, **options: Any) -> tuple[Revision | None, list[Any]]:
    best = Try(PLAN, weak or critique(0.1, 0.9))
    with scripted(reply, *more) as model:
        tries = options.pop("tries", [best])
        return ModelReviser(model).revise(best, tries, threshold=0.5, token=16, **options), model.calls


def box(left: int, top: int, right: int, bottom: int) -> dict[str, int]:
    return {"left": left, "top": top, "right": right, "bottom": bottom}


def part(name: str, place: dict[str, int]) -> dict[str, Any]:
    return {"name": name, "box": place, "high_level": name, "low_level": "red", "negative": None, "lettering": None}


def test_a_region_is_worded_moved_and_drawn_from_other_noise() -> None:
    new = change("thing 0", high_level="a cat", negative="dogs", box=box(0, 0, 250, 500), new_seed=True)
    revision, calls = revised(answer(new))
    assert revision and revision.reason == "it shows a dog" and revision.names == ["thing 0"]
    region = revision.apply(PLAN).region("thing 0")
    assert region.prompt.high_level == "a cat" and region.prompt.low_level == PLAN.regions[0].prompt.low_level
    assert region.box == Box(left=0, top=0, right=0.25, bottom=0.5) and region.negative == "dogs"
    assert region.seed is not None and revision.apply(PLAN).region("thing 1") == PLAN.region("thing 1")
    situation = json.loads(calls[0][-1].content)
    assert situation["critique"]["regions"][0]["problem"] == "no cat"
    assert situation["plan"]["regions"][1]["box"]["left"] == 500


def test_what_the_brief_forbids_or_wants_to_be_read_is_kept() -> None:
    first = PLAN.regions[0].model_copy(update={"negative": "people", "lettering": "OPEN"})
    best = Try(PLAN.model_copy(update={"regions": [first, PLAN.regions[1]]}), critique(0.1, 0.9))
    with scripted(answer(removed=["thing 0"]), answer(change("thing 0", negative="dogs"))) as model:
        revision = ModelReviser(model).revise(best, [best], threshold=0.5, token=16)
    assert revision and revision.changes[0].negative == "people, dogs" and revision.summary == "thing 0"
    assert "no region would read 'OPEN' any more" in model.calls[1][-1].content


def test_a_region_beside_a_sign_may_be_taken_away() -> None:
    sign = PLAN.regions[1].model_copy(update={"lettering": "OPEN"})
    best = Try(PLAN.model_copy(update={"regions": [PLAN.regions[0], sign]}), critique(0.1, 0.9))
    with scripted(answer(removed=["thing 0"])) as model:
        revision = ModelReviser(model).revise(best, [best], threshold=0.5, token=16)
    assert revision and revision.removed == ["thing 0"]


def test_boxes_in_a_corner_stay_in_the_thousandths_that_the_reviser_was_shown() -> None:
    moon = PLAN.regions[0].model_copy(update={"box": Box(left=0.02, top=0.02, right=0.08, bottom=0.08)})
    corner = PLAN.model_copy(update={"regions": [moon]})
    given = json.loads(answer(change("thing 0", box=box(10, 10, 90, 90))))
    revision = revision_from(RevisionAnswer.model_validate(given), corner, new_seed=lambda _: 1, token=16)
    assert revision and revision.changes[0].box == Box(left=0.01, top=0.01, right=0.09, bottom=0.09)


def test_earlier_tries_are_told_in_the_units_of_the_plan_and_without_masks() -> None:
    first, shape = PLAN.regions[0], mask_text(Image.new("1", (64, 64), 1))
    moved = first.model_copy(update={"box": Box(left=0.6, top=0, right=1, bottom=0.5)})
    other = Try(PLAN.model_copy(update={"regions": [moved, PLAN.regions[1]]}), critique(0.2, 0.9))
    shaped = first.model_copy(update={"name": "blob", "mask": shape})
    more = Try(PLAN.model_copy(update={"regions": [*PLAN.regions, shaped]}), critique(0.2, 0.9))
    best = Try(PLAN, critique(0.1, 0.9))
    _, calls = revised(answer(change("thing 0", new_seed=True)), tries=[best, other, more])
    tries = json.loads(calls[0][-1].content)["earlier tries"]
    assert tries[0]["differed by"]["changes"][0]["box"] == {"left": 600, "top": 0, "right": 1000, "bottom": 500}
    assert tries[1]["differed by"]["added"][0]["name"] == "blob" and "mask" not in json.dumps(tries)


def test_a_box_that_reaches_beyond_the_picture_is_cut_at_its_edge() -> None:
    revision, _ = revised(answer(change("thing 0", box=box(200, 0, 1400, 500))))
    assert revision and revision.changes[0].box == Box(left=0.2, top=0, right=1, bottom=0.5)


def test_words_that_are_too_long_for_the_image_model_go_back_once() -> None:
    def too_long(plan: ScenePlan) -> list[str]:
        return ["'thing 0' has 99 tokens."] if "very" in plan.region("thing 0").prompt.high_level else []

    best, wordy = Try(PLAN, critique(0.1, 0.9)), answer(change("thing 0", high_level="a very long cat"))
    with scripted(wordy, answer(change("thing 0", high_level="a cat"))) as model:
        reviser = ModelReviser(model, draws="64 things.", too_long=too_long)
        revision = reviser.revise(best, [best], threshold=0.5, token=16)
    assert revision and revision.apply(PLAN).region("thing 0").prompt.high_level == "a cat"
    assert "has 99 tokens" in model.calls[1][-1].content and "It draws 64 things." in str(model.calls[0][0].content)


def test_a_region_is_split() -> None:
    halves = [part("cat", box(0, 0, 500, 500)), part("hat", box(0, 500, 500, 1000))]
    revision, _ = revised(answer(removed=["thing 0"], added=halves, scene_high_level="a cat, a hat and thing 1"))
    assert revision is not None
    after = revision.apply(PLAN)
    assert revision.summary == "cat, hat, without thing 0"
    assert [region.name for region in after.regions] == ["thing 1", "cat", "hat"]
    assert after.scene.high_level == "a cat, a hat and thing 1"


def test_the_scene_alone_can_be_worded() -> None:
    revision, _ = revised(answer(scene_low_level="at night"), weak=critique(0.9, 0.9, whole=0.3))
    assert revision and not revision.names and revision.apply(PLAN).scene.low_level == "at night"


def test_a_scene_that_is_wrong_is_weak_even_where_all_regions_are_right() -> None:
    judged = critique(0.9, 0.9, whole=0.7)
    crowded = judged.model_copy(update={"scene": 0.25, "summary": "Not so: is it free of people?"})
    revision, calls = revised(answer(scene_high_level="an empty street"), weak=crowded)
    assert revision and "free of people" in calls[0][-1].content


def test_a_model_that_would_change_nothing_ends_the_loop() -> None:
    assert revised(answer())[0] is None


def test_nobody_is_asked_where_all_is_good_enough() -> None:
    with scripted() as model:
        best = Try(PLAN, critique(0.6, 0.9))
        assert ModelReviser(model).revise(best, [best], threshold=0.5, token=16) is None


@pytest.mark.parametrize(
    "wrong, problem",
    [
        (answer(change("dog", new_seed=True)), "no region 'dog': the plan has thing 0, thing 1"),
        (answer(removed=["dog"]), "no region 'dog'"),
        (answer(change("thing 2", new_seed=True)), "no region 'thing 2'"),
        (answer(added=[part("thing 1", box(0, 0, 500, 500))]), "names must be unique"),
        (answer(change("thing 0", box=box(0, 0, 10, 10))), "box of thing 0: too small"),
        (answer(change("thing 0", high_level="x" * 1001)), "at most 1000 characters"),
        (answer(removed=["thing 1"]), "thing 1 came out and must stay"),
        (answer(change("thing 1", box=box(0, 0, 1000, 1000))), "box of thing 0: too small, or wholly covered"),
        ('{"high_level": "a cat", "regions": []}', "reason: say why nothing should change"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_plan_is_asked_again(wrong: str, problem: str) -> None:
    revision, calls = revised(wrong, answer(change("thing 0", high_level="a cat")))
    assert revision and problem in calls[1][-1].content


def test_the_schema_has_the_names_of_the_plan_and_no_others() -> None:
    answer_about, whole = revision_answer(["cat", "dog 2"]), RevisionAnswer.model_json_schema()
    schema = answer_about.model_json_schema()
    changed = schema["$defs"]["RevisedRegion"]["properties"]["name"]
    assert changed["enum"] == schema["properties"]["removed"]["items"]["enum"] == ["cat", "dog 2"]
    assert changed["description"] == whole["$defs"]["RevisedRegion"]["properties"]["name"]["description"]
    assert schema["properties"]["changes"] == whole["properties"]["changes"]
    assert list(schema["properties"]) == list(whole["properties"]) and set(schema["$defs"]) == set(whole["$defs"])


def test_no_plan_is_drawn_twice() -> None:
    before = PLAN.model_copy(update={"scene": PLAN.scene.model_copy(update={"low_level": "foggy"})})
    tries = [Try(before, critique(0.1, 0.4)), Try(PLAN, critique(0.1, 0.9))]
    again = answer(scene_low_level="foggy")
    revision, calls = revised(again, answer(change("thing 0", new_seed=True)), tries=tries)
    assert revision and revision.names == ["thing 0"] and "drawn already" in calls[1][-1].content
    (earlier,) = json.loads(calls[0][-1].content)["earlier tries"]
    assert earlier["differed by"]["scene"]["low_level"] == "foggy" and earlier["critique"]["score"] == 0.1


def test_only_what_a_person_named_may_change() -> None:
    other, more = answer(change("thing 1", new_seed=True)), answer(removed=["thing 0"])
    revision, calls = revised(other, more, answer(change("thing 0", new_seed=True)), only={"thing 0"})
    assert revision and revision.names == ["thing 0"]
    assert "thing 1 must stay" in calls[1][-1].content and "change only these" in calls[2][-1].content


def test_a_reply_that_stays_invalid_is_an_error_with_the_raw_reply() -> None:
    with pytest.raises(PlanningError, match="the reviser's answer stayed invalid") as caught:
        revised("hm", "no", "well")
    assert caught.value.reply == "well"


@pytest.mark.parametrize(
    "planner, critic, reviser",
    [("embedded", "embedded", None), ("embedded", "eyes", "eyes"), ("big", "eyes", "big"), ("big", "embedded", "big")],
)
def test_whoever_is_capable_revises(planner: str, critic: str, reviser: str | None) -> None:
    url = None if planner == critic == "embedded" else "http://127.0.0.1:9/v1"
    models = Models(settings_of(planner=planner, critic=critic, base_url=url))
    assert (getattr(models.reviser.chat_model, "model_name", "") if models.reviser else None) == reviser


@pytest.mark.slow
def test_the_loop_over_servers_keeps_the_best_round_and_says_what_changed_and_why(tmp_path: Path) -> None:
    """The pocket model, a vision critic, and a reviser that words, then moves; round 3 is worse than 2."""
    worded = says(answer(change("thing 0", high_level="a cat", new_seed=True)))
    moved = says(answer(change("thing 0", box=box(0, 0, 400, 1000))))
    rounds = [
        verdict(looks(1, False), looks(2, True)), worded,
        verdict(looks(1, True, False), looks(2, True)), moved,
        verdict(looks(1, False), looks(2, False)),
    ]  # fmt: skip
    with chat_server(*rounds) as server:
        events = list(painter(server.url, tmp_path, rounds=3).stream("two things", plan=pocket_plan()))
    scores = [event.critique.score for event in events if isinstance(event, Critiqued)]
    reasons = [(event.revision.names, event.revision.reason) for event in events if isinstance(event, Revised)]
    last = events[-1]
    assert isinstance(last, Finished) and last.painting.best.number == 2
    assert scores == [0.5, 0.625, 0] and reasons == [(["thing 0"], "it shows a dog")] * 2
    (edit,) = read_request(last.painting.path).edits
    assert edit.reason == "it shows a dog" and edit.changes[0].prompt and edit.changes[0].prompt.high_level == "a cat"
    assert "earlier tries" in server.sent[3]["messages"][-1]["content"]


def test_candidates_whose_critic_fails_are_kept_and_say_so() -> None:
    image = Image.new("RGB", (96, 96))
    results = [RenderResult(RenderRequest(plan=PLAN, seed=i), image, torch.zeros(1), seconds=0.0) for i in range(2)]
    with chat_server(refuses(401, "Incorrect key")) as server:
        ranked = rank_candidates(results, VisionCritic(chat_model("eyes", base_url=server.url)))
    assert [result.request.seed for result, _ in ranked] == [0, 1] and all(critique is None for _, critique in ranked)
    assert all("nobody judged this candidate" in result.warnings[0] for result, _ in ranked) and len(server.sent) == 1
    results.append(RenderResult(RenderRequest(plan=PLAN, seed=2), image, torch.zeros(1), seconds=0.0))
    weak, good = (verdict(looks(1, True), looks(2, seen)) for seen in (False, True))
    with chat_server(weak, *[says("no idea")] * 3, good) as server:
        ranked = rank_candidates(results, VisionCritic(chat_model("eyes", base_url=server.url)))
    assert [result.request.seed for result, _ in ranked] == [2, 0, 1] and [bool(c) for _, c in ranked] == [1, 1, 0]
    assert [len(result.warnings) for result, _ in ranked] == [0, 0, 1], "what was judged stays so"
