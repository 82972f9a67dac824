"""Ideogram 4: captions with boxes, letterings and palettes, read by Qwen3-VL; one stream. A flow.

Unconditional rows have a transformer of their own, which sees the picture alone. A token is 16×16 pixels.
"""

from collections.abc import Sequence

import torch
from diffusers.models.transformers.transformer_ideogram4 import (
    IMAGE_POSITION_OFFSET,
    LLM_TOKEN_INDICATOR,
    OUTPUT_IMAGE_INDICATOR,
)
from diffusers.pipelines.ideogram4.pipeline_ideogram4 import _logit_normal_sigmas, _resolution_aware_mu
from torch import Tensor
from torch.nn.functional import pad, pixel_shuffle, pixel_unshuffle

from ....prompts.errors import RenderError
from ....prompts.plan import ScenePlan
from ...diffusers_types import Config, Network
from ...forward import Encoded, ForwardOptions, Guide, PictureCondition, Predict, StepConditioning
from ...regions.prompt_schedule import Level
from ...sampling.schedules import Flow, Schedule
from ..aspect_ratios import ratios
from .family import CaptionFamily

SPREAD = 1.5  # standard deviation of the noise levels' logit, as its pipeline has it
PUBLISHED = 7.0  # guidance scale
POLISH = 3.0  # guidance scale of the last steps
POLISHED = 3 / 48  # their share of all steps


class Ideogram4(CaptionFamily):
    """It has no negatives. At its published guidance scale the last sixteenth of the steps takes 3, as its
    pipeline does; other scales are constant."""

    denoisers = ("unconditional_transformer",)
    limit = 2048

    @property
    def negatable(self) -> bool:
        return False

    @property
    def blocks(self) -> list[Network]:
        return [*self.model.layers, *self.pipe.unconditional_transformer.layers]

    @property
    def block_count(self) -> int:
        return len(self.model.layers)

    def trained(self, side: int) -> list[tuple[int, int]]:
        return [size for side in (512, 1024, 2048) for size in ratios(side)]

    def texts(self, plan: ScenePlan, levels: Sequence[Level] = ()) -> list[str]:
        return [self.caption(plan)]

    def encode(self, text: str) -> Encoded:
        message = [{"role": "user", "content": [{"type": "text", "text": text}]}]
        chat = str(self.pipe.tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False))
        reading = self.checked(text, chat)
        (length,) = reading.tokens
        states, *_ = self.pipe.encode_prompt(text, 1, 1, max_sequence_length=length, device=self.device)
        return Encoded(states[0, :length].to(self.dtype), reading=reading)

    @classmethod
    def shift(cls, config: Config, tokens: int, steps: int) -> float:
        raise RenderError("this model's noise levels are no shifted ones: draw with the solver 'euler'")

    @classmethod
    def euler(cls, config: Config, steps: int, denoise: float, tokens: int, device: torch.device) -> Schedule:
        mean = _resolution_aware_mu(height=tokens * cls.cell, width=cls.cell, base_mu=0.0)  # of so many pixels

        def sigmas(total: int) -> list[float]:
            return _logit_normal_sigmas(total, mean, std=SPREAD).tolist()

        return Flow(config, steps, denoise, device, sigmas=sigmas)

    def guider(self, scale: float, steps: int, condition: PictureCondition) -> Guide:
        polish = steps - round(steps * POLISHED) if scale == PUBLISHED else steps
        return lambda negative, positive, step: self.guide(negative, positive, scale if step < polish else POLISH)

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        assert condition is not None
        pictures, (rows, columns) = shape[0], shape[-2:]
        (caption,) = condition
        text, image = len(caption.states), rows * columns
        words = torch.arange(text)[:, None].expand(-1, 3)
        places = torch.cartesian_prod(torch.arange(1), torch.arange(rows), torch.arange(columns))
        positions = torch.cat([words, places + IMAGE_POSITION_OFFSET]).to(self.device).expand(pictures, -1, -1)
        roles = torch.tensor([LLM_TOKEN_INDICATOR] * text + [OUTPUT_IMAGE_INDICATOR] * image, device=self.device)
        roles, states = roles.expand(pictures, -1), pad(caption.states, (0, 0, 0, image)).expand(pictures, -1, -1)

        def velocity(model: Network, tokens: Tensor, time: Tensor, start: int) -> Tensor:
            """The prediction for tokens of which the image's follow `text - start` others."""
            return model(  # type: ignore[no-any-return]
                tokens, time, states[:, start:] if start == 0 else torch.zeros_like(states[:, start:]),
                positions[:, start:], torch.ones_like(roles[:, start:]), roles[:, start:],
            ).sample[:, text - start :]  # fmt: skip

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            tokens = latents[-pictures:].flatten(2).transpose(1, 2)
            time = (1 - timestep.float() / 1000).expand(pictures).to(self.dtype)
            toward = [velocity(self.model, pad(tokens, (0, 0, text, 0)), time, 0)]
            if len(latents) > pictures:  # unconditional rows first
                toward.insert(0, velocity(self.pipe.unconditional_transformer, tokens, time, text))
            drawn: Tensor = torch.cat(toward).transpose(1, 2).unflatten(2, (rows, columns))
            return -drawn

        return predict

    def cells(self, packed: Tensor) -> Tensor:
        by_channel = packed.unflatten(1, (4, -1)).transpose(1, 2).flatten(1, 2)  # stored as (row, column, channel)
        cells: Tensor = pixel_shuffle(by_channel, 2)
        return cells

    def of_cells(self, cells: Tensor) -> Tensor:
        parts: Tensor = pixel_unshuffle(cells, 2)
        by_channel: Tensor = parts.unflatten(1, (-1, 4))
        return by_channel.transpose(1, 2).flatten(1, 2)
