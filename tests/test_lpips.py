"""LPIPS on arrays of the package's shapes, and the unpickler that reads nothing but numpy arrays."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.lpips import Lpips, NumpyOnly

KERNELS = ((11, 3, 64), (5, 64, 192), (3, 192, 384), (3, 384, 256), (3, 256, 256))  # side, channels in, channels out


@pytest.fixture(scope="module")
def lpips() -> Lpips:
    rng = np.random.default_rng(0)
    arrays: dict[str, Any] = {"AlexNet_0": {}}
    for i, (side, before, after) in enumerate(KERNELS):
        kernel = rng.normal(size=(side, side, before, after)).astype(np.float32) / side
        arrays["AlexNet_0"][f"Conv_{i}"] = {"kernel": kernel, "bias": np.zeros(after, np.float32)}
        arrays[f"NetLinLayer_{i}"] = {"Conv_0": {"kernel": np.ones((1, 1, after, 1), np.float32)}}
    return Lpips(arrays)


def test_the_same_picture_has_no_distance_and_more_noise_has_more(lpips: Lpips) -> None:
    picture = torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 2 - 1
    noise = torch.randn(picture.shape, generator=torch.Generator().manual_seed(1))
    distances = [lpips(picture, picture + amount * noise) for amount in (0, 0.05, 0.5)]
    assert distances[0].tolist() == [0, 0] and distances[0].shape == (2,)
    assert (distances[0] < distances[1]).all() and (distances[1] < distances[2]).all()


def test_unit_features_and_heads_of_one_cannot_be_further_apart_than_two_a_layer(lpips: Lpips) -> None:
    black, white = torch.full((1, 3, 64, 64), -1.0), torch.full((1, 3, 64, 64), 1.0)
    assert 0 < lpips(black, white).item() <= 2 * len(KERNELS)


def test_only_arrays_are_unpickled() -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    old = pickle.dumps({"a": array}, protocol=3).replace(b"numpy._core", b"numpy.core")  # as written by numpy 1
    assert (NumpyOnly(io.BytesIO(old)).load()["a"] == array).all()
    with pytest.raises(pickle.UnpicklingError, match="PosixPath|Path"):
        NumpyOnly(io.BytesIO(pickle.dumps(Path("x")))).load()
