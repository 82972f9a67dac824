"""Draws the pictures of an evaluation: one renderer a device, pictures kept as files by what was asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from ...prompts.errors import RenderError, RunError
from ...prompts.outside_json import JsonObject
from ...prompts.plan import ScenePlan
from ...renderer.checkpoints.files.source import locate
from ...renderer.checkpoints.registry import absolute_name, checkpoint
from ...renderer.checkpoints.remote_models import is_remote
from ...renderer.request import RenderRequest
from .rows import ROWS, digest_of

if TYPE_CHECKING:
    from ...renderer.request import PictureRenderer
    from ..settings import Settings

PICTURES = "pictures"
NOT_DRAWING = ("critic", "judge")  # folders of the pocket checkpoint with what looks at pictures
WHOLE_FILES = 256 * 2**20  # bytes of weights up to which their content is hashed, beyond it their size and date


@dataclass
class Drawer:
    """Draws on one device with one model at a time. make: a renderer of a model and a device."""

    device: str | None
    make: "Callable[[str, str | None], PictureRenderer]"
    _renderer: "PictureRenderer | None" = field(default=None, init=False)

    def renderer(self, model: str) -> "PictureRenderer":
        """The renderer of a model; the one before it is let go."""
        if self._renderer is None or self._renderer.model != absolute_name(model):
            if release := getattr(self._renderer, "release", None):  # one on a server holds no weights
                release()
            self._renderer = self.make(model, self.device)
        return self._renderer

    def picture(self, query: JsonObject, folder: Path) -> tuple[Path, float, list[str]]:
        """The file of a picture, the seconds that it took, 0 if it was there already, and its warnings.

        query: of `picture_query`. The file names its request, so `ditpipe repaint` draws it again. Raises RenderError
        if the request does not fit the model, ModelError if that cannot be loaded.
        """
        from ...renderer.pictures.artifacts import read_metadata, write_picture

        path = folder / PICTURES / f"{digest_of(query)}.png"
        if path.exists():
            return path, 0.0, list(read_metadata(path)[1])
        request = RenderRequest.model_validate(query["request"])
        try:
            result = self.renderer(query["model"]).render(request)
        except ValueError as error:
            raise RenderError(str(error)) from error
        path.parent.mkdir(parents=True, exist_ok=True)
        write_picture(path, result)
        return path, round(result.seconds, 2), list(result.warnings)


def picture_of(row: JsonObject, folder: Path, inside: str = PICTURES) -> Path:
    """The picture that a measured row of a store's folder names, by its path in the folder `inside` that. Raises
    RunError if it lies elsewhere, or is gone."""
    home = (folder / inside).resolve()
    path: Path = (home / row["file"]).resolve()
    if not path.is_relative_to(home):
        raise RunError(f"{folder / ROWS} names a picture outside of {home}; give another --out")
    if not path.is_file():
        raise RunError(f"{path} is gone: give another --out, or take its line out of {folder / ROWS}")
    return path


def drawers(settings: "Settings", models: Sequence[str] = ()) -> list[Drawer]:
    """One for each device that is named, else for each GPU, or the CPU; for models on servers alone, one for each
    picture that is asked for at a time. Imports torch for a model here if no device is named.

    models: all that they draw with; none: that of the settings.
    """
    from ..models import Models

    def make(model: str, device: str | None) -> "PictureRenderer":
        return Models(settings.model_copy(update={"model": model})).new_renderer(device)

    names = models or [settings.model]
    here = next((name for name in names if not is_remote(name)), None)
    named = settings.chosen_devices if here else []
    first = settings.model_copy(update={"model": here or names[0]})
    return [Drawer(name, make) for name in named or Models(first).devices]


def picture_query(model: str, request: RenderRequest) -> JsonObject:
    """All that determines a picture: the request, the model, its weights and the version of ditpipe."""
    from ... import __version__

    sent = request.model_dump(mode="json", exclude_defaults=True)
    return {"model": model, "weights": weights_key(model), "ditpipe": __version__, "request": sent}


@cache
def weights_key(model: str) -> str:
    """A digest of a model's local files, empty for one on the hub or on a server. Raises ModelError for no model."""
    if is_remote(model):
        return ""
    source = locate(checkpoint(model).source)
    folder = source.folder if source else None
    files = [source.file] if source and source.file else []
    if folder:
        found = (*folder.rglob("*.safetensors"), *folder.rglob("*config*.json"))
        files += sorted(file for file in found if file.relative_to(folder).parts[0] not in NOT_DRAWING)
    whole, digest = sum(file.stat().st_size for file in files) <= WHOLE_FILES, sha256()
    for file in files:
        about = file.stat()
        digest.update(file.name.encode())
        digest.update(file.read_bytes() if whole else f"{about.st_size} {about.st_mtime_ns}".encode())
    return digest.hexdigest()[:12] if files else ""


def usual_size(model: str, plan: ScenePlan) -> ScenePlan:
    """The plan in its own size, else in the model's."""
    row = checkpoint(model)
    return plan.with_size(row.size, row.size)
