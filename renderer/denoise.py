"""Noise → latents: Euler steps with classifier-free guidance, over a whole picture or over the part an edit changes."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler
from torch import Tensor

from ..prompts.scene import ScenePlan
from .attention import Neighbours, TextContext
from .hunyuan import predict, rotary_embedding

Hear = Callable[[float, bool], Sequence[TextContext]]


def whole_steps(steps: int) -> set[int]:
    """The steps in which an edit computes the whole picture: 0, 2, 5, 9, 14, 20, 27 …, five of 20, seven of 30.

    In the others it computes the tokens that it draws. The gaps grow because the early steps change most.
    """
    return {k * (k + 3) // 2 for k in range(steps)} & set(range(steps))


@dataclass(frozen=True)
class Kept:
    """What an edit starts from: the finished latents (1, channels, h, w), and which tokens it draws anew, bool (n,)."""

    latents: Tensor
    drawn: Tensor
    whole: Callable[[int], set[int]] = whole_steps


@dataclass(frozen=True)
class Denoised:
    """Where a render stands after step `index` of `total`; `expected` is the clean picture that the model foresees."""

    index: int
    total: int
    latents: Tensor
    expected: Tensor


def initial_noise(pipe: Any, plan: ScenePlan, owner: Tensor, seed: int) -> Tensor:
    """Standard normal latents (1, channels, h, w), float32; regions with a seed of their own get that seed's noise."""
    config = pipe.transformer.config
    height, width = plan.height // 8, plan.width // 8
    shape = (1, config.in_channels, height, width)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    cells = cells_of(owner, height, width, config.patch_size)
    for index, region in enumerate(plan.regions):
        if region.seed is not None:
            own = torch.randn(shape, generator=torch.Generator().manual_seed(region.seed))
            noise = torch.where(cells == index + 1, own, noise)
    return noise.to(pipe.transformer.device)


def cells_of(tokens: Tensor, height: int, width: int, patch: int) -> Tensor:
    """One value per token (n,) → one per latent cell (height, width)."""
    grid = tokens.view(height // patch, width // patch)
    return grid.repeat_interleave(patch, 0).repeat_interleave(patch, 1)


def denoise(
    pipe: Any,
    noise: Tensor,
    *,
    steps: int,
    guidance: float,
    pooled: Tensor,
    hear: Hear,
    kept: Kept | None = None,
) -> Iterator[Denoised]:
    """Yields every step of the way from noise (pictures, channels, h, w) to latents of that shape.

    pooled: (2, text tokens, channels), the negative's and the scene's. `hear(progress, partial)` gives each block's
    text, for all tokens or for the drawn ones.

    With `kept` only its drawn tokens are new. The others are the finished latents under the noise of each step, which
    is known in closed form (x = x_0 + sigma·noise), and come out bit for bit. What is approximate: in the steps between
    two whole forwards the drawn tokens attend to extrapolated keys and values of the kept ones (`Neighbours`).
    """
    transformer, pictures = pipe.transformer, len(noise)
    patch = transformer.config.patch_size
    height, width = noise.shape[-2:]
    scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    scheduler.set_timesteps(steps, device=noise.device)
    rotary = rotary_embedding(transformer, height // patch, width // patch)
    pooled = pooled.repeat_interleave(pictures, 0)
    latents = noise * scheduler.init_noise_sigma
    neighbours: list[Neighbours] = []
    if kept:
        new = cells_of(kept.drawn, height, width, patch)
        drawn, others = kept.drawn.nonzero()[:, 0], (~kept.drawn).nonzero()[:, 0]
        neighbours = [Neighbours(others, len(kept.drawn)) for _ in transformer.blocks]
        whole = kept.whole(steps)
        latents = torch.where(new, latents, kept.latents + latents)
    for index, timestep in enumerate(scheduler.timesteps):
        partial = kept is not None and index not in whole
        for block in neighbours:
            block.step = index
        both = scheduler.scale_model_input(latents, timestep).repeat(2, 1, 1, 1).to(pooled.dtype)
        negative, positive = predict(
            transformer, both, timestep, pooled=pooled, heard=hear(index / steps, partial), rotary=rotary,
            tokens=drawn if partial else None, neighbours=neighbours or None,
        ).float().chunk(2)  # fmt: skip
        step = scheduler.step(negative + guidance * (positive - negative), timestep, latents)
        latents, expected = step.prev_sample, step.pred_original_sample
        if kept:
            sigma = scheduler.sigmas[index + 1]
            latents = torch.where(new, latents, kept.latents + sigma * noise if index + 1 < steps else kept.latents)
            expected = torch.where(new, expected, kept.latents)
        yield Denoised(index + 1, steps, latents, expected)
