"""Shared by the benchmarks: worker processes, results on disk, a renderer and judges per process."""

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from rich.progress import track

from ditpipe import Agent, Painting, Renderer, ScenePlan
from ditpipe.agent.refine.critic import EmbeddedCritic
from ditpipe.renderer.checkpoints.registry import checkpoint
from ditpipe.renderer.metrics.pocket_judge import SCENE_WEIGHTS, WEIGHTS, Judge

WORK = Path(__file__).parent / "work"
ROOT = Path(__file__).parent.parent


@cache
def renderer_of(model: str) -> Renderer:
    """This process's renderer."""
    return Renderer(model)


@cache
def _critic() -> EmbeddedCritic:
    return EmbeddedCritic()


def loop(model: str, plan: ScenePlan, seed: int, folder: Path, *, rounds: int = 3) -> Painting:
    """The agent's own loop on a ready plan: render, critique, revise. Its run folder is made inside `folder`."""
    painter = Agent(renderer=renderer_of(model), critic=_critic(), rounds=rounds, seed=seed, out=folder)
    return painter.paint(plan.scene.high_level, plan=plan)


@cache
def the_judge() -> Judge:
    """This process's judge."""
    return Judge.load()


def judge_line() -> str:
    """The accuracy of the judge of regions on held-out composed pictures, measured by its training."""
    figures = json.loads((WEIGHTS.parent / "accuracy.json").read_text())["composed"]
    return (
        f"The judge on {figures['crops']:,} regions of held-out composed pictures: subject {figures['subject']:.1%}, "
        f"colour {figures['colour']:.1%}, both {figures['both']:.1%}, pattern {figures['pattern']:.1%} right."
    )


def weights_of(model: str) -> list[Path]:
    """The files of a checkpoint that determine its pictures."""
    source = Path(checkpoint(model).source)
    return sorted([*source.rglob("*.safetensors"), *source.rglob("*config.json")])


def fingerprint(files: Iterable[Path], *settings: object) -> str:
    """A hash of all inputs of a figure, which keeps results of different weights, code or settings apart."""
    digest = sha256(repr(settings).encode())
    for file in [*files, WEIGHTS, SCENE_WEIGHTS, ROOT / "renderer" / "metrics" / "pocket_judge.py"]:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:10]


def sources(*floors: str) -> list[Path]:
    """The Python files and templates of some top-level packages, sub-packages included."""
    files = (file for floor in floors for file in (ROOT / floor).rglob("*"))
    return sorted(file for file in files if file.suffix in (".py", ".md", ".txt"))


def own(*names: str) -> list[Path]:
    """Modules of this folder, by name."""
    return [ROOT / "benchmarks" / f"{name}.py" for name in names]


class Results:
    """Results in a JSON Lines file, appended as they are measured; an incomplete last line is dropped."""

    def __init__(self, name: str, folder: Path = WORK) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / f"{name}.jsonl"
        text = self.path.read_text() if self.path.exists() else ""
        whole, _, incomplete = text.rpartition("\n")
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in whole.splitlines()]
        if incomplete:  # the last run was killed while writing
            self.path.write_text(f"{whole}\n" if whole else "")

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        with self.path.open("a") as out:
            out.writelines(json.dumps(row) + "\n" for row in rows)
        self.rows += rows


def available() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_thread() -> None:
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


def in_processes(
    work: Callable[..., Any], tasks: Sequence[tuple[Any, ...]], *, workers: int, title: str
) -> Iterator[Any]:
    """work(*task) of every task, as they finish, in `workers` processes of one thread each, with a progress bar."""
    if not tasks:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_one_thread) as pool:
        futures = [pool.submit(work, *task) for task in tasks]
        try:
            for future in track(as_completed(futures), title, total=len(futures)):
                yield future.result()
        finally:
            pool.shutdown(cancel_futures=True)
