"""A vision model's answer about a picture as yes-or-no questions, and the critique computed from it.

The field descriptions are sent to the model. Scores are computed here, so that they are comparable.
"""

from collections.abc import Sequence
from copy import copy

from pydantic import Field, create_model

from ..critique import Critique, RegionScore
from ..plan import MAX_REGIONS, ScenePlan
from .plan_answer import Answer, Phrase, Prose, entries


class VisualCheck(Answer):
    """One thing that the plan asks for, as a question about the picture, and what the picture answers."""

    question: Phrase = Field(
        description="a question with yes or no, yes if it is as planned: 'is there a cat in box 1?', 'is it red?', "
        "'does it read OPEN, letter by letter?', 'is it left of the rocket?', 'is the street free of people?'"
    )
    needs: int | None = Field(
        description="number (1 is the first) of the earlier question of this list that must be a yes before this one "
        "can be asked: 'is it red?' needs 'is there a cat?'; null if it stands alone"
    )
    holds: bool | None = Field(
        description="the answer from the picture, not from the plan; null only if it cannot be seen either way"
    )


class RegionChecks(Answer):
    """What one numbered box shows."""

    box: int = Field(description="number of the box in the picture")
    seen: Phrase = Field(description="what is really seen in it, in a few words, whatever was planned")
    checks: list[VisualCheck] = Field(
        description="first whether its subject is there, whole and in its place; then one question for each thing that "
        "its prompt says of its looks, its lettering, and its place beside other boxes",
        json_schema_extra=entries(12),
    )
    problem: Phrase = Field(description="what is wrong, in a few words for whoever draws it again; empty if nothing is")


class VisualAnswer(Answer):
    """A picture, looked at region by region."""

    boxes: list[RegionChecks] = Field(
        description="one entry for each numbered box, in the order of the numbers",
        json_schema_extra=entries(MAX_REGIONS),
    )
    scene: list[VisualCheck] = Field(
        description="questions about the whole picture: setting, time of day, light, style, what must not be in it",
        json_schema_extra=entries(12),
    )
    summary: Prose = Field(description="one sentence about the whole picture")


def visual_answer(boxes: int) -> type[VisualAnswer]:
    """The answer about a picture with so many numbered boxes: its schema has an entry for each, however short it is
    made."""
    field = copy(VisualAnswer.model_fields["boxes"])
    field.json_schema_extra = {"minItems": boxes, "maxItems": boxes}
    return create_model(
        "VisualAnswer", __base__=VisualAnswer, __doc__=VisualAnswer.__doc__, boxes=(list[RegionChecks], field)
    )


def share_right(checks: Sequence[VisualCheck]) -> float | None:
    """The square of the share of questions that are a yes, so that one wrong of two is not good enough at 0.5.

    A question whose parent is not a yes counts as no; unclear ones do not count. None if all are unclear. A question
    that needs none before it stands alone: another call, with all pictures, would not change much.
    """
    holds: list[bool | None] = []
    for number, check in enumerate(checks, start=1):
        parent = holds[check.needs - 1] if check.needs and 0 < check.needs < number else True
        holds.append(check.holds if parent else parent)
    clear = [answer for answer in holds if answer is not None]
    return round((sum(clear) / len(clear)) ** 2, 4) if clear else None


def critique_from(answer: VisualAnswer, plan: ScenePlan) -> Critique:
    """The critique of a picture of the plan, whose regions are numbered from 1; the scene counts as one region more.

    Entries of other numbers are left out. Raises ValueError, in words for the model, if boxes are missing or given
    twice, or hold no question.
    """
    by_number = {entry.box: entry for entry in answer.boxes}
    wanted = list(range(1, len(plan.regions) + 1))
    if sorted(entry.box for entry in answer.boxes if entry.box in wanted) != wanted:
        raise ValueError(
            f"boxes: give exactly one entry for each of the numbers {', '.join(map(str, wanted)) or 'none'}"
        )
    regions = [_region_score(region.name, by_number[n]) for n, region in enumerate(plan.regions, start=1)]
    scene = share_right(answer.scene)
    judged = [score for score in [*(region.score for region in regions), scene] if score is not None]
    failed = [check.question for check in answer.scene if check.holds is False]
    summary = " ".join([answer.summary, *([f"Not so: {' '.join(failed)}"] if failed else [])]).strip()
    score = sum(judged) / len(judged) if judged else None
    return Critique(score=score, regions=regions, summary=summary, scene=scene)


def _region_score(name: str, entry: RegionChecks) -> RegionScore:
    if not entry.checks:
        raise ValueError(f"checks of box {entry.box}: ask at least whether its subject is there")
    score = share_right(entry.checks)
    if score is None:
        return RegionScore(name=name, score=None, seen=entry.seen, problem=entry.problem or "it cannot be seen")
    failed = "; ".join(f"no: {check.question}" for check in entry.checks if check.holds is False)
    problem = "" if score == 1 else entry.problem or failed or "not all of it can be seen"
    return RegionScore(name=name, score=score, seen=entry.seen, problem=problem)
