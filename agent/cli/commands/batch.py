"""The command `ditpipe batch`: a file of briefs or plans → pictures, plans, critiques and a manifest."""

import json
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ....prompts.errors import visible
from ....tools.jobs.cluster.options import Cluster
from ...settings import settings_of
from ..cluster import with_cluster
from ..options import Json, Options, option, stderr_console, with_settings
from ..signals import STOPPED, ctrl_c

if TYPE_CHECKING:
    from ...batch.manifest import Row
    from ...batch.runner import BatchRun

EVERY = 30.0  # seconds between two lines of progress where there is no terminal
MOST_REPLICAS = 64  # that have a job each and one that waits, if their number is not said
LISTED = 20  # failures that are printed one by one


@with_settings(without=("approve", "out", "sessions"))
@with_cluster
def batch(
    lines: Annotated[Path, typer.Argument(metavar="LINES.jsonl", help="one brief or plan a line, with its options")],
    options: Options,
    out: Annotated[Path, option("Output", "--out", help="folder of pictures, plans, critiques and the manifest")],
    shard: Annotated[
        str, option("Output", "--shard", metavar="I/N", help="only the I-th of N parts: one for each machine")
    ] = "1/1",
    parquet: Annotated[
        bool, option("Output", "--parquet", help="write the manifest as Parquet, too (the extra `parquet`)")
    ] = False,
    together: Annotated[
        int,
        option(
            "Memory and speed",
            "--together",
            min=1,
            max=16,
            help="pictures of one size in one batch, with --rounds 1 and models of the Hunyuan-DiT family: pixels "
            "differ by a level or two from one by one",
        ),
    ] = 1,
    planners: Annotated[
        int, option("Plan", "--planners", min=1, max=256, help="briefs planned at a time: more pay with an API")
    ] = 1,
    cluster: Cluster | None = None,
    as_json: Json = False,
) -> None:
    """Draw every line of a file of briefs or plans; run again, it goes on where it was stopped.

    A line is a brief in quotes, a plan, or {"brief": "a red cat", "seed": 7, "size": "512x256", "name": "cat-1"}, where
    "plan" may stand for "brief". Finished lines are skipped, whatever their order; failed ones are tried again. Exit
    code 1: some lines failed, and the manifest says which and why; 130: stopped.
    """
    settings, part = settings_of(**options), _shard(shard)
    from ...agent import Agent
    from ...batch.manifest import check_parquet
    from ...batch.runner import BatchRun, per_minute
    from ...ray_cluster import engine_of, local_models

    if parquet:
        check_parquet()
    if together > 1 and (settings.rounds > 1 or settings.candidates > 1):
        raise ValueError("--together is for one round of one candidate: add --rounds 1")
    agent = Agent(settings=settings)
    if cluster and cluster.cpu_replicas and "critic" not in local_models(agent):
        raise ValueError("--cpu-replicas would have nothing to do: briefs are planned here, and no local critic judges")
    run = BatchRun(agent, lines, out, shard=part, planners=planners, together=together)
    started, stopped, drawn = time.monotonic(), False, 0
    with run.locked() as folder:
        if run.left:
            # So that nothing that draws waits for its next job; how many replicas there are, only the cluster knows.
            run.in_flight = 2 * (cluster.max_replicas or MOST_REPLICAS) if cluster else 2 * len(agent.models.devices)
        share = run.in_flight + 1
        jobs = engine_of(agent, folder=folder, cluster=cluster, capacity=share, share=share)

        def stop() -> None:
            nonlocal stopped
            stopped = True
            stderr_console.print("stopping at the next step; Ctrl-C again stops at once", style="dim")
            run.stop()

        with _progress(run, as_json) as show, ctrl_c(stop):
            try:
                for row in run.run(jobs):
                    drawn += row.status == "done"
                    show(row)
            finally:
                jobs.close()
    rows = run.all_rows()
    if parquet:
        run.manifest.write_parquet(rows)
    count = {status: sum(row.status == status for row in rows) for status in ("done", "failed", "pending")}
    speed = per_minute(drawn, started)
    answer = count | {
        "skipped": run.skipped, "manifest": str(run.manifest.file), "pictures_per_minute": round(speed, 2),
        "failures": [{"line": row.line, "error": row.error} for row in rows if row.status == "failed"],
    }  # fmt: skip
    summary = ", ".join(f"{number:,} {status}" for status, number in count.items() if number or status == "done")
    print(json.dumps(answer) if as_json else f"{run.manifest.file}  {summary}; {speed:.1f} pictures a minute")
    if stopped:
        print("ditpipe: stopped; the same command goes on", file=sys.stderr)
        sys.exit(STOPPED)
    if count["failed"] or count["pending"]:
        raise typer.Exit(1)


def _shard(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text)
    if not match or int(match[1]) > int(match[2]):
        raise ValueError(f"--shard is I/N with I from 1 to N, as 1/4, got {text!r}")
    return int(match[1]), int(match[2])


@contextmanager
def _progress(run: "BatchRun", as_json: bool) -> Iterator["ShowRow"]:
    """Shows rows as they come: under a bar on a terminal, else in a line now and then. Failures have a line each."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(), console=stderr_console, disable=as_json or not stderr_console.is_terminal,
        transient=True,
    )  # fmt: skip
    with bar:
        yield ShowRow(run, bar, quiet=as_json)


class ShowRow:
    def __init__(self, run: "BatchRun", bar: Progress, *, quiet: bool) -> None:
        self.run, self.bar, self.quiet, self.total = run, bar, quiet, run.left
        self.task = bar.add_task("drawing", total=self.total, speed="")
        self.started = self.printed = time.monotonic()
        self.finished = self.failed = 0
        if run.skipped and not quiet:
            stderr_console.print(f"{run.skipped:,} lines are done already", style="dim")

    def __call__(self, row: "Row") -> None:
        from ...batch.runner import per_minute

        self.finished, self.failed = self.finished + 1, self.failed + (row.status == "failed")
        if self.quiet:
            return
        if row.status == "failed" and self.failed <= LISTED:
            more = "; further ones are in the manifest only" if self.failed == LISTED else ""
            line = visible(f"line {row.line}: {row.error}{more}")
            stderr_console.print(line, style="yellow", markup=False, highlight=False, soft_wrap=True)
        speed = per_minute(self.finished, self.started)
        self.bar.update(self.task, completed=self.finished, speed=f"{speed:.1f} a minute, {self.failed} failed")
        now = time.monotonic()
        if not stderr_console.is_terminal and now - self.printed >= EVERY:
            self.printed = now
            left = (self.total - self.finished) / speed
            progress = f"{self.finished:,} of {self.total:,}, {self.failed} failed, {speed:.1f} a minute"
            stderr_console.print(f"{progress}, about {left:.0f} minutes left", highlight=False)
