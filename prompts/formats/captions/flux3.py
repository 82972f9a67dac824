"""Layout prompts of FLUX 3: a paragraph that cites <cat_1>, then a JSON list of {id, bbox, desc}; boxes are
[y_min, x_min, y_max, x_max] of 1000.

An edit's rows have from, src_bbox and tgt_bbox instead of bbox; null there removes. Source: docs.bfl.ai, "Bounding
boxes", and diffusers/modular_pipelines/flux3/prompt_upsampler.py.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ...outside_json import parse_json
from ...plan import Region, ScenePlan
from ..draft import Draft, edges_of, number, objects, region_prompt, scene_prompt, text_of
from ..layout_format import Content, LayoutFormat, LoadedLayout, from_the_back

GRID = 1000
_ROW_KEYS = ("id", "bbox", "desc", "from", "src_bbox", "tgt_bbox", "src_bbox_1stage", "tgt_bbox_1stage")
_MOST_TRIES = 200  # brackets at which the list may begin
_LITERAL = re.compile(r'"([^"\n]{1,200})"')


def split(text: str) -> tuple[str, list[dict[str, Any]]]:
    """The caption and the rows of the JSON list that closes the text; no rows without one."""
    end = text.rstrip()
    if end.endswith("]"):
        at = len(end)
        for _ in range(_MOST_TRIES):
            at = end.rfind("[", 0, at)
            if at < 0:
                break
            try:
                rows = parse_json(end[at:])
            except ValueError:
                continue
            if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
                return end[:at].strip(), rows
    return text.strip(), []


def _is_row(row: dict[str, Any]) -> bool:
    return "desc" in row and "id" in row and bool({"bbox", "tgt_bbox", "src_bbox"} & row.keys())


def _rows(content: Content) -> tuple[str, list[dict[str, Any]]]:
    return ("", objects(content.data)) if isinstance(content.data, list) else split(content.text)


def _sniff(content: Content) -> bool:
    rows = _rows(content)[1]
    return bool(rows) and all(map(_is_row, rows))


def _read(content: Content) -> LoadedLayout:
    caption, rows = _rows(content)
    if not rows:
        raise ValueError("a FLUX 3 layout prompt ends in a JSON list of {id, bbox, desc}: it is not there")
    draft = Draft("flux3", width=content.setting("width"), height=content.setting("height"))
    for row in rows:
        draft.ignored(row, *_ROW_KEYS, where="rows")
        name = _name(text_of(row.get("id")))
        box = row.get("bbox") if "bbox" in row else row.get("tgt_bbox")
        if "bbox" not in row and box is None:
            draft.note(f"{name!r} is to be removed: a plan has only what is there")
            continue
        if row.get("from") not in (None, "", "target"):
            draft.note(f"{name!r} comes from {str(row['from'])[:40]!r}: pictures are not read, its description is")
        edges = None
        if isinstance(box, list) and len(box) == 4:
            top, left, bottom, right = (value / GRID if (value := number(edge)) is not None else None for edge in box)
            edges = [left, top, right, bottom]
        text = text_of(row.get("desc"))
        literal = (
            _LITERAL.search(text) if "_text_" in str(row.get("id")).casefold() else None
        )  # 'En_Text_1': a block of lettering
        draft.add(edges, text, name="" if literal else name, lettering=literal[1] if literal else "")
    for row in rows:  # the caption is a sentence without the marks
        mark = f"<{text_of(row.get('id'))}>"
        caption = caption.replace(f" {mark}", "").replace(mark, "")
    return draft.layout(caption)


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    ids: dict[str, str] = {}
    for region in plan.regions:
        ids[region.name] = _id(region, set(ids.values()))
    rows = []
    for region in from_the_back(plan):
        left, top, right, bottom = edges_of(region.box, GRID, GRID)
        desc = region_prompt(region)
        if region.lettering and f'"{region.lettering}"' not in desc:
            desc = f'"{region.lettering}" {desc}'.strip()
        rows.append({"id": ids[region.name], "bbox": [top, left, bottom, right], "desc": desc})
    caption, lost = scene_prompt(plan), []
    for region in plan.regions:
        mark = f"<{ids[region.name]}>"
        match = re.search(rf"\b{re.escape(region.name)}\b", caption, re.IGNORECASE)
        end = match.end() if match else len(caption)
        caption = f"{caption[:end]} {mark}{caption[end:]}".strip()
        if not region.lettering and _name(ids[region.name]) != region.name:
            lost.append(region.name)
    notes = [f"ids are letters, digits and _: {', '.join(map(repr, lost))} named otherwise"] if lost else []
    return f"{caption} {json.dumps(rows, ensure_ascii=False)}".strip(), notes


def _id(region: Region, taken: set[str]) -> str:
    """'cat_1' of 'cat', 'cat_2' of 'cat 2': letters, digits and underscores, with a number."""
    stem = re.sub(r"[^A-Za-z0-9]+", "_", region.name).strip("_") or "obj"
    stem = "En_Text" if region.lettering else stem if stem[0].isalpha() else f"obj_{stem}"
    if re.search(r"_\d+$", stem) and stem not in taken:
        return stem
    return next(name for count in range(1, 99) if (name := f"{stem}_{count}") not in taken)


def _name(row_id: str) -> str:
    """'cat' of 'cat_1', 'cat 2' of 'cat_2'."""
    return row_id.removesuffix("_1").replace("_", " ").strip()


FLUX3 = LayoutFormat(
    "flux3", "FLUX 3 layout prompt", says=frozenset({"style", "lettering", "order", "names"}), boxes="thousandths",
    sniff=_sniff, read=_read, write=_write, aliases=("flux",),
)  # fmt: skip
