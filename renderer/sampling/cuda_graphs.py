"""Short work on a CUDA GPU, recorded once: starting its hundreds of kernels one by one takes longer than they do."""

from collections.abc import Callable

import torch
from torch import Tensor


class CudaGraphRunner:
    """Work on tensors that is the same at every call: it runs as it is, the next time it is recorded as a CUDA graph,
    and from then on replayed.

    The inputs' shapes may not change, and what else the work reads must stay where it is in memory, or be rewritten
    there. The work may not wait for the GPU.
    """

    def __init__(self, work: Callable[..., Tensor]) -> None:
        self._work = work
        self._warm = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor] = []

    def __call__(self, *inputs: Tensor) -> Tensor:
        if not self._warm:  # compiles and loads what has not been yet, which cannot be recorded
            self._warm = True
            return self._work(*inputs)
        if self._graph is None:
            self._inputs = [one.clone() for one in inputs]
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the GPU meanwhile
                self._output = self._work(*self._inputs)
            self._graph = graph
        for kept, one in zip(self._inputs, inputs, strict=True):
            kept.copy_(one)
        self._graph.replay()
        return self._output.clone()
