"""A chat model of any server that speaks OpenAI's chat completions, also where the server speaks them loosely."""

import json
from collections.abc import Mapping
from typing import Any

from langchain_core.outputs import ChatResult
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

from ...prompts.faults import BadAnswer
from ...prompts.outside_json import parse_json


class OpenAICompatible(ChatOpenAI):
    """LangChain's ChatOpenAI that reports a successful response without a message, and keeps the reasoning that models
    return beside it."""

    def _get_request_payload(self, *args: Any, **options: Any) -> dict[str, Any]:
        """The answer's schema goes beside the rest: else OpenAI's client reads the answer itself, in Python's words."""
        payload: dict[str, Any] = super()._get_request_payload(*args, **options)
        if "response_format" in payload:
            response_format = {"response_format": payload.pop("response_format")}
            payload["extra_body"] = {**(payload.get("extra_body") or {}), **response_format}
        return payload

    def _create_chat_result(self, response: Any, generation_info: dict[str, Any] | None = None) -> ChatResult:
        """Raises BadAnswer for what is no chat completion with a message."""
        body = response.model_dump(warnings=False) if isinstance(response, BaseModel) else response
        choices = _choices(body)
        for choice in choices:
            _plain_arguments(choice["message"])
        result = super()._create_chat_result(body, generation_info)
        for choice, generation in zip(choices, result.generations, strict=True):
            message = choice["message"]
            for name in ("reasoning_content", "reasoning"):  # servers differ
                if isinstance(message.get(name), str):
                    generation.message.additional_kwargs["reasoning_content"] = message[name]
        return result


def _plain_arguments(message: dict[str, Any]) -> None:
    """Makes the arguments of tool calls JSON as a text, which some servers give as an object or encode twice."""
    for call in message.get("tool_calls") or []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            arguments = function.get("arguments")
            try:
                decoded = parse_json(arguments) if isinstance(arguments, str) else json.dumps(arguments)
            except ValueError:  # broken JSON is repaired where the reply is read
                continue
            function["arguments"] = decoded if isinstance(decoded, str) else arguments


def _choices(body: Any) -> list[Any]:
    if not isinstance(body, Mapping):
        raise BadAnswer(body if isinstance(body, str) else "")
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    error = body.get("error") or (first.get("error") if isinstance(first, Mapping) else None)
    if error:
        raise BadAnswer({"error": error})
    if not isinstance(first, Mapping) or not isinstance(first.get("message"), Mapping):
        raise BadAnswer(dict(body))
    return list(choices or [])
