"""Trains the shipped VAE, of 256×256 pixels, for the latents of that of 128×128: AutoencoderKL, 16× down, 8 channels.

    python -m training.autoencoder_256 --minutes 40      # resumes; 1.2 s a step of 4 pictures on one CPU core
    python -m training.autoencoder_256 --drawn 0         # before there is a transformer for the latents
    python -m training.publish --vae                     # ships it

Its encoder learns to give, for a picture, the latents that `training.autoencoder`'s gives for the picture halved; so
the transformer, and all that was trained on its latents, stays valid. Its decoder learns to draw the composed picture,
from such latents with a little noise and from latents that the shipped transformer drew over: with L1 and L2, L1 of
edges, LPIPS (its network: `ditpipe models pull lpips`) and, with `--adversary-from`, against a discriminator.

Both start as those of training/work/vae, with a level of the same width before and after that enlarges the picture.
Where that VAE was not trained, the shipped one is trained further, and its own encoder says what the latents are.
"""

import argparse
import json
import pickle
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, HunyuanDiT2DModel
from rich.progress import track
from torch import Tensor, nn
from transformers import BertModel, BertTokenizer, T5EncoderModel

from ditpipe.renderer.metrics.lpips import Lpips
from ditpipe.renderer.metrics.networks import METRIC_NETWORKS, load_weights
from training import autoencoder
from training.artwork import SHIPPED, WORK
from training.captions import caption
from training.loop import mixed_precision, pick_device, save_atomically, train
from training.scenes import random_scene
from training.text import LENGTH
from training.transformer import EncodedTexts, SharedPaddingAttention, forward, rotary_for, scheduler
from training.world import SIZE, Scene, paint

NOISE = 0.25  # largest deviation of the noise that is added to latents, whose own is about 1.6
DRAWN = 0.25  # share of the loss of pixels for latents that were drawn over


def build() -> AutoencoderKL:
    return AutoencoderKL(
        in_channels=3, out_channels=3, latent_channels=8, sample_size=SIZE,
        block_out_channels=(16, 16, 32, 64, 64), layers_per_block=1, norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * 5, up_block_types=("UpDecoderBlock2D",) * 5,
        mid_block_add_attention=False,
    )  # fmt: skip


def teacher() -> AutoencoderKL:
    """The VAE whose encoder says what the latents are: of 128×128 pixels if one was trained here, else the shipped."""
    return autoencoder.load(autoencoder.FOLDER).requires_grad_(False)  # type: ignore[no-any-return]


@torch.no_grad()
def take_over(vae: AutoencoderKL, old: AutoencoderKL) -> None:
    """Weights of the VAE of 128 pixels: the new first level halves a picture, the new last one passes it on doubled."""
    state = {name: value.clone() for name, value in vae.state_dict().items()}
    for name, value in old.state_dict().items():
        parts = name.split(".")
        if parts[:2] == ["encoder", "down_blocks"]:
            parts[2] = str(int(parts[2]) + 1)
        if name.startswith("encoder.conv_in"):
            continue
        state[".".join(parts)] = value
    for block in ("encoder.down_blocks.0", "decoder.up_blocks.4"):
        for name in state:
            if name.startswith(block) and ".conv2." in name:
                state[name] = torch.zeros_like(state[name])  # a residual block that passes on what it is given
    passed = torch.zeros_like(state["decoder.up_blocks.3.upsamplers.0.conv.weight"])
    passed[range(16), range(16), 1, 1] = 1
    state["decoder.up_blocks.3.upsamplers.0.conv.weight"] = passed
    state["decoder.up_blocks.3.upsamplers.0.conv.bias"] = torch.zeros(16)
    # The picture halved, then the old 3×3 convolution: per colour four filters (the pixel before, or the mean of this
    # and the next one, down and across), joined by a 3×3 convolution of stride 2. Of the outermost row and column of
    # the halved picture half the pixels are out of reach: training makes up for it.
    before, mean = torch.tensor([1.0, 0, 0]), torch.tensor([0, 0.5, 0.5])
    rows = {0: (before, 0), 1: (mean, 0), 2: (mean, 2)}  # row of the old kernel → filter, tap of the new kernel
    first, joint = torch.zeros(16, 3, 3, 3), torch.zeros(16, 16, 3, 3)
    kernel = old.encoder.conv_in.weight
    for colour in range(3):
        for down, (filter_down, tap_down) in rows.items():
            for across, (filter_across, tap_across) in rows.items():
                channel = 4 * colour + 2 * (down > 0) + (across > 0)
                first[channel, colour] = torch.outer(filter_down, filter_across)
                joint[:, channel, tap_down, tap_across] = kernel[:, colour, down, across]
    state["encoder.conv_in.weight"], state["encoder.conv_in.bias"] = first, torch.zeros(16)
    state["encoder.down_blocks.0.downsamplers.0.conv.weight"] = joint
    state["encoder.down_blocks.0.downsamplers.0.conv.bias"] = old.encoder.conv_in.bias
    vae.load_state_dict(state)


def pixels_of(scenes: list[Scene]) -> Tensor:
    """Pictures of scenes in -1…1, (n, 3, 256, 256)."""
    stack = np.stack([np.asarray(paint(scene, SIZE)) for scene in scenes])
    return torch.from_numpy(stack).permute(0, 3, 1, 2).to(pick_device()).float() / 127.5 - 1


def moments(vae: AutoencoderKL, x: Tensor) -> Tensor:
    """Means and logarithms of variances of the latents, (n, 16, h, w)."""
    return vae.quant_conv(vae.encoder(x))  # type: ignore[no-any-return]


def known_moments(old: AutoencoderKL, x: Tensor) -> Tensor:
    """`moments` of pictures of 256×256 pixels by the `teacher`, which may take them halved."""
    return moments(old, F.avg_pool2d(x, SIZE // old.config.sample_size))


def edges(x: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of neighbouring pixels, down and across."""
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


class Discriminator(nn.Sequential):
    """Scores of patches: (n, 3, 256, 256) → (n, 1, 32, 32), each of which sees 46 pixels a side."""

    def __init__(self, width: int = 32) -> None:
        super().__init__(
            nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1), nn.GroupNorm(8, 2 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, 2, 1), nn.GroupNorm(8, 4 * width), nn.LeakyReLU(0.2),
            nn.Conv2d(4 * width, 1, 3, 1, 1),
        )  # fmt: skip


class Redrawing:
    """Draws composed pictures over with the shipped transformer and its captions, in batches."""

    def __init__(self) -> None:
        device = pick_device()
        self.tokenizer = BertTokenizer.from_pretrained(SHIPPED / "tokenizer")
        self.bert = BertModel.from_pretrained(SHIPPED / "text_encoder").float().eval().to(device)
        self.t5 = T5EncoderModel.from_pretrained(SHIPPED / "text_encoder_2").float().eval().to(device)
        self.dit = HunyuanDiT2DModel.from_pretrained(SHIPPED / "transformer").float().eval().to(device)
        self.attention = SharedPaddingAttention()
        self.dit.set_attn_processor(self.attention)
        self.alphas = scheduler().alphas_cumprod.to(device)

    def encoded(self, captions: list[str]) -> EncodedTexts:
        tokens = self.tokenizer(captions, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
        ids, mask = tokens["input_ids"].to(self.dit.device), tokens["attention_mask"].to(self.dit.device)
        n = int(mask.sum(1).max())
        states = self.bert(ids[:, :n], attention_mask=mask[:, :n]).last_hidden_state
        return EncodedTexts(states, mask[:, :n], self.t5(ids, attention_mask=mask).last_hidden_state)

    @torch.no_grad()
    def __call__(
        self, latents: Tensor, captions: list[str], strength: float, *, every: int = 75, guidance: float = 4.0
    ):
        """Scaled latents (n, 8, h, w) after DDIM steps of `every` timesteps from the noise of `strength`, 0 to 1."""
        texts = self.encoded(["" for _ in captions] + captions)
        rotary = rotary_for(latents.shape[-1] // 2)
        times = list(range(round(999 * strength), 0, -every))
        a = self.alphas[times[0]]
        x = a.sqrt() * latents + (1 - a).sqrt() * torch.randn_like(latents)
        for time, after in zip(times, [*times[1:], None], strict=True):
            a = self.alphas[time]
            later = a.new_ones(()) if after is None else self.alphas[after]
            t = torch.full((2 * len(x),), float(time), device=x.device)
            with mixed_precision(x.device):
                out = forward(self.dit, self.attention, x.repeat(2, 1, 1, 1), t, texts, rotary)[:, : x.shape[1]].float()
            plain, told = out.chunk(2)
            v = plain + guidance * (told - plain)
            clean, noise = a.sqrt() * x - (1 - a).sqrt() * v, (1 - a).sqrt() * x + a.sqrt() * v
            x = later.sqrt() * clean + (1 - later).sqrt() * noise
        return x


def drawn_over(count: int, seed: int, batch: int = 25) -> tuple[Tensor, list[Scene]]:
    """Unscaled latents of `count` scenes, drawn over with a strength of 0.15 to 0.45, and the scenes; cached."""
    path = WORK / f"drawn-over-{count}-{seed}.pt"
    if not path.exists():
        WORK.mkdir(parents=True, exist_ok=True)
        rng, vae, redraw = np.random.default_rng(seed), teacher(), Redrawing()
        torch.manual_seed(seed)
        factor, scenes, latents = vae.config.scaling_factor, list[Scene](), list[Tensor]()
        for _ in track(range(0, count, batch), "latents drawn over"):
            some = [random_scene(rng) for _ in range(batch)]
            captions = [caption(*each, rng) for each in some]
            with torch.no_grad():
                clean = known_moments(vae, pixels_of([scene for scene, _ in some]))[:, :8]
            latents.append((redraw(clean * factor, captions, rng.uniform(0.15, 0.45)) / factor).half().cpu())
            scenes += [scene for scene, _ in some]
        path.with_suffix(".pkl").write_bytes(pickle.dumps(scenes[:count]))
        save_atomically(torch.cat(latents)[:count], path)  # last: where it exists, both are whole
    return torch.load(path, weights_only=True), pickle.loads(path.with_suffix(".pkl").read_bytes())


@cache
def perceptual() -> Lpips:
    network = load_weights(METRIC_NETWORKS["lpips"], device=str(pick_device()))
    net = {name.removeprefix("alex."): value for name, value in network.items() if name.startswith("alex.")}
    return Lpips(net, "alex")


@torch.no_grad()
def figures(vae: AutoencoderKL, x: Tensor, latents: dict[str, Tensor]) -> dict[str, float]:
    """PSNR in dB, LPIPS and the ratio of edges (1: as sharp as the pictures) of decoded latents, by their name."""
    out = {}
    for name, some in latents.items():
        with mixed_precision(x.device):
            y = torch.cat([vae.decode(part).sample.float() for part in some.split(10)]).clamp(-1, 1)
        out[f"psnr {name}"] = float((-10 * ((x - y) / 2).square().mean((1, 2, 3)).log10()).mean())
        pairs = zip(x.split(10), y.split(10), strict=True)
        out[f"lpips {name}"] = float(torch.cat([perceptual()(a, b) for a, b in pairs]).mean())
        energy = [sum(float(e.square().mean()) for e in edges(image)) for image in (y, x)]
        out[f"edges {name}"] = energy[0] / energy[1]
    return {name: round(value, 4) for name, value in out.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100000)
    parser.add_argument("--minutes", type=float, default=40)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument(
        "--drawn", type=int, default=200, help="pictures that the transformer draws over first; 0: none"
    )
    parser.add_argument("--lr", type=float, default=6e-4)
    parser.add_argument("--adversary-from", type=int, metavar="STEP", help="default: never")
    parser.add_argument("--adversary", type=float, default=0.3, help="its gradient's share of the other losses'")
    parser.add_argument("--every", type=int, default=100)
    args = parser.parse_args()
    torch.manual_seed(0)
    device, rng = pick_device(), np.random.default_rng()
    old, vae = teacher(), build()
    if old.config.sample_size < SIZE:
        take_over(vae, old.cpu())
    else:
        vae.load_state_dict(old.state_dict())
    old.to(device)
    vae.register_to_config(scaling_factor=old.config.scaling_factor)
    drawn, scenes = drawn_over(args.drawn, seed=3) if args.drawn else (torch.empty(0), [])
    held_latents, held_scenes = (
        drawn_over(25, seed=2) if args.drawn else (None, [random_scene(rng)[0] for _ in range(25)])
    )
    held = pixels_of(held_scenes)
    lpips = perceptual()
    model = nn.ModuleDict({"vae": vae, "discriminator": Discriminator()}).to(device)
    discriminator, heard_from = model["discriminator"], args.adversary_from
    optimisers = [
        torch.optim.AdamW(vae.parameters(), lr=args.lr, betas=(0.8, 0.98), weight_decay=0.0),
        torch.optim.AdamW(discriminator.parameters(), lr=args.lr / 2, betas=(0.5, 0.9), weight_decay=0.0),
    ]

    def loss_of(step: int) -> tuple[Tensor, dict[str, float]]:
        fresh = args.batch // 2 if scenes else args.batch
        rows = rng.integers(0, max(1, len(scenes)), args.batch - fresh)
        x = pixels_of([random_scene(rng)[0] for _ in range(fresh)] + [scenes[i] for i in rows])
        with torch.no_grad(), mixed_precision(device):
            known = known_moments(old, x).float()
        z = torch.cat([known[:fresh, :8], *(drawn[row][None].to(device).float() for row in rows)])
        z = z + NOISE * torch.rand(len(z), 1, 1, 1, device=device) * torch.randn_like(z)
        with mixed_precision(device):
            y = vae.decode(z).sample.float()
        shown = y.detach().requires_grad_()
        apart = (shown - x).abs() + 2 * (shown - x).square()
        sharp = sum((a - b).abs().mean((1, 2, 3)) for a, b in zip(edges(shown), edges(x), strict=True))
        with mixed_precision(device):
            near = lpips(shown, x).float().mean()
        # What was drawn over has moved a little: pixel by pixel its decoder would learn to blur.
        share = torch.tensor([1.0] * fresh + [DRAWN] * len(rows), device=device)
        error = (share * (apart.mean((1, 2, 3)) + sharp)).mean() + near
        (gradient,) = torch.autograd.grad(error, shown)
        loss, seen = torch.zeros((), device=device), {"error": float(error.detach())}
        if heard_from is not None and step >= heard_from - 50:  # it learns a little before
            fixed = {name: weight.detach() for name, weight in discriminator.named_parameters()}
            with mixed_precision(device):
                if step >= heard_from:
                    score = torch.func.functional_call(discriminator, fixed, shown).float()
                    (push,) = torch.autograd.grad(-score.mean(), shown)
                    gradient = gradient + args.adversary * gradient.norm() / (push.norm() + 1e-12) * push
                real, made = (discriminator(each).float() for each in (x, y.detach()))
            hinge = (F.relu(1 - real).mean() + F.relu(1 + made).mean()) / 2
            loss, seen["hinge"] = loss + hinge, float(hinge.detach())
        through = (y * gradient).sum()  # its gradient is that of all losses of the decoder
        loss = loss - loss.detach() + through - through.detach() + error.detach()
        if step % 4 == 3:
            with mixed_precision(device):
                given = moments(vae, x).float()
            off = (given - known).square()
            latent = off[:, :8].mean() + 0.01 * off[:, 8:].mean()
            loss, seen["encoder"] = loss + latent, float(latent.detach())
        return loss, seen

    def on_checkpoint(step: int, weights: dict[str, Tensor]) -> dict[str, float]:
        probe = build().to(device).eval()
        probe.load_state_dict({k.removeprefix("vae."): v for k, v in weights.items() if k.startswith("vae.")})
        probe.register_to_config(scaling_factor=old.config.scaling_factor)
        probe.save_pretrained(autoencoder.LARGE)
        return measured(probe)

    @torch.no_grad()
    def measured(probe: AutoencoderKL) -> dict[str, float]:
        with mixed_precision(device):
            known, own = known_moments(old, held)[:, :8].float(), moments(probe, held)[:, :8].float()
        latents = {"encoded": known, "own": own}
        latents |= {} if held_latents is None else {"drawn": held_latents.to(device).float()}
        found = figures(probe, held, latents)
        return found | {"latents off": round(float((own - known).square().mean().sqrt() / known.std()), 4)}

    print(json.dumps({"parameters": sum(p.numel() for p in vae.parameters()), "at first": measured(vae.eval())}))
    vae.train()
    train(
        "vae-256", model, optimisers, loss_of, steps=args.steps, minutes=args.minutes, ema=0.995, every=args.every,
        on_checkpoint=on_checkpoint, warmup=50, decay=0.5,
    )  # fmt: skip


if __name__ == "__main__":
    main()
