"""Sana: linear self-attention, cross-attention to one Gemma, latents of 32×32 pixels a cell. A flow."""

from typing import Any

import torch
from torch import Tensor

from ..regions.attention import RegionAttention
from ..sampling.schedules import Flow, Schedule
from ..sampling.step_cache import run_blocks
from .base import CrossFamily, Encoded, ForwardOptions, Predict, ratios, with_tiles
from .pixart import unpatched

LONGEST = 300  # tokens of a prompt that are read


class Sana(CrossFamily):
    """Prompts are encoded as they stand, without the instruction to embellish them that SanaPipeline puts before."""

    cached = True
    flow = True
    preferred = "dpm++"
    cell = 32
    tile = 16

    @property
    def patch(self) -> int:  # type: ignore[override]
        return int(self.model.config.patch_size)

    @property
    def blocks(self) -> list[Any]:
        return list(self.model.transformer_blocks)

    def trained(self, side: int) -> list[tuple[int, int]]:
        return ratios(side)

    def install_processors(self) -> None:
        for block in self.model.transformer_blocks:
            block.attn2.set_processor(RegionAttention())

    def encode(self, text: str) -> Encoded:
        states, mask, *_ = self.pipe.encode_prompt(
            text, do_classifier_free_guidance=False, device=self.device, max_sequence_length=LONGEST,
            complex_human_instruction=None,
        )  # fmt: skip
        heard = states[0, mask[0].bool()].to(self.dtype)
        return Encoded(heard, reading=self.reading(text, text_encoder=LONGEST))

    def text_states(self, encoded: Any) -> list[Tensor]:
        return [self.model.caption_norm(self.model.caption_projection(one.states)) for one in encoded]

    def layer(self, index: int) -> Any:
        return self.model.transformer_blocks[index].attn2

    def _tiling(self) -> Any:
        side = self.tile * self.cell
        stride = side - 2 * self.cell
        return with_tiles(
            self.pipe.vae, tile_sample_min_height=side, tile_sample_min_width=side,
            tile_sample_stride_height=stride, tile_sample_stride_width=stride,
        )  # fmt: skip

    @classmethod
    def shift(cls, config: Any, tokens: int) -> float:
        return float(config.get("flow_shift") or config.get("shift") or 3.0)

    @classmethod
    def euler(cls, config: Any, steps: int, denoise: float, tokens: int, device: torch.device) -> Schedule:
        def sigmas(total: int) -> list[float]:
            return [1 - (1 - 1e-3) * step / total for step in range(total)]

        return Flow({"shift": cls.shift(config, tokens)}, steps, denoise, device, sigmas=sigmas)

    def forward(self, shape: torch.Size, picture_condition: Any, asked: ForwardOptions) -> Predict:
        model, (rows, columns) = self.model, [side // self.patch for side in shape[-2:]]

        def forward(latents: Tensor, timestep: Tensor, heard: Any, step: int, partial: bool) -> Tensor:
            x = model.patch_embed(latents)
            times = timestep.expand(len(latents)) * model.config.timestep_scale
            condition, embedded = model.time_embed(times, batch_size=len(latents), hidden_dtype=x.dtype)

            def one(x: Tensor, pair: Any) -> Tensor:
                block, text = pair
                return block(x, None, text, None, condition, rows, columns)  # type: ignore[no-any-return]

            x = run_blocks(zip(model.transformer_blocks, heard, strict=True), one, x, asked.cache)
            x = model.proj_out(model.norm_out(x, embedded, model.scale_shift_table))
            return unpatched(x, rows, columns, self.patch)[:, : self.channels]

        return forward
