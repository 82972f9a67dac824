"""What a folder in diffusers' pipeline format says by its model_index.json and by its file names. Loads no torch."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..prompts.errors import ModelError
from ..prompts.outside_json import parse_json

# Components that ditpipe never runs: they are neither fetched nor loaded.
NEVER_RUN = ("safety_checker", "feature_extractor", "image_encoder")
HALF = ("fp16", "bf16")  # the same weights in half of the bytes; others, as non_ema, are other weights
# model.fp16-00001-of-00002.safetensors, and as it was until 2024: model-00001-of-00002.fp16.safetensors
_FILE = re.compile(
    r"(?:model|diffusion_pytorch_model)(?:\.(?P<before>\w+))?(?:-(?P<shard>\d+)-of-(?P<shards>\d+))?"
    r"(?:\.(?P<after>\w+))?\.safetensors"
)


class WeightFile(NamedTuple):
    """A file of weights: its variant, None for the full one, and of how many shards it is one."""

    variant: str | None
    shards: int


def weight_file(name: str) -> WeightFile | None:
    """What a file name says; None for a file that holds no weights, or weights of another kind."""
    match = _FILE.fullmatch(name)
    if not match:
        return None
    variant = match["before"] or match["after"]
    return WeightFile(variant, int(match["shards"] or 1)) if variant in (None, *HALF) else None


def stored_variants(names: Iterable[str]) -> list[str | None]:
    """The variants whose files are all among the names of a component's folder, the full one first."""
    files = [file for name in names if (file := weight_file(name))]
    return [variant for variant in (None, *HALF) if any(
        files.count(WeightFile(variant, shards)) >= shards for shards in {file.shards for file in files}
    )]  # fmt: skip


def read_index(folder: Path) -> dict[str, Any]:
    """A folder's model_index.json. Raises ModelError if it names no pipeline."""
    try:
        index: dict[str, Any] = parse_json((folder / "model_index.json").read_bytes())
        return {**index, "_class_name": str(index["_class_name"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: its model_index.json names no pipeline of diffusers") from error


def listed_components(index: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """The components that a model_index.json lists and ditpipe uses: name → library and class."""
    parts = {name: part for name, part in index.items() if isinstance(part, list) and len(part) == 2}
    return {name: (part[0], part[1]) for name, part in parts.items() if part[0] and name not in NEVER_RUN}
