"""The pocket world: subjects, colours and backgrounds, and how a scene of them is painted. Knows no captions."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from training.artwork import sprite

SUBJECTS = {
    "cat": "cat-face", "dog": "dog-face", "rabbit": "rabbit-face", "fish": "fish", "bird": "bird", "duck": "duck",
    "butterfly": "butterfly", "turtle": "turtle", "whale": "spouting-whale", "snail": "snail",
    "apple": "red-apple", "mushroom": "mushroom", "cupcake": "cupcake", "tree": "deciduous-tree", "cactus": "cactus",
    "tulip": "tulip", "car": "automobile", "bus": "bus", "rocket": "rocket", "sailboat": "sailboat", "house": "house",
    "castle": "castle", "guitar": "guitar", "umbrella": "umbrella", "balloon": "balloon", "crown": "crown",
    "star": "star", "heart": "red-heart", "moon": "crescent-moon", "robot": "robot",
}  # fmt: skip
COLOURS = {
    "red": (222, 36, 44), "orange": (250, 136, 20), "yellow": (250, 214, 30), "green": (40, 172, 64),
    "blue": (36, 104, 232), "purple": (134, 64, 204), "pink": (252, 122, 186), "white": (226, 228, 236),
}  # fmt: skip
BACKGROUNDS = ("night", "sky", "sunset", "meadow", "beach", "snow", "sea", "room")


@dataclass(frozen=True)
class Thing:
    """One object: centre and size (its longer side) in 0–1 of the canvas."""

    subject: str
    colour: str
    x: float
    y: float
    size: float


@dataclass(frozen=True)
class Scene:
    background: str
    things: tuple[Thing, ...]
    seed: int = 0


@cache
def _tinted(subject: str, colour: str) -> Image.Image:
    """The sprite in one colour: brightness kept, hue replaced, dark lines and highlights left readable."""
    rgba = sprite(SUBJECTS[subject])
    light = rgba[..., :3] @ np.array([0.30, 0.59, 0.11], dtype=np.float32)
    solid = rgba[..., 3] > 0.5
    mean = float(light[solid].mean())
    # Bring each drawing to the same middle tone, so that "red" means the same red on a dark and on a pale drawing.
    tone = np.clip(light ** (np.log(0.52) / np.log(np.clip(mean, 0.15, 0.92))), 0, 1)[..., None]
    base = np.array(COLOURS[colour], dtype=np.float32) / 255
    dark, pale = base * 0.22, base * 0.35 + 0.65
    ramp = np.where(tone < 0.5, dark + (base - dark) * tone / 0.5, base + (pale - base) * (tone - 0.5) / 0.5)
    out = np.concatenate([ramp, rgba[..., 3:]], axis=-1)
    return Image.fromarray((out * 255).round().astype(np.uint8), "RGBA")


@cache
def sticker(subject: str, colour: str, longest: int) -> Image.Image:
    """A tinted object with a white sticker rim, its longer side `longest` pixels."""
    art = _tinted(subject, colour)
    scale = longest / max(art.size)
    art = art.resize((max(1, round(art.width * scale)), max(1, round(art.height * scale))), Image.Resampling.LANCZOS)
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
        for _ in range(int(rng.integers(8, 16))):
            x, y = rng.integers(1, size - 1, 2)
            out[y, x] = (250, 246, 210)
            out[y, x - 1] = out[y, x + 1 if x + 1 < size else x] = (150, 148, 180)
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
    else:
        raise ValueError(f"unknown background {name!r}: one of {', '.join(BACKGROUNDS)}")
    return Image.fromarray(out.clip(0, 255).astype(np.uint8))


def paint(scene: Scene, size: int = 96) -> Image.Image:
    """The scene as an RGB picture of `size`×`size` pixels; later things lie in front."""
    canvas = backdrop(scene.background, size, scene.seed)
    for thing in scene.things:
        art = sticker(thing.subject, thing.colour, max(6, round(thing.size * size)))
        canvas.paste(art, (round(thing.x * size - art.width / 2), round(thing.y * size - art.height / 2)), art)
    return canvas


def random_things(rng: np.random.Generator, count: int) -> list[tuple[str, str]]:
    subjects, colours = list(SUBJECTS), list(COLOURS)
    return [(subjects[rng.integers(len(subjects))], colours[rng.integers(len(colours))]) for _ in range(count)]
