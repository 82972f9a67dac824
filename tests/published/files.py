"""Writes configuration and weight files under the names that the libraries give them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

Config = dict[str, Any]
Tensors = dict[str, Tensor]


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_weights(
    folder: Path, stem: str, tensors: Tensors, *, variant: str | None = None, shards: int = 1
) -> None:  # fmt: skip
    """Safetensors as the libraries name them: model.fp16-00001-of-00002.safetensors and its index, for example."""
    if variant:
        dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[variant]
        tensors = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
    folder.mkdir(parents=True, exist_ok=True)
    base = f"{stem}.{variant}" if variant else stem
    if shards == 1:
        save_file(tensors, folder / f"{base}.safetensors", metadata={"format": "pt"})
        return
    names = list(tensors)
    where: dict[str, str] = {}
    for i in range(shards):
        file = f"{base}-{i + 1:05}-of-{shards:05}.safetensors"
        part = names[i * len(names) // shards : (i + 1) * len(names) // shards]
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(part, file)
    size = sum(value.nbytes for value in tensors.values())
    index = f"{stem}.safetensors.index.{variant}.json" if variant else f"{stem}.safetensors.index.json"
    write_json(folder / index, {"metadata": {"total_size": size}, "weight_map": where})


def write_model(
    folder: Path, config: Config, tensors: Tensors, *, variants: tuple[str | None, ...] = (None,), shards: int = 1
) -> None:  # fmt: skip
    """A component with weights: config.json and its files in each variant; None is the one of full size."""
    write_json(folder / "config.json", config)
    stem = "diffusion_pytorch_model" if "_class_name" in config else "model"
    for variant in variants:
        write_weights(folder, stem, tensors, variant=variant, shards=shards)
