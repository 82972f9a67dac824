"""Attention of text and image in one sequence, in which each region's tokens attend to their own prompt.

Every distinct prompt has its own span of text tokens at the start of the sequence. An image token attends to all image
tokens and, of the text, to its own prompt; a text token to its own prompt and to the image tokens that ever attend to
it. Tokens with the same keys are gathered and computed in one call, so no mask of (text + image)² elements is needed.
Where a token has several prompts by weights, the logarithm of a weight is added to the attention's logits, which scales
the prompt's attention by it; only such groups have a mask.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from diffusers.models.transformers.transformer_flux import FluxAttention
from torch import Tensor, nn

from .graph_registry import joint_attend_by_id, register


@dataclass(frozen=True)
class SequenceGroup:
    """Tokens of some batch rows that attend to the same keys.

    queries, keys: int64 indices in the sequence; None: all, in order. bias: added to the logits, (queries or 1, keys);
    None: nothing.
    """

    rows: slice
    queries: Tensor | None = None
    keys: Tensor | None = None
    bias: Tensor | None = None


@dataclass(frozen=True)
class SequenceLayout:
    """Who attends to whom in one block's joint attention. Every token of a row is a query of one group. graph_id: see
    `graph_registry`."""

    groups: tuple[SequenceGroup, ...]
    graph_id: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "graph_id", torch.tensor(register(self)))

    def attend(self, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Attention of (rows, tokens, heads, head dim); the query's shape."""
        first, *others = self.groups
        if not others and first.queries is None and first.keys is None:
            return _attend(query, keys, values, first.bias)
        out = torch.zeros_like(query)
        for group in self.groups:
            own, key, value = (
                states[group.rows] if tokens is None else states[group.rows].index_select(1, tokens)
                for states, tokens in ((query, group.queries), (keys, group.keys), (values, group.keys))
            )
            output = _attend(own, key, value, group.bias)
            if group.queries is None:
                out[group.rows] = output
            else:
                out[group.rows].index_copy_(1, group.queries, output)
        return out


def _attend(query: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    query, keys, values = (states.transpose(1, 2) for states in (query, keys, values))
    mask = None if bias is None else bias.to(query.dtype)
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask).transpose(1, 2)


def sequence_groups(
    rows: slice, weights: Tensor, ever: Tensor, *, span: Tensor, own: Tensor, counts: Tensor, device: torch.device
) -> list[SequenceGroup]:
    """The groups of some rows at one prompt level.

    weights: of each text in every image token, (texts, image tokens); 0: the token does not attend to it. ever: the
    largest of all levels. span: the text of each text token, int64 (text tokens,). own: whether the token is its
    text's and not padding beyond it, bool. counts: the number of tokens that each represents.
    """
    image = torch.arange(weights.shape[1]) + len(span)
    found = []
    for text in range(len(weights)):  # of the text tokens
        queries = (span == text).nonzero()[:, 0]
        seen = ever[text] > 0
        keys = torch.cat([queries[own[queries]], image[seen]])
        scales = torch.cat([counts[queries[own[queries]]], ever[text][seen].to(counts)])
        found.append((queries, keys, scales[None]))
    patterns, which = (weights > 0).T.unique(dim=0, return_inverse=True)
    for index, pattern in enumerate(patterns):  # of the image tokens
        tokens = (which == index).nonzero()[:, 0]
        text_keys = (pattern[span] & own).nonzero()[:, 0]
        each = weights[:, tokens].T.to(counts)
        each = each[:1] if (each == each[:1]).all() else each
        scales = F.pad(each[:, span[text_keys]] * counts[text_keys], (0, len(image)), value=1.0)
        found.append((image[tokens], torch.cat([text_keys, image]), scales))
    return [_group(rows, *alike, total=len(span) + len(image), device=device) for alike in _merged(found)]


Found = tuple[Tensor, Tensor, Tensor]  # queries, keys, factors of their attention


def _merged(found: Sequence[Found]) -> list[Found]:
    """Joins the groups with equal keys and factors: all tokens of a picture with one prompt are one group."""
    out: list[Found] = []
    for queries, keys, scales in found:
        for at, (others, same, factors) in enumerate(out):
            if torch.equal(keys, same) and torch.equal(scales, factors) and len(scales) == 1:
                out[at] = torch.cat([others, queries]), keys, scales
                break
        else:
            out.append((queries, keys, scales))
    return out


def _group(
    rows: slice, queries: Tensor, keys: Tensor, scales: Tensor, *, total: int, device: torch.device
) -> SequenceGroup:
    everything = torch.arange(total)
    bias = None if (scales == 1).all() else scales.log().to(device)
    return SequenceGroup(
        rows, None if torch.equal(queries, everything) else queries.to(device),
        None if torch.equal(keys, everything) else keys.to(device), bias,
    )  # fmt: skip


class HasBlockIndex(Protocol):
    """A processor with the index of its block."""

    index: int


@torch.compiler.disable  # type: ignore[untyped-decorator]
def own_layout(processor: HasBlockIndex, layouts: Sequence[SequenceLayout]) -> SequenceLayout:
    """The layout of the processor's block. Not compiled: the index would make a graph per block."""
    return layouts[processor.index]


def attend_jointly(layout: SequenceLayout | None, query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """`SequenceLayout.attend`, by the layout's id in compiled code; None: every token attends to all."""
    if layout is None:
        return _attend(query, keys, values, None)
    if torch.compiler.is_compiling():
        return joint_attend_by_id(query, keys, values, layout.graph_id)  # type: ignore[no-any-return]
    return layout.attend(query, keys, values)


def rotated(heads: Tensor, rotary: Tensor) -> Tensor:
    """Applies rotary positions. heads: (batch, tokens, heads, head dim); rotary: complex, (tokens, head dim / 2) or one
    for each row of the batch."""
    pairs = torch.view_as_complex(heads.float().unflatten(-1, (-1, 2)))
    return torch.view_as_real(pairs * rotary.unsqueeze(-2)).flatten(3).type_as(heads)


def two_stream_heads(
    attn: Attention | FluxAttention, image: Tensor, text: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values (batch, tokens, heads, head dim) of a block with projections of its own for the text,
    whose tokens come first. image, text: (batch, tokens, channels); without a text `image` are all tokens."""

    def split(states: Tensor, norm: nn.Module | None = None) -> Tensor:
        heads: Tensor = states.unflatten(-1, (attn.heads, -1))
        return heads if norm is None else norm(heads)

    own = split(attn.to_q(image), attn.norm_q), split(attn.to_k(image), attn.norm_k), split(attn.to_v(image))
    if text is None:
        return own
    added = (
        split(attn.add_q_proj(text), attn.norm_added_q), split(attn.add_k_proj(text), attn.norm_added_k),
        split(attn.add_v_proj(text)),
    )  # fmt: skip
    query, key, value = (torch.cat(pair, 1) for pair in zip(added, own, strict=True))
    return query, key, value
