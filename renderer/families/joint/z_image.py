"""Z-Image: a single stream of text and image, prompts read by Qwen 3. A flow.

Prompts and pictures are padded with learned tokens to multiples of 32. A guidance scale s here is s - 1 in diffusers'
pipeline, so that 1 is without guidance in every family; Z-Image-Turbo is drawn without.
"""

from collections.abc import Iterable
from dataclasses import replace

import torch
from diffusers.models.transformers.transformer_z_image import SEQ_MULTI_OF
from torch import Tensor
from torch.nn.functional import pad

from ...diffusers_types import AttentionLayer, Network, Processor
from ...forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning
from ..aspect_ratios import ratios
from ..pixart import unpatched
from .family import JointFamily, chat_room
from .single_stream import SingleStreamAttention, patched, sequence_places, stream

LONGEST = 512  # tokens of a prompt with the chat template around it


class ZImage(JointFamily):
    cached = True

    @property
    def patch(self) -> int:
        return 2

    @property
    def channels(self) -> int:
        return int(self.model.in_channels)

    @property
    def blocks(self) -> list[Network]:
        return list(self.model.layers)

    def trained(self, side: int) -> list[tuple[int, int]]:
        return [size for side in (512, 1024, 2048) for size in ratios(side)]

    def image_paddings(self, tokens: int) -> int:
        return -tokens % SEQ_MULTI_OF

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        for block in (*self.model.noise_refiner, *self.model.context_refiner, *self.model.layers):
            yield block.attention, SingleStreamAttention()

    def encode(self, text: str) -> Encoded:
        (states,), _ = self.pipe.encode_prompt(text, self.device, False, max_sequence_length=LONGEST)
        room = chat_room(self.pipe.tokenizer, LONGEST, enable_thinking=True)
        return Encoded(states.to(self.dtype), reading=self.reading(text, text_encoder=room))

    def embedded(self, prompt: Encoded) -> Encoded:
        """The prompt as the blocks take it, padded; the same in all steps."""
        model, paddings = self.model, -len(prompt.states) % SEQ_MULTI_OF
        x = torch.cat([model.cap_embedder(prompt.states), model.cap_pad_token.expand(paddings, -1)])[None]
        rotary = model.rope_embedder(pad(torch.arange(x.shape[1], device=x.device)[:, None] + 1, (0, 2)))
        for block in model.context_refiner:
            x = block(x, None, rotary)
        return replace(prompt, states=x[0])

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        model, (rows, columns) = self.model, (side // 2 for side in shape[-2:])
        paddings = self.image_paddings(rows * columns)
        embed, head = model.all_x_embedder["2-1"], model.all_final_layer["2-1"]

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            text = conditioning.joint
            time = model.t_embedder((1000 - timestep.expand(len(latents))) / 1000 * model.t_scale).type_as(latents)
            x = torch.cat([embed(patched(latents, 2)), model.x_pad_token.expand(len(latents), paddings, -1)], 1)
            places = sequence_places(text, rows, columns, paddings)
            rotary = model.rope_embedder(places.flatten(0, 1)).unflatten(0, places.shape[:2])
            tokens = text.states.shape[1]
            x = stream(model, text, x, rotary, time, options.cache)
            x = head(x, c=time)[:, tokens : tokens + rows * columns]
            return -unpatched(x, rows, columns, 2)

        return predict
