"""The tools as the function schemas of model APIs, for whoever calls a model without a framework."""

from collections.abc import Callable, Mapping
from typing import Any

from langchain_core.tools import BaseTool
from openai import pydantic_function_tool

# What OpenAI's strict mode does not take; pydantic checks these when the call arrives.
LOOSE = ("default", "minLength", "maxLength", "title")


def openai_schema(tool: BaseTool) -> dict[str, Any]:
    """A function tool of OpenAI's chat completions, strict: closed objects, every property required."""
    schema = pydantic_function_tool(_model(tool), name=tool.name, description=tool.description)
    parameters = _strict(schema["function"]["parameters"])
    return {"type": "function", "function": {**schema["function"], "parameters": parameters}}


def anthropic_schema(tool: BaseTool) -> dict[str, Any]:
    """A tool of Anthropic's messages API, strict as well."""
    parameters = openai_schema(tool)["function"]["parameters"]
    return {"name": tool.name, "description": tool.description, "strict": True, "input_schema": parameters}


def mcp_schema(tool: BaseTool) -> dict[str, Any]:
    """A tool of the Model Context Protocol, with the schema of what it answers."""
    metadata: Mapping[str, Any] = tool.metadata or {}
    return {
        "name": tool.name, "description": tool.description, "inputSchema": _model(tool).model_json_schema(),
        "outputSchema": metadata["output_schema"],
    }  # fmt: skip


FORMATS: dict[str, Callable[[BaseTool], dict[str, Any]]] = {
    "openai": openai_schema, "anthropic": anthropic_schema, "mcp": mcp_schema,
}  # fmt: skip


def _model(tool: BaseTool) -> Any:
    return tool.args_schema


def _strict(schema: Any, *, names: bool = False) -> Any:
    """The schema without the keywords that strict mode refuses; `names`: its keys are names, not keywords."""
    if isinstance(schema, dict):
        return {
            key: _strict(value, names=key in ("properties", "$defs") and not names)
            for key, value in schema.items()
            if names or key not in LOOSE
        }
    return [_strict(one) for one in schema] if isinstance(schema, list) else schema
