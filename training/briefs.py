"""Synthetic briefs and their right answers, as varied as people are: what the planner's adapter learns from.

The rules that every answer follows, so that it can be had from the brief alone:

- objects in the order of their mention, "three cats" as three of them; subjects in the singular, spelt right, as said;
- the colour as said, else the usual one of that noun; all other attributes as said, in `detail`;
- the place as said or as a relation says it (behind: top, in front: bottom); of two objects, the one without a place
  takes the other side; without any place two stand left and right, more as in `DEFAULT`;
- the background by its name in the pocket world if the brief means one of those, else in the brief's words;
- "a cup of tea" is one object, also in its colour; what a brief is for, or wants none of, is no object;
- of what the writer corrects the last word counts; "it", "the animal" or the same noun again is no further object;
- the mood: the light (said, or the usual one of the background), then the mood that was said.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ditpipe.prompts.layout.places import CORNERS
from ditpipe.prompts.layout.places import DEFAULT_PLACES as DEFAULT
from training.brief_arrangements import CLAUSES, arrangement, lined_up
from training.brief_manners import MANNERS, whole_brief
from training.brief_parts import (
    Body,
    Thing,
    a,
    colour_of,
    distinct,
    group,
    listed,
    pick,
    plain_backdrop,
    plural,
    put,
    row_places,
    thing_of,
    things_of,
)  # fmt: skip
from training.brief_sentences import sentences, singles
from training.brief_turns import turn_brief
from training.brief_voices import voice_brief
from training.brief_words import (
    BACKGROUND_CLAUSES,
    BACKGROUND_PHRASES,
    BACKGROUND_SENTENCES,
    CLOSINGS,
    COUNTS,
    DOES,
    ELSEWHERE,
    KNOWN,
    LIGHTS,
    MOODS,
    OPENINGS,
    OTHERS,
    PLACES,
    PLAIN_COLOURS,
    SENTENCE_OPENINGS,
    STYLES,
    USUAL_LIGHT,
)  # fmt: skip
from training.tables import load_table

ARRANGED = 0.15  # of the bodies are about arrangement, counting and relations
TOLD = 0.17  # … and so many are sentences with verbs and two relations, or plain lists
WHOLE = 0.18  # of the briefs have a form of their own, background included
VOICE = 0.12  # … and so many a voice of `brief_voices`
TURN = 0.15  # … and so many a turn of phrase of `brief_turns`
OPPOSITE = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}
# One object and then another: {b} stands where the second word says, seen from {a}. {A} is 'the cat'.
PAIRS: dict[tuple[str, ...], tuple[str, ...]] = dict(load_table("briefs", "pairs"))
TOGETHER: tuple[str, ...] = load_table("briefs", "together")
# What three or four objects can be told about each other.
SEVERAL: dict[tuple[str, ...], tuple[str, ...]] = dict(load_table("briefs", "several"))
DOING: tuple[str, ...] = load_table("briefs", "doing")


def alone(rng: np.random.Generator) -> Body:
    """One object, somewhere or anywhere."""
    thing = thing_of(rng)
    if rng.random() < 0.45:
        place = pick(rng, list(PLACES))
        doing = f" {pick(rng, DOING)}" if rng.random() < 0.2 else ""
        words = pick(rng, PLACES[place])
        return pick(rng, (f"{a(thing, rng)}{doing} {words}", f"{a(thing, rng)}{doing} {words}", f"{words} {a(thing, rng)}")), [thing.at(place)]
    return a(thing, rng) + pick(rng, ("", "", "", " alone", ", close up", ", nothing else", ", just one", " all by itself", " filling the picture")), [thing]


def each_placed(rng: np.random.Generator, count: int) -> Body:
    """A place beside each object."""
    things = things_of(rng, count)
    bases = {
        2: (("left", "right"), ("top left", "bottom right"), ("top right", "bottom left"), ("top", "bottom"), ("top left", "top right"),
            ("left", "center"), ("center", "right"), ("bottom left", "bottom right"), ("top left", "bottom"), ("center", "top")),
        3: (DEFAULT[3], ("top", "center", "bottom"), ("top left", "top right", "bottom"), ("left", "top right", "bottom right"),
            ("top", "bottom left", "bottom right"), ("top left", "left", "bottom left"), ("top left", "center", "bottom right"),
            ("top left", "top right", "bottom left")),
        4: (CORNERS, CORNERS, ("top", "left", "right", "bottom")),
        5: (DEFAULT[5], ("top", "left", "center", "right", "bottom")),
    }.get(count, (DEFAULT[count],))  # fmt: skip
    base = pick(rng, bases)
    places = [base[i] for i in rng.permutation(count)] if rng.random() < 0.6 else list(base)
    things = put(things, places)
    names, style = [a(thing, rng) for thing in things], rng.random()
    words = [pick(rng, PLACES[place]) for place in places]
    if style < 0.12:
        does = [pick(rng, DOES)[0] for _ in names]
        forms = ("{n} {d} {w}", "{n} {d} {w}", "{w} {d} {n}")
        joint = pick(rng, (". ", ". ", ", ", ", and ", "; "))
        return joint.join(pick(rng, forms).format(n=n, d=d, w=w) for n, d, w in zip(names, does, words, strict=True)), things
    if style < 0.6:
        doing = [f" {pick(rng, DOING)}" if rng.random() < 0.12 else "" for _ in names]
        return listed([f"{n}{d} {w}" for n, d, w in zip(names, doing, words, strict=True)], rng), things
    if style < 0.74:
        return listed([f"{w} {n}" for n, w in zip(names, words, strict=True)], rng), things
    if style < 0.8:
        return ". ".join(pick(rng, (f"{n} is {w}", f"{w} there is {n}", f"Put {n} {w}", f"{n} goes {w}", f"Place {n} {w}")) for n, w in zip(names, words, strict=True)), things  # fmt: skip
    form = pick(rng, ("{p}: {n}", "{p}: {n}", "{n} ({p})", "{p} {n}", "{n} {p}", "{n}, {p}", "{p} = {n}", "{n} -> {p}"))
    return pick(rng, (", ", ", ", "; ", "\n", ". ")).join(form.format(n=n, p=p) for n, p in zip(names, places, strict=True)), things


def one_placed(rng: np.random.Generator, count: int) -> Body:
    """Two objects of which only one has its place said: the other takes the opposite side."""
    first, second = things_of(rng, 2)
    place = pick(rng, list(OPPOSITE))
    words = pick(rng, PLACES[place])
    if rng.random() < 0.5:
        return f"{a(first, rng)} {words}{pick(rng, (' and ', ', ', ' with '))}{a(second, rng)}", put([first, second], (place, OPPOSITE[place]))
    return f"{a(first, rng)} and {pick(rng, (f'{words} {a(second, rng)}', f'{a(second, rng)} {words}'))}", put([first, second], (OPPOSITE[place], place))


def pair(rng: np.random.Generator, count: int) -> Body:
    """Two objects and a relation between them."""
    things = things_of(rng, 2)
    places = pick(rng, list(PAIRS))
    return pick(rng, PAIRS[places]).format(a=a(things[0], rng), b=a(things[1], rng)), put(things, places)


def together(rng: np.random.Generator, count: int) -> Body:
    things = things_of(rng, 2)
    return pick(rng, TOGETHER).format(a=a(things[0], rng), b=a(things[1], rng)), put(things, DEFAULT[2])


def several(rng: np.random.Generator, count: int) -> Body:
    """Three or four objects and what is said of their order."""
    places = pick(rng, [key for key in SEVERAL if len(key) == count])
    things = things_of(rng, count)
    return pick(rng, SEVERAL[places]).format(*(a(thing, rng) for thing in things)), put(things, places)


def enumerated(rng: np.random.Generator, count: int) -> Body:
    """Nothing but a list."""
    things = things_of(rng, count)
    names = [a(thing, rng) for thing in things]
    form = rng.random()
    if form < 0.7:
        text = listed(names, rng)
    elif form < 0.85:
        text = "\n".join(pick(rng, (["- {n}"] * count, [f"{i + 1}. {{n}}" for i in range(count)], ["{n}"] * count))[i].format(n=n) for i, n in enumerate(names))  # fmt: skip
    else:
        text = pick(rng, ("; ", " + ", " and ", " & ", " / ", " then ")).join(names)
    return text, put(things, DEFAULT[count])


def in_rows(rng: np.random.Generator, count: int) -> Body:
    """Rows of two or three: 'top row: a, b, c; bottom row: d, e, f'."""
    shape = pick(rng, {3: ((1, 2), (2, 1)), 4: ((2, 2), (1, 3), (3, 1)), 5: ((2, 3), (3, 2)), 6: ((3, 3), (3, 3), (2, 2, 2)), 7: ((3, 3, 1), (3, 1, 3)), 8: ((3, 2, 3),), 9: ((3, 3, 3),)}[count])  # fmt: skip
    things = put(things_of(rng, count), [place for y, row in enumerate(shape) for place in row_places(y, row, len(shape))])
    parts, start = [], 0
    for row in shape:
        parts.append(listed([a(thing, rng) for thing in things[start : start + row]], rng).replace("; ", ", ").replace(". ", ", "))
        start += row
    titles: Sequence[str] = pick(rng, (
        ("top row: ", "middle row: ", "bottom row: "), ("first row: ", "second row: ", "third row: "), ("row 1: ", "row 2: ", "row 3: "),
        ("at the top ", "in the middle ", "at the bottom "), ("in the top row ", "in the middle row ", "in the bottom row "),
        ("the upper row has ", "the middle row has ", "the lower row has "), ("above ", "in the middle ", "below "), ("", "below them ", "and below those "),
        ("", "second row ", "third row "), ("in the first row ", "in the second row ", "in the third row "),
    ))  # fmt: skip
    if len(shape) == 2 and titles[0] in ("top row: ", "at the top ", "in the top row ", "the upper row has ", "above "):
        titles = (titles[0], titles[2])
    body = pick(rng, ("; ", ". ", ", ", "\n")).join(title + part for title, part in zip(titles, parts, strict=False))
    if titles[0].startswith("at the top") and rng.random() < 0.5:
        body = ", ".join(f"{part} {title.strip()}" for title, part in zip(titles, parts, strict=False))
    return (f"a grid of {len(shape)} rows. " if rng.random() < 0.08 else "") + body, things


def kinds(rng: np.random.Generator, count: int) -> Body:
    """Several of one kind, and perhaps of another: 'two red cats and a dog', 'three stars above a house'."""
    first = thing_of(rng, before_only=True, coloured=0.75)
    if count == 2 or (count in (3, 4, 5, 6, 9) and rng.random() < 0.4):
        many, same = group(first, count, rng), [first] * count
        ways = {
            2: (("", DEFAULT[2]), ("", DEFAULT[2]), (" side by side", DEFAULT[2]), (" next to each other", DEFAULT[2]), (" in a row", DEFAULT[2]), (", one on each side", DEFAULT[2]),
                (" on top of each other", ("top", "bottom")), (", one above the other", ("top", "bottom")), (", one at the top and one at the bottom", ("top", "bottom")),
                (", one on the left and one on the right", DEFAULT[2]), (" playing together", DEFAULT[2]), (" looking at each other", DEFAULT[2])),
            3: (("", DEFAULT[3]), ("", DEFAULT[3]), (" in a row", DEFAULT[3]), (" side by side", DEFAULT[3]), (" in a column", ("top", "center", "bottom")), (" in a line", DEFAULT[3]),
                (" on top of each other", ("top", "center", "bottom")), (" next to each other", DEFAULT[3])),
            4: (("", CORNERS), (" in the corners", CORNERS), (", one in each corner", CORNERS), (" in a square", CORNERS), (" in two rows", CORNERS), (" in a 2x2 grid", CORNERS), (", two above and two below", CORNERS), (" in two rows of two", CORNERS), (" arranged in a square", CORNERS)),
            5: (("", DEFAULT[5]), (", one in each corner and one in the middle", DEFAULT[5]), (", four in the corners and one in the center", DEFAULT[5]), (": one in the middle, the others in the corners", ("center", *CORNERS))),
            6: (("", DEFAULT[6]), (" in two rows of three", DEFAULT[6]), (" in two rows", DEFAULT[6]), (", two rows", DEFAULT[6]), (" arranged in two rows", DEFAULT[6]), (" in 2 rows of 3", DEFAULT[6]),
                (", three above and three below", DEFAULT[6]), (", three at the top, three at the bottom", DEFAULT[6]), (" in a 3x2 grid", DEFAULT[6]), (" standing in two lines", DEFAULT[6]),
                (" in three rows of two", ("top left", "top right", "left", "right", "bottom left", "bottom right"))),
            9: (("", DEFAULT[9]), (" in a 3x3 grid", DEFAULT[9]), (" in three rows of three", DEFAULT[9]), (" in a grid", DEFAULT[9])),
        }[count]  # fmt: skip
        way, places = pick(rng, ways)
        return many + way, put(same, places)
    if count == 4 and rng.random() < 0.12:
        return pick(rng, ("{a} in each corner", "in every corner {a}", "{a} in all four corners")).format(a=a(first, rng)), put([first] * 4, CORNERS)
    number = int(rng.integers(2, min(count, 4)))  # of the first kind
    second, rest = thing_of(rng, before_only=True), count - number
    if first.subject == second.subject:
        return kinds(rng, count)
    many, others = group(first, number, rng), group(second, rest, rng)
    both = [first] * number + [second] * rest
    form = rng.random()
    if rest == 1 and number == 4 or (count == 5 and form < 0.3):
        number, rest = 4, 1
        many, others = group(first, 4, rng), group(second, 1, rng)
        if rng.random() < 0.5:
            text = pick(rng, ("{m} in the corners and {o} in the middle", "{m}, one in each corner, and {o} in the center", "{m} around {o}", "in every corner one of {m}, in the middle {o}")).format(m=many, o=others)  # fmt: skip
            return text, put([first] * 4 + [second], DEFAULT[5])
        text = pick(rng, ("{o} in the middle, {m} around it", "{o} surrounded by {m}", "{o} in the center with {m} in the corners", "in the middle {o}, in the corners {m}", "{o} with {m} around it")).format(m=many, o=others)  # fmt: skip
        return text, put([second] + [first] * 4, ("center", *CORNERS))
    if count == 3 and form < 0.12:
        text = pick(rng, ("{m} with {o} between them", "{m} and {o} in between", "{m}. Between them {o}", "{m}. In the middle stands {o}", "{m}. {o} stands between them", "{m} stand there. {o} sits between them", "{m} and in their middle {o}")).format(m=many, o=others)  # fmt: skip
        return text, put([first, first, second], ("left", "right", "center"))
    if count == 3 and form < 0.25:
        text = pick(rng, ("{o} between {m}", "{o} in the middle of {m}", "{o} flanked by {m}", "{o} with {m}, one on each side")).format(o=others, m=many)
        return text, put([second, first, first], ("center", "left", "right"))
    if rest <= 3 and form < 0.5:
        upper, lower = row_places(0, number, 2), row_places(1, rest, 2)
        if rng.random() < 0.6:
            text = pick(rng, ("{m} above {o}", "{m} at the top and {o} at the bottom", "{m} over {o}", "at the top {m}, below {o}", "{m} flying over {o}", "{m} in the top row, {o} in the bottom row", "{m} above, {o} below", "{m} up above and {o} down below", "above {m}, below {o}", "{m} and under them {o}", "{m} and {o}. The first are at the top, the others at the bottom")).format(m=many, o=others)  # fmt: skip
            return text, put(both, (*upper, *lower))
        text = pick(rng, ("{m} below {o}", "{m} under {o}", "{m} at the bottom and {o} at the top", "{m} in front of {o}", "{m} below, {o} above", "{m} and above them {o}", "below {m}, above {o}")).format(m=many, o=others)
        return text, put(both, (*row_places(1, number, 2), *row_places(0, rest, 2)))
    if number == 2 and rest <= 2 and form < 0.62:
        right = ("right",) if rest == 1 else ("top right", "bottom right")
        text = pick(rng, ("{m} on the left and {o} on the right", "{m} to the left of {o}", "left {m}, right {o}")).format(m=many, o=others)
        return text, put(both, ("top left", "bottom left", *right))
    if form < 0.8:
        return listed([many, others], rng), put(both, DEFAULT[count])
    return listed([others, many], rng), put([second] * rest + [first] * number, DEFAULT[count])


def coloured_ones(rng: np.random.Generator, count: int) -> Body:
    """One noun, several colours: 'a red and a blue kite', 'two cats, one red, one blue'."""
    thing = thing_of(rng, coloured=0.0, before_only=True)
    colours = [str(c) for c in rng.permutation(PLAIN_COLOURS[:-1])[:count]]
    noun, many = thing.phrase, f"{pick(rng, COUNTS[count])} {thing.phrase[: -len(thing.subject)]}{plural(thing.subject)}"
    an = [f"{'an' if c[0] in 'aeiou' else 'a'} {c}" for c in colours]
    things = [replace(thing, colour=c) for c in colours]
    forms = ["{m}: " + listed(colours, rng), "{m}, " + listed([f"one {c}" for c in colours], rng), "{m}, " + listed([f"{c} one" for c in an], rng)]
    forms += [", ".join(an[:-1]) + f" and {an[-1]} {noun}"] * 3
    forms += [f"{an[0]} {noun}" + ", ".join(["", *(f"{c} one" for c in an[1:-1])]) + f" and {an[-1]} one"]
    if count == 2:
        forms += [f"{{m}}: the {x} one is {colours[0]}, the {y} one {colours[1]}" for x, y in (("left", "right"), ("first", "second"))]
        forms += [f"{{m}}. The {x} one is {colours[0]}. The {y} one is {colours[1]}." for x, y in (("left", "right"), ("first", "second"))]
        if rng.random() < 0.2:
            flip = f"{many}: the right one is {colours[0]}, the left one is {colours[1]}"
            return flip, put(things, ("right", "left"))
        if rng.random() < 0.2:
            flip = f"{many}, the {pick(rng, ('upper', 'top'))} one {colours[0]}, the {pick(rng, ('lower', 'bottom'))} one {colours[1]}"
            return flip, put(things, ("top", "bottom"))
    return pick(rng, forms).format(m=many), put(things, DEFAULT[count])


def told_later(rng: np.random.Generator, count: int) -> Body:
    """Two objects named first, their colours or places said in the next sentence."""
    first, second = (thing_of(rng, coloured=0.0, before_only=True) for _ in range(2))
    if first.subject == second.subject:
        return told_later(rng, count)
    one, two, form = f"the {first.subject}", f"the {second.subject}", rng.random()
    if form < 0.45:  # colours
        colours = [colour_of(rng) for _ in range(2)]
        start = f"{a(first, rng)} and {a(second, rng)}"
        places: tuple[str, ...] = DEFAULT[2]
        if rng.random() < 0.3:
            start, places = pick(rng, [(w.format(a=a(first, rng), b=a(second, rng)), p) for w, p in (
                ("{a} left of {b}", ("left", "right")), ("{a} above {b}", ("top", "bottom")), ("{a} to the right of {b}", ("right", "left")), ("{a} under {b}", ("bottom", "top")))])  # fmt: skip
        text = pick(rng, (
            "{s}. {A} is {c}, {B} is {d}", "{s}. {A} is {c} and {B} is {d}", "{s}. {A} should be {c}. {B} should be {d}", "{s}, {A} in {c}, {B} in {d}",
            "{s}; make {A} {c} and {B} {d}", "{s}. {B} is {d}. {A} is {c}", "{s}. I want {A} to be {c} and {B} to be {d}", "{s} ({A} {c}, {B} {d})",
        )).format(s=start, A=one, B=two, c=colours[0], d=colours[1])  # fmt: skip
        return text, put([replace(first, colour=colours[0]), replace(second, colour=colours[1])], places)
    first, second = thing_of(rng, before_only=True), thing_of(rng, before_only=True)
    if first.subject == second.subject:
        return told_later(rng, count)
    one, two, place = f"the {first.subject}", f"the {second.subject}", pick(rng, list(OPPOSITE))
    text = pick(rng, (
        "{s}. {A} is {p}", "{s}. {A} is {p}, {B} {q}", "{s}. {A} is {p} and {B} is {q}", "{s}, with {A} {p}", "{s}. {A} should be {p}",
        "{s}. Put {A} {p}", "{s}; {A} {p}, {B} {q}", "{s}. I want {A} {p}", "{s}. {B} is {q}", "{s}. {B} is {q}, {A} {p}",
    ))  # fmt: skip
    p, q = pick(rng, PLACES[place]), pick(rng, PLACES[OPPOSITE[place]])
    return text.format(s=f"{a(first, rng)} and {a(second, rng)}", A=one, B=two, p=p, q=q), put([first, second], (place, OPPOSITE[place]))


def colours_later(rng: np.random.Generator, count: int) -> Body:
    """Two to four objects, then their colours, in any order, by name or by number."""
    things = distinct(rng, count, 0.0)
    places: tuple[str, ...] = DEFAULT[count]
    form = rng.random()
    if form < 0.3:
        keys: list[Any] = [key for key in SEVERAL if len(key) == count] if count > 2 else list(PAIRS)
        places = pick(rng, keys)
    names = [a(thing, rng) for thing in things]
    if form >= 0.3:
        start = listed(names, rng).replace(". ", ", ")
    elif count == 2:
        start = pick(rng, PAIRS[places[0], places[1]]).format(a=names[0], b=names[1])
    else:
        start = pick(rng, SEVERAL[places]).format(*names)
    if rng.random() < 0.25:
        colour = colour_of(rng)
        ways: tuple[str, ...] = (", all {c}", ". All of them are {c}", ". They are all {c}", ", all in {c}", ". Everything is {c}", ", each of them {c}")
        if count == 2:
            ways = (", both {c}", ". Both are {c}", ", both in {c}", ". They are both {c}", ". They should be {c}", ", and both are {c}", ". Both of them are {c}")
        return start + pick(rng, ways).format(c=colour), put([replace(thing, colour=colour) for thing in things], places)
    things = [replace(thing, colour=colour_of(rng)) for thing in things]
    order = rng.permutation(count) if rng.random() < 0.6 else range(count)
    if rng.random() < 0.15:
        ordinals = ("first", "second", "third", "last" if rng.random() < 0.5 else "fourth")
        phrases = [f"the {ordinals[i]}{' one' if rng.random() < 0.5 else ''} is {thing.colour}" for i, thing in enumerate(things)]
        return start + ". " + listed(phrases, rng).replace("; ", ", "), put(things, places)
    some = [things[i] for i in order]
    if rng.random() < 0.12:  # the others keep their usual colours
        left_out = some.pop()
        things = [replace(thing, colour=dict(KNOWN | OTHERS)[thing.subject]) if thing is left_out else thing for thing in things]
    way = pick(rng, (
        "the {s} is {c}", "the {s} is {c}", "{s} {c}", "{c} {s}", "the {s} {c}", "the {s} should be {c}", "make the {s} {c}", "{s}: {c}", "the {s} in {c}", "{s} = {c}",
        "I want the {s} {c}", "paint the {s} {c}", "colour of the {s}: {c}",
    ))  # fmt: skip
    phrases = [way.format(s=thing.subject, c=thing.colour) for thing in some]
    if way == "the {s} is {c}" and rng.random() < 0.5:
        phrases = [phrases[0], *(f"the {thing.subject} {thing.colour}" for thing in some[1:])]
    joint = pick(rng, (", ", ", ", " and ", ". ")) if len(phrases) < 3 else pick(rng, (", ", ". "))
    return start + pick(rng, (". ", ". ", ", ", "; ", ": ", " - ")) + joint.join(phrases), put(things, places)


def places_later(rng: np.random.Generator, count: int) -> Body:
    """Two to four objects, then where they are, in any order; sometimes their colours after that."""
    late = rng.random() < 0.3
    things = distinct(rng, count, 0.0 if late else 0.75)
    bases = {2: (("left", "right"), ("top", "bottom"), ("top left", "bottom right"), ("bottom left", "top right"), ("center", "bottom")),
             3: (DEFAULT[3], ("top", "center", "bottom"), ("top left", "top right", "bottom"), ("top", "bottom left", "bottom right")),
             4: (CORNERS, ("top", "left", "right", "bottom"))}[count]  # fmt: skip
    base = pick(rng, bases)
    things = put(things, [base[i] for i in rng.permutation(count)])
    start = listed([a(thing, rng) for thing in things], rng)
    order = [things[i] for i in rng.permutation(count)] if rng.random() < 0.6 else things
    way = pick(rng, ("the {s} is {w}", "the {s} is {w}", "the {s} {w}", "{s} {w}", "{s}: {p}", "put the {s} {w}", "{s} {p}", "the {s} {d} {w}", "{w} is the {s}", "the {s} goes {w}", "{s} ({p})"))
    phrases = [way.format(s=thing.subject, w=pick(rng, PLACES[thing.place]), p=thing.place, d=pick(rng, DOES)[0]) for thing in order]
    joint = pick(rng, (", ", ", ", ". ", " and " if count == 2 else ", "))
    if late and rng.random() < 0.5:  # 'cat left, dog right'
        start, phrases, order = "", [phrases[order.index(thing)] for thing in things], things
        things = [replace(thing, detail="") for thing in things]  # which nothing says now
    text = start + (pick(rng, (". ", ". ", "; ", ", ", ": ")) if start else "") + joint.join(phrases)
    if late:
        things = [replace(thing, colour=colour_of(rng)) for thing in things]
        form = pick(rng, ("the {s} is {c}", "{s} {c}", "{c} {s}", "the {s} {c}", "{s}: {c}"))
        text += pick(rng, (". ", "; ", ". ")) + ", ".join(form.format(s=thing.subject, c=thing.colour) for thing in things)
    return text, things


def pronouns(rng: np.random.Generator, count: int) -> Body:
    """'There is a cat. It is red. Next to it stands a dog. It is blue.'"""
    things = [replace(thing, colour=colour_of(rng)) for thing in distinct(rng, count, 0.0)]
    is_ = ("It is {c}", "it's {c}", "It should be {c}", "Make it {c}", "Its colour is {c}", "It is painted {c}")
    names = [a(thing, rng) for thing in things]
    if count == 1:
        place = pick(rng, list(PLACES)) if rng.random() < 0.6 else ""
        words = pick(rng, PLACES[place]) if place else ""
        forms = ("{n}. {i} and it {d} {w}", "{n} {w}. {i}", "{n}. {i}. It {d} {w}", "{n}, {w}. {i}", "{w} {n}. {i}", "{n}. {i}. Put it {w}") if place else ("{n}. {i}", "{n}, {i}", "{n} and {i}", "{n}. {i}. Nothing else")
        text = pick(rng, forms).format(n=names[0], w=words, d=pick(rng, DOES)[0], i=pick(rng, is_).format(c=things[0].colour))
        return text, [things[0].at(place or "center")]
    place, link = pick(rng, (
        ("left", "next to it {d} {n}"), ("left", "beside it there is {n}"), ("left", "to its right {d} {n}"), ("right", "to its left {d} {n}"), ("bottom", "above it {d} {n}"),
        ("top", "below it {d} {n}"), ("bottom", "behind it {d} {n}"), ("top", "in front of it {d} {n}"), ("left", "right of it {d} {n}"), ("bottom", "on top of it {d} {n}"), ("top", "it {d} above {n}"),
        ("bottom", "it {d} under {n}"), ("right", "it {d} to the right of {n}"), ("left", "it {d} next to {n}"),
    ))  # fmt: skip
    one, two = (pick(rng, is_).format(c=thing.colour) for thing in things)
    second = link.format(n=names[1], d=pick(rng, DOES)[0])
    text = pick(rng, ("There is {n}. {i}. {s}. {j}", "{n}. {i}. {s}. {j}", "{n}. {i}, and {s}. {j}", "{n}, {i}. {s}, {j}")) if not link.startswith("it") else "{n}. {i}. {s}. The " + things[1].subject + " is " + things[1].colour
    return text.format(n=names[0], i=one, s=second, j=two), put(things, (place, OPPOSITE[place]))


def groups_later(rng: np.random.Generator, count: int) -> Body:
    """'two cats and two dogs. The cats are at the top, the dogs below', colours too."""
    first, second = distinct(rng, 2, 0.0 if rng.random() < 0.5 else 0.8)
    number = int(rng.integers(1, min(count, 4)))
    rest = count - number
    if rest > 3:
        number, rest = count - 3, 3
    names = [group(first, number, rng), group(second, rest, rng)]
    nouns = [thing.subject if n == 1 else plural(thing.subject) for thing, n in ((first, number), (second, rest))]
    be = ["is" if n == 1 else "are" for n in (number, rest)]
    tails, upper = [], rng.random() < 0.5
    places: list[str] = list(DEFAULT[count])
    if number <= 3 and rng.random() < 0.65:
        if number <= 2 and rest <= 2 and rng.random() < 0.4:
            sides = ("left", "right") if upper else ("right", "left")
            places = [place for side, n in zip(sides, (number, rest), strict=True) for place in ((side,) if n == 1 else (f"top {side}", f"bottom {side}"))]
        else:
            sides = ("top", "bottom") if upper else ("bottom", "top")
            places = [place for side, n in zip(sides, (number, rest), strict=True) for place in row_places(0 if side == "top" else 1, n, 2)]
        words = [pick(rng, PLACES[side]) for side in sides]
        tails.append(pick(rng, ("the {x} {e} {v}, the {y} {f} {w}", "the {x} {v}, the {y} {w}", "the {x} {e} {v} and the {y} {f} {w}", "put the {x} {v} and the {y} {w}", "the {y} {f} {w}, the {x} {e} {v}")).format(x=nouns[0], y=nouns[1], e=be[0], f=be[1], v=words[0], w=words[1]))  # fmt: skip
    if first.phrase == first.subject and second.phrase == second.subject and rng.random() < 0.8:
        first, second = (replace(thing, colour=colour_of(rng)) for thing in (first, second))
        tails.append(pick(rng, ("the {x} {e} {c}, the {y} {d}", "the {x} {e} {c} and the {y} {f} {d}", "{x} {c}, {y} {d}", "the {y} {f} {d}, the {x} {e} {c}", "{c} {x}, {d} {y}")).format(x=nouns[0], y=nouns[1], e=be[0], f=be[1], c=first.colour, d=second.colour))  # fmt: skip
    start = listed(names, rng)
    return pick(rng, (". ", ". ", "; ")).join([start, *tails]), put([first] * number + [second] * rest, places)


# What each number of objects can be said as: (weight, form).
FORMS: dict[int, list[tuple[float, Callable[[np.random.Generator, int], Body]]]] = {
    1: [(4, lambda rng, count: alone(rng)), (1, pronouns)],
    2: [(4, pair), (2, together), (2, each_placed), (0.7, one_placed), (1, kinds), (0.9, coloured_ones), (0.7, told_later), (0.3, enumerated), (1.6, colours_later), (1, places_later), (0.8, pronouns)],
    3: [(2, lined_up), (3, several), (2.2, each_placed), (2.4, kinds), (1.2, colours_later), (0.8, places_later), (0.8, groups_later), (0.8, coloured_ones), (0.7, in_rows), (0.6, enumerated)],
    4: [(4, lined_up), (2.5, several), (2.2, each_placed), (1.8, kinds), (0.6, colours_later), (0.5, places_later), (1.4, groups_later), (0.4, coloured_ones), (1, in_rows), (0.8, enumerated)],
    5: [(2.5, lined_up), (1, each_placed), (2, kinds), (1, in_rows), (1, enumerated)],
    6: [(1.5, lined_up), (0.7, each_placed), (2.5, kinds), (1.5, in_rows), (0.7, enumerated)],
    7: [(1, in_rows), (0.5, enumerated), (0.5, each_placed)], 8: [(1, in_rows), (0.5, enumerated), (0.5, each_placed)],
    9: [(0.5, each_placed), (0.7, kinds), (2, in_rows), (0.5, enumerated)],
}  # fmt: skip
for number, manners in MANNERS.items():
    FORMS[number] += [(0.6 * weight, form) for weight, form in manners]


def body_of(rng: np.random.Generator) -> Body:
    """What is in the picture, in words and as objects in the order of their mention."""
    form = rng.random()
    if form < ARRANGED:
        text, things = arrangement(rng)
    elif form < ARRANGED + TOLD:
        text, things = pick(rng, (sentences, sentences, singles))(rng)
    else:
        count = int(rng.choice(range(1, 10), p=[0.15, 0.36, 0.21, 0.14, 0.05, 0.05, 0.01, 0.01, 0.02]))
        weights = np.array([weight for weight, _ in FORMS[count]])
        text, things = FORMS[count][int(rng.choice(len(weights), p=weights / weights.sum()))][1](rng, count)
    return text.replace(",,", ","), things


def background_of(rng: np.random.Generator) -> tuple[str, str]:
    """The answer's background and how it is said: a phrase, a sentence with a full stop, a clause around '{b}', or nothing."""
    form = rng.random()
    if form < 0.42:
        name = pick(rng, list(BACKGROUND_PHRASES))
        return name, pick(rng, BACKGROUND_PHRASES[name])
    if form < 0.52:
        name = pick(rng, list(BACKGROUND_SENTENCES))
        return name, pick(rng, BACKGROUND_SENTENCES[name])
    if form < 0.63:
        name = pick(rng, list(BACKGROUND_CLAUSES))
        return name, pick(rng, BACKGROUND_CLAUSES[name])
    if form < 0.72:
        wording = plain_backdrop(rng) if rng.random() < 0.2 else pick(rng, ELSEWHERE)
        return wording, wording
    return "", ""


def brief_and_answer(rng: np.random.Generator) -> tuple[str, dict[str, Any]]:
    """A brief and the planner's right answer to it."""
    drawn = rng.random()
    if drawn < VOICE:
        whole = voice_brief(rng, body_of)
        light = whole.light or USUAL_LIGHT.get(whole.background, USUAL_LIGHT[""])
        return touched(whole.text, rng), answer_of(whole.things, whole.background, light, whole.mood)
    if drawn < VOICE + TURN:
        whole = turn_brief(rng)
        light = whole.light or USUAL_LIGHT.get(whole.background, USUAL_LIGHT[""])
        return touched(whole.text, rng), answer_of(whole.things, whole.background, light, whole.mood)
    if drawn < VOICE + TURN + WHOLE:
        whole = whole_brief(rng, body_of)
        light = whole.light or USUAL_LIGHT.get(whole.background, USUAL_LIGHT[""])
        text, style = styled(whole.text, rng) if "\n" not in whole.text else (whole.text, "")
        return touched(text, rng), answer_of(whole.things, whole.background, light + style, whole.mood)
    body, things = body_of(rng)
    background, wording = background_of(rng)
    light = USUAL_LIGHT.get(background, USUAL_LIGHT[""])
    before, after, mood = "", "", ""
    if rng.random() < 0.1:
        words, light = pick(rng, LIGHTS)
        after = pick(rng, (" ", ", ")) + words
    if rng.random() < 0.15:
        mood = pick(rng, MOODS)
        form = pick(rng, (
            "{an} {m} picture of {b}", "make it {m}: {b}", "{an} {m} scene with {b}", "I want something {m}, {b}", "{b}, {m} mood", "{b}. It should feel {m}.",
            "{b}. The mood is {m}.", "{b} in {an} {m} mood", "{an} {m} scene: {b}", "{m} atmosphere, {b}", "{b}. {m} atmosphere.", "{b}, all very {m}", "{m}: {b}",
            "{an} {m} drawing of {b}", "{b}. Make it look {m}.", "{an} {m} little picture with {b}", "Can you make it {m}? {b}", "it should feel {m}: {b}", "{b}. I want it to look {m}.", "{b}. Keep it {m}.", "{an} {m} day: {b}",
        ))  # fmt: skip
        before, rest = form.format(b="\0", m=mood, an="an" if mood[0] in "aeiou" else "a").split("\0")
        after += rest
    elif body.startswith(("There", "Put", "Place", "I see", "the left half", "the right half", "the upper", "the first", *CLAUSES)):
        before = pick(rng, SENTENCE_OPENINGS) + " " if rng.random() < 0.3 else ""
    elif rng.random() < 0.42:
        before = pick(rng, OPENINGS) + " "
    if "{b}" in wording:
        text = wording.format(b=body) + after
        if "." in body or ":" in body or "\n" in body or ";" in body or body[0].isupper():  # no clause around sentences
            text = f"{BACKGROUND_SENTENCES[background][-1]} {before}{body}{after}"
        elif mood and mood not in text:
            text += f", {mood} mood"
    elif wording.endswith("."):
        text = f"{before}{body}{after.rstrip('.')}. {wording}" if rng.random() < 0.7 else f"{wording} {before}{body}{after}"
    elif wording:
        text = pick(rng, (
            "{x}{b} {s}{y}", "{x}{b} {s}{y}", "{x}{b}, {s}{y}", "{s}, {x}{b}{y}", "{s}: {x}{b}{y}", "{x}{b}{y}, {s}", "{x}{b} and all that {s}{y}" if background else "{x}{b} {s}{y}",
            "{x}{b}. It is {s}{y}" if wording.split()[0] in ("in", "on", "at", "by", "under") else "{x}{b}, {s}{y}", "{x}{s} {b}{y}",
        )).format(x=before, b=body, s=wording, y=after)  # fmt: skip
    else:
        text = before + body + after
    text, style = styled(text, rng)
    return finish(text, rng), answer_of(things, background, light + style, mood)


def styled(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """Every fourteenth brief names a drawing style; it, after a comma, belongs to the light of the answer."""
    if rng.random() > 0.07:
        return text, ""
    style = pick(rng, STYLES)
    name = f"{'an' if style[0] in 'aeiou' else 'a'} {style}"
    forms = ["{t}, {s}", "{t}, {s}", "{s}: {t}", "{t}. Style: {s}", "{t} ({s})", "{s}, {t}"]
    forms += ["{t} in {s}", "{t}. Draw it in {s}"] if style.endswith("style") else ["{t} as {n}", "{n} of {t}", "{n}: {t}"]
    return pick(rng, forms).format(t=text.rstrip(" ,"), s=style.removesuffix(" style") if rng.random() < 0.1 else style, n=name), f", {style}"


def answer_of(things: list[Thing], background: str, light: str, mood: str) -> dict[str, Any]:
    objects = [{"subject": t.subject, "colour": t.colour, "detail": t.detail, "position": t.place} for t in things]
    return {"objects": objects, "background": background, "mood": light + (f", {mood} mood" if mood else "")}


def touched(text: str, rng: np.random.Generator) -> str:
    """What happens to a brief that has its own form: small or capital letters, a typo."""
    form = rng.random()
    if form < 0.22:
        text = text.lower() if form < 0.2 else text.upper()
    elif form < 0.4:
        text = text[0].upper() + text[1:]
    return typo(text, rng) if rng.random() < 0.1 else text


def finish(text: str, rng: np.random.Generator) -> str:
    """Articles dropped, small and capital letters, an ending, typos."""
    text = text.replace(",,", ",").replace(",.", ".").replace(", and,", ", and").replace("..", ".").replace(",;", ";")
    if rng.random() < 0.08:
        text = " ".join(word for word in text.split(" ") if word.lower() not in ("a", "an"))
    form = rng.random()
    if form < 0.2:
        text = text.lower()
    elif form < 0.6:
        text = text[0].upper() + text[1:]
        if rng.random() < 0.7:  # a capital after each full stop
            text = ". ".join(part[:1].upper() + part[1:] for part in text.split(". "))
    elif form < 0.63:
        text = text.upper()
    if rng.random() < 0.4:
        text = text.rstrip(".,") + pick(rng, CLOSINGS)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.86, 0.1, 0.04]))):
        text = typo(text, rng)
    return text.strip(" ,")


# Words that a reader restores: joining words, places, colours, nouns, backgrounds. Details and the unknown are copied.
RESTORED = frozenset(
    word
    for phrase in (
        *KNOWN, *OTHERS, *PLAIN_COLOURS, *(p for ps in PLACES.values() for p in ps), *(p for ps in BACKGROUND_PHRASES.values() for p in ps),
        "the and picture please with two three four next between beside above below under over want draw paint",
    )
    for word in phrase.split()
    if len(word) > 2 and word.isalpha()
)  # fmt: skip


def typo(text: str, rng: np.random.Generator) -> str:
    """Two letters swapped, one doubled; in longer words one dropped, a vowel mistaken or a word spelt by its sound."""
    words = text.split(" ")
    places = [i for i, word in enumerate(words) if word in RESTORED]
    if not places:
        return text
    i = pick(rng, places)
    word, form = words[i], rng.random()
    j = int(rng.integers(1, len(word) - 1))
    if form < 0.5:
        words[i] = word[:j] + word[j + 1] + word[j] + word[j + 2 :]
    elif form < 0.65:
        words[i] = word[:j] + word[j] + word[j:]
    elif form < 0.75 and len(word) > 4:
        spellings = [(x, y) for x, y in (("ph", "f"), ("ck", "k"), ("ie", "ei"), ("ee", "ea"), ("ea", "ee"), ("ll", "l"), ("tt", "t"), ("oo", "u"), ("c", "k"), ("gh", "g")) if x in word[1:]]
        x, y = pick(rng, spellings) if spellings else ("", "")
        words[i] = word[0] + word[1:].replace(x, y, 1) if x else word
    elif form < 0.84 and len(word) > 4:
        words[i] = word[:j] + (pick(rng, "aeiou") if word[j] in "aeiou" else word[j]) + word[j + 1 :]
    elif len(word) > 5:
        words[i] = word[:j] + word[j + 1 :]
    return " ".join(words)
