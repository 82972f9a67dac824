"""What is Hunyuan-DiT's own: how its text states, positions and one forward are computed. Knows no plan."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from diffusers.models.embeddings import get_2d_rotary_pos_embed
from diffusers.pipelines.hunyuandit.pipeline_hunyuandit import get_resize_crop_region_for_grid
from torch import Tensor

from .attention import Neighbours, Positions, RegionAttention, SelfAttention, TextContext, project_text
from .control import residuals
from .family import Asked, CrossFamily, Predict
from .stepcache import StepCache, through
from .text import TextStates, encode, joined


def take_over(transformer: Any) -> None:
    """Gives every block this package's attention; done once, after loading."""
    for block in transformer.blocks:
        block.attn1.set_processor(SelfAttention())
        block.attn2.set_processor(RegionAttention())


def text_states(transformer: Any, texts: TextStates) -> Tensor:
    """What the cross-attentions hear: (prompts, text_len + text_len_t5, channels) (paper, section II-B).

    Padding positions hold a learned embedding that is attended to like any other.
    """
    t5 = transformer.text_embedder(texts.t5.flatten(0, 1)).unflatten(0, texts.t5.shape[:2])
    mask = torch.cat([texts.bert_mask, texts.t5_mask], dim=1)[..., None].bool()
    return torch.where(mask, torch.cat([texts.bert, t5], dim=1), transformer.text_embedding_padding)


def rotary_embedding(transformer: Any, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """The two-dimensional rotary embedding of a grid of rows×columns tokens: (tokens, head dim) each."""
    crops = get_resize_crop_region_for_grid((rows, columns), 512 // 8 // transformer.config.patch_size)
    head_dim = transformer.inner_dim // transformer.num_heads
    device = transformer.device
    return get_2d_rotary_pos_embed(head_dim, crops, (rows, columns), device=device, output_type="pt")  # type: ignore[no-any-return]


def predict(
    transformer: Any,
    latents: Tensor,
    timestep: Tensor,
    *,
    pooled: Tensor,
    heard: Sequence[TextContext],
    rotary: tuple[Tensor, Tensor],
    tokens: Tensor | None = None,
    neighbours: Sequence[Neighbours] | None = None,
    controls: Callable[[Tensor, Tensor], list[Tensor]] | None = None,
    cache: StepCache | None = None,
) -> Tensor:
    """One forward of HunyuanDiT2DModel with a text per block. latents: (batch, channels, h, w); returns that shape.

    pooled: T5 states (batch, text_len_t5, channels) that set the tone of the whole picture. With `tokens` (int64, n)
    only those are computed, beside `neighbours` that an earlier whole forward has filled, and the rest comes out as 0.
    controls: what to add to the skips, of (latents, times). A cache needs the blocks after the first not always.
    """
    config = transformer.config
    batch, _, height, width = latents.shape
    x = transformer.pos_embed(latents)
    total = x.shape[1]
    if tokens is not None:
        x, rotary = x[:, tokens], (rotary[0][tokens], rotary[1][tokens])
    times = timestep.to(latents.dtype).expand(batch)
    size, style = picture_conditions(batch, height, width, like=latents)
    condition = transformer.time_extra_emb(times, pooled, size, style, hidden_dtype=latents.dtype)
    skips: list[Tensor] = []
    half = len(transformer.blocks) // 2
    added = controls(latents, times) if controls else []
    if tokens is not None:
        added = [one[:, tokens] for one in added]

    def through_block(x: Tensor, numbered: Any) -> Tensor:
        depth, (block, text) = numbered
        skip = skips.pop() if depth > half else None
        if skip is not None and added:
            skip = skip + added.pop()
        places = Positions(rotary, neighbours[depth] if neighbours else None)
        x = block(x, temb=condition, encoder_hidden_states=text, image_rotary_emb=places, skip=skip)
        if depth < half - 1:
            skips.append(x)
        return x

    x = through(enumerate(zip(transformer.blocks, heard, strict=True)), through_block, x, cache)
    x = transformer.proj_out(transformer.norm_out(x, condition.to(torch.float32)))
    if tokens is not None:
        x = x.new_zeros(batch, total, x.shape[-1]).index_copy_(1, tokens, x)
    patch = config.patch_size
    x = x.unflatten(1, (height // patch, width // patch)).unflatten(-1, (patch, patch, -1))
    x = torch.einsum("nhwpqc->nchpwq", x).flatten(4, 5).flatten(2, 3)
    return x[:, : config.in_channels]  # the other half is the learned variance


def picture_conditions(batch: int, height: int, width: int, *, like: Tensor) -> tuple[Tensor, Tensor]:
    """Size and style of pictures of so many latent cells, as the network is told them: (batch, 6) and (batch,)."""
    size = torch.tensor([[1024, 1024, height * 8, width * 8, 0, 0]], dtype=like.dtype, device=like.device)
    return size.repeat(batch, 1), torch.zeros(batch, dtype=torch.long, device=like.device)


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

    def take_over(self) -> None:
        take_over(self.model)

    def encode(self, text: str) -> TextStates:
        return encode(self.pipe, text, self.dtype)

    def joined(self, each: Sequence[TextStates]) -> TextStates:
        return joined(each)

    def text_states(self, encoded: TextStates) -> Tensor:
        return text_states(self.model, encoded)

    def tone(self, whole: TextStates) -> TextStates:
        """The negative and the scene prompt, of which the T5 states set the tone."""
        return whole

    def layer(self, index: int) -> Any:
        return self.model.blocks[index].attn2

    def project(self, index: int, states: Tensor) -> tuple[Tensor, Tensor]:
        return project_text(self.layer(index), states)

    def forward(self, shape: torch.Size, tone: TextStates, asked: Asked) -> Predict:
        """In the steps that an edit does not compute whole, its tokens attend to extrapolated keys and values of the
        kept ones (`Neighbours`); that is all that is approximate in it."""
        transformer, patch = self.model, self.patch
        rotary = rotary_embedding(transformer, shape[-2] // patch, shape[-1] // patch)
        pooled = tone.t5.repeat_interleave(shape[0], 0)
        drawn, neighbours, controls = None, None, None
        if asked.followed:
            told = picture_conditions(2 * shape[0], *shape[-2:], like=pooled)
            controls = residuals(asked.followed, tone, *told, rotary)
        if kept := asked.kept:
            drawn, others = kept.drawn.nonzero()[:, 0], (~kept.drawn).nonzero()[:, 0]
            neighbours = [Neighbours(others, len(kept.drawn)) for _ in transformer.blocks]

        def forward(latents: Tensor, timestep: Tensor, heard: Any, step: int, partial: bool) -> Tensor:
            for block in neighbours or ():
                block.step = step
            return predict(
                transformer, latents, timestep, pooled=pooled, heard=heard, rotary=rotary,
                tokens=drawn if partial else None, neighbours=neighbours, controls=controls, cache=asked.cache,
            )  # fmt: skip

        return forward
