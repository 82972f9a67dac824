"""Captions of Ideogram 4: JSON with boxes [y_min, x_min, y_max, x_max] of 1000, literal texts and palettes.

Keys and their order: diffusers/pipelines/ideogram4/prompt_enhancer.py and mflux's caption verifier.
"""

from __future__ import annotations

import json
from typing import Any

from ...plan import Region, ScenePlan
from ...wording import joined
from ..draft import Draft, background_in, edges_of, number, objects, region_prompt, text_of
from ..layout_format import Content, LayoutFormat, LoadedLayout, from_the_back

GRID = 1000
_STYLE = ("aesthetics", "lighting", "photo", "medium", "art_style", "color_palette")


def _sniff(content: Content) -> bool:
    return isinstance(content.data, dict) and "compositional_deconstruction" in content.data


def _read(content: Content) -> LoadedLayout:
    caption = content.data
    parts = caption.get("compositional_deconstruction")
    if not isinstance(parts, dict) or not isinstance(parts.get("elements"), list):
        raise ValueError("an Ideogram 4 caption has compositional_deconstruction.elements, a list: it is not there")
    draft = Draft("ideogram4", width=content.setting("width"), height=content.setting("height"))
    draft.ignored(caption, "high_level_description", "style_description", "compositional_deconstruction")
    draft.ignored(parts, "background", "elements", where="compositional_deconstruction")
    for element in objects(parts["elements"]):
        add_element(draft, element)
    style = caption.get("style_description")
    style = style if isinstance(style, dict) else {}
    draft.ignored(style, *_STYLE, where="style_description")
    return draft.layout(
        text_of(caption.get("high_level_description")),
        background=text_of(parts.get("background")),
        low=joined(text_of(style.get("aesthetics")), text_of(style.get("lighting"))),
        style=joined(*(text_of(style.get(key)) for key in ("photo", "medium", "art_style"))),
        colors=style.get("color_palette"),
    )


def add_element(draft: Draft, element: dict[str, Any]) -> None:
    """Adds an element {type, bbox, text, desc, color_palette}, which ComfyUI's boxes have too."""
    draft.ignored(element, "type", "bbox", "text", "desc", "color_palette", where="elements")
    box = element.get("bbox")
    edges = None
    if isinstance(box, list) and len(box) == 4:
        top, left, bottom, right = (value / GRID if (value := number(edge)) is not None else None for edge in box)
        edges = [left, top, right, bottom]
    elif box is not None:
        draft.note(f"a box that is not [y_min, x_min, y_max, x_max]: {str(box)[:40]!r}")
    lettering = text_of(element.get("text")) if element.get("type") == "text" else ""
    draft.add(edges, text_of(element.get("desc")), lettering=lettering, colors=element.get("color_palette"))


def element_of(region: Region) -> dict[str, Any]:
    """A region as an element."""
    left, top, right, bottom = edges_of(region.box, GRID, GRID)
    element: dict[str, Any] = {"type": "text" if region.lettering else "obj", "bbox": [top, left, bottom, right]}
    element |= {"text": region.lettering} if region.lettering else {}
    element["desc"] = region_prompt(region)
    return element | ({"color_palette": [colour.upper() for colour in region.colors]} if region.colors else {})


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    scene, background = background_in(plan.scene.high_level)
    caption: dict[str, Any] = {"high_level_description": scene}
    if plan.style or plan.colors or plan.scene.low_level:
        style = {"aesthetics": plan.scene.low_level, "lighting": "", "medium": "", "art_style": plan.style}
        palette = {"color_palette": [colour.upper() for colour in plan.colors]} if plan.colors else {}
        caption["style_description"] = style | palette
    elements = [element_of(region) for region in from_the_back(plan)]
    caption["compositional_deconstruction"] = {"background": background, "elements": elements}
    return json.dumps(caption, ensure_ascii=False, separators=(",", ":")), []


IDEOGRAM4 = LayoutFormat(
    "ideogram4", "Ideogram 4 caption",
    says=frozenset({"style", "colors", "region colors", "lettering", "order"}), boxes="thousandths",
    sniff=_sniff, read=_read, write=_write, aliases=("ideogram",),
)  # fmt: skip
