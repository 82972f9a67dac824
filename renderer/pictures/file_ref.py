"""Files that a request names: by path, and by the hash of what was in them, so that a picture can be made again.

And files that the records of a folder name, which lie in it.
"""

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ...prompts.errors import RunError


class FileRef(BaseModel):
    """A file as it was when the picture was asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="where the file is")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="hash of its content")

    @classmethod
    def of(cls, path: Path) -> "FileRef":
        """A file that is there now, by its absolute path: it is looked for from any folder. Raises RunError if it is
        not there."""
        path = path.expanduser().resolve()
        return cls(path=str(path), sha256=_hash(path))

    def verified_path(self) -> Path:
        """Its path. Raises RunError if the file is gone or holds something else by now."""
        path = Path(self.path)
        if _hash(path) != self.sha256:
            raise RunError(f"{path} is not the file that this picture was made from: its content has changed")
        return path


def path_inside(folder: Path, name: str) -> Path:
    """The file of a folder that a record in it names. Raises RunError if that leads out of it: the record may be a
    stranger's."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RunError(f"{folder}: a record in it names the file {name[:200]!r}, which is not in it")
    return path


def _hash(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # a device or a pipe has no end
            raise RunError(f"cannot read {path}: it is no file")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error


def _from_path(value: object) -> object:
    # Only a Path, which JSON cannot hold: a request that came from elsewhere must not make this machine read files.
    return FileRef.of(value) if isinstance(value, Path) else value


File = Annotated[FileRef, BeforeValidator(_from_path)]
