"""ComfyUI workflows and API prompts: texts conditioned on areas or masks, and the nodes of the paper's authors.

The prompt's tree of conditioning nodes is followed from the sampler back to its texts. Sources: ComfyUI, nodes.py;
ZhenXiong-dl/ICASSP2025-RCAC, ComfyUI-ComfyCouple/comfy_couple_dit.py (2, 4, n regions, and 4 with a global prompt).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any

from ...plan import ScenePlan
from ...wording import joined
from ..draft import Draft, number, region_prompt, scene_prompt, text_of
from ..layout_format import Content, LayoutFormat, LoadedLayout, from_the_back
from .comfy_graph import Node, nodes_of

_MOST_STEPS = 2000  # nodes that are passed in one tree
_TEXTS = ("text", "t5xxl", "clip_l", "text_g", "text_l", "prompt", "string", "value", "wildcard_text", "populated_text")
_SAMPLERS = ("KSampler", "BasicGuider", "CFGGuider")
_GROUPS = ("workflow>", "workflow/")  # kinds of nodes that older versions made of several
BLOCKS = 40  # of Hunyuan-DiT, in which the authors' block_nums counts
Edges = tuple[float, float, float, float]


@dataclass(frozen=True)
class _Text:
    """A prompt that reaches the sampler. edges: left, top, right, bottom as shares; None: the whole picture."""

    text: str
    title: str = ""
    edges: Edges | None = None
    strength: float = 1.0
    start: float = 0.0
    end: float = 1.0


class _Graph:
    def __init__(self, nodes: Mapping[str, Node], draft: Draft, size: tuple[float, float]) -> None:
        self.nodes, self.draft, self.size = nodes, draft, size
        self.prompt_schedule = ""
        self._passed = 0

    def source(self, node: Node, *names: str) -> Node | None:
        """The node that one of these inputs comes from; bypassed and rerouting nodes are passed through."""
        key = next((node.sources[name] for name in names if name in node.sources), None)
        found = self.nodes.get(key or "")
        for _ in range(100):
            if found is None or not (found.muted or found.kind in ("Reroute", "PrimitiveNode") and found.sources):
                break
            found = self.nodes.get(next(iter(found.sources.values()), ""))
        return found

    def value(self, node: Node, *names: str) -> Any:
        """The value of the first of these inputs; of a connected one the first value of the node it comes from."""
        for name in names:
            if name in node.sources and (source := self.source(node, name)):
                return self.value(source, *_TEXTS, "int", "float", "number", "seed") if source is not node else None
            if name in node.values:
                return node.values[name]
        return None

    def texts(self, node: Node | None) -> Iterator[_Text]:
        """The prompts that reach a conditioning input."""
        self._passed += 1
        if node is None or self._passed > _MOST_STEPS:
            return
        if node.kind.startswith("Comfy Couple"):
            yield from self._couple(node)
        elif node.kind in ("ConditioningCombine", "ConditioningConcat", "ConditioningAverage"):
            for name in node.sources:
                yield from self.texts(self.source(node, name))
        elif node.kind.startswith("ConditioningSet"):
            yield from self._placed(node)
        elif any(name in node.sources or name in node.values for name in _TEXTS) and "conditioning" not in node.sources:
            texts = [text_of(self.value(node, name)) for name in _TEXTS if name in node.sources or name in node.values]
            yield _Text(joined(*dict.fromkeys(filter(None, texts))), node.title)
        else:
            through = next((name for name in node.sources if "conditioning" in name or name == "positive"), None)
            if through and node.kind not in ("FluxGuidance",):
                self.draft.note(f"the node {node.kind[:40]!r} is passed by: what it does to the prompt is not read")
            yield from self.texts(self.source(node, through) if through else None)

    def _placed(self, node: Node) -> Iterator[_Text]:
        """What a ConditioningSet… node does to its prompts."""
        strength = number(self.value(node, "strength"))
        for text in self.texts(self.source(node, "conditioning")):
            if node.kind == "ConditioningSetTimestepRange":
                start, end = (number(self.value(node, name)) for name in ("start", "end"))
                yield replace(text, start=start or 0.0, end=1.0 if end is None else end)
                continue
            edges = text.edges
            if node.kind in ("ConditioningSetArea", "ConditioningSetAreaPercentage"):
                share = node.kind.endswith("Percentage")
                edges = self._area(node, (1.0, 1.0) if share else self.size)
            elif node.kind == "ConditioningSetMask":
                edges = self._mask(self.source(node, "mask"))
                if edges is None:
                    self.draft.note("a mask that is not made of rectangles is not read: its prompt goes to the scene")
            if strength is not None and strength > 1:
                self.draft.note("strengths above 1 are read as 1")
            yield replace(text, edges=edges, strength=min(1.0, max(0.0, 1.0 if strength is None else strength)))

    def _area(self, node: Node, whole: tuple[float, float]) -> Edges | None:
        values = [number(self.value(node, name)) for name in ("x", "y", "width", "height")]
        if None in values:
            return None
        x, y, across, down = (value or 0.0 for value in values)
        return x / whole[0], y / whole[1], (x + across) / whole[0], (y + down) / whole[1]

    def _mask(self, node: Node | None) -> Edges | None:
        """The box of a mask that a SolidMask leaves on another one."""
        if node is None or node.kind != "MaskComposite":
            return None
        below, above = self.source(node, "destination"), self.source(node, "source")
        if below is None or above is None or {below.kind, above.kind} != {"SolidMask"}:
            return None
        whole = [number(self.value(below, side)) for side in ("width", "height")]
        part = [number(self.value(above, side)) for side in ("width", "height")]
        at = [number(self.value(node, side)) or 0.0 for side in ("x", "y")]
        if not all(whole) or not all(part):
            return None
        (across, down), (width, height) = ((side or 1.0 for side in sides) for sides in (whole, part))
        return at[0] / across, at[1] / down, (at[0] + width) / across, (at[1] + height) / down

    def _couple(self, node: Node) -> Iterator[_Text]:
        """The authors' nodes: a grid, its prompts row by row, and with '+ 1' a global prompt for the later blocks."""
        xs, ys = self._lines(node)
        boxes = [(x0, y0, x1, y1) for y0, y1 in zip([0.0, *ys], [*ys, 1.0], strict=True)
                 for x0, x1 in zip([0.0, *xs], [*xs, 1.0], strict=True)]  # fmt: skip
        connected = [name for name in node.sources if name.startswith("positive_") and name[9:].isdigit()]
        if len(connected) != len(boxes):
            self.draft.note(f"{len(connected)} prompts for the {len(boxes)} places of {node.kind!r}")
        for index, box in enumerate(boxes, start=1):
            for text in self.texts(self.source(node, f"positive_{index}")):
                yield replace(text, edges=box)
        for text in self.texts(self.source(node, "positive_all")):
            yield text
        if (blocks := number(self.value(node, "block_nums"))) is not None:
            self.prompt_schedule = f"regions-then-scene@{min(1.0, max(0.0, blocks / BLOCKS)):.3g}"

    def _lines(self, node: Node) -> tuple[list[float], list[float]]:
        """Where the grid is divided, across and down."""

        def line(name: str) -> float:
            value = number(self.value(node, name))
            return 0.5 if value is None else min(1.0, max(0.0, value))

        if node.kind.startswith("Comfy Couple Dit 4"):
            return [line("divide_X")], [line("divide_Y")]
        if node.kind == "Comfy Couple Dit n blocks":
            count = int(min(81, max(1, number(self.value(node, "positive_count")) or 1)))
            across = isqrt(count)
            return ([line(f"divideX_{index}") for index in range(1, across)],
                    [line(f"divideY_{index}") for index in range(1, count // across)])  # fmt: skip
        vertical = self.value(node, "orientation") == "vertical"
        return ([], [line("center")]) if vertical else ([line("center")], [])


def _sniff(content: Content) -> bool:
    return bool(nodes_of(content.data))


def _read(content: Content) -> LoadedLayout:
    nodes = nodes_of(content.data)
    samplers = [node for node in nodes.values() if not node.muted and {"positive", "conditioning"} & node.sources.keys()
                and ("latent_image" in node.sources or node.kind.startswith(_SAMPLERS))]  # fmt: skip
    if not samplers:
        kinds = ", ".join(dict.fromkeys(node.kind[:40] for node in nodes.values() if not node.muted))
        raise ValueError(f"this ComfyUI graph has no sampler with a prompt that is read, among its nodes {kinds[:300]}")
    sampler = samplers[0]
    empty = _first(nodes, sampler, "latent_image") or next(
        (node for node in nodes.values() if "Latent" in node.kind and {"width", "height"} <= node.values.keys()), None
    )
    sides = [number(empty.values.get(side)) if empty else None for side in ("width", "height")]
    draft = Draft("comfyui", width=sides[0], height=sides[1])
    graph = _Graph(nodes, draft, (sides[0] or 1024.0, sides[1] or 1024.0))
    for group in dict.fromkeys(node.kind for node in nodes.values() if node.kind.startswith(_GROUPS)):
        draft.note(f"the group node {group[:60]!r} is not read: convert it to a subgraph in ComfyUI")
    if len(samplers) > 1:
        draft.note(f"{len(samplers)} samplers: the prompts of the first, {sampler.title or sampler.kind!r}, are read")
    texts = list(graph.texts(graph.source(sampler, "positive", "conditioning")))
    negatives = [text.text for text in graph.texts(graph.source(_couple_before(graph, sampler), "negative"))]
    scene = [text.text for text in texts if text.edges is None]
    for text in texts:
        if text.edges is not None:
            draft.add(text.edges, text.text, name=text.title, strength=text.strength, start=text.start, end=text.end)
    settings: dict[str, Any] = {"prompt_schedule": graph.prompt_schedule} if graph.prompt_schedule else {}
    for ours, theirs in (("seed", ("seed", "noise_seed")), ("steps", ("steps",)), ("guidance_scale", ("cfg",))):
        if (value := number(graph.value(sampler, *theirs))) is not None:
            settings[ours] = value if ours == "guidance_scale" else int(value)
    loaders = [node for node in nodes.values() if not node.muted]
    settings |= {"model": name for node in loaders if (name := text_of(node.values.get("ckpt_name")))}
    tags = [_tag(node) for node in loaders if node.kind.startswith("LoraLoader")]
    return draft.layout(joined(*scene, *tags), negative=joined(*negatives), settings=settings)


def _couple_before(graph: _Graph, sampler: Node) -> Node:
    """The node whose `negative` input is the picture's: the sampler, or an authors' node before it."""
    found = graph.source(sampler, "negative")
    return found if found and found.kind.startswith("Comfy Couple") else sampler


def _first(nodes: Mapping[str, Node], node: Node, name: str) -> Node | None:
    found = nodes.get(node.sources.get(name, ""))
    return found if found and {"width", "height"} <= found.values.keys() else None


def _tag(node: Node) -> str:
    name = text_of(node.values.get("lora_name")).replace("\\", "/").removesuffix(".safetensors")
    return f"<lora:{name}:{number(node.values.get('strength_model')) or 1.0:g}>" if name else ""


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    """An API prompt of ComfyUI's own nodes: each region's text in its area, combined with the scene's."""
    width, height = plan.width or 1024, plan.height or 1024
    graph: dict[str, Any] = {
        "1": _node("CheckpointLoaderSimple", ckpt_name="model.safetensors"),
        "2": _node("CLIPTextEncode", "negative", text=plan.negative, clip=["1", 1]),
        "3": _node("CLIPTextEncode", "scene", text=scene_prompt(plan), clip=["1", 1]),
    }
    whole = "3"
    for region in from_the_back(plan):
        key, box = len(graph) + 1, region.box
        graph[str(key)] = _node("CLIPTextEncode", region.name, text=region_prompt(region), clip=["1", 1])
        graph[str(key + 1)] = _node(
            "ConditioningSetAreaPercentage", region.name, conditioning=[str(key), 0], x=round(box.left, 4),
            y=round(box.top, 4), width=round(box.right - box.left, 4), height=round(box.bottom - box.top, 4),
            strength=region.strength,
        )  # fmt: skip
        last = key + 1
        if (region.start, region.end) != (0, 1):
            last += 1
            graph[str(last)] = _node("ConditioningSetTimestepRange", region.name, conditioning=[str(last - 1), 0],
                                     start=region.start, end=region.end)  # fmt: skip
        graph[str(last + 1)] = _node("ConditioningCombine", conditioning_1=[whole, 0], conditioning_2=[str(last), 0])
        whole = str(last + 1)
    key = len(graph) + 1
    graph[str(key)] = _node("EmptyLatentImage", width=width, height=height, batch_size=1)
    graph[str(key + 1)] = _node(
        "KSampler", model=["1", 0], positive=[whole, 0], negative=["2", 0], latent_image=[str(key), 0], seed=0,
        steps=30, cfg=6.0, sampler_name="euler", scheduler="normal", denoise=1.0,
    )  # fmt: skip
    graph[str(key + 2)] = _node("VAEDecode", samples=[str(key + 1), 0], vae=["1", 2])
    graph[str(key + 3)] = _node("SaveImage", images=[str(key + 2), 0], filename_prefix="ditpipe")
    size = "" if plan.width else ", the size"
    notes = [
        f"the checkpoint model.safetensors{size}, seed, steps and sampler are placeholders: choose them in ComfyUI"
    ]
    return json.dumps(graph, ensure_ascii=False, indent=1), notes


def _node(kind: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs} | ({"_meta": {"title": title}} if title else {})


COMFY_WORKFLOW = LayoutFormat(
    "comfyui", "ComfyUI workflow", says=frozenset({"size", "names", "style", "negative", "strength", "steps", "order"}),
    boxes="ten-thousandths", sniff=_sniff, read=_read, write=_write, aliases=("comfyui-workflow", "rcac"),
)  # fmt: skip
