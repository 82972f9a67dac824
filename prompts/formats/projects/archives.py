"""Projects of painting programs that are zip archives, bounded, as the JSON that their formats read."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from io import BytesIO
from typing import IO, Any
from xml.etree import ElementTree

from ...outside_json import MAX_JSON, parse_json

MAGIC = b"PK\x03\x04"
MOST_MEMBERS = 10_000
MOST_TILES = 100_000
MOST_LAYER = 256 * 2**20  # bytes of one layer, unpacked
_BROKEN = (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ElementTree.ParseError)


def project_json(content: bytes) -> str:
    """A canvas project of InvokeAI (.invk) or a document of Krita (.kra) as JSON. Raises ValueError, one line."""
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            names = archive.namelist()
            if len(names) > MOST_MEMBERS:
                raise ValueError(f"an archive of {len(names):,} files: at most {MOST_MEMBERS:,} are read")
            if "canvas_state.json" in names:
                parts = {"canvas_state": "canvas_state.json", "params": "params.json"}
                found = {key: parse_json(_member(archive, name)) for key, name in parts.items() if name in names}
                return json.dumps(found)
            if "maindoc.xml" in names:
                return json.dumps({"krita": _krita(archive, names)})
    except _BROKEN as error:
        raise ValueError("not an archive that can be read") from error
    raise ValueError("an archive, but neither a canvas project of InvokeAI (.invk) nor a document of Krita (.kra)")


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    """A small file of an archive, whatever size its header says. Raises ValueError if it is large."""
    with archive.open(name) as file:
        content = file.read(MAX_JSON + 1)
    if len(content) > MAX_JSON:
        raise ValueError(f"{name[:60]} in this archive is too large: at most {MAX_JSON:,} bytes are read")
    return content


def _krita(archive: zipfile.ZipFile, names: list[str]) -> dict[str, Any]:
    """Size, layers with their boxes in pixels, and what Krita AI Diffusion keeps in the document."""
    document = _member(archive, "maindoc.xml")
    if b"<!ENTITY" in document:
        raise ValueError("this Krita document declares entities, which are not read")
    image = next((element for element in ElementTree.fromstring(document).iter() if _tag(element) == "IMAGE"), None)
    if image is None:
        raise ValueError("this Krita document has no image")
    layers = [
        {
            "uuid": layer.get("uuid", ""), "name": layer.get("name", ""),
            "parts": [element.get("uuid", "") for element in layer.iter() if _tag(element) == "layer"],
            "bounds": _bounds(archive, names, layer),
        }
        for layer in list(image.iter())[:MOST_MEMBERS]
        if _tag(layer) == "layer"
    ]  # fmt: skip
    state = next((name for name in names if "ai_diffusion" in name and name.endswith(("ui.json", "ui"))), None)
    return {
        "width": image.get("width"), "height": image.get("height"), "layers": layers,
        "ui": parse_json(_member(archive, state)) if state else None,
    }  # fmt: skip


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]


def _bounds(archive: zipfile.ZipFile, names: list[str], layer: ElementTree.Element) -> list[int] | None:
    """Left, top, right and bottom of a paint layer's tiles, in pixels; None for a layer without any."""
    file = layer.get("filename", "")
    path = next((name for name in names if file and name.endswith(f"/layers/{file}")), None)
    if path is None:
        return None
    with archive.open(path) as data:
        tiles = list(_tiles(data))
    if not tiles:
        return None
    dx, dy = (int(layer.get(axis, "0") or 0) for axis in ("x", "y"))
    return [min(tile[0] for tile in tiles) + dx, min(tile[1] for tile in tiles) + dy,
            max(tile[2] for tile in tiles) + dx, max(tile[3] for tile in tiles) + dy]  # fmt: skip


def _tiles(data: IO[bytes]) -> Iterator[tuple[int, int, int, int]]:
    """Edges of the tiles of a layer. Source: Krita, kis_tiled_data_manager.cc: a header, and before each tile its
    place, compression and size."""
    width = height = 64
    left = MOST_LAYER
    for _ in range(MOST_TILES):
        line = data.readline(200).decode("ascii", "replace").strip()
        if not line or left <= 0:
            return
        name, _, value = line.partition(" ")
        if name in ("VERSION", "PIXELSIZE", "DATA"):
            continue
        if name in ("TILEWIDTH", "TILEHEIGHT") and value.isdigit():
            width, height = (int(value), height) if name == "TILEWIDTH" else (width, int(value))
            continue
        parts = line.split(",")
        if len(parts) != 4 or not parts[3].isdigit():
            return
        x, y, size = int(parts[0]), int(parts[1]), int(parts[3])
        left -= size
        while size > 0 and (chunk := data.read(min(size, 65536))):
            size -= len(chunk)
        yield x, y, x + width, y + height
