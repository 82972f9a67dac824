"""Word tables and sentence forms of the synthetic briefs and captions, one JSON file per module that uses them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent


def load_table(file: str, name: str) -> Any:
    """The table `name` of FILE.json. Lists become tuples, keys that are numbers become int; the order is kept, since
    a seeded generator draws by position. Raises KeyError for an unknown name."""
    return _frozen(_read(file)[name])


@cache
def _read(file: str) -> dict[str, Any]:
    tables: dict[str, Any] = json.loads((_FOLDER / f"{file}.json").read_text(encoding="utf-8"))
    return tables


def _frozen(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_frozen(part) for part in value)
    if isinstance(value, dict):
        return {int(key) if key.isdecimal() else key: _frozen(part) for key, part in value.items()}
    return value
