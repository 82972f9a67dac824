"""`ShiftedFlow`: rectified flows with FLUX.1's noise levels."""

import torch
from diffusers.pipelines.flux.pipeline_flux import calculate_shift

from ..diffusers_types import Config
from ..sampling.schedules import Flow, Schedule, shift_of
from .base import Family


class ShiftedFlow(Family):
    """The shift of the noise levels depends on the picture's size if the scheduler is configured so."""

    flow = True

    @classmethod
    def mu(cls, config: Config, tokens: int, steps: int) -> float:
        """mu of dynamic shifting, the logarithm of the shift, for that many image tokens and steps."""
        names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
        return float(calculate_shift(tokens, **{
            theirs: config[name] for name, theirs in zip(names, ("base_seq_len", "max_seq_len", *names[2:]))
            if name in config
        }))  # fmt: skip

    @classmethod
    def shift(cls, config: Config, tokens: int, steps: int) -> float:
        dynamic = config.get("use_dynamic_shifting")
        return shift_of(config, cls.mu(config, tokens, steps)) if dynamic else super().shift(config, tokens, steps)

    @classmethod
    def euler(cls, config: Config, steps: int, denoise: float, tokens: int, device: torch.device) -> Schedule:
        def sigmas(total: int) -> list[float]:
            return torch.linspace(1, 1 / total, total, dtype=torch.float64).tolist()

        mu = cls.mu(config, tokens, round(steps / denoise)) if config.get("use_dynamic_shifting") else None
        return Flow(config, steps, denoise, device, sigmas=sigmas, mu=mu)
