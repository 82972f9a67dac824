"""A random attention layer, and regions of given boxes."""

import torch
from diffusers.models.attention_processor import Attention

from ditpipe import Box, LeveledPrompt, Region


def attention() -> Attention:
    torch.manual_seed(0)
    return Attention(
        query_dim=32, cross_attention_dim=24, heads=2, dim_head=16, qk_norm="layer_norm", eps=1e-6, bias=True
    )


def regions(boxes: list[Box], z_orders: list[int] | None = None) -> list[Region]:
    return [
        Region(name=str(i), box=box, prompt=LeveledPrompt(high_level="x"), z_order=z_orders[i] if z_orders else 0)
        for i, box in enumerate(boxes)
    ]
