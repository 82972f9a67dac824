"""Phrases about regions and scores, the parts of replies and questions. Pure functions."""

from ...prompts.critique import Critique
from ...prompts.plan import Region, ScenePlan
from ...prompts.prompt_style import noun_phrase, place_of


def enumerated(parts: list[str], joint: str = "and") -> str:
    """'a cat, a dog and a moon'."""
    return "".join(parts) if len(parts) < 2 else f"{', '.join(parts[:-1])} {joint} {parts[-1]}"


def located(region: Region) -> str:
    """'a red cat (left)'."""
    return f"{noun_phrase(region)} ({place_of(region.box)})"


def contents(plan: ScenePlan) -> str:
    """'a red cat (left) and a blue rocket (right)'; of a plan without regions its scene prompt."""
    return enumerated([located(region) for region in plan.regions]) if plan.regions else plan.scene.high_level


def as_judged(region: Region, critique: Critique | None) -> str:
    """'a red cat (seen: red cat, 0.97)'; without a critique 'a red cat'."""
    scores = {score.name: score for score in critique.regions} if critique else {}
    judged = scores.get(region.name)
    if judged is None:
        return noun_phrase(region)
    result = "not judged" if judged.score is None else f"seen: {judged.seen}, {judged.score:.2f}"
    return f"{noun_phrase(region)} ({result})"


def score_text(score: float | None) -> str:
    """'0.97', or a dash if nothing was judged."""
    return "–" if score is None else f"{score:.2f}"


def with_article(region: Region) -> str:
    """'the red cat'."""
    head, _, rest = noun_phrase(region).partition(" ")
    return f"the {rest or head}"


def capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]
