"""New words in a region's look: what changes, and what stays of the old one. Pure."""

import re

from ....prompts.answers.planner_schema import BEHIND_THE_NOUN, article
from ....prompts.prompt_style import COLOURS, SHADES
from ....prompts.templates import word_list

_COLOUR = rf"(?:(?:{'|'.join(SHADES)})[ -])*(?:{'|'.join(sorted(COLOURS, key=len, reverse=True))})"
_BEFORE_NOUN = re.compile(rf"\b{_COLOUR}(?:(?:, | and |-){_COLOUR})* (?=\w)", re.IGNORECASE)


def relooked(low: str, looks: str) -> str:
    """'striped red' with 'orange' is 'striped orange', with 'made of glass' 'striped red, made of glass'."""
    before, _, behind = (part.strip() for part in low.partition(","))
    if looks.split(" ")[0] in BEHIND_THE_NOUN:
        return f"{before}, {looks}" if before else looks
    words = looks.replace(" and ", " ").split()
    if words == [word for word in words if word in SHADES]:  # 'darker' keeps the colour
        rest = [word for word in before.split() if word not in SHADES]
        colour = next((i for i, word in enumerate(rest) if word in COLOURS), 0)
        before = " ".join([*rest[:colour], *words, *rest[colour:]])
    elif any(word in COLOURS for word in words):
        before = " ".join([*(w for w in before.split() if w not in COLOURS | SHADES and w not in words), *words])
    else:
        before = " ".join([*words, *(word for word in before.split() if word not in words)])
    return f"{before}, {behind}" if behind else before


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
