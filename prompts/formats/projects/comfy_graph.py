"""ComfyUI's two files for one graph of nodes, a workflow and an API prompt, read as the same nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from ..draft import inner, objects

MOST_NODES = 5000
MOST_NESTED = 20  # subgraphs in each other
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
    "CFGGuider": ("cfg",),
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
    """The nodes of a workflow or an API prompt by their keys; none for anything else. Raises ValueError for a workflow
    of too many nodes."""
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
    """The nodes of a workflow, each subgraph in the place of the node that stands for it. Raises ValueError if they are
    too many."""
    definitions = data["definitions"] if isinstance(data.get("definitions"), dict) else {}
    reader = _Reader({str(each.get("id")): each for each in objects(definitions.get("subgraphs"))})
    reader.read(data)
    return {key: replace(node, sources=reader.sources_of(key)) for key, node in reader.nodes.items()}


@dataclass(frozen=True)
class _Value:
    """What a subgraph's input is given by a widget of the node that stands for it."""

    value: Any


_Slot = tuple[str, int]  # an output: the key of its node and its number
_Given = _Slot | _Value | None
_IN, _OUT = "-10", "-20"  # ids of a subgraph's own inputs and outputs in its links


class _Reader:
    """Collects the nodes of a workflow and of its subgraphs. Source: ComfyUI's workflow schema, version 1."""

    def __init__(self, definitions: Mapping[str, dict[str, Any]]) -> None:
        self.definitions = definitions
        self.nodes: dict[str, Node] = {}
        self._slots: dict[str, dict[str, _Slot]] = {}  # of each node, by input
        self._outputs: dict[_Slot, _Given] = {}  # of subgraphs: what is connected to them inside
        self._left = MOST_NODES

    def read(
        self, graph: dict[str, Any], prefix: str = "", given: Sequence[_Given] = (),
        widgets: Mapping[tuple[str, str], Any] = MappingProxyType({}),
    ) -> None:  # fmt: skip
        """Adds the nodes of a graph. given: what is connected to its inputs; widgets: values of inner nodes' widgets
        that the node which stands for it shows, by id and name."""
        links: dict[str, _Given] = {}
        for key, origin, slot, target, into in _links(graph):
            inside = origin != _IN
            links[key] = (prefix + origin, slot) if inside else given[slot] if 0 <= slot < len(given) else None
            if target == _OUT and prefix:
                self._outputs[prefix[:-1], into] = links[key]
        for node in objects(graph.get("nodes")):
            self._left -= 1
            if self._left < 0:
                raise ValueError(f"a workflow of more than {MOST_NODES:,} nodes, those of its subgraphs counted")
            self._add(node, prefix, links, widgets)

    def _add(
        self, node: dict[str, Any], prefix: str, links: Mapping[str, _Given], widgets: Mapping[tuple[str, str], Any]
    ) -> None:
        kind, number = str(node.get("type", "")), str(node.get("id"))
        key, inputs, muted = prefix + number, objects(node.get("inputs")), node.get("mode") in (2, 4)  # never, bypassed
        definition = self.definitions.get(kind)
        promoted = _promoted_widgets(node, inputs) if definition else []
        values = {name: value for owner, name, value in promoted if owner == "-1"}
        values = values if definition else _widget_values(node, kind, inputs)
        values |= {name: value for (owner, name), value in widgets.items() if owner == number}
        slots: dict[str, _Slot] = {}
        for entry in inputs:
            name, origin = str(entry.get("name")), links.get(str(entry.get("link")))
            if isinstance(origin, _Value):
                values[name] = origin.value
            elif origin:
                slots[name] = origin
        if definition is None or muted:
            title = _title(str(node.get("title", "")), kind)
            self.nodes[key], self._slots[key] = Node(key, kind, title, values, muted=muted), slots
            return
        if prefix.count(":") >= MOST_NESTED:
            raise ValueError(f"subgraphs in subgraphs, more than {MOST_NESTED} deep")
        names = [str(entry.get("name")) for entry in objects(definition.get("inputs"))]
        given = [slots.get(name) or (_Value(values[name]) if name in values else None) for name in names]
        self.read(
            definition, f"{key}:", given, {(owner, name): value for owner, name, value in promoted if owner != "-1"}
        )

    def sources_of(self, key: str) -> dict[str, str]:
        """The node that each connected input of a node comes from, found through the borders of subgraphs."""
        found = {}
        for name, slot in self._slots[key].items():
            origin: _Given = slot
            for _ in range(MOST_NODES):
                if not isinstance(origin, tuple) or origin not in self._outputs:
                    break
                origin = self._outputs[origin]
            if isinstance(origin, tuple) and origin[0] in self.nodes:
                found[name] = origin[0]
        return found


def _links(graph: dict[str, Any]) -> Iterator[tuple[str, str, int, str, int]]:
    """Of each link its id, the node and output that it comes from, the node and input that it goes to."""
    for link in graph["links"] if isinstance(graph.get("links"), list) else []:
        if isinstance(link, dict):
            link = [link.get(name) for name in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
        if isinstance(link, list) and len(link) >= 5:
            slots = [value if isinstance(value, int) else 0 for value in (link[2], link[4])]
            yield str(link[0]), str(link[1]), slots[0], str(link[3]), slots[1]


def _promoted_widgets(node: dict[str, Any], inputs: list[dict[str, Any]]) -> list[tuple[str, str, Any]]:
    """The widgets of a node that stands for a subgraph: the id of the inner node that each is of ('-1': of the
    subgraph's input), its name and its value. One without a value keeps that inside."""
    given = node["widgets_values"] if isinstance(node.get("widgets_values"), list) else []
    proxies = inner(node, "properties", {}).get("proxyWidgets")
    if isinstance(proxies, list):
        named = (each if isinstance(each, list) and len(each) > 1 else ("", "") for each in proxies)
        pairs = [(str(each[0]), str(each[1])) for each in named]
    else:
        pairs = [("-1", str(entry.get("name"))) for entry in inputs if "widget" in entry]
    return [(*pair, value) for pair, value in zip(pairs, given, strict=False) if value is not None]


def _widget_values(node: dict[str, Any], kind: str, inputs: list[dict[str, Any]]) -> dict[str, Any]:
    given = node.get("widgets_values")
    if isinstance(given, dict):
        return dict(given)
    names = WIDGETS.get(kind) or tuple(str(entry.get("name")) for entry in inputs if "widget" in entry)
    return dict(zip(names, given, strict=False)) if isinstance(given, list) else {}


def _title(title: str, kind: str) -> str:
    return "" if title in (*_TITLES, kind) else title.strip()
