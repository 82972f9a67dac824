"""Controllable Region-Attention (paper, section II-C) on Hunyuan-DiT's cross-attention, without state.

Paper: f_i = Attention(Q·Mask_i, K_i, V_i), Feature = sum_i f_i, where Mask_i selects the tokens of region i. A token
outside mask i gets nothing from prompt i, so only the tokens inside need attend to it; gathering them gives the same
result as computing every prompt for every token and masking the outputs, for the cost of one prompt. Where masks are
soft, a token attends to each prompt that it has a share of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import apply_rotary_emb
from torch import Tensor


@dataclass(frozen=True)
class Segment:
    """The tokens of some batch rows that listen to one prompt, or each row to its own; `tokens` None means all.

    `shares`: how much each token listens to it, 0–1 (n,); None: it listens to nothing else.
    """

    rows: slice
    tokens: Tensor | None  # int64 (n,)
    prompt: int | slice  # a slice holds one prompt per row
    shares: Tensor | None = None


@dataclass(frozen=True)
class TextContext:
    """What one block's cross-attention hears: keys and values of every prompt, and who listens to which.

    keys, values: (heads, text tokens, head dim) of each prompt, in one tensor where all are equally long. The segments'
    shares sum to one for every row and token.
    """

    keys: Tensor | Sequence[Tensor]
    values: Tensor | Sequence[Tensor]
    segments: tuple[Segment, ...]


@dataclass
class Neighbours:
    """The tokens that an edit does not draw, as one block's self-attention sees them between two whole forwards.

    `kept`: int64 indices of those tokens among `total`; `step`: the denoising step that is being computed. Remembered
    are the keys and values of the last two whole forwards; they change steadily from step to step, so those of a step
    after them are extrapolated, by at most the distance of the two. Lives as long as one edit.
    """

    kept: Tensor
    total: int
    step: int = 0
    seen: tuple[tuple[int, Tensor, Tensor], ...] = field(default=(), repr=False)

    def beside(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """What to attend to: a whole forward's (batch, heads, total, head dim) as it is, remembering the kept tokens;
        a partial one's with the remembered tokens beside it."""
        if keys.shape[2] == self.total:
            self.seen = (*self.seen[-1:], (self.step, keys[:, :, self.kept], values[:, :, self.kept]))
            return keys, values
        last, kept_keys, kept_values = self.seen[-1]
        if len(self.seen) == 2:
            before, old_keys, old_values = self.seen[0]
            ahead = min(1.0, (self.step - last) / (last - before))
            kept_keys, kept_values = (
                torch.lerp(old, new, 1 + ahead) for old, new in ((old_keys, kept_keys), (old_values, kept_values))
            )
        return torch.cat([keys, kept_keys], 2), torch.cat([values, kept_values], 2)


@dataclass(frozen=True)
class Positions:
    """Where a block's image tokens are: rotary embedding, (tokens, head dim) each, and what lies beside them."""

    rotary: tuple[Tensor, Tensor] | None
    neighbours: Neighbours | None = None


def heads_of(attention: Attention, states: Tensor) -> Tensor:
    """(batch, tokens, channels) → (batch, heads, tokens, head dim)."""
    split: Tensor = states.unflatten(-1, (attention.heads, -1))
    return split.transpose(1, 2)


def normed_heads(attention: Attention, states: Tensor, norm: Any) -> Tensor:
    """`heads_of`, normalised within each head, or across all of them where the norm is that wide."""
    if norm is None:
        return heads_of(attention, states)
    across = norm.weight is not None and norm.weight.shape[-1] == states.shape[-1]
    return heads_of(attention, norm(states)) if across else norm(heads_of(attention, states))


def project_text(attention: Attention, states: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values (prompts, heads, text tokens, head dim) of text states (prompts, text tokens, channels).

    They carry neither timestep nor position: for one prompt they are the same in every step.
    """
    keys = normed_heads(attention, attention.to_k(states), attention.norm_k)
    return keys, heads_of(attention, attention.to_v(states))


class RegionAttention:
    """The cross-attention's processor; the text comes with each call, so nothing is left over from the call before."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: TextContext,
        attention_mask: None = None,
        image_rotary_emb: Positions = Positions(None),
    ) -> Tensor:
        """hidden_states: (batch, image tokens, channels); returns that shape. diffusers passes attention_mask=None."""
        query = normed_heads(attn, attn.to_q(hidden_states), attn.norm_q)
        if image_rotary_emb.rotary is not None:
            query = apply_rotary_emb(query, image_rotary_emb.rotary)  # type: ignore
        feature = torch.zeros_like(query)
        for segment in encoder_hidden_states.segments:
            rows = query[segment.rows]
            key, value = (
                states[segment.prompt].to(query.dtype).expand(len(rows), -1, -1, -1)  # type: ignore
                for states in (encoder_hidden_states.keys, encoder_hidden_states.values)
            )
            mine = rows if segment.tokens is None else rows.index_select(2, segment.tokens)
            heard = F.scaled_dot_product_attention(mine, key, value)
            if segment.shares is not None:
                heard = segment.shares[:, None].to(heard.dtype) * heard
            if segment.tokens is None:
                feature[segment.rows] += heard
            else:
                feature[segment.rows].index_add_(2, segment.tokens, heard)
        out: Tensor = attn.to_out[1](attn.to_out[0](feature.transpose(1, 2).flatten(2)))
        return out


class SelfAttention:
    """The self-attention's processor: diffusers' HunyuanAttnProcessor2_0 beside neighbours that are not drawn."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: None = None,
        attention_mask: None = None,
        image_rotary_emb: Positions = Positions(None),
    ) -> Tensor:
        """hidden_states: (batch, image tokens, channels); returns that shape."""
        query = normed_heads(attn, attn.to_q(hidden_states), attn.norm_q)
        key, value = project_text(attn, hidden_states)
        if image_rotary_emb.rotary is not None:
            query = apply_rotary_emb(query, image_rotary_emb.rotary)  # type: ignore
            key = apply_rotary_emb(key, image_rotary_emb.rotary)  # type: ignore
        if image_rotary_emb.neighbours is not None:
            key, value = image_rotary_emb.neighbours.beside(key, value)
        feature = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = attn.to_out[1](attn.to_out[0](feature.transpose(1, 2).flatten(2)))
        return out
