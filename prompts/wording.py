"""Prompt styles of image models, and the texts of a plan in them. Loads no model.

A plan is in plain language. The texts that encoders get are worded here only: the scene's and each region's, with the
plan's style and lettering.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from .plan import MAX_PROMPT, LeveledPrompt, Region, ScenePlan

Part = Literal["high", "low", "both"]
WORDS_PER_TOKEN = 0.6  # of English prose, with room to spare
WORDS_PER_CHARACTER = 0.15
Manner = Literal["prose", "tags", "sticker words"]
_ARTICLE = re.compile(r"^(?:an?|the) ", re.IGNORECASE)
_END = ".!?。！？…"


@dataclass(frozen=True)
class PromptStyle:
    """How prompts for a family of image models are worded.

    languages: those it was trained on. tokens: limit of each encoder, special tokens included. lettering: it can render
    quoted text. palette: it takes colours as #rrggbb. negatives: it takes a negative prompt; negative: its usual one.
    regions_name_places: a region's prompt names its place in the picture. caption: the layout format in which the
    whole plan is one prompt, see `formats`; empty: each region has a prompt of its own.
    """

    manner: Manner = "prose"
    languages: tuple[str, ...] = ("English",)
    tokens: Mapping[str, int] = field(default_factory=lambda: {"CLIP": 77})
    lettering: bool = False
    palette: bool = False
    negatives: bool = True
    negative: str = ""
    regions_name_places: bool = False
    caption: str = ""

    @property
    def instructions(self) -> str:
        """Instructions for a planner, in sentences."""
        manners = {
            "prose": "Write every prompt as plain sentences.",
            "tags": "Write every prompt as short phrases with commas between them, the most important first.",
            "sticker words": "Write every prompt in few words: 'cat on the left', 'striped red'.",
        }
        limits = " and ".join(f"{encoder} reads {limit} tokens" for encoder, limit in self.tokens.items())
        least, most = (int(pick(self.tokens.values()) * WORDS_PER_TOKEN) for pick in (min, max))
        early = f", and what matters most within the first {least}" if least < most else ""
        place = (
            "A region's high level names its place in the picture: 'cat on the left'."
            if self.regions_name_places
            else "A region's prompt does not say where in the picture it is; its box does."
        )
        reach = (
            f"All texts of a plan become one JSON caption, of which {limits}: keep them together below {most} words."
            if self.caption
            else f"Of a text {limits}: keep both levels of the scene together below {most} words{early}, and so of "
            "each region."
        )
        if most > MAX_PROMPT * WORDS_PER_CHARACTER:
            reach += f" No text has more than {MAX_PROMPT} characters."
        return " ".join([
            f"The image model reads {' and '.join(self.languages)}: write prompts, style and negatives in that, "
            "whatever the language of the brief; names of regions stay the brief's.",
            manners[self.manner], place,
            reach,
            "It takes negative prompts." if self.negatives else
            "It takes no negative prompts: fill them all the same, and name nothing of that in the prompts.",
            "It can write text: put that in lettering." if self.lettering else
            "It does not write legible text; put what the brief wants to be read in lettering all the same.",
        ])  # fmt: skip


LATIN = "A-Za-z\u00c0-\u024f"
PROSE = PromptStyle()
STICKER_WORDS = PromptStyle(manner="sticker words", tokens={"BERT": 77, "T5": 77}, regions_name_places=True)


def word_pattern(words: str) -> str:
    """A pattern of these words as they stand: 'ink' is not in 'pink'. Scripts without spaces have no such bounds."""
    return f"(?<![{LATIN}]){re.escape(words)}(?![{LATIN}])"


def mention(words: str, text: str, *, others: Iterable[str] = ()) -> re.Match[str] | None:
    """The first place where a text says these words as they stand, and not with a part of another name: no 'cat' in
    'cat toy', no 猫 in 熊猫."""
    spans = [found.span() for name in others for found in re.finditer(word_pattern(name), text, re.IGNORECASE) if name]
    for found in re.finditer(word_pattern(words), text, re.IGNORECASE):
        first, last = found.span()
        if all(end <= first or last <= start or first <= start <= end <= last for start, end in spans):
            return found
    return None


def scene_text(plan: ScenePlan, part: Part) -> str:
    """The scene's text: its high level, or both levels, and the plan's drawing style unless the text has it."""
    high, low = plan.scene.high_level, plan.scene.low_level
    text = high if part == "high" and high else joined(high, low)
    return joined(text, *(part for part in _styles(plan) if not re.search(word_pattern(part), text, re.IGNORECASE)))


def region_text(plan: ScenePlan, region: Region, part: Part, style: PromptStyle = PROSE) -> str:
    """A region's text: its high or low level, or both, also if that level is empty.

    Except in the low level, the plan's drawing style is appended, which blocks that attend to region prompts only would
    lack, and the region's lettering if the model can render text.
    """
    prompt = region.prompt
    own = {"high": prompt.high_level, "low": prompt.low_level}.get(part, "") or both_levels(prompt, style)
    if part == "low" and prompt.low_level:
        return own
    lettering = f'the text "{region.lettering}" on it' if region.lettering and style.lettering else ""
    return joined(own, lettering, *_styles(plan))


def both_levels(prompt: LeveledPrompt, style: PromptStyle) -> str:
    """Both levels of a region: 'a sailing boat, weathered planks'; in sticker words 'striped red cat'."""
    if style.manner != "sticker words":
        return caption(prompt)
    bare = _ARTICLE.sub("", prompt.high_level) if prompt.low_level else prompt.high_level  # not 'red a cat'
    return LeveledPrompt(high_level=bare, low_level=prompt.low_level).text


def caption(prompt: LeveledPrompt) -> str:
    """Both levels as a caption has them: 'a sailing boat, weathered planks'."""
    return joined(prompt.high_level, prompt.low_level)


def joined(*parts: str) -> str:
    """Joins texts: by a space after the end of a sentence, else by a comma."""
    whole = ""
    for part in (part.strip() for part in parts):
        if whole and part:
            whole += " " if whole[-1] in _END else ", "
        whole += part
    return whole


def _styles(plan: ScenePlan) -> list[str]:
    return [part.strip() for part in plan.style.split(",") if part.strip()]


def ignored_wording(plan: ScenePlan, style: PromptStyle) -> list[str]:
    """Warnings of fields of the plan that this prompt style leaves out."""
    notes = []
    lettered = [region.name for region in plan.regions if region.lettering]
    if lettered and not style.lettering:
        notes.append(
            f"lettering of {', '.join(map(repr, lettered))}: not used, for this model does not write legible text"
        )
    coloured = [region.name for region in plan.regions if region.colors]
    if (plan.colors or coloured) and not style.palette:
        whose = ", ".join((["the picture"] if plan.colors else []) + [repr(name) for name in coloured])
        notes.append(f"colors of {whose}: not used, for this model takes no palette; name the colours in the prompts")
    return notes
