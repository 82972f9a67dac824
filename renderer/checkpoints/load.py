"""Loads a checkpoint of the registry, a folder, the hub or a single file onto a device."""

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
    """Device and dtype: CUDA in bfloat16 (float16 before Ampere), else the CPU in float32.

    Raises ModelError for a device that does not exist.
    """
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
        if chosen.type != "cuda":
            torch.empty(0, device=chosen)
            return chosen, torch.float32
        return chosen, half_precision(torch.cuda.get_device_properties(chosen).major)
    except (RuntimeError, AssertionError) as error:  # torch raises either for an unknown name or index
        raise ModelError(
            f"cannot compute on {name!r} (here: {', '.join(devices())}): {first_line(error)[:90]}"
        ) from error


def half_precision(major: int) -> torch.dtype:
    """The 16-bit dtype for a CUDA device of this major compute capability: below 8 (Ampere) bfloat16 is emulated."""
    return torch.bfloat16 if major >= 8 else torch.float16


def devices() -> list[str]:
    """Devices to draw on: all CUDA devices, else the CPU."""
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]


def load(
    name: str, *, device: str | None = None, weights: Format = "full", compiled: bool = False, offload: bool = False,
    hub: Hub | None = None,
) -> Family:  # fmt: skip
    """Loads a model by any name that `registry.checkpoint` takes, downloading what it needs from the hub.

    It is returned on its device; with `offload` in main memory, from which `Offloader` moves it. Raises ModelError, one
    line, if anything is missing.
    """
    row = checkpoint(name, hub)
    target, dtype = placement(device)
    source = locate(row.source)
    assert source
    folder = source.files(hub)
    try:
        with silence_loading(), without_gc():
            pipe, notes = load_pipeline(folder, dtype, file=source.file)
    except ModelError:
        raise
    except Exception as error:  # the libraries have no common class for a broken file
        if is_out_of_memory(error):
            raise
        raise ModelError(f"cannot load model {name!r} from {source.file or folder}: {first_line(error)}") from error
    module, adapter = FAMILIES[row.family].adapter.split(":")
    kind: type[Family] = getattr(import_module(f"..families.{module}", __package__), adapter)
    for part in (*kind.encoders, kind.denoiser):
        if (model := getattr(pipe, part)) is not None:
            quantize_linears(model, weights)
    family = kind(pipe if offload else pipe.to(target), target)
    family.notes, family.style = notes, row.style
    if compiled:
        family.compile()
    return family
