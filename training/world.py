"""The pocket world: subjects, colours, patterns, styles, backgrounds, lights; and painting a scene of them."""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageFilter

from training.artwork import sprite
from training.tables import load_table

SIZE = 256  # pixels of a side
FINE = 128  # larger pictures have edges without stairs; the shipped transformer was trained on pictures with them

SUBJECTS: dict[str, str] = load_table("world", "subjects")
COLOURS: dict[str, tuple[int, int, int]] = load_table("world", "colours")
BACKGROUNDS: tuple[str, ...] = load_table("world", "backgrounds")
PATTERNS: tuple[str, ...] = load_table("world", "patterns")
STYLES: tuple[str, ...] = load_table("world", "styles")
LIGHTS: tuple[str, ...] = load_table("world", "lights")


@dataclass(frozen=True)
class Thing:
    """One object: centre and size (its longer side) in 0–1 of the canvas, surface pattern and drawing style."""

    subject: str
    colour: str
    x: float
    y: float
    size: float
    pattern: str = "plain"
    style: str = "flat"


@dataclass(frozen=True)
class Scene:
    background: str
    things: tuple[Thing, ...]
    seed: int = 0
    light: str = "bright"


@cache
def _tinted(subject: str, colour: str, pattern: str, size: int) -> Image.Image:
    """The sprite in one colour: brightness kept, hue replaced, dark lines and highlights left readable.

    size: pixels of a side that the drawing is rasterised at.
    """
    rgba = sprite(SUBJECTS[subject], size=size)
    light = rgba[..., :3] @ np.array([0.30, 0.59, 0.11], dtype=np.float32)
    solid = rgba[..., 3] > 0.5
    mean = float(light[solid].mean())
    # Bring each drawing to the same middle tone, so that "red" means the same red on a dark and on a pale drawing.
    tone = np.clip(light ** (np.log(0.52) / np.log(np.clip(mean, 0.15, 0.92))), 0, 1)[..., None]
    base = np.array(COLOURS[colour], dtype=np.float32) / 255
    dark, pale = base * 0.22, base * 0.35 + 0.65
    ramp = np.where(tone < 0.5, dark + (base - dark) * tone / 0.5, base + (pale - base) * (tone - 0.5) / 0.5)
    marks = _marks(pattern, *ramp.shape[:2])[..., None]
    # White and yellow are too pale for paler marks.
    marked = ramp * 0.55 if colour in ("white", "yellow") else ramp * 0.3 + 0.68
    out = np.concatenate([ramp + (marked - ramp) * marks * 0.9, rgba[..., 3:]], axis=-1)
    return Image.fromarray((out * 255).round().astype(np.uint8), "RGBA")


def _marks(pattern: str, height: int, width: int) -> np.ndarray:
    """Mask of a surface pattern, 0–1, (height, width): diagonal stripes, dots on a grid, or zeros."""
    yy, xx = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width)
    if pattern == "striped":
        return (np.sin((xx + yy) * 2 * np.pi * 3.2) > 0.1).astype(np.float32)
    if pattern == "dotted":
        row = np.floor(yy * 4.5)
        across = (xx * 4.5 + 0.5 * (row % 2)) % 1 - 0.5
        return (np.hypot(across, yy * 4.5 - row - 0.5) < 0.29).astype(np.float32)
    return np.zeros((height, width), dtype=np.float32)


def _glossy(art: Image.Image) -> Image.Image:
    """Shading of a moulded object: light from the top left on rounded edges, and a highlight."""
    rgba = np.asarray(art, dtype=np.float32) / 255
    reach = max(art.size) / 9
    height = np.asarray(art.getchannel("A").filter(ImageFilter.GaussianBlur(reach)), dtype=np.float32) / 255
    down, across = np.gradient(height)
    slope = np.clip((down + across) * reach * 1.5, -1, 1)[..., None]  # positive where the surface faces the light
    yy, xx = np.mgrid[0 : art.height, 0 : art.width].astype(np.float32)
    spot = np.exp(-(((xx / art.width - 0.34) / 0.17) ** 2 + ((yy / art.height - 0.26) / 0.12) ** 2))[..., None]
    colour = rgba[..., :3] * (1 + np.minimum(slope, 0) * 0.85)
    colour = colour + (1 - colour) * np.clip(np.maximum(slope, 0) * 0.7 + 0.8 * spot * height[..., None], 0, 0.9)
    out = np.concatenate([colour, rgba[..., 3:]], axis=-1)
    return Image.fromarray((out.clip(0, 1) * 255).round().astype(np.uint8), "RGBA")


@lru_cache(maxsize=30_000)
def sticker(subject: str, colour: str, longest: int, pattern: str = "plain", style: str = "flat") -> Image.Image:
    """A tinted object with a white sticker rim, its longer side `longest` pixels."""
    art = _tinted(subject, colour, pattern, 128 if longest <= 128 else 256)  # it is never enlarged much
    scale = longest / max(art.size)
    art = art.resize((max(1, round(art.width * scale)), max(1, round(art.height * scale))), Image.Resampling.LANCZOS)
    art = _glossy(art) if style == "glossy" else art
    rim = max(1, round(longest / 32))
    canvas = Image.new("RGBA", (art.width + 2 * rim, art.height + 2 * rim))
    canvas.paste(art, (rim, rim))
    alpha = canvas.getchannel("A").filter(ImageFilter.MaxFilter(2 * rim + 1)).filter(ImageFilter.GaussianBlur(0.5))
    border = Image.new("RGBA", canvas.size, (255, 255, 255, 255))
    border.putalpha(alpha)
    return Image.alpha_composite(border, canvas)


def _gradient(top: tuple[int, int, int], bottom: tuple[int, int, int], size: int) -> np.ndarray:
    t = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    rows = np.array(top, np.float32) * (1 - t) + np.array(bottom, np.float32) * t
    return np.broadcast_to(rows, (size, size, 3)).copy()


def backdrop(name: str, size: int, seed: int) -> Image.Image:
    """A background of `size`×`size` pixels; the seed moves stars, horizon and hills a little."""
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[0:size, 0:size].astype(np.float32) / size
    if name == "night":
        out = _gradient((14, 16, 62), (44, 40, 112), size)
        dot = max(1, size // FINE)
        for _ in range(int(rng.integers(8, 16))):
            x, y = rng.integers(1, size // dot - 1, 2) * dot
            out[y : y + dot, x - dot : x + 2 * dot] = (150, 148, 180)
            out[y : y + dot, x : x + dot] = (250, 246, 210)
    elif name == "sky":
        out = _gradient((112, 190, 250), (206, 234, 255), size)
    elif name == "sunset":
        out = _gradient((112, 62, 138), (255, 168, 92), size)
    elif name == "meadow":
        out = _gradient((158, 214, 252), (214, 240, 255), size)
        hill = 0.58 + rng.uniform(-0.06, 0.06) + 0.04 * np.sin(xx * 6 + rng.uniform(0, 6))
        out[yy > hill] = (126, 200, 88)
    elif name == "beach":
        out = _gradient((134, 206, 250), (190, 230, 255), size)
        horizon = 0.40 + rng.uniform(-0.05, 0.05)
        out[yy > horizon] = (60, 158, 214)
        out[yy > horizon + 0.22 + 0.02 * np.sin(xx * 8 + rng.uniform(0, 6))] = (244, 218, 158)
    elif name == "snow":
        out = _gradient((188, 206, 228), (224, 234, 246), size)
        out[yy > 0.62 + rng.uniform(-0.05, 0.05) + 0.03 * np.sin(xx * 5 + rng.uniform(0, 6))] = (248, 250, 255)
    elif name == "sea":
        out = _gradient((40, 170, 190), (8, 74, 120), size)
        for _ in range(int(rng.integers(3, 8))):
            x, y = rng.uniform(0, 1, 2)
            out[np.abs(np.hypot(xx - x, yy - y) - 0.02) < 0.008] = (150, 220, 230)
    elif name == "room":
        out = _gradient((246, 228, 200), (236, 210, 176), size)
        floor = 0.72 + rng.uniform(-0.04, 0.04)
        out[yy > floor] = (168, 112, 72)
        out[np.abs(yy - floor) < 0.012] = (120, 78, 50)
    elif name == "desert":
        out = _gradient((250, 214, 150), (255, 236, 196), size)
        for height, tone in ((0.55, (226, 164, 92)), (0.74, (206, 138, 70))):
            dune = height + rng.uniform(-0.05, 0.05) + 0.06 * np.sin(xx * rng.uniform(4, 7) + rng.uniform(0, 6))
            out[yy > dune] = tone
    elif name == "forest":
        out = _gradient((44, 96, 66), (92, 146, 84), size)
        for _ in range(int(rng.integers(4, 8))):
            out[(np.abs(xx - rng.uniform(0, 1)) < rng.uniform(0.02, 0.045)) & (yy < 0.8)] = (70, 52, 40)
        out[yy > 0.78 + rng.uniform(-0.04, 0.04) + 0.02 * np.sin(xx * 9)] = (52, 82, 40)
    elif name == "city":
        out = _gradient((150, 166, 196), (216, 214, 222), size)
        left = 0.0
        while left < 1:
            right, top = left + rng.uniform(0.1, 0.2), rng.uniform(0.25, 0.65)
            house = (xx >= left) & (xx < right) & (yy > top)
            out[house] = np.array((86, 92, 116)) + rng.uniform(-14, 14)
            panes = house & ((xx - left) % 0.09 > 0.045) & ((yy - top) % 0.14 > 0.07)
            out[panes] = (216, 204, 150)
            left = right
    elif name == "mountains":
        out = _gradient((126, 186, 236), (208, 230, 246), size)
        for middle in (rng.uniform(0.1, 0.35), rng.uniform(0.6, 0.9)):
            peak, steep = rng.uniform(0.2, 0.4), rng.uniform(1.1, 1.5)
            edge = peak + steep * np.abs(xx - middle)
            out[yy > edge] = (116, 122, 140)
            out[(yy > edge) & (yy < peak + 0.14 + 0.03 * np.sin(xx * 40))] = (244, 246, 252)
        out[yy > 0.82 + rng.uniform(-0.03, 0.03)] = (110, 140, 104)
    else:
        raise ValueError(f"unknown background {name!r}: one of {', '.join(BACKGROUNDS)}")
    return Image.fromarray(out.clip(0, 255).astype(np.uint8))


def _lit(picture: Image.Image, light: str) -> Image.Image:
    """The picture in a light: 'warm' like a lamp's, 'dim' like the moon's, both darker towards the corners."""
    if light == "bright":
        return picture
    yy, xx = np.mgrid[-1 : 1 : picture.height * 1j, -1 : 1 : picture.width * 1j].astype(np.float32)
    away = (xx**2 + yy**2)[..., None]
    tint, edge = ((1.0, 0.93, 0.76), 0.10) if light == "warm" else ((0.70, 0.75, 0.90), 0.14)
    out = np.asarray(picture, dtype=np.float32) * np.array(tint, dtype=np.float32) * (1 - edge * away)
    return Image.fromarray(out.clip(0, 255).round().astype(np.uint8))


def paint(scene: Scene, size: int = SIZE) -> Image.Image:
    """The scene as an RGB picture of `size`×`size` pixels; later things lie in front."""
    if size > FINE:
        canvas = backdrop(scene.background, 2 * size, scene.seed).reduce(2)
    else:
        canvas = backdrop(scene.background, size, scene.seed)
    for thing in scene.things:
        longest = max(6, round(thing.size * size))
        art = sticker(thing.subject, thing.colour, longest, thing.pattern, thing.style)
        canvas.paste(art, (round(thing.x * size - art.width / 2), round(thing.y * size - art.height / 2)), art)
    return _lit(canvas, scene.light)


def random_things(rng: np.random.Generator, count: int) -> list[tuple[str, str, str]]:
    """Subject, colour and pattern of `count` things; one time in ten all are the same."""
    subjects, colours = list(SUBJECTS), list(COLOURS)
    patterns = [PATTERNS[0] if rng.random() < 0.72 else PATTERNS[rng.integers(1, 3)] for _ in range(count)]
    things = [(subjects[rng.integers(len(subjects))], colours[rng.integers(len(colours))], p) for p in patterns]
    return things[:1] * count if rng.random() < 0.1 else things
