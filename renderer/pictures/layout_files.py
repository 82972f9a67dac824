"""Reads layouts of other programs from files: texts, JSON, projects, and the metadata of pictures."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from ...prompts.errors import RunError
from ...prompts.formats.layout_format import LoadedLayout
from ...prompts.formats.projects.archives import MAGIC, project_json
from ...prompts.formats.registry import read_layout
from ...prompts.outside_json import read_bounded
from .artifacts import READ, metadata_text, request_in
from .foreign import exif_texts, program_of

MOST_BYTES = 256 * 2**20  # of a file
# Chunks of PNGs that hold a layout, the most telling first: InvokeAI's, AUTOMATIC1111's and SwarmUI's, ComfyUI's.
CHUNKS = ("invokeai_metadata", "parameters", "prompt", "workflow")


def load_layout(source: Path | str | bytes, *, format: str = "", **settings: Any) -> LoadedLayout:
    """The plan in another program's layout: a file, a text, or the content of a file.

    format: its name (docs/formats.md); empty: recognised from the content. settings: what the program keeps beside it:
    `load_layout("a cat BREAK a dog", ratio="1,2", divide_mode="Horizontal")`. Raises ValueError, one line; RunError for
    a file that cannot be read.
    """
    if isinstance(source, str):
        return read_layout(source, format=format, settings=settings)
    if isinstance(source, bytes):
        return _read(source, format, settings)
    try:
        if len(content := read_bounded(source, limit=MOST_BYTES)) > MOST_BYTES:
            raise RunError(f"{source}: larger than {MOST_BYTES // 2**20} MiB")
        return _read(content, format, settings)
    except OSError as error:
        raise RunError(f"{source}: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def _read(content: bytes, format: str, settings: dict[str, Any]) -> LoadedLayout:
    if content.startswith(MAGIC):
        return read_layout(project_json(content), format=format, settings=settings)
    try:
        with Image.open(BytesIO(content), formats=READ) as image:
            return _in_picture(image, format, settings)
    except UnidentifiedImageError:
        return read_layout(content, format=format, settings=settings)
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("not a picture that can be read") from error


def _in_picture(image: Image.Image, format: str, settings: dict[str, Any]) -> LoadedLayout:
    """The layout in the metadata of an opened picture; pixels are decoded only where text follows them."""
    if metadata_text(image) and not format:
        request = request_in(image, name="this picture")
        found = {"seed": request.seed, "steps": request.steps, "guidance_scale": request.guidance_scale}
        known = {name: value for name, value in found.items() if value is not None}
        return LoadedLayout(request.edited_plan, "ditpipe", (), known | {"model": request.model})
    texts = {**image.info, **getattr(image, "text", {})}
    chunks = [texts[name] for name in CHUNKS if isinstance(texts.get(name), str)]
    chunks += [text for text in exif_texts(image).values() if text]
    problems = []
    for chunk in chunks:
        try:
            return read_layout(chunk, format=format, settings=settings)
        except ValueError as error:
            problems.append(str(error))
    program = program_of(image)
    made = f"{program} made it" if program else "its metadata names no program"
    raise ValueError(f"no layout in this picture's metadata: {problems[0] if problems else made}")
