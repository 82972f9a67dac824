"""Stable Diffusion 3 and 3.5: text and image in one attention, with streams of their own. A flow."""

from typing import Any

import torch
from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3 import calculate_shift
from torch import Tensor

from ..regions.joint_attention import JointAttention, JointConditioning
from ..sampling.schedules import Flow, Schedule, shift_of
from .base import Encoded, Family, ForwardOptions, Predict, ratios

LONGEST = 256  # T5 tokens of a prompt that are read, beside CLIP's 77


class StableDiffusion3(Family):
    flow = True
    encoders = ("text_encoder", "text_encoder_2", "text_encoder_3")

    @property
    def patch(self) -> int:  # type: ignore[override]
        return int(self.model.config.patch_size)

    @property
    def blocks(self) -> list[Any]:
        return list(self.model.transformer_blocks)

    @property
    def largest(self) -> int:
        return int(self.model.config.pos_embed_max_size)  # of its table of positions, the middle is taken

    def trained(self, side: int) -> list[tuple[int, int]]:
        return ratios(side)

    def install_processors(self) -> None:
        for index, block in enumerate(self.model.transformer_blocks):
            block.attn.set_processor(JointAttention(index))
            if block.attn2 is not None:  # 3.5: a second attention among the image tokens alone
                block.attn2.set_processor(JointAttention(index))

    def encode(self, text: str) -> Encoded:
        states, _, pooled, _ = self.pipe.encode_prompt(
            text, None, None, device=self.device, do_classifier_free_guidance=False, max_sequence_length=LONGEST
        )
        clip = self.pipe.tokenizer.model_max_length
        reading = self.reading(text, text_encoder=clip, text_encoder_2=clip, text_encoder_3=LONGEST)
        t5 = 0 if self.pipe.text_encoder_3 is None else reading.tokens[2]
        # CLIP's few paddings have positions of their own and are not alike: all of them count as the prompt's own.
        sections = ((clip, clip), (LONGEST, t5))
        return Encoded(states[0].to(self.dtype), pooled[0].to(self.dtype), reading, sections)

    def conditioning(
        self, prompts: Any, plan: Any, levels: Any, grid: tuple[int, int], loras: Any = ()
    ) -> JointConditioning:
        return JointConditioning(self, prompts, plan, levels, loras)

    @classmethod
    def shift(cls, config: Any, tokens: int) -> float:
        dynamic = config.get("use_dynamic_shifting")
        return shift_of(config, calculate_shift(tokens)) if dynamic else super().shift(config, tokens)

    @classmethod
    def euler(cls, config: Any, steps: int, denoise: float, tokens: int, device: torch.device) -> Schedule:
        mu = calculate_shift(tokens) if config.get("use_dynamic_shifting") else None
        return Flow(config, steps, denoise, device, mu=mu)

    def forward(self, shape: torch.Size, picture_condition: Tensor, asked: ForwardOptions) -> Predict:
        pooled = picture_condition.repeat_interleave(shape[0], 0)

        def forward(latents: Tensor, timestep: Tensor, heard: Any, step: int, partial: bool) -> Tensor:
            return self.model(  # type: ignore[no-any-return]
                latents, heard.states, pooled, timestep.expand(len(latents)),
                joint_attention_kwargs={"bias": heard.bias},
            ).sample  # fmt: skip

        return forward
