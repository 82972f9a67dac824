"""The denoising loop: a solver's steps with classifier-free guidance, for whole pictures and for edits."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...prompts.plan import ScenePlan
from ..families.base import Family
from ..forward import ControlInput, EditBase, ForwardOptions
from ..regions.several_plans import SeveralPlans
from ..regions.stepwise import StepwiseConditioning
from ..request import Solver
from ..weights.lora import active_loras
from .split_guidance import split_forward
from .step_cache import StepCache


@dataclass(frozen=True)
class StartPicture:
    """Start of image-to-image: latents (1, channels, h, w), and `denoise`, the share of the noise added to them,
    0–1."""

    latents: Tensor
    denoise: float


@dataclass(frozen=True)
class Denoised:
    """A render after step `index` of `total`; `expected` are the clean latents that the model predicts."""

    index: int
    total: int
    latents: Tensor
    expected: Tensor


def initial_noise(family: Family, plan: ScenePlan, region_ids: Tensor, seed: int) -> Tensor:
    """Standard normal latents (1, channels, h, w), float32; regions with a seed of their own get that seed's noise."""
    width, height = (side // family.cell for side in plan.size)
    shape = (1, family.channels, height, width)
    noise = _standard_normal(shape, seed)
    cells = tokens_to_cells(region_ids, height, width, family.patch)
    for index, region in enumerate(plan.regions):
        if region.seed is not None:
            noise = torch.where(cells == index + 1, _standard_normal(shape, region.seed), noise)
    return noise.to(family.device)


def _standard_normal(shape: tuple[int, ...], seed: int) -> Tensor:
    """torch's noise for seeds below 2³²; torch's CPU generator ignores higher bits, so larger seeds use NumPy's."""
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
    conditioning: StepwiseConditioning | SeveralPlans,
    *,
    steps: int,
    guidance: float,
    edit: EditBase | None = None,
    start: StartPicture | None = None,
    cache: StepCache | None = None,
    solver: Solver | None = None,
    controls: Sequence[ControlInput] = (),
    second: Family | None = None,
) -> Iterator[Denoised]:
    """Yields every step from noise (pictures, channels, h, w) to latents of that shape. solver: None for the model's.
    second: the same model on another device, which computes the unconditional rows, see `split_guidance`.

    With `edit` only the drawn tokens are denoised. The others are the finished latents with each step's noise added, so
    they come out bit for bit. Raises RenderError if there are too many steps.
    """
    height, width = noise.shape[-2:]
    tokens = height * width // family.patch**2
    schedule = family.schedule(steps, denoise=start.denoise if start else 1.0, tokens=tokens, solver=solver)
    options = ForwardOptions(guidance, edit, cache, controls)
    if second:
        forward = split_forward(family, second, noise.shape, conditioning.picture_condition, options)
    else:
        forward = family.forward(noise.shape, conditioning.picture_condition, options)
    guide = family.guider(guidance, steps, conditioning.picture_condition)
    if start:
        latents = schedule.add_noise(start.latents, noise, schedule.first)
    else:
        latents = schedule.init_latents(noise)
    drawn, full_steps = torch.ones((), dtype=torch.bool), set(range(steps))
    if edit:
        drawn = tokens_to_cells(edit.drawn, height, width, family.patch)
        full_steps = edit.full_steps(steps) if family.partial else full_steps
        latents = torch.where(drawn, latents, schedule.add_noise(edit.latents, noise, 0))
    for done in range(steps):
        index, partial = schedule.first + done, done not in full_steps
        model_input = schedule.scale_model_input(latents, index)
        if conditioning.guided:
            model_input = model_input.repeat(2, 1, 1, 1)
        step = conditioning.at(done / steps, partial=partial)
        with active_loras(step.loras):
            predicted = forward(model_input.to(family.dtype), schedule.timestep(index), step, done, partial).float()
        if conditioning.guided:
            negative, positive = predicted.chunk(2)
            predicted = guide(negative, positive, done)
        latents, expected = schedule.step(predicted, latents, index)
        if edit:
            last = done + 1 == steps
            unchanged = edit.latents if last else schedule.add_noise(edit.latents, noise, index + 1)
            latents = torch.where(drawn, latents, unchanged)
            expected = torch.where(drawn, expected, edit.latents)
        yield Denoised(done + 1, steps, latents, expected)
