"""Composed pictures redrawn by the shipped renderer: their labels are known, and they look generated."""

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from ditpipe import Box, LeveledPrompt, Region, Renderer, RenderRequest, ScenePlan
from training.captions import caption, name_of
from training.scenes import regions_of
from training.world import SIZE, Scene

STEPS = 12


@cache
def _renderer() -> Renderer:
    return Renderer()


def plan_of(scene: Scene, arrangement: str, rng: np.random.Generator) -> ScenePlan:
    """A composed scene as a plan, in the words of its captions. Raises ValueError for a scene without things."""
    regions = []
    boxes = regions_of(scene, arrangement, rng)
    for number, (thing, (left, top, right, bottom)) in enumerate(zip(scene.things, boxes, strict=True)):
        words = name_of(thing, rng).removeprefix("a ")
        box = Box(left=left, top=top, right=right, bottom=bottom)
        regions.append(Region(name=f"thing {number}", box=box, prompt=LeveledPrompt(high_level=words)))
    prompt = LeveledPrompt(high_level=caption(scene, arrangement, rng))
    return ScenePlan(width=SIZE, height=SIZE, scene=prompt, regions=regions)


def redrawn(image: Image.Image, scene: Scene, arrangement: str, rng: np.random.Generator) -> Image.Image:
    """The picture of a scene after image-to-image with `denoise` 0.4 to 0.9."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "composed.png"
        image.save(file)
        request = RenderRequest(
            plan=plan_of(scene, arrangement, rng), image=file, denoise=rng.uniform(0.4, 0.9), steps=STEPS,
            seed=int(rng.integers(2**31)),
        )  # fmt: skip
        return _renderer().render(request).image
