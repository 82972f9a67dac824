"""How far each solver's picture is from the exact one, on a mixture of Gaussians whose score is known in closed form.

`python -m benchmarks.solvers` prints for every published scheduler configuration and a few numbers of steps the root mean
square distance from the exact solution of the probability-flow equation, which begins at the same noise. Data have a
standard deviation of 1, as latents have. No model is loaded, so nothing but the solver and its noise levels is measured.
The column 'diffusers' is the published scheduler in diffusers' default call; one that adds noise of its own has no such
figure, for its pictures are others.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from math import log
from typing import Any, get_args

import diffusers
import torch
from torch import Tensor

from ditpipe.renderer.family import Family
from ditpipe.renderer.flux import Flux
from ditpipe.renderer.hunyuan import Hunyuan
from ditpipe.renderer.pixart import PixArt
from ditpipe.renderer.request import Solver
from ditpipe.renderer.sana import Sana
from ditpipe.renderer.schedules import published_solver
from ditpipe.renderer.stable_diffusion import StableDiffusion, StableDiffusionXL
from ditpipe.renderer.stable_diffusion_3 import StableDiffusion3

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
        """What a perfect model says of x = alpha·x_0 + sigma·noise (n, d): the expected x_0 and the expected noise."""
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
        """What draws it where a request names no solver."""
        return published_solver(self.scheduler, otherwise=self.family.preferred)


def published() -> dict[str, Published]:
    """What is drawn with, by the names of `ditpipe models`."""
    latent: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    flux = {"base_shift": 0.5, "max_shift": 1.15, "base_image_seq_len": 256, "max_image_seq_len": 4096}
    return {
        "hunyuan-dit": Published(Hunyuan, diffusers.DDPMScheduler(
            **latent | {"beta_end": 0.018}, prediction_type="v_prediction", steps_offset=1), 30),
        "pixart-sigma": Published(PixArt, diffusers.DPMSolverMultistepScheduler(), 20),
        "sana": Published(Sana, diffusers.DPMSolverMultistepScheduler(
            use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0), 20),
        "sd-1.5": Published(StableDiffusion, diffusers.PNDMScheduler(**latent, skip_prk_steps=True, steps_offset=1), 30),
        "sdxl": Published(StableDiffusionXL, diffusers.EulerDiscreteScheduler(
            **latent, steps_offset=1, timestep_spacing="leading"), 30),
        "sd-3.5-medium": Published(StableDiffusion3, diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0), 28),
        "flux-schnell": Published(Flux, diffusers.FlowMatchEulerDiscreteScheduler(shift=1.0, **flux), 4),
        "flux-dev": Published(Flux, diffusers.FlowMatchEulerDiscreteScheduler(
            shift=3.0, use_dynamic_shifting=True, **flux), 28),
    }  # fmt: skip


class Model:
    """A perfect model of a mixture, which predicts what the published one does."""

    def __init__(self, mixture: Mixture, published: Published) -> None:
        self.mixture, self.flow = mixture, published.family.flow
        self.kind = "flow" if self.flow else published.scheduler.config.prediction_type

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        """The prediction for x as a model is shown it. sigma: the noise's share of a flow, else over the picture's."""
        sigma = sigma.double()
        alpha = 1 - sigma if self.flow else (1 + sigma**2) ** -0.5
        sigma = sigma if self.flow else sigma * alpha
        clean, eps = self.mixture.predict(x.double(), alpha, sigma)
        return {"epsilon": eps, "v_prediction": alpha * eps - sigma * clean, "flow": eps - clean}[self.kind].float()


def drawn(model: Model, noise: Tensor, published: Published, *, solver: Solver, steps: int) -> Tensor:
    """What a solver makes of noise (n, d) in so many steps."""
    config = published.scheduler.config
    schedule = published.family.schedule_of(config, steps, denoise=1.0, tokens=TOKENS, solver=solver, device=CPU)
    x = schedule.pure(noise.float())
    for index in range(steps):
        x, _ = schedule.step(model(schedule.seen(x, index), schedule.sigma(index)), x, index)
    return x.double()


def by_default(model: Model, noise: Tensor, published: Published, steps: int) -> Tensor | None:
    """What the published scheduler itself makes of it, called as diffusers' pipelines do; None if it adds noise."""
    name, config = type(published.scheduler).__name__, published.scheduler.config
    if name == "DDPMScheduler":
        return None
    scheduler = type(published.scheduler).from_config(config)
    chosen: dict[str, Any] = {}
    if config.get("use_dynamic_shifting"):
        chosen["mu"] = log(published.family.shift(config, TOKENS))
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4, help="mixtures")
    parser.add_argument("--count", type=int, default=8, help="Gaussians of each")
    parser.add_argument("--size", type=int, default=16, help="dimensions")
    parser.add_argument("--spread", type=float, default=0.3, help="standard deviation of each Gaussian")
    parser.add_argument("--noises", type=int, default=256, help="pictures of each mixture")
    args = parser.parse_args()
    mixtures = [Mixture.random(s, count=args.count, size=args.size, spread=args.spread) for s in range(args.seeds)]
    noises = [
        torch.randn(args.noises, args.size, generator=torch.Generator().manual_seed(100 + s), dtype=torch.float64)
        for s in range(args.seeds)
    ]
    exact = [mixture.exact(noise) for mixture, noise in zip(mixtures, noises, strict=True)]
    solvers = get_args(Solver)

    def distance(known: Published, draw: Callable[[Model, Tensor], Tensor | None]) -> str:
        ends = [draw(Model(mixture, known), noise) for mixture, noise in zip(mixtures, noises, strict=True)]
        squares = [(end - goal).square().mean() for end, goal in zip(ends, exact, strict=True) if end is not None]
        return f"{torch.stack(squares).mean().sqrt():.3f}" if squares else "-"

    print("".join(f"{word:>14}" for word in ("model", "steps", *solvers, "diffusers", "its own")))
    for name, known in published().items():
        for steps in sorted({known.steps, 10, 20, 30, 50} if known.steps > 4 else {2, 4, 8}):
            far = [
                distance(known, lambda model, noise, s=solver: drawn(model, noise, known, solver=s, steps=steps))  # type: ignore[misc]
                for solver in solvers
            ]
            far.append(distance(known, lambda model, noise: by_default(model, noise, known, steps)))
            own = known.solver if steps == known.steps else ""
            print("".join(f"{word:>14}" for word in (name, str(steps), *far, own)))


if __name__ == "__main__":
    main()
