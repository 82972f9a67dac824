"""Out of memory: drawn once more with the next cheaper option, and that is said. And parts that wait off the GPU."""

from __future__ import annotations

import gc
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from ...prompts.errors import RenderError, first_line
from ..request import RenderRequest, RenderResult, Saving

SAVING_NAMES: dict[Saving, str] = {
    "tiling": "the picture decoded in tiles", "offload": "parts at rest kept off the GPU", "int8": "weights in 8 bits",
    "fp8": "weights in 8 bits",
}  # fmt: skip


# As CUDA, its libraries and the CPU's allocator say it; torch has a class of error for its own GPU allocator only.
_OOM_MESSAGES = re.compile(r"DefaultCPUAllocator|CUDA error: out of memory|CU(BLAS|DNN)_STATUS_\w*ALLOC\w*_FAILED")


def cheaper_savings(save: Sequence[Saving], *, cuda: bool, large: bool) -> list[Saving]:
    """What would save more memory, cheapest in quality and time first. large: more than one tile is decoded."""
    ladder: dict[Saving, bool] = {"tiling": large, "offload": cuda, "int8": "fp8" not in save}
    return [step for step, there in ladder.items() if there and step not in save]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a GPU's or the CPU's memory was too small."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and bool(_OOM_MESSAGES.search(str(error)))


def retry_on_oom(
    request: RenderRequest,
    draw: Callable[[RenderRequest], list[RenderResult]],
    ladder: Callable[[RenderRequest], list[Saving]],
) -> list[RenderResult]:
    """`draw(request)`; if memory runs out, once more with the first of its ladder, which the results then say.

    Raises RenderError if it runs out again, or if there is nothing cheaper.
    """
    try:
        return draw(request)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = first_line(error)
    # Not in the handler: there the error would still hold every tensor of the render that failed.
    saving = next(iter(ladder(request)), None)
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
    note = f"out of memory: drawn once more with {SAVING_NAMES[saving]} (save {saving!r})"
    return [replace(one, warnings=(*one.warnings, note)) for one in drawn]


class Offloader:
    """Where the parts of a model are. With offload they are there only while they work. A GPU draws one at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._lock = threading.RLock()

    @contextmanager
    def on_device(self, parts: Sequence[nn.Module], *, offload: bool) -> Iterator[None]:
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
