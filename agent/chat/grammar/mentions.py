"""Which regions a message mentions: 'the cat on the left', 'both birds', 'the red one', 'it'."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ....prompts.layout.places import PLACES
from ....prompts.plan import Region
from ....prompts.prompt_style import COLOURS, SHADES, place_of, subject_of
from ...planning.plan_checks import singular
from ..phrases import enumerated, located

PLACE = r"(?:(?:top|upper|bottom|lower)[ -](?:left|right)|top|bottom|upper|lower|left|right|middle|cent(?:er|re))"
_GENERIC = {"one", "ones", "thing", "things", "object", "objects"}
_ORDINALS = {"first": 0, "second": 1, "third": 2, "fourth": 3, "last": -1}
_ALL = r"(?:all of them|both of them|the two|the both|everything|everyone|everybody|them|they|both|all)"
# An indefinite thing is new; its noun phrase ends before these.
_NEW = (
    r"\b(?:a|an|another|some|one more|(?<!the )(?<!these )(?<!those )(?:two|three|four|five|six))\s+(?!bit\b|little\b)"
)
_NEW_ENDS = (
    r"(?=\b(?:left|right) of\b|\b(?:to the|on the|at the|in the|next|beside|above|below|under|underneath|over|between|"
    r"behind|instead|into|with|where|by|near|for|in place)\b|[,;@]|$)"
)


def place_named(words: str) -> str:
    """A place in the contract's words: 'upper-right' → 'top right'."""
    place = re.sub(r"\bupper\b", "top", re.sub(r"\blower\b", "bottom", words.replace("-", " ")))
    place = re.sub(r"\b(middle|centre)\b", "center", place).strip()
    return place if place in PLACES else "center"


@dataclass
class Reading:
    """A message with its mentions replaced by '@0', '@1' …; `mentioned[i]`: indices of the regions of mention i.

    `doubts`: clarifying questions about mentions that fit no region, or too many. `pronouns`: the mentions that are 'it' or
    'them'.
    """

    text: str
    mentioned: list[list[int]] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    pronouns: set[int] = field(default_factory=set)


class Mentions:
    """Finds mentions of the regions of a plan. `touched`: names of the regions that were changed last: 'it'."""

    def __init__(self, regions: Sequence[Region], touched: Sequence[str] = ()) -> None:
        self.regions = regions
        self.touched = [i for i, region in enumerate(regions) if region.name in touched]
        self.nouns: dict[str, set[int]] = {}
        for index, region in enumerate(regions):
            subject = subject_of(region).lower()
            for form in {
                subject,
                subject.split(" ")[-1],
                re.sub(r" \d+$", "", region.name.lower()),
                region.name.lower(),
            }:
                for word in (form, *_plurals(form)):
                    self.nouns.setdefault(word, set()).add(index)
        looks = {word for region in regions for word in re.findall(r"[a-z-]+", region.prompt.low_level.lower())}
        self.qualifiers = COLOURS | SHADES | looks | set(_ORDINALS) | {"other", "two", "three", "four", "big", "small"}

    def readings(self, text: str) -> Iterator[Reading]:
        """Up to three readings: places after a noun as part of the mention, then not; then bare nouns only."""
        seen = set()
        for places, qualifiers in ((True, True), (False, True), (False, False)):
            reading = self._read(text, places=places, qualifiers=qualifiers)
            if reading.text not in seen:
                seen.add(reading.text)
                yield reading

    def _read(self, text: str, *, places: bool, qualifiers: bool) -> Reading:
        reading, out, at = Reading(""), "", 0
        mention, new = self._pattern(places, qualifiers), re.compile(_NEW + r".*?" + _NEW_ENDS)
        while at < len(text):
            match, fresh = mention.search(text, at), new.search(text, at)
            if fresh and (not match or fresh.start() <= match.start()):
                out, at = out + text[at : fresh.end()], max(fresh.end(), at + 1)
                continue
            if not match:
                break
            out += text[at : match.start()] + f"@{len(reading.mentioned)}"
            mentioned = self._resolve(match)
            reading.pronouns |= {len(reading.mentioned)} if match["pronoun"] else set()
            if isinstance(mentioned, str):
                reading.doubts.append(mentioned)
                mentioned = []
            reading.mentioned.append(mentioned)
            at = match.end()
        reading.text = out + text[at:]
        return reading

    def _pattern(self, places: bool, qualifiers: bool) -> re.Pattern[str]:
        nouns = "|".join(sorted((re.escape(noun) for noun in self.nouns), key=len, reverse=True)) or r"(?!)"
        words = "|".join(sorted((re.escape(word) for word in self.qualifiers), key=len, reverse=True))
        before = rf"(?P<before>(?:(?:{words}|{PLACE})\s+){{0,3}})" if qualifiers else "(?P<before>)"
        generic = rf"(?P<generic>(?<=\s)(?:{'|'.join(_GENERIC)}))" if qualifiers else "(?P<generic>(?!))"
        behind = rf"(?:\s+(?:that is|that's|which is))?\s+(?:on|at|in) the (?:far |very )?(?P<place>{PLACE})(?: side| corner| half)?(?! of\b)"
        return re.compile(
            rf"\b(?:(?:(?P<every>all|both|every|each)\s+(?:of\s+)?)?(?:(?P<the>the|this|that|these|those|my)\s+)?{before}"
            rf"(?:(?P<noun>{nouns})|{generic})|(?P<pronoun>{_ALL}|(?:it|that|this)(?! is\b)))\b(?!')"
            + (rf"(?:{behind}\b)?" if places else "(?P<place>)")
        )

    def _resolve(self, match: re.Match[str]) -> list[int] | str:
        """Indices of the regions of a mention, or a clarifying question about it."""
        everything = list(range(len(self.regions)))
        if pronoun := match["pronoun"]:
            if re.fullmatch(_ALL, pronoun):
                return everything
            if len(everything) == 1 or len(self.touched) == 1:
                return everything if len(everything) == 1 else self.touched
            return f"What do you mean by '{pronoun}': {self._choices(everything)}?"
        noun, phrase = match["noun"], match[0].strip()
        among = sorted(self.nouns[noun]) if noun else everything
        for word in match["before"].split():
            if word in COLOURS | SHADES or word in self._looks():
                among = [i for i in among if word in re.findall(r"[a-z-]+", self.regions[i].prompt.low_level.lower())]
        for place in [match["place"], *re.findall(rf"\b{PLACE}\b", match["before"])]:
            among = self._at(among, place_named(place)) if place else among
        if "other" in match["before"]:
            among = [i for i in among if i not in self.touched]
        for word in match["before"].split():
            if word in _ORDINALS:
                among = [among[_ORDINALS[word]]] if -1 <= _ORDINALS[word] < len(among) else []
        if not among:
            return f"There is no '{re.sub(r'^(the|my|this|that) ', '', phrase)}' here; I see {self._choices(range(len(self.regions)))}."
        several = match["every"] or re.search(r"\b(two|three|four)\b", match["before"])
        several = (
            several or (noun and noun not in self._singulars()) or match["generic"] in ("ones", "things", "objects")
        )
        if len(among) > 1 and not several:
            return f"Which one do you mean: {self._choices(among)}?"
        return among

    def _at(self, among: list[int], place: str) -> list[int]:
        """The regions at a place; if there is none, the region furthest in its direction."""
        there = [i for i in among if set(place.split()) <= set(place_of(self.regions[i].box).split())]
        if there or len(among) < 2 or place == "center":
            return there
        signs = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}
        dx, dy = (sum(signs[word][axis] for word in place.split()) for axis in (0, 1))
        how_far = {i: dx * self.regions[i].box.centre[0] + dy * self.regions[i].box.centre[1] for i in among}
        first, second = sorted(how_far.values(), reverse=True)[:2]
        return [max(how_far, key=lambda i: how_far[i])] if first - second > 0.05 else []

    def _looks(self) -> frozenset[str]:
        return frozenset(self.qualifiers) - set(_ORDINALS) - {"other", "two", "three", "four"}

    def _singulars(self) -> set[str]:
        names = {subject_of(region).lower() for region in self.regions}
        return names | {name.split(" ")[-1] for name in names} | {region.name.lower() for region in self.regions}

    def _choices(self, among: Sequence[int]) -> str:
        return enumerated([located(self.regions[i]) for i in among], "or" if len(among) < len(self.regions) else "and")


def _plurals(noun: str) -> list[str]:
    return [form for form in (noun + "s", noun + "es", noun[:-1] + "ies", noun[:-1] + "ves") if singular(form) == noun]
