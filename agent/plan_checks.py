"""Checks a planner's answer against the brief where code can: names, counts, colours, places, hidden boxes.

Each check is a pure function that says only what it is sure of: a finding costs a second planner call.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from ..prompts.layout import Place, boxes_for
from ..prompts.planner_schema import PlannedObject, PlannerAnswer

NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "2": 2, "3": 3, "4": 4,
    "5": 5, "6": 6, "7": 7, "8": 8, "9": 9,
}  # fmt: skip
COLOURS = {
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "brown", "grey", "gray",
    "crimson", "scarlet", "azure", "violet", "turquoise", "golden", "silver",
}  # fmt: skip
ANY_COLOUR = "|".join(sorted(COLOURS))
IRREGULAR = {"mice": "mouse", "geese": "goose", "teeth": "tooth", "children": "child", "people": "person"}
# Words that take something back, compare, repeat it or share it out: what stands beside a name may be meant otherwise.
UNSURE = re.compile(
    r"\b(no|not|nope|never|sorry|wait|correction|scratch|instead|rather|last|already|forget|make (it|that)|else|per"
    r"|each|every|either|same|again|another|more|others?|twins?|mirrored|(?<!in a )row|rows|columns?|between|former"
    r"|latter|respectively|then|while|(a|an|the|my)( [\w-]+){0,2} ones?|\w+ ones"
    r"|(one|two|three|four|five|six) (in|on|at|is|here))\b|\.\.\.|…|n't\b"
)
# A brief that says more than one of these tells a chain, or of several what is where.
RELATION = re.compile(
    r"\b((left|right) of|(to|on) (its|the) (left|right)|above|over|on top|below|under|beneath|underneath|\w+ing on"
    r"|next to)\b"
)
# A colour before one of these describes the background, not an object.
SURROUNDINGS = r"(sky|clouds?|sea|ocean|water|background|grass|field|hill|hills|lawn|snow|sand|light|wall|floor|meadow)"
SAID_PLACE = "((?:top|upper|bottom|lower) (?:left|right)|left|right|top|bottom)"
ENOUGH = r"\b(?! (?:of|left|right|row|half|column|at|in)\b)"
# (a relation, the place of what stands before it, the place of what it is seen from)
RELATIONS: list[tuple[str, Place, Place]] = [
    (r"left of", "left", "right"), (r"right of", "right", "left"), (r"above|over|on top of", "top", "bottom"),
    (r"below|under|beneath|underneath", "bottom", "top"),
]  # fmt: skip
# 'a cat sitting on a chair': all that stands between the two names.
STANDING_ON = (
    r"^ (?:that |which |who )?(?:is )?(?:\w+ing|sits|stands|lies|perched) on (?:a|an|one|my|his|her|its) "
    r"(?:(?!and\b|with\b|or\b|in\b|at\b|by\b|near\b|next\b|beside\b)[\w-]+ ){0,2}$"
)
# What follows a colour without being a noun.
NO_NOUN = COLOURS | set("and or one ones with in on at is but colour color the next plus inside".split())
# A place said anywhere in the brief, and the word that some object's place must then have.
SAID_SIDES = [
    ("left", "left"), ("right", "right"), ("(top|upper)", "top"), ("(bottom|lower)(?! of the (sea|ocean))", "bottom"),
]  # fmt: skip
SAID_BACKGROUNDS = r"at night|at sunset|at dusk|on the beach|in the snow|under ?water|on a meadow|on the grass|in space"
ARTICLE = r"(?:a|an|the|one)\s+(?:[a-z]+\s+){0,2}?"


def singular(word: str) -> str:
    """A noun's singular by spelling: 'cats' → 'cat', 'houses' → 'house', 'wolves' → 'wolf', 'bus' stays."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(l|ea|ar)ves$", word):
        return word[:-3] + "f"
    if word.endswith("men"):
        return word[:-3] + "man"
    if re.search(r"(ch|sh|x|ss|ato|[^o]us)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) else word


def flat(brief: str) -> str:
    """The brief in small letters on one line; a line's end is a full stop."""
    return " ".join(". ".join(line.strip() for line in brief.lower().splitlines()).split())


def check_answer(brief: str, answer: PlannerAnswer) -> list[str]:
    """What is wrong with the answer, one sentence each; empty if nothing was found."""
    text = flat(brief)
    checks = [invented_subjects, missing_background]
    if not UNSURE.search(text):
        checks += [missing_subjects, wrong_counts, wrong_colours, wrong_places, wrong_relations, empty_sides]
    return [finding for check in checks for finding in check(text, answer)] + crowded(answer) + hidden_boxes(answer)


def invented_subjects(text: str, answer: PlannerAnswer) -> list[str]:
    """Subjects of the plan of which no word is in the brief, not even misspelt."""
    said = {singular(word) for word in _words(text)}
    names = dict.fromkeys(one.subject for one in answer.objects)
    return [
        f"The brief does not mention '{name}'."
        for name in names
        if not any(_is_among(singular(word), said) for word in _words(name))
    ]


def missing_subjects(text: str, answer: PlannerAnswer) -> list[str]:
    """'a blue rocket' in the brief, no rocket anywhere in the plan. Only a noun right after a colour is sure enough,
    where the phrase ends with it."""
    used = {singular(word) for word in _words(f"{_objects_text(answer)} {answer.background} {answer.mood}")}
    end = r"(?=\s*(?:[.,;:!?)]|$)|\s+(?:and|on|in|at|is|to)\b)"
    pairs = re.findall(rf"(?<!with )(?<!in )\b(?:a|an|one)\s+({ANY_COLOUR})\s+([a-z]+){end}", text)
    return [
        f"The brief mentions a {colour} {noun}, the plan has no {noun}."
        for colour, noun in dict.fromkeys(pairs)
        if not _is_among(singular(noun), used | NO_NOUN) and not re.fullmatch(SURROUNDINGS, noun)
    ]


def wrong_counts(text: str, answer: PlannerAnswer) -> list[str]:
    """'two cats' in the brief, and the plan has one. Not judged if the brief says the noun more than once."""
    findings, said = [], [singular(word) for word in _words(text)]
    for number, noun in re.findall(rf"\b({'|'.join(NUMBERS)})\s+(?:[a-z]+\s+){{0,2}}?([a-z]+s|geese|mice)\b", text):
        kind = singular(noun)
        count = sum(singular(one.subject.lower().split()[-1]) == kind for one in answer.objects)
        if 0 < count != NUMBERS[number] and said.count(kind) == 1:
            findings.append(f"The brief asks for {number} {noun}, the plan has {count}.")
    return findings


def wrong_colours(text: str, answer: PlannerAnswer) -> list[str]:
    """'a red cat' or 'the cat is red' in the brief, and a blue cat in the plan."""
    findings = []
    for one in _sure(text, answer):
        said = re.search(rf"\b([a-z]+)\s+{_noun(one)}\b", text)
        if said and said[1] in COLOURS and said[1] not in f"{one.colour} {one.detail}".lower():
            findings.append(f"The brief says '{said[1]} {one.subject}', the plan '{one.colour} {one.subject}'.")
    names = [one.subject.lower() for one in answer.objects]
    for one in (one for one in answer.objects if names.count(one.subject.lower()) == 1):
        later = re.search(
            rf"\bthe\s+{_noun(one)}\s+(?:that\s+|which\s+)?(?:is|should be|painted)\s+({ANY_COLOUR})\b", text
        )
        if later and later[1] not in f"{one.colour} {one.detail}".lower():
            findings.append(f"The brief says that the {one.subject} is {later[1]}, in the plan it is {one.colour}.")
    return findings


def wrong_places(text: str, answer: PlannerAnswer) -> list[str]:
    """'a cat on the left', 'on the left a cat', 'left: a cat' or 'a cat (left)', and the plan puts it elsewhere."""
    findings = []
    for one in _sure(text, answer):
        after = rf"\b{_noun(one)}\s+(?:(?:is\s+)?(?:on|at|in|to)\s+the\s+|\(){SAID_PLACE}{ENOUGH}"
        before = rf"(?:^|[.,;]\s|\band\s)(?:(?:on|at|in)\s+the\s+{SAID_PLACE}|{SAID_PLACE}:)\s+{ARTICLE}{_noun(one)}\b"
        found = re.search(after, text) or re.search(before, text)
        place = next(filter(None, found.groups())) if found else ""
        words = set(place.replace("upper", "top").replace("lower", "bottom").split())
        if not words <= set(one.position.split()):
            findings.append(f"The brief puts the {one.subject} at the {place}, the plan at the {one.position}.")
    return findings


def wrong_relations(text: str, answer: PlannerAnswer) -> list[str]:
    """'a cat left of a dog', 'a cat and above it a dog', 'a cat with a dog to its left', and the plan swaps them.

    Only in a brief that says one relation.
    """
    if len(RELATION.findall(text)) != 1:
        return []
    return [
        f"The brief puts the {one.subject} at the {here} and the {other.subject} at the {there}, "
        "the plan the other way round."
        for one, here, other, there in _related(text, answer)
        if there in one.position.split() or here in other.position.split()
    ]


def _related(text: str, answer: PlannerAnswer) -> Iterator[tuple[PlannedObject, Place, PlannedObject, Place]]:
    """One object, where it is seen from another; that other, and where it is seen from the first."""
    said = ((re.search(rf"\b{_noun(one)}\b", text), one) for one in _sure(text, answer, again=True))
    named = sorted(((found.span(), one) for found, one in said if found), key=lambda pair: pair[0])
    for ((_, end), first), ((start, stop), second) in zip(named, named[1:], strict=False):
        between, after = text[end:start], text[stop : stop + 25]
        if re.search(STANDING_ON, between):
            yield first, "top", second, "bottom"
        for relation, here, there in RELATIONS:
            word = rf"\b(?<!up )(?<!down )(?<!with )({relation})(?! (?:there|here)\b)"
            side = rf"({word} it|\b(to|on) its {here})\b"  # the second stands `here`, seen from the first
            other = r"(?!it\b|its\b|him\b|her\b|them\b|that\b|the picture)([\w-]+\s+){0,4}"
            if re.search(rf"^[^.,;:]*{word}\s+{other}$", between):
                yield first, here, second, there
            elif re.search(rf"{side}((?!\band\b)[^.;]){{0,40}}$", between) or re.match(
                rf"\s+(to the |on the )?{side}", after
            ):
                yield second, here, first, there


def empty_sides(text: str, answer: PlannerAnswer) -> list[str]:
    """'on the left' or 'at the top' in the brief, and no object of the plan is there."""
    places = {word for one in answer.objects for word in one.position.split()}
    return [
        f"The brief puts something at the {side}, the plan has nothing there."
        for pattern, side in SAID_SIDES
        if side not in places and re.search(rf"\b(at|in|on|to) the (far |very )?{pattern}\b", text)
    ]


def missing_background(text: str, answer: PlannerAnswer) -> list[str]:
    """'at night' in the brief, and the plan's background is empty."""
    said = re.search(rf"\b({SAID_BACKGROUNDS})\b", text)
    return [f"The brief says '{said[1]}', the plan has no background."] if said and not answer.background else []


def crowded(answer: PlannerAnswer) -> list[str]:
    """Two objects at the same place, though there are nine places."""
    first: dict[Place, PlannedObject] = {}
    return [
        f"The plan puts both {first[one.position].subject} and {one.subject} at the {one.position}."
        for one in answer.objects
        if first.setdefault(one.position, one) is not one and len(answer.objects) <= 9
    ]


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


def _is_among(word: str, words: set[str]) -> bool:
    """Whether the word is one of `words`, or one of them with a slip of the pen."""
    mixed_up = sorted(word) in map(sorted, words)
    return mixed_up or bool(get_close_matches(word, words, n=1, cutoff=0.72))


def _noun(one: PlannedObject) -> str:
    return re.escape(one.subject.lower())


def _objects_text(answer: PlannerAnswer) -> str:
    return " ".join(f"{one.colour} {one.subject} {one.detail}" for one in answer.objects).lower()


def _sure(text: str, answer: PlannerAnswer, *, again: bool = False) -> list[PlannedObject]:
    """Objects that the brief and the plan both name exactly once, so that what is said beside the name is theirs.

    `again`: or that the brief comes back to as 'the cat'.
    """
    names = [one.subject.lower() for one in answer.objects]
    sure = []
    for one, name in zip(answer.objects, names, strict=True):
        mentions = [text[: found.start()].endswith("the ") for found in re.finditer(rf"\b{re.escape(name)}\b", text)]
        if names.count(name) == 1 and (len(mentions) == 1 or (again and mentions[:1] == [False] and all(mentions[1:]))):
            sure.append(one)
    return sure
