"""The revision rule: what to change in a plan after a critique, and which seeds a region has not had yet. Pure."""

import hashlib
import itertools
from collections.abc import Collection, Sequence

from ...prompts.critique import Critique, RegionScore
from ...prompts.layout.places import expand_box
from ...prompts.plan import Region, ScenePlan
from ...prompts.revision import RegionChange, Revision


def revise(
    plan: ScenePlan,
    critique: Critique,
    *,
    round_number: int,
    threshold: float = 0.5,
    origin: str = "",
    tried: Sequence[ScenePlan] = (),
    spoiling: Sequence[str] = (),
) -> Revision | None:
    """What to change after a round in each judged region below `threshold`: a new seed; from the third round on also
    its box, expanded where no other region is. None if no region is weak and none is `spoiling`. For critics and
    planners that are no chat models; with one of these see `model_reviser.py`.

    A region never gets a seed twice: not one that it has in `plan` or in a plan of `tried`. `origin` identifies the
    turn, so that each turn draws from seeds of its own. `spoiling`: regions that get a new seed because they made
    another region worse.
    """
    weak = {score.name: score.problem or "weak" for score in critique.regions if _is_weak(score, threshold)}
    changes = []
    for name in [*weak, *(name for name in spoiling if name not in weak)]:
        region, box = plan.region(name), None
        if name in weak and round_number > 2:
            wider = expand_box(region.box, [other.box for other in plan.regions if other.name != name])
            box = wider if wider != region.box else None
        used = {other.seed for earlier in [plan, *tried] for other in earlier.regions if other.name == name}
        seed = unused_seed(f"{origin}/{name}", used, first=round_number)
        changes.append(RegionChange(name=name, seed=seed, box=box))
    if not changes:
        return None
    reasons = [f"{name}: {weak.get(name, 'it spoilt another region')}" for name in (change.name for change in changes)]
    return Revision(reason="; ".join(reasons)[:500], changes=changes)


def _is_weak(score: RegionScore, threshold: float) -> bool:
    return score.score is not None and score.score < threshold


def unused_seed(origin: str, used: Collection[int | None], *, first: int = 1) -> int:
    """The first seed not in `used` of the pseudo-random sequence of `origin`, from its element `first` on."""
    sequence = (
        int.from_bytes(hashlib.sha256(f"{origin}/{number}".encode()).digest()[:4]) for number in itertools.count(first)
    )
    return next(seed for seed in sequence if seed not in used)


def with_unused_seeds(plan: ScenePlan, names: Collection[str], tried: Sequence[ScenePlan]) -> ScenePlan:
    """The plan; if it is among `tried`, then with new seeds for the regions `names`."""
    if plan not in tried:
        return plan

    def reseeded(region: Region) -> Region:
        used = {other.seed for earlier in tried for other in earlier.regions if other.name == region.name}
        return region.model_copy(update={"seed": unused_seed(region.name, used, first=len(tried))})

    regions = [reseeded(region) if region.name in names else region for region in plan.regions]
    return plan.model_copy(update={"regions": regions})
