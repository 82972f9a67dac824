"""What a checkpoint was trained to draw: read from beside its weights, asked in one place, said everywhere."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from planner_replies import region, short, whole
from scripted import scripted

from ditpipe import Agent
from ditpipe.agent.chat.replies import approval_question, turn_reply
from ditpipe.agent.chat.store import Turn
from ditpipe.agent.drawable import what_can_be_drawn
from ditpipe.agent.planning.omissions import omission_warnings
from ditpipe.agent.planning.planner import Planner
from ditpipe.prompts.answers.planner_schema import PlannedObject, PlannerAnswer, plan_from_answer
from ditpipe.prompts.critique import Critique, RegionScore
from ditpipe.prompts.errors import ModelError
from ditpipe.prompts.layout.places import Place
from ditpipe.prompts.plan import LeveledPrompt, ScenePlan
from ditpipe.prompts.revision import RegionChange, Revision
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS, POCKET
from ditpipe.renderer.checkpoints.vocabulary import Vocabulary, vocabulary_of


def thing(subject: str, colour: str, position: Place) -> PlannedObject:
    return PlannedObject(subject=subject, colour=colour, detail="", position=position)


def plan_with(*things: PlannedObject) -> ScenePlan:
    return plan_from_answer(PlannerAnswer(objects=list(things), background="at night", mood=""), width=128, height=128)


ASTRONAUT = plan_with(thing("astronaut", "white", "left"), thing("cat", "red", "right"))


@pytest.fixture(scope="module")
def pocket() -> Vocabulary:
    found = vocabulary_of(CHECKPOINTS["pocket"])
    assert found
    return found


def test_the_pocket_checkpoint_names_what_it_was_trained_on(pocket: Vocabulary) -> None:
    captions = pytest.importorskip("training.captions", reason="the training extra is not installed")
    assert json.loads((POCKET / "vocabulary.json").read_text()) == captions.vocabulary()
    critic = json.loads((POCKET / "critic" / "vocabulary.json").read_text())
    for kind, own in (("subjects", pocket.subjects), ("colours", pocket.colours)):
        assert {name: list(texts) for name, texts in own.items()} == critic[kind]
    assert pocket.summary.startswith("64 things: cat, dog,") and "8 colours: red," in pocket.summary


def test_published_models_and_folders_without_a_vocabulary_are_not_limited(tmp_path: Path) -> None:
    rows = [row for name, row in CHECKPOINTS.items() if name != "pocket"]
    assert [vocabulary_of(row) for row in [*rows, replace(rows[0], source=str(tmp_path))]] == [None] * (len(rows) + 1)
    agent = Agent(model="sdxl")
    assert agent.vocabulary_summary == ""


def test_a_folder_may_have_one_of_its_own_and_a_broken_one_is_said(tmp_path: Path) -> None:
    row = replace(CHECKPOINTS["pocket"], source=str(tmp_path))
    (tmp_path / "vocabulary.json").write_text('{"subjects": {"ox": ["ox"]}}')
    own = vocabulary_of(row)
    assert own and own.read("two oxes").of("subjects") == {"ox"}
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "vocabulary.json").write_text("[]")
    with pytest.raises(ModelError, match="vocabulary.json"):
        vocabulary_of(replace(row, source=str(broken)))


@pytest.mark.parametrize(
    ("text", "subjects", "unknown"),
    [
        ("a red cat and two kittens", {"cat"}, ()),
        ("three butterflies over leaves", {"butterfly", "leaf"}, ()),
        ("a palm tree, striped", {"palm"}, ()),
        ("a fisherman and cauliflower", set(), ("fisherman", "cauliflower")),
        ("an apple pie", set(), ("apple pie",)),
        ("a cat wearing a black hat", {"cat"}, ("wearing", "black hat")),
        ("Please paint me a picture of a cat on Mars!", {"cat"}, ("Mars",)),
        ("宇航员", set(), ("宇航员",)),
        ("", set(), ()),
    ],
)
def test_a_text_is_read_in_whole_words(
    pocket: Vocabulary, text: str, subjects: set[str], unknown: tuple[str, ...]
) -> None:
    reading = pocket.read(text)
    assert (reading.of("subjects"), reading.unknown) == (subjects, unknown)


def test_every_word_for_a_subject_is_read_as_that_subject(pocket: Vocabulary) -> None:
    for name, texts in pocket.subjects.items():
        assert all(pocket.read(f"a red {text}").of("subjects") == {name} for text in texts), name


def test_what_is_beyond_the_model_is_a_warning(pocket: Vocabulary) -> None:
    assert pocket.warnings(plan_with(thing("cat", "red", "left"), thing("moon", "blue", "right"))) == []
    assert pocket.warnings(ASTRONAUT) == ["the model cannot draw an astronaut: a coloured shape stands there"]
    hat = plan_with(thing("cat", "black", "left"))
    (warning,) = pocket.warnings(hat)
    assert warning == "the model was not trained on 'black': ignored"
    assert pocket.warnings(plan_with(thing("catfish", "grey", "left"))) == [
        "the model cannot draw a catfish: a coloured shape stands there",
        "the model was not trained on 'grey': ignored",
    ]


MEADOW = ScenePlan(scene=LeveledPrompt(high_level="at sunset", low_level="warm light"), negative="people", regions=[])
CLOWN = plan_with(thing("clown", "red", "center"))


@pytest.mark.parametrize(
    ("plan", "brief", "lost"),
    [
        (ASTRONAUT, "a white astronaut and a red kitten", ()),
        (ASTRONAUT, "two astronauts and a cat", ()),
        (ASTRONAUT, "a white astronaut and a red cat with a guitar on Mars, please", ("Mars", "guitar")),
        (ASTRONAUT, "Dear Sir, kindly prepare a white astronaut for my daughter's birthday, beside a red cat", ()),
        (
            ASTRONAUT,
            "an astronaut, a green cat, two zeppelins on the beach",
            ("zeppelins", "green", "on the beach"),
        ),
        (ASTRONAUT, "an astronaut and a cat, 1024×768, 4÷3", ()),
        (ASTRONAUT, "🐱🚀, or a ♥ …", ("🐱🚀", "♥")),
        (CLOWN, "a sad clown", ("sad",)),
        (CLOWN, "two fierce tall red clowns in a 3x3 grid", ("fierce tall",)),
        (CLOWN, "a red clown juggling in the exact center", ("juggling",)),
        (MEADOW, "a meadow at sunset without any people", ("meadow",)),
        (MEADOW, "Forest at night. No people", ("Forest", "at night")),
        (MEADOW, "the sun goes down in a sunset sky", ()),
    ],
)
def test_a_warning_tells_what_of_the_brief_the_plan_left_out(
    pocket: Vocabulary, plan: ScenePlan, brief: str, lost: tuple[str, ...]
) -> None:
    warnings = omission_warnings(brief, plan, pocket)
    assert warnings == ([f"left out of the plan: {', '.join(map(repr, lost))}"] if lost else [])


def test_what_stands_in_the_scene_prompt_alone_is_said(pocket: Vocabulary) -> None:
    on_the_moon = ASTRONAUT.model_copy(update={"scene": LeveledPrompt(high_level="an astronaut and a cat on the moon")})
    assert omission_warnings("an astronaut and a cat on the moon", on_the_moon, pocket) == [
        "named in the scene only, no region draws it: 'moon'"
    ]
    scenery = on_the_moon.model_copy(update={"regions": []})
    assert omission_warnings("on the moon", scenery, pocket) == []  # the scene is all that there is


def test_a_local_planner_tells_it_whatever_model_draws() -> None:
    with scripted(short(("clown", "red", "", "center")), name="embedded") as model:
        agent = Agent(model="hunyuan-dit", planner=Planner(model), critic="none")
        assert agent.plan("a sad clown at night with a guitar").notes == ["left out of the plan: 'sad', 'guitar'"]


def test_words_are_not_looked_for_in_the_plans_of_other_planners() -> None:
    with scripted(whole(region("猫", [0, 0, 500, 1000], "a cat", "red"), aspect="3:4")) as model:
        agent = Agent(model="pocket", planner=Planner(model), critic="none")
        assert agent.plan("竖版：左边一只红猫，没有人 🐱 in portrait format").notes == []


def painted(plan: ScenePlan, **known: object) -> Turn:
    scores = [
        RegionScore(name=region.name, score=None, seen="nothing", problem="cannot judge it")
        if "astronaut" in region.name else RegionScore(name=region.name, score=1, seen=region.prompt.text)
        for region in plan.regions
    ]  # fmt: skip
    turn = Turn(number=1, created=0, message="paint", plan=plan, critique=Critique(score=1, regions=scores))
    return turn.model_copy(update=known)


def test_a_picture_beyond_the_model_is_not_said_to_show_it(pocket: Vocabulary) -> None:
    said = turn_reply(painted(ASTRONAUT), None, pocket)
    assert said == ("I cannot draw an astronaut; a coloured shape stands there. The rest is a red cat (right).")
    two = plan_with(thing("astronaut", "white", "left"), thing("astronaut", "red", "right"))
    assert turn_reply(painted(two), None, pocket) == "I cannot draw an astronaut; coloured shapes stand there."
    assert turn_reply(painted(ASTRONAUT), None, None).startswith("Here is ")
    assert "a coloured shape would stand there. Shall I draw it?" in approval_question(ASTRONAUT, pocket)
    assert "shape" not in approval_question(plan_with(thing("cat", "red", "left")), pocket)


def test_a_change_beyond_the_model_is_not_said_to_be_done(pocket: Vocabulary) -> None:
    before = plan_with(thing("dog", "white", "left"), thing("cat", "red", "right"))
    added = Revision(added=[ASTRONAUT.regions[0]], removed=["dog"])
    said = turn_reply(painted(ASTRONAUT, base="turn-1.png", revision=added), before, pocket)
    assert said == "I cannot draw an astronaut; a coloured shape stands there. The dog is gone."
    other = Revision.between(before, added.apply(before))
    assert other
    for look, said in {"blue": "Drew a blue cat.", "striped blue": "Drew a blue cat (striped blue)."}.items():
        cat = ASTRONAUT.regions[1].model_copy(update={"prompt": LeveledPrompt(high_level="cat", low_level=look)})
        plan = ASTRONAUT.model_copy(update={"regions": [ASTRONAUT.regions[0], cat]})
        turn = painted(plan, base="turn-1.png", revision=Revision.between(ASTRONAUT, plan))
        assert turn_reply(turn, ASTRONAUT, pocket).startswith(said)


def test_things_that_look_alike_are_counted_or_named(pocket: Vocabulary) -> None:
    plan = plan_with(thing("dog", "white", "left"), thing("star", "yellow", "top"), thing("star", "yellow", "bottom"))
    before = Revision(removed=["star", "star 2"]).apply(plan)
    said = turn_reply(painted(plan, base="1.png", revision=Revision.between(before, plan)), before, pocket)
    assert said.startswith("Added 2 yellow stars")
    moved = Revision(changes=[RegionChange(name="star 2", box=plan.region("dog").box)])
    assert "the star 2" in turn_reply(painted(moved.apply(plan), base="1.png", revision=moved), plan, pocket)


def test_the_answer_is_the_models_own_list(pocket: Vocabulary) -> None:
    assert what_can_be_drawn(pocket.summary) == f"I can draw {pocket.summary}"
    assert "no list" in what_can_be_drawn("")
