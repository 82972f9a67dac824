"""What people pass on: run folders, sessions, queues, model folders. None of it runs code, leaves its folder, or says
where keys go."""

import json
import os
import pickle
import shutil
import sqlite3
import struct
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import ormsgpack
import pytest
import torch
from fakes import PATIENCE, Pleased, drawn, ended, tiny_agent
from PIL import Image
from plans import plan_of
from pydantic import SecretStr, ValidationError
from rich.console import Console
from typer.testing import CliRunner

from ditpipe import Agent, Critique, Renderer, ScenePlan
from ditpipe.agent.chat.session import Sessions
from ditpipe.agent.chat.store import Store
from ditpipe.agent.cli.display import sessions_table
from ditpipe.agent.cli.main import app
from ditpipe.agent.events import Finished, Waiting
from ditpipe.agent.runs.consent import agreed_request
from ditpipe.agent.runs.folder import new_folder, record_of, run_record
from ditpipe.agent.runs.resume_policy import resume_command, resume_settings
from ditpipe.agent.runs.state import JsonSerializer
from ditpipe.agent.settings import Settings
from ditpipe.agent.wiring import picture_service
from ditpipe.prompts.critique import RegionScore
from ditpipe.prompts.errors import ModelError, RenderError, RunError, UnknownPicture
from ditpipe.prompts.plan import LeveledPrompt
from ditpipe.prompts.revision import RegionChange, Revision
from ditpipe.renderer.checkpoints.components import load_pipeline
from ditpipe.renderer.pictures.artifacts import (
    open_image,
    read_request,
    read_result,
    write_picture,
    write_result,
)
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.pipeline import RenderRequest
from ditpipe.renderer.request import RenderResult
from ditpipe.renderer.scorer import Scorer
from ditpipe.renderer.weights.lora import load_lora
from ditpipe.tools.api_schema import EditInput, picture_file
from ditpipe.tools.jobs.queue import JobQueue

pytestmark = pytest.mark.slow

BRIEF = "two things"


class Bait:
    """Pickled, it makes a file when somebody unpickles it."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.trace),)


class Failing:
    """A critic that cannot be reached from the second picture on."""

    def __init__(self, good: int = 0) -> None:
        self.good, self.seen = good, 0

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        self.seen += 1
        if self.seen > self.good:
            raise ModelError("the chat model did not answer: Connection error")
        return Pleased().critique(image, plan)


class Displeased:
    """A critic that would have everything drawn again."""

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        return Critique(score=0, regions=[RegionScore(name=region.name, score=0, seen="") for region in plan.regions])


def region_moved(plan: ScenePlan) -> ScenePlan:
    first, *others = plan.regions
    return plan.model_copy(update={"regions": [first.model_copy(update={"seed": 5}), *others]})


@pytest.fixture
def run(tiny: Renderer, tmp_path: Path) -> Path:
    """The folder of a run whose critic could not be reached: a round is drawn, and nothing has judged it."""
    folder = tmp_path / "run"
    agent = Agent(renderer=tiny, critic=Failing(), steps=2)
    assert "did not answer" in agent.paint(BRIEF, plan=plan_of(2), folder=folder).halted
    return folder


def resumed(tiny: Renderer, folder: Path, tmp_path: Path) -> Finished:
    *_, last = tiny_agent(tiny, tmp_path).resume(folder)
    assert isinstance(last, Finished)
    return last


def changed(file: Path, statement: str, *values: Any) -> None:
    with closing(sqlite3.connect(file)) as table, table:
        table.execute(statement, values)


# --- run folders -----------------------------------------------------------------------------------------------------


def calls(trace: Path) -> dict[str, bytes]:
    """Values that LangGraph's own serializer would read by calling what they name, by their type."""
    call = ormsgpack.packb(["os", "mkdir", str(trace)])
    as_json = {"lc": 2, "type": "constructor", "id": ["os", "mkdir"], "args": [str(trace)]}
    return {
        "msgpack": ormsgpack.packb(ormsgpack.Ext(0, call)),
        "pickle": pickle.dumps(Bait(trace)),
        "json": json.dumps(as_json).encode(),
        "json interrupts": json.dumps([as_json]).encode(),
        "bytes": b"x",
        "": b"",
    }


@pytest.mark.parametrize("kind", calls(Path()))
@pytest.mark.parametrize("column", ["checkpoints SET type = ?, checkpoint = ?", "writes SET type = ?, value = ?"])
def test_a_run_folder_runs_nothing(tiny: Renderer, run: Path, tmp_path: Path, kind: str, column: str) -> None:
    trace = tmp_path / "trace"
    changed(run / "checkpoints.sqlite", f"UPDATE {column}", kind, calls(trace)[kind])
    try:
        resumed(tiny, run, tmp_path)
    except RunError as error:
        assert "begins anew" in str(error) and "\n" not in str(error)
    else:  # pending values of steps that are done again do no harm as JSON
        assert kind == "json" and column.startswith("writes")
    assert not trace.exists()
    (run / "checkpoints.sqlite").unlink()
    assert resumed(tiny, run, tmp_path).painting.path.exists()  # as the error says


@pytest.mark.parametrize("metadata", ["[" * 100_000, "hm"])
def test_a_run_folder_that_langgraph_cannot_read_is_one_line(
    tiny: Renderer, run: Path, tmp_path: Path, metadata: str
) -> None:
    changed(run / "checkpoints.sqlite", "UPDATE checkpoints SET metadata = ?", metadata)
    with pytest.raises(RunError, match="cannot be read .*begins anew"):
        resumed(tiny, run, tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER a AFTER INSERT ON writes BEGIN DELETE FROM checkpoints; END",
        "CREATE VIEW a AS SELECT 1",
    ],
)
def test_what_would_run_inside_of_a_database_is_refused(
    tiny: Renderer, run: Path, tmp_path: Path, statement: str
) -> None:
    changed(run / "checkpoints.sqlite", statement)
    with pytest.raises(RunError, match="which no run has"):
        resumed(tiny, run, tmp_path)


def test_the_state_of_a_run_is_json(run: Path) -> None:
    with closing(sqlite3.connect(run / "checkpoints.sqlite")) as table:
        rows = list(table.execute("SELECT type, checkpoint FROM checkpoints UNION ALL SELECT type, value FROM writes"))
    assert rows and all(kind == "json" and json.loads(value) is not Ellipsis for kind, value in rows)
    with pytest.raises(TypeError, match="a Bait is no JSON"):
        JsonSerializer().dumps_typed({"state": Bait(run)})


def test_a_plan_that_waits_for_a_yes_is_kept_as_json_too(tiny: Renderer, tmp_path: Path) -> None:
    agent, folder = tiny_agent(tiny, tmp_path), tmp_path / "run"
    *_, waiting = agent.with_settings(approve=True).stream(BRIEF, plan=plan_of(2), folder=folder)
    assert isinstance(waiting, Waiting)
    *_, still = agent.with_settings(approve=True).resume(folder)
    assert still == waiting
    *_, last = agent.with_settings(approve=True).resume(folder, approved=True)
    assert isinstance(last, Finished) and last.painting.best.plan == waiting.plan


@pytest.mark.parametrize("name", ["../outside.png", "/etc/hostname", "round-1/../../outside.png"])
def test_a_run_folder_names_no_file_outside_of_it(tiny: Renderer, run: Path, tmp_path: Path, name: str) -> None:
    shutil.copy(run / "round-1" / "candidate-1.png", tmp_path / "outside.png")
    before = sorted(tmp_path.iterdir())
    with closing(sqlite3.connect(run / "checkpoints.sqlite")) as table, table:
        for number, value in list(table.execute("SELECT rowid, checkpoint FROM checkpoints")):
            state = value.replace(b'"round-1/candidate-1.png"', json.dumps(name).encode())
            table.execute("UPDATE checkpoints SET checkpoint = ? WHERE rowid = ?", [state, number])
    with pytest.raises(RunError, match="which is not in it"):
        resumed(tiny, run, tmp_path)
    assert sorted(tmp_path.iterdir()) == before


def test_links_in_a_run_folder_lead_nowhere(tiny: Renderer, run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (run / "events.jsonl").unlink()
    (run / "events.jsonl").symlink_to(tmp_path / "mine")
    with pytest.raises(RunError, match="is a link"):
        resumed(tiny, run, tmp_path)
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize("where", ["the base", "the checkpoint and the round"])
def test_a_run_folder_says_not_what_is_loaded(tiny: Renderer, run: Path, tmp_path: Path, where: str) -> None:
    control = {"model": "theirs/net", "image": {"path": "/theirs", "sha256": "0" * 64}, "scale": 1}
    picture = run / "round-1" / "candidate-1.png"
    result = tiny.render(RenderRequest(plan=plan_of(2), steps=1))
    request = RenderRequest.model_validate(result.request.model_dump() | {"controls": [control]})
    write_result(picture, replace(result, request=request))
    if where == "the base":
        (run / "checkpoints.sqlite").unlink()
        base = {"base": str(picture), "plan": region_moved(plan_of(2)).model_dump()}
        (run / "run.json").write_text(json.dumps(json.loads((run / "run.json").read_text()) | base))
    else:
        with closing(sqlite3.connect(run / "checkpoints.sqlite")) as table, table:
            for number, value in list(table.execute("SELECT rowid, checkpoint FROM checkpoints")):
                state = value.replace(b'"controls": []', b'"controls": [' + json.dumps(control).encode() + b"]")
                table.execute("UPDATE checkpoints SET checkpoint = ? WHERE rowid = ?", [state, number])
    agent = Agent(renderer=tiny, critic=Displeased(), steps=1, rounds=2)
    with pytest.raises(RunError, match="not yours to be loaded. To agree, add --control theirs/net"):
        list(agent.resume(run))
    agreed = Agent(renderer=tiny, critic=Displeased(), steps=1, rounds=2, controls=["theirs/net"])
    with pytest.raises(ModelError, match="cannot load ControlNet 'theirs/net'"):  # it is looked for now
        list(agreed.resume(run))


# --- settings and keys -----------------------------------------------------------------------------------------------

THEIRS = {
    "model": "models/theirs", "planner": "openai:theirs", "critic": "openai:theirs", "base_url": "http://theirs/v1",
}  # fmt: skip


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """The folder of a run that was begun with the person's own settings."""
    return new_folder(tmp_path, record_of(BRIEF, Settings()))


@pytest.mark.parametrize("name", THEIRS)
def test_where_words_and_keys_go_is_agreed_to(begun: Path, name: str) -> None:
    record = run_record(begun)
    theirs = record.model_copy(update={"settings": record.settings | {name: THEIRS[name], "planner": "openai:theirs"}})
    agreed = f"--{name.replace('_', '-')} {THEIRS[name]}"
    with pytest.raises(RunError, match=f"was begun with .*{name} '{THEIRS[name]}' .yours: .*To agree: .*{agreed}"):
        resume_settings(begun, theirs)
    own = {name: None if name == "base_url" else "none"} | {"planner": "openai:mine"}
    settings = resume_settings(begun, theirs, **{key: value or "" for key, value in own.items()})
    assert (settings.planner, getattr(settings, name) or None) == ("openai:mine", own[name])
    settings = resume_settings(begun, theirs, **{"planner": "openai:theirs", name: THEIRS[name]})
    assert (settings.planner, getattr(settings, name)) == ("openai:theirs", THEIRS[name])


def test_the_picture_is_made_as_it_was_begun(begun: Path) -> None:
    record = run_record(begun)
    others = {"steps": 7, "seed": 5, "out": "/theirs", "sessions": "/theirs", "api_key": "theirs"}
    settings = resume_settings(begun, record.model_copy(update={"settings": record.settings | others}))
    assert (settings.steps, settings.seed, settings.api_key) == (7, 5, None)
    assert (settings.out, settings.sessions) == (Path("runs"), None)
    assert not {"out", "sessions", "api_key"} & set(record.settings)
    with pytest.raises(ValidationError, match="rounds"):
        resume_settings(begun, record.model_copy(update={"settings": record.settings | {"rounds": 10**9}}))


def test_the_command_that_goes_on_agrees_to_what_was_begun(begun: Path) -> None:
    record = run_record(begun)
    for settings in (
        Settings(),
        Settings(planner="a b", base_url="http://x/v1"),
        Settings(planner="a'b", base_url="http://x/v1"),
    ):
        record.settings.update(settings.model_dump(mode="json", include={"model", "planner", "critic", "base_url"}))
        command = resume_command(begun, settings)
        try:
            resume_settings(begun, record)
        except RunError as error:
            assert f"To agree: {command};" in str(error)
        else:
            assert command == f"ditpipe resume {begun}"


def test_what_cannot_be_shown_cannot_be_agreed_to(begun: Path) -> None:
    record = run_record(begun)
    with pytest.raises(RunError, match="characters that cannot be shown"):
        resume_settings(begun, record.model_copy(update={"settings": {"base_url": "http://theirs\x1b[8m.mine/v1"}}))


def test_a_key_goes_to_the_endpoint_that_it_was_given_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DITPIPE_API_KEY", "mine")
    assert Settings(planner="any", base_url="http://theirs/v1").api_key  # a key for whatever endpoint is named
    monkeypatch.setenv("DITPIPE_BASE_URL", "https://mine/v1")
    for same in ("https://mine/v1", "https://MINE/v2"):
        assert Settings(planner="any", base_url=same).api_key
    for other in ("http://mine/v1", "https://theirs/v1", "https://mine:8000/v1", "https://mine@theirs/v1"):
        with pytest.raises(ValidationError, match="DITPIPE_API_KEY was given for https://mine/v1"):
            Settings(planner="any", base_url=other)
    assert Settings(planner="any", base_url="https://theirs/v1", api_key=SecretStr("theirs")).api_key


def test_a_session_folder_does_not_say_where_words_go(tiny: Renderer, tmp_path: Path) -> None:
    agent = tiny_agent(tiny, tmp_path).with_settings(sessions=tmp_path / "sessions", critic="none", rounds=1)
    sessions = Sessions(agent)
    session = sessions.new()
    turn = session.store.add(session.id, "a cat", kind="new brief", folder="turn-0001", brief="a cat")
    folder = agent.begin("a cat", plan=plan_of(2), folder=session.path("turn-0001"))
    record = json.loads((folder / "run.json").read_text())
    record["settings"] |= {"base_url": "http://theirs/v1", "planner": "openai:theirs", "out": "/theirs", "steps": 1}
    (folder / "run.json").write_text(json.dumps(record))
    *_, last = session.resume()
    done = session.turns[turn.number - 1]
    assert done.status == "done", last
    again = run_record(folder)
    assert again.settings["base_url"] == "http://theirs/v1" and not (Path("/theirs")).exists()


# --- sessions and queues ---------------------------------------------------------------------------------------------


def test_a_session_names_no_file_outside_of_its_folder(tiny: Renderer, tmp_path: Path) -> None:
    agent = tiny_agent(tiny, tmp_path).with_settings(sessions=tmp_path / "sessions", critic="none", rounds=1)
    session = Sessions(agent).new()
    (tmp_path / "mine.png").write_bytes(b"mine")
    turn = session.store.add(session.id, "a cat", kind="new brief", picture="../../mine.png", status="done")
    session.store.update(session.id, turn.model_copy(update={"head": turn.number}))
    acts: list[Callable[[], object]] = [lambda: session.picture_path, lambda: session.export(tmp_path / "session.zip")]
    for act in acts:
        with pytest.raises(RunError, match="which is not in it"):
            act()
    assert not (tmp_path / "session.zip").exists()
    session.store.update(session.id, turn.model_copy(update={"picture": None, "folder": "../..", "status": "pending"}))
    with pytest.raises(RunError, match="which is not in it"):
        session.branch()
    *_, _ = session.resume()
    assert session.turns[-1].status == "failed" and "which is not in it" in session.turns[-1].reply
    changed(tmp_path / "sessions" / "sessions.sqlite", "INSERT INTO sessions VALUES ('../x', '', 0, 0, NULL)")
    with pytest.raises(RunError, match="which is not in it"):
        Sessions(agent).open("../x")


def test_a_branch_does_not_follow_links(tiny: Renderer, tmp_path: Path) -> None:
    agent = tiny_agent(tiny, tmp_path).with_settings(sessions=tmp_path / "sessions", critic="none", rounds=1)
    session = Sessions(agent).new()
    (tmp_path / "mine.png").write_bytes(b"mine")
    (session.folder / "turn-0001").mkdir()
    (session.folder / "turn-0001" / "picture.png").symlink_to(tmp_path / "mine.png")
    turn = session.store.add(session.id, "a cat", folder="turn-0001", picture="turn-0001/picture.png", status="done")
    session.store.update(session.id, turn.model_copy(update={"head": turn.number}))
    with pytest.raises(RunError, match="which is not in it"):
        session.branch().export(tmp_path / "session.zip")
    (session.folder / "turn-0001" / "picture.png").unlink()
    os.mkfifo(session.folder / "turn-0001" / "picture.png")
    for copied in (lambda: session.export(tmp_path / "session.zip"), session.branch):
        with pytest.raises(RunError, match=r"it is no file|is a named pipe"):
            copied()
    assert not list(tmp_path.glob("session.zip*"))


def test_a_queue_draws_only_what_it_named_itself(tiny: Renderer, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter").write_text("mine")
    service = picture_service(tiny_agent(tiny, tmp_path / "out"), patience=PATIENCE)
    table = service.jobs.folder / "jobs.sqlite"
    for kind, payload in {"paint": {"brief": "a cat"}, "render": {"plan": plan_of(2).model_dump()}}.items():
        theirs = [f"../../mine{'/' * (kind == 'render')}", kind, json.dumps(payload)]
        changed(table, "INSERT INTO jobs (id, caller, work, asked) VALUES (?, 'x', ?, ?)", *theirs)
    drawn(service, tiny)
    service.jobs.close()
    assert [one.name for one in (tmp_path / "mine").iterdir()] == ["letter"]
    changed(table, "UPDATE jobs SET status = 'running', device = '../../mine/cpu' WHERE caller = 'x'")
    service = picture_service(tiny_agent(tiny, tmp_path / "out"), patience=PATIENCE)
    drawn(service, tiny)
    service.jobs.close()
    assert [one.name for one in (tmp_path / "mine").iterdir()] == ["letter"]


THEIR_ROWS: dict[str, dict[str, Any]] = {
    "no JSON": {"asked": "hello"},
    "JSON that is nested deeply": {"asked": "[" * 100_000},
    "no object": {"asked": "[1]"},
    "bytes": {"asked": b"\xff\xfe"},
    "more than is read": {"asked": "{}" + " " * 5 * 2**20},
    "a billion previews": {"previews": 10**9},
    "a text for a number": {"previews": "many"},
    "a number for a text": {"caller": "x", "work": b"\xff"},
}


@pytest.mark.parametrize("row", THEIR_ROWS.values(), ids=THEIR_ROWS)
def test_a_job_that_is_none_fails_and_the_others_are_drawn(tiny: Renderer, tmp_path: Path, row: dict[str, Any]) -> None:
    agent = tiny_agent(tiny, tmp_path)
    picture_service(agent).jobs.close()
    theirs = {"id": "0" * 32, "caller": "local", "work": "render", "asked": "{}"} | row
    names = ", ".join(theirs)
    changed(tmp_path / "jobs.sqlite", f"INSERT INTO jobs ({names}) VALUES (?, ?, ?, ?{', ?' * (len(theirs) - 4)})",
            *theirs.values())  # fmt: skip
    service = picture_service(agent, patience=PATIENCE)
    own = drawn(service, tiny)
    assert [job.id for job in service.jobs.recent("local")] == [own]
    with pytest.raises((RunError, UnknownPicture), match="cannot be read by this version|no picture"):
        service.jobs.get("0" * 32, caller="local")
    service.jobs.close()
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite")) as table:
        assert list(table.execute("SELECT status FROM jobs WHERE id = ?", ["0" * 32])) == [("failed",)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER a AFTER UPDATE ON {} BEGIN DELETE FROM {}; END",
        "CREATE VIEW a AS SELECT 1",
        "ALTER TABLE {} ADD COLUMN a TEXT AS (hex(zeroblob(1000000000)))",
        "CREATE INDEX a ON {} (hex(zeroblob(1)))",
        "DROP TABLE {}; CREATE TABLE {} (id TEXT)",
    ],
)
def test_a_database_holds_nothing_but_what_ditpipe_makes(tmp_path: Path, statement: str) -> None:
    JobQueue(tmp_path / "jobs.sqlite")
    Store(tmp_path)
    for name, table in {"jobs": "jobs", "sessions": "turns"}.items():
        with closing(sqlite3.connect(tmp_path / f"{name}.sqlite")) as connection:
            connection.executescript(statement.format(table, table))
    for opens in (lambda: JobQueue(tmp_path / "jobs.sqlite"), lambda: Store(tmp_path)):
        with pytest.raises(RunError, match="that this version of ditpipe does not make"):
            opens()


def test_a_picture_of_a_queue_is_in_its_folder(tiny: Renderer, tmp_path: Path) -> None:
    (tmp_path / "mine.png").write_bytes(b"mine")
    service = picture_service(tiny_agent(tiny, tmp_path / "out"), patience=PATIENCE)
    job = service.jobs.get(drawn(service, tiny), caller="local")
    service.jobs.close()
    picture = service.jobs.file(job)
    picture.unlink()
    with pytest.raises(UnknownPicture, match="is gone"):
        picture_file(service, job)
    picture.symlink_to(tmp_path / "mine.png")
    with pytest.raises(RunError, match="which is not in it"):
        picture_file(service, job)


def test_a_queue_loads_nothing_that_a_row_names(tiny: Renderer, tmp_path: Path) -> None:
    service = picture_service(tiny_agent(tiny, tmp_path), patience=PATIENCE)
    control = {"model": "theirs/net", "image": {"path": "/theirs", "sha256": "0" * 64}}
    request = RenderRequest.model_validate({"plan": plan_of(2), "controls": [control]})
    revision = Revision(changes=[RegionChange(name="thing 0", seed=4)])
    job = service.submit("edit", EditInput(request=request, revision=revision), caller="local")
    last = ended(service, job)
    service.jobs.close()
    assert (last.status, last.error) == (
        "failed", "this picture was made with files of another machine; it is not drawn again here",
    )  # fmt: skip


@pytest.mark.parametrize("body", [None, 5, 1.5, b"\xff", "[1]", "null", "[" * 100_000])
def test_a_turn_of_another_kind_is_one_line(tmp_path: Path, body: Any) -> None:
    store = Store(tmp_path)
    record = store.create()
    changed(tmp_path / "sessions.sqlite", "DROP TABLE turns")
    changed(tmp_path / "sessions.sqlite", "CREATE TABLE turns (session, number, body)")
    changed(tmp_path / "sessions.sqlite", "INSERT INTO turns VALUES (?, 1, ?)", record.id, body)
    with pytest.raises(RunError, match="turn 1 of session .* cannot be read"):
        store.turns(record.id)


def test_a_turn_is_the_one_that_its_row_says(tmp_path: Path) -> None:
    store = Store(tmp_path)
    record = store.create()
    turn = store.add(record.id, "a cat").model_copy(update={"number": 2})
    changed(tmp_path / "sessions.sqlite", "UPDATE turns SET body = ?", turn.model_dump_json())
    with pytest.raises(RunError, match="turn 1 of session .* cannot be read"):
        store.turns(record.id)


@pytest.mark.parametrize(
    "row", [("a", None, 0, 0, None), ("a", "", "x", 0, None), ("a", "", 0, 1e300, None), ("a", "", 0, 0, "x")]
)
def test_a_session_of_another_kind_is_one_line(tmp_path: Path, row: tuple[Any, ...]) -> None:
    store = Store(tmp_path)
    changed(tmp_path / "sessions.sqlite", "DROP TABLE sessions")
    changed(tmp_path / "sessions.sqlite", "CREATE TABLE sessions (id, title, created, updated, head)")
    changed(tmp_path / "sessions.sqlite", "INSERT INTO sessions VALUES (?, ?, ?, ?, ?)", *row)
    with pytest.raises(RunError, match="cannot be listed"):
        store.records()


def test_titles_are_no_markup_and_command_no_terminal(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create("a cat [/red] [link=http://theirs]here\x1b]0;theirs\x07")
    out = StringIO()
    Console(file=out, force_terminal=True, width=200).print(sessions_table(store.records()))
    assert "a cat [/red] [link=http://theirs]here�]0;theirs�" in out.getvalue()
    with pytest.raises(ValidationError, match="high_level holds a control character"):
        LeveledPrompt(high_level="a cat\x1b[2J")
    assert LeveledPrompt(high_level="two\nlines").high_level == "two\nlines"


# --- pictures --------------------------------------------------------------------------------------------------------


def picture_of(path: Path, **options: Any) -> Path:
    request = RenderRequest.model_validate({"plan": plan_of(2), "steps": 1} | options)
    write_picture(path, RenderResult(request, Image.new("RGB", (96, 96)), None, 0.0))  # type: ignore[arg-type]
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
        with pytest.raises(RunError, match="it is no file"):
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


# --- weights and models ----------------------------------------------------------------------------------------------


def test_latents_loras_and_critics_unpickle_nothing(tiny: Renderer, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    result = tiny.render(RenderRequest(plan=plan_of(2), steps=1))
    write_result(tmp_path / "picture.png", result)
    for name in ("picture.latents", "lora.safetensors"):
        torch.save({"latents": Bait(trace)}, tmp_path / name)
    with pytest.raises(RunError, match="cannot be read"):
        read_result(tmp_path / "picture.png")
    with pytest.raises(RenderError, match="a pickle, which may run code"):
        load_lora(tiny.family.model, tmp_path / "lora.safetensors", scale=1, region=None, device=tiny.family.device)
    shutil.copytree(Path(Scorer.load.__globals__["POCKET"]) / "critic", tmp_path / "critic")
    (tmp_path / "critic" / "model.safetensors").unlink()
    torch.save({"a": Bait(trace)}, tmp_path / "critic" / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot load the embedded critic"):
        Scorer.load(tmp_path / "critic")
    assert not trace.exists()


@pytest.mark.parametrize(
    "latents", [torch.zeros(3), torch.full((1, 4, 12, 12), torch.nan), torch.zeros(1, 4, 2, 2, dtype=torch.int64)]
)
def test_latents_that_are_none_are_one_line(tiny: Renderer, tmp_path: Path, latents: torch.Tensor) -> None:
    result = tiny.render(RenderRequest(plan=plan_of(2), steps=1))
    write_result(tmp_path / "picture.png", replace(result, latents=latents))
    with pytest.raises(RunError, match="cannot be read; without this file the picture is drawn again"):
        read_result(tmp_path / "picture.png")


def test_latents_of_another_size_are_one_line(tiny: Renderer) -> None:
    result = replace(tiny.render(RenderRequest(plan=plan_of(2), steps=1)), latents=torch.zeros(1, 4, 2, 2))
    with pytest.raises(RenderError, match="have another size"):
        tiny.edit(result, Revision(changes=[RegionChange(name="thing 1", seed=5)]))


def test_a_picture_that_is_a_program_is_not_opened(tmp_path: Path) -> None:
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(trace) (w) file closefile\n%%EOF\n"
    (tmp_path / "picture.png").write_bytes(program)
    with pytest.raises(RunError, match="not a picture that can be read"):
        open_image(tmp_path / "picture.png")


def weights_in_pickle(folder: Path, trace: Path) -> None:
    (folder / "text_encoder" / "model.safetensors").unlink()
    torch.save({"a": Bait(trace)}, folder / "text_encoder" / "pytorch_model.bin")


def a_class_of_its_own(folder: Path, trace: Path) -> None:
    (folder / "transformer" / "theirs.py").write_text(f"import os\nos.mkdir({str(trace)!r})\nclass Theirs: ...\n")
    _component(folder, "transformer", ["theirs", "Theirs"])


def a_library_of_its_own(folder: Path, trace: Path) -> None:
    for file in ("transformer/diffusers.py", "scheduler/diffusers.py", "tokenizer/transformers.py"):
        (folder / file).write_text(f"import os\nos.mkdir({str(trace)!r})\n")


def a_library_of_others(folder: Path, trace: Path) -> None:
    _component(folder, "transformer", ["subprocess", "Popen"])


def a_pipeline_of_its_own(folder: Path, trace: Path) -> None:
    (folder / "theirs.py").write_text(f"import os\nos.mkdir({str(trace)!r})\nclass HunyuanDiTPipeline: ...\n")
    _component(folder, "_class_name", ["theirs", "HunyuanDiTPipeline"])


def an_automatic_class(folder: Path, trace: Path) -> None:
    (folder / "text_encoder" / "theirs.py").write_text(f"import os\nos.mkdir({str(trace)!r})\n")
    config = json.loads((folder / "text_encoder" / "config.json").read_text())
    (folder / "text_encoder" / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "theirs.A"}}))
    _component(folder, "text_encoder", ["transformers", "AutoModel"])


def an_automatic_class_on_the_hub(folder: Path, trace: Path) -> None:
    config = json.loads((folder / "text_encoder" / "config.json").read_text())
    theirs = {"auto_map": {"AutoModel": "someone/theirs--theirs.A"}, "model_type": "theirs"}
    (folder / "text_encoder" / "config.json").write_text(json.dumps(config | theirs))
    _component(folder, "text_encoder", ["transformers", "AutoModel"])


def _component(folder: Path, name: str, value: list[str]) -> None:
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps(index | {name: value}))


@pytest.mark.parametrize(
    "prepare",
    [
        weights_in_pickle, a_class_of_its_own, a_library_of_its_own, a_library_of_others, a_pipeline_of_its_own,
        an_automatic_class, an_automatic_class_on_the_hub,
    ],
)  # fmt: skip
def test_a_model_folder_runs_nothing(tiny_folder: Path, tmp_path: Path, prepare: Callable[[Path, Path], None]) -> None:
    folder, trace = tmp_path / "model", tmp_path / "trace"
    shutil.copytree(tiny_folder, folder)
    prepare(folder, trace)
    try:
        Renderer(str(folder)).pipe  # noqa: B018
    except ModelError as error:
        assert "\n" not in str(error)
    else:  # code that nobody looked at
        assert prepare is a_library_of_its_own
    assert not trace.exists()


def test_a_single_file_unpickles_nothing(tmp_path: Path, tiny_folder: Path) -> None:
    trace = tmp_path / "trace"
    torch.save({"a": Bait(trace)}, tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="no single files are read"):
        load_pipeline(tiny_folder, torch.float32, file=tmp_path / "model.safetensors")
    assert not trace.exists()


def test_a_controlnet_folder_unpickles_nothing(controlnet: Path, tmp_path: Path) -> None:
    from ditpipe.renderer.families.hunyuan_controlnet import load_control

    folder, trace = tmp_path / "control", tmp_path / "trace"
    shutil.copytree(controlnet, folder)
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"a": Bait(trace)}, folder / "diffusion_pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot load ControlNet"):
        load_control(str(folder), dtype=torch.float32)
    assert not trace.exists()


# --- errors that end a run -------------------------------------------------------------------------------------------


def test_a_critic_that_fails_after_drawing_leaves_the_round(tiny: Renderer, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    painting = Agent(renderer=tiny, critic=Failing(), steps=2).paint(BRIEF, plan=plan_of(2), folder=folder)
    assert painting.resume == f"ditpipe resume {folder} --model {tiny.model}"
    picture = folder / "round-1" / "candidate-1.png"
    before = picture.stat().st_mtime_ns
    last = resumed(tiny, folder, tmp_path)
    assert last.painting.best.path == picture and picture.stat().st_mtime_ns == before
