"""What regional control costs in the full Hunyuan-DiT on one CUDA GPU, random weights: python -m benchmarks.gpu

    python -m benchmarks.gpu                          # three minutes on an H200
    python -m benchmarks.gpu --steps 10 --no-compile  # one minute

Writes docs/gpu.md anew after each row, so that an interrupted run keeps what it had.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from torch._dynamo.config import recompile_limit
from torch._dynamo.utils import counters
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import pages
from benchmarks.render import Reduced, Shape, plan_of
from ditpipe.renderer.regions.prompt_schedule import PRESETS

TARGET = pages.DOCS / "gpu.md"
PUBLISHED = Shape(
    layers=40, heads=16, side=64, vae=(128, 256, 512, 512), vae_layers=2, vae_groups=32, device="cuda",
    dtype=torch.bfloat16,
)  # fmt: skip
PIPELINE, ONE, NINE, ALL = "diffusers, one prompt", "N=1", "N=9", "N=9, all blocks regional"
EDIT, FOUR = "edit of one region of nine", "four candidates of nine regions in one batch"
ORDER = (PIPELINE, ONE, "N=2", "N=4", NINE, ALL, EDIT, FOUR)  # of the table; `ways` has the rows with aims first
WARM = 8  # steps: an edit has four full and four partial steps, of which the second is captured as a CUDA graph
STEPS = 30

# A number of steps → seconds of the first part, of each (further) step, of decoding.
Way = Callable[[int], list[float]]


@dataclass(frozen=True)
class Row:
    """One way of drawing: seconds of a picture and of a step, operations of a step, peak bytes, seconds until it was
    warm, and how many graphs were compiled for it."""

    name: str
    compiled: bool
    picture: float
    step: float
    flops: int
    memory: int
    warming: float
    graphs: int


def clock(device: str) -> Callable[[], float]:
    """Seconds, read when everything on the device is done."""

    def now() -> float:
        if device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter()

    return now


def matmul_rate(device: str, dtype: torch.dtype, *, side: int = 8192, repeats: int = 20) -> float:
    """Operations a second of the fastest of some side³ products."""
    left, right = torch.randn(2, side, side, device=device, dtype=dtype)
    now, taken = clock(device), []
    for _ in range(repeats):
        started = now()
        torch.mm(left, right)
        taken.append(now() - started)
    return 2 * side**3 / min(taken)


def ways(reduced: Reduced) -> dict[str, Way]:
    """The measured ways of drawing; with the default prompt schedule unless named otherwise."""
    levels = PRESETS["scene-then-regions"].levels(reduced.shape.layers)

    def ours(count: int, steps: int, *, edited: str = "", everywhere: bool = False, pictures: int = 1) -> list[float]:
        edit = reduced.edited(edited) if edited else None
        chosen = None if everywhere else levels
        return list(reduced.steps(plan_of(count), steps, edit, levels=chosen, pictures=pictures, decode=True))

    return {
        PIPELINE: partial(reduced.plain, decode=True),
        ONE: partial(ours, 1),
        NINE: partial(ours, 9),
        FOUR: partial(ours, 9, pictures=4),
        EDIT: partial(ours, 9, edited="house"),
        ALL: partial(ours, 9, everywhere=True),
        **{f"N={count}": partial(ours, count) for count in (2, 4)},
    }


def flops(way: Way) -> int:
    """Operations of a step: the difference of two steps and one. Attention is counted as matrix products."""
    counted = []
    for steps in (1, 2):
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            way(steps)
        counted.append(int(counter.get_total_flops()))
    return counted[1] - counted[0]


def measure(reduced: Reduced, *, steps: int = STEPS, repeats: int = 2, compiled: bool = False) -> Iterator[Row]:
    """Yields rows as they are measured: all ways uncompiled, then, if `compiled`, all with compiled blocks."""
    cuda = reduced.shape.device != "cpu"
    operations: dict[str, int] = {}
    for compiling, (name, way) in product((False, True) if compiled else (False,), ways(reduced).items()):
        if name not in (EDIT, FOUR) and not compiling:
            operations[name] = flops(way)
        if compiling:
            torch.compiler.reset()  # the graphs of other rows would count towards dynamo's limit
            counters.clear()
            reduced.own.compile()
        started = reduced.clock()
        way(min(steps, WARM))
        warming = reduced.clock() - started
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        best = min((way(steps) for _ in range(repeats)), key=sum)
        memory = torch.cuda.max_memory_allocated() if cuda else 0
        step, graphs = median(best[1:-1]), counters["stats"]["unique_graphs"] if compiling else 0
        yield Row(name, compiling, sum(best), step, operations.get(name, 0), memory, warming, graphs)


def ratio(rows: list[Row], name: str, other: str, compiled: bool) -> float | None:
    """The time of a picture by `name` over that by `other`, if both were measured."""
    taken = {row.name: row.picture for row in rows if row.compiled == compiled}
    return taken[name] / taken[other] if {name, other} <= set(taken) else None


def share(row: Row, rate: float) -> float:
    """Operations a second of a step, as a share of the measured rate."""
    return row.flops / row.step / rate


def cells(row: Row, rows: list[Row], rate: float) -> list[str]:
    """A line of the table."""
    over = ratio(rows, row.name, ONE, row.compiled)
    return [
        row.name, "yes" if row.compiled else "no", f"{row.picture:.2f}", f"{row.step:.4f}",
        f"{row.flops / 1e12:.1f}" if row.flops else "–", f"{share(row, rate):.0%}" if row.flops else "–",
        f"{row.memory / 2**30:.1f}", "–" if over is None else f"{over:.3f}", f"{row.warming:.1f}",
        str(row.graphs or "–"),
    ]  # fmt: skip


def aims(rows: list[Row], rate: float, compiled: bool) -> str:
    """One line: the figures with an aim."""
    by_name = {row.name: row for row in rows if row.compiled == compiled}
    nine = by_name.get(NINE)
    reached = share(nine, rate) if nine else None
    parts = []
    for what, value, sign, aim in (
        ("share of the measured rate with N=9, an aim for compiled blocks", reached, "≥", 0.55),
        ("N=9 over N=1", ratio(rows, NINE, ONE, compiled), "≤", 1.02),
        ("four candidates over one picture", ratio(rows, FOUR, NINE, compiled), "≤", 2.5),
        ("edit over the full render", ratio(rows, EDIT, NINE, compiled), "≤", 0.35),
    ):
        met = value is not None and (value >= aim if sign == "≥" else value <= aim)
        verdict = "not measured" if value is None else f"{value:.3f} ({'met' if met else 'missed'}: {sign} {aim})"
        parts.append(f"{what}: {verdict}")
    return f"{'With' if compiled else 'Without'} torch.compile: {'; '.join(parts)}."


def report(rows: list[Row], card: str, rate: float, steps: int) -> str:
    """docs/gpu.md."""
    head = [
        "", "compiled", "s a picture", "s a step", "TFLOP a step", "of the rate", "peak, GiB", "over N=1", "warm-up, s",
        "graphs",
    ]  # fmt: skip
    ordered = sorted(rows, key=lambda row: (row.compiled, ORDER.index(row.name)))
    table = pages.markdown([head, *[cells(row, rows, rate) for row in ordered]])
    both = [compiled for compiled in (False, True) if any(row.compiled == compiled for row in rows)]
    aimed = "\n\n".join(aims(rows, rate, compiled) for compiled in both)
    return f"""# Speed on a GPU

`python -m benchmarks.gpu`: Hunyuan-DiT v1.2 in its published shape (40 blocks, 64×64 tokens, CFG), random weights,
bfloat16, 1024×1024 px, {steps} steps, on one {card} that multiplies bfloat16 matrices of 8192² at {rate / 1e12:.0f}
TFLOP/s (torch {torch.__version__}).

{table}

A picture is preparing keys and values, {steps} steps and decoding (an SDXL decoder), the better of two; prompts are
encoded already, and no encoder is in memory. A step is the median of the better picture. Operations are those of matrix
products, convolutions and attention. The prompt schedule is the default one unless named otherwise. The transformer's
blocks are compiled one by one, in diffusers' pipeline too. Warm-up: {min(steps, WARM)} steps and decoding, with
compiling. Graphs: how many were compiled; dynamo's limit is {recompile_limit}, beyond which code runs uncompiled.

{aimed}
"""


def main(arguments: list[str] | None = None, target: Path = TARGET) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=STEPS, help="denoising steps of a picture")
    parser.add_argument("--no-compile", action="store_true", help="leave the rows with torch.compile out")
    args = parser.parse_args(arguments)
    if args.steps < 2:
        parser.error("--steps must be at least 2")
    if not torch.cuda.is_available():
        print("benchmarks.gpu needs a CUDA GPU; none is here", file=sys.stderr)
        sys.exit(2)
    console, rows = Console(width=160), list[Row]()
    card, rate = torch.cuda.get_device_name(), matmul_rate(PUBLISHED.device, PUBLISHED.dtype)
    console.print(f"{card}: {rate / 1e12:.0f} TFLOP/s", markup=False)
    reduced = Reduced(PUBLISHED, clock(PUBLISHED.device))
    for row in measure(reduced, steps=args.steps, compiled=not args.no_compile):
        rows.append(row)
        console.print(" | ".join(cells(row, rows, rate)), markup=False)
        target.write_text(report(rows, card, rate, args.steps))
    console.print(report(rows, card, rate, args.steps), markup=False)


if __name__ == "__main__":
    main()
