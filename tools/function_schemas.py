"""The tools as function schemas of OpenAI, Anthropic and MCP, for calling a model without a framework."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

# Keywords that OpenAI's strict mode refuses; pydantic checks them when the call arrives.
REFUSED_BY_OPENAI = ("default", "minLength", "maxLength", "title")
# Keywords that Anthropic's strict mode refuses; the description states these limits instead.
LIMITS = {
    "minimum": "at least", "exclusiveMinimum": "more than", "maximum": "at most", "exclusiveMaximum": "less than",
    "multipleOf": "a multiple of", "minLength": "characters at least", "maxLength": "characters at most",
    "maxItems": "entries at most",
}  # fmt: skip


class ToolDescription(Protocol):
    """The source of a schema: a `PictureTool`, or the LangChain tool made from it."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def args_schema(self) -> Any: ...
    @property
    def metadata(self) -> Any: ...


def openai_schema(tool: ToolDescription) -> dict[str, Any]:
    """A function tool of OpenAI's chat completions, strict: closed objects, every property required."""
    schema = tool.args_schema.model_json_schema()
    parameters = _strict(schema, schema.get("$defs", {}))
    function = {"name": tool.name, "description": tool.description, "strict": True, "parameters": parameters}
    return {"type": "function", "function": function}


def anthropic_schema(tool: ToolDescription) -> dict[str, Any]:
    """A tool of Anthropic's messages API, strict as well.

    It refuses limits on numbers, lengths and lists, and in a request more than 16 union-typed or 24 optional
    parameters. So nullable parameters are optional instead, and a prompt is always an object of two levels.
    """
    schema = tool.args_schema.model_json_schema()
    parameters = _limits_as_words(schema, schema.get("$defs", {}))
    return {"name": tool.name, "description": tool.description, "strict": True, "input_schema": parameters}


def mcp_schema(tool: ToolDescription) -> dict[str, Any]:
    """A tool of the Model Context Protocol, with the schema of its answer and hints at what a call does."""
    metadata: Mapping[str, Any] = tool.metadata or {}
    return {
        "name": tool.name, "description": tool.description, "inputSchema": tool.args_schema.model_json_schema(),
        "outputSchema": metadata["output_schema"], "annotations": metadata["hints"],
    }  # fmt: skip


FORMATS: dict[str, Callable[[ToolDescription], dict[str, Any]]] = {
    "openai": openai_schema, "anthropic": anthropic_schema, "mcp": mcp_schema,
}  # fmt: skip


def _strict(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """pydantic's schema for OpenAI's strict mode: closed objects, all properties required, no keyword of
    `REFUSED_BY_OPENAI`. A reference with siblings is inlined."""
    if "$ref" in schema and len(schema) > 1:
        own = {key: value for key, value in schema.items() if key != "$ref"}
        return _strict(definitions[schema["$ref"].removeprefix("#/$defs/")] | own, definitions)
    clean = {key: value for key, value in schema.items() if key not in REFUSED_BY_OPENAI}
    for key in ("properties", "$defs"):
        if key in clean:
            clean[key] = {name: _strict(value, definitions) for name, value in clean[key].items()}
    if "items" in clean:
        clean["items"] = _strict(clean["items"], definitions)
    if "anyOf" in clean:
        clean["anyOf"] = [_strict(branch, definitions) for branch in clean["anyOf"]]
    if clean.get("type") == "object":
        clean["required"] = list(clean.get("properties", {}))
        clean["additionalProperties"] = False
    return clean


def _limits_as_words(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """pydantic's schema for Anthropic's strict mode: the first type of a union, limits in the description, closed
    objects in which only nullable properties are optional. A reference with its own description is inlined."""
    if "anyOf" in schema:
        first = next(branch for branch in schema["anyOf"] if branch.get("type") != "null")
        return _limits_as_words(first | {key: schema[key] for key in schema if key != "anyOf"}, definitions)
    if "$ref" in schema and "description" in schema:
        named = definitions[schema["$ref"].removeprefix("#/$defs/")]
        return _limits_as_words(named | {"description": schema["description"]}, definitions)
    limits = [f"{words} {schema[keyword]}" for keyword, words in LIMITS.items() if keyword in schema]
    clean = {key: value for key, value in schema.items() if key not in (*LIMITS, "minItems", "default", "title")}
    if "description" in clean:
        text = clean["description"].replace("null:", "left out:")
        clean["description"] = f"{text} ({', '.join(limits)})" if limits else text
    if schema.get("minItems") == 1:  # the only value above 0 that is accepted
        clean["minItems"] = 1
    for key in ("properties", "$defs"):
        if key in clean:
            clean[key] = {name: _limits_as_words(value, definitions) for name, value in clean[key].items()}
    if "items" in clean:
        clean["items"] = _limits_as_words(clean["items"], definitions)
    if clean.get("type") == "object":
        properties: dict[str, Any] = schema.get("properties", {})
        clean["required"] = [name for name, value in properties.items() if not _may_be_null(value)]
        clean["additionalProperties"] = False
    return clean


def _may_be_null(schema: dict[str, Any]) -> bool:
    return any(branch.get("type") == "null" for branch in schema.get("anyOf", []))
