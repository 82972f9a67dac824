"""The interface of a layout format, and what a format cannot say of a plan."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ..errors import visible
from ..plan import Region, ScenePlan

Feature = Literal[
    "size", "names", "levels", "style", "colors", "negative", "region negative", "region colors", "lettering",
    "strength", "order", "feather", "steps", "seed", "shape",
]  # fmt: skip
FEATURES: tuple[Feature, ...] = get_args(Feature)
NAME = 40  # characters of a prompt that may become a region's name
_TAGS = re.compile(r"<[^<>]*>|:[\d.]+(?=[)\]])|[()\[\]{}]")  # LoRA tags, weights and their brackets
_CLAUSE = re.compile(r"[,.;:\n，。；：]")


@dataclass(frozen=True)
class Content:
    """What a layout is read from. data: the text as JSON; None if it is none. settings: what the program keeps beside
    the text, such as the ratios of Regional Prompter."""

    text: str
    data: Any = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def setting(self, *names: str) -> Any:
        """The first of these settings that is there; None without one. Names are read without case and spaces."""
        given = {plain(name): value for name, value in self.settings.items()}
        return next((given[plain(name)] for name in names if given.get(plain(name)) is not None), None)


@dataclass(frozen=True)
class LoadedLayout:
    """A plan from another program's layout. notes: what was not understood or changed, a sentence each; the plan has
    them too. settings: what else the file says of the picture: seed, steps, guidance_scale, model …"""

    plan: ScenePlan
    format: str
    notes: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DumpedLayout:
    """A plan in another program's format. unsaid: what of the plan the format cannot say, a sentence each."""

    text: str
    format: str
    unsaid: tuple[str, ...] = ()


@dataclass(frozen=True)
class LayoutFormat:
    """One format. says: the parts of a plan that it can say beside boxes and prompts. boxes: how exact its boxes are.

    read: raises ValueError, one line, for content that is not of this format. write: None for formats that are only
    read; it gives the text and notes of its own.
    """

    name: str
    program: str
    says: frozenset[Feature]
    boxes: str
    sniff: Callable[[Content], bool]
    read: Callable[[Content], LoadedLayout]
    write: Callable[[ScenePlan], tuple[str, list[str]]] | None = None
    aliases: tuple[str, ...] = ()


def plain(name: str) -> str:
    """A setting's name without case, spaces and marks: 'Divide Ratio' and 'divide_ratio' are one."""
    return "".join(char for char in name.casefold() if char.isalnum())


def name_of(text: str) -> str:
    """A region's name from its prompt: the whole of a short one, else its first clause, in at most `NAME`
    characters."""
    text = " ".join(_TAGS.sub(" ", visible(text)).split()).strip(" ,")
    if len(text) > NAME:
        text = next((clause.strip() for clause in _CLAUSE.split(text) if clause.strip()), "")
    if len(text) > NAME:
        text = text[: text.rfind(" ", 10, NAME) if text.rfind(" ", 10, NAME) > 0 else NAME]
    return text.strip()


def unsaid(plan: ScenePlan, says: frozenset[Feature], *, where: str = "in this format") -> list[str]:
    """What a plan has and a format cannot say, a sentence each. where: in what it is not said."""
    notes = [
        f"{what}: not said {where}"
        for feature, what in (
            ("size", f"{plan.width}×{plan.height} pixels" if plan.width else ""),
            ("style", "the style" if plan.style else ""),
            ("colors", "the palette" if plan.colors else ""),
            ("negative", "the negative prompt" if plan.negative else ""),
        )
        if what and feature not in says
    ]
    for feature, what, has in _OF_REGIONS:
        names = [region.name for region in plan.regions if has(region)]
        if names and feature not in says:
            notes.append(f"{what} of {', '.join(map(repr, names))}: not said {where}")
    if "levels" not in says and (plan.scene.low_level or any(region.prompt.low_level for region in plan.regions)):
        notes.append("the two levels of a prompt are written as one text")
    return notes


_OF_REGIONS: tuple[tuple[Feature, str, Callable[[Region], Any]], ...] = (
    (
        "names",
        "the name",
        lambda region: region.name not in (name_of(region.lettering), name_of(region.prompt.high_level)),
    ),
    ("region negative", "the negative", lambda region: region.negative),
    ("region colors", "the palette", lambda region: region.colors),
    ("lettering", "the lettering", lambda region: region.lettering),
    ("strength", "the strength", lambda region: region.strength != 1),
    ("order", "the z_order", lambda region: region.z_order),
    ("feather", "the soft edge", lambda region: region.feather),
    ("steps", "start and end", lambda region: (region.start, region.end) != (0, 1)),
    ("seed", "the seed", lambda region: region.seed is not None),
    ("shape", "the free shape", lambda region: region.mask),
)


def from_the_back(plan: ScenePlan) -> list[Region]:
    """The regions in the order in which formats without a z_order draw them: later ones in front."""
    return sorted(plan.regions, key=lambda region: region.z_order)
