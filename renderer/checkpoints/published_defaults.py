"""What a checkpoint is drawn with where a request says nothing: its published configuration is read, with no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...prompts.outside_json import parse_json

FEW_STEPS = ("turbo", "lightning")  # in the name of a model that was distilled to draw in 4 steps without guidance


@dataclass(frozen=True)
class Defaults:
    """size: pixels a side of what the model was trained at."""

    size: int
    steps: int
    guidance_scale: float


def published_defaults(folder: Path, called: str, *, family: str, usual: Defaults) -> Defaults:
    """Those of a pipeline's folder. `called`: what the model is called, which alone tells some distilled models from
    those they were made of; `usual`: what its family draws with, for all that the configuration leaves open."""
    index = configuration_in(folder)
    denoiser = configuration_in(folder / ("unet" if family in ("sd", "sdxl") else "transformer"))
    called = f"{called} {Path(str(index.get('_name_or_path', ''))).name}".lower()
    steps, guidance = usual.steps, usual.guidance_scale
    if family == "flux" and denoiser.get("guidance_embeds") is False:  # schnell
        steps, guidance = 4, 1.0
    if family == "sd3" and denoiser.get("qk_norm"):  # 3.5
        guidance = 4.5
    if family == "hunyuan" and "distilled" in called:
        steps = 25
    if any(word in called for word in FEW_STEPS):
        steps, guidance = 4, 1.0
    cells = denoiser.get("sample_size")
    cells = max(cells) if isinstance(cells, list) and cells else cells
    size = cells * _pixels_a_cell(folder) if isinstance(cells, int) else usual.size
    return Defaults(size if size >= 64 else usual.size, steps, guidance)


def _pixels_a_cell(folder: Path) -> int:
    """Pixels a side of a latent cell: a decoder doubles them between its stages."""
    vae = configuration_in(folder / "vae")
    stages = vae.get("encoder_block_out_channels") or vae.get("block_out_channels") or [0] * 4
    return int(2 ** (len(stages) - 1))


def configuration_in(folder: Path) -> dict[str, Any]:
    """A component's configuration, or a pipeline's; empty if none can be read, which is said when it is loaded."""
    for name in ("config.json", "scheduler_config.json", "model_index.json"):
        try:
            found = parse_json((folder / name).read_bytes())
        except (OSError, ValueError):
            continue
        return found if isinstance(found, dict) else {}
    return {}
