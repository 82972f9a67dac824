"""A pydantic schema as OpenAI's strict mode takes it: every field required, none unknown, no lengths of texts."""

from typing import Any

LEFT_OUT = ("default", "minLength", "maxLength", "title")


def strict_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema for strict output. What it leaves out is checked when the answer is read."""
    return {name: _strict(name, value) for name, value in _required(schema).items() if name not in LEFT_OUT}


def _required(schema: dict[str, Any]) -> dict[str, Any]:
    if "properties" not in schema:
        return schema
    return schema | {"required": list(schema["properties"]), "additionalProperties": False}


def _strict(name: str, value: Any) -> Any:
    if name in ("properties", "$defs"):  # names of fields, not of the schema's keywords
        return {field: strict_schema(inner) for field, inner in value.items()}
    if isinstance(value, dict):
        return strict_schema(value)
    if isinstance(value, list):
        return [strict_schema(entry) if isinstance(entry, dict) else entry for entry in value]
    return value
