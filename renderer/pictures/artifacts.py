"""Picture files with their request and package versions as metadata, and the latents beside them."""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from importlib.metadata import version
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, PngImagePlugin
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from ...prompts.errors import RunError
from ...prompts.outside_json import JsonObject, parse_json
from ..checkpoints.remote_models import is_remote
from ..request import RENAMED, RenderRequest, RenderResult
from .foreign import exif_texts, program_of
from .parameters import parameters_of

KEY = "ditpipe"
PARAMETERS = "parameters"  # the chunk that other programs read
FORMATS = {".png": "PNG", ".webp": "WEBP", ".jpg": "JPEG", ".jpeg": "JPEG"}
# Formats that are read. Pillow knows more, and passes EPS to Ghostscript, which runs it as a program.
READ = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "TGA", "JPEG2000", "AVIF")
JPEG_METADATA_LIMIT = 65_000  # bytes: one segment of a JPEG holds no more
PACKAGES = ("ditpipe", "torch", "diffusers", "transformers")


def _note_of(request: RenderRequest, warnings: Sequence[str]) -> str:
    made_with = {name: version(name) for name in PACKAGES}
    note: JsonObject = {"request": request.model_dump(), "versions": made_with}
    note |= {"warnings": warnings} if warnings else {}
    return json.dumps(note, sort_keys=True)


def encode_image(
    image: Image.Image, note: str, form: str, *, quality: int | None = None, parameters: str = ""
) -> bytes:
    """A picture as PNG, WEBP or JPEG with a note: a PNG text chunk, or the EXIF comment.

    parameters: for other programs, in PNGs, see `parameters_of`. quality: 0 to 100, for WEBP and JPEG; None: lossless
    WEBP, JPEG at 95 without chroma subsampling. A JPEG is written without a note of more than `JPEG_METADATA_LIMIT`
    bytes.
    """
    buffer, options = BytesIO(), dict[str, object]()
    if form == "PNG":
        options["pnginfo"] = notes = PngImagePlugin.PngInfo()
        notes.add_itxt(KEY, note)
        if parameters:
            notes.add_itxt(PARAMETERS, parameters)
    elif note and (form != "JPEG" or len(note) <= JPEG_METADATA_LIMIT):
        options["exif"] = exif = Image.Exif()
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"ASCII\0\0\0" + f"{KEY} {note}".encode("ascii")
    if form == "JPEG":
        options |= {"quality": 95 if quality is None else quality, "subsampling": 0 if quality is None else -1}
    elif form == "WEBP":
        options |= {"lossless": True} if quality is None else {"quality": quality}
    image.save(buffer, form, **options)
    return buffer.getvalue()


def format_of(path: Path) -> str:
    """The format of a file by its suffix: PNG, WEBP or JPEG. Raises ValueError for any other suffix, or none."""
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"{path}: pictures are written as {', '.join(FORMATS)}; end the file's name in one of these")
    return FORMATS[path.suffix.lower()]


def with_format_warnings(path: Path, result: RenderResult) -> RenderResult:
    """The result with warnings of what is lost when it is written as `path`. Raises ValueError as `format_of`."""
    if format_of(path) != "JPEG":
        return result
    return replace(result, warnings=(*result.warnings, jpeg_warning(_note_of(result.request, result.warnings))))


def jpeg_warning(note: str) -> str:
    """What is lost when a picture with this note is written as a JPEG."""
    lost = "a JPEG loses fine detail; .png and .webp keep every pixel"
    if len(note) > JPEG_METADATA_LIMIT - 1000:
        lost += "; nor has it room for this request, so the file cannot be drawn again"
    return lost


def copy_as(source: Path, target: Path) -> None:
    """Copies a picture with its metadata, in the format of the target's suffix. Raises ValueError as `format_of`,
    RunError if it cannot be read or written."""
    if (form := format_of(target)) == "PNG":
        try:
            write(target, source.read_bytes())
        except OSError as error:
            raise RunError(f"cannot read {source}: {error.strerror}") from error
        return
    with _opened(source) as image:
        write(target, encode_image(image.convert("RGB"), metadata_text(image), form))


def write(path: Path, content: bytes) -> None:
    """Writes a file atomically: a full disk leaves the old file, and raises RunError."""
    draft = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)  # in a foreign folder it may be a link that leads elsewhere
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as error:
        with suppress(OSError):
            draft.unlink()
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error


def write_picture(path: Path, result: RenderResult) -> None:
    """Writes the picture in the format of the path's suffix. Raises ValueError as `format_of`, RunError."""
    note, parameters = _note_of(result.request, result.warnings), parameters_of(result.request)
    write(path, encode_image(result.image, note, format_of(path), parameters=parameters))


def write_result(path: Path, result: RenderResult) -> None:
    """`write_picture`, and the latents beside the picture, so that an edit does not have to render it again. A picture
    of a server has none: its pixels are edited. Raises as `write_picture`."""
    format_of(path)
    if result.latents is not None:
        from safetensors.torch import save  # imports torch, which is loaded if there are latents

        write(_latents(path), save({"latents": result.latents}, metadata={KEY: _digest(result.request)}))
    write_picture(path, result)


def copy_result(source: Path, target: Path) -> None:
    """Copies a picture, and its latents if there are any beside it. Raises RunError."""
    try:
        if _latents(source).exists():
            write(_latents(target), _latents(source).read_bytes())
        write(target, source.read_bytes())
    except OSError as error:
        raise RunError(f"cannot read {source}: {error.strerror}") from error


def copy_with_request(source: Path, target: Path, request: RenderRequest) -> None:
    """Copies a PNG, its latents and its warnings under another request that describes the same pixels. Raises
    RunError."""
    result, warnings = read_result(source), read_metadata(source)[1]
    if isinstance(result, RenderResult):
        write_result(target, replace(result, request=request, warnings=warnings))
    else:
        write(
            target,
            encode_image(open_image(source), _note_of(request, warnings), "PNG", parameters=parameters_of(request)),
        )


def add_warnings(path: Path, warnings: Sequence[str]) -> None:
    """Adds warnings to the metadata of a PNG that ditpipe wrote. Raises RunError."""
    request, before = read_metadata(path)
    note = _note_of(request, list(dict.fromkeys([*before, *warnings])))
    write(path, encode_image(open_image(path), note, "PNG", parameters=parameters_of(request)))


def read_result(path: Path) -> RenderResult | RenderRequest:
    """What `write_result` wrote, bit for bit; without latents beside the picture, the request in its metadata, unless a
    server drew it.

    Either can be edited; a request is rendered first. Raises RunError if ditpipe did not write the picture.
    """
    request = read_request(path)
    if is_remote(request.model or ""):
        return RenderResult(request, open_image(path), None, 0.0)
    try:
        with safe_open(_latents(path), "pt") as file:
            digest = (file.metadata() or {}).get(KEY)
            latents = file.get_tensor("latents")
        if latents.ndim != 4 or not latents.is_floating_point() or not latents.isfinite().all():
            raise ValueError("not the latents of a picture")
    except FileNotFoundError:
        return request
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise RunError(f"{_latents(path)}: cannot be read; without this file the picture is drawn again") from error
    if digest not in (None, _digest(request), _digest(request, renamed=False)):  # of a picture that was overwritten
        return request
    return RenderResult(request, open_image(path), latents, 0.0)


def _digest(request: RenderRequest, *, renamed: bool = True) -> str:
    """The hash of a request. renamed: with the fields' names of today, not those that earlier versions wrote."""
    text = request.model_dump_json()
    for earlier, name in RENAMED.items() if not renamed else ():
        text = text.replace(f'"{name}":', f'"{earlier}":')  # within a value each quote has a backslash before it
    return sha256(text.encode()).hexdigest()


def _latents(path: Path) -> Path:
    return path.with_suffix(".latents")


def open_image(path: Path, *, background: str = "white") -> Image.Image:
    """A picture file as RGB, rotated by its EXIF orientation. Raises RunError if it is not a picture.

    Greyscale of 16 bits, common for depth maps, is reduced to 8: 0…65535 → 0…255. Integers of 32 bits are treated alike
    if they fit in 16; other greyscale of 32 bits has no known range and is refused. Transparent pixels are composited
    onto the `background`.
    """
    with _opened(path) as image:
        try:
            upright = ImageOps.exif_transpose(image)
        except SyntaxError:  # unreadable EXIF: no rotation
            upright = image
        if upright.mode[0] not in "IF":
            if not upright.has_transparency_data:
                return upright.convert("RGB")
            below = Image.new("RGBA", upright.size, background)
            return Image.alpha_composite(below, upright.convert("RGBA")).convert("RGB")
        values = np.asarray(upright, dtype=np.float64)
    if upright.mode == "F" or values.min() < 0 or values.max() > 65535:
        raise RunError(f"{path}: greyscale of 32 bits, whose range is not known; save it with 8 or 16 bits")
    return Image.fromarray((values / 257).round().astype(np.uint8)).convert("RGB")


def is_transparent(path: Path) -> bool:
    """Whether a picture file has transparent pixels. Raises RunError if it is not a picture."""
    with _opened(path) as image:
        return image.has_transparency_data and sum(image.convert("RGBA").getchannel("A").histogram()[:255]) > 0


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """An opened picture file, its pixels not yet decoded. Raises RunError if it, or what is read later, is broken."""
    try:
        with Image.open(path, formats=READ) as image:
            yield image
    except FileNotFoundError as error:
        raise RunError(f"{path}: no such file") from error
    # SyntaxError: a broken chunk after the pixels. ValueError: a compressed text chunk that is too large unpacked.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise RunError(f"{path}: not a picture that can be read") from error


def read_request(path: Path) -> RenderRequest:
    """The request in the metadata of a picture that ditpipe wrote. Raises RunError if there is none."""
    return read_metadata(path)[0]


def read_metadata(path: Path) -> tuple[RenderRequest, tuple[str, ...]]:
    """The request in the metadata of a picture that ditpipe wrote, and its warnings; pixels are not decoded. Raises
    RunError if there is no request."""
    with _opened(path) as image:
        return _note_in(image, name=str(path))


def request_in(image: Image.Image, *, name: str) -> RenderRequest:
    """`read_request` of an opened picture. name: of the picture, for error messages. Raises RunError."""
    return _note_in(image, name=name)[0]


def metadata_text(image: Image.Image) -> str:
    """ditpipe's note in the metadata of an opened picture, as JSON; empty if there is none."""
    text = image.info.get(KEY) or getattr(image, "text", {}).get(KEY)  # decodes the pixels if text chunks follow them
    if isinstance(text, str) and text:
        return text
    comment = exif_texts(image).get("UserComment", "")
    return comment.removeprefix(f"{KEY} ") if comment.startswith(f"{KEY} {{") else ""


def _note_in(image: Image.Image, *, name: str) -> tuple[RenderRequest, tuple[str, ...]]:
    text = metadata_text(image)
    if not text:
        program = program_of(image)
        reason = f"{program} made it, and its metadata holds no plan" if program else "its metadata holds no plan"
        raise RunError(
            f"{name}: {reason}; only pictures that ditpipe wrote can be drawn again. "
            "A plan may start from any picture: ditpipe render PLAN.json --image PICTURE"
        )
    try:
        note = parse_json(text)
        return RenderRequest.model_validate(note["request"]), tuple(map(str, note.get("warnings", ())))
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{name}: the plan inside this picture is not readable by this version of ditpipe") from error
