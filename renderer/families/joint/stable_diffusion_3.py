"""Stable Diffusion 3 and 3.5: joint attention of a text and an image stream. A flow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import torch
from diffusers.models.attention_processor import Attention
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift
from torch import Tensor

from ...diffusers_types import AttentionLayer, Config, Processor
from ...forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning, pooled_of
from ...regions.joint_attention import SequenceLayout, attend_jointly, own_layout, two_stream_heads
from ...sampling.schedules import Flow, Schedule
from ..aspect_ratios import ratios
from .family import JointFamily

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase as Tokenizer

LONGEST = 256  # token limit of T5; CLIP's is 77


class StableDiffusion3Attention:
    """The processor of one block. Text comes first in the sequence, unlike in diffusers' processor."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None, layouts: Sequence[SequenceLayout] = (),
    ) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
        """hidden_states: (batch, image tokens, channels). Returns that shape, with text also the text's states."""
        text = encoder_hidden_states
        layout = None if text is None else own_layout(self, layouts)
        feature = attend_jointly(layout, *two_stream_heads(attn, hidden_states, text)).flatten(2)
        image: Tensor = attn.to_out[1](attn.to_out[0](feature[:, -hidden_states.shape[1] :]))
        if text is None:
            return image
        text_out = feature[:, : text.shape[1]]
        return image, text_out if attn.context_pre_only else attn.to_add_out(text_out)


class StableDiffusion3(JointFamily):
    weighted = True
    encoders = ("text_encoder", "text_encoder_2", "text_encoder_3")

    @property
    def largest(self) -> int:
        return int(self.model.config.pos_embed_max_size)  # its table of position embeddings is cropped

    def trained(self, side: int) -> list[tuple[int, int]]:
        return ratios(side)

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        for index, block in enumerate(self.model.transformer_blocks):
            yield block.attn, StableDiffusion3Attention(index)
            if block.attn2 is not None:  # 3.5: a second self-attention of the image tokens
                yield block.attn2, StableDiffusion3Attention(index)

    def encode(self, text: str) -> Encoded:
        states, _, pooled, _ = self.pipe.encode_prompt(
            text, None, None, device=self.device, do_classifier_free_guidance=False, max_sequence_length=LONGEST
        )
        clip = self.pipe.tokenizer.model_max_length
        reading = self.reading(text, text_encoder=clip, text_encoder_2=clip, text_encoder_3=LONGEST)
        t5 = 0 if self.pipe.text_encoder_3 is None else reading.tokens[2]
        # CLIP's padding has position embeddings, so its tokens differ: all of them count as the prompt's own.
        sections = ((clip, clip), (LONGEST, t5))
        return Encoded(states[0].to(self.dtype), pooled[0].to(self.dtype), reading, sections)

    def token_sections(self, length: int) -> list[tuple[Tokenizer | None, int]]:
        clip = self.pipe.tokenizer.model_max_length
        t5 = None if self.pipe.text_encoder_3 is None else self.pipe.tokenizer_3
        return [(self.pipe.tokenizer, clip), (t5, length - clip)]

    @classmethod
    def mu(cls, config: Config, tokens: int, steps: int) -> float:
        return float(calculate_shift(tokens))

    @classmethod
    def euler(cls, config: Config, steps: int, denoise: float, tokens: int, device: torch.device) -> Schedule:
        mu = cls.mu(config, tokens, steps) if config.get("use_dynamic_shifting") else None
        return Flow(config, steps, denoise, device, mu=mu)

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        pooled = pooled_of(condition).repeat_interleave(shape[0], 0)

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            text = conditioning.joint
            return self.model(  # type: ignore[no-any-return]
                latents, text.states, pooled, timestep.expand(len(latents)),
                joint_attention_kwargs={"layouts": text.layouts},
            ).sample  # fmt: skip

        return predict
