"""Every family end to end, on tiny random checkpoints: parity with diffusers, regional effect, confinement, state."""

from __future__ import annotations

import gc
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from family_plans import drawn, plan_of, request
from plans import changed
from tiny_models import NAMES, TINY, by_speed, saved
from torch.utils._python_dispatch import TorchDispatchMode

from ditpipe import LeveledPrompt, Renderer, RenderRequest, Revision
from ditpipe.prompts.errors import ModelError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.checkpoints.load import half_precision
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS, FAMILIES
from ditpipe.renderer.families.base import Family
from ditpipe.renderer.families.stable_diffusion import StableDiffusionXL
from ditpipe.renderer.forward import JointText
from ditpipe.renderer.regions.prompt_schedule import preset

pytestmark = pytest.mark.families

# How many times as much a region's prompt changes its own half as the other one in a single step. What is between two
# cross-attentions of a U-Net, its convolutions and group norms over the whole picture, carries a change everywhere.
# So does what is between two attentions in weights of unit gain, and Z-Image's padding, which all tokens attend to.
CONFINED = {
    "sd": 2.0,
    "sdxl": 1.4,
    "qwen-image": 5.0,
    "z-image": 3.0,
    "chroma": 5.0,
    "lumina-2": 4.0,
    "hunyuan-image": 4.0,
}
DIFFUSIONS = ("pixart-sigma", "pixart-alpha", "sd", "sdxl")
# These differ from another one of their family in sizes and norms alone, which the comparisons with diffusers cover.
VARIANTS = ("pixart-alpha", "sana-1.5", "sd3", "flux.2-dev")
KINDS = by_speed(name for name in NAMES if name not in VARIANTS)
# In these a token without a changed prompt in the last block does not change from there on.
EXACT = (
    "pixart-sigma", "pixart-alpha", "sd3", "sd3.5", "flux", "flux.2-klein", "flux.2-klein-base", "flux.2-dev",
    "z-image", "chroma", "hunyuan-image",
)  # fmt: skip
# Least steps: the published noise levels of Qwen-Image are stretched between the first and the last.
LEAST = {"qwen-image": 2}


@pytest.fixture(scope="module")
def renderers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Renderer]:
    folder = tmp_path_factory.mktemp("tiny-families")
    return {name: Renderer(str(saved(name, folder)), device="cpu") for name in NAMES}


@pytest.fixture(params=by_speed(NAMES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def renderer(name: str, renderers: dict[str, Renderer]) -> Renderer:
    return renderers[name]


@pytest.mark.slow
def test_regions_that_start_one_by_one_keep_one_mask_in_memory(renderers: dict[str, Renderer]) -> None:
    late = plan_of("flux", 3, 3)
    late = late.model_copy(
        update={"regions": [one.model_copy(update={"start": i / 10}) for i, one in enumerate(late.regions)]}
    )
    alive: list[int] = []

    def count(_: object) -> None:
        alive.append(sum(type(each) is JointText for each in gc.get_objects()))

    renderers["flux"].render(request(renderers["flux"], late, steps=10), count)
    assert alive == [1] * 10


@pytest.mark.parametrize("soft", [False, True])
def test_no_mask_of_the_whole_sequence_is_built(soft: bool, renderers: dict[str, Renderer]) -> None:
    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            out = func(*args, **(kwargs or {}))
            if isinstance(out, torch.Tensor):
                self.numbers = max(self.numbers, out.numel())
            return out

    flux, plan = renderers["flux"], plan_of("flux", 3, 3)
    conditioning = flux.family.conditioning(flux.prompts, plan, ["region"] * 4, (6, 6), guided=False)
    weights = torch.cat([torch.zeros(1, 36), torch.eye(9).repeat_interleave(4, 1)]).double()
    weights = weights / 2 + 0.05 if soft else weights
    with Largest() as largest:  # type: ignore[no-untyped-call]
        text = conditioning.at(weights)
    assert isinstance(text, JointText)
    sequence = text.states.shape[1] + 36
    assert text.states.numel() <= largest.numbers < sequence**2 / (1 if soft else 3)
    biases = [group.bias for group in text.layouts[0].groups if group.bias is not None]
    assert all(bias.dtype != torch.float64 for bias in biases) and bool(biases)


def processors(model: torch.nn.Module) -> list[str]:
    return [type(each.processor).__name__ for each in model.modules() if hasattr(each, "processor")]


def test_a_released_pipeline_is_as_diffusers_loaded_it(name: str, renderers: dict[str, Renderer]) -> None:
    renderer = Renderer(renderers[name].model, device="cpu")
    assert renderer.release() is None  # nothing is loaded yet
    renderer.render(RenderRequest(plan=plan_of(name), steps=2))
    pipe = renderer.release()
    assert pipe is not None
    absent = {"tokenizer": None} if name == "flux.2-dev" else {}  # its processor needs torchvision
    fresh = diffusers.DiffusionPipeline.from_pretrained(renderer.model, **absent)
    ours, theirs = (getattr(each, "unet", None) or each.transformer for each in (pipe, fresh))
    assert processors(ours) == processors(theirs) != []
    assert not any(module._forward_hooks for module in ours.modules())
    assert pipe.vae.dtype == fresh.vae.dtype
    renderer.render(RenderRequest(plan=plan_of(name), steps=2))  # it loads the model anew


@pytest.mark.parametrize("name", by_speed(TINY))  # test_published.py compares the others
def test_one_prompt_equals_diffusers_pipeline(name: str, renderers: dict[str, Renderer]) -> None:
    renderer = renderers[name]
    plan = plan_of(name, 1, negative="blurred", scene=LeveledPrompt(high_level="a, red"))
    ours = drawn(renderer, plan, guidance_scale=4, seed=7, steps=3, prompt_schedule=preset("regions"))
    pipe = diffusers.DiffusionPipeline.from_pretrained(renderer.model)
    pipe.set_progress_bar_config(disable=True)
    noise = torch.randn(ours.shape, generator=torch.Generator().manual_seed(7))
    extra: dict[str, Any] = {}
    if name in DIFFUSIONS:
        pipe.scheduler = diffusers.EulerDiscreteScheduler.from_config(
            pipe.scheduler.config, timestep_spacing="trailing"
        )
    if name.startswith(("pixart", "sana")):
        extra = {"use_resolution_binning": False, "clean_caption": False}
    if name.startswith("sana"):
        extra |= {"complex_human_instruction": None, "sigmas": [1 - (1 - 1e-3) * step / 3 for step in range(3)]}
    if name == "flux":
        noise = pipe._pack_latents(noise, 1, *noise.shape[1:])
    else:
        extra |= {"negative_prompt": "blurred"}
    theirs = pipe(
        "a, red", height=plan.height, width=plan.width, num_inference_steps=3, guidance_scale=4, output_type="latent",
        latents=noise, **extra,
    ).images  # fmt: skip
    theirs = pipe._unpack_latents(theirs, plan.height, plan.width, 8) if name == "flux" else theirs
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


OTHER = LeveledPrompt(high_level="zz qq")  # about as long: sequences of another length are rounded otherwise


def change(renderer: Renderer, name: str, **fields: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """How the latents of the left and the right half change when the left half's prompt does."""
    two = (drawn(renderer, plan, **fields) for plan in (plan_of(name), changed(plan_of(name), prompt=OTHER)))
    left, right = (next(two) - next(two)).abs().chunk(2, dim=-1)
    return left, right


@pytest.mark.parametrize("name", KINDS)
def test_a_regions_prompt_changes_its_own_place_most(name: str, renderer: Renderer) -> None:
    left, right = change(renderer, name, steps=LEAST.get(name, 1), prompt_schedule=preset("regions"))
    assert left.mean() > CONFINED.get(name, 10) * right.mean()


def test_a_regions_prompt_in_the_last_block_changes_its_own_place_only(name: str, renderer: Renderer) -> None:
    levels = preset(f"scene*{renderer.family.block_count - 1},region")
    left, right = change(renderer, name, steps=LEAST.get(name, 1), prompt_schedule=levels)
    assert left.max() > 0
    least = 10 if name in LEAST else CONFINED.get(name, 1000)
    assert right.max() == 0 if name in EXACT else left.mean() > least * right.mean()


@pytest.mark.parametrize("name", KINDS)
def test_the_merged_prompt_alone_does_not_hear_the_regions(name: str, renderer: Renderer) -> None:
    left, right = change(renderer, name, prompt_schedule=preset("scene"))
    assert left.max() == right.max() == 0


@pytest.mark.parametrize("name", KINDS)
def test_progressive_prompts_hear_both(name: str, renderer: Renderer) -> None:
    both = {"prompt_schedule": preset("scene-then-regions@0.5")}
    plain = drawn(renderer, plan_of(name), **both)
    scene = plan_of(name, scene=LeveledPrompt(high_level="qqq"))
    assert not torch.equal(plain, drawn(renderer, scene, **both))
    assert not torch.equal(plain, drawn(renderer, changed(plan_of(name), prompt=OTHER), **both))


@pytest.mark.parametrize("name", KINDS)
def test_strength_and_feather_act(name: str, renderer: Renderer) -> None:
    regions, scene = {"prompt_schedule": preset("regions")}, {"prompt_schedule": preset("scene")}
    plain = drawn(renderer, plan_of(name), **regions)
    for other in (changed(plan_of(name), 1, feather=2.0), changed(plan_of(name), strength=0.5)):
        assert not torch.equal(plain, drawn(renderer, other, **regions))
    mute = changed(plan_of(name, 1), strength=0.0)
    torch.testing.assert_close(drawn(renderer, mute, **regions), drawn(renderer, mute, **scene))


@pytest.mark.parametrize("name", KINDS)
def test_negatives_act_where_there_are_two_forwards(name: str, renderer: Renderer) -> None:
    plain, other = (drawn(renderer, plan) for plan in (plan_of(name), changed(plan_of(name), negative="zzz")))
    assert torch.equal(plain, other) is not renderer.family.guided


@pytest.mark.parametrize("name", KINDS)
def test_a_negative_that_is_not_heard_is_said(name: str, renderer: Renderer) -> None:
    warnings = renderer.render(request(renderer, plan_of(name, negative="blurred"), steps=2)).warnings
    assert any("negative prompt" in warning for warning in warnings) is not renderer.family.guided


def test_an_edit_keeps_everything_else_bit_for_bit(name: str, renderer: Renderer) -> None:
    before = renderer.render(request(renderer, plan_of(name)))
    after = renderer.edit(before, Revision(changes=[RegionChange(name="thing 0", prompt=OTHER, seed=5)]))
    half = before.latents.shape[-1] // 2
    assert torch.equal(before.latents[..., half:], after.latents[..., half:])
    assert (before.latents[..., :half] != after.latents[..., :half]).all()
    again = renderer.render(RenderRequest.model_validate_json(after.request.model_dump_json()))
    assert again.image.tobytes() == after.image.tobytes()


@pytest.mark.parametrize("name", KINDS)
def test_candidates_can_each_be_made_again(name: str, renderer: Renderer) -> None:
    first, second = renderer.candidates(request(renderer, plan_of(name)), 2)
    assert not torch.equal(first.latents, second.latents)
    assert torch.equal(renderer.render(second.request).latents, second.latents)


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_left_for_the_next_render(name: str, renderer: Renderer) -> None:
    before = drawn(renderer, plan_of(name))

    def stop(step: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        renderer.render(request(renderer, plan_of(name, 2, 2)), stop)
    drawn(renderer, plan_of(name, 3))
    results: dict[int, torch.Tensor] = {}
    plans = [plan_of(name), plan_of(name, 2, 2)]
    threads = [threading.Thread(target=lambda i=i: results.update({i: drawn(renderer, plans[i])})) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torch.equal(results[0], before) and torch.equal(results[1], drawn(renderer, plans[1]))


@pytest.mark.parametrize("name", KINDS)
def test_a_long_prompt_is_said_to_be_cut(name: str, renderer: Renderer) -> None:
    long = plan_of(name, scene=LeveledPrompt(high_level="many things " * 80, low_level="many things " * 80))
    (warning, *_) = renderer.render(request(renderer, long, steps=2)).warnings
    assert "only the beginning of 'many things" in warning


def test_a_device_that_is_not_there_is_one_line() -> None:
    for device in ("gpu", "cuda:99", "mps"):
        with pytest.raises(ModelError, match=rf"cannot compute on '{device}' \(here: (cpu|cuda:0).*\)") as caught:
            Renderer(device=device).pipe  # noqa: B018
        assert "\n" not in str(caught.value)


def test_bfloat16_is_for_gpus_that_compute_in_it() -> None:
    turing, ampere = half_precision(7), half_precision(8)
    assert (turing, ampere) == (torch.float16, torch.bfloat16)


@pytest.mark.parametrize("upcast, dtype", [(True, torch.float32), (False, torch.float16)])
def test_a_decoder_that_overflows_in_float16_decodes_in_float32(upcast: bool, dtype: torch.dtype) -> None:
    pipe = TINY["sdxl"]().to(dtype=torch.float16)
    pipe.vae.register_to_config(force_upcast=upcast)
    family, seen = StableDiffusionXL(pipe), []
    family.pipe.vae.decoder.register_forward_pre_hook(lambda _, args: seen.append(args[0].dtype))
    with torch.inference_mode():
        family.decode(torch.zeros(1, 4, 8, 8))
    assert seen == [dtype] and family.dtype == torch.float16


def test_the_table_names_families_that_exist() -> None:
    for one in CHECKPOINTS.values():
        row = FAMILIES[one.family]
        module, adapter = row.adapter.split(":")
        assert issubclass(getattr(import_module(f"ditpipe.renderer.families.{module}"), adapter), Family)
        assert all(hasattr(diffusers, pipeline) for pipeline in row.pipelines)
        assert one.licence or not one.card  # empty where no publisher's page was read


def test_a_published_model_that_cannot_be_downloaded_is_one_line() -> None:
    with pytest.raises(ModelError, match="the hub cannot be reached for Efficient-Large-Model/") as caught:
        Renderer("sana").pipe  # noqa: B018
    assert "\n" not in str(caught.value)


def test_a_folder_of_another_family_is_refused_with_the_families_there_are(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": ["somewhere", "OtherPipeline"]}')
    with pytest.raises(ModelError, match="OtherPipeline.*; ditpipe draws with HunyuanDiTPipeline"):
        Renderer(str(tmp_path))
    (tmp_path / "model_index.json").write_text('{"_class_name": "WanPipeline"}')
    with pytest.raises(ModelError, match="holds a WanPipeline; ditpipe draws with HunyuanDiTPipeline, PixArtAlpha"):
        Renderer(str(tmp_path))
