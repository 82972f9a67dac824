"""What code settles in a local planner's answer: numbers that the brief says, and places that it leaves open. Pure."""

import re

from ...prompts.answers.planner_schema import PlannerAnswer
from ...prompts.layout.places import DEFAULT_PLACES, Place
from ...prompts.plan import MAX_REGIONS
from ...renderer.checkpoints.vocabulary import Vocabulary
from .plan_checks import UNSURE_NUMBER, flat, in_names, miscounted

# Words of position: a brief with any of them is taken to place its objects itself.
PLACING = re.compile(
    r"\b(left|right|top|bottom|upper|lower|middle|cent(er|re)|between|above|over|below|under|beneath|underneath|behind"
    r"|in front|corners?|column|stack(ed)?|clockwise|half|first|\w+ing on|sits on|stands on)\b"
)
IN_A_ROW = re.compile(r"\b(in a (row|line)|side by side|next to each other|lined up|from left to right)\b")


def repair_counts(brief: str, answer: PlannerAnswer, vocabulary: Vocabulary) -> PlannerAnswer:
    """The answer with as many of a thing as the brief says, where it says so plainly and the answer has another number:
    the last ones are left out, or the last one repeated. Unchanged where a plan has no room for them."""
    raw = flat(brief)
    if UNSURE_NUMBER.search(raw):
        return answer
    copies = [1] * len(answer.objects)
    for _, number, _, indices in miscounted(*in_names(raw, answer, vocabulary)):
        if any(answer.objects[index].count > 1 for index in indices):  # 'group of 40 cats'
            continue
        for place, index in enumerate(indices):
            copies[index] = int(place < number)
        copies[indices[-1]] += max(0, number - len(indices))
    objects = [thing for thing, count in zip(answer.objects, copies, strict=True) for _ in range(count)]
    return answer.model_copy(update={"objects": objects}) if len(objects) <= MAX_REGIONS else answer


def repair_layout(brief: str, answer: PlannerAnswer) -> PlannerAnswer:
    """The answer, with objects that the brief puts in a row in that row, and with default positions where the brief
    names none and the answer repeats one; otherwise unchanged."""
    text, count = brief.lower(), len(answer.objects)
    in_a_row = bool(IN_A_ROW.search(text))
    if count not in DEFAULT_PLACES or PLACING.search(IN_A_ROW.sub("", text)):
        return answer
    positions = [planned.position for planned in answer.objects]
    default_places: tuple[Place, ...] = DEFAULT_PLACES[count]
    if (in_a_row and count <= 3 and positions != list(default_places)) or (
        not in_a_row and len(set(positions)) < count
    ):
        objects = [
            planned.model_copy(update={"position": position})
            for planned, position in zip(answer.objects, default_places, strict=True)
        ]
        return answer.model_copy(update={"objects": objects})
    return answer
