"""The error of each solver on a mixture of Gaussians, whose score has a closed form.

`python -m benchmarks.solvers` writes docs/solvers.md. No model is loaded: each solver is measured with the noise levels
of every published scheduler's configuration.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import log
from typing import Any, get_args

import diffusers
import torch
from torch import Tensor

from benchmarks.pages import DOCS, markdown
from ditpipe.renderer.families.base import Family
from ditpipe.renderer.families.hunyuan import Hunyuan
from ditpipe.renderer.families.joint.flux import Flux
from ditpipe.renderer.families.joint.stable_diffusion_3 import StableDiffusion3
from ditpipe.renderer.families.pixart import PixArt
from ditpipe.renderer.families.sana import Sana
from ditpipe.renderer.families.stable_diffusion import StableDiffusion, StableDiffusionXL
from ditpipe.renderer.request import Solver
from ditpipe.renderer.sampling.schedules import published_solver

MIXTURES, COUNT, SIZE, SPREAD, NOISES = 4, 8, 16, 0.3, 256
TOKENS = 4096  # of a picture of 1024×1024 pixels
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Mixture:
    """Gaussians of the same spread with equal weights. means: (k, d), float64."""

    means: Tensor
    spread: float

    @classmethod
    def random(cls, seed: int, *, count: int, size: int, spread: float) -> Mixture:
        """`count` of them in `size` dimensions, the whole of standard deviation 1."""
        means = torch.randn(count, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        means = means - means.mean(0)
        return cls(means * ((1 - spread**2) / means.square().mean()) ** 0.5, spread)

    def predict(self, x: Tensor, alpha: Tensor, sigma: Tensor) -> tuple[Tensor, Tensor]:
        """The posterior means of x_0 and of the noise, given x = alpha·x_0 + sigma·noise (n, d)."""
        variance = alpha**2 * self.spread**2 + sigma**2
        apart = x[:, None] - alpha * self.means
        share = torch.softmax(-apart.square().sum(-1) / (2 * variance), 1)[..., None]
        clean = (share * (self.means + alpha * self.spread**2 / variance * apart)).sum(1)
        return clean, (share * sigma / variance * apart).sum(1)

    def exact(self, noise: Tensor, steps: int = 2000) -> Tensor:
        """Where noise (n, d) ends: Runge and Kutta's fourth order along x = cos(t)·x_0 + sin(t)·noise from t = π/2."""

        def slope(x: Tensor, t: Tensor) -> Tensor:
            clean, eps = self.predict(x, t.cos(), t.sin())
            return t.cos() * eps - t.sin() * clean

        x, h = noise, -torch.pi / 2 / steps
        for t in torch.linspace(torch.pi / 2, 0, steps + 1, dtype=torch.float64)[:-1]:
            a = slope(x, t)
            b = slope(x + h / 2 * a, t + h / 2)
            c = slope(x + h / 2 * b, t + h / 2)
            x = x + h / 6 * (a + 2 * b + 2 * c + slope(x + h * c, t + h))
        return x


@dataclass(frozen=True)
class Published:
    """A scheduler as a model was published with it, and how many steps are drawn."""

    family: type[Family]
    scheduler: Any
    steps: int

    @property
    def solver(self) -> Solver:
        """The solver of requests that name none."""
        return published_solver(self.scheduler, otherwise=self.family.preferred)


def published() -> dict[str, Published]:
    """The published schedulers by the names of `ditpipe models`."""
    latent: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    flux = {"base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256, "max_image_seq_len": 4096}
    return {
        "hunyuan-dit": Published(Hunyuan, diffusers.DDPMScheduler(
            **latent | {"beta_end": 0.018}, prediction_type="v_prediction", steps_offset=1), 30),
        "pixart-sigma": Published(PixArt, diffusers.DPMSolverMultistepScheduler(), 20),
        "sana": Published(Sana, diffusers.DPMSolverMultistepScheduler(
            use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0), 20),
        "sd-1.5": Published(StableDiffusion, diffusers.PNDMScheduler(
            **latent, skip_prk_steps=True, steps_offset=1), 30),
        "sdxl": Published(StableDiffusionXL, diffusers.EulerDiscreteScheduler(
            **latent, steps_offset=1, timestep_spacing="leading"), 30),
        "sd-3.5-medium": Published(StableDiffusion3, diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0), 28),
        "flux-schnell": Published(Flux, diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0, **flux), 4),
        "flux-dev": Published(Flux, diffusers.FlowMatchEulerDiscreteScheduler(
            shift=3.0, use_dynamic_shifting=True, **flux), 28),
    }  # fmt: skip


class Model:
    """The exact model of a mixture, with the prediction type of the published model."""

    def __init__(self, mixture: Mixture, published: Published) -> None:
        self.mixture, self.flow = mixture, published.family.flow
        self.kind = "flow" if self.flow else published.scheduler.config.prediction_type

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The prediction for a scaled model input x. sigma: of a flow; of a diffusion the ratio of noise to signal."""
        sigma = sigma.double()
        alpha = 1 - sigma if self.flow else (1 + sigma**2) ** -0.5
        sigma = sigma if self.flow else sigma * alpha
        clean, eps = self.mixture.predict(x.double(), alpha, sigma)
        return {"epsilon": eps, "v_prediction": alpha * eps - sigma * clean, "flow": eps - clean}[self.kind].float()


def drawn(model: Model, noise: Tensor, published: Published, *, solver: Solver, steps: int) -> Tensor:
    """Samples from noise (n, d) by a solver."""
    config = published.scheduler.config
    schedule = published.family.schedule_of(config, steps, denoise=1.0, tokens=TOKENS, solver=solver, device=CPU)
    x = schedule.init_latents(noise.float())
    for index in range(steps):
        x, _ = schedule.step(model(schedule.scale_model_input(x, index), schedule.sigma(index)), x, index)
    return x.double()


def by_default(model: Model, noise: Tensor, published: Published, steps: int) -> Tensor | None:
    """What the published scheduler itself makes of it, called as diffusers' pipelines do; None if it adds noise."""
    name, config = type(published.scheduler).__name__, published.scheduler.config
    if name == "DDPMScheduler":
        return None
    scheduler = type(published.scheduler).from_config(config)
    chosen: dict[str, Any] = {}
    if config.get("use_dynamic_shifting"):
        chosen["mu"] = log(published.family.shift(config, TOKENS, steps))
    if published.family is Flux:
        chosen["sigmas"] = torch.linspace(1, 1 / steps, steps, dtype=torch.float64).tolist()
    scheduler.set_timesteps(**(chosen if "sigmas" in chosen else {"num_inference_steps": steps} | chosen))
    x = noise.float() if published.family.flow else noise.float() * scheduler.init_noise_sigma
    for index, timestep in enumerate(scheduler.timesteps):
        if name in ("PNDMScheduler", "DDIMScheduler"):
            share = scheduler.alphas_cumprod[int(timestep)]
            sigma = ((1 - share) / share) ** 0.5
        else:
            sigma = scheduler.sigmas[index]
        seen = x if published.family.flow else scheduler.scale_model_input(x, timestep)
        x = scheduler.step(model(seen, sigma), timestep, x).prev_sample
    return x.double()


PAGE = """# How a picture is computed: solvers

Printed by `python -m benchmarks.solvers`: how far a solver's picture is from the exact one, as a root mean square. Data
are mixtures of {count} Gaussians in {size} dimensions with a standard deviation of 1 in all and {spread} each, so that
what a perfect model says is known in closed form; {mixtures} mixtures, {noises} pictures of each. The exact picture
begins at the same noise. 'diffusers' is the published scheduler in diffusers' default call ('-': it adds noise of its
own, and its pictures are others). Bold is what draws where a request names no solver.

{table}

`--solver euler` or `--solver dpm++` (`DITPIPE_SOLVER`, the field `solver` of a request) chooses one. Without it a model
is drawn as its `scheduler_config.json` says: Euler's schedulers as `euler`, DPMSolverMultistepScheduler as `dpm++`. One
that is neither (DDPM, DDIM, PNDM, Heun, UniPC …) solves the same equation, and the family chooses: Stable Diffusion,
PixArt and Sana `dpm++`, Hunyuan-DiT `euler`, with which its paper's figures were made. Schedulers that mean something
else (LCM, TCD, EDM; a flow in a folder of a diffusion model) are refused when the model loads.

## Why the same seed is another picture in diffusers

- Noise is drawn on the CPU in float32, whatever the device, so that a seed means the same picture everywhere.
- `euler` begins at pure noise (timestep spacing "trailing", the paper's "sgm_uniform"); the published configurations of
  Hunyuan-DiT, Stable Diffusion 1.5 and XL say "leading", which begins a step later.
- Schedulers that add noise in every step (Hunyuan-DiT's published DDPM, Euler Ancestral, those with SDE in their name
  or in `algorithm_type`) are drawn without it, by the same noise levels (`use_karras_sigmas` and its like).
- Stable Diffusion's PNDM and DDIM are drawn as `dpm++`, and end without noise where the published scheduler keeps a
  rest of it (`set_alpha_to_one`, `final_sigmas_type`).
- Sana's pipeline puts an instruction to embellish before each prompt; here a prompt is encoded as it stands.
- Pictures keep the size that was asked for; PixArt's, Sana's and Hunyuan-DiT's pipelines draw the nearest trained one.

With these set alike pictures are equal (`tests/test_families.py`, `tests/test_solvers.py`).
"""


def main() -> None:
    mixtures = [Mixture.random(seed, count=COUNT, size=SIZE, spread=SPREAD) for seed in range(MIXTURES)]
    noises = [
        torch.randn(NOISES, SIZE, generator=torch.Generator().manual_seed(100 + seed), dtype=torch.float64)
        for seed in range(MIXTURES)
    ]
    exact = [mixture.exact(noise) for mixture, noise in zip(mixtures, noises, strict=True)]
    solvers = get_args(Solver)

    def distance(known: Published, draw: Callable[[Model, Tensor], Tensor | None]) -> str:
        ends = [draw(Model(mixture, known), noise) for mixture, noise in zip(mixtures, noises, strict=True)]
        squares = [(end - goal).square().mean() for end, goal in zip(ends, exact, strict=True) if end is not None]
        return f"{torch.stack(squares).mean().sqrt():.3f}" if squares else "-"

    lines = [["model", "steps", *solvers, "diffusers"]]
    for name, known in published().items():
        for steps in sorted({known.steps, 10, 20, 30, 50} if known.steps > 4 else {2, 4, 8}):
            ways = {solver: partial(drawn, published=known, solver=solver, steps=steps) for solver in solvers}
            far = {solver: distance(known, way) for solver, way in ways.items()}
            if steps == known.steps:
                far[known.solver] = f"**{far[known.solver]}**"
            default = distance(known, partial(by_default, published=known, steps=steps))
            lines.append([name, str(steps), *far.values(), default])
            print("".join(f"{word:>14}" for word in lines[-1]))
    page = PAGE.format(
        count=COUNT, size=SIZE, spread=SPREAD, mixtures=MIXTURES, noises=NOISES, table=markdown(lines)
    )  # fmt: skip
    (DOCS / "solvers.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
