"""The longest answer that a JSON schema admits, and the schema with shorter texts and lists whose longest one fits.

For small models under a grammar: they write until the grammar ends a text or a list, whatever there is to say.
"""

import json
from collections.abc import Mapping
from typing import Any

LEAST_TEXT, LEAST_LIST = 30, 2  # characters, entries: with less an answer says nothing
SHARES = (0.8, 0.6, 0.45, 0.35, 0.27, 0.2, 0.15, 0.1, 0.05)  # of the lengths of texts and lists, tried in this order
NUMBER = 6  # characters of a number that is meant; a grammar admits a few more
UNBOUNDED = 10**9  # characters, of a text or list whose length the schema leaves open


def longest_answer(schema: Mapping[str, Any]) -> int:
    """Characters of the longest answer, written without spaces. No recursive definitions."""
    return _longest(schema, schema.get("$defs", {}))


def within(schema: Mapping[str, Any], characters: int) -> dict[str, Any]:
    """The schema, with shorter texts and lists if it needs them for its longest answer to have at most so many
    characters; its shortest form if none is that short."""
    if longest_answer(schema) <= characters:
        return dict(schema)
    shorter: list[dict[str, Any]] = [_scaled(schema, share) for share in SHARES]
    return next((each for each in shorter if longest_answer(each) <= characters), shorter[-1])


def _longest(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> int:
    if "$ref" in schema:
        return _longest(defs[schema["$ref"].rpartition("/")[2]], defs)
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return max(_longest(option, defs) for option in options)
    if "const" in schema or "enum" in schema:
        choices = [schema["const"]] if "const" in schema else schema["enum"]
        return max(len(json.dumps(choice, ensure_ascii=False)) for choice in choices)
    match schema.get("type"):
        case "object":
            return 2 + sum(len(name) + 4 + _longest(field, defs) for name, field in schema["properties"].items())
        case "array":
            most = int(schema.get("maxItems", UNBOUNDED))
            return min(UNBOUNDED, 2 + most * (1 + _longest(schema["items"], defs)))
        case "string":
            return 2 + int(schema.get("maxLength", UNBOUNDED))
    return NUMBER


def _scaled(value: Any, share: float) -> Any:
    """A schema with this share of the lengths of texts and lists, but for the shortest ones, and no list shorter than
    its least."""
    if isinstance(value, list):
        return [_scaled(entry, share) for entry in value]
    if not isinstance(value, dict):
        return value
    scaled = {name: _scaled(inner, share) for name, inner in value.items()}
    for name, least in (("maxLength", LEAST_TEXT), ("maxItems", LEAST_LIST)):
        if isinstance(bound := value.get(name), int):
            scaled[name] = min(bound, max(least, int(bound * share), value.get("minItems", 0)))
    return scaled
