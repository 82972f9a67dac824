"""Captions of Bria FIBO (VGL, the Visual GenLanguage): JSON whose objects have places and sizes in words.

Fields and their words: bria-vgl 0.10.0, dialects/thales/input_schema/generate.txt.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ...layout.places import Place, box_within
from ...plan import Box, Region, ScenePlan
from ...prompt_style import place_of
from ...wording import caption, joined
from ..draft import Draft, background_in, objects, text_of
from ..layout_format import Content, LayoutFormat, LoadedLayout, from_the_back

_DETAILS = (
    "shape_and_color", "texture", "appearance_details", "pose", "expression", "clothing", "action", "gender",
    "skin_tone_and_texture", "orientation", "relationship",
)  # fmt: skip
_TOP = (
    "short_description", "objects", "background_setting", "lighting", "aesthetics", "photographic_characteristics",
    "style_medium", "artistic_style", "context", "text_render",
)  # fmt: skip
# Words of relative_size, as they are looked for, and the side of a square of that size in shares of the picture.
SIDES = (("tiny", 0.15), ("very small", 0.15), ("medium-to-large", 0.6), ("small", 0.25), ("large", 0.75),
         ("dominant", 0.9), ("full", 1.0), ("medium", 0.45))  # fmt: skip
_WORD = re.compile(r"[a-z]+")
_COLOUR = re.compile("#[0-9a-fA-F]{6}")


def _sniff(content: Content) -> bool:
    data = content.data
    return isinstance(data, dict) and "short_description" in data and bool(
        {"objects", "background_setting", "text_render"} & data.keys()
    )  # fmt: skip


def _read(content: Content) -> LoadedLayout:
    caption = content.data
    if not isinstance(caption, dict) or not text_of(caption.get("short_description")):
        raise ValueError("a FIBO caption has a short_description: it is not there")
    draft = Draft("fibo", width=content.setting("width"), height=content.setting("height"))
    draft.ignored(caption, *_TOP)
    listed = objects(caption.get("objects"))
    if listed:
        draft.note("places and sizes of a FIBO caption are words: boxes are made from them")
    for entry in sorted(listed, key=_depth):
        count = entry.get("number_of_objects")
        draft.ignored(entry, "description", "location", "relative_size", "number_of_objects", *_DETAILS,
                      where="objects")  # fmt: skip
        colors = _palette(entry.get("shape_and_color"))
        details = [text_of(entry.get(key)) for key in _DETAILS if not (colors and key == "shape_and_color")]
        if isinstance(count, int) and count > 1:
            details.insert(0, f"{count} of them")
        text = text_of(entry.get("description"))
        draft.add(_edges(entry, draft, text), text, low=joined(*details), colors=colors)
    for entry in objects(caption.get("text_render")):
        draft.ignored(entry, "text", "location", "size", "color", "font", "appearance_details", where="text_render")
        named = [key for key in ("size", "color", "font", "appearance_details") if not _palette(entry.get(key))]
        look = joined(*(text_of(entry.get(key)) for key in named))
        edges = None
        if text_of(entry.get("location")):
            edges = _edges({**entry, "relative_size": entry.get("size")}, draft, text_of(entry.get("text")), flat=True)
        colors = _palette(entry.get("color"))
        draft.add(edges, look, lettering=text_of(entry.get("text")), colors=colors)
    aesthetics = caption.get("aesthetics")
    scheme = _palette(aesthetics.get("color_scheme")) if isinstance(aesthetics, dict) else []
    if isinstance(aesthetics, dict) and scheme:
        caption = caption | {"aesthetics": {key: text for key, text in aesthetics.items() if key != "color_scheme"}}
    mood = [_words(caption.get(key)) for key in ("lighting", "aesthetics", "photographic_characteristics")]
    return draft.layout(
        joined(text_of(caption["short_description"]), text_of(caption.get("context"))),
        background=text_of(caption.get("background_setting")), low=joined(*mood),
        style=joined(text_of(caption.get("style_medium")), text_of(caption.get("artistic_style"))), colors=scheme,
    )  # fmt: skip


def _palette(value: Any) -> list[str]:
    """The colours of a text of #rrggbb alone, as `_write` has them; none of any other."""
    colors = [color.strip() for color in text_of(value).split(",")]
    return colors if all(map(_COLOUR.fullmatch, colors)) else []


def _words(section: Any) -> str:
    """The texts of a section such as lighting, without the scores that some captions carry."""
    if not isinstance(section, dict):
        return text_of(section)
    return joined(*(text_of(value) for key, value in section.items() if not str(key).endswith("_score")))


def _depth(entry: dict[str, Any]) -> int:
    """0 for what is in the background, 2 in the foreground."""
    words = _WORD.findall(text_of(entry.get("location")).casefold())
    return 0 if "background" in words else 2 if "foreground" in words else 1


def _edges(entry: dict[str, Any], draft: Draft, text: str, *, flat: bool = False) -> list[float]:
    """A box for a place and a size in words. flat: four times as wide as high, for a line of text."""
    words = set(_WORD.findall(text_of(entry.get("location")).casefold()))
    down = "top" if words & {"top", "upper"} else "bottom" if words & {"bottom", "lower"} else ""
    across = "left" if "left" in words else "right" if "right" in words else ""
    if not (down or across or words & {"center", "centre", "central", "middle", "midground"}):
        draft.note(f"{text[:40]!r}: no place is said; in the middle")
    size = text_of(entry.get("relative_size")).casefold()
    side = next((side for word, side in SIDES if word in size), 0.45)
    width, height = side, side / 4 if flat else side
    left = 0.0 if across == "left" else 1 - width if across == "right" else (1 - width) / 2
    top = 0.0 if down == "top" else 1 - height if down == "bottom" else (1 - height) / 2
    box = box_within(left, top, width, height)
    return [box.left, box.top, box.right, box.bottom]


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    scene, background = background_in(plan.scene.high_level)
    things = [_object(region) for region in from_the_back(plan) if not region.lettering]
    texts = [_text(region) for region in from_the_back(plan) if region.lettering]
    caption: dict[str, Any] = {
        "short_description": scene, "objects": things, "background_setting": background,
        "lighting": {"conditions": plan.scene.low_level} if plan.scene.low_level else {},
        "aesthetics": {"color_scheme": ", ".join(plan.colors)} if plan.colors else {},
        "style_medium": plan.style, "text_render": texts,
    }  # fmt: skip
    filled = {key: value for key, value in caption.items() if value not in ("", {}, [])}
    notes = ["places are nine words and sizes four: boxes are said that exactly"] if plan.regions else []
    return json.dumps(filled, ensure_ascii=False, separators=(",", ":")), notes


def _object(region: Region) -> dict[str, str]:
    entry = {
        "description": region.prompt.high_level, "location": _place(region.box), "relative_size": _size(region.box),
        "shape_and_color": ", ".join(region.colors), "appearance_details": region.prompt.low_level,
    }  # fmt: skip
    return {key: text for key, text in entry.items() if text}


def _text(region: Region) -> dict[str, str]:
    look = caption(region.prompt)
    entry = {
        "text": region.lettering, "location": _place(region.box), "size": _size(region.box),
        "color": ", ".join(region.colors), "appearance_details": look,
    }  # fmt: skip
    return {key: text for key, text in entry.items() if text}


def _place(box: Box) -> str:
    place: Place = place_of(box)
    return place.replace(" ", "-")


def _size(box: Box) -> str:
    side = box.area**0.5
    return "small" if side < 0.35 else "medium" if side < 0.6 else "large within frame"


FIBO = LayoutFormat(
    "fibo", "FIBO caption (VGL)", says=frozenset({"style", "colors", "region colors", "lettering", "levels", "order"}),
    boxes="nine places in words", sniff=_sniff, read=_read, write=_write, aliases=("fibo-vgl", "vgl", "fibo2"),
)  # fmt: skip
