"""What an edit made of a picture, beside the picture before it: what it drew, what it spoilt. Pure; knows no model.

The rule, for one round of a turn that changes a finished picture:

- A region that the edit changes is judged by the new plan: it is *gained* if it came out (or cannot be judged), and so
  is a region that is taken away. Neither is if something of it is still seen where it was.
- Every other region is held against its own score in the picture before. A region is *lost* if it came out there and
  does not any more, or if its score fell by more than `FALL`; one that the edit changes is lost if it came out before,
  by the plan of then, and the new one does not.
- A round is *worse* than the picture before if it lost something, and no less than it gained. Of several rounds the one
  with the best balance is taken, among equals the one with the better score; if it is worse, the picture stays as it
  was.
"""

from collections.abc import Mapping

from pydantic import Field

from ..prompts.critique import Critique
from ..prompts.plan import Region, ScenePlan, StrictModel

FALL = 0.25  # of a score between 0 and 1: far more than a redrawn neighbour moves a region that is still what it was


class Fall(StrictModel):
    """A region that came out before an edit, and worse after it: its scores by the plans of then and of now."""

    name: str
    before: float
    after: float


class Comparison(StrictModel):
    """A round beside the picture that it changes."""

    gained: list[str] = Field(description="changed regions that came out, and those that are gone as they should be")
    lost: list[Fall] = Field(description="regions that came out before and are worse now")
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
        """What is worse than before and what is left, a clause each: "'fox' came out worse (0.40, before 0.96)"."""
        fallen = [f"{one.name!r} came out worse ({one.after:.2f}, before {one.before:.2f})" for one in self.lost]
        return [*fallen, *(f"something of {name!r} is still where it was" for name in self.left)]


def compared(
    before: ScenePlan,
    after: ScenePlan,
    *,
    then: Critique | None,
    now: Critique | None,
    remains: Critique | None = None,
    beside: Mapping[str, float] | None = None,
    threshold: float = 0.5,
) -> Comparison:
    """A round's picture of the plan `after` beside the picture of the plan `before`.

    then, now: critiques of the two, each by its own plan; None: nobody judges. remains: of the new picture, by a plan
    of the regions that were removed. beside: as `Comparison.beside`. threshold: the score from which on a region came
    out.
    """
    old, scores = {region.name: region for region in before.regions}, _scores(then)
    gained, lost = [], []
    for region in after.regions:
        score, changed = _scores(now).get(region.name), old.get(region.name) != region
        was = scores.get(region.name)
        came_out = score is None or score >= threshold
        if changed and came_out:
            gained.append(region.name)
        if score is None or was is None:
            continue
        if (was >= threshold and not came_out) or (not changed and was - score > FALL):
            lost.append(Fall(name=region.name, before=was, after=score))
    left = [name for name, score in _scores(remains).items() if score >= threshold]
    present = {region.name for region in after.regions}
    gained = [name for name in [*gained, *(name for name in old if name not in present)] if name not in left]
    return Comparison(gained=gained, lost=lost, left=left, beside=dict(beside or {}))


def gone(before: ScenePlan, after: ScenePlan) -> ScenePlan | None:
    """The plan `before` with only those of its regions that are taken away or stand elsewhere in `after`, and whose
    place is empty now; None if there are none."""
    new = {region.name: region for region in after.regions}

    def is_empty(region: Region) -> bool:
        shares = {name: region.box.overlap(other.box) / region.box.area for name, other in new.items()}
        return shares.get(region.name, 0) < 0.1 and all(share < 0.5 for share in shares.values())

    regions = [region for region in before.regions if new.get(region.name) != region and is_empty(region)]
    return before.model_copy(update={"regions": regions}) if regions else None


def _scores(critique: Critique | None) -> dict[str, float]:
    """The scores of the judged regions, by name."""
    return {one.name: one.score for one in critique.regions if one.score is not None} if critique else {}
