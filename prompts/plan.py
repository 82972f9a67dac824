"""The scene contract: what a planner says and the renderer draws. Its field descriptions are sent to the LLM."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema

MAX_REGIONS = 16
MAX_BRIEF = 4000
MAX_PROMPT = 1000

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Prompt = Annotated[str, Field(max_length=MAX_PROMPT)]
MAX_SIDE = 2048  # pixels
Side = Annotated[int, Field(ge=64, le=MAX_SIDE, multiple_of=16)]
Feather = Annotated[float, Field(ge=0, le=64, allow_inf_nan=False)]
MAX_MASK = 48_000  # characters: sixteen of them still fit into one text of a PNG
Mask = Annotated[str, Field(max_length=MAX_MASK, pattern="^(iVBORw0KGgo[A-Za-z0-9+/]*=*)?$")]


def optional(default: Any, **about: Any) -> Any:
    """A field that is written only where it differs from its default: whoever does not use it keeps the same bytes."""
    return Field(default=default, exclude_if=lambda value: value == default, **about)


class Contract(BaseModel):
    """Immutable, and strict about fields it does not know. Null is read as not given, for models have to name every
    field where a schema is strict."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _null_is_not_given(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        optional = {name for name, field in cls.model_fields.items() if not field.is_required()}
        return {name: value for name, value in values.items() if value is not None or name not in optional}


class Box(Contract):
    """A rectangle of the canvas; (0, 0) is the top left corner, (1, 1) the bottom right."""

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
        """Area shared with another box."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)


class LeveledPrompt(Contract):
    """The two levels of progressive prompts (paper, section I): what is there, and what it looks like."""

    high_level: Prompt = Field(description="content, topic, objects, layout and style, e.g. 'cat'")
    low_level: Prompt = Field(
        default="", description="colour, texture, material, light and detail, e.g. 'red, striped'"
    )

    @model_validator(mode="before")
    @classmethod
    def _reads_plain_text(cls, value: Any) -> Any:
        """A prompt given as one text is its high level."""
        return {"high_level": value} if isinstance(value, str) else value

    @property
    def text(self) -> str:
        """A thing's two levels as one prompt: 'red cat'. What follows a comma stands behind: 'red cat with spots'."""
        before, _, behind = self.low_level.partition(", ")
        return f"{before} {self.high_level} {behind}".strip()


class Region(Contract):
    """One place of the picture with a prompt of its own."""

    name: str = Field(min_length=1, max_length=60, description="short unique name, e.g. 'cat'")
    box: Box = Field(description="where it is")
    prompt: LeveledPrompt = Field(description="what is there and what it looks like; nothing of the other regions")
    negative: Prompt = Field(default="", description="what must not appear in this region")
    z_order: int = Field(
        default=0, ge=-100, le=100, description="normally 0; where boxes overlap the higher one is seen"
    )
    seed: int | None = Field(
        default=None, ge=0, lt=2**63, description="noise seed of this region alone; null: the picture's"
    )
    feather: Feather = optional(
        0.0, description="normally 0, a sharp edge; else latent cells over which the region fades out beyond its box"
    )
    strength: Share = optional(
        1.0, description="normally 1: its place hears the region's own prompt alone; less mixes in the scene prompt, "
        "and at 0.5 the object may be missing"
    )  # fmt: skip
    start: Share = optional(
        0.0, description="normally 0; share of the denoising steps before which its place hears the scene prompt"
    )
    end: Share = optional(
        1.0, description="normally 1; share of the denoising steps from which on its place hears the scene prompt again"
    )
    mask: Mask = optional(
        "", description="a free shape inside the box: base64 of a PNG as large as the picture, white where the region "
        "is; normally empty: the whole box"
    )  # fmt: skip

    @model_validator(mode="after")
    def _acts_for_a_while(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"a region needs start < end, got {self.start} and {self.end}")
        return self


class ScenePlan(Contract):
    """A brief, answered: the whole picture's prompt and its regions. What no region covers is the scene prompt's."""

    width: Side | None = Field(default=None, description="picture width in pixels; null: the model's")
    height: Side | None = Field(default=None, description="picture height in pixels; null: the model's")
    scene: LeveledPrompt = Field(
        description="the whole picture: high level says what is where (if it names no place, the boxes say it), "
        "low level its mood and light"
    )
    negative: Prompt = Field(default="", description="what must not appear anywhere in the picture")
    regions: list[Region] = Field(min_length=1, max_length=MAX_REGIONS, description="one entry per subject, 1 to 16")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = [region.name for region in self.regions]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"region names must be unique, these are not: {', '.join(twice)}")
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels. Raises ValueError if the plan leaves one of them to the model, see `sized`."""
        if self.width is None or self.height is None:
            raise ValueError("the plan leaves the picture's size to the model")
        return self.width, self.height

    def sized(self, width: int | None, height: int | None) -> ScenePlan:
        """The plan with these sides in pixels where it names none itself."""
        given = {"width": self.width or width, "height": self.height or height}
        return self if given == {"width": self.width, "height": self.height} else self.model_copy(update=given)

    def region(self, name: str) -> Region:
        """The region of that name. Raises ValueError that lists the names there are."""
        for region in self.regions:
            if region.name == name:
                return region
        raise ValueError(f"no region {name!r}: the plan has {', '.join(r.name for r in self.regions)}")


class RegionScore(Contract):
    """How well one region came out."""

    name: str = Field(description="name of the region")
    score: Share | None = Field(
        description="0: nothing of the prompt is there, 1: exactly what was asked, null: you cannot judge it"
    )
    seen: str = Field(description="what is seen there")
    problem: str = Field(default="", description="what is wrong, or why it is not judged; empty if nothing")

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.score is None and not self.problem:
            raise ValueError("a region that is not judged needs a problem that says why")
        return self


class Critique(Contract):
    """A judgement of one picture against its plan."""

    score: Share | None = Field(description="the whole picture, 0 to 1; null only if no region is judged")
    regions: list[RegionScore] = Field(description="one entry per region of the plan")
    summary: str = Field(default="", description="one sentence about the whole picture")


class RegionChange(Contract):
    """What a revision changes in one region; null leaves a thing as it is."""

    name: str = Field(description="name of the region to change")
    prompt: LeveledPrompt | None = Field(default=None, description="new prompt of the region")
    box: Box | None = Field(default=None, description="new place of the region; it takes a free shape away")
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="new noise seed of the region")
    negative: Prompt | None = Field(default=None, description="new negative prompt of the region")
    z_order: int | None = optional(None, ge=-100, le=100, description="new order where boxes overlap")
    feather: Feather | None = optional(None, description="new width of the soft edge, in latent cells")
    strength: Share | None = optional(None, description="new share of the region's own prompt")
    start: Share | None = optional(None, description="new share of the steps from which it acts")
    end: Share | None = optional(None, description="new share of the steps until which it acts")


def _can_change(was: Region, becomes: Region) -> bool:
    """Whether a change can say what becomes of a region: it knows no mask, and its null means 'as it was'."""
    return becomes.mask == was.mask and (becomes.seed is not None or was.seed is None)


class Revision(Contract):
    """A delta to a plan that names the regions it changes, whether a critic or a person asked for it."""

    reason: str = Field(default="", description="why, in one sentence")
    changes: list[RegionChange] = Field(
        default=[], description="the regions that change; all others stay as they are"
    )
    scene: LeveledPrompt | None = Field(default=None, description="new scene prompt, null to keep it")
    added: list[Region] = optional([], max_length=MAX_REGIONS, description="new regions, drawn over what is there")
    removed: list[str] = optional([], max_length=MAX_REGIONS, description="names of the regions to take away")
    # The renderer's to set, and no part of what an LLM is asked for.
    margin: SkipJsonSchema[int] = optional(
        0, ge=0, le=64, description="tokens around the changed regions that are drawn with them where no region is"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.changes or self.added or self.removed or self.scene):
            raise ValueError("a revision names at least one region to change, add or remove, or a new scene prompt")
        return self

    @property
    def names(self) -> list[str]:
        """The regions that it draws, or takes away."""
        return [*(one.name for one in self.changes), *(one.name for one in self.added), *self.removed]

    def apply(self, plan: ScenePlan) -> ScenePlan:
        """The revised plan: first regions are changed, then removed, then added, at the end.

        Raises ValueError if it names a region that the plan does not have, or adds one whose name is taken; pydantic's
        ValidationError (a ValueError) if no region is left.
        """
        regions = {region.name: region for region in plan.regions}
        for change in self.changes:
            plan.region(change.name)
            given = {k: v for k, v in change if k != "name" and v is not None} | ({"mask": ""} if change.box else {})
            regions[change.name] = regions[change.name].model_copy(update=given)
        for name in self.removed:
            plan.region(name)
            regions.pop(name, None)
        left = [*regions.values(), *self.added]
        changed = plan.model_copy(update={"regions": left, "scene": self.scene or plan.scene})
        return ScenePlan.model_validate(changed.model_dump())

    @classmethod
    def between(cls, before: ScenePlan, after: ScenePlan, *, reason: str = "") -> Revision | None:
        """The revision that makes one plan of another, but for the order of their regions.

        None if they are the same; a size that `after` does not name is that of `before`. Raises ValueError if they
        differ in size or in the picture's negative, which no revision can say.
        """
        after = after.sized(before.width, before.height)
        if (before.width, before.height, before.negative) != (after.width, after.height, after.negative):
            raise ValueError("a revision cannot change a picture's size or its negative")
        old, new = ({region.name: region for region in plan.regions} for plan in (before, after))
        changes, added, removed = [], [one for one in after.regions if one.name not in old], []
        for name, was in old.items():
            becomes = new.get(name)
            if becomes is None or not _can_change(was, becomes):
                removed.append(name)
                added += [becomes] if becomes else []
            elif becomes != was:
                fields = (field for field in RegionChange.model_fields if field != "name")
                given = {f: getattr(becomes, f) for f in fields if getattr(becomes, f) != getattr(was, f)}
                changes.append(RegionChange(name=name, **given))
        scene = after.scene if after.scene != before.scene else None
        if not (changes or added or removed or scene):
            return None
        return cls(reason=reason, changes=changes, scene=scene, added=added, removed=removed)
