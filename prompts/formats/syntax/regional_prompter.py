"""Regional Prompter of AUTOMATIC1111's web UI: prompts between BREAK, ADDCOL, ADDROW, ADDCOMM and ADDBASE, and ratios
beside them.

Source: hako-mikan/sd-webui-regional-prompter, README.md and scripts/regions.py. Settings are read beside the prompt: of
the web UI's `parameters` text ('RP Ratios: "1,2"'), as the README writes them ('Divide Ratio : 1,2'), or by name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ...plan import Region, ScenePlan
from ...wording import joined
from ..draft import Draft, number, region_prompt, scene_prompt
from ..layout_format import Content, LayoutFormat, LoadedLayout, name_of

_KEYS = re.compile(r"\b(ADDCOMM|ADDBASE|ADDCOL|ADDROW|BREAK)\b")
_ADD = re.compile(r"\b(ADDCOL|ADDROW)\b")
_LINE = re.compile(
    r"(?m)^[ \t]*(Active|Use base prompt|Use common prompt|Divide mode|Divide Ratio|Base Ratio)[ \t]*:(.*)$",
    re.IGNORECASE,
)
MOST = 64  # parts of a ratio that are read
BASE_RATIO = 0.2  # the extension's default
Span = tuple[float, float]
Parts = list[list[float]]  # per outer part: its own ratio, then those of its cells


def _sniff(content: Content) -> bool:
    keys = set(_KEYS.findall(content.text)) if content.data is None else set()
    return bool(keys - {"BREAK"}) or ("BREAK" in keys and not content.text.isupper())


def _read(content: Content) -> LoadedLayout:
    pasted = {match[1]: match[2].strip() for match in _LINE.finditer(content.text)}
    settings = Content("", settings={**pasted, **_arguments(content), **content.settings})
    draft = Draft("regional-prompter", width=content.setting("width"), height=content.setting("height"))
    mode = str(settings.setting("divide_mode", "RP Divide mode", "mode") or "").casefold()
    common, base, rest = _heads(_LINE.sub("", content.text).strip(), settings)
    scene, negative = joined(common, base or ""), str(content.setting("negative_prompt", "negative") or "")
    if "mask" in mode or "prompt" in mode:
        draft.note(f"divide mode {mode!r} draws its regions by {mode}, which is not in the text: no boxes are known")
        for text in map(_clean, _KEYS.split(rest)[::2]):
            draft.add(None, joined(common, text), name=name_of(text))
        return draft.layout(scene, negative=negative)
    vertical = "ver" in (mode := str(settings.setting("RP Matrix submode") or mode).casefold()) or "row" in mode
    ratio = str(settings.setting("divide_ratio", "ratio", "ratios", "RP Ratios") or "").strip()
    if not (mode or ratio or _ADD.search(rest)):
        draft.note(
            "neither divide mode nor ratio is said: read as equal columns, the extension's default; if the first "
            "prompt is the common or the base one, say use_common=on or use_base=on"
        )
    texts = [_clean(text) for text in (_ADD if _ADD.search(rest) else _KEYS).split(rest)[::2]]
    boxes = _boxes(_ADD.findall(rest), ratio, len(texts), vertical=vertical, draft=draft)
    if len(boxes) != len(texts):
        draft.note(f"{len(texts)} prompts for {len(boxes)} places: what is too much is left out")
    negatives = [_clean(text) for text in _KEYS.split(negative)[::2]]
    shared = negative if len(negatives) != len(texts) or len(texts) == 1 else ""
    weights = _base_ratios(settings, len(texts), draft) if base is not None else [0.0] * len(texts)
    for index, (edges, text) in enumerate(zip(boxes, texts, strict=False)):
        own = "" if shared or not negative else negatives[index]
        draft.add(edges, joined(common, text), name=name_of(text), negative=own, strength=1 - weights[index])
    return draft.layout(scene, negative=shared)


def _arguments(content: Content) -> dict[str, Any]:
    """The settings in a payload of the web UI's API."""
    scripts = content.setting("alwayson_scripts")
    script = scripts.get("Regional Prompter") if isinstance(scripts, dict) else None
    values = script.get("args") if isinstance(script, dict) else None
    names = ("active", "debug", "divide_mode", "RP Matrix submode", "", "", "ratio", "base_ratio", "use_base",
             "use_common")  # fmt: skip
    given = dict(zip(names, values, strict=False)) if isinstance(values, list) else {}
    return {name: value for name, value in given.items() if name and value not in ("", None)}


def _heads(text: str, settings: Content) -> tuple[str, str | None, str]:
    """Common prompt, base prompt and the regions' part; None for no base."""
    common, base = "", None
    for key, is_on in (
        ("ADDCOMM", settings.setting("use_common", "use_common_prompt", "RP Use Common", "common")),
        ("ADDBASE", settings.setting("use_base", "use_base_prompt", "RP Use Base", "base")),
    ):
        if re.search(rf"\b{key}\b", text):
            head, _, text = text.partition(key)
        elif str(is_on).strip().casefold() in ("true", "on", "1", "yes"):
            first = _KEYS.search(text)
            head, text = (text[: first.start()], text[first.end() :]) if first else ("", text)
        else:
            continue
        if key == "ADDCOMM":
            common = _clean(head)
        else:
            base = _clean(head)
    return common, base, text


def _clean(text: str) -> str:
    return " ".join(text.split()).strip(" ,")


def _boxes(keys: Sequence[str], ratio: str, count: int, *, vertical: bool, draft: Draft) -> list[list[float]]:
    """Edges of each cell. keys: ADDCOL and ADDROW in their order; none: the prompts are divided by BREAK.

    Horizontal mode: rows by ; or ADDROW, and columns in each by , or ADDCOL. Vertical mode: the other way round.
    """
    marks = (",", ";") if vertical else (";", ",")
    across = vertical  # whether the outer parts are columns
    if len(set(keys)) == 1 or (not keys and ";" not in ratio):  # one direction
        flat = [value for part in re.split("[;,]", ratio)[:MOST] if (value := number(part))]
        flat = flat[1:] if len(flat) == count + 1 and ";" not in ratio and keys else flat
        if len(flat) != count:
            if ratio and not (len(set(flat)) == 1 and len(flat) < count):
                draft.note(f"the ratio {ratio[:40]!r} does not fit {count} prompts: equal parts")
            flat = [1.0] * count
        across = keys[0] == "ADDCOL" if keys else not vertical
        parts = [[value, 1.0] for value in flat]
    else:
        outer = "ADDCOL" if vertical else "ADDROW"
        shape = [1]
        for key in keys:
            shape[len(shape) - 1 :] = [shape[-1], 1] if key == outer else [shape[-1] + 1]
        fits = [
            found
            for found in (_parts(ratio, *marks), _parts(ratio, *marks[::-1]))
            if ([len(part) - 1 for part in found] == shape if keys else sum(map(len, found)) - len(found) == count)
        ]
        if ratio and not fits:
            draft.note(f"the ratio {ratio[:40]!r} does not fit {count} prompts: equal parts")
        elif fits and fits[0] != _parts(ratio, *marks):
            draft.note(f"the ratio {ratio[:40]!r} fits with , and ; the other way round, and is read so")
        parts = fits[0] if fits else [[1.0] * (cells + 1) for cells in (shape if keys else [count])]
    boxes = []
    for (first, last), part in zip(_spans([part[0] for part in parts]), parts, strict=True):
        for start, end in _spans(part[1:]):
            boxes.append([first, start, last, end] if across else [start, first, end, last])
    return boxes


def _parts(ratio: str, outer: str, inner: str) -> Parts:
    """'1,2,1;2,3,1' → [[1, 2, 1], [2, 3, 1]]; a part without ratios of cells has one cell."""
    rows = [[number(value) or 1.0 for value in part.split(inner)[:MOST]] for part in ratio.split(outer)[:MOST]]
    return [row if len(row) > 1 else [row[0], 1.0] for row in rows]


def _spans(ratios: Sequence[float]) -> list[Span]:
    """Start and end of each part of a whole, 0 to 1."""
    positive = [abs(ratio) for ratio in ratios]
    ends = [sum(positive[: index + 1]) / sum(positive) for index in range(len(positive))]
    return list(zip([0.0, *ends[:-1]], [*ends[:-1], 1.0], strict=True))


def _base_ratios(settings: Content, count: int, draft: Draft) -> list[float]:
    """Share of the base prompt in each region; the last one is repeated."""
    given = settings.setting("base_ratio", "base_ratios", "RP Base Ratios")
    values = [number(part) or 0.0 for part in re.split("[;,]", str(given))[:MOST] if part.strip()] if given else []
    if not values:
        draft.note(f"no base ratio is said: {BASE_RATIO}, the extension's default")
        values = [BASE_RATIO]
    return (values + values[-1:] * count)[:count]


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    if not plan.regions:
        return scene_prompt(plan), ["the plan has no regions: its prompt alone"]
    ways = [_divided(plan.regions, vertical=vertical) for vertical in (False, True)]
    groups, boxes = min(ways, key=lambda way: _error(way[1]))
    vertical = groups is ways[1][0]
    outer, inner = ("ADDCOL", "ADDROW") if vertical else ("ADDROW", "ADDCOL")
    marks = (",", ";") if vertical else (";", ",")
    sizes = [[_length(group, vertical), *(_length([region], not vertical) for region in group)] for group in groups]
    parts = [marks[1].join(f"{value:.4g}" for value in size) for size in sizes]
    prompts = f" {outer}\n".join(f" {inner}\n".join(map(region_prompt, group)) for group in groups)
    ratio, mode = marks[0].join(parts), "Vertical" if vertical else "Horizontal"
    if len(groups) == 1:  # one direction
        ratio = marks[1].join(f"{value:.4g}" for value in sizes[0][1:])
        ratio = ratio.replace(";", ",")
    elif all(len(group) == 1 for group in groups):
        ratio = ",".join(f"{size[0]:.4g}" for size in sizes)
    scene = scene_prompt(plan)
    base = [f"{1 - region.strength:.4g}" for group in groups for region in group]
    lines = [
        f"{scene} ADDBASE\n{prompts}" if scene else prompts,
        "",
        f"Divide mode : {mode}",
        f"Divide Ratio : {ratio}",
    ]
    lines += [f"Base Ratio : {','.join(base)}"] if scene else []
    moved = [region.name for region, edges in boxes if _error([(region, edges)]) > 0.01]
    notes = [f"not a division into rows and columns: {', '.join(map(repr, moved))} moved or resized"] if moved else []
    return "\n".join(lines), notes


def _divided(
    regions: Sequence[Region], *, vertical: bool
) -> tuple[list[list[Region]], list[tuple[Region, list[float]]]]:
    """The regions in rows (vertical: in columns), and the box that each would get."""
    along, over = (0, 1) if vertical else (1, 0)
    groups: list[list[Region]] = []
    for region in sorted(regions, key=lambda region: (region.box.centre[along], region.box.centre[over])):
        start, end = _edges(groups[-1][0], along) if groups else (1.0, 0.0)
        if start < region.box.centre[along] < end:
            groups[-1].append(region)
        else:
            groups.append([region])
    groups = [sorted(group, key=lambda region: region.box.centre[over]) for group in groups]
    boxes = []
    for (first, last), group in zip(_spans([_length(group, vertical) for group in groups]), groups, strict=True):
        lengths = [_length([region], not vertical) for region in group]
        for (start, end), region in zip(_spans(lengths), group, strict=True):
            boxes.append((region, [first, start, last, end] if vertical else [start, first, end, last]))
    return groups, boxes


def _edges(region: Region, axis: int) -> Span:
    return (region.box.left, region.box.right) if axis == 0 else (region.box.top, region.box.bottom)


def _length(group: Sequence[Region], across: bool) -> float:
    """The mean width (across) or height of regions."""
    ends = [_edges(region, 0 if across else 1) for region in group]
    return sum(end - start for start, end in ends) / len(ends)


def _error(boxes: Sequence[tuple[Region, list[float]]]) -> float:
    """The largest distance of an edge from where the plan has it."""
    return max(
        max(abs(a - b) for a, b in zip(edges, (box.left, box.top, box.right, box.bottom), strict=True))
        for region, edges in boxes
        if (box := region.box)
    )


REGIONAL_PROMPTER = LayoutFormat(
    "regional-prompter", "Regional Prompter", says=frozenset({"style", "strength"}),
    boxes="rows of columns, or columns of rows", sniff=_sniff, read=_read, write=_write,
)  # fmt: skip
