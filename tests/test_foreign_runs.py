"""Run folders that people pass on: none runs code, leads outside, or says what is loaded."""

import json
import pickle
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import ormsgpack
import pytest
from bait import Bait, changed
from fakes import Pleased, tiny_agent
from PIL import Image
from plans import plan_of

from ditpipe import Agent, Critique, Renderer, ScenePlan
from ditpipe.agent.events import Finished, Waiting
from ditpipe.agent.runs.state import JsonSerializer
from ditpipe.prompts.critique import RegionScore
from ditpipe.prompts.errors import ModelError, RunError
from ditpipe.renderer.pictures.artifacts import (
    write_result,
)
from ditpipe.renderer.pipeline import RenderRequest

BRIEF = "two things"


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
    with pytest.raises(TypeError, match="a Bait is not JSON"):
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


def test_a_critic_that_fails_after_drawing_leaves_the_round(tiny: Renderer, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    painting = Agent(renderer=tiny, critic=Failing(), steps=2).paint(BRIEF, plan=plan_of(2), folder=folder)
    assert painting.resume == f"ditpipe resume {folder} --model {tiny.model}"
    picture = folder / "round-1" / "candidate-1.png"
    before = picture.stat().st_mtime_ns
    last = resumed(tiny, folder, tmp_path)
    assert last.painting.best.path == picture and picture.stat().st_mtime_ns == before
