"""Stable Diffusion 1.5 and XL, the paper's baselines: U-Nets that cross-attend at several resolutions.

With the prompt schedule 'scene' every layer attends to one merged prompt; with 'regions' and two regions this equals
Couple. Layers are ordered as they are computed: down, middle, up.
"""

from collections.abc import Iterable, Sequence

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor

from ..diffusers_types import AttentionLayer, Network, Processor
from ..forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning, pooled_of
from ..regions.attention import RegionAttention, TextContext
from ..texts.prompt_reading import Reading
from .aspect_ratios import ratios
from .cross import TensorCrossFamily


class LayerAttention:
    """RegionAttention of one layer of a U-Net. A U-Net passes the same object to all layers: the texts of all
    layers."""

    def __init__(self, index: int) -> None:
        self.index, self._attention = index, RegionAttention()

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Sequence[TextContext], *_: object,
        **__: object,
    ) -> Tensor:  # fmt: skip
        return self._attention(attn, hidden_states, encoder_hidden_states[self.index])


class StableDiffusion(TensorCrossFamily):
    denoiser = "unet"
    weighted = True
    preferred = "dpm++"  # published with PNDM, which is as exact in 30 steps, or with DDIM, which is less so

    @property
    def patch(self) -> int:
        return 1

    @property
    def blocks(self) -> list[Network]:
        return [self.model]

    @property
    def block_count(self) -> int:
        return len(self.layers)

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        unet = self.model
        last = len(unet.down_blocks) - 1
        stages = [
            *((block, index) for index, block in enumerate(unet.down_blocks)),
            *([(unet.mid_block, last)] if unet.mid_block else []),
            *((block, last - index) for index, block in enumerate(unet.up_blocks)),
        ]
        layers = [
            (layer.attn2, 2**halvings)
            for stage, halvings in stages
            for part in getattr(stage, "attentions", ())
            for layer in part.transformer_blocks
        ]
        self.layers: list[Attention] = [layer for layer, _ in layers]
        self.scales: list[int] = [scale for _, scale in layers]
        yield from ((layer, LayerAttention(index)) for index, layer in enumerate(self.layers))

    def encode(self, text: str) -> Encoded:
        states, _ = self.pipe.encode_prompt(text, self.device, 1, False)
        return Encoded(states[0].to(self.dtype), reading=self._reading(text))

    def _reading(self, text: str) -> Reading:
        limit = self.pipe.tokenizer.model_max_length
        return self.reading(text, **dict.fromkeys(self.encoders, limit))

    def layer(self, index: int) -> Attention:
        return self.layers[index]

    def scale(self, index: int) -> int:
        return self.scales[index]

    def added_conditions(self, shape: torch.Size, condition: PictureCondition) -> dict[str, Tensor] | None:
        """The U-Net's `added_cond_kwargs`, for the rows of a batch."""
        return None

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        added = self.added_conditions(shape, condition)

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            out = self.model(latents, timestep, encoder_hidden_states=conditioning.contexts, added_cond_kwargs=added)
            return out.sample  # type: ignore[no-any-return]

        return predict


class StableDiffusionXL(StableDiffusion):
    """The pooled embedding is that of the scene prompt; an empty negative is zeros if the pipeline is configured so."""

    encoders = ("text_encoder", "text_encoder_2")

    def encode(self, text: str) -> Encoded:
        states, _, pooled, _ = self.pipe.encode_prompt(text, device=self.device, do_classifier_free_guidance=False)
        if not text and self.pipe.config.force_zeros_for_empty_prompt:
            states, pooled = torch.zeros_like(states), torch.zeros_like(pooled)
        return Encoded(states[0].to(self.dtype), pooled[0].to(self.dtype), self._reading(text))

    def trained(self, side: int) -> list[tuple[int, int]]:
        return ratios(side)

    def added_conditions(self, shape: torch.Size, condition: PictureCondition) -> dict[str, Tensor]:
        size = [side * self.cell for side in shape[-2:]]
        times = torch.tensor([[*size, 0, 0, *size]], dtype=self.dtype, device=self.device)  # size, crop, target
        pooled = pooled_of(condition)
        rows = min(2, len(pooled)) * shape[0]
        pooled = pooled.repeat_interleave(rows // len(pooled), 0)
        return {"text_embeds": pooled, "time_ids": times.repeat(rows, 1)}
