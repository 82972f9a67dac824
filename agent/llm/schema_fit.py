"""A value of a model's reply coerced to the JSON schema that it should follow; validation comes afterwards."""

import re
from difflib import get_close_matches
from typing import Any

from .lenient_json import Notes, json_values


def fit(value: Any, schema: dict[str, Any]) -> tuple[Any, Notes]:
    """The value coerced to a JSON schema, as pydantic makes one for a model, and what was changed.

    Texts that hold JSON are parsed, lists of one object and wrappers of one key opened, unknown keys dropped, null
    made "" where a text is due and "" null where none is, and choices matched as people write them ("Top-Left").
    """
    notes: Notes = []
    return _Fitting(schema.get("$defs", {}), notes).fit(value, schema, "answer"), notes


class _Fitting:
    """`defs`: the schema's definitions; `notes` grows with each change."""

    def __init__(self, defs: dict[str, Any], notes: Notes) -> None:
        self.defs, self.notes = defs, notes

    def fit(self, value: Any, schema: dict[str, Any], where: str) -> Any:
        options = [self._resolved(option) for option in schema.get("anyOf") or schema.get("oneOf") or [schema]]
        kinds = {kind for option in options for kind in _kinds(option)}
        value = self._of_kind(value, kinds, where)
        choices = [choice for option in options for choice in _choices(option)]
        if isinstance(value, str) and choices and value not in choices:
            return self._choice(value, choices, where)
        kind = "object" if isinstance(value, dict) else "array" if isinstance(value, list) else ""
        fitting = [option for option in options if kind in _kinds(option)]
        if isinstance(value, dict) and fitting:
            return self._object(value, max(fitting, key=lambda option: _likeness(value, option)), where)
        return self._array(value, fitting[0], where) if fitting else value

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self.defs[schema["$ref"].rpartition("/")[2]]
        return schema

    def _note(self, where: str, change: str) -> None:
        self.notes.append(f"{where}: {change}")

    def _of_kind(self, value: Any, kinds: set[str], where: str) -> Any:
        """The value converted to a JSON type that its schema allows, where that is unambiguous."""
        for _ in range(3):  # encoded more often than that is nobody's habit
            if not (isinstance(value, str) and kinds & {"object", "array"}):
                break
            decoded = _decoded(value)
            if decoded is value:
                break
            self._note(where, "JSON inside a text parsed")
            value = decoded
        if isinstance(value, list) and len(value) == 1 and kinds and "array" not in kinds:
            self._note(where, "list of one opened")
            value = value[0]
        if isinstance(value, str) and "array" in kinds and "string" not in kinds:
            self._note(where, "one text made a list")
            value = [value] if value else []
        if isinstance(value, dict) and "array" in kinds and "object" not in kinds:
            self._note(where, "one thing made a list")
            value = [value]
        if value is None and "string" in kinds and "null" not in kinds:
            self._note(where, "null made an empty text")
            return ""
        if value in ("null", "None") and "null" in kinds:
            self._note(where, "the word null made null")
            return None
        if value == "" and "null" in kinds and "string" not in kinds:
            self._note(where, "empty text made null")
            return None
        return value

    def _choice(self, value: str, choices: list[Any], where: str) -> str:
        # Another number is no misspelling: 'cat 3' is not 'cat 2'.
        plain = {_plain(c): c for c in choices if isinstance(c, str) and _digits(c) == _digits(value)}
        match = get_close_matches(_plain(value), plain, n=1, cutoff=0.8)
        if match:
            self._note(where, f"{value[:60]!r} taken for {plain[match[0]]!r}")
        return plain[match[0]] if match else value

    def _object(self, value: dict[str, Any], schema: dict[str, Any], where: str) -> Any:
        fields = schema.get("properties")
        if fields is None:
            return value
        if not fields.keys() & value.keys():
            inner = [inner for inner in map(_decoded, value.values()) if isinstance(inner, dict)]
            if len(inner) == 1:  # {"plan": {…}}, or {"name": "…", "arguments": {…}}
                self._note(where, "wrapper opened")
                return self.fit(inner[0], schema, where)
        if unknown := [name for name in value if name not in fields]:
            self._note(where, f"unknown {', '.join(name[:40] for name in unknown[:10])} left out")
        path = "" if where == "answer" else f"{where}."
        return {name: self.fit(inner, fields[name], f"{path}{name}") for name, inner in value.items() if name in fields}

    def _array(self, value: list[Any], schema: dict[str, Any], where: str) -> list[Any]:
        first = schema.get("prefixItems", [])
        rest = schema.get("items")
        rest = rest if isinstance(rest, dict) else {}
        schemas = [*first, *[rest] * max(0, len(value) - len(first))]
        return [self.fit(item, of, f"{where}.{at}") for at, (item, of) in enumerate(zip(value, schemas, strict=False))]


def _likeness(value: dict[str, Any], schema: dict[str, Any]) -> tuple[int, int]:
    """How many fields of an object have the only text that a schema takes there, and how many are in it at all."""
    fields = {name: field for name, field in schema.get("properties", {}).items() if name in value}
    named = [name for name, field in fields.items() if "const" in field]
    return sum(_plain(str(value[name])) == _plain(str(fields[name]["const"])) for name in named), len(fields)


def _decoded(value: Any) -> Any:
    """The JSON that a text holds; the value itself if it is no text, or holds none."""
    values = json_values(value) if isinstance(value, str) else iter(())
    return next((found for found, _ in values if isinstance(found, dict | list | str)), value)


def _kinds(schema: dict[str, Any]) -> list[str]:
    """The kinds of JSON that a schema takes; empty if it says nothing."""
    if "type" in schema:
        return [schema["type"]] if isinstance(schema["type"], str) else list(schema["type"])
    if choices := _choices(schema):
        return ["string"] if all(isinstance(choice, str) for choice in choices) else []
    return ["object"] if "properties" in schema else []


def _choices(schema: dict[str, Any]) -> list[Any]:
    return [schema["const"]] if "const" in schema else list(schema.get("enum", []))


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))


def _plain(text: str) -> str:
    """'top left' of 'Top-Left' and 'TOP_LEFT'."""
    return " ".join(re.split(r"[\W_]+", text.casefold())).strip()
