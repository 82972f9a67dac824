"""Checks a planner's answer against the brief where code can: names, counts, colours, places, hidden boxes.

Each check is a pure function that reports only what is certain: a finding costs a second planner call.
"""

import re
from collections.abc import Iterator
from difflib import get_close_matches

from ...prompts.answers.planner_schema import GROUP, PlannedObject, PlannerAnswer
from ...prompts.layout.places import Place, boxes_for
from ...renderer.checkpoints.vocabulary import Vocabulary
from .nouns import counted_nouns, singular

COLOURS = {
    "red", "orange", "yellow", "green", "blue", "purple", "pink", "white", "black", "brown", "grey", "gray",
    "crimson", "scarlet", "azure", "violet", "turquoise", "golden", "silver",
}  # fmt: skip
ANY_COLOUR = "|".join(sorted(COLOURS))
# Words that retract, compare, repeat or distribute: an attribute beside a noun may then belong to another object.
UNSURE = re.compile(
    r"\b(no|not|nope|never|sorry|wait|correction|scratch|instead|rather|last|already|forget|make (it|that)|else|per"
    r"|each|every|either|same|again|another|more|others?|twins?|mirrored|(?<!in a )row|rows|columns?|between|former"
    r"|latter|respectively|then|while|(a|an|the|my)( [\w-]+){0,2} ones?|\w+ ones"
    r"|(one|two|three|four|five|six) (in|on|at|is|here))\b|\.\.\.|…|n't\b"
)
# Of these, those that may change a number: they retract, repeat or distribute. 'No people' does not.
UNSURE_NUMBER = re.compile(
    r"\bno\b(?=\s*(?:[,.;:!-]|$))|\b(not|nope|never|sorry|wait|correction|scratch|instead|rather|forget|make (it|that)"
    r"|per|each|every|either|same|again|another|more|twins?|mirrored|rows|columns?"
    r"|(a|an|the|my)( [\w-]+){0,2} ones?|\w+ ones|(one|two|three|four|five|six) (in|on|at|is|here))\b|\.\.\.|…|n't\b"
)
# Whatever says that something must not be seen.
DENIAL = re.compile(
    r"\b(no|not?|none|nor|n?either|never|nothing|nobody|nowhere|without|sans|\w+n['’]?t|free of|devoid|lack\w*|minus"
    r"|except\w*|empty|omit\w*|avoid\w*|exclud\w*|(leave|left|leaving)\b.*\b(out|away|off)|hold the|skip|missing"
    r"|absen\w+|forget|negative\w*|remove|zero|cannot|but)\b|-(free|less|no)\b"
)
# A brief with several of these describes a chain of objects, or relations between several pairs.
RELATION = re.compile(
    r"\b((left|right) of|(to|on) (its|the) (left|right)|above|over|on top|below|under|beneath|underneath|\w+ing on"
    r"|next to)\b"
)
# A colour before one of these describes the background, not an object.
SURROUNDINGS = r"(sky|clouds?|sea|ocean|water|background|grass|field|hill|hills|lawn|snow|sand|light|wall|floor|meadow)"
PLACE_PHRASE = "((?:top|upper|bottom|lower) (?:left|right)|left|right|top|bottom)"
PHRASE_ENDS = r"\b(?! (?:of|left|right|row|half|column|at|in|(?:hand )?side of)\b)"
# (relation, place of the object before it, place of the object after it)
RELATIONS: list[tuple[str, Place, Place]] = [
    (r"left of", "left", "right"), (r"right of", "right", "left"), (r"above|over|on top of", "top", "bottom"),
    (r"below|under|beneath|underneath", "bottom", "top"),
]  # fmt: skip
# 'a cat sitting on a chair': the whole text between the two nouns.
STANDING_ON = (
    r"^ (?:that |which |who )?(?:is )?(?:\w+ing|sits|stands|lies|perched) on (?:a|an|one|my|his|her|its) "
    r"(?:(?!and\b|with\b|or\b|in\b|at\b|by\b|near\b|next\b|beside\b)[\w-]+ ){0,2}$"
)
# Words after a colour that are no nouns.
NO_NOUN = COLOURS | set("and or one ones with in on at is but colour color the next plus inside".split())
# Pattern of a side that the brief names, and the word that the position of some object must then contain.
SIDE_PATTERNS = [
    ("left", "left"), ("right", "right"), ("(top|upper)", "top"), ("(bottom|lower)(?! of the (sea|ocean))", "bottom"),
]  # fmt: skip
BACKGROUND_PHRASES = (
    r"at night|at sunset|at dusk|on the beach|in the snow|under ?water|on a meadow|on the grass|in space"
)
ARTICLE = r"(?:a|an|the|one)\s+(?:[a-z]+\s+){0,2}?"


def flat(brief: str) -> str:
    """The brief in small letters on one line; a line's end is a full stop."""
    return " ".join(". ".join(line.strip() for line in brief.lower().splitlines()).split())


def check_answer(brief: str, answer: PlannerAnswer, vocabulary: Vocabulary) -> list[str]:
    """The faults of the answer, a sentence each; empty if none was found.

    vocabulary: knows which words name one thing or colour; things are called here by their names in it.
    """
    raw = flat(brief)
    text, named = in_names(raw, answer, vocabulary)
    findings = [*invented_subjects(f"{raw} {text}", answer, named), *missing_background(raw, answer)]
    if not UNSURE.search(raw):
        checks = [missing_subjects, wrong_counts, wrong_places, wrong_relations, empty_sides]
        findings += [finding for check in checks for finding in check(text, named)]
        findings += wrong_colours(text, named, vocabulary)
    return findings + undenied(raw, answer) + contradictions(answer) + crowded(answer) + hidden_boxes(answer)


def in_names(text: str, answer: PlannerAnswer, vocabulary: Vocabulary) -> tuple[str, PlannerAnswer]:
    """A brief in small letters and an answer, with things called by their names in the vocabulary."""
    things = [thing.model_copy(update={"subject": vocabulary.in_names(thing.subject)}) for thing in answer.objects]
    return vocabulary.in_names(text), answer.model_copy(update={"objects": things})


def invented_subjects(text: str, answer: PlannerAnswer, named: PlannerAnswer) -> list[str]:
    """Subjects of the plan none of whose words is in the brief, not even misspelt or by another name."""
    brief_words = {singular(word) for word in _words(text)}
    subjects = {planned.subject: f"{planned.subject} {other.subject}"
                for planned, other in zip(answer.objects, named.objects, strict=True)}  # fmt: skip
    return [
        f"The brief does not mention '{subject}'."
        for subject, words in subjects.items()
        if not any(_matches_any(singular(word), brief_words) for word in _words(words))
    ]


def missing_subjects(text: str, answer: PlannerAnswer) -> list[str]:
    """'a blue rocket' in the brief, no rocket anywhere in the plan. Only nouns that follow a
    colour and end their phrase are checked."""
    plan_words = {singular(word) for word in _words(f"{_objects_text(answer)} {answer.background} {answer.mood}")}
    end = r"(?=\s*(?:[.,;:!?)]|$)|\s+(?:and|on|in|at|is|to)\b)"
    pairs = re.findall(rf"(?<!with )(?<!in )\b(?:a|an|one)\s+({ANY_COLOUR})\s+([a-z]+){end}", text)
    return [
        f"The brief mentions a {colour} {noun}, the plan has no {noun}."
        for colour, noun in dict.fromkeys(pairs)
        if not _matches_any(singular(noun), plan_words | NO_NOUN) and not re.fullmatch(SURROUNDINGS, noun)
    ]


def wrong_counts(text: str, answer: PlannerAnswer) -> list[str]:
    """'two cats' in the brief, and the plan has one. Skipped if the brief repeats the noun."""
    return [
        f"The brief asks for {written} {noun}, the plan has {sum(answer.objects[index].count for index in indices)}."
        for written, _, noun, indices in miscounted(text, answer)
    ]


def miscounted(text: str, answer: PlannerAnswer) -> list[tuple[str, int, str, list[int]]]:
    """Things of which the plan has another number than the brief says: (as written, number, noun, their indices)."""
    found, brief_words = [], [singular(word) for word in _words(text)]
    for written, number, noun in counted_nouns(text):
        indices = [i for i, planned in enumerate(answer.objects) if singular(_head(planned)) == singular(noun)]
        count = sum(answer.objects[index].count for index in indices)
        if indices and count != number and brief_words.count(singular(noun)) == 1:
            found.append((written, number, noun, indices))
    return found


def wrong_colours(text: str, answer: PlannerAnswer, vocabulary: Vocabulary) -> list[str]:
    """'a red cat' or 'the cat is red' in the brief, and a blue cat in the plan."""

    def is_not(planned: PlannedObject, colour: str) -> bool:
        looks = f"{planned.colour} {planned.detail}".lower()
        return colour not in looks and vocabulary.in_names(colour, "colours") not in vocabulary.in_names(
            looks, "colours"
        )

    findings = []
    for planned in _unambiguous(text, answer):
        adjective = re.search(rf"\b([a-z]+)\s+{_noun_pattern(planned)}\b", text)
        if adjective and adjective[1] in COLOURS and is_not(planned, adjective[1]):
            findings.append(
                f"The brief says '{adjective[1]} {planned.subject}', the plan '{planned.colour} {planned.subject}'."
            )
    names = [planned.subject.lower() for planned in answer.objects]
    for planned in (planned for planned in answer.objects if names.count(planned.subject.lower()) == 1):
        predicate = re.search(
            rf"\bthe\s+{_noun_pattern(planned)}\s+(?:that\s+|which\s+)?(?:is|should be|painted)\s+({ANY_COLOUR})\b",
            text,
        )
        if predicate and is_not(planned, predicate[1]):
            findings.append(
                f"The brief says that the {planned.subject} is {predicate[1]}, in the plan it is {planned.colour}."
            )
    return findings


def wrong_places(text: str, answer: PlannerAnswer) -> list[str]:
    """'a cat on the left', 'on the left a cat', 'left: a cat' or 'a cat (left)', and the plan puts it elsewhere."""
    findings = []
    for planned in _unambiguous(text, answer):
        noun = _noun_pattern(planned)
        after = rf"\b{noun}\s+(?:(?:is\s+)?(?:on|at|in|to)\s+the\s+|\(){PLACE_PHRASE}{PHRASE_ENDS}"
        before = rf"(?:^|[.,;]\s|\band\s)(?:(?:on|at|in)\s+the\s+{PLACE_PHRASE}|{PLACE_PHRASE}:)\s+{ARTICLE}{noun}\b"
        match = re.search(after, text) or re.search(before, text)
        place = next(filter(None, match.groups())) if match else ""
        words = set(place.replace("upper", "top").replace("lower", "bottom").split())
        if not words <= set(planned.position.split()):
            findings.append(f"The brief puts the {planned.subject} at the {place}, the plan at the {planned.position}.")
    return findings


def wrong_relations(text: str, answer: PlannerAnswer) -> list[str]:
    """'a cat left of a dog', 'a cat and above it a dog', 'a cat with a dog to its left', and the plan swaps them.

    Only in briefs with a single relation.
    """
    if len(RELATION.findall(text)) != 1:
        return []
    return [
        f"The brief puts the {planned.subject} at the {here} and the {other.subject} at the {there}, "
        "the plan the other way round."
        for planned, here, other, there in _related(text, answer)
        if there in planned.position.split() or here in other.position.split()
    ]


def _related(text: str, answer: PlannerAnswer) -> Iterator[tuple[PlannedObject, Place, PlannedObject, Place]]:
    """Pairs of related objects, each with its place relative to the other: (first, place, second, place)."""
    matches = (
        (re.search(rf"\b{_noun_pattern(planned)}\b", text), planned)
        for planned in _unambiguous(text, answer, allow_later_mentions=True)
    )
    occurrences = sorted(((match.span(), planned) for match, planned in matches if match), key=lambda pair: pair[0])
    for ((_, end), first), ((start, stop), second) in zip(occurrences, occurrences[1:], strict=False):
        between, after = text[end:start], text[stop : stop + 25]
        if re.search(STANDING_ON, between):
            yield first, "top", second, "bottom"
        for relation, here, there in RELATIONS:
            word = rf"\b(?<!up )(?<!down )(?<!with )({relation})(?! (?:there|here)\b)"
            side = rf"({word} it|\b(to|on) its {here})\b"  # the second object is `here` relative to the first
            other = r"(?!it\b|its\b|him\b|her\b|them\b|that\b|the picture)([\w-]+\s+){0,4}"
            if re.search(rf"^[^.,;:]*(?<!\band ){word}\s+{other}$", between):
                yield first, here, second, there
            elif re.search(rf"{side}((?!\band\b)[^.;]){{0,40}}$", between) or re.match(
                rf"\s+(to the |on the )?{side}", after
            ):
                yield second, here, first, there


def empty_sides(text: str, answer: PlannerAnswer) -> list[str]:
    """'on the left' or 'at the top' in the brief, and no object of the plan is there."""
    places = {word for planned in answer.objects for word in planned.position.split()}
    return [
        f"The brief puts something at the {side}, the plan has nothing there."
        for pattern, side in SIDE_PATTERNS
        if side not in places and re.search(rf"\b(at|in|on|to) the (far |very )?{pattern}\b", text)
    ]


def missing_background(text: str, answer: PlannerAnswer) -> list[str]:
    """'at night' in the brief, and the plan's background is empty."""
    match = re.search(rf"\b({BACKGROUND_PHRASES})\b", text)
    return [f"The brief says '{match[1]}', the plan has no background."] if match and not answer.background else []


def contradictions(answer: PlannerAnswer) -> list[str]:
    """What must be absent, and yet is an object or named in the background."""
    word_sets = [{singular(word) for word in _words(text)} for text in (_objects_text(answer), answer.background)]
    return [
        f"The plan names '{absent}' {where}, though it must not be seen: leave it out there."
        for absent in answer.absent
        for where, words in zip(("among the objects", "in the background"), word_sets, strict=True)
        if {singular(word) for word in _words(absent)} <= words
    ]


def undenied(text: str, answer: PlannerAnswer) -> list[str]:
    """What must be absent by the plan, where the brief says of nothing that it must not be seen."""
    return (
        []
        if DENIAL.search(text)
        else [f"The brief does not say that '{absent}' must not be seen." for absent in answer.absent]
    )


def crowded(answer: PlannerAnswer) -> list[str]:
    """Two objects at the same place, though there are nine places; a group that looks the same may share one."""
    first: dict[Place, PlannedObject] = {}
    return [
        f"The plan puts both {first[planned.position].subject} and {planned.subject} at the {planned.position}."
        for planned in answer.objects
        if first.setdefault(planned.position, planned) != planned and len(answer.objects) <= 9
    ]


def hidden_boxes(answer: PlannerAnswer) -> list[str]:
    """Pairs of boxes of which one covers more than 60% of the smaller."""
    boxes = boxes_for([planned.position for planned in answer.objects])
    return [
        f"{answer.objects[i].subject} and {answer.objects[j].subject} hide each other."
        for i, first in enumerate(boxes)
        for j in range(i)
        if first.overlap(boxes[j]) > 0.6 * min(first.area, boxes[j].area)
    ]


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", text.lower())


def _matches_any(word: str, words: set[str]) -> bool:
    """Whether the word equals one of `words`, or is a likely misspelling of one."""
    mixed_up = sorted(word) in map(sorted, words)
    return mixed_up or bool(get_close_matches(word, words, n=1, cutoff=0.72))


def _head(planned: PlannedObject) -> str:
    """What a subject is in one word in small letters: 'pie' of 'apple pie', 'cup' of 'cup of tea'."""
    return GROUP.sub("", planned.subject.lower()).partition(" of ")[0].split()[-1]


def _noun_pattern(planned: PlannedObject) -> str:
    return re.escape(planned.subject.lower())


def _objects_text(answer: PlannerAnswer) -> str:
    return " ".join(f"{planned.colour} {planned.subject} {planned.detail}" for planned in answer.objects).lower()


def _unambiguous(text: str, answer: PlannerAnswer, *, allow_later_mentions: bool = False) -> list[PlannedObject]:
    """Objects whose noun occurs once in the brief and once in the plan, so that attributes beside the noun are theirs.

    `allow_later_mentions`: also objects that the brief mentions again as 'the cat'.
    """
    names = [planned.subject.lower() for planned in answer.objects]
    unambiguous = []
    for planned, name in zip(answer.objects, names, strict=True):
        mentions = [text[: match.start()].endswith("the ") for match in re.finditer(rf"\b{re.escape(name)}\b", text)]
        if names.count(name) == 1 and (
            len(mentions) == 1 or (allow_later_mentions and mentions[:1] == [False] and all(mentions[1:]))
        ):
            unambiguous.append(planned)
    return unambiguous
