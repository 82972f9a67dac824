"""Training data of the pocket transformer: composed pictures as latents, and batches of them with captions."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain

import numpy as np
import torch

from training import autoencoder
from training.artwork import WORK, icons
from training.captions import caption, cell_at, name_of, place_of
from training.loop import mixed_precision, pick_device, save_atomically
from training.scenes import random_scene, regions_of
from training.text import LENGTH
from training.world import Scene, paint


@dataclass(frozen=True)
class Words:
    """Texts as tokens: ids and mask (texts, 77), the longest of the texts; NumPy arrays, as workers make them."""

    ids: np.ndarray
    mask: np.ndarray
    longest: int


@dataclass(frozen=True)
class Drawn:
    """A batch: rows of the latents, timesteps, the texts of the shallow blocks, and of those from block `turn` on.

    regions: indices of each picture's texts in `deep` (B, regions), and the region of every token (B, tokens), 0 for
    none; None if `deep` holds other captions of the whole pictures.
    """

    rows: np.ndarray
    times: np.ndarray
    shallow: Words
    turn: int = 0
    deep: Words | None = None
    regions: tuple[np.ndarray, np.ndarray] | None = None


class Drawing:
    """Draws eight batches at a time from the composed scenes: pictures, captions, region prompts and their boxes.

    The examples of eight batches are sorted by length before they are split, since most captions are short.
    """

    def __init__(
        self, scenes: list[tuple[Scene, str]], tokenizer, *, batch: int, side: int, blocks: int, regional: bool
    ) -> None:
        self.scenes, self.tokenizer, self.batch, self.side = scenes, tokenizer, batch, side
        self.blocks, self.regional = blocks, regional
        chance = np.array(
            [1 + (regional and arrangement in ("nine", "scatter", "line", "before")) for _, arrangement in scenes]
        )
        self.chance = chance / chance.sum()

    def __call__(self, number: int) -> list[Drawn]:
        rng = np.random.default_rng([7, number])
        rows = rng.choice(len(self.scenes), 8 * self.batch, p=self.chance)
        texts = self.wordings(rows, rng)
        lengths = [len(text) or rng.random() * 200 for text in texts]
        order = rng.permutation(np.argsort(lengths).reshape(8, self.batch))
        return [self.one(turn, rows[some], [texts[i] for i in some], rng) for turn, some in enumerate(order)]

    def one(self, turn: int, rows: np.ndarray, texts: list[str], rng: np.random.Generator) -> Drawn:
        times = (rng.permutation(self.batch) + rng.random(self.batch)) * 1000 / self.batch
        whole = partial(Drawn, rows, times.astype(np.int64), self.words(texts))
        if self.regional and turn % 4:
            prompts, *regions = self.region_prompts(rows, rng)
            return whole(int(rng.integers(0, self.blocks)), self.words(prompts), tuple(regions))
        if turn < 4:
            others = [text and other for text, other in zip(texts, self.wordings(rows, rng), strict=True)]
            return whole(int(rng.integers(1, self.blocks)), self.words(others))
        return whole()

    def words(self, texts: list[str]) -> Words:
        tokens = self.tokenizer(texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="np")
        return Words(tokens["input_ids"], tokens["attention_mask"], int(tokens["attention_mask"].sum(1).max()))

    def wordings(self, rows: np.ndarray, rng: np.random.Generator) -> list[str]:
        """Captions; one in ten is "", for classifier-free guidance."""
        return ["" if rng.random() < 0.1 else caption(*self.scenes[i], rng) for i in rows]

    def region_prompts(self, rows: np.ndarray, rng: np.random.Generator) -> tuple[list[str], np.ndarray, np.ndarray]:
        """The prompts of all things, their indices per picture, and the region of every token."""
        texts, places, boxes = [""], [], []
        for scene, arrangement in (self.scenes[i] for i in rows):
            boxes.append(regions_of(scene, arrangement, rng))
            places.append([])
            for thing, box in zip(scene.things, boxes[-1], strict=True):
                where = place_of(cell_at(*((box[i] + box[i + 2]) / 2 for i in (0, 1))), rng)
                places[-1].append(len(texts))
                texts.append(name_of(thing, rng).removeprefix("a ") + (f" {where}" if rng.random() < 0.4 else ""))
        most = max(len(row) for row in places)
        which = np.array([row + [0] * (most - len(row)) for row in places])
        centre = (np.arange(self.side) + 0.5) / self.side
        owner = np.zeros((len(rows), self.side, self.side), dtype=np.int64)
        for at, some in enumerate(boxes):
            for number, (left, top, right, bottom) in enumerate(some, start=1):
                down, across = (centre >= top) & (centre < bottom), (centre >= left) & (centre < right)
                owner[at][down[:, None] & across[None, :]] = number
        return texts, which, owner.reshape(len(rows), -1)


def hundred(seed: int, size: int, number: int) -> tuple[np.ndarray, list[tuple[Scene, str]]]:
    """A hundred composed pictures, (100, size, size, 3) uint8, and their scenes with the names of the arrangements."""
    rng = np.random.default_rng([seed, number])
    scenes = [random_scene(rng) for _ in range(100)]
    return np.stack([np.asarray(paint(scene, size)) for scene, _ in scenes]), scenes


def latents_of(count: int, seed: int, size: int, workers: int = 0) -> tuple[torch.Tensor, list[tuple[Scene, str]]]:
    """`count` composed pictures as scaled VAE latents and their scenes; cached on disk.

    Latents: float16, (count, 8, size / 16, size / 16). workers: processes that paint; 0: this one paints.
    """
    path = WORK / f"latents-{count}-{seed}-{size}.pt"
    if not path.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        icons()  # fetched once, not by each process
        vae, device = autoencoder.load(), pick_device()
        scenes, latents = [], []
        with ProcessPoolExecutor(workers or 1) as pool:
            for pixels, some in (pool.map if workers else map)(partial(hundred, seed, size), range(-(-count // 100))):
                x = torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device).float() / 127.5 - 1
                with torch.no_grad(), mixed_precision(device):
                    mode = vae.encode(x).latent_dist.mode()
                latents.append((mode.float() * vae.config.scaling_factor).half().cpu())
                scenes.append(some)
        path.with_suffix(".pkl").write_bytes(pickle.dumps(list(chain(*scenes))[:count]))
        save_atomically(torch.cat(latents)[:count], path)  # last: where it exists, both are whole
    return torch.load(path, weights_only=True), pickle.loads(path.with_suffix(".pkl").read_bytes())
