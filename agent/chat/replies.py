"""What is said back to a person: about a plan, a picture, and what is where in it. Pure; calls no model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...prompts.critique import Critique, RegionScore
from ...prompts.plan import Box, Region, ScenePlan
from ...prompts.planner_schema import PLACE_PHRASES
from ...prompts.prompt_style import background_of, noun_phrase, place_of, subject_of
from ...prompts.revision import Revision

if TYPE_CHECKING:
    from ...renderer.checkpoints.vocabulary import Vocabulary
    from ..events import Painting
    from .listener import Shown
    from .store import Turn


def enumerated(parts: list[str], joint: str = "and") -> str:
    """'a cat, a dog and a moon'."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {joint} {parts[-1]}"


def located(region: Region) -> str:
    """'a red cat (left)'."""
    return f"{noun_phrase(region)} ({place_of(region.box)})"


def contents(plan: ScenePlan) -> str:
    """'a red cat (left) and a blue rocket (right)'."""
    return enumerated([located(region) for region in plan.regions])


def seen(region: Region, critique: Critique | None) -> str:
    """'a red cat (seen: red cat, 0.97)'."""
    found = next((one for one in critique.regions if one.name == region.name), None) if critique else None
    if found is None:
        return noun_phrase(region)
    return noun_phrase(region) + (
        f" (seen: {found.seen}, {found.score:.2f})" if found.score is not None else " (not judged)"
    )


def figure(score: float | None) -> str:
    """'0.97', or a dash for what was not judged."""
    return "–" if score is None else f"{score:.2f}"


def ask_for_a_yes(plan: ScenePlan, vocabulary: Vocabulary | None = None) -> str:
    from ..drawable import undrawable_note

    shapes = undrawable_note(plan, vocabulary, is_drawn=False)
    shapes = f" {shapes}" if shapes else ""
    return f"This is the plan: {contents(plan)}.{shapes} Shall I draw it? Say yes, or what to change."


def told(turn: Turn, before: ScenePlan | None, vocabulary: Vocabulary | None = None) -> str:
    """What came of a turn that drew: what is there now, what was there `before`, and what is not as it should be. What
    is beyond the `vocabulary` of the image model is said to be a coloured shape."""
    assert turn.plan is not None
    if (beyond := _told_beyond(turn, before, vocabulary)) is not None:
        return beyond
    if turn.base and turn.revision:
        said = enumerated(_deeds(before, turn.plan, turn.revision))
        unchanged = turn.comparison is not None and not turn.comparison.beside
        said = f"{said[0].upper()}{said[1:]}.{' Nothing else was drawn.' if unchanged else ''}"
    else:
        said = f"Here is {turn.plan.scene.high_level}."
    return said + _notes(turn.plan, turn.critique.regions if turn.critique else [])


def _notes(plan: ScenePlan, regions: Sequence[RegionScore]) -> str:
    """What the critic found wrong, or could not judge."""
    said, noted = "", [one for one in regions if one.problem]
    for title, judged in (("Not as it should be", True), ("Not judged", False)):
        notes = [one for one in noted if (one.score is not None) == judged]
        if notes:
            lines = "; ".join(f"{subject_of(plan.region(one.name))}: {one.problem}" for one in notes)
            said += f" {title}: {lines}."
    return said


def _told_beyond(turn: Turn, before: ScenePlan | None, vocabulary: Vocabulary | None) -> str | None:
    """What came of a turn that drew what the image model cannot draw; None if it drew nothing of the kind."""
    from ..drawable import undrawable_note

    assert turn.plan is not None
    shapes = {region.name for region in vocabulary.shapes(turn.plan)} if vocabulary else set()
    revision = turn.revision if turn.base else None
    drawn = shapes & set(revision.names) if revision else shapes
    if not drawn:
        return None
    shaped = turn.plan.model_copy(update={"regions": [r for r in turn.plan.regions if r.name in drawn]})
    said = undrawable_note(shaped, vocabulary)
    rest = [region for region in turn.plan.regions if region.name not in drawn]
    noted = [one for one in turn.critique.regions if one.name not in drawn] if turn.critique else []
    if revision is None:
        return said + _notes(turn.plan, noted) if not rest else (
            f"{said} The rest is {enumerated([located(region) for region in rest])}.{_notes(turn.plan, noted)}"
        )
    others = {
        "changes": [one for one in revision.changes if one.name not in drawn],
        "added": [one for one in revision.added if one.name not in drawn],
    }
    deeds = _deeds(before, turn.plan, revision.model_copy(update=others))
    return said + (f" {_capital(enumerated(deeds))}." if deeds else "") + _notes(turn.plan, noted)


def told_unchanged(painting: Painting) -> str:
    """Why a turn leaves the picture as it was, and how to have its best try nevertheless."""
    best = painting.best_try
    assert painting.before and best.comparison
    plans = {fall.name: best.plan.region(fall.name) for fall in best.comparison.lost}
    lines = [
        f"{_the(plans[fall.name])} came out at {fall.after:.2f}, where it was {fall.before:.2f} before"
        for fall in best.comparison.lost
    ]
    tries = "the only try" if len(painting.rounds) == 1 else f"the best of {len(painting.rounds)} tries"
    return (
        f"I left the picture as it was: in {tries} {enumerated(lines)}. To have that one all the same, say "
        f"'number {best.number + 1}'; or say it in another way, or once more for other tries."
    )


def _deeds(before: ScenePlan | None, plan: ScenePlan, revision: Revision) -> list[str]:
    """'drew an orange cat', 'added a moon', 'moved the blue rocket', 'the robot is gone'."""
    old = {region.name: region.box for region in before.regions} if before else {}
    boxed = {one.name for one in revision.changes if one.box}
    moved = {name for name in boxed if name in old and _like(old[name], plan.region(name).box)}
    said = []
    for verb, names, the in (
        ("added", {one.name for one in revision.added}, False),
        ("drew", {one.name for one in revision.changes} - boxed, False),
        ("moved", moved, True),
        ("resized", boxed - moved, True),
    ):
        there = [region for region in plan.regions if region.name in names]
        if there:
            said.append(f"{verb} {enumerated([_the(one) if the else noun_phrase(one) for one in there])}")
    left = {region.name for region in plan.regions}
    return [*said, *(f"the {name} is gone" for name in revision.removed if name not in left)]


def _like(one: Box, other: Box) -> bool:
    return abs((one.right - one.left) - (other.right - other.left)) < 0.01 and abs(one.area - other.area) < 0.01


def answer_to(text: str, shown: Shown) -> str:
    """The answer to a question about what is shown, from the plan and what the critic saw. `text` is in lower case."""
    from .grammar.mentions import PLACE, Mentions, place_said

    assert shown.plan is not None
    plan, critique = shown.plan, shown.critique
    reading = next(iter(Mentions(plan.regions, shown.touched).readings(text)))
    meant = [plan.regions[i] for one in reading.meant for i in one] if not reading.doubts else []
    pronoun = len(meant) == len(plan.regions) > 1
    if re.search(r"\bhow many\b", text):
        return _count(text, plan, reading.meant)
    if meant and not pronoun:
        if re.match(r"where\b", text):
            return " ".join(f"{_capital(_the(region))} is {PLACE_PHRASES[place_of(region.box)]}." for region in meant)
        return (
            f"{_capital(enumerated([f'{seen(one, critique)} {PLACE_PHRASES[place_of(one.box)]}' for one in meant]))}."
        )
    if place := re.search(rf"\b{PLACE}\b|\bcorners?\b", text):
        corner = place[0].startswith("corner")
        words = {"top", "bottom"} if corner else set(place_said(place[0]).split())
        there = [r for r in plan.regions if _is_at(place_of(r.box), words, corner)]
        there = there or [r for r in plan.regions if _covers(r.box, place_said(place[0]) if not corner else "")]
        if there:
            return f"{_capital(enumerated([seen(region, critique) for region in there]))}."
        return f"Nothing but the background{f', {background}' if (background := background_of(plan)) else ''}."
    if re.search(r"\b(?:score|good|well|right|wrong|sure|happy with|content|problem)\b", text) and critique:
        wrong = [f"{one.name}: {one.problem}" for one in critique.regions if one.problem]
        scored = "Not judged. " if critique.score is None else f"{critique.score:.2f} of 1. "
        return scored + ("; ".join(wrong) if wrong else "Everything shows what was asked") + "."
    if re.search(r"\b(?:background|where are|scene|time of day|mood|light)\b", text):
        return f"The scene: {plan.scene.high_level}; {plan.scene.low_level or 'no mood is said'}."
    if re.match(r"(?:is|are) there\b", text):
        return f"No; I see {contents(plan)}."
    if re.match(r"(?:what|who|which|describe|list|tell|show)\b", text):
        return (
            f"{_capital(enumerated([f'{seen(r, critique)} {PLACE_PHRASES[place_of(r.box)]}' for r in plan.regions]))}."
        )
    return f"I can say what is where, how many, and how well it came out. I see {contents(plan)}."


def _count(text: str, plan: ScenePlan, meant: list[list[int]]) -> str:
    named_ones = [i for one in meant for i in one]
    count = len(named_ones)
    if not meant and re.search(r"\b(?:things|objects|regions|of them)\b", text):
        count = len(plan.regions)
    return f"{count} of {len(plan.regions)} things: {contents(plan)}."


def _is_at(place: str, words: set[str], corner: bool) -> bool:
    return len(place.split()) == 2 if corner else words <= set(place.split())


def _covers(box: Box, place: str) -> bool:
    if not place:  # any corner
        return any(_covers(box, one) for one in ("top left", "top right", "bottom left", "bottom right"))
    x = 0.1 if "left" in place else 0.9 if "right" in place else 0.5
    y = 0.1 if "top" in place else 0.9 if "bottom" in place else 0.5
    return box.left <= x < box.right and box.top <= y < box.bottom


def _the(region: Region) -> str:
    return "the " + noun_phrase(region).split(" ", 1)[1]


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
