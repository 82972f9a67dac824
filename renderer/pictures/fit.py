"""A picture of any shape, made as large as a plan: cropped, framed or stretched, and what that does to it."""

from pathlib import Path

from PIL import Image, ImageOps

from ..request import Fit
from .artifacts import is_transparent, open_image


def fit_image(
    path: Path, size: tuple[int, int], *, fit: Fit = "cover", background: str = "white"
) -> tuple[Image.Image, list[str]]:
    """The picture of a file as RGB of that size (width, height), and what is to be said of it.

    cover: its middle; contain: all of it, in a frame of the `background`, which also shows where it is transparent;
    stretch: all of it, distorted. Raises RunError as `open_image`.
    """
    picture, notes = open_image(path, background=background), []
    if is_transparent(path):
        chosen = "" if background != "white" else "; `background` sets another colour"
        notes.append(f"{path.name}: what is transparent in it was made {background}{chosen}")
    elif background != "white" and fit != "contain":
        notes.append(f"{path.name}: the background {background} shows nowhere: nothing in it is transparent")
    shape = f"{path.name} has {picture.width}×{picture.height} pixels and the plan {size[0]}×{size[1]}"
    if abs(picture.width * size[1] - picture.height * size[0]) > max(picture.size):  # more than rounding
        done = {"cover": "cut off at its edges", "contain": "framed", "stretch": "distorted"}[fit]
        other = "; `fit` contain keeps all of it, stretch distorts it" if fit == "cover" else ""
        notes.append(f"{shape}, another shape: it was {done}{other}")
    if fit == "contain":
        return ImageOps.pad(picture, size, Image.Resampling.LANCZOS, color=background), notes
    if fit == "stretch":
        return picture.resize(size, Image.Resampling.LANCZOS), notes
    return ImageOps.fit(picture, size, Image.Resampling.LANCZOS), notes
