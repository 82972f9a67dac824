"""A folder in diffusers' pipeline format → its pipeline, in which every weight is a published one.

Each component is loaded by its own library's class, and what that library reports is checked: both replace what a file
lacks by random numbers, and only warn of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ...prompts.errors import ModelError, first_line
from ..weights.offload import is_out_of_memory
from .pipeline_folder import (
    NEVER_RUN,
    OPTIONAL,
    USED,
    check_tokenizer,
    files_in,
    in_file,
    lacking_files,
    listed_components,
    other_components,
    read_index,
    scheduler_settings,
    stored_variants,
    weight_names,
)

# What a file may lack without a difference: numbered positions, and what makes one vector of BERT's states.
IDLE = ("position_ids", "pooler.")


def load_pipeline(folder: Path, dtype: torch.dtype, *, file: Path | None = None) -> tuple[Any, tuple[str, ...]]:
    """The pipeline of a folder, or of a single file of weights with the folder's configuration, and what is to be said
    of it. Components that the file lacks are the folder's.

    Raises ModelError if a component is missing, lacks weights, or has weights of other shapes; whatever else the
    libraries raise.
    """
    import diffusers

    index = read_index(folder)
    pipeline: Any = getattr(diffusers, index["_class_name"])
    parts, notes = listed_components(index), []
    if (index.get("safety_checker") or [None])[0]:
        notes.append("this checkpoint's safety checker is not run")
    notes += [f"this checkpoint's {name!r} is not used" for name in other_components(index)]
    expected = signature(pipeline.__init__).parameters
    _check_listed(folder, parts, expected)
    if file and not hasattr(pipeline, "from_single_file"):
        raise ModelError(f"{file}: no single files are read with a {pipeline.__name__}, which {folder} configures")
    names = weight_names(file) if file else []
    settings = scheduler_settings(file, names) if file else {}
    if "text_encoder_3" in parts and not _has_t5(folder, parts["text_encoder_3"][1], file, names):
        parts = {name: part for name, part in parts.items() if name not in OPTIONAL}
        notes.append(f"{(file or folder).name} holds no T5: prompts are read by CLIP alone")
    for name in parts:
        if name.startswith("tokenizer"):
            check_tokenizer(folder / name)
    components: dict[str, Any] = {}
    for name, (library, kind) in parts.items():
        cls = _class(library, kind, where=folder)
        if not isinstance(cls, type) or not issubclass(cls, nn.Module) or (file and in_file(names, name, kind)):
            continue
        components[name] = load_component(cls, folder / name, dtype, of=file)
    # Those that it has, given as none: else diffusers loads them, or misses them.
    absent = [name for name in (*NEVER_RUN, *OPTIONAL) if name in expected and name not in parts]
    components = dict.fromkeys(absent) | components
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
    return pipe, tuple(notes)


def load_component(cls: Any, folder: Path, dtype: torch.dtype, *, of: Path | None = None) -> Any:
    """One component with its weights, of the variant that is there; the full one, if several are.

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
    # diffusers believes the index of sharded files: what its files lack is known by what stays empty.
    _check(folder.name, folder, missing={*report["missing_keys"], *_unfilled(model)}, misfits=report["mismatched_keys"])
    return model


def _from_single_file(pipeline: Any, file: Path, folder: Path, dtype: torch.dtype, components: dict[str, Any]) -> Any:
    """diffusers' reader of single files, and what it does not say: which weights are missing, and of which part."""
    try:
        pipe = pipeline.from_single_file(
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
            part.eval()  # T5 comes out with its dropout on,
            if callable(tie := getattr(part, "tie_weights", None)):
                tie()  # and has its token embeddings under two names, of which one is filled
            _check(name, file, missing=_unfilled(part))
    return pipe


def _find_fault(file: Path, folder: Path, components: Mapping[str, Any]) -> None:
    """Raises ModelError if one of diffusers' models has other weights in a file than its configuration says."""
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES
    from safetensors.torch import load_file

    readers: Any = SINGLE_FILE_LOADABLE_CLASSES
    for name, (library, kind) in listed_components(read_index(folder)).items():
        if name in components or kind not in readers:
            continue
        cls = _class(library, kind, where=folder)
        config = cls.load_config(str(folder), subfolder=name)
        with torch.device("meta"):
            wanted = {weight: value.shape for weight, value in cls.from_config(config).state_dict().items()}
        try:
            found = readers[kind]["checkpoint_mapping_fn"](config=config, checkpoint=load_file(file))
        except (KeyError, IndexError):
            continue  # the caller names it
        misfits = [(weight, found[weight].shape, shape) for weight, shape in wanted.items()
                   if weight in found and found[weight].shape != shape]  # fmt: skip
        _check(name, file, missing=wanted.keys() - found.keys(), misfits=misfits)


def _unfilled(model: nn.Module) -> list[str]:
    """Weights that no file has filled: the libraries build models on the meta device."""
    return [name for name, value in model.state_dict().items() if value.is_meta]


def _check(component: str, source: Path, *, missing: Iterable[str] = (), misfits: Sequence[Any] = ()) -> None:
    """Raises ModelError that names what is missing or has another shape than its configuration says."""
    if misfits:
        shapes = [f"{name} {tuple(found)} where {tuple(wanted)} is expected" for name, found, wanted in misfits]
        raise ModelError(f"{source}: weights of the {component} do not fit its config.json: {_some(sorted(shapes))}")
    missing = sorted(name for name in missing if not any(idle in name for idle in IDLE))
    if missing:
        raise ModelError(f"{source}: the {component} lacks {_some(missing)}; get the checkpoint again")


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _check_listed(folder: Path, parts: Mapping[str, Any], expected: Collection[str]) -> None:
    """Raises ModelError for a component that the pipeline needs and its model_index.json does not list."""
    absent = [name for name in USED if name in expected and name not in (*parts, *OPTIONAL)]
    if "text_encoder_3" in parts and "tokenizer_3" not in parts:
        absent.append("tokenizer_3")
    if absent:
        raise ModelError(f"{folder}: its model_index.json lists no {' and no '.join(absent)}; get the checkpoint again")


def _class(library: str, kind: str, *, where: Path) -> Any:
    """The class of a component. Raises ModelError if it is none of the two libraries': no other code is run."""
    found = getattr(import_module(library), kind, None) if library in ("diffusers", "transformers") else None
    if found is None:
        raise ModelError(f"{where}: its model_index.json asks for {library}.{kind}, which neither library has")
    return found


def _has_t5(folder: Path, kind: str, file: Path | None, names: Sequence[str]) -> bool:
    """Whether SD 3's T5 is there, of this class: in the single file, or in the folder, where it may be left out as a
    whole. Half of one is an error later."""
    part = folder / "text_encoder_3"
    if not file:
        return part.exists()
    return in_file(names, part.name, kind) or bool(stored_variants(files_in(part)))
