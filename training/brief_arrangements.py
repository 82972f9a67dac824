"""Forms about arrangement, counting and relations: chains of relations, grids, corners, thirds, groups by colour.

The answers follow the rules of `briefs`. Relations are drawn on a grid, and what is drawn is named by its rows and
columns: two columns are left and right, one is the middle.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ditpipe.prompts.layout import CORNERS
from ditpipe.prompts.layout import DEFAULT_PLACES as DEFAULT
from ditpipe.prompts.planner_schema import article
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

Point = tuple[int, int]
STEPS: dict[str, Point] = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}
# "A is … B": where A is, seen from B.
SEEN: dict[str, tuple[str, ...]] = {
    "left": ("left of", "left of", "to the left of", "to the left of", "on the left of", "on the left side of", "just left of", "directly to the left of", "immediately to the left of", "on the left-hand side of", "west of"),
    "right": ("right of", "right of", "to the right of", "to the right of", "on the right of", "on the right side of", "just right of", "directly to the right of", "immediately to the right of", "on the right-hand side of", "east of"),
    "top": ("above", "above", "over", "on top of", "atop", "directly above", "just above", "high above", "north of", "behind", "immediately above"),
    "bottom": ("below", "below", "under", "underneath", "beneath", "directly below", "just below", "south of", "in front of", "far below", "immediately below"),
}  # fmt: skip
# "A with B …": where B is, seen from A.
ITS: dict[str, tuple[str, ...]] = {
    "left": ("to its left", "on its left", "on its left side", "to the left of it", "on the left of it", "at its left-hand side", "left of it"),
    "right": ("to its right", "on its right", "on its right side", "to the right of it", "on the right of it", "at its right-hand side", "right of it"),
    "top": ("above it", "over it", "on top of it", "directly above it", "above its head", "behind it", "atop it"),
    "bottom": ("below it", "under it", "underneath it", "beneath it", "at its feet", "in front of it", "directly below it"),
}  # fmt: skip
BEING = ("is", "is", "stands", "sits", "rests", "can be seen", "waits", "is placed", "floats")
# Colours and looks told after the noun, without commas.
AFTER_NOUN = ("{n} in {c}", "{n} that is {c}", "{n} painted {c}", "{n} coloured {c}", "{n} which is {c}", "{n} ({c})", "{n} painted in {c}", "{n} of {c} colour")
LOOKS = (
    "brass", "leather", "marble", "ceramic", "plastic", "porcelain", "steel", "tin", "straw", "clay", "crystal", "woollen", "denim", "tartan", "speckled", "marbled", "chequered", "pinstriped", "zigzag-patterned", "star-spangled", "stripy", "spotty",
    "copper-plated", "felt", "cardboard", "concrete", "rubber", "woven", "lace-trimmed", "hand-painted", "tie-dyed", "crocheted", "quilted", "gilded", "frosted", "see-through", "mosaic", "paisley", "plaid", "striped", "dotted", "wooden", "glass", "stone", "paper",
)  # fmt: skip
LOOKS_AFTER = (
    "made of brass", "carved from marble", "made of clay", "with a zigzag pattern", "with pinstripes", "covered in stars", "made of leather", "built from bricks", "with tiny hearts all over", "with a checked pattern", "folded from paper", "made of ice",
    "with wavy lines", "with a floral pattern", "knitted from wool", "cut out of cardboard", "with broad stripes", "with two stripes", "made of porcelain", "in stripes", "with polka dots",
)  # fmt: skip


def dressed(rng: np.random.Generator, count: int, *, before_only: bool = False) -> list[Thing]:
    """Different things: colours before or after their nouns, patterns and materials."""
    told = pick(rng, (0.0, 0.85, 0.95, 0.95))
    things = distinct(rng, count, 0.0)
    for i, thing in enumerate(things):
        if not thing.detail and rng.random() < 0.12:
            look = pick(rng, LOOKS)
            thing = replace(thing, detail=look, said=f"{look} {thing.subject}")
        if rng.random() < told:
            colour = colour_of(rng)
            if before_only or rng.random() < 0.85:
                said = f"{colour} {thing.said}" if rng.random() < 0.2 else f"{thing.said[: -len(thing.subject)]}{colour} {thing.subject}"
            else:
                said = pick(rng, AFTER_NOUN).format(n=thing.said, c=colour)
            thing = replace(thing, colour=colour, said=said)
        if not before_only and not thing.detail and thing.said.endswith(thing.subject) and rng.random() < 0.06:
            look = pick(rng, LOOKS_AFTER)
            thing = replace(thing, detail=look, said=f"{thing.said} {look}")
        things[i] = thing
    return things


def called(thing: Thing, rng: np.random.Generator) -> str:
    return bare(thing) if rng.random() < 0.93 else pick(rng, (f"one {thing.said}", f"the {thing.said}", f"a single {thing.said}"))


def counted(thing: Thing, count: int, rng: np.random.Generator) -> str:
    """'two red cats', all words before the noun."""
    number = pick(rng, COUNTS[count]).removeprefix("exactly ")
    return f"{number} {plurals(thing)}"


def plurals(thing: Thing) -> str:
    return thing.said[: -len(thing.subject)] + plural(thing.subject)


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
        said = form.format(o=old, n=new, d=does, f=from_it, s=seen, t=its, p=things[j].subject)
        text = said if i == 1 else text + said
        points = grown
    return text, put(things, named_places(points))


# Places as people also call them.
CALLED: dict[str, tuple[str, ...]] = {
    "top left": ("in the upper left-hand corner", "in the north-west corner", "in the northwest", "in the upper left quarter", "in the top left quadrant", "towards the upper left", "up in the left corner", "top-left", "at the upper left", "in the left-hand corner at the top", "in the corner on the upper left", "up and to the left", "near the top left corner"),
    "top": ("in the middle of the top edge", "at 12 o'clock", "along the upper edge", "near the top", "in the north", "in the top third", "in the upper third", "at the head of the picture", "centred at the top", "at twelve o'clock", "in the upper part", "at the very top of the picture", "up high in the middle", "due north"),
    "top right": ("in the upper right-hand corner", "in the north-east corner", "in the northeast", "in the upper right quarter", "in the top right quadrant", "towards the upper right", "up in the right corner", "top-right", "at the upper right", "in the right-hand corner at the top", "in the corner on the upper right", "up and to the right", "near the top right corner"),
    "left": ("in the left third", "at 9 o'clock", "at nine o'clock", "on the extreme left", "near the left edge", "in the west", "on the left flank", "over on the left", "in the left-hand third", "halfway up the left side", "leftmost", "at the left margin", "due west", "on your left"),
    "center": ("in the middle third", "at the heart of the picture", "bang in the centre", "in the central spot", "centrally placed", "at the midpoint", "in the exact centre", "right at the centre", "taking the middle", "in pride of place, in the centre"),
    "right": ("in the right third", "at 3 o'clock", "at three o'clock", "on the extreme right", "near the right edge", "in the east", "on the right flank", "over on the right", "in the right-hand third", "halfway up the right side", "rightmost", "at the right margin", "due east", "on your right"),
    "bottom left": ("in the lower left-hand corner", "in the south-west corner", "in the southwest", "in the lower left quarter", "in the bottom left quadrant", "towards the lower left", "down in the left corner", "bottom-left", "at the lower left", "in the left-hand corner at the bottom", "in the corner on the lower left", "down and to the left", "near the bottom left corner"),
    "bottom": ("in the middle of the bottom edge", "at 6 o'clock", "along the lower edge", "near the bottom", "in the south", "in the bottom third", "in the lower third", "at the foot of the picture", "centred at the bottom", "at six o'clock", "in the lower part", "at the very bottom of the picture", "down low in the middle", "due south"),
    "bottom right": ("in the lower right-hand corner", "in the south-east corner", "in the southeast", "in the lower right quarter", "in the bottom right quadrant", "towards the lower right", "down in the right corner", "bottom-right", "at the lower right", "in the right-hand corner at the bottom", "in the corner on the lower right", "down and to the right", "near the bottom right corner"),
}  # fmt: skip
AREAS: dict[str, tuple[str, ...]] = {  # what can show, hold, have or contain something
    "top left": ("the upper left quarter", "the top left corner", "the north-west corner", "the top left quadrant", "the upper left-hand corner"),
    "top": ("the upper third", "the top edge", "the upper part", "the top third", "the twelve o'clock position"),
    "top right": ("the upper right quarter", "the top right corner", "the north-east corner", "the top right quadrant", "the upper right-hand corner"),
    "left": ("the left third", "the left side", "the left-hand side", "the left edge", "the nine o'clock position"),
    "center": ("the middle", "the centre", "the center", "the midpoint", "the middle of the picture"),
    "right": ("the right third", "the right side", "the right-hand side", "the right edge", "the three o'clock position"),
    "bottom left": ("the lower left quarter", "the bottom left corner", "the south-west corner", "the bottom left quadrant", "the lower left-hand corner"),
    "bottom": ("the lower third", "the bottom edge", "the lower part", "the bottom third", "the six o'clock position"),
    "bottom right": ("the lower right quarter", "the bottom right corner", "the south-east corner", "the bottom right quadrant", "the lower right-hand corner"),
}  # fmt: skip
MORE_SPOTS: dict[int, tuple[tuple[str, ...], ...]] = {
    2: (("top left", "right"), ("center", "top right"), ("left", "bottom right"), ("top", "bottom left"), ("top right", "bottom right"), ("center", "right"), ("top", "left")),
    3: (("top left", "top", "right"), ("left", "top", "right"), ("center", "bottom left", "top right"), ("top left", "top right", "center"), ("center", "left", "bottom"), ("top right", "right", "bottom right"), ("top left", "bottom left", "bottom right")),
    4: (("top left", "top", "top right", "bottom"), ("top", "center", "bottom left", "bottom right"), ("left", "center", "right", "top"), ("left", "top right", "right", "bottom right"), ("top left", "center", "right", "bottom right")),
    5: (("top left", "top", "top right", "left", "bottom right"), ("left", "center", "right", "top", "bottom left")),
}  # fmt: skip


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
ORDERED: dict[int, tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = {
    2: (
        (("left", "right"), (
            "{0} facing {1}", "{0} and {1} face to face", "{0} back to back with {1}", "{0} shoulder to shoulder with {1}", "{0} in the left half, the right half is for {1}", "from the left: {0}, {1}", "a pair made of {0} and {1}", "nothing but {0} and {1}", "{0} and {1}, in that order from left to right", "{0} on the left; its neighbour on the right is {1}",
            "{0} and its neighbour, {1}", "{0} and, at its side, {1}", "{0} leaning against {1}", "{0} on the left 50%, {1} on the right 50%", "left half {0} | right half {1}", "{0} and {1} at opposite ends, {0s} at the left one", "no more than {0} and {1}", "{0} accompanied by {1}", "{0} comes first from the left, {1} second",
            "the leftmost is {0}, the rightmost is {1}", "two things only: {0} and {1}", "{0} keeping {1} company", "{0} opposite {1}", "{0} in the west and {1} in the east", "{0} at 9 o'clock, {1} at 3 o'clock", "{0}, with {1} right beside it", "{0} adjacent to {1}", "one of each: {0}, {1}", "{0} versus {1}", "{0}, plus {1} on its right flank",
        )),
        (("right", "left"), ("{0} on the right; its neighbour on the left is {1}", "from right to left: {0}, then {1}", "{0} and {1} at opposite ends, {0s} at the right one", "right half {0} | left half {1}", "{0} in the east and {1} in the west", "{0}, plus {1} on its left flank", "the rightmost is {0}, the leftmost is {1}", "from the right: {0}, {1}", "{0} and {1}, in that order from right to left")),
        (("top", "bottom"), (
            "{0} atop {1}", "{0} in the upper half, the lower half is for {1}", "from the top: {0}, {1}", "stacked from top to bottom: {0}, {1}", "{0} and {1}, the one above the other, {0s} being the upper one", "{0} up there, {1} down here", "{0} looking down at {1} from above", "{0} is carried by {1}", "{0} dangling over {1}", "{0} in the north and {1} in the south", "top half {0} | bottom half {1}",
            "{0} resting on top of {1}", "{0} and {1} at opposite ends, {0s} at the upper one", "{0} supported by {1} from below", "{0} at 12 o'clock, {1} at 6 o'clock", "{0} tops {1}", "the upper one is {0}, the lower one is {1}", "{0} hovers just over {1}", "{0} towering above {1}", "upstairs {0}, downstairs {1}",
        )),
        (("bottom", "top"), ("{0} in the lower half, the upper half is for {1}", "from bottom to top: {0}, then {1}", "stacked from the bottom: {0}, {1}", "{0} topped by {1}", "{0} supporting {1} from below", "{0} in the south and {1} in the north", "{0} down here, {1} up there", "{0} looking up at {1} above it", "the lower one is {0}, the upper one is {1}", "{0} with {1} atop", "{0} in the shade of {1} above it", "{0} balancing {1} on top", "downstairs {0}, upstairs {1}")),
        (("top left", "bottom right"), ("{0} and {1} in opposite corners, {0s} in the top left one", "on the falling diagonal: {0} at the upper end, {1} at the lower", "diagonally, {0} up on the left and {1} down on the right", "{0} in the north-west, {1} in the south-east", "{0} in the first corner, top left, {1} diagonally across", "{0} top left; the corner diagonally opposite holds {1}", "NW: {0}; SE: {1}")),
        (("bottom left", "top right"), ("{0} and {1} in opposite corners, {0s} in the bottom left one", "on the rising diagonal: {0} at the lower end, {1} at the upper", "{0} in the south-west, {1} in the north-east", "{0} bottom left; the corner diagonally opposite holds {1}", "SW: {0}; NE: {1}", "{0} in the lower left-hand corner, diagonally across from it {1}")),
        (("top right", "bottom left"), ("{0} and {1} in opposite corners, {0s} in the top right one", "{0} in the north-east, {1} in the south-west", "{0} top right; the corner diagonally opposite holds {1}", "NE: {0}; SW: {1}")),
        (("bottom right", "top left"), ("{0} and {1} in opposite corners, {0s} in the bottom right one", "SE: {0}; NW: {1}", "{0} bottom right; the corner diagonally opposite holds {1}")),
        (("top left", "top right"), ("{0} and {1} in the two upper corners", "the upper corners hold {0} and {1}", "both top corners are taken: {0}, {1}", "{0} and {1} in the top corners, left and right")),
        (("bottom left", "bottom right"), ("{0} and {1} in the two lower corners", "the lower corners hold {0} and {1}", "bottom corners: {0}, {1}", "bottom row only: {0} and {1}")),
    ),
    3: (
        (("left", "center", "right"), (
            "reading from the left: {0}, {1}, {2}", "starting on the left with {0}, then {1}, finally {2}", "{0} on the far left, then {1}, then {2}", "first from the left {0}, second {1}, third {2}", "leftmost {0}, next {1}, rightmost {2}", "the left third shows {0}, the middle third {1}, the right third {2}", "three equal parts: left {0}, middle {1}, right {2}", "a trio: {0}, {1} and {2}",
            "{0}, followed by {1}, followed by {2}", "{0}. To the right of that, {1}. At the right end, {2}", "three in a row, namely {0}, {1}, {2}", "in reading order: {0}, {1}, {2}", "{0} comes first, {1} second and {2} last, left to right", "left column {0}, middle column {1}, right column {2}", "{0}, its right neighbour {1}, whose right neighbour is {2}",
            "in the middle row: {0}, {1}, {2}", "next to each other you see {0}, {1} and finally {2}", "a triptych: {0} | {1} | {2}", "{0} - {1} - {2}, side by side", "{0} west, {1} centre, {2} east", "nothing but {0}, {1} and {2} in one line", "33% {0} on the left, 33% {1} in the middle, 33% {2} on the right",
        )),
        (("right", "center", "left"), ("reading from the right: {0}, {1}, {2}", "starting on the right with {0}, then {1}, finally {2} on the left", "rightmost {0}, next {1}, leftmost {2}", "the right third shows {0}, the middle third {1}, the left third {2}", "{0} at the right end, {1} in the middle, {2} at the left end", "first from the right {0}, second {1}, third {2}")),
        (("top", "center", "bottom"), (
            "stacked from top to bottom: {0}, {1}, {2}", "the upper third shows {0}, the middle third {1}, the lower third {2}", "top shelf {0}, middle shelf {1}, bottom shelf {2}", "{0} sits atop {1}, which rests on {2}", "reading downwards: {0}, {1}, {2}", "a pile: {0} uppermost, {1} under it, {2} lowest", "top row {0}, middle row {1}, bottom row {2}", "{0}, beneath it {1}, and beneath that {2}",
            "the first row has {0}, the second row {1}, the third row {2}", "vertically arranged from the top: {0}, {1}, {2}", "{0} hangs above {1}, and underneath lies {2}", "{0} - {1} - {2}, downwards", "{0} on the upper floor, {1} on the middle floor, {2} on the ground floor", "one under another: {0}, {1}, {2}", "{0} north, {1} centre, {2} south",
        )),
        (("bottom", "center", "top"), ("stacked from bottom to top: {0}, {1}, {2}", "reading upwards: {0}, {1}, {2}", "bottom shelf {0}, middle shelf {1}, top shelf {2}", "bottom row {0}, middle row {1}, top row {2}", "at the base {0}, then {1}, and {2} as the crown", "the lower third shows {0}, the middle third {1}, the upper third {2}", "{0} carrying {1}, which carries {2}", "a pile: {0} lowest, {1} on it, {2} uppermost")),
        (("center", "left", "right"), (
            "the middle one is {0}, the left one {1}, the right one {2}", "{0}, bookended by {1} and {2}", "{0} framed by {1} on the left and {2} on the right", "{0} guarded by {1} and {2}, left and right", "{0} sandwiched between {1} and {2}", "{0} squeezed in between {1} and {2}", "centre {0}, left {1}, right {2}", "{0} has {1} on one side and {2} on the other", "{0} at the centre, with {1} to the west and {2} to the east", "{0}, on either side of which stand {1} and {2}", "on either side of {0}: {1} and {2}",
            "{0} takes the middle; its neighbours are {1} on the left and {2} on the right", "{0}. Left of it {1}. Right of it {2}", "{0}, to its left {1} and to its right {2}", "{0} separating {1} from {2}", "{0} in the company of {1} (left) and {2} (right)",
        )),
        (("center", "right", "left"), ("the middle one is {0}, the right one {1}, the left one {2}", "{0}. Right of it {1}. Left of it {2}", "{0}, to its right {1} and to its left {2}", "{0} at the centre, with {1} to the east and {2} to the west", "{0} framed by {1} on the right and {2} on the left", "centre {0}, right {1}, left {2}")),
        (("left", "right", "center"), ("{0} and {1} at the two ends, {2} in between", "{0} and {1} enclose {2}", "{0} and {1} are separated by {2}", "{0} and {1} framing {2}", "{0} on the left, {1} on the right, the middle one is {2}", "{0} at the left end, {1} at the right end, {2} halfway between", "{0} and {1} flanking {2}", "{0} here, {1} there, and {2} between", "on the outside {0} and {1}, on the inside {2}", "{0} and {1} stand on either side of {2}", "{0} to the left and {1} to the right of {2}")),
        (("center", "top", "bottom"), ("{0} with {1} above and {2} below", "the middle one is {0}, the upper one {1}, the lower one {2}", "{0}, over it {1}, under it {2}", "{0} between {1} at the top and {2} at the bottom", "{0} in the middle, above it {1} and below it {2}", "{0}, to the north of it {1} and to the south {2}", "{0} has {1} over its head and {2} at its feet", "{0}. Above it {1}. Below it {2}")),
        (("top", "bottom", "center"), ("{0} at the top, {1} at the bottom, {2} halfway between", "{0} above, {1} below, and {2} between the two", "{0} at the upper end, {1} at the lower end, {2} in between")),
        (("top", "bottom left", "bottom right"), ("a pyramid: {0} at the apex, {1} and {2} at the base", "a triangle with {0} at the top, {1} bottom left and {2} bottom right", "one above two: {0}; {1}, {2}", "{0} atop both {1} and {2}", "the top row has only {0}, the bottom row {1} and {2}", "{0} spreads its shadow over {1} and {2}", "{0} watching over {1} and {2} from above", "the upper half is {0}, the lower half is split into {1} on the left and {2} on the right")),
        (("top left", "top right", "bottom"), ("an upside-down triangle: {0}, {1}, and {2} at the lower tip", "two above one: {0}, {1}; {2}", "the top row has {0} and {1}, the bottom row only {2}", "{0} and {1} in the upper corners, {2} at the foot", "the upper half is split into {0} on the left and {1} on the right, the lower half is {2}", "{0} and {1} side by side, {2} beneath both of them")),
        (("left", "top right", "bottom right"), ("the left half is {0}, the right half is split into {1} above and {2} below", "{0} fills the left half; on the right {1} over {2}", "left column only {0}, right column {1} and {2}", "{0}, and to its right, one above the other, {1} and {2}")),
        (("top left", "bottom left", "right"), ("the left half is split into {0} above and {1} below, the right half is {2}", "left column {0} and {1}, right column only {2}", "{0} over {1} on the left; {2} fills the right half")),
        (("top left", "center", "bottom right"), ("diagonally from the top left to the bottom right: {0}, {1}, {2}", "a falling diagonal of {0}, {1} and {2}", "{0} in the upper left corner, {1} in the centre, {2} in the lower right corner", "stairs going down from the upper left to the lower right: {0}, {1}, {2}")),
        (("bottom left", "center", "top right"), ("diagonally from the bottom left to the top right: {0}, {1}, {2}", "a rising diagonal of {0}, {1} and {2}", "stairs going up from the lower left to the upper right: {0}, {1}, {2}")),
        (("top left", "top", "top right"), ("only the top row is used: {0}, {1}, {2}", "across the top, from the left: {0}, {1}, {2}", "upper edge, left to right: {0}, {1}, {2}")),
        (("bottom left", "bottom", "bottom right"), ("only the bottom row is used: {0}, {1}, {2}", "across the bottom, from the left: {0}, {1}, {2}", "lower edge, left to right: {0}, {1}, {2}")),
        (("top left", "left", "bottom left"), ("only the left column is used: {0}, {1}, {2} from the top", "down the left margin, from the top: {0}, {1}, {2}")),
        (("top right", "right", "bottom right"), ("only the right column is used: {0}, {1}, {2} from the top", "down the right margin, from the top: {0}, {1}, {2}")),
    ),
    4: (
        (CORNERS, (
            "one thing per corner: {0}, {1}, {2}, {3}", "each corner holds something else: {0}, {1}, {2}, {3} (row by row)", "in reading order, two by two: {0}, {1}, {2}, {3}", "two above, two below: {0}, {1}; {2}, {3}", "quarters, row by row: {0}, {1}, {2}, {3}", "top left {0}, next to it {1}; bottom left {2}, next to it {3}", "upper row: {0} followed by {1}. Lower row: {2} followed by {3}", "{0} beside {1}; underneath, {2} beside {3}",
            "four quadrants: {0}, {1}, {2}, {3}", "{0} and {1} over {2} and {3}", "NW {0}, NE {1}, SW {2}, SE {3}", "{0} and {1} in the upper corners, {2} and {3} in the lower corners", "the upper half: {0}, {1}. The lower half: {2}, {3}", "a window with four panes: {0}, {1}, {2} and {3}", "25% each: {0}, {1}, {2}, {3}",
        )),
        (("top left", "top right", "bottom right", "bottom left"), ("clockwise, starting top left: {0}, {1}, {2}, {3}", "around the corners clockwise from the upper left: {0}, {1}, {2} and {3}", "{0} top left, then clockwise {1}, {2}, {3}", "going round clockwise from {0} in the top left corner: {1}, {2}, {3}")),
        (("top right", "bottom right", "bottom left", "top left"), ("clockwise from the top right corner: {0}, {1}, {2}, {3}", "{0} top right, then clockwise {1}, {2}, {3}", "corners in clockwise order beginning at the upper right: {0}, {1}, {2}, {3}")),
        (("bottom left", "top left", "top right", "bottom right"), ("clockwise from the bottom left: {0}, {1}, {2}, {3}", "{0} bottom left, then clockwise {1}, {2}, {3}")),
        (("bottom right", "bottom left", "top left", "top right"), ("clockwise from the bottom right: {0}, {1}, {2}, {3}", "{0} bottom right, then clockwise {1}, {2}, {3}")),
        (("top left", "bottom left", "bottom right", "top right"), ("counterclockwise from the top left: {0}, {1}, {2}, {3}", "anticlockwise, starting top left: {0}, {1}, {2}, {3}", "{0} top left, then counter-clockwise {1}, {2}, {3}")),
        (("top left", "bottom left", "top right", "bottom right"), ("column by column: {0}, {1}, {2}, {3}, two to a column", "left column {0} over {1}; right column {2} over {3}", "first column: {0} and {1}; second column: {2} and {3}", "the left half has {0} above {1}, the right half {2} above {3}", "{0} atop {1} on the left, {2} atop {3} on the right", "{0} on {1}, and to the right of them {2} on {3}")),
        (("top", "right", "bottom", "left"), ("clockwise from the top: {0}, {1}, {2}, {3}", "{0} at 12 o'clock, {1} at 3 o'clock, {2} at 6 o'clock, {3} at 9 o'clock", "like a compass: {0} north, {1} east, {2} south, {3} west", "one at the middle of each edge, clockwise from the top: {0}, {1}, {2}, {3}", "a diamond, clockwise from the top: {0}, {1}, {2}, {3}")),
        (("top", "bottom", "left", "right"), ("{0} at the top and {1} at the bottom, {2} on the left and {3} on the right", "a plus sign without a middle: {0} above, {1} below, {2} left, {3} right", "{0} north, {1} south, {2} west and {3} east")),
        (("top left", "bottom right", "top right", "bottom left"), ("{0} and {1} in opposite corners, top left and bottom right, {2} and {3} in the other two, top right and bottom left", "falling diagonal {0}, {1}; rising diagonal {2} at the top right and {3} at the bottom left")),
        (("bottom left", "bottom right", "top left", "top right"), ("lower row: {0} and {1}. Upper row: {2} and {3}", "bottom shelf: {0}, {1}; top shelf: {2}, {3}", "the lower half: {0}, {1}. The upper half: {2}, {3}")),
        (("top left", "top", "top right", "bottom"), ("three in the top row, {0}, {1} and {2}, and in the bottom row just {3}", "across the top {0}, {1}, {2}; below them {3}")),
        (("top", "bottom left", "bottom", "bottom right"), ("{0} over a row of {1}, {2} and {3}", "{0} at the top, and beneath it a row: {1}, {2}, {3}", "the top row has only {0}, the bottom row {1}, {2} and {3}")),
        (("center", "left", "right", "top"), ("the middle one is {0}, left of it {1}, right of it {2}, above it {3}", "{0} in the centre, with {1} to its left, {2} to its right and {3} over it")),
        (("center", "left", "right", "bottom"), ("the middle one is {0}, left of it {1}, right of it {2}, below it {3}", "{0} in the centre, with {1} to its left, {2} to its right and {3} beneath it")),
    ),
    5: (
        (("center", *CORNERS), ("{0} surrounded by {1}, {2}, {3} and {4} in the corners", "centre {0}; corners, row by row: {1}, {2}, {3}, {4}", "{0} in the middle, and in the four corners {1}, {2}, {3}, {4}", "the middle is {0}; each corner holds something: {1}, {2}, {3}, {4}")),
        (DEFAULT[5], ("like the five on a die: {0}, {1}, {2}, {3}, and {4} in the middle", "the corners hold {0}, {1}, {2} and {3}, the centre {4}", "top corners {0}, {1}; bottom corners {2}, {3}; middle {4}")),
        (("center", "top", "right", "bottom", "left"), ("{0} in the centre, around it clockwise from the top {1}, {2}, {3}, {4}", "{0}, and around it {1} at twelve o'clock, {2} at three, {3} at six and {4} at nine", "centre {0}, north {1}, east {2}, south {3}, west {4}")),
        (("top", "left", "center", "right", "bottom"), ("{0} at the top, in the middle row {1}, {2}, {3}, at the bottom {4}", "a plus sign: {0}; {1}, {2}, {3}; {4}", "first row {0}; second row {1}, {2}, {3}; third row {4}")),
        (("top left", "top right", "center", "bottom left", "bottom right"), ("two, one, two: {0}, {1}; {2}; {3}, {4}", "top row {0} and {1}, middle row {2}, bottom row {3} and {4}")),
        (("top left", "top", "top right", "bottom left", "bottom right"), ("{0}, {1} and {2} above {3} and {4}", "the top row has {0}, {1}, {2} and the bottom row {3}, {4}")),
    ),
    6: (
        (DEFAULT[6], ("in reading order, three to a row: {0}, {1}, {2}, {3}, {4}, {5}", "{0}, {1} and {2} above {3}, {4} and {5}", "upper half: {0}, {1}, {2}. Lower half: {3}, {4}, {5}", "half a dozen things, three above and three below: {0}, {1}, {2}, {3}, {4}, {5}")),
        (("top left", "left", "bottom left", "top right", "right", "bottom right"), ("left column, downwards: {0}, {1}, {2}. Right column, downwards: {3}, {4}, {5}", "the left column has {0}, {1} and {2}, the right column {3}, {4} and {5}", "column by column, three to a column: {0}, {1}, {2}, {3}, {4}, {5}")),
        (("top left", "bottom left", "top", "bottom", "top right", "bottom right"), ("three columns of two: {0} over {1}, {2} over {3}, {4} over {5}", "first column {0}, {1}; second column {2}, {3}; third column {4}, {5}")),
        (("top left", "top right", "right", "bottom right", "bottom left", "left"), ("two columns of three, clockwise from the top left: {0}, {1}, {2}, {3}, {4}, {5}",)),
    ),
    8: ((("top left", "top", "top right", "right", "bottom right", "bottom", "bottom left", "left"), ("a ring, clockwise from the top left: {0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}",)),),
    9: (
        (DEFAULT[9], ("a 3x3 grid, row by row: {0}, {1}, {2}; {3}, {4}, {5}; {6}, {7}, {8}", "top row {0}, {1}, {2}; in the middle row {3}, {4}, {5}; bottom row {6}, {7}, {8}", "nine squares in reading order: {0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}, {8}")),
        (("top left", "left", "bottom left", "top", "center", "bottom", "top right", "right", "bottom right"), ("a 3x3 grid by columns: {0}, {1}, {2}; {3}, {4}, {5}; {6}, {7}, {8}", "left column {0}, {1}, {2}; middle column {3}, {4}, {5}; right column {6}, {7}, {8}")),
    ),
}  # fmt: skip


def ordered(rng: np.random.Generator, count: int) -> Body:
    places, forms = pick(rng, ORDERED[count]) if rng.random() < 0.6 else pick(rng, [row for row in ORDERED[count] for _ in row[1]])
    form = pick(rng, forms)
    things = dressed(rng, count)
    return form.replace("{0s}", f"the {things[0].subject}").format(*(called(thing, rng) for thing in things)), put(things, places)


# Of lines of more than three, which the nine places have no words for, the things stand in rows, read as the line is.
LINES: dict[int, tuple[str, ...]] = {
    3: DEFAULT[3], 4: CORNERS, 5: ("top left", "top right", "center", "bottom left", "bottom right"), 6: DEFAULT[6],
}  # fmt: skip
LINED_UP = (
    "from left to right: {l}", "from left to right: {l}", "from left to right {l}", "left to right: {l}", "{l} from left to right", "{l}, from left to right", "{l} in a row", "{l} in a row", "in a row: {l}", "a row of {l}", "in a row from left to right: {l}", "{l} in a row from left to right",
    "{l} side by side", "side by side: {l}", "{l} next to each other", "{l} next to one another", "{l} in one line", "{l} all in a line", "a line of {l}", "lined up: {l}", "{l} lined up", "{l} standing in line", "{n} things in a row: {l}", "{n} things side by side: {l}", "{n} in a row: {l}",
    "{n} things from left to right: {l}", "a row of {n} things: {l}", "line up {l}", "a parade of {l}", "a queue of {l}", "{l}, one after another", "from left: {l}", "starting on the left: {l}", "from the left end to the right end: {l}",
    "one row, left to right: {l}", "{l} - one row", "{l} as one row", "{l} on one line",
)
STACKED = (
    "from top to bottom: {l}", "from top to bottom {l}", "top to bottom: {l}", "{l} from top to bottom", "{l}, from top to bottom", "stacked: {l}", "stacked from the top: {l}", "one below the other: {l}", "{l} one under another", "a column of {l}", "{l} in a column", "a tower of {l}, from the top", "downwards: {l}",
)  # fmt: skip


def lined_up(rng: np.random.Generator, count: int) -> Body:
    """Three to six in one line: 'from left to right: apple, banana, carrot, donut'."""
    upright = rng.random() < 0.3
    things = put(dressed(rng, count, before_only=True), ("top", "center", "bottom") if upright and count == 3 else LINES[count])
    names = [one.said for one in things] if rng.random() < 0.4 else [called(one, rng) for one in things]
    told = joined(names, pick(rng, (", ", " and ", ", and ", " & "))) if rng.random() < 0.85 else " - ".join(names)
    return pick(rng, STACKED if upright else LINED_UP).format(l=told, n=pick(rng, COUNTS[count]).removeprefix("exactly ")), things


# Groups of one kind: {m} is 'three red cats', {n} 'red cats', {x} 'a red cat', {xs} 'red cat', {o} and {q} other single
# things; the place of each in the order of mention: 'm' for one of the group, 'o' and 'q' for the others.
TOP_ROW, BOTTOM_ROW, MIDDLE_ROW = ("top left", "top", "top right"), ("bottom left", "bottom", "bottom right"), ("left", "center", "right")
LEFT_COLUMN, RIGHT_COLUMN = ("top left", "left", "bottom left"), ("top right", "right", "bottom right")
BOTH = ("left", "right")
SAME: dict[int, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    2: (
        ("{x} on the left and the same again on the right", "mm", BOTH), ("{x} on the left, another one just like it on the right", "mm", BOTH), ("{x} on the right and its twin on the left", "mm", ("right", "left")), ("{x} on the left, mirrored on the right", "mm", BOTH), ("{m}, mirror images of each other", "mm", BOTH), ("one {xs} on either side", "mm", BOTH),
        ("a pair of {n}", "mm", BOTH), ("a couple of {n}, side by side", "mm", BOTH), ("twin {n}", "mm", BOTH), ("{x} at the top and an identical one at the bottom", "mm", ("top", "bottom")), ("{m}, one north, one south", "mm", ("top", "bottom")), ("{m} facing one another", "mm", BOTH), ("{m} back to back", "mm", BOTH), ("not one but two {n}", "mm", BOTH),
        ("{m}, one stacked on the other", "mm", ("top", "bottom")), ("one {xs} in the left half, one in the right half", "mm", BOTH), ("{m} in diagonally opposite corners, the first one top left", "mm", ("top left", "bottom right")), ("{m} at opposite ends, left and right", "mm", BOTH), ("{m} in the two right-hand corners", "mm", ("top right", "bottom right")), ("{m} in the two left-hand corners", "mm", ("top left", "bottom left")),
        ("{m} in the corners bottom left and top right", "mm", ("bottom left", "top right")), ("nothing but {m}", "mm", BOTH), ("{x} and, on the other side, the same thing again", "mm", BOTH), ("double the fun: {m}", "mm", BOTH), ("two {n}, nose to nose", "mm", BOTH), ("one {xs} here and one there", "mm", BOTH),
    ),
    3: (
        ("a trio of {n}", "mmm", DEFAULT[3]), ("{m} stacked from top to bottom", "mmm", ("top", "center", "bottom")), ("{m} in the middle row", "mmm", MIDDLE_ROW), ("a column of {m}", "mmm", ("top", "center", "bottom")), ("{m}, evenly spaced from left to right", "mmm", DEFAULT[3]), ("nothing but {m} in one row", "mmm", DEFAULT[3]), ("{m}, each in its own third, left to right", "mmm", DEFAULT[3]), ("one {xs}, two {n}, three {n}: yes, three", "mmm", DEFAULT[3]),
        ("{m} going diagonally from the bottom left to the top right", "mmm", ("bottom left", "center", "top right")), ("{m} in the left column", "mmm", LEFT_COLUMN), ("{m} in the right column", "mmm", RIGHT_COLUMN), ("a pyramid of {m}, one over two", "mmm", ("top", "bottom left", "bottom right")), ("{x} in every corner except the bottom right one", "mmm", ("top left", "top right", "bottom left")), ("{x} in all corners but the top left", "mmm", ("top right", "bottom left", "bottom right")),
        ("one {xs} above two others", "mmm", ("top", "bottom left", "bottom right")), ("{o} with {x} on either side", "omm", ("center", *BOTH)), ("{x} on either side of {o}", "mmo", (*BOTH, "center")), ("on either side of {o} stands {x}", "omm", ("center", *BOTH)), ("{o}, flanked on both sides by {n}", "omm", ("center", *BOTH)), ("{o} bookended by two {n}", "omm", ("center", *BOTH)), ("{o} framed by two {n}", "omm", ("center", *BOTH)), ("two {n} flanking {o}", "mmo", (*BOTH, "center")),
        ("{x} to the left and to the right of {o}", "mmo", (*BOTH, "center")), ("{o} with {x} above and {x} below", "omm", ("center", "top", "bottom")), ("{o}, and both above and below it {x}", "omm", ("center", "top", "bottom")), ("{o} sandwiched between two {n}", "omm", ("center", *BOTH)), ("{o} in the middle and {x} at each end", "omm", ("center", *BOTH)), ("{x} at each end, {o} in the middle", "mmo", (*BOTH, "center")), ("two {n} guarding {o}, one left, one right", "mmo", (*BOTH, "center")), ("{x} on the left, {o} in the middle, and on the right the same {xs} again", "mom", DEFAULT[3]),
        ("{x}, then {o}, then another {xs}, left to right", "mom", DEFAULT[3]), ("{m} side by side by side", "mmm", DEFAULT[3]), ("{o} at the top, and {x} in each lower corner", "omm", ("top", "bottom left", "bottom right")), ("{x} in each upper corner and {o} at the bottom", "mmo", ("top left", "top right", "bottom")), ("{o} between two identical {n}", "omm", ("center", *BOTH)), ("{o} on the left; on the right two {n}, one above the other", "omm", ("left", "top right", "bottom right")), ("two {n} on the left, one above the other; {o} on the right", "mmo", ("top left", "bottom left", "right")),
        ("{o} and beneath it a pair of {n}", "omm", ("top", "bottom left", "bottom right")), ("a pair of {n}, and atop them {o}", "mmo", ("bottom left", "bottom right", "top")),
    ),
    4: (
        ("one {xs} per corner", "mmmm", CORNERS), ("each corner holds {x}", "mmmm", CORNERS), ("{x} for every corner", "mmmm", CORNERS), ("every corner is taken by {x}", "mmmm", CORNERS), ("{m}, one per quarter", "mmmm", CORNERS), ("{m} in a 2 by 2 arrangement", "mmmm", CORNERS), ("{m}, two over two", "mmmm", CORNERS), ("a quartet of {n}", "mmmm", CORNERS), ("{m} at the four points of the compass", "mmmm", ("top", "left", "right", "bottom")), ("{m} at 12, 3, 6 and 9 o'clock", "mmmm", ("top", "right", "bottom", "left")),
        ("{m} as a diamond: top, left, right, bottom", "mmmm", ("top", "left", "right", "bottom")), ("{m}: one at the top, three in the bottom row", "mmmm", ("top", *BOTTOM_ROW)), ("{m}: three in the top row, one at the bottom", "mmmm", (*TOP_ROW, "bottom")), ("three {n} in the bottom row and {o} over them", "mmmo", (*BOTTOM_ROW, "top")), ("{o} over a row of three {n}", "ommm", ("top", *BOTTOM_ROW)), ("three {n} in the middle row, {o} at the top", "mmmo", (*MIDDLE_ROW, "top")), ("three {n} in the middle row and {o} beneath", "mmmo", (*MIDDLE_ROW, "bottom")),
        ("{x} in three corners, {o} in the bottom right one", "mmmo", CORNERS), ("{x} in every corner except the top right, where {o} sits", "mmmo", ("top left", "bottom left", "bottom right", "top right")), ("the bottom left corner is for {o}, all others have {x}", "ommm", ("bottom left", "top left", "top right", "bottom right")), ("three {n} down the left side and {o} on the right", "mmmo", (*LEFT_COLUMN, "right")), ("{o} on the left, and three {n} in the right column", "ommm", ("left", *RIGHT_COLUMN)),
        ("{o} in the top left corner, {x} in the remaining three", "ommm", CORNERS), ("an array of {m}, two by two", "mmmm", CORNERS),
    ),
    5: (
        ("{o} in the centre and {x} in each corner", "ommmm", ("center", *CORNERS)), ("{x} in each corner and {o} in the centre", "mmmmo", DEFAULT[5]), ("each corner holds {x}, and the middle holds {o}", "mmmmo", DEFAULT[5]), ("{o} encircled by four {n}, one in each corner", "ommmm", ("center", *CORNERS)), ("one {xs} per corner plus {o} at the centre", "mmmmo", DEFAULT[5]), ("{m} arranged like the 5 on a die", "mmmmm", DEFAULT[5]), ("{m} like the pips of a five", "mmmmm", DEFAULT[5]), ("{o} with {x} on all four sides: above, left, right, below", "ommmm", ("center", "top", "left", "right", "bottom")),
        ("{o} in the middle with {n} at 12, 3, 6 and 9 o'clock", "ommmm", ("center", "top", "right", "bottom", "left")), ("{m}: two on top, one in the middle, two at the bottom", "mmmmm", ("top left", "top right", "center", "bottom left", "bottom right")), ("{m} forming a plus sign, from the top down", "mmmmm", ("top", "left", "center", "right", "bottom")), ("{o} at the top, three {n} in the middle row, {q} at the bottom", "ommmq", ("top", *MIDDLE_ROW, "bottom")), ("three {n} over {o} and {q}", "mmmoq", (*TOP_ROW, "bottom left", "bottom right")),
        ("{o} and {q} over three {n}", "oqmmm", ("top left", "top right", *BOTTOM_ROW)), ("five {n}, one of them central, the other four in the corners", "mmmmm", ("center", *CORNERS)), ("{o} ringed by four {n}, which sit in the corners", "ommmm", ("center", *CORNERS)),
    ),
    6: (
        ("half a dozen {n}", "mmmmmm", DEFAULT[6]), ("half a dozen {n}, three to a row", "mmmmmm", DEFAULT[6]), ("{m} in two columns of three", "mmmmmm", (*LEFT_COLUMN, *RIGHT_COLUMN)), ("{m} arranged like the 6 on a die", "mmmmmm", ("top left", "top right", "left", "right", "bottom left", "bottom right")), ("{m}: three across the top, three across the bottom", "mmmmmm", DEFAULT[6]), ("three {n} in the left column, three more in the right column", "mmmmmm", (*LEFT_COLUMN, *RIGHT_COLUMN)), ("a 2x3 block of {n} (2 rows, 3 columns)", "mmmmmm", DEFAULT[6]),
    ),
    7: (("three {n} on the left side, three on the right side, {o} in the centre", "mmmmmmo", (*LEFT_COLUMN, *RIGHT_COLUMN, "center")), ("{o} in the middle of six {n}, three above and three below", "ommmmmm", ("center", *TOP_ROW, *BOTTOM_ROW))),
    8: (("eight {n} around the edge, nothing in the middle", "m" * 8, DEFAULT[8]), ("{m} forming a frame", "m" * 8, DEFAULT[8]), ("{n} in every cell of a 3x3 grid except the middle one", "m" * 8, DEFAULT[8])),
    9: (
        ("nine {n}, three to a row", "m" * 9, DEFAULT[9]), ("{m} in a grid, all nine cells filled", "m" * 9, DEFAULT[9]), ("eight {n} around {o}", "m" * 8 + "o", (*DEFAULT[8], "center")), ("{o} in the middle of a frame of eight {n}", "o" + "m" * 8, ("center", *DEFAULT[8])), ("a 3x3 grid, {o} in the middle cell and {n} in the other eight", "o" + "m" * 8, ("center", *DEFAULT[8])),
        ("top row three {n}, in the middle row {x}, {o} and {x}, bottom row three {n}", "mmmmommmm", DEFAULT[9]),
    ),
}  # fmt: skip


def same(rng: np.random.Generator, count: int) -> Body:
    """Several of one kind and perhaps another: one per corner, on either side, mirrored."""
    form, kinds, places = pick(rng, SAME[count])
    thing, other, third = dressed(rng, 3, before_only=True)
    things = {"m": thing, "o": other, "q": third}
    text = form.format(m=counted(thing, kinds.count("m"), rng), n=plurals(thing), x=bare(thing), xs=thing.said, o=called(other, rng), q=called(third, rng))
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
BY_COLOUR: dict[int, tuple[tuple[str, str, tuple[str, ...]], ...]] = {
    2: (
        ("{m} of different colours: {0} and {1}", "01", BOTH), ("{m}, {0} the one and {1} the other", "01", BOTH), ("{m}, the left {0}, the right {1}", "01", BOTH), ("{m}, a {0} one followed by a {1} one", "01", BOTH), ("{m}, half of them {0}, half {1}", "01", BOTH), ("{m}, both of them {0}", "00", BOTH), ("{m}, {0} both", "00", BOTH), ("{m}, 50% {0}, 50% {1}", "01", BOTH),
        ("{m} in two colours, the upper in {0}, the lower in {1}", "01", ("top", "bottom")), ("{m}, the lower {0}, the upper {1}", "01", ("bottom", "top")), ("{m}. Number one is {0}, number two is {1}", "01", BOTH), ("{m}, equally {0}", "00", BOTH), ("{m}: right {0}, left {1}", "01", ("right", "left")),
    ),
    3: (
        ("{m}, two of them {0}, one {1}", "001", DEFAULT[3]), ("{m}, one of them {0}, two {1}", "011", DEFAULT[3]), ("{m}, of which two are {0} and one is {1}", "001", DEFAULT[3]), ("{m}, of which one is {0} and two are {1}", "011", DEFAULT[3]), ("{m}, two {0} and one {1}", "001", DEFAULT[3]), ("{m} in a row, alternating {0} and {1}", "010", DEFAULT[3]), ("{m}: {0}, {1} and {0} again", "010", DEFAULT[3]), ("{m} from left to right: {0}, {1}, {2}", "012", DEFAULT[3]),
        ("{m}, the first {0}, the second {1}, the last {2}", "012", DEFAULT[3]), ("{m}, the first two {0}, the last {1}", "001", DEFAULT[3]), ("{m}, the first {0}, the other two {1}", "011", DEFAULT[3]), ("{m}, the outer ones {0}, the inner one {1}", "001", (*BOTH, "center")), ("{m}, the middle one {0}, the outer two {1}", "011", ("center", *BOTH)), ("{m}, a third of them {0}, two thirds {1}", "011", DEFAULT[3]), ("{m}, all of them {0}", "000", DEFAULT[3]), ("{m}, every single one {0}", "000", DEFAULT[3]),
        ("{m}, {0} all", "000", DEFAULT[3]), ("{m}, each a different colour: {0}, {1}, {2}", "012", DEFAULT[3]), ("one {0}, one {1} and one {2} {s}", "012", DEFAULT[3]), ("a {0}, a {1} and a {2} {s}, stacked from top to bottom", "012", ("top", "center", "bottom")), ("{m}: leftmost {0}, rightmost {1}, and {2} in between", "012", (*BOTH, "center")), ("{m} like a flag from left to right: {0}, {1}, {2}", "012", DEFAULT[3]), ("two {0} {n} and a {1} one", "001", DEFAULT[3]), ("a {0} {s} and two {1} ones", "011", DEFAULT[3]),
        ("two {0} {n} and, between them, a {1} one", "001", (*BOTH, "center")), ("a {0} {s} between two {1} ones", "011", ("center", *BOTH)), ("a {0} {s} flanked by two {1} ones", "011", ("center", *BOTH)), ("a {0} {s} over two {1} ones", "011", ("top", "bottom left", "bottom right")), ("two {0} {n} over a {1} one", "001", ("top left", "top right", "bottom")), ("{m} stacked: {0} on {1} on {2}", "012", ("top", "center", "bottom")),
    ),
    4: (
        ("{m}, half of them {0}, half of them {1}", "0011", CORNERS), ("{m}, two {0} and two {1}", "0011", CORNERS), ("{m}, three of them {0}, one {1}", "0001", CORNERS), ("{m}, one of which is {0} and three are {1}", "0111", CORNERS), ("{m}, a quarter of them {0}, three quarters {1}", "0111", CORNERS), ("{m}, 50% {0}, 50% {1}", "0011", CORNERS), ("{m}, the upper two {0}, the lower two {1}", "0011", CORNERS), ("{m}, the lower two {0}, the upper two {1}", "0011", ("bottom left", "bottom right", "top left", "top right")),
        ("{m}, the left two {0}, the right two {1}", "0011", ("top left", "bottom left", "top right", "bottom right")), ("{m} in the corners, clockwise from the top left {0}, {1}, {2}, {3}", "0123", ("top left", "top right", "bottom right", "bottom left")), ("{m}, two of them {0}, one {1} and one {2}", "0012", CORNERS), ("{m}, one {0}, one {1} and two {2}", "0122", CORNERS), ("{m}, all four {0}", "0000", CORNERS), ("{m}, {0}, {1}, {2} and {3}, one per corner", "0123", CORNERS), ("two {0} and two {1} {n}", "0011", CORNERS), ("three {0} {n} and a {1} one", "0001", CORNERS),
        ("{m}, {0} in the top left and bottom right, {1} in the other two corners", "0011", ("top left", "bottom right", "top right", "bottom left")), ("two {0} {n} over two {1} ones", "0011", CORNERS), ("two {0} {n} beneath two {1} ones", "0011", ("bottom left", "bottom right", "top left", "top right")), ("{m} in reading order: {0}, {1}, {2}, {3}", "0123", CORNERS),
    ),
    5: (
        ("{m}, two of them {0}, three {1}", "00111", DEFAULT[5]), ("{m}, four {0} ones in the corners and a {1} one in the middle", "00001", DEFAULT[5]), ("{m}, the middle one {0}, those in the corners {1}", "01111", ("center", *CORNERS)), ("{m}, two {0}, two {1} and one {2}", "00112", DEFAULT[5]), ("{m}, three {0} ones above, two {1} ones below", "00011", (*TOP_ROW, "bottom left", "bottom right")), ("{m}, two {0} ones above, three {1} ones below", "00111", ("top left", "top right", *BOTTOM_ROW)), ("{m}, all five {0}", "00000", DEFAULT[5]),
    ),
    6: (
        ("{m}, half of them {0}, the other half {1}", "000111", DEFAULT[6]), ("{m}, a third of them {0}, a third {1}, a third {2}", "001122", DEFAULT[6]), ("{m}, the top three {0}, the bottom three {1}", "000111", DEFAULT[6]), ("{m}, three {0}, three {1}", "000111", DEFAULT[6]), ("{m}, two {0}, two {1} and two {2}", "001122", DEFAULT[6]), ("two rows of three {n}, above {0}, below {1}", "000111", DEFAULT[6]), ("two columns of three {n}, the left one {0}, the right one {1}", "000111", (*LEFT_COLUMN, *RIGHT_COLUMN)),
        ("three {0} {n} over three {1} ones", "000111", DEFAULT[6]), ("{m}, five of them {0}, one {1}", "000001", DEFAULT[6]), ("{m}, three rows of two: {0}, {1}, {2} from the top", "001122", ("top left", "top right", "left", "right", "bottom left", "bottom right")),
    ),
    9: (
        ("a 3x3 grid of {n}, the middle one {0}, all the others {1}", "0" + "1" * 8, ("center", *DEFAULT[8])), ("nine {n}, eight {0} ones around a {1} one", "0" * 8 + "1", (*DEFAULT[8], "center")), ("three rows of three {n}: {0}, {1} and {2} from top to bottom", "000111222", DEFAULT[9]), ("three columns of three {n}: {0}, {1} and {2} from left to right", "000111222", (*LEFT_COLUMN, "top", "center", "bottom", *RIGHT_COLUMN)), ("nine {n}, all {0}, three by three", "0" * 9, DEFAULT[9]),
    ),
}  # fmt: skip


def by_colour(rng: np.random.Generator, count: int) -> Body:
    """One noun, so many of each colour: 'three kites, two of them red, one blue'."""
    form, pattern, places = pick(rng, BY_COLOUR[count])
    (thing,) = distinct(rng, 1, 0.0)
    colours = shades(rng, 4)
    many = f"{pick(rng, COUNTS[count])} {plurals(thing)}"
    # 'an orange one'
    for i, colour in enumerate(colours):
        form = form.replace(f"a {{{i}}}", f"{article(colour)} {{{i}}}") if f" a {{{i}}}" in f" {form}" else form
    text = form.format(*colours, m=many, n=plurals(thing), s=thing.said)
    return text, put([replace(thing, colour=colours[int(i)]) for i in pattern], places)


def shared(rng: np.random.Generator, count: int) -> Body:
    """One colour or look for different things: 'a red cat and a dog of the same colour', 'both striped'."""
    things = [replace(one, detail="", said=one.subject) for one in distinct(rng, count, 0.0)]
    colour, look = colour_of(rng), pick(rng, LOOKS)
    names = [f"{article(one.subject)} {one.subject}" for one in things]
    all_, each, form = "both" if count == 2 else "all", "both of them" if count == 2 else "all of them", rng.random()
    coloured = [replace(one, colour=colour) for one in things]
    first = f"{article(colour)} {colour} {things[0].subject}"
    if form < 0.3:
        ways = ["{f} with {r}, {e} in the same colour", "{f} and {r} of the same colour", "{f} and a matching {q}", "{f} and an equally {c} {q}", "{f}, plus {r} of the very same colour", "{f} and, just as {c}, {r}", "{f}; {r} shares its colour", "{f} and {r} to match", "{f} beside {r}, which is just as {c}", "{f}. {r} has the same colour"]
        text = pick(rng, ways).format(f=first, r=names[1], q=things[1].subject, c=colour, e="both of them")
        return text, put(coloured[:2], DEFAULT[2])
    if form < 0.6:
        text = pick(rng, ("{l}, {e} {c}", "{l}, {c} {a}", "{l}, {a} of them {k} and {c}", "{l}, {a} in {c}", "{l}, {e} painted {c}", "{l}, {a} coloured {c}", "{l}. {e} are {c}", "{l} - {a} {c}", "{l}, one colour for everything: {c}"))
        styled = "{k}" in text
        text = text.format(l=joined(names), e=each, a=all_, c=colour, k=look)
        return text, put([replace(one, detail=look) if styled else one for one in coloured], DEFAULT[count])
    hues = shades(rng, count)
    mixed = [replace(one, colour=hue, detail=look) for one, hue in zip(things, hues, strict=True)]
    told = [f"{article(hue)} {hue} {one.subject}" for one, hue in zip(things, hues, strict=True)]
    text = pick(rng, ("{l}, {a} {k}", "{l}, {e} {k}", "{l}. {e} are {k}", "{l}; {a} {k}", "{l} ({a} {k})", "{k} {a}: {l}" if count == 2 else "{a} {k}: {l}")).format(l=joined(told), a=all_, e=each, k=look)
    return text, put(mixed, DEFAULT[count])


def after_commas(rng: np.random.Generator, count: int) -> Body:
    """Colour, look and place after the noun: 'a cat, orange and striped, in the upper left-hand corner'."""
    places = [str(place) for place in rng.permutation(pick(rng, (*SPOTS[count], *MORE_SPOTS.get(count, ()))))]
    things, parts, placed = distinct(rng, count, 0.0), [], rng.random() < 0.65
    order = pick(rng, ("{n}, {c}{p}", "{n}, {c}{p}", "{n}{p}, {c}", "{n} - {c}{p}", "{n}{p}: {c}", "{n}, in {c}{p}", "{n}, coloured {c}{p}", "{n}, its colour {c}{p}"))
    both = order.startswith("{n}, {c}") and rng.random() < 0.4  # the looks are told there too
    for i, thing in enumerate(things):
        look, colour = pick(rng, LOOKS) if both else thing.detail, colour_of(rng)
        things[i] = replace(thing, colour=colour, detail=look, said=thing.subject if both else thing.said)
        told = pick(rng, (f"{colour} and {look}", f"{look} and {colour}", f"{colour}, {look}")) if both else colour
        where = f", {pick(rng, CALLED[places[i]])}" if placed else ""
        parts.append(order.format(n=bare(things[i]), c=told, p=where))
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
CLAUSES = (
    "the left ", "the right ", "the upper ", "the lower ", "the top ", "the bottom ", "the middle ", "the north", "the south", "the centre ", "the center ", "the midpoint", "the nine o", "the three o", "the six o", "the twelve o", "each corner ", "every corner ", "both top", "both lower",
    "the corners hold", "falling diagonal", "put ", "the first ", "left column", "right column", "first column", "left half", "right half", "upstairs", "downstairs", "upper half", "on either side", "on the falling", "on the rising", "on the outside", "only the ", "half of it", "as many ", "diagonally", "centre ", "leftmost", "rightmost", "first from",
)  # fmt: skip
# The background {s} amid the objects; the places of what comes first and then.
AMID: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("{0} {s}, and to the left of it {1}", ("right", "left")), ("{0} {s}, with {1} to its right", BOTH), ("{0} {s}, and above it {1}", ("bottom", "top")), ("{0} {s}, with {1} below it", ("top", "bottom")), ("{s}, {0} is left of {1}", BOTH), ("{s}, {0} sits above {1}", ("top", "bottom")), ("{s}, {0} is to the right of {1}", ("right", "left")),
    ("{0} and {1}, {s}, side by side", BOTH), ("{0} standing {s}, {1} next to it", BOTH), ("{0} is {s}. Right of it there is {1}", BOTH), ("{0} on the left, {s}, and {1} on the right", BOTH), ("{s} we have {0}, and under it {1}", ("top", "bottom")), ("{s} stand {0} and {1}, the former on the right", ("right", "left")), ("There is {0} {s}, facing {1}", BOTH),
    ("{0} {s}, flanked by {1} and {2}", ("center", *BOTH)), ("{s}, {0} stands between {1} and {2}", ("center", *BOTH)), ("{0}, {1} and {2}, all {s}, from left to right", DEFAULT[3]), ("{s} from left to right: {0}, {1}, {2}", DEFAULT[3]), ("{0} above {1} and {2}, all of it {s}", ("top", "bottom left", "bottom right")), ("{0} {s}, with {1} on its left and {2} on its right", ("center", *BOTH)),
    ("it is all {s}: {0} at the top, {1} and {2} below", ("top", "bottom left", "bottom right")), ("{s}: {0} above {1}, and {2} below that", ("top", "center", "bottom")), ("{0} over {1}, {s}, and to the left of both {2}", ("top right", "bottom right", "left")), ("{0} {s} in the middle", ("center",)), ("in the top right corner, {s}, {0}", ("top right",)), ("{0}, {s}, over on the left", ("left",)),
    ("one in each corner, {s}: {0}, {1}, {2} and {3}", CORNERS), ("{s} the four corners hold {0}, {1}, {2} and {3}", CORNERS), ("{0} and {1} above, {2} and {3} below, everything {s}", CORNERS),
)  # fmt: skip


def amid(rng: np.random.Generator, body: Source) -> Whole:
    """The background told within the sentence: 'a cat on the beach, and to the left of it a dog'."""
    form, places = pick(rng, AMID)
    things = put(dressed(rng, len(places)), places)
    background, said = scenery(rng, none=0.0)
    return Whole(form.format(*(called(thing, rng) for thing in things), s=said), things, background)
