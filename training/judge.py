"""Trains the benchmarks' judge on region crops of composed pictures, and says how often it is right on unseen ones.

    python -m training.judge --minutes 6     # on one CPU core (OMP_NUM_THREADS=1); goes on where it stopped

A quarter of the pictures went through the VAE, and crops are blurred, noised and tinted, as a diffusion model's
pictures are; none was generated.
"""

import argparse
import json

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

from benchmarks.judging import COLOURS, NOTHING, SIDE, SUBJECTS, WEIGHTS, Judge, JudgeNet
from training import autoencoder
from training.critic import Cut, boxes_of, worn
from training.loop import pick_device, train
from training.scenes import random_scene
from training.world import BACKGROUNDS, Scene, paint

Example = tuple[int, str, Cut]  # picture, label ('red cat' or 'nothing'), box in 0–1 of the canvas


def examples(pictures: int, seed: int, *, decoded: float) -> tuple[list[Image.Image], list[Example]]:
    """Composed pictures, the share `decoded` of them after a round trip through the VAE, and their labelled boxes."""
    rng = np.random.default_rng(seed)
    images, found = [], []
    for index in range(pictures):
        scene, arrangement = random_scene(rng)
        if rng.random() < 0.1:
            scene, arrangement = Scene(str(rng.choice(BACKGROUNDS)), (), int(rng.integers(2**31))), "empty"
            found += [(index, NOTHING, box) for _, box in boxes_of(scene, arrangement, rng)]
        images.append(paint(scene))
        found += [(index, label, box) for label, box in boxes_of(scene, arrangement, rng)]
        if arrangement == "free":
            found += [(index, NOTHING, box) for box in _free_quarters(scene)[:1]]
    chosen = range(round(decoded * pictures))
    for start in chosen[::32]:
        rows = chosen[start : start + 32]
        images[start : start + len(rows)] = _through_vae([images[i] for i in rows], rng)
    return images, found


def _free_quarters(scene: Scene) -> list[Cut]:
    """Quarters of the canvas that the scene's one thing does not reach."""
    thing, reach = scene.things[0], scene.things[0].size / 2 + 0.02
    return [
        (x, y, x + 0.5, y + 0.5)
        for x in (0.0, 0.5)
        for y in (0.0, 0.5)
        if not (x - reach < thing.x < x + 0.5 + reach and y - reach < thing.y < y + 0.5 + reach)
    ]


@torch.no_grad()
def _through_vae(images: list[Image.Image], rng: np.random.Generator) -> list[Image.Image]:
    """Encoded, a little noised, and decoded again."""
    vae = _vae()
    device = next(vae.parameters()).device
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)
    with torch.autocast(device.type, torch.bfloat16):
        latents = vae.encode(pixels.to(device).float() / 127.5 - 1).latent_dist.mode()
        noise = torch.from_numpy(rng.uniform(0, 0.3, (len(images), 1, 1, 1))).to(latents) * torch.randn_like(latents)
        out = vae.decode(latents + noise).sample.float().clamp(-1, 1).cpu()
    arrays = ((out + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return [Image.fromarray(array) for array in arrays]


_loaded: list[torch.nn.Module] = []


def _vae():
    if not _loaded:
        _loaded.append(autoencoder.load().to(memory_format=torch.channels_last))
    return _loaded[0]


def crop(image: Image.Image, box: Cut, rng: np.random.Generator | None = None) -> np.ndarray:
    """The box as uint8 (48, 48, 3); with `rng` its edges are moved by up to 6% of its sides."""
    edges = np.array(box)
    if rng is not None:
        width, height = box[2] - box[0], box[3] - box[1]
        edges = np.clip(edges + rng.uniform(-0.06, 0.06, 4) * (width, height, width, height), 0, 1)
    scaled = tuple(float(edge) for edge in edges * image.width)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=scaled))


def stacked(crops: list[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 127.5 - 1


def targets(labels: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Subject and colour numbers; 'nothing' is the last subject, and its colour -100, which no loss counts."""
    words = [label.split() for label in labels]
    subjects = [len(SUBJECTS) if label == NOTHING else SUBJECTS.index(word[1]) for label, word in zip(labels, words)]
    colours = [-100 if label == NOTHING else COLOURS.index(word[0]) for label, word in zip(labels, words)]
    return torch.tensor(subjects), torch.tensor(colours)


def accuracy(judge: Judge, images: list[Image.Image], found: list[Example]) -> dict[str, float]:
    """Shares of boxes whose subject, colour (of what is there), and both are right."""
    seen = judge.name(stacked([crop(images[i], box) for i, _, box in found]))
    asked = [label.split() for _, label, _ in found]
    there = [(s, a) for s, a in zip(seen, asked, strict=True) if len(a) == 2]
    return {
        "both": round(float(np.mean([str(s) == " ".join(a) for s, a in zip(seen, asked, strict=True)])), 4),
        "subject": round(float(np.mean([s.subject == a[-1] for s, a in zip(seen, asked, strict=True)])), 4),
        "colour": round(float(np.mean([s.colour == a[0] for s, a in there])), 4),
        "crops": len(found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--pictures", type=int, default=12_000)
    args = parser.parse_args()
    torch.manual_seed(0)
    device, rng = pick_device(), np.random.default_rng()
    images, found = examples(args.pictures, seed=21, decoded=0.25)
    held_out = examples(1000, seed=22, decoded=0.0)
    decoded = examples(500, seed=23, decoded=1.0)
    net = JudgeNet().to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=0.02)

    def loss_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rows = [found[i] for i in rng.integers(0, len(found), args.batch)]
        x = worn(stacked([crop(images[i], box, rng) for i, _, box in rows]).to(device), rng)
        subjects, colours = (y.to(device) for y in targets([label for _, label, _ in rows]))
        with torch.autocast(device.type, torch.bfloat16):
            says_subject, says_colour = net(x)
        loss = F.cross_entropy(says_subject.float(), subjects, label_smoothing=0.02)
        return loss + F.cross_entropy(says_colour.float(), colours, label_smoothing=0.02), {}

    def on_checkpoint(step: int, weights: dict[str, torch.Tensor]) -> dict[str, float]:
        probe = JudgeNet()
        probe.load_state_dict({name: value.cpu() for name, value in weights.items()})
        return accuracy(Judge(probe), *held_out)

    weights = train(
        "judge", net, [optimiser], loss_of, steps=args.steps, minutes=args.minutes, ema=0.998, every=250,
        on_checkpoint=on_checkpoint,
    )  # fmt: skip
    WEIGHTS.parent.mkdir(exist_ok=True)
    save_file({name: value.half().cpu().contiguous() for name, value in weights.items()}, WEIGHTS)
    figures = {"composed": accuracy(Judge.load(), *held_out), "decoded": accuracy(Judge.load(), *decoded)}
    (WEIGHTS.parent / "accuracy.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
