"""8-bit weights: matrices of linear layers in int8 or float8 with one scale per row, dequantized on use."""

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Format = Literal["full", "int8", "fp8"]
_LARGEST = {torch.int8: 127.0, torch.float8_e4m3fn: 448.0}
SMALL = 4096  # matrices with fewer elements are not quantized


class QuantizedLinear(nn.Module):
    """nn.Linear with an 8-bit weight. It computes in the dtype of its input."""

    quantized: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear, dtype: torch.dtype) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        weight = linear.weight.detach()
        largest = _LARGEST[dtype]
        # The scale is rounded to the weight's dtype before the division, so that rounding does not bias the whole row.
        scale = (weight.float().abs().amax(1, keepdim=True) / largest).to(weight.dtype)
        quantized = (weight.float() / scale.float()).nan_to_num(0).clamp(-largest, largest)  # 0 / 0 in a row of zeros
        self.register_buffer("quantized", (quantized.round() if dtype == torch.int8 else quantized).to(dtype))
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    @property
    def weight(self) -> Tensor:
        """The dequantized matrix, (out, in)."""
        return self.quantized.to(self.scale.dtype) * self.scale

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight.to(x.dtype), self.bias)


def quantize_linears(model: nn.Module, weights: Format) -> None:
    """Quantizes the linear layers of a model in place. Convolutions, norms and embeddings are not changed."""
    if weights == "full":
        return
    dtype = torch.int8 if weights == "int8" else torch.float8_e4m3fn
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Linear and child.weight.numel() >= SMALL:
                setattr(module, name, QuantizedLinear(child, dtype))
