"""A critic's judgement of an edit against the picture before: in a round of the loop, and of an edit alone."""

from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from ...prompts.critique import Critique
from ...prompts.errors import DitpipeError, one_line
from ...prompts.plan import ScenePlan
from ...renderer.request import RenderResult
from .critic import Critic
from .edit_review import Comparison, compare_edit, removed_regions


@dataclass(frozen=True)
class JudgedPicture:
    """A picture, its plan, and the critique of it; None if nobody judged it."""

    image: Image.Image
    plan: ScenePlan
    critique: Critique | None


@dataclass(frozen=True)
class EditReview:
    """Of an edit that is drawn once, whatever becomes of it: its critique, and warnings about what is worse."""

    critique: Critique | None = None
    warnings: tuple[str, ...] = ()


def compare_pictures(
    before: JudgedPicture,
    after: JudgedPicture,
    judge: Callable[[Image.Image, ScenePlan], Critique | None],
    *,
    threshold: float,
) -> Comparison:
    """Compares an edit with the picture before: their scores, remains of what it removed, and the pixels beside it."""
    from ...renderer.sampling.edit import unintended_changes  # it loads torch

    removed = removed_regions(before.plan, after.plan)
    return compare_edit(
        before.plan, after.plan, critique_before=before.critique, critique_after=after.critique,
        remains_critique=judge(after.image, removed) if removed else None,
        beside=unintended_changes(before.image, after.image, before.plan, after.plan), threshold=threshold,
    )  # fmt: skip


def review_edit(
    before: RenderResult,
    after: RenderResult,
    critic: Critic | None,
    *,
    threshold: float,
    critique_before: Critique | None = None,
) -> EditReview:
    """Judges an edit that was asked for directly: it is not drawn again, and the picture before is not touched.

    `critique_before`: of the picture before, if it is known. Changed pixels are among the edit's own warnings
    already. A critic that fails is a warning: the picture is drawn, and what was judged of it stays.
    """
    if critic is None:
        return EditReview()
    now = None
    plans = before.request.edited_plan, after.request.edited_plan
    try:
        now = critic.critique(after.image, plans[1])
        then = critique_before or critic.critique(before.image, plans[0])
        comparison = compare_pictures(
            JudgedPicture(before.image, plans[0], then), JudgedPicture(after.image, plans[1], now), critic.critique,
            threshold=threshold,
        )  # fmt: skip
    except DitpipeError as error:
        return EditReview(now, (f"not compared with the picture before: {one_line(error)}",))
    if comparison.is_worse:
        notes = " and ".join(comparison.notes)
        return EditReview(now, (f"this is worse than the picture before, which is kept as it was: {notes}",))
    return EditReview(now, tuple(comparison.notes))
