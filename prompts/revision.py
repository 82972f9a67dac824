"""A change to a plan: which regions change, how to apply it, and the change between two plans."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from .plan import (
    MAX_REGIONS,
    Box,
    Feather,
    LeveledPrompt,
    Prompt,
    Region,
    ScenePlan,
    Share,
    StrictModel,
    optional_field,
)


class RegionChange(StrictModel):
    """What a revision changes in one region; null leaves a thing as it is."""

    name: str = Field(description="name of the region to change")
    prompt: LeveledPrompt | None = Field(default=None, description="new prompt of the region")
    box: Box | None = Field(default=None, description="new place of the region; it takes a free shape away")
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="new noise seed of the region")
    negative: Prompt | None = Field(default=None, description="new negative prompt of the region")
    z_order: int | None = optional_field(None, ge=-100, le=100, description="new order where boxes overlap")
    feather: Feather | None = optional_field(None, description="new width of the soft edge, in latent cells")
    strength: Share | None = optional_field(None, description="new share of the region's own prompt")
    start: Share | None = optional_field(None, description="new share of the steps from which it acts")
    end: Share | None = optional_field(None, description="new share of the steps until which it acts")


def _can_change(was: Region, becomes: Region) -> bool:
    """Whether a change can say what becomes of a region: it knows no mask, and its null means 'as it was'."""
    return becomes.mask == was.mask and (becomes.seed is not None or was.seed is None)


class Revision(StrictModel):
    """A delta to a plan that names the regions it changes, whether a critic or a person asked for it."""

    reason: str = Field(default="", description="why, in one sentence")
    changes: list[RegionChange] = Field(
        default=[], description="the regions that change; all others stay as they are"
    )
    scene: LeveledPrompt | None = Field(default=None, description="new scene prompt, null to keep it")
    added: list[Region] = optional_field(
        [], max_length=MAX_REGIONS, description="new regions, drawn over what is there"
    )
    removed: list[str] = optional_field([], max_length=MAX_REGIONS, description="names of the regions to take away")
    # The renderer's to set, and no part of what an LLM is asked for.
    margin: SkipJsonSchema[int] = optional_field(
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
        after = after.with_size(before.width, before.height)
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
