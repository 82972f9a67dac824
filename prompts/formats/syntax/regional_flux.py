"""Regional-Prompting-FLUX: a base prompt, a background prompt and regional_prompt_mask_pairs with boxes in pixels.

Source: instantX-research/Regional-Prompting-FLUX, README.md: read as JSON, or as the assignments of its Python example,
which are not run.
"""

from __future__ import annotations

import json
from typing import Any

from ...plan import ScenePlan
from ...wording import joined
from ..draft import Draft, background_in, edges_of, number, pixels, region_prompt, text_of
from ..layout_format import Content, LayoutFormat, LoadedLayout, from_the_back
from .python_data import assignments, parse_python

_PAIRS = "regional_prompt_mask_pairs"


def _given(content: Content) -> dict[str, Any]:
    if isinstance(content.data, dict):
        return content.data
    return assignments(parse_python(content.text)) if _PAIRS in content.text else {}


def _pairs(given: dict[str, Any]) -> list[tuple[str, Any]]:
    """Descriptions and their boxes."""
    pairs = given.get(_PAIRS) or given.get("boxes_xyxy_px")
    if pairs is None and given and all(isinstance(pair, dict) and "mask" in pair for pair in given.values()):
        pairs = given
    entries = list(pairs.values()) if isinstance(pairs, dict) else pairs if isinstance(pairs, list) else []
    return [
        (text_of(entry.get("description")), entry.get("mask"))
        if isinstance(entry, dict)
        else (text_of(entry[0]), entry[1])
        for entry in entries
        if isinstance(entry, dict) or (isinstance(entry, list | tuple) and len(entry) == 2)
    ]


def _sniff(content: Content) -> bool:
    if content.data is None:
        return _PAIRS in content.text
    return isinstance(content.data, dict) and bool(_pairs(content.data))


def _read(content: Content) -> LoadedLayout:
    given = _given(content)
    pairs = _pairs(given)
    if not pairs:
        raise ValueError(f"Regional-Prompting-FLUX has {_PAIRS}, descriptions with masks: they are not there")
    width = number(given.get("image_width") or given.get("width") or content.setting("width"))
    height = number(given.get("image_height") or given.get("height") or content.setting("height"))
    draft = Draft("regional-flux", width=width, height=height)
    if not (width and height):
        boxes = [box for _, box in pairs if isinstance(box, list | tuple) and len(box) == 4]
        width, height = (max([number(box[side]) or 0 for box in boxes], default=0) or 1.0 for side in (2, 3))
        draft.note(f"no picture size is said: read as {width:g}×{height:g}, where the boxes end")
    steps = (number(given.get("mask_inject_steps")), number(given.get("num_inference_steps")))
    end = min(1.0, steps[0] / steps[1]) if steps[0] and steps[1] else 1.0
    strength = 1 - (number(given.get("base_ratio")) or 0.0)
    for text, box in pairs:
        edges = None
        if isinstance(box, list | tuple) and len(box) == 4:
            edges = [value / side if (value := number(edge)) is not None else None
                     for edge, side in zip(box, (width, height, width, height), strict=True)]  # fmt: skip
        elif box is not None:
            draft.note("a mask that is a picture is not read")
        draft.add(edges, text, strength=strength, end=end)
    settings = {name: int(value) for name, key in (("seed", "seed"), ("steps", "num_inference_steps"))
                if (value := number(given.get(key))) is not None}  # fmt: skip
    return draft.layout(
        text_of(given.get("base_prompt")), background=text_of(given.get("background_prompt")), settings=settings
    )


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    width, height, notes = pixels(plan)
    scene, background = background_in(plan.scene.high_level)
    pairs = {
        str(index): {"description": region_prompt(region), "mask": list(edges_of(region.box, width, height))}
        for index, region in enumerate(from_the_back(plan))
    }
    given = {
        "image_width": width, "image_height": height, "base_prompt": joined(scene, plan.scene.low_level, plan.style),
        "background_prompt": background, _PAIRS: pairs,
    }  # fmt: skip
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False, indent=4)}" for name, value in given.items()]
    strengths = {region.strength for region in plan.regions}
    if len(strengths) == 1 and strengths != {1.0}:
        lines.append(f"base_ratio = {1 - strengths.pop():.4g}")
    elif len(strengths) > 1:
        notes.append("there is one base ratio for all regions: their strengths differ, and are not said")
    return "\n".join(lines), notes


REGIONAL_FLUX = LayoutFormat(
    "regional-flux", "Regional-Prompting-FLUX", says=frozenset({"size", "style", "strength", "order"}), boxes="pixels",
    sniff=_sniff, read=_read, write=_write, aliases=("regional-prompting-flux", "rpflux"),
)  # fmt: skip
