"""The chat model of a local server: chat completions over httpx.

LangChain's ChatOpenAI does this as well, and importing it and openai takes half a second of every `ditpipe plan`.
"""

import time
from typing import Any

import httpx
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, convert_to_openai_messages
from langchain_core.outputs import ChatGeneration, ChatResult

from ...prompts.faults import BadAnswer
from .local_server import is_kept

RESTART = 60.0  # seconds that a server may take to start again


class LocalChat(BaseChatModel):
    """A model of `local_server`. openai_api_base: its URL with /v1, as in ChatOpenAI. request_timeout: seconds.
    logprobs: whether the answer's metadata has the logarithms of its tokens' probabilities. adapter: the number of the
    LoRA that answers, among those that the server was started with."""

    model_name: str
    openai_api_base: str
    request_timeout: float
    logprobs: bool = False
    adapter: int = 0

    @property
    def _llm_type(self) -> str:
        return "ditpipe-local"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model_name": self.model_name, "openai_api_base": self.openai_api_base}

    def _generate(
        self, messages: list[BaseMessage], stop: list[str] | None = None, run_manager: Any = None, **options: Any
    ) -> ChatResult:
        """Raises httpx's errors, and BadAnswer for what is no chat completion."""
        body = {"model": self.model_name, "messages": convert_to_openai_messages(messages), "temperature": 0, **options}
        body["lora"] = [{"id": self.adapter, "scale": 1.0}]  # those that are not named have the scale 0
        if self.logprobs:
            body["logprobs"] = True
        if stop:
            body["stop"] = stop
        response = self._post(body)
        response.raise_for_status()
        try:
            choice = response.json()["choices"][0]
            about = {"finish_reason": choice["finish_reason"], "logprobs": choice.get("logprobs")}
            message = AIMessage(choice["message"]["content"] or "", response_metadata=about)
        except (ValueError, LookupError, TypeError) as error:
            raise BadAnswer(response.text) from error
        return ChatResult(generations=[ChatGeneration(message=message)])

    def _post(self, body: dict[str, Any]) -> httpx.Response:
        """The server's response. One of this process that ended is started again meanwhile: it is waited for."""
        url, deadline = f"{self.openai_api_base}/chat/completions", time.monotonic() + RESTART
        while True:
            waits = time.monotonic() < deadline and is_kept(self.openai_api_base.removesuffix("/v1"))
            try:  # trust_env: a proxy is not for loopback
                response = httpx.post(url, json=body, timeout=self.request_timeout, trust_env=False)
                if response.status_code != httpx.codes.SERVICE_UNAVAILABLE or not waits:  # it loads the model
                    return response
            except httpx.ConnectError:
                if not waits:
                    raise
            time.sleep(0.1)
