"""Sana: linear self-attention, cross-attention to one Gemma, latent cells of 32×32 pixels. A flow."""

from collections.abc import Iterable, Sequence

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor

from ..diffusers_types import AttentionLayer, Config, Network, Processor
from ..forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning
from ..regions.attention import RegionAttention, TextContext
from ..sampling.schedules import Flow, Schedule
from ..sampling.step_cache import run_blocks
from .aspect_ratios import ratios
from .base import with_tiles
from .cross import TensorCrossFamily
from .pixart import unpatched

LONGEST = 300  # token limit of Gemma


class Sana(TensorCrossFamily):
    """Prompts are encoded without SanaPipeline's `complex_human_instruction`, which asks to embellish them."""

    cached = True
    flow = True
    preferred = "dpm++"
    cell = 32
    tile = 16

    def trained(self, side: int) -> list[tuple[int, int]]:
        return ratios(side)

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        for block in self.model.transformer_blocks:
            yield block.attn2, RegionAttention()

    def encode(self, text: str) -> Encoded:
        states, mask, *_ = self.pipe.encode_prompt(
            text, do_classifier_free_guidance=False, device=self.device, max_sequence_length=LONGEST,
            complex_human_instruction=None,
        )  # fmt: skip
        own = states[0, mask[0].bool()].to(self.dtype)
        return Encoded(own, reading=self.reading(text, text_encoder=LONGEST))

    def text_states(self, encoded: Sequence[Encoded]) -> list[Tensor]:
        return [self.model.caption_norm(self.model.caption_projection(prompt.states)) for prompt in encoded]

    def layer(self, index: int) -> Attention:
        return self.model.transformer_blocks[index].attn2  # type: ignore[no-any-return]

    def _tiling(self) -> Network:
        side = self.tile * self.cell
        stride = side - 2 * self.cell
        return with_tiles(
            self.pipe.vae, tile_sample_min_height=side, tile_sample_min_width=side,
            tile_sample_stride_height=stride, tile_sample_stride_width=stride,
        )  # fmt: skip

    @classmethod
    def shift(cls, config: Config, tokens: int, steps: int) -> float:
        return float(config.get("flow_shift") or config.get("shift") or 3.0)

    @classmethod
    def euler(cls, config: Config, steps: int, denoise: float, tokens: int, device: torch.device) -> Schedule:
        def sigmas(total: int) -> list[float]:
            return [1 - (1 - 1e-3) * step / total for step in range(total)]

        return Flow({"shift": cls.shift(config, tokens, steps)}, steps, denoise, device, sigmas=sigmas)

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        model, (rows, columns) = self.model, [side // self.patch for side in shape[-2:]]

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            x = model.patch_embed(latents)
            times = timestep.expand(len(latents)) * model.config.timestep_scale
            embedding, embedded = model.time_embed(times, batch_size=len(latents), hidden_dtype=x.dtype)

            def run(x: Tensor, pair: tuple[Network, TextContext]) -> Tensor:
                block, text = pair
                return block(x, None, text, None, embedding, rows, columns)  # type: ignore[no-any-return]

            pairs = zip(model.transformer_blocks, conditioning.contexts, strict=True)
            x = run_blocks(pairs, run, x, options.cache)
            x = model.proj_out(model.norm_out(x, embedded, model.scale_shift_table))
            return unpatched(x, rows, columns, self.patch)[:, : self.channels]

        return predict
