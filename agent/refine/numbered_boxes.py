"""What a vision model is outlined of a picture: the whole with its regions' boxes numbered, and a crop of each."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from ...prompts.plan import Box

WHOLE = 1024  # pixels of the longer side: more is scaled down by the providers
CROP = 512
MARGIN = 0.05  # of the picture around a crop: what stands next to a thing tells what it is
COLOURS = ("#ff2d2d", "#00c8ff", "#ffd400", "#00d060", "#ff5cf4", "#ff8a00")


def numbered(image: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """The picture with an outline and a number, from 1, for each box."""
    outlined = scaled(image.convert("RGB"), WHOLE)
    draw, font = ImageDraw.Draw(outlined), ImageFont.load_default(max(12, round(0.03 * max(outlined.size))))
    for index, box in enumerate(boxes):
        left, top, right, bottom = _pixels(outlined, box)
        colour, label = COLOURS[index % len(COLOURS)], f" {index + 1} "
        draw.rectangle((left, top, right - 1, bottom - 1), outline=colour, width=max(2, max(outlined.size) // 400))
        draw.rectangle(draw.textbbox((left, top), label, font=font), fill=colour)
        draw.text((left, top), label, fill="black", font=font)
    return outlined


def crop(image: Image.Image, box: Box) -> Image.Image:
    """A region of the picture with a little around it; small ones are enlarged."""
    wider = Box(
        left=max(0.0, box.left - MARGIN), top=max(0.0, box.top - MARGIN),
        right=min(1.0, box.right + MARGIN), bottom=min(1.0, box.bottom + MARGIN),
    )  # fmt: skip
    return scaled(image.convert("RGB").crop(_pixels(image, wider)), CROP)


def scaled(image: Image.Image, side: int) -> Image.Image:
    """The picture with `side` pixels as its longer side."""
    factor = side / max(image.size)
    width, height = (max(1, round(length * factor)) for length in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def _pixels(image: Image.Image, box: Box) -> tuple[int, int, int, int]:
    """The box in pixels of the picture, at least one wide and high."""
    left, top = min(image.width - 1, int(box.left * image.width)), min(image.height - 1, int(box.top * image.height))
    return left, top, max(left + 1, round(box.right * image.width)), max(top + 1, round(box.bottom * image.height))
