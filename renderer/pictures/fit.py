"""Fits a picture to the size of a plan: crops, pads or stretches it, and warns of what that changes."""

from pathlib import Path

from PIL import Image, ImageOps

from ..request import Fit
from .artifacts import is_transparent, open_image


def fit_image(
    path: Path, size: tuple[int, int], *, fit: Fit = "cover", background: str = "white"
) -> tuple[Image.Image, list[str]]:
    """A picture file as RGB of a size (width, height), and warnings.

    cover: scaled and cropped to the middle; contain: padded with the `background`; stretch: distorted. Transparent
    pixels are composited onto the `background`. Raises RunError as `open_image`.
    """
    picture, warnings = open_image(path, background=background), []
    if is_transparent(path):
        chosen = "" if background != "white" else "; `background` sets another colour"
        warnings.append(f"{path.name}: its transparent pixels were made {background}{chosen}")
    elif background != "white" and fit != "contain":
        warnings.append(f"{path.name}: the background {background} was not used: no pixel is transparent")
    shape = f"{path.name} has {picture.width}×{picture.height} pixels and the plan {size[0]}×{size[1]}"
    if abs(picture.width * size[1] - picture.height * size[0]) > max(picture.size):  # more than rounding
        done = {"cover": "cut off at its edges", "contain": "framed", "stretch": "distorted"}[fit]
        other = "; `fit` contain keeps all of it, stretch distorts it" if fit == "cover" else ""
        warnings.append(f"{shape}, another shape: it was {done}{other}")
    if fit == "contain":
        return ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color=background), warnings
    if fit == "stretch":
        return picture.resize(size, Image.Resampling.LANCZOS), warnings
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS), warnings
