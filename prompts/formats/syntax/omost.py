"""Omost's canvas: calls that place descriptions in words, as its language models write them. They are read as data.

Source: lllyasviel/Omost, lib_omost/canvas.py. Boxes are of a canvas of 90×90: a location, an offset and an area, each
one of nine phrases.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from itertools import product
from typing import Any

from PIL import ImageColor

from ...plan import Box, ScenePlan
from ...wording import joined
from ..draft import Draft, number, text_of
from ..layout_format import Content, LayoutFormat, LoadedLayout, from_the_back
from .python_data import calls, literal, parse_python

SIDE = 90
LOCATIONS = {
    "in the center": (45, 45), "on the left": (15, 45), "on the right": (75, 45), "on the top": (45, 15),
    "on the bottom": (45, 75), "on the top-left": (15, 15), "on the top-right": (75, 15),
    "on the bottom-left": (15, 75),
    "on the bottom-right": (75, 75),
}  # fmt: skip
OFFSETS = {
    "no offset": (0, 0), "slightly to the left": (-10, 0), "slightly to the right": (10, 0),
    "slightly to the upper": (0, -10), "slightly to the lower": (0, 10), "slightly to the upper-left": (-10, -10),
    "slightly to the upper-right": (10, -10), "slightly to the lower-left": (-10, 10),
    "slightly to the lower-right": (10, 10),
}  # fmt: skip
AREAS = {
    "a small square area": (50, 50), "a small vertical area": (40, 60), "a small horizontal area": (60, 40),
    "a medium-sized square area": (60, 60), "a medium-sized vertical area": (50, 80),
    "a medium-sized horizontal area": (80, 50), "a large square area": (70, 70), "a large vertical area": (60, 90),
    "a large horizontal area": (90, 60),
}  # fmt: skip
_GLOBAL = ("description", "detailed_descriptions", "tags", "HTML_web_color_name")
_LOCAL = ("location", "offset", "area", "distance_to_viewer", "description", "detailed_descriptions", "tags",
          "atmosphere", "style", "quality_meta", "HTML_web_color_name")  # fmt: skip
_NO_COLOUR = "gray"


def _sniff(content: Content) -> bool:
    calls_ = ("set_global_description(", "add_local_description(")
    return content.data is None and any(call in content.text for call in calls_)


def _read(content: Content) -> LoadedLayout:
    draft = Draft("omost", width=content.setting("width"), height=content.setting("height"))
    scene: dict[str, Any] = {}
    locals_: list[tuple[float, dict[str, Any]]] = []
    for name, given, named in calls(parse_python(content.text)):
        keys = {"set_global_description": _GLOBAL, "add_local_description": _LOCAL}.get(name)
        if keys is None:
            draft.note(f"{name}(…) is not read")
            continue
        values = {key: literal(node) for key, node in [*zip(keys, given, strict=False), *named.items()]}
        if name == "set_global_description":
            scene = values
        else:
            locals_.append((number(values.get("distance_to_viewer")) or 1.0, values))
    if not scene and not locals_:
        raise ValueError(
            "an Omost canvas has set_global_description(…) and add_local_description(…): they are not there"
        )
    for _, values in sorted(locals_, key=lambda pair: -pair[0]):  # what is far away lies behind
        low = joined(
            *_details(values), *(text_of(values.get(key)) for key in ("tags", "atmosphere", "style", "quality_meta"))
        )
        draft.add(_edges(values, draft), text_of(values.get("description")), low=low, colors=_colour(values, draft))
    return draft.layout(
        text_of(scene.get("description")), low=joined(*_details(scene), text_of(scene.get("tags"))),
        colors=_colour(scene, draft),
    )  # fmt: skip


def _details(values: Mapping[str, Any]) -> list[str]:
    details = values.get("detailed_descriptions")
    return [text_of(detail) for detail in details] if isinstance(details, list) else []


def _colour(values: Mapping[str, Any], draft: Draft) -> list[str]:
    name = text_of(values.get("HTML_web_color_name")).casefold()
    if not name or name == _NO_COLOUR:
        return []
    try:
        red, green, blue = ImageColor.getrgb(name)[:3]
    except ValueError:
        draft.note(f"{name[:40]!r} is no colour of HTML: left out")
        return []
    return [f"#{red:02x}{green:02x}{blue:02x}"]


def _edges(values: Mapping[str, Any], draft: Draft) -> list[float]:
    (x, y), (dx, dy), (width, height) = (
        _closest(text_of(values.get(key)), table, draft)
        for key, table in (("location", LOCATIONS), ("offset", OFFSETS), ("area", AREAS))
    )
    return _rectangle(x + dx, y + dy, width, height)


def _closest(phrase: str, table: Mapping[str, tuple[int, int]], draft: Draft) -> tuple[int, int]:
    """The entry of the phrase nearest to this one, as Omost itself takes it; else the first."""
    nearest = get_close_matches(phrase.casefold()[:80], table, n=1, cutoff=0.5) or [next(iter(table))]
    if nearest[0] != phrase:
        draft.note(f"{phrase[:60]!r} is read as {nearest[0]!r}")
    return table[nearest[0]]


def _rectangle(x: int, y: int, width: int, height: int) -> list[float]:
    """Edges about a middle, cut at the canvas, as shares."""
    edges = (x - width // 2, y - height // 2, x + width // 2, y + height // 2)
    return [min(SIDE, max(0, edge)) / SIDE for edge in edges]


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    lines = ["```python", "canvas = Canvas()", _call("set_global_description", {
        "description": plan.scene.high_level,
        "detailed_descriptions": [plan.scene.low_level] if plan.scene.low_level else [], "tags": "",
        "HTML_web_color_name": _colour_name(plan.colors),
    })]  # fmt: skip
    regions, inexact = from_the_back(plan), []
    for index, region in enumerate(regions):
        (location, offset, area), error = _nearest(region.box)
        if error > 0.02:
            inexact.append(region.name)
        lines.append(_call("add_local_description", {
            "location": location, "offset": offset, "area": area, "distance_to_viewer": float(len(regions) - index),
            "description": region.prompt.high_level,
            "detailed_descriptions": [region.prompt.low_level] if region.prompt.low_level else [], "tags": "",
            "atmosphere": "", "style": "", "quality_meta": "", "HTML_web_color_name": _colour_name(region.colors),
        }))  # fmt: skip
    notes = [f"the nearest of Omost's areas instead of the boxes of {', '.join(map(repr, inexact))}"] if inexact else []
    more = plan.colors[1:] or [colour for region in regions for colour in region.colors[1:]]
    notes += ["of each palette the HTML colour nearest to its first is said"] if more or plan.colors else []
    return "\n".join([*lines, "```"]), notes


def _call(name: str, arguments: Mapping[str, object]) -> str:
    return f"canvas.{name}({', '.join(f'{key}={value!r}' for key, value in arguments.items())})"


def _nearest(box: Box) -> tuple[tuple[str, str, str], float]:
    """The phrases of the nearest box that there is, and the largest distance of an edge."""

    def error(names: tuple[str, str, str]) -> float:
        (x, y), (dx, dy), size = LOCATIONS[names[0]], OFFSETS[names[1]], AREAS[names[2]]
        edges = _rectangle(x + dx, y + dy, *size)
        return max(abs(a - b) for a, b in zip(edges, (box.left, box.top, box.right, box.bottom), strict=True))

    best = min(product(LOCATIONS, OFFSETS, AREAS), key=error)
    return best, error(best)


def _colour_name(colors: list[str]) -> str:
    """The HTML colour nearest to the first of a palette."""
    if not colors:
        return _NO_COLOUR
    wanted = ImageColor.getrgb(colors[0])

    def distance(name: str) -> int:
        return sum((a - b) ** 2 for a, b in zip(ImageColor.getrgb(name), wanted, strict=False))

    return min((name for name in ImageColor.colormap if name != _NO_COLOUR), key=distance)


OMOST = LayoutFormat(
    "omost", "Omost canvas", says=frozenset({"levels", "order", "colors", "region colors"}),
    boxes="729 places in words", sniff=_sniff, read=_read, write=_write,
)  # fmt: skip
