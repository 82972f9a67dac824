"""What of a published configuration no solver and no decoder here can stand in for. Loads no torch."""

from __future__ import annotations

from pathlib import Path

from ...prompts.errors import ModelError
from ...prompts.outside_json import JsonObject
from .published_defaults import configuration_in

# Published schedulers of which only the noise levels and what the model predicts matter here: each is one of many ways
# to solve the same equation, and the chosen solver is another.
_DIFFUSIONS = frozenset(
    f"{name}Scheduler"
    for name in (
        "DDPM", "DDIM", "PNDM", "LMSDiscrete", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete",
        "KDPM2Discrete", "KDPM2AncestralDiscrete", "DPMSolverMultistep", "DPMSolverSinglestep", "DPMSolverSDE",
        "DEISMultistep", "UniPCMultistep", "SASolver",
    )
)  # fmt: skip
_FLOWS = frozenset({"FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"})
# What a configuration may ask for beside them, and no solver here does.
_UNHEEDED = ("thresholding", "stochastic_sampling", "invert_sigmas")


def check_scheduler(name: str, config: JsonObject, *, flow: bool) -> None:
    """Raises ModelError for a published scheduler, by its class and configuration, that no solver can stand in for.

    Those of consistency models (LCM, TCD) and of EDM mean other steps and other predictions; and a model that was
    trained as a diffusion cannot be drawn as a flow, nor the other way round.
    """
    flows = name in _FLOWS or bool(config.get("use_flow_sigmas")) or config.get("prediction_type") == "flow_prediction"
    if name not in _FLOWS and name not in _DIFFUSIONS:
        why = "which no solver here can stand in for"
    elif flows is not flow:
        why = f"that of a {'flow' if flows else 'diffusion'}, and this model is a {'flow' if flow else 'diffusion'}"
    elif unheeded := [option for option in _UNHEEDED if config.get(option)]:
        why = f"with {unheeded[0]}, which no solver here heeds"
    else:
        return
    raise ModelError(
        f"the folder's scheduler is {name}, {why}: give it the one of its base model, in scheduler_config.json and in "
        "model_index.json"
    )


def check_vae(config: JsonObject) -> None:
    """Raises ModelError for a VAE whose latents have a mean and a spread of their own, by its configuration."""
    if config.get("latents_mean") is not None:
        raise ModelError("the folder's VAE has latents of another mean (`latents_mean`), which are not drawn here")


def check_folder(folder: Path, index: JsonObject, *, flow: bool) -> None:
    """Both, of a pipeline's folder and its model_index.json, before any weights are fetched or loaded. What cannot be
    read is said when it is loaded. Raises ModelError."""
    origin = index.get("scheduler")
    if isinstance(origin, list) and len(origin) == 2 and isinstance(origin[1], str):
        check_scheduler(origin[1], configuration_in(folder / "scheduler"), flow=flow)
    check_vae(configuration_in(folder / "vae"))
