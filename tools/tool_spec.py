"""`PictureTool`: a tool as data and one function, independent of LangChain.

Servers and lists of schemas start without LangChain; `langchain()` makes the tool that a LangChain agent takes.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import closing, contextmanager
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ..prompts.errors import DitpipeError, first_problem, one_line
from .jobs.engine import LOCAL
from .jobs.follow import POLL

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

Progress = dict[str, Any]  # {"picture": id, "step": from 1, "steps": in all}
Answer = tuple[str, BaseModel]  # for a model that reads text, and typed
CallEvents = Generator[Progress | Answer | None, None, None]
"""Progress of a call, None where the driver pauses for `POLL` seconds, and last the answer."""


@dataclass(frozen=True)
class PictureTool:
    """run: takes validated arguments and the caller's name, which a model cannot set; closing it early ends the call.

    It raises DitpipeError or ValueError for what the caller can correct. output: type of the answer. hints: of the
    Model Context Protocol, which a host may show before a call.
    """

    name: str
    description: str
    args_schema: type[BaseModel]
    output: type[BaseModel]
    hints: dict[str, bool]
    run: Callable[[Any, str], CallEvents]

    @property
    def metadata(self) -> dict[str, Any]:
        """The parts of the schemas beside name, description and arguments."""
        return {"output_schema": self.output.model_json_schema(), "hints": self.hints}

    def call(self, arguments: Any, caller: str, report: Callable[[Progress], None]) -> Answer:
        """Runs the tool; `report` gets each step."""
        with closing(self.run(arguments, caller)) as events:
            while not isinstance(event := next(events), tuple):
                if event is None:
                    time.sleep(POLL)
                else:
                    report(event)
            return event

    async def acall(self, arguments: Any, caller: str, report: Callable[[Progress], Awaitable[None]]) -> Answer:
        """`call`, without blocking the event loop."""
        events = self.run(arguments, caller)
        # Before its first event a call may run a model, so that part runs in a thread.
        first = asyncio.get_running_loop().run_in_executor(None, copy_context().run, next, events)
        try:
            event = await asyncio.shield(first)
            while not isinstance(event, tuple):
                await (asyncio.sleep(POLL) if event is None else report(event))
                event = next(events)
            return event
        finally:
            if first.done():
                events.close()
            else:  # the caller was cancelled; the thread runs until the first event
                first.add_done_callback(lambda _: events.close())

    def langchain(self) -> "BaseTool":
        """The tool for LangChain. `config["configurable"]["caller"]` names the caller; each step is a custom event
        "progress"."""
        from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
        from langchain_core.runnables import RunnableConfig
        from langchain_core.tools import StructuredTool, ToolException

        def caller(config: RunnableConfig) -> str:
            return str(config.get("configurable", {}).get("caller", LOCAL))

        @contextmanager
        def tool_errors() -> Iterator[None]:
            try:
                yield
            except (DitpipeError, ValueError) as error:
                raise ToolException(one_line(error)) from error

        def run(config: RunnableConfig, **arguments: Any) -> Answer:
            with tool_errors():
                checked = self.args_schema(**arguments)
                return self.call(checked, caller(config), lambda step: dispatch_custom_event("progress", step))

        async def arun(config: RunnableConfig, **arguments: Any) -> Answer:
            with tool_errors():
                checked = self.args_schema(**arguments)
                return await self.acall(checked, caller(config), lambda step: adispatch_custom_event("progress", step))

        return StructuredTool.from_function(
            run,
            coroutine=arun,
            name=self.name,
            description=self.description,
            args_schema=self.args_schema,
            response_format="content_and_artifact",
            handle_tool_error=True,  # the model reads what is wrong and can correct it
            handle_validation_error=first_problem,
            metadata=self.metadata,
        )
