"""Nodes: a brief becomes a plan; a plan becomes bounding boxes, prompts, a caption, conditioning, or a picture.

A plan is a STRING, the JSON of `ditpipe plan`, so it can be shown, edited and saved. Interface: docs.comfy.org, "Server
Overview" of custom nodes. ComfyUI's own nodes do the conditioning.
"""

from __future__ import annotations

from typing import Any

import ditpipe

CATEGORY = "ditpipe"
CAPTIONS = ("ideogram4", "flux3", "fibo")
_PLAN = ("STRING", {"multiline": True, "forceInput": True, "tooltip": "a plan of ditpipe, or any layout that it reads"})
_TEXT = ("STRING", {"multiline": True, "default": ""})


def plan_of(text: str) -> ditpipe.ScenePlan:
    """The plan in a text: ditpipe's own JSON, or a layout of another program. Raises ValueError."""
    return ditpipe.load_layout(text).plan


def bounding_boxes(plan: ditpipe.ScenePlan, width: int, height: int) -> list[list[dict[str, Any]]]:
    """The regions as ComfyUI's BOUNDING_BOX: one frame of boxes in pixels, with what its canvas keeps in metadata."""
    frame = []
    for region in sorted(plan.regions, key=lambda region: region.z_order):
        box, prompt = region.box, region.prompt
        desc = ", ".join(part for part in (prompt.high_level, prompt.low_level) if part)
        kind = "text" if region.lettering else "obj"
        frame.append({
            "x": round(box.left * width), "y": round(box.top * height),
            "width": round((box.right - box.left) * width), "height": round((box.bottom - box.top) * height),
            "metadata": {"type": kind, "text": region.lettering, "desc": desc, "palette": list(region.colors)},
        })  # fmt: skip
    return [frame]


def conditioning(plan: ditpipe.ScenePlan, clip: Any, nodes: Any) -> tuple[Any, Any]:
    """Positive and negative conditioning: the scene's text everywhere, each region's in its area.

    nodes: ComfyUI's module of that name. Regions that act in some of the steps only get their step range.
    """

    def encoded(text: str) -> Any:
        return nodes.CLIPTextEncode().encode(clip, text)[0]

    positive = encoded(" ".join(part for part in (plan.scene.high_level, plan.scene.low_level, plan.style) if part))
    for region in sorted(plan.regions, key=lambda region: region.z_order):
        box, prompt = region.box, region.prompt
        text = encoded(", ".join(part for part in (prompt.high_level, prompt.low_level, plan.style) if part))
        size = {"width": box.right - box.left, "height": box.bottom - box.top, "x": box.left, "y": box.top}
        placed = nodes.ConditioningSetAreaPercentage().append(text, strength=region.strength, **size)[0]
        if (region.start, region.end) != (0, 1):
            placed = nodes.ConditioningSetTimestepRange().set_range(placed, region.start, region.end)[0]
        positive = nodes.ConditioningCombine().combine(positive, placed)[0]
    return positive, encoded(plan.negative)


def rendered(plan: ditpipe.ScenePlan, renderer: Any, **fields: Any) -> tuple[Any, list[str]]:
    """A plan drawn by ditpipe, as ComfyUI's IMAGE: float32 (1, height, width, 3), 0 to 1; and its warnings."""
    import numpy as np
    import torch

    result = renderer.render(ditpipe.RenderRequest(plan=plan, **fields))
    pixels = np.asarray(result.image.convert("RGB"), dtype=np.float32) / 255
    return torch.from_numpy(pixels)[None], list(result.warnings)


class DitpipePlan:
    """A brief in plain words → a plan."""

    CATEGORY, FUNCTION, RETURN_TYPES, RETURN_NAMES = CATEGORY, "run", ("STRING", "STRING"), ("plan", "notes")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        side = {"default": 1024, "min": 64, "max": 2048, "step": 16}
        return {"required": {
            "brief": _TEXT,
            "planner": ("STRING", {"default": "auto", "tooltip": "auto, or a chat model: openai:gpt-5"}),
            "width": ("INT", side), "height": ("INT", side),
        }}  # fmt: skip

    def run(self, brief: str, planner: str, width: int, height: int) -> tuple[str, str]:
        plan = ditpipe.Agent(planner=planner, size=f"{width}x{height}").plan(brief)
        return plan.model_dump_json(indent=2), "\n".join(plan.notes)


class DitpipeLayout:
    """Any layout that ditpipe reads → a plan, and what was not understood."""

    CATEGORY, FUNCTION, RETURN_TYPES, RETURN_NAMES = CATEGORY, "run", ("STRING", "STRING"), ("plan", "notes")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"layout": _TEXT}}

    def run(self, layout: str) -> tuple[str, str]:
        loaded = ditpipe.load_layout(layout)
        return loaded.plan.model_dump_json(indent=2), "\n".join(loaded.notes)


class DitpipeBoxes:
    """A plan → bounding boxes for ComfyUI's canvas, and the prompts: the scene's, each region's, the negative."""

    CATEGORY, FUNCTION = CATEGORY, "run"
    RETURN_TYPES, RETURN_NAMES = (
        ("BOUNDING_BOX", "STRING", "STRING", "STRING"),
        ("bboxes", "scene", "regions", "negative"),
    )
    OUTPUT_IS_LIST = (False, False, True, False)

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        side = {"default": 1024, "min": 64, "max": 16384, "step": 16}
        return {"required": {"plan": _PLAN, "width": ("INT", side), "height": ("INT", side)}}

    def run(self, plan: str, width: int, height: int) -> tuple[list[list[dict[str, Any]]], str, list[str], str]:
        scene_plan = plan_of(plan)
        boxes = bounding_boxes(scene_plan, width, height)
        scene = " ".join(part for part in (scene_plan.scene.high_level, scene_plan.scene.low_level) if part)
        return boxes, scene, [box["metadata"]["desc"] for box in boxes[0]], scene_plan.negative


class DitpipeCaption:
    """A plan → the caption of a model that takes boxes by itself, and what the caption cannot say."""

    CATEGORY, FUNCTION, RETURN_TYPES, RETURN_NAMES = CATEGORY, "run", ("STRING", "STRING"), ("caption", "unsaid")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"plan": _PLAN, "format": (list(CAPTIONS),)}}

    def run(self, plan: str, format: str) -> tuple[str, str]:
        dumped = ditpipe.dump_layout(plan_of(plan), format)
        return dumped.text, "\n".join(dumped.unsaid)


class DitpipeConditioning:
    """A plan → conditioning per region, by ComfyUI's own nodes."""

    CATEGORY, FUNCTION = CATEGORY, "run"
    RETURN_TYPES, RETURN_NAMES = ("CONDITIONING", "CONDITIONING"), ("positive", "negative")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"clip": ("CLIP",), "plan": _PLAN}}

    def run(self, clip: Any, plan: str) -> tuple[Any, Any]:
        import nodes  # type: ignore[import-not-found]  # ComfyUI's

        return conditioning(plan_of(plan), clip, nodes)


class DitpipeRender:
    """A plan → a picture, drawn by ditpipe, and its warnings."""

    CATEGORY, FUNCTION, RETURN_TYPES, RETURN_NAMES = CATEGORY, "run", ("IMAGE", "STRING"), ("image", "warnings")

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {
            "plan": _PLAN,
            "model": ("STRING", {"default": "pocket", "tooltip": "a name from `ditpipe models`, or a folder"}),
            "seed": ("INT", {"default": 0, "min": 0, "max": 2**62}),
            "steps": ("INT", {"default": 0, "min": 0, "max": 1000, "tooltip": "0: the model's own"}),
        }}  # fmt: skip

    def run(self, plan: str, model: str, seed: int, steps: int) -> tuple[Any, str]:
        image, warnings = rendered(plan_of(plan), ditpipe.Renderer(model), seed=seed, steps=steps or None)
        return image, "\n".join(warnings)


_NODES = (DitpipePlan, DitpipeLayout, DitpipeBoxes, DitpipeCaption, DitpipeConditioning, DitpipeRender)
NODE_CLASS_MAPPINGS = {node.__name__: node for node in _NODES}
NODE_DISPLAY_NAME_MAPPINGS = {
    "DitpipePlan": "Brief → plan (ditpipe)", "DitpipeLayout": "Layout → plan (ditpipe)",
    "DitpipeBoxes": "Plan → bounding boxes and prompts (ditpipe)", "DitpipeCaption": "Plan → caption (ditpipe)",
    "DitpipeConditioning": "Plan → conditioning (ditpipe)", "DitpipeRender": "Plan → picture (ditpipe)",
}  # fmt: skip
