"""Prompts → text states, kept for the next render that says the same."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from .checkpoints.silence import silence_loading
from .families.base import Family
from .prompt_reading import Reading, encoder_name, read

# Encoded prompts kept per loaded model. One takes 0.16 MB in the pocket checkpoint, 1.2 MB in Hunyuan-DiT and at most
# 4.2 MB in FLUX (512 T5 tokens of 4096 channels, half precision): 270 MB of the GPU's memory in all.
CACHED_PROMPTS = 64


@dataclass(frozen=True)
class HunyuanText:
    """Encoded prompts. bert: (prompts, text_len, channels); t5: (prompts, text_len_t5, channels); masks of 0 and 1.

    embed: computes `embedded`, in which the denoiser has a part: where prompts are encoded it may not be on the GPU.
    """

    bert: Tensor
    bert_mask: Tensor
    t5: Tensor
    t5_mask: Tensor
    embed: Callable[[], Tensor]
    readings: tuple[Reading, ...] = ()

    @property
    def embedded(self) -> Tensor:
        """What the cross-attentions hear, padding aside and when no LoRA acts, see `embed_text`."""
        return self.embed()


def joined(each: Sequence[HunyuanText]) -> HunyuanText:
    """Encoded prompts as one batch."""
    names = ("bert", "bert_mask", "t5", "t5_mask")
    states = {name: torch.cat([getattr(one, name) for one in each]) for name in names}
    return HunyuanText(
        **states, embed=lambda: torch.cat([one.embedded for one in each]),
        readings=tuple(reading for one in each for reading in one.readings),
    )  # fmt: skip


@dataclass(frozen=True)
class PaddedText:
    """What the cross-attentions hear of some prompts, padding once for all of them.

    distinct: (text tokens + all prompts' own tokens, channels), padding first. where: which of them is where, int64
    (prompts, text tokens).
    """

    distinct: Tensor
    where: Tensor


class PromptCache:
    """Encodes prompts for one loaded model and keeps the latest `CACHED_PROMPTS`.

    Each prompt is encoded alone. In one batch (paper, section II-B) the last bits of a prompt's states may depend on
    its companions, and then a render would depend on what was asked before it.
    """

    def __init__(self, family: Family) -> None:
        self._family = family
        self._lock = threading.Lock()  # a fast tokenizer refuses two threads at once
        self._kept: dict[str, Any] = {}  # the latest last

    def __call__(self, texts: Sequence[str]) -> Any:
        """The states of all texts, in their order: what the family's `joined` makes of them."""
        return self._family.joined(list(map(self.encoded(texts).__getitem__, texts)))

    def encoded(
        self, texts: Sequence[str], at_work: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> dict[str, Any]:
        """The states of each text. The encoders are `at_work` while those are encoded that are not kept, if any."""
        with self._lock:
            known = {text: self._kept[text] for text in texts if text in self._kept}
            if new := [text for text in dict.fromkeys(texts) if text not in known]:
                with at_work(), torch.inference_mode(), silence_loading():  # what is cut of a prompt, its reading says
                    known |= {text: self._family.encode(text) for text in new}
            rest = {text: states for text, states in self._kept.items() if text not in known}
            self._kept = dict(list((rest | known).items())[-CACHED_PROMPTS:])
            return known


def encode(pipe: Any, text: str, dtype: torch.dtype) -> HunyuanText:
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
    own = {"bert": states[0], "bert_mask": masks[0], "t5": states[1], "t5_mask": masks[1]}

    @cache
    def embed() -> Tensor:
        with torch.inference_mode():
            return embed_text(pipe.transformer, **own)

    return HunyuanText(**own, embed=embed, readings=(read(text, encoders),))


def embed_text(transformer: Any, bert: Tensor, bert_mask: Tensor, t5: Tensor, t5_mask: Tensor) -> Tensor:
    """What cross-attentions hear, padding aside: (prompts, text_len + text_len_t5, channels) (paper, section II-B)."""
    return torch.cat([bert, transformer.text_embedder(t5.flatten(0, 1)).unflatten(0, t5.shape[:2])], dim=1)


def pad_text(transformer: Any, heard: Tensor, bert_mask: Tensor, t5_mask: Tensor) -> PaddedText:
    """Padding positions hold a learned embedding that is attended to like any other, the same one for every prompt."""
    padding, own = transformer.text_embedding_padding, torch.cat([bert_mask, t5_mask], 1).bool()
    where = torch.arange(len(padding), device=own.device).repeat(len(own), 1)
    where[own] = len(padding) + torch.arange(int(own.sum()), device=own.device)
    return PaddedText(torch.cat([padding, heard[own]]), where)
