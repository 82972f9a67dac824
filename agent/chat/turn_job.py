"""The job that carries out a message: its input as JSON, its handler, and what it reports beside the run's events."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from ...prompts.answers.chat_schema import Understanding
from ...prompts.plan import ScenePlan, StrictModel
from ...prompts.revision import Revision
from ...tools.jobs.engine import LOCAL, JobContext, JobHandler
from ...tools.jobs.job_events import JobEvent
from ..events import EVENTS, Event
from .store import Turn

TURN = "turn"  # the kind of job


class Act(StrictModel):
    """One turn: say a message, draw a revision, this plan, or all of it again, say yes to a plan, or finish what was
    interrupted. `whole`: the revision is about the whole picture."""

    do: Literal["say", "revise", "replan", "again", "approve", "resume"]
    message: str = ""
    revision: Revision | None = None
    whole: bool = False
    plan: ScenePlan | None = None


class TurnSettings(StrictModel):
    """Settings of the agent for one job; None: as the server has them."""

    approve: bool | None = None
    candidates: int | None = Field(default=None, ge=1, le=16)
    rounds: int | None = Field(default=None, ge=1, le=100)


class TurnInput(StrictModel):
    """Acts in one session, in this order."""

    session: str
    acts: tuple[Act, ...] = Field(min_length=1)
    caller: str = LOCAL
    settings: TurnSettings = TurnSettings()


@dataclass(frozen=True)
class Understood(JobEvent):
    """A message was interpreted; nothing is done about it yet."""

    result: Understanding


@dataclass(frozen=True)
class Replied(JobEvent):
    """The turn is over: done, waiting for approval, stopped or failed (`turn.status`), with the answer `turn.reply`."""

    turn: Turn


ChatEvent = Event | Understood | Replied
CHAT_EVENTS = (*EVENTS, Understood, Replied)


def turn_handler(carry_out: Callable[[TurnInput, JobContext], None]) -> JobHandler:
    """The handler of the job `TURN`; `carry_out` runs its acts, which may have begun before."""
    return lambda payload, context: carry_out(TurnInput.model_validate(payload), context)
