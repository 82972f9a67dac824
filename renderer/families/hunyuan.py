"""What is Hunyuan-DiT's own: how its text states, positions and one forward are computed. Knows no plan."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import torch
from diffusers.models.embeddings import get_2d_rotary_pos_embed
from diffusers.pipelines.hunyuandit.pipeline_hunyuandit import SUPPORTED_SHAPE, get_resize_crop_region_for_grid
from torch import Tensor

from ..prompt_cache import HunyuanText, PaddedText, embed_text, encode, joined, pad_text
from ..regions.attention import (
    CachedKeyValues,
    Extrapolation,  # fmt: skip
    Positions,
    RegionAttention,
    SelfAttention,
    TextContext,
    attend,
    project_text,
)
from ..sampling.cuda_graphs import CudaGraphRunner
from ..sampling.step_cache import StepCache, run_blocks
from ..weights.lora import LoadedLora, acts_on
from .base import CrossFamily, ForwardOptions, Predict
from .hunyuan_controlnet import residuals


def install_processors(transformer: Any) -> None:
    """Gives every block this package's attention; done once, after loading."""
    for block in transformer.blocks:
        block.attn1.set_processor(SelfAttention())
        block.attn2.set_processor(RegionAttention())


def rotary_embedding(transformer: Any, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """The two-dimensional rotary embedding of a grid of rows×columns tokens: cosines and sines (tokens, head dim)."""
    crops = get_resize_crop_region_for_grid((rows, columns), 512 // 8 // transformer.config.patch_size)
    head_dim = transformer.inner_dim // transformer.num_heads
    device = transformer.device
    return get_2d_rotary_pos_embed(head_dim, crops, (rows, columns), device=device, output_type="pt")  # type: ignore[no-any-return]


def rotary_pairs_of(rotary: tuple[Tensor, Tensor]) -> Tensor:
    """A rotary embedding as a cosine and a sine for each pair of channels: (tokens, head dim / 2, 2)."""
    return torch.stack([rotary[0][:, ::2], rotary[1][:, ::2]], -1)


def picture_conditions(batch: int, height: int, width: int, *, like: Tensor) -> tuple[Tensor, Tensor]:
    """Size and style of pictures of so many latent cells, as the network is told them: (batch, 6) and (batch,)."""
    size = torch.tensor([[1024, 1024, height * 8, width * 8, 0, 0]], dtype=like.dtype, device=like.device)
    return size.repeat(batch, 1), torch.zeros(batch, dtype=torch.long, device=like.device)


def embed_picture_condition(transformer: Any, t5: Tensor, height: int, width: int) -> Tensor:
    """What T5 states (rows, text_len_t5, channels), size and style set for a picture of so many latent cells: (rows,
    channels), added to the timestep's embedding and the same in every step."""
    embedder = transformer.time_extra_emb
    told = [pooled(embedder.pooler, t5) if acts_on("time_extra_emb.pooler") else embedder.pooler(t5)]
    if embedder.use_style_cond_and_image_meta_size:
        size, style = picture_conditions(len(t5), height, width, like=t5)
        told += [embedder.size_proj(size.flatten()).to(t5.dtype).view(len(t5), -1), embedder.style_embedder(style)]
    return embedder.extra_embedder(torch.cat(told, 1))  # type: ignore[no-any-return]


def pooled(pooler: Any, t5: Tensor) -> Tensor:
    """HunyuanDiTAttentionPool's forward, (rows, tokens, channels) → (rows, channels), with its layers called: it takes
    their matrices, which know nothing of a LoRA."""
    x = torch.cat([t5.mean(1, keepdim=True), t5], 1) + pooler.positional_embedding.to(t5.dtype)
    layers = ((pooler.q_proj, x[:, :1]), (pooler.k_proj, x), (pooler.v_proj, x))
    query, keys, values = (layer(states).unflatten(-1, (pooler.num_heads, -1)) for layer, states in layers)
    return pooler.c_proj(attend(query, keys, values).flatten(2))[:, 0]  # type: ignore[no-any-return]


def predict(
    transformer: Any,
    latents: Tensor,
    timestep: Tensor,
    *,
    picture_condition: Tensor,
    contexts: Sequence[TextContext],
    rotary_pairs: Tensor,
    tokens: Tensor | None = None,
    partial: bool = False,
    cached_kv: Sequence[CachedKeyValues] | None = None,
    controls: Callable[[Tensor, Tensor], list[Tensor]] | None = None,
    cache: StepCache | None = None,
) -> Tensor:
    """One forward of HunyuanDiT2DModel with a text per block. latents: (batch, channels, h, w); returns that shape.

    tone: see `whole_picture`. turns: of all tokens. With `tokens` (int64, n) only those are wanted, and the rest comes
    out as 0: the last block computes them alone, and so does a `partial` forward everywhere, beside `neighbours` that a
    whole one has filled. controls: what to add to the skips, of (latents, times). A cache needs the blocks after the
    first not always.
    """
    config = transformer.config
    batch, _, height, width = latents.shape
    x = transformer.pos_embed(latents).contiguous()
    total = x.shape[1]
    embedder = transformer.time_extra_emb
    waves = embedder.time_proj(timestep.float().expand(batch))  # not in bfloat16, in which 967 is 968
    condition = embedder.timestep_embedder(waves.to(latents.dtype)) + picture_condition
    skips: list[Tensor] = []
    half, last = len(transformer.blocks) // 2, len(transformer.blocks) - 1
    added = controls(latents, timestep.to(latents.dtype).expand(batch)) if controls else []
    if tokens is not None and partial:
        x, rotary_pairs, added = x[:, tokens], rotary_pairs[tokens], [one[:, tokens] for one in added]

    def through_block(x: Tensor, numbered: Any) -> Tensor:
        depth, (block, text) = numbered
        skip = skips.pop() if depth > half else None
        if skip is not None and added:
            skip = skip + added.pop()
        places = Positions(rotary_pairs, cached_kv[depth] if cached_kv else None)
        if depth == last and tokens is not None and not partial:
            return block_at(block, x, skip, condition, text, replace(places, asked=tokens))
        if places.cached_kv and block._compiled_call_impl:  # the same graphs for whole and partial forwards
            for states, at in ((x, 1), (skip, 1), (rotary_pairs, 0), (places.cached_kv.number, 0)):
                if states is not None:
                    torch._dynamo.maybe_mark_dynamic(states, at)
        x = block(x, temb=condition, encoder_hidden_states=text, image_rotary_emb=places, skip=skip)
        if depth < half - 1:
            skips.append(x)
        return x

    x = run_blocks(enumerate(zip(transformer.blocks, contexts, strict=True)), through_block, x, cache)
    x = transformer.proj_out(transformer.norm_out(x, condition.to(torch.float32)))
    if tokens is not None:
        x = x.new_zeros(batch, total, x.shape[-1]).index_copy_(1, tokens, x)
    patch = config.patch_size
    x = x.unflatten(1, (height // patch, width // patch)).unflatten(-1, (patch, patch, -1))
    x = torch.einsum("nhwpqc->nchpwq", x).flatten(4, 5).flatten(2, 3)
    return x[:, : config.in_channels]  # the other half is the learned variance


def block_at(block: Any, x: Tensor, skip: Tensor | None, condition: Tensor, text: TextContext, at: Positions) -> Tensor:
    """HunyuanDiTBlock's forward at the tokens `at.asked`: (batch, tokens, channels) → (batch, n, channels)."""
    if skip is not None:
        x = block.skip_linear(block.skip_norm(torch.cat([x, skip], -1)))
    x = x[:, at.asked] + block.attn1(block.norm1(x, condition), image_rotary_emb=at)
    places = Positions(None if at.rotary_pairs is None else at.rotary_pairs[at.asked])
    x = x + block.attn2(block.norm2(x), encoder_hidden_states=text, image_rotary_emb=places)
    return x + block.ff(block.norm3(x))  # type: ignore[no-any-return]


def trained_for(base: str) -> str | None:
    """The version that a LoRA's file names, as 'Tencent-Hunyuan/HunyuanDiT-v1.1' or 'hunyuan-dit-g2-v1_1/lora'."""
    name = base.lower().replace("_", ".")
    if "hunyuan" not in name and "hydit" not in name:
        return None
    return next((version for version in ("1.0", "1.1", "1.2") if f"v{version}" in name), None)


class Hunyuan(CrossFamily):
    """Hunyuan-DiT, and the pocket checkpoint. An edit computes the tokens that it draws, and few steps whole."""

    partial = True
    cached = True
    controlled = True
    encoders = ("text_encoder", "text_encoder_2")

    @property
    def patch(self) -> int:  # type: ignore[override]
        return int(self.model.config.patch_size)

    @property
    def blocks(self) -> list[Any]:
        return list(self.model.blocks)

    @property
    def depth(self) -> int:
        return len(self.model.blocks)

    def trained(self, side: int) -> list[tuple[int, int]]:
        return SUPPORTED_SHAPE if side == 1024 else super().trained(side)

    def install_processors(self) -> None:
        install_processors(self.model)

    def encode(self, text: str) -> HunyuanText:
        return encode(self.pipe, text, self.dtype)

    def joined(self, each: Sequence[HunyuanText]) -> HunyuanText:
        return joined(each)

    def text_states(self, encoded: HunyuanText) -> PaddedText:
        own = (encoded.bert, encoded.bert_mask, encoded.t5, encoded.t5_mask)
        # What the prompts hold is kept for other renders, and must not be computed while a LoRA acts.
        states = embed_text(self.model, *own) if acts_on("text_embedder") else encoded.embedded
        return pad_text(self.model, states, encoded.bert_mask, encoded.t5_mask)

    def picture_condition(self, whole: HunyuanText) -> HunyuanText:
        """The negative and the scene prompt, of which the T5 states set the tone."""
        return whole

    def layer(self, index: int) -> Any:
        return self.model.blocks[index].attn2

    def project(self, index: int, states: PaddedText) -> tuple[Tensor, Tensor]:
        each = project_text(self.layer(index), states.distinct[None])
        keys, values = (one[0].index_select(0, states.where.flatten()).unflatten(0, states.where.shape) for one in each)
        return keys, values

    def misfits(self, loras: Sequence[LoadedLora], nets: Sequence[Any]) -> list[str]:
        """Those up to 1.1 are told a picture's size and style, and 1.2 is not: that tells models and ControlNets apart.
        Of LoRAs only what their trainers wrote about them does, for their layers are the same."""
        older = bool(self.model.config.use_style_cond_and_image_meta_size)
        this = "1.1 or earlier" if older else "1.2"
        out = []
        for lora in loras:
            version = trained_for(lora.base)
            if version and (version < "1.2") is not older:
                out.append(
                    f"a LoRA is made for Hunyuan-DiT {version}, this model is {this}: it may not act as it should"
                )
        for net in nets:
            if bool(net.config.use_style_cond_and_image_meta_size) is not older:
                other = "1.2" if older else "1.1 or earlier"
                out.append(f"a ControlNet is made for Hunyuan-DiT {other}, this model is {this}: it may act weakly")
        return out

    def forward(self, shape: torch.Size, picture_condition: HunyuanText, asked: ForwardOptions) -> Predict:
        """In the steps that an edit does not compute whole, its tokens attend to extrapolated keys and values of the
        kept ones (`Neighbours`); that is all that is approximate in it."""
        transformer, patch = self.model, self.patch
        rotary = rotary_embedding(transformer, shape[-2] // patch, shape[-1] // patch)
        rotary_pairs = rotary_pairs_of(rotary)
        drawn, cached_kv, controls, elapsed = None, None, None, Extrapolation(torch.zeros((), device=self.device))
        if asked.followed:
            told = picture_conditions(2 * shape[0], *shape[-2:], like=picture_condition.t5)
            controls = residuals(asked.followed, picture_condition, *told, rotary)
        if kept := asked.kept:
            drawn = kept.drawn.nonzero()[:, 0]
            cached_kv = [CachedKeyValues(drawn, len(kept.drawn), elapsed) for _ in transformer.blocks]

        @cache
        def whole() -> Tensor:  # computed in the first step, where the picture's LoRAs act
            return embed_picture_condition(transformer, picture_condition.t5, *shape[-2:]).repeat_interleave(
                shape[0], 0
            )

        replayed: tuple[Any, CudaGraphRunner] | None = (
            None  # of what is heard, which may change in the course of the steps
        )

        def forward(latents: Tensor, timestep: Tensor, heard: Any, step: int, partial: bool) -> Tensor:
            elapsed.at(step, partial=partial)

            def computed(latents: Tensor, timestep: Tensor) -> Tensor:
                return predict(
                    transformer, latents, timestep, picture_condition=whole(), contexts=heard,
                    rotary_pairs=rotary_pairs, tokens=drawn, partial=partial, cached_kv=cached_kv,
                    controls=controls, cache=asked.cache,
                )  # fmt: skip

            nonlocal replayed
            if partial and latents.is_cuda and not controls and not acts_on(""):
                if replayed is None or replayed[0] is not heard:
                    replayed = heard, CudaGraphRunner(computed)
                return replayed[1](latents, timestep)
            return computed(latents, timestep)

        return forward
