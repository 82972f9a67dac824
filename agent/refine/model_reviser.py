"""The reviser that is a chat model: plan, critique and earlier tries → the next try, one structured call a round."""

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...prompts.answers.revision_answer import RevisionAnswer, revision_answer, revision_from
from ...prompts.critique import Critique
from ...prompts.errors import ModelError, PlanningError
from ...prompts.plan import ScenePlan
from ...prompts.revision import Revision
from ...prompts.templates import fill_template
from ...prompts.wording import PROSE, PromptStyle
from ..llm.structured import valid_reply
from ..planning.full_planner import TooLong, nothing_too_long
from .reviser import unused_seed

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage


@dataclass(frozen=True)
class Try:
    """A round that was drawn: its plan and the critique of it."""

    plan: ScenePlan
    critique: Critique | None


class ModelReviser:
    """Revises with one chat model; `style`, `draws`, `too_long`: as in `FullPlanner`. Invalid answers are re-asked
    with what is wrong, at most twice; texts that became too long go back once."""

    def __init__(
        self, chat_model: "BaseChatModel", style: PromptStyle = PROSE, *, draws: str = "",
        too_long: TooLong = nothing_too_long,
    ) -> None:  # fmt: skip
        self.chat_model, self.too_long = chat_model, too_long
        self.about = f"{style.instructions} It draws {draws}" if draws else style.instructions

    def revise(
        self,
        best: Try,
        tries: Sequence[Try],
        *,
        threshold: float,
        token: int,
        origin: str = "",
        only: Collection[str] | None = None,
        spoiling: Sequence[str] = (),
    ) -> Revision | None:
        """What to change in the best try; None if the model would change nothing, or nothing is below `threshold`.

        `tries`: all so far; no plan of them is proposed again. `token`: side of an image token in pixels. `only`: the
        regions that may change, where a person named them; no other is added or removed then, and the scene stays.
        `spoiling`: regions that made others worse. Raises PlanningError (with the raw reply) or ModelError.
        """
        from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

        if not (spoiling or anything_weak(best.critique, threshold, only)):
            return None
        situation = {
            "plan": described(best.plan), "critique": _judged(best.critique), "good enough from": threshold,
            "earlier tries": [_difference(best, other) for other in tries if other.plan != best.plan],
            "may change": sorted(only) if only is not None else "everything",
            "made others worse": list(spoiling),
        }  # fmt: skip
        messages: list[BaseMessage] = [
            SystemMessage(fill_template("reviser", style=self.about)),
            HumanMessage(json.dumps(situation, ensure_ascii=False)),
        ]  # fmt: skip

        def new_seed(name: str) -> int:
            used = {region.seed for each in tries for region in each.plan.regions if region.name == name}
            return unused_seed(f"{origin}/{name}", used, first=len(tries))

        def parse(parsed: Any) -> tuple[RevisionAnswer, Revision | None]:
            answer = RevisionAnswer.model_validate(parsed)
            revision = revision_from(answer, best.plan, new_seed=new_seed, token=token)
            if revision is None:
                if not answer.reason:
                    raise ValueError("reason: say why nothing should change, or give changes")
                return answer, None
            _check_named(revision, only)
            _check_kept(revision, best, threshold)
            revised = revision.apply(best.plan)
            if any(revised == each.plan for each in tries):
                raise ValueError("this was drawn already; change something else, or use a new seed")
            return answer, revision

        names = [region.name for region in best.plan.regions]
        schema = revision_answer(names) if names else RevisionAnswer

        def ask(messages: "Sequence[BaseMessage]") -> tuple[RevisionAnswer, Revision | None]:
            return valid_reply(self.chat_model, schema, messages, parse, failed=PlanningError, role="reviser")

        answer, revision = ask(messages)
        before = self.too_long(best.plan)
        longer = [text for text in self.too_long(revision.apply(best.plan)) if text not in before] if revision else []
        if longer:
            recheck = HumanMessage(fill_template("repair", problem=" ".join(longer).rstrip(".")))
            with suppress(PlanningError, ModelError):  # the first answer is valid; what is not read is said
                revision = ask([*messages, AIMessage(answer.model_dump_json()), recheck])[1] or revision
        return revision


def anything_weak(critique: Critique | None, threshold: float, only: Collection[str] | None = None) -> bool:
    """Whether a region that may change scores below the threshold, or without such a limit the scene or the whole."""
    if critique is None:
        return False
    scores = [region.score for region in critique.regions if only is None or region.name in only]
    scores += [critique.score, critique.scene] if only is None else []
    return any(score is not None and score < threshold for score in scores)


def _check_named(revision: Revision, only: Collection[str] | None) -> None:
    if only is None:
        return
    if revision.added or revision.removed or revision.scene:
        raise ValueError("added, removed, scene: the person named what may change; change only these regions")
    if others := [name for name in revision.names if name not in only]:
        raise ValueError(f"changes: {', '.join(others)} must stay; only {', '.join(sorted(only))} may change")


def _check_kept(revision: Revision, best: Try, threshold: float) -> None:
    """Raises ValueError, in words for the model, if a region that is good enough is taken away, or a lettering."""
    scores = {each.name: each.score for each in best.critique.regions} if best.critique else {}
    after = revision.apply(best.plan)
    gone = [name for name in revision.removed if name not in [region.name for region in after.regions]]
    if good := [name for name in gone if (scores.get(name) or 0.0) >= threshold]:
        raise ValueError(f"removed: {', '.join(good)} came out and must stay")
    before, now = ({region.lettering for region in plan.regions if region.lettering} for plan in (best.plan, after))
    if lost := before - now:
        texts = ", ".join(map(repr, sorted(lost)))
        raise ValueError(f"removed: no region would read {texts} any more; keep every lettering")


def described(plan: ScenePlan) -> dict[str, Any]:
    """The plan as the model is shown it: boxes in thousandths, without what it cannot change."""
    regions = [
        {
            "name": region.name, "high_level": region.prompt.high_level, "low_level": region.prompt.low_level,
            "negative": region.negative, "lettering": region.lettering,
            "box": _thousandths(region.box.model_dump()),
        }
        for region in plan.regions
    ]  # fmt: skip
    scene = {"high_level": plan.scene.high_level, "low_level": plan.scene.low_level, "style": plan.style}
    pixels = {"width": plan.width, "height": plan.height}
    return {"pixels": pixels, "scene": scene, "negative": plan.negative, "regions": regions}


def _thousandths(box: dict[str, float]) -> dict[str, int]:
    return {side: round(1000 * edge) for side, edge in box.items()}


def _judged(critique: Critique | None) -> dict[str, Any]:
    return critique.model_dump() if critique else {}


def _difference(best: Try, other: Try) -> dict[str, Any]:
    """Another try: how it differed from the best, and what the critic thought of it."""
    try:
        revision = Revision.between(best.plan, other.plan)
    except ValueError:  # of another size: nothing that a revision can say
        revision = None
    masks = {"added": {"__all__": {"mask"}}}
    change = revision.model_dump(exclude_none=True, exclude_defaults=True, exclude=masks) if revision else {}
    for entry in [*change.get("changes", []), *change.get("added", [])]:
        entry |= {"box": _thousandths(entry["box"])} if "box" in entry else {}
    return {"differed by": change, "critique": _judged(other.critique)}
