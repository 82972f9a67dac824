"""Detects prompt syntax of other programs, such as weights and LoRA tags, which has no effect here."""

import re
from collections.abc import Iterable

# Syntax of AUTOMATIC1111, Forge, ComfyUI, InvokeAI and their wildcard extensions.
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
# Parameters of Midjourney at the end of a prompt; the aspect is read, see `canvas_flag`.
_FLAG = re.compile(r"(?<!\S)--[a-z]+(?:\s+[\d.:]+)?(?!\S)")
_ASPECT = re.compile(r"(?<!\S)--(?:ar|aspect)\s+(\d{1,5}(?:\.\d+)?):(\d{1,5}(?:\.\d+)?)(?!\S)")
_MAX_QUOTED = 3


def canvas_flag(text: str) -> tuple[str, tuple[float, float] | None]:
    """A text without its last `--ar 16:9`, and width and height of that ratio; None without one."""
    matches = [match for match in _ASPECT.finditer(text) if float(match[1]) and float(match[2])]
    if not matches:
        return text.strip(), None
    return _ASPECT.sub("", text).strip(), (float(matches[-1][1]), float(matches[-1][2]))


def notation_warning(texts: Iterable[str]) -> str:
    """A warning that quotes foreign syntax in the texts; empty if there is none. In a text in capitals BREAK is a
    word."""
    matches: list[str] = []
    for text in texts:
        marks = [match[0] for match in _NOTATION.finditer(text)]
        marks += [match[0] for match in _FLAG.finditer(_ASPECT.sub("", text))]
        matches += [mark for mark in marks if not (mark.isalpha() and text.isupper())]
    matches = list(dict.fromkeys(matches))
    if not matches:
        return ""
    quoted = ", ".join(f"{mark[:40]!r}" for mark in matches[:_MAX_QUOTED])
    quoted += " …" if len(matches) > _MAX_QUOTED else ""
    return (
        f"{quoted} in a prompt: read as plain words: prompts have no weights, LoRA tags, BREAK or wildcards here; "
        "set a region's strength, or load a LoRA with --lora FILE,region=NAME"
    )
