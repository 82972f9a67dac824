"""Answers to questions about a picture, from its plan and its critique. Pure; calls no model."""

import re
from collections.abc import Sequence

from ....prompts.answers.planner_schema import PLACE_PHRASES
from ....prompts.critique import Critique
from ....prompts.plan import Box, Region, ScenePlan
from ....prompts.prompt_style import background_of, place_of
from ..chat_state import ChatState
from ..phrases import as_judged, capitalised, contents, enumerated, with_article
from .mentions import PLACE, Mentions, place_named


def answer_to(text: str, state: ChatState) -> str:
    """The answer to a question about the current picture. `text` is in lower case; `state.plan` is given."""
    assert state.plan is not None
    plan, critique = state.plan, state.critique
    reading = next(iter(Mentions(plan.regions, state.touched).readings(text)))
    mentioned = [plan.regions[i] for mention in reading.mentioned for i in mention] if not reading.doubts else []
    pronoun = len(mentioned) == len(plan.regions) > 1
    if re.search(r"\bhow many\b", text):
        return _count(text, plan, reading.mentioned)
    if mentioned and not pronoun:
        if re.match(r"where\b", text):
            return " ".join(f"{capitalised(with_article(region))} is {_place(region)}." for region in mentioned)
        return _description(mentioned, critique)
    if place := re.search(rf"\b{PLACE}\b|\bcorners?\b", text):
        corner = place[0].startswith("corner")
        words = {"top", "bottom"} if corner else set(place_named(place[0]).split())
        matches = [region for region in plan.regions if _is_at(place_of(region.box), words, corner)] or [
            region for region in plan.regions if _covers(region.box, "" if corner else place_named(place[0]))
        ]
        if matches:
            return f"{capitalised(enumerated([as_judged(region, critique) for region in matches]))}."
        return f"Nothing but the background{f', {background}' if (background := background_of(plan)) else ''}."
    if re.search(r"\b(?:score|good|well|right|wrong|sure|happy with|content|problem)\b", text) and critique:
        wrong = [f"{region.name}: {region.problem}" for region in critique.regions if region.problem]
        score = "Not judged. " if critique.score is None else f"{critique.score:.2f} of 1. "
        return score + ("; ".join(wrong) if wrong else "Everything shows what was asked") + "."
    if re.search(r"\b(?:background|where are|scene|time of day|mood|light)\b", text):
        return f"The scene: {plan.scene.high_level}; {plan.scene.low_level or 'it names no mood'}."
    if re.match(r"(?:is|are) there\b", text):
        return f"No; I see {contents(plan)}."
    if re.match(r"(?:what|who|which|describe|list|tell|show)\b", text):
        return _description(plan.regions, critique) if plan.regions else f"{capitalised(contents(plan))}."
    return f"I can say what is where, how many, and how well it came out. I see {contents(plan)}."


def _description(regions: Sequence[Region], critique: Critique | None) -> str:
    """'A red cat (seen: red cat, 0.97) on the left.'"""
    return f"{capitalised(enumerated([f'{as_judged(region, critique)} {_place(region)}' for region in regions]))}."


def _place(region: Region) -> str:
    """'on the left'."""
    return PLACE_PHRASES[place_of(region.box)]


def _count(text: str, plan: ScenePlan, mentioned: list[list[int]]) -> str:
    count = sum(map(len, mentioned))
    if not mentioned and re.search(r"\b(?:things|objects|regions|of them)\b", text):
        count = len(plan.regions)
    return f"{count} of {len(plan.regions)} things: {contents(plan)}."


def _is_at(place: str, words: set[str], corner: bool) -> bool:
    return len(place.split()) == 2 if corner else words <= set(place.split())


def _covers(box: Box, place: str) -> bool:
    if not place:  # any corner
        return any(_covers(box, corner) for corner in ("top left", "top right", "bottom left", "bottom right"))
    x = 0.1 if "left" in place else 0.9 if "right" in place else 0.5
    y = 0.1 if "top" in place else 0.9 if "bottom" in place else 0.5
    return box.left <= x < box.right and box.top <= y < box.bottom
