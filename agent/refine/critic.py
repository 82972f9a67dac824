"""What a critic is, the embedded one, and candidates in the order of their scores."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from PIL import Image

from ...prompts.critique import Critique, RegionScore
from ...prompts.errors import CritiqueError, ModelError, one_line
from ...prompts.plan import LeveledPrompt, ScenePlan
from ...renderer.request import RenderResult
from ..events import score_key

if TYPE_CHECKING:
    from ...renderer.scorer import Scorer


class Critic(Protocol):
    """Judges a picture against its plan."""

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique: ...


class EmbeddedCritic:
    """The scorer of the pocket model's world, loaded on first use. A picture scores the mean of its judged regions."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    @cached_property
    def scorer(self) -> "Scorer":
        from ...renderer.scorer import Scorer

        return Scorer.load(self.folder)

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        """A critique of an RGB picture. Raises ModelError if the scorer's weights are missing."""
        texts = [_scorer_text(region.prompt) for region in plan.regions]
        fits = self.scorer.score(image, [region.box for region in plan.regions], texts)
        scores = [
            RegionScore(name=region.name, score=fit.score, seen=fit.seen, problem=fit.problem)
            for region, fit in zip(plan.regions, fits, strict=True)
        ]
        right = sum(not score.problem for score in scores)
        judged = [score.score for score in scores if score.score is not None]
        summary = f"{right} of {len(scores)} regions show what was asked" if judged else "nothing can be judged"
        if judged and len(judged) < len(scores):
            summary = f"{summary}; {len(scores) - len(judged)} cannot be judged"
        return Critique(score=sum(judged) / len(judged) if judged else None, regions=scores, summary=summary)


def _scorer_text(prompt: LeveledPrompt) -> str:
    """'red cat, furry' of 'cat' and 'red, furry': text after a comma is not part of the name."""
    before, comma, behind = prompt.low_level.partition(", ")
    return f"{before} {prompt.high_level}".strip() + comma + behind


def rank_candidates(
    results: Sequence[RenderResult], critic: Critic | None
) -> list[tuple[RenderResult, Critique | None]]:
    """Candidates with their critiques, best first; without a critic, in the order of drawing.

    They are drawn, so those that a critic fails on are left unjudged, each with a warning that says so; a critic that
    cannot be reached is not asked about the rest.
    """
    if critic is None:
        return [(result, None) for result in results]
    ranked, failure = list[tuple[RenderResult, Critique | None]](), ""
    out_of_reach = False
    for result in results:
        try:
            if not out_of_reach:
                ranked.append((result, critic.critique(result.image, result.request.edited_plan)))
                continue
        except (CritiqueError, ModelError) as error:
            failure, out_of_reach = one_line(error), isinstance(error, ModelError)
        warning = f"nobody judged this candidate: {failure}"
        ranked.append((replace(result, warnings=(*result.warnings, warning)), None))
    return sorted(ranked, key=lambda pair: -score_key(pair[1]))
