"""A plan becomes a picture: encode, prepare, denoise, decode. And a picture becomes another one, in one place only."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import Any, Self

import torch
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from ..prompts.errors import RenderError
from ..prompts.scene import Revision, ScenePlan, optional
from .denoise import Hear, Kept, denoise, initial_noise
from .depth import DepthSchedule
from .edit import changed_tokens, keep_pixels
from .family import Family
from .masks import acting, owners, shares, with_scene
from .models import checkpoint, load
from .text import Prompts

# Between the seeds of candidates: far from any that a person types, within the 32 bits of a seed that torch reads.
CANDIDATE_STRIDE = 0x9E3779B9


class RenderRequest(BaseModel):
    """Everything that decides a picture's bytes on one machine."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    plan: ScenePlan
    model: str = Field(default="pocket", description="name or folder of the checkpoint")
    seed: int = Field(default=0, ge=0, lt=2**63, description="seed of the noise")
    steps: int | None = Field(default=None, ge=1, le=1000, description="denoising steps; null: the model's own")
    guidance_scale: float | None = Field(default=None, ge=1, le=30, description="CFG scale; null: the model's own")
    depth: DepthSchedule = DepthSchedule()
    together: list[int] = optional(
        [], max_length=16, description="seeds of all pictures drawn in one batch with this one, its own among them"
    )
    edits: list[Revision] = optional([], description="revisions drawn into the finished picture, in this order")

    @model_validator(mode="after")
    def _is_among_its_candidates(self) -> Self:
        if self.together and self.seed not in self.together:
            raise ValueError("together must list the seed of the picture itself")
        return self

    @property
    def edited_plan(self) -> ScenePlan:
        """The plan that the finished picture shows: `plan` after all edits."""
        plan = self.plan
        for revision in self.edits:
            plan = revision.apply(plan)
        return plan


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
    """A loaded checkpoint. It keeps encoded prompts and nothing else, so it may serve any number of plans at once."""

    def __init__(self, model: str = "pocket", *, device: str | None = None) -> None:
        self.checkpoint = checkpoint(model)
        self.model = model
        self._device = device

    @cached_property
    def family(self) -> Family:
        """The model, loaded on first use. Raises ModelError."""
        return load(self.model, device=self._device)

    @property
    def pipe(self) -> Any:
        """Its diffusers pipeline."""
        return self.family.pipe

    @cached_property
    def prompts(self) -> Prompts:
        """The encoders, with the latest prompts kept."""
        return Prompts(self.family)

    def render(self, request: RenderRequest, on_step: OnStep | None = None) -> RenderResult:
        """Draws the request. Raises RenderError if the plan does not fit the model, ModelError if it cannot load."""
        seeds = request.together or [request.seed]
        result = self._draw(request.model_copy(update={"edits": []}), seeds, on_step)[seeds.index(request.seed)]
        for revision in request.edits:
            result = self.edit(result, revision, on_step)
        return result

    def candidates(self, request: RenderRequest, count: int, on_step: OnStep | None = None) -> list[RenderResult]:
        """Draws `count` pictures of one plan in one batch, each from a seed of its own, the first from the request's.

        Each result's request makes that picture again. Raises as `render`, and ValueError for an edited request.
        """
        if request.edits:
            raise ValueError("candidates are drawn from a plan, not from an edited picture: leave `edits` empty")
        seeds = [(request.seed + i * CANDIDATE_STRIDE) % 2**63 for i in range(count)]
        return self._draw(request.model_copy(update={"together": seeds if count > 1 else []}), seeds, on_step)

    def edit(
        self, picture: RenderResult | RenderRequest, revision: Revision, on_step: OnStep | None = None
    ) -> RenderResult:
        """Draws the regions that a revision changes into a finished picture, and keeps everything else.

        Latents of tokens that hear no changed region stay bit for bit, and so do pixels more than `edit.REACH` beyond
        them. A new scene prompt is heard by the drawn tokens only. A request is rendered first. Raises as `render`;
        ValueError if the revision names a region that the plan does not have, or changes nothing that is seen.
        """
        result = self.render(picture, on_step) if isinstance(picture, RenderRequest) else picture
        started, before = time.perf_counter(), result.request
        request = before.model_copy(update={"edits": [*before.edits, revision]})
        plan, (rows, columns) = request.edited_plan, self._grid(request.plan)
        family, patch = self.family, self.family.patch
        drawn = changed_tokens(before.edited_plan, plan, rows=rows, columns=columns, patch=patch)
        kept = Kept(result.latents.to(family.device), drawn.to(family.device))
        latents, listening = self._denoised(request, plan, [request.seed], on_step, kept)
        with torch.inference_mode():
            image = keep_pixels(result.image, family.decode(latents), drawn, patch=patch, cell=family.cell)
        seconds, warnings = time.perf_counter() - started, self._warnings(request, listening)
        return replace(result, request=request, image=image, latents=latents.cpu(), seconds=seconds, warnings=warnings)

    def _grid(self, plan: ScenePlan) -> tuple[int, int]:
        """Rows and columns of the transformer's tokens. Raises RenderError if the size does not fit them."""
        side = self.family.cell * self.family.patch
        if plan.width % side or plan.height % side:
            raise RenderError(f"width and height must be multiples of {side}, got {plan.width}×{plan.height}")
        return plan.height // side, plan.width // side

    def _draw(self, request: RenderRequest, seeds: Sequence[int], on_step: OnStep | None) -> list[RenderResult]:
        """One batch of pictures of the request's plan, one per seed."""
        started = time.perf_counter()
        latents, listening = self._denoised(request, request.plan, seeds, on_step)
        with torch.inference_mode():
            images = [self.family.decode(one[None]) for one in latents]
        seconds, warnings = time.perf_counter() - started, self._warnings(request, listening)
        return [
            RenderResult(request.model_copy(update={"seed": seed}), image, one[None].float().cpu(), seconds, warnings)
            for seed, image, one in zip(seeds, images, latents, strict=True)
        ]

    def _denoised(
        self,
        request: RenderRequest,
        plan: ScenePlan,
        seeds: Sequence[int],
        on_step: OnStep | None,
        kept: Kept | None = None,
    ) -> tuple[Tensor, Any]:
        """Final latents (seeds, channels, h, w) of a plan, or with `kept` of its drawn tokens, and what was heard."""
        family, (rows, columns) = self.family, self._grid(plan)
        try:
            owner = owners(plan.regions, rows=rows, columns=columns)
            share = shares(plan.regions, rows=rows, columns=columns, patch=family.patch)
            levels = request.depth.levels(family.depth)
        except ValueError as error:
            raise RenderError(str(error)) from error
        with torch.inference_mode():
            listening = family.listening(self.prompts, plan, levels, (rows, columns))
            noise = torch.cat([initial_noise(family, plan, owner, seed) for seed in seeds])
            hear = _hearing(listening, share, len(seeds), kept)
            steps = denoise(
                family, noise, steps=request.steps or self.checkpoint.steps, tone=listening.tone, hear=hear,
                guidance=request.guidance_scale or self.checkpoint.guidance_scale, kept=kept,
            )  # fmt: skip
            for at in steps:
                if on_step:
                    on_step(Step(at.index, at.total, lambda x=at.expected[:1]: self._preview(x)))  # type: ignore[misc]
        return at.latents, listening

    def _warnings(self, request: RenderRequest, listening: Any) -> tuple[str, ...]:
        """What of the request is not drawn as it was asked."""
        said = [f"the text encoders read only the beginning of {text[:60]!r}…" for text in listening.truncated]
        if not self.family.guided and (request.plan.negative or any(one.negative for one in request.plan.regions)):
            said.append("this model takes no negative prompt: it was not heard")
        return tuple(said)

    def _preview(self, latents: Tensor) -> Image.Image:
        """A small picture: at most 32×32 latents are decoded."""
        side = max(latents.shape[-2:])
        if side > 32:
            latents = torch.nn.functional.interpolate(latents, scale_factor=32 / side, mode="area")
        with torch.inference_mode():
            return self.family.decode(latents)


def _hearing(listening: Any, share: Tensor, pictures: int, kept: Kept | None) -> Hear:
    """What each block hears at a share of the steps done, for all tokens or for those that an edit draws."""

    @cache
    def contexts(own: tuple[float, ...], partial: bool) -> Any:
        heard = with_scene(share, own)
        return listening.at(heard[:, kept.drawn.cpu()] if kept and partial else heard, pictures=pictures)

    return lambda progress, partial: contexts(acting(listening.plan.regions, progress), partial)
