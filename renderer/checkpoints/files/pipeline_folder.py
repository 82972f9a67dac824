"""Reads a folder in diffusers' pipeline format: its model_index.json and its file names. Loads no torch."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from ....prompts.errors import ModelError
from ....prompts.outside_json import JsonObject, parse_json, read_bounded

# Components that ditpipe runs. Others are neither fetched nor loaded, those of NEVER_RUN without a warning.
USED = (
    "scheduler", "text_encoder", "text_encoder_2", "text_encoder_3", "tokenizer", "tokenizer_2", "tokenizer_3",
    "processor", "transformer", "unconditional_transformer", "unet", "vae", "guider", "ocr_guider",
)  # fmt: skip
NEVER_RUN = ("safety_checker", "feature_extractor", "image_encoder", "prompt_enhancer_head")
OPTIONAL = ("text_encoder_3", "tokenizer_3", "guider", "ocr_guider")  # SD 3's T5; HunyuanImage's guidance
# Key prefixes of a component's weights in a single file, by component or class name.
IN_FILE = {
    "vae": ("first_stage_model.", "vae."),
    "text_encoder": ("cond_stage_model.", "conditioner.embedders.0.", "text_encoders.clip_l."),
    "text_encoder_2": ("conditioner.embedders.1.", "text_encoders.clip_g."),
    "T5EncoderModel": ("text_encoders.t5xxl.",),
}
# Vocabulary files of a tokenizer: one of these sets must be complete, or the libraries make an empty vocabulary.
VOCABULARIES = (
    ("tokenizer.json",), ("vocab.json", "merges.txt"), ("vocab.txt",), ("spiece.model",), ("tokenizer.model",)
)  # fmt: skip
HALF = ("fp16", "bf16")  # variants in half precision; others, such as non_ema, are other weights
_POINTER = b"version https://git-lfs.github.com/spec/"
_DIFFUSERS = "diffusion_pytorch_model"
# model.fp16-00001-of-00002.safetensors, or as diffusers wrote it until 2024: model-00001-of-00002.fp16.safetensors
_FILE = re.compile(
    r"(?:model|diffusion_pytorch_model)(?:\.(?P<before>\w+))?(?:-(?P<shard>\d+)-of-(?P<shards>\d+))?"
    r"(?:\.(?P<after>\w+))?\.safetensors"
)


class WeightFile(NamedTuple):
    """A file of weights: its variant (None for full precision) and the number of shards."""

    variant: str | None
    shards: int


def weight_file(name: str) -> WeightFile | None:
    """Parses a file name; None if it is not a file of usable weights."""
    match = _FILE.fullmatch(name)
    if not match:
        return None
    variant = match["before"] or match["after"]
    return WeightFile(variant, int(match["shards"] or 1)) if variant in (None, *HALF) else None


def stored_variants(names: Iterable[str]) -> list[str | None]:
    """Variants whose files are complete in a component's folder, full precision first."""
    files = [file for name in names if (file := weight_file(name))]
    return [variant for variant in (None, *HALF) if any(
        files.count(WeightFile(variant, shards)) >= shards for shards in {file.shards for file in files}
    )]  # fmt: skip


def files_in(folder: Path) -> list[str]:
    """Names of a component's files, without empty files and git-lfs pointers."""
    paths = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    return [path.name for path in paths if _start(path) not in (b"", _POINTER)]


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(_POINTER))


def lacking_files(folder: Path) -> str:
    """Error text for missing shards, shard index or weights of a component; empty if complete."""
    names = files_in(folder)
    files = [file for name in names if (file := weight_file(name))]
    if not files:
        return "no weights: its .safetensors are needed (pickled weights are not read)" + _pulled(folder)
    variants = stored_variants(names)
    if not variants:
        file = max(set(files), key=files.count)
        some = f"only {files.count(file)} of the {file.shards} files of its weights"
        return f"{some}; get the others too{_pulled(folder)}"
    variant = variants[0]
    if WeightFile(variant, 1) in files:
        return ""
    stem = "model" if any(weight_file(name) and name.startswith("model") for name in names) else _DIFFUSERS
    index = f"{stem}.safetensors.index{f'.{variant}' if variant else ''}.json"
    return "" if index in names else f"no {index}, which lists the file of each weight; get it too"


def _pulled(folder: Path) -> str:
    """A hint for folders that contain git-lfs pointers."""
    pointers = folder.is_dir() and any(_start(path) == _POINTER for path in folder.iterdir() if path.is_file())
    return "; some of its files are pointers of git-lfs: `git lfs pull` gets them" if pointers else ""


def check_tokenizer(folder: Path) -> None:
    """Raises ModelError for a tokenizer's folder without a vocabulary or without its settings."""
    names = set(files_in(folder))
    sets = [" and ".join(files) for files in VOCABULARIES]
    bytes_only = "ByT5" in str(_settings(folder).get("tokenizer_class"))  # it needs no vocabulary
    if not bytes_only and not any(names.issuperset(files) for files in VOCABULARIES):
        lacks = f"it lacks a tokenizer's vocabulary ({', or '.join(sets)})"
        raise ModelError(f"{folder}: {lacks}; get the checkpoint again{_pulled(folder)}")
    if "tokenizer_config.json" not in names:
        raise ModelError(f"{folder}: it lacks tokenizer_config.json; get the checkpoint again")


def _settings(folder: Path) -> JsonObject:
    """A tokenizer's settings; empty if they cannot be read, which is reported when it is loaded."""
    try:
        found = parse_json(read_bounded(folder / "tokenizer_config.json"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_index(folder: Path) -> JsonObject:
    """A folder's model_index.json. Raises ModelError if it names no pipeline."""
    try:
        index: JsonObject = parse_json(read_bounded(folder / "model_index.json"))
        return {**index, "_class_name": str(index["_class_name"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{folder}: its model_index.json names no pipeline of diffusers") from error


def listed_components(index: JsonObject) -> dict[str, tuple[str, str]]:
    """The components that a model_index.json lists and ditpipe uses: name → library and class."""
    return {name: part for name, part in _components(index).items() if name in USED}


def other_components(index: JsonObject) -> list[str]:
    """Listed components that ditpipe does not know."""
    return [name for name in _components(index) if name not in (*USED, *NEVER_RUN)]


def _components(index: JsonObject) -> dict[str, tuple[str, str]]:
    """All listed components; absent ones are [null, null] in the file."""
    parts = {name: part for name, part in index.items() if isinstance(part, list) and len(part) == 2}
    return {name: (str(part[0]), str(part[1])) for name, part in parts.items() if part[0] and part[1]}


def weight_names(file: Path) -> list[str]:
    """The names of the weights in a single file. Raises ModelError if none can be read, or if they are a LoRA's."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as weights:
            names = list(weights.keys())
    except (OSError, SafetensorError) as error:
        pointer = file.is_file() and _start(file) == _POINTER
        why = "it is a pointer of git-lfs: `git lfs pull` gets the file" if pointer else str(error).splitlines()[0]
        raise ModelError(f"cannot read {file}: {why}") from error
    if names and all("lora_" in name or ".lora." in name or name.endswith(".alpha") for name in names):
        raise ModelError(f"{file}: this is a LoRA, not a model: give it beside a model, as --lora {file.name}")
    return names


def is_gguf(file: Path) -> bool:
    """Whether a file of weights is in llama.cpp's format, and so holds a transformer alone."""
    return file.suffix.lower() == ".gguf"


def held_in(file: Path, component: str, kind: str) -> bool:
    """Whether nothing of a component is wanted beside this single file of weights."""
    if is_gguf(file):
        return component == "transformer"
    return component in OPTIONAL or in_file(weight_names(file), component, kind)


def in_file(names: Sequence[str], component: str, kind: str) -> bool:
    """Whether a single file with these keys contains a component. It always contains the denoiser."""
    prefixes = IN_FILE.get(kind) or IN_FILE.get(component)
    return prefixes is None or any(name.startswith(prefixes) for name in names)


def scheduler_settings(file: Path, names: Sequence[str]) -> JsonObject:
    """Scheduler settings that a single file declares by marker entries among its weights (v_pred, ztsnr).

    Raises ModelError for an EDM model, for which there is no solver here.
    """
    if edm := [name for name in names if name.startswith("edm_")]:
        raise ModelError(f"{file}: {edm[0]!r} marks an EDM model; no solver here can draw with it")
    settings = {"v_pred": ("prediction_type", "v_prediction"), "ztsnr": ("rescale_betas_zero_snr", True)}
    return dict(setting for name, setting in settings.items() if name in names)
