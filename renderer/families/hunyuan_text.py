"""Hunyuan-DiT's text: two encoders, and padding positions that the network attends to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from ..diffusers_types import Network, Pipeline
from ..forward import Encoded
from ..prompt_reading import encoder_name, read


@dataclass(frozen=True, kw_only=True)
class HunyuanText(Encoded):
    """One prompt of both encoders, or several as a batch (`join`), each tensor with a first axis of prompts.

    states: BERT's (prompts, text_len, channels); t5: (prompts, text_len_t5, channels); masks of 0 and 1, (prompts,
    tokens). embed: computes `embed_text` when no LoRA acts; not at once, since the denoiser has a part in it and may
    not be on the GPU while prompts are encoded.
    """

    mask: Tensor
    t5: Tensor
    t5_mask: Tensor
    embed: Callable[[], Tensor]


@dataclass(frozen=True)
class PaddedText:
    """Text states of some prompts with the padding once for all of them.

    distinct: (text tokens + all prompts' own tokens, channels), padding first. where: the index of each prompt's tokens
    in it, int64 (prompts, text tokens).
    """

    distinct: Tensor
    where: Tensor


def encode(pipe: Pipeline, text: str, dtype: torch.dtype) -> HunyuanText:
    """Encodes a text with both encoders of a HunyuanDiTPipeline, each padded to the transformer's text length."""
    config = pipe.transformer.config
    states, masks, encoders = [], [], []
    for tokenizer, encoder, length in (
        (pipe.tokenizer, pipe.text_encoder, config.text_len),
        (pipe.tokenizer_2, pipe.text_encoder_2, config.text_len_t5),
    ):
        tokens = tokenizer([text], padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        encoders.append((encoder_name(encoder), tokenizer, length))
        mask = tokens.attention_mask.to(encoder.device)
        with torch.inference_mode():
            hidden = encoder(tokens.input_ids.to(encoder.device), attention_mask=mask)[0]
        states.append(hidden.to(dtype))
        masks.append(mask)

    @cache
    def embed() -> Tensor:
        with torch.inference_mode():
            return embed_text(pipe.transformer, states[0], states[1])

    return HunyuanText(
        states[0], reading=read(text, encoders), mask=masks[0], t5=states[1], t5_mask=masks[1], embed=embed
    )


def join(prompts: Sequence[Encoded]) -> HunyuanText:
    """Encoded prompts as one batch."""
    texts = [text for text in prompts if isinstance(text, HunyuanText)]
    assert len(texts) == len(prompts)
    states, mask, t5, t5_mask = (
        torch.cat(parts) for parts in zip(*((text.states, text.mask, text.t5, text.t5_mask) for text in texts))
    )
    embed = _joined_embedding([text.embed for text in texts])
    return replace(texts[0], states=states, mask=mask, t5=t5, t5_mask=t5_mask, embed=embed)


def _joined_embedding(parts: Sequence[Callable[[], Tensor]]) -> Callable[[], Tensor]:
    return lambda: torch.cat([embed() for embed in parts])


def embed_text(transformer: Network, bert: Tensor, t5: Tensor) -> Tensor:
    """Text states, padding aside: (prompts, text_len + text_len_t5, channels) (paper, section II-B)."""
    return torch.cat([bert, transformer.text_embedder(t5.flatten(0, 1)).unflatten(0, t5.shape[:2])], dim=1)


def pad_text(transformer: Network, states: Tensor, mask: Tensor, t5_mask: Tensor) -> PaddedText:
    """Padding positions hold a learned embedding that is attended to like any other, the same one for every prompt."""
    padding, own = transformer.text_embedding_padding, torch.cat([mask, t5_mask], 1).bool()
    where = torch.arange(len(padding), device=own.device).repeat(len(own), 1)
    where[own] = len(padding) + torch.arange(int(own.sum()), device=own.device)
    return PaddedText(torch.cat([padding, states[own]]), where)
