"""FLUX.1: joint attention, in the second half in a single stream. A flow with distilled guidance, without negatives."""

from collections.abc import Iterable, Sequence
from typing import ClassVar

import torch
from diffusers.models.transformers.transformer_flux import FluxAttention
from torch import Tensor

from ...diffusers_types import AttentionLayer, Network, Processor
from ...forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning, pooled_of
from ...regions.joint_attention import SequenceLayout, attend_jointly, own_layout, two_stream_heads
from ..aspect_ratios import ratios
from .family import JointFamily, packed, rotary_applied, unpacked

LONGEST = 512  # token limit of T5; 256 in the variant without guidance (schnell)


class FluxJointAttention:
    """The processor of one block of FLUX.1 or Chroma; text comes first in the sequence."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(
        self, attn: FluxAttention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None, image_rotary_emb: tuple[Tensor, Tensor] | None = None,
        layouts: Sequence[SequenceLayout] = (),
    ) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
        """hidden_states: (batch, image tokens, channels), without `encoder_hidden_states` all tokens."""

        text = encoder_hidden_states
        query, key, value = two_stream_heads(attn, hidden_states, text)
        if image_rotary_emb is not None:
            query, key = (rotary_applied(each, image_rotary_emb) for each in (query, key))
        feature = attend_jointly(own_layout(self, layouts), query, key, value).flatten(2)
        if text is None:
            return feature
        image: Tensor = attn.to_out[1](attn.to_out[0](feature[:, text.shape[1] :]))
        return image, attn.to_add_out(feature[:, : text.shape[1]])


class Flux(JointFamily):
    """The guidance scale is an input of the network, not computed from two forwards; negatives are not used."""

    weighted = True
    encoders: ClassVar[tuple[str, ...]] = ("text_encoder", "text_encoder_2")

    @property
    def patch(self) -> int:
        return 2  # its pipeline packs 2×2 cells, and the configuration says 1

    @property
    def guided(self) -> bool:
        return False

    @property
    def guidable(self) -> bool:
        return bool(self.model.config.guidance_embeds)

    @property
    def channels(self) -> int:
        return int(self.model.config.in_channels) // 4

    @property
    def blocks(self) -> list[Network]:
        return [*self.model.transformer_blocks, *self.model.single_transformer_blocks]

    def trained(self, side: int) -> list[tuple[int, int]]:
        return [size for side in (256, 512, 1024) for size in ratios(side)]  # 0.1 to 2 million pixels

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        for index, block in enumerate(self.blocks):
            yield block.attn, FluxJointAttention(index)

    def encode(self, text: str) -> Encoded:
        longest = LONGEST if self.model.config.guidance_embeds else LONGEST // 2
        states, pooled, _ = self.pipe.encode_prompt(text, device=self.device, max_sequence_length=longest)
        clip = self.pipe.tokenizer.model_max_length
        reading = self.reading(text, text_encoder=clip, text_encoder_2=longest)
        sections = ((longest, reading.tokens[-1]),)
        return Encoded(states[0].to(self.dtype), pooled[0].to(self.dtype), reading, sections)

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        pictures, rows, columns = shape[0], shape[-2] // 2, shape[-1] // 2
        pooled = pooled_of(condition).repeat_interleave(pictures, 0)
        places = image_places(rows, columns).to(self.device, self.dtype)
        scale = torch.full([pictures], options.guidance, device=self.device) if self.guidable else None

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            text = conditioning.joint
            x = self.model(
                packed(latents), text.states, pooled, timestep.expand(pictures) / 1000, guidance=scale,
                img_ids=places, txt_ids=places.new_zeros(text.states.shape[1], 3),
                joint_attention_kwargs={"layouts": text.layouts},
            ).sample  # fmt: skip
            return unpacked(x, rows, columns)

        return predict


def image_places(rows: int, columns: int) -> Tensor:
    """Positions of the image's tokens, row by row: (rows·columns, 3), of which the first is 0."""
    places = torch.zeros(rows, columns, 3)
    places[..., 1], places[..., 2] = torch.arange(rows)[:, None], torch.arange(columns)[None]
    return places.flatten(0, 1)
