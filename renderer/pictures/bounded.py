"""Pictures from outside this machine, decoded within limits: format and size are checked before pixels are unpacked."""

from __future__ import annotations

from io import BytesIO

from PIL import Image, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "WEBP")


def open_bounded(content: bytes, *, name: str, most: int) -> Image.Image:
    """A decoded picture with its PNG text chunks. most: pixels in all. name: what it is, for errors. Raises ValueError
    if it is no picture, or has more pixels."""
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)  # reads the header only
        if image.width * image.height > most:
            raise Image.DecompressionBombError
        image.load()
        return image
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name}: too many pixels: at most {most:,} are read") from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{name}: not a picture; send one of {', '.join(FORMATS)}") from error
    except (OSError, SyntaxError, ValueError) as error:  # ValueError: a text chunk too large unpacked
        raise ValueError(f"{name}: this picture cannot be read: {error}") from error
