"""English nouns and numbers as briefs write them: singulars by spelling, numbers in words and digits. Pure."""

import re

IRREGULAR = {
    "mice": "mouse", "geese": "goose", "teeth": "tooth", "feet": "foot", "oxen": "ox", "children": "child",
    "people": "person",
}  # fmt: skip
# Ends of nouns whose plural has no s: 'women', 'goldfish', 'spacecraft'; not before another noun, 'two fish bowls'.
_WITHOUT_S = r"[a-z]*men|[a-z]*(?:fish|sheep|deer|craft)(?!\s+[a-z]+s\b)"
_UNITS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
    " eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
NUMBERS = (
    {word: number for number, word in enumerate(_UNITS, 1)}
    | {word: 10 * number for number, word in enumerate(_TENS, 2)}
    | {f"{ten}-{unit}": 10 * i + j for i, ten in enumerate(_TENS, 2) for j, unit in enumerate(_UNITS[:9], 1)}
    | {"a dozen": 12, "a hundred": 100}
)
_NUMBER = "|".join(sorted(NUMBERS, key=len, reverse=True))
_NOT_ALONE = r"(?<![\w:.,/-])(?<!\bby )(?<!\bx )(?<!\bto )(?<!\bor )(?<!\bhalf )"  # '16:9', '3 by 3', 'two to four'
_NO_NUMBER = rf"(?!(?:{_NUMBER}|dozen|hundred)\b)"  # not 'two dozen'
_COUNTED = re.compile(
    rf"{_NOT_ALONE}(?P<number>{_NUMBER}|\d{{1,4}})\s+(?:{_NO_NUMBER}[a-z]+\s+){{0,2}}?"
    rf"(?P<noun>{_NO_NUMBER}[a-z]+s|{_WITHOUT_S}|{'|'.join(IRREGULAR)})\b"
)


def singular(word: str) -> str:
    """A noun's singular by spelling: 'cats' → 'cat', 'houses' → 'house', 'wolves' → 'wolf', 'bus' stays."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(l|ea|ar)ves$", word):
        return word[:-3] + "f"
    if word.endswith("men"):
        return word[:-3] + "man"
    if re.search(r"(ch|sh|x|ss|ato|[^o]us)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) else word


def counted_nouns(text: str) -> list[tuple[str, int, str]]:
    """Each number above one with the plural noun that it counts, at most two words later: (as written, number, noun).

    'twelve blue balloons' → ('twelve', 12, 'balloons'). text: in small letters. Numbers of several words are left out.
    """
    found = [(match["number"], match["noun"]) for match in _COUNTED.finditer(text)]
    counts = [(written, NUMBERS.get(written) or int(written), noun) for written, noun in found]
    return [count for count in counts if count[1] > 1]
