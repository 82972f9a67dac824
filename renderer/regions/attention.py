"""Controllable Region-Attention (paper, section II-C) on Hunyuan-DiT's cross-attention, without state.

Paper: f_i = Attention(Q·Mask_i, K_i, V_i), Feature = sum_i f_i, where Mask_i selects the tokens of region i. A token
outside mask i gets nothing from prompt i, so only the tokens inside need attend to it; gathering them gives the same
result as computing every prompt for every token and masking the outputs, for the cost of one prompt. Where masks are
soft, a token attends to each prompt that it has a share of.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from weakref import WeakValueDictionary

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from torch import Tensor


@dataclass(frozen=True)
class TokenGroup:
    """The tokens of some batch rows that listen to one prompt, or to neighbouring ones, equally many to each.

    `tokens`: int64 (n,), those of the first prompt, then those of the next, …; None: all, in their order. `shares`: how
    much each of `tokens` listens to it, 0–1 (n,); None: it listens to nothing else.
    """

    rows: slice
    prompts: slice
    tokens: Tensor | None = None
    region_weights: Tensor | None = None


# How many tokens a segment may repeat to have equally many for each prompt: less than what another call costs.
REPEATED = 32


def token_groups(
    rows: slice, region_weights: Tensor, *, device: torch.device, together: bool = True
) -> list[TokenGroup]:
    """Who listens to what, by the share of each prompt in every token: (prompts, tokens), a token's sum to one.

    `together`: neighbouring prompts with nearly equally many tokens become one segment, which attends at once; those
    with fewer repeat their last token, which is then computed twice.
    """
    each, spans = [share.nonzero()[:, 0] for share in region_weights], list[slice]()
    for prompt in (prompt for prompt, tokens in enumerate(each) if len(tokens)):
        span = slice(spans[-1].start if spans else prompt, prompt + 1)
        counts = [len(tokens) for tokens in each[span]]
        if together and 0 not in counts and max(counts) * len(counts) - sum(counts) <= REPEATED:
            spans[-1:] = [span]
        else:
            spans.append(slice(prompt, prompt + 1))
    out = []
    for span in spans:
        longest = torch.arange(max(len(tokens) for tokens in each[span]))
        tokens = torch.cat([own[longest.clamp(max=len(own) - 1)] for own in each[span]])
        first = torch.cat([longest < len(own) for own in each[span]])
        heard = region_weights[span].repeat_interleave(len(longest), 0).gather(1, tokens[:, None])[:, 0] * first
        if (heard[first] < 1).any():
            out.append(TokenGroup(rows, span, tokens.to(device), heard.float().to(device)))
        else:
            in_place = torch.equal(tokens, torch.arange(region_weights.shape[1]))
            out.append(TokenGroup(rows, span, None if in_place else tokens.to(device)))
    return out


# What compiled code is handed by its number, a tensor, so that it is the same code for all plans and all edits.
_NUMBERS, _REGISTERED = count(), WeakValueDictionary[int, Any]()


def register(one: Any) -> int:
    """A number for it, for as long as it lives."""
    number = next(_NUMBERS)
    _REGISTERED[number] = one
    return number


@dataclass(frozen=True)
class TextContext:
    """What one block's cross-attention hears: keys and values of every prompt, and who listens to which.

    keys, values: (text tokens, heads, head dim) of each prompt, in one tensor where all are equally long. The segments'
    shares sum to one for every row and token.
    """

    keys: Tensor | Sequence[Tensor]
    values: Tensor | Sequence[Tensor]
    token_groups: tuple[TokenGroup, ...]
    number: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "number", torch.tensor(register(self)))


@dataclass
class Extrapolation:
    """How far the step that an edit computes lies beyond its last whole forward, for all of its blocks.

    `ahead`: in distances of the last two whole forwards, at most 1; a scalar tensor, rewritten in place, so that work
    which was recorded reads the step's own.
    """

    ahead: Tensor
    last: tuple[int, int] = (-1, -1)  # the steps of the last two whole forwards

    def at(self, step: int, *, partial: bool) -> None:
        """Step `step` is computed next, whole or partial."""
        if not partial:
            self.last = self.last[1], step
        before, last = self.last
        self.ahead.fill_(min(1.0, (step - last) / (last - before)) if before >= 0 else 0.0)


@dataclass
class CachedKeyValues:
    """The tokens that an edit does not draw, as one block's self-attention sees them between two whole forwards.

    `drawn`: int64 indices of the others among `total`. Remembered are the keys and values of the last two whole
    forwards; they change steadily from step to step, so those of a step after them are extrapolated, by at most the
    distance of the two. Lives as long as one edit, and takes memory: in the published Hunyuan-DiT at 1024 pixels in
    bfloat16, 40 blocks × keys and values × two forwards × 2 rows × 4096 tokens × 1408 channels are 3.7 GB.
    `number`: (total,), in which it is repeated to tell compiled code how many tokens there are.
    """

    drawn: Tensor
    total: int
    elapsed: Extrapolation
    seen: tuple[tuple[Tensor, Tensor], ...] = field(default=(), repr=False)  # keys, values of the one before, the last
    number: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.number = torch.full([self.total], register(self))

    def merge(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """What to attend to: a whole forward's (batch, total, heads, head dim) as it is, remembered; the drawn tokens'
        among the remembered others."""
        if keys.shape[1] == self.total:
            self.seen = self.seen or tuple((keys.clone(), values.clone()) for _ in range(2))
            for before, last, now in zip(*self.seen, (keys, values), strict=True):
                before.copy_(last)
                last.copy_(now)
            return keys, values
        weight = (1 + self.elapsed.ahead).to(keys.dtype)
        keys, values = (
            torch.lerp(before, last, weight).index_copy_(1, self.drawn, now)
            for before, last, now in zip(*self.seen, (keys, values), strict=True)
        )
        return keys, values


@dataclass(frozen=True)
class Positions:
    """Where a block's image tokens are: `turns`, their rotary embedding (tokens, head dim / 2, cosine and sine), and
    what lies beside them. `asked`: which of them ask in self-attention, int64 (n,); None: all."""

    rotary_pairs: Tensor | None
    cached_kv: CachedKeyValues | None = None
    asked: Tensor | None = None


def apply_rotary(states: Tensor, rotary_pairs: Tensor | None) -> Tensor:
    """Rotary embedding of (batch, tokens, heads, head dim): each pair of numbers is a complex one, and is turned.

    In place, where the numbers are float32. Compiled, it is written out: inductor has no complex numbers.
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


def normed_heads(attention: Attention, states: Tensor, norm: Any) -> Tensor:
    """(batch, tokens, channels) → (batch, tokens, heads, head dim), normalised within each head, or across all of them
    where the norm is that wide."""
    across = norm is not None and norm.weight is not None and norm.weight.shape[-1] == states.shape[-1]
    heads: Tensor = (norm(states) if across else states).unflatten(-1, (attention.heads, -1))
    return heads if norm is None or across else norm(heads)


def project_text(attention: Attention, states: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values (prompts, text tokens, heads, head dim) of text states (prompts, text tokens, channels).

    They carry neither timestep nor position: for one prompt they are the same in every step.
    """
    keys = normed_heads(attention, attention.to_k(states), attention.norm_k)
    return keys, normed_heads(attention, attention.to_v(states), None)


def attend(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of (batch, tokens, heads, head dim) to (batch, other tokens, heads, head dim); the query's shape."""
    query, keys, values = (states.transpose(1, 2) for states in (query, keys, values))
    return F.scaled_dot_product_attention(query, keys, values).transpose(1, 2)


def cross_attend(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """`attend` to several prompts, (prompts, text tokens, heads, head dim): to each the next of the query's tokens.

    The tokens of all rows that listen to one prompt attend to it together.
    """
    by_prompt = query.unflatten(1, (len(keys), -1)).transpose(0, 1)  # prompts, rows, tokens, heads, head dim
    heard = attend(by_prompt.flatten(1, 2), keys, values)
    return heard.view(by_prompt.shape).transpose(0, 1).flatten(1, 2)


def chosen(states: Tensor | Sequence[Tensor], prompts: slice, like: Tensor) -> Tensor:
    """Keys or values of some prompts: (prompts, text tokens, heads, head dim)."""
    return (states[prompts] if isinstance(states, Tensor) else torch.stack(list(states[prompts]))).to(like.dtype)


def region_attention(query: Tensor, text: TextContext) -> Tensor:
    """What tokens (batch, image tokens, heads, head dim) hear; that shape. In place, where nobody's shares are soft."""
    soft = any(segment.region_weights is not None for segment in text.token_groups)
    feature = torch.zeros_like(query) if soft else query  # else nobody else needs the query of who has heard
    for segment in text.token_groups:
        mine = query[segment.rows]
        if segment.tokens is not None:
            mine = mine.index_select(1, segment.tokens)
        keys, values = (chosen(states, segment.prompts, query) for states in (text.keys, text.values))
        heard = cross_attend(mine, keys, values)
        if segment.tokens is None:
            feature[segment.rows] = heard
        elif segment.region_weights is None:
            feature[segment.rows].index_copy_(1, segment.tokens, heard)
        else:
            region_weights = segment.region_weights[:, None, None].to(heard.dtype)
            feature[segment.rows].index_add_(1, segment.tokens, region_weights * heard)
    return feature


@torch.library.custom_op("ditpipe::listen", mutates_args=())
def _region_attention_op(query: Tensor, number: Tensor) -> Tensor:
    """`listen`, for compiled code."""
    return region_attention(query.clone(), _REGISTERED[int(number)])


@_region_attention_op.register_fake
def _(query: Tensor, number: Tensor) -> Tensor:
    return torch.empty_like(query)


@torch.library.custom_op("ditpipe::beside", mutates_args=())
def _merge_op(keys: Tensor, values: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    """`Neighbours.beside`, for compiled code, which uses the memory of what it hands over and gets again."""
    cached_kv: CachedKeyValues = _REGISTERED[int(number[0])]
    if keys.shape[1] < len(number):
        return cached_kv.merge(keys, values)
    cached_kv.merge(keys, values)
    return keys.clone(), values.clone()


@_merge_op.register_fake
def _(keys: Tensor, values: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    shape = keys.shape[0], number.shape[0], *keys.shape[2:]  # `len` would fix them
    return keys.new_empty(shape), values.new_empty(shape)


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
        text = encoder_hidden_states
        query = apply_rotary(normed_heads(attn, attn.to_q(hidden_states), attn.norm_q), image_rotary_emb.rotary_pairs)
        feature = (
            _region_attention_op(query, text.number) if torch.compiler.is_compiling() else region_attention(query, text)
        )
        out: Tensor = attn.to_out[1](attn.to_out[0](feature.flatten(2)))
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
        """hidden_states: (batch, image tokens, channels); returns that shape, or what the tokens that ask hear."""
        rotary_pairs, asked = image_rotary_emb.rotary_pairs, image_rotary_emb.asked
        key, value = project_text(attn, hidden_states)
        key = apply_rotary(key, rotary_pairs)
        if asked is not None:
            hidden_states, rotary_pairs = hidden_states[:, asked], None if rotary_pairs is None else rotary_pairs[asked]
        query = apply_rotary(normed_heads(attn, attn.to_q(hidden_states), attn.norm_q), rotary_pairs)
        if (others := image_rotary_emb.cached_kv) is not None:
            compiling = torch.compiler.is_compiling()
            key, value = _merge_op(key, value, others.number) if compiling else others.merge(key, value)
        out: Tensor = attn.to_out[1](attn.to_out[0](attend(query, key, value).flatten(2)))
        return out
