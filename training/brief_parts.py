"""The parts that synthetic briefs are made of: things with their colours and details, and how they are named."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ditpipe.prompts.answers.planner_schema import PREPOSITIONS, article
from ditpipe.prompts.layout.places import CORNERS, PLACES
from ditpipe.prompts.layout.places import DEFAULT_PLACES as DEFAULT
from training.brief_words import (
    AFTER_DETAILS,
    BACKGROUND_PHRASES,
    COUNTS,
    DETAILS,
    ELSEWHERE,
    EVERYDAY,
    FINE_COLOURS,
    IRREGULAR,
    KNOWN,
    OTHERS,
    PLAIN_COLOURS,
    SCENERY,
    SHADES,
)
from training.tables import load_table

Option = TypeVar("Option")
USUAL_COLOUR = KNOWN | OTHERS
NOUNS_KNOWN, NOUNS = tuple(KNOWN), tuple(OTHERS)


def pick(rng: np.random.Generator, options: Sequence[Option]) -> Option:
    return options[int(rng.integers(len(options)))]


@dataclass(frozen=True)
class Thing:
    """An object: what the answer says of it, and how the brief names it, without an article."""

    subject: str
    colour: str
    detail: str
    phrase: str
    place: str = "center"

    def at(self, place: str) -> "Thing":
        return replace(self, place=place)


Body = tuple[str, list[Thing]]


def put(things: list[Thing], places: Iterable[str]) -> list[Thing]:
    return [thing.at(place) for thing, place in zip(things, places, strict=True)]


def row_places(y: int, count: int, rows: int) -> list[str]:
    """The places of one row of `count` objects; 2 rows are top and bottom, 3 top, middle and bottom."""
    side = ("top", "bottom")[y] if rows == 2 else ("top", "", "bottom")[y]
    across = {1: ("",), 2: ("left", "right"), 3: ("left", "", "right")}[count]
    return [f"{side} {x}".strip() or "center" for x in across]


def plural(noun: str) -> str:
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if " of " in noun:
        first, rest = noun.split(" of ", 1)
        return f"{plural(first)} of {rest}"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh", "ato")) else "s")


def noun_of(rng: np.random.Generator) -> tuple[str, str]:
    """A noun and its usual colour: one that the pocket model draws, an everyday one, scenery, or any."""
    form = rng.random()
    noun = pick(rng, NOUNS_KNOWN if form < 0.4 else EVERYDAY if form < 0.64 else SCENERY if form < 0.7 else NOUNS)
    return noun, USUAL_COLOUR[noun]


def colour_of(rng: np.random.Generator) -> str:
    form = rng.random()
    if form < 0.68:
        return pick(rng, PLAIN_COLOURS)
    if form < 0.72:
        one, other = rng.permutation(PLAIN_COLOURS)[:2]
        return f"{one} and {other}"
    return pick(rng, FINE_COLOURS) if form < 0.88 else f"{pick(rng, SHADES)} {pick(rng, PLAIN_COLOURS)}"


def thing_of(rng: np.random.Generator, *, coloured: float = 0.8, before_only: bool = False, noun: str = "") -> Thing:
    """One object, or that of the noun; `coloured` is the chance that its colour is said, `before_only` keeps all words
    before the noun."""
    subject, colour = (noun, USUAL_COLOUR[noun]) if noun else noun_of(rng)
    words, after, detail = [], "", []
    if rng.random() < 0.22:
        detail = [pick(rng, DETAILS)]
        if rng.random() < 0.15:
            other = pick(rng, DETAILS)
            detail += [other] if other != detail[0] else []
    words = [" ".join(detail)] if detail else []
    if rng.random() < coloured:
        colour = colour_of(rng)
        form = rng.random()
        if form < 0.1 and not before_only:
            after = pick(rng, (" in {c}", " that is {c}", " ({c})", ", {c},", " which is {c}", " painted {c}", " of {c} colour", " whose colour is {c}", ", coloured {c},")).format(c=colour)  # fmt: skip
        elif form < 0.2:
            words.insert(0, colour)
        else:
            words.append(colour)
    if not before_only and not detail and not after and rng.random() < 0.05:
        detail = [pick(rng, AFTER_DETAILS)]
        after = f" {detail[0]}"
    return Thing(subject, colour, " ".join(detail), " ".join([*words, subject]) + after)


def things_of(rng: np.random.Generator, count: int) -> list[Thing]:
    """Some briefs say no colours at all, most say nearly all."""
    coloured = 0.0 if rng.random() < 0.1 else 0.85
    return [thing_of(rng, coloured=coloured) for _ in range(count)]


def distinct(rng: np.random.Generator, count: int, coloured: float) -> list[Thing]:
    """Things with different nouns, all words before the noun."""
    things: list[Thing] = []
    while len(things) < count:
        thing = thing_of(rng, coloured=coloured, before_only=True)
        if thing.subject not in [thing.subject for thing in things]:
            things.append(thing)
    return things


def bare(thing: Thing) -> str:
    """'an old cat'."""
    return f"{article(thing.phrase)} {thing.phrase}"


def a(thing: Thing, rng: np.random.Generator) -> str:
    form = rng.random()
    if form < 0.84:
        return bare(thing)
    return pick(
        rng,
        (f"one {thing.phrase}", f"the {thing.phrase}", thing.phrase, thing.phrase, f"my {thing.phrase}", f"some {thing.phrase}"),
    )


def group(thing: Thing, count: int, rng: np.random.Generator) -> str:
    """'three red cats'; one is 'a red cat'."""
    if count == 1:
        return a(thing, rng)
    return f"{pick(rng, COUNTS[count])} {thing.phrase[: -len(thing.subject)]}{plural(thing.subject)}"


def joined(parts: Sequence[str], last: str = " and ") -> str:
    return ", ".join(parts[:-1]) + last + parts[-1] if len(parts) > 1 else parts[0]


def listed(parts: list[str], rng: np.random.Generator) -> str:
    if len(parts) == 1:
        return parts[0]
    joints = (
        (" and ", " and ", ", and ", ", ", " and ", "; ", " plus ", ". ")
        if len(parts) > 2
        else (" and ", " and ", ", ", " with ")
    )
    joint = pick(rng, joints)
    return (joint if joint in ("; ", ". ") else ", ").join(parts[:-1]) + joint + parts[-1]


@dataclass(frozen=True)
class Whole:
    """A whole brief and what it means; no light stands for the usual one of the background."""

    text: str
    things: list[Thing]
    background: str = ""
    light: str = ""
    mood: str = ""


Source = Callable[[np.random.Generator], Body]
# Where so many objects stand, if a record says the place of each.
SPOTS: dict[int, tuple[tuple[str, ...], ...]] = {
    1: tuple((place,) for place in PLACES),
    2: (("left", "right"), ("top", "bottom"), ("top left", "bottom right"), ("top right", "bottom left"), ("center", "bottom"), ("left", "center"), ("bottom left", "bottom right")),
    3: (DEFAULT[3], ("top", "center", "bottom"), ("top left", "top right", "bottom"), ("top", "bottom left", "bottom right"), ("top left", "center", "bottom right"), ("left", "top right", "bottom right")),
    4: (CORNERS, CORNERS, ("top", "left", "right", "bottom")),
    5: (DEFAULT[5], ("center", "top", "bottom", "left", "right"), ("top left", "top", "top right", "bottom left", "bottom right")),
    6: (DEFAULT[6], ("top left", "top right", "left", "right", "bottom left", "bottom right")),
}  # fmt: skip
AT_PLACE: dict[str, str] = load_table("parts", "at_place")
COUNT_ODDS = (0.24, 0.34, 0.22, 0.12, 0.04, 0.04)  # of one to six objects


def number_of(rng: np.random.Generator, *, least: int = 1, most: int = 6) -> int:
    odds = np.array(COUNT_ODDS[least - 1 : most])
    return least + int(rng.choice(len(odds), p=odds / odds.sum()))


def plain_backdrop(rng: np.random.Generator) -> str:
    """'on light grey', 'against a pale blue background': copied as it is said."""
    colour = (
        pick(rng, PLAIN_COLOURS)
        if rng.random() < 0.6
        else f"{pick(rng, ('light', 'dark', 'pale', 'pastel', 'deep'))} {pick(rng, PLAIN_COLOURS)}"
    )
    an = "an" if colour[0] in "aeiou" else "a"
    return pick(rng, ("on {c}", "on {an} {c} background", "against {an} {c} background", "against {an} {c} wall", "on a plain {c} backdrop", "in front of {an} {c} wall", "on {c} paper", "against plain {c}", "on {an} {c} tablecloth", "in front of {an} {c} curtain", "on a solid {c} background")).format(c=colour, an=an)  # fmt: skip


def scenery(rng: np.random.Generator, *, none: float = 0.35) -> tuple[str, str]:
    """The answer's background, and a phrase that begins with a preposition."""
    form = rng.random()
    if form < none:
        return "", ""
    if form < none + 0.42:
        name = pick(rng, list(BACKGROUND_PHRASES))
        return name, pick(
            rng,
            [
                words
                for words in BACKGROUND_PHRASES[name]
                if words.split()[0] in PREPOSITIONS - {"with"} and " " in words
            ],
        )
    wording = plain_backdrop(rng) if rng.random() < 0.35 else pick(rng, ELSEWHERE)
    return wording, wording
