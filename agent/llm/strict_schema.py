"""A pydantic schema as every server takes it that knows JSON schemas: types, choices and descriptions, and no more.

OpenAI's strict mode wants each field required and none unknown, and no lengths of texts; Anthropic refuses bounds of
numbers and lists too, Gemini `const`. What is left out is checked when the answer is read.
"""

from typing import Any

LEFT_OUT = {
    "default", "title", "discriminator", "minLength", "maxLength", "pattern", "format", "minItems", "maxItems",
    "uniqueItems", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
}  # fmt: skip


def strict_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema for strict output."""
    schema = {name: value for name, value in schema.items() if name not in LEFT_OUT}
    if "$ref" in schema and len(schema) > 1:  # nothing may stand beside a reference
        schema["anyOf"] = [{"$ref": schema.pop("$ref")}]
    if "oneOf" in schema:
        schema["anyOf"] = schema.pop("oneOf")
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if "properties" in schema:
        schema |= {"required": list(schema["properties"]), "additionalProperties": False}
    return {name: _strict(name, value) for name, value in schema.items()}


def _strict(name: str, value: Any) -> Any:
    if name in ("properties", "$defs"):  # names of fields, not of the schema's keywords
        return {field: strict_schema(inner) for field, inner in value.items()}
    if isinstance(value, dict):
        return strict_schema(value)
    if isinstance(value, list):
        return [strict_schema(entry) if isinstance(entry, dict) else entry for entry in value]
    return value
