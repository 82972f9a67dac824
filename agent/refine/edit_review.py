"""Compares an edited picture with the one before: which regions it gained, which it lost. Pure; knows no model.

The rule, for one round of a turn that changes a finished picture:

- A region that the edit changes is judged by the new plan: it is *gained* if it came out (or cannot be judged), and so
  is a region that the edit removes. Neither is gained if remains of it are still seen where it was.
- Every other region is compared with its own score in the picture before. A region is *lost* if it came out there and
  does not any more, or if its score fell by more than `MAX_DROP`. One that the edit changes is lost if it came out
  before, by the plan of then, and the new one does not.
  One that a changed region covers by half or more is not lost: something was to stand in front of it.
- A round is *worse* than the picture before if it lost something, and no less than it gained. Of several rounds the one
  with the best balance is taken, among equals the one with the better score; if it is worse, the picture stays.
"""

from collections.abc import Mapping

from pydantic import Field

from ...prompts.critique import Critique
from ...prompts.plan import Region, ScenePlan, StrictModel

MAX_DROP = (
    0.25  # of a score between 0 and 1: far more than a redrawn neighbour moves a region that is still what it was
)


COVERED = 0.5  # share of a region's box under changed regions from which on it may be hidden


class ScoreDrop(StrictModel):
    """A region that is worse after an edit: its scores by the plan before and by the plan after."""

    name: str
    before: float
    after: float


class Comparison(StrictModel):
    """A round compared with the picture that it edits."""

    gained: list[str] = Field(description="changed regions that came out, and those that are gone as they should be")
    lost: list[ScoreDrop] = Field(description="regions that came out before and are worse now")
    left: list[str] = Field(default=[], description="regions that are still seen where they are no more")
    beside: dict[str, float] = Field(
        default={}, description="share of visibly different pixels in regions that no edit names; '': the background"
    )

    @property
    def balance(self) -> int:
        return len(self.gained) - len(self.lost)

    @property
    def is_worse(self) -> bool:
        """Whether the picture before is the better one."""
        return bool(self.lost) and self.balance <= 0

    @property
    def notes(self) -> list[str]:
        """Worse regions and remains of removed ones, a clause each: "'fox' came out worse (0.40, before 0.96)"."""
        drops = [f"{drop.name!r} came out worse ({drop.after:.2f}, before {drop.before:.2f})" for drop in self.lost]
        return [*drops, *(f"something of {name!r} is still where it was" for name in self.left)]


def compare_edit(
    before: ScenePlan,
    after: ScenePlan,
    *,
    critique_before: Critique | None,
    critique_after: Critique | None,
    remains_critique: Critique | None = None,
    beside: Mapping[str, float] | None = None,
    threshold: float = 0.5,
) -> Comparison:
    """Compares the pictures of two plans.

    critique_before, critique_after: each by its own plan; None: no critic. remains_critique: of the new picture, by the
    plan of the removed regions. beside: as `Comparison.beside`. threshold: the least score of a region that came out.
    """
    old_regions, scores_before = {region.name: region for region in before.regions}, _scores(critique_before)
    gained, lost = [], []
    for region in after.regions:
        score, changed = _scores(critique_after).get(region.name), old_regions.get(region.name) != region
        score_before = scores_before.get(region.name)
        came_out = score is None or score >= threshold
        if changed and came_out:
            gained.append(region.name)
        if score is None or score_before is None or _is_covered(region, after, old_regions):
            continue
        if (score_before >= threshold and not came_out) or (not changed and score_before - score > MAX_DROP):
            lost.append(ScoreDrop(name=region.name, before=score_before, after=score))
    left = [name for name, score in _scores(remains_critique).items() if score >= threshold]
    present = {region.name for region in after.regions}
    gained = [name for name in [*gained, *(name for name in old_regions if name not in present)] if name not in left]
    return Comparison(gained=gained, lost=lost, left=left, beside=dict(beside or {}))


def removed_regions(before: ScenePlan, after: ScenePlan) -> ScenePlan | None:
    """The plan `before` reduced to the regions that `after` removes or moves and whose old place is empty now; None if
    there are none."""
    new_regions = {region.name: region for region in after.regions}

    def is_empty(region: Region) -> bool:
        shares = {name: region.box.overlap(other.box) / region.box.area for name, other in new_regions.items()}
        return shares.get(region.name, 0) < 0.1 and all(share < 0.5 for share in shares.values())

    regions = [region for region in before.regions if new_regions.get(region.name) != region and is_empty(region)]
    return before.model_copy(update={"regions": regions}) if regions else None


def _is_covered(region: Region, after: ScenePlan, old_regions: Mapping[str, Region]) -> bool:
    """Whether changed regions lie over half of a region or more."""
    at = after.regions.index(region)
    above = [
        other
        for index, other in enumerate(after.regions)
        if (other.z_order, index) > (region.z_order, at) and old_regions.get(other.name) != other
    ]
    return sum(region.box.overlap(other.box) for other in above) >= COVERED * region.box.area


def _scores(critique: Critique | None) -> dict[str, float]:
    """The scores of the judged regions, by name."""
    return {region.name: region.score for region in critique.regions if region.score is not None} if critique else {}
