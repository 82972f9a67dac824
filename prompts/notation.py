"""Notation of other programs in prompts and briefs: here it has no effect, and a model reads it as words."""

import re
from collections.abc import Iterable

# Syntax, not language: what AUTOMATIC1111, Forge, ComfyUI, InvokeAI and their wildcard extensions give a meaning to.
_NOTATION = re.compile(
    r"<[a-z]+:[^<>\n]+>"  # <lora:name:0.8>
    r"|\([^()\n]*(?<!\d):\s*[+-]?(?:\d?\.\d+|\d)\s*\)"  # (word:1.3), but no (at 5:30)
    r"|\([^()\n]+\)(?:[+-]+|\d*\.\d+)"  # (word)1.3, (word)++
    r"|\({2,}[^()\n]*\){2,}"  # ((word))
    r"|\[[^\[\]\n]*[:|][^\[\]\n]*\]|\[{2,}[^\[\]\n]*\]{2,}"  # [from:to:0.5], [this|that], [[word]]
    r"|\{[^{}\n]*\|[^{}\n]*\}|\{{2,}[^{}\n]*\}{2,}"  # {this|that}, {{word}}
    r"|__[\w/*-]+__"  # __colour__
    r"|\bembedding:\S+"
    r"|\b(?:BREAK|ADDCOMM|ADDBASE|ADDCOL|ADDROW)\b"
)  # fmt: skip
_MOST = 3  # that are named


def notation_warning(texts: Iterable[str]) -> str:
    """What to say of the notation in the texts; empty if there is none. A text all in capitals may shout BREAK."""
    found: list[str] = []
    for text in texts:
        marks = [match[0] for match in _NOTATION.finditer(text)]
        found += [mark for mark in marks if not (mark.isalpha() and text.isupper())]
    found = list(dict.fromkeys(found))
    if not found:
        return ""
    named = ", ".join(f"{mark[:40]!r}" for mark in found[:_MOST]) + (" …" if len(found) > _MOST else "")
    return (
        f"{named} in a prompt: read as plain words, for prompts have no weights, LoRA tags, BREAK or wildcards here; a "
        "region's strength weighs its prompt, and --lora FILE,region=NAME loads a LoRA"
    )
