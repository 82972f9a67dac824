"""Chat models by name, and the one place where a model is called: faults retried, invalid answers re-asked."""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from ...prompts.errors import CritiqueError, DitpipeError, ModelError, PlanningError, first_line
from ...prompts.templates import fill_template
from ...renderer.checkpoints.fast_import import without_gc
from .local_models import LOCAL_MODELS
from .local_server import address

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

Parsed = TypeVar("Parsed")
REPAIRS = 2
MAX_REPLY = 200_000  # characters: several times the longest plan; a repair sends the reply back
LOCAL_TIMEOUT = 600.0  # seconds: a busy or small machine is slow, which is no fault


def chat_model(
    name: str, *, base_url: str | None = None, api_key: str | None = None, timeout: float = 60.0
) -> "BaseChatModel":
    """A local model by name, any model of an OpenAI-compatible endpoint (`base_url`), or any name that LangChain knows.

    `timeout` is in seconds per call; a local model gets ten minutes. Raises ModelError if the model or its provider
    package is missing.
    """
    with without_gc(), ThreadPoolExecutor(1) as pool:
        server = pool.submit(address, name) if name in LOCAL_MODELS else None
        from langchain_openai import ChatOpenAI  # takes as long as the server, which starts meanwhile

    if server:
        base_url, api_key, timeout = f"{server.result()}/v1", "local", max(timeout, LOCAL_TIMEOUT)
    if base_url:
        return ChatOpenAI(
            model=name.removeprefix("openai:"), base_url=base_url, api_key=api_key or "none",  # type: ignore[arg-type]
            temperature=0, timeout=timeout, max_retries=0, **_connections(os.getpid()),
        )  # fmt: skip
    from langchain.chat_models import init_chat_model
    from openai import OpenAIError

    try:
        model: BaseChatModel = init_chat_model(name, temperature=0, timeout=timeout, max_retries=0)
    except (ValueError, ImportError, OpenAIError) as error:
        local = ", ".join(repr(local_name) for local_name in LOCAL_MODELS)
        hint = f"give {local}, a LangChain name such as openai:gpt-5, or a base URL"
        raise ModelError(f"cannot use chat model {name!r}: {first_line(error)} ({hint})") from error
    return model


@lru_cache(maxsize=1)
def _connections(process: int) -> dict[str, Any]:
    """The connections of all chat models of a process, for endpoints that are named by their URL.

    Without them LangChain keeps the clients of the last 128 endpoints and timeouts, 1.6 MB and a socket each.
    """
    from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

    return {"http_client": DefaultHttpxClient(), "http_async_client": DefaultAsyncHttpxClient()}


def _may_pass(error: BaseException) -> bool:
    import httpx  # not before there is an error: it takes some time
    import httpx2
    import openai

    faults = openai.APIConnectionError, openai.APITimeoutError, openai.RateLimitError, openai.InternalServerError
    # langchain-ollama, for example, lets the transport's own errors through
    return isinstance(error, (*faults, httpx.TransportError, httpx2.TransportError))


def structured_reply(
    model: "BaseChatModel", schema: type[BaseModel], messages: Sequence["BaseMessage"], *, wait: float = 0.5
) -> tuple[str, Any]:
    """Asks for `schema` as JSON. Returns the raw reply and what it parses to (None if it is not JSON, or endless).

    Connection faults, time-outs, rate limits and server errors are tried three times, `wait` seconds apart and longer;
    then ModelError, as for any other error of a provider. Nothing here validates, see `valid_reply`.
    """
    retrying = Retrying(
        retry=retry_if_exception(_may_pass), stop=stop_after_attempt(3), reraise=True,
        wait=wait_exponential_jitter(multiplier=wait, max=20),
    )  # fmt: skip
    try:
        runnable = model.with_structured_output(schema.model_json_schema(), include_raw=True)
        answer: Any = retrying(runnable.invoke, list(messages))
        raw = answer["raw"]
        text = raw.content if isinstance(raw.content, str) else json.dumps(raw.content)
        if not text and raw.tool_calls:
            text = json.dumps(raw.tool_calls[0]["args"])
    except DitpipeError:
        raise
    except Exception as error:  # each provider's package has errors of its own
        reason = " ".join(f"{type(error).__name__}: {error}".splitlines()[0].split())
        raise ModelError(f"the chat model did not answer: {reason}") from error
    return text[:MAX_REPLY], answer["parsed"] if len(text) <= MAX_REPLY else None


def valid_reply(
    model: "BaseChatModel",
    schema: type[BaseModel],
    messages: Sequence["BaseMessage"],
    parse: Callable[[Any], Parsed],
    *,
    failed: type[PlanningError] | type[CritiqueError],
    role: str,
) -> Parsed:
    """The model's answer as `parse` returns it. A ValueError of `parse` is sent back to the model, at most twice.

    Then `failed` is raised: its message names the `role` of the model, and it holds the raw reply.
    """
    from langchain_core.messages import AIMessage, HumanMessage

    conversation = list(messages)
    for attempt in range(REPAIRS + 1):
        raw, parsed = structured_reply(model, schema, conversation)
        try:
            return parse(parsed)
        except ValueError as error:
            problem = _problem_lines(error) if isinstance(error, ValidationError) else str(error)
            if attempt == REPAIRS:
                message = f"the {role}'s answer stayed invalid after {REPAIRS} repairs: {problem}"
                raise failed(message, reply=raw) from error
            conversation += [AIMessage(raw), HumanMessage(fill_template("repair", problem=problem))]
    raise AssertionError("unreachable")


def _problem_lines(error: ValidationError) -> str:
    """A validation error in a form that a model can act on."""
    problems: list[dict[str, Any]] = json.loads(error.json(include_url=False, include_input=False))
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'answer'}: {problem['msg']}" for problem in problems)
