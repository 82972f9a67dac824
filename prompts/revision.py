"""A change to a plan: which regions change, how to apply it, and the change between two plans."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from .plan import (
    MAX_ORDER,
    MAX_REGIONS,
    Box,
    Feather,
    Lettering,
    LeveledPrompt,
    Palette,
    Prompt,
    Region,
    ScenePlan,
    Share,
    StrictModel,
    optional_field,
)


class RegionChange(StrictModel):
    """What a revision changes in one region; null leaves a field as it is."""

    name: str = Field(description="name of the region to change")
    prompt: LeveledPrompt | None = Field(default=None, description="new prompt of the region")
    box: Box | None = Field(default=None, description="new place of the region; it takes a free shape away")
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="new noise seed of the region")
    negative: Prompt | None = Field(default=None, description="new negative prompt of the region")
    z_order: int | None = optional_field(None, ge=-MAX_ORDER, le=MAX_ORDER, description="new order where boxes overlap")
    feather: Feather | None = optional_field(None, description="new width of the soft edge, in latent cells")
    strength: Share | None = optional_field(None, description="new share of the region's own prompt")
    start: Share | None = optional_field(None, description="new share of the steps from which it acts")
    end: Share | None = optional_field(None, description="new share of the steps until which it acts")
    lettering: Lettering | None = optional_field(None, description="new text to be read there; empty for none")
    colors: Palette | None = optional_field(None, description="new palette as #rrggbb")


def _can_change(old: Region, new: Region) -> bool:
    """Whether a RegionChange can express the difference: it has no mask, which goes with a new box, and null keeps the
    old value."""
    shaped = new.mask == old.mask or (not new.mask and new.box != old.box)
    return shaped and (new.seed is not None or old.seed is None)


def _orders(after: list[Region], remaining: list[str], added: list[str]) -> dict[str, int]:
    """The z_order of each region with which those that overlap cover each other as in `after`, though those added come
    last. One that remains has another only where it must, for that draws it again."""
    place, orders = {name: index for index, name in enumerate([*remaining, *added])}, dict[str, int]()
    by_paint = sorted(after, key=lambda region: region.z_order)
    for index, region in enumerate(by_paint):
        below, above = (
            [other for other in others if other.box.overlap(region.box) > 0]
            for others in (by_paint[:index], by_paint[index + 1 :])
        )
        order = region.z_order
        if region.name in added:
            order = max(-MAX_ORDER, min([order, *(other.z_order - 1 for other in above if other.name in remaining)]))
        least = [orders[other.name] + (place[other.name] > place[region.name]) for other in below]
        orders[region.name] = min(MAX_ORDER, max([order, *least]))
    return orders


class Revision(StrictModel):
    """A change to a plan, from a critic or a person: regions that change, are added or removed."""

    reason: str = Field(default="", description="why, in one sentence")
    changes: list[RegionChange] = Field(default=[], description="the regions that change; all others stay as they are")
    scene: LeveledPrompt | None = Field(default=None, description="new scene prompt, null to keep it")
    added: list[Region] = optional_field(
        [], max_length=MAX_REGIONS, description="new regions, drawn over what is there"
    )
    removed: list[str] = optional_field([], max_length=MAX_REGIONS, description="names of the regions to take away")
    # Set by the renderer; not in the schema for LLMs.
    margin: SkipJsonSchema[int] = optional_field(
        0, ge=0, le=64, description="tokens around the changed regions that are drawn with them where no region is"
    )
    clears: SkipJsonSchema[bool] = optional_field(
        False, description="whether background also takes the place of removed regions in tokens of their neighbours"
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not (self.changes or self.added or self.removed or self.scene):
            raise ValueError("a revision names at least one region to change, add or remove, or a new scene prompt")
        return self

    @property
    def names(self) -> list[str]:
        """Names of all changed, added and removed regions."""
        return [*(change.name for change in self.changes), *(region.name for region in self.added), *self.removed]

    @property
    def summary(self) -> str:
        """What is drawn again, and what is taken away: 'cat, dog, without moon'."""
        changed = [change.name for change in self.changes if change.name not in self.removed]
        drawn = [*changed, *(region.name for region in self.added)]
        gone = [f"without {name}" for name in self.removed if name not in drawn]
        return ", ".join([*(drawn or ["the scene"]), *gone])

    def apply(self, plan: ScenePlan) -> ScenePlan:
        """The revised plan: regions are changed, then removed, then added at the end.

        Raises ValueError if it names a region that the plan does not have, or adds a name that exists.
        """
        regions = {region.name: region for region in plan.regions}
        for change in self.changes:
            plan.region(change.name)
            given = {k: v for k, v in change if k != "name" and v is not None} | ({"mask": ""} if change.box else {})
            regions[change.name] = regions[change.name].model_copy(update=given)
        for name in self.removed:
            plan.region(name)
            regions.pop(name, None)
        remaining = [*regions.values(), *self.added]
        changed = plan.model_copy(update={"regions": remaining, "scene": self.scene or plan.scene})
        return ScenePlan.model_validate(changed.model_dump())

    @classmethod
    def between(cls, before: ScenePlan, after: ScenePlan, *, reason: str = "") -> Revision | None:
        """The revision that turns `before` into `after`; None if they are equal. Regions may come out in another order:
        where they overlap, greater z_orders keep in front what was.

        A null size in `after` means that of `before`. Raises ValueError if size, style, palette or negative prompt
        differ, which a revision cannot express.
        """
        after = after.with_size(before.width, before.height)
        if before.whole != after.whole:
            raise ValueError("a revision cannot change a picture's size, its style, its palette or its negative")
        old_regions, new_regions = ({region.name: region for region in plan.regions} for plan in (before, after))
        changes, added, removed = [], [region for region in after.regions if region.name not in old_regions], []
        for name, old in old_regions.items():
            new = new_regions.get(name)
            if new is None or not _can_change(old, new):
                removed.append(name)
                added += [new] if new else []
            elif new != old:
                fields = (field for field in RegionChange.model_fields if field != "name")
                given = {f: getattr(new, f) for f in fields if getattr(new, f) != getattr(old, f)}
                changes.append(RegionChange(name=name, **given))
        left = [name for name in old_regions if name not in removed]
        orders = _orders(after.regions, left, [region.name for region in added])
        added = [region.model_copy(update={"z_order": orders[region.name]}) for region in added]
        for name in left:
            if orders[name] != new_regions[name].z_order:
                change = next((change for change in changes if change.name == name), RegionChange(name=name))
                ordered = change.model_copy(update={"z_order": orders[name]})
                changes = [*(other for other in changes if other.name != name), ordered]
        scene = after.scene if after.scene != before.scene else None
        if not (changes or added or removed or scene):
            return None
        return cls(reason=reason, changes=changes, scene=scene, added=added, removed=removed)
