"""LoRA adapters for the whole picture or for the tokens of a single region.

The model's weights are not changed. Linear layers, and the convolutions of a U-Net, get forward hooks that add nothing
outside `active_loras`. Which LoRAs are active is a context variable, so concurrent renders do not affect each other.
Compiled graphs contain no hooks: while a LoRA is active, compiled modules run uncompiled.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...prompts.errors import RenderError
from .lora_file import read
from .lora_names import DOWN, Converter, by_layer

# (text layer?, sequence length) → weight of the region in each token, (tokens,).
Masks = Mapping[tuple[bool, int], Tensor]
_TEXT = (
    "add_q_proj",
    "add_k_proj",
    "add_v_proj",
    "to_add_out",
    "_context",
    "context_embedder",
    "txt_",
    "perceiver",
    "cross_attention.to_k",
    "cross_attention.to_v",
)


@dataclass(frozen=True, eq=False)
class LoadedLora:
    """A LoRA's weights on the device.

    weights: layer name → (down, up) of shapes (rank, in) and (out, rank), scale included; for convolutions (rank, in,
    height, width) and (out, rank, 1, 1). region: index of the region, None for the whole picture. skipped: the file
    also holds weights for text encoders, which are not used. base: the base model that the file names.
    """

    weights: Mapping[str, tuple[Tensor, Tensor]]
    region: int | None = None
    skipped: bool = False
    base: str = ""


@dataclass(frozen=True)
class ActiveLora:
    """A LoRA in effect. masks: its weight per token; None: every token."""

    lora: LoadedLora
    masks: Masks | None = None

    def also(self, other: ActiveLora) -> ActiveLora:
        """The same LoRA with the masks of both, which differ in sequence length."""
        return self if self.masks is None else ActiveLora(self.lora, {**self.masks, **(other.masks or {})})

    def delta(self, layer: nn.Module, name: str, x: Tensor) -> Tensor | None:
        """The LoRA's addition to the output of a layer for input x; None if it has no weights for the layer."""
        if name not in self.lora.weights:
            return None
        down, up = (matrix.to(x.dtype) for matrix in self.lora.weights[name])
        flat = not isinstance(layer, nn.Conv2d)
        if isinstance(layer, nn.Conv2d):
            out = F.conv2d(F.conv2d(x, down, None, layer.stride, layer.padding), up)
        else:
            out = F.linear(F.linear(x, down), up)
        if self.masks is None:
            return out
        tokens = out.shape[1] if flat else out.shape[2:].numel()
        mask = self.masks.get((any(part in name for part in _TEXT), tokens)) if out.ndim > 2 else None
        if mask is None:  # a layer without token positions, such as the timestep embedding
            return None
        return mask.to(x.dtype).view((-1, 1) if flat else out.shape[2:]) * out


_ACTIVE: ContextVar[tuple[ActiveLora, ...]] = ContextVar("active_loras", default=())
_HOOKS_LOCK = threading.Lock()


@contextmanager
def active_loras(loras: Sequence[ActiveLora]) -> Iterator[None]:
    """Applies these LoRAs inside the block, in this context only."""
    token = _ACTIVE.set(tuple(loras))
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def acts_on(part: str) -> bool:
    """Whether an active LoRA has weights for a layer whose name begins with `part`."""
    return any(name.startswith(part) for active in _ACTIVE.get() for name in active.lora.weights)


def _hook(name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor | None]:
    def add(layer: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        if torch.compiler.is_dynamo_compiling():
            return output
        for active in _ACTIVE.get():
            delta = active.delta(layer, name, args[0])
            output = output if delta is None else output + delta
        return output

    return add


def _run_uncompiled_while_active(module: nn.Module) -> None:
    """Runs a compiled module uncompiled while a LoRA is active: compiled code has no hooks."""
    compiled = module._compiled_call_impl
    if compiled is not None and not hasattr(compiled, "checks_loras"):
        uncompiled: Callable[..., object] = module._call_impl

        def call(*args: object, **kwargs: object) -> object:
            return (uncompiled if _ACTIVE.get() else compiled)(*args, **kwargs)

        call.checks_loras = True  # type: ignore[attr-defined]
        module._compiled_call_impl = call


def _register_hooks(modules: Mapping[str, nn.Module], names: Iterable[str]) -> None:
    """Registers the hooks of the named layers, once per layer; safe to call from several threads."""
    with _HOOKS_LOCK:
        for name in names:
            if not getattr(modules[name], "takes_lora", False):
                setattr(modules[name], "takes_lora", modules[name].register_forward_hook(_hook(name)))
        for module in modules.values():
            _run_uncompiled_while_active(module)


def remove_hooks(model: nn.Module) -> None:
    """Removes the hooks of all LoRAs from a model's layers."""
    with _HOOKS_LOCK:
        for module in model.modules():
            if hook := module.__dict__.pop("takes_lora", None):
                hook.remove()


def load_lora(
    model: nn.Module,
    path: Path,
    *,
    scale: float,
    region: int | None,
    device: torch.device,
    convert: Converter | None = None,
) -> LoadedLora:
    """Reads a safetensors file in the key naming of peft, diffusers, kohya or the model's own code, and registers hooks
    on the layers that it changes.

    convert: the pipeline's key converter in diffusers, for other namings such as kohya's for FLUX. Raises RenderError
    if the file is not a LoRA, does not fit the model, holds non-finite numbers or an unsupported kind of adapter.
    """
    file = read(path, part="unet" if hasattr(model, "mid_block") else "transformer")
    state: dict[str, dict[str, Tensor]] = {}
    alphas: dict[str, float] = {}
    for (name, ending), tensor in by_layer(path, file.tensors, model, convert).items():
        if ending == ".alpha":
            if tensor.numel() != 1:
                raise RenderError(f"{path}: the alpha of {name!r} is not a single number; the file is damaged")
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
        elif isinstance(layer, nn.Conv2d) and hasattr(model, "mid_block"):  # of a U-Net
            shape = layer.weight.shape
        else:
            raise RenderError(f"{path}: {name!r} is not a linear layer; only linear layers take a LoRA here")
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
        raise RenderError(f"{path}: it has no LoRA weights for a {type(model).__name__}")
    _register_hooks(modules, weights)
    return LoadedLora(weights, region, file.skipped, file.base)
