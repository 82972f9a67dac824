"""New words in a region's look: what changes, and what stays of the old one. Pure."""

import re
from collections.abc import Sequence

from ....prompts.answers.planner_schema import BEHIND_THE_NOUN, article
from ....prompts.prompt_style import COLOURS, SHADES
from ....prompts.templates import word_list

_COLOUR = rf"(?:(?:{'|'.join(SHADES)})[ -])*(?:{'|'.join(sorted(COLOURS, key=len, reverse=True))})"
_BEFORE_NOUN = re.compile(rf"\b{_COLOUR}(?:(?:, | and |-){_COLOUR})* (?=\w)", re.IGNORECASE)


def relooked(low: str, looks: str) -> str:
    """'striped red' with 'orange' is 'striped orange', with 'made of glass' 'striped red, made of glass'. What stands
    behind commas stays, unless it begins as the new words do: 'made of wood'."""
    before, _, behind = (part.strip() for part in low.partition(","))
    head = looks.split(" ")[0]
    if head in BEHIND_THE_NOUN:
        rest = [part for part in behind.split(", ") if part and part.split(" ")[0] != head]
        return ", ".join(part for part in (before, *rest, looks) if part)
    words = looks.replace(" and ", " ").split()
    rest = [word for word in before.split() if word not in words or word in COLOURS]
    colour = next((i for i, word in enumerate(rest) if word in COLOURS), len(rest))
    if words == [word for word in words if word in SHADES]:  # 'darker' keeps the colour
        unshaded = [word for word in before.split() if word not in SHADES]
        colour = next((i for i, word in enumerate(unshaded) if word in COLOURS), 0)
        before = " ".join([*unshaded[:colour], *words, *unshaded[colour:]])
    elif any(word in COLOURS for word in words):
        start, end = _run(rest, colour)
        at = 0 if start == len(rest) > 1 else start  # 'green polished steel', but 'striped green'
        before = " ".join([*rest[:at], *words, *rest[at:start], *rest[end:]])
    else:
        before = " ".join([*words, *(word for word in before.split() if word not in words)])
    return f"{before}, {behind}" if behind else before


def _run(words: Sequence[str], colour: int) -> tuple[int, int]:
    """Start and end of a colour among words: of 'dark red and white' in 'dark red and white spots'."""
    start, end = colour, colour
    while start and words[start - 1] in SHADES:
        start -= 1
    while end < len(words) and words[end] in COLOURS | SHADES | {"and"}:
        end += 1
    return start, end - 1 if end > colour and words[end - 1] == "and" and end < len(words) else end


def without_colour(high: str, low: str) -> str:
    """A subject without the colour before its noun, if its new look has another: 'a cat on a mat' of 'a red cat on a
    mat' with 'orange'. Colours of what comes later stay, and so does 'an orange'."""
    if not any(word in COLOURS for word in re.findall(r"\w+", low.lower())):
        return high
    words = high.split(" ")
    start = 1 if words[0].lower() in ("a", "an", "the") else 0
    ends = word_list("function_words") - {"and"}
    end = next((i for i, word in enumerate(words) if i > start and word.lower() in ends), len(words))
    subject = _BEFORE_NOUN.sub("", " ".join(words[start:end]))
    if start and words[0].lower() != "the":
        words[0] = article(subject).capitalize() if words[0][0].isupper() else article(subject)
    return " ".join([*words[:start], subject, *words[end:]])
