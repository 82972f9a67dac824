"""The bytes of a picture's PNG, as they are written."""

from pathlib import Path
from tempfile import TemporaryDirectory

from ditpipe import RenderResult
from ditpipe.renderer.pictures.artifacts import write_picture


def png_bytes(result: RenderResult) -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        write_picture(path, result)
        return path.read_bytes()
