"""A renderer on several devices: they share the candidates of a plan, or the two halves of one picture's guidance."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate

from ..prompts.errors import JobCancelled
from .checkpoints.files.hub import Hub
from .pipeline import Renderer
from .request import Dtype, LocalResult, OnStep, RenderRequest, Step
from .texts.prompt_files import PromptFiles


class SpreadRenderer(Renderer):
    """Draws candidates on all its devices at a time, one batch on each; of a picture alone, the two halves of
    classifier-free guidance on the first two; everything else on the first.

    A candidate has the seed that it has on one device; its request names the batch that it was drawn in, so that any
    renderer draws the same picture again. A picture alone has a warning that says what was done.
    """

    def __init__(
        self, model: str | None = None, *, others: Sequence[Renderer], device: str | None = None,
        dtype: Dtype | None = None, hub: Hub | None = None, files: PromptFiles | None = None,
    ) -> None:  # fmt: skip
        """others: renderers of the same model on other devices. The weights are on each device once it draws."""
        super().__init__(model, device=device, dtype=dtype, hub=hub, files=files)
        self._others = list(others)
        self._second = self._others[0]

    def candidates(self, request: RenderRequest, count: int, on_step: OnStep | None = None) -> list[LocalResult]:
        """As `Renderer.candidates`. The steps of the first device are reported; it draws no fewer than the others."""
        seeds = self.candidate_seeds(request, count)
        if count == 1:
            return [self.render(request, on_step)]
        renderers = [self, *self._others][:count]
        shares = shared_out(seeds, len(renderers))
        stop = threading.Event()

        def draw(renderer: Renderer, share: Sequence[int]) -> list[LocalResult]:
            def step(progress: Step) -> None:
                if stop.is_set():
                    raise JobCancelled
                if on_step and renderer is self:
                    on_step(progress)

            try:
                return renderer.batch(request, share, step)
            except BaseException:
                stop.set()
                raise

        with ThreadPoolExecutor(max(1, len(renderers) - 1)) as pool:
            others = [pool.submit(draw, *pair) for pair in zip(renderers[1:], shares[1:], strict=True)]
            try:
                results = draw(self, shares[0])
            except JobCancelled:
                for other in others:
                    if (error := other.exception()) and not isinstance(error, JobCancelled):
                        raise error from None  # why this one was stopped
                raise
            return results + [result for other in others for result in other.result()]


def shared_out(seeds: Sequence[int], among: int) -> list[list[int]]:
    """The seeds in their order in so many shares, the first ones larger by one where it does not come out even."""
    each, more = divmod(len(seeds), among)
    ends = list(accumulate(each + (number < more) for number in range(among)))
    return [list(seeds[start:end]) for start, end in zip([0, *ends], ends)]
