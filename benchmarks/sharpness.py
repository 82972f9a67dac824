"""How crisp are pocket pictures? Edge width, PSNR, LPIPS and Fréchet distance at 256×256 pixels against composed art.

    python -m benchmarks.sharpness                                      # the shipped decoder
    python -m benchmarks.sharpness --vae training/work/vae-256 --sheet sheet.png

Decoders are compared on the latents of composed pictures, and on latents that the shipped renderer draws of the same
scenes; no stage of the training was fitted on these scenes. Needs the training extra and the network of `ditpipe models
pull lpips`. On one core 300 pictures take some five minutes to draw, which are kept for the next run.

The edge width is that of Marziliano et al. (2002), between the ends of the monotonic rise across an edge, measured as
the rise over its steepest step: 1 is a step from one pixel to the next, and noise at the ends adds nothing.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from benchmarks import jobs
from ditpipe import RenderRequest
from ditpipe.renderer.metrics.frechet import frechet_distance
from ditpipe.renderer.metrics.lpips import Lpips
from ditpipe.renderer.metrics.networks import METRIC_NETWORKS, load_weights
from ditpipe.renderer.request import MAX_BATCH
from training.redrawn import plan_of
from training.scenes import random_scene
from training.world import Scene, paint

SIDE = 256
SEED = 77  # used by no stage of the training
RISE, LEVEL = 0.2, 2 / 255  # of brightness, 0 to 1: the least rise of an edge, and the least step that belongs to it
SHOWN = 20


def edge_widths(image: Tensor) -> np.ndarray:
    """Widths in pixels of the edges of a picture (3, height, width) in -1…1, across its rows and its columns."""
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    brightness = ((image + 1) / 2 * weights).sum(0).double().numpy()
    widths = []
    for lines in (brightness, brightness.T):
        steps = np.pad(np.diff(lines, axis=1), ((0, 0), (0, 1))).ravel()  # a 0 parts two lines
        direction = np.sign(steps) * (np.abs(steps) >= LEVEL)
        starts = np.flatnonzero(np.diff(direction, prepend=2))
        rise, steepest = np.add.reduceat(steps, starts), np.maximum.reduceat(np.abs(steps), starts)
        found = (direction[starts] != 0) & (np.abs(rise) >= RISE)
        widths.append(np.abs(rise[found]) / steepest[found])
    return np.concatenate(widths)


def composed(count: int) -> tuple[list[tuple[Scene, str]], Tensor]:
    """Held-out scenes with their arrangements, and their pictures (count, 3, 256, 256) in -1…1."""
    rng = np.random.default_rng(SEED)
    scenes = [random_scene(rng) for _ in range(count)]
    stack = np.stack([np.asarray(paint(scene, SIDE)) for scene, _ in scenes])
    return scenes, torch.from_numpy(stack).permute(0, 3, 1, 2).float() / 127.5 - 1


def drawn(scenes: list[tuple[Scene, str]], model: str) -> Tensor:
    """Latents (n, 8, 16, 16) that the renderer draws of the scenes, as its VAE decodes them; kept on disk."""
    known = jobs.fingerprint([*jobs.weights_of(model), *jobs.sources("renderer", "training")])
    path = jobs.WORK / f"sharpness-{len(scenes)}-{known}.pt"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        rng, renderer, latents = np.random.default_rng(SEED), jobs.renderer_of(model), []
        plans = [plan_of(*scene, rng) for scene in scenes]
        for first in track(range(0, len(plans), MAX_BATCH), "drawn"):
            requests = [RenderRequest(plan=plan, seed=first + i) for i, plan in enumerate(plans[first:][:MAX_BATCH])]
            latents += [result.latents for result in renderer.together(requests)]
        torch.save(torch.cat(latents) / renderer.pipe.vae.config.scaling_factor, path)
    return torch.load(path, weights_only=True)  # type: ignore[no-any-return]


def in_parts(compute: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.inference_mode():
        return torch.cat([compute(part) for part in x.split(10)])


def decoded(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """Pictures of 256×256 pixels with 8 bits, in -1…1; smaller ones are enlarged (bicubic)."""
    x = in_parts(lambda part: vae.decode(part).sample, latents)
    if x.shape[-1] < SIDE:
        x = F.interpolate(x, (SIDE, SIDE), mode="bicubic")
    return ((x.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def pictures_of(x: Tensor) -> list[Image.Image]:
    return [Image.fromarray(a) for a in ((x + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vae", type=Path, action="append", default=[], help="folder of another VAE of these latents")
    parser.add_argument("--model", default="pocket", help="the checkpoint that draws, and whose VAE is the first row")
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--sheet", type=Path, help=f"writes {SHOWN} scenes as composed and as each decoder draws them")
    args = parser.parse_args()
    scenes, art = composed(args.pictures)
    own = jobs.renderer_of(args.model).pipe.vae.float()
    vaes = {"own": own} | {str(folder): AutoencoderKL.from_pretrained(folder).float().eval() for folder in args.vae}
    given = load_weights(METRIC_NETWORKS["lpips"])
    lpips = Lpips({name.removeprefix("alex."): w for name, w in given.items() if name.startswith("alex.")}, "alex")

    def features(x: Tensor) -> Tensor:
        """AlexNet's last activations, means over the picture: (n, 256)."""
        return in_parts(lambda part: lpips.activations(part)[-1].mean((2, 3)), x)

    def width(x: Tensor) -> float:
        return float(np.concatenate([edge_widths(image) for image in x]).mean())

    small = own.config.sample_size
    resized = F.interpolate(art, (small, small), mode="area")
    encoded = in_parts(lambda part: own.encode(part).latent_dist.mode(), resized)
    latents = {"encoded": encoded, "drawn": drawn(scenes, args.model)}
    sharp, real = width(art), features(art)
    table = Table("latents", "decoder", "edge width", "of composed", "Fréchet", "PSNR", "LPIPS")
    table.add_row("", "composed art", f"{sharp:.2f}", "1.00", "0", "", "")
    columns = [art[:SHOWN]]
    for kind, z in latents.items():
        for name, vae in vaes.items():
            x = decoded(vae, z)
            columns += [x[:SHOWN]] if kind == "drawn" else []
            row = [f"{width(x):.2f}", f"{width(x) / sharp:.2f}", f"{frechet_distance(real, features(x)):.1f}"]
            if kind == "encoded":
                psnr = float((-10 * ((art - x) / 2).square().mean((1, 2, 3)).log10()).mean())
                near = torch.cat(
                    [in_parts(lambda a: lpips(a, b), a) for a, b in zip(art.split(10), x.split(10), strict=True)]
                )
                row += [f"{psnr:.2f}", f"{float(near.mean()):.3f}"]
            table.add_row(kind, name, *row)
    Console(width=120).print(table)
    if args.sheet:
        sheet = Image.new("RGB", (2 * len(columns) * SIDE, -(-SHOWN // 2) * SIDE))
        for across, x in enumerate(columns):
            for number, image in enumerate(pictures_of(x)):
                left = across + len(columns) * (number % 2)
                sheet.paste(image, (left * SIDE, number // 2 * SIDE))
        sheet.save(args.sheet)


if __name__ == "__main__":
    main()
