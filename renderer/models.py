"""The checkpoints that can be asked for by name, and loading one from a folder in diffusers' pipeline format."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..prompts.errors import ModelError

POCKET = Path(__file__).parent / "pocket"


@dataclass(frozen=True)
class Checkpoint:
    """A row of the table that `ditpipe models` prints. `memory_gib`: weights in half precision."""

    name: str
    source: str
    size: int
    steps: int
    guidance_scale: float
    memory_gib: float
    licence: str
    note: str


CHECKPOINTS = {
    "pocket": Checkpoint("pocket", str(POCKET), 128, 20, 4.0, 0.04, "Apache-2.0", "ships with ditpipe; CPU"),
    "hunyuan-dit": Checkpoint(
        "hunyuan-dit", "Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers", 1024, 30, 6.0, 12.0,
        "Tencent Hunyuan Community", "downloaded from the hub on first use; GPU",
    ),
}  # fmt: skip


def checkpoint(name: str) -> Checkpoint:
    """The named checkpoint, or any folder that holds a diffusers pipeline. Raises ModelError that lists the names."""
    if name in CHECKPOINTS:
        return CHECKPOINTS[name]
    folder = Path(name).expanduser()
    if (folder / "model_index.json").exists():
        return Checkpoint(name, str(folder), 1024, 30, 6.0, 0.0, "", "local folder")
    if folder.is_dir():
        raise ModelError(f"{name}: no model_index.json in this folder; it must hold a pipeline in diffusers' format")
    raise ModelError(f"unknown model {name!r}: give one of {', '.join(CHECKPOINTS)}, or a folder in diffusers' format")


def placement(device: str | None = None) -> tuple[torch.device, torch.dtype]:
    """Where and how to compute: CUDA in bfloat16 (float16 before Ampere), else the CPU in float32."""
    chosen = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if chosen.type != "cuda":
        return chosen, torch.float32
    return chosen, torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def devices() -> list[str]:
    """Every device that can draw on its own: all CUDA devices, else the CPU."""
    return [f"cuda:{index}" for index in range(torch.cuda.device_count())] or ["cpu"]


def load_pipeline(name: str, *, device: str | None = None) -> Any:
    """A HunyuanDiTPipeline, ready on its device. Raises ModelError, one line, if anything is missing."""
    from diffusers import HunyuanDiTPipeline
    from diffusers.utils import logging

    source = checkpoint(name).source
    where, dtype = placement(device)
    # diffusers reports the missing safety checker as a warning; neither checkpoint here ships one.
    verbosity = logging.get_verbosity()
    logging.set_verbosity(50)  # only what is critical
    logging.disable_progress_bar()
    try:
        pipe = HunyuanDiTPipeline.from_pretrained(source, dtype=dtype, use_safetensors=True)
    except Exception as error:  # every loader underneath has its own exceptions for a missing or broken file
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise ModelError(f"cannot load model {name!r} from {source}: {reason}") from error
    finally:
        logging.set_verbosity(verbosity)
    return pipe.to(where)
