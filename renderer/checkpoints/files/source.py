"""Resolves the name of a model: a folder in diffusers' format, a name on the hub, or a single file of weights.

A single file (`.safetensors`, or `.gguf` with a quantized transformer) has no configuration. It is taken from the
file's own folder, from a folder or hub name after an @ (`realvis.safetensors@~/models/sdxl`), or, of `.safetensors`,
from the hub repository of the model that the file derives from.
"""

from __future__ import annotations

from dataclasses import dataclass
from os.path import abspath
from pathlib import Path

from ....prompts.errors import ModelError, first_line
from ..remote_models import is_remote
from .hub import Hub, HubName
from .pipeline_folder import weight_names

_WEIGHTS = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".gguf", ".sft")


@dataclass(frozen=True)
class Source:
    """Location of a pipeline, or of a single file's configuration: exactly one of `folder` and `hub` is set."""

    folder: Path | None = None
    hub: HubName | None = None
    file: Path | None = None

    @property
    def name(self) -> str:
        """Unambiguous name, with absolute paths."""
        place = str(self.folder or self.hub)
        return f"{self.file}@{place}" if self.file else place

    @property
    def called(self) -> str:
        """The publisher's name of the model, as far as known; in a hub cache it is the folder above the commit."""
        if self.file:
            return self.file.name
        if self.hub:
            return self.hub.repository.rpartition("/")[2]
        assert self.folder
        return (self.folder.parents[1] if self.folder.parent.name == "snapshots" else self.folder).name

    @property
    def note(self) -> str:
        """Kind of location, for the table of models."""
        return "single file" if self.file else "local folder" if self.folder else "on the hub"

    def configuration(self, hub: Hub | None = None) -> Path:
        """A folder with at least its model_index.json and each component's configuration. Raises ModelError."""
        return self.folder or self._fetch(hub, configuration=True)

    def files(self, hub: Hub | None = None) -> Path:
        """A folder with all files that are read; for a single file, all that the file lacks. Raises ModelError."""
        return self.folder or self._fetch(hub, beside=self.file)

    def _fetch(self, hub: Hub | None, *, beside: Path | None = None, configuration: bool = False) -> Path:
        assert self.hub
        try:
            return (hub or Hub()).fetch(self.hub, beside=beside, configuration=configuration)
        except ModelError as error:
            if not self.file and Path(self.hub.repository).parent.is_dir():  # a path, more likely than a name
                raise ModelError(f"there is no folder {self.hub}, and {error}") from error
            if not self.file:
                raise
            raise ModelError(
                f"the configuration of {self.file.name} is that of {self.hub}, which cannot be fetched: "
                f"give a folder that has it, --model {self.file.name}@FOLDER"
            ) from error


def locate(name: str) -> Source | None:
    """The source of a model by name, or None if it matches no form. Raises ModelError for a folder without a pipeline,
    and for a file that is missing or not in a safe format."""
    if is_remote(name):
        return None
    path = Path(name).expanduser()
    if path.is_dir():
        return Source(folder=_pipeline_in(path))
    # An @ may also be part of the file's path, and part of what comes after it.
    ends = [] if path.is_file() else [end for end, letter in enumerate(name) if letter == "@"]
    for end in (*ends, len(name)):
        if Path(name[:end]).suffix in _WEIGHTS:
            return _single_file(Path(name[:end]).expanduser(), name[end + 1 :])
    hub = HubName.parse(name)
    return Source(hub=hub) if hub else None


def _pipeline_in(folder: Path) -> Path:
    if not (folder / "model_index.json").exists():
        raise ModelError(f"{folder}: no model_index.json in this folder; it must hold a pipeline in diffusers' format")
    return folder.resolve()


def _single_file(file: Path, configuration: str) -> Source:
    if file.suffix not in (".safetensors", ".gguf"):
        raise ModelError(f"{file.name}: only .safetensors and .gguf files are read: other formats can hold code")
    if not file.is_file():
        raise ModelError(f"{file}: there is no such file")
    file = Path(abspath(file))  # links are not resolved: in a hub cache the target has no file name
    if configuration:
        place = Path(configuration).expanduser()
        if place.is_dir():
            return Source(folder=_pipeline_in(place), file=file)
        if hub := HubName.parse(configuration):
            return Source(hub=hub, file=file)
        raise ModelError(f"{configuration}: neither a folder nor a name on the hub that configures {file.name}")
    if (file.parent / "model_index.json").exists():
        return Source(folder=file.parent, file=file)
    if file.suffix == ".gguf":
        raise ModelError(
            f"{file.name} holds a transformer alone: give the folder or hub name that has the rest, {file.name}@FOLDER"
        )
    return Source(hub=HubName(_derived_from(file)), file=file)


def _derived_from(file: Path) -> str:
    """The published model that a file derives from, by the names and shapes of its weights."""
    import torch
    from diffusers.loaders.single_file_utils import fetch_diffusers_config
    from safetensors import safe_open

    weight_names(file)  # raises ModelError if it cannot be read
    try:
        with safe_open(file, framework="pt") as weights:
            shapes: dict[str, torch.Tensor] = {
                key: torch.empty(weights.get_slice(key).get_shape(), device="meta") for key in weights.keys()
            }
    except Exception as error:  # safetensors exports no error class for this
        raise ModelError(f"cannot read {file}: {first_line(error)}") from error
    try:
        return str(fetch_diffusers_config(shapes)["pretrained_model_name_or_path"])
    except KeyError as error:
        raise ModelError(
            f"{file}: no known model has these weights; give {file.name}@FOLDER that configures it"
        ) from error
