"""A plan becomes a picture: encode, prepare, denoise, decode."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler
from diffusers.models.embeddings import get_2d_rotary_pos_embed
from diffusers.pipelines.hunyuandit.pipeline_hunyuandit import get_resize_crop_region_for_grid
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..prompts.errors import RenderError
from ..prompts.scene import ScenePlan
from .attention import RegionAttention, Segment, TextContext, project_text
from .depth import DepthSchedule
from .masks import owners
from .models import checkpoint, load_pipeline
from .text import TextStates, encode, prompts_of


class RenderRequest(BaseModel):
    """Everything that decides a picture's bytes on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: ScenePlan
    model: str = Field(default="pocket", description="name or folder of the checkpoint")
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed of the noise")
    steps: int | None = Field(default=None, ge=1, le=1000, description="denoising steps; null: the model's own")
    guidance_scale: float | None = Field(default=None, ge=1, le=30, description="CFG scale; null: the model's own")
    depth: DepthSchedule = DepthSchedule()


@dataclass(frozen=True)
class RenderResult:
    """A picture and the request that makes it again. `latents`: float32 (1, channels, height/8, width/8)."""

    request: RenderRequest
    image: Image.Image
    latents: Tensor = field(repr=False)
    seconds: float
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Step:
    """Progress of a render; `preview` decodes a small picture of what the model expects to come out."""

    index: int  # 1 … total
    total: int
    preview: Callable[[], Image.Image] = field(repr=False)


OnStep = Callable[[Step], None]


class Renderer:
    """A loaded checkpoint. Rendering leaves no state behind, so one renderer may serve any number of plans."""

    def __init__(self, model: str = "pocket", *, device: str | None = None) -> None:
        self.checkpoint = checkpoint(model)
        self.model = model
        self._device = device

    @cached_property
    def pipe(self) -> Any:
        """The diffusers pipeline, loaded on first use. Raises ModelError."""
        pipe = load_pipeline(self.model, device=self._device)
        for block in pipe.transformer.blocks:
            block.attn2.set_processor(RegionAttention())
        return pipe

    def render(self, request: RenderRequest, on_step: OnStep | None = None) -> RenderResult:
        """Draws the request. Raises RenderError if the plan does not fit the model, ModelError if it cannot load."""
        started = time.perf_counter()
        plan, pipe = request.plan, self.pipe
        patch = 8 * pipe.transformer.config.patch_size
        if plan.width % patch or plan.height % patch:
            raise RenderError(f"width and height must be multiples of {patch}, got {plan.width}×{plan.height}")
        try:
            owner = owners(plan.regions, rows=plan.height // patch, columns=plan.width // patch)
        except ValueError as error:
            raise RenderError(str(error)) from error
        with torch.inference_mode():
            texts = encode(pipe, prompts_of(plan))
            latents = initial_noise(pipe, plan, owner, request.seed)
            listening = listen(pipe.transformer, texts, owner.to(latents.device), request.depth)
            for index, total, latents, expected in self._denoise(request, texts, listening, latents):
                if on_step:
                    on_step(Step(index, total, lambda x=expected: self._preview(x)))  # type: ignore[misc]
            image = decode(pipe, latents)
        warnings = tuple(f"the text encoders read only the beginning of {text[:60]!r}…" for text in texts.truncated)
        return RenderResult(request, image, latents.float().cpu(), time.perf_counter() - started, warnings)

    def _denoise(
        self, request: RenderRequest, texts: TextStates, listening: list[TextContext], latents: Tensor
    ) -> Iterator[tuple[int, int, Tensor, Tensor]]:
        """Euler steps with classifier-free guidance; yields (step, steps, latents, expected clean latents)."""
        scheduler = EulerDiscreteScheduler.from_config(self.pipe.scheduler.config, timestep_spacing="trailing")
        steps = request.steps or self.checkpoint.steps
        guidance = request.guidance_scale or self.checkpoint.guidance_scale
        scheduler.set_timesteps(steps, device=latents.device)
        latents = latents * scheduler.init_noise_sigma
        rotary = rotary_embedding(self.pipe.transformer, latents)
        pooled = torch.stack([texts.t5[-1], texts.t5[0]])  # the negative's and the scene prompt's
        for index, timestep in enumerate(scheduler.timesteps):
            both = scheduler.scale_model_input(latents, timestep).expand(2, -1, -1, -1).to(texts.t5.dtype)
            negative, positive = predict(
                self.pipe.transformer, both, timestep, pooled, listening, rotary
            ).float().chunk(2)  # fmt: skip
            step = scheduler.step(negative + guidance * (positive - negative), timestep, latents)
            latents = step.prev_sample
            yield index + 1, steps, latents, step.pred_original_sample

    def _preview(self, latents: Tensor) -> Image.Image:
        """A small picture: at most 32×32 latents are decoded."""
        side = max(latents.shape[-2:])
        if side > 32:
            latents = torch.nn.functional.interpolate(latents, scale_factor=32 / side, mode="area")
        with torch.inference_mode():
            return decode(self.pipe, latents)


def initial_noise(pipe: Any, plan: ScenePlan, owner: Tensor, seed: int) -> Tensor:
    """Standard normal latents (1, channels, h, w), float32; regions with a seed of their own get that seed's noise."""
    config = pipe.transformer.config
    height, width = plan.height // 8, plan.width // 8
    shape = (1, config.in_channels, height, width)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    cells = owner.view(height // config.patch_size, width // config.patch_size)
    cells = cells.repeat_interleave(config.patch_size, 0).repeat_interleave(config.patch_size, 1)
    for index, region in enumerate(plan.regions):
        if region.seed is not None:
            own = torch.randn(shape, generator=torch.Generator().manual_seed(region.seed))
            noise = torch.where(cells == index + 1, own, noise)
    return noise.to(pipe.transformer.device)


def listen(transformer: Any, texts: TextStates, owner: Tensor, depth: DepthSchedule) -> list[TextContext]:
    """What each block hears in a batch of [negative, positive]. Keys and values are computed once for all steps.

    owner: (image tokens,), 0 for the scene prompt, i+1 for region i. One TextContext per block.
    """
    t5 = transformer.text_embedder(texts.t5.flatten(0, 1)).unflatten(0, texts.t5.shape[:2])
    mask = torch.cat([texts.bert_mask, texts.t5_mask], dim=1)[..., None].bool()
    states = torch.where(mask, torch.cat([texts.bert, t5], dim=1), transformer.text_embedding_padding)
    negative = Segment(slice(0, 1), None, len(states) - 1)
    everywhere = Segment(slice(1, 2), None, 0)
    regional = [Segment(slice(1, 2), (owner == p).nonzero()[:, 0], int(p)) for p in owner.unique()]
    contexts = []
    for block, level in zip(transformer.blocks, depth.levels(len(transformer.blocks)), strict=True):
        keys, values = project_text(block.attn2, states)
        contexts.append(TextContext(keys, values, (negative, *([everywhere] if level == "scene" else regional))))
    return contexts


def rotary_embedding(transformer: Any, latents: Tensor) -> tuple[Tensor, Tensor]:
    """Hunyuan-DiT's two-dimensional rotary embedding for this grid: (image tokens, head dim) each."""
    patch = transformer.config.patch_size
    grid = (latents.shape[-2] // patch, latents.shape[-1] // patch)
    crops = get_resize_crop_region_for_grid(grid, 512 // 8 // patch)
    head_dim = transformer.inner_dim // transformer.num_heads
    return get_2d_rotary_pos_embed(head_dim, crops, grid, device=latents.device, output_type="pt")  # type: ignore[no-any-return]


def predict(
    transformer: Any,
    latents: Tensor,
    timestep: Tensor,
    pooled: Tensor,
    listening: list[TextContext],
    rotary: tuple[Tensor, Tensor],
) -> Tensor:
    """One forward of HunyuanDiT2DModel with a text per block. latents: (2, channels, h, w); returns the same shape."""
    config = transformer.config
    batch, _, height, width = latents.shape
    x = transformer.pos_embed(latents)
    times = timestep.to(latents.dtype).expand(batch)
    size = torch.tensor([[1024, 1024, height * 8, width * 8, 0, 0]], dtype=latents.dtype, device=x.device).repeat(
        batch, 1
    )
    style = torch.zeros(batch, dtype=torch.long, device=x.device)
    condition = transformer.time_extra_emb(times, pooled, size, style, hidden_dtype=latents.dtype)
    skips: list[Tensor] = []
    half = len(transformer.blocks) // 2
    for depth, (block, text) in enumerate(zip(transformer.blocks, listening, strict=True)):
        skip = skips.pop() if depth > half else None
        x = block(x, temb=condition, encoder_hidden_states=text, image_rotary_emb=rotary, skip=skip)
        if depth < half - 1:
            skips.append(x)
    x = transformer.proj_out(transformer.norm_out(x, condition.to(torch.float32)))
    patch = config.patch_size
    x = x.unflatten(1, (height // patch, width // patch)).unflatten(-1, (patch, patch, -1))
    x = torch.einsum("nhwpqc->nchpwq", x).flatten(4, 5).flatten(2, 3)
    return x[:, : config.in_channels]  # the other half is the learned variance


def decode(pipe: Any, latents: Tensor) -> Image.Image:
    """Latents (1, channels, h, w) → RGB picture of (8h, 8w) pixels."""
    pixels = pipe.vae.decode(latents.to(pipe.vae.dtype) / pipe.vae.config.scaling_factor).sample
    return pipe.image_processor.postprocess(pixels, output_type="pil")[0]  # type: ignore[no-any-return]
