"""Default positions for objects whose places the brief leaves open and the planner put on top of each other."""

import re

from ...prompts.answers.planner_schema import PlannerAnswer
from ...prompts.layout.places import DEFAULT_PLACES, Place

# Words of position: a brief with any of them is taken to place its objects itself.
PLACING = re.compile(
    r"\b(left|right|top|bottom|upper|lower|middle|cent(er|re)|between|above|over|below|under|beneath|underneath|behind"
    r"|in front|corners?|column|stack(ed)?|clockwise|half|first|\w+ing on|sits on|stands on)\b"
)
IN_A_ROW = re.compile(r"\b(in a (row|line)|side by side|next to each other|lined up|from left to right)\b")


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
