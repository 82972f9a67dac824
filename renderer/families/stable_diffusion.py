"""Stable Diffusion 1.5 and XL, the paper's baselines: U-Nets that cross-attend at several resolutions.

With the depth schedule 'scene' they hear one merged prompt everywhere; with 'regions' and two regions that is Couple. A
block's depth is its place in the order of computing: down, middle, up.
"""

from typing import Any

import torch
from torch import Tensor

from ..prompt_reading import Reading
from ..regions.attention import RegionAttention
from .base import CrossFamily, Encoded, ForwardOptions, Predict, ratios


class LayerAttention(RegionAttention):
    """RegionAttention of one layer of a U-Net, which hands the same text to all of its layers: here, all of theirs."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Any, *_: Any, **__: Any) -> Tensor:
        return super().__call__(attn, hidden_states, encoder_hidden_states[self.index])


class StableDiffusion(CrossFamily):
    denoiser = "unet"
    preferred = "dpm++"  # published with PNDM, which is as exact in 30 steps, or with DDIM, which is less so
    patch = 1

    @property
    def depth(self) -> int:
        return len(self.layers)

    def install_processors(self) -> None:
        unet = self.model
        last = len(unet.down_blocks) - 1
        stages = [
            *((block, index) for index, block in enumerate(unet.down_blocks)),
            *([(unet.mid_block, last)] if unet.mid_block else []),
            *((block, last - index) for index, block in enumerate(unet.up_blocks)),
        ]
        found = [
            (layer.attn2, 2**halvings)
            for stage, halvings in stages
            for part in getattr(stage, "attentions", ())
            for layer in part.transformer_blocks
        ]
        self.layers: list[Any] = [layer for layer, _ in found]
        self.scales: list[int] = [scale for _, scale in found]
        for index, layer in enumerate(self.layers):
            layer.set_processor(LayerAttention(index))

    def encode(self, text: str) -> Encoded:
        states, _ = self.pipe.encode_prompt(text, self.device, 1, False)
        return Encoded(states[0].to(self.dtype), reading=self._reading(text))

    def _reading(self, text: str) -> Reading:
        limit = self.pipe.tokenizer.model_max_length
        return self.reading(text, **dict.fromkeys(self.encoders, limit))

    def layer(self, index: int) -> Any:
        return self.layers[index]

    def scale(self, index: int) -> int:
        return self.scales[index]

    def conditions(self, shape: torch.Size, picture_condition: Any) -> dict[str, Tensor] | None:
        """What the U-Net is told beside text and time, for the rows of a batch."""
        return None

    def forward(self, shape: torch.Size, picture_condition: Any, asked: ForwardOptions) -> Predict:
        conditions = self.conditions(shape, picture_condition)

        def forward(latents: Tensor, timestep: Tensor, heard: Any, step: int, partial: bool) -> Tensor:
            return self.model(latents, timestep, encoder_hidden_states=heard, added_cond_kwargs=conditions).sample  # type: ignore[no-any-return]

        return forward


class StableDiffusionXL(StableDiffusion):
    """Its pooled embedding is the scene's; an empty negative is zeros where its pipeline says so."""

    encoders = ("text_encoder", "text_encoder_2")

    def encode(self, text: str) -> Encoded:
        states, _, pooled, _ = self.pipe.encode_prompt(text, device=self.device, do_classifier_free_guidance=False)
        if not text and self.pipe.config.force_zeros_for_empty_prompt:
            states, pooled = torch.zeros_like(states), torch.zeros_like(pooled)
        return Encoded(states[0].to(self.dtype), pooled[0].to(self.dtype), self._reading(text))

    def trained(self, side: int) -> list[tuple[int, int]]:
        return ratios(side)

    def picture_condition(self, whole: Any) -> Tensor:
        """Pooled embeddings (2, channels): the negative's and the scene's."""
        return torch.stack([one.pooled for one in whole])

    def conditions(self, shape: torch.Size, picture_condition: Tensor) -> dict[str, Tensor]:
        pictures, size = shape[0], [side * self.cell for side in shape[-2:]]
        times = torch.tensor([[*size, 0, 0, *size]], dtype=self.dtype, device=self.device)  # whole, uncropped
        return {
            "text_embeds": picture_condition.repeat_interleave(pictures, 0),
            "time_ids": times.repeat(2 * pictures, 1),
        }
