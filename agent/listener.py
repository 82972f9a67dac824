"""What a person's message means, given what they see: by one structured call of a named model, or by the embedded one.

Both answer with the same `Heard`. Who draws, and how undo works, is not known here.
"""

from dataclasses import dataclass
from typing import Protocol

from ..prompts.messages import Heard
from ..prompts.scene import Critique, ScenePlan


@dataclass(frozen=True)
class Shown:
    """What the person has before them. `plan` is None in an empty session."""

    plan: ScenePlan | None = None
    critique: Critique | None = None
    waiting: bool = False  # the plan waits for a yes, nothing is drawn yet
    candidates: int = 0  # pictures to choose from
    said: tuple[str, ...] = ()  # the messages so far, oldest first
    asked: str = ""  # the message that was last answered with a question back, else empty
    touched: tuple[str, ...] = ()  # regions that the last change named: what 'it' means


class Listener(Protocol):
    """Whatever understands messages."""

    def hear(self, message: str, shown: Shown) -> Heard:
        """What a message means. Raises PlanningError or ModelError; what is not understood comes back as 'unclear'."""
        ...
