"""Keys and values of the unchanged tokens in an edit, extrapolated from the last two full steps."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from ..regions.graph_registry import merge_by_id, register


@dataclass
class Extrapolation:
    """The extrapolation factor of the current step, shared by all blocks of an edit.

    factor: (step − last full) / gap of the last two full steps, at most 1. A scalar tensor, written in place, so that
    captured CUDA graphs read the value of the current step. full: indices of the last two full steps.
    """

    factor: Tensor
    full: tuple[int, int] = (-1, -1)

    def advance(self, step: int, *, partial: bool) -> None:
        """Sets the factor for the next step, partial or full."""
        if not partial:
            self.full = self.full[1], step
        before, last = self.full
        self.factor.fill_(min(1.0, (step - last) / (last - before)) if before >= 0 else 0.0)


@dataclass
class CachedKeyValues:
    """Keys and values of all tokens in one block's self-attention, from the last two full steps of an edit.

    drawn: int64 indices of the redrawn tokens among `total`. Keys and values change steadily from step to step, so
    those of the unchanged tokens are extrapolated in a partial step. Memory, until the edit ends: in the published
    Hunyuan-DiT at 1024 pixels in bfloat16, 40 blocks × keys and values × 2 steps × 2 rows × 4096 tokens × 1408 channels
    are 3.7 GB. graph_ids: (total,), see `graph_registry`; its length gives compiled code the number of tokens.
    """

    drawn: Tensor
    total: int
    extrapolation: Extrapolation
    stored: tuple[tuple[Tensor, Tensor], ...] = field(default=(), repr=False)  # keys, values: (second to last, last)
    graph_ids: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.graph_ids = torch.full([self.total], register(self))

    def merge(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (batch, total, heads, head dim) to attend to.

        Those of a full step are stored and returned. Those of the redrawn tokens alone are merged with the extrapolated
        ones of the others.
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
        """`merge`; in compiled code by id, see `graph_registry`."""
        compiling = torch.compiler.is_compiling()
        return merge_by_id(keys, values, self.graph_ids) if compiling else self.merge(keys, values)
