"""The vocabulary of a checkpoint: what it was trained to draw, from its vocabulary.json. Loads no model.

Published models have no such file and are not restricted.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path

from ...prompts.answers.planner_schema import article, plural
from ...prompts.errors import ModelError
from ...prompts.outside_json import parse_json, read_bounded
from ...prompts.plan import Region, ScenePlan
from ...prompts.prompt_style import subject_of
from ...prompts.prompt_syntax import plain_text, without_loras
from ...prompts.templates import word_list
from .registry import Checkpoint

KINDS = ("subjects", "colours", "backgrounds", "patterns", "styles", "lights")
CANNOT = "the model cannot draw"
QUOTED = 12  # words that a warning quotes


@dataclass(frozen=True)
class Phrase:
    """A word of a text, or several that have one meaning, as written from `start` to `end`. kind, name: what the model
    draws by it, 'another thing' for what a known one only modifies ('apple pie'), empty for any other. small: a
    function word, a number, or another word of the captions. adjacent: only a space or a hyphen stands before it."""

    text: str
    start: int
    end: int
    kind: str
    name: str
    small: bool
    adjacent: bool


@dataclass(frozen=True)
class KnownWords:
    """Words of a text. known: (kind, name) of each thing that the model draws. unknown: phrases that it was not trained
    on, as written."""

    known: frozenset[tuple[str, str]]
    unknown: tuple[str, ...]

    def of(self, kind: str) -> set[str]:
        return {name for each, name in self.known if each == kind}


@dataclass(frozen=True)
class Vocabulary:
    """What a checkpoint draws: for each kind, names with their words and phrases. words: all other words of its
    training captions."""

    subjects: Mapping[str, tuple[str, ...]]
    colours: Mapping[str, tuple[str, ...]]
    backgrounds: Mapping[str, tuple[str, ...]]
    patterns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    styles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    lights: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: frozenset[str] = frozenset()

    @property
    def summary(self) -> str:
        """The vocabulary as a sentence for people and language models."""
        parts = [
            f"{len(self.subjects)} things: {', '.join(self.subjects)}",
            f"{len(self.colours)} colours: {', '.join(self.colours)}",
            f"{len(self.backgrounds)} backgrounds: {', '.join(phrases[0] for phrases in self.backgrounds.values())}",
        ]
        looks = [phrases[0] for kind in (self.patterns, self.styles, self.lights) for phrases in kind.values()]
        parts += [f"looks and light: {', '.join(looks)}"] if looks else []
        return f"{'; '.join(parts)}. Anything else comes out as a coloured shape, or not at all."

    @cached_property
    def _phrases(self) -> dict[str, list[tuple[tuple[str, ...], str, str]]]:
        """(words, kind, name) by first word, longest phrases first; nouns in the plural too."""
        phrases: dict[str, list[tuple[tuple[str, ...], str, str]]] = {}
        for kind in KINDS:
            for name, texts in getattr(self, kind).items():
                for text in texts:
                    *before, last = _words(text)
                    for form in forms(last) if kind == "subjects" else [last]:
                        words = (*before, form)
                        phrases.setdefault(words[0], []).append((words, kind, name))
        return {first: sorted(several, key=lambda phrase: -len(phrase[0])) for first, several in phrases.items()}

    def read(self, text: str) -> KnownWords:
        """Known and unknown phrases of a text. Function words and numbers are neither."""
        text = plain_text(without_loras(text)[0])
        known, unknown, run = set[tuple[str, str]](), list[str](), list[Phrase]()

        def close() -> None:
            if run:
                unknown.append(text[run[0].start : run[-1].end])
                run.clear()

        for phrase in self.phrases(text):
            if phrase.kind in KINDS:
                known.add((phrase.kind, phrase.name))
            if phrase.kind in KINDS or phrase.small or not phrase.adjacent:
                close()
            if phrase.kind not in KINDS and not phrase.small:
                run.append(phrase)
        close()
        return KnownWords(frozenset(known), tuple(dict.fromkeys(unknown)))

    def phrases(self, text: str) -> Iterator[Phrase]:
        """The words of a text in order, those of a known phrase as one."""
        spans = [(match[0].lower(), match.start(), match.end()) for match in re.finditer(r"\w+", text)]
        words, index = [word for word, _, _ in spans], 0

        def adjacent(index: int) -> bool:
            return bool(index) and not text[spans[index - 1][2] : spans[index][1]].strip(" -")

        while index < len(words):
            size, kind, name = self._phrase_at(words, index)
            after = index + size
            if kind == "subjects" and after < len(words) and adjacent(after) and self._is_noun(words, after):
                size, kind = size + 1, "another thing"  # an apple pie is no apple
            last = index + max(1, size) - 1
            start, end = spans[index][1], spans[last][2]
            yield Phrase(text[start:end], start, end, kind, name, small=not size, adjacent=adjacent(index))
            index = last + 1

    def in_names(self, text: str, kind: str = "subjects") -> str:
        """The text with each thing (or colour) by its name here: 'two red kittens' → 'two red cats'."""
        out, end = list[str](), 0
        for phrase in self.phrases(text):
            if phrase.kind == kind:
                many = kind == "subjects" and phrase.text.lower() not in self.subjects[phrase.name]
                out += [text[end : phrase.start], plural(phrase.name) if many else phrase.name]
                end = phrase.end
        return "".join([*out, text[end:]])

    def places(self, noun: str) -> set[str]:
        """The backgrounds that a noun in small letters is a word for: 'forest', 'winter'. Not those of things and
        lights, which have other meanings."""
        return self._places.get(noun, set())

    @cached_property
    def _places(self) -> dict[str, set[str]]:
        places: dict[str, set[str]] = {}
        for name, texts in self.backgrounds.items():
            for text in texts:
                places.setdefault(_words(text)[-1], set()).add(name)
        lights = {word for texts in self.lights.values() for text in texts for word in _words(text)}
        return {noun: names for noun, names in places.items() if noun not in self._phrases and noun not in lights}

    def _phrase_at(self, words: list[str], index: int) -> tuple[int, str, str]:
        """(length in words, kind, name) of the phrase at a word: a known phrase, an unknown word (kind ''), or length 0
        for a function word."""
        for phrase, kind, name in self._phrases.get(words[index], ()):
            if _at(words, index, phrase):
                return len(phrase), kind, name
        word = words[index]
        small = word in self.words or word in word_list("function_words") or word.isdigit()
        return (0 if small else 1), "", ""

    def _is_noun(self, words: list[str], index: int) -> bool:
        """Whether a word may be a noun that the subject before it modifies, as in 'apple pie'; participles are not."""
        size, kind, _ = self._phrase_at(words, index)
        return bool(size) and not kind and not words[index].endswith(("ing", "ed"))

    def draws(self, region: Region) -> bool:
        """Whether a region names something that the model was trained to draw."""
        reading = self.read(region.prompt.high_level)
        return bool(reading.of("subjects") or reading.of("backgrounds"))

    def shapes(self, plan: ScenePlan) -> list[Region]:
        """The regions that come out as coloured shapes, since the model was not trained to draw what they name."""
        return [region for region in plan.regions if not self.draws(region)]

    def warnings(self, plan: ScenePlan) -> list[str]:
        """Warnings about a plan: objects that are drawn as plain shapes, and words that have no effect."""
        shapes = self.shapes(plan)
        things = list(dict.fromkeys(_named(region) for region in shapes))
        out = [f"{CANNOT} {_listed(things)}: a coloured shape stands there"] if things else []
        reported = {word for region in shapes for word in _words(region.prompt.high_level)}
        texts = [*(region.prompt.text for region in plan.regions), plan.scene.high_level, plan.scene.low_level]
        rest = {phrase.lower(): phrase for text in texts for phrase in self.read(text).unknown}
        lacking = [left for phrase in rest.values() if (left := _without(phrase, reported))]
        out += [f"the model was not trained on {quoted(lacking)}: ignored"] if lacking else []
        return out

    @staticmethod
    def is_shape_warning(warning: str) -> bool:
        """Whether this is the warning about coloured shapes."""
        return warning.startswith(CANNOT)


@lru_cache
def _load(folder: Path) -> Vocabulary | None:
    try:
        content = read_bounded(folder / "vocabulary.json")
    except OSError:
        return None
    try:
        data = parse_json(content)
        kinds = {kind: {name: tuple(texts) for name, texts in data.get(kind, {}).items()} for kind in KINDS}
        return Vocabulary(**kinds, words=frozenset(data.get("words", ())))
    except (ValueError, TypeError, AttributeError) as error:
        raise ModelError(f"{folder / 'vocabulary.json'} is not in ditpipe's form") from error


def vocabulary_of(checkpoint: Checkpoint) -> Vocabulary | None:
    """The vocabulary of a checkpoint, None if it has none. Raises ModelError for a broken file."""
    return _load(Path(checkpoint.source).absolute())


def _named(region: Region) -> str:
    subject = subject_of(region).strip() or region.name
    return subject if subject.lower().split(" ")[0] in word_list("function_words") else f"{article(subject)} {subject}"


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _at(words: list[str], index: int, phrase: tuple[str, ...]) -> bool:
    return tuple(words[index : index + len(phrase)]) == phrase


def forms(noun: str) -> Iterable[str]:
    """A noun and what its plural may look like."""
    yield from (noun, f"{noun}s", f"{noun}es")
    if noun.endswith("y"):
        yield f"{noun[:-1]}ies"
    if noun.endswith(("f", "fe")):
        yield f"{noun.removesuffix('e')[:-1]}ves"


def _without(phrase: str, words: set[str]) -> str:
    """The phrase without these words, which are in lower case."""
    return " ".join(word for word in re.findall(r"\w+", phrase) if word.lower() not in words)


def quoted(phrases: Sequence[str]) -> str:
    """Phrases as a warning quotes them, the first dozen."""
    return ", ".join(repr(phrase[:60]) for phrase in phrases[:QUOTED]) + (", …" if len(phrases) > QUOTED else "")


def _listed(parts: list[str]) -> str:
    return " or ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
