"""Controllable Region-Attention (paper, section II-C) on Hunyuan-DiT's cross-attention, without state.

Paper: f_i = Attention(Q·Mask_i, K_i, V_i), Feature = sum_i f_i, where Mask_i selects the tokens of region i. The masks
do not overlap, so the tokens of region i need attend to prompt i only; gathering them gives the same result as
computing every prompt for every token and masking the outputs, for the cost of one prompt.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import apply_rotary_emb
from torch import Tensor


@dataclass(frozen=True)
class Segment:
    """The tokens of some batch rows that listen to one prompt, or each row to its own; `tokens` None means all."""

    rows: slice
    tokens: Tensor | None  # int64 (n,)
    prompt: int | slice  # a slice holds one prompt per row


@dataclass(frozen=True)
class TextContext:
    """What one block's cross-attention hears: keys and values of every prompt, and who listens to which.

    keys, values: (prompts, heads, text tokens, head dim). The segments cover every row and token exactly once.
    """

    keys: Tensor
    values: Tensor
    segments: tuple[Segment, ...]


def project_text(attention: Attention, states: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values (prompts, heads, text tokens, head dim) of text states (prompts, text tokens, channels).

    They carry neither timestep nor position: for one prompt they are the same in every step.
    """
    keys = attention.to_k(states).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
    values = attention.to_v(states).unflatten(-1, (attention.heads, -1)).transpose(1, 2)
    return attention.norm_k(keys) if attention.norm_k is not None else keys, values


class RegionAttention:
    """An attention processor; the text comes with each call, so nothing is left over from the call before."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: TextContext,
        attention_mask: None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """hidden_states: (batch, image tokens, channels); returns that shape. diffusers passes attention_mask=None."""
        query = attn.to_q(hidden_states).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
        query = attn.norm_q(query) if attn.norm_q is not None else query
        if image_rotary_emb is not None:
            query = apply_rotary_emb(query, image_rotary_emb)  # type: ignore[arg-type]  # it takes the pair
        feature = torch.empty_like(query)
        for segment in encoder_hidden_states.segments:
            rows = query[segment.rows]
            key = encoder_hidden_states.keys[segment.prompt].to(query.dtype).expand(len(rows), -1, -1, -1)
            value = encoder_hidden_states.values[segment.prompt].to(query.dtype).expand(len(rows), -1, -1, -1)
            if segment.tokens is None:
                feature[segment.rows] = F.scaled_dot_product_attention(rows, key, value)
            else:
                heard = F.scaled_dot_product_attention(rows[:, :, segment.tokens], key, value)
                feature[segment.rows, :, segment.tokens] = heard
        feature = feature.transpose(1, 2).flatten(2)
        out: Tensor = attn.to_out[1](attn.to_out[0](feature))
        return out
