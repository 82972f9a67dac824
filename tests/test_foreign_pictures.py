"""Pictures that people pass on: what they ask for is agreed to, and none is read without end."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from plans import plan_of
from typer.testing import CliRunner

from ditpipe import Renderer
from ditpipe.agent.cli.main import app
from ditpipe.agent.runs.consent import agreed_request
from ditpipe.prompts.errors import RunError
from ditpipe.renderer.pictures.artifacts import (
    open_image,
    read_request,
    write_picture,
    write_result,
)
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.pipeline import RenderRequest
from ditpipe.renderer.request import RenderResult


def picture_of(path: Path, **options: Any) -> Path:
    request = RenderRequest.model_validate({"plan": plan_of(2), "steps": 1} | options)
    write_picture(path, RenderResult(request, Image.new("RGB", (96, 96)), None, 0.0))
    return path


def test_a_picture_says_not_what_is_loaded(tiny: Renderer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    control = {"model": "theirs/net", "image": {"path": "/theirs", "sha256": "0" * 64}}
    for model in ("./theirs", "theirs/model@main", "hunyuan-dit"):
        path = picture_of(tmp_path / "a.png", model=model)
        with pytest.raises(RunError, match=f"add --model {model}; or give your own model with --model"):
            agreed_request(path, read_request(path), model=None)
    path = picture_of(tmp_path / "a.png", model="pocket", controls=[control])
    with pytest.raises(RunError, match="add --control theirs/net;"):
        agreed_request(path, read_request(path), model=None)
    request = read_request(path)
    assert agreed_request(path, request, model=None, controls=["theirs/net"]) == (request, [])
    published = request.model_copy(update={"controls": [request.controls[0].model_copy(update={"model": "canny"})]})
    assert agreed_request(path, published, model="pocket") == (published, [])
    path = picture_of(tmp_path / "a.png", model=tiny.model)
    request = read_request(path)
    assert agreed_request(path, request, model=tiny.model) == (request, [])
    other, notes = agreed_request(path, request, model="pocket")
    assert other.model == "pocket" and notes == [
        f"the picture was drawn with the model {tiny.model}, and this one with pocket"
    ]
    monkeypatch.setenv("DITPIPE_MODEL", tiny.model)
    assert agreed_request(path, request, model=None) == (request, [])
    with pytest.raises(RunError, match="characters that cannot be shown"):
        agreed_request(path, request.model_copy(update={"model": "a\x1b[2Jb"}), model=None)


def test_edit_and_repaint_ask_for_a_yes_to_a_model(tiny: Renderer, tmp_path: Path) -> None:
    path = picture_of(tmp_path / "a.png", model=tiny.model)
    for command in (["repaint", path], ["edit", path, "--region", "thing 0", "--seed", "1"]):
        run = [str(part) for part in command]
        refused = CliRunner().invoke(app, run)
        assert isinstance(refused.exception, RunError) and f"--model {tiny.model}" in str(refused.exception)
        assert CliRunner().invoke(app, [*run, "--model", tiny.model, "--json"]).exit_code == 0
    write_result(path, tiny.render(RenderRequest(plan=plan_of(2), steps=201)))  # the edit alone is drawn
    refused = CliRunner().invoke(app, [*run, "--model", tiny.model])
    assert "--large draws it all the same" in str(refused.exception)


def test_a_file_that_never_ends_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", str(tmp_path / "pipe"), str(tmp_path)):
        with pytest.raises(RunError, match="it is not a file"):
            FileRef(path=path, sha256="0" * 64).verified_path()


def test_a_text_that_unpacks_to_too_much_is_one_line(tmp_path: Path) -> None:
    text, content = zlib.compress(b" " * 2**27), picture_of(tmp_path / "a.png").read_bytes()
    body = b"zTXtother\0\0" + text
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    for place in (33, len(content) - 12):  # before the pixels, and behind them
        (tmp_path / "b.png").write_bytes(content[:place] + chunk + content[place:])
        with pytest.raises(RunError, match="not a picture that can be read"):
            open_image(tmp_path / "b.png")


def test_a_draft_that_is_a_link_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "a.png.part").symlink_to(tmp_path / "mine")
    picture_of(tmp_path / "a.png")
    assert (tmp_path / "mine").read_text() == "mine" and not (tmp_path / "a.png").is_symlink()
