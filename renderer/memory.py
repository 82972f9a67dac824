"""Out of memory: drawn once more with the next cheaper option, and that is said. And parts that wait off the GPU."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from ..prompts.errors import RenderError
from .request import RenderRequest, RenderResult, Saving

NAMES: dict[Saving, str] = {
    "tiling": "the picture decoded in tiles", "offload": "parts at rest kept off the GPU", "int8": "weights in 8 bits",
    "fp8": "weights in 8 bits",
}  # fmt: skip


def cheaper(save: Sequence[Saving], *, cuda: bool, large: bool) -> Saving | None:
    """The next option that saves memory, cheapest in quality and time first. large: more than one tile is decoded."""
    steps: list[Saving] = [*(["tiling"] if large else []), *(["offload"] if cuda else [])]  # type: ignore[list-item]
    steps += [] if {"int8", "fp8"} & set(save) else ["int8"]
    return next((step for step in steps if step not in save), None)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's or the CPU's memory was too small; torch reports the CPU's as a RuntimeError."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "DefaultCPUAllocator" in str(error)


def sparing(
    request: RenderRequest,
    draw: Callable[[RenderRequest], list[RenderResult]],
    following: Callable[[Sequence[Saving]], Saving | None],
) -> list[RenderResult]:
    """`draw(request)`; if memory runs out, once more with the next cheaper option, which the results then say.

    Raises RenderError if it runs out again, or if there is nothing cheaper.
    """
    try:
        return draw(request)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = str(error).splitlines()[0]
    # Not in the handler: there the error would still hold every tensor of the render that failed.
    saving = following(request.save)
    told = f"out of memory ({reason}); draw a smaller picture or with another model"
    if saving is None:
        raise RenderError(told)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    try:
        drawn = draw(request.model_copy(update={"save": [*request.save, saving]}))
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RenderError(f"{told}, or save more memory than {saving!r}, which was tried, does") from None
    note = f"out of memory: drawn once more with {NAMES[saving]} (save {saving!r})"
    return [replace(one, warnings=(*one.warnings, note)) for one in drawn]


class Places:
    """Where the parts of a model are. With offload they are there only while they work. A GPU draws one at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._lock = threading.RLock()

    @contextmanager
    def at_work(self, parts: Sequence[nn.Module], *, offload: bool) -> Iterator[None]:
        """The parts on the device; with offload, back in main memory after it."""
        if self._device.type == "cpu":
            yield
            return
        with self._lock:
            try:
                for part in parts:
                    part.to(self._device)
                yield
            finally:
                for part in parts if offload else ():
                    part.to("cpu")
