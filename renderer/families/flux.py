"""FLUX.1: text and image in one attention, and from half-way in one stream. A flow, distilled to take no negative."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.models.transformers.transformer_flux import FluxAttnProcessor
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from torch import Tensor

from ..regions.joint_attention import JointConditioning, own_bias
from ..sampling.schedules import Flow, Schedule, shift_of
from .base import Encoded, Family, ForwardOptions, Predict, ratios

LONGEST = 512  # T5 tokens of a prompt that are read; 256 by the variant without guidance


class DepthAttention(FluxAttnProcessor):
    """diffusers' processor with the mask of its block; text comes first in the sequence."""

    def __init__(self, index: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.index = index

    def __call__(  # type: ignore[override]
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Any = None, attention_mask: None = None,
        image_rotary_emb: Any = None, bias: Sequence[Tensor] = (),
    ) -> Any:  # fmt: skip
        return super().__call__(attn, hidden_states, encoder_hidden_states, own_bias(self, bias), image_rotary_emb)


class Flux(Family):
    """The guidance scale is told to the model instead of computed from two forwards; negatives are not heard."""

    flow = True
    guided = False
    encoders = ("text_encoder", "text_encoder_2")

    @property
    def guidable(self) -> bool:  # type: ignore[override]
        return bool(self.model.config.guidance_embeds)

    @property
    def channels(self) -> int:
        return int(self.model.config.in_channels) // 4

    @property
    def blocks(self) -> list[Any]:
        return [*self.model.transformer_blocks, *self.model.single_transformer_blocks]

    def trained(self, side: int) -> list[tuple[int, int]]:
        return [size for side in (256, 512, 1024) for size in ratios(side)]  # 0.1 to 2 million pixels

    def install_processors(self) -> None:
        for index, block in enumerate(self.blocks):
            block.attn.set_processor(DepthAttention(index))

    def encode(self, text: str) -> Encoded:
        longest = LONGEST if self.model.config.guidance_embeds else LONGEST // 2
        states, pooled, _ = self.pipe.encode_prompt(text, device=self.device, max_sequence_length=longest)
        clip = self.pipe.tokenizer.model_max_length
        reading = self.reading(text, text_encoder=clip, text_encoder_2=longest)
        sections = ((longest, reading.tokens[-1]),)
        return Encoded(states[0].to(self.dtype), pooled[0].to(self.dtype), reading, sections)

    def conditioning(
        self, prompts: Any, plan: Any, levels: Any, grid: tuple[int, int], loras: Any = ()
    ) -> JointConditioning:
        return JointConditioning(self, prompts, plan, levels, loras)

    @classmethod
    def shift(cls, config: Any, tokens: int) -> float:
        dynamic = config.get("use_dynamic_shifting")
        return shift_of(config, _mu(config, tokens)) if dynamic else super().shift(config, tokens)

    @classmethod
    def euler(cls, config: Any, steps: int, denoise: float, tokens: int, device: torch.device) -> Schedule:
        def sigmas(total: int) -> list[float]:
            return torch.linspace(1, 1 / total, total, dtype=torch.float64).tolist()

        mu = _mu(config, tokens) if config.use_dynamic_shifting else None
        return Flow(config, steps, denoise, device, sigmas=sigmas, mu=mu)

    def forward(self, shape: torch.Size, picture_condition: Tensor, asked: ForwardOptions) -> Predict:
        pictures, rows, columns = shape[0], shape[-2] // 2, shape[-1] // 2
        pooled = picture_condition.repeat_interleave(pictures, 0)
        places = torch.zeros(rows, columns, 3, device=self.device, dtype=self.dtype)
        places[..., 1], places[..., 2] = torch.arange(rows)[:, None], torch.arange(columns)[None]
        told = self.model.config.guidance_embeds
        scale = torch.full([pictures], asked.guidance, device=self.device) if told else None

        def forward(latents: Tensor, timestep: Tensor, heard: Any, step: int, partial: bool) -> Tensor:
            # b c (h 2) (w 2) → b (h w) (c 2 2), and back
            x = latents.unflatten(2, (rows, 2)).unflatten(4, (columns, 2)).permute(0, 2, 4, 1, 3, 5)
            x = self.model(
                x.flatten(3).flatten(1, 2), heard.states, pooled, timestep.expand(pictures) / 1000, guidance=scale,
                img_ids=places.flatten(0, 1), txt_ids=places.new_zeros(heard.states.shape[1], 3),
                joint_attention_kwargs={"bias": heard.bias},
            ).sample  # fmt: skip
            x = x.unflatten(1, (rows, columns)).unflatten(3, (-1, 2, 2)).permute(0, 3, 1, 4, 2, 5)
            return x.flatten(4, 5).flatten(2, 3)  # type: ignore[no-any-return]

        return forward


def _mu(config: Any, tokens: int) -> float:
    """The logarithm of the shift for so many tokens."""
    known = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
    return float(calculate_shift(tokens, *(config[name] for name in known)))
