"""A chat model that answers from a queue, handed to whatever is tested; left-over replies are a failure."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.runnables import Runnable, RunnableLambda


class Scripted(BaseChatModel):
    """Each reply is a text or an exception to raise. `calls` keeps the messages of every call."""

    replies: list[Any]
    calls: list[list[BaseMessage]] = []
    model_name: str = ""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self._reply(messages)))])

    def _reply(self, messages: list[BaseMessage]) -> str:
        self.calls.append(messages)
        assert self.replies, "the model was asked more often than scripted"
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return str(reply)

    def with_structured_output(self, schema: Any, **kwargs: Any) -> Runnable[Any, Any]:
        def answer(messages: list[BaseMessage]) -> dict[str, Any]:
            reply = self._reply(messages)
            try:
                parsed = json.loads(reply)
            except (ValueError, RecursionError):
                parsed = None
            return {"raw": AIMessage(reply), "parsed": parsed, "parsing_error": None}

        return RunnableLambda(answer)


@contextmanager
def scripted(*replies: str | Exception, name: str = "") -> Iterator[Scripted]:
    """A model with these replies; fails if some are left over."""
    model = Scripted(replies=list(replies), calls=[], model_name=name)
    yield model
    assert not model.replies, f"{len(model.replies)} scripted replies were never asked for"
