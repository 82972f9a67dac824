"""Warnings about LoRAs, ControlNets, approximations and sizes of one render; the error for values that are not
finite."""

from collections.abc import Sequence

import torch

from ..prompts.errors import RenderError
from ..prompts.plan import ScenePlan
from .families.base import Family
from .forward import ControlInput
from .request import Lora, RenderRequest
from .sampling.step_cache import StepCache
from .weights.lora import LoadedLora


def acts_in(plan: ScenePlan, lora: Lora) -> bool:
    """Whether the plan has the LoRA's region: an edit may have removed it."""
    return lora.region is None or lora.region in [region.name for region in plan.regions]


def lora_warnings(
    request: RenderRequest, plan: ScenePlan, family: Family, loras: Sequence[LoadedLora],
    controls: Sequence[ControlInput],
) -> list[str]:  # fmt: skip
    """LoRAs whose region is gone, LoRAs and ControlNets of another model version, unused weights for text encoders."""
    warnings = [
        f"the LoRA of {lora.region!r} is not used: the edited picture has no such region"
        for lora in request.loras
        if not acts_in(plan, lora)
    ]
    warnings += dict.fromkeys(family.misfits(loras, [control.net for control in controls]))
    if any(lora.skipped for lora in loras):
        warnings.append("the LoRA's weights for text encoders are not used, only those for the image model")
    return warnings


def approximation_warnings(
    request: RenderRequest, plan: ScenePlan, family: Family, *, cache: StepCache | None, steps: int, trained_size: int
) -> list[str]:
    """Options without effect on this device, steps reused by the step cache, sizes far from the trained ones."""
    warnings = []
    if "offload" in request.save_memory and family.device.type == "cpu":
        warnings.append("save_memory 'offload' does nothing on a CPU: the model is in main memory all the time")
    if cache and cache.reused:
        reused = f"step cache: {cache.reused} of {steps} steps reused the output of their blocks"
        warnings.append(f"{reused}; where it was computed again it had changed by at most {cache.error:.1%}")
    elif cache:
        warnings.append("step cache: no step reused the output of its blocks")
    if nearest := family.nearest_trained(trained_size, plan.size):
        sizes = "{}×{} pixels are far from what this model was trained at: the nearest is {}×{}"
        warnings.append(sizes.format(*plan.size, *nearest))
    return warnings


def unsplit(request: RenderRequest, family: Family, *, guided: bool) -> str:
    """Why the two halves of guidance cannot be computed on two devices; empty if they can."""
    reasons = {
        "there is no guidance, so there are no two halves": not guided,
        "this model computes its halves in turns": not family.halves,
        "LoRAs are on one device": bool(request.loras),
        "ControlNets are on one device": bool(request.controls),
        "the step cache is of one device": bool(request.step_cache),
        "compiled code is of one device": request.compile,
    }
    return next((reason for reason, applies in reasons.items() if applies), "")


def split_warning(first: torch.device, second: torch.device, unsplit: str) -> str:
    """What a picture says of its second device."""
    if unsplit:
        return f"{second} was not used: {unsplit}"
    return (
        f"drawn on {first} and {second}, a half of the guidance on each: on one of them its pixels may differ by a "
        "level or two"
    )


def not_finite(request: RenderRequest, part: str, dtype: torch.dtype, *, decoding: bool) -> RenderError:
    """The error for NaN or infinite values. part: what they are, in the plural."""
    causes = []
    if dtype == torch.float16:
        causes.append("float16, in which large numbers overflow: try --dtype bfloat16, or none on a CPU")
    if request.loras and not decoding:
        files = ", ".join(lora.file.path for lora in request.loras)
        causes.append(f"a LoRA: try it weaker, or the picture without {files}")
    if request.controls and not decoding:
        causes.append("a ControlNet: try it weaker")
    if {"int8", "fp8"} & set(request.save_memory) and not decoding:
        causes.append("weights held in 8 bits: leave that out of --save-memory")
    causes.append("damaged weights: get the model again")
    return RenderError(
        f"no picture: {part} are not finite numbers (NaN or infinite). Likely causes: {'; '.join(causes)}"
    )
