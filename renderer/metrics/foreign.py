"""Reads weights out of other projects' files as data: pickled numpy arrays, and the tensors of a TorchScript archive.

Neither pickle's own loader nor TorchScript's is used, both of which can run what a file says.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np

ARRAY_PARTS = {
    ("numpy", "ndarray"): np.ndarray, ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # it moved in numpy 2
}  # fmt: skip


class ArrayUnpickler(pickle.Unpickler):
    """Reads numpy arrays and what they are kept in. Raises UnpicklingError for anything else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return ARRAY_PARTS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a numpy array") from None


class Namespace(dict[str, Any]):
    """A module of a TorchScript archive: its attributes and nothing else."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.update(state)


class ScriptUnpickler(pickle.Unpickler):
    """Reads the object of a TorchScript archive as nested namespaces of float32 arrays. Raises UnpicklingError for
    anything else."""

    def __init__(self, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{folder}/data.pkl")))
        self.archive, self.folder = archive, folder

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "__torch__":
            return Namespace
        known = {
            ("torch._utils", "_rebuild_tensor_v2"): _array, ("torch", "FloatStorage"): np.float32,
            ("collections", "OrderedDict"): OrderedDict, ("torch.jit._pickle", "build_intlist"): list,
        }  # fmt: skip
        try:
            return known[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not part of a module's weights") from None

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, key, _, count = pid
        return np.frombuffer(self.archive.read(f"{self.folder}/data/{int(key)}"), dtype, int(count))


def _array(storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> np.ndarray:
    strides_in_bytes = tuple(step * storage.itemsize for step in strides)
    end = offset + sum((side - 1) * step for side, step in zip(shape, strides, strict=True))
    if offset < 0 or min(strides, default=0) < 0 or end >= len(storage):
        raise pickle.UnpicklingError("a tensor reaches beyond its storage")
    return np.lib.stride_tricks.as_strided(storage[offset:], shape, strides_in_bytes, writeable=False)


def script_weights(data: bytes) -> dict[str, np.ndarray]:
    """The tensors of a TorchScript archive by dotted names. Raises UnpicklingError or BadZipFile."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        (folder,) = {name.split("/")[0] for name in archive.namelist()}
        module = ScriptUnpickler(archive, folder).load()
    return dict(_flat(module))


def _flat(module: Any, prefix: str = "") -> list[tuple[str, np.ndarray]]:
    found = []
    for name, value in module.items():
        if isinstance(value, Namespace):
            found += _flat(value, f"{prefix}{name}.")
        elif isinstance(value, np.ndarray):
            found.append((f"{prefix}{name}", value))
    return found
