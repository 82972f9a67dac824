"""Gives things their places where the brief leaves them open and the planner's answer piles them up. Knows no model."""

import re

from ..prompts.layout import DEFAULT_PLACES, Place
from ..prompts.planner_schema import PlannerAnswer

# Words by which a brief says where something is. Whoever says one of them is believed to have placed things.
PLACING = re.compile(
    r"\b(left|right|top|bottom|upper|lower|middle|cent(er|re)|between|above|over|below|under|beneath|underneath|behind"
    r"|in front|corners?|column|stack(ed)?|clockwise|half|first|\w+ing on|sits on|stands on)\b"
)
IN_A_ROW = re.compile(r"\b(in a (row|line)|side by side|next to each other|lined up|from left to right)\b")


def arranged(brief: str, answer: PlannerAnswer) -> PlannerAnswer:
    """The answer with things that a brief puts in a row in that row, and with the usual places where it names none
    and the answer gives one place to several; else as it is."""
    text, count = brief.lower(), len(answer.objects)
    row = bool(IN_A_ROW.search(text))
    if count not in DEFAULT_PLACES or PLACING.search(IN_A_ROW.sub("", text)):
        return answer
    said = [one.position for one in answer.objects]
    usual: tuple[Place, ...] = DEFAULT_PLACES[count]
    if (row and count <= 3 and said != list(usual)) or (not row and len(set(said)) < count):
        objects = [one.model_copy(update={"position": at}) for one, at in zip(answer.objects, usual, strict=True)]
        return answer.model_copy(update={"objects": objects})
    return answer
