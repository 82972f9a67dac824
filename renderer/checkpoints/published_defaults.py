"""Default size, steps and guidance of a checkpoint, from its published configuration. Loads no torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...prompts.outside_json import JsonObject, parse_json

FEW_STEPS = ("turbo", "lightning")  # in the names of models distilled to 4 steps without guidance


@dataclass(frozen=True)
class Defaults:
    """Defaults of a checkpoint. size: side of the training images in pixels. reads: and `negatives`: as in
    `published_models.Checkpoint`."""

    size: int
    steps: int
    guidance_scale: float
    reads: int = 0
    negatives: bool = True


def published_defaults(folder: Path, called: str, *, family: str, usual: Defaults) -> Defaults:
    """Defaults of a pipeline's folder. called: the model's name, by which some distilled models alone differ from their
    base models. usual: the family's defaults, where the configuration has none."""
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
    if turbo := family == "z-image" and "turbo" in called:
        steps = 8
    if distilled := family == "flux.2" and bool(index.get("is_distilled")):
        steps, guidance = 4, 1.0
    cells = denoiser.get("sample_size")
    cells = max(cells) if isinstance(cells, list) and cells else cells
    size = cells * _pixels_a_cell(folder) if isinstance(cells, int) else usual.size
    reads = 300 if index.get("_class_name") == "PixArtSigmaPipeline" else 0
    reads = 512 if family == "flux" and denoiser.get("guidance_embeds") else reads
    return Defaults(size if size >= 64 else usual.size, steps, guidance, reads, not (turbo or distilled))


def _pixels_a_cell(folder: Path) -> int:
    """Side of a latent cell in pixels: the decoder doubles the size between its stages."""
    vae = configuration_in(folder / "vae")
    stages = vae.get("encoder_block_out_channels") or vae.get("block_out_channels") or [0] * 4
    return int(2 ** (len(stages) - 1))


def configuration_in(folder: Path) -> JsonObject:
    """Configuration of a component or pipeline; empty if it cannot be read, which is reported when it is loaded."""
    for name in ("config.json", "scheduler_config.json", "model_index.json"):
        try:
            found = parse_json((folder / name).read_bytes())
        except (OSError, ValueError):
            continue
        return found if isinstance(found, dict) else {}
    return {}
