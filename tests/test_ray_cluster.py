"""Real Ray clusters on this machine whose replicas, nodes and heads die in the middle of jobs."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import torch
from cluster_handlers import handlers
from plans import plan_of
from waiting import PATIENCE, until

from benchmarks.ray_nodes import add_node, free_ports, ray_nodes
from ditpipe import Agent
from ditpipe.agent.ray_cluster import ray_engine
from ditpipe.agent.wiring import local_engine
from ditpipe.tools.api_schema import RenderInput
from ditpipe.tools.jobs.cluster.driver_process import ReplicaState
from ditpipe.tools.jobs.cluster.options import Cluster
from ditpipe.tools.jobs.cluster.ray_engine import RayEngine
from ditpipe.tools.jobs.engine import Job
from ditpipe.tools.jobs.follow import follow
from ditpipe.tools.jobs.job_events import Stepped
from ditpipe.tools.jobs.local_engine import LocalEngine
from ditpipe.tools.jobs.queue import MAX_ATTEMPTS

pytest.importorskip("ray")
pytestmark = [pytest.mark.process, pytest.mark.timeout(900)]

CALLERS = ("ann", "bob", "cid", "dan")
HANDLERS: dict[str, Any] = {
    "factory": "cluster_handlers:handlers", "settings": "{}", "kinds": ["draw", "poison", "ask"],
    "cpu_factory": "cluster_handlers:functions",
}  # fmt: skip


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(Path(__file__).parent))  # where replicas find their handlers
        with ray_nodes(head_cpus=1) as cluster:
            yield cluster


@pytest.fixture
def nodes(cluster: Any) -> Any:
    """A Ray cluster of two nodes of one CPU each, the head and one that may die."""
    if not cluster.worker_nodes:
        cluster.second = add_node(cluster)
    return cluster


@pytest.fixture
def engine_of() -> Iterator[Callable[..., RayEngine]]:
    """Makes engines that are closed after the test, also if it fails: else each would look for its cluster for ever."""
    with ExitStack() as stack:

        def make(folder: Path, cluster: Cluster, **options: Any) -> RayEngine:
            engine = RayEngine(folder, cluster=cluster, **HANDLERS, **options)
            stack.callback(engine.close)
            return engine

        yield make


def drawing(engine: RayEngine, jobs: list[Job], on: Callable[[ReplicaState], bool]) -> tuple[ReplicaState, Job]:
    """A replica in the middle of one of these jobs, and that job."""

    def look() -> tuple[ReplicaState, Job] | None:
        by_id = {job.id: engine.get(job.id, caller=job.caller) for job in jobs}
        for replica in engine.replicas:
            job = by_id.get(replica.job)
            if job and job.status == "running" and job.step and on(replica):
                return replica, job
        return None

    return until(look)


def last(engine: RayEngine, job: Job) -> Job:
    *_, state = follow(engine, job, patience=PATIENCE)
    assert isinstance(state, Job)
    return state


def test_a_cluster_that_loses_replicas_and_nodes_draws_each_picture_once(
    tmp_path: Path, nodes: Any, engine_of: Callable[..., RayEngine]
) -> None:
    cluster = Cluster(nodes.address, min_replicas=2, max_replicas=2)
    engine = engine_of(tmp_path / "ray", cluster)
    gate = tmp_path / "gate"
    payloads = [{"colour": colour, "steps": 3, "gate": str(gate)} for colour in ("red", "blue", "green", "white")]
    jobs = [engine.submit("draw", payload, caller=caller) for payload, caller in zip(payloads, CALLERS, strict=True)]

    second = nodes.second.node_id
    replica, killed = drawing(engine, jobs, lambda replica: replica.node != second)
    os.kill(replica.pid, signal.SIGKILL)
    until(lambda: engine.losses == 1)
    _, lost = drawing(engine, jobs, lambda replica: replica.node == second)
    nodes.remove_node(nodes.second, allow_graceful=False)
    until(lambda: engine.losses == 2)
    gate.touch()

    assert [last(engine, job).status for job in jobs] == ["done"] * 4
    assert [sum(event == Stepped(1, 1, 3) for event in engine.events(job)) for job in jobs] == [
        1 + [killed.id, lost.id].count(job.id) for job in jobs
    ]
    local = LocalEngine(tmp_path / "local", {"cpu": handlers("{}", 0)})
    here = [local.submit("draw", payload) for payload in payloads]
    assert [list(follow(local, job, patience=PATIENCE))[-1].status for job in here] == ["done"] * 4  # type: ignore[union-attr]
    assert [engine.file(job).read_bytes() for job in jobs] == [local.file(job).read_bytes() for job in here]
    local.close()

    again = last(engine, engine.submit("draw", payloads[0], caller="eve"))
    assert again.status == "done" and not again.events  # nobody drew it
    assert engine.file(again).samefile(engine.file(jobs[0]))

    gate.unlink()
    held = engine.submit("draw", {**payloads[0], "steps": 9})
    drawing(engine, [held], lambda replica: True)
    engine.cancel(held.id)
    after = engine.submit("draw", {"colour": "black", "steps": 1})
    assert [last(engine, job).status for job in (held, after)] == ["cancelled", "done"]
    assert not engine.file(held).exists() and not list((tmp_path / "ray" / "attempts").iterdir())


def test_a_poisoned_job_is_given_up_after_three_replicas_and_blocks_nobody(
    tmp_path: Path, nodes: Any, engine_of: Callable[..., RayEngine]
) -> None:
    one = Cluster(nodes.address, min_replicas=1, max_replicas=1)
    engine = engine_of(tmp_path, one)
    poisoned = engine.submit("poison", {}, caller="eve")
    others = [engine.submit("draw", {"colour": "red", "steps": number}, caller="ann") for number in (1, 2, 3)]
    assert [last(engine, job).status for job in others] == ["done"] * 3
    given_up = last(engine, poisoned)
    assert (given_up.status, engine.losses) == ("failed", MAX_ATTEMPTS)
    assert given_up.error == f"the process ended {MAX_ATTEMPTS} times while drawing this"


def test_a_job_whose_memory_ran_out_is_drawn_again_with_the_next_savings(
    tmp_path: Path, nodes: Any, engine_of: Callable[..., RayEngine]
) -> None:
    one = Cluster(nodes.address, min_replicas=1, max_replicas=1)
    engine = engine_of(tmp_path, one)
    spared, hopeless = (engine.submit("draw", {"colour": "red", "steps": 1, "needs": needs}) for needs in (2, 3))
    assert last(engine, spared).status == "done"
    assert (engine.job_folder(spared) / "note.txt").read_text() == "False 2"  # with two of them
    failed = last(engine, hopeless)
    assert (failed.status, failed.error, engine.losses) == ("failed", "out of memory", 2 + MAX_ATTEMPTS)


def test_cpu_replicas_answer_the_replicas_that_draw_and_are_started_again(
    tmp_path: Path, nodes: Any, engine_of: Callable[..., RayEngine]
) -> None:
    engine = engine_of(tmp_path / "ray", Cluster(nodes.address, max_replicas=1, cpu_replicas=1))
    calls = [("tell", ""), ("refuse", "mud"), ("die_once", str(tmp_path / "died")), ("tell", " "), ("bug", "")]
    jobs = [engine.submit("ask", {"function": name, "value": value}) for name, value in calls]
    states = [last(engine, job) for job in jobs]
    assert [(state.status, state.error) for state in states] == [
        ("done", ""), ("failed", "mud is no brief"), ("done", ""), ("done", ""),
        ("failed", "an internal error; the log says more"),
    ]  # fmt: skip
    notes = [(engine.job_folder(jobs[number]) / "note.txt").read_text().split() for number in (0, 2, 3)]
    (drawing, first), (_, content), (_, second) = notes
    assert content == "file" and len({drawing, first, second}) == 3 and engine.losses == 0
    asked = tmp_path / "asked"
    held = engine.submit("ask", {"function": "hang", "value": str(asked)})
    until(asked.exists)
    engine.cancel(held.id)
    after = engine.submit("draw", {"colour": "red", "steps": 1})  # by the replica that waited for an answer
    assert last(engine, after).status == "done" and asked.exists()
    asked.unlink()
    for most in (0, 1):
        crowded = engine_of(tmp_path / f"crowded-{most}", Cluster(nodes.address, max_replicas=most, cpu_replicas=9))
        crowded.open()
        until(lambda: "CPU replicas" in crowded.waits_for)  # noqa: B023 - called at once
        reason = crowded.waits_for
        assert "no room for a replica of 0 GPUs and 1 CPUs beside 9 CPU replicas" in reason
        assert bool(crowded.fault) == (not most)  # with a number it waits for nodes
        crowded.close()


def test_replicas_come_with_jobs_and_go_without(
    tmp_path: Path, nodes: Any, engine_of: Callable[..., RayEngine]
) -> None:
    engine = engine_of(tmp_path / "ray", Cluster(nodes.address, min_replicas=0, max_replicas=2), idle=0.5)
    engine.open()
    until(lambda: engine.replicas)
    assert engine.replica_counts()["idle"] == 2 and engine.is_ready and not engine.waits_for  # or nobody sends a job
    gate, jobs = tmp_path / "gate", list[Job]()
    for colour, idle in (("red", 1), ("blue", 0)):  # a replica for each
        jobs.append(engine.submit("draw", {"colour": colour, "steps": 2, "gate": str(gate)}))
        drawing(engine, jobs[-1:], lambda replica: True)
        assert engine.replica_counts()["idle"] == idle
    gate.touch()
    assert [last(engine, job).status for job in jobs] == ["done"] * 2
    until(lambda: engine.replica_counts()["idle"] == 2)
    assert last(engine, engine.submit("draw", {"colour": "green", "steps": 1})).status == "done"


def test_a_job_outlives_the_head_and_its_own_node(tmp_path: Path, engine_of: Callable[..., RayEngine]) -> None:
    (port,) = free_ports(1)
    gate = tmp_path / "gate"
    payload = {"colour": "red", "steps": 2, "gate": str(gate)}
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", str(Path(__file__).parent))
        with ray_nodes(head_cpus=1, port=port) as cluster:
            one = Cluster(cluster.address, min_replicas=1, max_replicas=1)
            engine = engine_of(tmp_path / "ray", one)
            job = engine.submit("draw", payload)
            drawing(engine, [job], lambda replica: True)
            cluster.remove_node(cluster.head_node, allow_graceful=False)
        until(lambda: engine.losses and engine.get(job.id).status == "queued")  # a loss is counted before
        meanwhile = engine.submit("draw", {"colour": "blue", "steps": 1})
        until(lambda: not engine.is_ready)
        gate.touch()
        with ray_nodes(head_cpus=1, port=port):
            assert [last(engine, each).status for each in (job, meanwhile)] == ["done"] * 2
    steps = [event for event in engine.events(job) if isinstance(event, Stepped)]
    assert [step.index for step in steps] == [1, 1, 2]


@pytest.mark.slow
def test_pictures_have_the_bytes_of_the_local_engine_while_nodes_die(tmp_path: Path) -> None:
    agent = Agent(device="cpu", critic="none", out=tmp_path)
    inputs = [RenderInput(plan=plan_of(2), seed=seed, steps=2).model_dump(mode="json") for seed in range(12)]
    jobs = list[Job]()
    with ray_nodes(head_cpus=0) as cluster, ExitStack() as stack:
        for _ in range(2):
            add_node(cluster)
        engine = ray_engine(agent, folder=tmp_path / "ray", cluster=Cluster(cluster.address, 2, 2))
        stack.callback(engine.close)
        for some in (inputs[:6], inputs[6:]):
            jobs += [engine.submit("render", given, caller=CALLERS[seed % 4]) for seed, given in enumerate(some)]
            nodes = {node.node_id: node for node in cluster.worker_nodes}
            replica, _ = drawing(engine, jobs, lambda replica: replica.node in nodes)  # noqa: B023 - called at once
            os.kill(replica.pid, signal.SIGKILL)
            cluster.remove_node(nodes[replica.node], allow_graceful=False)
            add_node(cluster)
        assert [last(engine, job).status for job in jobs] == ["done"] * 12
        assert engine.losses
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as in a replica of one CPU
    local = local_engine(agent, folder=tmp_path / "local")
    here = [local.submit("render", given) for given in inputs]
    assert [list(follow(local, job, patience=PATIENCE))[-1].status for job in here] == ["done"] * 12  # type: ignore[union-attr]
    local.close()
    torch.set_num_threads(threads)
    pictures = [local.file(job).read_bytes() for job in here]
    assert [engine.file(job).read_bytes() for job in jobs] == pictures and len(set(pictures)) == 12


@pytest.mark.slow
def test_a_brief_that_cpu_replicas_plan_and_judge_is_painted_as_without_ray(tmp_path: Path) -> None:
    agent = Agent(device="cpu", planner="embedded", out=tmp_path)
    given = {"brief": "a red cat on the left and a blue rocket on the right", "seed": 1, "steps": 2, "rounds": 1}
    with ray_nodes(head_cpus=2) as cluster, ExitStack() as stack:
        engine = ray_engine(agent, folder=tmp_path / "ray", cluster=Cluster(cluster.address, 1, 1, cpu_replicas=1))
        stack.callback(engine.close)
        job = last(engine, engine.submit("paint", given))
        assert (job.status, job.error) == ("done", "")
    local = local_engine(agent, folder=tmp_path / "local")
    *_, here = follow(local, local.submit("paint", given), patience=PATIENCE)
    local.close()
    assert isinstance(here, Job) and here.status == "done"
    for file in ("picture.png", "report.json"):
        assert (engine.job_folder(job) / file).read_bytes() == (local.job_folder(here) / file).read_bytes()
