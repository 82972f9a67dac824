"""How a server is asked for JSON: the ways that servers know, the best first; what worked is remembered per server."""

import logging
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ...prompts.endpoint import shows_schema, without_credentials
from ...prompts.errors import DitpipeError, ModelError, first_line
from ...prompts.faults import Fault, fault_of, with_retries
from ...prompts.templates import fill_template
from .answer_length import within
from .local_models import LOCAL_MODELS
from .message_end import is_cut_off
from .schema_outline import schema_outline
from .strict_schema import strict_schema

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage

BOUNDED, NATIVE, TOOL, JSON_MODE, PROMPT = range(5)  # BOUNDED: a native schema with lengths, for servers with grammars
REFUSED = (400, 422, 501)  # statuses of a request that asks for what a server does not know
NO_MODE = ("context_length_exceeded", "content_filter", "content_policy_violation", "invalid_api_key")
# What may be set on a chat model, and that some models refuse.
PARAMETERS = (
    "temperature", "top_p", "max_completion_tokens", "max_tokens", "seed", "stop", "n", "presence_penalty",
    "frequency_penalty", "reasoning_effort", "verbosity", "logprobs", "tool_choice",
)  # fmt: skip


@dataclass(frozen=True)
class Learned:
    """What a server accepts for one model: its best mode, the parameters that it refuses, and the characters that
    answers may have, by the names of the schemas of which it cut one off."""

    mode: int = BOUNDED
    refused: frozenset[str] = frozenset()
    longest: Mapping[str, int] = field(default_factory=dict)
    strikes: int = 0  # answers without JSON, since one was read at once


FITTING = 0.8  # of a cut-off answer's characters: other texts take more tokens
log = logging.getLogger(__name__)
STRIKES = 2  # answers without JSON after which a server counts as one that ignores how it is asked
_learned: dict[tuple[str, ...], Learned] = {}  # of this process


def ask(
    model: "BaseChatModel",
    schema: type[BaseModel],
    messages: Sequence["BaseMessage"],
    *,
    at_least: int = BOUNDED,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple["AIMessage", int]:
    """The model's message, asked for as JSON of the schema, and the mode it was asked in, from `at_least` on.

    A mode that the server refuses is followed by the next, a parameter that it refuses is left out. Where lengths of
    texts and lists are kept, an answer that a limit of tokens cut off is asked for again in a shorter form: one whose
    longest answer fits, or the shortest. Raises ModelError.
    """
    key = _key(model)
    learned = _learned.get(key, Learned())
    learned = replace(learned, mode=max(learned.mode, at_least, _first_mode(model)))
    while True:
        try:
            message = with_retries(lambda: _call(model, schema, messages, learned), sleep=sleep)
        except DitpipeError:
            raise
        except Exception as error:  # each provider's package has errors of its own
            fault = fault_of(error)
            after = _without_what_is_refused(model, learned, error, fault)
            if after is None:
                raise ModelError(_line(model, error, fault)) from error
            learned = after
        else:
            if at_least == BOUNDED:
                _learned[key] = learned
            written = len(str(message.text).strip())
            longest = min(int(FITTING * written), learned.longest.get(schema.__name__, written))
            shorter = replace(learned, longest={**learned.longest, schema.__name__: longest})
            if not (written and is_cut_off(message)) or _definition(schema, shorter) == _definition(schema, learned):
                return message, learned.mode
            log.warning("an answer of %s was cut off at its limit of tokens; shorter ones are asked for", _name(model))
            learned = shorter


def remember(model: "BaseChatModel", mode: int, *, ignored_before: bool) -> None:
    """Notes that an answer was read in this mode. ignored_before: after one without JSON in an earlier mode; where that
    happens again before an answer is read at once, this mode is the first to be asked in from now on."""
    key = _key(model)
    learned = _learned.get(key, Learned())
    strikes = learned.strikes + 1 if ignored_before else 0
    best = max(mode, learned.mode) if strikes >= STRIKES else learned.mode
    _learned[key] = replace(learned, strikes=strikes, mode=best)


def definition_for(model: "BaseChatModel", schema: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of an answer; with shorter texts and lists for a model whose answer was cut off."""
    return _definition(schema, _learned.get(_key(model), Learned()))


def bounds_lengths(model: "BaseChatModel") -> bool:
    """Whether the model's answers are asked for with lengths that a grammar keeps, as far as is known by now."""
    mode = max(_learned.get(_key(model), Learned()).mode, _first_mode(model))
    return mode == BOUNDED or (mode == NATIVE and _name(model) in LOCAL_MODELS)


def _definition(schema: type[BaseModel], learned: Learned) -> dict[str, Any]:
    definition = schema.model_json_schema()
    longest = learned.longest.get(schema.__name__)
    return within(definition, longest) if longest and learned.mode == BOUNDED else definition


def _without_what_is_refused(
    model: "BaseChatModel", learned: Learned, error: Exception, fault: Fault | None
) -> Learned | None:
    """What to try after an error; None if another way of asking would not help."""
    following = replace(learned, mode=learned.mode + 1) if learned.mode < PROMPT else None
    if fault is None:  # a provider's package that does not know a mode says so in one of these
        return following if isinstance(error, NotImplementedError | ValueError | TypeError) else None
    nobody = fault.status == 404 and "no endpoints found that" in fault.words.lower()  # OpenRouter, of a parameter
    if not (fault.status in REFUSED or nobody) or fault.code in NO_MODE:
        return None
    sent = {name for name in PARAMETERS if _value(model, name) is not None and name not in learned.refused}
    sent |= {"tool_choice"} - learned.refused if learned.mode == TOOL else set()
    named = [fault.parameter, *re.findall(r"[a-z_]+", fault.words)]
    name = next((name for name in named if name in sent), None)
    return replace(learned, refused=learned.refused | {name}) if name else following


def _call(
    model: "BaseChatModel", schema: type[BaseModel], messages: Sequence["BaseMessage"], learned: Learned
) -> "AIMessage":
    """One call in one mode."""
    model, definition = _without(model, learned.refused), _definition(schema, learned)
    strict = strict_schema(definition, lengths=learned.mode == BOUNDED)
    titled = {"title": schema.__name__} | strict  # LangChain names tools by the title
    speaks_openai = hasattr(model, "openai_api_base")
    if learned.mode <= NATIVE:
        if not speaks_openai:
            return _raw(model.with_structured_output(titled, include_raw=True).invoke(list(messages)))
        named = {"name": schema.__name__, "schema": strict, "strict": True}
        if _name(model) in LOCAL_MODELS:  # their training left fields out, and their server takes any schema
            named = {"name": schema.__name__, "schema": definition}
        elif not shows_schema(_url(model)):
            messages = _with_schema(messages, definition, merged=False)
        return model.bind(response_format={"type": "json_schema", "json_schema": named}).invoke(list(messages))
    if learned.mode == TOOL:
        choice = {} if "tool_choice" in learned.refused else {"tool_choice": "any"}
        return model.bind_tools([titled], **choice).invoke(list(messages))
    with_schema = _with_schema(messages, definition, merged=learned.mode == PROMPT)
    if learned.mode == PROMPT or not speaks_openai:  # LangChain's packages of other providers know no such mode
        return model.invoke(with_schema)
    return model.bind(response_format={"type": "json_object"}).invoke(with_schema)


def _first_mode(model: "BaseChatModel") -> int:
    """A server that does not show its model the schema may make a grammar of it, which lengths make finite."""
    if not hasattr(model, "openai_api_base") or _name(model) in LOCAL_MODELS or shows_schema(_url(model)):
        return NATIVE
    return BOUNDED


def _raw(answer: Any) -> "AIMessage":
    """The message itself; LangChain's reading of it is not needed."""
    message: AIMessage = answer["raw"]
    return message


def _with_schema(messages: Sequence["BaseMessage"], definition: dict[str, Any], *, merged: bool) -> list["BaseMessage"]:
    """The messages with the form of the answer at the end of the first; `merged`: that one made a part of the person's,
    because some models take no system message."""
    from langchain_core.messages import HumanMessage, SystemMessage

    text = fill_template("answer-schema", schema=schema_outline(definition))
    rest = list(messages)
    if rest and isinstance(rest[0], SystemMessage):
        text = f"{rest.pop(0).text}\n\n{text}"
    if not merged or not rest or not isinstance(rest[0], HumanMessage):
        return [SystemMessage(text) if not merged else HumanMessage(text), *rest]
    content = rest[0].content
    parts = [content] if isinstance(content, str) else list(content)
    joined = f"{text}\n\n{content}" if isinstance(content, str) else [{"type": "text", "text": text}, *parts]
    return [HumanMessage(joined), *rest[1:]]


def _without(model: "BaseChatModel", refused: frozenset[str]) -> "BaseChatModel":
    """The model without the parameters that its server refuses; `max_completion_tokens` is sent as `max_tokens`."""
    update: dict[str, Any] = {name: None for name in refused if _value(model, name) is not None}
    limit = getattr(model, "max_tokens", None)
    if "max_completion_tokens" in refused and limit is not None:
        update["max_tokens"] = None
        if "max_tokens" not in refused:
            update["extra_body"] = {**(getattr(model, "extra_body", None) or {}), "max_tokens": limit}
    update.pop("max_completion_tokens", None)
    return model.model_copy(update=update) if update else model


def _value(model: "BaseChatModel", name: str) -> Any:
    """A parameter that is set on the model; ChatOpenAI keeps both limits of tokens under one name."""
    return getattr(model, "max_tokens" if name == "max_completion_tokens" else name, None)


def _key(model: "BaseChatModel") -> tuple[str, ...]:
    return type(model).__qualname__, _name(model), _url(model)


def _name(model: "BaseChatModel") -> str:
    return str(getattr(model, "model_name", "") or getattr(model, "model", ""))


def _url(model: "BaseChatModel") -> str:
    """Of the server that is asked, also where a variable of the environment names it."""
    client = getattr(model, "root_client", None)
    given = getattr(model, "openai_api_base", None) or getattr(model, "base_url", None)
    return str(given or getattr(client, "base_url", None) or "")


def _line(model: "BaseChatModel", error: Exception, fault: Fault | None) -> str:
    name, url = _name(model), _url(model)
    server = f"{without_credentials(url)} (model {name})" if url else name or "the chat model"
    if fault is None:
        return f"{server} did not answer: {type(error).__name__}: {first_line(error)}"
    timeout = getattr(model, "request_timeout", None)
    timeout = getattr(timeout, "read", timeout)
    return fault.line(server, timeout=timeout if isinstance(timeout, int | float) else None)
