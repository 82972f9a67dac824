"""The planner with scripted replies: good, malformed, wrong about the brief, and faults on the way."""

import json

import httpx
import httpx2
import openai
import pytest
from planner_replies import BRIEF, GOOD, reply, thing
from scripted import Scripted, scripted

from ditpipe import Planner, ScenePlan
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.llm.structured import valid_reply
from ditpipe.agent.plan_checks import check_answer
from ditpipe.prompts.errors import ModelError, PlanningError
from ditpipe.prompts.planner_schema import PlannedObject, PlannerAnswer, scene_text


def test_a_good_reply_becomes_a_plan_with_both_levels() -> None:
    with scripted(GOOD) as model:
        plan = Planner(model).plan(BRIEF)
    assert plan.scene.high_level == "a red cat on the left and a blue rocket on the right at night"
    assert plan.scene.low_level == "soft moonlight"
    cat, rocket = plan.regions
    assert (cat.prompt.high_level, cat.prompt.low_level) == ("cat on the left", "striped red")
    assert (cat.box.right, rocket.box.left) == (0.5, 0.5)


def test_a_malformed_reply_is_asked_again_with_the_validation_message() -> None:
    with scripted(GOOD.replace('"left"', '"somewhere"'), GOOD) as model:
        Planner(model).plan(BRIEF)
    assert "objects.0.position" in model.asked[1][-1].content


def test_always_malformed_ends_in_a_planning_error_with_the_raw_reply() -> None:
    with scripted("no", "still no", "never") as model, pytest.raises(PlanningError) as caught:
        Planner(model).plan(BRIEF)
    assert caught.value.reply == "never"


def test_a_name_is_cut_so_that_a_second_one_has_room() -> None:
    long = "a" * 60
    with scripted(reply(thing(long, "red", "left"), thing(long, "blue", "right"))) as model:
        plan = Planner(model).plan(f"two {long}s at night, a red {long} on the left and a blue {long} on the right")
    assert [region.name for region in plan.regions] == ["a" * 55, "a" * 55 + " 2"]


def test_an_answer_that_is_too_long_for_a_plan_is_asked_again() -> None:
    wordy = reply(*(thing(f"{i:02}" + "cat" * 15, "red" * 10, "left") for i in range(16)))
    with scripted(wordy, GOOD) as model:
        assert Planner(model).plan(BRIEF) == plan_of_the_good_reply()
    assert "at most 1000; say less of each" in str(model.asked[1][-1].content)


def test_a_tuned_model_gives_short_answers_and_is_told_so_too() -> None:
    rows = [["cat", "red", "striped", "left"], ["dog", "blue", "", "right"]]
    wrong = json.dumps({"objects": rows, "background": "at night", "mood": "soft moonlight"})
    with scripted(wrong, wrong.replace("dog", "rocket"), name="embedded") as model:
        plan = Planner(model).plan(BRIEF)
    assert plan == plan_of_the_good_reply()
    told = json.loads(str(model.asked[1][2].content))
    assert told["objects"] == rows, "its own answer is shown to it as it gave it"


def test_a_tuned_model_says_sizes_numbers_and_absences_only_where_the_brief_does() -> None:
    rows = [["balloon", "red", "", "left", 12], ["mouse", "grey", "", "right", "tiny"]]
    short = json.dumps({"objects": rows, "background": "in a park", "mood": "fresh daylight", "absent": ["people"]})
    with scripted(short, name="embedded") as model:
        plan = Planner(model).plan("12 red balloons on the left, a tiny grey mouse on the right, no people, in a park")
    assert plan.scene.high_level == "12 red balloons on the left and a grey mouse on the right in a park"
    assert [region.name for region in plan.regions][::11] == ["balloon", "balloon 12"]
    assert plan.negative == "people" and len(plan.regions) == 13


def test_a_brief_without_objects_is_a_plan_without_regions() -> None:
    short = json.dumps({"objects": [], "background": "in a valley", "mood": "mist", "absent": ["houses", "people"]})
    with scripted(short, name="embedded") as model:
        plan = Planner(model).plan("a valley with neither houses nor people, in mist")
    assert (plan.regions, plan.scene.high_level, plan.negative) == ([], "in a valley", "houses, people")


def test_an_answer_that_shows_nothing_is_asked_again() -> None:
    empty = json.dumps({"objects": [], "background": "", "mood": "soft light"})
    cat = json.dumps({"objects": [["cat", "red", "", "center"]], "background": "", "mood": "soft light"})
    with scripted(empty, cat, name="embedded") as model:
        assert [region.name for region in Planner(model).plan("a red cat").regions] == ["cat"]
    assert "neither an object nor a background" in str(model.asked[1][-1].content)


@pytest.mark.parametrize("row", [["", "red", "", "left"], ["cat" * 30, "red", "", "left"], ["cat", "red", "left"]])
def test_a_short_answer_is_checked_as_a_long_one_is(row: list[str]) -> None:
    wrong = json.dumps({"objects": [row], "background": "", "mood": ""})
    good = json.dumps({"objects": [["cat", "red", "", "left"]], "background": "", "mood": ""})
    with scripted(wrong, good, name="embedded") as model:
        Planner(model).plan("a red cat on the left")
    assert "objects.0" in str(model.asked[1][-1].content)


def plan_of_the_good_reply() -> ScenePlan:
    with scripted(GOOD) as model:
        return Planner(model).plan(BRIEF)


def test_what_the_check_finds_is_handed_back_once() -> None:
    wrong = reply(thing("cat", "red", "left"), thing("dog", "blue", "right"))
    with scripted(wrong, GOOD) as model:
        plan = Planner(model).plan(BRIEF)
    assert "does not mention 'dog'" in model.asked[1][-1].content
    assert [region.name for region in plan.regions] == ["cat", "rocket"]


def test_the_better_of_two_wrong_answers_is_kept() -> None:
    wrong = reply(thing("cat", "red", "left"), thing("dog", "blue", "right"))
    worse = reply(thing("pig", "red", "left"), thing("dog", "pink", "right"))
    with scripted(wrong, worse) as model:
        plan = Planner(model).plan(BRIEF)
    assert [region.name for region in plan.regions] == ["cat", "dog"]


def time_out() -> openai.APITimeoutError:
    return openai.APITimeoutError(request=httpx2.Request("POST", "http://127.0.0.1/v1"))


def ask(model: Scripted) -> PlannerAnswer:
    return valid_reply(
        model, PlannerAnswer, [], PlannerAnswer.model_validate, failed=PlanningError, role="planner",
        sleep=lambda seconds: None,
    )  # fmt: skip


def test_a_time_out_is_a_model_error_at_once_for_the_server_may_still_be_at_work() -> None:
    with scripted(time_out()) as model, pytest.raises(ModelError, match="did not answer in time"):
        ask(model)


@pytest.mark.parametrize("fault", [httpx.ConnectError("refused"), httpx2.ConnectError("refused")])
def test_a_fault_below_the_provider_is_tried_again(fault: Exception) -> None:
    with scripted(fault, fault, GOOD) as model:
        assert ask(model).mood == "soft moonlight"


def test_three_faults_are_a_model_error() -> None:
    faults = [httpx.ConnectError("refused") for _ in range(3)]
    with scripted(*faults) as model, pytest.raises(ModelError, match="cannot reach the chat model: refused"):
        ask(model)


def test_any_other_error_of_a_provider_is_a_model_error_of_one_line() -> None:
    with scripted(KeyError("choices")) as model, pytest.raises(ModelError, match="did not answer: KeyError: 'choices'"):
        ask(model)


@pytest.mark.parametrize("brief, problem", [("  ", "empty"), ("x" * 100_000, "100,000 characters")])
def test_unusable_briefs(brief: str, problem: str) -> None:
    with scripted() as model, pytest.raises(ValueError, match=problem):
        Planner(model).plan(brief)


def answer(*objects: dict[str, str]) -> PlannerAnswer:
    return PlannerAnswer.model_validate_json(reply(*objects))


@pytest.mark.parametrize(
    "brief, objects, finding",
    [
        ("a red cat", [thing("cat", "red", "center")], None),
        ("two red cats", [thing("cat", "red", "left"), thing("cat", "red", "right")], None),
        ("two red cats", [thing("cat", "red", "left")], "asks for two cats, the plan has 1"),
        ("a red cat and a blue dog", [thing("cat", "red", "left"), thing("dog", "red", "right")], "says 'blue dog'"),
        ("a cat under a blue sky", [thing("cat", "red", "center")], None),
        ("a cat on the right", [thing("cat", "red", "left")], "puts the cat at the right"),
        ("a cat to the left of a dog", [thing("cat", "red", "left"), thing("dog", "red", "right")], None),
        ("a fox", [thing("wolf", "grey", "center")], "does not mention 'wolf'"),
    ],
)  # fmt: skip
def test_checks_against_the_brief(brief: str, objects: list[dict[str, str]], finding: str | None) -> None:
    found = check_answer(brief, answer(*objects))
    assert (finding is None and not found) or (finding is not None and finding in " ".join(found)), found


def test_two_of_a_kind_get_names_of_their_own() -> None:
    with scripted(reply(thing("cat", "red", "left"), thing("cat", "red", "right"))) as model:
        plan = Planner(model).plan("two red cats at night")
    assert [region.name for region in plan.regions] == ["cat", "cat 2"]


def test_one_centred_object_needs_no_place_words() -> None:
    alone = PlannedObject(subject="owl", colour="orange", detail="", position="center")
    assert scene_text(PlannerAnswer(objects=[alone], background="at night", mood="")) == "an orange owl at night"


def test_unknown_chat_model_says_what_can_be_given() -> None:
    with pytest.raises(ModelError, match="give 'qwen2.5-coder-1.5b', 'embedded'"):
        chat_model("no-such-model")
