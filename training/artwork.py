"""Fetches the drawn objects (Fluent emoji, MIT) out of the npm registry and rasterises them to RGBA sprites."""

import io
import json
import subprocess
import tarfile
from functools import cache
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

WORK = Path(__file__).parent / "work"
SHIPPED = Path(__file__).parent.parent / "renderer" / "pocket"
PACKAGES = {"flat": "@iconify-json/fluent-emoji-flat@1.2.6"}


@cache
def icons(style: str = "flat") -> dict[str, str]:
    """Icon name → SVG document of one drawing style; downloaded on first use into training/work/."""
    folder = WORK / "artwork"
    folder.mkdir(parents=True, exist_ok=True)
    package = PACKAGES[style]
    archive = folder / (package.split("/")[1].replace("@", "-") + ".tgz")
    if not archive.exists():
        packed = subprocess.run(
            ["npm", "pack", "--silent", package], cwd=folder, check=True, capture_output=True, text=True
        )
        (folder / packed.stdout.strip().splitlines()[-1]).rename(archive)
    with tarfile.open(archive) as tar:
        member = tar.extractfile("package/icons.json")
        assert member is not None
        collection = json.load(member)
    width, height = collection.get("width", 32), collection.get("height", 32)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
    return {name: f"{head}{icon['body']}</svg>" for name, icon in collection["icons"].items()}


@cache
def sprite(icon: str, style: str = "flat", size: int = 128) -> np.ndarray:
    """One drawn object as float32 RGBA in 0–1, shape (h, w, 4), cropped to what is painted."""
    png = bytes(resvg_py.svg_to_bytes(svg_string=icons(style)[icon], width=size, height=size))
    rgba = Image.open(io.BytesIO(png)).convert("RGBA")
    return np.asarray(rgba.crop(rgba.getbbox()), dtype=np.float32) / 255
