"""Chat models by name, or by the URL of the server that has them."""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...prompts.endpoint import TIMEOUT, check_url, openai_key
from ...prompts.errors import ModelError, first_line
from ...renderer.checkpoints.fast_import import without_gc
from .local_models import LOCAL_MODELS
from .local_server import address

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

CONNECT_TIMEOUT = 20.0  # seconds


def chat_model(
    name: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    timeout: float = TIMEOUT,
    temperature: float | None = None,
    messages: bool = False,
) -> "BaseChatModel":
    """A local model by name, any model of an OpenAI-compatible server (`base_url`), or any name that LangChain knows.

    Without `api_key`, OPENAI_API_KEY is sent to `base_url`, unless OPENAI_BASE_URL says that it is for another server.
    `timeout`: seconds a call. `temperature` is sent only if it is given, for many models refuse it; local models get
    0. `messages`: a local model that has an adapter for chat messages answers with it, else to plan; others are not
    touched. A local model with a `base_url` is the one of that server, which is already there. Raises ModelError if the
    model or its provider's package is missing, ValueError for a URL without a scheme.
    """
    if base_url:
        check_url(base_url)
    if name in LOCAL_MODELS:
        with without_gc(), ThreadPoolExecutor(1) as pool:
            server = None if base_url else pool.submit(address, name)
            from .local_chat import LocalChat  # its imports take as long as the server, which starts meanwhile

            adapter = int(messages and bool(LOCAL_MODELS[name].chat_adapter))
            url = f"{server.result()}/v1" if server else str(base_url).rstrip("/")
            return LocalChat(model_name=name, openai_api_base=url, request_timeout=timeout, adapter=adapter)
    with without_gc():
        from langchain_openai import ChatOpenAI
        from openai import OpenAIError, Timeout

        from .openai_compatible import OpenAICompatible

    options: dict[str, Any] = {"timeout": timeout, "max_retries": 0}
    options |= {} if temperature is None else {"temperature": temperature}
    if base_url:
        waits = Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT))
        return OpenAICompatible(
            model=name.removeprefix("openai:"), base_url=base_url,
            api_key=api_key or openai_key(base_url) or "none",  # type: ignore[arg-type]
            **options | {"timeout": waits}, **_connections(os.getpid()),
        )  # fmt: skip
    from langchain.chat_models import init_chat_model

    try:
        model: BaseChatModel = init_chat_model(name, **options)
        if type(model) is ChatOpenAI:
            return OpenAICompatible(model=model.model_name, **options)
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
