"""Default size, steps and guidance of a checkpoint, from its published configuration. Loads no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ...prompts.outside_json import JsonObject, parse_json, read_bounded

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


@dataclass(frozen=True)
class Variant:
    """Models of a family with defaults of their own; None and 0: the family's.

    They are those whose pipeline and denoiser have these fields in their configuration, and whose name contains
    `called`, as far as these are given. negatives: they take negative prompts.
    """

    pipeline: Mapping[str, object] = field(default_factory=dict)
    denoiser: Mapping[str, object] = field(default_factory=dict)
    called: str = ""
    steps: int | None = None
    guidance_scale: float | None = None
    reads: int = 0
    negatives: bool = True

    def includes(self, pipeline: JsonObject, denoiser: JsonObject, called: str) -> bool:
        """Whether a checkpoint is one of these, by its configurations and its name in lower case."""
        return (
            all(pipeline.get(name) == value for name, value in self.pipeline.items())
            and all(denoiser.get(name) == value for name, value in self.denoiser.items())
            and self.called in called
        )


def published_defaults(
    folder: Path, called: str, *, denoiser: str, variants: Iterable[Variant], usual: Defaults
) -> Defaults:
    """Defaults of a pipeline's folder. called: the model's name, by which some distilled models alone differ from their
    base models. denoiser: its component that denoises. usual: the family's defaults, where the configuration has none.
    """
    index, network = configuration_in(folder), configuration_in(folder / denoiser)
    called = f"{called} {Path(str(index.get('_name_or_path', ''))).name}".lower()
    steps, guidance, reads = usual.steps, usual.guidance_scale, usual.reads
    matching = [variant for variant in variants if variant.includes(index, network, called)]
    for variant in matching:
        steps, reads = variant.steps or steps, variant.reads or reads
        guidance = variant.guidance_scale or guidance
    if any(word in called for word in FEW_STEPS) and not any(variant.called for variant in matching):
        steps, guidance = 4, 1.0
    cells = network.get("sample_size")
    cells = max(cells) if isinstance(cells, list) and cells else cells
    size = cells * _pixels_a_cell(folder) if isinstance(cells, int) else usual.size
    negatives = all(variant.negatives for variant in matching)
    return Defaults(size if size >= 64 else usual.size, steps, guidance, reads, negatives)


def _pixels_a_cell(folder: Path) -> int:
    """Side of a latent cell in pixels: the decoder doubles the size between its stages."""
    vae = configuration_in(folder / "vae")
    stages = vae.get("encoder_block_out_channels") or vae.get("block_out_channels") or [0] * 4
    return int(2 ** (len(stages) - 1))


def configuration_in(folder: Path) -> JsonObject:
    """Configuration of a component or pipeline; empty if it cannot be read, which is reported when it is loaded."""
    for name in ("config.json", "scheduler_config.json", "model_index.json"):
        try:
            found = parse_json(read_bounded(folder / name))
        except (OSError, ValueError):
            continue
        return found if isinstance(found, dict) else {}
    return {}
