"""The node pack of integrations/comfyui, loaded as ComfyUI loads a pack, against the documented interface of nodes."""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from plans import plan_of

from ditpipe import Renderer, load_layout

PACK = Path(__file__).parents[1] / "integrations" / "comfyui"
# Types of sockets in ComfyUI's core, which other nodes can be connected to.
SOCKETS = {"STRING", "INT", "FLOAT", "BOOLEAN", "CLIP", "CONDITIONING", "IMAGE", "BOUNDING_BOX"}


@pytest.fixture(scope="module")
def pack() -> Any:
    spec = importlib.util.spec_from_file_location(
        "comfyui_ditpipe", PACK / "__init__.py", submodule_search_locations=[str(PACK)]
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_each_node_has_the_documented_interface(pack: Any) -> None:
    assert pack.NODE_CLASS_MAPPINGS.keys() == pack.NODE_DISPLAY_NAME_MAPPINGS.keys()
    for node in pack.NODE_CLASS_MAPPINGS.values():
        inputs = node.INPUT_TYPES()["required"]
        assert list(inspect.signature(getattr(node(), node.FUNCTION)).parameters) == list(inputs)
        assert all(isinstance(kind[0], list) or kind[0] in SOCKETS for kind in inputs.values())
        assert set(node.RETURN_TYPES) <= SOCKETS and len(node.RETURN_NAMES) == len(node.RETURN_TYPES)
        assert node.CATEGORY == "ditpipe" and len(getattr(node, "OUTPUT_IS_LIST", node.RETURN_TYPES)) == len(
            node.RETURN_TYPES
        )


def test_a_plan_becomes_boxes_prompts_and_a_caption(pack: Any) -> None:
    plan = plan_of(2).model_dump_json()
    nodes = pack.NODE_CLASS_MAPPINGS
    boxes, scene, regions, negative = nodes["DitpipeBoxes"]().run(plan, 512, 256)
    assert load_layout(json.dumps(boxes), width=512, height=256).plan.regions[1].box == plan_of(2).regions[1].box
    assert (scene, len(regions), negative) == (plan_of(2).scene.high_level, 2, "")
    caption, unsaid = nodes["DitpipeCaption"]().run(plan, "ideogram4")
    assert len(json.loads(caption)["compositional_deconstruction"]["elements"]) == 2 and "pixels" in unsaid
    again, notes = nodes["DitpipeLayout"]().run("a room <region:0,0,0.5,1> a cat <segment:face> x")
    assert json.loads(again)["regions"][0]["name"] == "a cat" and "<segment:…>" in notes


def test_conditioning_is_made_by_comfyuis_own_nodes(pack: Any) -> None:
    """The calls and arguments of ComfyUI's nodes.py, each giving a tuple of one conditioning."""

    class Encode:
        def encode(self, clip: Any, text: str) -> tuple[list[Any]]:
            return ([[text, {}]],)

    class Area:
        def append(
            self, conditioning: list[Any], width: float, height: float, x: float, y: float, strength: float
        ) -> Any:
            area = ("percentage", height, width, y, x)
            return ([[text, more | {"area": area, "strength": strength}] for text, more in conditioning],)

    class Range:
        def set_range(self, conditioning: list[Any], start: float, end: float) -> Any:
            return ([[text, more | {"range": (start, end)}] for text, more in conditioning],)

    class Combine:
        def combine(self, conditioning_1: list[Any], conditioning_2: list[Any]) -> Any:
            return (conditioning_1 + conditioning_2,)

    nodes = SimpleNamespace(CLIPTextEncode=Encode, ConditioningSetAreaPercentage=Area, ConditioningCombine=Combine,
                            ConditioningSetTimestepRange=Range)  # fmt: skip
    plan = plan_of(2)
    late = plan.regions[1].model_copy(update={"start": 0.25, "strength": 0.8})
    plan = plan.model_copy(update={"regions": [plan.regions[0], late], "negative": "blurred"})
    positive, negative = pack.ditpipe_nodes.conditioning(plan, "clip", nodes)
    assert [text for text, _ in positive][0] == plan.scene.high_level and negative == [["blurred", {}]]
    assert positive[2][1] == {"area": ("percentage", 1.0, 0.5, 0.0, 0.5), "strength": 0.8, "range": (0.25, 1.0)}


def test_a_plan_is_drawn_as_an_image_tensor(pack: Any, tiny: Renderer) -> None:
    image, warnings = pack.ditpipe_nodes.rendered(plan_of(2), tiny, seed=3, steps=1)
    assert image.dtype == torch.float32 and image.ndim == 4 and image.shape[-1] == 3
    assert 0 <= image.min() and image.max() <= 1 and isinstance(warnings, list)
