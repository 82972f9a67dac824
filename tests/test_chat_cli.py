"""`ditpipe chat` without a terminal, `ditpipe sessions`, and `paint --approve` for scripts."""

import json
from pathlib import Path

import pytest
from command_line import refused, run

pytestmark = pytest.mark.process

BRIEF = "a red cat on the left and a blue rocket on the right, at night"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one conversation of two messages, had through a pipe."""
    folder = tmp_path_factory.mktemp("sessions")
    said = f"{BRIEF}\nmake the cat orange\n"
    done = run("chat", "--sessions", str(folder), "--rounds", "1", "--steps", "4", cwd=folder, input=said)
    assert done.returncode == 0, done
    # What else changed is measured on the pixels: either nothing did, or the reply says what.
    rests = ("Nothing else was drawn.", "Note: the edit also changed")
    assert any(f"Drew an orange cat. {rest}" in done.stdout for rest in rests), done
    assert f"> {BRIEF}" in done.stdout and "\x1b" not in done.stdout
    return folder


def test_conversations_are_listed(home: Path, tmp_path: Path) -> None:
    listed = run("chat", "--list", "--sessions", str(home), cwd=tmp_path)
    assert BRIEF[:30] in listed.stdout
    [record] = json.loads(run("sessions", "--sessions", str(home), "--json", cwd=tmp_path).stdout)
    assert record["turns"] == 2
    empty = run("sessions", cwd=tmp_path, DITPIPE_SESSIONS=str(tmp_path / "none"))
    assert "no conversations yet" in empty.stdout


def test_a_conversation_is_copied_and_exported(home: Path, tmp_path: Path) -> None:
    copy = run("sessions", "branch", "last", "--turn", "1", "--sessions", str(home), cwd=tmp_path).stdout.strip()
    done = run("sessions", "export", copy, "x.zip", "--sessions", str(home), cwd=tmp_path)
    assert done.stdout.strip() == "x.zip" and (tmp_path / "x.zip").stat().st_size > 1000


def test_mistakes_are_one_line(home: Path, tmp_path: Path) -> None:
    refused(run("chat", "--session", "nope", cwd=tmp_path, DITPIPE_SESSIONS=str(home)), "no session begins with 'nope'")
    none = str(tmp_path / "none")
    refused(run("sessions", "export", "last", cwd=tmp_path, DITPIPE_SESSIONS=none), "no conversations yet")
    refused(run("chat", "--rounds", "0", cwd=tmp_path), "rounds")
    ignored = ("--base-url", "http://127.0.0.1:9/v1", "--sessions", none)
    refused(run("chat", *ignored, cwd=tmp_path), "neither planner nor critic")


def test_a_script_says_yes_to_a_plan_later(tmp_path: Path) -> None:
    first = run("paint", BRIEF, "--approve", "--json", "--rounds", "1", "--steps", "4", cwd=tmp_path)
    answer = json.loads(first.stdout)
    folder = Path(answer["waiting"])
    assert [region["name"] for region in answer["plan"]["regions"]] == ["cat", "rocket"]
    assert not list((tmp_path / folder).glob("round-*"))
    plan = json.loads((tmp_path / folder / "plan.json").read_text())
    plan["regions"][0]["prompt"]["low_level"] = "orange"
    (tmp_path / folder / "plan.json").write_text(json.dumps(plan))
    done = json.loads(run("resume", str(folder), "--yes", "--json", cwd=tmp_path).stdout)
    assert done["plan"]["regions"][0]["prompt"]["low_level"] == "orange" and (tmp_path / done["picture"]).exists()
