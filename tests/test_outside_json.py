"""JSON from outside is read within bounds, whoever sent it."""

import codecs
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from plans import plan_of
from scripted import scripted

from ditpipe import Planner
from ditpipe.agent.chat.store import Store
from ditpipe.agent.cli.overrides import overridden
from ditpipe.agent.llm.structured import MAX_REPLY
from ditpipe.agent.runs.folder import run_record
from ditpipe.prompts.errors import ModelError, PlanningError, RenderError, RunError
from ditpipe.prompts.outside_json import MAX_JSON, parse_json, read_bounded
from ditpipe.prompts.plan_files import read_plan
from ditpipe.renderer.checkpoints.registry import checkpoint
from ditpipe.renderer.pictures.artifacts import read_metadata

DEEP = ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 900 + "1" + "}" * 900]


@pytest.mark.parametrize("text", DEEP)
def test_what_is_nested_too_deeply_is_one_line(text: str) -> None:
    for content in (text, text.encode()):
        with pytest.raises(ValueError, match="^this JSON is nested too deeply$"):
            parse_json(content)


def test_what_is_too_long_is_not_even_looked_at() -> None:
    with pytest.raises(ValueError, match=r"^1,001 bytes of JSON are too many: at most 1,000 are read$"):
        parse_json(" " * 1001, limit=1000)


def test_a_file_without_an_end_is_not_read_to_its_end(tmp_path: Path) -> None:
    (tmp_path / "long.json").write_bytes(b" " * (MAX_JSON + 100))
    assert len(read_bounded(tmp_path / "long.json")) == MAX_JSON + 1
    with pytest.raises(RunError, match=f"{MAX_JSON + 1:,} bytes of JSON are too many"):  # and not all that there are
        read_plan(tmp_path / "long.json")


@pytest.mark.parametrize("text", ["", "hm", "[1,]", "{", '"\\ud800"', "1" * 5000])
def test_what_is_no_json_is_one_line(text: str) -> None:
    with pytest.raises(ValueError, match="^not JSON: [^\n]+$"):
        parse_json(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_json_is_read_as_editors_of_every_system_write_it(encoding: str) -> None:
    value = {"plan": ["a café", "猫", 1, 0.5, None, True]}
    assert parse_json(json.dumps(value, ensure_ascii=False).encode(encoding)) == value
    with pytest.raises(ValueError, match="neither UTF-8 nor UTF-16"):
        parse_json(codecs.BOM_UTF8 + b'"\xff"')


def picture_with(path: Path, note: str) -> Path:
    notes = PngImagePlugin.PngInfo()
    notes.add_itxt("ditpipe", note)
    Image.new("RGB", (96, 96)).save(path, pnginfo=notes)
    return path


@pytest.mark.parametrize("text", DEEP)
def test_no_file_that_people_pass_on_overflows_the_stack(tmp_path: Path, text: str) -> None:
    nested = tmp_path / "nested.json"
    nested.write_text(text)
    with pytest.raises(RunError, match="nested too deeply"):
        read_plan(nested)
    with pytest.raises(RunError, match="not readable by this version"):
        read_metadata(picture_with(tmp_path / "picture.png", text))
    for name in ("run.json", "model_index.json", "adapter_config.json"):
        nested.with_name(name).write_text(text)
    with pytest.raises(RunError, match="not a run folder"):
        run_record(tmp_path)
    with pytest.raises(ModelError, match="names no pipeline"):
        checkpoint(str(tmp_path))
    with pytest.raises(ValueError):
        overridden(plan_of(2), [f"thing 1.feather={text}"])


@pytest.mark.parametrize("text", DEEP)
def test_a_lora_whose_settings_are_nested_too_deeply_is_one_line(tiny: Any, tmp_path: Path, text: str) -> None:
    import torch
    from safetensors.torch import save_file

    from ditpipe.renderer.weights.lora import load_lora

    file = tmp_path / "lora.safetensors"
    save_file({"a.lora_A.weight": torch.zeros(1, 1)}, file, metadata={"lora_adapter_metadata": text})
    with pytest.raises(RenderError, match="its settings cannot be read"):
        load_lora(tiny.family.model, file, scale=1, region=None, device=tiny.family.device)


@pytest.mark.parametrize("text", [*DEEP, "[]", '{"number": "x"}'])
def test_a_session_that_is_nested_too_deeply_is_one_line(tmp_path: Path, text: str) -> None:
    import sqlite3
    from contextlib import closing

    store = Store(tmp_path)
    session = store.create("one").id
    store.add(session, "a cat")
    with closing(sqlite3.connect(tmp_path / "sessions.sqlite")) as table, table:
        table.execute("UPDATE turns SET body = ?", [text])
    with pytest.raises(RunError, match=f"turn 1 of session {session} cannot be read"):
        store.turns(session)


@pytest.mark.parametrize("reply", [*DEEP, '"' + "x" * 10_000_000 + '"'])
def test_an_endless_or_deep_reply_of_a_model_ends_in_a_planning_error(reply: str) -> None:
    replies = [reply, f".{reply}", f"..{reply}"]  # the same words would not be asked for a third time
    with scripted(*replies) as model, pytest.raises(PlanningError, match="stayed invalid after 2") as caught:
        Planner(model).plan("a red cat")
    assert len(caught.value.reply) <= MAX_REPLY and max(len(m.content) for m in model.calls[-1]) <= MAX_REPLY
