"""HunyuanImage 2.1: joint attention, in the second part in a single stream; prompts read by Qwen2.5-VL, and what they
quote by a ByT5 for lettering. A flow, guided by diffusers' adaptive projected guidance.

The text's embedding depends on the step: each prompt is refined alone, with the timestep and its own mean. The
published refiner, a second model, is not run.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from diffusers.guiders.adaptive_projected_guidance_mix import AdaptiveProjectedMixGuidance
from diffusers.models.attention_processor import Attention
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.pipelines.hunyuan_image.pipeline_hunyuanimage import extract_glyph_text
from torch import Tensor, nn
from torch.nn.functional import pad

from ....prompts.errors import ModelError
from ...diffusers_types import AttentionLayer, Network, Pipeline, Processor
from ...forward import (
    Encoded,
    ForwardOptions,
    Guide,
    JointText,
    PictureCondition,
    Predict,
    StepConditioning,
)
from ...regions.joint_attention import SequenceLayout, attend_jointly
from .family import JointFamily

LONGEST = 1000  # token limit of a prompt, without the template around it
QUOTED = 128  # of what it quotes


class HunyuanImageJointAttention:
    """The processor of a block. Text comes first in the sequence; only the image has positions."""

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor,
        attention_mask: SequenceLayout | None = None, image_rotary_emb: tuple[Tensor, Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """hidden_states: the image's, (batch, tokens, channels); of a block with one stream the text's, and
        encoder_hidden_states the image's. Returns both in that order."""

        def split(states: Tensor, norm: nn.Module | None = None) -> Tensor:
            heads: Tensor = states.unflatten(-1, (attn.heads, -1))
            return heads if norm is None else norm(heads)

        def placed(heads: Tensor) -> Tensor:
            return apply_rotary_emb(heads, image_rotary_emb, sequence_dim=1)  # type: ignore[return-value,arg-type]

        double = attn.add_q_proj is not None
        image, text = (hidden_states, encoder_hidden_states) if double else (encoder_hidden_states, hidden_states)
        own = (attn.add_q_proj, attn.add_k_proj, attn.add_v_proj) if double else (attn.to_q, attn.to_k, attn.to_v)
        norms = (attn.norm_added_q, attn.norm_added_k) if double else (attn.norm_q, attn.norm_k)
        query = torch.cat([split(own[0](text), norms[0]), placed(split(attn.to_q(image), attn.norm_q))], 1)
        key = torch.cat([split(own[1](text), norms[1]), placed(split(attn.to_k(image), attn.norm_k))], 1)
        value = torch.cat([split(own[2](text)), split(attn.to_v(image))], 1)
        feature = attend_jointly(attention_mask, query, key, value).flatten(2)
        text_out, image_out = feature[:, : text.shape[1]], feature[:, text.shape[1] :]
        if not double:
            return text_out, image_out
        return attn.to_out[1](attn.to_out[0](image_out)), attn.to_add_out(text_out)


class HunyuanImage(JointFamily):
    """Texts are states with one more channel, the first: 1 in tokens of ByT5, whose states are narrower."""

    cell = 32
    tile = 32
    encoders = ("text_encoder", "text_encoder_2")

    def __init__(self, pipe: Pipeline, device: torch.device | None = None) -> None:
        if pipe.transformer.config.use_meanflow:
            raise ModelError("the distilled HunyuanImage (mean flow) cannot be drawn here: take the full model")
        super().__init__(pipe, device)

    @property
    def patch(self) -> int:
        return 1

    @property
    def blocks(self) -> list[Network]:
        return [*self.model.transformer_blocks, *self.model.single_transformer_blocks]

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        for block in self.blocks:
            yield block.attn, HunyuanImageJointAttention()

    def encode(self, text: str) -> Encoded:
        states, mask, quoted, quoted_mask = (each[0] for each in self.pipe.encode_prompt(text, device=self.device))
        states, quoted = states[mask.bool()].to(self.dtype), quoted[quoted_mask.bool()].to(self.dtype)
        width = max(states.shape[1], quoted.shape[1])
        both = [pad(each, (1, width - each.shape[1])) for each in (quoted, states)]
        both[0][:, 0] = 1
        reading = self.reading(text, text_encoder=LONGEST)
        lettering = self.reading(extract_glyph_text(text) or "", text_encoder_2=QUOTED)
        return Encoded(torch.cat(both), reading=replace(reading, cuts=(*reading.cuts, *lettering.cuts)))

    def picture_condition(self, whole: Sequence[Encoded]) -> PictureCondition:
        """The encoded scene prompt."""
        return whole[-1:]

    def guider(self, scale: float, steps: int, condition: PictureCondition) -> Guide:
        """The published guidance, which has its own settings for prompts that quote lettering, at another scale."""
        assert condition is not None and not isinstance(condition, Tensor)
        quotes = bool((condition[0].states[:, 0] > 0).any())
        published = (self.pipe.ocr_guider if quotes else None) or self.pipe.guider or AdaptiveProjectedMixGuidance()
        own = published.new(guidance_scale=scale)

        def guide(negative: Tensor, positive: Tensor, step: int) -> Tensor:
            own.set_state(step=step, num_inference_steps=steps, timestep=None)
            own.prepare_inputs({})  # begins its momentum in the first step
            return own.forward(positive, negative).pred  # type: ignore[no-any-return]

        return guide

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        model = self.model

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            times, joint = timestep.expand(len(latents)), conditioning.joint
            time = model.time_guidance_embed(times.to(latents.dtype))
            text, image, rotary = self._refined(joint, times), model.x_embedder(latents), model.rope(latents)
            double = len(model.transformer_blocks)
            for block, layout in zip(model.transformer_blocks, joint.layouts[:double], strict=True):
                image, text = block(image, text, time, attention_mask=layout, image_rotary_emb=rotary)
            for block, layout in zip(model.single_transformer_blocks, joint.layouts[double:], strict=True):
                text, image = block(text, image, time, attention_mask=layout, image_rotary_emb=rotary)
            out = model.proj_out(model.norm_out(image, time))
            return out.transpose(1, 2).unflatten(2, shape[-2:])  # type: ignore[no-any-return]

        return predict

    def _refined(self, text: JointText, times: Tensor) -> Tensor:
        """The text as the blocks take it in a step: (rows, text tokens, channels)."""
        model, states = self.model, text.states
        own, quoted = text.own.to(states.device), states[..., 0] > 0
        out = states.new_zeros(*states.shape[:2], model.x_embedder.proj.out_channels)
        if model.context_embedder_2 is not None:
            width = model.context_embedder_2.linear_1.in_features
            out[quoted] = model.context_embedder_2(states[quoted][:, 1 : 1 + width])
        width = model.context_embedder.proj_in.in_features
        for row in range(len(states)):
            for span in text.span.unique():
                tokens = (own[row] & ~quoted[row] & (text.span == span).to(states.device)).nonzero()[:, 0]
                each = states[row, tokens, 1 : 1 + width]
                out[row, tokens] = model.context_embedder(each[None], times[row : row + 1])[0]
        return out
