"""What regional control costs in published shapes on one CUDA GPU, random weights: python -m benchmarks.gpu [MODEL…]

    python -m benchmarks.gpu                                      # every model
    python -m benchmarks.gpu hunyuan-dit                          # some four minutes on an H200
    python -m benchmarks.gpu hunyuan-dit --steps 10 --no-compile  # one minute
    python -m benchmarks.gpu --tiny --steps 2 --no-compile        # on the CPU: tries the code, writes nothing

Writes the model's section of docs/gpu.md anew after each row, so that an interrupted run keeps what it had.
"""

import argparse
import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import mean, median
from typing import Any

import torch
from diffusers import (
    AutoencoderKLQwenImage,
    FlowMatchEulerDiscreteScheduler,
    QwenImagePipeline,
    QwenImageTransformer2DModel,
)
from diffusers.models.transformers.transformer_qwenimage import QwenDoubleStreamAttnProcessor2_0
from rich.console import Console
from torch._dynamo.config import recompile_limit
from torch._dynamo.utils import counters
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import pages
from benchmarks.render import RandomModel, Reduced, Shape, plan_of
from ditpipe.renderer.families.joint.qwen_image import QwenImage
from ditpipe.renderer.forward import Encoded
from ditpipe.renderer.regions.prompt_schedule import PRESETS, Level
from ditpipe.renderer.sampling.step_cache import StepCache

TARGET = pages.DOCS / "gpu.md"
PIPELINE, ONE, NINE, ALL = "diffusers, one prompt", "N=1", "N=9", "N=9, all blocks regional"
CACHED, EDIT = "N=9, step cache", "edit of one region of nine"
FOUR = "four candidates of nine regions in one batch"
ORDER = (PIPELINE, ONE, "N=2", "N=4", NINE, ALL, CACHED, EDIT, FOUR)  # of the table; `ways` puts rows with aims first
UNCOUNTED = (CACHED, EDIT, FOUR)  # their operations are not: steps differ, or there are four times as many
THRESHOLDS = (0.05, 0.1, 0.2, 0.4, 0.8)  # of the step cache
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


class RandomQwen(RandomModel):
    """A Qwen-Image. Its own scheduler's settings, and a decoder whose widths are multiples of the first."""

    def __init__(self, shape: Shape, clock: Callable[[], float]) -> None:
        super().__init__(shape, clock)
        usual = torch.get_default_dtype()
        torch.set_default_dtype(shape.dtype)  # 20 billion weights, which would not fit in float32 first
        try:
            with torch.device(shape.device):
                self.transformer: Any = QwenImageTransformer2DModel(
                    num_layers=shape.layers, num_attention_heads=shape.heads, attention_head_dim=shape.head_dim,
                    joint_attention_dim=shape.text,
                    axes_dims_rope=(shape.head_dim // 8, shape.head_dim * 7 // 16, shape.head_dim * 7 // 16),
                )  # fmt: skip
                vae: Any = AutoencoderKLQwenImage(
                    base_dim=shape.vae[0], dim_mult=[width // shape.vae[0] for width in shape.vae],
                    num_res_blocks=shape.vae_layers,
                )  # fmt: skip
        finally:
            torch.set_default_dtype(usual)
        self.ready(self.transformer, vae)
        make: Any = QwenImagePipeline
        scheduler = FlowMatchEulerDiscreteScheduler(
            base_shift=0.5, max_shift=0.9, max_image_seq_len=8192, use_dynamic_shifting=True, shift_terminal=0.02
        )
        self.pipe = make(vae=vae, text_encoder=None, tokenizer=None, transformer=self.transformer, scheduler=scheduler)
        self.pipe.set_progress_bar_config(disable=True)
        self.own = QwenImage(self.pipe)

    def prompts(self, texts: Sequence[str]) -> list[Encoded]:
        return [Encoded(self.noise(20, self.shape.text)) for _ in texts]

    def plain(self, steps: int, *, decode: bool = False) -> list[float]:
        """As declared; this pipeline computes unconditional and conditional rows in turns."""
        for block in self.transformer.transformer_blocks:
            block.attn.set_processor(QwenDoubleStreamAttnProcessor2_0())
        prompt, negative = (each.states[None] for each in self.prompts(["prompt", "negative"]))
        whole = torch.ones(prompt.shape[:2], device=prompt.device, dtype=torch.long)  # no padding
        return self.called(
            steps, decode=decode, true_cfg_scale=6, prompt_embeds=prompt, negative_prompt_embeds=negative,
            prompt_embeds_mask=whole, negative_prompt_embeds_mask=whole,
        )  # fmt: skip


@dataclass(frozen=True)
class Model:
    """A measured model: its name, what is said of it, its class, its published shape, a tiny one for the CPU, the rows
    that it has."""

    title: str
    said: str
    make: Callable[[Shape, Callable[[], float]], RandomModel]
    published: Shape
    tiny: Shape
    rows: tuple[str, ...]


MODELS = {
    "hunyuan-dit": Model(
        "Hunyuan-DiT v1.2", "40 blocks, 64×64 tokens, CFG, an SDXL decoder", Reduced,
        Shape(layers=40, heads=16, side=64, vae=(128, 256, 512, 512), vae_layers=2, vae_groups=32, device="cuda",
              dtype=torch.bfloat16),
        Shape(layers=4, heads=2, head_dim=16, text=16, text_t5=24, side=6), ORDER,
    ),
    # No N=2 and N=4, no batch of four: a step has some five times Hunyuan-DiT's operations.
    "qwen-image": Model(
        "Qwen-Image", "60 blocks, 20 billion parameters, 64×64 tokens, CFG; it has no step cache, and an edit computes "
        "every token", RandomQwen,
        Shape(layers=60, heads=24, head_dim=128, text=3584, side=64, vae=(96, 192, 384, 384), vae_layers=2,
              device="cuda", dtype=torch.bfloat16),
        Shape(layers=4, heads=2, head_dim=32, text=16, side=6), (PIPELINE, ONE, NINE, ALL),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class CacheError:
    """What a step cache of a threshold did to a picture. error: the norm of what it changed in the latents over that of
    the exact ones."""

    threshold: float
    reused: int
    error: float


def cache_error(model: RandomModel, steps: int) -> CacheError:
    """Of the lowest threshold at which three of five steps are reused, about half the time, or of the highest."""

    def latents_of(cache: StepCache) -> torch.Tensor:
        torch.manual_seed(0)  # the same prompts and noise
        for _ in model.steps(plan_of(9), steps, levels=usual_levels(model), cache=cache):
            pass
        return model.latents.float()

    exact = latents_of(StepCache(0))
    for threshold in THRESHOLDS:
        cache = StepCache(threshold)
        changed = latents_of(cache) - exact
        if cache.reused >= 0.6 * steps:
            break
    return CacheError(threshold, cache.reused, float(changed.norm() / exact.norm()))


def usual_levels(model: RandomModel) -> list[Level]:
    """Of the blocks, by the default prompt schedule."""
    return list(PRESETS["scene-then-regions"].levels(model.shape.layers))


def ways(model: RandomModel, rows: Sequence[str] = ORDER, threshold: float = 0.0) -> dict[str, Way]:
    """The measured ways of drawing; with the default prompt schedule unless named otherwise. threshold: of the step
    cache."""
    levels = usual_levels(model)

    def ours(
        count: int, steps: int, *, edited: str = "", everywhere: bool = False, pictures: int = 1, cached: bool = False
    ) -> list[float]:
        return list(model.steps(
            plan_of(count), steps, model.edited(edited) if edited else None, levels=None if everywhere else levels,
            pictures=pictures, decode=True, cache=StepCache(threshold) if cached else None,
        ))  # fmt: skip

    every = {
        PIPELINE: partial(model.plain, decode=True),
        ONE: partial(ours, 1),
        NINE: partial(ours, 9),
        FOUR: partial(ours, 9, pictures=4),
        CACHED: partial(ours, 9, cached=True),
        EDIT: partial(ours, 9, edited="house"),
        ALL: partial(ours, 9, everywhere=True),
        **{f"N={count}": partial(ours, count) for count in (2, 4)},
    }
    return {name: way for name, way in every.items() if name in rows}


def flops(way: Way) -> int:
    """Operations of a step: the difference of three steps and two. Attention is counted as matrix products."""
    counted = []
    for steps in (2, 3):  # Qwen-Image takes no single step
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            way(steps)
        counted.append(int(counter.get_total_flops()))
    return counted[1] - counted[0]


def measure(
    model: RandomModel, named: Mapping[str, Way], *, steps: int = STEPS, repeats: int = 2, compiled: bool = False
) -> Iterator[Row]:
    """Yields rows as they are measured: all ways uncompiled, then, if `compiled`, all with compiled blocks."""
    cuda = model.shape.device != "cpu"
    operations: dict[str, int] = {}
    for compiling, (name, way) in product((False, True) if compiled else (False,), named.items()):
        if name not in UNCOUNTED and not compiling:
            operations[name] = flops(way)
        if compiling:
            torch.compiler.reset()  # the graphs of other rows would count towards dynamo's limit
            counters.clear()
            model.own.compile()
        started = model.clock()
        way(min(steps, WARM))
        warming = model.clock() - started
        if cuda:
            torch.cuda.reset_peak_memory_stats()
        best = min((way(steps) for _ in range(repeats)), key=sum)
        memory = torch.cuda.max_memory_allocated() if cuda else 0
        step = (mean if name == CACHED else median)(best[1:-1])
        graphs = counters["stats"]["unique_graphs"] if compiling else 0
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


def aims(rows: list[Row], rate: float, compiled: bool, named: Sequence[str] = ORDER) -> str:
    """One line: the figures with an aim. named: the rows that the model has."""
    by_name = {row.name: row for row in rows if row.compiled == compiled}
    nine = by_name.get(NINE)
    reached = share(nine, rate) if nine else None
    parts = []
    for what, name, value, sign, aim in (
        ("share of the measured rate with N=9, an aim for compiled blocks", NINE, reached, "≥", 0.6),
        ("N=9 over N=1", NINE, ratio(rows, NINE, ONE, compiled), "≤", 1.05),
        ("step cache over N=9", CACHED, ratio(rows, CACHED, NINE, compiled), "≤", 0.5),
        ("four candidates over one picture", FOUR, ratio(rows, FOUR, NINE, compiled), "≤", 2.5),
        ("edit over the full render", EDIT, ratio(rows, EDIT, NINE, compiled), "≤", 0.35),
    ):
        if name not in named:
            continue
        met = value is not None and (value >= aim if sign == "≥" else value <= aim)
        verdict = "not measured" if value is None else f"{value:.3f} ({'met' if met else 'missed'}: {sign} {aim})"
        parts.append(f"{what}: {verdict}")
    return f"{'With' if compiled else 'Without'} torch.compile: {'; '.join(parts)}."


def section(
    key: str, rows: list[Row], card: str, rate: float, steps: int, *, shape: Shape, error: CacheError | None = None
) -> str:
    """A model's part of docs/gpu.md."""
    model, side = MODELS[key], 16 * shape.side
    described = model.said if shape == model.published else "a tiny shape"
    head = [
        "", "compiled", "s a picture", "s a step", "TFLOP a step", "of the rate", "peak, GiB", "over N=1", "warm-up, s",
        "graphs",
    ]  # fmt: skip
    ordered = sorted(rows, key=lambda row: (row.compiled, ORDER.index(row.name)))
    table = pages.markdown([head, *[cells(row, rows, rate) for row in ordered]])
    both = [compiled for compiled in (False, True) if any(row.compiled == compiled for row in rows)]
    told = [aims(rows, rate, compiled, model.rows) for compiled in both]
    if error:
        among = ", ".join(map(str, THRESHOLDS))
        told.insert(0, (
            f"The step cache's threshold is {error.threshold}, the lowest of {among} at which three of five steps are "
            f"reused, or the highest: {error.reused} of {steps} were, and the latents are off by {error.error:.1%} at "
            "the end, uncompiled. Random weights say what it saves, not what a trained model's picture loses."
        ))  # fmt: skip
    dtype, told_lines = str(shape.dtype).removeprefix("torch."), "\n\n".join(told)
    return f"""## {model.title}

`python -m benchmarks.gpu {key}`: {described}; {dtype}, {side}×{side} px, {steps} steps, on one {card} that
multiplies such matrices at {rate / 1e12:.{0 if rate > 1e13 else 3}f} TFLOP/s (torch {torch.__version__}). Warm-up:
{min(steps, WARM)} steps and decoding, with compiling.

{table}

{told_lines}
"""


def report(sections: Mapping[str, str]) -> str:
    """docs/gpu.md. sections: by the model's title."""
    parts = "\n\n".join(sections[model.title].rstrip() for model in MODELS.values() if model.title in sections)
    return f"""# Speed on a GPU

`python -m benchmarks.gpu`: models in their published shapes with random weights.

A picture is preparing its prompts, its steps and decoding, the better of two; prompts are encoded already, and no
encoder is in memory. A step is the median of the better picture, with a step cache the mean. Operations are those of
matrix products, convolutions and attention. The prompt schedule is the default one unless named otherwise. The
transformer's blocks are compiled one by one, in diffusers' pipeline too. Graphs: how many were compiled; dynamo's limit
is {recompile_limit}, beyond which code runs uncompiled.

{parts}
"""


def sections_of(page: Path) -> dict[str, str]:
    """A page's sections by their titles."""
    parts = page.read_text(encoding="utf-8").split("\n## ")[1:] if page.exists() else []
    return {part.partition("\n")[0]: f"## {part}" for part in parts}


def main(arguments: list[str] | None = None, target: Path = TARGET) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)}; default: all")
    parser.add_argument("--steps", type=int, default=STEPS, help="denoising steps of a picture")
    parser.add_argument("--no-compile", action="store_true", help="leave the rows with torch.compile out")
    parser.add_argument("--tiny", action="store_true", help="tiny shapes on the CPU; the page is printed, not written")
    args = parser.parse_args(arguments)
    if unknown := set(args.models) - set(MODELS):
        parser.error(f"no such model: {', '.join(sorted(unknown))}; there are {', '.join(MODELS)}")
    if args.steps < 2:
        parser.error("--steps must be at least 2")
    if not args.tiny and not torch.cuda.is_available():
        print("benchmarks.gpu needs a CUDA GPU; none is here", file=sys.stderr)
        sys.exit(2)
    console, sections = Console(width=160), {} if args.tiny else sections_of(target)
    for key in args.models or MODELS:
        model = MODELS[key]
        shape, rows = model.tiny if args.tiny else model.published, list[Row]()
        card = "CPU" if args.tiny else torch.cuda.get_device_name()
        rate = matmul_rate(shape.device, shape.dtype, **({"side": 64} if args.tiny else {}))
        console.print(f"{model.title}, {card}: {rate / 1e12:.1f} TFLOP/s", markup=False)
        made = model.make(shape, clock(shape.device))
        error = cache_error(made, args.steps) if CACHED in model.rows else None
        named = ways(made, model.rows, error.threshold if error else 0.0)
        for row in measure(made, named, steps=args.steps, compiled=not args.no_compile):
            rows.append(row)
            console.print(" | ".join(cells(row, rows, rate)), markup=False)
            text = section(key, rows, card, rate, args.steps, shape=shape, error=error)
            sections[model.title] = text
            if not args.tiny:
                target.write_text(report(sections), encoding="utf-8")
        del made, named
        torch.compiler.reset()
        gc.collect()  # the next model's memory is its own
    console.print(report(sections), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
