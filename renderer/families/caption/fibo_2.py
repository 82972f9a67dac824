"""Bria FIBO 2: captions in VGL, read by Qwen3-VL, which is also shown each lettering as a small picture. A flow.

A perceiver makes gist tokens of the caption, which come before the image's in one stream; five blocks cross-attend to
the caption besides.
"""

import json
from collections.abc import Sequence

import torch
from diffusers.models.transformers.transformer_bria_fibo2 import compute_gist_count
from diffusers.pipelines.bria_fibo2.pipeline_bria_fibo2 import DEFAULT_NEGATIVE_PROMPT
from diffusers.pipelines.bria_fibo2.text_images import draw_text_image
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle
from transformers import PreTrainedTokenizerBase

from ....prompts.outside_json import parse_json
from ....prompts.plan import ScenePlan
from ...diffusers_types import Network
from ...forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning
from ...regions.prompt_schedule import Level
from ..aspect_ratios import ratios
from .family import CaptionFamily

MOST_OF_A_PICTURE = 128  # tokens of a lettering's picture
_LATIN = 0x250  # the first letter that is no Latin one


class Fibo2(CaptionFamily):
    """Its negative is a short description; without one the empty caption that it was trained with."""

    cell = 8
    tile = 64
    limit = 4096

    @property
    def patch(self) -> int:
        return int(self.model.config.patch_size)

    @property
    def blocks(self) -> list[Network]:
        return list(self.model.layers)

    def trained(self, side: int) -> list[tuple[int, int]]:
        return ratios(1024)

    def tokenizer_of(self, encoder: str) -> PreTrainedTokenizerBase:
        tokenizer: PreTrainedTokenizerBase = self.pipe.processor.tokenizer
        return tokenizer

    def texts(self, plan: ScenePlan, levels: Sequence[Level] = ()) -> list[str]:
        """The negative, the caption, and with letterings the caption of the first steps, which shows no pictures."""
        caption = self.caption(plan)
        texts = [self.negative(plan) or DEFAULT_NEGATIVE_PROMPT, caption]
        return [*texts, _unillustrated(caption)] if _letterings(caption) else texts

    def unsaid(self, plan: ScenePlan, levels: Sequence[Level]) -> list[str]:
        foreign = [region.name for region in plan.regions if any(ord(letter) >= _LATIN for letter in region.lettering)]
        note = (
            f"lettering of {', '.join(map(repr, foreign))}: letters that are not Latin are shown to this model's "
            "encoder as empty boxes, beside the caption that has them"
        )
        return super().unsaid(plan, levels) + ([note] if foreign else [])

    def encode(self, text: str) -> Encoded:
        pictures = [draw_text_image(lettering) for lettering in _letterings(text)]
        chat = self.pipe.prompt_template_encode.format(text)
        reading = self.checked(text, chat, more=MOST_OF_A_PICTURE * len(pictures))
        states, _ = self.pipe.encode_prompt(text, device=self.device, text_images=pictures or None)
        return Encoded(states[0].transpose(0, 1).flatten(1).to(self.dtype), reading=reading)

    def tokens_before(self, caption: Encoded) -> int:
        config, length = self.model.config, len(caption.states)
        (gist,) = compute_gist_count(
            [length], config.min_num_gist_tokens, config.max_num_gist_tokens, config.gist_step,
            config.gist_min_text_len, config.gist_max_text_len,
        )  # fmt: skip
        return int(gist)

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        assert condition is not None
        pictures, bundles = shape[0], 1 + len(self.model.config.injection_layer_ids)
        negative, caption, *first = (
            text.states.unflatten(1, (bundles, -1)).transpose(0, 1).expand(pictures, -1, -1, -1)
            for text in condition
        )  # fmt: skip

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            noisy = float(timestep) / 1000 > self.pipe.text_images_max_noise_level
            texts = [negative, first[0] if first and noisy else caption]
            rows = latents.split(pictures)  # unconditional rows first
            return torch.cat([  # apart: they differ in length
                self.model(each, timestep.expand(pictures) / 1000, text).sample
                for each, text in zip(rows, texts[-len(rows) :], strict=True)
            ])  # fmt: skip

        return predict

    def packed(self, latents: Tensor) -> Tensor:
        return pixel_unshuffle(latents, 2)

    def unpacked(self, packed: Tensor) -> Tensor:
        return pixel_shuffle(packed, 2)


def _letterings(caption: str) -> list[str]:
    """The letterings of a caption that are shown as pictures; none of a plain text, nor of `_unillustrated`."""
    try:
        data = parse_json(caption)
    except ValueError:
        return []
    entries = data.get("text_render", []) if isinstance(data, dict) else []
    return [entry["text"] for entry in entries if "image_tokens" not in entry]


def _unillustrated(caption: str) -> str:
    """The caption with an empty place for each picture, as its pipeline says it while there is much noise."""
    data = parse_json(caption)
    for entry in data["text_render"]:
        entry["image_tokens"] = ""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))
