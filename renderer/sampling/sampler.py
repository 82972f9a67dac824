"""Noise → latents: a solver's steps with classifier-free guidance, over a whole picture or what an edit changes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...prompts.plan import ScenePlan
from ..families.base import Family, ForwardOptions
from ..families.hunyuan_controlnet import ControlInput
from ..request import Solver
from .step_cache import StepCache

Hear = Callable[[float, bool], Any]


def full_steps(steps: int) -> set[int]:
    """The steps in which an edit computes the whole picture: evenly spread, five at most: 0, 4, 8, 12 and 16 of 20.

    In the others it computes the tokens that it draws, and what these see of the rest is extrapolated.
    """
    count = min(5, (steps + 1) // 2)
    return {steps * k // count for k in range(count)}


@dataclass(frozen=True)
class EditBase:
    """What an edit starts from: the finished latents (1, channels, h, w), and which tokens it draws anew, bool (n,)."""

    latents: Tensor
    drawn: Tensor
    whole: Callable[[int], set[int]] = full_steps


@dataclass(frozen=True)
class Denoised:
    """Where a render stands after step `index` of `total`; `expected` is the clean picture that the model foresees."""

    index: int
    total: int
    latents: Tensor
    expected: Tensor


def initial_noise(family: Family, plan: ScenePlan, owner: Tensor, seed: int) -> Tensor:
    """Standard normal latents (1, channels, h, w), float32; regions with a seed of their own get that seed's noise."""
    width, height = (side // family.cell for side in plan.size)
    shape = (1, family.channels, height, width)
    noise = _standard_normal(shape, seed)
    cells = tokens_to_cells(owner, height, width, family.patch)
    for index, region in enumerate(plan.regions):
        if region.seed is not None:
            own = _standard_normal(shape, region.seed)
            noise = torch.where(cells == index + 1, own, noise)
    return noise.to(family.device)


def _standard_normal(shape: tuple[int, ...], seed: int) -> Tensor:
    """Torch's noise, whose generator reads the lower 32 bits of a seed only; of a larger seed NumPy's, by all of it."""
    if seed < 2**32:
        return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape, dtype=np.float32))


def tokens_to_cells(tokens: Tensor, height: int, width: int, patch: int) -> Tensor:
    """One value per token (n,) → one per latent cell (height, width)."""
    grid = tokens.view(height // patch, width // patch)
    return grid.repeat_interleave(patch, 0).repeat_interleave(patch, 1)


def denoise(
    family: Family,
    noise: Tensor,
    *,
    steps: int,
    guidance: float,
    picture_condition: Any,
    hear: Hear,
    kept: EditBase | None = None,
    start: tuple[Tensor, float] | None = None,
    cache: StepCache | None = None,
    solver: Solver | None = None,
    followed: Sequence[ControlInput] = (),
    wearing: Callable[[float, bool], AbstractContextManager[None]] = lambda *_: nullcontext(),
) -> Iterator[Denoised]:
    """Yields every step of the way from noise (pictures, channels, h, w) to latents of that shape.

    tone: what the negative and the scene prompt set for the whole picture. `hear(progress, partial)` gives each block's
    text, for all tokens or for the drawn ones. `start`: latents (1, channels, h, w) of a picture, and the share of the
    noise that they are drawn from; `solver`: None for the model's own; `wearing`: which LoRAs act.

    Raises RenderError if that makes too many steps.

    With `kept` only its drawn tokens are new. The others are the finished latents under the noise of each step, which
    is known in closed form, and come out bit for bit.
    """
    height, width = noise.shape[-2:]
    clean, share = start or (None, 1.0)
    schedule = family.schedule(steps, denoise=share, tokens=height * width // family.patch**2, solver=solver)
    forward = family.forward(noise.shape, picture_condition, ForwardOptions(guidance, kept, cache, followed))
    latents = schedule.init_latents(noise) if clean is None else schedule.add_noise(clean, noise, schedule.first)
    if kept:
        new = tokens_to_cells(kept.drawn, height, width, family.patch)
        whole = kept.whole(steps)
        latents = torch.where(new, latents, schedule.add_noise(kept.latents, noise, 0))
    dtype = family.dtype
    for done in range(steps):
        index = schedule.first + done
        partial = kept is not None and family.partial and done not in whole
        seen = schedule.scale_model_input(latents, index)
        if family.guided:
            seen = seen.repeat(2, 1, 1, 1)
        heard = hear(done / steps, partial)
        with wearing(done / steps, partial):
            predicted = forward(seen.to(dtype), schedule.timestep(index), heard, done, partial).float()
        if family.guided:
            negative, positive = predicted.chunk(2)
            predicted = negative + guidance * (positive - negative)
        latents, expected = schedule.step(predicted, latents, index)
        if kept:
            known = schedule.add_noise(kept.latents, noise, index + 1) if done + 1 < steps else kept.latents
            latents = torch.where(new, latents, known)
            expected = torch.where(new, expected, kept.latents)
        yield Denoised(done + 1, steps, latents, expected)
