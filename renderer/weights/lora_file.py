"""Reads LoRA files: safetensors only, with a bounded header. Other kinds of adapters are rejected by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from pydantic_core import SchemaError, SchemaValidator, core_schema
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...prompts.errors import RenderError
from ...prompts.outside_json import JsonObject, parse_json, read_bounded

MOST_PATTERNS = 10_000  # a LoRA of all of FLUX's layers has 500
LONGEST_EXPRESSIONS = 10_000  # characters, of all patterns that are not plain names
LARGEST_HEADER = 2**24  # bytes; a LoRA of all of FLUX's layers has 0.3 MB of names
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")
# Weights for text encoders, which are not used.
TEXT = ("text_encoder", "lora_te", "te1.", "te2.", "te3.")
# Part of a key → kind of adapter.
KINDS = {
    ".hada_": "LoHa", ".lokr_": "LoKr", ".dora_scale": "DoRA", ".lora_magnitude_vector": "DoRA",
    ".lora_mid.": "LoCon with a Tucker decomposition", ".boft_": "BOFT", ".oft_": "OFT", ".ia3_": "(IA)³",
    ".on_input": "(IA)³", ".vera_lambda": "VeRA", ".lora_E": "AdaLoRA", ".a1.weight": "GLoRA", ".b1.weight": "GLoRA",
    ".w_norm": "LyCORIS with norms", ".diff": "LyCORIS with full differences", ".lora_B.bias": "LoRA with biases",
    ".lora_embedding": "LoRA of embeddings", "ip_adapter": "IP-Adapter", "image_proj.": "IP-Adapter",
    "controlnet_": "ControlNet", "emb_params": "textual inversion",
}  # fmt: skip
# Unsupported settings of peft, and the values with which they have no effect.
_UNSUPPORTED: dict[str, tuple[object, ...]] = {
    "use_dora": (None, False), "lora_bias": (None, False), "bias": (None, "none"), "modules_to_save": (None, []),
}  # fmt: skip
# Keys under which trainers name the base model: peft in its settings, kohya in the file's metadata.
_BASE = ("base_model_name_or_path", "modelspec.architecture", "ss_base_model_version", "ss_sd_model_name")


_PLAIN = re.compile(r"[\w.-]+")


@lru_cache(maxsize=MOST_PATTERNS)
def _matcher(pattern: str) -> Callable[[str], bool]:
    """peft's matching of a layer name by a pattern: a name or a regular expression for the whole name or its end after
    a dot.

    Expressions come from untrusted files, so they are matched by Rust's engine, in time linear in the name's length.
    Raises ValueError for an expression that the engine does not accept.
    """
    if _PLAIN.fullmatch(pattern):
        return lambda name: name == pattern or name.endswith(f".{pattern}")
    whole = core_schema.str_schema(pattern=rf"^(.*\.)?({pattern})$", regex_engine="rust-regex")
    try:
        return SchemaValidator(whole).isinstance_python
    except SchemaError as error:
        raise ValueError(pattern) from error


@dataclass(frozen=True)
class LoraFile:
    """A parsed file. tensors: weights of the image model. config: peft's settings. skipped: there are also weights for
    text encoders. base: the base model, as the file names it.
    """

    tensors: Mapping[str, Tensor]
    config: JsonObject
    skipped: bool
    base: str

    def scale(self, name: str, rank: int) -> float:
        """peft's scale of a layer's LoRA: alpha / rank, or alpha / √rank for rank-stabilized LoRA."""
        patterns = self.config.get("alpha_pattern") or {}
        own = (patterns[pattern] for pattern in patterns if _matcher(pattern)(name))
        alpha = next(own, self.config.get("lora_alpha"))
        if alpha is None:
            return 1.0
        return float(alpha) / (rank**0.5 if self.config.get("use_rslora") else rank)


def read(path: Path, *, part: str) -> LoraFile:
    """Reads the weights for one component of the pipeline, 'transformer' or 'unet'.

    Raises RenderError with one line if the file is not safetensors or not a LoRA, holds non-finite numbers, or has
    settings that are not supported.
    """
    _bounded(path)
    try:
        with safe_open(path, "pt") as file:
            names = list(file.keys())
            tensors = {key: file.get_tensor(key) for key in names if not key.startswith(TEXT)}
            metadata = file.metadata() or {}
    except (OSError, SafetensorError, ValueError) as error:
        raise RenderError(f"{path}: not a safetensors file that can be read") from error
    for key, tensor in list(tensors.items()):
        kind = next((kind for mark, kind in KINDS.items() if mark in key), None)
        if kind and ".diff" in key and not tensor.any():
            del tensors[key]  # some trainers write untrained differences
        elif kind:
            raise RenderError(f"{path}: this is a {kind} ({key!r}); only plain LoRA is read here")
        elif not torch.isfinite(tensor.float()).all():
            raise RenderError(
                f"{path}: {key!r} holds numbers that are not finite (NaN or infinite): its training went wrong, or the "
                "file is damaged; use another one"
            )
    config = _config(path, metadata.get("lora_adapter_metadata"), part)
    base = " ".join(str(value) for key in _BASE if (value := config.get(key) or metadata.get(key)))
    return LoraFile(tensors, config, len(tensors) < len(names), base)


def _bounded(path: Path) -> None:
    """Raises RenderError for a pickle and for a header larger than any LoRA's."""
    pickled = f"{path}: a pickle, which may run code when it is opened, is not read: get it as a .safetensors file"
    if path.suffix.lower() in PICKLES:
        raise RenderError(pickled)
    try:
        with path.open("rb") as file:
            start = file.read(8)
        length, size = int.from_bytes(start, "little"), path.stat().st_size
    except OSError as error:
        raise RenderError(f"{path}: not a safetensors file that can be read") from error
    if len(start) < 8 or length > min(size - 8, LARGEST_HEADER):
        # torch.save writes a ZIP archive, before 1.6 a pickle that begins with its protocol number
        is_pickle = start[:2] == b"PK" or (start[:1] == b"\x80" and start[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"))
        raise RenderError(pickled if is_pickle else f"{path}: not a safetensors file that can be read")


def _config(path: Path, stored: str | None, part: str) -> JsonObject:
    """peft's settings for a component: from the file's metadata, else from `adapter_config.json` beside it.

    Raises RenderError if they cannot be read or are not supported.
    """
    beside = path.with_name("adapter_config.json")
    try:
        settings = parse_json(stored or "{}") or parse_json(read_bounded(beside) if beside.is_file() else "{}")
        # diffusers prefixes settings by component ('transformer.lora_alpha'), peft does not
        own = [key for key in settings if key.startswith(f"{part}.") or "." not in key]
        config = {key.removeprefix(f"{part}."): settings[key] for key in own}
        _check_patterns(config)
    except (OSError, ValueError, TypeError, AttributeError) as error:
        where = "lora_adapter_metadata in it, or adapter_config.json beside it"
        raise RenderError(f"{path}: its settings cannot be read ({where})") from error
    for key, neutral in _UNSUPPORTED.items():
        if config.get(key) not in neutral:
            raise RenderError(f"{path}: it was trained with {key}={config[key]!r}, which is not supported here")
    return config


def _check_patterns(config: JsonObject) -> None:
    """Raises ValueError or TypeError for alphas that are not numbers, and for patterns that are not accepted."""
    patterns = config.get("alpha_pattern") or {}
    expressions = [pattern for pattern in patterns if not _PLAIN.fullmatch(pattern)]
    if len(patterns) > MOST_PATTERNS or sum(map(len, expressions)) > LONGEST_EXPRESSIONS or "{" in "".join(expressions):
        raise ValueError("alpha_pattern")
    for pattern, alpha in patterns.items():
        float(alpha)
        _matcher(pattern)
    float(config.get("lora_alpha") or 0)
