"""The one structured call: ask a chat model, read leniently, validate strictly, repair, give up with the raw reply."""

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from ...prompts.errors import CritiqueError, PlanningError, visible
from ...prompts.templates import fill_template
from .lenient_json import json_values
from .message_end import check_end
from .modes import BOUNDED, JSON_MODE, ask, remember
from .schema_fit import fit

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage

Parsed = TypeVar("Parsed")
MAX_REPAIRS = 2  # times that an answer with faults is sent back to the model
MAX_REPLY = 200_000  # characters: several times the longest plan; a repair sends the reply back
EXCERPT = 200  # characters of a reply that holds no JSON
log = logging.getLogger(__name__)


def valid_reply(
    model: "BaseChatModel",
    schema: type[BaseModel],
    messages: Sequence["BaseMessage"],
    parse: Callable[[Any], Parsed],
    *,
    failed: type[PlanningError] | type[CritiqueError],
    role: str,
    sleep: Callable[[float], None] = time.sleep,
) -> Parsed:
    """The model's answer as `parse` returns it. A ValueError of `parse` is sent back to the model, at most twice, and
    not where it gives the same words without JSON again: it refuses, or knows no JSON.

    Then `failed` is raised: its message names the `role` of the model, and it holds the raw reply. Raises ModelError
    for a server that cannot be reached or refuses, and for a model that refuses or is cut off. `sleep` waits between
    tries, in seconds.
    """
    from langchain_core.messages import AIMessage, HumanMessage

    conversation, least, ignored, prose = list(messages), BOUNDED, False, ""
    for attempt in range(MAX_REPAIRS + 1):
        message, mode = ask(model, schema, conversation, at_least=least, sleep=sleep)
        check_end(message, role)
        raw = _raw_reply(message)
        try:
            parsed = _read(message, schema, parse, role)
            remember(model, mode, ignored_before=ignored)
            return parsed
        except ValueError as error:
            problem = _problem_lines(error) if isinstance(error, ValidationError) else str(error)
            words = " ".join(raw.split()) if isinstance(error, NoJson) else ""
            if attempt == MAX_REPAIRS or (words and words == prose):
                repairs = f"{attempt} repairs" if attempt > 1 else "a repair, word for word"
                raise failed(f"the {role}'s answer stayed invalid after {repairs}: {problem}", reply=raw) from error
            prose = words
            log.debug("the %s is asked again: %s", role, problem)
            ignored |= isinstance(error, NoJson)
            least = max(mode, JSON_MODE) if isinstance(error, NoJson) else mode
            conversation += [
                AIMessage(raw or "(nothing)"),
                HumanMessage(fill_template("repair", problem=problem.rstrip("."))),
            ]
    raise AssertionError("unreachable")


class NoJson(ValueError):
    """A reply without any JSON: the server ignores how it was asked, or the model does."""


def _read(message: "AIMessage", schema: type[BaseModel], parse: Callable[[Any], Parsed], role: str) -> Parsed:
    """The first of the reply's values that is valid. Raises ValueError: what is wrong with the longest of them."""
    definition, problems = schema.model_json_schema(), list[tuple[int, ValueError]]()
    for value, notes in _values(message):
        fitted, changes = fit(value, definition)
        try:
            parsed = parse(fitted)
        except ValueError as error:
            problems.append((len(json.dumps(value)), error))
            continue
        if notes or changes:
            log.debug("repaired in the %s's answer: %s", role, "; ".join([*notes, *changes]))
        return parsed
    if problems:
        raise max(problems, key=lambda problem: problem[0])[1]
    raw = _raw_reply(message)
    if not raw.strip():
        raise NoJson("it is empty")
    raise NoJson(f"it holds no whole JSON object: {visible(' '.join(raw[:EXCERPT].split()))}")


def _values(message: "AIMessage") -> Iterator[tuple[Any, list[str]]]:
    """The JSON of a message: of its tool calls, then of its text; of its reasoning if it has neither."""
    empty = True
    for call in message.tool_calls:
        empty = False
        yield call["args"], []
    for text in [*_broken_calls(message), str(message.text)]:
        for value, notes in json_values(text[: MAX_REPLY + 1]) if len(text) <= MAX_REPLY else ():
            empty = False
            yield value, notes
    if empty:
        reasoning = str(message.additional_kwargs.get("reasoning_content") or "")
        for value, notes in json_values(reasoning[:MAX_REPLY]):
            yield value, [*notes, "found in the reasoning"]


def _broken_calls(message: "AIMessage") -> list[str]:
    """Arguments of tool calls that are no JSON object, and of calls in OpenAI's first form of them."""
    arguments = [call["args"] for call in message.invalid_tool_calls]
    old_call = message.additional_kwargs.get("function_call")
    arguments += [old_call.get("arguments")] if isinstance(old_call, dict) else []
    return [text for text in arguments if isinstance(text, str) and text.strip()]


def _raw_reply(message: "AIMessage") -> str:
    """The reply as text, at most `MAX_REPLY` characters of it."""
    text = str(message.text)
    if not text.strip() and message.tool_calls:
        text = json.dumps(message.tool_calls[0]["args"], ensure_ascii=False)
    if not text.strip():
        text = next(iter(_broken_calls(message)), "")
    if not text.strip():
        text = str(message.additional_kwargs.get("reasoning_content") or "")
    return text[:MAX_REPLY]


def _problem_lines(error: ValidationError) -> str:
    """A validation error in a form that a model can act on."""
    problems: list[dict[str, Any]] = json.loads(error.json(include_url=False, include_input=False))
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'answer'}: {problem['msg'].removeprefix('Value error, ')}"
        for problem in problems
    )
