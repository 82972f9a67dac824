"""Chroma: FLUX.1's architecture with classifier-free guidance and T5 alone. A flow.

Of a prompt's padding the blocks attend to the first token only, as it was trained (lodestones/Chroma). The mask of
diffusers' pipeline is added to the attention's logits as numbers, by which nothing is masked
(github.com/huggingface/diffusers/issues/13619); equality with it holds for prompts without padding.
"""

import torch
from torch import Tensor

from ...forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning
from ..aspect_ratios import ratios
from .family import JointFamily, packed, unpacked
from .flux import Flux, image_places

LONGEST = 512  # token limit of T5


class Chroma(Flux):
    encoders = ("text_encoder",)

    guided = JointFamily.guided
    guidable = JointFamily.guidable

    def trained(self, side: int) -> list[tuple[int, int]]:
        return [size for side in (512, 1024) for size in ratios(side)]

    def encode(self, text: str) -> Encoded:
        states, _, mask, *_ = self.pipe.encode_prompt(
            text, device=self.device, do_classifier_free_guidance=False, max_sequence_length=LONGEST
        )
        return Encoded(states[0, mask[0].bool()].to(self.dtype), reading=self.reading(text, text_encoder=LONGEST))

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        rows, columns = shape[-2] // 2, shape[-1] // 2
        places = image_places(rows, columns).to(self.device, self.dtype)

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            text = conditioning.joint
            x = self.model(
                packed(latents), text.states, timestep.expand(len(latents)) / 1000, img_ids=places,
                txt_ids=places.new_zeros(text.states.shape[1], 3), joint_attention_kwargs={"layouts": text.layouts},
            ).sample  # fmt: skip
            return unpacked(x, rows, columns)

        return predict
