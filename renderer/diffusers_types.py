"""Types of diffusers' objects. The aliases of `Any` are of objects whose attributes are only set at run time."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from ..prompts.outside_json import JsonObject

Pipeline = Any  # a DiffusionPipeline: its components are attributes by the names of its model_index.json
Network = Any  # a ModelMixin, or one of its blocks: its layers and its configuration are attributes

Config = JsonObject  # a FrozenDict
Processor = Callable[..., Tensor | tuple[Tensor, Tensor]]  # of joint attention: the image's and the text's states


class AttentionLayer(Protocol):
    """`Attention` or `FluxAttention`."""

    processor: Any

    def set_processor(self, processor: Any) -> None: ...


class StepOutput(Protocol):
    """Output of a scheduler's step; DPM-Solver++ has no `pred_original_sample`."""

    prev_sample: Tensor
    pred_original_sample: Tensor


class Scheduler(Protocol):
    """What the Euler, flow-matching Euler and DPM-Solver++ schedulers share; `model_outputs` has DPM-Solver++ alone."""

    timesteps: Tensor
    sigmas: Tensor
    init_noise_sigma: Tensor
    model_outputs: list[Tensor]

    @property
    def config(self) -> Config: ...
    def set_timesteps(self, num_inference_steps: int, *, device: torch.device, **options: Any) -> None: ...
    def set_begin_index(self, begin_index: int) -> None: ...
    def scale_model_input(self, sample: Tensor, timestep: Tensor) -> Tensor: ...
    def step(self, model_output: Tensor, timestep: Tensor, sample: Tensor) -> StepOutput: ...
