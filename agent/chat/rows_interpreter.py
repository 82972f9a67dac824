"""Understands a message with a local model that was tuned to answer with short rows."""

from typing import TYPE_CHECKING, Any

from ...prompts.answers.chat_rows import ChatRows, chat_prompt
from ...prompts.answers.chat_schema import Understanding
from ...prompts.errors import PlanningError
from ...prompts.templates import fill_template
from ..llm.structured import valid_reply
from .chat_state import ChatState
from .commands.executor import FIRST_SEED
from .commands.short_commands import understand_rows
from .phrases import contents

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage


class RowsInterpreter:
    """Interprets messages by one call of a tuned model, in the very prompt of its training (training/chat/).

    What it answers amiss is a question back: nothing is changed by a guess.
    """

    def __init__(self, chat_model: "BaseChatModel") -> None:
        self.chat_model = chat_model

    def interpret(self, message: str, state: ChatState) -> Understanding:
        """Raises ModelError without a model."""
        try:
            rows = self.rows(message, state)
        except PlanningError:
            seen = f" I see {contents(state.plan)}." if state.plan else ""
            return Understanding("unclear", reply=f"I did not understand that.{seen} What should be different?")
        result = understand_rows(rows, message, state, seed=FIRST_SEED + len(state.messages))
        if result.kind == "choose" and not 1 <= result.number <= state.candidates:
            there = "There is only one picture." if state.candidates < 2 else f"There are {state.candidates}."
            return Understanding("unclear", reply=f"{there} What should be different?", commands=result.commands)
        return result

    def rows(self, message: str, state: ChatState) -> ChatRows:
        """The model's answer. Raises PlanningError (with the raw reply) if it stays invalid, ModelError without one."""
        from langchain_core.messages import HumanMessage, SystemMessage  # slow to import

        prompt = chat_prompt(
            message, state.plan, touched=state.touched, before=state.messages[-1] if state.messages else "",
            unclear=state.unclear_message, candidates=state.candidates, waiting=state.waiting,
        )  # fmt: skip
        messages: list[BaseMessage] = [SystemMessage(fill_template("chat-embedded")), HumanMessage(prompt)]

        def read(parsed: Any) -> ChatRows:
            return ChatRows.model_validate(parsed)

        return valid_reply(self.chat_model, ChatRows, messages, read, failed=PlanningError, role="interpreter")
