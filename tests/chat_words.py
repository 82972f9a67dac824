"""A chat model that knows the messages of the tests by heart, and answers them with their commands."""

import json
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatResult
from langchain_core.runnables import Runnable, RunnableLambda

MOON = {"do": "add", "name": "moon", "high_level": "moon", "low_level": "small yellow", "place": "top right"}
SUNSET = "a red cat on the left and a blue rocket on the right at sunset"
COMMANDS: dict[str, dict[str, Any]] = {
    "make the cat orange": {"do": "look", "regions": ["cat"], "low_level": "orange"},
    "make the rocket green": {"do": "look", "regions": ["rocket"], "low_level": "green"},
    "remove the rocket": {"do": "remove", "regions": ["rocket"]},
    "remove the cat": {"do": "remove", "regions": ["cat"]},
    "remove thing 0": {"do": "remove", "regions": ["thing 0"]},
    "swap the two": {"do": "swap", "first": "thing 0", "second": "thing 1", "what": "places"},
    "add a moon at the top right": MOON,
    "same but at sunset": {"do": "scene", "high_level": SUNSET},
    "try again": {"do": "redraw", "regions": []},
    "what is on the left?": {"do": "answer", "reply": "A red cat."},
    "undo": {"do": "undo"}, "no": {"do": "undo"}, "go back two": {"do": "undo", "steps": 2},
    "go back 7": {"do": "undo", "steps": 7}, "undo the undo": {"do": "redo", "steps": 0},
    "yes": {"do": "accept"}, "number 2": {"do": "choose", "number": 2},
    "I like the third one": {"do": "choose", "number": 3},
}  # fmt: skip
NOT_KNOWN = {"do": "ask", "reply": "I did not understand that.", "suggestions": []}


def command_of(prompt: str) -> dict[str, Any]:
    """The command of the message in a prompt: a new brief if it says so, or if there is no plan yet."""
    context, _, message = prompt.rpartition("\n\nTheir message: ")
    if message in COMMANDS:
        return COMMANDS[message]
    if message.startswith("start over: ") or json.loads(context)["plan"] is None:
        return {"do": "new brief", "brief": message.removeprefix("start over: ")}
    return NOT_KNOWN


class ByHeart(BaseChatModel):
    """Answers a structured call with the command of its message."""

    @property
    def _llm_type(self) -> str:
        return "by heart"

    def _generate(self, *args: Any, **kwargs: Any) -> ChatResult:
        raise AssertionError("only structured output is asked for")

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        def answer(messages: list[BaseMessage]) -> dict[str, Any]:
            parsed = {"commands": [command_of(str(messages[1].content))]}
            return {"raw": AIMessage(json.dumps(parsed)), "parsed": parsed, "parsing_error": None}

        return RunnableLambda(answer)
