"""Forms about arrangement, counting and relations: chains of relations, grids, corners, thirds, groups by colour.

The answers follow the rules of `briefs`. Relations are drawn on a grid, and what is drawn is named by its rows and
columns: two columns are left and right, one is the middle.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ditpipe.prompts.answers.planner_schema import article
from ditpipe.prompts.layout.places import CORNERS
from ditpipe.prompts.layout.places import DEFAULT_PLACES as DEFAULT
from training.brief_parts import (  # fmt: skip
    SPOTS,
    Body,
    Source,
    Thing,
    Whole,
    bare,
    colour_of,
    distinct,
    joined,
    pick,
    plural,
    put,
    scenery,
)
from training.brief_words import COUNTS, PLAIN_COLOURS
from training.tables import load_table

Point = tuple[int, int]
STEPS: dict[str, Point] = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}
# "A is … B": where A is, seen from B.
SEEN: dict[str, tuple[str, ...]] = load_table("arrangements", "seen")
# "A with B …": where B is, seen from A.
ITS: dict[str, tuple[str, ...]] = load_table("arrangements", "its")
BEING: tuple[str, ...] = load_table("arrangements", "being")
# Colours and looks told after the noun, without commas.
AFTER_NOUN: tuple[str, ...] = load_table("arrangements", "after_noun")
LOOKS: tuple[str, ...] = load_table("arrangements", "looks")
LOOKS_AFTER: tuple[str, ...] = load_table("arrangements", "looks_after")


def dressed(rng: np.random.Generator, count: int, *, before_only: bool = False) -> list[Thing]:
    """Different things: colours before or after their nouns, patterns and materials."""
    coloured_share = pick(rng, (0.0, 0.85, 0.95, 0.95))
    things = distinct(rng, count, 0.0)
    for i, thing in enumerate(things):
        if not thing.detail and rng.random() < 0.12:
            look = pick(rng, LOOKS)
            thing = replace(thing, detail=look, phrase=f"{look} {thing.subject}")
        if rng.random() < coloured_share:
            colour = colour_of(rng)
            if before_only or rng.random() < 0.85:
                wording = f"{colour} {thing.phrase}" if rng.random() < 0.2 else f"{thing.phrase[: -len(thing.subject)]}{colour} {thing.subject}"
            else:
                wording = pick(rng, AFTER_NOUN).format(n=thing.phrase, c=colour)
            thing = replace(thing, colour=colour, phrase=wording)
        if not before_only and not thing.detail and thing.phrase.endswith(thing.subject) and rng.random() < 0.06:
            look = pick(rng, LOOKS_AFTER)
            thing = replace(thing, detail=look, phrase=f"{thing.phrase} {look}")
        things[i] = thing
    return things


def called(thing: Thing, rng: np.random.Generator) -> str:
    return bare(thing) if rng.random() < 0.93 else pick(rng, (f"one {thing.phrase}", f"the {thing.phrase}", f"a single {thing.phrase}"))


def counted(thing: Thing, count: int, rng: np.random.Generator) -> str:
    """'two red cats', all words before the noun."""
    number = pick(rng, COUNTS[count]).removeprefix("exactly ")
    return f"{number} {plurals(thing)}"


def plurals(thing: Thing) -> str:
    return thing.phrase[: -len(thing.subject)] + plural(thing.subject)


def named_places(points: Sequence[Point]) -> list[str]:
    """The names of points on a grid of up to three rows and columns."""
    across, down = sorted({x for x, _ in points}), sorted({y for _, y in points})
    names = {1: ("",), 2: (0, 1), 3: (0, "", 1)}

    def name(values: list[int], value: int, ends: tuple[str, str]) -> str:
        end = names[len(values)][values.index(value)]
        return ends[end] if isinstance(end, int) else end

    return [f"{name(down, y, ('top', 'bottom'))} {name(across, x, ('left', 'right'))}".strip() or "center" for x, y in points]


def chain(rng: np.random.Generator, count: int) -> Body:
    """'a cat left of a dog, which stands above a red car': each next object beside one that was named before."""
    things = dressed(rng, count)
    names = [called(thing, rng) for thing in things]
    points: list[Point] = [(0, 0)]
    text, last = names[0], True  # whether the text ends with the newest object
    for i in range(1, count):
        while True:
            way, j = pick(rng, tuple(STEPS)), int(rng.integers(i)) if rng.random() < 0.5 else i - 1
            x, y = points[j][0] + STEPS[way][0], points[j][1] + STEPS[way][1]
            if (x, y) in points:
                continue
            grown = [*points, (x, y)]
            if max(len({p[k] for p in grown}) for k in (0, 1)) <= 3:
                break
        back = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[way]
        new, old, does = names[i], f"the {things[j].subject}", pick(rng, BEING)
        seen, from_it, its = pick(rng, SEEN[way]), pick(rng, SEEN[back]), pick(rng, ITS[way])
        if i == 1:
            forms = [
                ("{o} {f} {n}", True), ("{o} {f} {n}", True), ("{o} {d} {f} {n}", True), ("{o} with {n} {t}", False), ("{o}, and {s} it {n}", True), ("{s} {o} {d} {n}", True), ("{o} has {n} {t}", False),
                ("{o}, {n} {t}", False), ("{o} and, {s} it, {n}", True), ("{o}. {t} {d} {n}", True), ("{o} that {d} {f} {n}", True), ("{o}; {t}, {n}", True),
            ]  # fmt: skip
            old = names[0]
        else:
            forms = [
                (". {s} {o} {d} {n}", True), ("; {s} {o} {d} {n}", True), (", and {s} {o} {n}", True), (", and {n} {s} {o}", False), (". The {p} {d} {f} {n}", True), (". The {p} has {n} {t}", False),
                (", while {n} {d} {s} {o}", False), (". There is {n} {s} {o}", False), (", with {n} {s} {o}", False), (". {n} {d} {s} {o}", False), (", then {n} {s} {o}", False),
            ]  # fmt: skip
            if j == i - 1 and last:
                forms += [(", which {d} {f} {n}", True), (", which {d} {f} {n}", True), (" that {d} {f} {n}", True), (", itself {f} {n}", True), (", with {n} {s} that {p}", False), (", and {s} that {n}", True), (", which has {n} {t}", False), (", and next, {s} that, {n}", True)]  # fmt: skip
        form, last = pick(rng, forms)
        wording = form.format(o=old, n=new, d=does, f=from_it, s=seen, t=its, p=things[j].subject)
        text = wording if i == 1 else text + wording
        points = grown
    return text, put(things, named_places(points))


# Places as people also call them.
CALLED: dict[str, tuple[str, ...]] = load_table("arrangements", "called")
AREAS: dict[str, tuple[str, ...]] = load_table("arrangements", "areas")
MORE_SPOTS: dict[int, tuple[tuple[str, ...], ...]] = load_table("arrangements", "more_spots")


def called_places(rng: np.random.Generator, count: int) -> Body:
    """Objects, each with a place in other words than usual: 'in the north-west corner', 'at 3 o'clock'."""
    places = [str(place) for place in rng.permutation(pick(rng, (*SPOTS[count], *MORE_SPOTS.get(count, ()))))]
    things = put(dressed(rng, count), places)
    form, names = rng.random(), [called(thing, rng) for thing in things]
    if form < 0.25:
        verb = pick(rng, ("shows", "holds", "has", "contains", "belongs to", "is for", "is taken by", "is filled by", "features", ":", "->", "is home to"))
        parts = [f"{pick(rng, AREAS[place])}{'' if verb == ':' else ' '}{verb} {name}" for name, place in zip(names, places, strict=True)]
        return pick(rng, (", ", "; ", ". ", ", and ")).join(parts), things
    words = [pick(rng, CALLED[place]) for place in places]
    shape = pick(rng, ("{n} {w}", "{n} {w}", "{n}, {w}", "{w} {n}", "{w}, {n}", "{w}: {n}", "{n} is {w}", "{n} - {w}", "{w} there is {n}", "{n} ({w})", "{n} belongs {w}", "{w} we find {n}", "{w} I picture {n}", "put {n} {w}", "{n} sits {w}", "{w} you see {n}"))
    parts = [shape.format(n=n, w=w) for n, w in zip(names, words, strict=True)]
    return pick(rng, (", ", "; ", ". ", " and " if count < 4 else ", ", ", plus ")).join(parts), things


# Different objects {0}, {1} …, in the order of their mention; {0s} is 'the cat'.
ORDERED: dict[int, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = load_table("arrangements", "ordered")


def ordered(rng: np.random.Generator, count: int) -> Body:
    places, forms = pick(rng, ORDERED[count]) if rng.random() < 0.6 else pick(rng, [row for row in ORDERED[count] for _ in row[1]])
    form = pick(rng, forms)
    things = dressed(rng, count)
    return form.replace("{0s}", f"the {things[0].subject}").format(*(called(thing, rng) for thing in things)), put(things, places)


# Of lines of more than three, which the nine places have no words for, the things stand in rows, read as the line is.
LINES: dict[int, tuple[str, ...]] = {
    3: DEFAULT[3], 4: CORNERS, 5: ("top left", "top right", "center", "bottom left", "bottom right"), 6: DEFAULT[6],
}  # fmt: skip
LINED_UP: tuple[str, ...] = load_table("arrangements", "lined_up")
STACKED: tuple[str, ...] = load_table("arrangements", "stacked")


def lined_up(rng: np.random.Generator, count: int) -> Body:
    """Three to six in one line: 'from left to right: apple, banana, carrot, donut'."""
    upright = rng.random() < 0.3
    things = put(dressed(rng, count, before_only=True), ("top", "center", "bottom") if upright and count == 3 else LINES[count])
    names = [thing.phrase for thing in things] if rng.random() < 0.4 else [called(thing, rng) for thing in things]
    phrases = joined(names, pick(rng, (", ", " and ", ", and ", " & "))) if rng.random() < 0.85 else " - ".join(names)
    return pick(rng, STACKED if upright else LINED_UP).format(l=phrases, n=pick(rng, COUNTS[count]).removeprefix("exactly ")), things


# Groups of one kind: {m} is 'three red cats', {n} 'red cats', {x} 'a red cat', {xs} 'red cat', {o} and {q} other single
# things; the place of each in the order of mention: 'm' for one of the group, 'o' and 'q' for the others.
LEFT_COLUMN, RIGHT_COLUMN = ("top left", "left", "bottom left"), ("top right", "right", "bottom right")
SAME: dict[int, tuple[tuple[str, str, tuple[str, ...]], ...]] = load_table("arrangements", "same")


def same(rng: np.random.Generator, count: int) -> Body:
    """Several of one kind and perhaps another: one per corner, on either side, mirrored."""
    form, kinds, places = pick(rng, SAME[count])
    thing, other, third = dressed(rng, 3, before_only=True)
    things = {"m": thing, "o": other, "q": third}
    text = form.format(m=counted(thing, kinds.count("m"), rng), n=plurals(thing), x=bare(thing), xs=thing.phrase, o=called(other, rng), q=called(third, rng))
    return text, put([things[kind] for kind in kinds], places)


def two_groups(rng: np.random.Generator, count: int) -> Body:
    """Two groups as columns, rows or corners: 'left column three cups, right column three plates'."""
    one, two = dressed(rng, 2, before_only=True)
    half = count // 2
    places: tuple[str, ...]
    if count == 4 and rng.random() < 0.35:
        form, places = pick(rng, (
            ("{a} in both upper corners, {b} in both lower corners", CORNERS), ("{a} in the two left corners, {b} in the two right corners", ("top left", "bottom left", "top right", "bottom right")), ("{a} in the top left and bottom right corners, {b} in the other two", ("top left", "bottom right", "top right", "bottom left")),
            ("{a} in the north-west and the south-east, {b} in the north-east and the south-west", ("top left", "bottom right", "top right", "bottom left")), ("both lower corners hold {a}, both upper ones {b}", ("bottom left", "bottom right", "top left", "top right")), ("the right corners hold {a} each, the left ones {b} each", ("top right", "bottom right", "top left", "bottom left")),
            ("{a} at the top and at the bottom, {b} on the left and on the right", ("top", "bottom", "left", "right")), ("{a} on the left and on the right, {b} at the top and at the bottom", ("left", "right", "top", "bottom")),
        ))  # fmt: skip
        return form.format(a=bare(one), b=bare(two)), put([one] * 2 + [two] * 2, places)
    columns = {4: ("top left", "bottom left", "top right", "bottom right"), 6: (*LEFT_COLUMN, *RIGHT_COLUMN)}[count]
    swapped = (*columns[half:], *columns[:half])
    lower = (*DEFAULT[count][half:], *DEFAULT[count][:half])
    form, places = pick(rng, (
        ("the left column has {a}, the right column {b}", columns), ("left column: {a}; right column: {b}", columns), ("right column: {a}; left column: {b}", swapped), ("a column of {a} beside a column of {b}", columns), ("{a} down the left side, {b} down the right side", columns), ("on the left {a}, one above the other, on the right {b}, likewise", columns),
        ("a row of {a} above a row of {b}", DEFAULT[count]), ("a row of {a} below a row of {b}", lower), ("{a} across the top, {b} across the bottom", DEFAULT[count]), ("bottom row: {a}; top row: {b}", lower), ("the upper row consists of {a}, the lower row of {b}", DEFAULT[count]), ("{a} along the lower edge, {b} along the upper edge", lower),
        ("{a} atop {b}", DEFAULT[count]), ("upper half: {a}. Lower half: {b}", DEFAULT[count]), ("{a} beneath {b}", lower), ("as many {n} as {k}: {a} in the top row, {b} in the bottom row", DEFAULT[count]), ("half of it is {a}, in the top row, the other half {b}, in the bottom row", DEFAULT[count]),
    ))  # fmt: skip
    number = pick(rng, COUNTS[half][:2] + (str(half),))
    return form.format(a=f"{number} {plurals(one)}", b=f"{number} {plurals(two)}", n=plural(one.subject), k=plural(two.subject)), put([one] * half + [two] * half, places)


def shades(rng: np.random.Generator, count: int) -> list[str]:
    pool = (*PLAIN_COLOURS[:-1], "teal", "gold", "silver", "beige", "turquoise", "dark red", "light blue", "dark green", "pale pink", "lilac", "cream", "violet", "navy blue", "bright yellow", "maroon", "coral")
    return [str(colour) for colour in rng.permutation(pool)[:count]]


# So many of one noun by colour: {m} is 'three kites', the digits of the second field tell the colour of each.
BY_COLOUR: dict[int, tuple[tuple[str, str, tuple[str, ...]], ...]] = load_table("arrangements", "by_colour")


def by_colour(rng: np.random.Generator, count: int) -> Body:
    """One noun, so many of each colour: 'three kites, two of them red, one blue'."""
    form, pattern, places = pick(rng, BY_COLOUR[count])
    (thing,) = distinct(rng, 1, 0.0)
    colours = shades(rng, 4)
    many = f"{pick(rng, COUNTS[count])} {plurals(thing)}"
    # 'an orange one'
    for i, colour in enumerate(colours):
        form = form.replace(f"a {{{i}}}", f"{article(colour)} {{{i}}}") if f" a {{{i}}}" in f" {form}" else form
    text = form.format(*colours, m=many, n=plurals(thing), s=thing.phrase)
    return text, put([replace(thing, colour=colours[int(i)]) for i in pattern], places)


def shared(rng: np.random.Generator, count: int) -> Body:
    """One colour or look for different things: 'a red cat and a dog of the same colour', 'both striped'."""
    things = [replace(thing, detail="", phrase=thing.subject) for thing in distinct(rng, count, 0.0)]
    colour, look = colour_of(rng), pick(rng, LOOKS)
    names = [f"{article(thing.subject)} {thing.subject}" for thing in things]
    all_, each, form = "both" if count == 2 else "all", "both of them" if count == 2 else "all of them", rng.random()
    coloured = [replace(thing, colour=colour) for thing in things]
    first = f"{article(colour)} {colour} {things[0].subject}"
    if form < 0.3:
        ways = ["{f} with {r}, {e} in the same colour", "{f} and {r} of the same colour", "{f} and a matching {q}", "{f} and an equally {c} {q}", "{f}, plus {r} of the very same colour", "{f} and, just as {c}, {r}", "{f}; {r} shares its colour", "{f} and {r} to match", "{f} beside {r}, which is just as {c}", "{f}. {r} has the same colour"]
        text = pick(rng, ways).format(f=first, r=names[1], q=things[1].subject, c=colour, e="both of them")
        return text, put(coloured[:2], DEFAULT[2])
    if form < 0.6:
        text = pick(rng, ("{l}, {e} {c}", "{l}, {c} {a}", "{l}, {a} of them {k} and {c}", "{l}, {a} in {c}", "{l}, {e} painted {c}", "{l}, {a} coloured {c}", "{l}. {e} are {c}", "{l} - {a} {c}", "{l}, one colour for everything: {c}"))
        styled = "{k}" in text
        text = text.format(l=joined(names), e=each, a=all_, c=colour, k=look)
        return text, put([replace(thing, detail=look) if styled else thing for thing in coloured], DEFAULT[count])
    hues = shades(rng, count)
    mixed = [replace(thing, colour=hue, detail=look) for thing, hue in zip(things, hues, strict=True)]
    phrases = [f"{article(hue)} {hue} {thing.subject}" for thing, hue in zip(things, hues, strict=True)]
    text = pick(rng, ("{l}, {a} {k}", "{l}, {e} {k}", "{l}. {e} are {k}", "{l}; {a} {k}", "{l} ({a} {k})", "{k} {a}: {l}" if count == 2 else "{a} {k}: {l}")).format(l=joined(phrases), a=all_, e=each, k=look)
    return text, put(mixed, DEFAULT[count])


def after_commas(rng: np.random.Generator, count: int) -> Body:
    """Colour, look and place after the noun: 'a cat, orange and striped, in the upper left-hand corner'."""
    places = [str(place) for place in rng.permutation(pick(rng, (*SPOTS[count], *MORE_SPOTS.get(count, ()))))]
    things, parts, placed = distinct(rng, count, 0.0), [], rng.random() < 0.65
    order = pick(rng, ("{n}, {c}{p}", "{n}, {c}{p}", "{n}{p}, {c}", "{n} - {c}{p}", "{n}{p}: {c}", "{n}, in {c}{p}", "{n}, coloured {c}{p}", "{n}, its colour {c}{p}"))
    both = order.startswith("{n}, {c}") and rng.random() < 0.4  # the looks are told there too
    for i, thing in enumerate(things):
        look, colour = pick(rng, LOOKS) if both else thing.detail, colour_of(rng)
        things[i] = replace(thing, colour=colour, detail=look, phrase=thing.subject if both else thing.phrase)
        looks = pick(rng, (f"{colour} and {look}", f"{look} and {colour}", f"{colour}, {look}")) if both else colour
        where = f", {pick(rng, CALLED[places[i]])}" if placed else ""
        parts.append(order.format(n=bare(things[i]), c=looks, p=where))
    return pick(rng, ("; ", "; ", ". ", " / ", ", and ", " + ")).join(parts), put(things, places if placed else DEFAULT[count])


# Forms by the number of objects: (weight, form).
ARRANGEMENTS: dict[int, list[tuple[float, Callable[[np.random.Generator, int], Body]]]] = {
    1: [(1, called_places), (0.5, after_commas)],
    2: [(1.2, chain), (1.6, ordered), (1, called_places), (1, same), (0.7, by_colour), (0.7, shared), (0.6, after_commas)],
    3: [(2, chain), (2, ordered), (0.9, called_places), (1.2, same), (1.2, by_colour), (0.4, shared), (0.5, after_commas)],
    4: [(1.6, chain), (1.8, ordered), (0.7, called_places), (1, same), (0.9, by_colour), (0.8, two_groups), (0.3, after_commas)],
    5: [(1, ordered), (0.5, called_places), (1, same), (0.5, by_colour)],
    6: [(1, ordered), (1, same), (0.7, by_colour), (0.8, two_groups)],
    7: [(1, same)], 8: [(0.5, ordered), (1, same)], 9: [(0.8, ordered), (1, same), (0.8, by_colour)],
}  # fmt: skip
COUNT_ODDS = (0.04, 0.26, 0.34, 0.2, 0.06, 0.05, 0.01, 0.01, 0.03)  # of one to nine objects


def arrangement(rng: np.random.Generator) -> Body:
    count = int(rng.choice(range(1, 10), p=COUNT_ODDS))
    weights = np.array([weight for weight, _ in ARRANGEMENTS[count]])
    return ARRANGEMENTS[count][int(rng.choice(len(weights), p=weights / weights.sum()))][1](rng, count)


# Bodies that begin so are clauses: no 'I want' before them.
CLAUSES: tuple[str, ...] = load_table("arrangements", "clauses")
# The background {s} amid the objects; the places of what comes first and then.
AMID: tuple[tuple[str, tuple[str, ...]], ...] = load_table("arrangements", "amid")


def amid(rng: np.random.Generator, body: Source) -> Whole:
    """The background told within the sentence: 'a cat on the beach, and to the left of it a dog'."""
    form, places = pick(rng, AMID)
    things = put(dressed(rng, len(places)), places)
    background, wording = scenery(rng, none=0.0)
    return Whole(form.format(*(called(thing, rng) for thing in things), s=wording), things, background)
