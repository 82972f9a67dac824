"""What is said back to a person: about a plan, a picture, and what is where in it. Pure; calls no model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..prompts.scene import Critique, Region, ScenePlan
from ..prompts.wording import named, place_of, subject_of

if TYPE_CHECKING:
    from .sessions import Turn


def enumerated(parts: list[str], joint: str = "and") -> str:
    """'a cat, a dog and a moon'."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {joint} {parts[-1]}"


def located(region: Region) -> str:
    """'a red cat (left)'."""
    return f"{named(region)} ({place_of(region.box)})"


def contents(plan: ScenePlan) -> str:
    """'a red cat (left) and a blue rocket (right)'."""
    return enumerated([located(region) for region in plan.regions])


def seen(region: Region, critique: Critique | None) -> str:
    """'a red cat (seen: red cat, 0.97)'."""
    score = next((one for one in critique.regions if one.name == region.name), None) if critique else None
    return named(region) + (f" (seen: {score.seen}, {score.score:.2f})" if score else "")


def ask_for_a_yes(plan: ScenePlan) -> str:
    return f"This is the plan: {contents(plan)}. Shall I draw it? Say yes, or what to change."


def told(turn: Turn) -> str:
    """What came of a turn that drew: what is there now, and what is not as it should be."""
    assert turn.plan is not None
    if turn.base and turn.revision:
        now = [named(region) for region in turn.plan.regions if region.name in turn.revision.names]
        left = {region.name for region in turn.plan.regions}
        gone = [f"the {name} is gone" for name in turn.revision.removed if name not in left]
        said = enumerated([*([f"drew {enumerated(now)}"] if now else []), *gone])
        said = f"{said[0].upper()}{said[1:]}. Nothing else was drawn."
    else:
        said = f"Here is {turn.plan.scene.high_level}."
    wrong = [one for one in turn.critique.regions if one.problem] if turn.critique else []
    doubts = [f"{subject_of(turn.plan.region(one.name))}: {one.problem}" for one in wrong]
    return said + (f" Not as it should be: {'; '.join(doubts)}." if doubts else "")
