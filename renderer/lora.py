"""LoRA: low-rank weights beside a model's own, for the whole picture or for one region's tokens alone.

The model is not changed. Its linear layers get hooks, which add nothing outside of `worn`; what is worn is a matter of
the running render (a context variable), so that renders beside each other do not see each other's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..prompts.errors import RenderError

# The share of a region in every token, (tokens,), of sequences of the lengths that occur; text layers have their own.
Masks = Mapping[tuple[bool, int], Tensor]
PREFIXES = ("base_model.model.", "transformer.", "unet.", "diffusion_model.")
DOWN = (".lora_A.weight", ".lora_A.default.weight", ".lora_down.weight", ".lora.down.weight")
UP = (".lora_B.weight", ".lora_B.default.weight", ".lora_up.weight", ".lora.up.weight")
_TEXT = ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out", "_context", "context_embedder")


@dataclass(frozen=True, eq=False)
class LoadedLora:
    """weights: name of a linear layer → (down (rank, in), up (out, rank)), scales included. region: its index.

    skipped: the file also holds weights for text encoders, which are not used.
    """

    weights: Mapping[str, tuple[Tensor, Tensor]]
    region: int | None = None
    skipped: bool = False


@dataclass(frozen=True)
class Worn:
    """A LoRA that acts now. `masks` None: on every token."""

    lora: LoadedLora
    masks: Masks | None = None

    def also(self, other: Worn) -> Worn:
        """The same LoRA, for sequences of the lengths of either."""
        return self if self.masks is None else Worn(self.lora, {**self.masks, **(other.masks or {})})

    def added(self, name: str, x: Tensor) -> Tensor | None:
        """What it adds to the output of a layer for the input x, or None."""
        if name not in self.lora.weights:
            return None
        down, up = self.lora.weights[name]
        if self.masks is None:
            return F.linear(F.linear(x, down.to(x.dtype)), up.to(x.dtype))
        mask = self.masks.get((any(part in name for part in _TEXT), x.shape[1])) if x.ndim == 3 else None
        if mask is None:  # a layer of the whole picture, such as the one that reads the timestep
            return None
        return mask.to(x.dtype)[:, None] * F.linear(F.linear(x, down.to(x.dtype)), up.to(x.dtype))


_WORN: ContextVar[tuple[Worn, ...]] = ContextVar("worn", default=())


@contextmanager
def worn(each: Sequence[Worn]) -> Iterator[None]:
    """While it lasts, and in this thread, the given LoRAs act."""
    token = _WORN.set(tuple(each))
    try:
        yield
    finally:
        _WORN.reset(token)


def acts_on(part: str) -> bool:
    """Whether a LoRA that acts now has weights for a layer in the part of the model with that name."""
    return any(name.startswith(part) for one in _WORN.get() for name in one.lora.weights)


def _hook(name: str) -> Callable[[Any, tuple[Any, ...], Tensor], Tensor | None]:
    def add(_: Any, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
        for one in _WORN.get():
            added = one.added(name, args[0])
            output = output if added is None else output + added
        return output

    return add


def load_lora(
    model: nn.Module, path: Path, *, scale: float, region: int | None, device: torch.device, convert: Any = None
) -> LoadedLora:
    """Reads a safetensors file of peft or diffusers and readies the model's layers that it names for being worn.

    convert: diffusers' reader for the pipeline, for files in other trainers' naming. Raises RenderError if the file is
    none, or does not fit the model.
    """
    state, alphas, shared, skipped = _read(path, convert)
    modules, weights = dict(model.named_modules()), {}
    dtype = next(model.parameters()).dtype
    for name in sorted(state):
        layer = modules.get(name)
        down, up = state[name].get("down"), state[name].get("up")
        if layer is None or down is None or up is None:
            raise RenderError(f"{path}: this model has no layer {name!r}; the LoRA was made for another one")
        if not hasattr(layer, "in_features") or down.ndim != 2:
            raise RenderError(f"{path}: {name!r} is no linear layer; only linear layers take a LoRA here")
        if (layer.out_features, layer.in_features) != (up.shape[0], down.shape[1]):
            raise RenderError(f"{path}: {name!r} has another shape in this model; the LoRA was made for another one")
        rank = len(down)
        alpha = alphas.get(name, shared if shared is not None else rank)
        weights[name] = (down.to(device, dtype), (scale * alpha / rank * up.float()).to(device, dtype))
        if not getattr(layer, "takes_lora", False):
            layer.register_forward_hook(_hook(name))
            layer.takes_lora = True
    if not weights:
        raise RenderError(f"{path}: there is no LoRA of a {type(model).__name__} in it")
    return LoadedLora(weights, region, skipped)


def _read(path: Path, convert: Any) -> tuple[dict[str, dict[str, Tensor]], dict[str, float], float | None, bool]:
    """Layer → its matrices, layer → its alpha, the alpha of all others, and whether text encoders' were left out."""
    try:
        with safe_open(path, "pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            told = json.loads((file.metadata() or {}).get("lora_adapter_metadata", "{}"))
    except (OSError, SafetensorError, ValueError) as error:
        raise RenderError(f"{path}: not a safetensors file that can be read") from error
    if convert and not any(key.endswith(DOWN) and key.startswith(PREFIXES) for key in tensors):
        converted = convert(tensors)
        tensors = converted[0] if isinstance(converted, tuple) else converted
    beside = path.with_name("adapter_config.json")
    if not told and beside.is_file():
        told = json.loads(beside.read_text(encoding="utf-8"))
    shared = next((value for key, value in told.items() if key.split(".")[-1] == "lora_alpha"), None)
    state: dict[str, dict[str, Tensor]] = {}
    alphas: dict[str, float] = {}
    skipped = False
    for key, tensor in tensors.items():
        name = key
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        if key.startswith(("text_encoder", "lora_te")):
            skipped = True
            continue
        if name.endswith(".alpha"):
            alphas[name.removesuffix(".alpha")] = float(tensor)
            continue
        ending = next((one for one in (*DOWN, *UP) if name.endswith(one)), None)
        if ending is None:
            raise RenderError(f"{path}: {key!r} is no part of a LoRA in peft's or diffusers' naming")
        state.setdefault(name.removesuffix(ending), {})["down" if ending in DOWN else "up"] = tensor
    return state, alphas, shared, skipped
