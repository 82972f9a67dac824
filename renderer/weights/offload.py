"""Memory: retries a render that ran out of it with a cheaper option, and moves idle components off the GPU."""

from __future__ import annotations

import gc
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn

from ...prompts.errors import OutOfMemory, first_line
from ..request import LocalResult, RenderRequest, Saving

SAVING_NAMES: dict[Saving, str] = {
    "tiling": "the picture decoded in tiles", "offload": "idle components kept off the GPU",
    "int8": "weights in 8 bits", "fp8": "weights in 8 bits",
}  # fmt: skip


# Messages of CUDA, its libraries and the CPU allocator; torch has an error class for its own GPU allocator only.
_OOM_MESSAGES = re.compile(r"DefaultCPUAllocator|CUDA error: out of memory|CU(BLAS|DNN)_STATUS_\w*ALLOC\w*_FAILED")


def memory_fallbacks(used: Sequence[Saving], *, cuda: bool, large: bool) -> list[Saving]:
    """Memory savings that are not `used` yet, the least costly in quality and time first. large: decoding takes several
    tiles."""
    helpful: dict[Saving, bool] = {"tiling": large, "offload": cuda, "int8": "fp8" not in used}
    return [saving for saving, helps in helpful.items() if helps and saving not in used]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of a GPU or of the CPU ran out."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and bool(_OOM_MESSAGES.search(str(error)))


def retry_on_oom(
    request: RenderRequest,
    draw: Callable[[RenderRequest], list[LocalResult]],
    fallbacks: Callable[[RenderRequest], list[Saving]],
) -> list[LocalResult]:
    """Calls `draw(request)`; each time that memory runs out, again with the first saving of `fallbacks` in addition,
    which the warnings say.

    Raises OutOfMemory if memory runs out and no saving is left.
    """
    tried: list[Saving] = []
    while True:
        try:
            results = draw(request)
            break
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            reason = first_line(error)
        # Outside the handler, where the traceback would keep the tensors of the failed render alive.
        saving = next(iter(fallbacks(request)), None)
        if saving is None:
            also = f"; {', '.join(map(repr, tried))} tried and not enough" if tried else ""
            raise OutOfMemory(f"out of memory ({reason}); draw a smaller picture or with another model{also}")
        tried.append(saving)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        request = request.model_copy(update={"save_memory": [*request.save_memory, saving]})
    if not tried:
        return results
    how = " and ".join(SAVING_NAMES[saving] for saving in tried)
    note = f"out of memory: drawn again with {how} (save_memory {','.join(tried)!r})"
    return [replace(result, warnings=(*result.warnings, note)) for result in results]


class Offloader:
    """Moves components to the device; with offload only while they run. One render at a time uses a GPU."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._lock = threading.RLock()

    @contextmanager
    def on_device(self, parts: Sequence[nn.Module], *, offload: bool) -> Iterator[None]:
        """The components on the device; with offload they return to main memory afterwards."""
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
