"""What commands make of a plan: pure functions, read like the sentences they stand for."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ditpipe.agent.chat.commands.executor import execute, with_names
from ditpipe.agent.chat.commands.looks import relooked, without_colour
from ditpipe.agent.chat.commands.rearrange import is_at, is_related
from ditpipe.agent.chat.commands.room import drawable, visible_shares
from ditpipe.prompts.answers.chat_answer import ChatAnswer, Relation
from ditpipe.prompts.answers.chat_schema import Understanding
from ditpipe.prompts.layout.places import Place, box_within, grid
from ditpipe.prompts.plan import Box, LeveledPrompt, Region, ScenePlan
from ditpipe.prompts.prompt_style import place_of

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

PLANS = {
    name: ScenePlan.model_validate(plan)
    for name, plan in json.loads((BENCHMARKS / "chat_plans.json").read_text(encoding="utf-8")).items()
}
CAT_ROCKET = PLANS["cat-rocket"]


def done(*commands: dict[str, Any], plan: ScenePlan | None = CAT_ROCKET, token: int = 16, **more: Any) -> Understanding:
    return execute(ChatAnswer.model_validate({"commands": list(commands), **more}), plan, seed=7, token=token)


def changed(*commands: dict[str, Any], plan: ScenePlan = CAT_ROCKET, **more: Any) -> ScenePlan:
    result = done(*commands, plan=plan, **more)
    assert result.kind == "change", result.reply
    assert result.plan is not None
    return result.plan


def test_a_new_look_leaves_everything_else() -> None:
    plan = changed({"do": "look", "regions": ["cat"], "low_level": "white"})
    assert plan.region("cat").prompt.low_level == "white" and plan.region("rocket") == CAT_ROCKET.region("rocket")
    assert "white cat" in plan.scene.high_level and "red" not in plan.scene.high_level


@pytest.mark.parametrize(
    ("names", "text", "left", "reply"),
    [
        (("猫", "熊猫"), "窗边有一只熊猫和一只猫", "窗边有一只熊猫和一只", "I removed the 猫."),
        (("猫", "熊猫"), "窗边有一只熊猫", "窗边有一只熊猫", "I removed the 猫."),
        (("cat", "cat toy"), "A cat toy and a cat lie on a rug", "A cat toy lie on a rug", "I removed the cat."),
    ],
)  # fmt: skip
def test_a_name_inside_anothers_is_left_alone(names: tuple[str, str], text: str, left: str, reply: str) -> None:
    regions = [
        Region(name=name, box=box, prompt=LeveledPrompt(high_level=name))
        for name, box in zip(names, grid(2, 1), strict=True)
    ]
    plan = ScenePlan(scene=LeveledPrompt(high_level=text), regions=regions)
    result = done({"do": "remove", "regions": [names[0]]}, plan=plan)
    assert result.plan and (result.plan.scene.high_level, result.reply) == (left, reply)


def test_a_suggestion_names_another_thing_in_the_same_words() -> None:
    assert with_names("make the cathedral's cat red", "cat", ["dog"]) == ("make the cathedral's dog red",)
    assert with_names("熊变红", "熊", ["猫", "狗"]) == ("猫变红", "狗变红")
    assert with_names("熊猫变红", "猫", ["熊猫"]) == ("熊猫",)
    assert with_names("the cathedral", "cat", ["dog"]) == ("dog",)


def test_two_wishes_in_one_message() -> None:
    plan = changed({"do": "look", "regions": ["cat"], "low_level": "white"}, {"do": "remove", "regions": ["rocket"]})
    assert [region.name for region in plan.regions] == ["cat"]


def test_a_name_that_is_not_there_is_a_question_and_nothing_is_guessed() -> None:
    result = done({"do": "look", "regions": ["elephant"], "low_level": "pink"})
    assert result.kind == "unclear" and result.plan is None
    assert result.reply == "There is no 'elephant' here; I see cat and rocket. Which one do you mean?"
    forest = ScenePlan(scene=LeveledPrompt(high_level="a foggy forest"), regions=[])
    assert done({"do": "remove", "regions": ["fox"]}, plan=forest).reply == (
        "There is no 'fox' here; I see a foggy forest. What should be different?"
    )


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


def test_what_is_in_a_corner_and_is_to_be_at_its_edge_or_above_something_goes_to_the_middle() -> None:
    bottom = done({"do": "move", "regions": ["crab"], "place": "bottom"}, plan=PLANS["beach"])
    assert bottom.plan and bottom.plan.region("crab").box.centre[0] == pytest.approx(0.5, abs=0.05)
    assert bottom.reply.startswith("I moved the crab (bottom)")
    over = changed({"do": "move", "regions": ["owl"], "relation": "above", "others": ["castle"]}, plan=PLANS["castle"])
    assert over.region("owl").box.centre[0] == pytest.approx(0.5, abs=0.05)
    again = done({"do": "move", "regions": ["owl"], "relation": "above", "others": ["castle"]}, plan=over)
    assert again.reply.startswith("The owl is there already")


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


def test_a_new_style_takes_the_place_of_the_one_that_the_scene_names() -> None:
    plan = changed({"do": "scene", "style": "pixel art"}, plan=PLANS["dragon"])
    assert (plan.style, plan.scene.high_level) == (
        "pixel art", "A knight faces a dragon before a ruined castle at dusk.",
    )  # fmt: skip
    assert plan.scene.low_level == PLANS["dragon"].scene.low_level


def test_the_scene_names_what_is_there_whichever_of_several_commands_words_it() -> None:
    meadow, night = PLANS["meadow"], {"do": "scene", "high_level": "a white dog and a green tree on a meadow at night"}
    moon = {"do": "add", "name": "moon", "high_level": "moon", "low_level": "yellow", "place": "top right"}
    gone = {"do": "remove", "regions": ["sun"]}
    assert "moon" in changed(gone, night, moon, plan=meadow).scene.high_level
    rows = changed({"do": "look", "regions": ["dog"], "low_level": "black"}, gone, plan=meadow).scene.high_level
    assert rows == "a black dog on the left and a green tree in the center on a meadow"


def test_redraws_take_new_noise_for_what_is_named_or_for_all() -> None:
    assert changed({"do": "redraw", "regions": ["cat"]}).region("cat").seed == 7
    everything = done({"do": "redraw", "regions": []})
    assert everything.fresh and everything.plan == CAT_ROCKET


def test_everything_may_go() -> None:
    assert changed({"do": "remove", "regions": ["cat", "rocket"]}).regions == []


def test_keeping_one_removes_the_others() -> None:
    assert [r.name for r in changed({"do": "keep only", "regions": ["tree"]}, plan=PLANS["meadow"]).regions] == ["tree"]


@pytest.mark.parametrize("relation", ["left of", "right of", "next to", "above", "below"])
def test_several_that_go_beside_another_keep_their_sizes_where_there_is_room(relation: Relation) -> None:
    boxes = {"tree": (0.0, 0.4, 0.3, 0.7), "cat": (0.4, 0.1, 0.65, 0.35), "dog": (0.7, 0.1, 0.9, 0.35)}
    regions = [
        Region(
            name=name, box=Box(left=left, top=top, right=right, bottom=bottom), prompt=LeveledPrompt(high_level=name)
        )
        for name, (left, top, right, bottom) in boxes.items()
    ]
    before = ScenePlan(scene=LeveledPrompt(high_level="a meadow"), regions=regions)
    move = {"do": "move", "regions": ["cat", "dog"], "relation": relation, "others": ["tree"]}
    plan = changed(move, plan=before)
    for name in ("cat", "dog"):
        assert plan.region(name).box.area == pytest.approx(before.region(name).box.area, rel=0.01)
        assert is_related(plan, name, relation, ["tree"])
    assert plan.region("cat").box.overlap(plan.region("dog").box) == pytest.approx(0)


def test_what_was_not_understood_is_said_beside_what_was_done() -> None:
    result = done({"do": "look", "regions": ["cat"], "low_level": "white"}, not_done=["more bokeh"])
    assert result.kind == "change" and result.notes == ("I did not understand 'more bokeh'",)


def test_a_change_beside_an_undo_is_not_done_in_silence() -> None:
    result = done({"do": "undo", "steps": 1}, {"do": "remove", "regions": ["cat"]})
    assert result.kind == "undo" and result.notes == ("not done beside it: remove (cat); say that again",)


LOOK = {"do": "look", "regions": ["cat"], "low_level": "white"}
ANSWER = {"do": "answer", "reply": "There are two."}
PREVIOUS = CAT_ROCKET.model_copy(update={"style": "pixel art"})


@pytest.mark.parametrize(
    ("commands", "kind", "reply"),
    [
        ([ANSWER, LOOK], "change", "I changed the cat (white). There are two."),
        ([{"do": "accept"}, LOOK], "change", "I changed the cat (white)."),
        ([{"do": "accept"}, {"do": "undo"}], "undo", ""),
        ([{"do": "undo"}, {"do": "new brief", "brief": "an owl"}], "new brief", ""),
        ([{"do": "undo"}, LOOK], "change", "I changed the cat (white)."),
        ([LOOK | {"low_level": "", "high_level": "a dog"}], "change", "I changed the cat (a dog)."),
        ([LOOK, {"do": "ask", "reply": "Do what?"}], "unclear", "Do what?"),
    ],
)
def test_praise_questions_and_an_undo_beside_a_change(commands: list[dict[str, Any]], kind: str, reply: str) -> None:
    answer = ChatAnswer.model_validate({"commands": commands})
    result = execute(answer, CAT_ROCKET, previous=PREVIOUS)
    assert (result.kind, result.reply) == (kind, reply)
    if commands[0]["do"] == "undo" and kind == "change":
        assert result.plan and result.plan.style == "pixel art"


def test_no_change_at_all_is_asked_about() -> None:
    assert done({"do": "look", "regions": ["cat"], "low_level": "red"}).reply == (
        "The cat is like that already. What should be different?"
    )
    assert done().kind == "unclear" and done(plan=None).kind == "unclear"


def test_a_question_back_carries_its_suggestions() -> None:
    result = done({"do": "ask", "reply": "Which cat?", "suggestions": ["the left one", "the right one"]})
    assert (result.kind, result.reply) == ("unclear", "Which cat?")
    assert result.suggestions == ("the left one", "the right one")


def test_another_relation_needs_something_to_be_related_to() -> None:
    bird = {"do": "add", "name": "bird", "high_level": "bird", "low_level": ""}
    for command, question in (
        (bird | {"relation": "between", "others": ["cat"]}, "Between the cat and what"),
        (bird | {"relation": "above", "others": []}, "Which one do you mean"),
        (bird | {"relation": "above", "others": ["dog"]}, "There is no 'dog' here"),
        (
            {"do": "move", "regions": ["cat"], "relation": "left of", "others": ["cat"]},
            "What should the cat be left of",
        ),
        ({"do": "move", "regions": ["cat"]}, "Where should the cat be?"),
        ({"do": "keep only", "regions": []}, "Which one do you mean"),
        ({"do": "swap", "first": "cat", "second": "cat", "what": "places"}, "What should cat change with"),
    ):
        result = done(command)
        assert result.kind == "unclear" and result.reply.startswith(question), result.reply


def test_one_wish_that_cannot_be_carried_out_leaves_the_others_undone_and_asks() -> None:
    result = done({"do": "look", "regions": ["cat"], "low_level": "white"}, {"do": "remove", "regions": ["elephant"]})
    assert (result.kind, result.plan) == ("unclear", None)


def test_five_more_stars_are_five_names() -> None:
    five = {"do": "add", "name": "star", "high_level": "star", "low_level": "yellow", "count": 5}
    plan = changed(five, plan=PLANS["two-cats"])
    assert [r.name for r in plan.regions] == ["cat", "cat 2", "star", *(f"star {number}" for number in range(2, 7))]
    assert min(visible_shares(plan).values()) > 0.3
    result = done(five | {"count": 40}, plan=PLANS["two-cats"])
    assert "16 star were added, not 40" in result.notes[0]


def test_a_full_plan_takes_no_more() -> None:
    plan = PLANS["cat-rocket"]
    star = {"do": "add", "name": "star", "high_level": "star", "low_level": "", "count": 16, "size": 0.3}
    full = changed(star, star | {"count": 14}, plan=plan)
    assert len(full.regions) == 32
    assert done(star, plan=full).reply.startswith("There is no room for more: a picture has at most 32 regions")


@pytest.mark.parametrize("plan", ["cat-rocket", "fruit", "mushrooms", "castle"])
def test_where_the_canvas_is_full_others_make_room_and_all_is_seen(plan: str) -> None:
    for place in (None, "center", "top right"):
        moon = {"do": "add", "name": "moon", "high_level": "moon", "low_level": "white", "place": place}
        shares = visible_shares(changed(moon, plan=PLANS[plan]))
        assert min(shares.values()) > 0.3, (place, shares)


def test_a_name_that_is_taken_gets_a_number_and_numbers_are_names() -> None:
    grey = {"do": "add", "name": "cat", "high_level": "cat", "low_level": "grey"}
    plan = changed(grey, {"do": "remove", "regions": ["cat 2"]}, plan=PLANS["two-cats"])
    assert [r.name for r in plan.regions] == ["cat", "star", "cat 3"]
    rabbits = {"do": "replace", "regions": ["cat", "cat 2"], "name": "rabbit", "high_level": "rabbit", "low_level": ""}
    assert [r.name for r in changed(rabbits, plan=PLANS["two-cats"]).regions] == ["rabbit", "rabbit 2", "star"]


def test_what_is_added_can_be_moved_in_the_same_message() -> None:
    dog = {"do": "add", "name": "dog", "high_level": "dog", "low_level": "white"}
    result = done(dog, {"do": "move", "regions": ["dog"], "relation": "left of", "others": ["cat"]})
    assert result.plan and result.touched == ("dog",)
    assert result.plan.region("dog").box.centre[0] < result.plan.region("cat").box.centre[0]


def test_at_the_edge_a_thing_goes_no_further_and_that_is_said() -> None:
    left = {"do": "move", "regions": ["knight"], "direction": "left"}
    plan = changed(left, plan=PLANS["dragon"])
    assert plan.region("knight").box.left == 0
    assert done(left, plan=plan).reply == "The knight cannot go further left. What should be different?"
    beside = done(left, {"do": "look", "regions": ["dragon"], "low_level": "red"}, plan=plan)
    assert beside.reply == "I changed the dragon (red). The knight cannot go further left."


def test_what_was_replaced_in_the_same_message_may_go_by_its_old_name() -> None:
    dog = {"do": "replace", "regions": ["cat"], "name": "dog", "high_level": "dog", "low_level": "red"}
    plan = changed(dog, {"do": "resize", "regions": ["cat"], "factor": 0.5})
    assert plan.region("dog").box.area == pytest.approx(CAT_ROCKET.region("cat").box.area / 4, rel=0.01)


def test_several_that_grow_do_not_take_each_others_room() -> None:
    both = {"do": "resize", "regions": ["cat", "rocket"], "factor": 1.4}
    assert done(both).reply.startswith("The cat and rocket are as large as the picture allows.")
    small = changed({"do": "resize", "regions": ["cat", "rocket"], "factor": 0.5})
    grown = changed(both, plan=small)
    for name in ("cat", "rocket"):
        assert grown.region(name).box.area == pytest.approx(1.96 * small.region(name).box.area, rel=0.02)


def test_the_size_that_the_canvas_does_not_allow_is_said() -> None:
    result = done({"do": "resize", "regions": ["moon"], "factor": 9}, plan=PLANS["castle"])
    assert result.notes == ("the moon is as large as the picture allows",)
    assert done({"do": "resize", "regions": ["robot"], "factor": 2}, plan=PLANS["robot"]).reply.startswith(
        "The robot is as large as the picture allows."
    )


def test_things_of_unlike_size_change_places_and_keep_their_sizes() -> None:
    before = PLANS["castle"]
    after = changed({"do": "swap", "first": "castle", "second": "moon", "what": "places"}, plan=before)
    for name in ("castle", "moon"):
        assert after.region(name).box.area == pytest.approx(before.region(name).box.area, rel=0.01)
    assert after.region("castle").box.centre[0] > 0.5 > after.region("castle").box.centre[1]
    large = changed({"do": "resize", "regions": ["cat"], "factor": 1.4})
    stacked = changed({"do": "swap", "first": "cat", "second": "rocket", "what": "places"}, plan=large)
    assert min(visible_shares(stacked).values()) == 1


def test_lettering_stands_beside_a_look_and_goes_again() -> None:
    red = {"do": "look", "regions": ["rocket"], "low_level": "red", "lettering": "TO THE MOON"}
    plan = changed(red)
    assert (plan.region("rocket").lettering, plan.region("rocket").prompt.low_level) == ("TO THE MOON", "red")
    only = {"do": "look", "regions": ["rocket"], "low_level": "", "lettering": ""}
    result = done(only, plan=plan)
    assert result.plan and (result.plan.region("rocket").prompt.low_level, result.plan.region("rocket").lettering) == (
        "red", "",
    )  # fmt: skip
    assert result.reply == "I took the text off the rocket."


def test_the_reply_says_what_was_done() -> None:
    moon = {"do": "add", "name": "moon", "high_level": "moon", "low_level": "white", "place": "top right"}
    gone = {"do": "remove", "regions": ["cat"]}
    assert done(moon, gone).reply == "I added a white moon (top right), removed the cat and let the rocket make room."
    style = {"do": "scene", "style": "pixel art", "negative": "people", "width": 1280, "height": 720}
    assert done(style).reply == "I made the picture 1280×720, changed the style (pixel art) and excluded people."
    assert done({"do": "redraw", "regions": []}).reply == "I took new noise for all of it."


def test_a_size_is_made_one_that_the_models_tokens_fill() -> None:
    plan = CAT_ROCKET.model_copy(update={"width": 256, "height": 256})
    sizes: list[tuple[dict[str, Any], tuple[int, int], tuple[str, ...]]] = [
        ({"width": 1280, "height": 720}, (1280, 704), ("the size 1280×720 was made 1280×704",)),
        ({"aspect": "16:9"}, (352, 192), ()),
    ]
    for fields, size, notes in sizes:
        answer = ChatAnswer.model_validate({"commands": [{"do": "scene", **fields}]})
        result = execute(answer, plan, token=32)
        assert result.plan and (result.plan.size, result.notes) == (size, notes)


MASKED = CAT_ROCKET.model_copy(
    update={"width": 256, "height": 256, "regions": [
        CAT_ROCKET.region("cat").model_copy(update={"mask": "iVBORw0KGgo", "lettering": "CAT"}),
        CAT_ROCKET.region("rocket"),
    ]}
)  # fmt: skip
CASTLE = PLANS["castle"]


def test_what_an_undo_beside_a_change_takes_back_is_drawn_anew_where_it_was_everywhere() -> None:
    white = {"do": "look", "regions": ["cat"], "low_level": "white"}
    snow = changed({"do": "scene", "high_level": "a red cat on the left and a blue rocket on the right in the snow"})
    orange = changed({"do": "look", "regions": ["cat"], "low_level": "orange"})
    answer = ChatAnswer.model_validate({"commands": [{"do": "undo"}, white]})
    for now, whole in ((snow, True), (orange, False)):
        result = execute(answer, now, token=16, previous=CAT_ROCKET)
        assert result.kind == "change" and result.whole is whole
        assert result.plan and result.plan.region("cat").prompt.low_level == "white"
        assert "snow" not in result.plan.scene.high_level


def test_a_change_beside_a_question_back_is_said_not_to_be_done() -> None:
    result = done({"do": "look", "regions": ["cat"], "low_level": "white"}, {"do": "ask", "reply": "Which?"})
    assert result.kind == "unclear" and result.notes == ("not done beside it: look (cat); say that again",)
    assert not done({"do": "ask", "reply": "Which?"}, {"do": "ask", "reply": "What?"}).notes


def test_a_look_of_nothing_is_a_question() -> None:
    assert done({"do": "look", "regions": [], "low_level": "white"}).reply == "Which one do you mean: cat or rocket?"


def test_two_shapes_over_the_whole_picture_do_not_hide_each_other() -> None:
    regions = [r.model_copy(update={"mask": "iVBORw0KGgo", "box": MASKED.regions[0].box}) for r in MASKED.regions]
    plan = MASKED.model_copy(update={"regions": regions})
    assert changed({"do": "look", "regions": ["cat"], "low_level": "white"}, plan=plan) != plan


@pytest.mark.parametrize(
    ("plan", "command", "reply"),
    [
        (CASTLE, {"do": "move", "regions": ["moon", "owl"], "relation": "behind", "others": ["castle"]},
         "put the moon and owl behind the castle"),
        (PLANS["dragon"], {"do": "move", "regions": ["knight", "castle"], "direction": "left"},
         "The castle cannot go further left."),
        (CASTLE, {"do": "replace", "regions": ["owl"], "name": "owl", "high_level": "eagle", "low_level": "brown"},
         "I changed the owl (eagle, brown)."),
        (CASTLE, {"do": "remove", "regions": ["owl"]}, "I removed the owl."),
        (PLANS["woman"], {"do": "remove", "regions": ["umbrella"]},
         "I removed the umbrella. The scene's text still names 'umbrella'."),
        (MASKED, {"do": "replace", "regions": ["cat"], "name": "dog", "high_level": "dog", "low_level": ""},
         "Gone with it: 'CAT' and its free shape."),
        (MASKED, {"do": "scene", "aspect": "2:1"}, "The cat lost the free shape, which does not go with"),
        (MASKED, {"do": "resize", "regions": ["cat"], "factor": 0.5}, "The cat lost the free shape, which does not go"),
    ],
)  # fmt: skip
def test_what_a_change_does_beside_what_was_asked_is_said(plan: ScenePlan, command: dict[str, Any], reply: str) -> None:
    assert reply in done(command, plan=plan).reply


def test_what_is_hidden_is_changed_only_where_it_can_be_seen() -> None:
    cat, rocket = CAT_ROCKET.regions
    before_it = rocket.model_copy(update={"box": cat.box})
    hidden = CAT_ROCKET.model_copy(update={"regions": [cat, before_it]})
    white = {"do": "look", "regions": ["cat"], "low_level": "white"}
    result = done(white, plan=hidden)
    assert (result.kind, result.reply) == ("unclear", "The cat is hidden by the rocket. What should be done?")
    assert result.suggestions == ("put the cat in front of the rocket", "remove the rocket")
    assert done(white, {"do": "remove", "regions": ["rocket"]}, plan=hidden).kind == "change"


def test_several_in_a_corner_are_all_in_it() -> None:
    plan = changed({"do": "move", "regions": ["apple", "banana", "carrot"], "place": "top right"}, plan=PLANS["fruit"])
    assert [place_of(plan.region(name).box) for name in ("apple", "banana", "carrot")] == ["top right"] * 3


PLACES = get_args(Place)
RELATIONS = [each for each in get_args(Relation) if each != "between"]
SIDES = st.floats(0.1, 0.7)
BOXES = st.builds(lambda x, y, w, h: box_within(x * (1 - w), y * (1 - h), w, h), SIDES, SIDES, SIDES, SIDES)
LAYOUTS = st.one_of(
    st.builds(lambda size: grid(*size), st.sampled_from([(1, 1), (2, 1), (3, 1), (1, 2), (2, 2), (3, 2), (3, 3)])),
    st.lists(BOXES, min_size=1, max_size=5),
)
THINGS = ("cat", "dog", "tree", "moon", "star", "bird", "house", "boat", "fish")


@st.composite
def plans_and_commands(draw: st.DrawFn) -> tuple[ScenePlan, dict[str, Any]]:
    """A plan of a grid or of boxes anywhere, and a command that puts one of its things, or a new one, elsewhere."""
    regions = [
        Region(name=name, box=box, prompt=LeveledPrompt(high_level=name, low_level="red"))
        for name, box in zip(THINGS, draw(LAYOUTS), strict=False)
    ]
    side = draw(st.sampled_from([None, 256]))  # 256 is 8×8 tokens, see below
    plan = ScenePlan(scene=LeveledPrompt(high_level="things in a park"), regions=regions, width=side, height=side)
    name, *others = draw(st.permutations([region.name for region in regions]))
    new = {"do": "add", "name": "robot", "high_level": "robot", "low_level": "", "count": draw(st.integers(1, 4))}
    size = draw(st.sampled_from([None, 0.6, 1.4]))
    commands = [
        new | {"size": size}, new | {"size": size, "place": draw(st.sampled_from(PLACES))},
        new | {"count": 1, "relation": draw(st.sampled_from(RELATIONS)), "others": [name]},
        {"do": "move", "regions": [name], "place": draw(st.sampled_from(PLACES))},
        {"do": "move", "regions": [name, *others[:1]], "direction": draw(st.sampled_from(["left", "up"]))},
        {"do": "resize", "regions": [name], "factor": draw(st.sampled_from([0.25, 0.5, 1.4, 2.0, 3.0]))},
        {"do": "scene", "aspect": "3:1"},
    ]  # fmt: skip
    beside = {"do": "move", "regions": [name], "relation": draw(st.sampled_from(RELATIONS)), "others": others[:1]}
    both = {"do": "move", "regions": [name, *others[:1]], "place": draw(st.sampled_from(PLACES))}
    swap = {"do": "swap", "first": name, "second": (others or [name])[0], "what": "places"}
    return plan, draw(st.sampled_from([*commands, beside, both, swap] if others else commands))


@given(plans_and_commands())
@settings(max_examples=120, deadline=None)
def test_whatever_is_put_elsewhere_is_there_and_what_was_seen_stays_seen_or_it_is_said(
    case: tuple[ScenePlan, dict[str, Any]],
) -> None:
    before, command = case
    token = 32 if before.width else 16
    result = done(command, plan=before, token=token)
    if result.plan is None:
        assert re.search(r"already|cannot go|allows|is hidden by", result.reply), result.reply
        return
    after, said = ScenePlan.model_validate(result.plan.model_dump()), " ".join(result.notes)
    assert result.reply.startswith("I "), result.reply
    assert drawable(after, token=token) == after
    names = [r.name for r in after.regions if r.name.startswith("robot")] or command.get("regions", [])
    other = [region.name for region in after.regions if region not in before.regions]
    assert all(name in result.reply for name in names if name in other), (command, result.reply)
    if command.get("place"):
        assert is_at(after, names, command["place"]) or "not quite at" in said, (command, said)
    if command["do"] == "swap":
        (x, y), (u, v) = (
            (one[0] - two[0], one[1] - two[1])
            for one, two in (
                [plan.region(command[each]).box.centre for each in ("first", "second")] for plan in (before, after)
            )
        )
        assert x * u + y * v < 0 or abs(x) + abs(y) < 0.01, (command, result.reply)
    assert [r.prompt for r in before.regions] == [r.prompt for r in after.regions if not r.name.startswith("robot")]
    if command.get("relation"):
        holds = is_related(after, names[0], command["relation"], command["others"])
        assert holds or "is not quite" in said, (command, said)
    if "factor" in command and not said:
        grown = after.region(names[0]).box.area / before.region(names[0]).box.area
        assert grown**0.5 == pytest.approx(command["factor"], rel=0.11)
    seen = visible_shares(before)
    hidden = [name for name, share in visible_shares(after).items() if share < 0.1 and seen.get(name, 1) > 0.2]
    assert all(re.search(rf"the {name} is \w+ hidden", said) for name in hidden), (command, hidden, said)


@pytest.mark.parametrize(
    ("low", "looks", "after"),
    [
        ("striped red", "orange", "striped orange"),
        ("red and cream, glowing headlights", "blue", "blue, glowing headlights"),
        ("dark red with white spots", "blue", "blue with white spots"),
        ("silver hair and a red hat, kind", "green", "green hair and a red hat, kind"),
        ("polished steel", "green", "green polished steel"),
        ("striped", "green", "striped green"),
        ("striped red", "dotted pale blue", "striped dotted pale blue"),
        ("silver hair, green raincoat, kind face", "wearing a red hat", "silver hair, green raincoat, kind face, "
         "wearing a red hat"),
        ("red, made of glass, with spots", "made of wood", "red, with spots, made of wood"),
        ("", "with spots", "with spots"),
    ],
)  # fmt: skip
def test_a_look_of_a_few_words_keeps_what_it_does_not_speak_of(low: str, looks: str, after: str) -> None:
    assert relooked(low, looks) == after


@pytest.mark.parametrize(
    ("high", "low", "after"),
    [
        ("red cat", "orange", "cat"),
        ("a red cat sitting on a red mat", "striped orange", "a cat sitting on a red mat"),
        ("A dark red and white owl in the tree", "blue", "An owl in the tree"),
        ("an orange on a plate", "green", "an orange on a plate"),
        ("the blue whale with a red hat", "made of glass", "the blue whale with a red hat"),
        ("green cat on the left", "pale yellow", "cat on the left"),
    ],
)
def test_a_new_colour_takes_the_place_of_the_one_in_the_subject(high: str, low: str, after: str) -> None:
    assert without_colour(high, low) == after


def test_a_colour_that_is_there_already_draws_nothing_again() -> None:
    box = {"left": 0, "top": 0, "right": 1, "bottom": 1}
    plan = ScenePlan.model_validate(
        {"scene": "a red cat", "regions": [{"name": "cat", "box": box, "prompt": "red cat"}]}
    )
    red, orange = (
        execute(
            ChatAnswer.model_validate(
                {
                    "commands": [
                        {"do": "look", "regions": ["cat"], "low_level": look}
                        | {"high_level": without_colour("red cat", look)}
                    ]
                }
            ),
            plan,
        )
        for look in ("red", "orange")
    )
    assert (red.kind, red.plan) == ("unclear", None) and "like that already" in red.reply
    assert orange.plan and orange.plan.scene.text == "an orange cat"
