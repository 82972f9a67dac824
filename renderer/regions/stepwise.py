"""The conditioning of each step: region strengths by progress, and for edits the redrawn tokens alone."""

from torch import Tensor

from ..forward import BlockTexts, Conditioning, EditBase, PictureCondition, StepConditioning
from .region_masks import scale_region_weights, strengths_at


class StepwiseConditioning:
    """A plan's conditioning as a function of progress.

    Progress only grows, so conditioning of earlier strengths is dropped.
    """

    def __init__(
        self, conditioning: Conditioning, region_weights: Tensor, *, pictures: int = 1, edit: EditBase | None = None
    ) -> None:
        """region_weights: (regions + 1, image tokens), feathers included. edit: given if partial steps are computed."""
        self.guided = conditioning.guided  # whether the first rows are unconditional
        self._conditioning, self._region_weights, self._pictures = conditioning, region_weights, pictures
        self._drawn = None if edit is None else edit.drawn.cpu()
        self._strengths: tuple[float, ...] | None = None
        self._steps: dict[bool, StepConditioning] = {}

    @property
    def picture_condition(self) -> PictureCondition:
        """Conditioning of the whole picture, the same in all steps."""
        return self._conditioning.picture_condition

    def at(self, progress: float, *, partial: bool = False) -> StepConditioning:
        """The conditioning at `progress`, the share of steps done (0 ≤ progress < 1).

        partial: of the edit's redrawn tokens alone. The same object is returned while strengths stay the same.
        """
        strengths = strengths_at(self._conditioning.plan.regions, progress)
        if strengths != self._strengths:
            self._strengths, self._steps = strengths, {}
        if partial not in self._steps:
            self._steps[partial] = self._compute(scale_region_weights(self._region_weights, strengths), partial)
        return self._steps[partial]

    def _compute(self, weights: Tensor, partial: bool) -> StepConditioning:
        if self._drawn is None:
            return self._of_tokens(weights)
        drawn = self._of_tokens(weights[:, self._drawn])
        if partial:
            return drawn
        full = self._of_tokens(weights)
        texts: BlockTexts = [*full.contexts[:-1], drawn.contexts[-1]]  # the last block computes only the redrawn tokens
        loras = [lora.also(other) for lora, other in zip(full.loras, drawn.loras, strict=True)]
        return StepConditioning(texts, loras)

    def _of_tokens(self, weights: Tensor) -> StepConditioning:
        texts = self._conditioning.at(weights, pictures=self._pictures)
        return StepConditioning(texts, self._conditioning.active_loras(weights))
