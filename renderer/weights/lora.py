"""LoRA: low-rank weights beside a model's own, for the whole picture or for one region's tokens alone.

The model is not changed. Its linear layers, and a U-Net's convolutions, get hooks, which add nothing outside of `worn`;
what is worn is a matter of the running render (a context variable), so that renders beside each other do not see each
other's. Compiled code has no hooks in it: while a LoRA acts, what is compiled computes as if it were not.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...prompts.errors import RenderError
from .lora_file import read
from .lora_names import DOWN, by_layer

# The share of a region in every token, (tokens,), of sequences of the lengths that occur; text layers have their own.
Masks = Mapping[tuple[bool, int], Tensor]
_TEXT = ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out", "_context", "context_embedder")


@dataclass(frozen=True, eq=False)
class LoadedLora:
    """weights: name of a layer → (down (rank, in), up (out, rank)), scales included. region: its index.

    A convolution's are (rank, in, height, width) and (out, rank, 1, 1).
    skipped: the file also holds weights for text encoders, which are not used. base: what the file says of the model
    that it was trained for.
    """

    weights: Mapping[str, tuple[Tensor, Tensor]]
    region: int | None = None
    skipped: bool = False
    base: str = ""


@dataclass(frozen=True)
class ActiveLora:
    """A LoRA that acts now. `masks` None: on every token."""

    lora: LoadedLora
    masks: Masks | None = None

    def also(self, other: ActiveLora) -> ActiveLora:
        """The same LoRA, for sequences of the lengths of either."""
        return self if self.masks is None else ActiveLora(self.lora, {**self.masks, **(other.masks or {})})

    def added(self, layer: Any, name: str, x: Tensor) -> Tensor | None:
        """What it adds to the output of a layer for the input x, or None."""
        if name not in self.lora.weights:
            return None
        down, up = (one.to(x.dtype) for one in self.lora.weights[name])
        flat = down.ndim == 2
        if flat:
            out = F.linear(F.linear(x, down), up)
        else:
            out = F.conv2d(F.conv2d(x, down, None, layer.stride, layer.padding), up)
        if self.masks is None:
            return out
        tokens = out.shape[1] if flat else out.shape[2:].numel()
        mask = self.masks.get((any(part in name for part in _TEXT), tokens)) if out.ndim > 2 else None
        if mask is None:  # a layer of the whole picture, such as the one that reads the timestep
            return None
        return mask.to(x.dtype).view((-1, 1) if flat else out.shape[2:]) * out


_WORN: ContextVar[tuple[ActiveLora, ...]] = ContextVar("worn", default=())
_READYING = threading.Lock()


@contextmanager
def active_loras(each: Sequence[ActiveLora]) -> Iterator[None]:
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
    def add(layer: Any, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
        if torch.compiler.is_dynamo_compiling():
            return output
        for one in _WORN.get():
            added = one.added(layer, name, args[0])
            output = output if added is None else output + added
        return output

    return add


def _compiled_unless_worn(module: Any) -> None:
    """Has a compiled module compute uncompiled while a LoRA acts: hooks are not looked for again in compiled code."""
    compiled = module._compiled_call_impl
    if compiled is not None and not hasattr(compiled, "unless_worn"):

        def call(*args: Any, **kwargs: Any) -> Any:
            return (module._call_impl if _WORN.get() else compiled)(*args, **kwargs)

        call.unless_worn = True  # type: ignore[attr-defined]
        module._compiled_call_impl = call


def _readied(modules: Mapping[str, Any], names: Iterable[str]) -> None:
    """Gives the named layers their hooks, each one only, whichever threads ask for it and how often."""
    with _READYING:
        for name in names:
            if not getattr(modules[name], "takes_lora", False):
                modules[name].takes_lora = modules[name].register_forward_hook(_hook(name))
        for module in modules.values():
            _compiled_unless_worn(module)


def remove_hooks(model: nn.Module) -> None:
    """Takes the hooks of all LoRAs off a model's layers."""
    with _READYING:
        for module in model.modules():
            if hook := module.__dict__.pop("takes_lora", None):
                hook.remove()


def load_lora(
    model: nn.Module, path: Path, *, scale: float, region: int | None, device: torch.device, convert: Any = None
) -> LoadedLora:
    """Reads a safetensors file in the naming of peft, diffusers, kohya or the model's own code, and readies the layers
    for being worn.

    convert: diffusers' reader for the pipeline, for files in other namings, such as kohya's of FLUX. Raises RenderError
    if the file is none, does not fit the model, holds numbers that are not finite, or more than a LoRA that is read
    here.
    """
    file = read(path, part="unet" if hasattr(model, "mid_block") else "transformer")
    state: dict[str, dict[str, Tensor]] = {}
    alphas: dict[str, float] = {}
    for (name, ending), tensor in by_layer(path, file.tensors, model, convert).items():
        if ending == ".alpha":
            if tensor.numel() != 1:
                raise RenderError(f"{path}: the alpha of {name!r} is no single number; the file is damaged")
            alphas[name] = float(tensor)
        else:
            state.setdefault(name, {})["down" if ending in DOWN else "up"] = tensor
    modules, weights = dict(model.named_modules()), {}
    dtype = next(model.parameters()).dtype
    for name in sorted(state):
        layer = modules.get(name)
        down, up = state[name].get("down"), state[name].get("up")
        if layer is None or down is None or up is None:
            raise RenderError(f"{path}: this model has no layer {name!r}; the LoRA was made for another one")
        if hasattr(layer, "in_features"):
            shape = torch.Size([layer.out_features, layer.in_features])
        elif isinstance(layer, nn.Conv2d) and hasattr(model, "mid_block"):  # a U-Net's
            shape = layer.weight.shape
        else:
            raise RenderError(f"{path}: {name!r} is no linear layer; only linear layers take a LoRA here")
        rank = down.shape[:1].numel()
        fits = (up.shape[:1], up.shape[1:].numel(), down.shape[1:].numel()) == (shape[:1], rank, shape[1:].numel())
        if not fits or not rank:
            raise RenderError(f"{path}: {name!r} has another shape in this model; the LoRA was made for another one")
        down, up = down.reshape(rank, *shape[1:]), up.reshape(shape[0], rank, *(1 for _ in shape[2:]))
        own = scale * (alphas[name] / rank if name in alphas else file.scale(name, rank))
        weights[name] = (down.to(device, dtype), (own * up.float()).to(device, dtype))
        if not all(torch.isfinite(matrix).all() for matrix in weights[name]):
            raise RenderError(f"{path}: the weights of {name!r} are too large for {dtype}: try a smaller scale")
    if not weights:
        raise RenderError(f"{path}: there is no LoRA of a {type(model).__name__} in it")
    _readied(modules, weights)
    return LoadedLora(weights, region, file.skipped, file.base)
