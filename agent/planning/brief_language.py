"""What of a brief the local planners cannot read: other languages and scripts, pictographs, and the canvas."""

import re
import unicodedata

from ...prompts.plan import ScenePlan
from ...prompts.templates import word_list
from ...renderer.checkpoints.vocabulary import Vocabulary
from .nouns import singular

FUNCTION_WORDS, KNOWN_WORDS = 0.2, 0.5  # shares of a brief's words; of 180 English briefs none has less of both
WORD = re.compile(r"[^\W\d_]+")
# Words for the picture's shape, not for what it shows, and shapes in figures.
CANVAS = re.compile(
    r"\b(?:(?:wide|tall|long|vertical|horizontal|square|portrait|landscape)[ -]"
    r"(?:format|orientation|aspect|banner|poster|picture|image|canvas|crop|shot|shape)"
    r"|(?:ultra-?)?wide-?screen|ultra-?wide|banner|panoram(?:a|ic)|wallpaper|aspect ratio"
    r"|\d{1,2} ?: ?\d{1,2}|\d{3,5} ?[x×] ?\d{3,5}(?: ?px| pixels)?)(?!\w)",
    re.IGNORECASE,
)


def unread_words(brief: str) -> list[str]:
    """The words of a brief that hold letters of other scripts than the Latin one, and pictographs, once each."""
    return list(dict.fromkeys(word for word in re.findall(r"\S+", brief) if any(map(_is_foreign, word))))


def pictographs(text: str) -> list[str]:
    """The words of a text that hold pictographs, once each."""
    return [word for word in unread_words(text) if any(map(_is_pictograph, word))]


def english_only(brief: str) -> bool:
    """Whether some word of a brief is in Latin letters, as English is."""
    return any(char.isalpha() and not _is_foreign(char) for char in brief)


def _is_foreign(char: str) -> bool:
    if char.isalpha():
        return not unicodedata.name(char, "").startswith(("LATIN", "FULLWIDTH LATIN"))
    return _is_pictograph(char)


def _is_pictograph(char: str) -> bool:
    return unicodedata.category(char) == "So" and ord(char) > 0x2000


def hardly_english(brief: str, plan: ScenePlan, vocabulary: Vocabulary) -> bool:
    """Whether next to none of a brief's words are English function words, and the plan has not repeated them either,
    by any name that the vocabulary has for a thing."""
    words = WORD.findall(vocabulary.in_names(brief.lower()))
    functional = [word for word in words if word in word_list("function_words")]
    texts = [plan.scene.text, plan.negative, *(region.prompt.text for region in plan.regions)]
    planned = {singular(word) for word in WORD.findall(vocabulary.in_names(" . ".join(texts).lower()))}
    known = [word for word in words if word in functional or singular(word) in planned]
    return len(functional) < FUNCTION_WORDS * len(words) and len(known) < KNOWN_WORDS * len(words)


def canvas_words(brief: str) -> list[str]:
    """What a brief says of the picture's size and shape, as written: 'wide banner', '16:9'."""
    return list(dict.fromkeys(CANVAS.findall(brief)))
