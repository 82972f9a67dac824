"""First-block caching: a step whose first block says much the same as before reuses what the other blocks said."""

from collections.abc import Callable, Iterable
from functools import reduce
from typing import Any

from torch import Tensor


class StepCache:
    """Lives as long as one render.

    `reused`: steps so far that reused. `error`: the largest difference, as a share, between what the other blocks added
    in a step that computed them and what had been kept from before. What reuse was off by in its own steps nobody has
    computed; their first block had changed less.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.reused, self.error = 0, 0.0
        self._first: Tensor | None = None
        self._others: Tensor | None = None

    def __call__(self, x: Tensor, first: Callable[[Tensor], Tensor], others: Callable[[Tensor], Tensor]) -> Tensor:
        """`others(first(x))`, or near it."""
        begun = first(x)
        said = begun - x
        if self._first is not None and self._others is not None and _share(self._first, said) < self.threshold:
            self.reused += 1
            return begun + self._others
        out = others(begun)
        if self._others is not None:
            self.error = max(self.error, _share(self._others, out - begun))
        self._first, self._others = said, out - begun
        return out


def run_blocks(
    blocks: Iterable[Any], one: Callable[[Tensor, Any], Tensor], x: Tensor, cache: StepCache | None
) -> Tensor:
    """x through all blocks, one by one; with a cache, through the first and perhaps the others."""
    first, *others = blocks
    if cache is None:
        return reduce(one, others, one(x, first))
    return cache(x, lambda x: one(x, first), lambda x: reduce(one, others, x))


def _share(old: Tensor, new: Tensor) -> float:
    """How far `old` is from `new`, as a share of `new`, by mean absolute values."""
    return float((old - new).abs().mean() / new.abs().mean().clamp(min=1e-12))
