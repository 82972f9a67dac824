"""CUDA graphs for short work: launching its hundreds of kernels one by one takes longer than they do."""

from collections.abc import Callable

import torch
from torch import Tensor


class CudaGraphRunner:
    """Runs a function of tensors: the first time as it is, the second time recorded as a CUDA graph, then replayed.

    The inputs' shapes may not change; other tensors that the function reads stay at their place in memory, or are
    rewritten there. The function may not wait for the GPU.
    """

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self._function = function
        self._warm = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor] = []

    def __call__(self, *inputs: Tensor) -> Tensor:
        if not self._warm:  # compiles and loads what has not been yet, which cannot be recorded
            self._warm = True
            return self._function(*inputs)
        if self._graph is None:
            self._inputs = [tensor.clone() for tensor in inputs]
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the GPU meanwhile
                self._output = self._function(*self._inputs)
            self._graph = graph
        for recorded, tensor in zip(self._inputs, inputs, strict=True):
            recorded.copy_(tensor)
        self._graph.replay()
        return self._output.clone()
