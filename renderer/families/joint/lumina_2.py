"""Lumina-Image 2.0: a single stream of text and image, prompts read by Gemma 2 after a system prompt. A flow."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from ...diffusers_types import AttentionLayer, Network, Processor
from ...forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning
from ..aspect_ratios import ratios
from ..pixart import unpatched
from .family import JointFamily
from .single_stream import SingleStreamAttention, patched, sequence_places, stream

LONGEST = 256  # tokens of a prompt with the system prompt


class Lumina2(JointFamily):
    """Negatives are encoded without the system prompt."""

    cached = True

    @property
    def blocks(self) -> list[Network]:
        return list(self.model.layers)

    @property
    def largest(self) -> int:
        return int(min(self.model.config.axes_lens[1:]))

    def trained(self, side: int) -> list[tuple[int, int]]:
        return ratios(side)

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        for block in (*self.model.noise_refiner, *self.model.context_refiner, *self.model.layers):
            yield block.attn, SingleStreamAttention()

    def encode(self, text: str) -> Encoded:
        states, mask, negative, negative_mask = self.pipe.encode_prompt(
            text, negative_prompt=text, device=self.device, max_sequence_length=LONGEST
        )
        before = len(self.pipe.tokenizer(f"{self.pipe.system_prompt} <Prompt Start> ")["input_ids"]) - 1
        reading = self.reading(text, text_encoder=LONGEST - before)
        own, as_negative = (
            Encoded(each[0, present[0].bool()].to(self.dtype), reading=reading)
            for each, present in ((states, mask), (negative, negative_mask))
        )
        return replace(own, as_negative=as_negative)

    def embedded(self, prompt: Encoded) -> Encoded:
        """The prompt as the blocks take it; the same in all steps."""
        x = self.model.time_caption_embed.caption_embedder(prompt.states)[None]
        rotary = self._rotary(pad(torch.arange(x.shape[1], device=x.device)[None, :, None], (0, 2)))
        for block in self.model.context_refiner:
            x = block(x, None, rotary)
        return replace(prompt, states=x[0])

    def _rotary(self, places: Tensor) -> Tensor:
        """Rotary positions of places (batch, tokens, 3)."""
        return self.model.rope_embedder._get_freqs_cis(places)  # type: ignore[no-any-return]

    def guide(self, negative: Tensor, positive: Tensor, scale: float) -> Tensor:
        """Guidance that keeps the norm of each row of latents, as the published pipeline does."""
        guided = super().guide(negative, positive, scale)
        scaled: Tensor = guided * (positive.norm(dim=-1, keepdim=True) / guided.norm(dim=-1, keepdim=True))
        return scaled

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        model, (rows, columns) = self.model, (side // self.patch for side in shape[-2:])
        embed = model.time_caption_embed

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            text = conditioning.joint
            time = embed.timestep_embedder(embed.time_proj(1 - timestep.expand(len(latents)) / 1000).type_as(latents))
            x, places = model.x_embedder(patched(latents, self.patch)), sequence_places(text, rows, columns)
            places[..., 0] -= 1  # its positions begin with 0
            rotary, tokens = self._rotary(places), text.states.shape[1]
            x = stream(model, text, x, rotary, time, options.cache)
            return -unpatched(model.norm_out(x, time)[:, tokens:], rows, columns, self.patch)

        return predict
