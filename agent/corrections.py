"""Puts right in a planner's answer what the brief's own words decide: counts, colours, places. Knows no model.

Only readings that are sure count, so that right answers, of any planner, stay as they are. What is doubtful is left to
the checks.
"""

import re
from collections.abc import Callable

from ..prompts.answers import PlannedObject, PlannerAnswer
from ..prompts.layout import DEFAULT_PLACES, PLACES, Place
from ..prompts.wording import COLOURS, SHADES
from .arrange import PLACING
from .checks import NUMBERS, SURROUNDINGS, flat, said_relations, singular

MOST = max(DEFAULT_PLACES)  # objects; more have no places of their own
ROW = {2: ("left", "right"), 3: ("left", "", "right")}  # so many things side by side
OPPOSITE: dict[Place, Place] = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
_HUE = "|".join(sorted(COLOURS))
_SHADE = "|".join(sorted(SHADES | {"navy", "sky", "royal", "lime", "mint", "ruby", "cherry", "lemon", "snowy"}))
COLOUR = rf"(?:(?:{_SHADE})[ -])?(?:{_HUE})(?: (?:and|&) (?:(?:{_SHADE})[ -])?(?:{_HUE}))?"
# What may follow a phrase that is complete: a stop, or a word that begins another phrase.
STOP = (
    r"(?=\s*(?:[.,;:!?()/+&-]|$)|\s+(?:and|with|but|on|in|at|under|above|below|over|behind|beside|next|near|by|to|left|right|please"
    r"|thanks|thx|is|are|stands?|sits?|lies|flies|that|which|between|from|of|the|a|an|\w+ing)\b)"
)
END = r"(?=\s*(?:[.,;:!?)]|$)|\s+(?:please|thanks|thx)\b)"
IS = r"(?:is|are|should be|must be|is painted|are painted|is coloured|are coloured)"
ROWS = re.compile(r"\b(?:in|,|as|into) (two|2|three|3) (?:rows|lines)(?: (?:of|with) (?:two|2|three|3)(?: each)?)?\b")
# What people say for a background of the pocket world if they mean it and nothing else.
SAID_BACKGROUNDS = {
    "at night": r"(?:at|by) night|at midnight|under the stars|(?:under|in) (?:a|the) (?:night|starry) sky",
    "in the sky": r"(?:in|against|in front of) the sky|(?:daytime|daylight|blue|clear|cloudy) sky",
    "at sunset": r"at (?:sunset|dusk|sundown|sunrise|dawn)",
    "on a meadow": r"(?:on|in) (?:a|the) (?:green )?(?:meadow|lawn|grass)",
    "on the beach": r"(?:on|at) (?:a|the) (?:sunny |sandy |tropical )?(?:beach|seaside)",
    "in the snow": r"in (?:the |deep )?snow|in (?:the )?winter",
    "under water": r"under ?water|(?:under|at the bottom of) the (?:sea|ocean)",
    "in a room": r"in (?:a|the) (?:living |bed)?room",
    "in the desert": r"in (?:a|the) (?:hot )?desert",
    "in the forest": r"in (?:a|the) (?:dark )?(?:forest|woods)",
    "in the city": r"in (?:a|the) (?:big )?city",
    "in the mountains": r"in the mountains",
}
TIMES = ("at night", "in the sky", "at sunset")
_NOT = r"(?<!not )(?<!no )(?<!without )(?<!never )"
_AFTER = r"(?=\s*(?:[.,;:!?()]|$)|\s(?:and|with|there|a|an|the|on|at|is|are|please|thanks|while|stands?|sits?)\b)"
Correction = Callable[[str, PlannerAnswer], PlannerAnswer]


def corrected(brief: str, answer: PlannerAnswer) -> PlannerAnswer:
    """The answer, put right where the brief is plain; the same answer where it is not."""
    text = flat(brief)
    corrections: tuple[Correction, ...] = (counts, colours, shared_colour, places, sides, rows, background)
    for correct in corrections:
        answer = correct(text, answer)
    return answer


def counts(text: str, answer: PlannerAnswer) -> PlannerAnswer:
    """'six blue cups' in the brief and five in the plan: another of the same; seven: the last one goes."""
    objects = list(answer.objects)
    each = re.search(rf"\b(?:{_HUE}) ones?\b|\bone (?:is )?(?:{_HUE})(?=\s*(?:[.,;]|$)| and\b)", text)
    for number, noun in re.findall(rf"\b({'|'.join(NUMBERS)})\s+(?:[a-z-]+\s+){{0,2}}?([a-z]+s|geese|mice)\b", text):
        kind, wanted = singular(noun), NUMBERS[number]
        same = [i for i, one in enumerate(objects) if one.subject.lower().split()[-1] == kind]
        looks = {(objects[i].subject, objects[i].colour, objects[i].detail) for i in same}
        several = re.search(rf"\b(?:or|of the|than|least|most) {number}\b|\b{number} (?:or|to)\b", text)
        if len(looks) != 1 or several or each or _times(text, kind) != 1 or len(objects) + wanted - len(same) > MOST:
            continue
        if any(word in objects[same[0]].detail.lower().split() for word in NUMBERS):
            continue
        while len(same) > wanted:
            del objects[same.pop()]
        for _ in range(wanted - len(same)):
            objects.insert(same[-1] + 1, objects[same[-1]])
    return _rearranged(text, answer, objects)


def colours(text: str, answer: PlannerAnswer) -> PlannerAnswer:
    """A colour said right before the name, or of it later ('the cat is black, the dog white'), is its colour."""
    if re.search(r"\b(?:respectively|latter)\b", text):
        return answer  # colours that are told in a list of their own
    names = [one.subject.lower() for one in answer.objects]
    objects = []
    for one, name in zip(answer.objects, names, strict=True):
        said = _colours_of(text, one, names) if names.count(name) == 1 else _colours_of_several(text, one, names)
        if len(said) == 1 and not _hues(said[0]) <= _hues(f"{one.colour} {one.detail}"):
            one = one.model_copy(update={"colour": said[0]})
        objects.append(one)
    return answer.model_copy(update={"objects": objects})


def shared_colour(text: str, answer: PlannerAnswer) -> PlannerAnswer:
    """'an owl and a hat, both golden', 'all of them are blue': the only colour of the brief is everything's."""
    all_of_them = r"(?:both(?: of them)?|all(?: of them)?|each of them|they are (?:both|all)|everything)"
    said = re.search(rf"\b{all_of_them}(?: (?:is|are|should be|painted|in))* (?P<colour>{COLOUR}){END}", text)
    if not said or ("both" in said[0] and len(answer.objects) != 2):
        return answer
    rest = re.sub(rf"\b(?:{_HUE}) (?:\w+ )?{SURROUNDINGS}\b", "", text[: said.start()] + text[said.end() :])
    if re.search(rf"\b(?:{_HUE})\b", rest):
        return answer
    hues = _hues(said["colour"])
    objects = [
        one if hues <= _hues(f"{one.colour} {one.detail}") else one.model_copy(update={"colour": said["colour"]})
        for one in answer.objects
    ]
    return answer.model_copy(update={"objects": objects})


def places(text: str, answer: PlannerAnswer) -> PlannerAnswer:
    """'a kitten left', 'at the top a cloud': the place said beside a name is its place."""
    said = {i: place for i, one in enumerate(answer.objects) if (place := _place_of(text, one, answer))}
    objects = list(answer.objects)
    for i, place in said.items():
        if not set(place.split()) <= set(objects[i].position.split()):
            objects[i] = objects[i].model_copy(update={"position": place})
    if objects == answer.objects or len({said[i] for i in said}) < len(said):
        return answer
    if len(objects) == 2 and objects[0].position == objects[1].position and len(said) == 1:
        (placed,) = said
        if said[placed] not in OPPOSITE:
            return answer
        other = objects[1 - placed].model_copy(update={"position": OPPOSITE[said[placed]]})
        objects[1 - placed] = other
    if len({one.position for one in objects}) < len({one.position for one in answer.objects}):
        return answer  # it would stand where something else does
    return answer.model_copy(update={"objects": objects})


def sides(text: str, answer: PlannerAnswer) -> PlannerAnswer:
    """'a cat left of a dog', and the plan has them the other way round: they change places. Of two objects, 'a cat on
    a ball' that stand side by side are put as they are said."""
    objects = list(answer.objects)
    for first, here, second, there in said_relations(text, answer):
        i, j = objects.index(first), objects.index(second)
        swapped = here in second.position.split() and there in first.position.split()
        if len(objects) == 2 and (swapped or not {here, there} & set(f"{first.position} {second.position}".split())):
            objects[i] = first.model_copy(update={"position": here})
            objects[j] = second.model_copy(update={"position": there})
            break
        if swapped:
            objects[i] = first.model_copy(update={"position": second.position})
            objects[j] = second.model_copy(update={"position": first.position})
            break
    return answer.model_copy(update={"objects": objects})


def rows(text: str, answer: PlannerAnswer) -> PlannerAnswer:
    """'six cups in two rows': three above three, in the order of the answer."""
    found, count = ROWS.search(text), len(answer.objects)
    if not found or PLACING.search(ROWS.sub("", text)):
        return answer
    lines = NUMBERS[found[1]]
    across = ROW.get(count // lines)
    if count % lines or not across:
        return answer
    down = ("top", "bottom") if lines == 2 else ("top", "", "bottom")
    usual: list[Place] = [
        next(place for place in PLACES if place == (f"{y} {x}".strip() or "center")) for y in down for x in across
    ]
    objects = [one.model_copy(update={"position": at}) for one, at in zip(answer.objects, usual, strict=True)]
    return answer.model_copy(update={"objects": objects})


def background(text: str, answer: PlannerAnswer) -> PlannerAnswer:
    """The one background of the pocket world that the brief names, where the answer has none, or another time."""
    said = [name for name, words in SAID_BACKGROUNDS.items() if re.search(rf"{_NOT}\b(?:{words})\b{_AFTER}", text)]
    planned = answer.background.lower()
    if len(said) != 1 or (planned and not (planned in TIMES and said[0] in TIMES)):
        return answer
    heard = any(word in text for word in re.findall(r"[a-z]{3,}", planned) if word != "the")
    return answer if heard else answer.model_copy(update={"background": said[0]})


def _rearranged(text: str, answer: PlannerAnswer, objects: list[PlannedObject]) -> PlannerAnswer:
    """The answer with other objects; in the usual places if their number changed and the brief says no place.

    Of several at one place in a brief that says places, a row or a column is made.
    """
    if len(objects) == len(answer.objects):
        return answer
    if not PLACING.search(ROWS.sub("", text)) and len(objects) in DEFAULT_PLACES:
        usual = DEFAULT_PLACES[len(objects)]
        objects = [one.model_copy(update={"position": at}) for one, at in zip(objects, usual, strict=True)]
        return answer.model_copy(update={"objects": objects})
    for place in ("top", "bottom"):
        there = [i for i, one in enumerate(objects) if one.position == place]
        row = [f"{place} {x}".strip() for x in ROW.get(len(there), ())]
        if not {one.position for i, one in enumerate(objects) if i not in there} & set(row):
            for i, at in zip(there, row, strict=False):
                objects[i] = objects[i].model_copy(update={"position": at})
    return answer.model_copy(update={"objects": objects})


def _times(text: str, noun: str) -> int:
    """How often a noun is said, in the singular or the plural, as a word or the last of several."""
    last = noun.split()[-1]
    return sum(singular(word) == singular(last) for word in re.findall(r"[a-z]+", text))


def _hues(words: str) -> set[str]:
    return {word.replace("gray", "grey") for word in re.findall(r"[a-z]+", words.lower()) if word in COLOURS}


def _colours_of(text: str, one: PlannedObject, names: list[str]) -> list[str]:
    """The colours that the brief says of a thing that it has once, in all places; different ones if it is not sure."""
    name = re.escape(one.subject.lower())
    if _last_word_of_another(one.subject.lower(), names):
        return []
    looks = "|".join(re.escape(word) for word in re.findall(r"[a-z-]+", one.detail.lower()) if word not in COLOURS)
    between = rf"(?:(?:{looks}) ){{0,3}}" if looks else ""
    forms = (
        rf"\b(?P<colour>{COLOUR}) {between}{name}\b",
        rf"\b{name} (?:that |which )?{IS} (?P<colour>{COLOUR}){STOP}",
        rf"\bthe {name} (?P<colour>{COLOUR})(?=\s*(?:[.,;!?)]|$)| and the\b)",
        rf"(?:^|[.,;:] |\band |\bthe |\ba |\ban ){name} (?P<colour>{COLOUR}){END}",
        rf"\b(?:a|an|one) {name}, (?P<colour>{COLOUR}){END}",
        rf"\b{name} \((?P<colour>{COLOUR})\)",
        rf"\b{name} in (?P<colour>{COLOUR}){END}",
        rf"\b{name}(?::| =) (?P<colour>{COLOUR}){END}",
    )  # fmt: skip
    told = [found for form in forms for found in re.finditer(form, text)]
    if any(re.search(rf"\b(?:{_HUE})(?:,| and|, and)? $", text[: found.start("colour")]) for found in told):
        return []  # 'red, white and blue'
    said = {found["colour"] for found in told}
    it_is = r"(?:it is|it's|it should be|make it|its colour is)"
    for before, it in re.findall(rf"([^.;!?]+)[.;!?,]\s+(?:and )?{it_is} ({COLOUR})(?:{END}|(?= and\b))", text):
        if [other for other in names if re.search(rf"\b{re.escape(other)}\b", before)] == [one.subject.lower()]:
            said.add(it)
    return [] if any(word in names for colour in said for word in colour.split()) else _widest(said)


def _colours_of_several(text: str, one: PlannedObject, names: list[str]) -> list[str]:
    """'three red cats' of the three in the plan; nothing if the brief says the noun twice."""
    noun, count = one.subject.lower(), names.count(one.subject.lower())
    if _times(text, noun) != 1:
        return []
    numbers = "|".join(word for word, number in NUMBERS.items() if number == count)
    found = re.search(rf"\b(?:{numbers}) ({COLOUR}) ((?:[a-z-]+ )?[a-z-]+s)\b", text)
    return [found[1]] if found and singular(found[2].split()[-1]) == noun.split()[-1] else []


def _widest(said: set[str]) -> list[str]:
    """Without colours that are part of another one: 'white' of 'red and white'."""
    return [one for one in said if not any(_hues(one) < _hues(other) for other in said)]


def _last_word_of_another(name: str, names: list[str]) -> bool:
    """'cat' beside 'tom cat': what is said of one might be said of the other."""
    return any(other != name and name in other.split() for other in names)


def _place_of(text: str, one: PlannedObject, answer: PlannerAnswer) -> Place | None:
    """The place that the brief says beside a name, if it has the name once and says one place of it."""
    names = [other.subject.lower() for other in answer.objects]
    name = one.subject.lower()
    if (
        names.count(name) != 1
        or len(re.findall(rf"\b{re.escape(name)}\b", text)) != 1
        or _last_word_of_another(name, names)
    ):
        return None
    side = r"(?P<place>(?:top|upper|bottom|lower)[ -](?:left|right)|left|right|top|bottom)"
    end = r"(?:-hand)?(?: side| corner| half| edge)?(?=\s*(?:[.,;!?)]|$)| and (?:a|an|the|one)\b)"
    verb = r"(?:is |stands |sits |goes |waits )?"
    after = re.search(rf"\b{re.escape(name)},? {verb}(?:(?:on|at|in|to) the )?\(?(?:far |very )?{side}{end}", text)
    if not after:
        return None
    said = after["place"].replace("-", " ").replace("upper", "top").replace("lower", "bottom")
    return next((place for place in PLACES if place == said), None)
