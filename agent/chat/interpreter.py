"""Turns a message into a `ChatCommand`, given the chat state: with a chat model, or with the grammar."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from ...prompts.answers.chat_schema import ChatCommand
from ...prompts.errors import PlanningError
from ...prompts.revision import Revision
from ...prompts.templates import fill_template
from ..llm.local_models import LOCAL_MODELS
from ..llm.structured import valid_reply
from .chat_state import ChatState
from .grammar.interpreter import GrammarInterpreter

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from ..agent import Agent


class Interpreter(Protocol):
    """Understands messages."""

    def interpret(self, message: str, state: ChatState) -> ChatCommand:
        """The command that a message expresses; kind 'unclear' with a question back if it cannot be understood.

        Raises PlanningError or ModelError.
        """
        ...


class ModelInterpreter:
    """Interprets messages by one structured call of a chat model; invalid answers are re-asked at most twice."""

    def __init__(self, chat_model: "BaseChatModel") -> None:
        self.chat_model = chat_model

    def interpret(self, message: str, state: ChatState) -> ChatCommand:
        """Raises PlanningError (with the raw reply) if the answer stays invalid, ModelError without a model."""
        from langchain_core.messages import HumanMessage, SystemMessage  # slow to import

        context = asdict(state) | {
            "plan": state.plan.model_dump() if state.plan else None,
            "critique": state.critique.model_dump() if state.critique else None,
        }
        messages: list[BaseMessage] = [
            SystemMessage(fill_template("interpreter")),
            HumanMessage(f"{json.dumps(context)}\n\nTheir message: {message}"),
        ]

        def read(parsed: Any) -> ChatCommand:
            return _checked(ChatCommand.model_validate(parsed), state)

        return valid_reply(self.chat_model, ChatCommand, messages, read, failed=PlanningError, role="interpreter")


def _checked(command: ChatCommand, state: ChatState) -> ChatCommand:
    """The command itself. Raises ValueError if it cannot be applied to the state."""
    if command.kind == "change" and state.plan is None:
        raise ValueError("kind: nothing is drawn yet, so it can only be a new brief, a question or unclear")
    if command.revision and state.plan:  # without what it names and leaves as it is
        revision = Revision.between(state.plan, command.revision.apply(state.plan), reason=command.revision.reason)
        command = command.model_copy(update={"revision": revision})
    if command.kind == "choose" and command.choice > state.candidates:
        raise ValueError(f"choice: there are {state.candidates} candidates")
    return command


def interpreter_for(agent: "Agent") -> Interpreter:
    """The grammar for local planners, which were trained to plan only; else the agent's chat model."""
    if agent.planner_name in LOCAL_MODELS:
        return GrammarInterpreter(lambda brief: agent.planner.answer(brief))
    return ModelInterpreter(agent.planner.chat_model)
