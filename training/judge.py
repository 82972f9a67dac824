"""Trains the benchmarks' judges on composed pictures, and measures their accuracy on held-out ones.

    python -m training.judge --minutes 6              # region crops, on one CPU core; resumes
    python -m training.judge --scenes --minutes 5     # whole pictures: background, light, style

A quarter of the pictures is encoded and decoded by the VAE, and crops are blurred, noised and tinted, to resemble those
of a diffusion model; none is generated.
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.torch import save_file

from ditpipe.renderer.metrics import pocket_labels as labels
from ditpipe.renderer.metrics.pocket_judge import (
    SCENE_SIDE,
    SCENE_WEIGHTS,
    SIDE,
    WEIGHTS,
    Judge,
    JudgeNet,
    SceneJudge,
    SceneNet,
)
from ditpipe.renderer.metrics.pocket_labels import COLOURS, NOTHING, PATTERNS, SUBJECTS
from training import autoencoder
from training.critic import Cut, augmented, boxes_of, label_of
from training.loop import mixed_precision, pick_device, train
from training.scenes import random_scene
from training.world import BACKGROUNDS, Scene, Thing, paint

Net = TypeVar("Net", JudgeNet, SceneNet)
Loss = Callable[[int], tuple[torch.Tensor, dict[str, float]]]
SceneLabels = tuple[str, str, str | None]  # background, light and style of a whole picture
Example = tuple[int, Thing | None, Cut]  # picture, what is in the box or None, the box in 0–1 of the canvas


def examples(pictures: int, seed: int, *, decoded: float) -> tuple[list[Image.Image], list[Example]]:
    """Composed pictures, the share `decoded` of them after a round trip through the VAE, and their labelled boxes."""
    rng = np.random.default_rng(seed)
    images, found = [], []
    for index in range(pictures):
        scene, arrangement = random_scene(rng)
        if rng.random() < 0.1:
            scene, arrangement = Scene(str(rng.choice(BACKGROUNDS)), (), int(rng.integers(2**31))), "empty"
            found += [(index, None, box) for _, box in boxes_of(scene, arrangement, rng)]
        images.append(paint(scene))
        found += [(index, thing, box) for thing, box in boxes_of(scene, arrangement, rng)]
        if arrangement in ("free", "scatter"):
            found += [(index, None, box) for box in _free_quarters(scene)[:1]]
    chosen = range(round(decoded * pictures))
    for start in chosen[::32]:
        rows = chosen[start : start + 32]
        images[start : start + len(rows)] = _through_vae([images[i] for i in rows], rng)
    return images, found


def _free_quarters(scene: Scene) -> list[Cut]:
    """Quarters of the canvas that no thing of the scene reaches."""

    def reaches(thing: Thing, x: float, y: float) -> bool:
        reach = thing.size / 2 + 0.02
        return x - reach < thing.x < x + 0.5 + reach and y - reach < thing.y < y + 0.5 + reach

    corners = [(x, y) for x in (0.0, 0.5) for y in (0.0, 0.5)]
    return [(x, y, x + 0.5, y + 0.5) for x, y in corners if not any(reaches(thing, x, y) for thing in scene.things)]


@torch.no_grad()
def _through_vae(images: list[Image.Image], rng: np.random.Generator) -> list[Image.Image]:
    """Encoded, a little noised, and decoded again."""
    vae = _vae()
    device = next(vae.parameters()).device
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)
    with mixed_precision(device):
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


def targets(things: list[Thing | None]) -> list[torch.Tensor]:
    """Numbers of subject, colour and pattern; 'nothing' is the last subject, its colour -100, which no loss counts."""
    subjects = [SUBJECTS.index(thing.subject) if thing else len(SUBJECTS) for thing in things]
    colours = [COLOURS.index(thing.colour) if thing else -100 for thing in things]
    patterns = [PATTERNS.index(thing.pattern) if thing else -100 for thing in things]
    return [torch.tensor(numbers) for numbers in (subjects, colours, patterns)]


def accuracy(judge: Judge, images: list[Image.Image], found: list[Example]) -> dict[str, float]:
    """Shares of boxes whose subject, colour and pattern (of what is there), and subject and colour, are right."""
    pieces = stacked([crop(images[i], box) for i, _, box in found])
    seen, asked = judge.name(pieces), [thing for _, thing, _ in found]
    there = [(s, p, a) for s, p, a in zip(seen, judge.patterns(pieces), asked, strict=True) if a]
    return {
        "both": round(float(np.mean([str(s) == label_of(a) for s, a in zip(seen, asked, strict=True)])), 4),
        "subject": round(
            float(np.mean([s.subject == (a.subject if a else NOTHING) for s, a in zip(seen, asked, strict=True)])), 4
        ),
        "colour": round(float(np.mean([s.colour == a.colour for s, _, a in there])), 4),
        "pattern": round(float(np.mean([p == a.pattern for _, p, a in there])), 4),
        "crops": len(found),
    }


def scene_of(scene: Scene) -> SceneLabels:
    """Background, light and style of a composed picture; no style where its things have none or several."""
    styles = {thing.style for thing in scene.things}
    return scene.background, scene.light, styles.pop() if len(styles) == 1 else None


def whole_pictures(pictures: int, seed: int, *, decoded: float) -> tuple[torch.Tensor, list[SceneLabels]]:
    """Composed pictures (n, 64, 64, 3) as uint8, the share `decoded` of them after the VAE, and what each shows."""
    rng = np.random.default_rng(seed)
    scenes = [random_scene(rng)[0] for _ in range(pictures)]
    small = []
    for start in range(0, pictures, 32):
        images = [paint(scene) for scene in scenes[start : start + 32]]
        if start < decoded * pictures:
            images = _through_vae(images, rng)
        small += [np.asarray(image.resize((SCENE_SIDE, SCENE_SIDE), Image.Resampling.BILINEAR)) for image in images]
    return torch.from_numpy(np.stack(small)), [scene_of(scene) for scene in scenes]


def scene_accuracy(judge: SceneJudge, pixels: torch.Tensor, right: list[SceneLabels]) -> dict[str, float]:
    """Shares of pictures whose background, light and style (of those that have one) are right."""
    seen = judge.name(pixels.permute(0, 3, 1, 2) / 127.5 - 1)
    shares: dict[str, float] = {"pictures": len(seen)}
    for number, part in enumerate(("background", "light", "style")):
        pairs = [(getattr(label, part), row[number]) for label, row in zip(seen, right, strict=True) if row[number]]
        shares[part] = round(float(np.mean([actual == expected for actual, expected in pairs])), 4)
    return shares


def train_scenes(args: argparse.Namespace) -> None:
    """The judge of whole pictures."""
    device, rng = pick_device(), np.random.default_rng()
    pixels, right = whole_pictures(args.pictures, seed=31, decoded=0.25)
    held_out = whole_pictures(1000, seed=32, decoded=0.0)
    decoded = whole_pictures(512, seed=33, decoded=1.0)
    numbers = torch.tensor(
        [
            (
                labels.BACKGROUNDS.index(b),
                labels.LIGHTS.index(light),
                labels.STYLES.index(style) if style else -100,
            )
            for b, light, style in right
        ]
    )
    net = SceneNet().to(device, memory_format=torch.channels_last)

    def loss_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rows = torch.from_numpy(rng.integers(0, len(pixels), args.batch))
        x = augmented((pixels[rows].permute(0, 3, 1, 2) / 127.5 - 1).to(device), rng)
        if rng.random() < 0.5:
            x = x.flip(3)
        with mixed_precision(device):
            logits = net(x)
        losses = [
            F.cross_entropy(part.float(), y.to(device), label_smoothing=0.02)
            for part, y in zip(logits, numbers[rows].T, strict=True)
        ]
        return torch.stack(losses).sum(), {}

    weights = trained("scene-judge", net, loss_of, lambda probe: scene_accuracy(SceneJudge(probe), *held_out), args)
    publish(SCENE_WEIGHTS, weights)
    judge = SceneJudge.load()
    record({"scenes": scene_accuracy(judge, *held_out), "decoded scenes": scene_accuracy(judge, *decoded)})


def trained(
    name: str, net: Net, loss_of: Loss, measured: Callable[[Net], dict[str, float]], args: argparse.Namespace
) -> dict[str, torch.Tensor]:
    """Trains the net of either judge; a checkpoint reports what is `measured` of it. Returns the weights to ship."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=0.02)

    def on_checkpoint(step: int, weights: dict[str, torch.Tensor]) -> dict[str, float]:
        probe = type(net)()
        probe.load_state_dict({name: value.cpu() for name, value in weights.items()})
        return measured(probe)

    return train(
        name, net, [optimiser], loss_of, steps=args.steps, minutes=args.minutes, ema=0.998, every=250,
        on_checkpoint=on_checkpoint,
    )  # fmt: skip


def publish(path: Path, weights: dict[str, torch.Tensor]) -> None:
    path.parent.mkdir(exist_ok=True)
    save_file({name: value.half().cpu().contiguous() for name, value in weights.items()}, path)


def record(figures: dict[str, dict[str, float]]) -> None:
    """Adds figures to accuracy.json and prints them."""
    path = WEIGHTS.parent / "accuracy.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | figures, indent=1) + "\n")
    print(json.dumps(figures))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6)
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--pictures", type=int, default=12_000)
    parser.add_argument("--scenes", action="store_true", help="the judge of whole pictures instead")
    args = parser.parse_args()
    torch.manual_seed(0)
    if args.scenes:
        return train_scenes(args)
    device, rng = pick_device(), np.random.default_rng()
    images, found = examples(args.pictures, seed=21, decoded=0.25)
    held_out = examples(1000, seed=22, decoded=0.0)
    decoded = examples(500, seed=23, decoded=1.0)
    net = JudgeNet().to(device, memory_format=torch.channels_last)

    def loss_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rows = [found[i] for i in rng.integers(0, len(found), args.batch)]
        x = augmented(stacked([crop(images[i], box, rng) for i, _, box in rows]).to(device), rng)
        right = targets([thing for _, thing, _ in rows])
        with mixed_precision(device):
            logits = net(x)
        pairs = zip(logits, right, strict=True)
        losses = [F.cross_entropy(part.float(), y.to(device), label_smoothing=0.02) for part, y in pairs]
        return torch.stack(losses).sum(), {}

    weights = trained("judge", net, loss_of, lambda probe: accuracy(Judge(probe), *held_out), args)
    publish(WEIGHTS, weights)
    record({"composed": accuracy(Judge.load(), *held_out), "decoded": accuracy(Judge.load(), *decoded)})


if __name__ == "__main__":
    main()
