"""Reconstruction by the VAE: PSNR, SSIM and LPIPS on held-out compositions.

    python -m benchmarks.autoencoder          # 1,000 pictures; needs the training extra (it composes them)

Writes docs/autoencoder.md.
"""

import argparse

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

from benchmarks import jobs, pages
from benchmarks.lpips import Lpips, weights
from training.autoencoder import pictures

SEED = 77  # used by no stage of the training
BATCH = 50


def measures(images: Tensor, returned: Tensor, lpips: Lpips) -> dict[str, Tensor]:
    """Per picture: PSNR in dB, SSIM (1 at best), LPIPS (0 at best). Pictures: (n, 3, height, width) in -1…1."""
    first, second = (images + 1) / 2, (returned + 1) / 2
    psnr = peak_signal_noise_ratio(second, first, data_range=1.0, dim=(1, 2, 3), reduction="none")
    ssim = structural_similarity_index_measure(second, first, data_range=1.0, reduction="none")
    assert isinstance(ssim, Tensor)
    return {"PSNR": psnr, "SSIM": ssim, "LPIPS": lpips(images, returned)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--model", default="pocket", help="a name from `ditpipe models`, or a folder")
    parser.add_argument("--no-write", action="store_true", help="print only, leave docs/ as it is")
    args = parser.parse_args()
    pipe, lpips = jobs.renderer_of(args.model).pipe, Lpips(weights())
    values_by_measure: dict[str, list[Tensor]] = {}
    for batch in track(pictures(args.pictures, seed=SEED).split(BATCH), "autoencoder"):
        x = batch.to(pipe.device, pipe.vae.dtype) / 127.5 - 1
        with torch.inference_mode():
            returned = pipe.vae.decode(pipe.vae.encode(x).latent_dist.mode()).sample.clamp(-1, 1)
        for name, values in measures(x.float().cpu(), returned.float().cpu(), lpips).items():
            values_by_measure.setdefault(name, []).append(values)
    lines = [["", "mean", "worst 5%"]]
    for name, parts in values_by_measure.items():
        values = torch.cat(parts).numpy()
        worst = np.quantile(values, 0.95 if name == "LPIPS" else 0.05)
        digits = 1 if name == "PSNR" else 3
        lines.append([name, f"{values.mean():.{digits}f}", f"{worst:.{digits}f}"])
    text = pages.markdown(lines)
    console = Console()
    console.print(text, markup=False)
    if not args.no_write:
        (pages.DOCS / "autoencoder.md").write_text(
            f"""# Reconstruction by the VAE

`python -m benchmarks.autoencoder`: {args.pictures:,} held-out compositions, encoded and decoded (no sampling).

{text}

PSNR in dB; SSIM with a Gaussian window of 11 pixels; LPIPS by AlexNet with its published heads. "Worst 5%": one
picture in twenty is worse than this.
"""
        )
        console.print(f"wrote {pages.DOCS / 'autoencoder.md'}", markup=False)


if __name__ == "__main__":
    main()
