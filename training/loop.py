"""The training loop that every stage shares: resumable, with a progress bar, a log of figures and a loss plot."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from training.artwork import SHIPPED, WORK

Batch = TypeVar("Batch")


def pick_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def pick_workers(device: torch.device) -> int:
    """Processes that make batches ahead: a GPU would wait for one; on a CPU they would take what the model needs."""
    return min(8, (os.cpu_count() or 2) // 2) if device.type == "cuda" else 0


def _as_it_is(eight: list[Batch]) -> list[Batch]:
    return eight


class Batches(Dataset[list[Batch]], Generic[Batch]):
    """The batches of a training by their step, eight of them made together: in this process, or ahead by `workers`.

    make: the number of an eight → its batches. They may hold NumPy arrays, no tensors: those would be passed by file.
    """

    def __init__(self, make: Callable[[int], list[Batch]], workers: int = 0) -> None:
        self.make, self.workers = make, workers
        self.number, self.eight = -1, list[Batch]()
        self.coming: Iterator[list[Batch]] | None = None

    def __getitem__(self, number: int) -> list[Batch]:
        return self.make(number)

    def at(self, step: int) -> Batch:
        """The batch of a step; steps must come in their order, from any first one."""
        number, turn = divmod(step, 8)
        if number != self.number:
            if self.coming is None:
                order = range(number, 1_000_000)
                fork = "fork" if self.workers else None  # `make` may be a closure
                loader = DataLoader(
                    self, None, sampler=order, num_workers=self.workers, collate_fn=_as_it_is,
                    multiprocessing_context=fork,
                )  # fmt: skip
                self.coming = iter(loader)
            self.number, self.eight = number, next(self.coming)
        return self.eight[turn]


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is the faster type there: a CPU without instructions for it takes five times float32's time."""
    capabilities = torch.cpu.get_capabilities()
    return device.type == "cuda" or bool(capabilities.get("amx_bf16") or capabilities.get("avx512_bf16"))


def mixed_precision(device: torch.device) -> torch.autocast:
    """Autocast to bfloat16 where the processor multiplies it, else float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bfloat16(device))


def muon(matrices: list[nn.Parameter], lr: float, device: torch.device) -> torch.optim.Optimizer:
    """torch's Muon. It works in bfloat16, a third of a whole step on a CPU without it: there in float32."""
    if not multiplies_bfloat16(device):
        torch.optim._muon._zeropower_via_newtonschulz = _orthogonal  # type: ignore
    return torch.optim.Muon(matrices, lr=lr, weight_decay=0.01, ns_steps=4, adjust_lr_fn="match_rms_adamw")


def _orthogonal(update: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """The Newton-Schulz iteration of Muon, on a matrix, in float32."""
    a, b, c = coefficients
    x = update.T if len(update) > update.shape[1] else update
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if len(update) > update.shape[1] else x


def keep_figures(*stages: str, folder: Path = SHIPPED) -> None:
    """Notes in the folder's training.json what each stage measured last. What was not run here stays as it was."""
    known = SHIPPED / "training.json"
    figures = json.loads(known.read_text()) if known.exists() else {}
    for stage in stages:
        log = WORK / f"{stage}.jsonl"
        if log.exists():
            figures[stage] = json.loads(log.read_text().splitlines()[-1])
    (folder / "training.json").write_text(json.dumps(figures, indent=1) + "\n")


def plot_losses(log: Path) -> Path:
    """Draws a stage's log, the mean loss between two checkpoints by the step, as a PNG beside it; returns its path."""
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in log.read_text().splitlines()]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([row["step"] for row in rows], [row["loss"] for row in rows], marker=".")
    title = f"{log.stem}: {rows[-1]['loss']:.4f} after {rows[-1]['seconds'] / 60:.1f} minutes"
    axes.set(title=title, xlabel="step", ylabel="loss", yscale="log")
    axes.grid(alpha=0.3, which="both")
    path = log.with_suffix(".png")
    figure.savefig(path, dpi=120)
    return path


def save_atomically(state: Any, path: Path) -> None:
    """torch.save that never leaves half a file behind."""
    draft = path.with_suffix(".tmp")
    torch.save(state, draft)
    os.replace(draft, path)


def learning_rate(step: int, done: float, warmup: int, decay: float = 0.3) -> float:
    """Warm-up, plateau, linear decay over the last `decay` share of the work; `done` is the share behind us. 0–1."""
    return min(1.0, (step + 1) / warmup, max(0.0, (1 - done) / decay))


class Average:
    """Exponential moving average of a model's weights (what is shipped)."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone().float() for name, value in model.state_dict().items()}
        self.count = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.count += 1
        keep = min(self.decay, (1 + self.count) / (10 + self.count))
        live = model.state_dict()
        torch._foreach_lerp_(list(self.weights.values()), [live[name].float() for name in self.weights], 1 - keep)


def train(
    name: str,
    model: nn.Module,
    optimisers: list[torch.optim.Optimizer],
    loss_of: Callable[[int], tuple[torch.Tensor, dict[str, float]]],
    *,
    steps: int,
    minutes: float | None = None,
    warmup: int = 200,
    ema: float | None = None,
    every: int = 500,
    on_checkpoint: Callable[[int, dict[str, torch.Tensor]], dict[str, float]] | None = None,
    after: str | None = None,
    folder: Path = WORK,
    decay: float = 0.3,
) -> dict[str, torch.Tensor]:
    """Runs `loss_of(step)` until `steps`, or for `minutes` in all, going on from training/work/NAME.pt if it exists.

    Every `every` steps the state is saved, the mean loss is appended to training/work/NAME.jsonl and plotted beside it,
    and `on_checkpoint(step, weights)` may add figures. A stage that has no checkpoint yet goes on from that of stage
    `after`, if there is one. `folder`: where these files are, training/work by default. `decay`: see `learning_rate`.
    Returns the weights to ship (the average, if one is kept).
    """
    folder.mkdir(parents=True, exist_ok=True)
    path, log = folder / f"{name}.pt", folder / f"{name}.jsonl"
    average = Average(model, ema) if ema else None
    start, spent = 0, 0.0
    begun = path if path.exists() or after is None else folder / f"{after}.pt"
    if begun.exists():
        state = torch.load(begun, map_location=pick_device(), weights_only=True)
        model.load_state_dict(state["model"])
        for optimiser, saved in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(saved)
        if average:
            average.weights, average.count = state["average"], state["count"]
        start, spent = state["step"], state["seconds"]
    base = [[group.get("base_lr", group["lr"]) for group in optimiser.param_groups] for optimiser in optimisers]
    for optimiser, rates in zip(optimisers, base, strict=True):
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["base_lr"] = rate
    columns = (
        TextColumn(name),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    with Progress(*columns) as bar:
        task = bar.add_task(name, total=steps, completed=start, loss="")
        window: list[Tensor] = []  # read only where it is shown: reading one waits for the GPU
        figures: dict[str, float] = {}
        clock = time.monotonic()
        for step in range(start, steps):
            seconds = spent + time.monotonic() - clock
            done = step / steps if minutes is None else seconds / (60 * minutes)
            last = step + 1 == steps or done >= 1
            factor = learning_rate(step, done, warmup, decay)
            for optimiser in optimisers:
                for group in optimiser.param_groups:
                    group["lr"] = group["base_lr"] * factor
            loss, figures = loss_of(step)
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
                optimiser.zero_grad(set_to_none=True)
            if average:
                average.update(model)
            window.append(loss.detach())
            if step % 20 == 0:
                bar.update(task, completed=step + 1, loss=f"loss {float(torch.stack(window[-50:]).mean()):.4f}")
            if (step + 1) % every == 0 or last:
                weights = average.weights if average else model.state_dict()
                mean = float(torch.stack(window).mean())
                row = {"step": step + 1, "seconds": round(seconds, 1), "loss": mean, **figures}
                if on_checkpoint:
                    row |= on_checkpoint(step + 1, weights)
                with log.open("a") as out:
                    out.write(json.dumps(row) + "\n")
                plot_losses(log)
                save_atomically(
                    {
                        "model": model.state_dict(), "optimisers": [o.state_dict() for o in optimisers],
                        "average": average.weights if average else {}, "count": average.count if average else 0,
                        "step": step + 1, "seconds": seconds,
                    },
                    path,
                )  # fmt: skip
                window = []
            if last:
                break
    return average.weights if average else model.state_dict()
