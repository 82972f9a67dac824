"""Resolves the name of a model: a row of the table of published models, or any other name that `source` takes. Loads
no torch."""

import re
from pathlib import Path

from ...prompts.errors import ModelError
from .files.hub import Hub
from .files.pipeline_folder import read_index
from .files.source import Source, locate
from .published_defaults import Defaults, published_defaults
from .published_models import CHECKPOINTS, FAMILIES, POCKET, TRAINED_HERE, Checkpoint, FamilyRow
from .remote_models import remote_model
from .supported import check_folder

__all__ = ["CHECKPOINTS", "FAMILIES", "POCKET", "Checkpoint", "FamilyRow", "absolute_name", "checkpoint"]


def checkpoint(name: str, hub: Hub | None = None) -> Checkpoint:
    """The checkpoint of a registered name, or of any other name that `source` resolves. Raises ModelError that lists
    the names, or the reason why its scheduler or VAE is not supported."""
    if known := CHECKPOINTS.get(name) or remote_model(name):
        return known
    source = _source(name)
    folder = source.configuration(hub)
    row = FAMILIES[_family_in(folder)]
    check_folder(folder, read_index(folder), flow=row.flow, normalised=row.normalised)
    usual = Defaults(row.size, row.steps, row.guidance_scale)
    given = published_defaults(folder, source.called, denoiser=row.denoiser, variants=row.variants, usual=usual)
    return Checkpoint(
        name, source.name, given.size, given.steps, given.guidance_scale, 0.0, "", source.note, row.name,
        trained_here=(folder / TRAINED_HERE).exists(), reads=given.reads, negatives=given.negatives,
    )  # fmt: skip


def absolute_name(name: str) -> str:
    """The name with absolute paths. Raises ModelError if it names no model."""
    if remote := remote_model(name):
        return remote.name
    return name if name in CHECKPOINTS else _source(name).name


def _source(name: str) -> Source:
    if source := locate(name):
        return source
    raise ModelError(
        f"unknown model {name!r}: give one of {', '.join(CHECKPOINTS)}, a folder in diffusers' format, a name on the "
        "hub (owner/name[@revision]), a .safetensors or .gguf file, or a server's: openai:NAME, http://HOST/v1#NAME"
    )


def _family_in(folder: Path) -> str:
    """The family of a folder's pipeline. Raises ModelError that lists the supported pipelines."""
    index = read_index(folder)
    pipeline = index["_class_name"]
    families = {name: row.name for row in FAMILIES.values() for name in row.pipelines}
    if pipeline not in families:
        raise ModelError(f"{folder} holds a {pipeline}; ditpipe draws with {', '.join(families)}")
    for part, origin in index.items():
        # For such a class transformers offers, at a terminal, to run code from the folder.
        if isinstance(origin, list) and re.match("Auto(?!encoder)", str(origin[-1:] and origin[-1])):
            raise ModelError(f"{folder}: its {part} is an {origin[-1]}, which may run code; name its class instead")
    return families[pipeline]
