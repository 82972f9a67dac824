"""Controllable Region-Attention (paper, section II-C): the authors' masked sum of outputs, and an equivalent gather.

The paper writes f_i = Attention(Q·Mask_i, K_i, V_i) and Feature = sum_i f_i, where Mask_i selects the tokens of region
i. A masked query is zero, and a zero query still yields mean(V_i); the authors' released code masks the output instead,
and so does this module. Outside mask i the output of prompt i is dropped, so only the tokens inside need to be
computed: gathering them costs as much as one prompt for all tokens. With soft masks a token attends to every prompt
that has a weight in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from .graph_registry import attend_by_id, register


def masked_output_sum(query: Tensor, keys: Tensor, values: Tensor, region_weights: Tensor) -> Tensor:
    """Reference, as in the authors' code: every token attends to every prompt; masked outputs are summed.

    query: (batch, image tokens, heads, head dim). keys, values: (prompts, text tokens, heads, head dim).
    region_weights: (prompts, image tokens).
    """
    feature = torch.zeros_like(query)
    for key, value, mask in zip(keys, values, region_weights, strict=True):
        output = attend(query, key.expand(len(query), *key.shape), value.expand(len(query), *value.shape))
        feature += mask[:, None, None].to(output.dtype) * output
    return feature


def region_attention(query: Tensor, text: "TextContext") -> Tensor:
    """The gather: each group of tokens attends to its own prompts. Shapes as in `masked_output_sum`.

    Overwrites the query unless weights are soft: with hard masks each token's query is used once.
    """
    soft = any(group.region_weights is not None for group in text.groups)
    feature = torch.zeros_like(query) if soft else query
    for group in text.groups:
        own = query[group.rows] if group.tokens is None else query[group.rows].index_select(1, group.tokens)
        keys, values = (_select(states, group.prompts, query) for states in (text.keys, text.values))
        output = attend_each(own, keys, values)
        if group.tokens is None:
            feature[group.rows] = output
        elif group.region_weights is None:
            feature[group.rows].index_copy_(1, group.tokens, output)
        else:
            weights = group.region_weights[:, None, None].to(output.dtype)
            feature[group.rows].index_add_(1, group.tokens, weights * output)
    return feature


def attend_each(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """`attend` of equal parts of the tokens to one prompt each. keys, values: (prompts, text tokens, heads, head dim).

    Batched by prompt: the tokens of all rows that attend to the same prompt are one sequence.
    """
    by_prompt = query.unflatten(1, (len(keys), -1)).transpose(0, 1)  # prompts, rows, tokens, heads, head dim
    output = attend(by_prompt.flatten(1, 2), keys, values)
    return output.view(by_prompt.shape).transpose(0, 1).flatten(1, 2)


def attend(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention of (batch, tokens, heads, head dim) to (batch, other tokens, heads, head dim); the query's shape."""
    query, keys, values = (states.transpose(1, 2) for states in (query, keys, values))
    return F.scaled_dot_product_attention(query, keys, values).transpose(1, 2)


def _select(states: Tensor | Sequence[Tensor], prompts: slice, like: Tensor) -> Tensor:
    """Keys or values of some prompts: (prompts, text tokens, heads, head dim)."""
    return (states[prompts] if isinstance(states, Tensor) else torch.stack(list(states[prompts]))).to(like.dtype)


@dataclass(frozen=True)
class TokenGroup:
    """Tokens of some batch rows that cross-attend to a run of prompts, the same number per prompt.

    tokens: int64 (n,), those of the first prompt, then those of the next, …; None: all, in order. region_weights: the
    weight of the prompt in each of `tokens`, 0–1 (n,); None: 1.
    """

    rows: slice
    prompts: slice
    tokens: Tensor | None = None
    region_weights: Tensor | None = None


# A group repeats at most this many tokens so that each prompt has the same number: cheaper than another call.
REPEATED = 32


def token_groups(
    rows: slice, region_weights: Tensor, *, device: torch.device, together: bool = True
) -> list[TokenGroup]:
    """Groups tokens by prompt. region_weights: (prompts, tokens), summing to one over the prompts of each token.

    together: consecutive prompts with nearly the same number of tokens become one group, computed in one call; prompts
    with fewer tokens repeat their last token.
    """
    tokens_of, spans = [weights.nonzero()[:, 0] for weights in region_weights], list[slice]()
    for prompt in (prompt for prompt, tokens in enumerate(tokens_of) if len(tokens)):
        span = slice(spans[-1].start if spans else prompt, prompt + 1)
        counts = [len(tokens) for tokens in tokens_of[span]]
        if together and 0 not in counts and max(counts) * len(counts) - sum(counts) <= REPEATED:
            spans[-1:] = [span]
        else:
            spans.append(slice(prompt, prompt + 1))
    groups = []
    for span in spans:
        longest = torch.arange(max(len(tokens) for tokens in tokens_of[span]))
        tokens = torch.cat([own[longest.clamp(max=len(own) - 1)] for own in tokens_of[span]])
        first = torch.cat([longest < len(own) for own in tokens_of[span]])  # repeats have weight 0
        weights = region_weights[span].repeat_interleave(len(longest), 0).gather(1, tokens[:, None])[:, 0] * first
        if (weights[first] < 1).any():
            groups.append(TokenGroup(rows, span, tokens.to(device), weights.float().to(device)))
        else:
            in_order = torch.equal(tokens, torch.arange(region_weights.shape[1]))
            groups.append(TokenGroup(rows, span, None if in_order else tokens.to(device)))
    return groups


@dataclass(frozen=True)
class TextContext:
    """The text of one block's cross-attention: keys and values of every prompt, and the token groups that attend to
    them.

    keys, values: (text tokens, heads, head dim) per prompt, stacked to one tensor if all are equally long. The groups'
    weights sum to one for every row and token. graph_id: see `graph_registry`.
    """

    keys: Tensor | Sequence[Tensor]
    values: Tensor | Sequence[Tensor]
    groups: tuple[TokenGroup, ...]
    graph_id: Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "graph_id", torch.tensor(register(self)))

    def attend(self, query: Tensor) -> Tensor:
        """`region_attention` to this text."""
        return region_attention(query, self)


def normed_heads(attention: Attention, states: Tensor, norm: nn.Module | None) -> Tensor:
    """(batch, tokens, channels) → (batch, tokens, heads, head dim), normalised per head, or over all channels if the
    norm is that wide (`rms_norm_across_heads`)."""
    scale = None if norm is None else norm.weight
    across = norm is not None and isinstance(scale, Tensor) and scale.shape[-1] == states.shape[-1]
    heads: Tensor = (norm(states) if norm is not None and across else states).unflatten(-1, (attention.heads, -1))
    return heads if norm is None or across else norm(heads)


def project_text(attention: Attention, states: Tensor) -> tuple[Tensor, Tensor]:
    """Keys and values (prompts, text tokens, heads, head dim) of text states (prompts, text tokens, channels).

    They depend on neither timestep nor position, so they are computed once per render.
    """
    keys = normed_heads(attention, attention.to_k(states), attention.norm_k)
    return keys, normed_heads(attention, attention.to_v(states), None)


def project_out(attention: Attention, feature: Tensor) -> Tensor:
    """(batch, tokens, heads, head dim) → (batch, tokens, channels)."""
    out: Tensor = attention.to_out[1](attention.to_out[0](feature.flatten(2)))
    return out


def attend_to(text: TextContext, query: Tensor) -> Tensor:
    """`region_attention`, by the text's id in compiled code."""
    return attend_by_id(query, text.graph_id) if torch.compiler.is_compiling() else text.attend(query)


class RegionAttention:
    """The processor of a cross-attention layer. Stateless: the text is an argument of each call."""

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: TextContext, attention_mask: None = None
    ) -> Tensor:
        """hidden_states: (batch, image tokens, channels); returns that shape. diffusers passes attention_mask=None."""
        query = normed_heads(attn, attn.to_q(hidden_states), attn.norm_q)
        return project_out(attn, attend_to(encoder_hidden_states, query))
