"""ComfyUI's two files for one graph of nodes, a workflow and an API prompt, read as the same nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..draft import objects

MOST_NODES = 5000
# Widgets in the order in which a workflow lists their values.
_SAMPLER = ("seed", "control_after_generate", "steps", "cfg", "sampler_name", "scheduler", "denoise")
WIDGETS: dict[str, tuple[str, ...]] = {
    "CLIPTextEncode": ("text",), "KSampler": _SAMPLER,
    "KSamplerAdvanced": ("add_noise", "noise_seed", *_SAMPLER[1:6], "start_at_step", "end_at_step"),
    "EmptyLatentImage": ("width", "height", "batch_size"), "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "ConditioningSetArea": ("width", "height", "x", "y", "strength"),
    "ConditioningSetAreaPercentage": ("width", "height", "x", "y", "strength"),
    "ConditioningSetAreaStrength": ("strength",), "ConditioningSetMask": ("strength", "set_cond_area"),
    "ConditioningSetTimestepRange": ("start", "end"), "SolidMask": ("value", "width", "height"),
    "MaskComposite": ("x", "y", "operation"), "CheckpointLoaderSimple": ("ckpt_name",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"), "CreateBoundingBoxes": ("width", "height", "editor_state"),
    "Comfy Couple": ("orientation", "center", "width", "height"),
    "Comfy Couple Dit 2 blocks": ("orientation", "center", "width", "height"),
    "Comfy Couple Dit 4 blocks": ("divide_X", "divide_Y", "width", "height"),
    "Comfy Couple Dit 4 blocks + 1": ("block_nums", "divide_X", "divide_Y", "width", "height"),
    "Comfy Couple Dit n blocks": (
        "positive_count", "width", "height", "divideX_1", "divideX_2", "divideY_1", "divideY_2",
    ),
}  # fmt: skip
_TITLES = ("CLIP Text Encode (Prompt)", "CLIP Text Encode", "CLIPTextEncode")  # titles that say nothing


@dataclass(frozen=True)
class Node:
    """A node: its values by the inputs' names, and for connected inputs the key of the node they come from."""

    key: str
    kind: str
    title: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    muted: bool = False


def nodes_of(data: Any) -> dict[str, Node]:
    """The nodes of a workflow or an API prompt by their keys; none for anything else."""
    if not isinstance(data, dict):
        return {}
    if isinstance(data.get("nodes"), list):
        return _workflow(data)
    if isinstance(data.get("prompt"), dict):  # the body of a request to its server
        data = data["prompt"]
    given = {str(key): node for key, node in list(data.items())[:MOST_NODES] if isinstance(node, dict)}
    if not given or not all(isinstance(node.get("class_type"), str) for node in given.values()):
        return {}
    found = {}
    for key, node in given.items():
        inputs = node["inputs"] if isinstance(node.get("inputs"), dict) else {}
        linked = {name: str(value[0]) for name, value in inputs.items() if _is_link(value, given)}
        meta = node.get("_meta")
        title = str(meta.get("title", "")) if isinstance(meta, dict) else ""
        values = {name: value for name, value in inputs.items() if name not in linked}
        found[key] = Node(key, node["class_type"], _title(title, node["class_type"]), values, linked)
    return found


def _is_link(value: Any, given: Mapping[str, Any]) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[1], int) and str(value[0]) in given


def _workflow(data: dict[str, Any]) -> dict[str, Node]:
    links: dict[str, str] = {}  # id → key of the node it comes from
    for link in data["links"] if isinstance(data.get("links"), list) else []:
        if isinstance(link, list) and len(link) >= 4:
            links[str(link[0])] = str(link[1])
        elif isinstance(link, dict):
            links[str(link.get("id"))] = str(link.get("origin_id"))
    found = {}
    for node in objects(data["nodes"])[:MOST_NODES]:
        kind, key = str(node.get("type", "")), str(node.get("id"))
        inputs = objects(node.get("inputs"))
        sources = {
            str(entry.get("name")): links[str(entry["link"])] for entry in inputs if str(entry.get("link")) in links
        }
        values = _widget_values(node, kind, inputs)
        muted = node.get("mode") in (2, 4)  # never, bypassed
        found[key] = Node(key, kind, _title(str(node.get("title", "")), kind), values, sources, muted)
    return found


def _widget_values(node: dict[str, Any], kind: str, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    given = node.get("widgets_values")
    if isinstance(given, dict):
        return given
    names = WIDGETS.get(kind) or tuple(str(entry.get("name")) for entry in inputs if "widget" in entry)
    return dict(zip(names, given, strict=False)) if isinstance(given, list) else {}


def _title(title: str, kind: str) -> str:
    return "" if title in (*_TITLES, kind) else title.strip()
