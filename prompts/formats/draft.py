"""A plan in the making from a stranger's layout: whatever can be read is kept, and every change is a note."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from ..errors import visible
from ..layout.canvas import nearest_sides
from ..plan import MAX_LETTERING, MAX_PROMPT, MAX_REGIONS, Box, LeveledPrompt, Region, ScenePlan, unique_name
from ..wording import caption, joined
from .layout_format import LoadedLayout, name_of

BACKGROUND = "Background: "  # begins the background in a scene prompt, which other formats keep apart
_COLOUR = re.compile(r"#([0-9a-fA-F]{6}|[0-9a-fA-F]{3})")


class Draft:
    """Regions and notes, collected one by one."""

    def __init__(self, format: str, *, width: Any = None, height: Any = None) -> None:
        """width, height: of the picture in pixels, as they are found; anything that is no number is not given."""
        self.format = format
        self.regions: list[Region] = []
        self.notes: list[str] = []
        self.scene: list[str] = []  # texts that have no box
        self._left_out = 0
        self.size: tuple[int, int] | None = None
        across, down = number(width), number(height)
        if across and down and across > 0 and down > 0:
            self.size = nearest_sides(across, down)
            if self.size != (across, down):
                self.note(f"{across:g}×{down:g} pixels: drawn as {self.size[0]}×{self.size[1]}")

    def note(self, text: str) -> None:
        """Adds a note, once."""
        if text not in self.notes:
            self.notes.append(text)

    def ignored(self, data: Mapping[str, Any], *known: str, where: str = "") -> None:
        """Notes the keys of an object that are not known here and have a value."""
        unknown = [str(key) for key, value in data.items() if key not in known and value not in (None, "", [], {})]
        if unknown:
            names = ", ".join(repr(name[:40]) for name in unknown[:8]) + (" …" if len(unknown) > 8 else "")
            self.note(f"{where + ': ' if where else ''}not understood, left out: {names}")

    def add(
        self, edges: Sequence[Any] | None, text: str, *, low: str = "", name: str = "", negative: str = "",
        lettering: str = "", colors: Any = None, strength: float = 1.0, z_order: int = 0, feather: float = 0.0,
        start: float = 0.0, end: float = 1.0,
    ) -> None:  # fmt: skip
        """A region. edges: left, top, right, bottom as shares of the picture; None: it has no box, and its text goes
        to the scene prompt."""
        text, low = self._text(text, MAX_PROMPT), self._text(low, MAX_PROMPT)
        label = " ".join(visible(name).split()) or name_of(lettering) or name_of(text) or name_of(low) or "region"
        if edges is None:
            self.note(f"{label!r} has no box: it is said in the scene prompt")
            words = f'the text "{lettering}"' if lettering else ""
            self.scene.append(", ".join(part for part in (text, low, words) if part))
            return
        if len(self.regions) == MAX_REGIONS:
            self._left_out += 1
            return
        if (box := self._box(edges, label)) is None:
            return
        label = unique_name(label, {region.name for region in self.regions})
        if not 0 <= strength <= 1:
            self.note(
                f"{label!r}: strength {strength:g} is more than a region can have; drawn with {min(1, strength):g}"
            )
        if not 0 <= start < end <= 1:
            self.note(f"{label!r}: acting from {start:g} to {end:g} of the steps is not possible: acts in all of them")
            start, end = 0.0, 1.0
        self.regions.append(
            Region(
                name=label, box=box, prompt=LeveledPrompt(high_level=text, low_level=low),
                negative=self._text(negative, MAX_PROMPT), lettering=self._text(lettering, MAX_LETTERING),
                colors=self.palette(colors, 5), strength=min(1.0, max(0.0, strength)), z_order=z_order,
                feather=min(64.0, max(0.0, feather)), start=start, end=end,
            )
        )  # fmt: skip

    def layout(
        self, scene: str = "", *, low: str = "", background: str = "", style: str = "", negative: str = "",
        colors: Any = None, settings: Mapping[str, Any] | None = None,
    ) -> LoadedLayout:  # fmt: skip
        """The finished plan. background: joined to the scene prompt, see `with_background`."""
        if self._left_out:
            self.note(f"a plan has room for {MAX_REGIONS} regions: the last {self._left_out} are left out")
        text = with_background(joined(scene, *self.scene), background)
        width, height = self.size or (None, None)
        plan = ScenePlan(
            width=width, height=height, style=self._text(style, MAX_PROMPT), colors=self.palette(colors, 16),
            scene=LeveledPrompt(high_level=self._text(text, MAX_PROMPT), low_level=self._text(low, MAX_PROMPT)),
            negative=self._text(negative, MAX_PROMPT), regions=self.regions,
        )  # fmt: skip
        return LoadedLayout(plan.with_notes(self.notes), self.format, tuple(self.notes), dict(settings or {}))

    def palette(self, colors: Any, most: int) -> list[str]:
        """Colours as #rrggbb; others are noted."""
        given = colors if isinstance(colors, list) else [colors] if colors else []
        found = []
        for colour in given[:64]:
            match = _COLOUR.fullmatch(colour.strip()) if isinstance(colour, str) else None
            if match:
                found.append("#" + (match[1] if len(match[1]) == 6 else "".join(c + c for c in match[1])))
            else:
                self.note(f"colour {str(colour)[:40]!r} is not #rrggbb: left out")
        if len(found) > most:
            self.note(f"{len(found)} colours in one palette: the first {most} are kept")
        return found[:most]

    def _text(self, text: str, most: int) -> str:
        clean = visible(text).strip()
        if clean != text.strip():
            self.note("invisible characters are shown as �")
        if len(clean) > most:
            end = clean.rfind(" ", most // 2, most)
            self.note(f"a text of {len(clean):,} characters is cut at {most:,}: {clean[:30]!r} …")
            clean = clean[: end if end > 0 else most].rstrip()
        return clean

    def _box(self, edges: Sequence[Any], label: str) -> Box | None:
        values = [number(edge) for edge in edges]
        if len(values) != 4 or None in values:
            self.note(f"{label!r}: its box is not four numbers; left out")
            return None
        left, top, right, bottom = (float(value) for value in values if value is not None)
        if right < left or bottom < top:
            self.note(f"{label!r}: the edges of its box were in the wrong order and are turned round")
            left, right, top, bottom = min(left, right), max(left, right), min(top, bottom), max(top, bottom)
        cut = [min(1.0, max(0.0, edge)) for edge in (left, top, right, bottom)]
        if max(abs(edge - old) for edge, old in zip(cut, (left, top, right, bottom), strict=True)) > 1e-6:
            self.note(f"{label!r}: its box reaches beyond the picture and is cut at its edge")
        if cut[2] - cut[0] < 1e-6 or cut[3] - cut[1] < 1e-6:
            self.note(f"{label!r}: its box is empty, or outside the picture; left out")
            return None
        return Box(left=cut[0], top=cut[1], right=cut[2], bottom=cut[3])


def number(value: Any) -> float | None:
    """A finite number, also of digits in a text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str) or len(str(value)) > 40:
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if isfinite(found) else None


def text_of(value: Any) -> str:
    """A text, or '' for what is none: null, numbers, lists."""
    return value.strip() if isinstance(value, str) else ""


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a JSON list; none for what is no list."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def inner(parent: dict[str, Any], key: str, default: dict[str, Any]) -> dict[str, Any]:
    """The object under a key, or `default` where something else or nothing stands there."""
    value = parent.get(key)
    return value if isinstance(value, dict) else default


def with_background(scene: str, background: str) -> str:
    """A scene prompt with its background at the end: 'A cat. Background: a wall'."""
    if not background.strip():
        return scene.strip()
    end = "" if not scene.strip() or scene.strip()[-1] in ".!?。！？" else "."
    return f"{scene.strip()}{end} {BACKGROUND}{background.strip()}".strip()


def background_in(scene: str) -> tuple[str, str]:
    """A scene prompt without its background, and that; the inverse of `with_background`."""
    before, mark, background = scene.partition(BACKGROUND)
    return (before.strip(), background.strip()) if mark else (scene.strip(), "")


def edges_of(box: Box, across: float, down: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom in whole units of a picture of that width and height, never empty."""
    left, top = min(int(across) - 1, round(box.left * across)), min(int(down) - 1, round(box.top * down))
    return left, top, max(left + 1, round(box.right * across)), max(top + 1, round(box.bottom * down))


def pixels(plan: ScenePlan) -> tuple[int, int, list[str]]:
    """Width and height for formats whose boxes are in pixels, and a note if the plan leaves them to the model."""
    if plan.width and plan.height:
        return plan.width, plan.height, []
    return 1024, 1024, ["the plan leaves the picture's size to the model: boxes are in pixels of 1024×1024"]


def region_prompt(region: Region) -> str:
    """Both levels of a region as one text, for formats that have one."""
    return caption(region.prompt)


def scene_prompt(plan: ScenePlan) -> str:
    """Both levels of the scene and the style as one text."""
    return joined(plan.scene.high_level, plan.scene.low_level, plan.style)
