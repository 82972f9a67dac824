"""Warnings of every field of a request that is set but cannot be sent to a server."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ...prompts.formats.layout_format import Feature, unsaid
from ...prompts.formats.registry import format_named
from ...prompts.plan import LeveledPrompt, Region, ScenePlan
from ...prompts.prompt_syntax import plain_text, unread_syntax, weight_warnings
from ..request import RenderRequest

# Fields of a request that act in every picture, or are about another one.
_ACT = ("plan", "model", "edits", "together")
# Fields that a ditpipe server is told beside them.
PLAN_SERVER = ("seed", "steps", "guidance_scale", "solver")
_HERE = {"save_memory", "dtype", "compile", "step_cache"}  # about the machine that computes


def unused_fields(request: RenderRequest, *, sent: Collection[str] = ()) -> list[str]:
    """A sentence for each field of a request, its plan aside, that differs from its default and is not among `sent`."""
    notes = []
    for name, field in RenderRequest.model_fields.items():
        if name in (*_ACT, *sent) or getattr(request, name) == field.get_default(call_default_factory=True):
            continue
        why = "the server computes as it was set up" if name in _HERE else "the server takes none"
        notes.append(f"{name}: not used, {why}")
    return notes


def composed(plan: ScenePlan, caption: str, *, is_edit: bool = False) -> tuple[str, list[str]]:
    """The prompt of a plan in a layout format, and a sentence for each part of the plan that it does not say.

    is_edit: the picture is drawn in the place of the changed regions only.
    """
    form = format_named(caption)
    assert form.write
    notes = _syntax_notes(plan)
    plan = without_syntax(plan)
    text, own = form.write(plan)
    says: set[Feature] = {*form.says, "size", "names", "levels"}
    says |= {"shape", "seed"} if is_edit else set()
    return text, [*notes, *own, *unsaid(plan, frozenset(says), where="in the prompt that the server gets")]


def _syntax_notes(plan: ScenePlan) -> list[str]:
    texts = list(_texts(plan))
    return [*unread_syntax(texts), *weight_warnings(texts, act=False)]


def _texts(plan: ScenePlan) -> Iterable[str]:
    for prompt in (plan.scene, *(region.prompt for region in plan.regions)):
        yield from (prompt.high_level, prompt.low_level)
    yield plan.style


def without_syntax(plan: ScenePlan) -> ScenePlan:
    """The plan without weights in its prompts, which no server takes."""

    def plain(region: Region) -> Region:
        return region.model_copy(update={"prompt": _plain(region.prompt)})

    return plan.model_copy(
        update={"scene": _plain(plan.scene), "regions": list(map(plain, plan.regions)), "style": plain_text(plan.style)}
    )


def _plain(prompt: LeveledPrompt) -> LeveledPrompt:
    return prompt.model_copy(
        update={"high_level": plain_text(prompt.high_level), "low_level": plain_text(prompt.low_level)}
    )
