"""A tool as data and functions: what a model is told of it, and what a call does.

Servers and lists of schemas start without LangChain; `langchain()` makes of it the tool that a LangChain agent takes.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from ..prompts.errors import DitpipeError, first_problem
from .jobs.queue import LOCAL

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

Progress = dict[str, Any]  # {"picture": id, "step": from 1, "steps": in all}
Answer = tuple[str, BaseModel]  # for a model that reads text, and typed
Call = Callable[[Any, str, Callable[[Progress], None]], Answer]
AsyncCall = Callable[[Any, str, Callable[[Progress], Awaitable[None]]], Awaitable[Answer]]


@dataclass(frozen=True)
class PictureTool:
    """`call` and `acall` take checked arguments, the caller's name, which no model can set, and a callback per step.

    They raise DitpipeError or ValueError for what the caller can mend. `output`: the type of the answer; `hints`: what
    a host may tell its user before a call, as the Model Context Protocol has them.
    """

    name: str
    description: str
    args_schema: type[BaseModel]
    output: type[BaseModel]
    hints: dict[str, bool]
    call: Call
    acall: AsyncCall

    @property
    def metadata(self) -> dict[str, Any]:
        """What the schemas say beside name, description and arguments."""
        return {"output_schema": self.output.model_json_schema(), "hints": self.hints}

    def langchain(self) -> "BaseTool":
        """The tool for LangChain. `config["configurable"]["caller"]` names the caller; each step is a custom event
        "progress"."""
        from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
        from langchain_core.runnables import RunnableConfig
        from langchain_core.tools import StructuredTool, ToolException

        def caller(config: RunnableConfig) -> str:
            return str(config.get("configurable", {}).get("caller", LOCAL))

        def run(config: RunnableConfig, **arguments: Any) -> Answer:
            try:
                return self.call(
                    self.args_schema(**arguments), caller(config), lambda step: dispatch_custom_event("progress", step)
                )
            except (DitpipeError, ValueError) as error:
                raise ToolException(one_line(error)) from error

        async def arun(config: RunnableConfig, **arguments: Any) -> Answer:
            try:
                return await self.acall(
                    self.args_schema(**arguments), caller(config), lambda step: adispatch_custom_event("progress", step)
                )
            except (DitpipeError, ValueError) as error:
                raise ToolException(one_line(error)) from error

        return StructuredTool.from_function(
            run,
            coroutine=arun,
            name=self.name,
            description=self.description,
            args_schema=self.args_schema,
            response_format="content_and_artifact",
            handle_tool_error=True,  # the model reads what is wrong and can mend it
            handle_validation_error=first_problem,
            metadata=self.metadata,
        )


def one_line(error: DitpipeError | ValueError) -> str:
    """What a caller is told of a call that it can mend."""
    return first_problem(error) if isinstance(error, ValidationError) else " ".join(str(error).split())
