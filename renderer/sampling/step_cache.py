"""First-block caching: a step whose first block changes little reuses the residual of the other blocks."""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import TypeVar

from torch import Tensor

Block = TypeVar("Block")


class StepCache:
    """The residuals of the last computed step of one render.

    reused: number of steps that reused a residual. error: the largest relative change of the other blocks' residual
    between computed steps; the error of the reused steps themselves is unknown. threshold: of the relative change of
    the first block's residual, below which a step reuses the others.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.reused, self.error = 0, 0.0
        self._first: Tensor | None = None
        self._others: Tensor | None = None

    def __call__(self, x: Tensor, first: Callable[[Tensor], Tensor], others: Callable[[Tensor], Tensor]) -> Tensor:
        """`others(first(x))`, or its approximation by the cached residual."""
        after_first = first(x)
        residual = after_first - x
        unchanged = self._first is not None and _difference(self._first, residual) < self.threshold
        if unchanged and self._others is not None:
            self.reused += 1
            return after_first + self._others
        out = others(after_first)
        if self._others is not None:
            self.error = max(self.error, _difference(self._others, out - after_first))
        self._first, self._others = residual, out - after_first
        return out


def run_blocks(
    blocks: Iterable[Block], run: Callable[[Tensor, Block], Tensor], x: Tensor, cache: StepCache | None
) -> Tensor:
    """Runs x through all blocks; with a cache, the blocks after the first may be skipped."""
    first, *others = blocks
    if cache is None:
        return reduce(run, others, run(x, first))
    return cache(x, lambda x: run(x, first), lambda x: reduce(run, others, x))


def _difference(old: Tensor, new: Tensor) -> float:
    """|old − new| relative to |new|, by mean absolute values."""
    return float((old - new).abs().mean() / new.abs().mean().clamp(min=1e-12))
