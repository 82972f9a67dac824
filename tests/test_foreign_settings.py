"""Where words and keys go is never said by a file, and what a run was begun with is agreed to."""

import json
from pathlib import Path

import pytest
from fakes import tiny_agent
from plans import plan_of
from pydantic import SecretStr, ValidationError

from ditpipe import Renderer
from ditpipe.agent.chat.session import Sessions
from ditpipe.agent.runs.folder import new_folder, record_of, run_record
from ditpipe.agent.runs.resume_policy import resume_command, resume_settings
from ditpipe.agent.settings import Settings
from ditpipe.prompts.errors import RunError

BRIEF = "two things"

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


def test_an_address_that_nothing_uses_is_not_asked_about(begun: Path) -> None:
    record = run_record(begun)
    theirs = record.model_copy(update={"settings": record.settings | THEIRS})
    own = {"model": "pocket", "planner": "embedded", "critic": "embedded"}
    assert resume_settings(begun, theirs, **own).base_url is None
    with pytest.raises(RunError, match="base_url 'http://theirs/v1'"):
        resume_settings(begun, theirs, **own | {"critic": "openai:mine"})


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
    with pytest.raises(ValidationError, match="write https://theirs/v1, and give a key"):
        Settings(planner="any", base_url="https://mine@theirs/v1")
    for other in ("http://mine/v1", "https://theirs/v1", "https://mine:8000/v1"):
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
