"""Turns a message into a `ChatCommand`, given the chat state: with a chat model, or with the grammar."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

from ...prompts.answers.chat_answer import ChatAnswer
from ...prompts.answers.chat_schema import ChatCommand
from ...prompts.errors import PlanningError
from ...prompts.revision import Revision
from ...prompts.templates import fill_template
from ..llm.local_models import LOCAL_MODELS
from ..llm.structured import valid_reply
from .chat_state import ChatState
from .commands.executor import NOT_CHANGES, execute
from .grammar.interpreter import GrammarInterpreter

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from ..agent import Agent

FIRST_SEED = 1000  # of the noise of a region that is drawn again; another one in each turn


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
            return _command(ChatAnswer.model_validate(parsed), message, state)

        return valid_reply(self.chat_model, ChatAnswer, messages, read, failed=PlanningError, role="interpreter")


def _command(answer: ChatAnswer, message: str, state: ChatState) -> ChatCommand:
    """What the answer's commands come to. Raises ValueError, in words for the model, if they do not fit the state."""
    if state.plan is None and any(not isinstance(command, NOT_CHANGES) for command in answer.commands):
        raise ValueError("commands: nothing is drawn yet, so it can only be a new brief, an answer or a question back")
    result = execute(answer, state.plan, seed=FIRST_SEED + len(state.messages))
    if result.kind == "choose" and not 1 <= result.number <= state.candidates:
        raise ValueError(f"number: there are {state.candidates} candidates")
    reply = result.reply
    if result.suggestions:
        reply = f"{reply} You could say: {' · '.join(result.suggestions)}"
    revision, changed = None, None
    if result.plan and state.plan:
        changed = result.plan if result.plan.whole != state.plan.whole else None
        revision = None if changed else Revision.between(state.plan, result.plan, reason=message[:200])
    return ChatCommand(
        kind=result.kind, brief=result.brief, revision=revision, whole=result.whole or changed is not None,
        fresh=result.fresh, steps=result.steps, choice=result.number, reply=reply, plan=changed,
        notes=list(result.notes),
    )  # fmt: skip


def interpreter_for(agent: "Agent") -> Interpreter:
    """The grammar for local planners, which were trained to plan only; else the agent's chat model."""
    if agent.planner_name in LOCAL_MODELS:
        return GrammarInterpreter(lambda brief: agent.planner.answer(brief))
    return ModelInterpreter(agent.planner.chat_model)
