"""Interprets a message without drawing: for programs that talk to people themselves.

result = understand("make the cat orange", plan=plan)
if result.kind == "change":
    plan = result.plan
print(result.reply)
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from ...prompts.answers.chat_schema import Understanding
from ...prompts.plan import ScenePlan
from ..agent import Agent
from ..planning.planner import Planner
from .chat_state import checked_message, state_after
from .interpreter import interpreter_for


def understand(
    message: str,
    *,
    plan: ScenePlan | None = None,
    planner: Planner | str = "auto",
    history: Sequence[str | Understanding] = (),
    **options: Any,
) -> Understanding:
    """Interprets a message about a plan: a change of it, a question back, or what else `Understanding.kind` has.

    plan: None while there is none, when most messages are a new brief. planner: the model that interprets, by name, as
    for `Agent`; options are `Agent`'s, such as `base_url`. history: the earlier messages, oldest first; each may be
    followed by the Understanding that came of it, from which the next message's 'it' and an answer to a question back
    are understood.

    Raises ValueError for an empty or overlong message or an unknown option, DitpipeError if the model fails.
    """
    return understood_by(Agent(planner=planner, **options), message, plan=plan, history=history)


async def aunderstand(
    message: str,
    *,
    plan: ScenePlan | None = None,
    planner: Planner | str = "auto",
    history: Sequence[str | Understanding] = (),
    **options: Any,
) -> Understanding:
    """`understand`, without blocking the event loop."""
    return await asyncio.to_thread(understand, message, plan=plan, planner=planner, history=history, **options)


def understood_by(
    agent: Agent, message: str, *, plan: ScenePlan | None, history: Sequence[str | Understanding] = ()
) -> Understanding:
    """Interprets a message with an agent's model."""
    checkpoint = agent.checkpoint
    state = state_after(
        history, plan=plan, draws=agent.vocabulary_summary, token=checkpoint.token, side=checkpoint.size
    )
    return interpreter_for(agent).interpret(checked_message(message), state)
