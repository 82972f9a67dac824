"""Hunyuan-DiT: a transformer with long skips, whose forward can compute only the tokens that an edit redraws."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache

import torch
from diffusers.models.attention_processor import Attention
from diffusers.pipelines.hunyuandit.pipeline_hunyuandit import SUPPORTED_SHAPE
from torch import Tensor

from ...prompts.prompt_syntax import Fragment
from ..diffusers_types import AttentionLayer, Network, Pipeline, Processor
from ..forward import Encoded, ForwardOptions, PictureCondition, Predict, StepConditioning
from ..regions.attention import TextContext, attend, project_text
from ..regions.conditioning import KeyValues
from ..sampling.cuda_graphs import CudaGraphRunner
from ..sampling.edit_cache import CachedKeyValues, Extrapolation
from ..sampling.step_cache import StepCache, run_blocks
from ..weights.lora import LoadedLora, acts_on
from .cross import CrossFamily
from .hunyuan_attention import CrossAttention, Positions, SelfAttention, rotary_embedding, rotary_pairs_of
from .hunyuan_controlnet import load_control, residuals
from .hunyuan_text import HunyuanText, PaddedText, embed_text, encode, join, pad_text, weigh


def size_and_style(batch: int, height: int, width: int, *, like: Tensor) -> tuple[Tensor, Tensor]:
    """`image_meta_size` (batch, 6) and `style` (batch,) of pictures of height×width pixels."""
    size = torch.tensor([[1024, 1024, height, width, 0, 0]], dtype=like.dtype, device=like.device)
    return size.repeat(batch, 1), torch.zeros(batch, dtype=torch.long, device=like.device)


def embed_picture_condition(transformer: Network, t5: Tensor, height: int, width: int) -> Tensor:
    """Embedding of pooled T5 states (rows, text_len_t5, channels), size and style: (rows, channels).

    It is added to the timestep embedding, and the same in every step. height, width: in pixels."""
    embedder = transformer.time_extra_emb
    parts = [pool_text(embedder.pooler, t5) if acts_on("time_extra_emb.pooler") else embedder.pooler(t5)]
    if embedder.use_style_cond_and_image_meta_size:
        size, style = size_and_style(len(t5), height, width, like=t5)
        parts += [embedder.size_proj(size.flatten()).to(t5.dtype).view(len(t5), -1), embedder.style_embedder(style)]
    return embedder.extra_embedder(torch.cat(parts, 1))  # type: ignore[no-any-return]


def pool_text(pooler: Network, t5: Tensor) -> Tensor:
    """HunyuanDiTAttentionPool's forward, (rows, tokens, channels) → (rows, channels). It calls the layers, so that LoRA
    hooks run; diffusers reads their weights."""
    x = torch.cat([t5.mean(1, keepdim=True), t5], 1) + pooler.positional_embedding.to(t5.dtype)
    layers = ((pooler.q_proj, x[:, :1]), (pooler.k_proj, x), (pooler.v_proj, x))
    query, keys, values = (layer(states).unflatten(-1, (pooler.num_heads, -1)) for layer, states in layers)
    return pooler.c_proj(attend(query, keys, values).flatten(2))[:, 0]  # type: ignore[no-any-return]


def processors_of(transformer: Network) -> Iterable[tuple[AttentionLayer, Processor]]:
    """The attention layers of a HunyuanDiT2DModel, each with its processor of this package."""
    for block in transformer.blocks:
        yield block.attn1, SelfAttention()
        yield block.attn2, CrossAttention()


def predict(
    transformer: Network,
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
    """HunyuanDiT2DModel's forward with a text per block. latents: (batch, channels, h, w); returns that shape.

    picture_condition: see `embed_picture_condition`. rotary_pairs: of all tokens. tokens: int64 (n,), the only ones to
    predict; the output of the others is 0. In a full forward only the last block is restricted to them; in a `partial`
    one every block is, with the keys and values of the others from `cached_kv`, which full forwards fill. controls:
    (latents, times) → residuals added to the skips. cache: may skip the blocks after the first.
    """
    config = transformer.config
    batch, _, height, width = latents.shape
    x = transformer.pos_embed(latents).contiguous()
    total = x.shape[1]
    embedder = transformer.time_extra_emb
    waves = embedder.time_proj(timestep.float().expand(batch))  # bfloat16 would round 967 to 968
    condition = embedder.timestep_embedder(waves.to(latents.dtype)) + picture_condition
    skips: list[Tensor] = []
    half, last = len(transformer.blocks) // 2, len(transformer.blocks) - 1
    added = controls(latents, timestep.to(latents.dtype).expand(batch)) if controls else []
    if tokens is not None and partial:
        x, rotary_pairs, added = x[:, tokens], rotary_pairs[tokens], [residual[:, tokens] for residual in added]

    def run(x: Tensor, indexed: tuple[int, tuple[Network, TextContext]]) -> Tensor:
        depth, (block, text) = indexed
        skip = skips.pop() if depth > half else None
        if skip is not None and added:
            skip = skip + added.pop()
        positions = Positions(rotary_pairs, cached_kv[depth] if cached_kv else None)
        if depth == last and tokens is not None and not partial:
            return block_at(block, x, skip, condition, text, replace(positions, query_tokens=tokens))
        if positions.cached_kv and block._compiled_call_impl:  # full and partial forwards share a graph
            for states, axis in ((x, 1), (skip, 1), (rotary_pairs, 0), (positions.cached_kv.graph_ids, 0)):
                if states is not None:
                    torch._dynamo.maybe_mark_dynamic(states, axis)
        x = block(x, temb=condition, encoder_hidden_states=text, image_rotary_emb=positions, skip=skip)
        if depth < half - 1:
            skips.append(x)
        return x

    x = run_blocks(enumerate(zip(transformer.blocks, contexts, strict=True)), run, x, cache)
    x = transformer.proj_out(transformer.norm_out(x, condition.to(torch.float32)))
    if tokens is not None:
        x = x.new_zeros(batch, total, x.shape[-1]).index_copy_(1, tokens, x)
    patch = config.patch_size
    x = x.unflatten(1, (height // patch, width // patch)).unflatten(-1, (patch, patch, -1))
    x = torch.einsum("nhwpqc->nchpwq", x).flatten(4, 5).flatten(2, 3)
    return x[:, : config.in_channels]  # the other half is the learned variance


def block_at(
    block: Network, x: Tensor, skip: Tensor | None, condition: Tensor, text: TextContext, positions: Positions
) -> Tensor:
    """HunyuanDiTBlock's forward for the query tokens alone: (batch, tokens, channels) → (batch, n, channels)."""
    tokens, rotary_pairs = positions.query_tokens, positions.rotary_pairs
    if skip is not None:
        x = block.skip_linear(block.skip_norm(torch.cat([x, skip], -1)))
    x = x[:, tokens] + block.attn1(block.norm1(x, condition), image_rotary_emb=positions)
    own = Positions(None if rotary_pairs is None else rotary_pairs[tokens])
    x = x + block.attn2(block.norm2(x), encoder_hidden_states=text, image_rotary_emb=own)
    return x + block.ff(block.norm3(x))  # type: ignore[no-any-return]


def trained_for(base: str) -> str | None:
    """The version in the name of a LoRA's base model: '1.1' of 'Tencent-Hunyuan/HunyuanDiT-v1.1' or
    'hunyuan-dit-g2-v1_1/lora'."""
    name = base.lower().replace("_", ".")
    if "hunyuan" not in name and "hydit" not in name:
        return None
    return next((version for version in ("1.0", "1.1", "1.2") if f"v{version}" in name), None)


class Hunyuan(CrossFamily[PaddedText]):
    """Hunyuan-DiT, and the pocket checkpoint. Most steps of an edit compute the redrawn tokens alone."""

    partial = True
    several = True
    cached = True
    controlled = True
    weighted = True
    encoders = ("text_encoder", "text_encoder_2")

    def __init__(self, pipe: Pipeline, device: torch.device | None = None) -> None:
        super().__init__(pipe, device)
        self.cell = int(pipe.vae_scale_factor)  # 8 in the published ones, 16 in the pocket checkpoint

    @property
    def blocks(self) -> list[Network]:
        return list(self.model.blocks)

    def trained(self, side: int) -> list[tuple[int, int]]:
        return SUPPORTED_SHAPE if side == 1024 else super().trained(side)

    def processors(self) -> Iterable[tuple[AttentionLayer, Processor]]:
        return processors_of(self.model)

    def encode(self, text: str) -> HunyuanText:
        return encode(self.pipe, text, self.dtype)

    def weigh(self, encoded: Encoded, parts: Sequence[Fragment]) -> HunyuanText:
        assert isinstance(encoded, HunyuanText)
        return weigh(self.pipe, encoded, self.encode(""), parts)

    def text_states(self, encoded: Sequence[Encoded]) -> PaddedText:
        text = join(encoded)
        # `embed` caches for all renders, so it must not run while a LoRA is active.
        states = embed_text(self.model, text.states, text.t5) if acts_on("text_embedder") else text.embed()
        return pad_text(self.model, states, text.mask, text.t5_mask)

    def picture_condition(self, whole: Sequence[Encoded]) -> PictureCondition:
        """The encoded negative and scene prompt, see `embed_picture_condition`."""
        return whole

    def layer(self, index: int) -> Attention:
        return self.model.blocks[index].attn2  # type: ignore[no-any-return]

    def project(self, index: int, states: PaddedText) -> KeyValues:
        pair = project_text(self.layer(index), states.distinct[None])
        keys, values = (part[0].index_select(0, states.where.flatten()) for part in pair)
        return keys.unflatten(0, states.where.shape), values.unflatten(0, states.where.shape)

    def load_control(self, name: str) -> Network:
        return load_control(name, dtype=self.dtype)

    def misfits(self, loras: Sequence[LoadedLora], nets: Sequence[Network]) -> list[str]:
        """Models and ControlNets up to 1.1 are conditioned on size and style, those of 1.2 are not. A LoRA's layers are
        the same in all versions; its version is known only by its file's metadata."""
        older = bool(self.model.config.use_style_cond_and_image_meta_size)
        own = "1.1 or earlier" if older else "1.2"
        out = []
        for lora in loras:
            version = trained_for(lora.base)
            if version and (version < "1.2") is not older:
                out.append(
                    f"a LoRA was trained for Hunyuan-DiT {version}, and this model is {own}: it may not work as meant"
                )
        for net in nets:
            if bool(net.config.use_style_cond_and_image_meta_size) is not older:
                other = "1.2" if older else "1.1 or earlier"
                out.append(f"a ControlNet was trained for Hunyuan-DiT {other}, and this model is {own}: it may be weak")
        return out

    def forward(self, shape: torch.Size, condition: PictureCondition, options: ForwardOptions) -> Predict:
        """In partial steps the redrawn tokens attend to extrapolated keys and values of the others (`CachedKeyValues`),
        the only approximation of an edit."""
        assert not isinstance(condition, Tensor) and condition is not None
        transformer, patch, whole = self.model, self.patch, join(condition)
        rotary = rotary_embedding(transformer, shape[-2] // patch, shape[-1] // patch)
        rotary_pairs = rotary_pairs_of(rotary)
        height, width = (side * self.cell for side in shape[-2:])
        drawn, cached_kv, controls = None, None, None
        extrapolation = Extrapolation(torch.zeros((), device=self.device))
        if options.controls:
            size, style = size_and_style(2 * shape[0], height, width, like=whole.t5)
            controls = residuals(options.controls, whole, size, style, rotary)
        if edit := options.edit:
            drawn = edit.drawn.nonzero()[:, 0]
            cached_kv = [CachedKeyValues(drawn, len(edit.drawn), extrapolation) for _ in transformer.blocks]

        @cache
        def embedded() -> Tensor:  # in the first step, while the picture's LoRAs are active
            embedding = embed_picture_condition(transformer, whole.t5, height, width)
            rows = min(2, len(embedding)) * shape[0]
            return embedding.repeat_interleave(rows // len(embedding), 0)

        runner: tuple[StepConditioning, CudaGraphRunner] | None = None  # of the current conditioning

        def forward(
            latents: Tensor, timestep: Tensor, conditioning: StepConditioning, step: int, partial: bool
        ) -> Tensor:
            extrapolation.advance(step, partial=partial)

            def compute(latents: Tensor, timestep: Tensor) -> Tensor:
                return predict(
                    transformer, latents, timestep, picture_condition=embedded(), contexts=conditioning.contexts,
                    rotary_pairs=rotary_pairs, tokens=drawn, partial=partial, cached_kv=cached_kv, controls=controls,
                    cache=options.cache,
                )  # fmt: skip

            nonlocal runner
            if partial and latents.is_cuda and not controls and not acts_on(""):
                if runner is None or runner[0] is not conditioning:
                    runner = conditioning, CudaGraphRunner(compute)
                return runner[1](latents, timestep)
            return compute(latents, timestep)

        return forward
