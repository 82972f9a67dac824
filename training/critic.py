"""Trains the embedded critic: a small CLIP that classifies the regions of pocket pictures.

    python -m training.critic --steps 3000      # some 20 minutes on one busy CPU core; resumes
    python -m training.critic --from-shipped    # starts from the shipped weights, for a world that has grown

On busy cores OMP_NUM_THREADS=1 is some eight times faster than two threads that wait for each other.

It is trained on crops of composed pictures. Some of these are encoded and decoded by the VAE, blurred, noised or
tinted; others are redrawn by the shipped renderer (image-to-image), so that they look generated and their labels are
known.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from rich.progress import track
from safetensors.torch import load_file
from transformers import BertTokenizer, CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from ditpipe.renderer import scorer
from training import autoencoder, text
from training.artwork import WORK
from training.captions import BACKGROUND_WORDS, COLOUR_WORDS, SUBJECT_WORDS
from training.loop import keep_figures, mixed_precision, pick_device, train
from training.redrawn import redrawn
from training.scenes import GRIDS as CELLS
from training.scenes import random_scene
from training.tables import load_table
from training.world import BACKGROUNDS, COLOURS, SUBJECTS, Scene, Thing, paint

FOLDER = Path(__file__).parent.parent / "renderer" / "pocket" / "critic"
SIDE = 48  # pixels of a crop, whatever the shape of its box
NOTHING = "nothing"
LABELS = [f"{colour} {subject}" for subject in SUBJECTS for colour in COLOURS] + [NOTHING]
DETAILS: tuple[str, ...] = load_table("critic", "details")
GRIDS = {**CELLS, "corner3": (2, 2), "opposite": (2, 2)}

Cut = tuple[float, float, float, float]  # left, top, right, bottom in 0–1 of the canvas


def build(vocabulary: int) -> CLIPModel:
    text = CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=96, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=24, bos_token_id=2, eos_token_id=3, pad_token_id=0,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4, image_size=SIDE,
        patch_size=8,
    )  # fmt: skip
    return CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=96))


def _synonyms(words: str) -> list[str]:
    """The words of a table cell: 'palm palm+tree' are two."""
    return [word.replace("+", " ") for word in words.split()]


def reworded(label: str, rng: np.random.Generator) -> str:
    """A label ('red cat'), or a subject alone, in other words: 'a crimson kitten on the beach'."""
    if label == NOTHING:
        return NOTHING if rng.random() < 0.6 else "an empty background"
    *colour, subject = label.split()
    words = []
    if rng.random() < 0.2:
        words.append(DETAILS[rng.integers(len(DETAILS))])
    for plain, known in [(one, COLOUR_WORDS) for one in colour] + [(subject, SUBJECT_WORDS)]:
        options = _synonyms(known[plain])
        words.append(plain if rng.random() < 0.6 else options[rng.integers(len(options))])
    where = ""
    if rng.random() < 0.15:
        phrases = BACKGROUND_WORDS[BACKGROUNDS[rng.integers(len(BACKGROUNDS))]]
        where = f" {phrases[rng.integers(len(phrases))]}"
    return f"{'a ' if rng.random() < 0.3 else ''}{' '.join(words)}{where}"


def label_of(thing: Thing | None) -> str:
    return f"{thing.colour} {thing.subject}" if thing else NOTHING


def boxes_of(scene: Scene, arrangement: str, rng: np.random.Generator) -> list[tuple[Thing | None, Cut]]:
    """Things (None: nothing) and the boxes that a plan would give them: grid cells, or something around an object."""
    if not scene.things:
        width, height = rng.choice([1, 1 / 2, 1 / 3], 2)
        x, y = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        return [(None, (x, y, x + width, y + height))]
    found: list[tuple[Thing | None, Cut]] = []
    for thing in scene.things:
        if arrangement in GRIDS:
            columns, rows = GRIDS[arrangement]
            column, row = int(thing.x * columns), int(thing.y * rows)
            found.append((thing, (column / columns, row / rows, (column + 1) / columns, (row + 1) / rows)))
        elif len(scene.things) == 1 and thing.size > 0.4 and rng.random() < 0.6:
            found.append((thing, (0.0, 0.0, 1.0, 1.0)))
        else:
            # A plan gives a single thing more room than one of several.
            width, height = thing.size * rng.uniform(1.0, 2.2 if len(scene.things) == 1 else 1.35, 2)
            shift = (rng.random(2) - 0.5) * (np.array([width, height]) - thing.size) * 0.8
            x, y = thing.x + shift[0] - width / 2, thing.y + shift[1] - height / 2
            found.append((thing, (max(0, x), max(0, y), min(1, x + width), min(1, y + height))))
    if arrangement in ("corner3", "opposite"):
        filled = {(int(thing.x * 2), int(thing.y * 2)) for thing in scene.things}
        found += [
            (None, (x / 2, y / 2, x / 2 + 0.5, y / 2 + 0.5)) for x in (0, 1) for y in (0, 1) if (x, y) not in filled
        ]
    return [found[i] for i in rng.permutation(len(found))[:4]]


def _jittered(cut: Cut, rng: np.random.Generator, amount: float = 0.06) -> Cut:
    left, top, right, bottom = cut
    dx, dy = (right - left) * amount, (bottom - top) * amount
    moved = np.clip(np.array(cut) + rng.uniform(-1, 1, 4) * (dx, dy, dx, dy), 0, 1)
    return tuple(moved)  # type: ignore[return-value]


def _crop(image: Image.Image, cut: Cut) -> np.ndarray:
    left, top, right, bottom = (round(edge * image.width) for edge in cut)
    piece = image.crop((left, top, max(left + 8, right), max(top + 8, bottom)))
    return np.asarray(piece.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def crops(pictures: int, seed: int, *, redraw: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """Region crops, uint8 (n, 3, 48, 48), and their labels (n,): exact boxes first, then each once more, jittered.

    `redraw`: the share of the pictures that the renderer draws over; some 0.5 s each on a CPU core.
    """
    rng = np.random.default_rng(seed)
    vae, device = autoencoder.load(), pick_device()
    pixels, labels = [], []
    for _ in track(range(0, pictures, 50), "pictures for the critic"):
        scenes = [random_scene(rng) for _ in range(46)]
        scenes += [(Scene(str(rng.choice(BACKGROUNDS)), (), int(rng.integers(2**31))), "empty") for _ in range(4)]
        images = [paint(scene) for scene, _ in scenes]
        decoded_rows = rng.permutation(50)[:15]
        x = torch.from_numpy(np.stack([np.asarray(images[i]) for i in decoded_rows])).permute(0, 3, 1, 2)
        x = x.float() / 127.5 - 1
        with torch.no_grad(), mixed_precision(device):
            latents = vae.encode(x.to(device)).latent_dist.mode()
            latents = latents + 0.3 * torch.rand(len(decoded_rows), 1, 1, 1, device=device) * torch.randn_like(latents)
            x = vae.decode(latents).sample.float().clamp(-1, 1).cpu()
        decoded = ((x + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        for i, array in zip(decoded_rows, decoded, strict=True):
            images[i] = Image.fromarray(array)
        for i in rng.permutation(46)[: round(50 * redraw)]:
            images[i] = redrawn(paint(scenes[i][0]), *scenes[i], rng)
        for (scene, arrangement), image in zip(scenes, images, strict=True):
            for thing, cut in boxes_of(scene, arrangement, rng):
                pixels += [_crop(image, cut), _crop(image, _jittered(cut, rng))]
                labels += [LABELS.index(label_of(thing))] * 2
    return torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous(), torch.tensor(labels)


def cached_crops(name: str, pictures: int, seed: int, *, redraw: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    """`crops`, cached in training/work under a name."""
    path = WORK / f"{name}-{pictures}-{seed}.pt"
    if not path.exists():
        torch.save(crops(pictures, seed, redraw=redraw), path)
    return torch.load(path, weights_only=True)


def augmented(x: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """A batch of crops in -1…1, blurred, noised, tinted and moved by up to 3 pixels."""
    if rng.random() < 0.4:
        side = int(rng.integers(14, 36))
        x = F.interpolate(F.interpolate(x, (side, side), mode="area"), x.shape[-2:], mode="bilinear")
    dy, dx = rng.integers(0, 7, 2)
    height, width = x.shape[-2:]
    x = F.pad(x, (3, 3, 3, 3), mode="replicate")[..., dy : dy + height, dx : dx + width]
    return x + 0.1 * rng.random() * torch.randn_like(x) + 0.05 * torch.randn(len(x), 3, 1, 1, device=x.device)


def embed(model: CLIPModel, tokenizer: BertTokenizer, texts: list[str]) -> torch.Tensor:
    """Unit text embeddings, (texts, 96)."""
    tokens = tokenizer(texts, padding=True, truncation=True, max_length=24, return_tensors="pt").to(model.device)
    hidden = model.text_model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).pooler_output
    return F.normalize(model.text_projection(hidden), dim=-1)


def embed_images(model: CLIPModel, pixels: torch.Tensor) -> torch.Tensor:
    """Unit image embeddings of crops in -1…1, (crops, 96), without shifts."""
    return F.normalize(model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output), dim=-1)


def accuracy(
    model: CLIPModel, tokenizer: BertTokenizer, pixels: torch.Tensor, labels: torch.Tensor
) -> dict[str, float]:
    """Shares of crops whose nearest label is right, by the scorer's embedding: both words, the subject, the colour."""
    with torch.no_grad():
        bank = embed(model, tokenizer, LABELS)
        x = pixels.to(model.device).float() / 127.5 - 1
        guess = torch.cat([(scorer.embed_crops(model, part) @ bank.T).argmax(-1) for part in x.split(200)]).cpu()
    pairs = [(LABELS[int(g)].split(), LABELS[int(y)].split()) for g, y in zip(guess, labels, strict=True)]
    return {
        "both": round(float((guess == labels).float().mean()), 4),
        "subject": round(float(np.mean([a[-1] == b[-1] for a, b in pairs])), 4),
        "colour": round(float(np.mean([a[0] == b[0] for a, b in pairs])), 4),
    }


@torch.no_grad()
def _take_over(model: CLIPModel, vectors: torch.Tensor) -> None:
    """The shipped critic's weights; what its vocabulary lacks is mapped from the sentence encoder's word vectors."""
    state = {name: value.float() for name, value in load_file(FOLDER / "model.safetensors").items()}
    known = state.pop("text_model.embeddings.token_embedding.weight")
    ones = torch.ones(len(vectors), 1)
    affine = torch.linalg.lstsq(torch.cat([vectors, ones], 1)[: len(known)], known).solution
    rows = torch.cat([vectors, ones], 1) @ affine
    rows[: len(known)] = known
    model.load_state_dict(state, strict=False)
    model.text_model.embeddings.token_embedding.weight.copy_(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--redrawn", type=int, default=1800, help="more pictures, 9 in 10 drawn over by the renderer")
    parser.add_argument("--from-shipped", action="store_true")
    args = parser.parse_args()
    torch.manual_seed(0)
    device, rng = pick_device(), np.random.default_rng()
    tokenizer = BertTokenizer.from_pretrained(text.folder() / "tokenizer")
    model = build(len(tokenizer)).to(device)
    encoder = load_file(text.folder() / "text_encoder" / "model.safetensors")
    vectors = encoder["embeddings.word_embeddings.weight"].float()
    _, _, axes = torch.pca_lowrank(vectors, q=96, center=True)
    reduced = (vectors - vectors.mean(0)) @ axes
    model.text_model.embeddings.token_embedding.weight.data.copy_(reduced / reduced.std() * 0.05)
    if args.from_shipped:
        _take_over(model, vectors)
    composed = cached_crops("critic", args.pictures, 11)
    drawn = cached_crops("critic-redrawn", args.redrawn, 22, redraw=0.9)
    pixels, labels = (torch.cat(pair) for pair in zip(composed, drawn, strict=True))
    held = {"": cached_crops("critic", 250, 12), "redrawn ": cached_crops("critic-redrawn", 100, 21, redraw=0.9)}
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.02)

    subject_of = labels // len(COLOURS)  # len(SUBJECTS) where there is nothing

    def loss_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        # A third of the subjects a step: the texts of all labels would cost more than the pictures.
        some = torch.from_numpy(rng.permutation(len(SUBJECTS))[: len(SUBJECTS) // 3])
        place = torch.full((len(SUBJECTS) + 1,), -1)
        place[some], place[-1] = torch.arange(len(some)), len(some)
        among = (place[subject_of] >= 0).nonzero()[:, 0]
        rows = among[torch.from_numpy(rng.integers(0, len(among), args.batch))]
        x = augmented(pixels[rows].to(device).float() / 127.5 - 1, rng)
        subject, colour = place[subject_of[rows]].to(device), (labels[rows] % len(COLOURS)).to(device)
        labels_of_step = [LABELS[int(s) * len(COLOURS) + c] for s in some for c in range(len(COLOURS))] + [NOTHING]
        names = [list(SUBJECTS)[int(s)] for s in some] + [NOTHING]
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            seen = embed_images(model, x).float()
            texts = embed(model, tokenizer, [reworded(label, rng) for label in labels_of_step + names]).float()
        # Every text of the batch stands for another label, so that no pair with the same meaning is a negative.
        logits = model.logit_scale.exp().clamp(max=60) * seen @ texts.T
        both, subjects = logits.split([len(labels_of_step), len(names)], dim=-1)
        painted = both[:, :-1].unflatten(-1, (len(some), len(COLOURS)))
        there = subject < len(some)
        y = torch.where(there, subject * len(COLOURS) + colour, len(labels_of_step) - 1)
        loss = F.cross_entropy(both, y, label_smoothing=0.02) + 0.5 * F.cross_entropy(subjects, subject)
        loss = loss + 0.5 * F.cross_entropy(painted.logsumexp(1)[there], colour[there])
        return loss + 0.5 * F.cross_entropy(painted.logsumexp(2)[there], subject[there]), {}

    def measured(model: CLIPModel) -> dict[str, float]:
        return {
            f"{kind}{part}": share
            for kind, (pixels, labels) in held.items()
            for part, share in accuracy(model, tokenizer, pixels, labels).items()
        }

    def on_checkpoint(step: int, weights: dict[str, torch.Tensor]) -> dict[str, float]:
        probe = build(len(tokenizer)).to(device)
        probe.load_state_dict(weights)
        return measured(probe.eval())

    weights = train(
        "scorer", model, [optimiser], loss_of, steps=args.steps, ema=0.99, every=200, on_checkpoint=on_checkpoint
    )
    model.load_state_dict(weights)
    model.eval().half().save_pretrained(FOLDER)
    tokenizer.save_pretrained(FOLDER)
    words = {
        "subjects": {name: _synonyms(SUBJECT_WORDS[name]) for name in SUBJECTS},
        "colours": {name: _synonyms(COLOUR_WORDS[name]) for name in COLOURS},
    }
    (FOLDER / "vocabulary.json").write_text(json.dumps(words, indent=1) + "\n")
    keep_figures("scorer")
    print(json.dumps(measured(model.float())))


if __name__ == "__main__":
    main()
