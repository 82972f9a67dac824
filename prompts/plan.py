"""The scene plan: what a planner returns and the renderer draws. The field descriptions are sent to the LLM."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import count
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .errors import CONTROL_CHARACTERS, visible

MAX_REGIONS = 32
MAX_BRIEF = 4000
MAX_PROMPT = 1000

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Prompt = Annotated[str, Field(max_length=MAX_PROMPT)]
MIN_SIDE, MAX_SIDE = 64, 2048  # pixels
MAX_ORDER = 100  # of z_order, and its negative the least
Side = Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE, multiple_of=16)]
Feather = Annotated[float, Field(ge=0, le=64, allow_inf_nan=False)]
MAX_MASK = 48_000  # characters
MAX_MASKS = 16 * MAX_MASK  # of all regions together: they fit into one PNG text chunk
Mask = Annotated[str, Field(max_length=MAX_MASK, pattern="^(iVBORw0KGgo[A-Za-z0-9+/]*=*)?$")]

Colour = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]
Palette = Annotated[list[Colour], Field(max_length=5)]
MAX_LETTERING = 200
Lettering = Annotated[str, Field(max_length=MAX_LETTERING)]
MAX_NOTES, MAX_NOTE = 64, 500
Note = Annotated[str, Field(max_length=MAX_NOTE)]


def optional_field(default: Any, **about: Any) -> Any:
    """A field that is serialized only if it differs from its default, so that files without it keep their bytes."""
    return Field(default=default, exclude_if=lambda value: value == default, **about)


class StrictModel(BaseModel):
    """Immutable; unknown fields are errors. Null means default, because strict output schemas make LLMs give every
    field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            if isinstance(values, str | int | float | list):
                required = [name for name, field in cls.model_fields.items() if field.is_required()]
                raise ValueError(f"give an object with {', '.join(required or cls.model_fields)}")
            return values
        optional_fields = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {name: value for name, value in values.items() if value is not None or name not in optional_fields}

    @model_validator(mode="after")
    def _is_visible(self) -> Self:
        for name, value in self:
            texts = value if isinstance(value, list) else [value]
            if any(isinstance(text, str) and CONTROL_CHARACTERS.search(text) for text in texts):
                raise ValueError(f"{name} holds a control character, which is invisible: leave it out")
        return self


class Box(StrictModel):
    """A rectangle in canvas coordinates; (0, 0) is the top left corner, (1, 1) the bottom right."""

    left: Share = Field(description="left edge, 0 to 1 of the canvas width")
    top: Share = Field(description="top edge, 0 to 1 of the canvas height")
    right: Share = Field(description="right edge, greater than left")
    bottom: Share = Field(description="bottom edge, greater than top")

    @model_validator(mode="after")
    def _has_area(self) -> Self:
        if self.right <= self.left or self.bottom <= self.top:
            raise ValueError(
                f"box needs left < right and top < bottom, got {self.left, self.top, self.right, self.bottom}"
            )
        return self

    @property
    def area(self) -> float:
        return (self.right - self.left) * (self.bottom - self.top)

    @property
    def centre(self) -> tuple[float, float]:
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def overlap(self, other: Box) -> float:
        """Area of the intersection with another box."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    def share_in(self, other: Box) -> float:
        """The share of this box that lies in another, 0 to 1."""
        return self.overlap(other) / self.area


class LeveledPrompt(StrictModel):
    """The two levels of progressive prompts (paper, section I): what is there, and what it looks like."""

    high_level: Prompt = Field(description="content, topic, objects, layout and style, e.g. 'cat'")
    low_level: Prompt = Field(
        default="", description="colour, texture, material, light and detail, e.g. 'red, striped'"
    )

    @model_validator(mode="before")
    @classmethod
    def _reads_plain_text(cls, value: Any) -> Any:
        """Plain text is taken as the high level."""
        return {"high_level": value} if isinstance(value, str) else value

    @property
    def text(self) -> str:
        """Both levels as one prompt: 'red cat'. Low-level text after a comma follows the noun: 'red cat with spots'."""
        before, _, behind = self.low_level.partition(", ")
        return f"{before} {self.high_level} {behind}".strip()


class Region(StrictModel):
    """A part of the picture with its own prompt."""

    name: str = Field(min_length=1, max_length=60, description="short unique name, e.g. 'cat'")
    box: Box = Field(description="where it is")
    prompt: LeveledPrompt = Field(description="what is there and what it looks like; nothing of the other regions")
    negative: Prompt = Field(default="", description="what must not appear in this region")
    z_order: int = Field(
        default=0, ge=-MAX_ORDER, le=MAX_ORDER, description="normally 0; where boxes overlap the higher one is seen"
    )
    seed: int | None = Field(
        default=None, ge=0, lt=2**63, description="noise seed of this region alone; null: the picture's"
    )
    feather: Feather = optional_field(
        0.0, description="normally 0, a sharp edge; else latent cells over which the region fades out beyond its box"
    )
    strength: Share = optional_field(
        1.0, description="normally 1: only the region's own prompt acts in its place; less mixes in the scene prompt, "
        "and at 0.5 the object may be missing"
    )  # fmt: skip
    start: Share = optional_field(
        0.0, description="normally 0; share of the denoising steps before which the scene prompt acts in its place"
    )
    end: Share = optional_field(
        1.0, description="normally 1; share of the denoising steps from which on the scene prompt acts there again"
    )
    mask: Mask = optional_field(
        "", description="a free shape inside the box: base64 of a PNG as large as the picture, white where the region "
        "is; normally empty: the whole box"
    )  # fmt: skip
    lettering: Lettering = optional_field(
        "", description="text that is to be read there in the picture, letter by letter; "
        "normally empty"
    )  # fmt: skip
    colors: Palette = optional_field(
        [], description="palette of the region as #rrggbb, for models that take one; normally empty"
    )

    @model_validator(mode="after")
    def _acts_for_a_while(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"a region needs start < end, got {self.start} and {self.end}")
        return self


def unique_name(subject: str, taken: set[str]) -> str:
    """A region name that is not taken: 'cat', 'cat 2' …"""
    subject = re.sub(r"\s+", " ", subject)[:55]
    return next(n for i in count(1) if (n := subject if i == 1 else f"{subject} {i}") not in taken)


class ScenePlan(StrictModel):
    """The prompt of the whole picture and its regions. Outside all regions the scene prompt acts; a plan without
    regions is that prompt alone."""

    width: Side | None = Field(default=None, description="picture width in pixels; null: the model's")
    height: Side | None = Field(default=None, description="picture height in pixels; null: the model's")
    scene: LeveledPrompt = Field(
        description="the whole picture: high level says what is where (if it names no place, the boxes say it), "
        "low level its mood and light"
    )
    style: Prompt = optional_field(
        "", description="drawing style of the whole picture, e.g. 'watercolour' or '35 mm photograph'; or empty"
    )
    colors: list[Colour] = optional_field(
        [], max_length=16, description="palette of the picture as #rrggbb, for models that take one; normally empty"
    )
    negative: Prompt = Field(default="", description="what must not appear anywhere in the picture")
    regions: list[Region] = Field(
        max_length=MAX_REGIONS, description="one entry per subject, at most 32; empty: the scene prompt alone"
    )
    notes: list[Note] = optional_field(
        [], max_length=MAX_NOTES, description="what is not in the plan as the brief had it, from the planner; take out "
        "what no longer holds"
    )  # fmt: skip

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [region.name for region in self.regions]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"region names must be unique, these are not: {', '.join(twice)}")
        return self

    @model_validator(mode="after")
    def _masks_fit_into_a_picture(self) -> Self:
        if (size := sum(len(region.mask) for region in self.regions)) > MAX_MASKS:
            raise ValueError(f"the masks have {size:,} characters together, at most {MAX_MASKS:,}: use plainer shapes")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels. Raises ValueError if one of them is null, see `with_size`."""
        if self.width is None or self.height is None:
            raise ValueError("the plan leaves the picture's size to the model")
        return self.width, self.height

    @property
    def whole(self) -> tuple[object, ...]:
        """What is said of the picture as a whole beside its scene prompt: size, style, palette and negative."""
        return self.width, self.height, self.style, self.colors, self.negative

    def with_notes(self, notes: Iterable[str]) -> ScenePlan:
        """The plan with more notes, each once and on one line, at most as long and as many as it takes."""
        lines = (" ".join(visible(text).split())[:MAX_NOTE] for text in notes)
        texts = list(dict.fromkeys([*self.notes, *filter(None, lines)]))
        return self.model_copy(update={"notes": texts[:MAX_NOTES]})

    def with_size(self, width: int | None, height: int | None) -> ScenePlan:
        """The plan with missing sides filled in, in pixels."""
        given = {"width": self.width or width, "height": self.height or height}
        return self if given == {"width": self.width, "height": self.height} else self.model_copy(update=given)

    def region(self, name: str) -> Region:
        """The region of that name. Raises ValueError that lists the existing names."""
        for region in self.regions:
            if region.name == name:
                return region
        raise ValueError(f"no region {name!r}: the plan has {', '.join(r.name for r in self.regions) or 'none'}")
