"""What chat models cost: calls and tokens of all callers within a block."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langchain_core.callbacks import BaseCallbackHandler


class Cost:
    """calls: answered ones. tokens_in, tokens_out: as the server tells them, 0 if it does not."""

    def __init__(self) -> None:
        self.calls = self.tokens_in = self.tokens_out = 0

    def as_json(self) -> dict[str, int]:
        return dict(vars(self))


@contextmanager
def counted() -> Iterator[Cost]:
    """Counts the calls of chat models that are made within it, in threads that copy its context too."""
    cost = Cost()
    token = _current().set(_handler(cost))
    try:
        yield cost
    finally:
        _current().reset(token)


_variable: "ContextVar[BaseCallbackHandler | None] | None" = None


def _current() -> "ContextVar[BaseCallbackHandler | None]":
    """The variable that LangChain reads, made known to it once."""
    global _variable
    if _variable is None:
        from langchain_core.tracers.context import register_configure_hook

        _variable = ContextVar("ditpipe_cost", default=None)
        register_configure_hook(_variable, inheritable=True)
    return _variable


def _handler(cost: Cost) -> "BaseCallbackHandler":
    from langchain_core.callbacks import BaseCallbackHandler

    class Counter(BaseCallbackHandler):
        def on_llm_end(self, response: Any, **more: Any) -> None:
            cost.calls += 1
            for generations in response.generations:
                usage = getattr(getattr(generations[0], "message", None), "usage_metadata", None) or {}
                cost.tokens_in += usage.get("input_tokens", 0)
                cost.tokens_out += usage.get("output_tokens", 0)

    return Counter()
