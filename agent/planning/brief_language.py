"""What of a brief a planner that reads English only cannot read: words in other scripts, and pictures."""

import re
import unicodedata

from ...prompts.plan import ScenePlan
from ...prompts.templates import word_list

FUNCTION_WORDS, KNOWN_WORDS = 0.2, 0.5  # shares of a brief's words; of 180 English briefs none has less of both
WORD = re.compile(r"[^\W\d_]+")


def unread_words(brief: str) -> list[str]:
    """The words of a brief that hold letters of other scripts than the Latin one, and pictographs, once each."""
    return list(dict.fromkeys(word for word in re.findall(r"\S+", brief) if any(map(_is_foreign, word))))


def english_only(brief: str) -> bool:
    """Whether some word of a brief is in Latin letters, as English is."""
    return any(char.isalpha() and not _is_foreign(char) for char in brief)


def _is_foreign(char: str) -> bool:
    if char.isalpha():
        return not unicodedata.name(char, "").startswith(("LATIN", "FULLWIDTH LATIN"))
    return unicodedata.category(char) == "So" and ord(char) > 0x2000


def hardly_english(brief: str, plan: ScenePlan) -> bool:
    """Whether next to none of a brief's words are English function words, and the plan has not repeated them either."""
    words = WORD.findall(brief.lower())
    functional = [word for word in words if word in word_list("function_words")]
    texts = [plan.scene.text, plan.negative, *(region.prompt.text for region in plan.regions)]
    planned = set(WORD.findall(" ".join(texts).lower()))
    known = [word for word in words if word in functional or planned & {word, word.removesuffix("s")}]
    return len(functional) < FUNCTION_WORDS * len(words) and len(known) < KNOWN_WORDS * len(words)
