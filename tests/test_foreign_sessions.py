"""Sessions and queues that people pass on: none runs code, leads outside, or hinders the others."""

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from bait import changed
from fakes import PATIENCE, drawn, ended, tiny_agent
from plans import plan_of
from pydantic import ValidationError
from rich.console import Console

from ditpipe import Renderer
from ditpipe.agent.chat.session import Sessions
from ditpipe.agent.chat.store import Store
from ditpipe.agent.cli.display import sessions_table
from ditpipe.agent.wiring import picture_service
from ditpipe.prompts.errors import RunError, UnknownPicture
from ditpipe.prompts.plan import LeveledPrompt
from ditpipe.prompts.revision import RegionChange, Revision
from ditpipe.renderer.pipeline import RenderRequest
from ditpipe.tools.api_schema import EditInput, picture_file
from ditpipe.tools.jobs.queue import JobQueue


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
        with pytest.raises(RunError, match=r"it is not a file|is a named pipe"):
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
