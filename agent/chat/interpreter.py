"""Understands a message, given the chat state: with a capable chat model, or with a local one that was tuned to it."""

import json
from typing import TYPE_CHECKING, Any, Protocol

from ...prompts.answers.chat_answer import ChatAnswer
from ...prompts.answers.chat_schema import Understanding
from ...prompts.errors import PlanningError
from ...prompts.plan import MAX_BRIEF, ScenePlan
from ...prompts.prompt_style import place_of
from ...prompts.templates import fill_template
from ..llm.structured import valid_reply
from .chat_state import ChatState
from .commands.executor import NOT_CHANGES, execute
from .rows_interpreter import RowsInterpreter

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from ..agent import Agent

EARLIER, CLIPPED = 12, 400  # messages before this one that a model is sent, and characters of each
OF_PLAN: dict[str, Any] = {name: True for name in ("scene", "style", "negative", "width", "height")} | {
    "regions": {"__all__": {"name", "box", "prompt", "negative", "lettering", "z_order"}}
}
OF_CRITIQUE: dict[str, Any] = {"score": True, "regions": {"__all__": {"name", "score", "seen", "problem"}}}


class Interpreter(Protocol):
    """Understands messages."""

    def interpret(self, message: str, state: ChatState) -> Understanding:
        """The meaning of a message; kind 'unclear' with a clarifying question if it cannot be understood.

        Raises PlanningError or ModelError.
        """
        ...


class ModelInterpreter:
    """Interprets messages by one structured call of a chat model; invalid answers are re-asked at most twice."""

    def __init__(self, chat_model: "BaseChatModel") -> None:
        self.chat_model = chat_model

    def interpret(self, message: str, state: ChatState) -> Understanding:
        """Raises PlanningError (with the raw reply) if the answer stays invalid, ModelError without a model."""
        from langchain_core.messages import HumanMessage, SystemMessage  # slow to import

        context = json.dumps(model_context(state), ensure_ascii=False)
        messages: list[BaseMessage] = [
            SystemMessage(fill_template("interpreter")),
            HumanMessage(f"{context}\n\nTheir message: {message}"),
        ]

        def read(parsed: Any) -> Understanding:
            return _understood(ChatAnswer.model_validate(parsed), message, state)

        return valid_reply(self.chat_model, ChatAnswer, messages, read, failed=PlanningError, role="interpreter")


def model_context(state: ChatState) -> dict[str, Any]:
    """The state as a model is sent it: of the plan what can be seen, of the conversation its end."""
    earlier = state.messages[-EARLIER:]
    return {
        "plan": _seen_plan(state.plan) if state.plan else None,
        "seen": state.critique.model_dump(include=OF_CRITIQUE, exclude_defaults=True) if state.critique else None,
        "waiting": state.waiting,
        "candidates": state.candidates,
        "messages": [text if len(text) <= CLIPPED else f"{text[:CLIPPED]} …" for text in earlier],
        "question": state.question,
        "touched": list(state.touched),
        "draws": state.draws,
    }


def _seen_plan(plan: ScenePlan) -> dict[str, Any]:
    """The plan, each region with its place in words, so that people and small models can tell them apart."""
    fields = plan.model_dump(include=OF_PLAN, exclude_defaults=True)
    rows = zip(fields.get("regions", []), plan.regions, strict=True)
    return fields | {"regions": [{"place": place_of(region.box), **row} for row, region in rows]}


def _understood(answer: ChatAnswer, message: str, state: ChatState) -> Understanding:
    """What the answer's commands come to. Raises ValueError, in words for the model, if they do not fit the state."""
    if state.plan is None and any(not isinstance(command, NOT_CHANGES) for command in answer.commands):
        raise ValueError("commands: nothing is drawn yet, so it can only be a new brief, an answer or a question back")
    result = execute(
        answer, state.plan, seed=state.first_seed, message=message, token=state.token,
        side=state.side, previous=state.previous,
    )  # fmt: skip
    if result.kind == "choose" and not 1 <= result.number <= state.candidates:
        raise ValueError(f"number: there are {state.candidates} candidates")
    if result.kind == "new brief" and not 1 <= len(result.brief.strip()) <= MAX_BRIEF:
        raise ValueError(f"brief: what the new picture is to show, in 1 to {MAX_BRIEF:,} characters")
    if result.kind in ("question", "unclear") and not result.reply.strip():
        raise ValueError("reply: it is empty")
    return result


def interpreter_for(agent: "Agent") -> Interpreter:
    """The agent's chat model by commands; where its planner is tuned to plan only, a tuned local model by rows."""
    model = agent.models.capable_model
    return ModelInterpreter(model) if model else RowsInterpreter(agent.models.rows_model, agent.vocabulary)
