"""A pydantic schema as every server takes it that knows JSON schemas: types, choices and descriptions, and no more.

OpenAI's strict mode wants each field required and none unknown, and no lengths of texts; Anthropic refuses bounds of
numbers and lists too, Gemini `const`. What is left out is checked when the answer is read. Servers that make a grammar
of the schema are sent lengths of texts and lists as well: with them an answer ends, however small its model is.
"""

from typing import Any

LENGTHS = {"minLength", "maxLength", "minItems", "maxItems"}
LEFT_OUT = {
    "default", "title", "discriminator", "pattern", "format", "uniqueItems", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf",
}  # fmt: skip


def strict_schema(schema: dict[str, Any], *, lengths: bool = False) -> dict[str, Any]:
    """The same schema for strict output; `lengths`: with those of texts and lists."""
    left_out = LEFT_OUT if lengths else LEFT_OUT | LENGTHS
    schema = {name: value for name, value in schema.items() if name not in left_out}
    if "$ref" in schema and len(schema) > 1:  # nothing may stand beside a reference
        schema["anyOf"] = [{"$ref": schema.pop("$ref")}]
    if "oneOf" in schema:
        schema["anyOf"] = schema.pop("oneOf")
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if "properties" in schema:
        schema |= {"required": list(schema["properties"]), "additionalProperties": False}
    return {name: _strict(name, value, lengths) for name, value in schema.items()}


def _strict(name: str, value: Any, lengths: bool) -> Any:
    if name in ("properties", "$defs"):  # names of fields, not of the schema's keywords
        return {field: strict_schema(inner, lengths=lengths) for field, inner in value.items()}
    if isinstance(value, dict):
        return strict_schema(value, lengths=lengths)
    if isinstance(value, list):
        return [strict_schema(entry, lengths=lengths) if isinstance(entry, dict) else entry for entry in value]
    return value
