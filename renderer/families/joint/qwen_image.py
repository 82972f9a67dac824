"""Qwen-Image: joint attention of a text and an image stream, prompts read by Qwen2.5-VL. A flow."""

from collections.abc import Iterable, Sequence
from copy import copy

import torch
from diffusers.models.attention_processor import Attention
from PIL import Image
from torch import Tensor, nn

from ...diffusers_types import AttentionLayer, Network, Processor
from ...forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning
from ...regions.joint_attention import SequenceLayout, attend_jointly, own_layout, rotated
from ..base import with_tiles
from .family import JointFamily, packed, unpacked

LONGEST = 1024  # token limit of a prompt, without the template around it
# Sizes of the model card, in pixels.
SIZES = [(1328, 1328), (1664, 928), (928, 1664), (1472, 1104), (1104, 1472), (1584, 1056), (1056, 1584)]


class QwenJointAttention:
    """The processor of one block; text comes first in the sequence. Text positions are those of each prompt alone."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor,
        encoder_hidden_states_mask: None = None, attention_mask: None = None,
        image_rotary_emb: tuple[Tensor, Tensor] | None = None, *, layouts: Sequence[SequenceLayout],
        positions: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """hidden_states: (batch, image tokens, channels). positions: of the text tokens, (batch, text tokens)."""

        def split(states: Tensor, norm: nn.Module | None, rotary: Tensor | None = None) -> Tensor:
            heads: Tensor = states.unflatten(-1, (attn.heads, -1))
            heads = heads if norm is None else norm(heads)
            return heads if rotary is None else rotated(heads, rotary)

        assert image_rotary_emb is not None
        text, (image_rotary, text_rotary) = encoder_hidden_states, image_rotary_emb
        text_rotary = text_rotary[positions]
        query = torch.cat([split(attn.add_q_proj(text), attn.norm_added_q, text_rotary),
                           split(attn.to_q(hidden_states), attn.norm_q, image_rotary)], 1)  # fmt: skip
        key = torch.cat([split(attn.add_k_proj(text), attn.norm_added_k, text_rotary),
                         split(attn.to_k(hidden_states), attn.norm_k, image_rotary)], 1)  # fmt: skip
        value = torch.cat([split(attn.add_v_proj(text), None), split(attn.to_v(hidden_states), None)], 1)
        feature = attend_jointly(own_layout(self, layouts), query, key, value).flatten(2)
        return attn.to_out[1](attn.to_out[0](feature[:, text.shape[1] :])), attn.to_add_out(feature[:, : text.shape[1]])


class QwenImage(JointFamily):
    normalised = True

    @property
    def channels(self) -> int:
        return int(self.model.config.in_channels) // 4

    def trained(self, side: int) -> list[tuple[int, int]]:
        return SIZES

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        for index, block in enumerate(self.model.transformer_blocks):
            yield block.attn, QwenJointAttention(index)

    def encode(self, text: str) -> Encoded:
        states, _ = self.pipe.encode_prompt(text, device=self.device, max_sequence_length=LONGEST)
        return Encoded(states[0].to(self.dtype), reading=self.reading(text, text_encoder=LONGEST))

    def guide(self, negative: Tensor, positive: Tensor, scale: float) -> Tensor:
        """Guidance that keeps each token's norm."""
        rows, columns = (side // 2 for side in positive.shape[-2:])
        guided, plain = packed(super().guide(negative, positive, scale)), packed(positive)
        norms = (each.norm(dim=-1, keepdim=True) for each in (plain, guided))
        return unpacked(guided * (next(norms) / next(norms)), rows, columns)

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        rows, columns = (side // 2 for side in shape[-2:])

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            text = conditioning.joint
            x = self.model(
                packed(latents), text.states, timestep=timestep.expand(len(latents)) / 1000,
                img_shapes=[[(1, rows, columns)]],
                attention_kwargs={"layouts": text.layouts, "positions": text.positions},
            ).sample  # fmt: skip
            return unpacked(x, rows, columns)

        return predict

    def pixels(self, latents: Tensor, *, tiled: bool = False) -> Tensor:
        mean, deviation = self._statistics
        latents = (latents.to(mean) * deviation + mean)[:, :, None]
        large = tiled and max(latents.shape[-2:]) > self.tile
        decoder = self._tiling() if large else copy(self.pipe.vae)  # it keeps state while it decodes
        return (decoder.tiled_decode if large else decoder.decode)(latents).sample[:, :, 0]  # type: ignore[no-any-return]

    def encode_image(self, image: Image.Image) -> Tensor:
        mean, deviation = self._statistics
        pixels = self.pipe.image_processor.preprocess(image).to(self.device, mean.dtype)
        latents = copy(self.pipe.vae).encode(pixels[:, :, None]).latent_dist.mode()[:, :, 0]
        return ((latents - mean) / deviation).float()  # type: ignore[no-any-return]

    @property
    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the VAE's latents, by channel."""
        config, like = self.pipe.vae.config, {"device": self.device, "dtype": self.pipe.vae.dtype}
        return tuple(torch.tensor(each, **like)[:, None, None] for each in (config.latents_mean, config.latents_std))  # type: ignore[return-value]

    def _tiling(self) -> Network:
        side = self.tile * self.cell
        return with_tiles(
            self.pipe.vae, tile_sample_min_height=side, tile_sample_min_width=side,
            tile_sample_stride_height=side * 3 // 4, tile_sample_stride_width=side * 3 // 4,
        )  # fmt: skip
