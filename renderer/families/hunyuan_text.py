"""Hunyuan-DiT's text: two encoders, and learned padding embeddings that the network attends to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from ...prompts.prompt_syntax import Fragment
from ..diffusers_types import Network, Pipeline
from ..forward import Encoded
from ..texts.prompt_reading import encoder_name, read
from ..texts.prompt_weights import token_weights, weighted


@dataclass(frozen=True, kw_only=True)
class HunyuanText(Encoded):
    """One prompt, or a batch of prompts (`join`), by both encoders; the first axis of every tensor is prompts.

    states: BERT's (prompts, text_len, channels); t5: (prompts, text_len_t5, channels); masks of 0 and 1, (prompts,
    tokens). embed: `embed_text` without LoRAs, lazily, since it uses a layer of the denoiser, which may be off the GPU
    while prompts are encoded.
    """

    mask: Tensor
    t5: Tensor
    t5_mask: Tensor
    embed: Callable[[], Tensor]


@dataclass(frozen=True)
class PaddedText:
    """Text states of several prompts, which share the padding embeddings.

    distinct: (text tokens + own tokens of all prompts, channels), padding first. where: index into `distinct`, int64
    (prompts, text tokens).
    """

    distinct: Tensor
    where: Tensor


def encode(pipe: Pipeline, text: str, dtype: torch.dtype) -> HunyuanText:
    """Encodes a text with both encoders of a HunyuanDiTPipeline, padded to the transformer's text lengths."""
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


def weigh(pipe: Pipeline, text: HunyuanText, empty: HunyuanText, parts: Sequence[Fragment]) -> HunyuanText:
    """A prompt with the weights of its parts, in both encoders. empty: the prompt without words."""
    states, t5 = (
        weighted(own[0], base[0], token_weights(tokenizer, parts, own.shape[1]))[None]
        for own, base, tokenizer in (
            (text.states, empty.states, pipe.tokenizer), (text.t5, empty.t5, pipe.tokenizer_2),
        )
    )  # fmt: skip

    @cache
    def embed() -> Tensor:
        with torch.inference_mode():
            return embed_text(pipe.transformer, states, t5)

    return replace(text, states=states, t5=t5, embed=embed)


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
    """Text states without the padding embeddings: (prompts, text_len + text_len_t5, channels) (paper, section II-B)."""
    return torch.cat([bert, transformer.text_embedder(t5.flatten(0, 1)).unflatten(0, t5.shape[:2])], dim=1)


def pad_text(transformer: Network, states: Tensor, mask: Tensor, t5_mask: Tensor) -> PaddedText:
    """Replaces padding by the learned padding embedding of its position, which is the same for every prompt."""
    padding, own = transformer.text_embedding_padding, torch.cat([mask, t5_mask], 1).bool()
    where = torch.arange(len(padding), device=own.device).repeat(len(own), 1)
    where[own] = len(padding) + torch.arange(int(own.sum()), device=own.device)
    return PaddedText(torch.cat([padding, states[own]]), where)
