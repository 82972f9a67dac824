"""Loading a checkpoint of the table, or one from a folder in diffusers' pipeline format, onto a device."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

import torch

from ...prompts.errors import ModelError, first_line
from ..weights.offload import is_out_of_memory
from ..weights.quantize import Format, quantize_linears
from .components import load_pipeline
from .fast_import import without_gc
from .registry import FAMILIES, checkpoint
from .silence import silence_loading
from .source import locate

if TYPE_CHECKING:
    from ..families.base import Family
    from .hub import Hub


def placement(device: str | None = None) -> tuple[torch.device, torch.dtype]:
    """Where and how to compute: CUDA in bfloat16 (float16 before Ampere), else the CPU in float32.

    Raises ModelError for a device that is not there.
    """
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
        if chosen.type != "cuda":
            torch.empty(0, device=chosen)
            return chosen, torch.float32
        return chosen, half_precision(torch.cuda.get_device_properties(chosen).major)
    except (RuntimeError, AssertionError) as error:  # what torch raises for a name or a number that it does not know
        there = ", ".join(devices())
        raise ModelError(f"cannot compute on {name!r} (here: {there}): {first_line(error)[:90]}") from error


def half_precision(major: int) -> torch.dtype:
    """For a CUDA device of this compute capability. Those before Ampere, 8, would only emulate bfloat16."""
    return torch.bfloat16 if major >= 8 else torch.float16


def devices() -> list[str]:
    """Every device that can draw on its own: all CUDA devices, else the CPU."""
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]


def load(
    name: str, *, device: str | None = None, weights: Format = "full", compiled: bool = False, offload: bool = False,
    hub: Hub | None = None,
) -> Family:  # fmt: skip
    """A model by whatever name `registry.checkpoint` takes, ready on its device, or with `offload` in main memory until
    it works. What it needs from the hub is downloaded.

    Raises ModelError, one line, if anything is missing.
    """
    known = checkpoint(name, hub)
    where, dtype = placement(device)
    row = FAMILIES[known.family]
    source = locate(known.source)
    assert source
    folder = source.files(hub)
    try:
        with silence_loading(), without_gc():
            pipe, notes = load_pipeline(folder, dtype, file=source.file)
    except ModelError:
        raise
    except Exception as error:  # every loader underneath has its own exceptions for a missing or broken file
        if is_out_of_memory(error):
            raise
        raise ModelError(f"cannot load model {name!r} from {source.file or folder}: {first_line(error)}") from error
    module, adapter = row.adapter.split(":")
    kind: type[Family] = getattr(import_module(f"..families.{module}", __package__), adapter)
    for part in (*kind.encoders, kind.denoiser):
        if (model := getattr(pipe, part)) is not None:
            quantize_linears(model, weights)
    family = kind(pipe if offload else pipe.to(where), where)
    family.notes = notes
    if compiled:
        family.compile()
    return family
