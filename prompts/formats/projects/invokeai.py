"""InvokeAI: the metadata of its pictures and its canvas projects (.invk), as far as regional guidance has boxes.

Source: invoke-ai/InvokeAI, docs/contributing/CANVAS_PROJECTS and features/controlLayers/store/types.ts. A region's
objects are rectangles, lines and pictures; the box around them is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ...plan import ScenePlan
from ..draft import Draft, edges_of, inner, number, objects, pixels, region_prompt, scene_prompt, text_of
from ..layout_format import Content, LayoutFormat, LoadedLayout, from_the_back

_SETTINGS = {"seed": "seed", "steps": "steps", "cfg_scale": "guidance_scale"}
Bounds = tuple[float, float, float, float]  # left, top, right, bottom in pixels


def _sniff(content: Content) -> bool:
    data = content.data
    return isinstance(data, dict) and (
        bool({"canvas_v2_metadata", "control_layers", "canvas_state", "regionalGuidance"} & data.keys())
        or ("positive_prompt" in data and bool({"app_version", "generation_mode"} & data.keys()))
    )


def _read(content: Content) -> LoadedLayout:
    data = content.data
    if not isinstance(data, dict):
        raise ValueError("metadata of InvokeAI is a JSON object: this is none")
    state = next((data[key] for key in ("canvas_state", "canvas_v2_metadata", "control_layers")
                  if isinstance(data.get(key), dict)), data)  # fmt: skip
    params = inner(data, "params", data)
    frame = _frame(state)
    size = inner(params, "dimensions", params)
    width = number(size.get("width")) or (frame[2] - frame[0] if frame else None)
    height = number(size.get("height")) or (frame[3] - frame[1] if frame else None)
    draft = Draft("invokeai", width=width, height=height)
    across, down = width or 1024.0, height or 1024.0
    regions = objects(state.get("regionalGuidance")) or objects(state.get("layers")) or objects(data.get("regions"))
    regions = [region for region in regions if "positivePrompt" in region or "maskObjects" in region]
    if regions and not (width and height):
        draft.note("the boxes are in pixels and no picture size is said: read as of 1024×1024")
    left, top = (frame[0], frame[1]) if frame else (0.0, 0.0)
    for region in regions:
        name = text_of(region.get("name"))
        if region.get("isEnabled") is False:
            draft.note(f"the region {name or text_of(region.get('positivePrompt'))[:40]!r} is switched off: left out")
            continue
        if objects(region.get("referenceImages")) or objects(region.get("ipAdapters")):
            draft.note("reference pictures of regions are not read")
        bounds = _bounds(region, draft)
        edges = None
        if bounds:
            edges = [(bounds[0] - left) / across, (bounds[1] - top) / down,
                     (bounds[2] - left) / across, (bounds[3] - top) / down]  # fmt: skip
        draft.add(
            edges, text_of(region.get("positivePrompt")), name=name, negative=text_of(region.get("negativePrompt"))
        )
    for layers, what in (("controlLayers", "control layers"), ("rasterLayers", "painted layers"),
                         ("inpaintMasks", "inpaint masks")):  # fmt: skip
        if objects(state.get(layers)):
            draft.note(f"{what} are not read")
    settings: dict[str, Any] = {ours: value for theirs, ours in _SETTINGS.items()
                                if (value := number(params.get(theirs))) is not None}  # fmt: skip
    model = params.get("model")
    if isinstance(model, dict) and text_of(model.get("name")):
        settings["model"] = text_of(model["name"])
    scene = params.get("positive_prompt", params.get("positivePrompt"))
    negative = params.get("negative_prompt", params.get("negativePrompt"))
    return draft.layout(text_of(scene), negative=text_of(negative), settings=settings)


def _frame(state: dict[str, Any]) -> Bounds | None:
    """The canvas's bounding box, in which the picture is drawn."""
    box = state.get("bbox")
    return _rect(box.get("rect")) if isinstance(box, dict) else None


def _rect(rect: Any) -> Bounds | None:
    if not isinstance(rect, dict):
        return None
    values = [number(rect.get(key)) for key in ("x", "y", "width", "height")]
    if None in values:
        return None
    x, y, across, down = (value or 0.0 for value in values)
    return x, y, x + across, y + down


def _bounds(region: dict[str, Any], draft: Draft) -> Bounds | None:
    """The box around a region's objects; of the older layers their own bbox."""
    position = inner(region, "position", region)
    dx, dy = number(position.get("x")) or 0.0, number(position.get("y")) or 0.0
    found = []
    for thing in objects(region.get("objects")) + objects(region.get("maskObjects")):
        kind = str(thing.get("type"))
        if "eraser" in kind or thing.get("tool") == "eraser":
            draft.note("what is erased from a region is not read: the box around all of it is taken")
            continue
        bounds = _rect(thing.get("rect")) or _rect(thing) or _line(thing) or _picture(thing)
        if bounds is None:
            draft.note(f"objects of the kind {kind[:30]!r} are not read")
            continue
        if "rect" not in kind:
            draft.note("free shapes of regions are read as the boxes around them")
        found.append(bounds)
    if not found and (box := _rect(region.get("bbox"))):
        return box
    if not found:
        return None
    return (min(box[0] for box in found) + dx, min(box[1] for box in found) + dy,
            max(box[2] for box in found) + dx, max(box[3] for box in found) + dy)  # fmt: skip


def _line(thing: dict[str, Any]) -> Bounds | None:
    """The box around points, with half the stroke's width."""
    points = thing.get("points")
    if not isinstance(points, list) or len(points) < 2:
        return None
    flat = list(_flat(points[:100_000]))
    half = (number(thing.get("strokeWidth")) or 0.0) / 2
    xs, ys = flat[::2], flat[1::2]
    return (min(xs) - half, min(ys) - half, max(xs) + half, max(ys) + half) if xs and ys else None


def _flat(points: list[Any]) -> Iterable[float]:
    for point in points:
        for value in (point.get("x"), point.get("y")) if isinstance(point, dict) else [point]:
            yield number(value) or 0.0


def _picture(thing: dict[str, Any]) -> Bounds | None:
    image = thing.get("image")
    across, down = (
        (number(image.get(side)) for side in ("width", "height")) if isinstance(image, dict) else (None, None)
    )
    return (0.0, 0.0, across, down) if across and down else None


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    width, height, notes = pixels(plan)
    white = {"r": 255, "g": 255, "b": 255, "a": 1}
    regions = []
    for index, region in enumerate(from_the_back(plan), start=1):
        left, top, right, bottom = edges_of(region.box, width, height)
        rect = {"x": left, "y": top, "width": right - left, "height": bottom - top}
        regions.append({
            "id": f"regional_guidance:{index}", "type": "regional_guidance", "name": region.name, "isEnabled": True,
            "isLocked": False, "position": {"x": 0, "y": 0}, "opacity": 0.5,
            "fill": {"style": "diagonal", "color": {"r": 121, "g": 157, "b": 219}},
            "objects": [{"id": f"rect:{index}", "type": "rect", "rect": rect, "color": white}],
            "positivePrompt": region_prompt(region), "negativePrompt": region.negative or None, "autoNegative": False,
            "referenceImages": [],
        })  # fmt: skip
    data = {
        "generation_mode": "txt2img", "positive_prompt": scene_prompt(plan), "negative_prompt": plan.negative,
        "width": width, "height": height,
        "canvas_v2_metadata": {
            "rasterLayers": [], "controlLayers": [], "inpaintMasks": [], "regionalGuidance": regions,
        },
    }  # fmt: skip
    return json.dumps(data, ensure_ascii=False, indent=1), notes


INVOKEAI = LayoutFormat(
    "invokeai", "InvokeAI", says=frozenset({"size", "names", "style", "negative", "region negative", "order"}),
    boxes="pixels", sniff=_sniff, read=_read, write=_write,
)  # fmt: skip
