"""CUDA graphs for short steps, whose hundreds of kernels take less time than launching them one by one."""

from collections.abc import Callable

import torch
from torch import Tensor


class CudaGraphRunner:
    """Runs a function of tensors: the first call eagerly, the second is captured as a CUDA graph, later ones replay it.

    Input shapes must stay the same; other tensors that the function reads must keep their addresses. The function must
    not synchronise with the GPU.
    """

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self._function = function
        self._warm = False
        self._graph: torch.cuda.CUDAGraph | None = None
        self._inputs: list[Tensor] = []

    def __call__(self, *inputs: Tensor) -> Tensor:
        if not self._warm:  # lazy compilation and loading cannot be captured
            self._warm = True
            return self._function(*inputs)
        if self._graph is None:
            self._inputs = [tensor.clone() for tensor in inputs]
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may use the GPU meanwhile
                self._output = self._function(*self._inputs)
            self._graph = graph
        for captured, tensor in zip(self._inputs, inputs, strict=True):
            captured.copy_(tensor)
        self._graph.replay()
        return self._output.clone()
