"""What a message is interpreted against: the current picture and the conversation so far."""

from dataclasses import dataclass

from ...prompts.critique import Critique
from ...prompts.plan import ScenePlan


@dataclass(frozen=True)
class ChatState:
    """`plan` is None in an empty session."""

    plan: ScenePlan | None = None
    critique: Critique | None = None
    waiting: bool = False  # the plan waits for approval, nothing is drawn yet
    candidates: int = 0  # number of pictures to choose from
    messages: tuple[str, ...] = ()  # all messages so far, oldest first
    unclear_message: str = ""  # the last message, if it was answered with a question back
    touched: tuple[str, ...] = ()  # names of the regions in the last change: the referents of 'it'
    draws: str = ""  # what the image model can draw; empty if it publishes no list
