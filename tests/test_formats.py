"""Layouts of other programs, in and out: what each says, round trips, strangers' files, the commands."""

import base64
import io
import json
import zipfile
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from command_line import refused, run
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import A1111, COMFY_BOXES, FORGE, IDEOGRAM, INVOKE, LAYOUTS, OMOST, Regions, comfy_graph, subgraph_workflow
from PIL import Image, PngImagePlugin

import ditpipe
from ditpipe import Box, LeveledPrompt, Region, RenderRequest, RenderResult, ScenePlan
from ditpipe.prompts.errors import DitpipeError
from ditpipe.prompts.formats.layout_format import LayoutFormat
from ditpipe.prompts.formats.registry import FORMATS
from ditpipe.renderer.pictures.artifacts import write_picture

WRITTEN = [form for form in FORMATS if form.write and form.name not in ("a1111", "prose")]
# How far an edge of a plan at 1024×768 may be off after a round trip.
EXACT = {
    "ditpipe": 1e-9, "ideogram4": 6e-4, "flux3": 6e-4, "comfyui-boxes": 6e-4, "comfyui": 2e-4, "invokeai": 8e-4,
    "regional-flux": 8e-4, "coco": 8e-4, "swarmui": 1e-4, "forge-couple": 1e-4, "regional-prompter": 2e-3,
}  # fmt: skip
PLACED = ("fibo", "omost")  # boxes in words


def edges(region: Region) -> tuple[float, float, float, float]:
    return region.box.left, region.box.top, region.box.right, region.box.bottom


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_layout_is_read_as_editors_of_every_system_write_it(encoding: str) -> None:
    for text in (IDEOGRAM if isinstance(IDEOGRAM, str) else json.dumps(IDEOGRAM), "a café BREAK a dog"):
        assert ditpipe.load_layout(text.encode(encoding)).plan == ditpipe.load_layout(text).plan
    with pytest.raises(ValueError, match="neither UTF-8 nor UTF-16: save it as UTF-8"):
        ditpipe.load_layout("a café BREAK a dog".encode("latin-1"))


@pytest.mark.parametrize(("name", "content", "beside", "scene", "regions"), LAYOUTS)
def test_a_layout_says_its_regions(
    name: str, content: str, beside: dict[str, Any], scene: str, regions: Regions, tmp_path: Path
) -> None:  # fmt: skip
    (tmp_path / "important").write_text("here")
    with chdir(tmp_path):  # what was run would write or remove that file
        layout = ditpipe.load_layout(content, **beside)
    found = [(r.name, tuple(round(100 * edge) for edge in edges(r)), r.prompt.high_level) for r in layout.plan.regions]
    assert (layout.format, layout.plan.scene.high_level, found) == (name, scene, regions)
    assert (tmp_path / "important").read_text() == "here"
    assert ditpipe.load_layout(content, format=name, **beside).plan == layout.plan or name == "regional-prompter"


@pytest.mark.parametrize(
    ("promoted", "values", "scene"),
    [([["-1", "text"]], ["a wood"], "a wood"), ([], [], "inside"), ([["3", "text"]], [None], "inside")],
)
def test_subgraphs_of_comfyui_are_read_in_their_place(promoted: list[list[str]], values: list[Any], scene: str) -> None:
    layout = ditpipe.load_layout(json.dumps(subgraph_workflow(promoted, values)))
    assert layout.plan.scene.high_level == scene and layout.plan.size == (1024, 512) and not layout.notes
    (fox,) = layout.plan.regions
    assert (fox.name, fox.prompt.high_level, edges(fox)) == ("Fox", "a fox", (0.5, 0, 1, 1))


def test_what_of_a_comfyui_graph_is_not_read_is_named() -> None:
    graph = subgraph_workflow([], [])
    graph["definitions"]["subgraphs"][1]["nodes"].append({"id": 99, "type": "inner"})
    with pytest.raises(ValueError, match="subgraphs in subgraphs, more than 20 deep"):
        ditpipe.load_layout(json.dumps(graph))
    graph["definitions"]["subgraphs"][1]["nodes"] = [{"id": n, "type": "Note"} for n in range(5001)]
    with pytest.raises(ValueError, match="more than 5,000 nodes"):
        ditpipe.load_layout(json.dumps(graph))
    graph = subgraph_workflow([], [])
    graph["nodes"].append({"id": 5, "type": "workflow>mine", "inputs": []})
    assert "the group node 'workflow>mine' is not read" in " ".join(ditpipe.load_layout(json.dumps(graph)).notes)
    graph["nodes"] = [node for node in graph["nodes"] if node["type"] != "KSampler"]
    with pytest.raises(ValueError, match="no sampler with a prompt that is read, among its nodes .*workflow>mine"):
        ditpipe.load_layout(json.dumps(graph))


def test_what_else_a_layout_says_is_in_the_plan() -> None:
    caption = ditpipe.load_layout(json.dumps(IDEOGRAM)).plan
    assert (caption.style, caption.scene.low_level, caption.colors) == (
        "graphic_design, woodcut",
        "calm, soft",
        ["#FFEEDD"],
    )
    assert caption.regions[0].colors == ["#112233"] and caption.regions[1].lettering == "TEA 茶"
    invoke = ditpipe.load_layout(json.dumps(INVOKE))
    assert (invoke.plan.negative, invoke.plan.regions[0].negative, invoke.plan.size) == ("fog", "horns", (1024, 1024))
    assert dict(invoke.settings) == {"seed": 7, "steps": 30, "guidance_scale": 5.5, "model": "juggernaut"}
    assert any("'Off' is switched off" in note for note in invoke.plan.notes)
    graph = ditpipe.load_layout(json.dumps(comfy_graph()))
    assert graph.settings == {"seed": 9, "steps": 12, "guidance_scale": 4.0, "model": "dream.safetensors"}
    assert graph.plan.negative == "smoke" and graph.plan.region("River").strength == 0.9
    text = ditpipe.load_layout(A1111)
    assert text.plan.size == (640, 384) and text.plan.negative == "boats, people"
    assert text.settings == {"seed": 41, "steps": 24, "guidance_scale": 6.5, "sampler": "DPM++ 2M", "model": "dream"}
    canvas = ditpipe.load_layout(OMOST).plan
    assert canvas.colors == ["#000080"] and canvas.region("A heron").prompt.low_level == "Grey feathers. bird"
    forge = ditpipe.load_layout(json.dumps(FORGE)).plan
    assert (forge.negative, forge.size) == ("rain", (1024, 512))
    based = ditpipe.load_layout("a ADDBASE b ADDCOL c", base_ratio="0.2,0.4").plan
    assert [region.strength for region in based.regions] == [0.8, 0.6]


def test_an_object_around_a_layout_gives_its_settings() -> None:
    """Programs and data sets wrap a prompt in an object with what belongs beside it."""
    wrapped = {"id": "1", "syntax": "forge-couple", "direction": "vertical", "lines": ["a", "b"]}
    assert [edges(region) for region in ditpipe.load_layout(json.dumps(wrapped)).plan.regions][0] == (0, 0, 1, 0.5)
    wrapped = {"prompt": "a BREAK b", "divide_mode": "vertical", "ratio": "3,1"}
    assert edges(ditpipe.load_layout(json.dumps(wrapped)).plan.regions[0]) == (0, 0, 1, 0.75)
    assert ditpipe.load_layout(json.dumps({"caption": IDEOGRAM})).format == "ideogram4"
    assert ditpipe.load_layout(json.dumps({"prompt": json.dumps(IDEOGRAM)})).format == "ideogram4"


WORDS = st.lists(st.sampled_from(["old", "red", "clay", "pot", "猫", "fern", "lamp"]), min_size=1, max_size=4).map(
    " ".join
)
SPAN = st.tuples(st.integers(0, 900), st.integers(60, 1000)).filter(lambda span: span[0] + 60 <= span[1])


@st.composite
def plans(draw: st.DrawFn, *, tiled: bool) -> ScenePlan:
    """A plan of boxes anywhere, or in rows of columns."""
    if tiled:
        rows = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
        boxes = [(100 * column / cells, 100 * row / len(rows), 100 * (column + 1) / cells, 100 * (row + 1) / len(rows))
                 for row, cells in enumerate(rows) for column in range(cells)]  # fmt: skip
        boxes = [tuple(edge / 100 for edge in box) for box in boxes]  # type: ignore[misc]
    else:
        spans = draw(st.lists(st.tuples(SPAN, SPAN), min_size=1, max_size=5))
        boxes = [(x[0] / 1000, y[0] / 1000, x[1] / 1000, y[1] / 1000) for x, y in spans]
    regions = [
        Region(name=f"part {index + 2}", box=Box(left=box[0], top=box[1], right=box[2], bottom=box[3]),
               prompt=LeveledPrompt(high_level=draw(WORDS), low_level=draw(st.sampled_from(["", "soft light"]))),
               negative=draw(st.sampled_from(["", "blurred"])))
        for index, box in enumerate(boxes)
    ]  # fmt: skip
    scene = LeveledPrompt(high_level=draw(WORDS))
    return ScenePlan(width=1024, height=768, scene=scene, regions=regions, negative=draw(st.sampled_from(["", "bad"])))


@pytest.mark.parametrize("form", WRITTEN, ids=lambda form: form.name)
@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_a_plan_survives_the_round_trip(form: LayoutFormat, data: st.DataObject) -> None:
    plan = data.draw(plans(tiled=form.name == "regional-prompter"))
    dumped = ditpipe.dump_layout(plan, form.name)
    layout = ditpipe.load_layout(dumped.text)
    assert layout.format == form.name
    back = {region.name: region for region in layout.plan.regions}
    pairs = list(zip(plan.regions, layout.plan.regions, strict=True))
    if "names" in form.says:
        pairs = [(region, back[region.name]) for region in plan.regions]
    for before, after in pairs:
        texts = [" ".join(f"{r.prompt.high_level}, {r.prompt.low_level}".split(", ")).split() for r in (before, after)]
        assert texts[0] == texts[1]
        if form.name not in PLACED:
            off = max(abs(a - b) for a, b in zip(edges(before), edges(after), strict=True))
            assert off <= EXACT[form.name]
        assert after.negative == (before.negative if "region negative" in form.says else "")
    if form.name != "comfyui-boxes":
        assert layout.plan.scene.high_level == plan.scene.high_level
    assert layout.plan.negative == (plan.negative if "negative" in form.says else "")
    for feature, has in (("negative", plan.negative), ("region negative", any(r.negative for r in plan.regions))):
        said = any(feature.split()[-1] in text for text in dumped.unsaid)
        assert said or not has or feature in form.says
    assert ditpipe.load_layout(ditpipe.dump_layout(layout.plan, form.name).text).plan.regions == layout.plan.regions


def test_what_a_format_cannot_say_is_listed() -> None:
    region = Region(
        name="cat", box=Box(left=0.1, top=0.1, right=0.6, bottom=0.9), prompt=LeveledPrompt(high_level="a cat"),
        feather=2, seed=3, start=0.2, strength=0.7, colors=["#112233"], lettering="MEOW", z_order=2,
    )  # fmt: skip
    plan = ScenePlan(width=512, height=512, scene=LeveledPrompt(high_level="a room"), regions=[region], style="ink")
    unsaid = " ".join(ditpipe.dump_layout(plan, "coco").unsaid)
    for part in ("palette", "lettering", "strength", "z_order", "soft edge", "start and end", "seed"):
        assert f"the {part}" in unsaid or part in unsaid
    assert ditpipe.dump_layout(plan, "ditpipe").unsaid == ()
    moved = ditpipe.dump_layout(plan, "regional-prompter").unsaid[0]
    assert "not a division into rows and columns: 'cat'" in moved
    with pytest.raises(ValueError, match="only read"):
        ditpipe.dump_layout(plan, "krita")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[" * 100_000, "nested too deeply"),
        ('{"caption": ' * 300 + "1" + "}" * 300, "nested too deeply"),
        (b"x" * (5 * 2**20), "too many"),
        (b"\xff\xff\xff", "neither UTF-8 nor UTF-16"),
        ("canvas.set_global_description(" + "(" * 500, "nested too deeply"),
        ("canvas.add_local_description(location=", "not Python"),
        ('{"compositional_deconstruction": {"elements": 3}}', "elements"),
        ('{"nodes": [{"id": 1, "type": "KSampler"}], "links": []}', "no sampler"),
        ("just one line", "no layout format is recognised"),
        ('{"unknown": 1}', "no layout format is recognised"),
        (b"PK\x03\x04 broken", "not an archive"),
    ],
)  # fmt: skip
def test_what_is_no_layout_is_refused_in_one_line(content: str | bytes, reason: str) -> None:
    with pytest.raises((ValueError, DitpipeError), match=reason) as error:
        ditpipe.load_layout(content)
    assert "\n" not in str(error.value) and len(str(error.value)) < 500


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 2000) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=8,
)  # fmt: skip


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_a_damaged_layout_is_read_or_refused(data: st.DataObject) -> None:
    """Any value of a layout in JSON may be anything."""
    content = json.loads(data.draw(st.sampled_from([text for _, text, *_ in LAYOUTS if text.startswith(('{"', "["))])))
    part: Any = content
    while isinstance(part, dict | list) and part:
        key = data.draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        if not isinstance(part[key], dict | list) or not part[key] or data.draw(st.booleans()):
            part[key] = data.draw(JUNK)
            break
        part = part[key]
    try:
        layout = ditpipe.load_layout(json.dumps(content))
    except ValueError as error:
        assert "\n" not in str(error)
    else:
        assert isinstance(layout.plan, ScenePlan)


def test_boxes_outside_or_empty_and_too_many_regions_are_noted() -> None:
    text = "a room " + " ".join(f"<region:{0.02 * i},0,0.5,2> thing {i}" for i in range(40)) + " <region:0,0,0,1> gone"
    layout = ditpipe.load_layout(text)
    assert len(layout.plan.regions) == 32 and layout.plan.regions[0].box.bottom == 1
    notes = " ".join(layout.notes)
    assert "beyond the picture" in notes and "the last 9 are left out" in notes
    assert layout.plan.notes == list(layout.notes)[:64]


def picture(**chunks: str) -> bytes:
    info, buffer = PngImagePlugin.PngInfo(), io.BytesIO()
    for name, text in chunks.items():
        info.add_itxt(name, text)
    Image.new("RGB", (64, 64)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def test_pictures_of_other_programs_are_read() -> None:
    assert ditpipe.load_layout(picture(parameters=A1111)).plan.size == (640, 384)
    graph = {"prompt": json.dumps(comfy_graph()), "workflow": "{}"}
    assert ditpipe.load_layout(picture(**graph)).plan.region("River")
    assert ditpipe.load_layout(picture(invokeai_metadata=json.dumps(INVOKE))).plan.region("Cow")
    swarm = json.dumps({"sui_image_params": {"prompt": "a pier <region:0,0,1,0.5,1> sky", "seed": 3, "cfgscale": 7.0}})
    assert ditpipe.load_layout(picture(parameters=swarm)).plan.region("sky")
    with pytest.raises(ValueError, match="no layout in this picture"):
        ditpipe.load_layout(picture(Software="Midjourney"))
    jpeg, exif = io.BytesIO(), Image.Exif()
    exif.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + A1111.encode("utf-16-be")
    Image.new("RGB", (64, 64)).save(jpeg, "JPEG", exif=exif)
    assert ditpipe.load_layout(jpeg.getvalue()).settings["seed"] == 41


def test_pictures_carry_the_parameters_that_other_programs_read(tmp_path: Path) -> None:
    import torch

    box = Box(left=0, top=0, right=0.5, bottom=1)
    region = Region(name="cat", box=box, prompt=LeveledPrompt(high_level="a red cat, striped"))
    scene = LeveledPrompt(high_level='a room, "quoted"')
    plan = ScenePlan(width=96, height=64, scene=scene, regions=[region], negative="blurred")
    request = RenderRequest(plan=plan, model="pocket", seed=41, steps=12, guidance_scale=4.5, solver="dpm++")
    write_picture(tmp_path / "a.png", RenderResult(request, Image.new("RGB", (96, 64)), torch.zeros(1), 0.0))
    with Image.open(tmp_path / "a.png") as drawn:
        text = drawn.info["parameters"]
    assert text.splitlines() == [
        'a room, "quoted", a red cat, striped', "Negative prompt: blurred",
        "Steps: 12, Sampler: DPM++ 2M, CFG scale: 4.5, Seed: 41, Size: 96x64, Model: pocket",
    ]  # fmt: skip
    as_theirs = ditpipe.load_layout(text)
    assert as_theirs.plan.negative == "blurred" and as_theirs.settings["guidance_scale"] == 4.5
    own = ditpipe.load_layout(tmp_path / "a.png")
    assert own.plan == plan and own.settings["steps"] == 12  # ditpipe's own request wins


def archive(**members: str | bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def test_projects_of_painting_programs_are_read() -> None:
    state = {"regionalGuidance": INVOKE["canvas_v2_metadata"]["regionalGuidance"],  # type: ignore[index]
             "bbox": {"rect": {"x": 0, "y": 0, "width": 1024, "height": 1024}}}  # fmt: skip
    params = {"positivePrompt": "a hill", "seed": 4}
    members: dict[str, str | bytes] = {"canvas_state.json": json.dumps(state), "params.json": json.dumps(params)}
    layout = ditpipe.load_layout(archive(**members))
    assert edges(layout.plan.region("Cow")) == (0, 0.5, 0.5, 1) and layout.plan.scene.high_level == "a hill"

    tiles = b"VERSION 2\nTILEWIDTH 64\nTILEHEIGHT 64\nPIXELSIZE 4\nDATA 2\n" + b"".join(
        f"{x},{y},LZF,3\n".encode() + b"\0\n\n" for x, y in ((128, 0), (192, 64))
    )
    document = (
        '<DOC xmlns="http://www.calligra.org/DTD/krita"><IMAGE width="512" height="256"><layers>'
        '<layer nodetype="paintlayer" name="Fox" uuid="{ab-1}" filename="layer2" x="0" y="0"/></layers></IMAGE></DOC>'
    )
    ui = {"root": {"positive": "snow", "negative": "mud"}, "seed": 7, "fixed_seed": True,
          "regions": [{"layer_ids": "{ab-1}", "positive": "a fox", "control": [{"mode": "pose"}]}]}  # fmt: skip
    kra: dict[str, str | bytes] = {"maindoc.xml": document, "pic/layers/layer2": tiles,
                                   "pic/annotations/ai_diffusion/ui.json": json.dumps(ui)}  # fmt: skip
    fox = ditpipe.load_layout(archive(**kra))
    assert fox.plan.region("Fox").prompt.high_level == "a fox" and fox.plan.negative == "mud"
    assert edges(fox.plan.region("Fox")) == (0.25, 0, 0.5, 0.5) and fox.settings == {"seed": 7}
    assert "1 control layers are not read" in " ".join(fox.notes)
    with pytest.raises(ValueError, match="too large"):
        ditpipe.load_layout(archive(**{"canvas_state.json": b" " * (5 * 2**20)}))
    with pytest.raises(ValueError, match="entities"):
        ditpipe.load_layout(archive(**{"maindoc.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a/>'}))


def test_masks_of_forge_couple_become_the_boxes_around_them() -> None:
    buffer, mask = io.BytesIO(), Image.new("L", (100, 50))
    mask.paste(255, (20, 10, 60, 50))
    mask.save(buffer, "PNG")
    masks = [{"mask": base64.b64encode(buffer.getvalue()).decode(), "weight": 1.0}, {"mask": "no picture"}]
    layout = ditpipe.load_layout("a wood\na deer\na bird", format="forge-couple", mode="Mask", background="First Line",
                                 mapping=masks)  # fmt: skip
    assert edges(layout.plan.region("a deer")) == (0.2, 0.2, 0.6, 1)
    assert "a bird" in layout.plan.scene.high_level and "'a bird' has no box" in " ".join(layout.notes)


@pytest.mark.process
def test_the_commands(tmp_path: Path) -> None:
    (tmp_path / "boxes.json").write_text(json.dumps(COMFY_BOXES))
    read = run(
        "import", "boxes.json", "--set", "height=1024", "--set", "width=2048", "--out", "plan.json", cwd=tmp_path
    )
    assert read.returncode == 0 and read.stdout == "plan.json\n", read.stderr
    assert "read as comfyui-boxes" in read.stderr
    written = run("export", "plan.json", "--format", "flux3", "--json", cwd=tmp_path)
    answer = json.loads(written.stdout)
    assert '"bbox": [0, 0, 1000, 250]' in answer["text"] and any("2048×1024" in note for note in answer["unsaid"])
    refused(run("export", "plan.json", "--format", "paint", cwd=tmp_path), "no layout format 'paint'", "ideogram4")
    (tmp_path / "bomb.json").write_text("[" * 99_999)
    refused(run("import", "bomb.json", cwd=tmp_path), "bomb.json", "nested too deeply")


def test_the_documented_table_is_the_registry() -> None:
    page = (Path(__file__).parents[1] / "docs" / "formats.md").read_text().partition("## Syntax")[0]
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| `")
    ]
    assert {row[0]: (row[1], row[2]) for row in rows if row[0] != "--format"} == {
        form.name: (form.program, form.boxes) for form in FORMATS
    }
    for name, *_, says in rows[1:]:
        said = set(says.removeprefix("only read: ").split(", ")) - {"everything", ""}
        assert name == "ditpipe" or said == next(set(form.says) for form in FORMATS if form.name == name)
