"""Jobs on a Ray cluster: what a replica answers, what is kept, what a loss does."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, cast

import fsspec
import pytest
from cluster_handlers import png
from waiting import PATIENCE, until

from ditpipe import Agent
from ditpipe.agent.cli.cluster import cluster_of
from ditpipe.agent.ray_cluster import cpu_functions, ray_engine, replica_handlers, settings_of_replicas, state_of
from ditpipe.agent.settings import Settings
from ditpipe.prompts.errors import RunError
from ditpipe.renderer.checkpoints.registry import POCKET
from ditpipe.tools.api_schema import describe_picture, picture_of
from ditpipe.tools.jobs.cluster.cpu_replica import CpuReplicas
from ditpipe.tools.jobs.cluster.driver import Options, places
from ditpipe.tools.jobs.cluster.driver_process import COMMAND
from ditpipe.tools.jobs.cluster.options import Cluster
from ditpipe.tools.jobs.cluster.ray_engine import RayEngine
from ditpipe.tools.jobs.cluster.replica import Replica, renamed
from ditpipe.tools.jobs.cluster.results import Results, digest_of
from ditpipe.tools.jobs.engine import Job, JobContext, JobLost
from ditpipe.tools.jobs.follow import follow
from ditpipe.tools.jobs.job_events import Stepped
from ditpipe.tools.jobs.local_engine import LocalEngine
from ditpipe.tools.jobs.queue import MAX_ATTEMPTS
from ditpipe.tools.jobs.service import PictureService
from ditpipe.tools.watching.job_scope import Durations
from ditpipe.tools.watching.metrics import metrics_text

CALLERS = ("ann", "bob", "cid", "dan")


def replica() -> Replica:
    return Replica("cluster_handlers:handlers", "{}")


def job(kind: str, savings: int = 0, previews: int = 0, **payload: Any) -> str:
    fields = {"id": "a" * 32, "attempt": "b" * 32, "kind": kind, "payload": payload, "savings": savings}
    return json.dumps({**fields, "previews": previews})


def answers(of: Replica, text: str, **base: bytes) -> tuple[list[dict[str, Any]], dict[str, bytes]]:
    """What a replica reports, its end last, and its files."""
    told, files = [], {}
    for answer in of.draw(text, base):
        if isinstance(answer, str):
            told.append(json.loads(answer))
        else:
            files[answer[0]] = answer[1]
    return told, files


def test_a_replica_answers_with_events_files_and_an_end() -> None:
    base = {f"{'c' * 32}/picture.png": png("blue")}
    told, files = answers(replica(), job("draw", previews=1, steps=4, colour="red", base="c" * 32), **base)
    *steps, end = told
    assert [step["fields"]["index"] for step in steps] == [1, 2, 3, 4] and end["end"] == "done"
    assert [step["fields"]["index"] for step in steps if step["fields"]["preview"]] == [2]
    assert files == {"picture.png": png("red"), "note.txt": b"True 0"}


def test_a_cancelled_attempt_ends_at_its_next_step() -> None:
    drawing = replica()
    stream = drawing.draw(job("draw", steps=10_000, colour="red"), {})
    next(stream)
    drawing.cancel("b" * 32)
    last = [json.loads(answer) for answer in stream if isinstance(answer, str)][-1]
    assert last["end"] == "cancelled"
    assert answers(drawing, job("draw", steps=1, colour="red"))[0][-1]["end"] == "done"  # another attempt is not


@pytest.mark.parametrize(
    "text, end, error",
    [
        (job("fail", how="user"), "failed", "the canvas is round"),
        (job("fail", how="bug"), "broken", ""),
        (job("sculpt"), "failed", "no handler for 'sculpt' here: one of draw, fail, poison, ask"),
        (job("draw", needs=2, steps=1, colour="red"), "out of memory", "out of memory"),
        (job("draw", savings=2, needs=2, steps=1, colour="red"), "done", ""),
    ],
)
def test_what_goes_wrong_in_a_replica_is_one_line(text: str, end: str, error: str) -> None:
    assert answers(replica(), text)[0][-1] == {"end": end, "error": error}


def test_base_files_cannot_leave_the_replicas_folder() -> None:
    with pytest.raises(RunError, match="not in it"):
        answers(replica(), job("draw", steps=1, colour="red"), **{"../elsewhere.png": b""})


def test_folders_in_events_are_renamed_wherever_they_stand() -> None:
    event = {"path": "/tmp/x/round-1.png", "notes": ["/tmp/x", "see /tmp/x"], "score": 1}
    assert renamed(event, "/tmp/x", "/runs/y") == {
        "path": "/runs/y/round-1.png", "notes": ["/runs/y", "see /tmp/x"], "score": 1,
    }  # fmt: skip


def test_a_result_in_a_folder_takes_its_space_once_and_goes_with_its_last_job(tmp_path: Path) -> None:
    results, digest = Results(str(tmp_path / "results")), digest_of("render", "{}")
    first, second = tmp_path / "runs/1", tmp_path / "runs/2"
    assert not results.fetch(digest, second)
    (first / "round").mkdir(parents=True)
    (first / "picture.png").write_bytes(png("red"))
    (first / "round" / "plan.json").write_text("{}")
    results.keep(digest, first)
    assert results.fetch(digest, second) and (second / "round" / "plan.json").read_text() == "{}"
    assert (first / "picture.png").samefile(second / "picture.png")
    results.forget(first)
    assert results.fetch(digest, tmp_path / "runs/3")
    for left in ("2", "3"):
        results.forget(tmp_path / "runs" / left)
    assert not results.fetch(digest, second) and not list(tmp_path.rglob("*.png"))


def test_results_at_an_address_of_fsspec(tmp_path: Path) -> None:
    address, digest = f"memory://{tmp_path.name}/results", digest_of("render", "{}")
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "picture.png").write_bytes(png("red"))
    Results(address).keep(digest, tmp_path / "one")
    assert Results(address).fetch(digest, tmp_path / "two")
    assert (tmp_path / "two" / "picture.png").read_bytes() == png("red")
    fsspec.filesystem("memory").rm(f"/{tmp_path.name}", recursive=True)
    with pytest.raises(RunError, match="results cannot be kept at nothing://here"):
        Results("nothing://here")


def test_a_lost_job_is_drawn_again_and_one_that_ends_its_process_is_given_up(tmp_path: Path) -> None:
    tries = {"unlucky": 0, "poisoned": 0, "fine": 0}

    def handler(payload: dict[str, Any], context: JobContext) -> bytes:
        name = payload["name"]
        tries[name] += 1
        if name == "poisoned" or (name == "unlucky" and tries[name] <= MAX_ATTEMPTS):
            raise JobLost("the replica is gone", blamed=name == "poisoned")
        return png("red")

    engine = LocalEngine(tmp_path, {"cpu": {"draw": handler}})
    jobs = [engine.submit("draw", {"name": name}, caller=name) for name in tries]
    unlucky, poisoned, fine = (list(follow(engine, submitted, patience=PATIENCE))[-1] for submitted in jobs)
    assert [state.status for state in (unlucky, poisoned, fine)] == ["done", "failed", "done"]  # type: ignore[union-attr]
    assert tries == {"unlucky": MAX_ATTEMPTS + 1, "poisoned": MAX_ATTEMPTS, "fine": 1}
    engine.close()


@pytest.mark.parametrize(
    "resources, options, count, gpus",
    [
        ({"CPU": 4.0}, {}, 4, 0),
        ({"CPU": 16.0, "GPU": 2.0}, {}, 2, 1),
        ({"CPU": 16.0, "GPU": 2.0}, {"gpus": 0.25}, 8, 0.25),
        ({"CPU": 16.0, "GPU": 2.0}, {"max_replicas": 5}, 5, 1),
        ({"CPU": 0.0}, {"max_replicas": 3}, 3, 1),  # an autoscaler brings the nodes
        ({}, {"max_replicas": 3, "gpus": 0}, 3, 0),
        ({"CPU": 4.0}, {"cpu_replicas": 3}, 1, 0),
        ({"CPU": 4.0, "GPU": 2.0}, {"cpu_replicas": 3}, 1, 1),
        ({"CPU": 4.0}, {"cpu_replicas": 4, "max_replicas": 1}, 1, 0),  # they wait for CPUs, not for a GPU
    ],
)
def test_replicas_are_as_many_as_there_is_room_for(
    resources: dict[str, float], options: dict[str, Any], count: int, gpus: float
) -> None:
    given = Options(
        **{"address": "", "max_replicas": 0, "gpus": 1, "cpus": 1, "factory": "", "settings": "", **options}
    )
    assert places(given, resources)[:2] == (count, {"num_gpus": gpus, "num_cpus": 1})


def test_a_cluster_without_room_and_options_without_effect_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no room for a replica"):
        places(Options("", 0, 1, 1, "", ""), {"CPU": 0.0})
    with pytest.raises(ValueError, match="no room for a replica of 1 GPUs and 0 CPUs beside 3 CPU replicas"):
        places(Options("", 0, 1, 0, "", "", cpu_replicas=3), {"CPU": 2.0, "GPU": 1.0})
    with pytest.raises(ValueError, match="neither the planner nor the critic"):
        ray_engine(Agent(planner="openai:gpt-5", critic="none"), folder=tmp_path, cluster=Cluster(cpu_replicas=1))
    with pytest.raises(ValueError, match="are for --engine ray"):
        cluster_of("local", Cluster(results="s3://pictures"))
    with pytest.raises(ValueError, match="2 to 1 replicas"):
        Cluster(min_replicas=2, max_replicas=1)
    with pytest.raises(ValueError, match="give HOST:PORT"):
        Cluster("ray://10.0.0.1:10001")
    assert cluster_of("local", Cluster()) is None and cluster_of("ray", Cluster("auto")) == Cluster("auto")


def test_results_are_of_these_files_of_a_model(tmp_path: Path) -> None:
    folder, loras = tmp_path / "of@mine", tmp_path / "loras"
    file, index, lora = folder / "cat.safetensors", folder / "model_index.json", loras / "new.safetensors"
    loras.mkdir()
    folder.mkdir()
    for each in (file, index):
        each.write_text("1")

    def states() -> tuple[str, str]:
        return state_of(f"{file}@{folder}", loras), state_of(str(folder), loras)

    before = states()
    assert before == states() and before[0] != before[1]
    for changed in (file, index, lora):
        changed.write_text("22" if changed != lora else "")
        after = states()
        assert after[0] != before[0] and after[1] != before[1], changed
        before = after


@pytest.mark.slow
def test_a_replica_leaves_planning_and_judging_to_cpu_replicas(tmp_path: Path) -> None:
    text = json.dumps({"settings": {"planner": "embedded", "device": "cpu"}, "largest": 512})
    functions, calls = cpu_functions(text), list[str]()

    def recorded(name: str, value: Any, file: bytes = b"") -> str:
        calls.append(name)
        return functions[name](value, file)

    paint = replica_handlers(text, 0, cast(CpuReplicas, recorded))["paint"]
    given = {"brief": "a red cat on the left and a blue rocket on the right", "seed": 1, "steps": 2, "rounds": 1}
    assert paint(given, JobContext(tmp_path, lambda event: None, threading.Event()))
    assert calls == ["plan", "judge"]


def test_replicas_get_absolute_paths_and_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "owl").mkdir()
    shutil.copytree(POCKET, tmp_path / "mine")
    agent = Agent(
        model="mine", loras=Path("loras"), critic="local:owl,google/siglip2-base-patch16-naflex", api_key="secret",
        out=tmp_path,
    )  # fmt: skip
    sent = settings_of_replicas(agent)
    assert (sent["model"], sent["loras"]) == (str(tmp_path / "mine"), str(tmp_path / "loras"))
    assert sent["critic"] == f"local:{tmp_path / 'owl'},google/siglip2-base-patch16-naflex"
    assert not [name for name in sent if "key" in name] and Settings(**sent).model == sent["model"]


@pytest.mark.parametrize("safe", [True, False])
def test_the_driver_imports_nothing_of_the_current_folder(tmp_path: Path, safe: bool) -> None:
    for name in ("ditpipe", "ray", "json"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('from the current folder')")
    command = [word for word in COMMAND if safe or word != "-P"]
    ended = subprocess.run(command, cwd=tmp_path, input="no options", capture_output=True, text=True)
    assert ("from the current folder" in ended.stderr, "JSONDecodeError" in ended.stderr) == (not safe, safe)


DRIVER = """
import json, os, sys
from pathlib import Path

options = json.loads(sys.stdin.readline())
picture, lives = Path(options["factory"]), Path(options["settings"])
lives.write_text(lives.read_text() + "I")
say = lambda **message: print(json.dumps({"slot": 0, **message}), flush=True)
print(json.dumps({"slots": 1, "gpus": 0.0}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    if message["do"] == "start":
        say(state="ready", node="here", pid=os.getpid())
    elif message["do"] == "draw":
        attempt = message["job"]["attempt"]
        say(attempt=attempt, event="stepped", fields={"round": 1, "index": 1, "total": 1, "preview": None})
        if lives.read_text() == "I":
            sys.exit(1)
        Path(message["folder"]).mkdir(parents=True)
        Path(message["folder"], "picture.png").write_bytes(picture.read_bytes())
        say(attempt="of long ago", end="failed", error="")
        say(attempt=attempt, end="done", error="")
"""


def test_a_job_outlives_its_rays_head(tmp_path: Path) -> None:
    lives, picture, script = (tmp_path / name for name in ("lives", "red.png", "driver.py"))
    lives.write_text("")
    picture.write_bytes(png("red"))
    script.write_text(DRIVER)
    engine = RayEngine(
        tmp_path / "out", cluster=Cluster(), factory=str(picture), settings=str(lives), kinds=["draw"],
        driver=[sys.executable, str(script)],
    )  # fmt: skip
    job = engine.submit("draw", {"colour": "red"})
    *_, state = follow(engine, job, patience=PATIENCE)
    assert isinstance(state, Job) and (state.status, state.error) == ("done", "")
    assert engine.events(job) == [Stepped(1, 1, 1)] * 2 and engine.losses == 1 and lives.read_text() == "II"
    assert engine.file(job).read_bytes() == png("red") and engine.is_ready
    assert os.getsid(engine.replicas[0].pid) != os.getsid(0)  # else Ctrl-C in a terminal ends the driver as well
    pytest.importorskip("prometheus_client")
    lines = metrics_text(engine, Durations())[0].decode().splitlines()
    counts = {"ready": 1, "busy": 0, "idle": 0, "starting": 0, "failed": 0}
    assert {f'ditpipe_replicas{{state="{state}"}} {count}.0' for state, count in counts.items()} <= set(lines)
    engine.close()


def test_a_queued_picture_tells_that_ray_cannot_be_reached(tmp_path: Path) -> None:
    engine = RayEngine(
        tmp_path, cluster=Cluster("10.0.0.1:6379"), factory="", settings="", kinds=["draw"],
        driver=[sys.executable, "-c", ""],
    )  # fmt: skip
    try:
        assert engine.waits_for == "Ray is being connected to 10.0.0.1:6379"
        queued = engine.submit("draw", {})
        until(lambda: engine.fault)
        picture = picture_of(PictureService(engine), queued)
        assert picture.warnings == ("nothing can be drawn here: Ray cannot be reached: no answer from 10.0.0.1:6379",)
        assert f"not done yet: queued; {picture.warnings[0]}. Ask" in describe_picture(picture)
    finally:
        engine.close()
