"""LPIPS (Zhang et al. 2018, arXiv 1801.03924): the distance of two pictures in the features of AlexNet or VGG16.

torchmetrics has it too, but needs torchvision for the networks.
"""

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Net = Literal["alex", "vgg"]
# Convolutions as (stride, padding), in blocks whose last outputs are compared.
BLOCKS = {
    "alex": (((4, 2),), ((1, 2),), ((1, 1),), ((1, 1),), ((1, 1),)),
    "vgg": tuple(((1, 1),) * count for count in (2, 2, 3, 3, 3)),
}
# Side of the maximum, of stride 2, before a block.
POOLS = {"alex": {1: 3, 2: 3}, "vgg": {1: 2, 2: 2, 3: 2, 4: 2}}
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class Lpips:
    """weights: 'conv_N.weight' (out, in, height, width) and 'conv_N.bias' of each convolution; 'head_N.weight'
    (1, channels, 1, 1) of each block."""

    def __init__(self, weights: Mapping[str, Tensor], net: Net) -> None:
        self.weights, self.net = weights, net
        device = weights["conv_0.weight"].device
        self.shift, self.scale = (torch.tensor(values, device=device)[:, None, None] for values in (SHIFT, SCALE))

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Pictures (n, 3, height, width) in -1…1 → distances (n,), 0 for the same."""
        pairs = zip(map(_unit, self.activations(first)), map(_unit, self.activations(second)), strict=True)
        heads = (self.weights[f"head_{number}.weight"] for number in range(len(BLOCKS[self.net])))
        apart = [F.conv2d((a - b).square(), head).mean((1, 2, 3)) for (a, b), head in zip(pairs, heads, strict=True)]
        return torch.stack(apart).sum(0)

    def activations(self, x: Tensor) -> list[Tensor]:
        """Each block's output for pictures (n, 3, height, width) in -1…1."""
        x, features, number = (x - self.shift) / self.scale, [], 0
        for index, block in enumerate(BLOCKS[self.net]):
            if pool := POOLS[self.net].get(index):
                x = F.max_pool2d(x, pool, 2)
            for stride, padding in block:
                kernel, bias = self.weights[f"conv_{number}.weight"], self.weights[f"conv_{number}.bias"]
                x, number = F.relu(F.conv2d(x, kernel, bias, stride, padding)), number + 1
            features.append(x)
        return features


def _unit(x: Tensor) -> Tensor:
    """Of length one over its channels."""
    length: Tensor = x.norm(dim=1, keepdim=True)
    return x / (length + 1e-10)
