"""How people type: slips of the fingers, no capitals, no marks, short words, small talk around a wish."""

import numpy as np

from training.brief_parts import pick
from training.tables import load_table

MISSPELT: dict[str, tuple[str, ...]] = load_table("chat_words", "misspelt")
SHORT: dict[str, str] = load_table("chat_words", "short")


def slip(rng: np.random.Generator, word: str) -> str:
    """A word as hasty fingers type it."""
    if word in MISSPELT and rng.random() < 0.6:
        return pick(rng, MISSPELT[word])
    if len(word) < 4 or not word.isalpha() or not word.isascii():
        return word
    at, form = 1 + int(rng.integers(len(word) - 2)), rng.random()
    if form < 0.4:  # two letters change places
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    if form < 0.7:  # one is left out
        return word[:at] + word[at + 1 :]
    if form < 0.85:  # one twice
        return word[:at] + word[at] + word[at:]
    return word[:at] + pick(rng, "abcdefghijklmnopqrstuvwxyz") + word[at + 1 :]


def typed(rng: np.random.Generator, text: str, *, exact: bool = False) -> str:
    """The text as somebody may type it; `exact` keeps the spelling, where the answer repeats it."""
    text = " ".join(text.split()) if "\n" not in text else text
    form = rng.random()
    if form < 0.12 and not exact:
        words = text.split(" ")
        slots = [i for i, word in enumerate(words) if word in MISSPELT or len(word) > 3]
        for _ in range(1 if rng.random() < 0.7 else 2):
            if slots:
                at = pick(rng, slots)
                words[at] = slip(rng, words[at])
        text = " ".join(words)
    if rng.random() < 0.05 and not exact:
        for word, short in SHORT.items():
            if rng.random() < 0.5:
                text = f" {text} ".replace(f" {word} ", f" {short} ").strip()
    if rng.random() < 0.04 and not exact:
        text = text.replace("the ", "")
    if rng.random() < 0.03:
        text = text.replace(" ", "  ", 1)
    form = rng.random()
    if form < 0.3:
        text = text[:1].upper() + text[1:]
    elif form < 0.33 and not exact:
        text = text.upper()
    form = rng.random()
    if form < 0.3 and text[-1:].isalnum():
        text += pick(rng, (".", ".", ".", "!", "!", "!!", "...", " :)", " 🙂", "?", " pls", " please", " thx", ", ok?"))
    elif form < 0.45 and any(map(str.isalnum, text)):
        text = text.rstrip("?.!").replace("'", "")
    return text if text.strip() else "?"
