"""Arguments of tools as hosts send them: objects, lists and numbers as JSON text, nothing as "", "null" or "None"."""

from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel, model_validator

from ..prompts.outside_json import parse_json
from ..prompts.plan import StrictModel

NOTHING = ("", "null", "None", "undefined")


class Arguments(StrictModel):
    """Arguments of a tool. What a host sends as text is read as what the schema says, however deep inside it is."""

    @model_validator(mode="before")
    @classmethod
    def _unpacked(cls, values: Any) -> Any:
        return unpacked(values, cls) if isinstance(values, dict) else values


def unpacked(value: Any, annotation: Any) -> Any:
    """The value of a type, of which texts that stand for something else are parsed. Free text stays as it is."""
    if isinstance(value, str) and not _is_text(annotation):
        value = None if value.strip() in NOTHING else _from_json(value)
    if isinstance(value, dict) and (model := _part(annotation, BaseModel)):
        types = {name: field.annotation for name, field in model.model_fields.items()}
        return {name: unpacked(entry, types[name]) if name in types else entry for name, entry in value.items()}
    if isinstance(value, list) and (entries := _part(annotation, list)):
        return [unpacked(entry, get_args(entries)[0]) for entry in value]
    return value


def _is_text(annotation: Any) -> bool:
    """Whether a type takes free text as it is."""
    return annotation is str or (
        get_origin(annotation) is not list and any(_is_text(part) for part in get_args(annotation))
    )


def _part(annotation: Any, kind: type) -> Any:
    """The type of that kind, a model or a list of something, in a type or in what it is a union of; None without."""
    base = get_origin(annotation) or annotation
    if isinstance(base, type) and issubclass(base, kind):
        return annotation
    parts = (_part(part, kind) for part in get_args(annotation) if part is not NoneType)
    return next((part for part in parts if part is not None), None)


def _from_json(text: str) -> Any:
    """The parsed text if it is the JSON of an object or a list; else the text itself."""
    if not text.strip().startswith(("{", "[")):
        return text
    try:
        return parse_json(text)
    except ValueError:
        return text
