"""Manners of writing that `briefs` lacks: chat, letters, stories; colours and places told in passing; clothes.

A form of `MANNERS` makes the body of a brief, one of `WHOLES` a whole brief that says its background itself.
The answers follow the rules of `briefs`; of one group with exceptions, each is counted where it is told.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ditpipe.prompts.answers.planner_schema import article
from ditpipe.prompts.layout.places import DEFAULT_PLACES as DEFAULT
from training.brief_arrangements import amid
from training.brief_parts import (  # fmt: skip
    AT_PLACE,
    SPOTS,
    Body,
    Source,
    Thing,
    Whole,
    a,
    bare,
    colour_of,
    distinct,
    group,
    number_of,
    pick,
    plural,
    put,
    scenery,
    thing_of,
)
from training.brief_records import record_brief
from training.brief_words import COUNTS, PLAIN_COLOURS
from training.tables import load_table

# Words around a phrase {b} and, after a space, the scenery {s}.
SLANG: tuple[str, ...] = load_table("manners", "slang")
EMOJI: tuple[str, ...] = load_table("manners", "emoji")
SHORT: dict[str, tuple[str, ...]] = load_table("manners", "short")
PURPOSES: tuple[str, ...] = load_table("manners", "purposes")
PURPOSED: tuple[str, ...] = load_table("manners", "purposed")
MEMORIES: tuple[str, ...] = load_table("manners", "memories")
GREETINGS: tuple[str, ...] = load_table("manners", "greetings")
LETTERS: tuple[str, ...] = load_table("manners", "letters")
SIGN_OFFS: tuple[str, ...] = load_table("manners", "sign_offs")
NEGATIONS: tuple[str, ...] = load_table("manners", "negations")
SENTENCE = re.compile(r"[.:;\n()=>\"]|\b(?:is|are|there|put|place|stands?|sits?|lies|goes|see|shows|has|the (?:first|second)|and (?:the|it))\b|^(?:left|right|top|bottom|above|below|center)\b|[A-Z]\w* \w+ [A-Z]")


def phrase(rng: np.random.Generator, body: Source) -> Body:
    """A body that fits in after 'I want': no sentences, no records."""
    while True:
        text, things = body(rng)
        if len(things) < 6 and text[0].islower() and not SENTENCE.search(text):
            return text.rstrip(" ,"), things


def wrapped(rng: np.random.Generator, body: Source, forms: Sequence[str]) -> Whole:
    text, things = phrase(rng, body)
    background, wording = scenery(rng, none=0.4)
    form = pick(rng, forms)
    return Whole(form.format(b=text, s=f"{pick(rng, (' ', ' ', ', '))}{wording}" if wording else "", p=pick(rng, PURPOSES)), things, background)


def chat(rng: np.random.Generator, body: Source) -> Whole:
    whole = wrapped(rng, body, SLANG)
    rate = pick(rng, (0.0, 0.3, 0.8))
    words = [pick(rng, SHORT[word]) if word in SHORT and word != "the" and rng.random() < rate else word for word in whole.text.split(" ")]
    text = " ".join(words) + (pick(rng, EMOJI) if rng.random() < 0.35 else "")
    return replace(whole, text=text)


def breathless(rng: np.random.Generator, body: Source) -> Whole:
    """All in one breath: 'i want a unicorn and a dinosaur and the dinosaur is green and they are on the beach'."""
    count = number_of(rng, most=3)
    things = distinct(rng, count, 0.0)
    late = [rng.random() < 0.75 for _ in things]
    coloured = [replace(thing, colour=colour_of(rng)) if one else thing for thing, one in zip(things, late, strict=True)]
    names = [a(thing, rng) for thing in things]
    parts: list[str] = []
    places: list[str] = list(DEFAULT[count])
    early = rng.random() < 0.35
    if early and late[0]:  # the first colour stands before its noun
        names[0] = bare(replace(coloured[0], phrase=f"{coloured[0].colour} {things[0].phrase}"))
    start = pick(rng, ("i want {n}", "there is {n}", "so there's {n}", "can you draw {n}", "draw me {n}", "i like {n}", "make {n}", "i am {k} and i want {n}", "im {k} years old and i love {n}", "my name is Tim and i want {n}", "mommy says i can have a picture so make {n}", "ok so we have {n}", "{n}"))
    parts.append(start.format(n=" and ".join(names), k=int(rng.integers(4, 10))))
    tell = pick(rng, ("the {s} is {c}", "the {s} is {c}", "i want the {s} {c}", "the {s} has to be {c}", "the {s} should be {c}", "make the {s} {c}"))
    phrases = [tell.format(s=thing.subject, c=thing.colour) if i or rng.random() < 0.5 or count > 1 else pick(rng, ("it is {c}", "it's {c}", "make it {c}", "it should be {c}")).format(c=thing.colour) for i, thing in enumerate(coloured) if late[i] and not (early and i == 0)]
    parts += phrases
    if count < 3 and rng.random() < 0.45:
        spot = [str(place) for place in rng.permutation(pick(rng, SPOTS[count][:2] if count == 2 else SPOTS[1]))]
        places = spot
        it = "it" if count == 1 else f"the {things[0].subject}"
        parts.append(f"{it} is {AT_PLACE[spot[0]]}" + (f" and the {things[1].subject} is {AT_PLACE[spot[1]]}" if count == 2 and rng.random() < 0.6 else ""))
    background, wording = scenery(rng)
    if wording:
        parts.append(pick(rng, ("it is {s}", "it's all {s}", "it all happens {s}") if count == 1 else ("they are {s}", "they're {s}", "it's all {s}", "they live {s}", "everybody is {s}")).format(s=wording))
    joint = pick(rng, (" and ", " and ", " and ", " and then ", "!! ", "! And "))
    return Whole(joint.join(parts) + pick(rng, ("", "", "", "!", " and thats all", " bye", " thank you")), put(coloured, places), background)


def child(rng: np.random.Generator, body: Source) -> Whole:
    """'i am 6 and i like whales so make a purple one'."""
    thing, count = thing_of(rng, coloured=0.0, before_only=True), int(rng.integers(1, 4))
    thing = replace(thing, colour=colour_of(rng), phrase=thing.subject, detail="")
    number = bare(replace(thing, phrase=f"{thing.colour} one")) if count == 1 else f"{pick(rng, COUNTS[count][:2])} {thing.colour} ones"
    background, wording = scenery(rng)
    text = pick(
        rng,
        (
            "i am {k} and i like {m} so make {n}", "My favourite things are {m}, please draw {n}", "i love {m}!!! can i have {n}", "hi im {k}. i like {m}. draw {n}", "We learnt about {m} at school and now I want {n}",
            "{m} are the best, i want {n}", "my little brother is crazy about {m}. He would like {n}", "Do you know {m}? I need {n}",
        ),  # fmt: skip
    )
    return Whole(text.format(k=int(rng.integers(4, 11)), m=plural(thing.subject), n=number) + (f" {wording}" if wording else ""), put([thing] * count, DEFAULT[count]), background)


def letter(rng: np.random.Generator, body: Source) -> Whole:
    whole, gap = wrapped(rng, body, LETTERS), pick(rng, ("\n\n", "\n", " "))
    return replace(whole, text=pick(rng, GREETINGS) + gap + whole.text + (gap + pick(rng, SIGN_OFFS) if rng.random() < 0.8 else ""))


def purposed(rng: np.random.Generator, body: Source) -> Whole:
    return wrapped(rng, body, PURPOSED)


def remembered(rng: np.random.Generator, body: Source) -> Whole:
    return wrapped(rng, body, MEMORIES)


def negated(rng: np.random.Generator, body: Source) -> Whole:
    """What is not wanted is no object."""
    whole = wrapped(rng, body, ("{b}{s}",))
    wording = {thing.subject for thing in whole.things}
    other = next(thing for thing in (thing_of(rng, coloured=0.0) for _ in range(99)) if thing.subject not in wording).subject
    if len(wording) == len(whole.things) == 1 and rng.random() < 0.4:
        (only,) = wording
        text = pick(rng, ("{t}, just the {s}", "{t}. Only the {s}, nothing else", "{t}, not {ao}", "{t} instead of the {o} that we had", "no {o} this time, {t}", "{t}, the {s} alone", "{t}. Please don't draw {ao}"))
        return replace(whole, text=text.format(t=whole.text, s=only, o=other, ao=f"{article(other)} {other}"))
    end = pick(rng, NEGATIONS) if rng.random() < 0.6 else pick(rng, ("no {}", "without {}", "but no {}", "but please no {}", "and definitely no {}", "I don't want any {}")).format(plural(other))
    return replace(whole, text=pick(rng, ("{t}, {e}", "{t}. {e}.", "{t} - {e}", "{t} ({e})", "{t}; {e}", "{e}: {t}")).format(t=whole.text, e=end))


WHOLES: tuple[tuple[float, Callable[[np.random.Generator, Source], Whole]], ...] = (
    (12, lambda rng, body: record_brief(rng)), (2, chat), (1.7, breathless), (0.5, child), (1.2, letter), (1.4, purposed), (1, remembered), (1.2, negated), (2, amid),
)  # fmt: skip


def whole_brief(rng: np.random.Generator, body: Source) -> Whole:
    weights = np.array([weight for weight, _ in WHOLES])
    return WHOLES[int(rng.choice(len(weights), p=weights / weights.sum()))][1](rng, body)


def two_colours(rng: np.random.Generator, count: int = 2) -> list[str]:
    return [str(colour) for colour in rng.permutation((*PLAIN_COLOURS[:-1], "teal", "gold", "scarlet", "silver", "beige", "turquoise", "dark red", "light blue", "dark green", "pale pink", "lilac", "bronze"))[:count]]  # fmt: skip


def plain_group(rng: np.random.Generator, count: int) -> tuple[Thing, str]:
    """A thing without a colour, and so many of it in words: 'three small cups'."""
    thing = thing_of(rng, coloured=0.0, before_only=True)
    return thing, group(thing, count, rng)


ROW_NAMES = {"left": "left", "center": "middle", "right": "right"}


def the_rest(rng: np.random.Generator, count: int) -> Body:
    """'four kites, one red, the rest yellow'; 'a cat, a dog and a cup. The dog is black, the rest yellow'."""
    one, other = two_colours(rng)
    if rng.random() < 0.35 and count < 5:
        things, i = distinct(rng, count, 0.0), int(rng.integers(count))
        names = [a(thing, rng) for thing in things]
        text = pick(rng, ("{l}. The {s} is {c}, the rest {d}", "{l}; the {s} {c}, the rest {d}", "{l}. Make the {s} {c} and the rest {d}", "{l}. Everything is {d} except the {s}, which is {c}", "{l}: {s} {c}, all others {d}", "{l}. The {s} is {c}, everything else is {d}"))
        text = text.format(l=", ".join(names[:-1]) + f" and {names[-1]}", s=things[i].subject, c=one, d=other)
        return text, put([replace(thing, colour=one if j == i else other) for j, thing in enumerate(things)], DEFAULT[count])
    thing, many = plain_group(rng, count)
    places, form, rest = list(DEFAULT[count]), rng.random(), "the other" if count == 2 else "the rest"
    if count > 2 and form < 0.5:
        place = pick(rng, places)
        name = ROW_NAMES.get(place, place) if count == 3 or place == "center" else place.replace("top", "top middle").replace("bottom", "bottom middle") if place in ("top", "bottom") else place
        name = name.replace("center", "middle")
        others = [p for p in places if p != place]
        if rng.random() < 0.25:
            text = pick(rng, ("{m}, {d} except for the {p} one, which is {c}", "{m}, all {d} but the {p} one, that one is {c}")).format(m=many, p=name, c=one, d=other)
            return text, put([replace(thing, colour=other)] * (count - 1) + [replace(thing, colour=one)], (*others, place))
        text = pick(rng, ("{m}, the {p} one {c}, the rest {d}", "{m}: the {p} one is {c}, the others are {d}", "{m}. The {p} one is {c}, all the others {d}", "{m}. Only the {p} one is {c}, the remaining ones are {d}", "{m}; {p} one {c}, rest {d}")).format(m=many, p=name, c=one, d=other)
        return text, put([replace(thing, colour=one)] + [replace(thing, colour=other)] * (count - 1), (place, *others))
    number = 1 if count < 4 or form < 0.8 else 2
    wording = "one" if number == 1 else "two"
    text = pick(rng, ("{m}, {n} {c}, {r} {d}", "{m}: {n} {c}, {r} {d}", "{m}. {n} of them {c}, {r} {d}", "{m}, {n} in {c} and {r} in {d}", "{m}, {n} is {c} and {r} {d}" if number == 1 else "{m}, {n} {c} and {r} {d}")).format(m=many, n=wording, c=one, d=other, r=rest)
    return text, put([replace(thing, colour=one)] * number + [replace(thing, colour=other)] * (count - number), places)


def together_coloured(rng: np.random.Generator, count: int) -> Body:
    """'a pumpkin and an acorn, orange and dark brown respectively', 'both are brown', 'the former gold, the latter red'."""
    things, form = distinct(rng, count, 0.0), rng.random()
    names = [a(thing, rng) for thing in things]
    start = ", ".join(names[:-1]) + f" and {names[-1]}"
    if form < 0.35:
        colour = colour_of(rng)
        ways = ("{l}, both are {c}", "{l}; both {c}", "{l}, both of them in {c}", "{l}, each one {c}", "{l}, the two of them {c}", "{c} for both: {l}") if count == 2 else ("{l}, every one of them {c}", "{l}; all are {c}")
        text = pick(rng, (*ways, "{l}, all of it in {c}", "{l}, all in the same {c}", "{l}. Use {c} for everything", "everything {c}: {l}", "{l}, the whole lot {c}", "{l}. Colour them {c}", "{l}, in {c} only", "{l}, matching {c}")).format(l=start, c=colour)
        return text, put([replace(thing, colour=colour) for thing in things], DEFAULT[count])
    colours = two_colours(rng, count)
    if form < 0.6 or count > 2:
        shades = ", ".join(colours[:-1]) + f" and {colours[-1]}"
        text = pick(rng, ("{l}, {s} respectively", "{l}, coloured {s} respectively", "{l} in {s} respectively", "{l} ({s}, respectively)", "{l}. They are {s}, respectively", "{l}, respectively {s}", "{l}. Colours in this order: {s}", "{l}, {s} in that order", "{l}; colours: {s}")).format(l=start, s=shades)
    else:
        text = pick(rng, ("{l}, the former {c}, the latter {d}", "{l}. The former is {c}, the latter {d}", "{l}. The latter is {d}, the former {c}", "{l}: the first {c}, the second {d}", "{l}, first one {c}, second one {d}", "{l}; the latter {d}, the former {c}")).format(l=start, c=colours[0], d=colours[1])
    return text, put([replace(thing, colour=colour) for thing, colour in zip(things, colours, strict=True)], DEFAULT[count])


# Several of one noun, each told apart by its colour {0}, {1} …, in the order of mention; {m} is 'three books'.
APART: dict[int, tuple[tuple[str, tuple[str, ...]], ...]] = load_table("manners", "apart")


def told_apart(rng: np.random.Generator, count: int) -> Body:
    thing, many = plain_group(rng, count)
    form, places = pick(rng, APART[count])
    colours = two_colours(rng, 4)
    text = form.format(*colours, m=many, n=f"{thing.phrase[: -len(thing.subject)]}{plural(thing.subject)}")
    if places == ():  # whole rows
        shape = {4: 2, 6: 3, 9: 3}[count]
        return text, put([replace(thing, colour=colours[i // shape]) for i in range(count)], DEFAULT[count])
    if places == ("columns",):
        return text, put([replace(thing, colour=colours[i // 2]) for i in range(4)], ("top left", "bottom left", "top right", "bottom right"))
    if places == ("checks",):
        pattern = (0, 1, 1, 0) if count == 4 else tuple(i % 2 for i in range(9))
        return text, put([replace(thing, colour=colours[i]) for i in pattern], DEFAULT[count])
    return text, put([replace(thing, colour=colour) for thing, colour in zip([thing] * count, colours[:count], strict=True)], places)


# Different objects {0}, {1} …, their places, told as people tell them.
TOLD_PLACES: dict[int, tuple[tuple[str, tuple[str, ...]], ...]] = load_table("manners", "told_places")
# Several of one kind {m}, and perhaps one other {o}: the places, '*' for the other.
CLONES: dict[int, tuple[tuple[str, tuple[str, ...]], ...]] = load_table("manners", "clones")


def told_places(rng: np.random.Generator, count: int) -> Body:
    form, places = pick(rng, TOLD_PLACES[count])
    things = distinct(rng, count, pick(rng, (0.0, 0.9, 0.9)))
    names = [a(thing, rng) for thing in things]
    return form.replace("{0s}", f"the {things[0].subject}").format(*names), put(things, places)


def clones(rng: np.random.Generator, count: int) -> Body:
    form, places = pick(rng, CLONES[count])
    thing, other = distinct(rng, 2, 0.75)
    number = sum(place[0] != "*" for place in places)
    words = pick(rng, ("", "", "", "a set of ", "exactly ")) if "{m}" == form[:3] else ""
    many = f"{pick(rng, COUNTS[number][:2])} {thing.phrase[: -len(thing.subject)]}{plural(thing.subject)}"
    text = words + form.format(m=many, o=a(other, rng))
    return text, [(other if place[0] == "*" else thing).at(place.lstrip("*")) for place in places]


# Clothes and parts are details of what wears or has them; all after the noun.
PARTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = load_table("manners", "parts")


def detailed(rng: np.random.Generator, count: int) -> Body:
    """'a cactus wearing a sombrero': one object with a detail, perhaps beside others."""
    things: list[Thing] = []
    used: set[str] = set()
    while len(things) < count:
        nouns, details = pick(rng, PARTS)
        thing = thing_of(rng, coloured=0.0, before_only=True, noun=pick(rng, nouns))
        if thing.subject in used:
            continue
        used.add(thing.subject)
        if rng.random() < 0.6:
            colour = colour_of(rng)
            thing = replace(thing, colour=colour, phrase=f"{thing.phrase[: -len(thing.subject)]}{colour} {thing.subject}")
        if len(things) == 0 or rng.random() < 0.5:
            part = pick(rng, details)
            thing = replace(thing, detail=f"{thing.detail}, {part}" if thing.detail else part, phrase=f"{thing.phrase} {part}")
        things.append(thing)
    names, form = [a(thing, rng) for thing in things], rng.random()
    if count > 1 and form < 0.5:
        places = [str(place) for place in rng.permutation(pick(rng, SPOTS[count]))]
        shape = pick(rng, ("{w} {n}", "{w}: {n}", "{w}, {n}"))
        return pick(rng, (", ", "; ", " and ", ". ")).join(shape.format(n=n, w=AT_PLACE[p]) for n, p in zip(names, places, strict=True)), put(things, places)
    return pick(rng, (", ", " and ", "; ") if count > 1 else ("",)).join(names), put(things, DEFAULT[count])


# Further forms of `briefs.FORMS`, by the number of objects: (weight, form).
MANNERS: dict[int, list[tuple[float, Callable[[np.random.Generator, int], Body]]]] = {
    1: [(0.5, told_places), (0.6, detailed)],
    2: [(0.5, the_rest), (0.6, together_coloured), (0.6, told_apart), (0.9, told_places), (0.4, clones), (0.7, detailed)],
    3: [(0.5, the_rest), (0.5, together_coloured), (0.5, told_apart), (0.8, told_places), (0.6, clones), (0.4, detailed)],
    4: [(0.5, the_rest), (0.2, together_coloured), (0.7, told_apart), (0.6, told_places), (0.4, clones), (0.2, detailed)],
    5: [(0.3, the_rest), (0.6, told_places), (0.7, clones)],
    6: [(0.3, the_rest), (0.4, told_apart), (0.5, told_places), (0.6, clones)],
    7: [(1, clones)], 8: [(1, clones)], 9: [(0.6, told_apart), (0.8, clones)],
}  # fmt: skip
