"""Trains the pocket Hunyuan-DiT on whole-picture captions; with --regional also on region prompts in their boxes.

    python -m training.transformer --size 192 --steps 5000 --minutes 260   # resumes; some 35 images/s on one CPU core
    python -m training.transformer --minutes 260                           # the same weights at 256 pixels
    python -m training.transformer --regional --minutes 320                # goes on from there, with region prompts
    python -m training.transformer --from-shipped --minutes 120            # on a machine without training/work
    python -m training.transformer --from-shipped --regional --batch 256   # on a GPU: 0.2 s a step on a shared H200

`--minutes` counts what earlier stages took; the rate falls to 0 in its last 30%.

diffusers' HunyuanDiT2DModel, v-prediction, the published model's noise schedule, Muon for the matrices and AdamW for
the rest. Padding positions of the text are the same for every sample, so their keys and values are computed once.

Half of the batches let the deep blocks hear another wording of the same whole picture than the shallow ones, from a
random depth on: a prompt schedule switches prompts between blocks, and this makes the model ready for it without masks.

The stage `--regional` lets, in three of four batches, the tokens of each thing's box hear only that thing's words from
a random depth on, exactly as the renderer's region attention does. It draws the pictures in which regions matter most,
nine things and things anywhere, twice as often.
"""

import argparse
import json
from dataclasses import dataclass
from functools import cache

import torch
from diffusers import DDPMScheduler, HunyuanDiT2DModel
from diffusers.models.embeddings import apply_rotary_emb, get_2d_rotary_pos_embed
from diffusers.pipelines.hunyuandit.pipeline_hunyuandit import get_resize_crop_region_for_grid
from transformers import BertModel, BertTokenizer, T5EncoderModel

from training import text
from training.artwork import SHIPPED
from training.autoencoder import CELL
from training.drawing import Drawing, Drawn, Words, latents_of
from training.loop import Batches, mixed_precision, muon, pick_device, pick_workers, train
from training.text import LENGTH
from training.world import SIZE

BLOCKS = 8


def build() -> HunyuanDiT2DModel:
    return HunyuanDiT2DModel(
        num_attention_heads=4, attention_head_dim=64, hidden_size=256, num_layers=BLOCKS, mlp_ratio=3.0,
        in_channels=8, patch_size=2, sample_size=SIZE // CELL, learn_sigma=True,
        cross_attention_dim=384, cross_attention_dim_t5=128, pooled_projection_dim=128,
        text_len=LENGTH, text_len_t5=LENGTH, use_style_cond_and_image_meta_size=False,
    )  # fmt: skip


def scheduler() -> DDPMScheduler:
    return DDPMScheduler(
        beta_start=0.00085, beta_end=0.018, beta_schedule="scaled_linear", prediction_type="v_prediction",
        num_train_timesteps=1000, clip_sample=False,
    )  # fmt: skip


@cache
def columns_of(n: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Positions in the full text of the first n of either encoder's, and those of the rest, which are padding."""
    real = [*range(n), *range(LENGTH, LENGTH + n)]
    rest = [i for i in range(2 * LENGTH) if i % LENGTH >= n]
    return torch.tensor(real, device=device), torch.tensor(rest, dtype=torch.long, device=device)


class SharedPaddingAttention:
    """HunyuanAttnProcessor2_0 with the keys and values of padding computed once a batch instead of once a sample."""

    def __init__(self) -> None:
        self.mask = torch.empty(0)  # (batch, real tokens): True where a token is real

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, image_rotary_emb=None, **_):
        def heads(x: torch.Tensor) -> torch.Tensor:
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        query = attn.norm_q(heads(attn.to_q(hidden_states)))
        query = apply_rotary_emb(query, image_rotary_emb)
        if encoder_hidden_states is None:
            key = apply_rotary_emb(attn.norm_k(heads(attn.to_k(hidden_states))), image_rotary_emb)
            value = heads(attn.to_v(hidden_states))
        else:
            states, padding, regional = encoder_hidden_states
            key, value = attn.norm_k(heads(attn.to_k(states))), heads(attn.to_v(states))
            pad_key, pad_value = attn.norm_k(heads(attn.to_k(padding))), heads(attn.to_v(padding))
            mask, batch = self.mask[:, None, :, None], states.shape[0]
            order, rest = columns_of(states.shape[1] // 2, states.device)
            key = torch.where(mask, key, pad_key[:, :, order])
            value = torch.where(mask, value, pad_value[:, :, order])
            key = torch.cat([key, pad_key[:, :, rest].expand(batch, -1, -1, -1)], dim=2)
            value = torch.cat([value, pad_value[:, :, rest].expand(batch, -1, -1, -1)], dim=2)
        # Written out: on a CPU the backward pass of the fused kernel takes 40% of a whole training step.
        scores = torch.matmul(query * query.shape[-1] ** -0.5, key.to(query.dtype).transpose(-1, -2))
        out = torch.matmul(scores.softmax(dim=-1), value.to(query.dtype))
        if encoder_hidden_states is not None and regional is not None:
            inside = (regional.owner > 0)[:, None, :, None]
            out = torch.where(inside, self._regional(attn, query, regional, pad_key, pad_value).to(out.dtype), out)
        return attn.to_out[0](out.transpose(1, 2).flatten(2))

    def _regional(self, attn, query, regional: "Regional", pad_key, pad_value) -> torch.Tensor:
        """Each token's attention to its region's prompt; tokens outside all regions attend to the padding only."""
        batch, regions, n = regional.mask.shape
        order, rest = columns_of(n, query.device)

        def columns(x: torch.Tensor, pad: torch.Tensor) -> torch.Tensor:  # (B, heads, regions · 2n, head dim)
            x = x.unflatten(-1, (attn.heads, -1)).permute(0, 3, 1, 2, 4)
            mask = torch.cat([regional.mask, regional.mask], dim=2)[:, None, :, :, None].bool()
            return torch.where(mask, x, pad[:, :, None, order]).flatten(2, 3)

        key = columns(attn.norm_k(attn.to_k(regional.states).unflatten(-1, (attn.heads, -1))).flatten(-2), pad_key)
        value = columns(attn.to_v(regional.states), pad_value)
        query = query * query.shape[-1] ** -0.5
        own = torch.matmul(query, key.to(query.dtype).transpose(-1, -2))
        numbers = torch.arange(1, regions + 1, device=query.device).repeat_interleave(2 * n)
        own = own.masked_fill((regional.owner[:, :, None] != numbers)[:, None], float("-inf"))
        shared = torch.matmul(query, pad_key[:, :, rest].to(query.dtype).transpose(-1, -2))
        weights = torch.cat([own, shared], dim=-1).softmax(dim=-1)
        texts = torch.matmul(weights[..., : own.shape[-1]], value.to(query.dtype))
        return texts + torch.matmul(weights[..., own.shape[-1] :], pad_value[:, :, rest].to(query.dtype))


@dataclass(frozen=True)
class Regional:
    """Region prompts of a batch: states (B, regions, 2n, 384), mask (B, regions, n), owner (B, tokens), 0 for none."""

    states: torch.Tensor
    mask: torch.Tensor
    owner: torch.Tensor


@dataclass(frozen=True)
class EncodedTexts:
    """Encoded captions, cut to the longest: bert (B, n, 384), mask (B, n), n ≤ 77; t5 (B, 77, 128), or (B, n, 128) if
    no pooled vector is computed."""

    bert: torch.Tensor
    mask: torch.Tensor
    t5: torch.Tensor


def forward(model, attention, latents, timesteps, shallow: EncodedTexts, rotary, deep=None, turn: int = 0):
    """HunyuanDiT2DModel.forward for texts cut to the batch's longest caption; equal to the full-length forward.

    The pooled vector comes from `shallow` (all 77 positions). Blocks from `turn` on attend to `deep`: an EncodedTexts,
    or (EncodedTexts of all region prompts, their rows per picture (B, regions), region ids (B, tokens)).
    """
    x = model.pos_embed(latents)
    temb = model.time_extra_emb(timesteps, shallow.t5, None, None, hidden_dtype=x.dtype)

    def joined(texts: EncodedTexts) -> torch.Tensor:  # (texts, 2n, 384)
        n = texts.bert.shape[1]
        t5_states = model.text_embedder(texts.t5[:, :n].flatten(0, 1)).unflatten(0, (-1, n))
        return torch.cat([texts.bert.to(t5_states.dtype), t5_states], dim=1)

    def text_of(texts: EncodedTexts):
        attention.mask = torch.cat([texts.mask, texts.mask], dim=1).bool()
        return joined(texts), model.text_embedding_padding[None], None

    text = text_of(shallow)
    skips = []
    half = model.config.num_layers // 2
    for layer, block in enumerate(model.blocks):
        if isinstance(deep, EncodedTexts) and layer == turn:
            text = text_of(deep)
        elif deep is not None and layer == turn:
            prompts, rows, owner = deep
            text = (*text[:2], Regional(joined(prompts)[rows], prompts.mask[rows], owner))
        skip = skips.pop() if layer > half else None
        x = block(x, temb=temb, encoder_hidden_states=text, image_rotary_emb=rotary, skip=skip)
        if layer < half - 1:
            skips.append(x)
    x = model.proj_out(model.norm_out(x, temb.to(torch.float32)))
    side = latents.shape[-1] // 2
    x = x.unflatten(1, (side, side)).unflatten(-1, (2, 2, -1))
    return torch.einsum("nhwpqc->nchpwq", x).flatten(4, 5).flatten(2, 3)


def rotary_for(side: int) -> tuple[torch.Tensor, torch.Tensor]:
    crops = get_resize_crop_region_for_grid((side, side), 512 // 8 // 2)
    return get_2d_rotary_pos_embed(64, crops, (side, side), device=pick_device(), output_type="pt")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100000)
    parser.add_argument("--minutes", type=float, default=120, help="of training in all; the rate falls to 0 by then")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--scenes", type=int, default=40000)
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--size", type=int, default=SIZE, help="pixels of a side; smaller ones learn shapes cheaply")
    parser.add_argument("--name")
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument(
        "--from-shipped", action="store_true", help="start from renderer/pocket instead of from nothing"
    )
    parser.add_argument("--regional", action="store_true", help="train most batches on region prompts")
    device = pick_device()
    parser.add_argument("--workers", type=int, default=pick_workers(device), help="processes that make batches ahead")
    args = parser.parse_args()
    name = args.name or ("regional" if args.regional else "transformer")
    torch.manual_seed(0)
    folder = text.folder()
    tokenizer = BertTokenizer.from_pretrained(folder / "tokenizer")
    bert = BertModel.from_pretrained(folder / "text_encoder").float().eval().to(device)
    t5 = T5EncoderModel.from_pretrained(folder / "text_encoder_2").float()
    model = torch.nn.ModuleDict({"dit": build(), "t5": t5}).to(device)
    dit, t5 = model["dit"], model["t5"]
    attention = SharedPaddingAttention()
    dit.set_attn_processor(attention)
    with torch.no_grad():
        dit.text_embedding_padding.mul_(0.5)
        dit.proj_out.weight.zero_()
        dit.proj_out.bias.zero_()

    if args.from_shipped:  # a new machine has no training/work: go on from the shipped weights
        dit.load_state_dict(HunyuanDiT2DModel.from_pretrained(SHIPPED / "transformer").float().state_dict())
        if folder == SHIPPED:  # else training.text --grow has already taken it over
            t5.load_state_dict(T5EncoderModel.from_pretrained(SHIPPED / "text_encoder_2").float().state_dict())

    matrices = [p for n, p in dit.blocks.named_parameters() if p.ndim == 2]
    chosen = {id(p) for p in matrices}
    others = [p for p in model.parameters() if id(p) not in chosen]
    optimisers = [
        muon(matrices, args.lr, device),
        torch.optim.AdamW(others, lr=args.lr / 2, betas=(0.9, 0.97), weight_decay=0.0),
    ]
    latents, scenes = latents_of(args.scenes, seed=3, size=args.size, workers=args.workers)
    latents = latents.to(device)
    alphas = scheduler().alphas_cumprod.to(device)
    rotary = rotary_for(side := latents.shape[-1] // 2)
    drawing = Drawing(scenes, tokenizer, batch=args.batch, side=side, blocks=BLOCKS, regional=args.regional)
    batches = Batches(drawing, args.workers)

    def encoded(words: Words, *, pooled: bool = True) -> EncodedTexts:
        """Encodes texts; without a pooled vector, the T5's padding is left out."""
        ids, mask = (torch.from_numpy(x).to(device) for x in (words.ids, words.mask))
        n, length = words.longest, LENGTH if pooled else words.longest
        with torch.no_grad():
            states = bert(ids[:, :n], attention_mask=mask[:, :n]).last_hidden_state
        t5_states = t5(ids[:, :length], attention_mask=mask[:, :length]).last_hidden_state
        return EncodedTexts(states, mask[:, :n], t5_states)

    def deep_inputs(drawn: Drawn):
        """`deep` of `forward`."""
        if drawn.deep is None:
            return None
        if drawn.regions is None:
            return encoded(drawn.deep)
        return encoded(drawn.deep, pooled=False), *(torch.from_numpy(x).to(device) for x in drawn.regions)

    def loss_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        drawn = batches.at(step)
        x = latents[torch.from_numpy(drawn.rows).to(device)].float()
        t = torch.from_numpy(drawn.times).to(device)
        a = alphas[t][:, None, None, None]
        noise = torch.randn_like(x)
        noisy, target = a.sqrt() * x + (1 - a).sqrt() * noise, a.sqrt() * noise - (1 - a).sqrt() * x
        with mixed_precision(device):
            deep = deep_inputs(drawn)
            out = forward(dit, attention, noisy, t.float(), encoded(drawn.shallow), rotary, deep, drawn.turn)
        # Weight of min-SNR-5 for v: fine noise counts less, shapes are decided where the noise is strong.
        error = (out[:, : x.shape[1]].float() - target).square() * (5 * (1 - a)).clamp(max=1)
        return error.mean(), {}

    weights = train(
        name,
        model,
        optimisers,
        loss_of,
        steps=args.steps,
        minutes=args.minutes,
        ema=0.999,
        every=args.every,
        after="transformer" if args.regional and not args.from_shipped else None,
        warmup=50 if args.from_shipped else 200,
    )
    print(json.dumps({"parameters": sum(p.numel() for p in model.parameters()), "tensors": len(weights)}))


if __name__ == "__main__":
    main()
