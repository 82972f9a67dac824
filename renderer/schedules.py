"""How noise becomes a picture step by step, in the two conventions of the families. Knows no model and no text."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from diffusers import EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler
from torch import Tensor

from ..prompts.errors import RenderError


class Schedule(ABC):
    """`steps` denoising steps; of a way that begins at the share `denoise` of the noise, the last ones.

    That is how the paper's settings count: 20 steps at denoise 0.5 are the second half of 40. Raises RenderError if
    that way has more steps than the model was trained on.
    """

    def __init__(self, scheduler: Any, steps: int, denoise: float, device: torch.device, **chosen: Any) -> None:
        total, trained = round(steps / denoise), scheduler.config.num_train_timesteps
        if total > trained:
            raise RenderError(f"{steps} steps at denoise {denoise:g} are the end of {total}: at most {trained} can be")
        scheduler.set_timesteps(total, device=device, **chosen)
        self.first, self.total, self._scheduler = total - steps, total, scheduler
        scheduler.set_begin_index(self.first)

    def timestep(self, index: int) -> Tensor:
        """What the model is told before step `index`, a scalar."""
        return self._scheduler.timesteps[index]  # type: ignore[no-any-return]

    def sigma(self, index: int) -> Tensor:
        """The noise's share before step `index`; after the last one it is 0."""
        return self._scheduler.sigmas[index]  # type: ignore[no-any-return]

    @abstractmethod
    def pure(self, noise: Tensor) -> Tensor:
        """Standard normal noise as the latents that nothing is known of yet."""

    @abstractmethod
    def noised(self, clean: Tensor, noise: Tensor, index: int) -> Tensor:
        """Finished latents under the noise that is left before step `index`."""

    @abstractmethod
    def seen(self, latents: Tensor, index: int) -> Tensor:
        """The latents as the model is shown them."""

    @abstractmethod
    def step(self, predicted: Tensor, latents: Tensor, index: int) -> tuple[Tensor, Tensor]:
        """The latents after step `index`, and the clean latents that the prediction amounts to."""


class Diffusion(Schedule):
    """Euler over a variance-preserving diffusion, predicting noise or v: x = x_0 + sigma·noise."""

    def __init__(self, config: Any, steps: int, denoise: float, device: torch.device) -> None:
        scheduler = EulerDiscreteScheduler.from_config(config, timestep_spacing="trailing")
        super().__init__(scheduler, steps, denoise, device)

    def pure(self, noise: Tensor) -> Tensor:
        return noise * self._scheduler.init_noise_sigma  # type: ignore[no-any-return]

    def noised(self, clean: Tensor, noise: Tensor, index: int) -> Tensor:
        return clean + self.sigma(index) * noise

    def seen(self, latents: Tensor, index: int) -> Tensor:
        return self._scheduler.scale_model_input(latents, self.timestep(index))  # type: ignore[no-any-return]

    def step(self, predicted: Tensor, latents: Tensor, index: int) -> tuple[Tensor, Tensor]:
        out = self._scheduler.step(predicted, self.timestep(index), latents)
        return out.prev_sample, out.pred_original_sample


class Flow(Schedule):
    """Euler along a rectified flow: x = (1 - sigma)·x_0 + sigma·noise; the model predicts noise - x_0."""

    def __init__(self, config: Any, steps: int, denoise: float, device: torch.device, **chosen: Any) -> None:
        """config: what FlowMatchEulerDiscreteScheduler takes; `chosen` goes to its `set_timesteps`."""
        super().__init__(FlowMatchEulerDiscreteScheduler.from_config(config), steps, denoise, device, **chosen)

    def pure(self, noise: Tensor) -> Tensor:
        return noise

    def noised(self, clean: Tensor, noise: Tensor, index: int) -> Tensor:
        sigma = self.sigma(index)
        return (1 - sigma) * clean + sigma * noise

    def seen(self, latents: Tensor, index: int) -> Tensor:
        return latents

    def step(self, predicted: Tensor, latents: Tensor, index: int) -> tuple[Tensor, Tensor]:
        now, then = self.sigma(index), self.sigma(index + 1)
        return latents + (then - now) * predicted, latents - now * predicted
