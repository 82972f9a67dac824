"""Noise schedules and solvers: Euler and DPM-Solver++, for diffusions and rectified flows. No model, no text."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from inspect import signature
from math import exp

import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor

from ...prompts.errors import RenderError
from ..diffusers_types import Config, Scheduler
from ..request import Solver

_NAMED: dict[str, Solver] = {
    "EulerDiscreteScheduler": "euler", "EulerAncestralDiscreteScheduler": "euler",
    "FlowMatchEulerDiscreteScheduler": "euler", "DPMSolverMultistepScheduler": "dpm++",
}  # fmt: skip


def shift_of(config: Config, mu: float) -> float:
    """The shift of a flow's noise levels that a scheduler with `use_dynamic_shifting` computes from mu."""
    return mu if config.get("time_shift_type") == "linear" else exp(mu)


def published_solver(scheduler: object, *, otherwise: Solver) -> Solver:
    """The solver that a published scheduler implements; `otherwise` if it is not available here."""
    return _NAMED.get(type(scheduler).__name__, otherwise)


Sigmas = Callable[[int], list[float]]  # number of all steps → sigma before each of them


class Schedule(ABC):
    """The last `steps` of round(steps / denoise) denoising steps, as img2img strength does.

    As in the paper's settings, 20 steps at denoise 0.5 are the second half of 40. Raises RenderError if the total
    exceeds the number of steps that the model was trained with.
    """

    def __init__(
        self, scheduler: Scheduler, steps: int, denoise: float, device: torch.device, *,
        sigmas: Sigmas | None = None, mu: float | None = None,
    ) -> None:  # fmt: skip
        """sigmas: see `Sigmas`; None: the scheduler's own. mu: shift of its dynamic shifting."""
        total, trained = steps / denoise, scheduler.config["num_train_timesteps"]
        if round(min(total, trained + 1)) > trained:
            raise RenderError(
                f"{steps} steps at denoise {denoise:g} are the end of {total:.0f}: at most {trained} are possible"
            )
        self.total, self._scheduler = round(total), scheduler
        self.first = self.total - steps
        chosen = ({"sigmas": sigmas(self.total)} if sigmas else {}) | ({} if mu is None else {"mu": mu})
        scheduler.set_timesteps(self.total, device=device, **chosen)
        if len(scheduler.timesteps) > self.total:  # diffusers' np.arange yields one too many for 61 steps, among others
            scheduler.timesteps = scheduler.timesteps[: self.total]
            scheduler.sigmas = torch.cat([scheduler.sigmas[: self.total], scheduler.sigmas[-1:]])
        assert len(scheduler.timesteps) == self.total
        if not torch.isfinite(scheduler.sigmas).all():  # `shift_terminal` stretches the levels between two of them
            raise RenderError(f"this model cannot be drawn in {self.total} step: take 2 or more")
        if not (scheduler.sigmas.diff() < 0).all():
            raise RenderError(f"{self.total} steps are too many for this solver: some would not lower the noise level")
        scheduler.set_begin_index(self.first)

    def timestep(self, index: int) -> Tensor:
        """The model's timestep at step `index`, a scalar."""
        return self._scheduler.timesteps[index]

    def sigma(self, index: int) -> Tensor:
        """The noise level before step `index`; 0 after the last step."""
        return self._scheduler.sigmas[index]

    @abstractmethod
    def init_latents(self, noise: Tensor) -> Tensor:
        """The latents that denoising starts from, of standard normal noise."""

    @abstractmethod
    def add_noise(self, clean: Tensor, noise: Tensor, index: int) -> Tensor:
        """Clean latents with noise added at the level of step `index`."""

    @abstractmethod
    def scale_model_input(self, latents: Tensor, index: int) -> Tensor:
        """The latents, scaled for the model's input."""

    @abstractmethod
    def step(self, predicted: Tensor, latents: Tensor, index: int) -> tuple[Tensor, Tensor]:
        """The latents after step `index`, and the clean latents that the prediction implies."""


class Diffusion(Schedule):
    """Euler over a variance-preserving diffusion, predicting noise or v: x = x_0 + sigma·noise."""

    def __init__(self, config: Config, steps: int, denoise: float, device: torch.device) -> None:
        scheduler = EulerDiscreteScheduler.from_config(config, timestep_spacing="trailing", final_sigmas_type="zero")
        super().__init__(scheduler, steps, denoise, device)

    def init_latents(self, noise: Tensor) -> Tensor:
        return noise * self._scheduler.init_noise_sigma

    def add_noise(self, clean: Tensor, noise: Tensor, index: int) -> Tensor:
        return clean + self.sigma(index) * noise

    def scale_model_input(self, latents: Tensor, index: int) -> Tensor:
        return self._scheduler.scale_model_input(latents, self.timestep(index))

    def step(self, predicted: Tensor, latents: Tensor, index: int) -> tuple[Tensor, Tensor]:
        out = self._scheduler.step(predicted, self.timestep(index), latents)
        return out.prev_sample, out.pred_original_sample


class Flow(Schedule):
    """Euler along a rectified flow: x = (1 - sigma)·x_0 + sigma·noise; the model predicts noise - x_0."""

    def __init__(
        self, config: Config, steps: int, denoise: float, device: torch.device, *, sigmas: Sigmas | None = None,
        mu: float | None = None,
    ) -> None:  # fmt: skip
        """config: of FlowMatchEulerDiscreteScheduler. sigmas, mu: as in `Schedule`."""
        scheduler = FlowMatchEulerDiscreteScheduler.from_config(config)
        super().__init__(scheduler, steps, denoise, device, sigmas=sigmas, mu=mu)

    def init_latents(self, noise: Tensor) -> Tensor:
        return noise

    def add_noise(self, clean: Tensor, noise: Tensor, index: int) -> Tensor:
        sigma = self.sigma(index)
        return (1 - sigma) * clean + sigma * noise

    def scale_model_input(self, latents: Tensor, index: int) -> Tensor:
        return latents

    def step(self, predicted: Tensor, latents: Tensor, index: int) -> tuple[Tensor, Tensor]:
        now, then = self.sigma(index), self.sigma(index + 1)
        return latents + (then - now) * predicted, latents - now * predicted


class Multistep(Schedule):
    """DPM-Solver++ of second order (arXiv 2211.01095), over a diffusion or a flow: x = alpha·x_0 + sigma·noise.

    A step also uses the clean latents predicted in the previous step, which this object stores for one render.
    """

    def __init__(
        self, config: Config, steps: int, denoise: float, device: torch.device, *, flow_shift: float | None = None
    ) -> None:
        """flow_shift: shift of a flow's noise levels; None: a diffusion."""
        chosen: dict[str, object] = {"algorithm_type": "dpmsolver++", "solver_order": 2, "final_sigmas_type": "zero"}
        chosen["variance_type"] = None  # families drop a predicted variance
        self._flow = flow_shift is not None
        if self._flow:
            levels = ("use_karras_sigmas", "use_exponential_sigmas", "use_beta_sigmas", "shift_terminal")
            if unsupported := [option for option in levels if config.get(option)]:
                raise RenderError(f"this model's scheduler has {unsupported[0]}: draw with the solver 'euler'")
            chosen |= {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": flow_shift}
            chosen |= {"use_dynamic_shifting": False}  # `flow_shift` includes it
        elif config.get("timestep_spacing") != "linspace":  # 'leading' never begins at pure noise
            chosen["timestep_spacing"] = "trailing"
        accepted = signature(DPMSolverMultistepScheduler).parameters  # diffusers prints a warning about others
        given = {name: value for name, value in config.items() if name in accepted or name.startswith("_")}
        super().__init__(DPMSolverMultistepScheduler.from_config(given, **chosen), steps, denoise, device)

    def init_latents(self, noise: Tensor) -> Tensor:
        return noise

    def add_noise(self, clean: Tensor, noise: Tensor, index: int) -> Tensor:
        sigma = self.sigma(index)
        if self._flow:
            return (1 - sigma) * clean + sigma * noise
        return (clean + sigma * noise) / (1 + sigma**2) ** 0.5

    def scale_model_input(self, latents: Tensor, index: int) -> Tensor:
        return latents

    def step(self, predicted: Tensor, latents: Tensor, index: int) -> tuple[Tensor, Tensor]:
        out = self._scheduler.step(predicted, self.timestep(index), latents).prev_sample
        return out, self._scheduler.model_outputs[-1]
