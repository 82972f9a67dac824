"""Rejects published schedulers, VAEs and number formats that are not supported here. Loads no torch."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from ...prompts.errors import ModelError
from ...prompts.outside_json import JsonObject
from .published_defaults import configuration_in

# Schedulers of the same probability-flow ODE: their noise levels and prediction type are used, and the ODE is solved by
# the chosen solver.
_DIFFUSIONS = frozenset(
    f"{name}Scheduler"
    for name in (
        "DDPM", "DDIM", "PNDM", "LMSDiscrete", "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete",
        "KDPM2Discrete", "KDPM2AncestralDiscrete", "DPMSolverMultistep", "DPMSolverSinglestep", "DPMSolverSDE",
        "DEISMultistep", "UniPCMultistep", "SASolver",
    )
)  # fmt: skip
_FLOWS = frozenset({"FlowMatchEulerDiscreteScheduler", "FlowMatchHeunDiscreteScheduler"})
# Options of a scheduler's configuration that no solver here implements.
_UNSUPPORTED = ("thresholding", "stochastic_sampling", "invert_sigmas")


def check_scheduler(name: str, config: JsonObject, *, flow: bool) -> None:
    """Raises ModelError for a published scheduler, by class name and configuration, that is not supported.

    Schedulers of consistency models (LCM, TCD) and of EDM imply other steps and predictions. A model trained as a
    diffusion cannot be sampled as a flow, nor the other way round.
    """
    flows = name in _FLOWS or bool(config.get("use_flow_sigmas")) or config.get("prediction_type") == "flow_prediction"
    if name not in _FLOWS and name not in _DIFFUSIONS:
        why = "for which there is no solver here"
    elif flows is not flow:
        why = f"for a {'flow' if flows else 'diffusion'}, and this model is a {'flow' if flow else 'diffusion'}"
    elif unsupported := [option for option in _UNSUPPORTED if config.get(option)]:
        why = f"with {unsupported[0]}, which no solver here implements"
    else:
        return
    raise ModelError(
        f"the folder's scheduler is {name}, {why}: give it the one of its base model, in scheduler_config.json and in "
        "model_index.json"
    )


def check_vae(config: JsonObject) -> None:
    """Raises ModelError for a VAE with per-channel mean and standard deviation of its latents, by its configuration."""
    if config.get("latents_mean") is not None:
        raise ModelError("the folder's VAE normalises latents by `latents_mean`, which is not supported here")


def check_quantization(folder: Path) -> None:
    """Raises ModelError for a component whose weights are in bitsandbytes' formats, if that package is not here."""
    given = configuration_in(folder).get("quantization_config")
    if isinstance(given, dict) and given.get("quant_method") == "bitsandbytes" and find_spec("bitsandbytes") is None:
        bits = 4 if given.get("load_in_4bit") else 8
        raise ModelError(f"{folder}: its weights are in {bits} bits, read by bitsandbytes: pip install bitsandbytes")


def check_folder(folder: Path, index: JsonObject, *, flow: bool, normalised: bool = False) -> None:
    """`check_scheduler` of a pipeline's folder, and `check_vae` unless its family normalises latents by channel, before
    any weights are fetched or loaded. Unreadable files are reported when they are loaded. Raises ModelError."""
    origin = index.get("scheduler")
    if isinstance(origin, list) and len(origin) == 2 and isinstance(origin[1], str):
        check_scheduler(origin[1], configuration_in(folder / "scheduler"), flow=flow)
    if not normalised:
        check_vae(configuration_in(folder / "vae"))
