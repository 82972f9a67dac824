"""Hunyuan-DiT's attention processors: 2D rotary embeddings, region attention, and cached keys and values of edits."""

from dataclasses import dataclass

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import get_2d_rotary_pos_embed
from diffusers.pipelines.hunyuandit.pipeline_hunyuandit import get_resize_crop_region_for_grid
from torch import Tensor

from ..diffusers_types import Network
from ..regions.attention import TextContext, attend, attend_to, normed_heads, project_out, project_text
from ..sampling.edit_cache import CachedKeyValues


def rotary_embedding(transformer: Network, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """The 2D rotary embedding of a rows×columns grid of tokens: cosines and sines (tokens, head dim)."""
    crops = get_resize_crop_region_for_grid((rows, columns), 512 // 8 // transformer.config.patch_size)
    head_dim = transformer.inner_dim // transformer.num_heads
    device = transformer.device
    return get_2d_rotary_pos_embed(head_dim, crops, (rows, columns), device=device, output_type="pt")  # type: ignore[no-any-return]


def rotary_pairs_of(rotary: tuple[Tensor, Tensor]) -> Tensor:
    """A rotary embedding as a cosine and a sine for each pair of channels: (tokens, head dim / 2, 2)."""
    return torch.stack([rotary[0][:, ::2], rotary[1][:, ::2]], -1)


def apply_rotary(states: Tensor, rotary_pairs: Tensor | None) -> Tensor:
    """Rotates (batch, tokens, heads, head dim): each pair of channels as a complex number. In place for float32.

    Compiled code uses real arithmetic, since inductor does not support complex numbers.
    """
    if rotary_pairs is None:
        return states
    pairs = states.float().unflatten(-1, (-1, 2))
    if torch.compiler.is_compiling():
        (x, y), (cosine, sine) = pairs.unbind(-1), rotary_pairs[:, None].unbind(-1)
        out = torch.stack([x * cosine - y * sine, x * sine + y * cosine], -1)
    else:
        out = torch.view_as_real(torch.view_as_complex(pairs).mul_(torch.view_as_complex(rotary_pairs)[:, None]))
    return out.flatten(-2).to(states.dtype)


@dataclass(frozen=True)
class Positions:
    """Passed to the processors as `image_rotary_emb`. rotary_pairs: (tokens, head dim / 2, 2). cached_kv: keys and
    values of the tokens that an edit does not redraw. query_tokens: int64 (n,), the only queries of the self-attention;
    None: all.
    """

    rotary_pairs: Tensor | None
    cached_kv: CachedKeyValues | None = None
    query_tokens: Tensor | None = None


class CrossAttention:
    """`RegionAttention` with a rotary embedding of the query."""

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
        query = apply_rotary(query, image_rotary_emb.rotary_pairs)
        return project_out(attn, attend_to(encoder_hidden_states, query))


class SelfAttention:
    """diffusers' HunyuanAttnProcessor2_0, extended by query tokens and by cached keys and values of edits."""

    def __call__(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: None = None,
        attention_mask: None = None,
        image_rotary_emb: Positions = Positions(None),
    ) -> Tensor:
        """hidden_states: (batch, image tokens, channels). Returns that shape, or (batch, query tokens, channels)."""
        rotary_pairs, tokens = image_rotary_emb.rotary_pairs, image_rotary_emb.query_tokens
        key, value = project_text(attn, hidden_states)
        key = apply_rotary(key, rotary_pairs)
        if tokens is not None:
            hidden_states = hidden_states[:, tokens]
            rotary_pairs = None if rotary_pairs is None else rotary_pairs[tokens]
        query = apply_rotary(normed_heads(attn, attn.to_q(hidden_states), attn.norm_q), rotary_pairs)
        if (cached := image_rotary_emb.cached_kv) is not None:
            key, value = cached.completed(key, value)
        return project_out(attn, attend(query, key, value))
