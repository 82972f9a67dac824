"""LoRA: low-rank weights beside a model's own, for the whole picture or for one region's tokens alone.

The model is not changed. Its linear layers, and a U-Net's convolutions, get hooks, which add nothing outside of `worn`;
what is worn is a matter of the running render (a context variable), so that renders beside each other do not see each
other's. Compiled code has no hooks in it: while a LoRA acts, what is compiled computes as if it were not.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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
from ..prompts.outside_json import parse_json

# The share of a region in every token, (tokens,), of sequences of the lengths that occur; text layers have their own.
Masks = Mapping[tuple[bool, int], Tensor]
# The last two are kohya's and OneTrainer's, who then write the layer's name with '_' for '.'.
PREFIXES = ("base_model.model.", "transformer.", "unet.", "diffusion_model.", "lora_unet_", "lora_transformer_")
DOWN = (".lora_A.weight", ".lora_A.default.weight", ".lora_down.weight", ".lora.down.weight")
UP = (".lora_B.weight", ".lora_B.default.weight", ".lora_up.weight", ".lora.up.weight")
# SDXL's layers in the names of its own code, which kohya's have, once diffusers has numbered the blocks anew.
_SGM = {
    "input_blocks": "down_blocks", "middle_block": "mid_block", "output_blocks": "up_blocks", "in_layers_2": "conv1",
    "out_layers_3": "conv2", "emb_layers_1": "time_emb_proj", "skip_connection": "conv_shortcut", "_op.": "_conv.",
}  # fmt: skip
_SGM_BLOCKS = ("lora_unet_input_blocks", "lora_unet_middle_block", "lora_unet_output_blocks")
# peft's settings that change what a LoRA adds and that are not read, and the values of each that change nothing.
_UNREAD: dict[str, tuple[Any, ...]] = {
    "use_dora": (None, False), "lora_bias": (None, False), "bias": (None, "none"), "modules_to_save": (None, []),
}  # fmt: skip
_TEXT = ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out", "_context", "context_embedder")


@dataclass(frozen=True, eq=False)
class LoadedLora:
    """weights: name of a layer → (down (rank, in), up (out, rank)), scales included. region: its index.

    A convolution's are (rank, in, height, width) and (out, rank, 1, 1).
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


_WORN: ContextVar[tuple[Worn, ...]] = ContextVar("worn", default=())
_READYING = threading.Lock()


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
                modules[name].register_forward_hook(_hook(name))
                modules[name].takes_lora = True
        for module in modules.values():
            _compiled_unless_worn(module)


def load_lora(
    model: nn.Module, path: Path, *, scale: float, region: int | None, device: torch.device, convert: Any = None
) -> LoadedLora:
    """Reads a safetensors file in peft's, diffusers' or kohya's naming and readies the layers for being worn.

    convert: diffusers' reader for the pipeline, for files in other namings, such as kohya's of FLUX. Raises RenderError
    if the file is none, does not fit the model, or has more in it than a LoRA that is read here.
    """
    state, alphas, config, skipped = _read(path, model, convert)
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
        if (up.shape[:1], up.shape[1:].numel(), down.shape[1:].numel()) != (shape[:1], rank, shape[1:].numel()):
            raise RenderError(f"{path}: {name!r} has another shape in this model; the LoRA was made for another one")
        down, up = down.reshape(rank, *shape[1:]), up.reshape(shape[0], rank, *(1 for _ in shape[2:]))
        own = scale * (alphas[name] / rank if name in alphas else _scale(config, name, rank))
        weights[name] = (down.to(device, dtype), (own * up.float()).to(device, dtype))
    if not weights:
        raise RenderError(f"{path}: there is no LoRA of a {type(model).__name__} in it")
    _readied(modules, weights)
    return LoadedLora(weights, region, skipped)


def _read(
    path: Path, model: nn.Module, convert: Any
) -> tuple[dict[str, dict[str, Tensor]], dict[str, float], dict[str, Any], bool]:
    """Layer → its matrices, layer → its alpha, peft's settings, and whether text encoders' were left out."""
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            tensors = {key: file.get_tensor(key) for key in names if not key.startswith(("text_encoder", "lora_te"))}
            told = (file.metadata() or {}).get("lora_adapter_metadata")
    except (OSError, SafetensorError, ValueError) as error:
        raise RenderError(f"{path}: not a safetensors file that can be read") from error
    config = _config(path, told, "unet" if hasattr(model, "mid_block") else "transformer")
    state: dict[str, dict[str, Tensor]] = {}
    alphas: dict[str, float] = {}
    for (name, ending), tensor in _named(path, tensors, model, convert).items():
        if ending == ".alpha":
            alphas[name] = float(tensor)
        else:
            state.setdefault(name, {})["down" if ending in DOWN else "up"] = tensor
    return state, alphas, config, len(tensors) < len(names)


def _config(path: Path, told: str | None, part: str) -> dict[str, Any]:
    """peft's settings for a part of the pipeline: what the file was told, else the `adapter_config.json` beside it.

    Raises RenderError if they cannot be read, or ask for what is not read here.
    """
    beside = path.with_name("adapter_config.json")
    try:
        read = parse_json(told or "{}") or parse_json(beside.read_bytes() if beside.is_file() else "{}")
        # diffusers writes one set for each part, 'transformer.lora_alpha' beside 'text_encoder.lora_alpha'; peft none
        own = [key for key in read if key.startswith(f"{part}.") or "." not in key]
        config = {key.removeprefix(f"{part}."): read[key] for key in own}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        where = "lora_adapter_metadata in it, or adapter_config.json beside it"
        raise RenderError(f"{path}: its settings cannot be read ({where})") from error
    for key, usual in _UNREAD.items():
        if config.get(key) not in usual:
            raise RenderError(f"{path}: it was trained with {key}={config[key]!r}, which is not read here")
    return config


def _scale(config: Mapping[str, Any], name: str, rank: int) -> float:
    """What peft multiplies a layer's LoRA with: alpha / rank, or with rank-stabilized LoRA alpha / √rank."""
    patterns = config.get("alpha_pattern") or {}
    alpha = next((patterns[one] for one in patterns if re.match(rf"(.*\.)?({one})$", name)), config.get("lora_alpha"))
    if alpha is None:
        return 1.0
    return float(alpha) / (rank**0.5 if config.get("use_rslora") else rank)


def _named(path: Path, tensors: dict[str, Tensor], model: nn.Module, convert: Any) -> dict[tuple[str, str], Tensor]:
    """The tensors by the name of their layer in this model, and the ending that says what they are."""
    layers = {name.replace(".", "_"): name for name, _ in model.named_modules()}

    def split(key: str) -> tuple[str, str]:
        ending = next((one for one in (*DOWN, *UP, ".alpha") if key.endswith(one)), "")
        name = key.removesuffix(ending)
        for prefix in PREFIXES:
            name = name.removeprefix(prefix)
        return layers.get(name, name), ending

    try:
        if hasattr(model, "mid_block") and any(key.startswith(_SGM_BLOCKS) for key in tensors):
            from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers

            tensors = _maybe_map_sgm_blocks_to_diffusers(dict(tensors), model.config)
            for theirs, ours in _SGM.items():
                tensors = {key.replace(theirs, ours): tensor for key, tensor in tensors.items()}
        elif convert and not any("dora_scale" in key or split(key)[0] in layers.values() for key in tensors):
            converted = convert(dict(tensors))
            tensors = converted[0] if isinstance(converted, tuple) else converted
    except Exception as error:  # diffusers' readers have their own for every file that they do not know
        raise RenderError(f"{path}: no LoRA of a {type(model).__name__} can be read from it") from error
    for key in tensors:
        if not split(key)[1]:
            raise RenderError(f"{path}: {key!r} is no part of a LoRA in peft's, diffusers' or kohya's naming")
    return {split(key): tensor for key, tensor in tensors.items()}
