"""What nine regions cost in each family: python -m benchmarks.families [NAME…]

Writes docs/families.md: processor time and memory of a step with nine regions over those of a step with one prompt,
measured in turns. Numbers of text and image tokens are the published ones, prompts have 20 tokens. Widths and depths
are small and weights random, which measures the cost that grows with the number of tokens, not with their width. With
names only those families are measured; the others keep the page's rows.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from os import cpu_count, getloadavg
from pathlib import Path
from sys import argv
from types import SimpleNamespace
from typing import Any

import diffusers
import torch
from rich.console import Console
from torch.profiler import ProfilerActivity, profile

from ditpipe import ScenePlan
from ditpipe.renderer.families.base import Family
from ditpipe.renderer.families.hunyuan import Hunyuan
from ditpipe.renderer.families.hunyuan_text import HunyuanText
from ditpipe.renderer.families.joint.chroma import Chroma
from ditpipe.renderer.families.joint.family import JointFamily
from ditpipe.renderer.families.joint.flux import Flux
from ditpipe.renderer.families.joint.flux_2 import Flux2
from ditpipe.renderer.families.joint.hunyuan_image import HunyuanImage
from ditpipe.renderer.families.joint.lumina_2 import Lumina2
from ditpipe.renderer.families.joint.qwen_image import QwenImage
from ditpipe.renderer.families.joint.stable_diffusion_3 import StableDiffusion3
from ditpipe.renderer.families.joint.z_image import ZImage
from ditpipe.renderer.families.pixart import PixArt
from ditpipe.renderer.families.sana import Sana
from ditpipe.renderer.families.stable_diffusion import StableDiffusion, StableDiffusionXL
from ditpipe.renderer.forward import Encoded, ForwardOptions
from ditpipe.renderer.regions.joint_conditioning import PADDINGS, JointConditioning
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.renderer.regions.region_masks import region_weights
from ditpipe.renderer.regions.stepwise import StepwiseConditioning

from .render import plan_of, timed

TARGET = Path(__file__).parent.parent / "docs" / "families.md"
OWN = 20  # tokens of a prompt
CLIP = 77  # tokens to which CLIP pads every prompt; all are computed, see its family
REPEATS = 2
TEXT = 64  # channels of a text encoder
HEAD = "| family | pixels | nine regions over one prompt | with every padding computed | memory of nine over one |"
COLUMNS = ("nine", "padded", "memory")


@dataclass(frozen=True)
class Measured:
    """A family at sizes in pixels. sections: tokens of each padded span of a prompt; () if padding is masked. tokens:
    of a prompt without sections."""

    name: str
    sides: tuple[int, ...]
    make: Callable[[int], Family]
    sections: tuple[int, ...] = ()
    tokens: int = OWN


def _adapted(kind: type[Family], model: Any) -> Family:
    """A family with its denoiser and a scheduler only."""
    make = diffusers.FlowMatchEulerDiscreteScheduler if kind.flow else diffusers.EulerDiscreteScheduler
    vae, config = SimpleNamespace(dtype=torch.float32, config={}), SimpleNamespace(is_distilled=False)
    parts: dict[str, Any] = {kind.denoiser: model.requires_grad_(False).eval()}
    pipe = SimpleNamespace(vae=vae, vae_scale_factor=8, scheduler=make(), config=config, **parts)
    return kind(pipe, torch.device("cpu"))


def hunyuan(cells: int) -> Family:
    return _adapted(Hunyuan, diffusers.HunyuanDiT2DModel(
        num_attention_heads=4, attention_head_dim=88, in_channels=4, patch_size=2, hidden_size=352, num_layers=4,
        sample_size=cells, mlp_ratio=4.3637, cross_attention_dim=TEXT, cross_attention_dim_t5=TEXT,
        pooled_projection_dim=1024, use_style_cond_and_image_meta_size=False,
    ))  # fmt: skip


def pixart(cells: int) -> Family:
    return _adapted(PixArt, diffusers.PixArtTransformer2DModel(
        num_attention_heads=4, attention_head_dim=72, in_channels=4, out_channels=8, num_layers=4,
        cross_attention_dim=288, sample_size=cells, patch_size=2, caption_channels=TEXT,
        use_additional_conditions=False,
    ))  # fmt: skip


def sana(cells: int) -> Family:
    return _adapted(Sana, diffusers.SanaTransformer2DModel(
        in_channels=32, out_channels=32, num_layers=4, num_attention_heads=14, attention_head_dim=32,
        num_cross_attention_heads=4, cross_attention_head_dim=112, cross_attention_dim=448, caption_channels=TEXT,
        sample_size=cells, patch_size=1,
    ))  # fmt: skip


def _unet(cells: int, depths: tuple[int, ...], **config: Any) -> Any:
    down = tuple("CrossAttnDownBlock2D" if depth else "DownBlock2D" for depth in depths)
    up = tuple("CrossAttnUpBlock2D" if depth else "UpBlock2D" for depth in reversed(depths))
    return diffusers.UNet2DConditionModel(
        sample_size=cells, block_out_channels=(64, 128, 256, 256)[: len(depths)], down_block_types=down,
        up_block_types=up, transformer_layers_per_block=tuple(max(1, depth) for depth in depths), layers_per_block=1,
        cross_attention_dim=TEXT, **config,
    )  # fmt: skip


def stable_diffusion(cells: int) -> Family:
    return _adapted(StableDiffusion, _unet(cells, (1, 1, 1, 0), attention_head_dim=4))


def stable_diffusion_xl(cells: int) -> Family:
    unet = _unet(
        cells, (0, 2, 4), attention_head_dim=(1, 2, 4), addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=TEXT + 48, use_linear_projection=True,
    )  # fmt: skip
    return _adapted(StableDiffusionXL, unet)


def stable_diffusion_3(cells: int) -> Family:
    return _adapted(StableDiffusion3, diffusers.SD3Transformer2DModel(
        sample_size=cells, patch_size=2, in_channels=16, num_layers=3, attention_head_dim=64, num_attention_heads=6,
        joint_attention_dim=TEXT, caption_projection_dim=384, pooled_projection_dim=TEXT, out_channels=16,
        pos_embed_max_size=192, dual_attention_layers=(0,), qk_norm="rms_norm",
    ))  # fmt: skip


def flux(cells: int) -> Family:
    return _adapted(Flux, diffusers.FluxTransformer2DModel(
        in_channels=64, num_layers=1, num_single_layers=2, attention_head_dim=128, num_attention_heads=4,
        joint_attention_dim=TEXT, pooled_projection_dim=TEXT, guidance_embeds=True,
    ))  # fmt: skip


def qwen_image(cells: int) -> Family:
    return _adapted(QwenImage, diffusers.QwenImageTransformer2DModel(
        patch_size=2, in_channels=64, out_channels=16, num_layers=3, attention_head_dim=128, num_attention_heads=4,
        joint_attention_dim=TEXT, axes_dims_rope=(16, 56, 56),
    ))  # fmt: skip


def flux_2(cells: int) -> Family:
    return _adapted(Flux2, diffusers.Flux2Transformer2DModel(
        in_channels=128, num_layers=1, num_single_layers=2, attention_head_dim=128, num_attention_heads=4,
        joint_attention_dim=TEXT, guidance_embeds=False,
    ))  # fmt: skip


def z_image(cells: int) -> Family:
    return _adapted(ZImage, diffusers.ZImageTransformer2DModel(
        in_channels=16, dim=512, n_layers=3, n_refiner_layers=1, n_heads=4, n_kv_heads=4, cap_feat_dim=TEXT,
        axes_dims=[32, 48, 48], axes_lens=[1536, 512, 512],
    ))  # fmt: skip


def chroma(cells: int) -> Family:
    return _adapted(Chroma, diffusers.ChromaTransformer2DModel(
        in_channels=64, num_layers=1, num_single_layers=2, attention_head_dim=128, num_attention_heads=4,
        joint_attention_dim=TEXT, approximator_hidden_dim=64, approximator_layers=1, approximator_num_channels=64,
    ))  # fmt: skip


def lumina_2(cells: int) -> Family:
    return _adapted(Lumina2, diffusers.Lumina2Transformer2DModel(
        patch_size=2, in_channels=16, hidden_size=384, num_layers=3, num_refiner_layers=1, num_attention_heads=4,
        num_kv_heads=2, multiple_of=64, axes_dim_rope=(32, 32, 32), axes_lens=(300, 512, 512), cap_feat_dim=TEXT,
    ))  # fmt: skip


def hunyuan_image(cells: int) -> Family:
    return _adapted(HunyuanImage, diffusers.HunyuanImageTransformer2DModel(
        in_channels=64, out_channels=64, num_attention_heads=4, attention_head_dim=128, num_layers=1,
        num_single_layers=2, num_refiner_layers=1, patch_size=(1, 1), text_embed_dim=TEXT - 1, text_embed_2_dim=None,
        rope_axes_dim=(64, 64),
    ))  # fmt: skip


FAMILIES = (
    Measured("Hunyuan-DiT", (1024,), hunyuan, (77, 256)),
    Measured("PixArt-Σ", (1024,), pixart),
    Measured("Sana", (1024,), sana),
    Measured("Stable Diffusion 1.5", (512,), stable_diffusion, (77,)),
    Measured("Stable Diffusion XL", (1024,), stable_diffusion_xl, (77,)),
    Measured("Stable Diffusion 3.5", (512, 1024), stable_diffusion_3, (77, 256)),
    Measured("FLUX.1", (512, 1024), flux, (512,)),
    Measured("Qwen-Image", (512,), qwen_image),
    Measured("FLUX.2 klein", (512, 1024), flux_2, tokens=512),  # its paddings have positions: all are computed
    Measured("Z-Image", (512,), z_image),
    Measured("Chroma", (512,), chroma),
    Measured("Lumina 2", (512,), lumina_2),
    Measured("HunyuanImage 2.1", (1024,), hunyuan_image),
)


def _hunyuan_text(bert_length: int, t5_length: int) -> HunyuanText:
    mask, t5_mask = ((torch.arange(length) < OWN).long()[None] for length in (bert_length, t5_length))
    bert, t5 = torch.randn(1, bert_length, TEXT), torch.randn(1, t5_length, TEXT)
    return HunyuanText(bert, mask=mask, t5=t5, t5_mask=t5_mask, embed=lambda: torch.cat([bert, t5], 1))


def encoded(measured: Measured, texts: Sequence[str]) -> Any:
    """Random states of prompts of `OWN` tokens, padded to the family's length; encoding is not measured."""
    if measured.make is hunyuan:
        return [_hunyuan_text(*measured.sections) for _ in texts]
    length = sum(measured.sections) or measured.tokens
    sections = tuple((section, min(section, OWN if section > CLIP else CLIP)) for section in measured.sections)
    states = [torch.randn(length, TEXT) for _ in texts]
    for each in states if measured.make is hunyuan_image else []:
        each[:, 0] = 0  # no token is a lettering's
    return [Encoded(each, torch.randn(TEXT), sections=sections) for each in states]


def step(measured: Measured, family: Family, plan: ScenePlan, paddings: int | None) -> Callable[[], Any]:
    """A step of a plan, its texts prepared. paddings: see `JointConditioning`; other families ignore it."""
    width, height = (side // family.cell // family.patch for side in plan.size)
    grid = height, width

    def prompts(texts: Sequence[str]) -> Any:
        return encoded(measured, texts)

    schedule = "scene-then-regions" if len(plan.regions) > 1 else "scene"  # one prompt in all blocks
    levels: Any = preset(schedule).levels(family.block_count)
    if isinstance(family, JointFamily):
        conditioning: Any = JointConditioning(family, prompts, plan, levels, guided=family.guided, paddings=paddings)
    else:
        conditioning = family.conditioning(prompts, plan, levels, grid)
    weights = region_weights(plan.regions, rows=grid[0], columns=grid[1], patch=family.patch)
    conditions = StepwiseConditioning(conditioning, weights).at(0.0)
    latents = torch.randn(1, family.channels, *(side // family.cell for side in plan.size[::-1]))
    forward = family.forward(latents.shape, conditioning.picture_condition, ForwardOptions(3.0))
    rows, steps = latents.repeat(2, 1, 1, 1) if family.guided else latents, count()

    def run() -> Any:
        with torch.inference_mode():
            return forward(rows, torch.tensor(500.0), conditions, next(steps), False)

    return run


def peak(work: Callable[[], Any]) -> int:
    """The most bytes that tensors made by some work take at once."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    assert profiler.profiler
    events = [each for each in profiler.profiler.kineto_results.events() if each.name() == "[memory]"]
    return max(accumulate(int(each.nbytes()) for each in sorted(events, key=lambda each: each.start_ns())))


def measure(measured: Measured, side: int, repeats: int = REPEATS) -> dict[str, float]:
    """Ratios to one prompt: nine regions, where padding is attended to nine regions with all of it computed, and the
    memory of nine regions."""
    torch.manual_seed(0)
    with torch.inference_mode():
        cell = 32 if measured.make is sana else 8
        family = measured.make(side // cell)
        size = {"width": side, "height": side}
        joint = isinstance(family, JointFamily) and measured.sections
        cases: dict[str, tuple[int, int | None]] = {"plain": (1, PADDINGS), "nine": (9, PADDINGS)}
        cases |= {"padded": (9, None)} if joint else {}
        ways = {
            name: step(measured, family, plan_of(regions).model_copy(update=size), paddings)
            for name, (regions, paddings) in cases.items()
        }
    for way in ways.values():
        way()
    taken = timed(ways, repeats)
    ratios = {name: taken[name] / taken["plain"] for name in ways if name != "plain"}
    return ratios | {"memory": peak(ways["nine"]) / peak(ways["plain"])}


def page(rows: Mapping[tuple[str, int], Mapping[str, float]], beside: str = "") -> str:
    """docs/families.md. rows: `measure` by the family's name and size. beside: what else the machine did."""
    lines = [
        "# What nine regions cost, family by family", "",
        "Printed by `python -m benchmarks.families`: a denoising step with nine regions over one with one prompt, in "
        f"processor time, the two of a row taking turns, medians of at least {REPEATS}, {torch.get_num_threads()} "
        "thread(s). The default prompt schedule; the published numbers of text tokens and of the picture's, prompts of "
        f"{OWN} tokens; three or four blocks of random weights and a fraction of the published widths, so that "
        f"attention, which regions add to, weighs more than in a published model.{beside}", "",
        HEAD, "|---|---|---|---|---|",
    ]  # fmt: skip
    for name, side in ((measured.name, side) for measured in FAMILIES for side in measured.sides):
        if (ratios := rows.get((name, side))) is None:
            continue
        given = [f"{ratios[key]:.2f}" if key in ratios else "–" for key in COLUMNS]
        lines.append(f"| {name} | {side} | {' | '.join(given)} |")
    lines += [
        "", "Where the picture cross-attends to its text (the first five), a region's tokens attend to its prompt "
        "alone, whatever the number of regions. Where text and picture share one attention (the others), every "
        "prompt is part of the sequence. Tokens with the same keys are computed in one call, without a mask of the "
        "whole sequence. Qwen-Image, Z-Image, Chroma, Lumina 2 and HunyuanImage 2.1 mask padding or have little: a "
        "region adds its own tokens only. FLUX.2 attends to all 512, which have positions: each is computed. The other "
        "published models pad it to 333 or 512 tokens, attend to the paddings and "
        "compute them like any other token. So the scene's prompt and that of a single region keep all paddings. Of "
        f"other regions' prompts {PADDINGS} of T5's paddings are computed, spread evenly, each with the weight of "
        "those that it stands for (`renderer/regions/joint_conditioning.py`); CLIP's 77 tokens, whose paddings have "
        "positions of their own, all are. Text has no position in these models: paddings that are alike give the same "
        "picture either way. T5's nearly are: with random weights the picture moves by 0.03 to 0.6 of what rewording "
        "one region changes, and without any padding by 7 to 105 times that. A text that no part of the picture "
        "attends to, such as the scene's under regions that cover everything, is left out, which changes nothing.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def printed(text: str) -> dict[tuple[str, int], dict[str, float]]:
    """The rows of a page."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {
        (name, int(side)): {key: float(cell) for key, cell in zip(COLUMNS, cells) if cell != "–"}
        for name, side, *cells in rows[2:]
    }


def main() -> None:
    console, rows = Console(), printed(TARGET.read_text()) if argv[1:] else {}
    for measured in FAMILIES:
        for side in measured.sides:
            if measured.name in argv[1:] or not argv[1:]:
                rows[measured.name, side] = measure(measured, side)
                console.print(measured.name, side, rows[measured.name, side])
                load = f"{getloadavg()[0]:.0f} on {cpu_count()} cores"
                names = ", ".join(argv[1:]) or "all"
                beside = f" Measured last, beside a load of {load}, which both of a row feel: {names}."
                TARGET.write_text(page(rows, beside))


if __name__ == "__main__":
    main()
