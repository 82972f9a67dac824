"""The Inception network of 2015-12-05, whose pooled features FID compares (Heusel et al. 2017, arXiv 1706.08500).

Its branches, towers and their names are those of the published graph. It differs from the Inception v3 of torchvision:
means leave out the padding, and the last block takes a maximum.
"""

from collections.abc import Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE, FEATURES = 299, 2048
mean_around = partial(F.avg_pool2d, kernel_size=3, stride=1, padding=1, count_include_pad=False)
maximum_around = partial(F.max_pool2d, kernel_size=3, stride=1, padding=1)
halved = partial(F.max_pool2d, kernel_size=3, stride=2)


class Inception:
    """weights: 'NAME.weight' (out, in, height, width) and 'NAME.bias' of each convolution, batch norm folded in."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        self.weights = weights

    def __call__(self, images: Tensor) -> Tensor:
        """Pictures (n, 3, height, width) in 0…255 → features (n, 2048), the means over the picture."""
        x = (resized(images.float(), SIDE) - 128) / 128
        x = self._conv(x, "conv", stride=2, padded=False)
        x = self._conv(x, "conv_1", padded=False)
        x = halved(self._conv(x, "conv_2"))
        x = self._conv(x, "conv_3")
        x = halved(self._conv(x, "conv_4", padded=False))
        for name in ("mixed", "mixed_1", "mixed_2"):
            branches = [self._conv(x, f"{name}.conv"), self._tower(x, f"{name}.tower", 2)]
            x = torch.cat([*branches, self._tower(x, f"{name}.tower_1", 3), self._pooled(x, name)], 1)
        branches = [self._conv(x, "mixed_3.conv", stride=2, padded=False), self._tower(x, "mixed_3.tower", 3, stride=2)]
        x = torch.cat([*branches, halved(x)], 1)
        for name in ("mixed_4", "mixed_5", "mixed_6", "mixed_7"):
            branches = [self._conv(x, f"{name}.conv"), self._tower(x, f"{name}.tower", 3)]
            x = torch.cat([*branches, self._tower(x, f"{name}.tower_1", 5), self._pooled(x, name)], 1)
        branches = [self._tower(x, "mixed_8.tower", 2, stride=2), self._tower(x, "mixed_8.tower_1", 4, stride=2)]
        x = torch.cat([*branches, halved(x)], 1)
        x = self._last_block(x, "mixed_9", self._conv(mean_around(x), "mixed_9.tower_2_conv"))
        x = self._last_block(x, "mixed_10", self._conv(maximum_around(x), "mixed_10.tower_2_conv"))
        return x.mean((2, 3))

    def _conv(self, x: Tensor, name: str, *, stride: int = 1, padded: bool = True) -> Tensor:
        kernel, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        height, width = kernel.shape[2:]
        return F.relu(F.conv2d(x, kernel, bias, stride, (height // 2, width // 2) if padded else 0))

    def _tower(self, x: Tensor, name: str, count: int, *, stride: int = 1) -> Tensor:
        """`count` convolutions in a row, the last one with the stride."""
        for number in range(count):
            step = stride if number == count - 1 else 1
            x = self._conv(x, f"{name}.conv{f'_{number}' if number else ''}", stride=step, padded=step == 1)
        return x

    def _pooled(self, x: Tensor, name: str) -> Tensor:
        return self._conv(mean_around(x), f"{name}.tower_2.conv")

    def _last_block(self, x: Tensor, name: str, pooled: Tensor) -> Tensor:
        single = self._conv(x, f"{name}.tower_conv")
        double = self._conv(self._conv(x, f"{name}.tower_1_conv"), f"{name}.tower_1_conv_1")
        branches = [self._conv(x, f"{name}.conv")]
        branches += [self._conv(single, f"{name}.tower_mixed_conv{end}") for end in ("", "_1")]
        branches += [self._conv(double, f"{name}.tower_1_mixed_conv{end}") for end in ("", "_1")]
        return torch.cat([*branches, pooled], 1)


def resized(images: Tensor, side: int) -> Tensor:
    """(n, channels, height, width) → (n, channels, side, side): linear between the two nearest pixels, no smoothing,
    the first pixel's corner kept, as the published graph does it."""
    for axis in (2, 3):
        size = images.shape[axis]
        places = torch.arange(side, device=images.device) * (size / side)
        below = places.long()
        above = (below + 1).clamp(max=size - 1)
        share = (places - below).view((-1, 1) if axis == 2 else (-1,))
        images = images.index_select(axis, below) * (1 - share) + images.index_select(axis, above) * share
    return images
