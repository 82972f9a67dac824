"""FLUX.1: joint attention, in the second half in a single stream. A flow with distilled guidance, without negatives."""

from collections.abc import Iterable, Sequence

import torch
from diffusers.models.transformers.transformer_flux import FluxAttention, FluxAttnProcessor
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from torch import Tensor

from ..diffusers_types import AttentionLayer, Config, Network, Processor
from ..forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning, pooled_of
from ..regions.joint_attention import own_bias
from ..sampling.schedules import Flow, Schedule, shift_of
from .aspect_ratios import ratios
from .joint import JointFamily

LONGEST = 512  # token limit of T5; 256 in the variant without guidance (schnell)


class BiasedAttention(FluxAttnProcessor):
    """diffusers' processor with the additive mask of its block; text comes first in the sequence."""

    def __init__(self, index: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.index = index

    def __call__(  # type: ignore[override]
        self, attn: FluxAttention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None, image_rotary_emb: tuple[Tensor, Tensor] | None = None, bias: Sequence[Tensor] = (),
    ) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
        mask = own_bias(self, bias)
        out = super().__call__(attn, hidden_states, encoder_hidden_states, mask, image_rotary_emb)  # type: ignore[arg-type]
        return out


class Flux(JointFamily):
    """The guidance scale is an input of the network, not computed from two forwards; negatives are not used."""

    flow = True
    guided = False
    encoders = ("text_encoder", "text_encoder_2")

    @property
    def patch(self) -> int:
        return 2  # its pipeline packs 2×2 cells, and the configuration says 1

    @property
    def guidable(self) -> bool:
        return bool(self.model.config.guidance_embeds)

    @property
    def channels(self) -> int:
        return int(self.model.config.in_channels) // 4

    @property
    def blocks(self) -> list[Network]:
        return [*self.model.transformer_blocks, *self.model.single_transformer_blocks]

    def trained(self, side: int) -> list[tuple[int, int]]:
        return [size for side in (256, 512, 1024) for size in ratios(side)]  # 0.1 to 2 million pixels

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        for index, block in enumerate(self.blocks):
            yield block.attn, BiasedAttention(index)

    def encode(self, text: str) -> Encoded:
        longest = LONGEST if self.model.config.guidance_embeds else LONGEST // 2
        states, pooled, _ = self.pipe.encode_prompt(text, device=self.device, max_sequence_length=longest)
        clip = self.pipe.tokenizer.model_max_length
        reading = self.reading(text, text_encoder=clip, text_encoder_2=longest)
        sections = ((longest, reading.tokens[-1]),)
        return Encoded(states[0].to(self.dtype), pooled[0].to(self.dtype), reading, sections)

    @classmethod
    def shift(cls, config: Config, tokens: int) -> float:
        dynamic = config.get("use_dynamic_shifting")
        return shift_of(config, _mu(config, tokens)) if dynamic else super().shift(config, tokens)

    @classmethod
    def euler(cls, config: Config, steps: int, denoise: float, tokens: int, device: torch.device) -> Schedule:
        def sigmas(total: int) -> list[float]:
            return torch.linspace(1, 1 / total, total, dtype=torch.float64).tolist()

        mu = _mu(config, tokens) if config.get("use_dynamic_shifting") else None
        return Flow(config, steps, denoise, device, sigmas=sigmas, mu=mu)

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        pictures, rows, columns = shape[0], shape[-2] // 2, shape[-1] // 2
        pooled = pooled_of(condition).repeat_interleave(pictures, 0)
        places = torch.zeros(rows, columns, 3, device=self.device, dtype=self.dtype)
        places[..., 1], places[..., 2] = torch.arange(rows)[:, None], torch.arange(columns)[None]
        scale = torch.full([pictures], options.guidance, device=self.device) if self.guidable else None

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            text = conditioning.joint
            # b c (h 2) (w 2) → b (h w) (c 2 2), and back
            x = latents.unflatten(2, (rows, 2)).unflatten(4, (columns, 2)).permute(0, 2, 4, 1, 3, 5)
            x = self.model(
                x.flatten(3).flatten(1, 2), text.states, pooled, timestep.expand(pictures) / 1000, guidance=scale,
                img_ids=places.flatten(0, 1), txt_ids=places.new_zeros(text.states.shape[1], 3),
                joint_attention_kwargs={"bias": text.bias},
            ).sample  # fmt: skip
            x = x.unflatten(1, (rows, columns)).unflatten(3, (-1, 2, 2)).permute(0, 3, 1, 4, 2, 5)
            return x.flatten(4, 5).flatten(2, 3)  # type: ignore[no-any-return]

        return predict


def _mu(config: Config, tokens: int) -> float:
    """mu, the logarithm of the shift, for that many image tokens."""
    names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
    return float(calculate_shift(tokens, *(config[name] for name in names)))
