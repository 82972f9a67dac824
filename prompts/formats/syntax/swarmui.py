"""SwarmUI's prompt syntax: <region:x,y,width,height,strength> and <object:…,strength,creativity> before a text.

Source: mcmonkeyprojects/SwarmUI, docs/Features/Prompt Syntax.md. LoRA tags, weights and choices stay in the texts,
where `prompts/prompt_syntax.py` reads them.
"""

from __future__ import annotations

import re

from ...plan import ScenePlan
from ...wording import joined
from ..draft import Draft, background_in, number, region_prompt
from ..layout_format import Content, LayoutFormat, LoadedLayout, from_the_back

# Tags that begin a section of the prompt. The text of the last six is not for the picture that is drawn first.
_SECTION = re.compile(
    r"<(region|object|segment|refiner|base|video|videoswap|extend|clear)(?:\[[^\]<>]*\])?(?::([^<>]*))?>", re.IGNORECASE
)
_COMMENT = re.compile(r"<comment:[^<>]*>", re.IGNORECASE)


def _sniff(content: Content) -> bool:
    return content.data is None and re.search(r"<(region|object):[^<>]+>", content.text, re.IGNORECASE) is not None


def _read(content: Content) -> LoadedLayout:
    draft = Draft("swarmui", width=content.setting("width"), height=content.setting("height"))
    parts = _SECTION.split(_COMMENT.sub("", content.text))
    scene, background = _clean(parts[0]), ""
    for kind, given, text in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        kind, given, text = kind.casefold(), (given or "").strip(), _clean(text)
        if kind not in ("region", "object", "base"):
            draft.note(f"<{kind}:…> is left out: it works on the finished picture, or on a video")
        elif kind == "base" or given.casefold() == "end":
            scene = f"{scene} {text}".strip()
        elif given.casefold() == "background":
            background = f"{background} {text}".strip()
        else:
            values = [number(value) for value in given.split(",")]
            if len(values) < 4 or None in values:
                draft.note(f"<{kind}:{given[:40]}> is not x,y,width,height,strength: said in the scene prompt")
                draft.add(None, text)
                continue
            x, y, across, down, *rest = (value or 0.0 for value in values)
            if kind == "object":
                draft.note("<object:…> is drawn as a region: the second pass over it, its last number, is left out")
            draft.add([x, y, x + across, y + down], text, strength=rest[0] if rest else 1.0)
    negative = content.setting("negative_prompt", "negativeprompt", "negative")
    return draft.layout(scene, background=background, negative=str(negative or ""))


def _clean(text: str) -> str:
    return " ".join(text.split()).strip(" ,")


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    scene, background = background_in(plan.scene.high_level)
    parts = [" ".join(joined(scene, plan.scene.low_level, plan.style).split())]
    for region in from_the_back(plan):
        box = region.box
        numbers = (box.left, box.top, box.right - box.left, box.bottom - box.top, region.strength)
        parts.append(
            f"<region:{','.join(f'{value:.5g}' for value in numbers)}> {' '.join(region_prompt(region).split())}"
        )
    parts += [f"<region:background> {background}"] if background else []
    return " ".join(part for part in parts if part), []


SWARMUI = LayoutFormat(
    "swarmui", "SwarmUI regions", says=frozenset({"style", "strength", "order"}), boxes="exact", sniff=_sniff,
    read=_read, write=_write, aliases=("swarm",),
)  # fmt: skip
