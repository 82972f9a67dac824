"""The planner with scripted replies: good, malformed, wrong about the brief, and faults on the way."""

import json

import httpx
import httpx2
import openai
import pytest
from planner_replies import BRIEF, GOOD, SHORT, region, short, whole
from scripted import Scripted, scripted

from ditpipe import Agent, Planner, ScenePlan
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.llm.structured import valid_reply
from ditpipe.agent.planning.plan_checks import check_answer
from ditpipe.prompts.answers.plan_answer import LayoutAnswer
from ditpipe.prompts.answers.planner_schema import PlannedObject, PlannerAnswer, ShortAnswer, scene_text
from ditpipe.prompts.errors import ModelError, PlanningError
from ditpipe.renderer.checkpoints.registry import checkpoint
from ditpipe.renderer.checkpoints.vocabulary import vocabulary_of


def test_a_good_reply_becomes_a_plan_with_both_levels() -> None:
    with scripted(GOOD) as model:
        plan = Planner(model).plan(BRIEF)
    assert plan.scene.high_level == "a red cat on the left and a blue rocket on the right at night"
    assert plan.scene.low_level == "soft moonlight"
    cat, rocket = plan.regions
    assert (cat.prompt.high_level, cat.prompt.low_level) == ("cat on the left", "striped red")
    assert (cat.box.right, rocket.box.left) == (0.5, 0.5)


def test_a_malformed_reply_is_asked_again_with_the_validation_message() -> None:
    with scripted(GOOD.replace('"left": 0', '"left": "somewhere"'), GOOD) as model:
        Planner(model).plan(BRIEF)
    assert "regions.0.box.left" in str(model.calls[1][-1].content)
    with scripted(SHORT.replace('"left"', '"somewhere"'), SHORT, name="embedded") as model:
        Planner(model).plan(BRIEF)
    assert "objects.0" in str(model.calls[1][-1].content)


def test_always_malformed_ends_in_a_planning_error_with_the_raw_reply() -> None:
    with scripted("no", "still no", "never") as model, pytest.raises(PlanningError) as caught:
        Planner(model).plan(BRIEF)
    assert caught.value.reply == "never"


def test_where_another_local_model_fails_the_embedded_one_plans_and_the_plan_says_so() -> None:
    def missing() -> Scripted:
        raise ModelError("the embedded planner is not here")

    with (
        scripted("no", "never", "no", name="qwen2.5-coder-1.5b") as model,
        scripted(SHORT, name="embedded") as embedded,
    ):
        plan = Planner(model, embedded=lambda: embedded).plan(BRIEF)
    assert plan.regions == plan_of_the_good_reply().regions
    assert plan.notes[0].startswith("planned by the embedded planner: the planner's answer stayed invalid")
    with scripted("no", "never", "no", name="qwen2.5-coder-1.5b") as model, pytest.raises(PlanningError) as caught:
        Planner(model, embedded=missing).plan(BRIEF)
    assert caught.value.reply == "no"


def test_a_name_is_cut_so_that_a_second_one_has_room() -> None:
    long = "a" * 60
    with scripted(short((long, "red", "", "left"), (long, "blue", "", "right")), name="embedded") as model:
        plan = Planner(model).plan(f"two {long}s at night, a red {long} on the left and a blue {long} on the right")
    assert [region.name for region in plan.regions] == ["a" * 55, "a" * 55 + " 2"]


def test_an_answer_that_is_too_long_for_a_plan_is_asked_again() -> None:
    wordy = short(*((f"{i:02}" + "cat" * 15, "red" * 10, "", "left") for i in range(16)))
    with scripted(wordy, SHORT, name="embedded") as model:
        assert Planner(model).plan(BRIEF) == plan_of_the_good_reply()
    assert "at most 1000; say less of each" in str(model.calls[1][-1].content)


def test_a_tuned_model_gives_short_answers_and_is_told_so_too() -> None:
    wrong = SHORT.replace("rocket", "dog")
    with scripted(wrong, SHORT, name="embedded") as model:
        plan = Planner(model).plan(BRIEF)
    assert plan == plan_of_the_good_reply()
    sent_back = json.loads(str(model.calls[1][2].content))
    assert sent_back == json.loads(wrong), "its own answer is shown to it as it gave it"


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
    assert "neither an object nor a background" in str(model.calls[1][-1].content)


@pytest.mark.parametrize("row", [["", "red", "", "left"], ["cat" * 30, "red", "", "left"], ["cat", "red", "left"]])
def test_a_short_answer_is_checked_as_a_long_one_is(row: list[str]) -> None:
    wrong = json.dumps({"objects": [row], "background": "", "mood": ""})
    good = json.dumps({"objects": [["cat", "red", "", "left"]], "background": "", "mood": ""})
    with scripted(wrong, good, name="embedded") as model:
        Planner(model).plan("a red cat on the left")
    assert "objects.0" in str(model.calls[1][-1].content)


def plan_of_the_good_reply() -> ScenePlan:
    with scripted(GOOD) as model:
        return Planner(model).plan(BRIEF)


def test_what_the_check_finds_is_handed_back_once() -> None:
    wrong = short(("cat", "red", "", "left"), ("dog", "blue", "", "right"))
    with scripted(wrong, SHORT, name="embedded") as model:
        plan = Planner(model).plan(BRIEF)
    assert "does not mention 'dog'" in model.calls[1][-1].content
    assert [region.name for region in plan.regions] == ["cat", "rocket"]


def test_the_better_of_two_wrong_answers_is_kept() -> None:
    wrong = short(("cat", "red", "", "left"), ("dog", "blue", "", "right"))
    worse = short(("pig", "red", "", "left"), ("dog", "pink", "", "right"))
    with scripted(wrong, worse, name="embedded") as model:
        plan = Planner(model).plan(BRIEF)
    assert [region.name for region in plan.regions] == ["cat", "dog"]
    assert "The brief does not mention 'dog'" in plan.notes, "what a check keeps is said"


@pytest.mark.parametrize("brief", ["قطة حمراء", "一只红猫", "🐱🚀"])
def test_a_brief_of_which_a_tuned_planner_reads_nothing_is_refused(brief: str) -> None:
    with scripted(name="embedded") as model, pytest.raises(ValueError, match="reads English only"):
        Planner(model).plan(brief)


def test_what_a_tuned_planner_cannot_read_is_noted() -> None:
    with scripted(short(("cat", "red", "", "center")), name="embedded") as model:
        plan = Planner(model).plan("a red cat und eine 猫")
    assert any("reads English only: '猫' not read" in note for note in plan.notes)


@pytest.mark.parametrize(
    "brief, note",
    [
        ("eine rote Katze links und eine blaue Rakete rechts", "English only, which this brief hardly is"),
        ("un chat rouge à gauche et une fusée bleue à droite", "English only, which this brief hardly is"),
        ("red cat left, blue rocket right, 1280x768", "no size or shape, '1280x768': give it as --size"),
        ("wide banner, a red cat (left), a blue rocket (right), night", "no size or shape, 'wide banner': give it as"),
        ("red cat left, blue rocket right, at night, 16:9", "no size or shape, '16:9': give it as"),
        (f"{BRIEF}, no wallpaper", None),
        (BRIEF, None),
    ],
)  # fmt: skip
def test_a_local_planner_says_what_it_does_not_read(brief: str, note: str | None) -> None:
    without = SHORT[:-1] + ', "absent": ["wallpaper"]}'
    with scripted(*[without if "wallpaper" in brief else SHORT] * 2, name="embedded") as model:
        notes = Planner(model, side=128).plan(brief).notes
        model.replies.clear()  # asked once more only where a check finds something
    assert any(note in told for told in notes) if note else not notes


@pytest.mark.parametrize("brief", ["2 bikes", "Two cycles!", "a pair: two bikes"])
def test_other_names_of_a_thing_cost_no_second_call(brief: str) -> None:
    rows = ("bicycle", "blue", "", "left"), ("bicycle", "blue", "", "right")
    with scripted(short(*rows, background=""), name="embedded") as model:
        agent = Agent(planner=Planner(model), critic="none")
        assert agent.plan(brief).notes == [] and len(model.calls) == 1


def test_many_things_in_one_region_are_said() -> None:
    with scripted(short(("cat", "red", "", "center", 40)), name="embedded") as model:
        note, calls = Planner(model, calls=2).plan("forty red cats at night").notes
    assert calls == "plan_calls: not used, for this planner plans in one call"
    assert note == "more than 32 objects: 'group of 40 cats' is one region, how many it shows is left to chance"


def test_words_of_any_language_are_the_planners_own_matter() -> None:
    with scripted(whole(region("祖母", [0, 0, 500, 1000], "an old woman", "white hair"))) as model:
        plan = Planner(model).plan("左边是一位白发祖母")
    assert plan.region("祖母").prompt.high_level == "an old woman" and not plan.notes
    assert "reads English" in str(model.calls[0][0].content)


def test_what_the_plan_lacks_by_its_own_lists_is_asked_for_once_and_then_noted() -> None:
    count = {"thing": "balloons", "number": 20, "regions": ["balloon"]}
    few = whole(region("balloon", [0, 0, 500, 1000]), counts=[count])
    with scripted(few, few) as model:
        plan = Planner(model).plan("twenty balloons")
    finding = "the brief asks for 20 balloons, the plan has 1"
    assert f"{finding}. Answer" in str(model.calls[1][-1].content) and plan.notes == [finding]


def test_hidden_and_tiny_regions_are_found_in_any_language() -> None:
    hidden = [region("墙", [0, 0, 1000, 1000]), region("门", [0, 0, 1000, 940]), region("点", [0, 990, 9, 1000])]
    with scripted(whole(*hidden), GOOD) as model:
        Planner(model).plan("墙")
    prompt = str(model.calls[1][-1].content)
    assert "'墙' is hardly seen" in prompt and "'点' is too small" in prompt


def test_many_small_things_cost_no_second_call_where_no_larger_ones_have_room() -> None:
    boxes = [[200.0 * (i % 5), 250.0 * (i // 5), 200.0 * (i % 5) + 190, 250.0 * (i // 5) + 240] for i in range(20)]
    with scripted(whole(*(region(f"balloon {i}", box) for i, box in enumerate(boxes)), high="balloons")) as model:
        plan = Planner(model, side=256, token=32).plan("twenty balloons")
    assert len(plan.regions) == 20 and not plan.notes


@pytest.mark.parametrize(
    "brief, aspect, size",
    [
        ("a wide banner of hills", "16:9", (1360, 768)), ("hills --ar 9:16", None, (768, 1360)),
        ("hills --ar 1:1", "16:9", (1024, 1024)), ("hills", None, (None, None)),
    ],
)  # fmt: skip
def test_the_brief_sets_the_canvas(brief: str, aspect: str | None, size: tuple[int, int]) -> None:
    with scripted(whole(high="hills", aspect=aspect)) as model:
        plan = Planner(model).plan(brief)
    assert (plan.width, plan.height) == size
    assert "--ar" not in str(model.calls[0][1].content)


def test_a_chosen_size_wins_over_the_briefs() -> None:
    with scripted(whole(high="hills")) as model:
        plan = Planner(model, width=512, height=512).plan("hills --ar 16:9")
    assert "512×512 pixels" in str(model.calls[0][0].content), "the planner knows the shape that it plans for"
    assert plan.size == (512, 512) and plan.notes == ["the brief's --ar 16:9 is not used: 512×512 was chosen"]
    with scripted(short(("cat", "red", "", "center")), name="embedded") as model:
        assert Planner(model, side=128).plan("a red cat --ar 16:9").size == (176, 96)


def test_layout_first_and_then_the_details_of_each_region() -> None:
    layout = whole(region("cat", [0, 0, 500, 1000]), region("rocket", [500, 0, 1000, 1000]), high="a cat and a rocket")
    details = {"low_level": "moonlight", "regions": [{"name": "cat", "low_level": "red"}]}
    both = details | {"regions": [*details["regions"], {"name": "rocket", "low_level": "blue"}]}
    with scripted(layout, json.dumps(details), json.dumps(both)) as model:
        plan = Planner(model, calls=2).plan(BRIEF)
    assert "'rocket' has no low level." in str(model.calls[2][-1].content)
    assert '"right":500.0' in str(model.calls[1][-2].content), "the layout is given"
    assert "attribute" not in str(LayoutAnswer.model_json_schema()), "looks are not asked for before they are there"
    assert [each.prompt.low_level for each in plan.regions] == ["red", "blue"] and plan.scene.low_level == "moonlight"


def test_a_layout_that_was_paid_for_is_a_plan_without_its_details() -> None:
    layout = whole(region("cat", [0, 0, 500, 1000]), region("rocket", [500, 0, 1000, 1000]), high="a cat and a rocket")
    details = {"low_level": "moonlight", "regions": [{"name": "cat", "low_level": "red"}]}
    with scripted(layout, json.dumps(details), json.dumps(details)) as model:
        plan = Planner(model, calls=2).plan(BRIEF)
    assert [each.prompt.low_level for each in plan.regions] == ["red", ""] and len(model.calls) == 3
    assert plan.notes == ["'rocket' has no low level"]
    with scripted(layout, *["I would rather not."] * 2) as model:
        plan = Planner(model, calls=2).plan(BRIEF)
    assert [each.prompt.high_level for each in plan.regions] == ["cat", "rocket"]
    assert plan.notes[0].startswith("the plan has no low levels: the planner's answer stayed invalid")


def test_prompts_that_are_too_long_go_back_once() -> None:
    wordy = whole(region("cat", [0, 0, 500, 1000], low="very " * 90 + "red"), high="a cat")
    fits = whole(region("cat", [0, 0, 500, 1000], low="red"), high="a cat")

    def too_long(plan: ScenePlan) -> list[str]:
        return ["'cat': 16 tokens too many for CLIP."] if len(plan.region("cat").prompt.low_level) > 77 else []

    with scripted(wordy, fits) as model:
        plan = Planner(model, too_long=too_long).plan("a red cat")
    assert "16 tokens too many" in str(model.calls[1][-1].content)
    assert plan.region("cat").prompt.low_level == "red" and not plan.notes


def test_a_layout_that_is_too_long_goes_back_before_its_details_are_asked_for() -> None:
    layouts = [whole(region("cat", [0, 0, 500, 1000], high), high="a cat") for high in ("a very big cat", "a big cat")]
    details = json.dumps({"low_level": "moonlight", "regions": [{"name": "cat", "low_level": "red"}]})

    def too_long(plan: ScenePlan) -> list[str]:
        length = len(plan.region("cat").prompt.high_level.split())
        return [f"'cat' has {length} words."] if length > 2 else []

    with scripted(*layouts, details, details) as model:
        plan = Planner(model, calls=2, too_long=too_long).plan("a red cat")
    assert "'cat' has 4 words" in str(model.calls[1][-1].content) and plan.notes == ["'cat' has 4 words"]


def test_each_kind_of_image_model_is_spoken_to_in_its_manner() -> None:
    prompts = {}
    for name in ("hunyuan-dit", "sdxl", "flux-dev", "pocket"):
        with scripted(whole(high="hills", negative="people")) as model:
            draws = "64 things" if name == "pocket" else ""
            plan = Planner(model, style=checkpoint(name).style, draws=draws).plan("hills")
        prompts[name] = str(model.calls[0][0].content), plan.negative
    assert "English and Chinese" in prompts["hunyuan-dit"][0] and "sentences" in prompts["hunyuan-dit"][0]
    assert "short phrases" in prompts["sdxl"][0] and prompts["sdxl"][1].startswith("people, low quality")
    assert "no negative prompts" in prompts["flux-dev"][0] and prompts["flux-dev"][1] == "people"
    assert "'cat on the left'" in prompts["pocket"][0] and "It draws 64 things" in prompts["pocket"][0]
    assert "It draws" not in prompts["sdxl"][0]


def time_out() -> openai.APITimeoutError:
    return openai.APITimeoutError(request=httpx2.Request("POST", "http://127.0.0.1/v1"))


def ask(model: Scripted) -> ShortAnswer:
    return valid_reply(
        model, ShortAnswer, [], ShortAnswer.model_validate, failed=PlanningError, role="planner",
        sleep=lambda seconds: None,
    )  # fmt: skip


def test_a_time_out_is_a_model_error_at_once_for_the_server_may_still_be_at_work() -> None:
    with scripted(time_out()) as model, pytest.raises(ModelError, match="did not answer in time"):
        ask(model)


@pytest.mark.parametrize("fault", [httpx.ConnectError("refused"), httpx2.ConnectError("refused")])
def test_a_fault_below_the_provider_is_tried_again(fault: Exception) -> None:
    with scripted(fault, fault, SHORT) as model:
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
    return PlannerAnswer.model_validate({"objects": objects, "background": "at night", "mood": "soft moonlight"})


def thing(subject: str, colour: str, position: str, detail: str = "") -> dict[str, str]:
    return {"subject": subject, "colour": colour, "detail": detail, "position": position}


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
    pocket = vocabulary_of(checkpoint("pocket"))
    assert pocket
    found = check_answer(brief, answer(*objects), pocket)
    assert (finding is None and not found) or (finding is not None and finding in " ".join(found)), found


def test_two_of_a_kind_get_names_of_their_own() -> None:
    with scripted(short(("cat", "red", "", "left"), ("cat", "red", "", "right")), name="embedded") as model:
        plan = Planner(model).plan("two red cats at night")
    assert [region.name for region in plan.regions] == ["cat", "cat 2"]


def test_one_centred_object_needs_no_place_words() -> None:
    alone = PlannedObject(subject="owl", colour="orange", detail="", position="center")
    assert scene_text(PlannerAnswer(objects=[alone], background="at night", mood="")) == "an orange owl at night"


def test_unknown_chat_model_says_what_can_be_given() -> None:
    with pytest.raises(ModelError, match="give 'qwen2.5-coder-1.5b', 'embedded'"):
        chat_model("no-such-model")
