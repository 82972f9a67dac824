"""Turns of phrase that planners get wrong: colours told after the objects, counts first, corners, full grids.

And words in front that are no objects, calls of a program, strong misspellings, plain backgrounds. Each form makes a
whole brief; the answers follow the rules of `briefs`. What a brief is for is neither object nor background.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ditpipe.prompts.answers.planner_schema import article
from ditpipe.prompts.layout.places import CORNERS
from ditpipe.prompts.layout.places import DEFAULT_PLACES as DEFAULT
from training.brief_parts import (  # fmt: skip
    USUAL_COLOUR,
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
from training.brief_records import field_of
from training.brief_voices import WHERE, cast, said_where, upper
from training.brief_words import BACKGROUND_PHRASES, PLAIN_COLOURS
from training.tables import load_table

COLUMN = ("top", "center", "bottom")
COLUMNS = ("top left", "left", "bottom left", "top", "center", "bottom", "top right", "right", "bottom right")
PAIRS_OF_ROWS = ("top left", "top right", "left", "right", "bottom left", "bottom right")
# {0} and {1} in the order of their mention, and where they stand.
RELATED: tuple[tuple[str, tuple[str, str]], ...] = load_table("turns", "related")
TRIOS: tuple[tuple[str, tuple[str, ...]], ...] = load_table("turns", "trios")
# The colours {c} of what was called {s}, {S} in capitals; 'respectively' and such by their order.
TOLD_PAIR: tuple[str, ...] = load_table("turns", "told_pair")
TOLD_TRIO: tuple[str, ...] = load_table("turns", "told_trio")
SHORTENED: frozenset[str] = frozenset(load_table("turns", "shortened"))
# Around a phrase {b}, with its scenery: what is said first or last and is no part of the picture.
AROUND: tuple[str, ...] = load_table("turns", "around")
PLAIN_OPENINGS: tuple[str, ...] = load_table("turns", "plain_openings")
ENDS: tuple[str, ...] = load_table("turns", "ends")


def hues(rng: np.random.Generator, count: int) -> list[str]:
    """Different colours, each of one hue: 'X and Y respectively' has no 'red and white' in it."""
    colours: list[str] = []
    while len(colours) < count:
        colour = colour_of(rng)
        if colour not in colours and " and " not in colour:
            colours.append(colour)
    return colours


def ended(rng: np.random.Generator, text: str, things: Sequence[Thing], *, none: float = 0.6, first: bool = True, around_it: bool = False) -> Whole:
    """The brief with an opening where one fits in and, in most cases not, a background."""
    background, wording = scenery(rng, none=none)
    start = pick(rng, PLAIN_OPENINGS) if first and text[:2] in ("a ", "an") else ""
    text = start + text
    if wording:
        mark = " " if text[-1] == "." else pick(rng, (". ", ", ", " - "))
        text = f"{text}{mark}{upper(wording) if mark in (' ', '. ') else wording}" if start or around_it or rng.random() < 0.7 else f"{upper(wording)}: {text}"
    end = pick(rng, ENDS)
    return Whole(text + (end.lstrip(".!") if text[-1] == "." else end), list(things), background)


def short(thing: Thing, others: Sequence[Thing], rng: np.random.Generator) -> str:
    """'lamp' for a floor lamp that was named before, now and then."""
    last = thing.subject.split()[-1]
    clear = all(last not in one.subject for one in others if one is not thing)
    return last if last in SHORTENED and clear and rng.random() < 0.5 else thing.subject


def colours_after(rng: np.random.Generator) -> Whole:
    """'a snail on a mushroom, the snail is blue and the mushroom red'."""
    count = 3 if rng.random() < 0.22 else 2
    form, places = pick(rng, TRIOS if count == 3 else RELATED)
    things = distinct(rng, count, 0.0)
    style, capital = pick(rng, ("a", "a", "a", "a", "the", "")), rng.random() < 0.4
    names = [bare(thing) if style == "a" else f"{style} {thing.phrase}".strip() for thing in things]
    text = form.format(*names)
    colours, called = hues(rng, count), [short(thing, things, rng) for thing in things]
    words = {f"{key}{i}": value for i in range(count) for key, value in (("s", called[i]), ("S", upper(called[i])), ("c", colours[i]), ("C", upper(colours[i])))}
    if count == 2 and rng.random() < 0.1:  # only one of them has its colour said
        i = int(rng.integers(2))
        tail = pick(rng, (", the {s} {c}", ". The {s} is {c}", ". {S}: {c}.", "; make the {s} {c}", " ({s}: {c})", ", {s} in {c}"))
        text += tail.format(s=called[i], S=upper(called[i]), c=colours[i])
        things[i] = replace(things[i], colour=colours[i])
    else:
        text += pick(rng, TOLD_TRIO if count == 3 else TOLD_PAIR).format(**words)
        things = [replace(thing, colour=colour) for thing, colour in zip(things, colours, strict=True)]
    if rng.random() < 0.25:
        around = pick(rng, AROUND)
        if around.endswith("{b}") and (style == "a" and text[:2] in ("a ", "an") or around[:-4].endswith((":", ".", "!"))):
            return ended(rng, around.format(b=text), put(things, places), first=False, around_it=True)
    return ended(rng, upper(text) if capital else text, put(things, places))


# {m} is 'two hearts'; the colours {0}, {1} … in the order of the objects, and their places.
ONES: dict[int, tuple[tuple[str, tuple[str, ...]], ...]] = load_table("turns", "ones")
NUMBERS = ("", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
KINDS: dict[str, tuple[str, ...]] = {
    kind: tuple(noun for noun in nouns if noun in USUAL_COLOUR) for kind, nouns in load_table("turns", "kinds").items()
}
NAMELY: dict[int, tuple[tuple[str, tuple[str, ...]], ...]] = load_table("turns", "namely")


def named(rng: np.random.Generator, nouns: Sequence[str], count: int, coloured: bool) -> list[Thing]:
    """Different things of these nouns."""
    things = [Thing(noun, USUAL_COLOUR[noun], "", noun) for noun in map(str, rng.permutation(nouns)[:count])]
    return [replace(thing, colour=hue, phrase=f"{hue} {thing.subject}") for thing, hue in zip(things, hues(rng, count), strict=True)] if coloured else things


def counts_first(rng: np.random.Generator) -> Whole:
    """'2 hearts. 1 red. 1 pink. pink one above the red one.'; 'four birds, one in each corner, namely a robin …'."""
    if rng.random() < 0.4:
        count, kind = int(rng.choice([2, 3, 4], p=[0.2, 0.3, 0.5])), pick(rng, list(KINDS))
        form, places = pick(rng, NAMELY[count])
        things = named(rng, KINDS[kind], count, rng.random() < 0.45)
        return ended(rng, form.format(*map(bare, things), k=kind), put(things, places), first=False)
    count = int(rng.choice([2, 3, 4], p=[0.55, 0.33, 0.12]))
    form, places = pick(rng, ONES[count])
    (thing,), colours = distinct(rng, 1, 0.0), hues(rng, 4)
    many = f"{pick(rng, (str(count), NUMBERS[count], NUMBERS[count]))} {thing.phrase[: -len(thing.subject)]}{plural(thing.subject)}"
    for i in range(count):
        form = form.replace(f"a {{{i}}}", f"{article(colours[i])} {{{i}}}")
    order = [colours[0], colours[0], colours[1]] if "left two" in form else colours
    text = form.format(*colours, m=many)
    return ended(rng, text, [replace(thing, colour=order[i], place=place) for i, place in enumerate(places)], first=False)


# {x} 'a rabbit' for each m, {n} 'rabbits', {o} another thing; the places in the order of mention.
CORNERED: tuple[tuple[str, str, tuple[str, ...]], ...] = load_table("turns", "cornered")


def cornered(rng: np.random.Generator) -> Whole:
    """'a rabbit in each of the two lower corners and, at the top in the middle, a lilac balloon'."""
    form, kinds, places = pick(rng, CORNERED)
    things = distinct(rng, 3, pick(rng, (0.0, 0.7, 0.9, 1.0)))
    one, other, third = things
    many = [thing.phrase[: -len(thing.subject)] + plural(thing.subject) for thing in things]
    text = form.format(x=bare(one), n=many[0], o=bare(other), y=bare(other), p=many[1], z=bare(third))
    by_kind = {"m": one, "o": other, "z": third}
    return ended(rng, pick(rng, ("", "", "", "", "invitation: ", "card: ")) + text, put([by_kind[kind] for kind in kinds], places))


def gridded_names(rng: np.random.Generator) -> Whole:
    """'grid 3x3: apple, banana, …', 'row 1: … / row 2: …'; also told by columns."""
    rows, columns = pick(rng, ((3, 3), (3, 3), (3, 3), (2, 2), (2, 3), (3, 2)))
    count = rows * columns
    coloured, form = rng.random(), rng.random()
    kind = pick(rng, list(KINDS))
    mixed = rng.random() < 0.6 or len(KINDS[kind]) < count
    if mixed:
        things = distinct(rng, count, 0.0) if coloured < 0.5 else [replace(thing, colour=hue, detail="", phrase=f"{hue} {thing.subject}") for thing, hue in zip(distinct(rng, count, 0.0), hues(rng, count), strict=True)]
    else:
        things = named(rng, KINDS[kind], count, coloured > 0.5)
    after = coloured > 0.5 and rng.random() < 0.25
    names = [f"{thing.subject} {pick(rng, ('({})', '({})')).format(thing.colour)}" if after else thing.phrase for thing in things]
    if rng.random() < 0.25:
        names = [f"{article(name)} {name}" for name in names]
    places: Sequence[str] = {(3, 3): DEFAULT[9], (2, 2): CORNERS, (2, 3): DEFAULT[6], (3, 2): PAIRS_OF_ROWS}[rows, columns]
    sizes: dict[tuple[int, int], Sequence[str]] = {(3, 3): ("3x3", "3 x 3", "3 by 3", "3*3"), (2, 2): ("2x2", "2 x 2", "2 by 2"), (2, 3): ("2 rows x 3 columns", "two rows of three"), (3, 2): ("3 rows x 2 columns", "three rows of two")}
    size = sizes[rows, columns]
    joint = pick(rng, (", ", ", ", ", ", " | ", " "))
    joint = ", " if joint == " " and any(" " in name for name in names) else joint
    if form < 0.45:
        text = pick(rng, ("grid {z}: {l}", "{z} grid: {l}", "{z}: {l}", "{z} grid with {l}", "{l}. Arrange them in a grid, {z}, row by row", "{l} - in a grid, {z}", "Grid, {z}, row by row from the top left: {l}", "{z} board, one thing per cell: {l}", "bingo card {z}: {l}", "Fill this grid, {z}: {l}")).format(z=pick(rng, size), l=joint.join(names))
    elif form < 0.9 or rows == columns == 2:
        lines = [joint.join(names[i * columns : (i + 1) * columns]) for i in range(rows)]
        label = pick(rng, ("row {i}: {l}", "Row {i}: {l}", "{o} row: {l}", "r{i} {l}", "line {i}: {l}", "{l}"))
        order: Sequence[str] = ("first", "second", "third") if rng.random() < 0.5 or rows == 2 else ("top", "middle", "bottom")
        lines = [label.format(i=i + 1, o=order[i], l=line) for i, line in enumerate(lines)]
        mark = pick(rng, (" / ", "\n", "; ", ". ")) if label != "{l}" else pick(rng, (" / ", "\n"))
        text = pick(rng, (f"{pick(rng, size)} grid" + ("\n" if mark == "\n" else ": "), "" if label != "{l}" else "grid: ")) + mark.join(lines)
    else:
        places = {(3, 3): COLUMNS, (2, 3): ("top left", "bottom left", "top", "bottom", "top right", "bottom right"), (3, 2): (*COLUMNS[:3], *COLUMNS[6:])}[rows, columns]
        lines = [joint.join(names[i * rows : (i + 1) * rows]) for i in range(columns)]
        label = pick(rng, ("column {i}: {l}", "col {i}, top to bottom: {l}", "{o} column from the top: {l}"))
        order = ("left", "middle", "right") if columns == 3 else ("left", "right")
        text = pick(rng, ("; ", "\n", " / ")).join(label.format(i=i + 1, o=order[i], l=line) for i, line in enumerate(lines))
    if coloured < 0.12:
        (colour,) = hues(rng, 1)
        things = [replace(thing, colour=colour) for thing in things]
        text += pick(rng, (". All of them {c}", ". All in {c}", "; everything {c}", " (all {c})")).format(c=colour)
    return ended(rng, text, put(things, places), none=0.75, first=False)


def repeated(rng: np.random.Generator) -> Whole:
    """'hearts and stars alternate like a checkerboard, starting with a heart top left'; 'whale whale whale, stacked'."""
    if rng.random() < 0.45:
        (one,) = distinct(rng, 1, 0.0)
        one = replace(one, detail="", phrase=one.subject)
        count = pick(rng, (2, 3, 3, 3))
        way, places = pick(rng, ((", stacked", COLUMN), (", stacked from top to bottom", COLUMN), (", one below the other", COLUMN), (", in a column", COLUMN), (" on top of each other", COLUMN), (", in a row", DEFAULT[3]), (", side by side", DEFAULT[3]), (", all in one line from left to right", DEFAULT[3])))
        end = pick(rng, (" - {w} of them{y}", " = {w} of them{y}", ". {W} of them{y}", " ({w} of them{y})", "{y}"))
        colour = hues(rng, 1)[0] if rng.random() < 0.6 else ""
        text = pick(rng, (" ", ", ", " ")).join([one.subject] * count) + end.format(w=NUMBERS[count], W=upper(NUMBERS[count]), y=way)
        text += pick(rng, (", {c}", ", all {c}", ". {C}.", ". All of them {c}")).format(c=colour, C=upper(colour)) if colour else ""
        return ended(rng, text, put([replace(one, colour=colour or one.colour)] * count, places if count == 3 else (places[0], places[2])), first=False)
    one, two = distinct(rng, 2, 0.0)
    one, two = (replace(thing, detail="", phrase=thing.subject) for thing in (one, two))
    count, sizes = pick(rng, ((9, ("3x3", "3 by 3", "3 x 3")), (9, ("3x3", "tic-tac-toe style 3x3")), (4, ("2x2", "2 by 2")), (6, ("two rows of three", "2 rows x 3 columns"))))
    x, n, m = bare(one), plural(one.subject), plural(two.subject)
    text = pick(rng, (
        "{z}: {n} and {m} alternate like a checkerboard, starting with {x} top left", "{n} and {m} alternate like on a chessboard, {z}, first {x} in the top left corner", "{z} grid, {n} and {m} alternating, {x} top left", "a checkerboard of {n} and {m}, {z}, with {x} in the top left", "{n} and {m}, alternating like chess squares in a {z} grid, starting top left with {x}",
        "{z}, checkered: {n}, {m}, {n}, {m} and so on from the top left, no two alike side by side or one above the other",
    )).format(z=pick(rng, sizes), n=n, m=m, x=x)  # fmt: skip
    if rng.random() < 0.75:
        one, two = (replace(thing, colour=hue) for thing, hue in zip((one, two), hues(rng, 2), strict=True))
        text += pick(rng, (". {N} {c}, {m} {d}", ". {N} are {c}, {m} {d}", ". {M} are {d}, {n} are {c}", "; {n}: {c}, {m}: {d}", " ({n} {c}, {m} {d})", ". The {n} are {c} and the {m} {d}")).format(N=upper(n), M=upper(m), n=n, m=m, c=one.colour, d=two.colour)
    pattern = (0, 1, 1, 0) if count == 4 else [i % 2 for i in range(count)]
    return ended(rng, text, put([(one, two)[i] for i in pattern], DEFAULT[count]), none=0.8, first=False)


def around(rng: np.random.Generator) -> Whole:
    """'I wish to give my bridge club something cheerful; a crown over a heart would do nicely'."""
    things, words = cast(rng, most=3)
    text = joined(said_where(things, words))
    if len(things) == 2 and rng.random() < 0.5:
        form, places = pick(rng, [(form, places) for form, places in RELATED if form.startswith("{0}")])
        text, things = form.format(*map(bare, things)), put(things, places)
    background, wording = scenery(rng, none=0.6)
    return Whole(pick(rng, AROUND).format(b=text + (f" {wording}" if wording else "")) + pick(rng, ("", "", "", ".", " pls", ", thanks")), things, background)


SETTINGS: tuple[str, ...] = load_table("turns", "settings")


def calls(rng: np.random.Generator) -> Whole:
    """'width=1024 seed=7 prompt=one lime chameleon, desert', 'count=2 subject=cat colour=black bg=none', JSON."""
    settings = [str(thing) for thing in rng.permutation(SETTINGS)[: int(rng.integers(1, 4))]]
    background, value = field_of(rng, none=0.35)
    form = rng.random()
    if form < 0.5:
        things, words = cast(rng, most=3, placed=0.4)
        if background and background not in BACKGROUND_PHRASES:  # a bare 'brown' in a list would be some thing's colour
            background = value = f"{value} background"
        names = [f"{pick(rng, ('one ', article(thing.phrase) + ' ', ''))}{thing.phrase} {where}".strip() for thing, where in zip(things, words, strict=True)]
        prompt = ", ".join([*names, value] if value not in ("", "none") else names)
        key = pick(rng, ("prompt", "prompt", "text", "p", "q", "input", "description"))
        pairs = dict(thing.split("=") for thing in settings)
        flags = " ".join(f"--{k} {v}" for k, v in pairs.items())
        text = pick(rng, (
            " ".join([*settings, f"{key}={prompt}"]), f"{key}={prompt}; " + "; ".join(settings), json.dumps({**pairs, key: prompt}), json.dumps({key: prompt, **pairs}), f'"{key}": "{prompt}",', f'draw {flags} --{key} "{prompt}"', f"--{key} '{prompt}' {flags}", f'client.images.create({key}="{prompt}", {", ".join(settings)})', f"POST /v1/images {key}={prompt}&{'&'.join(settings)}",
            f'{{"{key}": "{prompt}"}}', f"/imagine {prompt} {flags}", f"[{' '.join(settings)}] {prompt}", f"{key}: {prompt}\n" + "\n".join(settings), f'curl -d "{key}={prompt}" /render',
        ))  # fmt: skip
        return Whole(text, things, background)
    (one,), count = distinct(rng, 1, 0.0), int(rng.choice([1, 2, 3, 4], p=[0.35, 0.35, 0.2, 0.1]))
    one = replace(one, detail="", phrase=one.subject)
    fields = {pick(rng, ("subject", "object", "what", "thing")): one.subject}
    fields = {pick(rng, ("count", "amount", "qty", "how_many")): str(count)} | fields if count > 1 or rng.random() < 0.5 else fields
    if rng.random() < 0.8:
        one = replace(one, colour=colour_of(rng))
        fields[pick(rng, ("colour", "color", "col", "fill"))] = one.colour
    place = pick(rng, list(WHERE)) if count == 1 and rng.random() < 0.4 else ""
    fields |= {pick(rng, ("pos", "position", "place")): place} if place else {}
    fields |= {pick(rng, ("bg", "background", "backdrop")): value} if value else {}
    if rng.random() < 0.5:
        fields |= dict([settings[0].split("=")])
    shape = rng.random()
    if shape < 0.3:
        text = json.dumps(fields)
    elif shape < 0.4:
        text = json.dumps(fields)[1:-1]
    else:
        sign, joint = pick(rng, (("=", " "), ("=", " "), ("=", "&"), ("=", ", "), (":", " "), (" = ", "; "), ("=", "\n"), (": ", "\n")))
        text = joint.join(f'{k}{sign}"{v}"' if joint == " " and " " in v else f"{k}{sign}{v}" for k, v in fields.items())
        text = pick(rng, ("", "", "", "", "draw ", "?", "make_image ")) + text
    return Whole(text, put([one] * count, (place,) if place else DEFAULT[count]), background)


COMMON = tuple(noun for noun in load_table("turns", "common") if noun in USUAL_COLOUR)
SOUND_SPELLINGS: tuple[tuple[str, ...], ...] = load_table("turns", "sound_spellings")
# Words that a misspelling must not become.
WORDS = frozenset(word for name in (*USUAL_COLOUR, *PLAIN_COLOURS) for word in name.lower().split()) | frozenset(load_table("turns", "other_words"))


def misspelt(word: str, rng: np.random.Generator) -> str:
    """Another spelling that is no word itself: one letter lost, doubled or swapped, or as it sounds; sometimes two."""
    if len(word) < 4 or not word.isalpha():
        return word
    for _ in range(20):
        out = word
        for _ in range(2 if len(word) > 7 and rng.random() < 0.3 else 1):
            i, form = int(rng.integers(1, len(out) - 1)), rng.random()
            spellings = [pair for pair in SOUND_SPELLINGS if pair[0] in out[1:]]
            if form < 0.4 and spellings:
                x, y = pick(rng, spellings[:4])
                out = out[0] + out[1:].replace(x, y, 1)
            elif form < 0.58:
                out = out[:i] + out[i + 1] + out[i] + out[i + 2 :]
            elif form < 0.78:
                out = out[: i + 1] + out[i:]
            elif len(out) > 4:
                out = out[:i] + out[i + 1 :]
        if out != word and out not in WORDS:
            return out
    return word


def misspellings(rng: np.random.Generator) -> Whole:
    """'a giraf and a elefant in the forrest': the answer has the right spelling."""
    count = int(rng.choice([1, 2, 3], p=[0.3, 0.4, 0.3]))
    rate, coloured = pick(rng, (0.7, 0.9, 1.0)), rng.random() < 0.7
    palette = (*(c for c in PLAIN_COLOURS if c != "gray"), "turquoise", "violet", "golden", "silver", "beige", "lilac", "crimson", "emerald", "magenta", "dark blue", "light green", "dark red", "light brown")

    def spelt(words: str) -> str:
        return " ".join(misspelt(word, rng) if rng.random() < rate else word for word in words.split(" "))

    things, names = [], []
    places: Sequence[str] = DEFAULT[count]
    for noun in map(str, rng.permutation(COMMON)[:count]):
        colour = pick(rng, palette) if coloured and rng.random() < 0.85 else ""
        thing = Thing(noun, colour or USUAL_COLOUR[noun], "", f"{colour} {noun}".strip())
        wording = spelt(thing.phrase)
        names.append(pick(rng, ("a {}", "a {}", "{}", "one {}", "an {}" if wording[0] in "aeiou" else "a {}")).format(wording))
        things.append(thing)
    if count == 2 and rng.random() < 0.6:
        form, places = pick(rng, RELATED)
        text = " ".join(misspelt(w, rng) if w[0] != "{" and rng.random() < 0.12 else w for w in form.split(" ")).format(*names)
    else:
        text = pick(rng, (" and ", ", ", ", ")).join(names) if count > 1 else names[0]
    background = ""
    if rng.random() < 0.55:
        background = pick(rng, list(BACKGROUND_PHRASES))
        wording = background if rng.random() < 0.5 else pick(rng, [p for p in BACKGROUND_PHRASES[background] if len(p.split()) < 5])
        text += pick(rng, (" ", ", ", " ")) + spelt(wording)
    return Whole(pick(rng, ("", "", "", "plese draw ", "pls ", "i wnat ", "can yuo draw ", "pictur of ")) + text + pick(rng, ("", "", "", " thanx", " plz", " tank you")), put(things, places), background)


# Plain backgrounds of a colour {c}, as said and as answered; nothing at all is answered with nothing.
BACKDROPS: tuple[tuple[str, str], ...] = load_table("turns", "backdrops")
SIZES: tuple[str, ...] = load_table("turns", "sizes")


def plain_grounds(rng: np.random.Generator) -> Whole:
    """'a large fox against a pale blue background', 'a tiny crab on plain mint': a size is no colour."""
    things, words = cast(rng, most=3, placed=0.4, coloured=pick(rng, (0.0, 0.6, 1.0)))
    for i, one in enumerate(things):
        if not one.detail and rng.random() < 0.4:
            size = pick(rng, SIZES)
            things[i] = replace(one, detail=size, phrase=f"{size} {one.phrase}")
    names = said_where(things, words)
    text = pick(rng, (joined(names), joined(names), ", ".join(names)))
    wording, value = pick(rng, BACKDROPS)
    (colour,) = hues(rng, 1)
    colour = pick(rng, ("{}", "{}", "pale blue", "dark blue", "mint", "light grey", "pale yellow", "dusty pink", "deep red", "soft lilac", "off-white", "very light green")).format(colour)
    wording, value = (words.format(c=colour, an=article(colour)) for words in (wording, value))
    prepositional = wording.split()[0] in ("against", "on", "in", "over", "with", "without")
    text = f"{text} {wording}" if prepositional and rng.random() < 0.6 else pick(rng, (f"{text}, {wording}", f"{text}. {upper(wording)}", f"{text}; {wording}", f"{upper(wording)}. {upper(text)}", f"{text} - {wording}", f"{text} ({wording})"))
    return Whole(text + pick(rng, ("", "", "", ".", " please", ", thx")), things, value)


# (weight, form)
TURNS: tuple[tuple[float, Callable[[np.random.Generator], Whole]], ...] = (
    (2.4, colours_after), (1.6, counts_first), (1.3, cornered), (1.1, gridded_names), (0.8, repeated), (1.1, around), (1.1, calls), (1.2, misspellings), (1.1, plain_grounds),
)  # fmt: skip


def turn_brief(rng: np.random.Generator) -> Whole:
    weights = np.array([weight for weight, _ in TURNS])
    return TURNS[int(rng.choice(len(weights), p=weights / weights.sum()))][1](rng)
