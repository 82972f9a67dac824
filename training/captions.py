"""Captions of scenes in varied wording."""

import numpy as np

from training.tables import load_table
from training.world import Scene, Thing

SUBJECT_WORDS: dict[str, str] = load_table("captions", "subject_words")
COLOUR_WORDS: dict[str, str] = load_table("captions", "colour_words")
BACKGROUND_WORDS: dict[str, tuple[str, ...]] = load_table("captions", "background_words")
PATTERN_WORDS: dict[str, tuple[str, ...]] = load_table("captions", "pattern_words")
STYLE_WORDS: dict[str, tuple[str, ...]] = load_table("captions", "style_words")
WHOLE_STYLES: dict[str, tuple[str, ...]] = load_table("captions", "whole_styles")
LIGHT_WORDS: dict[str, tuple[str, ...]] = load_table("captions", "light_words")
MOOD_WORDS: tuple[str, ...] = load_table("captions", "mood_words")
NINE: tuple[tuple[str, ...], ...] = load_table("captions", "nine")
CELLS = {
    "pair": (3, 5), "stack": (1, 7), "row3": (3, 4, 5), "column3": (1, 4, 7), "quad": (0, 2, 6, 8),
    "nine": tuple(range(9)),
}  # fmt: skip


def _pick(rng: np.random.Generator, options: tuple[str, ...] | list[str], first: float = 0.5) -> str:
    """The first (plainest) option with probability `first`, else any."""
    return options[0] if rng.random() < first else options[int(rng.integers(len(options)))]


def name_of(thing: Thing, rng: np.random.Generator, *, style: float | None = None) -> str:
    """'a red cat', 'a striped crimson kitten', 'a glossy cat that is red' …; style: the chance that its style is named.

    Plain patterns are never named, flat style rarely.
    """
    subject = _pick(rng, SUBJECT_WORDS[thing.subject].split(), 0.65).replace("+", " ")
    colour = _pick(rng, COLOUR_WORDS[thing.colour].split(), 0.75)
    before, after = "", ""
    if thing.pattern in PATTERN_WORDS and rng.random() < 0.92:
        words = _pick(rng, PATTERN_WORDS[thing.pattern], 0.5)
        before, after = ("", f" {words}") if words.startswith("with") else (f"{words} ", "")
    if rng.random() < ((0.9 if thing.style == "glossy" else 0.08) if style is None else style):
        before = f"{_pick(rng, STYLE_WORDS[thing.style], 0.6)} {before}"
    form = rng.random()
    if form < 0.92:
        words = f"{colour} {before}{subject}{after}" if rng.random() < 0.15 else f"{before}{colour} {subject}{after}"
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}" if form < 0.72 else words
    words = f"{before}{subject}"
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words} in {colour}{after}" if form < 0.97 else f"{words}, {colour}{after}"


def place_of(cell: int, rng: np.random.Generator) -> str:
    words = _pick(rng, NINE[cell], 0.75)
    if cell in (1, 7):
        return _pick(rng, (f"at the {words}", f"in the {words}"), 0.7)
    if cell in (3, 5):
        return _pick(rng, (f"on the {words}", f"at the {words}"), 0.8)
    if cell == 4:
        return f"in the {words}"
    return _pick(rng, (f"at the {words}", f"in the {words}", f"in the {words} corner"), 0.5)


def cell_at(x: float, y: float) -> int:
    return min(2, int(y * 3)) * 3 + min(2, int(x * 3))


def _join(parts: list[str], rng: np.random.Generator) -> str:
    if len(parts) == 1:
        return parts[0]
    if rng.random() < 0.3:
        return ", ".join(parts)
    return ", ".join(parts[:-1]) + " and " + parts[-1]


def caption(scene: Scene, arrangement: str, rng: np.random.Generator) -> str:
    """A caption of the scene. About a fifth names no places, a sixth no background."""
    styles = {thing.style for thing in scene.things}
    whole = ""  # a style named for the whole picture
    if len(styles) == 1 and rng.random() < 0.4:
        (style,) = styles
        whole = _pick(rng, WHOLE_STYLES[style], 0.4) if style == "glossy" or rng.random() < 0.2 else ""
    names = [name_of(thing, rng, style=0.0 if whole else None) for thing in scene.things]
    form = rng.random()
    if not names:
        body = ""
    elif arrangement == "centre":
        body = (
            names[0]
            if form < 0.8
            else f"{_pick(rng, ('a large', 'a big'))} {names[0].removeprefix('a ').removeprefix('an ')}"
        )
    elif (arrangement == "scatter" and form < 0.55) or (arrangement == "line" and form < 0.6):
        body = _join(names, rng)
    elif arrangement == "before" and form < 0.6:
        body = f"{_join(names[1:], rng)} in front of {names[0]}"
    elif arrangement in ("free", "corner3", "scatter", "opposite", "line", "before"):
        parts = []
        for thing, name in zip(scene.things, names, strict=True):
            if arrangement == "free" and thing.size < 0.4 and rng.random() < 0.4:
                name = f"a {_pick(rng, ('small', 'little', 'tiny'))} {name.removeprefix('a ').removeprefix('an ')}"
            parts.append(f"{name} {place_of(cell_at(thing.x, thing.y), rng)}" if form < 0.7 else name)
        body = _join(parts, rng)
    elif arrangement == "pair" and form < 0.24:
        body = _pick(rng, (f"{names[0]} to the left of {names[1]}", f"{names[1]} to the right of {names[0]}", f"{names[0]} next to {names[1]}", f"{names[0]} beside {names[1]}"), 0.3)  # fmt: skip
    elif arrangement == "stack" and form < 0.34:
        body = _pick(rng, (f"{names[0]} above {names[1]}", f"{names[1]} below {names[0]}", f"{names[0]} over {names[1]}", f"{names[1]} under {names[0]}"), 0.3)  # fmt: skip
    elif form > 0.86:
        body = _join(names, rng)
    else:
        cells = CELLS[arrangement]
        if form < 0.70:
            parts = [f"{name} {place_of(cell, rng)}" for name, cell in zip(names, cells, strict=True)]
        elif form < 0.78:
            parts = [f"{place_of(cell, rng)} {name}" for name, cell in zip(names, cells, strict=True)]
        else:
            parts = [f"{_pick(rng, NINE[cell])}: {name}" for name, cell in zip(names, cells, strict=True)]
        if rng.random() < 0.2:
            parts = [parts[i] for i in rng.permutation(len(parts))]
        body = _join(parts, rng)
    where = _pick(rng, BACKGROUND_WORDS[scene.background], 0.4)
    form = rng.random()
    if not names:
        text = where
    elif form < 0.16:
        text = body
    elif form < 0.62:
        text = f"{body} {where}"
    elif form < 0.84:
        text = f"{body}, {where}"
    else:
        text = f"{where}, {body}" if form < 0.93 else f"{where}: {body}"
    if rng.random() < (0.3 if scene.light == "bright" else 0.9):
        text = f"{text}, {_pick(rng, LIGHT_WORDS[scene.light], 0.3)}"
    if whole:
        text = f"{text}, {whole}"
    if rng.random() < 0.1:
        text = f"{text}, {_pick(rng, MOOD_WORDS)} mood"
    form = rng.random()
    if form < 0.06:
        text = f"{_pick(rng, ('a picture of', 'a sticker of', 'an illustration of', 'a drawing of', 'a cartoon of'), 0.2)} {text}"
    return text


def all_words() -> set[str]:
    """Every word that a caption can have; the text encoder's vocabulary has them as whole words."""
    tables: tuple[dict[str, tuple[str, ...]], ...] = (BACKGROUND_WORDS, PATTERN_WORDS, STYLE_WORDS, WHOLE_STYLES, LIGHT_WORDS)
    phrases = [phrase for table in tables for several in table.values() for phrase in several]
    text = " ".join([*SUBJECT_WORDS.values(), *COLOUR_WORDS.values(), *phrases, *MOOD_WORDS]).replace("+", " ")
    text += " " + " ".join(word for pair in NINE for word in pair)
    text += " a an and the to of next beside above below over under in front small little tiny large big picture sticker"
    text += " illustration drawing cartoon corner mood , : ; . at in on blurred"
    return set(text.lower().replace(",", " , ").replace("-", " - ").split())


def vocabulary() -> dict[str, dict[str, list[str]] | list[str]]:
    """A checkpoint's vocabulary.json: words by name for each kind, the plainest first, and all other words of captions."""
    subjects, colours = (
        {name: [word.replace("+", " ") for word in words.split()] for name, words in table.items()}
        for table in (SUBJECT_WORDS, COLOUR_WORDS)
    )
    styles = {name: [*STYLE_WORDS[name], *WHOLE_STYLES[name]] for name in STYLE_WORDS}
    kinds = {
        "subjects": subjects, "colours": colours, "backgrounds": {n: list(t) for n, t in BACKGROUND_WORDS.items()},
        "patterns": {name: list(dict.fromkeys(texts)) for name, texts in PATTERN_WORDS.items()}, "styles": styles,
        "lights": {name: list(texts) for name, texts in LIGHT_WORDS.items()},
    }  # fmt: skip
    things = {word for several in subjects.values() for text in several for word in text.split()}
    return kinds | {"words": sorted(word for word in all_words() - things if word.isalpha())}
