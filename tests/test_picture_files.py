"""Picture files: the formats that ditpipe writes and reads again, pictures of other programs, and of any shape."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fakes import expected
from PIL import ExifTags, Image, PngImagePlugin
from plans import plan_of
from png_files import png_bytes
from pydantic import ValidationError
from safetensors.torch import save_file
from typer.testing import CliRunner

from ditpipe import Renderer, RenderRequest
from ditpipe.agent.cli.commands.render import _check_work
from ditpipe.agent.cli.main import app
from ditpipe.agent.runs.folder import RunRecord
from ditpipe.agent.settings import Settings
from ditpipe.prompts.errors import RunError
from ditpipe.renderer.pictures.artifacts import (
    copy_as,
    encode_image,
    open_image,
    read_metadata,
    read_request,
    read_result,
    with_format_warnings,
    write_result,
)
from ditpipe.renderer.pictures.fit import fit_image
from ditpipe.renderer.pictures.foreign import program_of
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.renderer.request import RenderResult


def ditpipe(*arguments: object, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    if code:
        assert done.exception and done.exit_code
        return str(done.exception)
    assert done.exit_code == 0, done.output + done.stderr + repr(done.exception)
    return json.loads(done.stdout), done.stderr


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    (tmp_path / "plan.json").write_text(plan_of(2).model_dump_json())
    return tmp_path / "plan.json"


# --- formats ----------------------------------------------------------------------------------------------------------


def test_a_picture_is_written_as_its_name_says_and_can_be_drawn_again(tiny: Renderer, tmp_path: Path) -> None:
    result = tiny.render(RenderRequest(plan=plan_of(2), steps=2))
    forms = {"a.png": "PNG", "a.PNG": "PNG", "a.webp": "WEBP", "a.jpg": "JPEG", "a.JPEG": "JPEG"}
    for name, form in forms.items():
        out = tmp_path / name
        write_result(out, with_format_warnings(out, result))
        request, warnings = read_metadata(out)
        assert Image.open(out).format == form and request == result.request
        lost = ["a JPEG loses fine detail"] if form == "JPEG" else []
        assert [warning.split(";")[0] for warning in warnings] == lost
        assert np.array_equal(np.asarray(open_image(out)), np.asarray(result.image)) == (form != "JPEG")
        base = read_result(out)
        assert isinstance(base, RenderResult) and base.latents is not None and base.latents.equal(result.latents)


def test_the_commands_write_read_and_change_a_jpeg(tiny: Renderer, plan: Path) -> None:
    out = plan.parent / "a.jpg"
    answer, notes = ditpipe("render", plan, "--out", out, "--model", tiny.model, "--steps", "2")
    assert Image.open(out).format == "JPEG" and "a JPEG loses" in notes and "a JPEG loses" in answer["warnings"][0]
    again = ditpipe("repaint", out, "--model", tiny.model)[0]["picture"]
    assert again.endswith("a-again.png") and Path(again).read_bytes() == expected(tiny, plan_of(2))
    change = "edit", out, "--region", "thing 0", "--seed", "4"
    edited = ditpipe(*change, "--out", out.with_stem("b"), "--model", tiny.model)[0]["picture"]
    assert Image.open(edited).format == "JPEG" and read_request(Path(edited)).edits


@pytest.mark.parametrize("name", ["picture", "picture.gif", "picture.png.tiff", ".png"])
def test_a_name_that_asks_for_no_format_of_ours_is_refused_before_drawing(
    tiny: Renderer, plan: Path, name: str, tmp_path: Path
) -> None:
    said = ditpipe("render", plan, "--out", tmp_path / name, "--model", tiny.model, code=1)
    assert "pictures are written as .png, .webp, .jpg, .jpeg" in said and not (tmp_path / name).exists()


def test_several_candidates_are_written_as_their_name_says(tiny: Renderer, plan: Path) -> None:
    answer, notes = ditpipe(
        "render", plan, "--candidates", "2", "--critic", "none", "--out", plan.with_name("c.jpg"),
        "--model", tiny.model, "--steps", "2",
    )  # fmt: skip
    files = [Path(each["picture"]) for each in answer["pictures"]]
    assert [file.name for file in files] == ["c-1.jpg", "c-2.jpg"] and notes.count("a JPEG loses") == 1
    assert all(Image.open(file).format == "JPEG" and read_request(file) for file in files)


def test_a_request_that_a_jpeg_has_no_room_for(tmp_path: Path) -> None:
    picture, note = Image.new("RGB", (64, 64)), json.dumps({"request": "x" * 65_000})
    assert Image.open(_file(tmp_path / "a.webp", encode_image(picture, note, "WEBP"))).getexif()
    assert not Image.open(_file(tmp_path / "a.jpg", encode_image(picture, note, "JPEG"))).getexif()


def test_a_copy_in_another_format_carries_the_request(tmp_path: Path) -> None:
    picture = png_bytes(RenderResult(RenderRequest(plan=plan_of(2)), Image.new("RGB", (96, 96), "red"), None, 0.0))
    source = _file(tmp_path / "a.png", picture)
    for name in ("b.webp", "b.jpg", "b.png"):
        copy_as(source, tmp_path / name)
        assert read_request(tmp_path / name).plan == plan_of(2)
    with pytest.raises(ValueError, match="pictures are written as"):
        copy_as(source, tmp_path / "b")


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


# --- pictures of other programs ---------------------------------------------------------------------------------------

A1111 = "a cat\nNegative prompt: blurred\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512"
WIDE = b"UNICODE\0" + A1111.encode("utf-16-be")
COMFY = json.dumps({"3": {"class_type": "KSampler", "inputs": {"seed": 1}}})


def _png(path: Path, **texts: str) -> Path:
    notes = PngImagePlugin.PngInfo()
    for name, text in texts.items():
        notes.add_text(name, text)
    Image.new("RGB", (64, 64)).save(path, pnginfo=notes)
    return path


def _exif(path: Path, tag: int, value: Any, *, inner: bool) -> Path:
    exif = Image.Exif()
    (exif.get_ifd(ExifTags.IFD.Exif) if inner else exif)[tag] = value
    Image.new("RGB", (64, 64)).save(path, exif=exif)
    return path


def test_a_picture_of_another_program_is_called_by_its_name(tmp_path: Path) -> None:
    comment, make = int(ExifTags.Base.UserComment), int(ExifTags.Base.Make)
    whose = {
        _png(tmp_path / "1.png", parameters=A1111): "AUTOMATIC1111 or Forge",
        _png(tmp_path / "2.png", prompt=COMFY, workflow='{"last_node_id": 9}'): "ComfyUI",
        _png(tmp_path / "3.png", invokeai_metadata="{}"): "InvokeAI",
        _png(tmp_path / "4.png", parameters=json.dumps({"sui_image_params": {}})): "SwarmUI",
        _png(tmp_path / "5.png", Software="NovelAI", Comment="{}"): "NovelAI",
        _png(tmp_path / "6.png", fooocus_scheme="a1111", parameters=A1111): "Fooocus",
        _exif(tmp_path / "7.jpg", comment, WIDE, inner=True): "AUTOMATIC1111 or Forge",
        _exif(tmp_path / "8.webp", make, f"prompt:{COMFY}", inner=False): "ComfyUI",
        _png(tmp_path / "9.png", Title="my holidays"): "",
    }  # fmt: skip
    for file, program in whose.items():
        with Image.open(file) as image:
            assert program_of(image) == program
        said = f"{program} made it, and its metadata holds no plan" if program else "its metadata holds no plan"
        for command in (["repaint", file], ["edit", file, "--region", "cat", "--seed", "1"]):
            message = ditpipe(*command, code=1)
            assert file.name in message and said in message and "--image" in message


def test_exif_that_is_broken_is_no_stray_exception(tmp_path: Path) -> None:
    for number, exif in enumerate((b"Exif\0\0MM\0*", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0" + bytes(40))):
        Image.new("RGB", (64, 64)).save(tmp_path / f"{number}.jpg", exif=exif)
        with pytest.raises(RunError, match="holds no plan"):
            read_request(tmp_path / f"{number}.jpg")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_plan_files_of_any_editor_are_drawn(tiny: Renderer, plan: Path, encoding: str) -> None:
    plan.write_bytes(plan.read_text().encode(encoding))
    ditpipe("render", plan, "--out", plan.with_name("a.png"), "--model", tiny.model, "--steps", "1")
    assert read_request(plan.with_name("a.png")).plan == plan_of(2)


# --- pictures to start from -------------------------------------------------------------------------------------------


def test_what_is_transparent_is_white_or_what_was_chosen(tmp_path: Path) -> None:
    glass = Image.new("RGBA", (96, 96), (0, 0, 0, 0))
    glass.paste((255, 0, 0, 255), (0, 0, 48, 96))
    grey = Image.new("LA", (96, 96), (0, 0))
    few = glass.quantize(4)
    for name, picture in {"glass.png": glass, "grey.png": grey, "few.png": few, "glass.webp": glass}.items():
        file = tmp_path / name
        picture.save(file, lossless=True)
        for background, colour in (("white", (255, 255, 255)), ("#102030", (16, 32, 48))):
            seen, notes = fit_image(file, (96, 96), background=background)
            assert seen.getpixel((90, 50)) == colour
            assert notes[0].startswith(f"{name}: its transparent pixels were made {background}")
    glass.convert("RGB").save(tmp_path / "solid.png")
    assert fit_image(tmp_path / "solid.png", (96, 96))[1] == []
    assert "was not used" in fit_image(tmp_path / "solid.png", (96, 96), background="red")[1][0]


def test_another_shape_is_cut_framed_or_stretched_and_that_is_said(tmp_path: Path) -> None:
    wide = Image.new("RGB", (200, 100), "blue")
    wide.paste("red", (0, 0, 20, 100))
    wide.save(tmp_path / "wide.png")
    seen = {fit: fit_image(tmp_path / "wide.png", (64, 64), fit=fit) for fit in ("cover", "contain", "stretch")}
    corners = {fit: (picture.getpixel((0, 32)), picture.getpixel((32, 0))) for fit, (picture, _) in seen.items()}
    red, blue, white = (255, 0, 0), (0, 0, 255), (255, 255, 255)
    assert corners == {"cover": (blue, blue), "contain": (red, white), "stretch": (red, blue)}
    assert [notes[0].split("it was ")[1].split(";")[0] for _, notes in seen.values()] == [
        "cut off at its edges", "framed", "distorted",
    ]  # fmt: skip
    Image.new("RGB", (101, 100)).save(tmp_path / "nearly.png")
    assert fit_image(tmp_path / "nearly.png", (64, 64))[1] == []


def test_the_command_fits_a_start_picture_and_says_so_everywhere(tiny: Renderer, plan: Path, tmp_path: Path) -> None:
    Image.new("RGBA", (200, 100), (0, 200, 0, 100)).save(tmp_path / "start.png")
    usual = ["render", plan, "--out", tmp_path / "a.png", "--image", tmp_path / "start.png", "--model", tiny.model]
    answers = {}
    for fit in ("cover", "contain"):
        answer, notes = ditpipe(*usual, "--steps", "4", "--fit", fit, "--background", "navy")
        assert [each.split(" ")[0] for each in answer["warnings"]] == ["start.png:", "start.png"]
        assert notes.count("note: start.png") == 2 and read_metadata(tmp_path / "a.png")[1] == tuple(answer["warnings"])
        answers[fit] = (tmp_path / "a.png").read_bytes()
        assert read_request(tmp_path / "a.png").fit == fit
    assert answers["cover"] != answers["contain"]
    assert "Input should be 'cover', 'contain' or 'stretch'" in ditpipe(*usual, "--fit", "crop", code=1)
    with pytest.raises(ValidationError, match="unknown color"):
        RenderRequest(plan=plan_of(2), background="no colour")
    with pytest.raises(ValidationError, match="fit and background are for an image"):
        RenderRequest(plan=plan_of(2), fit="contain")


# --- a stranger's request ---------------------------------------------------------------------------------------------


def test_repaint_says_what_it_does_and_does_no_more_than_a_server(tiny: Renderer, tmp_path: Path) -> None:
    def carried(**options: Any) -> Path:
        request = RenderRequest.model_validate({"plan": plan_of(2), "model": tiny.model, "steps": 3} | options)
        return _file(tmp_path / "a.png", png_bytes(RenderResult(request, Image.new("RGB", (96, 96)), None, 0.0)))

    edit = {"changes": [{"name": "thing 0", "seed": 3}]}
    own = "--model", tiny.model
    change = "edit", tmp_path / "a.png", "--region", "thing 0", "--seed", "1"
    output = " ".join(ditpipe("repaint", carried(together=[0, 1], edits=[edit]), *own)[1].split())
    assert "drawing 3 steps of 2 pictures together and 1 edit of as many, 96×96 pixels, with the model" in output
    assert "from here" in output
    for options, said in (
        ({"steps": 1000, "together": list(range(16))}, "asks for 1000 steps of 16 pictures together"),
        ({"steps": 201}, "at most 200 steps"),
        ({"edits": [edit] * 17}, "17 edits"),
    ):  # fmt: skip
        wrong = ditpipe("repaint", carried(**options), *own, code=1)
        assert said in wrong and "--large draws it all the same" in wrong
        assert "--large" in ditpipe(*change, *own, code=1)
    assert _check_work(read_request(carried(steps=201)), large=True)[1] == 201


def test_a_picture_and_a_run_of_an_earlier_version_are_read_under_the_names_of_today(
    tiny: Renderer, tmp_path: Path
) -> None:
    schedule = preset("scene*2,region*2")
    drawn = tiny.render(RenderRequest(plan=plan_of(2), steps=1, prompt_schedule=schedule, save_memory=["tiling"]))
    text = (
        drawn.request.model_dump_json().replace('"prompt_schedule":', '"depth":').replace('"save_memory":', '"save":')
    )
    assert '"depth"' in text and '"save"' in text
    assert RenderRequest.model_validate_json(text) == drawn.request
    write_result(tmp_path / "a.png", drawn)
    save_file({"latents": drawn.latents}, tmp_path / "a.latents", {"ditpipe": sha256(text.encode()).hexdigest()})
    kept = read_result(tmp_path / "a.png")
    assert isinstance(kept, RenderResult) and kept.latents is not None and torch.equal(kept.latents, drawn.latents)
    save_file({"latents": drawn.latents}, tmp_path / "a.latents", {"ditpipe": "of another picture"})
    assert isinstance(read_result(tmp_path / "a.png"), RenderRequest)
    settings = {"accept": 0.7, "depth": "regions", "save": "int8"}
    record = RunRecord.model_validate({"brief": "a cat", "settings": settings})
    assert Settings(**record.settings).threshold == 0.7
