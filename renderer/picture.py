"""A picture file that can be made again: the PNG carries its request and the versions that drew it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, PngImagePlugin, UnidentifiedImageError
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from ..prompts.errors import RunError
from ..prompts.outside_json import parse_json
from .request import RenderRequest, RenderResult

KEY = "ditpipe"
PACKAGES = ("ditpipe", "torch", "diffusers", "transformers")


def png_bytes(result: RenderResult) -> bytes:
    """The picture as PNG with its request inside, and what was not drawn as asked; the same request gives the same
    bytes on the same machine, but for the warning of a render for which memory was too small at first."""
    notes = PngImagePlugin.PngInfo()
    made_with = {name: version(name) for name in PACKAGES}
    note: dict[str, Any] = {"request": result.request.model_dump(), "versions": made_with}
    note |= {"warnings": result.warnings} if result.warnings else {}
    notes.add_itxt(KEY, json.dumps(note, sort_keys=True))
    buffer = BytesIO()
    result.image.save(buffer, "PNG", pnginfo=notes)
    return buffer.getvalue()


def write(path: Path, content: bytes) -> None:
    """Writes whole files only: a full disk leaves the old file, and raises RunError."""
    draft = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def write_result(path: Path, result: RenderResult) -> None:
    """The picture as `path`, a PNG, and its latents beside it, from which an edit goes on without drawing it again."""
    from safetensors.torch import save  # it loads torch, which whoever has latents has loaded

    write(_latents(path), save({"latents": result.latents}, metadata={KEY: _digest(result.request)}))
    write(path, png_bytes(result))


def copy_result(source: Path, target: Path) -> None:
    """Copies a picture, and its latents if it has any beside it. Raises RunError."""
    try:
        if _latents(source).exists():
            write(_latents(target), _latents(source).read_bytes())
        write(target, source.read_bytes())
    except OSError as error:
        raise RunError(f"cannot read {source}: {error.strerror}") from error


def read_result(path: Path) -> RenderResult | RenderRequest:
    """What `write_result` wrote, bit for bit; without its latents beside it the request that the picture carries.

    Either can be edited; a request is drawn first. Raises RunError if it is no picture of ditpipe's.
    """
    request = read_request(path)
    try:
        with safe_open(_latents(path), "pt") as kept:
            drawn = (kept.metadata() or {}).get(KEY)
            latents = kept.get_tensor("latents")
    except FileNotFoundError:
        return request
    except (OSError, SafetensorError, KeyError) as error:
        raise RunError(f"{_latents(path)}: cannot be read; without this file the picture is drawn again") from error
    if drawn not in (None, _digest(request)):  # another picture has been written over the one that they are of
        return request
    return RenderResult(request, open_image(path), latents, 0.0)


def _digest(request: RenderRequest) -> str:
    return sha256(request.model_dump_json().encode()).hexdigest()


def _latents(path: Path) -> Path:
    return path.with_suffix(".latents")


def open_image(path: Path) -> Image.Image:
    """An RGB picture from a file, upright as its EXIF note has it. Raises RunError if it is none.

    Grey of 16 bits, as depth maps have it, becomes grey of 8 bits: 0 to 65535 are 0 to 255. So does grey in whole
    numbers of 32 bits that are within 16; other grey of 32 bits says nothing of its range, and is refused.
    """
    with _opened(path) as image:
        try:
            upright = ImageOps.exif_transpose(image)
        except SyntaxError:  # a note that cannot be read turns nothing
            upright = image
        if upright.mode[0] not in "IF":
            return upright.convert("RGB")
        values = np.asarray(upright, dtype=np.float64)
    if upright.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise RunError(f"{path}: grey of 32 bits a pixel, of which the range is not known; save it as grey of 8 or 16")
    return Image.fromarray((values / 257).round().astype(np.uint8)).convert("RGB")


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture file of which only the header has been read. Raises RunError if it is none, or turns out to be none."""
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file") from error
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise RunError(f"{path}: not a picture that can be read") from error


def read_request(path: Path) -> RenderRequest:
    """The request inside a PNG that ditpipe wrote. Raises RunError if there is none."""
    return read_note(path)[0]


def read_note(path: Path) -> tuple[RenderRequest, tuple[str, ...]]:
    """The request inside a PNG that ditpipe wrote, and the warnings of its render; no pixel is decoded. Raises RunError
    if there is none."""
    with _opened(path) as image:
        return _note_in(image, name=str(path))


def request_in(image: Image.Image, *, name: str) -> RenderRequest:
    """The request inside an opened PNG that ditpipe wrote; `name` is how an error calls it. Raises RunError."""
    return _note_in(image, name=name)[0]


def _note_in(image: Image.Image, *, name: str) -> tuple[RenderRequest, tuple[str, ...]]:
    text = image.info.get(KEY) or getattr(image, "text", {}).get(KEY)  # texts behind the pixels decode them
    if not text:
        raise RunError(f"{name}: this picture carries no plan; only PNG files that ditpipe wrote can be drawn again")
    try:
        note = parse_json(text)
        return RenderRequest.model_validate(note["request"]), tuple(map(str, note.get("warnings", ())))
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{name}: the plan inside this picture is not readable by this version of ditpipe") from error
