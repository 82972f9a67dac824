"""References to files: by path and content hash in a request, by relative name in the records of a folder."""

import hashlib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from ...prompts.errors import RunError


class FileRef(BaseModel):
    """A file by its path and the hash of its content, so that a request reproduces its picture or fails."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(description="absolute path of the file")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of its content")

    @classmethod
    def of(cls, path: Path) -> "FileRef":
        """A reference to an existing file, by its absolute path. Raises RunError if it does not exist."""
        path = path.expanduser().resolve()
        return cls(path=str(path), sha256=_hash(path))

    def verified_path(self) -> Path:
        """Its path. Raises RunError if the file is missing or its content has changed."""
        path = Path(self.path)
        if _hash(path) != self.sha256:
            raise RunError(f"{path} is not the file that this picture was made from: its content has changed")
        return path


def path_inside(folder: Path, name: str) -> Path:
    """The file in a folder that a record of that folder names. Raises RunError if the name leads out of the folder:
    the record is not trusted."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise RunError(f"{folder}: a record in it names the file {name[:200]!r}, which is not in it")
    return path


def _hash(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():  # a device or a pipe has no end
            raise RunError(f"cannot read {path}: it is not a file")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from error


def _from_path(value: object) -> object:
    # Only from a Path, which JSON cannot hold: a request from elsewhere must not make this machine read files.
    return FileRef.of(value) if isinstance(value, Path) else value


File = Annotated[FileRef, BeforeValidator(_from_path)]
