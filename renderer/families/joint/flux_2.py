"""FLUX.2: joint attention, mostly in a single stream. klein's prompts are read by Qwen 3, dev's by Mistral Small 3,
with all of their padding. A flow.

Latent cells are 16×16 pixels, see `flux_2_vae.py`.
"""

from collections.abc import Iterable, Sequence

import torch
from diffusers.models.transformers.transformer_flux2 import Flux2Attention, Flux2ParallelSelfAttention
from diffusers.pipelines.flux2.pipeline_flux2 import format_input
from diffusers.pipelines.flux2.pipeline_flux2_klein import compute_empirical_mu
from torch import Tensor, nn
from torch.nn.functional import pad

from ...diffusers_types import AttentionLayer, Config, Network, Processor
from ...forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning
from ...regions.joint_attention import SequenceLayout, attend_jointly, own_layout
from ..aspect_ratios import ratios
from ..flux_2_vae import Flux2Latents
from .family import JointFamily, chat_room, rotary_applied
from .flux import image_places

LONGEST = 512  # tokens of a prompt with the chat template around it, all of which the image attends to
Rotary = tuple[Tensor, Tensor]


class Flux2JointAttention:
    """The processor of a block with two streams; text comes first in the sequence."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(
        self, attn: Flux2Attention, hidden_states: Tensor, encoder_hidden_states: Tensor,
        attention_mask: None = None, image_rotary_emb: Rotary | None = None, layouts: Sequence[SequenceLayout] = (),
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """hidden_states: (batch, image tokens, channels)."""

        def split(states: Tensor, norm: nn.Module | None = None) -> Tensor:
            heads: Tensor = states.unflatten(-1, (attn.heads, -1))
            return heads if norm is None else norm(heads)

        text = encoder_hidden_states
        query = torch.cat(
            [split(attn.add_q_proj(text), attn.norm_added_q), split(attn.to_q(hidden_states), attn.norm_q)], 1
        )
        key = torch.cat(
            [split(attn.add_k_proj(text), attn.norm_added_k), split(attn.to_k(hidden_states), attn.norm_k)], 1
        )
        value = torch.cat([split(attn.add_v_proj(text)), split(attn.to_v(hidden_states))], 1)
        query, key = (rotary_applied(each, image_rotary_emb) for each in (query, key))
        feature = attend_jointly(own_layout(self, layouts), query, key, value).flatten(2)
        return attn.to_out[1](attn.to_out[0](feature[:, text.shape[1] :])), attn.to_add_out(feature[:, : text.shape[1]])


class Flux2SingleAttention:
    """The processor of a block with one stream, whose attention and feed-forward share their projections."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(
        self, attn: Flux2ParallelSelfAttention, hidden_states: Tensor, attention_mask: None = None,
        image_rotary_emb: Rotary | None = None, layouts: Sequence[SequenceLayout] = (),
    ) -> Tensor:  # fmt: skip
        """hidden_states: (batch, tokens, channels)."""
        projected: Tensor = attn.to_qkv_mlp_proj(hidden_states)
        *attended, feed = projected.split([*[attn.inner_dim] * 3, projected.shape[-1] - 3 * attn.inner_dim], -1)
        query, key, value = (each.unflatten(-1, (attn.heads, -1)) for each in attended)
        query, key = (
            rotary_applied(norm(each), image_rotary_emb) for norm, each in ((attn.norm_q, query), (attn.norm_k, key))
        )
        feature = attend_jointly(own_layout(self, layouts), query, key, value).flatten(2)
        return attn.to_out(torch.cat([feature, attn.mlp_act_fn(feed)], -1))  # type: ignore[no-any-return]


class Flux2(Flux2Latents, JointFamily):
    """klein. The distilled checkpoints take neither negatives nor a guidance scale."""

    @property
    def guided(self) -> bool:
        return not self.pipe.config.is_distilled

    @property
    def guidable(self) -> bool:
        return self.guided

    @property
    def distilled_guidance(self) -> bool:
        """The guidance scale is an input of the model."""
        return False

    @property
    def blocks(self) -> list[Network]:
        return [*self.model.transformer_blocks, *self.model.single_transformer_blocks]

    def trained(self, side: int) -> list[tuple[int, int]]:
        return [size for side in (512, 1024, 2048) for size in ratios(side)]

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        double = len(self.model.transformer_blocks)
        for index, block in enumerate(self.blocks):
            yield block.attn, Flux2JointAttention(index) if index < double else Flux2SingleAttention(index)

    def encode(self, text: str) -> Encoded:
        states, _ = self.pipe.encode_prompt(text, device=self.device, max_sequence_length=LONGEST)
        room = chat_room(self.pipe.tokenizer, LONGEST, enable_thinking=False)
        return Encoded(states[0].to(self.dtype), reading=self.reading(text, text_encoder=room))

    @classmethod
    def mu(cls, config: Config, tokens: int, steps: int) -> float:
        return compute_empirical_mu(image_seq_len=tokens, num_steps=steps)

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        places = pad(image_places(*shape[-2:]), (0, 1)).to(self.device)
        scale = torch.full([shape[0]], options.guidance, device=self.device) if self.distilled_guidance else None

        def predict(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            text = conditioning.joint
            x = self.model(
                latents.flatten(2).transpose(1, 2), text.states, timestep.expand(len(latents)) / 1000, places,
                pad(text.positions[0, :, None], (3, 0)), scale, joint_attention_kwargs={"layouts": text.layouts},
            ).sample  # fmt: skip
            return x.transpose(1, 2).unflatten(2, shape[-2:])  # type: ignore[no-any-return]

        return predict


class Flux2Dev(Flux2):
    """dev: guidance is distilled, its scale an input of the model; no negatives."""

    @property
    def guided(self) -> bool:
        return False

    @property
    def guidable(self) -> bool:
        return True

    @property
    def distilled_guidance(self) -> bool:
        return True

    def encode(self, text: str) -> Encoded:
        states, _ = self.pipe.encode_prompt(text, device=self.device, max_sequence_length=LONGEST)
        chat = format_input(["\0"], self.pipe.system_message)
        before, _, _ = str(self.pipe.tokenizer.apply_chat_template(chat, tokenize=False)[0]).partition("\0")
        room = LONGEST - len(self.pipe.tokenizer(before, add_special_tokens=False)["input_ids"])
        return Encoded(states[0].to(self.dtype), reading=self.reading(text, text_encoder=room))
