"""Layouts as other programs write them, each with the regions that it says: name, edges in percent, prompt."""

import json
from typing import Any

Regions = list[tuple[str, tuple[int, int, int, int], str]]

IDEOGRAM = {
    "high_level_description": "A tea shop's sign.",
    "style_description": {
        "aesthetics": "calm", "lighting": "soft", "medium": "graphic_design", "art_style": "woodcut",
        "color_palette": ["#FFEEDD"],
    },
    "compositional_deconstruction": {
        "background": "Cream paper.",
        "elements": [
            {"type": "obj", "bbox": [100, 200, 500, 800], "desc": "A pot.", "color_palette": ["#112233"]},
            {"type": "text", "bbox": [600, 0, 700, 1000], "text": "TEA 茶", "desc": "Large serif."},
            {"type": "obj", "desc": "A cup."},
        ],
    },
}  # fmt: skip
FLUX3 = (
    "A lane with a tram <tram_1> and a cat <cat_2>. "
    '[{"id": "tram_1", "bbox": [100, 0, 900, 500], "desc": "A green tram"}, '
    '{"id": "cat_2", "from": "target", "src_bbox": null, "tgt_bbox": [500, 600, 900, 1000], "desc": "A cat"}, '
    '{"id": "van_1", "from": "ref_image_0", "src_bbox": [0, 0, 9, 9], "tgt_bbox": null, "desc": "A van"}]'
)
FIBO = {
    "short_description": "A desk.", "background_setting": "a wall", "style_medium": "photograph",
    "lighting": {"conditions": "daylight"},
    "objects": [
        {"description": "a lamp", "location": "top-left", "relative_size": "small", "texture": "brass"},
        {"description": "a rug", "location": "bottom center background", "relative_size": "large"},
    ],
    "text_render": [{"text": "OPEN", "location": "top-right", "size": "small", "color": "red", "font": "serif"}],
}  # fmt: skip
COMFY_BOXES = [
    [
        {"x": 0, "y": 0, "width": 512, "height": 1024, "metadata": {"type": "obj", "desc": "a fern", "palette": []}},
        {"x": 512, "y": 512, "width": 512, "height": 512, "metadata": {"type": "text", "text": "HI", "desc": "neon"}},
    ]
]
RP_GRID = """(blue sky:1.2) ADDCOL
a tower ADDROW
sand ADDCOL
a crab ADDCOL
a shell

Divide mode : Horizontal
Divide Ratio : 1,2,2;3,1,1,2"""
RP_BASE = "a girl ADDCOMM\nin a park ADDBASE\nred hair BREAK\ngreen dress"
FORGE = {
    "prompt": "a beach\ntwo dogs\n\na kite, <lora:kites:0.5>", "negative_prompt": "rain", "width": 1024, "height": 512,
    "alwayson_scripts": {"forge couple": {"args": [True, True, "Basic", "", "Vertical", "First Line", 0.5, None]}},
}  # fmt: skip
FORGE_TABLE = {
    "prompt": "a couple\na man\na woman", "steps": 20, "alwayson_scripts": {"forge_couple": {"args": [
        True, "Advanced", "", None, None, None,
        [["0.0:1.0", "0.0:1.0", "0.4"], ["0.0:0.5", "0.2:1.0", "1.0"], ["0.5:1.0", "0.0:1.0", "1.0"]],
    ]}},
}  # fmt: skip
SWARM = (
    "a harbour <region:0,0,0.5,1,0.8> a boat <lora:boats:0.7> <object:0.5,0.5,0.5,0.5,0.6,0.4> a gull "
    "<region:background> fog <segment:face,0.6> a fine face <comment:mine>"
)
OMOST = """Sure!
```python
canvas = Canvas()
canvas.set_global_description(description='A pond.', detailed_descriptions=['Still water.'], tags='pond', HTML_web_color_name='navy')
canvas.add_local_description(location='on the left', offset='no offset', area='a large vertical area', distance_to_viewer=1.0, description='A heron', detailed_descriptions=['Grey feathers.'], tags='bird', atmosphere='', style='', quality_meta='', HTML_web_color_name='gray')
canvas.add_local_description('on the bottom-right', 'slightly to the left', 'a small square area', 5, 'A frog', [], '', '', '', '', 'lime')
__import__("os").remove("important")
```"""  # noqa: E501
REGIONAL_FLUX = """import torch
image_width = 1000
image_height = 500
base_prompt = "A storm."
background_prompt = "a photo"
regional_prompt_mask_pairs = {
    "0": {"description": "A mast", "mask": [100, 0, 300, 500]},
    "1": {"description": "A wave", "mask": [300, 250, 1000, 500]},
}
base_ratio = 0.25
pipeline = open("important", "w")"""
INVOKE = {
    "app_version": "6.1.0", "generation_mode": "sdxl_txt2img", "positive_prompt": "a meadow", "negative_prompt": "fog",
    "width": 1024, "height": 1024, "seed": 7, "steps": 30, "cfg_scale": 5.5, "model": {"name": "juggernaut"},
    "canvas_v2_metadata": {"rasterLayers": [], "regionalGuidance": [
        {"name": "Cow", "isEnabled": True, "position": {"x": 0, "y": 512}, "positivePrompt": "a cow",
         "negativePrompt": "horns", "referenceImages": [],
         "objects": [{"type": "rect", "rect": {"x": 0, "y": 0, "width": 512, "height": 512}}]},
        {"name": None, "isEnabled": True, "position": {"x": 0, "y": 0}, "positivePrompt": "a barn",
         "objects": [{"type": "brush_line", "strokeWidth": 0, "points": [512, 0, 1024, 256]}]},
        {"name": "Off", "isEnabled": False, "positivePrompt": "a dog", "objects": []},
    ]},
}  # fmt: skip
COCO = {
    "images": [{"id": 5, "width": 640, "height": 480}],
    "categories": [{"id": 1, "name": "dog"}, {"id": 2, "name": "sofa"}],
    "annotations": [
        {"id": 1, "image_id": 5, "category_id": 1, "bbox": [160, 120, 160, 120]},
        {"id": 2, "image_id": 5, "category_id": 2, "bbox": [0, 120, 640, 360]},
        {"id": 3, "image_id": 5, "category_id": 1, "bbox": [480, 0, 160, 48]},
        {"id": 4, "image_id": 5, "caption": "Dogs on a sofa."},
    ],
}  # fmt: skip
A1111 = """a lake <lora:lakes:0.6>
Negative prompt: boats, people
Steps: 24, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 41, Size: 640x384, Model: dream, \
RP Active: True, RP Divide mode: Matrix, RP Matrix submode: Columns, RP Ratios: "1,3", RP Use Base: False"""
A1111_PROMPT = A1111.replace("a lake <lora:lakes:0.6>", "a swan ADDCOL\na lake <lora:lakes:0.6>")
FOUR, NINE = list("甲乙丙丁"), list("123456789")


def comfy_graph() -> dict[str, Any]:
    """An API prompt: two texts on areas, one on a mask of rectangles, one on the whole picture."""
    clip = ["1", 1]
    return {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "dream.safetensors"}},
        "2": {"class_type": "CLIPTextEncode", "inputs": {"text": "a valley", "clip": clip}},
        "3": {"class_type": "CLIPTextEncode", "inputs": {"text": "a river", "clip": clip}, "_meta": {"title": "River"}},
        "4": {"class_type": "ConditioningSetArea", "inputs": {
            "conditioning": ["3", 0], "x": 0, "y": 256, "width": 512, "height": 256, "strength": 0.9}},
        "5": {"class_type": "CLIPTextEncode", "inputs": {"text": "a hawk", "clip": clip}},
        "6": {"class_type": "SolidMask", "inputs": {"value": 0.0, "width": 512, "height": 512}},
        "7": {"class_type": "SolidMask", "inputs": {"value": 1.0, "width": 128, "height": 128}},
        "8": {"class_type": "MaskComposite", "inputs": {
            "destination": ["6", 0], "source": ["7", 0], "x": 384, "y": 0, "operation": "add"}},
        "9": {"class_type": "ConditioningSetMask", "inputs": {
            "conditioning": ["5", 0], "mask": ["8", 0], "strength": 1.0, "set_cond_area": "default"}},
        "10": {"class_type": "ConditioningCombine", "inputs": {"conditioning_1": ["2", 0], "conditioning_2": ["4", 0]}},
        "11": {"class_type": "ConditioningCombine", "inputs": {
            "conditioning_1": ["10", 0], "conditioning_2": ["9", 0]}},
        "12": {"class_type": "CLIPTextEncode", "inputs": {"text": "smoke", "clip": clip}},
        "13": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
        "14": {"class_type": "KSampler", "inputs": {
            "model": ["1", 0], "positive": ["11", 0], "negative": ["12", 0], "latent_image": ["13", 0], "seed": 9,
            "steps": 12, "cfg": 4.0, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}},
    }  # fmt: skip


def authors_workflow(kind: str, widgets: list[Any], prompts: list[str], scene: str = "") -> dict[str, Any]:
    """A workflow of the nodes that the paper's authors published: texts, their node, a sampler."""
    texts = [*prompts, "模糊的", *([scene] if scene else [])]
    nodes: list[dict[str, Any]] = [
        {"id": 10 + index, "type": "CLIPTextEncode", "mode": 0, "inputs": [{"name": "clip", "link": None}],
         "outputs": [], "widgets_values": [text]}
        for index, text in enumerate(texts)
    ]  # fmt: skip
    names = [f"positive_{index + 1}" for index in range(len(prompts))] + ["negative"] + ["positive_all"] * bool(scene)
    inputs = [{"name": name, "link": 10 + index} for index, name in enumerate(names)]
    nodes += [
        {"id": 2, "type": kind, "mode": 0, "inputs": inputs, "widgets_values": widgets},
        {"id": 3, "type": "EmptyLatentImage", "mode": 0, "inputs": [], "widgets_values": [1024, 1024, 1]},
        {"id": 4, "type": "KSampler", "mode": 0, "widgets_values": [41, "fixed", 30, 6, "euler", "sgm_uniform", 1],
         "inputs": [{"name": name, "link": index + 1} for index, name in
                    enumerate(("positive", "negative", "latent_image"))]},
    ]  # fmt: skip
    links = [[10 + index, 10 + index, 0, 2, index, "CONDITIONING"] for index in range(len(texts))]
    links += [[1, 2, 1, 4, 0, "CONDITIONING"], [2, 2, 2, 4, 1, "CONDITIONING"], [3, 3, 0, 4, 2, "LATENT"]]
    return {"nodes": nodes, "links": links, "version": 0.4}


def _text(layout: Any) -> str:
    return layout if isinstance(layout, str) else json.dumps(layout, ensure_ascii=False)


# Format, content, settings, scene prompt, regions.
LAYOUTS: list[tuple[str, str, dict[str, Any], str, Regions]] = [
    ("ideogram4", _text(IDEOGRAM), {}, "A tea shop's sign. A cup. Background: Cream paper.",
     [("A pot.", (20, 10, 80, 50), "A pot."), ("TEA 茶", (0, 60, 100, 70), "Large serif.")]),
    ("flux3", FLUX3, {}, "A lane with a tram and a cat.",
     [("tram", (0, 10, 50, 90), "A green tram"), ("cat 2", (60, 50, 100, 90), "A cat")]),
    ("fibo", _text(FIBO), {}, "A desk. Background: a wall",
     [("a rug", (12, 25, 88, 100), "a rug"), ("a lamp", (0, 0, 25, 25), "a lamp"),
      ("OPEN", (75, 0, 100, 6), "small, red, serif")]),
    ("comfyui-boxes", _text(COMFY_BOXES), {}, "",
     [("a fern", (0, 0, 50, 100), "a fern"), ("HI", (50, 50, 100, 100), "neon")]),
    ("regional-prompter", RP_GRID, {}, "",
     [("blue sky", (0, 0, 50, 25), "(blue sky:1.2)"), ("a tower", (50, 0, 100, 25), "a tower"),
      ("sand", (0, 25, 25, 100), "sand"), ("a crab", (25, 25, 50, 100), "a crab"),
      ("a shell", (50, 25, 100, 100), "a shell")]),
    ("regional-prompter", "sky ADDROW\nhill ADDCOL\nhut", {"divide_mode": "Vertical", "divide_ratio": "1;1;2,1;1"}, "",
     [("sky", (0, 0, 50, 33), "sky"), ("hill", (0, 33, 50, 100), "hill"), ("hut", (50, 0, 100, 100), "hut")]),
    ("regional-prompter", RP_BASE, {"ratio": "1,3", "mode": "Columns", "base_ratio": "0.3"}, "a girl, in a park",
     [("red hair", (0, 0, 25, 100), "a girl, red hair"), ("green dress", (25, 0, 100, 100), "a girl, green dress")]),
    ("regional-prompter", "a b BREAK c BREAK d", {"ratio": "1,1;1,1,1", "mode": "Horizontal"}, "",
     [("a b", (0, 0, 100, 50), "a b"), ("c", (0, 50, 50, 100), "c"), ("d", (50, 50, 100, 100), "d")]),
    ("forge-couple", _text(FORGE), {}, "a beach",
     [("two dogs", (0, 0, 100, 50), "two dogs"), ("a kite", (0, 50, 100, 100), "a kite, <lora:kites:0.5>")]),
    ("forge-couple", _text(FORGE_TABLE), {}, "a couple",
     [("a man", (0, 20, 50, 100), "a man"), ("a woman", (50, 0, 100, 100), "a woman")]),
    ("forge-couple", "{pair:two cats}, grey ## {pair}, red", {"separator": "##", "direction": "Horizontal"}, "",
     [("two cats, grey", (0, 0, 50, 100), "two cats, grey"), ("two cats, red", (50, 0, 100, 100), "two cats, red")]),
    ("swarmui", SWARM, {}, "a harbour. Background: fog",
     [("a boat", (0, 0, 50, 100), "a boat <lora:boats:0.7>"), ("a gull", (50, 50, 100, 100), "a gull")]),
    ("omost", OMOST, {}, "A pond.",
     [("A frog", (44, 56, 100, 100), "A frog"), ("A heron", (0, 0, 50, 100), "A heron")]),
    ("regional-flux", REGIONAL_FLUX, {}, "A storm. Background: a photo",
     [("A mast", (10, 0, 30, 100), "A mast"), ("A wave", (30, 50, 100, 100), "A wave")]),
    ("invokeai", _text(INVOKE), {}, "a meadow",
     [("Cow", (0, 50, 50, 100), "a cow"), ("a barn", (50, 0, 100, 25), "a barn")]),
    ("coco", _text(COCO), {}, "Dogs on a sofa.",
     [("sofa", (0, 25, 100, 100), "sofa"), ("dog", (25, 25, 50, 50), "dog"), ("dog 2", (75, 0, 100, 10), "dog")]),
    ("a1111", A1111.replace("RP Active: True", "RP Active: False"), {}, "a lake <lora:lakes:0.6>", []),
    ("regional-prompter", A1111_PROMPT, {}, "",
     [("a swan", (0, 0, 25, 100), "a swan"), ("a lake", (25, 0, 100, 100), "a lake <lora:lakes:0.6>")]),
    ("comfyui", _text(comfy_graph()), {}, "a valley",
     [("River", (0, 50, 100, 100), "a river"), ("a hawk", (75, 0, 100, 25), "a hawk")]),
    ("comfyui", _text(authors_workflow("Comfy Couple Dit 2 blocks", ["horizontal", 0.4, 1024, 1024], ["长发", "短发"])),
     {}, "", [("长发", (0, 0, 40, 100), "长发"), ("短发", (40, 0, 100, 100), "短发")]),
    ("comfyui", _text(authors_workflow("Comfy Couple Dit 4 blocks + 1", [8, 0.5, 0.25, 1024, 1024], FOUR, "房间")),
     {}, "房间", [("甲", (0, 0, 50, 25), "甲"), ("乙", (50, 0, 100, 25), "乙"), ("丙", (0, 25, 50, 100), "丙"),
                ("丁", (50, 25, 100, 100), "丁")]),
    ("comfyui", _text(authors_workflow("Comfy Couple Dit n blocks", [9, 1024, 1024, 0.3, 0.6, 0.2, 0.5], NINE)), {}, "",
     [(NINE[3 * row + column], (x[column], y[row], x[column + 1], y[row + 1]), NINE[3 * row + column])
      for x, y in [((0, 30, 60, 100), (0, 20, 50, 100))] for row in range(3) for column in range(3)]),
]  # fmt: skip


def subgraph_workflow(promoted: list[list[str]], values: list[Any]) -> dict[str, Any]:
    """A workflow whose prompts are in a subgraph in a subgraph: a text from the outer one's input, a text on the right
    half. promoted: the widgets that the node of the outer one shows, with these values."""
    inner = [
        {"id": 27, "type": "CLIPTextEncode", "inputs": [{"name": "text", "widget": {"name": "text"}, "link": 5}],
         "widgets_values": ["inside"]},
        {"id": 28, "type": "CLIPTextEncode", "title": "Fox", "inputs": [], "widgets_values": ["a fox"]},
        {"id": 29, "type": "ConditioningSetAreaPercentage", "inputs": [{"name": "conditioning", "link": 6}],
         "widgets_values": [0.5, 1, 0.5, 0, 1]},
        {"id": 30, "type": "ConditioningCombine",
         "inputs": [{"name": "conditioning_1", "link": 7}, {"name": "conditioning_2", "link": 8}]},
    ]  # fmt: skip
    between = [_link(5, -10, 27), _link(6, 28, 29), _link(7, 27, 30), _link(8, 29, 30), _link(9, 30, -20)]
    outer = [{"id": 3, "type": "inner", "inputs": [{"name": "text", "link": 1}], "outputs": []}]
    ports = {"inputs": [{"name": "text"}], "outputs": [{"name": "CONDITIONING"}]}
    return {
        "nodes": [
            {"id": 1, "type": "outer", "inputs": [], "widgets_values": values,
             "properties": {"proxyWidgets": promoted}},
            {"id": 2, "type": "EmptyLatentImage", "inputs": [], "widgets_values": [1024, 512, 1]},
            {"id": 4, "type": "KSampler", "widgets_values": [41, "fixed", 30, 6, "euler", "simple", 1],
             "inputs": [{"name": "positive", "link": 1}, {"name": "latent_image", "link": 2}]},
        ],
        "links": [[1, 1, 0, 4, 0, "CONDITIONING"], [2, 2, 0, 4, 1, "LATENT"]],
        "definitions": {"subgraphs": [
            {"id": "outer", **ports, "nodes": outer, "links": [_link(1, -10, 3), _link(2, 3, -20)]},
            {"id": "inner", **ports, "nodes": inner, "links": between},
        ]},
    }  # fmt: skip


def _link(number: int, origin: int, target: int) -> dict[str, int]:
    return {"id": number, "origin_id": origin, "origin_slot": 0, "target_id": target, "target_slot": 0}
