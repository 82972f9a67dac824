"""Trains the embedded critic: a small CLIP that tells what stands in a crop of a pocket picture.

    python -m training.critic --steps 2500      # some 15 minutes on 2 CPU cores

It sees composed pictures only, a part of them blurred, noised or passed through the VAE.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import BertTokenizer, CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig

from training import autoencoder
from training.artwork import WORK
from training.captions import COLOUR_WORDS, SUBJECT_WORDS
from training.loop import pick_device, train
from training.scenes import random_scene
from training.world import COLOURS, SUBJECTS, paint

FOLDER = Path(__file__).parent.parent / "renderer" / "pocket" / "critic"
SIDE = 48  # pixels of a crop
NOTHING = "nothing"
LABELS = [f"{colour} {subject}" for subject in SUBJECTS for colour in COLOURS] + [NOTHING]


def build(vocabulary: int) -> CLIPModel:
    text = CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=96, intermediate_size=256, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=24, bos_token_id=2, eos_token_id=3, pad_token_id=0,
    )  # fmt: skip
    vision = CLIPVisionConfig(
        hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4, image_size=SIDE, patch_size=6
    )
    return CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=96))


def spoken(label: str, rng: np.random.Generator) -> str:
    """A label in somebody's words."""
    if label == NOTHING:
        return NOTHING if rng.random() < 0.6 else "an empty background"
    colour, subject = label.split()
    colours, subjects = COLOUR_WORDS[colour].split(), SUBJECT_WORDS[subject].split()
    colour = colours[0] if rng.random() < 0.6 else colours[rng.integers(len(colours))]
    subject = subjects[0] if rng.random() < 0.5 else subjects[rng.integers(len(subjects))]
    return f"{'a ' if rng.random() < 0.3 else ''}{colour} {subject}"


def crops(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops of composed pictures, uint8 (n, 3, 48, 48), and their labels (n,); about two a picture."""
    rng = np.random.default_rng(seed)
    vae, device = autoencoder.load(), pick_device()
    pixels, labels = [], []
    for _ in range(0, count, 50):
        scenes = [random_scene(rng)[0] for _ in range(50)]
        images = torch.from_numpy(np.stack([np.asarray(paint(scene)) for scene in scenes])).permute(0, 3, 1, 2).float()
        images = images / 127.5 - 1
        half = slice(0, 20)
        with torch.no_grad(), torch.autocast(device.type, torch.bfloat16):
            latents = vae.encode(images[half].to(device)).latent_dist.mode()
            latents = latents + 0.25 * torch.rand(20, 1, 1, 1, device=device) * torch.randn_like(latents)
            images[half] = vae.decode(latents).sample.float().clamp(-1, 1).cpu()
        for scene, image in zip(scenes, images, strict=True):
            for index in rng.permutation(len(scene.things))[:2]:
                thing = scene.things[index]
                alone = len(scene.things) == 1
                room = rng.uniform(1.05, 2.6 if alone else 1.3, 2) * thing.size
                shift = (rng.random(2) - 0.5) * np.maximum(room - thing.size, 0.02)
                box = _cut(thing.x + shift[0], thing.y + shift[1], room[0], room[1])
                pixels.append(_crop(image, box))
                labels.append(LABELS.index(f"{thing.colour} {thing.subject}"))
            if len(scene.things) == 1 and rng.random() < 0.6:
                thing = scene.things[0]
                for _ in range(8):
                    side = rng.uniform(0.25, 0.6)
                    x, y = rng.uniform(side / 2, 1 - side / 2, 2)
                    if max(abs(x - thing.x), abs(y - thing.y)) > (side + thing.size) / 2:
                        pixels.append(_crop(image, _cut(x, y, side, side)))
                        labels.append(LABELS.index(NOTHING))
                        break
    return torch.stack(pixels), torch.tensor(labels)


def _cut(x: float, y: float, width: float, height: float) -> tuple[int, int, int, int]:
    left, top = round(max(0, x - width / 2) * 96), round(max(0, y - height / 2) * 96)
    return left, top, max(left + 8, round(min(1, x + width / 2) * 96)), max(top + 8, round(min(1, y + height / 2) * 96))


def _crop(image: torch.Tensor, box: tuple[int, int, int, int]) -> torch.Tensor:
    left, top, right, bottom = box
    cut = image[None, :, top:bottom, left:right]
    cut = F.interpolate(cut, (SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)
    return ((cut[0] + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def embed(model: CLIPModel, tokenizer: BertTokenizer, texts: list[str]) -> torch.Tensor:
    """Unit text embeddings, (texts, 96)."""
    tokens = tokenizer(texts, padding=True, truncation=True, max_length=24, return_tensors="pt").to(model.device)
    hidden = model.text_model(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask).pooler_output
    return F.normalize(model.text_projection(hidden), dim=-1)


def see(model: CLIPModel, pixels: torch.Tensor) -> torch.Tensor:
    """Unit image embeddings of crops in -1…1, (crops, 96)."""
    return F.normalize(model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output), dim=-1)


def accuracy(model: CLIPModel, tokenizer: BertTokenizer, pixels: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    with torch.no_grad():
        bank = embed(model, tokenizer, LABELS)
        x = pixels.to(model.device).float() / 127.5 - 1
        guess = torch.cat([(see(model, part) @ bank.T).argmax(-1) for part in x.split(200)]).cpu()
    pairs = [(LABELS[int(g)].split(), LABELS[int(y)].split()) for g, y in zip(guess, labels, strict=True)]
    return {
        "both": float((guess == labels).float().mean()),
        "subject": float(np.mean([a[-1] == b[-1] for a, b in pairs])),
        "colour": float(np.mean([a[0] == b[0] for a, b in pairs])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--pictures", type=int, default=8000)
    args = parser.parse_args()
    torch.manual_seed(0)
    device, rng = pick_device(), np.random.default_rng()
    tokenizer = BertTokenizer.from_pretrained(WORK / "text" / "tokenizer")
    model = build(len(tokenizer)).to(device)
    vectors = load_file(WORK / "text" / "text_encoder" / "model.safetensors")["embeddings.word_embeddings.weight"]
    _, _, axes = torch.pca_lowrank(vectors, q=96, center=True)
    reduced = (vectors - vectors.mean(0)) @ axes
    model.text_model.embeddings.token_embedding.weight.data.copy_(reduced / reduced.std() * 0.05)
    pixels, labels = crops(args.pictures, seed=11)
    held_pixels, held_labels = crops(600, seed=12)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.02)

    def loss_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        rows = torch.from_numpy(rng.integers(0, len(pixels), args.batch))
        x, y = pixels[rows].to(device).float() / 127.5 - 1, labels[rows].to(device)
        if rng.random() < 0.4:
            side = int(rng.integers(14, 36))
            x = F.interpolate(F.interpolate(x, (side, side), mode="area"), (SIDE, SIDE), mode="bilinear")
        x = x + 0.08 * rng.random() * torch.randn_like(x) + 0.06 * torch.randn(len(x), 3, 1, 1, device=device)
        with torch.autocast(device.type, torch.bfloat16):
            seen = see(model, x)
            bank = embed(model, tokenizer, [spoken(label, rng) for label in LABELS])
        logits = model.logit_scale.exp().clamp(max=60) * seen.float() @ bank.float().T
        return F.cross_entropy(logits, y, label_smoothing=0.03), {}

    def on_checkpoint(step: int, weights: dict[str, torch.Tensor]) -> dict[str, float]:
        probe = build(len(tokenizer)).to(device)
        probe.load_state_dict(weights)
        return accuracy(probe.eval(), tokenizer, held_pixels, held_labels)

    weights = train("critic", model, [optimiser], loss_of, steps=args.steps, ema=0.995, every=250, on_checkpoint=on_checkpoint)
    model.load_state_dict(weights)
    model.eval().half().save_pretrained(FOLDER)
    tokenizer.save_pretrained(FOLDER)
    words = {
        "subjects": {name: SUBJECT_WORDS[name].split() for name in SUBJECTS},
        "colours": {name: COLOUR_WORDS[name].split() for name in COLOURS},
    }
    (FOLDER / "vocabulary.json").write_text(json.dumps(words, indent=1))
    print(json.dumps(accuracy(model.float(), tokenizer, held_pixels, held_labels)))


if __name__ == "__main__":
    main()
