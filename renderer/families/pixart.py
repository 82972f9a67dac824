"""PixArt-α and PixArt-Σ: cross-attention DiTs with one T5. Padding is masked, so only a prompt's own tokens are
kept."""

from collections.abc import Iterable, Sequence

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor

from ...prompts.prompt_syntax import Fragment
from ..diffusers_types import AttentionLayer, Network, Processor
from ..forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning
from ..regions.attention import RegionAttention, TextContext
from ..sampling.step_cache import run_blocks
from .aspect_ratios import ratios
from .cross import TensorCrossFamily


class PixArt(TensorCrossFamily):
    cached = True
    weighted = True
    preferred = "dpm++"

    @property
    def longest(self) -> int:
        """Token limit of T5: 120 in α, 300 in Σ."""
        return 120 if "Alpha" in type(self.pipe).__name__ else 300

    def trained(self, side: int) -> list[tuple[int, int]]:
        return ratios(side)

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        for block in self.model.transformer_blocks:
            yield block.attn2, RegionAttention()

    def encode(self, text: str) -> Encoded:
        states, mask, *_ = self.pipe.encode_prompt(
            text, do_classifier_free_guidance=False, device=self.device, max_sequence_length=self.longest
        )
        own = states[0, mask[0].bool()].to(self.dtype)
        return Encoded(own, reading=self.reading(text, text_encoder=self.longest))

    def weigh(self, encoded: Encoded, parts: Sequence[Fragment]) -> Encoded:
        return super().weigh(encoded, [Fragment(part.text.lower(), part.weight) for part in parts])  # as its pipeline

    def text_states(self, encoded: Sequence[Encoded]) -> list[Tensor]:
        return [self.model.caption_projection(prompt.states) for prompt in encoded]

    def layer(self, index: int) -> Attention:
        return self.model.transformer_blocks[index].attn2  # type: ignore[no-any-return]

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        model, (rows, columns) = self.model, (side // self.patch for side in shape[-2:])
        sizes: dict[str, Tensor | None] = {"resolution": None, "aspect_ratio": None}
        if model.use_additional_conditions:  # α at 1024 pixels is conditioned on the picture's size
            height, width = (float(side * self.cell) for side in shape[-2:])
            values = {"resolution": [[height, width]], "aspect_ratio": [[height / width]]}
            sizes = {name: torch.tensor(value, dtype=self.dtype, device=self.device) for name, value in values.items()}

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            x = model.pos_embed(latents)
            times = timestep.expand(len(latents))
            each = {name: value if value is None else value.expand(len(latents), -1) for name, value in sizes.items()}
            embedding, embedded = model.adaln_single(times, each, batch_size=len(latents), hidden_dtype=x.dtype)

            def run(x: Tensor, pair: tuple[Network, TextContext]) -> Tensor:
                block, text = pair
                return block(x, encoder_hidden_states=text, timestep=embedding)  # type: ignore[no-any-return]

            pairs = zip(model.transformer_blocks, conditioning.contexts, strict=True)
            x = run_blocks(pairs, run, x, options.cache)
            shift, scale = (model.scale_shift_table[None] + embedded[:, None]).chunk(2, dim=1)
            x = model.proj_out(model.norm_out(x) * (1 + scale) + shift)
            return unpatched(x, rows, columns, self.patch)[:, : self.channels]  # the rest is a predicted variance

        return predict


def unpatched(x: Tensor, rows: int, columns: int, patch: int) -> Tensor:
    """(batch, rows·columns, patch·patch·channels) → (batch, channels, patch·rows, patch·columns)."""
    x = x.unflatten(1, (rows, columns)).unflatten(-1, (patch, patch, -1))
    return torch.einsum("nhwpqc->nchpwq", x).flatten(4, 5).flatten(2, 3)
