"""Krita documents with the regions of Krita AI Diffusion: prompts of layers, whose boxes are those of their tiles.

Source: Acly/krita-ai-diffusion, ai_diffusion/persistence.py and region.py. `archives.py` reads the document itself.
"""

from __future__ import annotations

import re
from typing import Any

from ..draft import Draft, inner, number, objects, text_of
from ..layout_format import Content, LayoutFormat, LoadedLayout


def _sniff(content: Content) -> bool:
    return isinstance(content.data, dict) and isinstance(content.data.get("krita"), dict)


def _read(content: Content) -> LoadedLayout:
    document = content.data["krita"]
    width, height = number(document.get("width")), number(document.get("height"))
    draft = Draft("krita", width=width, height=height)
    state = document.get("ui")
    if not isinstance(state, dict):
        raise ValueError("this Krita document has no regions of Krita AI Diffusion")
    layers = {_plain(layer.get("uuid")): layer for layer in objects(document.get("layers"))}
    if regions := objects(state.get("regions")):
        draft.note("of layers the boxes around their tiles of 64 pixels are read")
    for region in regions:
        ids = region.get("layer_ids") or region.get("layers") or ""
        parts = [str(uuid) for uuid in ids] if isinstance(ids, list) else re.split(r"[,;\s]+", str(ids))
        own = [layer for part in parts if (layer := layers.get(_plain(part)))]
        edges = None
        if width and height and (bounds := _bounds(own, layers)):
            edges = [bounds[0] / width, bounds[1] / height, bounds[2] / width, bounds[3] / height]
        name = text_of(own[0].get("name")) if own else ""
        draft.add(edges, text_of(region.get("positive")), name=name, negative=text_of(region.get("negative")))
    root = inner(state, "root", {})
    controls = sum(len(objects(part.get("control"))) for part in (state, root, *regions))
    if controls:
        draft.note(f"{controls} control layers are not read: give ControlNets with --control")
    seed = number(state.get("seed")) if state.get("fixed_seed") else None
    settings = {} if seed is None else {"seed": int(seed)}
    return draft.layout(text_of(root.get("positive")), negative=text_of(root.get("negative")), settings=settings)


def _plain(uuid: Any) -> str:
    return str(uuid).strip("{} ").casefold()


def _bounds(own: list[dict[str, Any]], layers: dict[str, dict[str, Any]]) -> list[float] | None:
    """The box around layers and, of groups, the layers in them."""
    inside = [layers[_plain(part)] for layer in own for part in layer.get("parts", []) if _plain(part) in layers]
    found = [layer["bounds"] for layer in inside if layer.get("bounds")]
    if not found:
        return None
    return [min(box[0] for box in found), min(box[1] for box in found), max(box[2] for box in found),
            max(box[3] for box in found)]  # fmt: skip


KRITA = LayoutFormat(
    "krita", "Krita AI Diffusion", says=frozenset({"size", "names", "negative", "region negative"}),
    boxes="tiles of 64 pixels", sniff=_sniff, read=_read,
)  # fmt: skip
