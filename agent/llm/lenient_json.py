"""Lenient reading of a model's reply: every JSON value in a text, its syntax repaired where that is plain.

Nothing here accepts an answer: what is read is validated strictly afterwards. Each repair is noted, for the debug log.
"""

import re
from collections.abc import Iterator
from typing import Any

from ...prompts.outside_json import parse_json

MAX_REPAIRED = 32_000  # characters of a reply: json_repair's time grows with the square, to 4 CPU seconds at worst
MAX_DEPTH = 64
MAX_VALUES = 8  # JSON values that are tried in one reply
BRACKET = re.compile(r'[{}\[\]"\\]')
Notes = list[str]


def json_values(text: str) -> Iterator[tuple[Any, Notes]]:
    """The objects and lists of a text, the last first, for a draft or an example stands before the answer.

    Prose, fences and thoughts around them are passed over. Broken syntax is repaired, unless the text ends early.
    """
    text = text.strip()
    try:
        yield parse_json(text), []
        return
    except ValueError:
        pass
    spans, left = _outermost(text), MAX_REPAIRED
    for start, end in spans[: -MAX_VALUES - 1 : -1]:
        notes = ["text around the JSON left out"] if (start, end) != (0, len(text)) else []
        try:
            yield parse_json(text[start:end]), notes
        except ValueError:
            repaired = _repaired(text[start:end]) if end - start <= left else None
            left -= min(left, end - start)
            if repaired is not None:
                yield repaired, [*notes, "JSON syntax repaired"]
    start, end = text.find("{"), max(text.rfind("}"), text.rfind("]")) + 1
    cut_off = re.search(r'[,"{\[]', text[end:])
    misled = 0 <= start < end and not cut_off and (start, end) not in spans  # by brackets or quotation marks
    if misled and end - start <= left:
        repaired = _repaired(text[start:end])
        if repaired is not None:
            yield repaired, ["JSON syntax repaired"]


def _outermost(text: str) -> list[tuple[int, int]]:
    """The spans between matching outermost brackets, in one pass. Inside them, strings are skipped."""
    spans, depth, start, in_string, skip_to = [], 0, 0, False, 0
    for match in BRACKET.finditer(text):
        at, sign = match.start(), match.group()
        if at < skip_to or not depth and sign not in "{[":
            continue
        if sign == "\\":
            skip_to = at + 2
        elif sign == '"':
            in_string = not in_string
        elif not in_string and sign in "{[":
            start = start if depth else at
            depth += 1
        elif not in_string:
            depth -= 1
            if not depth:
                spans.append((start, at + 1))
    return spans


def _repaired(text: str) -> Any:
    """The value of broken JSON; None if it cannot be repaired, or is too deep to try."""
    if _depth(text) > MAX_DEPTH:
        return None
    from json_repair import repair_json  # 30 ms

    try:
        value = repair_json(text, return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError):
        return None
    return value or None  # "" and [] are its answers to what holds nothing


def _depth(text: str) -> int:
    """An upper bound of the nesting: brackets in strings count too."""
    depth = deepest = 0
    for match in BRACKET.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(match.group(), 0)
        deepest = max(deepest, depth)
    return deepest
