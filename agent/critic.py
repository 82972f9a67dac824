"""Critics of pictures: an embedded scorer, and vision chat models."""

import base64
from collections.abc import Sequence
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from ..prompts.critique import Critique, RegionScore
from ..prompts.errors import CritiqueError
from ..prompts.plan import LeveledPrompt, ScenePlan
from ..prompts.templates import fill_template
from ..renderer.request import RenderResult
from .events import score_key
from .llm.structured import valid_reply

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from ..renderer.scorer import Scorer


class Critic(Protocol):
    """Whatever judges a picture against its plan."""

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique: ...


class EmbeddedCritic:
    """The scorer of the pocket model's world, loaded on first use. A picture scores the mean of its judged regions."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder

    @cached_property
    def scorer(self) -> "Scorer":
        from ..renderer.scorer import Scorer

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

        def parse(parsed: Any) -> Critique:
            return _matching(Critique.model_validate(parsed), plan)

        return valid_reply(self.chat_model, Critique, messages, parse, failed=CritiqueError, role="critic")


def _matching(critique: Critique, plan: ScenePlan) -> Critique:
    wanted = sorted(region.name for region in plan.regions)
    if sorted(region.name for region in critique.regions) != wanted:
        raise ValueError(f"regions: give exactly one entry for each of {', '.join(wanted)}")
    if plan.regions and (critique.score is None) != all(region.score is None for region in critique.regions):
        raise ValueError("score: null if no region is judged, and only then")
    return critique


def rank_candidates(
    results: Sequence[RenderResult], critic: Critic | None
) -> list[tuple[RenderResult, Critique | None]]:
    """Candidates with their critiques, best first; without a critic, in the order of drawing."""
    if critic is None:
        return [(result, None) for result in results]
    critiques = [critic.critique(result.image, result.request.edited_plan) for result in results]
    best_first = sorted(range(len(results)), key=lambda i: -score_key(critiques[i]))
    return [(results[i], critiques[i]) for i in best_first]
