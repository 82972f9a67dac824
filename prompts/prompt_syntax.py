"""Prompt syntax of other programs, parsed in one place: weights, LoRA tags, choices, wildcards, and what is not read.

Weights: (word:1.3), ((word)), [word], (word)++ and (word)1.3, as AUTOMATIC1111, ComfyUI and InvokeAI write them; in
double quotes, and behind a backslash, brackets are brackets. One pair of parentheses without a number is plain text.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import NamedTuple

STEP = 1.1  # of one pair of brackets
LEAST, MOST = 0.0, 3.0  # weights that act; others as the nearest of these
MOST_DEPTH, MOST_ROUNDS = 12, 10  # brackets in brackets; choices in choices
MOST_TEXT = 4000  # characters of an expanded text
_NUMBER = re.compile(r"(?<!\d):\s*([+-]?(?:\d?\.\d+|\d))\s*$")  # (word:1.3), but no (at 5:30) and no (4:3)
_BEHIND = re.compile(r"(\++|-+)(?=[\s,.;)\]]|$)|(\d?\.\d+)")  # (word)++, (word)1.3
_LORA = re.compile(r"(?:\s*,)?\s*<(?:lora|lyco|lycoris):([^<>:\n]{1,200})(?::([^<>\n]*))?>", re.IGNORECASE)
_CHOICE = re.compile(r'\{([^{}"\n]*\|[^{}"\n]*)\}|<random:([^<>\n]+)>', re.IGNORECASE)
_WILDCARD = re.compile(r"__([\w/*. -]{1,80}?)__|<(?:wildcard|wc):([^<>\n]{1,80})>", re.IGNORECASE)
_COUNT = re.compile(r"\s*(\d{1,2})(?:-(\d{1,2}))?\$\$(?:(.{0,20}?)\$\$)?")
_SHARE = re.compile(r"\s*(\d{0,4}\.?\d+)::")
_BREAK = re.compile(r"\s*,?\s*\bBREAK\b\s*,?\s*")
# What neither acts nor is a word. Single words: keys of Regional Prompter, which divide a layout (formats/).
_UNREAD = re.compile(
    r"<(?!(?:lora|lyco|lycoris|random|wildcard|wc):)[a-z]+(?:\[[^\]\n]*\])?:[^<>\n]+>"
    r"|\[[^\[\]\n]*[:|][^\[\]\n]*\]"  # [from:to:0.5], [this|that]
    r"|\{{2,}[^{}\n]*\}{2,}"
    r"|\bembedding:\S+"
    r"|\b(?:ADDCOMM|ADDBASE|ADDCOL|ADDROW)\b"
)
# Parameters of Midjourney at the end of a prompt; the aspect is read, see `canvas_flag`.
_FLAG = re.compile(r"(?<!\S)--[a-z]+(?:\s+[\d.:]+)?(?!\S)")
_ASPECT = re.compile(r"(?<!\S)--(?:ar|aspect)\s+(\d{1,5}(?:\.\d+)?):(\d{1,5}(?:\.\d+)?)(?!\S)")
_MAX_QUOTED = 3


class Fragment(NamedTuple):
    """A part of a prompt and its weight; 1 is usual."""

    text: str
    weight: float


class LoraTag(NamedTuple):
    """A LoRA and its scale in the image model. unread: a second number, which other programs take for text encoders."""

    name: str
    scale: float
    unread: str = ""


class _Group:
    """An opened bracket: '(' or '[', what is in it, and the weight that a number gives it."""

    def __init__(self, mark: str) -> None:
        self.mark, self.parts = mark, list["str | _Group"]()
        self.weight: float | None = None


def fragments(text: str) -> list[Fragment]:
    """A prompt as fragments with weights. Their texts together are the prompt without its syntax."""
    if not set(text) & set("([\\") and "BREAK" not in text:
        return [Fragment(text, 1.0)]
    root = _parsed(text if text.isupper() else '"'.join(
        part if number % 2 else _BREAK.sub(", ", part) for number, part in enumerate(text.split('"'))
    ))  # fmt: skip
    found: list[Fragment] = []
    for part, weight in _flat(root, 1.0):
        weight = round(weight, 4)
        if found and found[-1].weight == weight:
            found[-1] = Fragment(found[-1].text + part, weight)
        elif part:
            found.append(Fragment(part, weight))
    return found or [Fragment("", 1.0)]


def plain_text(text: str) -> str:
    """A prompt without weights."""
    return "".join(fragment.text for fragment in fragments(text))


def _parsed(text: str) -> _Group:
    """The brackets of a text as a tree; those without a partner are letters."""
    stack, quoted, index = [_Group("")], False, 0

    def add(letters: str) -> None:
        parts = stack[-1].parts
        if parts and isinstance(parts[-1], str):
            parts[-1] += letters
        else:
            parts.append(letters)

    while index < len(text):
        char = text[index]
        index += 1
        if char == "\\" and index < len(text) and text[index] in "()[]\\":
            add(text[index])
            index += 1
            continue
        quoted ^= char == '"'
        if quoted or char not in "()[]":
            add(char)
        elif char in "([":
            if len(stack) <= MOST_DEPTH:
                stack.append(_Group(char))
            else:
                add(char)
        elif len(stack) > 1 and stack[-1].mark == {")": "(", "]": "["}[char]:
            group = stack.pop()
            index = _weigh(group, text, index)
            stack[-1].parts.append(group)
        else:
            add(char)
    while len(stack) > 1:  # never closed
        group = stack.pop()
        add(group.mark)
        for part in group.parts:
            if isinstance(part, str):
                add(part)
            else:
                stack[-1].parts.append(part)
    return stack[0]


def _weigh(group: _Group, text: str, index: int) -> int:
    """Reads the number of a group in parentheses, in it or behind it. Returns where the text goes on."""
    if group.mark != "(" or not group.parts:
        return index
    last = group.parts[-1]
    if isinstance(last, str) and (match := _NUMBER.search(last)):
        group.weight, group.parts[-1] = float(match[1]), last[: match.start()]
    elif match := _BEHIND.match(text, index):
        signs, number = match.groups()
        group.weight = float(number) if number else STEP ** (len(signs) if signs[0] == "+" else -len(signs))
        return match.end()
    return index


def _flat(group: _Group, weight: float, *, doubled: bool = False) -> Iterable[tuple[str, float]]:
    """The texts of a group with their weights. doubled: it is all that the parentheses around it hold."""
    for part in group.parts:
        if isinstance(part, str):
            yield part, weight
            continue
        inner = [other for other in part.parts if other != ""]
        holds_one = len(inner) == 1 and isinstance(inner[0], _Group) and inner[0].mark == part.mark == "("
        is_doubled = doubled and len(group.parts) == 1
        if part.weight is not None:
            yield from _flat(part, weight * part.weight, doubled=holds_one)
        elif part.mark == "(" and (holds_one or is_doubled):
            yield from _flat(part, weight * STEP, doubled=True)
        elif part.mark == "[" and not any(isinstance(other, str) and set(other) & set(":|") for other in inner):
            yield from _flat(part, weight / STEP)
        else:
            yield part.mark, weight
            yield from _flat(part, weight)
            yield {"(": ")", "[": "]"}[part.mark], weight


def without_loras(text: str) -> tuple[str, list[LoraTag]]:
    """A prompt without its LoRA tags, and those."""
    tags = []
    for match in _LORA.finditer(text):
        numbers = re.findall(r"[+-]?\d*\.?\d+", match[2] or "")
        tags.append(LoraTag(match[1].strip(), float(numbers[0]) if numbers else 1.0, "".join(numbers[1:2])))
    return (_LORA.sub("", text).strip(" ,") if tags else text), tags


def chosen(text: str, random: Random, wildcard: Callable[[str], Sequence[str] | None]) -> tuple[str, list[str]]:
    """A prompt in which one of {this|that} is taken, and a line of the list for each __name__; and notes.

    {2$$a|b|c} takes two, {2$$ and $$a|b|c} joins them by ' and ', {3::a|b} takes a three times as often. wildcard:
    gives the lines of a list; None if there is none of that name.
    """
    notes: list[str] = []

    def line(match: re.Match[str]) -> str:
        name = (match[1] or match[2]).strip()
        lines = wildcard(name)
        if not lines:
            notes.append(f"there is no wildcard {name!r}: left out")
            return ""
        return random.choice(lines)

    for _ in range(MOST_ROUNDS):
        before = text
        text = _CHOICE.sub(lambda match: _choice(match, random), text)
        text = _WILDCARD.sub(line, text)
        if text == before or len(text) > MOST_TEXT:
            break
    if notes:
        text = re.sub(r"(?:\s*,)+(\s*(?:,|$))", r"\1", re.sub(r"[ \t]{2,}", " ", text)).strip(" ,")
        text = re.sub(r"\s+,", ",", text)
    return text, list(dict.fromkeys(notes))


def _choice(match: re.Match[str], random: Random) -> str:
    inside = match[1]
    if inside is None:  # SwarmUI divides by what is in it: ||, | or ,
        mark = next((mark for mark in ("||", "|") if mark in match[2]), ",")
        return str(random.choice(match[2].split(mark))).strip()
    least = most = 1
    joint: str = ", "
    if count := _COUNT.match(inside):
        least, most = int(count[1]), int(count[2] or count[1])
        joint = joint if count[3] is None else count[3]
        inside = inside[count.end() :]
    options, shares = [], []
    for option in inside.split("|"):
        share = _SHARE.match(option)
        options.append(option[share.end() :].strip() if share else option.strip())
        shares.append(float(share[1]) if share else 1.0)
    taken: list[str] = []
    for _ in range(min(random.randint(min(least, most), max(least, most)), len(options))):
        index = random.choices(range(len(options)), shares if any(shares) else None)[0]
        taken.append(options.pop(index))
        shares.pop(index)
    return joint.join(taken)


def canvas_flag(text: str) -> tuple[str, tuple[float, float] | None]:
    """A text without its last `--ar 16:9`, and width and height of that ratio; None without one."""
    matches = [match for match in _ASPECT.finditer(text) if float(match[1]) and float(match[2])]
    if not matches:
        return text.strip(), None
    return _ASPECT.sub("", text).strip(), (float(matches[-1][1]), float(matches[-1][2]))


def weight_warnings(texts: Iterable[str], *, act: bool) -> list[str]:
    """Warnings of weights in prompts. act: whether the model's encoders take them."""
    weighted = [part for text in texts for part in fragments(text) if part.weight != 1]
    if weighted and not act:
        return [f"this model takes no weights of words: {weighted[0].text[:40]!r} is drawn as if it had none"]
    far = next((part for part in weighted if not LEAST <= part.weight <= MOST), None)
    return [f"the weight {far.weight:g} of {far.text[:40]!r}: weights act from {LEAST:g} to {MOST:g}"] if far else []


def unread_syntax(texts: Iterable[str]) -> list[str]:
    """Warnings that quote what is read in another way than its program reads it."""
    found: list[str] = []
    breaks = False
    for text in texts:
        found += [match[0] for match in _UNREAD.finditer(text)]
        found += [match[0] for match in _FLAG.finditer(_ASPECT.sub("", text))]
        breaks |= not text.isupper() and any(map(_BREAK.search, text.split('"')[::2]))
    found = [mark for mark in dict.fromkeys(found) if not (mark.isalpha() and mark.islower())]
    notes = ["'BREAK' in a prompt is read as a comma: prompts are not read in pieces here"] if breaks else []
    if found:
        quoted = ", ".join(f"{mark[:40]!r}" for mark in found[:_MAX_QUOTED])
        quoted += " …" if len(found) > _MAX_QUOTED else ""
        notes.append(
            f"{quoted} in a prompt: read as plain words; what acts is (word:1.3), ((word)), [word], <lora:name:0.8>, "
            "{this|that} and __wildcard__"
        )
    return notes
