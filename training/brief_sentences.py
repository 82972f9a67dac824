"""Sentences with verbs, and two relations in one brief: 'a fox sleeps on the couch while a bee circles a bowl'.

Beside the rules of `briefs`: what something sits on, flies over or holds is an object too; of two relations each takes
a half of the picture.
"""

from typing import Any

import numpy as np

from ditpipe.prompts.layout.places import DEFAULT_PLACES
from training.brief_parts import USUAL_COLOUR, Body, Thing, a, bare, joined, pick, put, thing_of
from training.tables import load_table

Related = tuple[str, list[Thing]]  # places are those of a whole picture: 'left' and 'right', 'top' and 'bottom'
LIVING = sorted({
    noun for kind in ("animal", "bird", "insect", "person") for noun in load_table("chat_words", "kinds")[kind]
    if noun in USUAL_COLOUR
})  # fmt: skip
# Things whose name is also a style or a word for the whole picture.
PICTURES = ("painting", "drawing", "photo", "poster", "portrait", "statue", "postcard")
NAMESAKES = ("orange", "peach", "plum", "lime", "olive", "lemon", "rose", "cherry", "salmon", "chestnut")
TENSES = 3  # of a verb: sleeps, slept, sleeping


def words(name: str) -> tuple[Any, ...]:
    return tuple(load_table("sentences", name))


def some_thing(rng: np.random.Generator, taken: set[str], *, living: float = 0.0, coloured: float = 0.3) -> Thing:
    """A thing of another noun than those taken, all its words before the noun; one that is called like a colour has no
    colour said, for nobody says 'an orange orange'."""
    form = rng.random()
    if form < living:
        noun = pick(rng, LIVING)
    else:
        noun = pick(rng, NAMESAKES) if form > 0.98 else pick(rng, PICTURES) if form > 0.965 else ""
    thing = thing_of(rng, coloured=0.0 if noun in NAMESAKES else coloured, before_only=True, noun=noun)
    if thing.subject in taken:
        return some_thing(rng, taken, living=living, coloured=coloured)
    taken.add(thing.subject)
    return thing


def definite(rng: np.random.Generator, thing: Thing) -> str:
    return f"the {thing.phrase}" if rng.random() < 0.35 else bare(thing)


def relation(rng: np.random.Generator, taken: set[str], coloured: float) -> Related:
    """Two things and how one stands to the other, without a verb."""
    first, second = (some_thing(rng, taken, coloured=coloured) for _ in range(2))
    joint, places = pick(rng, words("at"))
    return f"{bare(first)} {joint} {definite(rng, second)}", put([first, second], places)


def clause(rng: np.random.Generator, taken: set[str], tense: int, coloured: float) -> Related:
    """One or two things and what the first does."""
    first, form = some_thing(rng, taken, living=0.75, coloured=coloured), rng.random()
    if form < 0.2:
        return f"{bare(first)} {pick(rng, words('alone'))[tense]}", [first]
    second = some_thing(rng, taken, coloured=coloured)
    if form < 0.45:
        middle, places = pick(rng, words("does_to"))[tense], ("left", "right")
    else:
        verb, joint = pick(rng, (("acts", "at"), ("acts", "at"), ("hovers", "over")))
        where, places = pick(rng, words(joint))
        middle = f"{pick(rng, words(verb))[tense]} {where}".strip()
    return f"{bare(first)} {middle} {definite(rng, second)}", put([first, second], places)


def halves(first: list[Thing], second: list[Thing]) -> list[Thing]:
    """Both in one picture: one of them left, the other right, or above each other where both are rows."""
    upright = [len(part) == 2 and part[0].place in ("top", "bottom") for part in (first, second)]
    if len(first) == len(second) == 2 and not any(upright):
        sides = [("top left", "top right"), ("bottom left", "bottom right")]
        return [
            thing.at(row[0 if thing.place == "left" else 1])
            for part, row in zip((first, second), sides, strict=True) for thing in part
        ]  # fmt: skip
    things = []
    for part, is_upright, side in zip((first, second), upright, ("left", "right"), strict=True):
        if len(part) == 1:
            things.append(part[0].at(side))
        elif is_upright:
            things += [thing.at(f"{thing.place} {side}") for thing in part]
        else:
            row = ("left", "center") if side == "left" else ("center", "right")
            things += [thing.at(row[0 if thing.place == "left" else 1]) for thing in part]
    return things


def sentences(rng: np.random.Generator) -> Body:
    """One clause or two, or two relations without verbs."""
    taken, coloured = set[str](), pick(rng, (0.0, 0.0, 0.3, 0.8))
    if rng.random() < 0.4:
        parts, joints = [relation(rng, taken, coloured) for _ in range(2)], words("joints_plain")
    else:
        tense = int(rng.integers(TENSES))
        parts = [clause(rng, taken, tense, coloured) for _ in range(1 if rng.random() < 0.3 else 2)]
        joints = words("joints")
    if len(parts) == 1:
        text, things = parts[0]
        return text, things if len(things) == 2 else put(things, ("center",))
    joint = pick(rng, joints)
    return joint.join(text for text, _ in parts), halves(parts[0][1], parts[1][1])


def singles(rng: np.random.Generator) -> Body:
    """Things of one or two words, listed: nouns that are easily taken for a background or a colour among them."""
    taken = set[str]()
    count = 1 + int(rng.choice(4, p=[0.15, 0.3, 0.25, 0.3]))
    coloured = pick(rng, (0.0, 0.0, 0.8))
    things = [some_thing(rng, taken, coloured=coloured) for _ in range(count)]
    names = [a(thing, rng) if rng.random() < 0.2 else bare(thing) for thing in things]
    return joined(names, pick(rng, (" and ", ", and ", " and "))), put(things, DEFAULT_PLACES[count])
