"""Weights of words in encoded prompts.

As compel and ComfyUI do: a token's state moves along the line from the empty prompt's state to its own. The mean of the
states is kept, as AUTOMATIC1111 keeps it, so that a weight shifts attention instead of making the whole text stronger.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...prompts.prompt_syntax import LEAST, MOST, Fragment

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer


def token_weights(tokenizer: Tokenizer | None, fragments: Sequence[Fragment], length: int) -> Tensor:
    """The weight of each token of a prompt, (length,); 1 for special tokens and padding. Raises ValueError for a
    tokenizer that does not say which letters a token stands for."""
    if tokenizer is None:
        return torch.ones(length)
    if not tokenizer.is_fast:
        raise ValueError("this tokenizer gives no offsets")
    text = "".join(fragment.text for fragment in fragments)
    ends, end = [], 0
    for fragment in fragments:
        end += len(fragment.text)
        ends.append(end)
    given = tokenizer(
        text, truncation=False, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False
    )
    weights = torch.ones(length)
    for index, ((_, last), special) in enumerate(
        zip(given["offset_mapping"][:length], given["special_tokens_mask"], strict=False)
    ):
        if not special and last:
            weights[index] = next(part.weight for part, stop in zip(fragments, ends, strict=True) if last <= stop)
    return weights


def weighted(states: Tensor, empty: Tensor, weights: Tensor) -> Tensor:
    """States (tokens, channels) with weights (tokens,). empty: the empty prompt's states, of the same shape."""
    weights = weights.to(states.device, torch.float32).clamp(LEAST, MOST)[:, None]
    if not (weights != 1).any():
        return states
    old, base = states.float(), empty.float()
    new = base + (old - base) * weights
    return (new + (old.mean(0) - new.mean(0))).to(states.dtype)
