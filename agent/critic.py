"""Judges pictures and says what to change: an embedded critic, a vision chat model, and the revision rule."""

import base64
import hashlib
import itertools
from collections.abc import Collection, Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from ..prompts.critique import Critique, RegionScore
from ..prompts.errors import CritiqueError
from ..prompts.layout import expand_box
from ..prompts.plan import MAX_PROMPT, LeveledPrompt, Region, ScenePlan
from ..prompts.revision import RegionChange, Revision
from ..prompts.templates import fill_template
from ..renderer.request import RenderResult
from .events import score_key
from .llm.chat_models import valid_reply

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from ..renderer.scorer import Scorer


class Critic(Protocol):
    """Whatever judges a picture against its plan."""

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique: ...


class EmbeddedCritic:
    """The pocket world's own scorer, loaded on first use. The scene's score is the mean of its judged regions'."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    @cached_property
    def scorer(self) -> "Scorer":
        from ..renderer.scorer import Scorer

        return Scorer.load(self.folder)

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        """A critique of an RGB picture. Raises ModelError if the scorer's weights are missing."""
        texts = [_asked_for(region.prompt) for region in plan.regions]
        fits = self.scorer.score(image, [region.box for region in plan.regions], texts)
        scores = [
            RegionScore(name=region.name, score=fit.score, seen=fit.seen, problem=fit.problem)
            for region, fit in zip(plan.regions, fits, strict=True)
        ]
        right = sum(not one.problem for one in scores)
        judged = [one.score for one in scores if one.score is not None]
        summary = f"{right} of {len(scores)} regions show what was asked"
        if len(judged) < len(scores):
            summary = f"{summary}; {len(scores) - len(judged)} cannot be judged" if judged else "nothing can be judged"
        return Critique(score=sum(judged) / len(judged) if judged else None, regions=scores, summary=summary)


def _asked_for(prompt: LeveledPrompt) -> str:
    """'red cat, furry' of 'cat' and 'red, furry': what stands behind a comma is no part of the thing's name."""
    before, comma, behind = prompt.low_level.partition(", ")
    return f"{before} {prompt.high_level}".strip() + comma + behind


class VisionCritic:
    """A chat model that sees pictures. Invalid answers are re-asked with the validation message, at most twice."""

    def __init__(self, chat_model: "BaseChatModel") -> None:
        self.chat_model = chat_model

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        """A critique with one entry per region of the plan.

        Raises CritiqueError (with the raw reply) if the answer stays invalid, ModelError if the model is unreachable.
        """
        from langchain_core.messages import HumanMessage, SystemMessage

        buffer = BytesIO()
        image.save(buffer, "PNG")
        picture = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        question = [
            {"type": "text", "text": plan.model_dump_json()},
            {"type": "image_url", "image_url": {"url": picture}},
        ]
        messages: list[BaseMessage] = [SystemMessage(fill_template("critic")), HumanMessage(question)]  # type: ignore[arg-type]

        def read(parsed: Any) -> Critique:
            return _matching(Critique.model_validate(parsed), plan)

        return valid_reply(self.chat_model, Critique, messages, read, failed=CritiqueError, role="critic")


def _matching(critique: Critique, plan: ScenePlan) -> Critique:
    wanted = sorted(region.name for region in plan.regions)
    if sorted(one.name for one in critique.regions) != wanted:
        raise ValueError(f"regions: give exactly one entry for each of {', '.join(wanted)}")
    if (critique.score is None) != all(one.score is None for one in critique.regions):
        raise ValueError("score: null if no region is judged, and only then")
    return critique


def rank_candidates(
    results: Sequence[RenderResult], critic: Critic | None
) -> list[tuple[RenderResult, Critique | None]]:
    """Candidates with what the critic says of each, best first; without a critic in the order of drawing."""
    if critic is None:
        return [(result, None) for result in results]
    verdicts = [critic.critique(result.image, result.request.edited_plan) for result in results]
    best_first = sorted(range(len(results)), key=lambda i: -score_key(verdicts[i]))
    return [(results[i], verdicts[i]) for i in best_first]


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
    """What to change after a round, in each judged region below `threshold`: a new seed; from the second round on also
    its low-level prompt, said more strongly; from the third on also its box, moved outwards where no other region is.
    None if every judged region is good enough.

    No seed is given twice to a region: none that it has in `plan` or in a plan that was `tried`, and `origin`, which
    says what the rounds began with, tells the seeds of one turn from those of another. `spoiling`: regions that get a
    new seed for what they did to others.
    """
    weak = {one.name: one.problem or "weak" for one in critique.regions if _is_weak(one, threshold)}
    changes = []
    for name in [*weak, *(name for name in spoiling if name not in weak)]:
        region = plan.region(name)
        prompt, stronger, box = region.prompt, None, None
        if name in weak and round_number > 1 and prompt.low_level and "bright" not in prompt.low_level.split():
            low = f"bright {prompt.low_level}"
            stronger = prompt.model_copy(update={"low_level": low}) if len(low) <= MAX_PROMPT else None
        if name in weak and round_number > 2:
            wider = expand_box(region.box, [other.box for other in plan.regions if other.name != name])
            box = wider if wider != region.box else None
        used = {one.seed for before in [plan, *tried] for one in before.regions if one.name == name}
        seed = unused_seed(f"{origin}/{name}", used, first=round_number)
        changes.append(RegionChange(name=name, seed=seed, prompt=stronger, box=box))
    if not changes:
        return None
    reasons = [f"{name}: {weak.get(name, 'it spoilt another region')}" for name in (one.name for one in changes)]
    return Revision(reason="; ".join(reasons)[:500], changes=changes)


def _is_weak(score: RegionScore, threshold: float) -> bool:
    return score.score is not None and score.score < threshold


def unused_seed(origin: str, used: Collection[int | None], *, first: int = 1) -> int:
    """The first seed of a row that no other `origin` has, from its number `first` on, which is not `used`."""
    row = (
        int.from_bytes(hashlib.sha256(f"{origin}/{number}".encode()).digest()[:4]) for number in itertools.count(first)
    )
    return next(seed for seed in row if seed not in used)


def with_unused_seeds(plan: ScenePlan, names: Collection[str], tried: Sequence[ScenePlan]) -> ScenePlan:
    """The plan, with new seeds for the regions `names` if it is one of those that were `tried`."""
    if plan not in tried:
        return plan

    def fresh(region: Region) -> Region:
        used = {one.seed for before in tried for one in before.regions if one.name == region.name}
        return region.model_copy(update={"seed": unused_seed(region.name, used, first=len(tried))})

    regions = [fresh(region) if region.name in names else region for region in plan.regions]
    return plan.model_copy(update={"regions": regions})
