"""Plans and requests that fit the tiny checkpoint of each family."""

from __future__ import annotations

from typing import Any

import torch

from ditpipe import LeveledPrompt, Region, Renderer, RenderRequest, ScenePlan, grid

SIDE = {"sana": 256, "sana-1.5": 256, "sd": 256, "sdxl": 256, "hunyuan-image": 256}


def plan_of(name: str, columns: int = 2, rows: int = 1, **fields: Any) -> ScenePlan:
    side = SIDE.get(name, 96)
    regions = [
        Region(name=f"thing {i}", box=box, prompt=LeveledPrompt(high_level="abcdefghi"[i], low_level="red"))
        for i, box in enumerate(grid(columns, rows))
    ]
    scene = {"scene": LeveledPrompt(high_level="many things in rows")} | fields
    return ScenePlan(width=side, height=side, regions=regions, **scene)


def request(renderer: Renderer, plan: ScenePlan, **fields: Any) -> RenderRequest:
    return RenderRequest(plan=plan, model=renderer.model, **({"steps": 2} | fields))


def drawn(renderer: Renderer, plan: ScenePlan, **fields: Any) -> torch.Tensor:
    return renderer.render(request(renderer, plan, **fields)).latents
