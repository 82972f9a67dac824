"""Prompts → text states, all positive prompts and the negative in one batch (paper, section II-B)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..prompts.scene import ScenePlan


def prompts_of(plan: ScenePlan) -> list[str]:
    """The texts to encode: the scene's, one per region, and last the negative."""
    scene = ", ".join(part for part in (plan.scene.high_level, plan.scene.low_level) if part)
    return [scene, *(region.prompt.text for region in plan.regions), plan.negative]


@dataclass(frozen=True)
class TextStates:
    """Encoded prompts. bert: (prompts, text_len, channels); t5: (prompts, text_len_t5, channels); masks of 0 and 1."""

    bert: Tensor
    bert_mask: Tensor
    t5: Tensor
    t5_mask: Tensor
    truncated: tuple[str, ...]  # prompts that were longer than both encoders read


def encode(pipe: Any, texts: list[str]) -> TextStates:
    """Encodes texts with both encoders of a HunyuanDiTPipeline, each padded to the transformer's text length."""
    config = pipe.transformer.config
    states, masks, overlong = [], [], []
    for tokenizer, encoder, length in (
        (pipe.tokenizer, pipe.text_encoder, config.text_len),
        (pipe.tokenizer_2, pipe.text_encoder_2, config.text_len_t5),
    ):
        tokens = tokenizer(texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt")
        full = tokenizer(texts, truncation=False)["input_ids"]
        overlong.append({text for text, ids in zip(texts, full, strict=True) if len(ids) > length})
        mask = tokens.attention_mask.to(encoder.device)
        with torch.no_grad():
            hidden = encoder(tokens.input_ids.to(encoder.device), attention_mask=mask)[0]
        states.append(hidden.to(pipe.transformer.dtype))
        masks.append(mask)
    cut = tuple(text for text in texts if all(text in late for late in overlong))
    return TextStates(states[0], masks[0], states[1], masks[1], cut)
