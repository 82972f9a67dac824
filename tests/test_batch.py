"""`ditpipe batch`: every line once, in an order that reuses prompts, and nothing lost when the process is."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from command_line import run
from fakes import Pleased, TwoThings, tiny_agent
from plans import plan_of
from png_files import png_bytes
from waiting import until

from ditpipe import Agent, Critique, Renderer
from ditpipe.agent.batch.lines import parse_line, read_lines
from ditpipe.agent.batch.manifest import Manifest, Row
from ditpipe.agent.batch.runner import GIVE_UP, BatchRun
from ditpipe.agent.batch.worker import BATCH, BATCH_EVENTS, BatchInput, LineDrawn
from ditpipe.agent.wiring import local_engine
from ditpipe.prompts.errors import DitpipeError, RunError, one_line
from ditpipe.prompts.outside_json import MAX_JSON
from ditpipe.renderer.pictures.artifacts import open_image
from ditpipe.tools.jobs.engine import JobContext
from ditpipe.tools.jobs.local_engine import LocalEngine


def agent_without_models(folder: Path) -> Agent:
    return Agent(planner=TwoThings(), critic=Pleased(), out=folder)


def lines_of(folder: Path, *lines: Any) -> Path:
    file = folder / "lines.jsonl"
    file.write_text("".join((line.decode() if isinstance(line, bytes) else json.dumps(line)) + "\n" for line in lines))
    return file


class Drawing:
    """A handler that draws nothing; `drawn` are the scenes in their order, and `at` is called before each."""

    def __init__(self, at: Callable[[int], None] = lambda count: None) -> None:
        self.drawn: list[str] = []
        self.at = at

    def __call__(self, payload: dict[str, Any], context: JobContext) -> None:
        for line in BatchInput.model_validate(payload).lines:
            assert line.plan
            self.at(len(self.drawn))
            self.drawn.append(line.plan.scene.high_level)
            context.emit(LineDrawn(line.key, b"picture", line.plan, Critique(score=1, regions=[]), 0, 1, 0.1, (), ""))


def drawn_by(batch: BatchRun, handler: Callable[[dict[str, Any], JobContext], None]) -> list[Row]:
    with batch.locked() as folder:
        engine = LocalEngine(folder, {"cpu": {BATCH: handler}}, reports=BATCH_EVENTS)
        try:
            return list(batch.run(engine))
        finally:
            engine.close()


PLAN = plan_of(2).model_dump(mode="json")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("not json", "not JSON"), ("[1]", "an object with a 'brief' or a 'plan'"), ("{}", "neither a 'brief'"),
        ('""', "neither a 'brief'"), ('{"brief": 7}', "are texts"),
        ('{"brief": "x", "seeds": 7}', "did you mean 'seed'"),
        ('{"brief": "x", "model": "flux"}', "not an option of a line"), ('{"brief": "x", "rounds": 99}', "rounds: "),
        ('{"brief": "x", "size": "huge"}', "size: "), ('{"plan": {"scene": 7}}', "scene: "),
        (json.dumps({"brief": "x" * 100_000}), "characters"),
    ],
)  # fmt: skip
def test_a_line_that_is_none_says_why(line: str, said: str, tmp_path: Path) -> None:
    with pytest.raises((ValueError, DitpipeError)) as refused:
        parse_line(line.encode(), agent_without_models(tmp_path))
    assert isinstance(refused.value, ValueError | DitpipeError)
    assert said in one_line(refused.value)


def test_the_digest_of_a_line_is_that_of_what_decides_on_its_picture(tmp_path: Path) -> None:
    agent = agent_without_models(tmp_path)

    def key(line: Any, agent: Agent = agent) -> str:
        return parse_line(json.dumps(line).encode(), agent)[1].key

    assert key("a cat") == key({"brief": "a cat", "name": "c1"}) == key({"seed": 0, "brief": "a cat"})
    others = [
        {"brief": "a cat", "seed": 1},
        "a dog",
        {"brief": "a cat", "plan": PLAN},
        {"plan": PLAN, "steps": 3},
        PLAN,
    ]
    assert len({key("a cat"), *map(key, others), key("a cat", agent.with_settings(steps=5))}) == 7
    assert key(PLAN) == key({"plan": PLAN}) == key(PLAN, Agent(planner="openai:x", critic="auto", out=tmp_path / "o"))


def test_lines_are_drawn_once_and_skipped_the_next_time(tiny: Renderer, tmp_path: Path) -> None:
    agent, out = tiny_agent(tiny, tmp_path), tmp_path / "out"
    own = {"plan": PLAN, "seed": 5, "name": "mine"}
    file = lines_of(tmp_path, "a field", own, b"half a li", "a field", {"brief": "at sea", "rounds": 1})

    def run_once() -> tuple[BatchRun, list[Row]]:
        batch = BatchRun(agent, file, out)
        with batch.locked() as folder:
            engine = local_engine(agent, folder=folder)
            try:
                return batch, list(batch.run(engine))
            finally:
                engine.close()

    first, rows = run_once()
    assert [row.status for row in first.all_rows()] == ["done", "done", "failed", "done", "done"], rows
    assert sorted(row.line for row in rows) == [1, 2, 3, 5] and "not JSON" in rows[0].error  # line 4 is line 1
    manifest = [Row.model_validate_json(line) for line in (out / "manifest.jsonl").read_text().splitlines()]
    assert manifest == first.all_rows() and [row.line for row in manifest] == [1, 2, 3, 4, 5]
    picture = manifest[1]
    assert (picture.name, picture.seed, picture.score, picture.rounds, picture.model) == ("mine", 5, 1, 1, tiny.model)
    assert picture.picture and picture.critique and picture.plan
    alone = tiny.render(agent.with_settings(seed=5).request(plan_of(2)))
    assert png_bytes(alone) == (out / picture.picture).read_bytes()
    assert open_image(out / picture.picture).size == (picture.width, picture.height)
    assert Critique.model_validate_json((out / picture.critique).read_bytes()).score == 1

    file.write_text("\n".join(reversed(file.read_text().splitlines())))
    second, again = run_once()
    assert [row.line for row in again] == [3] and second.skipped == 4  # the bad line is tried again
    assert [row.name for row in second.all_rows()] == ["", "", "", "mine", ""]


def test_lines_that_share_a_size_and_prompts_are_neighbours(tmp_path: Path) -> None:
    lines = [
        {"plan": PLAN | {"scene": {"high_level": scene}, "width": width, "height": 128}, "seed": seed}
        for seed in range(3) for scene, width in (("sea", 128), ("sea", 256), ("a wood", 128))
    ]  # fmt: skip
    batch, drawing = (
        BatchRun(agent_without_models(tmp_path), lines_of(tmp_path, *lines), tmp_path, in_flight=1),
        Drawing(),
    )
    assert len(drawn_by(batch, drawing)) == 9
    assert drawing.drawn == ["a wood"] * 3 + ["sea"] * 6


@pytest.mark.slow
def test_shards_are_every_line_once(tmp_path: Path) -> None:
    agent, file = agent_without_models(tmp_path), lines_of(tmp_path, *(f"picture {i}" for i in range(40)))
    keys = [[line.key for line in BatchRun(agent, file, tmp_path, shard=(i, 3)).lines] for i in (1, 2, 3)]
    assert all(keys) and sorted(sum(keys, [])) == sorted(line.key for line in read_lines(file, agent))
    for part in (1, 2, 3):
        drawn_by(BatchRun(agent, file, tmp_path, shard=(part, 3)), Drawing())
    assert BatchRun(agent, file, tmp_path).skipped == 40  # whoever drew them


def test_what_stops_leaves_the_rest_for_later(tmp_path: Path) -> None:
    agent, file = agent_without_models(tmp_path), lines_of(tmp_path, *(f"picture {i}" for i in range(6)))
    batch = BatchRun(agent, file, tmp_path, in_flight=1)
    drawn_by(batch, Drawing(at=lambda count: batch.stop() if count == 2 else None))
    states = [row.status for row in batch.all_rows()]
    assert 0 < states.count("done") < 6 and set(states) == {"done", "pending"}
    later, drawing = BatchRun(agent, file, tmp_path), Drawing()
    drawn_by(later, drawing)
    assert len(drawing.drawn) == states.count("pending") and not later.left
    assert not (tmp_path / ".work").exists()


def test_two_of_them_do_not_draw_the_same_shard(tmp_path: Path) -> None:
    batch = BatchRun(agent_without_models(tmp_path), lines_of(tmp_path, "a cat"), tmp_path)
    with batch.locked(), pytest.raises(RunError, match="another ditpipe is drawing"), batch.locked():
        pass


def test_a_fault_of_all_lines_ends_the_batch(tmp_path: Path) -> None:
    def fails(count: int) -> None:
        raise AssertionError

    batch = BatchRun(agent_without_models(tmp_path), lines_of(tmp_path, *map(str, range(3 * GIVE_UP))), tmp_path)
    with pytest.raises(DitpipeError, match=f"{GIVE_UP} lines failed one after the other: an internal error"):
        drawn_by(batch, Drawing(at=fails))
    assert batch.left and Manifest(tmp_path).rows()


CHILD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_batch import Drawing, BatchRun, agent_without_models, drawn_by

def slow(count):
    if count == 3:
        print("three are drawn", flush=True)
        time.sleep(600)  # until it is killed

folder = Path(sys.argv[2])
drawn_by(BatchRun(agent_without_models(folder), folder / "lines.jsonl", folder), Drawing(at=slow))
"""


@pytest.mark.process
def test_a_batch_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    file = lines_of(tmp_path, *(f"picture {i}" for i in range(8)))
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(Path(__file__).parent), str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout and child.stdout.readline() == "three are drawn\n"
    until(lambda: len(Manifest(tmp_path).rows()) == 3)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    with (tmp_path / "manifest.jsonl").open("a") as manifest:
        manifest.write('{"line": 4, "key"')  # as if it had been killed within a row
    batch, drawing = BatchRun(agent_without_models(tmp_path), file, tmp_path), Drawing()
    assert batch.skipped == 3
    drawn_by(batch, drawing)
    assert len(drawing.drawn) == 5 and [row.status for row in batch.all_rows()] == ["done"] * 8
    assert len((tmp_path / "manifest.jsonl").read_text().splitlines()) == 8


def test_a_line_that_is_too_long_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b'"' + b"x" * (2 * MAX_JSON + 9) + b'"\n\n"a cat"')
    first, second = read_lines(file, agent_without_models(tmp_path))
    assert (first.number, second.number) == (1, 3) and "too many" in first.error and not second.error


def test_the_manifest_as_parquet(tmp_path: Path) -> None:
    rows = [Row(line=1, key="a" * 64, status="done", score=0.5, warnings=["dim"]), Row(line=2, key="b" * 64)]
    if find_spec("pyarrow") is None:
        with pytest.raises(ValueError, match=r'pip install "ditpipe\[parquet\]"'):
            Manifest(tmp_path).write_parquet(rows)
        return
    import pyarrow.parquet as pq

    assert pq.read_table(Manifest(tmp_path).write_parquet(rows)).to_pylist() == [row.model_dump() for row in rows]


@pytest.mark.process
def test_the_command_says_what_failed_and_ends_with_one(tmp_path: Path) -> None:
    lines_of(tmp_path, {"brief": "x", "seeds": 1})
    result = run("batch", "lines.jsonl", "--out", "out", "--json", cwd=tmp_path)
    answer = json.loads(result.stdout)
    assert result.returncode == 1 and (answer["done"], answer["failed"], answer["pending"]) == (0, 1, 0), result
    assert answer["failures"][0]["line"] == 1 and "did you mean 'seed'" in answer["failures"][0]["error"]
