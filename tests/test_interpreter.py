"""What the grammar takes a message for: a table of messages, and what becomes of the plan."""

import pytest

from ditpipe import Box, LeveledPrompt, Region, ScenePlan
from ditpipe.agent.chat.chat_state import ChatState
from ditpipe.agent.chat.grammar.interpreter import GrammarInterpreter
from ditpipe.prompts.answers.chat_schema import Understanding
from ditpipe.prompts.answers.planner_schema import PlannedObject, PlannerAnswer, plan_from_answer
from ditpipe.prompts.critique import Critique, RegionScore
from ditpipe.prompts.prompt_style import background_of
from ditpipe.prompts.revision import Revision


def thing(subject: str, colour: str, position: str, detail: str = "") -> PlannedObject:
    return PlannedObject.model_validate({"subject": subject, "colour": colour, "position": position, "detail": detail})


def plan_with(*things: PlannedObject, background: str = "at night") -> ScenePlan:
    answer = PlannerAnswer(objects=list(things), background=background, mood="soft")
    return plan_from_answer(answer, width=96, height=96)


ORANGE = "an orange cat on the left and a blue rocket on the right at night"
PLAN = plan_with(thing("cat", "red", "left"), thing("rocket", "blue", "right"))
CATS = plan_with(thing("cat", "red", "left"), thing("cat", "blue", "right"), thing("bird", "white", "top"))
SEEN = Critique(
    score=0.9,
    regions=[
        RegionScore(name="cat", score=0.97, seen="red cat"),
        RegionScore(name="rocket", score=0.8, seen="blue car"),
    ],
)


def spelt(words: str) -> PlannerAnswer:
    """A planner that takes the last word for the thing and the one before for its colour."""
    *before, noun = words.removesuffix(" at sunset").split()
    colour = before[-1] if before and before[-1] in ("green", "yellow", "blue") else "yellow"
    return PlannerAnswer(objects=[thing(noun, colour, "center")], background="", mood="a mood")


def command_of(message: str, plan: ScenePlan | None = PLAN, **known: object) -> Understanding:
    state = ChatState(**({"plan": plan, "critique": SEEN, "candidates": 1} | known))  # type: ignore[arg-type]
    return GrammarInterpreter(spelt).interpret(message, state)


def after(message: str, plan: ScenePlan = PLAN, **known: object) -> ScenePlan:
    one = command_of(message, plan, **known)
    assert one.kind == "change" and one.plan, one
    return one.plan


def revision_of(one: Understanding, plan: ScenePlan = PLAN) -> Revision | None:
    return Revision.between(plan, one.plan) if one.plan else None


@pytest.mark.parametrize(
    "message, scene",
    [
        ("make the cat orange", ORANGE),
        ("Make the cat on the left orange, please!", ORANGE),
        ("the cat should be orange", ORANGE),
        ("orange cat", ORANGE),
        ("could the cat be orange?", ORANGE),
        ("change the colour of the left one to orange", ORANGE),
        ("paint the red one dark green", "a dark green cat on the left and a blue rocket on the right at night"),
        ("make both pink", "a pink cat on the left and a pink rocket on the right at night"),
        (
            "make the cat orange and the rocket green",
            "an orange cat on the left and a green rocket on the right at night",
        ),
        ("swap the two", "a red cat on the right and a blue rocket on the left at night"),
        ("swpa the cat and the rocket", "a red cat on the right and a blue rocket on the left at night"),
        ("move the cat to the right", "a red cat on the right and a blue rocket on the left at night"),
        ("put the cat right of the rocket", "a red cat on the right and a blue rocket on the left at night"),
        ("move the rocket to the top right", "a red cat on the left and a blue rocket at the top right at night"),
        ("put the cat at the bottom", "a red cat at the bottom left and a blue rocket on the right at night"),
        ("remove the rocket", "a red cat on the left at night"),
        ("get rid of the blue one", "a red cat on the left at night"),
        ("the cat should be smaller", "a small red cat on the left and a blue rocket on the right at night"),
        ("can you make the rocket larger?", "a red cat on the left and a big blue rocket on the right at night"),
        (
            "add a small moon at the top right",
            "a red cat on the left, a blue rocket at the bottom right and a yellow moon at the top right at night",
        ),
        ("put a star between the cat and the rocket",
         "a red cat on the left, a blue rocket on the right and a yellow star in the center at night"),
        ("same but at sunset", "a red cat on the left and a blue rocket on the right at sunset"),
        ("make it on the beach", "a red cat on the left and a blue rocket on the right on the beach"),
        ("change the background to a forest", "a red cat on the left and a blue rocket on the right in a forest"),
    ],
)  # fmt: skip
def test_a_change_is_told_in_the_scene_prompt(message: str, scene: str) -> None:
    assert after(message).scene.high_level == scene


@pytest.mark.parametrize(
    "message, only",
    [("make the cat orange", {"cat"}), ("remove the rocket", {"rocket"}), ("swap them", {"cat", "rocket"}),
     ("make the cat striped", {"cat"}), ("draw the cat again", {"cat"}), ("give the cat a hat", {"cat"})],
)  # fmt: skip
def test_only_what_is_named_changes(message: str, only: set[str]) -> None:
    one = command_of(message)
    revision = revision_of(one)
    assert revision and set(revision.names) == only and not one.whole


@pytest.mark.parametrize("message", [
    "same but at sunset", "make it spooky", "underwater", "in the snow please", "in watercolour style",
    "make it an oil painting", "as a flat illustration please",
])  # fmt: skip
def test_another_place_or_mood_draws_everything_from_the_same_seeds(message: str) -> None:
    one = command_of(message)
    assert (one.kind, one.whole, one.fresh) == ("change", True, False)


@pytest.mark.parametrize("message", ["add a painting", "add a small drawing", "change the style"])
def test_a_thing_or_a_bare_style_is_no_drawing_style(message: str) -> None:
    revision = revision_of(command_of(message))
    assert revision is None or revision.scene is None or "soft" == revision.scene.low_level


def test_another_drawing_style_takes_the_place_of_the_first() -> None:
    first = revision_of(command_of("in watercolour style"))
    assert first and first.scene and first.scene.low_level == "soft, watercolour style"


@pytest.mark.parametrize("message", ["try again", "another one", "redraw it"])
def test_another_try_is_from_new_noise(message: str) -> None:
    one = command_of(message)
    assert (one.kind, one.whole, one.fresh, one.plan) == ("change", True, True, PLAN)


@pytest.mark.parametrize(
    "message, kind, steps",
    [("undo", "undo", 1), ("go back two", "undo", 2), ("back 3 steps", "undo", 3), ("undo that", "undo", 1),
     ("undo the undo", "redo", 0), ("redo", "redo", 1), ("forward 2", "redo", 2)],
)  # fmt: skip
def test_back_and_forward(message: str, kind: str, steps: int) -> None:
    one = command_of(message)
    assert (one.kind, one.steps) == (kind, steps)


@pytest.mark.parametrize("message", ["perfect", "Yes, that's great!", "I like it", "ok", "thanks, looks good"])
def test_content(message: str) -> None:
    assert command_of(message).kind == "accept"


@pytest.mark.parametrize(
    "message, choice", [("I like the second one", 2), ("number 3", 3), ("the last one", 4), ("1", 1)]
)
def test_a_candidate_is_chosen(message: str, choice: int) -> None:
    one = command_of(message, candidates=4)
    assert (one.kind, one.number) == ("choose", choice)
    assert command_of("the second one", candidates=1).kind == "unclear"


@pytest.mark.parametrize(
    "message, answer",
    [
        ("what is in the corner?", "A red cat (seen: red cat, 0.97) and a blue rocket (seen: blue car, 0.80)."),
        ("what's on the left?", "A red cat (seen: red cat, 0.97)."),
        ("where is the rocket?", "The blue rocket is on the right."),
        ("is there a dog?", "No; I see a red cat (left) and a blue rocket (right)."),
        ("how many cats are there?", "1 of 2 things: a red cat (left) and a blue rocket (right)."),
        ("how good is it?", "0.90 of 1. Everything shows what was asked."),
    ],
)
def test_questions_are_answered_from_plan_and_critique(message: str, answer: str) -> None:
    one = command_of(message)
    assert (one.kind, one.reply) == ("question", answer)


def test_what_was_not_judged_is_said_to_be_so() -> None:
    cat = RegionScore(name="cat", score=None, seen="blue car", problem="cannot judge 'cat'")
    blind = Critique(score=None, regions=[cat])
    assert command_of("what's on the left?", critique=blind).reply == "A red cat (not judged)."
    assert command_of("how good is it?", critique=blind).reply == "Not judged. cat: cannot judge 'cat'."


@pytest.mark.parametrize("message", ["no", "Nope, don't", "cancel", "stop", "No, thanks.", "please don’t draw it"])
def test_a_no_takes_the_plan_that_waits_back(message: str) -> None:
    one = command_of(message, waiting=True)
    assert (one.kind, one.steps) == ("undo", 1)
    assert command_of(message).kind != "undo"


def test_a_no_with_a_change_is_that_change() -> None:
    assert command_of("no, make the cat green", waiting=True).kind == "change"


@pytest.mark.parametrize(
    "message, light",
    [("make the background darker", "dark"), ("the scene should be a bit brighter", "bright"),
     ("make the whole picture much warmer", "warm")],
)  # fmt: skip
def test_a_comparative_changes_the_light_and_not_the_place(message: str, light: str) -> None:
    one = command_of(message)
    lit = one.plan
    assert one.whole and lit and lit.regions == PLAN.regions
    assert lit.scene == LeveledPrompt(high_level=PLAN.scene.high_level, low_level=f"{light} light, soft")
    assert command_of(message, lit).reply == f"The light is {light} already."
    assert after("make the background colder", lit).scene.low_level == "cold light, soft"


@pytest.mark.parametrize(
    "message, gone",
    [("keep only the blue cat", ["cat", "bird"]), ("remove everything but the bird", ["cat", "cat 2"]),
     ("only keep the red cat and the bird", ["cat 2"]), ("delete all but the left cat", ["cat 2", "bird"]),
     ("remove both cats but the red one", ["cat 2"])],
)  # fmt: skip
def test_all_but_some_are_removed(message: str, gone: list[str]) -> None:
    revision = revision_of(command_of(message, CATS), CATS)
    assert revision and revision.removed == gone and not revision.changes


@pytest.mark.parametrize(
    "message, brief",
    [("start over: a green turtle", "a green turtle"), ("New picture: two Owls in Paris", "two Owls in Paris"),
     ("forget it, paint a dog", "a dog"), ("new picture of a dog", "a dog")],
)  # fmt: skip
def test_a_new_brief_is_said_so(message: str, brief: str) -> None:
    one = command_of(message)
    assert (one.kind, one.brief) == ("new brief", brief)


@pytest.mark.parametrize(
    "message, asks",
    [
        ("asdf qwer", "I did not understand that. I see a red cat (left) and a blue rocket (right)"),
        ("remove the robot", "There is no 'robot' here"),
        ("make the dog blue", "There is no 'dog' here"),
        ("remove the green cat", "There is no 'green cat' here"),
        ("make the cat fly", "I do not know how to make the cat 'fly'"),
        ("bigger", "Which one shall be bigger"),
        ("make it orange", "What do you mean by 'it'"),
        ("a green turtle", "Shall I add that, or is it a new picture?"),
        ("remove both", "Then nothing would be left"),
        ("make it night", "It is at night already"),
        ("start over", "What should the new picture show?"),
    ],
)
def test_what_is_unclear_is_asked_and_never_guessed(message: str, asks: str) -> None:
    one = command_of(message)
    assert one.kind == "unclear" and one.reply.startswith(asks), one


def test_one_of_several_is_named_by_colour_place_or_order() -> None:
    question = "Which one do you mean: a red cat (left) or a blue cat (right)?"
    assert command_of("make the cat green", CATS).reply == question
    for message in ("make the blue cat green", "make the cat on the right green", "make the second cat green"):
        revision = revision_of(command_of(message, CATS), CATS)
        assert revision and revision.names == ["cat 2"], message
    both = revision_of(command_of("make both cats green", CATS), CATS)
    assert both and both.names == ["cat", "cat 2"]


def test_it_is_what_was_changed_last() -> None:
    revision = revision_of(command_of("make it orange", touched=("rocket",)))
    assert revision and revision.names == ["rocket"]


def test_the_answer_to_a_question_back_completes_the_message() -> None:
    for asked in ("make it orange", "bigger"):
        revision = revision_of(command_of("the rocket", unclear_message=asked))
        assert revision and "rocket" in revision.names, asked
    assert command_of("a dog on a chair", unclear_message="start over").brief == "a dog on a chair"
    plan = after("add it", unclear_message="a green turtle")
    assert [region.name for region in plan.regions] == ["cat", "rocket", "turtle"]
    assert command_of("new picture", unclear_message="a green turtle").brief == "a green turtle"


def test_without_a_picture_everything_that_can_be_drawn_is_a_brief() -> None:
    assert command_of("Paint me a red cat, please", None).brief == "a red cat, please"
    for message in ("hello", "undo", "what is there?"):
        assert command_of(message, None).kind == "unclear"


def test_what_makes_room_keeps_its_look_and_says_its_new_place() -> None:
    changed = after("add a moon at the top right")
    rocket, moon = changed.region("rocket"), changed.region("moon")
    assert rocket.prompt == LeveledPrompt(high_level="rocket at the bottom right", low_level="blue")
    assert not rocket.box.overlap(moon.box) and changed.region("cat") == PLAN.region("cat")


def test_a_scene_prompt_in_other_words_is_changed_word_by_word() -> None:
    scene = LeveledPrompt(high_level="Deep in a forest sleeps a red cat, and a blue rocket stands by")
    plan = PLAN.model_copy(update={"scene": scene})
    assert background_of(plan) is None
    changed = after("make the cat orange", plan)
    assert changed.scene.high_level == "Deep in a forest sleeps an orange cat, and a blue rocket stands by"
    assert command_of("same but at sunset", plan).kind == "unclear"


def test_boxes_stay_on_the_canvas() -> None:
    plan = plan_with(thing("cat", "red", "center"))
    for message in ("bigger", "smaller", "move it up", "move it to the top left", "move the cat a bit to the right"):
        for region in after(message, plan).regions:
            assert Box.model_validate(region.box.model_dump()) == region.box


def test_thirty_two_regions_are_the_most() -> None:
    many = plan_with(*(thing("star", "yellow", "top") for _ in range(32)))
    assert "room for 32" in command_of("add a moon", many).reply


def test_regions_without_colours_or_places_can_be_named() -> None:
    region = Region(
        name="old house", box=Box(left=0, top=0, right=1, bottom=1), prompt=LeveledPrompt(high_level="old house")
    )
    plan = ScenePlan(scene=LeveledPrompt(high_level="a street"), regions=[region])
    assert after("make the house red", plan).region("old house").prompt.low_level == "red"
