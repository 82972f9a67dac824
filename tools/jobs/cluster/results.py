"""Files of finished jobs, kept once for each digest of a request: in a folder, or at any address that fsspec knows."""

import os
import shutil
from contextlib import suppress
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from ....prompts.errors import RunError, first_line

PICTURE = "picture.png"  # each result has one; it is written last, so that a result with one is whole
DIGEST = "digest"  # a file in a job's folder that names its result


class Results:
    """Results by digest. Where they are in a folder of the same disk, jobs have hard links to them: a job that is drawn
    twice takes its space once.

    Raises RunError if the address is of a kind that fsspec does not know here, or cannot be reached.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        remote = len(urlsplit(address).scheme) > 1  # one letter is a Windows drive
        self.folder = None if remote else Path(address).absolute()
        if remote:
            import fsspec

            try:
                self._files, self._root = fsspec.url_to_fs(address)
            except (ImportError, ValueError, OSError) as error:
                raise RunError(f"results cannot be kept at {address}: {first_line(error)}") from error

    def fetch(self, digest: str, into: Path) -> bool:
        """Puts the files of a result in a job's folder; False if there is no such result."""
        if self.folder is None:
            return self._download(digest, into)
        place = self._place(digest)
        if not (place / PICTURE).exists():
            return False
        for file in _files(place):
            link(place / file, into / file)
        _write_digest(into, digest)
        return True

    def keep(self, digest: str, folder: Path) -> None:
        """Keeps the files of a job's folder; if the result exists, its files replace the folder's."""
        if self.folder is None:
            if not self._exists(digest):
                self._upload(digest, folder)
        elif not self.fetch(digest, folder):
            place = self._place(digest)
            for file in _files(folder):
                link(folder / file, place / file)
        _write_digest(folder, digest)

    def forget(self, folder: Path) -> None:
        """Deletes a job's folder, and its result in a folder if no other job has a link to it."""
        digest = _read_digest(folder)
        shutil.rmtree(folder, ignore_errors=True)
        if self.folder is not None and digest:
            place = self._place(digest)
            with suppress(FileNotFoundError):
                if (place / PICTURE).stat().st_nlink == 1:
                    shutil.rmtree(place, ignore_errors=True)

    def _place(self, digest: str) -> Path:
        assert self.folder is not None
        return self.folder / digest[:2] / digest

    def _exists(self, digest: str) -> bool:
        return bool(self._remote(self._files.exists, f"{self._root}/{digest}/{PICTURE}"))

    def _download(self, digest: str, into: Path) -> bool:
        if not self._exists(digest):
            return False
        place = f"{self._root}/{digest}"
        for found in self._remote(self._files.find, place):
            file = into / PurePosixPath(found).relative_to(PurePosixPath(self._files._strip_protocol(place)))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(self._remote(self._files.cat_file, found))
        _write_digest(into, digest)
        return True

    def _upload(self, digest: str, folder: Path) -> None:
        for file in _files(folder):
            content = (folder / file).read_bytes()
            place = f"{self._root}/{digest}/{file.as_posix()}"
            self._remote(self._files.makedirs, place.rpartition("/")[0], exist_ok=True)
            self._remote(self._files.pipe_file, place, content)

    def _remote(self, call: Any, *arguments: Any, **options: Any) -> Any:
        """Raises RunError for what the other side answers."""
        try:
            return call(*arguments, **options)
        except Exception as error:  # each kind of store has errors of its own
            raise RunError(f"results at {self.address} cannot be used: {first_line(error)}") from error


def digest_of(*parts: str) -> str:
    """The digest that a result is kept by: 64 hexadecimal digits."""
    digest = sha256()
    for part in parts:
        digest.update(f"{len(part)}:{part}".encode())
    return digest.hexdigest()


def _files(folder: Path) -> list[Path]:
    """The files of a result, relative to its folder, the picture last."""
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file() and file.name != DIGEST)
    return sorted(files, key=lambda file: (file == Path(PICTURE), file))


def link(source: Path, target: Path) -> None:
    """One file under another name, or a copy of it where its disk has no links; whole at any moment."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f"{target.name}.{os.getpid()}.part")
    draft.unlink(missing_ok=True)
    try:
        os.link(source, draft)
    except OSError:
        shutil.copyfile(source, draft)
    os.replace(draft, target)
    draft.unlink(missing_ok=True)  # it stays where both names are links to one file already


def _write_digest(folder: Path, digest: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / DIGEST).write_text(digest)


def _read_digest(folder: Path) -> str:
    """Empty for a folder without one; the file is not trusted."""
    try:
        text = (folder / DIGEST).read_text(errors="replace")
    except OSError:
        return ""
    return text if len(text) == 64 and not set(text) - set("0123456789abcdef") else ""
