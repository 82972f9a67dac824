"""The meaning of a chat message, whatever interpreted it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from pydantic import TypeAdapter

from ..plan import ScenePlan
from .chat_answer import Command

Kind = Literal["new brief", "change", "question", "undo", "redo", "choose", "accept", "unclear"]


@dataclass(frozen=True)
class Understanding:
    """The meaning of a message.

    kind: new brief (another picture is described), change (of this one), question (answered by `reply`), undo
    (also: no to the plan that waits), redo, choose (a candidate), accept (content, or yes), unclear (`reply` asks
    back, and `suggestions` are messages that would answer it). plan: the changed plan of a change. brief: of a new
    brief. reply: what a change changes, the answer, or the question back. steps: of undo and redo; redo 0 is all
    that the last undo took back. number: of the candidate, from 1. whole: a change that draws everything again;
    fresh: from new noise. notes: what was not done as it was said, and answers beside a change. commands: as the
    model gave them. touched: names of the regions that a change is about, which 'it' means next.
    """

    kind: Kind
    plan: ScenePlan | None = None
    brief: str = ""
    reply: str = ""
    steps: int = 1
    number: int = 1
    whole: bool = False
    fresh: bool = False
    notes: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    commands: tuple[Command, ...] = ()
    touched: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All fields as JSON."""
        fields: dict[str, Any] = _adapter().dump_python(self, mode="json")
        return fields


@lru_cache
def _adapter() -> TypeAdapter[Understanding]:
    return TypeAdapter(Understanding)
