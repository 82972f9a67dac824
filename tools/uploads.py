"""Pictures that callers send, decoded within limits: what they claim to be is checked before a pixel is unpacked."""

from io import BytesIO

from PIL import Image, UnidentifiedImageError

from ..prompts.scene import Box

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 2048 * 2048


def open_upload(content: bytes, *, name: str) -> Image.Image:
    """A decoded picture, its PNG texts included. Raises ValueError if it is none, or larger than 2048×2048 pixels."""
    try:
        image = Image.open(BytesIO(content), formats=FORMATS)  # reads the header only
        if image.width * image.height > MAX_PIXELS:
            raise Image.DecompressionBombError
        image.load()
        return image
    except Image.DecompressionBombError as error:
        raise ValueError(f"{name}: too many pixels: at most {MAX_PIXELS:,} are read") from error
    except UnidentifiedImageError as error:
        raise ValueError(f"{name}: not a picture; send one of {', '.join(FORMATS)}") from error
    except (OSError, SyntaxError, ValueError) as error:  # ValueError: a compressed text that unpacks to too much
        raise ValueError(f"{name}: this picture cannot be read: {error}") from error


def masked_box(mask: Image.Image, *, size: tuple[int, int]) -> Box:
    """The box around a mask's transparent pixels. Raises ValueError for another size, or if nothing is transparent."""
    if mask.size != size:
        raise ValueError(f"mask: it is {mask.width}×{mask.height} pixels and the picture {size[0]}×{size[1]}")
    found = mask.convert("RGBA").getchannel("A").point(lambda alpha: 255 * (alpha < 128)).getbbox()
    if found is None:
        raise ValueError("mask: no pixel is transparent, so nothing is to be changed")
    left, top, right, bottom = found
    return Box(left=left / size[0], top=top / size[1], right=right / size[0], bottom=bottom / size[1])
