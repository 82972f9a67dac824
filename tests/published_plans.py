"""Plans that fit the tiny published checkpoints, drawn."""

from __future__ import annotations

from typing import Any

from ditpipe import LeveledPrompt, Region, Renderer, RenderRequest, ScenePlan, grid
from ditpipe.renderer.regions.prompt_schedule import preset

PROMPT = "a red cat, blurred"


def plan_of(name: str) -> ScenePlan:
    """One region over the whole canvas."""
    side = 128 if name.startswith(("sana", "sd-", "sdxl", "hunyuan-image")) else 96
    prompt = LeveledPrompt(high_level=PROMPT)
    region = Region(name="all", box=grid(1, 1)[0], prompt=prompt)
    return ScenePlan(scene=prompt, regions=[region], negative="blurred", width=side, height=side)


def draw(model: str, name: str, **more: Any) -> Any:
    request = RenderRequest(
        plan=plan_of(name), model=model, steps=3, guidance_scale=4, seed=7, prompt_schedule=preset("regions")
    )
    return Renderer(model, device="cpu").render(request.model_copy(update=more))
