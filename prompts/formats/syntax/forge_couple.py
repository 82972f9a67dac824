"""sd-forge-couple: a prompt whose lines are regions, with a direction, a global line, or a table of boxes.

Source: Haoming02/sd-forge-couple, README.md, wiki/API and lib_couple/mapping.py.
"""

from __future__ import annotations

import base64
import json
import re
from io import BytesIO
from typing import Any

from PIL import Image

from ...outside_json import parse_json
from ...plan import ScenePlan
from ..draft import Draft, number, region_prompt, scene_prompt
from ..layout_format import Content, LayoutFormat, LoadedLayout, from_the_back

NAMES = ("forge couple", "forge_couple")
_COMMON = re.compile(r"\{([^{}:|]{1,60}):([^{}]*)\}")
MOST_MASK = 4_000_000  # characters of a mask
MOST_PIXELS = 4096 * 4096


def _sniff(content: Content) -> bool:
    is_named = bool(_arguments(content)) or content.setting("forge_couple", "direction") is not None
    return is_named and content.data is None


def _arguments(content: Content) -> dict[str, Any]:
    """The settings in a payload of the web UI's API, in any of its versions."""
    scripts = content.setting("alwayson_scripts")
    script = next((scripts[name] for name in NAMES if name in scripts), None) if isinstance(scripts, dict) else None
    values = script.get("args") if isinstance(script, dict) else None
    if not isinstance(values, list):
        return {}
    modes = [index for index, value in enumerate(values) if value in ("Basic", "Advanced", "Mask")]
    if not modes:
        return {}
    names = ("mode", "separator", "direction", "background", "background_weight", "mapping")
    return dict(zip(names, values[modes[0] :], strict=False))


def _read(content: Content) -> LoadedLayout:
    settings = Content("", settings={**content.settings, **_arguments(content)})
    draft = Draft("forge-couple", width=content.setting("width"), height=content.setting("height"))
    mode = str(settings.setting("mode", "forge_couple_mode") or "Basic").casefold()
    separator = str(settings.setting("separator", "forge_couple_separator") or "").strip()
    separator = "\n" if separator in ("", "\\n") else separator
    lines = [" ".join(line.split()).strip(" ,") for line in _with_common(content.text).split(separator)]
    lines = [line for line in lines if line]
    if any("<lora:" in line for line in lines):
        draft.note("a LoRA tag acts in its own line's region here; sd-forge-couple loads it for the whole picture")
    negative = str(content.setting("negative_prompt", "negative") or "")
    if mode == "advanced":
        return _mapped(draft, lines, settings.setting("mapping", "forge_couple_mapping"), negative)
    where = str(settings.setting("background", "global", "forge_couple_background") or "").casefold()
    scene = ""
    if where.startswith(("first", "last")) and lines:
        scene = lines.pop(0 if where.startswith("first") else -1)
    if mode == "mask":
        masks = settings.setting("mapping") or settings.setting("masks")
        return _masked(draft, scene, lines, masks if isinstance(masks, list) else [], negative)
    direction = str(settings.setting("direction", "forge_couple_direction") or "").casefold()
    if not direction:
        draft.note("no direction is said: read as columns, the extension's default")
    for index, line in enumerate(lines):
        start, end = index / len(lines), (index + 1) / len(lines)
        draft.add([0, start, 1, end] if direction.startswith("ver") else [start, 0, end, 1], line)
    return draft.layout(scene, negative=negative)


def _with_common(text: str) -> str:
    """The prompt with its common parts filled in: {key:words} says them once, {key} again."""
    common = {match[1].strip(): match[2].strip() for match in _COMMON.finditer(text)}
    text = _COMMON.sub(lambda match: match[2].strip(), text)
    for key, words in list(common.items())[:50]:
        text = text.replace("{" + key + "}", words)
    return text


def _mapped(draft: Draft, lines: list[str], mapping: Any, negative: str) -> LoadedLayout:
    """Advanced mode: a row [x1, x2, y1, y2, weight] or ['x1:x2', 'y1:y2', weight] for each line."""
    if isinstance(mapping, str) and len(mapping) < 100_000:
        mapping = parse_json(mapping)
    rows = mapping.get("data") if isinstance(mapping, dict) else mapping
    rows = [row for row in rows if isinstance(row, list) and row and row[0] not in ("", None)] if rows else []
    if len(rows) != len(lines):
        draft.note(f"{len(lines)} lines and {len(rows)} boxes: lines without a box are said in the scene prompt")
    scene = ""
    for index, line in enumerate(lines):
        flat = [part for cell in rows[index] for part in str(cell).split(":")] if index < len(rows) else []
        values = [number(value) for value in flat[:5]]
        if len(values) < 4:
            draft.add(None, line)
            continue
        x1, x2, y1, y2 = values[:4]
        if (x1, x2, y1, y2) == (0, 1, 0, 1) and not scene:
            scene = line
        else:
            if len(values) == 5 and values[4] not in (1.0, None):
                draft.note("weights of sd-forge-couple mix its regions with each other: here each has its own place")
            draft.add([x1, y1, x2, y2], line)
    return draft.layout(scene, negative=negative)


def _masked(draft: Draft, scene: str, lines: list[str], masks: list[Any], negative: str) -> LoadedLayout:
    """Mask mode: the boxes around what is white in each mask."""
    if masks:
        draft.note("of masks the boxes around them are read")
    for index, line in enumerate(lines):
        mask = masks[index] if index < len(masks) else None
        edges = _mask_edges(mask.get("mask") if isinstance(mask, dict) else mask)
        draft.add(edges, line)
    return draft.layout(scene, negative=negative)


def _mask_edges(mask: Any) -> list[float] | None:
    """Edges around what is white in a mask, base64 of a picture; None for what is none."""
    if not isinstance(mask, str) or len(mask) > MOST_MASK:
        return None
    try:
        with Image.open(BytesIO(base64.b64decode(mask.partition("base64,")[2] or mask)), formats=("PNG",)) as image:
            if image.width * image.height > MOST_PIXELS:
                return None
            box = image.convert("L").point([0] * 128 + [255] * 128).getbbox()
            width, height = image.size
    except (ValueError, OSError, SyntaxError, Image.DecompressionBombError):
        return None
    return [box[0] / width, box[1] / height, box[2] / width, box[3] / height] if box else None


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    regions, scene = from_the_back(plan), " ".join(scene_prompt(plan).split())
    lines = [scene] if scene else []
    rows = [[0.0, 1.0, 0.0, 1.0, 0.5]] if scene else []
    for region in regions:
        lines.append(" ".join((region_prompt(region) or region.name).split()))
        edges = (region.box.left, region.box.right, region.box.top, region.box.bottom)
        rows.append([*(round(edge, 4) for edge in edges), 1.0])
    size = {"width": plan.width, "height": plan.height} if plan.width and plan.height else {}
    payload = {
        "prompt": "\n".join(lines), "negative_prompt": plan.negative, **size,
        "alwayson_scripts": {NAMES[0]: {"args": [True, True, "Advanced", "", None, None, None, rows]}},
    }  # fmt: skip
    return json.dumps(payload, ensure_ascii=False, indent=1), []


FORGE_COUPLE = LayoutFormat(
    "forge-couple", "sd-forge-couple", says=frozenset({"size", "style", "negative", "order"}), boxes="ten-thousandths",
    sniff=_sniff, read=_read, write=_write,
)  # fmt: skip
