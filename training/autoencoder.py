"""Trains the VAE that defines the pocket latents: AutoencoderKL of 128×128 pixels, 8× down, 8 channels, on crops.

    python -m training.autoencoder --steps 6000      # about 20 minutes on 2 CPU cores

It does not ship: `training.autoencoder_256` makes one of 256×256 pixels for the same latents, which every later stage
takes. Latents of other weights are other latents: train this one only to begin everything anew.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file

from training.artwork import SHIPPED, WORK
from training.loop import mixed_precision, pick_device, train
from training.scenes import random_scene
from training.world import paint

SIZE = 128
FOLDER = WORK / "vae"
LARGE = WORK / "vae-256"  # what `training.autoencoder_256` makes of it
CELL = 16  # pixels a side of a latent cell of that one


def build() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=8, sample_size=SIZE,
        block_out_channels=(16, 32, 64, 64), layers_per_block=1, norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        mid_block_add_attention=False,
    )  # fmt: skip


def pictures(count: int, seed: int, size: int = SIZE) -> torch.Tensor:
    """Composed pictures as uint8, shape (count, 3, size, size)."""
    rng = np.random.default_rng(seed)
    out = np.stack([np.asarray(paint(random_scene(rng)[0], size)) for _ in range(count)])
    return torch.from_numpy(out).permute(0, 3, 1, 2).contiguous()


def psnr(vae: AutoencoderKL, images: torch.Tensor) -> float:
    """Mean PSNR in dB of the round trip, for uint8 images."""
    device = next(vae.parameters()).device
    values = []
    with torch.no_grad():
        for batch in images.split(50):
            x = batch.to(device).float() / 127.5 - 1
            y = vae.decode(vae.encode(x).latent_dist.mode()).sample.clamp(-1, 1)
            error = ((x - y) / 2).square().mean(dim=(1, 2, 3))
            values.append(-10 * error.log10())
    return float(torch.cat(values).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, default=64)
    parser.add_argument("--minutes", type=float)
    args = parser.parse_args()
    torch.manual_seed(0)
    device = pick_device()
    vae = build().to(device)
    train_set, held_out = pictures(8000, seed=1), pictures(200, seed=2)
    optimiser = torch.optim.AdamW(vae.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.0)
    rng = np.random.default_rng()

    def loss_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rows = rng.integers(0, len(train_set), args.batch)
        corners = rng.integers(0, SIZE - args.crop + 1, (args.batch, 2))
        crops = [train_set[i, :, y : y + args.crop, x : x + args.crop] for i, (y, x) in zip(rows, corners, strict=True)]
        x = torch.stack(crops).to(device).float() / 127.5 - 1
        with mixed_precision(device):
            posterior = vae.encode(x).latent_dist
            y = vae.decode(posterior.sample()).sample
        error = y.float() - x
        kl = posterior.kl().float().mean() / posterior.mean[0].numel()
        loss = error.abs().mean() + 2 * error.square().mean() + 1e-4 * kl
        return loss, {"kl": float(kl.detach())}

    def on_checkpoint(step: int, weights: dict[str, torch.Tensor]) -> dict[str, float]:
        probe = build().to(device)
        probe.load_state_dict(weights)
        return {"psnr": psnr(probe.eval(), held_out)}

    weights = train(
        "vae", vae, [optimiser], loss_of, steps=args.steps, minutes=args.minutes, ema=0.998, on_checkpoint=on_checkpoint
    )
    vae.load_state_dict(weights)
    vae.eval()
    with torch.no_grad():
        latents = torch.cat(
            [vae.encode(b.to(device).float() / 127.5 - 1).latent_dist.mode() for b in train_set[:1000].split(50)]
        )
    vae.register_to_config(scaling_factor=round(1 / float(latents.std()), 5))
    vae.save_pretrained(FOLDER)
    print(json.dumps({"psnr": psnr(vae, held_out), "scaling_factor": vae.config.scaling_factor}))


def load(trained: Path = LARGE) -> AutoencoderKL:
    """The VAE of a folder if one was trained there, else the shipped one, in float32 on the device at hand."""
    folder = trained if (trained / "config.json").exists() else SHIPPED / "vae"
    vae = AutoencoderKL.from_config(AutoencoderKL.load_config(folder))
    vae.load_state_dict(load_file(folder / "diffusion_pytorch_model.safetensors"))
    return vae.eval().float().to(pick_device())


if __name__ == "__main__":
    main()
