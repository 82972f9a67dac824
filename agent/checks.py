"""Checks a planner's answer against the brief where code can: names, counts, colours, places, hidden boxes.

Each check is a pure function that says only what it is sure of: a finding costs a second planner call.
"""

import re

from ..prompts.answers import PlannedObject, PlannerAnswer
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
# (what stands between two subjects, the word of the first one's place, the word of the second one's place)
RELATIONS = [
    (r"(is )?(to the )?left of", "left", "right"), (r"(is )?(to the )?right of", "right", "left"),
    (r"(is )?(above|on top of|(flying|hovering|floating) (over|above))", "top", "bottom"),
    (r"(is )?(below|under|beneath|underneath)", "bottom", "top"),
]  # fmt: skip
ARTICLE = r"(?:a|an|the|one)\s+(?:[a-z]+\s+){0,2}?"


def singular(word: str) -> str:
    """A noun's singular by spelling alone: 'cats' → 'cat', 'houses' → 'house', 'bus' stays."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(ch|sh|x|ss|[^o]us)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) else word


def check_answer(brief: str, answer: PlannerAnswer) -> list[str]:
    """What is wrong with the answer, one sentence each; empty if nothing was found."""
    text = " ".join(brief.lower().split())
    checks = (invented_subjects, missing_subjects, wrong_counts, wrong_colours, wrong_places, wrong_relations)
    return [finding for check in checks for finding in check(text, answer)] + hidden_boxes(answer)


def invented_subjects(text: str, answer: PlannerAnswer) -> list[str]:
    """Subjects of the plan of which no word is in the brief."""
    said = {singular(word) for word in _words(text)}
    return [
        f"The brief does not mention '{one.subject}'."
        for one in answer.objects
        if not any(singular(word) in said for word in _words(one.subject))
    ]


def missing_subjects(text: str, answer: PlannerAnswer) -> list[str]:
    """'a blue rocket' in the brief, no rocket anywhere in the plan. Only a noun right after a colour is sure enough."""
    used = {singular(word) for word in _words(f"{_objects_text(answer)} {answer.background} {answer.mood}")}
    pairs = re.findall(rf"\b(?:a|an|one)\s+({'|'.join(sorted(COLOURS))})\s+([a-z]+)\b(?!\s+[a-z]+ish\b)", text)
    return [
        f"The brief mentions a {colour} {noun}, the plan has no {noun}."
        for colour, noun in dict.fromkeys(pairs)
        if singular(noun) not in used | COLOURS | {"and", "or"} and not re.fullmatch(SURROUNDINGS, noun)
    ]


def wrong_counts(text: str, answer: PlannerAnswer) -> list[str]:
    """'two cats' in the brief, and the plan has one. Not judged if the brief says the noun more than once."""
    findings, said = [], [singular(word) for word in _words(text)]
    for number, noun in re.findall(rf"\b({'|'.join(NUMBERS)})\s+(?:[a-z]+\s+){{0,2}}?([a-z]+s)\b", text):
        kind = singular(noun)
        count = sum(singular(one.subject.lower().split()[-1]) == kind for one in answer.objects)
        if 0 < count != NUMBERS[number] and said.count(kind) == 1:
            findings.append(f"The brief asks for {number} {noun}, the plan has {count}.")
    return findings


def wrong_colours(text: str, answer: PlannerAnswer) -> list[str]:
    """'a red cat' in the brief and a blue cat in the plan; or a colour of the brief that the plan uses nowhere."""
    findings, used = [], _objects_text(answer)
    for one in _sure(text, answer):
        said = re.search(rf"\b([a-z]+)\s+{_noun(one)}\b", text)
        if said and said[1] in COLOURS and said[1] not in f"{one.colour} {one.detail}".lower():
            findings.append(f"The brief says '{said[1]} {one.subject}', the plan '{one.colour} {one.subject}'.")
    for colour in dict.fromkeys(word for word in _words(text) if word in COLOURS):
        if colour not in used and not re.search(rf"\b{colour}\s+(\w+\s+)?{SURROUNDINGS}\b", text):
            findings.append(f"The brief says '{colour}', but no object of the plan is {colour}.")
    return findings


def wrong_places(text: str, answer: PlannerAnswer) -> list[str]:
    """'a cat on the left', 'on the left a cat', 'left: a cat' or 'a cat (left)', and the plan puts it elsewhere."""
    findings = []
    for one in _sure(text, answer):
        for pattern, place in SAID_PLACES:
            after = rf"\b{_noun(one)}\s+(is\s+)?(on|at|in|to)\s+the\s+({pattern})\b(?!\s+(of|left|right))"
            bracket = rf"\b{_noun(one)}\s+\(({pattern})\)"
            before = rf"(^|[.,;]\s|\band\s)(on|at|in)\s+the\s+({pattern})\s+{ARTICLE}{_noun(one)}\b"
            colon = rf"(^|[.,;]\s)({pattern}):\s+{ARTICLE}{_noun(one)}\b"
            if any(re.search(form, text) for form in (after, bracket, before, colon)):
                if not set(place.split()) <= set(one.position.split()):
                    findings.append(f"The brief puts the {one.subject} at the {place}, the plan at the {one.position}.")
                break
    return findings


def wrong_relations(text: str, answer: PlannerAnswer) -> list[str]:
    """'a cat to the left of a dog' or 'a cat above a dog', and in the plan it is the other way round."""
    findings, sure = [], _sure(text, answer)
    for first in sure:
        for second in sure:
            for words, here, there in RELATIONS:
                if first is second or not re.search(rf"\b{_noun(first)}\s+{words}\s+{ARTICLE}{_noun(second)}\b", text):
                    continue
                if here in second.position.split() or there in first.position.split():
                    wanted = f"the {first.subject} at the {here} and the {second.subject} at the {there}"
                    findings.append(f"The brief puts {wanted}, the plan the other way round.")
    return findings


def hidden_boxes(answer: PlannerAnswer) -> list[str]:
    """Pairs of boxes of which one covers more than 60% of the smaller."""
    boxes = boxes_for([one.position for one in answer.objects])
    return [
        f"{answer.objects[i].subject} and {answer.objects[j].subject} hide each other."
        for i, first in enumerate(boxes)
        for j in range(i)
        if first.overlap(boxes[j]) > 0.6 * min(first.area, boxes[j].area)
    ]


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _noun(one: PlannedObject) -> str:
    return re.escape(one.subject.lower())


def _objects_text(answer: PlannerAnswer) -> str:
    return " ".join(f"{one.colour} {one.subject} {one.detail}" for one in answer.objects).lower()


def _sure(text: str, answer: PlannerAnswer) -> list[PlannedObject]:
    """Objects that the brief and the plan both name exactly once, so that what is said beside the name is theirs."""
    names = [one.subject.lower() for one in answer.objects]
    return [
        one
        for one, name in zip(answer.objects, names, strict=True)
        if names.count(name) == 1 and len(re.findall(rf"\b{re.escape(name)}\b", text)) == 1
    ]
