"""What a message is interpreted against: the current picture and the conversation so far."""

from collections.abc import Sequence
from dataclasses import dataclass

from ...prompts.answers.chat_schema import Understanding
from ...prompts.critique import Critique
from ...prompts.layout.canvas import SIDE
from ...prompts.layout.token_owners import TOKEN
from ...prompts.plan import MAX_BRIEF, ScenePlan

FIRST_SEED = 1000  # of the noise of a region that is drawn again
SEEDS = 16  # of a message: more than it may have commands


@dataclass(frozen=True)
class ChatState:
    """`plan` is None in an empty session."""

    plan: ScenePlan | None = None
    critique: Critique | None = None
    previous: ScenePlan | None = None  # what an undo beside changes changes: the plan before, or that waits; if known
    waiting: bool = False  # the plan waits for approval, nothing is drawn yet
    candidates: int = 0  # number of pictures to choose from
    messages: tuple[str, ...] = ()  # all messages so far, oldest first
    unclear_message: str = ""  # the last message, if it was answered with a clarifying question
    question: str = ""  # that question
    touched: tuple[str, ...] = ()  # names of the regions in the last change: the referents of 'it'
    draws: str = ""  # what the image model can draw; empty if it publishes no list
    token: int = TOKEN  # side of an image token in pixels
    side: int = SIDE  # of a picture whose plan leaves its size to the model, in pixels

    @property
    def first_seed(self) -> int:
        """For the noise of regions that the next message draws again; other messages have others."""
        return FIRST_SEED + SEEDS * len(self.messages)


def state_after(
    history: Sequence[str | Understanding], *, plan: ScenePlan | None = None, draws: str = "", token: int = TOKEN,
    side: int = SIDE,
) -> ChatState:  # fmt: skip
    """The state of a conversation that is kept elsewhere. history: its messages, oldest first, each followed by what it
    came to, where that is known."""
    messages = tuple(entry for entry in history if isinstance(entry, str))
    last = history[-1] if history else None
    unclear = isinstance(last, Understanding) and last.kind == "unclear"
    changes = [entry for entry in history if isinstance(entry, Understanding) and entry.kind == "change"]
    there = {region.name for region in plan.regions} if plan else set()
    return ChatState(
        plan=plan, messages=messages, draws=draws, token=token, side=side,
        unclear_message=messages[-1] if unclear and messages else "",
        question=last.reply if unclear and isinstance(last, Understanding) else "",
        touched=tuple(name for name in changes[-1].touched if name in there) if changes else (),
        previous=changes[-2].plan if len(changes) > 1 and changes[-1].plan == plan else None,
    )  # fmt: skip


def checked_message(message: str) -> str:
    """The message to be interpreted. Raises ValueError for an empty or overlong one."""
    if not message.strip():
        raise ValueError("the message is empty")
    if len(message) > MAX_BRIEF:
        raise ValueError(f"the message has {len(message):,} characters; at most {MAX_BRIEF:,} are read")
    return message.strip()
