"""What of a brief a planner that reads English only cannot read: words in other scripts, and pictures."""

import re
import unicodedata


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
