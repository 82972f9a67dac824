"""The conditioning of several plans whose pictures are one batch: row i of each half attends to plan i alone."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ..forward import Encoded, PictureCondition, StepConditioning
from .attention import TextContext, TokenGroup
from .stepwise import StepwiseConditioning


class SeveralPlans:
    """The conditionings of plans of one size, for one picture of each, of a model that cross-attends; without LoRAs.

    As `StepwiseConditioning` of one plan, with rows in the order of the plans: first those of the negatives.
    """

    guided = True

    def __init__(self, each: Sequence[StepwiseConditioning]) -> None:
        self._each = each
        self._last: tuple[list[StepConditioning], StepConditioning] | None = None

    @property
    def picture_condition(self) -> PictureCondition:
        """That of all negatives, then of all scene prompts."""
        conditions = [conditioning.picture_condition for conditioning in self._each]
        if all(condition is None for condition in conditions):
            return None
        halves: list[Tensor | Encoded] = [c[half] for half in (0, 1) for c in conditions if c is not None]
        tensors = [half for half in halves if isinstance(half, Tensor)]
        return torch.stack(tensors) if tensors else [half for half in halves if isinstance(half, Encoded)]

    def at(self, progress: float, *, partial: bool = False) -> StepConditioning:
        """As `StepwiseConditioning.at`; nothing is computed partially here."""
        assert not partial
        steps = [conditioning.at(progress) for conditioning in self._each]
        if self._last is None or any(step is not last for step, last in zip(steps, self._last[0], strict=True)):
            merged = [merged_context(texts) for texts in zip(*(step.contexts for step in steps), strict=True)]
            self._last = steps, StepConditioning(merged)
        return self._last[1]


def merged_context(texts: Sequence[TextContext]) -> TextContext:
    """One block's text for a batch of pictures from the texts of each of them, which have two rows each."""
    keys, values = (_joined([getattr(text, name) for text in texts]) for name in ("keys", "values"))
    groups, before = list[TokenGroup](), 0
    for picture, text in enumerate(texts):
        for group in text.groups:
            row = picture + group.rows.start * len(texts)  # rows 0 and 1: the negative's and the prompt's
            prompts = slice(group.prompts.start + before, group.prompts.stop + before)
            groups.append(replace(group, rows=slice(row, row + 1), prompts=prompts))
        before += len(text.keys)
    return TextContext(keys, values, tuple(groups))


def _joined(parts: Sequence[Tensor | Sequence[Tensor]]) -> Tensor | list[Tensor]:
    if all(isinstance(part, Tensor) and part.shape[1:] == parts[0].shape[1:] for part in parts):  # type: ignore[union-attr]
        return torch.cat([part for part in parts if isinstance(part, Tensor)])
    return [prompt for part in parts for prompt in part]
