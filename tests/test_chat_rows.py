"""The short rows of a tuned chat model, as commands on a plan."""

import json
from pathlib import Path
from typing import Any

import pytest
from llm_servers import chat_server, refuses, says
from scripted import scripted

from ditpipe.agent.chat.chat_state import ChatState
from ditpipe.agent.chat.commands.row_words import message_of
from ditpipe.agent.chat.commands.short_commands import understand_rows
from ditpipe.agent.chat.rows_interpreter import RowsInterpreter
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.prompts.answers.chat_rows import ChatRows, plan_lines
from ditpipe.prompts.answers.chat_schema import Understanding
from ditpipe.prompts.errors import ModelError
from ditpipe.prompts.plan import ScenePlan
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS
from ditpipe.renderer.checkpoints.vocabulary import vocabulary_of

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

PLANS = {
    name: ScenePlan.model_validate(plan)
    for name, plan in json.loads((BENCHMARKS / "chat_plans.json").read_text(encoding="utf-8")).items()
}


def understood(plan: str, *rows: list[Any]) -> Understanding:
    return understand_rows(ChatRows.model_validate({"rows": list(rows)}), "two owls", ChatState(plan=PLANS[plan]))


def test_the_plan_is_a_line_a_region() -> None:
    lines = ["cat 1: orange, bottom left", "cat 2: white, bottom right", "star: yellow, top, biggest", "scene:"]
    assert plan_lines(PLANS["two-cats"], ["cat 2"]).splitlines() == [*lines, "last: cat 2"]


def test_words_that_change_keep_the_rest_of_a_look() -> None:
    result = understood("woman", ["look", ["woman"], "red"])
    assert result.plan and result.plan.region("woman").prompt.low_level.endswith("green raincoat, kind wrinkled face")


def test_a_numbered_line_is_that_region() -> None:
    result = understood("two-cats", ["look", ["cat 1"], "black"])
    assert result.plan and result.plan.region("cat").prompt.low_level == "black"
    assert result.plan.region("cat 2") == PLANS["two-cats"].region("cat 2")


def test_what_is_said_twice_is_meant_once() -> None:
    smaller, owl = ["size", ["star"], 0.7], ["add", "owl", "white", "", 1, "", []]
    once, twice = understood("two-cats", smaller), understood("two-cats", smaller, smaller)
    assert once.plan and twice.plan == once.plan
    swap = ["swap", "cat 1", "cat 2"]
    assert understood("two-cats", swap, swap).plan == understood("two-cats", swap).plan != PLANS["two-cats"]
    two = understood("two-cats", owl, owl).plan
    assert two and len(two.regions) == len(PLANS["two-cats"].regions) + 2


def test_a_name_that_two_could_have_is_asked_about() -> None:
    result = understood("two-cats", ["look", ["cat"], "black"])
    assert result.kind == "unclear" and result.suggestions == ("the cat 1", "the cat 2")
    assert result.reply == "Which cat do you mean: an orange cat (bottom left) or a white cat (bottom right)?"


def test_a_plural_is_all_of_them_and_a_singular_what_is_there_in_the_plural() -> None:
    result = understood("two-cats", ["remove", ["cats"]])
    assert result.plan and [region.name for region in result.plan.regions] == ["star"]
    assert understood("two-cats", ["scene", "without", "cats"]).plan == result.plan
    result = understood("ramen", ["look", ["chopstick"], "green"])
    assert result.plan and result.plan.region("chopsticks").prompt.low_level == "green lacquer"


def test_a_name_that_nobody_has_is_asked_about() -> None:
    result = understand_rows(
        ChatRows.model_validate({"rows": [["remove", ["car"]]]}), "drop the car", ChatState(plan=PLANS["meadow"])
    )
    assert result.reply.startswith("There is no 'car' here") and result.reply.endswith("Which one do you mean?")
    assert result.suggestions == ("drop the dog", "drop the tree", "drop the sun")


def test_what_was_replaced_in_the_same_message_may_go_by_its_old_name() -> None:
    plan = understood("two-cats", ["replace", ["cat 2"], "dog", "", ""], ["look", ["cat 2"], "blue"]).plan
    assert plan and plan.region("dog").prompt.low_level == "blue"


def test_what_was_not_understood_beside_a_change_is_said_and_alone_it_is_a_question() -> None:
    result = understood("cat-rocket", ["look", ["cat"], "white"], ["ask", "more bokeh"])
    assert result.kind == "change" and result.notes == ("I did not understand 'more bokeh'",)
    assert result.reply == "I changed the cat (white). I did not understand 'more bokeh'."
    which = understood("two-cats", ["ask", "it"])
    assert which.reply.startswith("What do you mean by 'it': an orange cat") and which.suggestions[0] == "the cat 1"
    alone = understood("two-cats", ["ask", "more bokeh"])
    assert alone.kind == "unclear" and alone.suggestions[:2] == ("make the cat 2 smaller", "remove the cat 2")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["look", ["cat 1"], "dark green"]], "make the cat 1 dark green"),
        ([["look", ["cat"], "with a hat"], ["remove", ["dog"]]], "give the cat a hat and remove the dog"),
        ([["add", "owl", "", "", 1, "top left", []]], "add an owl at the top left"),
        ([["add", "frog", "green", "small", 1, "between", ["cat", "dog"]]],
         "add a small green frog between the cat and the dog"),
        ([["add", "man", "", "with a hat", 1, "left", []]], "add a man with a hat on the left"),
        ([["keep", ["cat"]]], "keep only the cat"), ([["redraw", ["cat"]]], "redraw the cat"),
        ([["replace", ["cat"], "dog", "white", ""]], "replace the cat with a white dog"),
        ([["move", ["cat"], "top left", []]], "move the cat to the top left"),
        ([["move", ["cat"], "behind", ["dog"]]], "move the cat behind the dog"),
        ([["nudge", ["cat"], "up"]], "move the cat a bit up"), ([["swap", "cat", "dog"]], "swap the cat and the dog"),
        ([["size", ["cat", "dog"], 0.7]], "make the cat and the dog smaller"),
        ([["scene", "background", "in the snow"]], "set the scene in the snow"),
        ([["look", ["cat"], "made of glass"]], ""), ([["undo", 1]], ""), ([["redraw", []]], ""),
        ([["size", ["cat"], 1.31]], ""),
    ],
)  # fmt: skip
def test_rows_are_said_plainly(rows: list[Any], message: str) -> None:
    assert message_of(ChatRows.model_validate({"rows": rows})) == message


def test_rows_build_on_each_other() -> None:
    result = understood("cat-rocket", ["add", "frog", "green", "", 1, "below", ["cat"]], ["look", ["frog"], "blue"])
    assert result.plan and result.plan.region("frog").prompt.low_level == "blue"


@pytest.mark.parametrize(
    ("row", "scene"),
    [(["scene", "background", "in the snow"], "in the snow"), (["scene", "style", "watercolour"], "watercolour")],
)
def test_scenes(row: list[Any], scene: str) -> None:
    result = understood("cat-rocket", row)
    assert result.whole and result.plan
    assert scene in f"{result.plan.scene.high_level} {result.plan.style}" and "cat" in result.plan.scene.high_level


def test_a_background_without_a_preposition_is_found_again() -> None:
    plan = understood("cat-rocket", ["scene", "background", "outer space"]).plan
    assert plan and plan_lines(plan).splitlines()[-1] == "scene: outer space"


def test_a_new_background_leaves_nothing_of_the_old_one_in_prose() -> None:
    plan = understood("dragon", ["scene", "background", "in the snow"]).plan
    assert plan and "dusk" not in plan.scene.high_level and plan.scene.high_level.endswith(" in the snow")
    assert "dragon" in plan.scene.high_level and plan.style == "Oil painting"


def test_questions_are_answered_from_the_plan() -> None:
    assert understood("fruit", ["question", "where", ["banana"]]).reply == "A yellow banana (top right)."
    assert understood("fruit", ["question", "what", ["right"]]).reply == "A yellow banana and a pink cupcake."
    assert understood("fruit", ["question", "how many", []]).reply.startswith("4: ")
    assert understood("fruit", ["question", "what", ["plum"]]).reply.startswith("There is no plum")


def test_the_rest() -> None:
    assert understood("robot", ["brief", "two owls"]).brief == "two owls"
    assert understood("robot", ["undo", 2]).steps == 2
    assert understood("robot", ["choose", 3]).number == 3
    assert understood("robot", ["ask", "bokeh"]).reply.startswith("I did not understand 'bokeh'")


BEFORE, NOW = PLANS["cat-rocket"], understood("cat-rocket", ["look", ["cat"], "green"]).plan
HEARD = ChatState(plan=NOW, previous=BEFORE, messages=("make the cat green",), touched=("cat",), candidates=4)


def interpreted(message: str, *answers: str, state: ChatState = HEARD) -> tuple[Understanding, str]:
    """What becomes of a message, and the prompt that the model was sent."""
    with scripted(*answers) as model:
        return RowsInterpreter(model).interpret(message, state), str(model.calls[0][-1].content)


def test_the_prompt_is_that_of_the_training() -> None:
    result, prompt = interpreted("and the rocket", '{"rows":[["look",["rocket"],"green"]]}')
    assert prompt.endswith("last: cat\nbefore: make the cat green\nchoose from: 4\n> and the rocket")
    assert result.plan and result.plan.region("rocket").prompt.low_level == "green"


def test_a_change_that_was_meant_otherwise_is_taken_back() -> None:
    result, _ = interpreted("no, the rocket", '{"rows":[["undo",1],["look",["rocket"],"green"]]}')
    assert result.plan and result.plan.region("cat") == BEFORE.region("cat")
    assert result.plan.region("rocket").prompt.low_level == "green"


@pytest.mark.parametrize(("row", "brief"), [('["brief","an owl"]', "an owl"), ('["brief","a crow"]', "new: an owl")])
def test_a_brief_is_in_their_words(row: str, brief: str) -> None:
    assert interpreted("new: an owl", f'{{"rows":[{row}]}}')[0].brief == brief


@pytest.mark.parametrize(
    "answer", ['{"rows":[["choose",9]]}', '{"rows":[["size",["cat"],0]]}', '{"rows":[["paint",["cat"]]]}', "The ninth."]
)
def test_what_does_not_fit_is_a_question(answer: str) -> None:
    result, _ = interpreted("the ninth one", answer)
    assert result.kind == "unclear" and result.reply.endswith("?")


def test_pictographs_and_bare_numbers_are_never_a_change_and_beside_words_are_told() -> None:
    redraw, green = '{"rows":[["redraw",["cat"]]]}', '{"rows":[["look",["rocket"],"green"]]}'
    for message in ("👨‍🚀🌙", "!!!", "3"):
        assert interpreted(message, redraw)[0].kind == "unclear"
    assert interpreted("🙂", '{"rows":[["accept"]]}')[0].kind == "accept"
    result, _ = interpreted("make the rocket green 🌙", green)
    assert result.kind == "change" and result.notes == ("I read words, not 🌙",)
    assert result.reply.endswith("I read words, not 🌙.")


def test_what_a_change_leaves_out_is_told() -> None:
    vocabulary = vocabulary_of(CHECKPOINTS["pocket"])
    row = '{"rows":[["add","turtle","green","",1,"left",[]]]}'
    for message, notes in {
        "a turtle on the left, on the grass": ("left out: 'on the grass'",),
        "a turtle left of the rocket": (),
    }.items():
        with scripted(row) as model:
            assert RowsInterpreter(model, vocabulary).interpret(message, HEARD).notes == notes


def test_a_change_that_leaves_out_a_thing_or_look_is_a_question_that_offers_it() -> None:
    vocabulary = vocabulary_of(CHECKPOINTS["pocket"])
    row = '{"rows":[["add","turtle","green","",1,"left",[]]]}'
    for message, unread in {"a striped turtle on the left": "striped", "a turtle, an umbrella": "umbrella"}.items():
        with scripted(row) as model:
            result = RowsInterpreter(model, vocabulary).interpret(message, HEARD)
        assert result.kind == "unclear" and result.reply.startswith(f"I did not understand '{unread}'.")
        assert result.suggestions == ("add a green turtle on the left",)


@pytest.mark.parametrize(
    ("message", "logprob", "kind"),
    [("the rocket green", -0.01, "change"), ("the rocket green", -3.0, "unclear"),
     ("Make the rocket green", -3.0, "change")],
)  # fmt: skip
def test_what_the_model_is_not_sure_of_is_a_question_that_offers_it(message: str, logprob: float, kind: str) -> None:
    reply = says('{"rows":[["look",["rocket"],"green"]]}')
    reply.body["choices"][0]["logprobs"] = {"content": [{"token": "any", "logprob": logprob, "top_logprobs": []}]}
    with chat_server(reply) as server:
        model = chat_model("embedded", base_url=server.url)
        result = RowsInterpreter(model).interpret(message, HEARD)
    assert result.kind == kind and result.suggestions == (("make the rocket green",) if kind == "unclear" else ())
    assert server.sent[0]["logprobs"] is True and "schema" in server.sent[0]["response_format"]["json_schema"]


def test_a_message_that_is_too_long_for_the_local_model_is_refused_in_its_words() -> None:
    words = "request (9060 tokens) exceeds the available context size (4096 tokens)"
    with chat_server(*[refuses(400, words)] * 3) as server:
        model = chat_model("embedded", base_url=server.url)
        with pytest.raises(ModelError, match=r"refuses the request \(400\): request \(9060 tokens\) exceeds"):
            RowsInterpreter(model).interpret("a" * 4000, HEARD)
