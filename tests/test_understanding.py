"""What a message comes to, understood by a named model: in Python, on the command line, over HTTP and as a tool."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from llm_servers import chat_server, says
from scripted import scripted

from ditpipe import LeveledPrompt, Planner, Region, ScenePlan, aunderstand, columns, understand
from ditpipe.agent.chat.chat_state import ChatState
from ditpipe.agent.chat.interpreter import ModelInterpreter, model_context
from ditpipe.prompts.answers.chat_answer import ChatAnswer
from ditpipe.prompts.answers.chat_schema import Understanding
from ditpipe.prompts.critique import Critique, RegionScore
from ditpipe.prompts.errors import PlanningError
from ditpipe.tools.requested_change import UnderstandArguments, understood


def plan_of_two() -> ScenePlan:
    left, right = columns(2)
    regions = [
        Region(name="cat", box=left, prompt=LeveledPrompt(high_level="cat on the left", low_level="red")),
        Region(name="rocket", box=right, prompt=LeveledPrompt(high_level="rocket on the right", low_level="blue")),
    ]
    scene = LeveledPrompt(high_level="a red cat on the left and a blue rocket on the right at night")
    return ScenePlan(width=96, height=96, scene=scene, regions=regions)


PLAN = plan_of_two()
SEEN = Critique(
    score=0.9,
    regions=[RegionScore(name="cat", score=0.97, seen="red cat"), RegionScore(name="rocket", score=0.8, seen="a car")],
)


def answer(*commands: dict[str, Any], **more: Any) -> str:
    return json.dumps({"commands": list(commands), **more})


WHITE = answer({"do": "look", "regions": ["cat"], "low_level": "white"}, not_done=["more bokeh"])
WHICH = answer({"do": "ask", "reply": "Which one?", "suggestions": ["the cat", "the rocket"]})


def asked_of(model: Any) -> str:
    """The last prompt that a scripted model was sent."""
    return str(model.calls[-1][-1].content)


def test_a_change_is_a_plan_and_what_was_done_and_what_was_not() -> None:
    with scripted(WHITE) as model:
        result = understand("white cat, more bokeh", plan=PLAN, planner=Planner(model))
    assert (result.kind, result.touched) == ("change", ("cat",)) and result.plan
    assert result.plan.region("cat").prompt.low_level == "white" and "white cat" in result.plan.scene.high_level
    assert result.plan.region("rocket") == PLAN.region("rocket")
    assert result.reply == "I changed the cat (white). I did not understand 'more bokeh'."
    assert [command.do for command in result.commands] == ["look"]


@pytest.mark.parametrize(
    ("first", "problem"),
    [
        (answer({"do": "resize", "regions": ["cat"], "factor": 0}), "factor: more than 0, not 0"),
        (answer({"do": "add", "name": "", "high_level": ""}), "say what it is"),
        (json.dumps({"do": "look", "regions": ["cat"], "low_level": "white"}), "give an object with commands"),
        (answer({"do": "look", "regions": ["cat"], "low_level": "very " * 300}), "at most 1000 characters"),
    ],
)
def test_an_answer_that_cannot_be_carried_out_is_asked_for_again(first: str, problem: str) -> None:
    with scripted(first, WHITE) as model:
        result = understand("white", plan=PLAN, planner=Planner(model))
        assert problem in asked_of(model)
    assert result.plan and result.plan.region("cat").prompt.low_level == "white"


def test_a_shape_is_of_the_models_size_where_the_plan_leaves_that_open() -> None:
    open_plan = PLAN.model_copy(update={"width": None, "height": None})
    with scripted(answer({"do": "scene", "aspect": "16:9"}), WHITE) as model:
        result = understand("make it wide", plan=open_plan, planner=Planner(model), model="pocket")
        assert result.plan and result.plan.size == (352, 192)
        result = understand("white", plan=open_plan, planner=Planner(model), model="pocket")
        assert result.plan and (result.plan.width, result.plan.height) == (None, None)


async def test_understanding_has_an_async_form() -> None:
    with scripted(answer({"do": "new brief", "brief": "two owls"})) as model:
        result = await aunderstand("two owls", planner=Planner(model))
    assert (result.kind, result.brief, result.plan) == ("new brief", "two owls", None)


def test_the_history_says_what_it_means_and_what_was_asked() -> None:
    undone = answer({"do": "undo"}, {"do": "remove", "regions": ["rocket"]})
    with scripted(WHITE, WHICH, WHITE, answer({"do": "scene", "style": "ink"}), undone) as model:
        first = understand("make the cat white", plan=PLAN, planner=Planner(model))
        second = understand("bigger", plan=first.plan, planner=Planner(model), history=["make the cat white", first])
        assert '"touched": ["cat"]' in asked_of(model)
        understand(
            "the cat", plan=PLAN, planner=Planner(model), history=["make the cat white", first, "bigger", second]
        )
        assert '"question": "Which one?"' in asked_of(model) and '"bigger"' in asked_of(model)
        ink = understand("ink", plan=first.plan, planner=Planner(model))
        history: list[str | Understanding] = ["make the cat white", first, "ink", ink]
        other = understand("no, no rocket", plan=ink.plan, planner=Planner(model), history=history)
    assert other.plan and (other.plan.style, [region.name for region in other.plan.regions]) == ("", ["cat"])


def test_what_a_model_is_sent_is_bounded() -> None:
    """However long the conversation, the messages, the mask of a region and the notes of a plan are."""
    regions = [region.model_copy(update={"mask": "iVBORw0KGgo" + "A" * 40_000, "seed": 5}) for region in PLAN.regions]
    plan = PLAN.model_copy(update={"regions": regions, "notes": ["a note " * 60] * 60})
    state = ChatState(plan=plan, critique=SEEN, messages=tuple(f"{i} {'x' * 4000}" for i in range(300)))
    sent = json.dumps(model_context(state))
    assert len(sent) < 8_000 and "299 x" in sent and "287 x" not in sent
    assert len(json.dumps(model_context(ChatState(plan=PLAN, critique=SEEN)))) < 1_200


def test_a_model_is_asked_again_about_what_cannot_be() -> None:
    wrong = answer({"do": "choose", "number": 3})
    with scripted(wrong, WHICH) as model:
        result = ModelInterpreter(model).interpret("number 3", ChatState(plan=PLAN, candidates=2))
    assert (result.reply, result.suggestions) == ("Which one?", ("the cat", "the rocket"))
    assert "there are 2 candidates" in asked_of(model)
    with scripted(wrong, "[1]", "no") as model, pytest.raises(PlanningError, match="answer stayed invalid"):
        ModelInterpreter(model).interpret("number 3", ChatState(plan=PLAN))
    empty = answer({"do": "answer", "reply": " "})
    with scripted(answer({"do": "redraw", "regions": []}), empty, WHICH) as model:
        assert ModelInterpreter(model).interpret("a dog", ChatState()).kind == "unclear"


def test_a_new_format_or_style_is_a_whole_new_plan() -> None:
    with scripted(answer({"do": "scene", "style": "pixel art", "aspect": "16:9"})) as model:
        result = understand("pixel art, as a banner", plan=PLAN, planner=Planner(model))
    assert result.whole and result.plan and result.plan.style == "pixel art"
    assert (result.plan.width or 0) > (result.plan.height or 0)


def test_a_question_what_can_be_drawn_is_answered_from_the_list() -> None:
    with scripted(answer({"do": "answer", "reply": "Cats."})) as model:
        ModelInterpreter(model).interpret("what can you draw?", ChatState(draws="2 things: cat, rocket"))
    assert "2 things: cat, rocket" in asked_of(model) and "`draws`" in str(model.calls[0][0].content)


def test_other_programs_get_the_same_and_hand_it_back() -> None:
    def read(message: str, plan: ScenePlan | None, history: Any = ()) -> Understanding:
        return understand(message, plan=plan, planner=Planner(model), history=history)

    with scripted(WHICH, WHITE) as model:
        first = understood(read, UnderstandArguments(message="white", plan=PLAN))
        assert (first.kind, first.suggestions) == ("unclear", ["the cat", "the rocket"])
        earlier = {"message": "white", **first.model_dump(include={"kind", "reply", "touched"})}
        second = understood(read, UnderstandArguments.model_validate(
            {"message": "the cat", "plan": PLAN, "history": [earlier]}
        ))  # fmt: skip
    assert '"question": "Which one?"' in asked_of(model)
    assert second.plan and second.plan.region("cat").prompt.low_level == "white"
    assert second.model_dump(mode="json")["commands"][0]["do"] == "look"


def on_command_line(message: str, reply: str, folder: Path, *more: str) -> Any:
    (folder / "plan.json").write_text(PLAN.model_dump_json())
    with chat_server(says(reply)) as server:
        named = ("--planner", "any", "--base-url", server.url)
        return run("change", "plan.json", message, *named, *more, cwd=folder)


@pytest.mark.process
def test_the_command_prints_the_changed_plan_or_asks(tmp_path: Path) -> None:
    done = on_command_line("white cat", WHITE, tmp_path)
    plan = ScenePlan.model_validate_json(done.stdout)
    assert done.returncode == 0 and plan.region("cat").prompt.low_level == "white"
    assert done.stderr.strip() == "I changed the cat (white). I did not understand 'more bokeh'."
    asked = on_command_line("white", WHICH, tmp_path)
    assert (asked.returncode, asked.stdout) == (3, "")
    assert asked.stderr.splitlines() == ["Which one?", "  the cat", "  the rocket"]
    as_json = on_command_line("white", WHICH, tmp_path, "--json", "--out", "new.json")
    said = json.loads(as_json.stdout)
    assert as_json.returncode == 3 and not (tmp_path / "new.json").exists()
    assert (said["kind"], said["plan"], said["suggestions"]) == ("unclear", None, ["the cat", "the rocket"])
    written = on_command_line("white cat", WHITE, tmp_path, "--json", "--out", "new.json")
    assert written.returncode == 0 and json.loads(written.stdout)["plan"] == plan.model_dump()
    assert ScenePlan.model_validate_json((tmp_path / "new.json").read_text()) == plan


def test_no_message_draws_with_the_seeds_of_the_one_before() -> None:
    most = ChatAnswer.model_json_schema()["properties"]["commands"]["maxItems"]
    first, second = (ChatState(messages=("a cat",) * number).first_seed for number in (1, 2))
    assert second >= first + most
