"""Checks a planner's answer against the brief where code can: names, counts, colours, places, hidden boxes."""

import re

from ..prompts.answers import PlannerAnswer
from ..prompts.layout import Place, boxes_for

NUMBERS = {"two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6}
COLOURS = {
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "brown", "grey", "gray",
    "crimson", "scarlet", "azure", "violet", "turquoise", "golden", "silver",
}  # fmt: skip
# A colour before one of these describes the background, not an object.
SURROUNDINGS = r"(sky|sea|ocean|water|background|grass|field|hill|hills|lawn|snow|sand|light|wall|floor|meadow)"
SAID_PLACES: list[tuple[str, Place]] = [
    (r"(top|upper) left", "top left"), (r"(top|upper) right", "top right"), (r"(bottom|lower) left", "bottom left"),
    (r"(bottom|lower) right", "bottom right"), (r"left", "left"), (r"right", "right"), (r"(very )?top", "top"),
    (r"(very )?bottom", "bottom"), (r"middle|cent(er|re)", "center"),
]  # fmt: skip


def singular(word: str) -> str:
    """A noun's singular by spelling alone: 'cats' → 'cat', 'bus' stays."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(ch|sh|x|ss|us)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) else word


def check_answer(brief: str, answer: PlannerAnswer) -> list[str]:
    """What is wrong with the answer, one sentence each; empty if nothing was found."""
    text = brief.lower()
    words = re.findall(r"[a-z0-9]+", text)
    stems = {singular(word) for word in words}
    findings = []
    for one in answer.objects:
        heads = re.findall(r"[a-z0-9]+", one.subject.lower())
        if not any(singular(head) in stems for head in heads):
            findings.append(f"The brief does not mention '{one.subject}'.")
    for number, noun in re.findall(rf"\b({'|'.join(NUMBERS)})\s+(?:[a-z]+\s+){{0,2}}?([a-z]+s)\b", text):
        kind = singular(noun)
        count = sum(singular(one.subject.lower().split()[-1]) == kind for one in answer.objects)
        if 0 < count != NUMBERS[number]:
            findings.append(f"The brief asks for {number} {noun}, the plan has {count}.")
    used = " ".join(f"{one.colour} {one.subject} {one.detail}".lower() for one in answer.objects)
    for colour in dict.fromkeys(word for word in words if word in COLOURS):
        if colour not in used and not re.search(rf"{colour}\s+(\w+\s+)?{SURROUNDINGS}\b", text):
            findings.append(f"The brief says '{colour}', but no object of the plan is {colour}.")
    for one in answer.objects:
        subject = re.escape(one.subject.lower())
        if len(re.findall(rf"\b{subject}\b", text)) != 1:
            continue
        for pattern, place in SAID_PLACES:
            if re.search(rf"\b{subject}\s+(is\s+)?(on|at|in|to)\s+the\s+({pattern})\b(?!\s+(of|left|right))", text):
                if one.position != place:
                    findings.append(f"The brief puts the {one.subject} at the {place}, the plan at the {one.position}.")
                break
    boxes = boxes_for([one.position for one in answer.objects])
    for i, first in enumerate(boxes):
        for j in range(i):
            if first.overlap(boxes[j]) > 0.6 * min(first.area, boxes[j].area):
                findings.append(f"{answer.objects[i].subject} and {answer.objects[j].subject} hide each other.")
    return findings
