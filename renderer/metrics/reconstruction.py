"""Compares pictures with what came back of them: PSNR, SSIM, LPIPS, and the features that an rFID is made of."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from ...prompts.errors import ModelError, RunError
from ..checkpoints.load import placement
from ..pictures.artifacts import open_image
from .inception import FEATURES, Inception
from .lpips import Lpips, Net
from .networks import METRIC_NETWORKS, load_weights


@dataclass(frozen=True)
class PictureMetrics:
    """lpips, inception: None if they are not asked for."""

    names: Collection[str]
    device: torch.device
    lpips: Lpips | None = None
    inception: Inception | None = None

    @classmethod
    def load(cls, names: Collection[str], *, net: Net = "alex", device: str | None = None) -> PictureMetrics:
        """names: some of psnr, ssim, lpips, rfid. Raises ModelError for what is not installed or not fetched."""
        try:
            import torchmetrics.functional.image  # noqa: F401
        except ImportError as error:
            raise ModelError('PSNR and SSIM are torchmetrics\': pip install "ditpipe[evaluate]"') from error
        place, _ = placement(device)
        lpips = inception = None
        if "lpips" in names:
            given = load_weights(METRIC_NETWORKS["lpips"], device=str(place))
            own = {name.removeprefix(f"{net}."): w for name, w in given.items() if name.startswith(f"{net}.")}
            lpips = Lpips(own, net)
        if "rfid" in names:
            inception = Inception(load_weights(METRIC_NETWORKS["inception"], device=str(place)))
        return cls(names, place, lpips, inception)

    @torch.inference_mode()
    def compare(self, originals: Tensor, returned: Tensor) -> dict[str, float | None]:
        """Two pictures (1, 3, height, width) in -1…1 → psnr in dB (None if they are equal), ssim, lpips, if chosen."""
        from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

        first, second = originals.to(self.device), returned.to(self.device)
        a, b = (first + 1) / 2, (second + 1) / 2
        found: dict[str, float | None] = {}
        if "psnr" in self.names:
            same = torch.equal(first, second)
            found["psnr"] = None if same else peak_signal_noise_ratio(b, a, data_range=1.0).item()
        if "ssim" in self.names:
            ssim = structural_similarity_index_measure(b, a, data_range=1.0)
            assert isinstance(ssim, Tensor)
            found["ssim"] = ssim.item()
        if self.lpips:
            with exact():
                found["lpips"] = self.lpips(first, second).item()
        return found

    @torch.inference_mode()
    def features(self, images: Tensor) -> np.ndarray:
        """A picture (1, 3, height, width) in -1…1 → its Inception features (2048,)."""
        assert self.inception
        with exact():
            found: np.ndarray = self.inception(eight_bits(images.to(self.device)))[0].cpu().numpy()
        return found

    def rounded(self, images: Tensor) -> Tensor:
        """Pictures in -1…1 as they are after they were saved with 8 bits."""
        return eight_bits(images) / 127.5 - 1


def exact() -> AbstractContextManager[None]:
    """Convolutions in full 32 bits, where a GPU would round to 19 (TF32)."""
    flags: AbstractContextManager[None] = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    return flags


def eight_bits(images: Tensor) -> Tensor:
    """-1…1 → 0…255, whole numbers, as floats."""
    return ((images + 1) * 127.5).round()


def as_batch(path: Path, size: int) -> Tensor:
    """The middle square of a picture file, `size` pixels a side: (1, 3, size, size) in -1…1. Raises RunError."""
    picture = ImageOps.fit(open_image(path), (size, size), Image.Resampling.LANCZOS)
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None].float() / 127.5 - 1


def as_picture(images: Tensor) -> Image.Image:
    """(1, 3, height, width) in -1…1 → RGB."""
    return Image.fromarray(eight_bits(images)[0].permute(1, 2, 0).byte().cpu().numpy())


def read_features(paths: Sequence[Path]) -> Tensor:
    """Files of features → (n, 2048). Raises RunError if one is missing or holds something else."""
    found = np.empty((len(paths), FEATURES), np.float32)
    for row, path in zip(found, paths, strict=True):
        try:
            row[:] = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise RunError(f"{path} is missing or broken: measure again, with another --out") from error
    return torch.from_numpy(found)
