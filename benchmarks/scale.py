"""What a cluster costs and survives, and how long the queue takes: python -m benchmarks.scale

    python -m benchmarks.scale                                   # everything: half an hour on two idle cores
    python -m benchmarks.scale faults --runs 5 --pictures 200    # nodes are killed while pictures are drawn
    python -m benchmarks.scale queue --waiting 10000

Draws with the pocket model on the CPU, on a Ray cluster of several nodes on this machine. Replaces the section of each
part in docs/scale.md, and prints it. Exits with 1 if a picture was lost or delivered twice, or has other bytes than one
that is drawn here without Ray.
"""

import argparse
import json
import os
import platform
import random
import sqlite3
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.pages import DOCS, markdown
from benchmarks.ray_nodes import add_node, ray_nodes
from ditpipe import Agent, Box, LeveledPrompt, Region, ScenePlan
from ditpipe.agent.ray_cluster import ray_engine
from ditpipe.tools.api_schema import RenderInput
from ditpipe.tools.jobs.cluster.options import Cluster
from ditpipe.tools.jobs.cluster.ray_engine import RayEngine
from ditpipe.tools.jobs.engine import Job, JobContext
from ditpipe.tools.jobs.follow import follow
from ditpipe.tools.jobs.handlers import renderer_handlers
from ditpipe.tools.jobs.queue import JobQueue

PAGE = DOCS / "scale.md"
SUBJECTS = ("cat", "dog", "rocket", "house", "tree", "fish", "car", "boat")
COLOURS = ("red", "blue", "green", "yellow", "purple")
PATIENCE = 3600.0  # seconds for one picture


@contextmanager
def cluster_of(nodes: int) -> Iterator[Any]:
    """A Ray cluster on this machine: a head that draws nothing, and nodes of one CPU each."""
    with ray_nodes(head_cpus=0) as cluster:
        for _ in range(nodes):
            add_node(cluster)
        yield cluster


def payload(number: int, steps: int) -> dict[str, Any]:
    """The input of a job: a picture of two things that no other number has with its seed."""
    names = (SUBJECTS[number % 8], SUBJECTS[(number + 3) % 8])
    regions = [
        Region(name=f"{side} {name}", box=Box(left=left, top=0, right=left + 0.5, bottom=1),
               prompt=LeveledPrompt(high_level=name, low_level=COLOURS[(number + place) % 5]))
        for place, (side, name, left) in enumerate(zip(("left", "right"), names, (0.0, 0.5), strict=True))
    ]  # fmt: skip
    scene = LeveledPrompt(high_level=f"a {names[0]} and a {names[1]}")
    job = RenderInput(plan=ScenePlan(scene=scene, regions=regions), seed=number, steps=steps)
    return job.model_dump(mode="json")


def warm(engine: RayEngine, replicas: int) -> None:
    """Waits until so many replicas have loaded their model."""
    engine.open()
    while sum(replica.state == "ready" for replica in engine.replicas) < replicas:
        time.sleep(0.1)


def last(engine: RayEngine, job: Job) -> Job:
    *_, state = follow(engine, job, patience=PATIENCE)
    assert isinstance(state, Job)
    return state


def direct(agent: Agent) -> Callable[[dict[str, Any]], bytes]:
    """Draws in this process what a job's input says, as the local engine does, with one thread as on a replica."""
    import torch

    torch.set_num_threads(1)
    handler = renderer_handlers(agent.renderer, agent.request)["render"]

    def draw(given: dict[str, Any]) -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            picture = handler(given, JobContext(Path(folder) / "job"))
        assert picture
        return picture

    return draw


def queue(options: argparse.Namespace) -> str:
    """Milliseconds of the local engine's queue while thousands of jobs wait."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = JobQueue(Path(folder) / "jobs.sqlite", capacity=10**6, share=10**6)
        given = payload(0, 20)
        fill(jobs, given, options.waiting - 100)
        adds = [timed(lambda n=n: jobs.add("render", given, caller=f"caller {n % 20}")) for n in range(100)]
        claims, states, records, ends = [], [], [], []
        for _ in range(100):
            seconds, job = with_answer(lambda: jobs.claim("cpu"))
            assert job
            claims.append(seconds)
            states.append(timed(lambda: jobs.get(job.id, caller=job.caller)))
            records.append(timed(lambda: jobs.record(job, "stepped", {"round": 1}, step=1, steps=20)))
            ends.append(timed(lambda: jobs.finish(job, "done")))
    rows = [["with so many waiting", "median", "slowest of a hundred"]]
    for name, times in (("take a job in", adds), ("hand the next one out", claims), ("look at one", states),
                        ("record a step", records), ("finish one", ends)):  # fmt: skip
        rows.append([name, f"{1000 * median(times):.1f} ms", f"{1000 * max(times):.1f} ms"])
    return f"{options.waiting:,} jobs of 20 callers wait.\n\n{markdown(rows)}"


def fill(jobs: JobQueue, given: dict[str, Any], count: int) -> None:
    """Queues so many jobs of twenty callers in one transaction."""
    rows = [(uuid.uuid4().hex, f"caller {number % 20}", json.dumps(given)) for number in range(count)]
    with closing(sqlite3.connect(jobs.file)) as table, table:
        table.executemany("INSERT INTO jobs (id, caller, work, asked) VALUES (?, ?, 'render', ?)", rows)


def overhead(options: argparse.Namespace) -> str:
    """Seconds of pictures drawn one after another, directly and on one replica, in turns."""
    with tempfile.TemporaryDirectory() as folder, cluster_of(1) as nodes:
        agent = Agent(device="cpu", critic="none", out=Path(folder))
        draw = direct(agent)
        engine = ray_engine(agent, folder=Path(folder), cluster=Cluster(nodes.address, max_replicas=1))
        warm(engine, 1)
        draw(payload(9_999, options.steps))
        last(engine, engine.submit("render", payload(9_999, options.steps)))
        here, there = [], []
        for number in range(options.turns):
            here.append(timed(lambda n=number: draw(payload(n, options.steps))))
            there.append(timed(lambda n=number: last(engine, engine.submit("render", payload(n, options.steps)))))
        engine.close()
    more = median(b - a for a, b in zip(here, there, strict=True))
    return (
        f"{options.turns} pictures of {options.steps} steps, directly and on a replica in turns: median "
        f"{median(here):.2f} s and {median(there):.2f} s; the median difference is {1000 * more:.0f} ms, "
        f"{more / median(here):.1%}."
    )


def throughput(options: argparse.Namespace) -> str:
    """Pictures a minute with one replica and with two."""
    rows = [["replicas", "pictures", "seconds", "pictures a minute"]]
    for replicas in (1, 2):
        with tempfile.TemporaryDirectory() as folder, cluster_of(replicas) as nodes:
            agent = Agent(device="cpu", critic="none", out=Path(folder))
            chosen = Cluster(nodes.address, max_replicas=replicas, min_replicas=replicas)
            engine = ray_engine(agent, folder=Path(folder), cluster=chosen)
            warm(engine, replicas)
            started = time.perf_counter()
            jobs = [engine.submit("render", payload(number, options.steps)) for number in range(options.turns)]
            assert all(last(engine, job).status == "done" for job in jobs)
            seconds = time.perf_counter() - started
            engine.close()
        rows.append([str(replicas), str(len(jobs)), f"{seconds:.0f}", f"{60 * len(jobs) / seconds:.0f}"])
    return markdown(rows)


def faults(options: argparse.Namespace) -> str:
    """Pictures of twenty clients while a node is killed every few seconds, and another one takes its place."""
    rows = [["run", "pictures", "nodes killed", "attempts lost", "lost", "delivered twice", "other bytes", "seconds"]]
    drawn: dict[int, bytes] = {}
    for run in range(options.runs):
        row = faults_once(options, drawn, seed=run)
        rows.append([str(run + 1), *row])
        print("  ".join(rows[-1]), flush=True)
    wrong = [row for row in rows[1:] if row[4:7] != ["0", "0", "0"]]
    options.failed = options.failed or bool(wrong)
    return (
        f"Twenty clients, two nodes of one replica, {options.steps} steps; about every {options.every:g} s a node is "
        "killed and another one joins. Every picture is compared with the same one drawn without Ray.\n\n"
        + markdown(rows)
    )


def faults_once(options: argparse.Namespace, drawn: dict[int, bytes], *, seed: int) -> list[str]:
    """One run; `drawn`: pictures by number without Ray, which this completes."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder, cluster_of(2) as nodes:
        agent = Agent(device="cpu", critic="none", out=Path(folder))
        chosen = Cluster(nodes.address, max_replicas=2, min_replicas=2)
        engine = ray_engine(agent, folder=Path(folder), cluster=chosen, capacity=10**4, share=10**4)
        warm(engine, 2)
        states: dict[int, list[Job]] = {}
        started, ended, killed = time.perf_counter(), threading.Event(), 0

        def client(name: int) -> None:
            for number in range(name, options.pictures, 20):
                job = engine.submit("render", payload(number, options.steps), caller=f"client {name}")
                changes = follow(engine, job, patience=PATIENCE)
                states[number] = [state for state in changes if isinstance(state, Job)]

        clients = [threading.Thread(target=client, args=(name,)) for name in range(20)]
        for thread in clients:
            thread.start()

        def wait_for_clients() -> None:
            for thread in clients:
                thread.join()
            ended.set()

        threading.Thread(target=wait_for_clients).start()
        while not ended.wait(options.every * chance.uniform(0.5, 1.5)):
            nodes.remove_node(chance.choice(sorted(nodes.worker_nodes, key=str)), allow_graceful=False)
            killed += 1
            add_node(nodes)  # Ray starts nodes in the main thread only
        seconds = time.perf_counter() - started
        done = [number for number, seen in states.items() if seen[-1].status == "done"]
        twice = sum(sum(state.status == "done" for state in seen) > 1 for seen in states.values())
        draw = direct(agent)
        drawn |= {number: draw(payload(number, options.steps)) for number in done if number not in drawn}
        other = sum(engine.file(states[number][-1]).read_bytes() != drawn[number] for number in done)
        lost, attempts = options.pictures - len(done), engine.losses
        engine.close()
    return [str(options.pictures), str(killed), str(attempts), str(lost), str(twice), str(other), f"{seconds:.0f}"]


def timed(work: Callable[[], Any]) -> float:
    return with_answer(work)[0]


def with_answer(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    answer = work()
    return time.perf_counter() - started, answer


PARTS = {
    "queue": ("The queue", queue),
    "overhead": ("What the engine costs a picture", overhead),
    "throughput": ("More replicas", throughput),
    "faults": ("Killed nodes", faults),
}


def write_section(title: str, text: str) -> None:
    """Replaces the section of docs/scale.md with this title, or adds it at the end."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else "# Scale\n"
    head = f"### {title}\n"
    if "## Figures\n" not in page:
        page = f"{page.rstrip()}\n\n## Figures\n"
    if head in page:
        before, _, after = page.partition(head)
        rest = after[min((after.index(mark) for mark in ("\n### ", "\n## ") if mark in after), default=len(after)) :]
    else:
        before, rest = f"{page.rstrip()}\n\n", ""
    PAGE.write_text(f"{before}{head}\n{text}\n{rest}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all of them without a name")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument(
        "--every", type=float, default=10.0, help="seconds between two killed nodes: a replica has to load in them"
    )
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--turns", type=int, default=20)
    parser.add_argument("--waiting", type=int, default=10_000)
    options = parser.parse_args()
    options.failed = False
    os.environ |= {"OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0"}  # as Ray sets them for replicas
    for name in options.parts or PARTS:
        title, part = PARTS[name]
        load = f"load {os.getloadavg()[0]:.1f} at its start" if hasattr(os, "getloadavg") else ""
        text = f"{part(options)}\n\n({platform.machine()}, {os.cpu_count()} cores, {load}.)"
        write_section(title, text)
        print(f"### {title}\n\n{text}\n", flush=True)
    sys.exit(options.failed)


if __name__ == "__main__":
    main()
