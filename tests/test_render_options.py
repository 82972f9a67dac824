"""The command line's render options: a start picture, ControlNets, LoRAs, what saves memory."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from plans import plan_of
from typer.testing import CliRunner

from ditpipe import Renderer, Revision
from ditpipe.agent.cli.main import app
from ditpipe.agent.render_options import control, lora, saving, with_files
from ditpipe.prompts.errors import RunError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.pictures.artifacts import read_request
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.request import RenderRequest
from ditpipe.tools.api_schema import edit_of_upload


def test_what_is_written_becomes_what_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    file.write_bytes(b"x")
    parsed = lora(f"{file},scale=0.8,region=thing 0")
    assert (parsed.file.path, parsed.scale, parsed.region) == (str(file), 0.8, "thing 0")
    followed = control(f"canny={file},scale=0.7")
    assert (followed.model, followed.image.path, followed.scale) == ("canny", str(file), 0.7)
    assert saving("tiling, int8") == ["tiling", "int8"] and saving("") == []
    plain = RenderRequest(plan=plan_of(2))
    assert with_files(plain, image=None, denoise=None, controls=[], loras=[]) is plain
    full = with_files(plain, image=file, denoise=0.6, controls=[f"canny={file}"], loras=[str(file)])
    assert [one.path for one in full.files] == 3 * [str(file)] and full.denoise == 0.6


def test_a_file_is_named_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.png").write_bytes(b"x")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    each = [FileRef.of(Path(name)) for name in ("~/a.png", "a.png")]
    monkeypatch.chdir("/")
    assert {one.path for one in each} == {str(tmp_path / "a.png")}
    assert [one.verified_path() for one in each] == 2 * [tmp_path / "a.png"]


def test_mistakes_are_one_line_that_says_what_to_do(tmp_path: Path) -> None:
    for wrong, message in (
        (lambda: saving("ram"), "'ram' saves no memory: one of tiling, offload, int8, fp8"),
        (lambda: lora("x,strength=1"), "after the comma comes scale=… or region=…"),
        (lambda: control("edges.png"), "give MODEL=PICTURE"),
    ):
        with pytest.raises(ValueError, match=message):
            wrong()
    with pytest.raises(RunError, match="cannot read .*gone.safetensors"):
        lora(str(tmp_path / "gone.safetensors"))


def test_a_strangers_picture_makes_no_server_read_files_or_compile(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    service: Any = SimpleNamespace(largest=512)
    revision = Revision(changes=[RegionChange(name="thing 0", seed=1)])
    for fields in ({"image": FileRef.of(tmp_path / "secret.png")}, {"compile": True}):
        request = RenderRequest.model_validate({"plan": plan_of(2), **fields})
        with pytest.raises(ValueError, match="options or files of its own machine"):
            edit_of_upload(service, request, revision, here=RenderRequest(plan=plan_of(2)), steps=20)


def test_a_strangers_picture_cannot_ask_for_more_than_this_server_does() -> None:
    service: Any = SimpleNamespace(largest=512)
    revision, here = Revision(changes=[RegionChange(name="thing 0", seed=1)]), RenderRequest(plan=plan_of(2))
    wrong: dict[str, dict[str, Any]] = {
        "save_memory=..int8.": {"save_memory": ["int8"]},
        "4 pictures together": {"together": list(range(5))},
        "at most 200 steps": {"steps": 201},
        "and 16 edits": {"edits": [revision] * 16},
        "200 steps of 4 pictures and 2 edits are too many": {
            "steps": 200,
            "together": list(range(4)),
            "edits": [revision],
        },
        "at most 1000 in all": {"edits": [revision] * 15, "together": [0, 1]},
    }
    for message, fields in wrong.items():
        request = RenderRequest.model_validate({"plan": plan_of(2)} | fields)
        with pytest.raises(ValueError, match=message):
            edit_of_upload(service, request, revision, here=here, steps=60)
    usual = here.model_copy(update={"save_memory": ["int8"], "together": [0, 1, 2, 3], "edits": [revision] * 4})
    another = Revision(changes=[RegionChange(name="thing 0", seed=2)])
    assert edit_of_upload(service, usual, another, here=usual, steps=60).request == usual


def test_render_with_a_start_picture_and_repaint(tiny: Renderer, tmp_path: Path) -> None:
    plan, first, second = (tmp_path / name for name in ("plan.json", "first.png", "second.png"))
    plan.write_text(plan_of(2).model_dump_json())
    run = CliRunner()
    usual = ["--model", tiny.model, "--steps", "2", "--json"]
    assert run.invoke(app, ["render", str(plan), "--out", str(first), *usual]).exit_code == 0
    options = ["--image", str(first), "--denoise", "0.6", "--save-memory", "int8", "--step-cache", "0.2"]
    done = run.invoke(app, ["render", str(plan), "--out", str(second), *options, *usual])
    assert done.exit_code == 0, done.output
    stored = read_request(second)
    assert stored.image and stored.image.path == str(first) and stored.denoise == 0.6 and stored.save_memory == ["int8"]
    assert json.loads(done.stdout)["picture"] == str(second)
    assert run.invoke(app, ["repaint", str(second), "--json", "--model", str(tiny.model)]).exit_code == 0
    assert (tmp_path / "second-again.png").read_bytes() == second.read_bytes()


def test_json_says_what_was_not_drawn_as_asked(tiny: Renderer, tmp_path: Path) -> None:
    plan, run = tmp_path / "plan.json", CliRunner()
    plan.write_text(plan_of(2).model_dump_json())
    usual = ["--model", tiny.model, "--steps", "2", "--step-cache", "0.2", "--critic", "none", "--json"]
    painted = run.invoke(app, ["paint", "a red cat", "--out", str(tmp_path / "runs"), *usual])
    several = run.invoke(app, ["render", str(plan), "--candidates", "2", *usual])
    answers = [json.loads(painted.stdout), *json.loads(several.stdout)["pictures"]]
    assert len(answers) == 3 and all("step cache: " in one["warnings"][0] for one in answers)
    assert several.stderr.count("note: step cache: ") == 1
