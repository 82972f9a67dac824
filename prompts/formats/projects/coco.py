"""COCO: boxes [x, y, width, height] in pixels with categories, of one picture of a data set, or a detector's list."""

from __future__ import annotations

import json
from typing import Any

from ...plan import ScenePlan
from ..draft import Draft, edges_of, number, objects, pixels, region_prompt, scene_prompt, text_of
from ..layout_format import Content, LayoutFormat, LoadedLayout


def _entries(data: Any) -> list[dict[str, Any]]:
    return objects(data.get("annotations")) if isinstance(data, dict) else objects(data)


def _sniff(content: Content) -> bool:
    entries = _entries(content.data)
    return bool(entries) and all("image_id" in entry or "category_id" in entry for entry in entries)


def _read(content: Content) -> LoadedLayout:
    data = content.data if isinstance(content.data, dict) else {}
    entries = _entries(content.data)
    if not entries:
        raise ValueError("COCO has annotations, a list of boxes with category_id: they are not there")
    pictures = objects(data.get("images"))
    wanted = content.setting("image")
    picture = next(
        (image for image in pictures if str(wanted) in (str(image.get("id")), str(image.get("file_name")))), None
    ) or (pictures[0] if pictures and wanted is None else None)
    if wanted is not None and picture is None and pictures:
        raise ValueError(f"there is no image {str(wanted)[:60]!r} among the {len(pictures)} of this file")
    image_id = picture.get("id") if picture else wanted if wanted is not None else entries[0].get("image_id")
    of_image = [entry for entry in entries if str(entry.get("image_id", image_id)) == str(image_id)]
    width = number((picture or {}).get("width")) or number(content.setting("width"))
    height = number((picture or {}).get("height")) or number(content.setting("height"))
    draft = Draft("coco", width=width, height=height)
    others = len({str(entry.get("image_id")) for entry in entries} | {str(image.get("id")) for image in pictures}) - 1
    if others > 0 and wanted is None:
        draft.note(f"{others + 1} pictures: image {image_id} is read; another one by image=ID")
    boxes = [values for entry in of_image if (values := _numbers(entry.get("bbox"))) is not None]
    if not (width and height):
        width = max((x + across for x, _, across, _ in boxes), default=0.0) or 1.0
        height = max((y + down for _, y, _, down in boxes), default=0.0) or 1.0
        draft.note(f"no picture size is said: read as {width:g}×{height:g}, where the boxes end")
    names = {str(category.get("id")): text_of(category.get("name")) for category in objects(data.get("categories"))}
    captions = [text_of(entry.get("caption")) for entry in of_image if "bbox" not in entry]
    if any("segmentation" in entry and entry["segmentation"] for entry in of_image):
        draft.note("outlines are not read, their boxes are")
    for entry in sorted(of_image, key=_area, reverse=True):  # their order says nothing: small ones in front
        if "bbox" not in entry:
            continue
        name = names.get(str(entry.get("category_id")), "") or f"category {str(entry.get('category_id'))[:20]}"
        values = _numbers(entry["bbox"])
        edges: list[Any] = [None] * 4
        if values:
            x, y, across, down = values
            edges = [x / width, y / height, (x + across) / width, (y + down) / height]
        draft.add(edges, text_of(entry.get("caption")) or name, name=name)
    return draft.layout(text_of(content.setting("prompt", "scene")) or (captions[0] if captions else ""))


def _numbers(box: Any) -> tuple[float, float, float, float] | None:
    values = [number(value) for value in box] if isinstance(box, list) and len(box) == 4 else [None]
    if None in values:
        return None
    x, y, across, down = (value or 0.0 for value in values)
    return x, y, across, down


def _area(entry: dict[str, Any]) -> float:
    values = _numbers(entry.get("bbox"))
    return values[2] * values[3] if values else 0.0


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    width, height, notes = pixels(plan)
    entries: list[dict[str, Any]] = []
    for index, region in enumerate(plan.regions, start=1):
        left, top, right, bottom = edges_of(region.box, width, height)
        box = [left, top, right - left, bottom - top]
        entries.append({
            "id": index, "image_id": 1, "category_id": index, "bbox": box, "area": box[2] * box[3], "iscrowd": 0,
            "caption": region_prompt(region),
        })  # fmt: skip
    if scene := scene_prompt(plan):
        entries.append({"id": len(entries) + 1, "image_id": 1, "caption": scene})
    data = {
        "images": [{"id": 1, "width": width, "height": height, "file_name": "picture.png"}],
        "annotations": entries,
        "categories": [{"id": index, "name": region.name} for index, region in enumerate(plan.regions, start=1)],
    }  # fmt: skip
    return json.dumps(data, ensure_ascii=False, indent=1), notes


COCO = LayoutFormat(
    "coco", "COCO boxes", says=frozenset({"size", "names", "style"}), boxes="pixels", sniff=_sniff, read=_read,
    write=_write,
)  # fmt: skip
