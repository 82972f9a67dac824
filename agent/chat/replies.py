"""Replies of a turn: the plan that waits, what was drawn, or why the picture stays as it was. Calls no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...prompts.answers.planner_schema import sentence_of
from ...prompts.critique import RegionScore
from ...prompts.plan import Box, Region, ScenePlan
from ...prompts.prompt_style import noun_phrase, subject_of
from ...prompts.revision import Revision
from ...renderer.pictures.artifacts import read_metadata
from ..drawable import undrawable_note
from ..events import Painting
from .commands.executor import plain_names, resize_message
from .phrases import capitalised, contents, enumerated, located, order_changes, with_article
from .store import Turn

if TYPE_CHECKING:
    from ...renderer.checkpoints.vocabulary import Vocabulary


def approval_question(plan: ScenePlan, vocabulary: Vocabulary | None = None) -> str:
    """Asks whether a plan shall be drawn, and says which things are beyond the image model's `vocabulary`."""
    shapes = undrawable_note(plan, vocabulary, is_drawn=False)
    shapes = f" {shapes}" if shapes else ""
    notes = "".join(f" Note: {note}." for note in plan.notes)
    return f"This is the plan: {contents(plan)}.{shapes}{notes} Shall I draw it? Say yes, or what to change."


BRIEFS = (
    "a red cat on the left and a blue rocket on the right, at night", "a yellow star above a purple castle, at sunset",
    "a green turtle on the left and a pink house on the right, on the grass",
)  # fmt: skip  # for somebody who does not know yet what to ask for


def hints(plan: ScenePlan) -> tuple[str, ...]:
    """Messages that would change a plan, for somebody who does not know yet what can be said."""
    prompt = plan.scene.high_level.casefold()
    scene = "same but at sunset" if "night" in prompt else "same but at night"
    if not plan.regions:
        return (scene,)
    names = plain_names(plan)
    return (resize_message(plan, names[0]), scene, *([f"remove the {names[-1]}"] if len(plan.regions) > 1 else []))


def turn_reply(turn: Turn, before: ScenePlan | None, vocabulary: Vocabulary | None = None) -> str:
    """The reply of a turn that drew: what changed since the plan `before`, and what came out wrong.

    Things beyond the image model's `vocabulary` are reported as coloured shapes.
    """
    assert turn.plan is not None
    if (with_shapes := _shapes_reply(turn, before, vocabulary)) is not None:
        return with_shapes
    if turn.base and turn.revision:
        changes = capitalised(enumerated(_changes(before, turn.plan, turn.revision)))
        unchanged = turn.comparison is not None and not turn.comparison.beside
        reply = f"{changes}.{' Nothing else was drawn.' if unchanged else ''}"
    else:
        reply = f"Here is {turn.plan.scene.high_level}."
    return reply + _problems(turn.plan, turn.critique.regions if turn.critique else [])


def _problems(plan: ScenePlan, scores: Sequence[RegionScore]) -> str:
    """What the critic found wrong, or could not judge."""
    problems = [f"{subject_of(plan.region(score.name))}: {score.problem}" for score in scores if score.problem]
    return f" The critic says: {'; '.join(problems)}." if problems else ""


def _shapes_reply(turn: Turn, before: ScenePlan | None, vocabulary: Vocabulary | None) -> str | None:
    """The reply of a turn that drew things beyond the image model's vocabulary; None if it drew none."""
    assert turn.plan is not None
    shapes = {region.name for region in vocabulary.shapes(turn.plan)} if vocabulary else set()
    revision = turn.revision if turn.base else None
    drawn = shapes & set(revision.names) if revision else shapes
    if not drawn:
        return None
    regions = [region for region in turn.plan.regions if region.name in drawn]
    reply = undrawable_note(turn.plan.model_copy(update={"regions": regions}), vocabulary)
    scores = [score for score in turn.critique.regions if score.name not in drawn] if turn.critique else []
    problems = _problems(turn.plan, scores)
    if revision is None:
        rest = [located(region) for region in turn.plan.regions if region.name not in drawn]
        return f"{reply} The rest is {enumerated(rest)}.{problems}" if rest else reply + problems
    others = {
        "changes": [change for change in revision.changes if change.name not in drawn],
        "added": [region for region in revision.added if region.name not in drawn],
    }
    changes = _changes(before, turn.plan, revision.model_copy(update=others))
    return reply + (f" {capitalised(enumerated(changes))}." if changes else "") + problems


def unchanged_reply(painting: Painting) -> str:
    """Why a turn leaves the picture as it was, and how to get its best try nevertheless."""
    best = painting.best_try
    assert painting.before and best.comparison
    plans = {fall.name: best.plan.region(fall.name) for fall in best.comparison.lost}
    lines = [
        f"{with_article(plans[fall.name])} came out at {fall.after:.2f}, where it was {fall.before:.2f} before"
        for fall in best.comparison.lost
    ]
    tries = "the only try" if len(painting.rounds) == 1 else f"the best of {len(painting.rounds)} tries"
    warnings = "; ".join(read_metadata(best.path)[1])
    return (
        f"I left the picture as it was: in {tries} {enumerated(lines)}. To have that one all the same, say "
        f"'number {best.number + 1}'; or say it in another way, or once more for other tries."
        + (f" Of that try: {warnings}." if warnings else "")
    )


def _changes(before: ScenePlan | None, plan: ScenePlan, revision: Revision) -> list[str]:
    """'drew an orange cat', 'added a moon', 'moved the blue rocket', 'the robot is gone'."""
    old = {region.name: region.box for region in before.regions} if before else {}
    boxed = {change.name for change in revision.changes if change.box}
    moved = {name for name in boxed if name in old and _same_size(old[name], plan.region(name).box)}
    phrases = []
    reworded = {change.name for change in revision.changes if change.prompt}
    for verb, names, known in (
        ("added", {region.name for region in revision.added}, False),
        ("drew", {change.name for change in revision.changes} - boxed, False),
        ("moved", moved, True),
        ("resized", boxed - moved, True),
    ):
        regions = [region for region in plan.regions if region.name in names]
        if regions:
            new = [(noun_phrase(r), _other_looks(r) if r.name in reworded else "") for r in regions]
            phrases.append(f"{verb} {enumerated([_the_one(r, plan) for r in regions]) if known else sentence_of(new)}")
    if before:
        phrases += order_changes(before, plan, [change.name for change in revision.changes])
    left = {region.name for region in plan.regions}
    return [*phrases, *(f"the {name} is gone" for name in revision.removed if name not in left)]


def _the_one(region: Region, plan: ScenePlan) -> str:
    """'the red cat'; 'the cat 2' where several look alike."""
    phrase = with_article(region)
    alike = sum(with_article(other) == phrase for other in plan.regions)
    return phrase if alike < 2 else f"the {region.name}"


def _other_looks(region: Region) -> str:
    """'(striped red)': the looks that its noun phrase does not say all of."""
    looks = region.prompt.low_level
    return f"({looks})" if set(looks.replace(",", "").split()) - set(noun_phrase(region).split()) else ""


def _same_size(box: Box, other: Box) -> bool:
    widths = box.right - box.left, other.right - other.left
    return abs(widths[0] - widths[1]) < 0.01 and abs(box.area - other.area) < 0.01
