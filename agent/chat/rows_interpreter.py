"""Understands a message with a local model that was tuned to answer with short rows."""

from collections.abc import Sequence
from dataclasses import replace
from math import exp
from typing import TYPE_CHECKING

from ...prompts.answers.chat_rows import ChatRows, chat_prompt
from ...prompts.answers.chat_schema import Understanding
from ...prompts.templates import fill_template
from ...renderer.checkpoints.vocabulary import Vocabulary, quoted
from ..llm.modes import ask
from ..planning.brief_language import pictographs
from ..planning.omissions import left_out_of_change
from .chat_state import ChatState
from .commands.executor import suggestions_for
from .commands.row_words import message_of
from .commands.short_commands import understand_rows
from .phrases import contents, not_done

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage

SURE = 0.3  # least probability of an answer that is carried out: training/chat prints what each would give


class RowsInterpreter:
    """Interprets messages by one call of a tuned model, in the very prompt of its training (training/chat/).

    Invalid or low-confidence answers become a clarifying question, which offers the likeliest meaning: nothing is
    changed by a guess. A message that says plainly what it is taken for, as the one that is offered, is certain.
    """

    def __init__(self, chat_model: "BaseChatModel", vocabulary: Vocabulary | None = None) -> None:
        """vocabulary: what the image model draws. A message that names a thing, colour or pattern of it which its
        change leaves out was not understood; a background that is left out is noted."""
        self._vocabulary = vocabulary
        has_probabilities = "logprobs" in type(chat_model).model_fields
        self.chat_model = chat_model.model_copy(update={"logprobs": True}) if has_probabilities else chat_model

    def interpret(self, message: str, state: ChatState) -> Understanding:
        """Raises ModelError without a model."""
        rows, probability = self.rows(message, state)
        if rows is None:
            return _unsure("", state)
        try:
            result = understand_rows(rows, message, state, seed=state.first_seed)
        except ValueError:  # no valid commands: a size of 0, texts that are too long
            return _unsure("", state)
        says_nothing = not any(map(str.isalpha, message)) and not (state.unclear_message and message.isdecimal())
        if result.kind == "change" and says_nothing:  # "👍" may be a yes and "3" a candidate, but no change
            return _unsure("", state)
        if result.kind == "choose" and not 1 <= result.number <= state.candidates:
            there = "There is only one picture." if state.candidates < 2 else f"There are {state.candidates}."
            return Understanding("unclear", reply=f"{there} What should be different?", commands=result.commands)
        plainly = message_of(rows) if result.kind == "change" else ""
        if probability < SURE and not (plainly and plainly == message.strip().lower()):
            return _unsure(plainly, state)
        if lost := self._left_out(result, message, state, ("subjects", "colours", "patterns")):
            return _unsure(plainly, state, unread=lost)
        return self._with_notes(result, message, state) if result.kind == "change" else result

    def _with_notes(self, result: Understanding, message: str, state: ChatState) -> Understanding:
        """A change with notes of what in the message it does not do."""
        unread = pictographs(message)
        notes = [f"I read words, not {' '.join(unread)}"] if unread else []
        if lost := self._left_out(result, message, state, ("backgrounds",)):
            notes.append(f"left out: {quoted(lost)}")
        return replace(result, notes=(*result.notes, *notes), reply=result.reply + not_done(notes))

    def _left_out(self, result: Understanding, message: str, state: ChatState, kinds: Sequence[str]) -> list[str]:
        if not (self._vocabulary and state.plan and result.plan):
            return []
        return left_out_of_change(message, state.plan, result.plan, self._vocabulary, kinds)

    def rows(self, message: str, state: ChatState) -> tuple[ChatRows | None, float]:
        """The model's answer or None, and its probability: 1 if the server names none. Raises ModelError."""
        from langchain_core.messages import HumanMessage, SystemMessage  # slow to import

        prompt = chat_prompt(
            message, state.plan, touched=state.touched, before=state.messages[-1] if state.messages else "",
            unclear=state.unclear_message, candidates=state.candidates, waiting=state.waiting,
        )  # fmt: skip
        messages: list[BaseMessage] = [SystemMessage(fill_template("chat-embedded")), HumanMessage(prompt)]
        answer, _ = ask(self.chat_model, ChatRows, messages)
        try:
            return ChatRows.model_validate_json(str(answer.text)), _probability(answer)
        except ValueError:
            return None, 0.0


def _unsure(guess: str, state: ChatState, *, unread: Sequence[str] = ()) -> Understanding:
    """The question back. guess: a message that says plainly what this one may mean, or empty. unread: words of it that
    the guess leaves out."""
    seen = f" I see {contents(state.plan)}." if state.plan else ""
    question = f"Do you mean {guess!r}?" if guess else "What should be different?"
    suggestions = (guess,) if guess else suggestions_for(state.plan)
    what = f"I did not understand {quoted(unread)}." if unread else "I am not sure what you mean."
    return Understanding("unclear", reply=f"{what}{seen} {question}", suggestions=suggestions)


def _probability(answer: "AIMessage") -> float:
    """Of the whole answer: the product of those of its tokens."""
    tokens = (answer.response_metadata.get("logprobs") or {}).get("content") or []
    return exp(sum(token["logprob"] for token in tokens))
