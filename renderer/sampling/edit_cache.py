"""Keys and values of the tokens that an edit keeps, extrapolated from its last two full steps."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..regions.graph_registry import merge_by_id, register


@dataclass
class Extrapolation:
    """How far a partial step lies beyond the last full one, for all blocks of an edit.

    factor: (step − last full) / gap of the last two full steps, at most 1. A scalar tensor, rewritten in place, so that
    recorded CUDA graphs read the value of their own step. full: the last two full steps.
    """

    factor: Tensor
    full: tuple[int, int] = (-1, -1)

    def advance(self, step: int, *, partial: bool) -> None:
        """Step `step` is computed next, partial or full."""
        if not partial:
            self.full = self.full[1], step
        before, last = self.full
        self.factor.fill_(min(1.0, (step - last) / (last - before)) if before >= 0 else 0.0)


@dataclass
class CachedKeyValues:
    """The tokens that an edit does not draw, as one block's self-attention sees them between two full steps.

    drawn: int64 indices of the drawn ones among `total`. Stored are keys and values of the last two full steps; they
    change steadily from step to step, so those of a partial step are extrapolated, by at most the gap of the two. Lives
    as long as one edit, and takes memory: in the published Hunyuan-DiT at 1024 pixels in bfloat16, 40 blocks × keys and
    values × two steps × 2 rows × 4096 tokens × 1408 channels are 3.7 GB.
    graph_ids: see `graph_registry`; (total,), which tells compiled code how many tokens come out.
    """

    drawn: Tensor
    total: int
    extrapolation: Extrapolation
    stored: tuple[tuple[Tensor, Tensor], ...] = field(default=(), repr=False)  # keys, values: the one before, the last
    graph_ids: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.graph_ids = torch.full([self.total], register(self))

    def merge(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (batch, total, heads, head dim) to attend to.

        Those of a full step are stored and returned; those of the drawn tokens alone are put among the extrapolated.
        """
        if keys.shape[1] == self.total:
            self.stored = self.stored or tuple((keys.clone(), values.clone()) for _ in range(2))
            for before, last, now in zip(*self.stored, (keys, values), strict=True):
                before.copy_(last)
                last.copy_(now)
            return keys, values
        weight = (1 + self.extrapolation.factor).to(keys.dtype)
        keys, values = (
            torch.lerp(before, last, weight).index_copy_(1, self.drawn, now)
            for before, last, now in zip(*self.stored, (keys, values), strict=True)
        )
        return keys, values

    def completed(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """`merge`, by id in compiled code."""
        compiling = torch.compiler.is_compiling()
        return merge_by_id(keys, values, self.graph_ids) if compiling else self.merge(keys, values)
