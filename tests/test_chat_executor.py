"""What commands make of a plan: pure functions, read like the sentences they stand for."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.chat_messages import HERE
from ditpipe.agent.chat.commands.executor import Understanding, execute
from ditpipe.agent.chat.commands.room import visible_shares
from ditpipe.prompts.answers.chat_answer import ChatAnswer
from ditpipe.prompts.plan import ScenePlan

PLANS = {
    name: ScenePlan.model_validate(plan)
    for name, plan in json.loads((HERE / "chat_plans.json").read_text(encoding="utf-8")).items()
}
CAT_ROCKET = PLANS["cat-rocket"]


def done(*commands: dict[str, Any], plan: ScenePlan | None = CAT_ROCKET, **more: Any) -> Understanding:
    return execute(ChatAnswer.model_validate({"commands": list(commands), **more}), plan, seed=7)


def changed(*commands: dict[str, Any], plan: ScenePlan = CAT_ROCKET, **more: Any) -> ScenePlan:
    result = done(*commands, plan=plan, **more)
    assert result.kind == "change", result.reply
    assert result.plan is not None
    return result.plan


def test_a_new_look_leaves_everything_else() -> None:
    plan = changed({"do": "look", "regions": ["cat"], "low_level": "white"})
    assert plan.region("cat").prompt.low_level == "white" and plan.region("rocket") == CAT_ROCKET.region("rocket")
    assert "white cat" in plan.scene.high_level and "red" not in plan.scene.high_level


def test_two_wishes_in_one_message() -> None:
    plan = changed({"do": "look", "regions": ["cat"], "low_level": "white"}, {"do": "remove", "regions": ["rocket"]})
    assert [region.name for region in plan.regions] == ["cat"]


def test_a_name_that_is_not_there_is_a_question_and_nothing_is_guessed() -> None:
    result = done({"do": "look", "regions": ["elephant"], "low_level": "pink"})
    assert result.kind == "unclear" and result.plan is None
    assert result.reply == "There is no 'elephant' here; I see cat and rocket. Which one do you mean?"


def test_a_friend_stands_beside_and_nobody_is_hidden() -> None:
    plan = changed({"do": "add", "name": "dog", "high_level": "dog", "low_level": "white", "relation": "next to",
                    "others": ["cat"], "size": 1})  # fmt: skip
    assert plan.region("dog").prompt.low_level == "white"
    assert min(visible_shares(plan).values()) > 0.3


def test_between_is_between() -> None:
    plan = changed({"do": "add", "name": "mouse", "high_level": "mouse", "low_level": "grey", "relation": "between",
                    "others": ["cat", "cat 2"], "size": 0.6}, plan=PLANS["two-cats"])  # fmt: skip
    x = plan.region("mouse").box.centre[0]
    assert plan.region("cat").box.centre[0] < x < plan.region("cat 2").box.centre[0]
    assert min(visible_shares(plan).values()) > 0.3


def test_three_stars_are_three_regions_with_room() -> None:
    plan = changed({"do": "add", "name": "star", "high_level": "star", "low_level": "yellow", "count": 3, "size": 0.5,
                    "place": "top"})  # fmt: skip
    stars = [region for region in plan.regions if region.name.startswith("star")]
    assert len(stars) == 3 and all(star.box.centre[1] < 0.45 for star in stars)


@pytest.mark.parametrize("factor", [0.5, 1.4, 2.0])
def test_a_size_that_is_said_is_reached_where_the_canvas_allows_it(factor: float) -> None:
    plan = PLANS["castle"]
    moon, now = plan.region("moon").box, changed({"do": "resize", "regions": ["moon"], "factor": factor}, plan=plan)
    box = now.region("moon").box
    assert (box.right - box.left) / (moon.right - moon.left) == pytest.approx(factor, rel=0.05)
    assert min(visible_shares(now).values()) > 0.3


def test_twice_as_big_hides_nobody() -> None:
    plan = changed({"do": "resize", "regions": ["cat"], "factor": 2})
    assert plan.region("cat").box.area > 1.4 * CAT_ROCKET.region("cat").box.area
    assert min(visible_shares(plan).values()) > 0.25


def test_swaps_of_places_and_of_looks() -> None:
    places = changed({"do": "swap", "first": "cat", "second": "rocket", "what": "places"})
    assert places.region("cat").box == CAT_ROCKET.region("rocket").box
    looks = changed({"do": "swap", "first": "cat", "second": "rocket", "what": "looks"})
    assert (looks.region("cat").prompt.low_level, looks.region("rocket").prompt.low_level) == ("blue", "red")
    assert looks.region("cat").box == CAT_ROCKET.region("cat").box


@pytest.mark.parametrize(
    ("move", "holds"),
    [
        ({"place": "top left"}, lambda cat, rocket: cat[0] < 0.45 and cat[1] < 0.45),
        ({"relation": "right of", "others": ["rocket"]}, lambda cat, rocket: cat[0] > rocket[0]),
        ({"relation": "above", "others": ["rocket"]}, lambda cat, rocket: cat[1] < rocket[1]),
        ({"direction": "up"}, lambda cat, rocket: cat[1] < 0.5),
    ],
)
def test_moves(move: dict[str, Any], holds: Any) -> None:
    plan = changed({"do": "move", "regions": ["cat"], **move})
    assert holds(plan.region("cat").box.centre, plan.region("rocket").box.centre)
    assert min(visible_shares(plan).values()) > 0.25


def test_behind_overlaps_by_order() -> None:
    plan = changed({"do": "add", "name": "moon", "high_level": "moon", "low_level": "yellow", "relation": "behind",
                    "others": ["rocket"], "size": 1})  # fmt: skip
    assert plan.region("moon").z_order < plan.region("rocket").z_order


def test_replacing_keeps_the_place_and_drops_what_was_particular() -> None:
    before = CAT_ROCKET.region("cat").model_copy(update={"seed": 5, "negative": "dog"})
    plan = CAT_ROCKET.model_copy(update={"regions": [before, CAT_ROCKET.region("rocket")]})
    dog = {"name": "dog", "high_level": "dog", "low_level": "red"}
    now = changed({"do": "replace", "regions": ["cat"], **dog}, plan=plan)
    new = now.region("dog")
    assert new.box == before.box and new.seed is None and not new.negative
    assert new.prompt.high_level == "dog on the left"  # as the plan's other regions name their places


def test_prose_stays_prose() -> None:
    plan = changed({"do": "replace", "regions": ["tram"], "name": "bus", "high_level": "a double-decker bus arriving",
                    "low_level": "red"}, plan=PLANS["woman"])  # fmt: skip
    assert plan.region("bus").prompt.high_level == "a double-decker bus arriving"


def test_a_scene_changes_its_format_light_and_negative_together() -> None:
    result = done({"do": "scene", "high_level": "a knight faces a dragon in the snow", "style": "pixel art",
                   "negative": "people", "aspect": "16:9"}, plan=PLANS["dragon"])  # fmt: skip
    assert result.whole and result.plan is not None
    assert (result.plan.style, result.plan.negative) == ("pixel art", "people")
    assert result.plan.width is not None and result.plan.height is not None
    assert result.plan.width / result.plan.height == pytest.approx(16 / 9, rel=0.03)


def test_redraws_take_new_noise_for_what_is_named_or_for_all() -> None:
    assert changed({"do": "redraw", "regions": ["cat"]}).region("cat").seed == 7
    everything = done({"do": "redraw", "regions": []})
    assert everything.fresh and everything.plan == CAT_ROCKET


def test_everything_may_go() -> None:
    assert changed({"do": "remove", "regions": ["cat", "rocket"]}).regions == []


def test_keeping_one_removes_the_others() -> None:
    assert [r.name for r in changed({"do": "keep only", "regions": ["tree"]}, plan=PLANS["meadow"]).regions] == ["tree"]


def test_what_was_not_understood_is_said_beside_what_was_done() -> None:
    result = done({"do": "look", "regions": ["cat"], "low_level": "white"}, not_done=["more bokeh"])
    assert result.kind == "change" and result.notes == ("I did not understand 'more bokeh'",)


def test_a_change_beside_an_undo_is_not_done_in_silence() -> None:
    result = done({"do": "undo", "steps": 1}, {"do": "remove", "regions": ["cat"]})
    assert result.kind == "undo" and result.notes == ("not done beside it: remove",)


def test_no_change_at_all_is_asked_about() -> None:
    assert done({"do": "look", "regions": ["cat"], "low_level": "red"}).reply == (
        "The cat is like that already. What should be different?"
    )
    assert done().kind == "unclear" and done(plan=None).kind == "unclear"


def test_a_question_back_carries_its_suggestions() -> None:
    result = done({"do": "ask", "reply": "Which cat?", "suggestions": ["the left one", "the right one"]})
    assert (result.kind, result.reply) == ("unclear", "Which cat?")
    assert result.suggestions == ("the left one", "the right one")


NAMES = st.sampled_from(["cat", "rocket"])
PLACES = st.sampled_from(["top left", "top", "right", "center", "bottom right"])
RELATIONS = st.sampled_from(["left of", "right of", "above", "below", "next to", "in front of", "behind"])
COMMANDS = st.one_of(
    st.builds(lambda n, p: {"do": "move", "regions": [n], "place": p}, NAMES, PLACES),
    st.builds(lambda n, d: {"do": "move", "regions": [n], "direction": d}, NAMES, st.sampled_from(["left", "up"])),
    st.builds(lambda r: {"do": "move", "regions": ["cat"], "relation": r, "others": ["rocket"]}, RELATIONS),
    st.builds(lambda n, f: {"do": "resize", "regions": [n], "factor": f}, NAMES, st.floats(0.1, 5)),
    st.builds(
        lambda c, p, s: {"do": "add", "name": "star", "high_level": "star", "low_level": "", "count": c, "place": p,
                         "size": s},
        st.integers(0, 6), st.one_of(st.none(), PLACES), st.floats(0.1, 3),
    ),
    st.builds(
        lambda r, s: {"do": "add", "name": "bird", "high_level": "bird", "low_level": "", "relation": r,
                      "others": ["cat"], "size": s},
        RELATIONS, st.floats(0.1, 3),
    ),
)  # fmt: skip


@given(st.lists(COMMANDS, min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_any_commands_leave_a_valid_plan_and_say_what_is_hidden(commands: list[dict[str, Any]]) -> None:
    result = done(*commands)
    if result.plan is not None:
        ScenePlan.model_validate(result.plan.model_dump())
        hidden = [name for name, share in visible_shares(result.plan).items() if not share]
        assert all(any(name in note for note in result.notes) for name in hidden)
