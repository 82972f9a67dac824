"""The cost of regional control, as ratios within this run: python -m benchmarks.render

Writes docs/speed.md. Times are processor time, medians of a few repeats. Other implementations of regional attention
are written here from their descriptions; none is part of the package.
"""

import gc
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDPMScheduler, HunyuanDiT2DModel, HunyuanDiTPipeline
from diffusers.models.attention_processor import Attention, HunyuanAttnProcessor2_0
from diffusers.models.embeddings import apply_rotary_emb
from rich.console import Console
from torch import Tensor

from ditpipe import LeveledPrompt, Region, Renderer, RenderRequest, Revision, ScenePlan, grid
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS
from ditpipe.renderer.families.base import Family
from ditpipe.renderer.families.hunyuan import Hunyuan
from ditpipe.renderer.families.hunyuan_attention import CrossAttention, Positions, rotary_pairs_of
from ditpipe.renderer.families.hunyuan_text import HunyuanText
from ditpipe.renderer.forward import EditBase
from ditpipe.renderer.regions.attention import (
    TextContext,
    normed_heads,
    project_text,
    token_groups,
)
from ditpipe.renderer.regions.prompt_schedule import Level
from ditpipe.renderer.regions.region_masks import region_ids, region_weights
from ditpipe.renderer.regions.stepwise import StepwiseConditioning
from ditpipe.renderer.sampling.edit import changed_tokens
from ditpipe.renderer.sampling.sampler import denoise
from ditpipe.renderer.sampling.step_cache import StepCache

TARGET = Path(__file__).parent.parent / "docs" / "speed.md"
LAYOUTS = {1: (1, 1), 2: (2, 1), 4: (2, 2), 9: (3, 3)}
STEPS = 20


def plan_of(count: int) -> ScenePlan:
    words = [
        "red cat", "blue rocket", "green tree", "yellow star", "pink house", "purple castle", "orange fish",
        "white rabbit", "red apple",
    ]  # fmt: skip
    regions = [
        Region(name=noun, box=box, prompt=LeveledPrompt(high_level=noun, low_level=colour))
        for (colour, noun), box in zip(map(str.split, words), grid(*LAYOUTS[count]))
    ]
    scene, side = LeveledPrompt(high_level=", ".join(words[:count]) + ", in a grid"), CHECKPOINTS["pocket"].size
    return ScenePlan(width=side, height=side, scene=scene, regions=regions)


def seconds(work: Callable[[], Any]) -> float:
    """Processor seconds of one call."""
    gc.collect()
    started = time.process_time()
    work()
    return time.process_time() - started


def timed(ways: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median processor seconds of each way, measured in turns."""
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, work in ways.items():
            taken[name].append(seconds(work))
    return {name: median(times) for name, times in taken.items()}


# --- one cross-attention -------------------------------------------------------------------------------------------


def attended(layer: Attention, query: Tensor, states: Tensor, mask: Tensor | None = None) -> Tensor:
    keys, values = (part.transpose(1, 2) for part in project_text(layer, states))
    return F.scaled_dot_product_attention(query, keys, values, attn_mask=mask)


def projected(layer: Attention, feature: Tensor) -> Tensor:
    out: Tensor = layer.to_out[0](feature.transpose(1, 2).flatten(2))
    return out


def cross_attention(regions: int, dtype: torch.dtype, *, side: int = 64, repeats: int = 5) -> dict[str, float]:
    """Ratios to the plain one-prompt layer in Hunyuan-DiT-g/2's shape: side² tokens, 16×88 heads, 333 text tokens."""
    torch.manual_seed(0)
    layer = Attention(1408, cross_attention_dim=1024, heads=16, dim_head=88, qk_norm="layer_norm", eps=1e-6, bias=True)
    layer = layer.requires_grad_(False).to(dtype)
    image, texts = torch.randn(1, side * side, 1408).to(dtype), torch.randn(regions, 333, 1024).to(dtype)
    angles = torch.randn(side * side, 44).repeat_interleave(2, 1)
    rotary: Any = (angles.cos(), angles.sin())
    ids = region_ids(plan_of(regions).regions, rows=side, columns=side) - 1
    groups = token_groups(slice(0, 1), ids == torch.arange(regions)[:, None], device=ids.device)
    cached, rotary_pairs = TextContext(*project_text(layer, texts), tuple(groups)), rotary_pairs_of(rotary)
    plain = HunyuanAttnProcessor2_0()

    def query() -> Any:
        return apply_rotary_emb(normed_heads(layer, layer.to_q(image), layer.norm_q).transpose(1, 2), rotary)

    def rcac() -> Tensor:
        """The authors' code: every token attends to every prompt, outputs are masked and summed, one projection."""
        q = query()
        masks = [(ids == p)[None, None, :, None].to(q.dtype) for p in range(regions)]
        return projected(layer, sum(m * attended(layer, q, texts[[p]]) for p, m in enumerate(masks)))  # type: ignore[arg-type]

    def whole_layers() -> Tensor:
        """A whole layer per region, its output masked."""
        outs = [plain(layer, image, encoder_hidden_states=texts[[p]], image_rotary_emb=rotary) for p in range(regions)]
        return sum((ids == p)[None, :, None].to(o.dtype) * o for p, o in enumerate(outs))  # type: ignore[return-value]

    def dense_mask() -> Tensor:
        """All prompts in one sequence, with a boolean mask."""
        allowed = ids[:, None] == torch.arange(regions).repeat_interleave(333)[None]
        return projected(layer, attended(layer, query(), texts.flatten(0, 1)[None], allowed))

    def ours() -> Tensor:
        return CrossAttention()(layer, image, cached, image_rotary_emb=Positions(rotary_pairs))

    with torch.inference_mode():
        ways: dict[str, Callable[[], Any]] = {
            "plain": lambda: plain(layer, image, encoder_hidden_states=texts[:1], image_rotary_emb=rotary),
            "RCAC's way": rcac,
            "a layer per region": whole_layers,
            "dense mask": dense_mask,
            "gather, cached K/V": ours,
        }
        for name, way in ways.items():
            if name != "plain":
                torch.testing.assert_close(way(), ours(), rtol=0.02, atol=1e-4 if dtype == torch.float32 else 0.02)
        taken = timed(ways, repeats)
    return {name: taken[name] / taken["plain"] for name in ways if name != "plain"}


# --- whole steps in a reduced Hunyuan-DiT ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Shape:
    """Sizes of a model with random weights, the side of its token grid, its device and dtype.

    The defaults are half of Hunyuan-DiT's width and 4 of its 40 blocks, with its text lengths and a tiny decoder.
    """

    layers: int = 4
    heads: int = 8
    head_dim: int = 88
    text: int = 1024  # channels of BERT's states, and of the blocks' text
    text_t5: int = 2048
    side: int = 24
    vae: tuple[int, ...] = (8, 8, 8, 8)
    vae_layers: int = 1
    vae_groups: int = 4
    device: str = "cpu"
    dtype: torch.dtype = torch.float32


class RandomModel(ABC):
    """A denoiser and a decoder of a shape with random weights, run by diffusers' pipeline and by ours.

    clock: returns seconds. pipe: diffusers' pipeline; own: ours. latents: of the last picture of `steps`.
    """

    own: Family
    pipe: Any
    latents: Tensor

    def __init__(self, shape: Shape, clock: Callable[[], float]) -> None:
        torch.manual_seed(0)
        self.shape, self.side, self.clock = shape, shape.side, clock

    @abstractmethod
    def prompts(self, texts: Sequence[str]) -> list[Any]:
        """Random states of prompts of 20 tokens; encoding is not measured."""

    @abstractmethod
    def plain(self, steps: int, *, decode: bool = False) -> list[float]:
        """Seconds of each step of diffusers' pipeline with one prompt, the first with its preparation; with `decode`
        those of decoding come last."""

    def ready(self, *models: Any) -> None:
        """Puts models into the shape's dtype, for inference."""
        for model in models:
            torch.nn.Module.to(model.requires_grad_(False).eval(), self.shape.dtype)  # diffusers' `to` warns needlessly

    def noise(self, *sizes: int) -> Tensor:
        """Standard normal numbers of the model's dtype, on its device."""
        return torch.randn(*sizes, device=self.shape.device, dtype=self.shape.dtype)

    def called(self, steps: int, *, decode: bool, **inputs: Any) -> list[float]:
        """`plain`, with the pipeline's other inputs."""
        stamps, size = [self.clock()], 16 * self.side

        def stamp(*_: Any) -> dict[str, Any]:
            stamps.append(self.clock())
            return {}

        self.pipe(
            height=size, width=size, num_inference_steps=steps, output_type="pil" if decode else "latent",
            callback_on_step_end=stamp, **inputs,
        )  # fmt: skip
        if decode:
            stamp()
        return [after - before for before, after in pairwise(stamps)]

    def steps(
        self, plan: ScenePlan, steps: int, edit: EditBase | None = None, *, levels: Sequence[Level] | None = None,
        pictures: int = 1, decode: bool = False, cache: StepCache | None = None,
    ) -> Iterator[float]:  # fmt: skip
        """Seconds of preparing the prompts, then of each step of ours; with `decode` those of decoding come last.

        levels: of the blocks; None: all regional.
        """
        self.own.install_processors()
        started, side = self.clock(), 2 * self.side
        with torch.inference_mode():
            levels = levels or ["region"] * self.shape.layers
            conditioning = self.own.conditioning(self.prompts, plan, levels, (self.side, self.side))
            weights = region_weights(plan.regions, rows=self.side, columns=self.side, patch=2)
            stepwise = StepwiseConditioning(conditioning, weights, pictures=pictures, edit=edit)
            for partial_step in (False, True) if edit else (False,):
                stepwise.at(0.0, partial=partial_step)  # cached for all steps
            noise = torch.randn(pictures, self.own.channels, side, side, device=self.shape.device)
            yield self.clock() - started
            started = self.clock()
            for at in denoise(self.own, noise, stepwise, steps=steps, guidance=6, edit=edit, cache=cache):
                yield self.clock() - started
                started = self.clock()
            self.latents = at.latents
            if decode:
                for latents in at.latents:
                    self.own.decode(latents[None])
                yield self.clock() - started

    def edited(self, name: str) -> EditBase:
        """The input of an edit of one region of nine."""
        plan = plan_of(9)
        other = Revision(changes=[RegionChange(name=name, seed=1)]).apply(plan)
        drawn = changed_tokens(plan, other, rows=self.side, columns=self.side, patch=2)
        latents = torch.randn(1, self.own.channels, 2 * self.side, 2 * self.side, device=self.shape.device)
        return EditBase(latents, drawn.to(self.shape.device))


class Reduced(RandomModel):
    """A Hunyuan-DiT."""

    def __init__(self, shape: Shape = Shape(), clock: Callable[[], float] = time.process_time) -> None:
        super().__init__(shape, clock)
        with torch.device(shape.device):
            self.transformer: Any = HunyuanDiT2DModel(
                num_attention_heads=shape.heads, attention_head_dim=shape.head_dim, in_channels=4, patch_size=2,
                hidden_size=shape.heads * shape.head_dim, num_layers=shape.layers, sample_size=2 * shape.side,
                mlp_ratio=4.3637, cross_attention_dim=shape.text, cross_attention_dim_t5=shape.text_t5,
                pooled_projection_dim=1024, use_style_cond_and_image_meta_size=False,
            )  # fmt: skip
            vae: Any = AutoencoderKL(
                block_out_channels=shape.vae, layers_per_block=shape.vae_layers, norm_num_groups=shape.vae_groups,
                down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
            )  # fmt: skip
        self.ready(self.transformer, vae)
        scheduler = DDPMScheduler(beta_end=0.018, beta_schedule="scaled_linear", prediction_type="v_prediction")
        make: Any = HunyuanDiTPipeline
        self.pipe = make(
            vae=vae, text_encoder=None, tokenizer=None, transformer=self.transformer, scheduler=scheduler,
            safety_checker=None, feature_extractor=None, requires_safety_checker=False, text_encoder_2=None,
            tokenizer_2=None,
        )  # fmt: skip
        self.pipe.set_progress_bar_config(disable=True)
        self.own = Hunyuan(self.pipe)

    def prompts(self, texts: Sequence[str]) -> list[HunyuanText]:
        """As declared, padded to the published lengths."""
        return [self._prompt() for _ in texts]

    def _prompt(self) -> HunyuanText:
        mask, t5_mask = ((torch.arange(n, device=self.shape.device) < 20).long()[None] for n in (77, 256))
        bert, t5 = self.noise(1, 77, self.shape.text), self.noise(1, 256, self.shape.text_t5)
        embedded = self.noise(1, 333, self.shape.text)
        return HunyuanText(bert, mask=mask, t5=t5, t5_mask=t5_mask, embed=lambda: embedded)

    def plain(self, steps: int, *, decode: bool = False) -> list[float]:
        self.transformer.set_default_attn_processor()
        prompt, negative = self.prompts(["prompt", "negative"])
        return self.called(
            steps, decode=decode, guidance_scale=6, use_resolution_binning=False,
            prompt_embeds=prompt.states, prompt_attention_mask=prompt.mask, prompt_embeds_2=prompt.t5,
            prompt_attention_mask_2=prompt.t5_mask, negative_prompt_embeds=negative.states,
            negative_prompt_attention_mask=negative.mask, negative_prompt_embeds_2=negative.t5,
            negative_prompt_attention_mask_2=negative.t5_mask,
        )  # fmt: skip


def whole_steps_table(reduced: Reduced, *, steps: int = 3, spread: int = 30) -> dict[int, tuple[float, float]]:
    """Per number of regions: a step over diffusers' one-prompt step, without and with its share of preparing K/V."""
    plain: list[float] = []
    ours: dict[int, list[float]] = {count: [] for count in (2, 4, 9)}
    prepared: dict[int, list[float]] = {count: [] for count in ours}
    for _ in range(3):
        plain.append(median(reduced.plain(steps + 1)[1:]))
        for count in ours:
            first, *each = reduced.steps(plan_of(count), steps)
            prepared[count].append(first)
            ours[count].append(median(each))
    base = median(plain)
    return {n: (median(t) / base, (median(t) + median(prepared[n]) / spread) / base) for n, t in ours.items()}


def edit_ratio(reduced: Reduced) -> float:
    """The edit of one region of nine over the whole render, in the transformer, keys and values included; of three."""
    plan, edit = plan_of(9), reduced.edited("house")
    return median(sum(reduced.steps(plan, STEPS, edit)) / sum(reduced.steps(plan, STEPS)) for _ in range(3))


# --- the pocket checkpoint ------------------------------------------------------------------------------------------


def pocket() -> dict[str, float]:
    renderer = Renderer()
    requests = {n: RenderRequest(plan=plan_of(n), steps=STEPS) for n in LAYOUTS}
    result = renderer.render(requests[9])
    for request in requests.values():
        renderer.render(request)  # caches its encoded prompts
    revision = Revision(changes=[RegionChange(name="house", prompt=LeveledPrompt(high_level="car"), seed=1)])
    ways: dict[str, Callable[[], Any]] = {
        **{str(n): partial(renderer.render, requests[n]) for n in LAYOUTS},
        "edit": lambda: renderer.edit(result, revision),
        "batch": lambda: renderer.candidates(requests[9], 4),
    }
    taken = timed(ways, 5)
    return {
        "nine": taken["9"] / taken["1"], "edit": taken["edit"] / taken["9"], "batch": taken["batch"] / taken["9"],
        "seconds": taken["9"],
    }  # fmt: skip


def encoder_calls() -> tuple[int, int]:
    """Text encoder calls of a first render of nine regions, and of a second one with one changed prompt."""
    renderer, calls = Renderer(), []
    renderer.pipe.text_encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    plan = plan_of(9)
    renderer.render(RenderRequest(plan=plan, steps=1))
    first = len(calls)
    new = RegionChange(name="house", prompt=LeveledPrompt(high_level="car", low_level="green"))
    renderer.render(RenderRequest(plan=Revision(changes=[new]).apply(plan), steps=1))
    return first, len(calls) - first


def main() -> None:
    console = Console()
    able = torch.cpu.get_capabilities()
    dtype = torch.bfloat16 if able.get("amx_bf16") or able.get("avx512_bf16") else torch.float32
    lines = [
        "# What regional control costs", "",
        "Printed by `python -m benchmarks.render`: ratios of processor time within one run, "
        f"{torch.get_num_threads()} thread(s).", "",
        "## One cross-attention of Hunyuan-DiT-g/2 over the plain layer", "",
        f"4096 image tokens, 16×88 heads, 333 text tokens, {str(dtype).removeprefix('torch.')} (bfloat16 where the "
        "processor has instructions for it).",
        "", "| regions | RCAC's way | a layer per region | dense mask | gather, cached K/V |", "|---|---|---|---|---|",
    ]  # fmt: skip
    for count in (2, 4, 9):
        row = cross_attention(count, dtype)
        console.print(count, row)
        lines.append(f"| {count} | " + " | ".join(f"{value:.2f}" for value in row.values()) + " |")
    reduced = Reduced()
    lines += [
        "", "## A denoising step over diffusers' HunyuanDiTPipeline with one prompt", "",
        f"Half of Hunyuan-DiT's width, 4 blocks, {reduced.side}×{reduced.side} tokens, float32; all blocks regional, "
        "prompts of 20 tokens. The pipeline's step embeds and pools the T5 states again; here encoding a prompt does "
        "the one, and is not counted, and a render's first step the other.", "",
        "| regions | a step | with its share of preparing keys and values, 30 steps |", "|---|---|---|",
    ]  # fmt: skip
    for count, (step, whole) in whole_steps_table(reduced).items():
        console.print(count, step, whole)
        lines.append(f"| {count} | {step:.2f} | {whole:.2f} |")
    edit, small, (first, second) = edit_ratio(reduced), pocket(), encoder_calls()
    tokens = (plan_of(9).size[0] // 16) ** 2
    lines += [
        "", "## Whole renders", "", "| measured | ratio |", "|---|---|",
        f"| edit of one region of 9 over the full render, {STEPS} steps, the reduced Hunyuan-DiT above | {edit:.2f} |",
        f"| the same in the pocket checkpoint, whose {tokens} tokens are not what a step costs | {small['edit']:.2f} |",
        f"| pocket picture, {STEPS} steps, 9 regions over 1 | {small['nine']:.2f} |",
        f"| pocket, four candidates in one batch over one picture | {small['batch']:.2f} |",
        "", f"A pocket picture of nine regions takes {small['seconds']:.2f} s of processor time. Its first render "
        f"calls the text encoder for {first} prompts, a second round with one changed prompt for {second}.",
    ]  # fmt: skip
    TARGET.write_text("\n".join(lines) + "\n")
    console.print("\n".join(lines), markup=False)


if __name__ == "__main__":
    main()
