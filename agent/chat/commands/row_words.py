"""The message that says plainly what rows mean: what a person is offered where a model was not sure. Pure."""

from collections.abc import Sequence
from typing import Any

from ....prompts.answers.chat_rows import ChatRows, Names
from ....prompts.answers.planner_schema import BEHIND_THE_NOUN, article
from ....prompts.layout.places import PLACES
from ..phrases import enumerated

PLACE_WORDS: dict[str, str] = {
    place: f"in the {place}" if place == "center" else f"on the {place}" if place in ("left", "right")
    else f"at the {place}"
    for place in PLACES
}  # fmt: skip
SIZES = {
    1.2: "a bit bigger", 1.4: "bigger", 1.8: "much bigger", 2: "twice as big", 0.85: "a bit smaller", 0.7: "smaller",
    0.5: "half as big",
}  # fmt: skip


def message_of(rows: ChatRows) -> str:
    """'make the cat orange and remove the rocket'; empty for what is no change, or is not said in a few words."""
    parts = [_phrase(row[0], row[1:]) for row in rows.rows]
    return " and ".join(parts) if len(parts) < 4 and all(parts) else ""


def _phrase(kind: str, rest: Sequence[Any]) -> str:
    match kind, *rest:
        case "look", names, str(words):
            head, _, tail = words.partition(" ")
            if head in ("with", "wearing"):
                return f"give {_the(names)} {tail}"
            return "" if head in BEHIND_THE_NOUN else f"make {_the(names)} {words}"
        case "add", subject, colour, detail, 1, where, others:
            thing = " ".join(part for part in (detail, colour, subject) if part and not part.startswith("with "))
            tail = f" {detail}" if detail.startswith("with ") else ""
            return f"add {article(thing)} {thing}{tail}{_where(where, others)}"
        case (("remove" | "redraw"), names) if names:
            return f"{kind} {_the(names)}"
        case "keep", names:
            return f"keep only {_the(names)}"
        case "replace", names, subject, colour, _:
            thing = f"{colour} {subject}".strip()
            return f"replace {_the(names)} with {article(thing)} {thing}"
        case "move", names, where, others:
            place = f" to the {where}" if where in PLACES else _where(where, others)
            return f"move {_the(names)}{place}"
        case "nudge", names, direction:
            return f"move {_the(names)} a bit {direction}"
        case "swap", first, second:
            return f"swap the {first} and the {second}"
        case "size", names, factor if factor in SIZES:
            return f"make {_the(names)} {SIZES[factor]}"
        case "scene", "background", words:
            return f"set the scene {words}"
    return ""


def _the(names: Names) -> str:
    return enumerated([f"the {name}" for name in names])


def _where(where: str, others: Names) -> str:
    """' next to the cat', ' at the top', or nothing."""
    return f" {PLACE_WORDS.get(where) or f'{where} {_the(others)}'}" if where else ""
