"""The `parameters` text of a picture: what AUTOMATIC1111, Civitai and others read in a PNG."""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import Any

from ...prompts.formats.syntax.parameters import merged_prompt, write_parameters
from ..checkpoints.registry import CHECKPOINTS, checkpoint
from ..request import RenderRequest

SAMPLERS = {"euler": "Euler", "dpm++": "DPM++ 2M"}  # as those programs call the solvers


def parameters_of(request: RenderRequest) -> str:
    """Prompt, negative prompt and settings. The prompts of regions follow the scene's; LoRAs are tags."""
    plan = request.edited_plan
    tags = " ".join(f"<lora:{PurePath(lora.file.path).stem}:{lora.scale:g}>" for lora in request.loras)
    model = request.model or "pocket"
    row = checkpoint(model) if model in CHECKPOINTS or Path(model).exists() else None
    settings: dict[str, Any] = {
        "Steps": request.steps or (row.steps if row else None), "Sampler": SAMPLERS.get(request.solver or ""),
        "CFG scale": request.guidance_scale or (row.guidance_scale if row else None), "Seed": request.seed,
        "Size": f"{plan.width}x{plan.height}" if plan.width and plan.height else None, "Model": PurePath(model).stem,
        "Denoising strength": request.denoise if request.denoise < 1 else None,
    }  # fmt: skip
    given = {
        name: f"{value:g}" if isinstance(value, float) else value
        for name, value in settings.items()
        if value is not None
    }
    return write_parameters(f"{merged_prompt(plan)} {tags}", plan.negative, given)
