"""A JSON schema as a model reads it best: the object itself, types in place of values, descriptions as comments.

Half the tokens of the schema, and no form of its own that a small model would give back in place of an answer.
"""

import json
from collections.abc import Mapping
from typing import Any

INDENT = "  "
BOUNDS = {
    "minLength": "of length {} or more", "maxLength": "of length {} or less", "minItems": "entries: {} or more",
    "maxItems": "entries: {} or less", "minimum": "at least {}", "maximum": "at most {}",
    "exclusiveMinimum": "more than {}", "exclusiveMaximum": "less than {}",
}  # fmt: skip


def schema_outline(schema: Mapping[str, Any]) -> str:
    """The outline of a schema as pydantic makes one for a model. No recursive definitions."""
    return _outline(schema, schema.get("$defs", {}), "")


def _outline(schema: Mapping[str, Any], defs: Mapping[str, Any], margin: str) -> str:
    schema = _resolved(schema, defs)
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(dict.fromkeys(_outline(option, defs, margin) for option in options))
    if "const" in schema or "enum" in schema:
        choices = [schema["const"]] if "const" in schema else schema["enum"]
        return " | ".join(json.dumps(choice, ensure_ascii=False) for choice in choices)
    if "prefixItems" in schema:
        return f"[{', '.join(_outline(item, defs, margin) for item in schema['prefixItems'])}]"
    if "items" in schema:
        return f"[{_outline(schema['items'], defs, margin)}, …]"
    if "properties" not in schema:
        return str(schema.get("type", "anything"))
    inner = margin + INDENT
    lines = [
        f"{inner}{json.dumps(name)}: {_outline(field, defs, inner)},{_comment(field, defs)}"
        for name, field in schema["properties"].items()
    ]
    about = f"  // {schema['description']}" if schema.get("description") else ""
    return "\n".join([f"{{{about}", *lines, f"{margin}}}"])


def _comment(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    """What a field means, and the bounds of its value; an object says itself what it is."""
    kinds = [_resolved(option, defs) for option in (schema, *schema.get("anyOf", []))]
    bounds = [words.format(kind[name]) for kind in kinds for name, words in BOUNDS.items() if name in kind]
    words = "; ".join([*filter(None, [schema.get("description")]), *dict.fromkeys(bounds)])
    return f"  // {words}" if words else ""


def _resolved(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    return dict(schema)
