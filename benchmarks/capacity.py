"""Which part of a service runs short first, from a thousand to a million pictures a day: python -m benchmarks.capacity

Prints the tables of docs/scale.md. A discrete-event simulation of the busiest four hours of a day: Poisson arrivals →
planner behind an API's limits → GPUs, first come first served → critic behind the same limits. `Assumptions` are its
inputs; `--measure` takes the queue's two rates from this machine in place of the assumed ones.
"""

import argparse
import heapq
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import ceil, pi
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from ditpipe.tools.jobs.queue import JobQueue

Times = NDArray[np.float64]

SIZES = (1_000, 10_000, 100_000, 300_000, 1_000_000)  # pictures a day
HOURS = 4  # simulated, around the busiest moment
PATIENCE = 30.0  # seconds that 95 of 100 pictures may wait for a GPU; so many GPUs are counted
NARROW = 0.7  # share of its limit above which a part is called narrow
SEED = 0


@dataclass(frozen=True)
class Assumptions:
    """Seconds, counts and bytes. The GPU's are of docs/gpu.md: Hunyuan-DiT, 1024×1024 pixels, 30 steps, nine regions,
    compiled, on an H200. The others are assumed."""

    picture: float = 2.37  # GPU seconds of the first round
    uncompiled: float = 3.25  # the same, not compiled
    edit: float = 1.10  # of a second round, which redraws regions
    edited: float = 0.3  # share of pictures that need one
    steps: int = 30  # of a round, each of which the queue records
    swing: float = 0.8  # the busiest moment has 1 + swing times the mean rate
    planner_tokens: int = 4_400  # a brief: 3,500 in, 900 out
    critic_tokens: int = 2_000  # a round: a picture with its crops in, the answers out
    latency: float = 6.0  # median of a call, log-normal with sigma 0.5
    calls_a_minute: int = 10_000  # an API's limits
    tokens_a_minute: int = 10_000_000
    queue_writes: float = 1_500.0  # transactions a second into one SQLite file, by one process
    queue_reads: float = 4_000.0  # looks at a job a second, by one process
    looks: float = 33.0  # a second, by each client that waits for its picture (follow.POLL)
    bytes_a_picture: float = 1.8e6  # PNG 1.5 MB, latents 0.26 MB, plan and critique

    @property
    def rounds(self) -> float:
        return 1 + self.edited

    @property
    def gpu_seconds(self) -> float:
        """Of a picture, on average."""
        return self.picture + self.edited * self.edit

    @property
    def writes(self) -> float:
        """Of a job into the queue: added, claimed, finished, six events, and each step."""
        return 9 + self.steps * self.rounds

    @property
    def tokens(self) -> float:
        """Of a picture."""
        return self.planner_tokens + self.critic_tokens * self.rounds


@dataclass(frozen=True)
class Day:
    """What a number of pictures a day takes. Waits are for a GPU, `total` is from brief to judged picture, both in
    seconds; `shares`: of each part's limit that is used in the busiest hour."""

    pictures: int
    rate: float  # a second, at the busiest moment
    gpus: int
    wait_median: float
    wait_95: float
    total_95: float
    shares: dict[str, float]
    terabytes: float

    @property
    def narrow(self) -> list[str]:
        """The parts above `NARROW`, the narrowest first."""
        return [name for name, share in sorted(self.shares.items(), key=lambda pair: -pair[1]) if share > NARROW]


def arrivals(pictures: int, swing: float, rng: np.random.Generator) -> Times:
    """Times in seconds of the busiest `HOURS`; the rate over the day is a sine about its mean."""
    mean, window = pictures / 86400, HOURS * 3600
    most = mean * (1 + swing)
    times = rng.uniform(0, window, rng.poisson(most * window))
    rate = mean * (1 + swing * np.cos(2 * pi * (times - window / 2) / 86400))
    return np.sort(times[rng.uniform(0, most, len(times)) < rate])


def through_limit(times: Times, a_second: float) -> Times:
    """When calls begin that a limit lets through one after the other."""
    begun, free = np.empty_like(times), 0.0
    for index, at in enumerate(times):
        free = begun[index] = max(at, free)
        free += 1 / a_second
    return begun


def through_gpus(times: Times, seconds: Times, gpus: int) -> Times:
    """When pictures begin on `gpus` GPUs, first come first served. times: ascending."""
    free = [0.0] * gpus
    begun = np.empty_like(times)
    for index, (at, takes) in enumerate(zip(times, seconds, strict=True)):
        begun[index] = max(at, free[0])
        heapq.heapreplace(free, begun[index] + takes)
    return begun


def day(pictures: int, assumed: Assumptions) -> Day:
    """Simulates a day with the fewest GPUs for which 95 of 100 pictures wait at most `PATIENCE` seconds."""
    rng = np.random.default_rng(SEED)
    times = arrivals(pictures, assumed.swing, rng)
    calls = 1 + assumed.rounds  # a picture: one plan, and a critique for each round
    a_second = min(assumed.calls_a_minute / calls, assumed.tokens_a_minute / assumed.tokens) / 60
    seconds = assumed.picture + assumed.edit * (rng.random(len(times)) < assumed.edited)
    planned = through_limit(times, a_second) + assumed.latency * rng.lognormal(0, 0.5, len(times))
    order = np.argsort(planned)
    ready, takes = planned[order], seconds[order].astype(np.float64)
    rate = pictures / 86400 * (1 + assumed.swing)
    gpus = max(1, ceil(min(rate, a_second) * assumed.gpu_seconds))
    while np.quantile((begun := through_gpus(ready, takes, gpus)) - ready, 0.95) > PATIENCE:
        gpus += max(1, gpus // 50)
    wait = begun - ready
    total = begun + takes + assumed.latency * rng.lognormal(0, 0.5, len(times)) - times[order]
    shares = {
        "planner API, calls": rate * calls * 60 / assumed.calls_a_minute,
        "planner API, tokens": rate * assumed.tokens * 60 / assumed.tokens_a_minute,
        "queue, writes": rate * assumed.writes / assumed.queue_writes,
        "queue, looks of waiting clients": rate * float(total.mean()) * assumed.looks / assumed.queue_reads,
    }
    return Day(
        pictures, rate, gpus, float(np.median(wait)), float(np.quantile(wait, 0.95)), float(np.quantile(total, 0.95)),
        shares, pictures * assumed.bytes_a_picture / 1e12,
    )  # fmt: skip


def measured(assumed: Assumptions, count: int = 500) -> Assumptions:
    """The assumptions with the rates of the queue on this machine: `count` writes, and as many looks, one by one."""
    with TemporaryDirectory() as folder:
        queue = JobQueue(Path(folder) / "jobs.sqlite")
        queue.add("render", {}, caller="local")
        job = queue.claim("cpu")
        assert job
        started = time.perf_counter()
        for step in range(count):
            queue.record(job, "stepped", {"round": 1, "index": step, "total": count}, step=step, steps=count)
        written = time.perf_counter()
        for _ in range(count):
            queue.get(job.id, caller="local")
        looked = time.perf_counter()
    return replace(assumed, queue_writes=count / (written - started), queue_reads=count / (looked - written))


def table(days: Sequence[Day]) -> str:
    """The days in Markdown."""
    names = list(days[0].shares)
    heads = ["pictures a day", "a second, busiest", "GPUs", "wait, s: median, 95%", "brief to picture, s: 95%"]
    rows = [[*heads, *names, "TB a day", "narrow"]]
    rows.append(["---"] * len(rows[0]))
    for day in days:
        waits = f"{day.wait_median:.1f}, {day.wait_95:.1f}"
        shares = [f"{day.shares[name]:.1%}" for name in names]
        row = [f"{day.pictures:,}", f"{day.rate:.2f}", str(day.gpus), waits, f"{day.total_95:.0f}", *shares]
        rows.append([*row, f"{day.terabytes:.2f}", ", ".join(day.narrow) or "–"])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def crossing(days: Sequence[Day], assumed: Assumptions, passed: Callable[[Day], bool]) -> str:
    """Between which pictures a day `passed` becomes true: bisected to 2%, rounded to two digits.

    days: ascending, of which the first has not passed.
    """
    high = next((day.pictures for day in days if passed(day)), None)
    if high is None:
        return f"above {days[-1].pictures:,}"
    low = max(day.pictures for day in days if day.pictures < high)
    while high / low > 1.02:
        middle = round((low * high) ** 0.5)
        if passed(day(middle, assumed)):
            high = middle
        else:
            low = middle
    return f"{int(float(f'{high:.1e}')):,}"


def costs(assumed: Assumptions) -> str:
    """GPU seconds of a picture and pictures a GPU hour, in Markdown."""
    kinds = {
        "one round, compiled (`--compile`)": assumed.picture,
        "one round, not compiled": assumed.uncompiled,
        "an edit of one region, compiled": assumed.edit,
        f"one round, and for {assumed.edited:.0%} of pictures an edit": assumed.gpu_seconds,
    }
    rows = [f"| {kind} | {seconds:.2f} | {3600 / seconds:,.0f} |" for kind, seconds in kinds.items()]
    return "\n".join(["| | s a picture | pictures a GPU hour |", "|---|---|---|", *rows])


def crossings(days: Sequence[Day], assumed: Assumptions) -> str:
    """From how many pictures a day one GPU is too few, and each part passes `NARROW`, in Markdown."""
    rows = [f"| one GPU is too few | {crossing(days, assumed, lambda day: day.gpus > 1)} |"]

    def narrow(day: Day, part: str) -> bool:
        return day.shares[part] > NARROW

    for name in days[0].shares:
        rows.append(f"| {name}: above {NARROW:.0%} | {crossing(days, assumed, partial(narrow, part=name))} |")
    return "\n".join(["| | pictures a day |", "|---|---|", *rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="take the queue's rates from this machine")
    assumed = Assumptions()
    if parser.parse_args().measure:
        assumed = measured(assumed)
    days = [day(size, assumed) for size in SIZES]
    print(f"{assumed}\n\n{costs(assumed)}\n\n{table(days)}\n\n{crossings(days, assumed)}")


if __name__ == "__main__":
    main()
