"""Loads a pipeline from a folder in diffusers' format, and checks that every weight came from a file.

Each component is loaded by its own library's class. Both libraries fill missing weights with random numbers and only
warn, so their loading reports are checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import torch
from torch import nn

from ...prompts.errors import ModelError, first_line
from ...prompts.outside_json import JsonObject
from ..weights.offload import is_out_of_memory
from .files.gguf_file import DENOISER, load_gguf
from .files.pipeline_folder import (
    NEVER_RUN,
    OPTIONAL,
    USED,
    check_tokenizer,
    files_in,
    in_file,
    is_gguf,
    lacking_files,
    listed_components,
    other_components,
    read_index,
    scheduler_settings,
    stored_variants,
    weight_names,
)
from .processors import PROCESSORS
from .supported import check_quantization

if TYPE_CHECKING:
    from diffusers.pipelines.pipeline_utils import DiffusionPipeline

# Weights that a file may lack without effect: position ids and BERT's pooling layer.
UNUSED_WEIGHTS = ("position_ids", "pooler.")


class ModelClass(Protocol):
    """Loading interface shared by the model classes of diffusers and transformers."""

    def from_pretrained(self, path: str, **options: object) -> tuple[nn.Module, JsonObject]: ...
    def load_config(self, path: str, *, subfolder: str) -> JsonObject: ...
    def from_config(self, config: JsonObject) -> nn.Module: ...


def load_pipeline(
    folder: Path, dtype: torch.dtype, *, file: Path | None = None
) -> tuple[DiffusionPipeline, tuple[str, ...]]:
    """Loads a folder's pipeline, or a single file of weights with the folder's configuration; also returns warnings.
    Components that the file lacks come from the folder: beside a GGUF file all but the transformer.

    Raises ModelError if a component is missing, lacks weights or has weights of wrong shapes; else whatever the
    libraries raise.
    """
    import diffusers

    index = read_index(folder)
    quantized, file = (file, None) if file and is_gguf(file) else (None, file)
    pipeline: type[DiffusionPipeline] | None = getattr(diffusers, index["_class_name"], None)
    if pipeline is None:
        here, name = diffusers.__version__, index["_class_name"]
        raise ModelError(f"{folder} needs a newer diffusers than {here}, which has no {name}: pip install -U diffusers")
    parts, notes = listed_components(index), []
    if (index.get("safety_checker") or [None])[0]:
        notes.append("this checkpoint's safety checker is not run")
    notes += [f"this checkpoint's {name!r} is not used" for name in other_components(index)]
    expected = signature(pipeline.__init__).parameters
    _check_listed(folder, parts, expected)
    if quantized and DENOISER not in parts:
        raise ModelError(f"{quantized.name}: a GGUF file holds a transformer, and {folder} is a model without one")
    if file and not hasattr(pipeline, "from_single_file"):
        raise ModelError(f"{file}: no single files are read with a {pipeline.__name__}, which {folder} configures")
    names = weight_names(file) if file else []
    settings = scheduler_settings(file, names) if file else {}
    if "text_encoder_3" in parts and not _has_t5(folder, parts["text_encoder_3"][1], file, names):
        parts = {name: part for name, part in parts.items() if name not in OPTIONAL}
        notes.append(f"{(file or folder).name} holds no T5: prompts are read by CLIP alone")
    for name in parts:
        if name.startswith(("tokenizer", "processor")):
            check_tokenizer(folder / name)
        elif file is None and not (quantized and name == DENOISER):
            check_quantization(folder / name)
    components: dict[str, object] = {}
    processors: dict[str, object] = {}
    for name, (library, kind) in parts.items():
        if kind in PROCESSORS:
            processors[name] = PROCESSORS[kind](folder / name)
            continue
        cls = model_class(library, kind, where=folder)
        is_model = isinstance(cls, type) and issubclass(cls, nn.Module)
        if not is_model or (file and in_file(names, name, kind)):
            continue
        if quantized and name == DENOISER:
            components[name] = model = load_gguf(quantized, folder, cls, dtype)
            _check(name, quantized, missing=_unfilled(model))
            continue
        components[name] = load_component(cls, folder / name, dtype, of=file)
    # Passed as None: diffusers would load them, or report them as missing.
    absent = [name for name in (*NEVER_RUN, *OPTIONAL) if name in expected and name not in parts]
    components = dict.fromkeys([*absent, *processors]) | components
    if "requires_safety_checker" in expected:
        components["requires_safety_checker"] = False
    if file:
        pipe = _from_single_file(pipeline, file, folder, dtype, components)
        if settings:
            pipe.scheduler = type(pipe.scheduler).from_config(pipe.scheduler.config, **settings)
    else:
        pipe = pipeline.from_pretrained(
            str(folder), dtype=dtype, local_files_only=True, use_safetensors=True, **components
        )  # fmt: skip
    pipe.register_modules(**processors)
    return pipe, tuple(notes)


def load_component(cls: ModelClass, folder: Path, dtype: torch.dtype, *, of: Path | None = None) -> nn.Module:
    """Loads one component; of several stored variants the one in full precision.

    of: the single file that lacks this component, for the error. Raises ModelError as `load_pipeline`.
    """
    if lacking := lacking_files(folder):
        raise ModelError(f"{f'{of} has no {folder.name}, and ' if of else ''}{folder} has {lacking}")
    variants = stored_variants(files_in(folder))
    try:
        model, report = cls.from_pretrained(
            str(folder), dtype=dtype, variant=variants[0], use_safetensors=True, output_loading_info=True,
            ignore_mismatched_sizes=True, local_files_only=True,
        )  # fmt: skip
    except ModelError:
        raise
    except Exception as error:  # a broken file; the libraries have no common class for it
        if is_out_of_memory(error):
            raise
        raise ModelError(f"cannot read {folder}: {first_line(error)}") from error
    # diffusers trusts the index of sharded files: weights that no shard holds stay on the meta device.
    _check(folder.name, folder, missing={*report["missing_keys"], *_unfilled(model)}, misfits=report["mismatched_keys"])
    return model


def _from_single_file(
    pipeline: type[DiffusionPipeline], file: Path, folder: Path, dtype: torch.dtype, components: dict[str, object]
) -> DiffusionPipeline:
    """Loads a single file with diffusers' reader, and checks for missing weights, which that reader does not."""
    try:
        pipe: DiffusionPipeline = getattr(pipeline, "from_single_file")(
            str(file), config=str(folder), dtype=dtype, local_files_only=True, **components
        )  # fmt: skip
    except Exception as error:
        if not is_out_of_memory(error):
            _find_fault(file, folder, components)
        if isinstance(error, KeyError | IndexError):  # of a converter
            lacks = f"it lacks {error.args[0]}" if isinstance(error, KeyError) else "it cannot be read as such a model"
            raise ModelError(
                f"{file}: {lacks}; give the folder that configures this model ({folder} may not), or get the file again"
            ) from error
        if isinstance(error, ValueError):  # CLIP's shapes; what follows is advice to programmers
            raise ModelError(f"{file}: {first_line(error).partition('. If you want')[0]}") from error
        raise
    for name, part in pipe.components.items():
        if isinstance(part, nn.Module):
            part.eval()  # T5 is loaded with dropout on,
            if callable(tie := getattr(part, "tie_weights", None)):
                tie()  # and its token embeddings under two names, only one of them filled
            _check(name, file, missing=_unfilled(part))
    return pipe


def _find_fault(file: Path, folder: Path, components: Mapping[str, object]) -> None:
    """Raises ModelError if a model's weights in the file do not match its configuration."""
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES
    from safetensors.torch import load_file

    readers = cast("Mapping[str, Mapping[str, Callable[..., dict[str, torch.Tensor]]]]", SINGLE_FILE_LOADABLE_CLASSES)
    for name, (library, kind) in listed_components(read_index(folder)).items():
        if name in components or kind not in readers:
            continue
        cls = model_class(library, kind, where=folder)
        config = cls.load_config(str(folder), subfolder=name)
        with torch.device("meta"):
            wanted = {weight: value.shape for weight, value in cls.from_config(config).state_dict().items()}
        try:
            found = readers[kind]["checkpoint_mapping_fn"](config=config, checkpoint=load_file(file))
        except (KeyError, IndexError):
            continue  # the caller reports it
        misfits = [(weight, found[weight].shape, shape) for weight, shape in wanted.items()
                   if weight in found and found[weight].shape != shape]  # fmt: skip
        _check(name, file, missing=wanted.keys() - found.keys(), misfits=misfits)


def _unfilled(model: nn.Module) -> list[str]:
    """Names of weights still on the meta device, where the libraries build models: no file holds them."""
    return [name for name, value in model.state_dict().items() if value.is_meta]


def _check(
    component: str, source: Path, *, missing: Iterable[str] = (),
    misfits: Sequence[tuple[str, Sequence[int], Sequence[int]]] = (),
) -> None:  # fmt: skip
    """Raises ModelError that names missing weights, and misfits as (name, shape, expected shape)."""
    if misfits:
        shapes = [f"{name} {tuple(found)} where {tuple(wanted)} is expected" for name, found, wanted in misfits]
        raise ModelError(f"{source}: weights of the {component} do not fit its config.json: {_some(sorted(shapes))}")
    missing = sorted(name for name in missing if not any(part in name for part in UNUSED_WEIGHTS))
    if missing:
        raise ModelError(f"{source}: the {component} lacks {_some(missing)}; get the checkpoint again")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _check_listed(folder: Path, parts: Mapping[str, object], expected: Collection[str]) -> None:
    """Raises ModelError for a component that the pipeline needs and its model_index.json does not list."""
    absent = [name for name in USED if name in expected and name not in (*parts, *OPTIONAL)]
    if "text_encoder_3" in parts and "tokenizer_3" not in parts:
        absent.append("tokenizer_3")
    if absent:
        raise ModelError(f"{folder}: its model_index.json lists no {' and no '.join(absent)}; get the checkpoint again")


def model_class(library: str, kind: str, *, where: Path) -> ModelClass:
    """The class of a component. Raises ModelError unless diffusers or transformers has it: no other code is run."""
    trusted = library in ("diffusers", "transformers")
    found: ModelClass | None = getattr(import_module(library), kind, None) if trusted else None
    if found is None:
        raise ModelError(f"{where}: its model_index.json asks for {library}.{kind}, which neither library has")
    return found


def _has_t5(folder: Path, kind: str, file: Path | None, names: Sequence[str]) -> bool:
    """Whether SD 3's T5 is in the single file or in the folder, from which it may be left out as a whole. An incomplete
    one is an error later."""
    part = folder / "text_encoder_3"
    if not file:
        return part.exists()
    return in_file(names, part.name, kind) or bool(stored_variants(files_in(part)))
