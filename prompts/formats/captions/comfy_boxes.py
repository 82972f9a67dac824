"""ComfyUI's BOUNDING_BOXES: boxes in pixels with metadata, as its canvas keeps them, and the elements it passes on.

Source: comfy_extras/nodes_bounding_boxes.py (CreateBoundingBoxes).
"""

from __future__ import annotations

import json
from typing import Any

from ...plan import ScenePlan
from ..draft import Draft, number, objects, text_of
from ..layout_format import Content, LayoutFormat, LoadedLayout, from_the_back
from .ideogram4 import add_element, element_of

_SIDES = {"x", "y", "width", "height"}


def _boxes(data: Any) -> list[dict[str, Any]]:
    """One list of boxes: a single box, a list, or the first frame of a list of frames."""
    if isinstance(data, dict):
        inner = next(
            (data[key] for key in ("editor_state", "bboxes", "elements") if isinstance(data.get(key), list)), None
        )
        return _boxes(inner) if inner is not None else [data]
    if isinstance(data, list) and data and isinstance(data[0], list):
        return objects(data[0])
    return objects(data)


def _is_box(entry: dict[str, Any]) -> bool:
    return _SIDES <= entry.keys() or (isinstance(entry.get("bbox"), list) and entry.get("type") in ("obj", "text"))


def _sniff(content: Content) -> bool:
    boxes = _boxes(content.data)
    return bool(boxes) and all(map(_is_box, boxes))


def _read(content: Content) -> LoadedLayout:
    data, boxes = content.data, _boxes(content.data)
    if not boxes or not all(map(_is_box, boxes)):
        raise ValueError("bounding boxes of ComfyUI have x, y, width and height, or type and bbox: they are not there")
    outer = data if isinstance(data, dict) and not _SIDES <= data.keys() else {}
    width = number(outer.get("width")) or number(content.setting("width"))
    height = number(outer.get("height")) or number(content.setting("height"))
    draft = Draft("comfyui-boxes", width=width, height=height)
    if not (width and height) and any("x" in box for box in boxes):
        width = height = 1024.0
        draft.note("the boxes are in pixels and no picture size is said: read as of 1024×1024, the canvas's default")
    for box in boxes:
        if not _SIDES <= box.keys():
            add_element(draft, box)
            continue
        metadata = box.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        draft.ignored(box, *_SIDES, "metadata", "label", "score", where="boxes")
        draft.ignored(metadata, "type", "text", "desc", "palette", where="metadata")
        values = [number(box[key]) for key in ("x", "y", "width", "height")]
        edges: list[float | None] = [None] * 4
        if None not in values and width and height:
            x, y, across, down = (value or 0.0 for value in values)
            edges = [x / width, y / height, (x + across) / width, (y + down) / height]
        lettering = text_of(metadata.get("text")) if metadata.get("type") == "text" else ""
        text = text_of(metadata.get("desc")) or text_of(box.get("label"))
        draft.add(edges, text, lettering=lettering, colors=metadata.get("palette"))
    return draft.layout(text_of(content.setting("prompt", "scene")))


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    """Elements, which its canvas takes in `bboxes` at any size."""
    notes = ["the scene prompt is not said in bounding boxes: type it into the model's prompt"]
    elements = [element_of(region) for region in from_the_back(plan)]
    return json.dumps(elements, ensure_ascii=False, indent=1), notes if plan.scene.high_level else []


COMFY_BOXES = LayoutFormat(
    "comfyui-boxes", "ComfyUI bounding boxes", says=frozenset({"region colors", "lettering", "order"}),
    boxes="thousandths", sniff=_sniff, read=_read, write=_write,
)  # fmt: skip
