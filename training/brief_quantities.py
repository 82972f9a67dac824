"""Synthetic briefs about numbers, relative sizes and absences, and their right answers in the short form.

Beside the rules of `briefs`:

- up to six things, and nine of one kind, are a row each, as in `briefs`; from seven on, or where one of several kinds is
  five or more, each kind is one row with its number, and the kinds take the places that single things would;
- what the brief compares has a size beside the others: the larger of two is large, the smaller small, of four the ends
  are huge and tiny, what is in between or as big as the other has none; an adjective is a detail as well;
- what is not wanted is in `absent`, in the brief's words without an article;
- a brief that shows nothing but a surrounding has no objects, and the surrounding is the background.
"""

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ditpipe.prompts.answers.planner_schema import ShortAnswer, article
from ditpipe.prompts.layout.places import DEFAULT_PLACES as DEFAULT
from training.brief_parts import USUAL_COLOUR, Thing, a, bare, distinct, pick, plural, scenery
from training.brief_words import CLOSINGS, OPENINGS, USUAL_LIGHT
from training.briefs import PAIRS, TOGETHER, finish
from training.tables import load_table


def table(name: str) -> Any:
    return load_table("quantities", name)


UNITS = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "_ _ twenty thirty forty fifty sixty seventy eighty ninety".split()
OTHER_WORDS = {6: ("half a dozen",), 12: ("a dozen", "one dozen"), 13: ("a baker's dozen of",), 20: ("a score of",), 24: ("two dozen",), 36: ("three dozen",), 48: ("four dozen",), 100: ("a hundred", "one hundred")}
LARGE = (7, 7, 7, 8, 8, 8, 9, 9, 10, 10, 10, 10, 11, 11, 12, 12, 12, 13, 14, 15, 15, 16, 17, 18, 19, 20, 20, 21, 22, 23, 24, 25, 26, 28, 30, 32, 36, 40, 48, 50, 60, 75, 99, 100, 100)
RANKS = {2: ("large", "small"), 3: ("large", None, "small"), 4: ("huge", "large", "small", "tiny")}
Row = tuple[object, ...]
Quantity = tuple[str, list[Row]]


def words_for(count: int, rng: np.random.Generator) -> str:
    """'12', 'twelve', 'a dozen', 'exactly 12'."""
    form = rng.random()
    if form < 0.12 and count in OTHER_WORDS:
        return pick(rng, OTHER_WORDS[count])
    words = str(count)
    if form < 0.62 and count < 100:
        words = UNITS[count] if count < 20 else TENS[count // 10] + (f"-{UNITS[count % 10]}" if count % 10 else "")
    return pick(rng, ("exactly ", "precisely ", "just ", "a total of ")) + words if rng.random() < 0.06 else words


def many(thing: Thing, count: int, rng: np.random.Generator) -> str:
    """'twelve red balloons'; one is 'a red balloon' or 'one red balloon'."""
    if count == 1:
        return f"one {thing.phrase}" if rng.random() < 0.4 else bare(thing)
    return f"{words_for(count, rng)} {several(thing)}"


def several(thing: Thing) -> str:
    return thing.phrase[: -len(thing.subject)] + plural(thing.subject)


def row(thing: Thing, place: str, *more: object) -> Row:
    return (thing.subject, thing.colour, thing.detail, place, *more)


def rows_of(groups: Sequence[tuple[Thing, int]], places: Sequence[str] | None = None) -> list[Row]:
    """Rows of groups: one of each thing where they are few, else one with the number."""
    total = sum(count for _, count in groups)
    few = total <= 6 and all(count <= 4 or len(groups) == 1 for _, count in groups)
    if (few or (len(groups) == 1 and total == 9)) and places is None:
        things = [thing for thing, count in groups for _ in range(count)]
        return [row(thing, place) for thing, place in zip(things, DEFAULT[total], strict=True)]
    places = places or DEFAULT[len(groups)]
    return [row(thing, place, *([count] if count > 1 else [])) for (thing, count), place in zip(groups, places, strict=True)]


def one_kind(rng: np.random.Generator) -> Quantity:
    (thing,), count = distinct(rng, 1, 0.45), pick(rng, LARGE)
    if rng.random() < 0.15:
        number = str(count) if rng.random() < 0.5 or count > 19 else UNITS[count]
        return pick(rng, table("counted_later")).format(p=several(thing), c=number, d=count), rows_of([(thing, count)])
    form, place = pick(rng, table("alone"))
    return form.format(m=many(thing, count, rng)), rows_of([(thing, count)], None if place == "center" else (place,))


def kinds(rng: np.random.Generator) -> Quantity:
    """Two to four kinds: mostly a few of each, in half of the briefs more than six in all."""
    number = int(rng.choice([2, 3, 4], p=[0.62, 0.28, 0.1]))
    things, most = distinct(rng, number, pick(rng, (0.0, 0.5, 0.9))), pick(rng, (3, 4, 5, 6, 8, 10, 15, 25))
    groups = [(thing, int(rng.integers(1, most + 1))) for thing in things]
    if all(count == 1 for _, count in groups):
        return kinds(rng)
    phrases, crowded = [many(thing, count, rng) for thing, count in groups], rows_of(groups)
    if number == 2:
        form, places = pick(rng, table("two_groups"))
        if len(crowded) == 2:
            return form.format(m=phrases[0], o=phrases[1]), rows_of(groups, places)
        if tuple(places) == ("left", "right") and "left" not in form and "right" not in form:
            return form.format(m=phrases[0], o=phrases[1]), crowded
    comma, last = pick(rng, table("lists"))
    return pick(rng, table("more_groups")).format(l=comma.join(phrases[:-1]) + last + phrases[-1]), crowded


def compared(rng: np.random.Generator) -> Quantity:
    """Two to four things of which some are larger than others."""
    number = int(rng.choice([2, 3, 4], p=[0.55, 0.33, 0.12]))
    things = distinct(rng, number, pick(rng, (0.0, 0.0, 0.5, 0.9)))
    if number > 2:
        form, order = pick(rng, table("ranked")[number])
        sizes: Sequence[str | None] = [RANKS[number][rank] for rank in order]
    else:
        kind = pick(rng, ("larger", "larger", "larger", "smaller", "smaller", "smaller", "equal"))
        form = pick(rng, table(kind))
        sizes = {"larger": ("large", "small"), "smaller": ("small", "large"), "equal": (None, None)}[kind]
    names = {key: a(thing, rng) if rng.random() < 0.3 else bare(thing) for key, thing in zip("abcd", things, strict=False)}
    bases = {f"{key}0": f"the {thing.subject}" for key, thing in zip("abcd", things, strict=False)}
    definite = {key.upper(): f"the {thing.subject}" for key, thing in zip("abcd", things, strict=False)}
    nouns = {f"n{i + 1}": thing.phrase for i, thing in enumerate(things)}
    text = form.format(**names, **bases, **definite, **nouns)
    return text, [row(thing, place, *([size] if size else [])) for thing, place, size in zip(things, DEFAULT[number], sizes, strict=True)]


def contrasted(rng: np.random.Generator) -> Quantity:
    """'a huge red cat and a tiny dog', with what is said of where they are."""
    sizes = pick(rng, table("contrasts"))
    things = []
    for thing, size in zip(distinct(rng, 2, 0.4), sizes, strict=True):
        word = pick(rng, table("size_words")[size])
        plain = thing.phrase if not thing.detail else f"{thing.colour} {thing.subject}"
        things.append(Thing(thing.subject, thing.colour, word, f"{word} {plain}"))
    places = pick(rng, list(PAIRS)) if rng.random() < 0.5 else None
    form = pick(rng, PAIRS[places] if places else TOGETHER)
    return form.format(a=bare(things[0]), b=bare(things[1])), [row(*parts) for parts in zip(things, places or DEFAULT[2], sizes, strict=True)]


def lookalikes(rng: np.random.Generator) -> Quantity:
    """Things in whose names or around which there are words of number, size or absence, which mean nothing of it."""
    things = distinct(rng, int(rng.integers(1, 4)), 0.6)
    for i in range(len(things)):
        if rng.random() < 0.6:
            noun, colour = pick(rng, table("lookalikes"))
            things[i] = Thing(noun, colour, "", noun)
    text = listed_plainly([bare(thing) for thing in things], rng)
    if rng.random() < 0.4:
        text = pick(rng, table("lookalike_frames")).format(b=text)
    return text, [row(thing, place) for thing, place in zip(things, DEFAULT[len(things)], strict=True)]


def plain(rng: np.random.Generator) -> Quantity:
    """One to three things."""
    things = distinct(rng, int(rng.choice([1, 2, 3], p=[0.45, 0.4, 0.15])), pick(rng, (0.0, 0.7)))
    return listed_plainly([a(thing, rng) for thing in things], rng), [row(thing, place) for thing, place in zip(things, DEFAULT[len(things)], strict=True)]


def listed_plainly(parts: Sequence[str], rng: np.random.Generator) -> str:
    return ", ".join(parts[:-1]) + pick(rng, (" and ", " and ", ", ", " with ")) + parts[-1] if len(parts) > 1 else parts[0]


def surrounding(rng: np.random.Generator) -> tuple[str, str]:
    """A picture of nothing but a surrounding: how it is called, and the answer's background."""
    form = rng.random()
    if form < 0.3:
        background = pick(rng, list(table("known_scenes")))
        return pick(rng, table("known_scenes")[background]), background
    if form < 0.6:
        words = pick(rng, table("plain_scenes"))
        return words, words
    look = f"{pick(rng, table('scene_looks'))} " if rng.random() < 0.6 else ""
    words = look + pick(rng, table("scene_nouns"))
    words = f"{pick(rng, ('the', article(words), article(words), article(words)))} {words}{pick(rng, table('scene_ends'))}"
    return words, words


def without(rng: np.random.Generator, text: str, taken: Sequence[str]) -> tuple[str, list[str]]:
    """A text with what it must not show, and that in the words of the answer."""

    def unwanted() -> str:
        if rng.random() < 0.45:
            return str(pick(rng, table("unwanted")))
        return several(distinct(rng, 1, 0.12)[0])

    items = [item for item in dict.fromkeys(unwanted() for _ in range(6)) if not any(noun in item or item in plural(noun) for noun in taken)]
    form = rng.random()
    if form < 0.2:
        thing = next((other for other in distinct(rng, 6, 0.1) if other.subject not in taken), None)
        if thing:
            return pick(rng, table("without_one")).format(b=text, n=thing.phrase, an=bare(thing)), [thing.phrase]
    if form < 0.4 and len(items) > 1:
        return pick(rng, table("neither")).format(b=text, p=items[0], q=items[1]), items[:2]
    items = items[: 1 if form < 0.88 else 3]
    joined = items[0] if len(items) == 1 else ", ".join(items[:-1]) + pick(rng, (" or ", " and ", ", ")) + items[-1]
    return pick(rng, table("without")).format(b=text, p=joined, P=joined[0].upper() + joined[1:]), items


CONTENTS: dict[str, tuple[tuple[float, Callable[[np.random.Generator], Quantity]], ...]] = {
    "absence": ((5, plain), (0.6, kinds), (0.6, one_kind), (0.5, compared), (0.3, lookalikes)),
    "presence": ((2, one_kind), (4.2, kinds), (3.2, compared), (1.2, contrasted), (1, lookalikes)),
}  # fmt: skip
ABSENT, EMPTY = 0.38, 0.45  # of the briefs say what is absent; of those show nothing but a surrounding


def quantity_brief(rng: np.random.Generator) -> tuple[str, ShortAnswer]:
    """A brief about a number, a size or an absence, or about nothing of the kind, and its right answer."""
    absent: list[str] = []
    rows: list[Row] = []
    is_absent = rng.random() < ABSENT
    if rng.random() < (EMPTY if is_absent else 0.03):
        text, background = surrounding(rng)
        text = text if rng.random() < 0.6 else f"{pick(rng, ('a picture of', 'a photo of', 'show me', 'draw', 'paint', 'an image of', 'I want', 'a painting of', 'a realistic image of', 'there is'))} {text}"
    else:
        choices = CONTENTS["absence" if is_absent else "presence"]
        weights = np.array([weight for weight, _ in choices])
        text, rows = choices[int(rng.choice(len(choices), p=weights / weights.sum()))][1](rng)
        background, phrase = scenery(rng, none=0.62)
        if phrase and text[-1] != ".":
            text = pick(rng, ("{t} {s}", "{t} {s}", "{t}, {s}")).format(t=text, s=phrase)
        elif phrase:
            text = f"{text} It is all {phrase}."
        if rng.random() < 0.3 and ":" not in text and "." not in text:
            text = f"{pick(rng, OPENINGS)} {text}"
    if is_absent:
        text, absent = without(rng, text, [str(subject) for subject, *_ in rows])
    text = finish(text, rng) if "\n" not in text and "--" not in text else text
    ending = max((closing for closing in CLOSINGS if text.endswith(closing)), key=len, default="")
    absent += [item for item in absences_of(ending) if item not in absent]
    answer = {"objects": rows, "background": background, "mood": USUAL_LIGHT.get(background, USUAL_LIGHT[""]), "absent": absent}
    return text, ShortAnswer.model_validate(answer)


# What the other briefs do not want, where they say so: 'no text, no frame', 'without any clouds', 'don't draw a dog'.
NOUNS = sorted({*map(plural, USUAL_COLOUR), *USUAL_COLOUR, *table("unwanted"), "text", "humans", "frame", "frames", "logo", "watermark", "props", "extras", "background", "signature", "blurry", "ugly", "deformed", "low quality"} - {"background"}, key=len, reverse=True)
LISTED = "|".join(map(re.escape, NOUNS))
NO = re.compile(rf"\b(?:no|without(?: an?| any)?|not draw an?|(?:don't|not) (?:want|draw|be)(?: an?| any)?|leave out|negative(?: prompt)?:)\s+((?:(?:any |an? )?(?:{LISTED})\b(?:, | or | and )?)+)", re.IGNORECASE)
ONE = re.compile(rf"\b(?:{LISTED})\b", re.IGNORECASE)


def absences_of(text: str) -> list[str]:
    """What a brief of the other generators, whose nouns are all known, does not want."""
    text = text.replace("\n", " ")
    return list(dict.fromkeys(item.lower() for match in NO.finditer(text) for item in ONE.findall(match[1])))[:16]
