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
from .files.pipeline_folder import is_gguf
from .files.source import locate
from .registry import FAMILIES, checkpoint
from .silence import silence_loading

if TYPE_CHECKING:
    from ..families.base import Family
    from ..request import Dtype
    from .files.hub import Hub


def placement(device: str | None = None, dtype: Dtype | None = None) -> tuple[torch.device, torch.dtype]:
    """Device and dtype: without their names CUDA in bfloat16 (float16 before Ampere), else the CPU; others in float32.

    Raises ModelError for a device that does not exist or does not compute in the dtype.
    """
    name = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
        usual = torch.float32
        if chosen.type == "cuda":
            usual = half_precision(torch.cuda.get_device_properties(chosen).major)
        kind: torch.dtype = getattr(torch, dtype) if dtype else usual
        torch.empty(0, device=chosen, dtype=kind)
    except (RuntimeError, AssertionError) as error:  # torch raises either for an unknown name or index
        there = [*devices(), *(["mps"] if torch.backends.mps.is_available() else [])]
        here = ", ".join(dict.fromkeys([*there, "cpu"]))
        problem = f"cannot compute on {name!r}{f' in {dtype}' if dtype else ''}"
        reason = f": {first_line(error)[:90]}" if "cuda" in name else ""
        raise ModelError(f"{problem} (here: {here}){reason}") from error
    return chosen, kind


def half_precision(major: int) -> torch.dtype:
    """The 16-bit dtype for a CUDA device of this major compute capability: below 8 (Ampere) bfloat16 is emulated."""
    return torch.bfloat16 if major >= 8 else torch.float16


def devices() -> list[str]:
    """Devices to draw on: all CUDA devices, else the CPU."""
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]


def load(
    name: str, *, device: str | None = None, dtype: Dtype | None = None, weights: Format = "full",
    compiled: bool = False, offload: bool = False, hub: Hub | None = None,
) -> Family:  # fmt: skip
    """Loads a model by any name that `registry.checkpoint` takes, downloading what it needs from the hub.

    It is returned on its device; with `offload` in main memory, from which `Offloader` moves it. Raises ModelError, one
    line, if anything is missing.
    """
    row = checkpoint(name, hub)
    target, number_format = placement(device, dtype)
    source = locate(row.source)
    assert source
    folder = source.files(hub)
    try:
        with silence_loading(), without_gc():
            pipe, notes = load_pipeline(folder, number_format, file=source.file)
    except ModelError:
        raise
    except Exception as error:  # the libraries have no common class for a broken file
        if is_out_of_memory(error):
            raise
        raise ModelError(f"cannot load model {name!r} from {source.file or folder}: {first_line(error)}") from error
    module, adapter = FAMILIES[row.family].adapter.split(":")
    kind: type[Family] = getattr(import_module(f"..families.{module}", __package__), adapter)
    for part in (*kind.encoders, kind.denoiser, *kind.denoisers):
        if (model := getattr(pipe, part)) is not None:
            quantize_linears(model, weights)
    family = kind(pipe if offload else pipe.to(target), target)
    if source.file and is_gguf(source.file) and weights != "full":
        notes += (f"save_memory {weights!r} acts on the encoders alone: {source.file.name} is quantized already",)
    family.notes, family.style = notes, row.style
    if compiled:
        family.compile()
    return family
