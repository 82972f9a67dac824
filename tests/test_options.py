"""A render's options: a picture to start from, ControlNets, step caches, compiling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    EulerDiscreteScheduler,
    HunyuanDiT2DControlNetModel,
    HunyuanDiTControlNetPipeline,
    HunyuanDiTPipeline,
)
from option_requests import drawn, request
from PIL import ExifTags, Image, ImageOps
from plans import plan_of
from png_files import png_bytes
from pydantic import ValidationError
from tiny_models import saved
from torch._dynamo.utils import counters

from ditpipe import LeveledPrompt, Renderer, Revision
from ditpipe.prompts.errors import ModelError, RenderError, RunError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.checkpoints.load import load
from ditpipe.renderer.families.hunyuan_controlnet import load_control
from ditpipe.renderer.pictures.artifacts import open_image, read_request
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.renderer.request import Control

ERRORS_OF_STEPS = "6 steps at denoise 0.005 are the end of 1200: at most 1000 are possible"


# --- a picture to start from ------------------------------------------------------------------------------------------


def test_less_denoise_stays_nearer_to_the_start(tiny: Renderer, start: Path) -> None:
    plan = plan_of(2)
    with Image.open(start) as image:
        fitted = ImageOps.fit(image.convert("RGB"), plan.size, Image.Resampling.LANCZOS)
    with torch.inference_mode():
        seen = tiny.family.encode_image(fitted)
    away = [float((drawn(tiny, image=start, denoise=share) - seen).abs().mean()) for share in (0.02, 0.2, 0.9)]
    assert away[0] < away[1] < away[2] and away[0] < 0.3 * away[2]


def test_a_picture_of_16_bits_keeps_its_greys(tmp_path: Path) -> None:
    ramp = np.arange(0, 65536, 257).astype(np.uint16).reshape(16, 16)
    grey = np.arange(256).astype(np.uint8).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    Image.fromarray(ramp.astype(np.int32)).save(tmp_path / "deep.tiff")
    for name in ("deep.png", "deep.tiff"):
        assert np.array_equal(np.asarray(open_image(tmp_path / name)), np.stack([grey] * 3, -1))
    unknown: dict[str, Any] = {"far": ramp.astype(np.int32) * 9, "near": ramp.astype(np.float32) / 65535}
    for name, values in unknown.items():
        Image.fromarray(values).save(tmp_path / f"{name}.tiff")
        with pytest.raises(RunError, match=f"{name}.tiff: greyscale of 32 bits, .* save it with 8 or 16 bits"):
            open_image(tmp_path / f"{name}.tiff")


def test_a_photo_is_upright(tmp_path: Path, start: Path) -> None:
    with Image.open(start) as image:
        exif = image.getexif()
        exif[ExifTags.Base.Orientation] = 6  # a phone held upright: turn right by 90° to see it
        image.save(tmp_path / "photo.png", exif=exif)
        assert np.array_equal(np.asarray(open_image(tmp_path / "photo.png")), np.rot90(np.asarray(image), -1))
        image.save(tmp_path / "broken.png", exif=b"Exif\0\0nothing")
        assert open_image(tmp_path / "broken.png").size == image.size


def test_denoise_counts_steps_as_the_papers_settings_do(tiny: Renderer) -> None:
    half, whole = (tiny.family.schedule(steps, denoise=share, tokens=36) for steps, share in ((5, 0.5), (10, 1.0)))
    assert (half.first, half.total) == (5, 10) and half.sigma(5) == whole.sigma(5)


def test_a_start_that_leaves_more_steps_than_there_are_is_refused(tiny: Renderer, start: Path) -> None:
    with pytest.raises(RenderError, match=ERRORS_OF_STEPS):
        drawn(tiny, image=start, denoise=0.005, steps=6)


@pytest.mark.parametrize("name", ["flux", "sana", "sd3"])
def test_too_many_steps_are_refused_before_their_sigmas_are_listed(name: str, tmp_path: Path) -> None:
    family = Renderer(str(saved(name, tmp_path)), device="cpu").family
    with pytest.raises(RenderError, match="28 steps at denoise 1e-12 are the end of 28000000000000: at most 1000"):
        family.schedule(28, denoise=1e-12, tokens=36)


@pytest.mark.slow
def test_every_number_of_steps_ends_without_noise(tiny: Renderer) -> None:
    config, off = tiny.pipe.scheduler.config, []
    for steps in range(1, 251):
        ours, theirs = tiny.family.schedule(steps, denoise=1.0, tokens=36), EulerDiscreteScheduler.from_config(config)
        theirs.register_to_config(timestep_spacing="trailing")
        theirs.set_timesteps(steps)
        assert ours.sigma(steps) == 0 and ours.timestep(-1) == ours.timestep(steps - 1) >= 0
        if len(theirs.timesteps) == steps:
            assert all(ours.sigma(i) == theirs.sigmas[i] for i in range(steps + 1))
            assert all(ours.timestep(i) == theirs.timesteps[i] for i in range(steps))
        else:
            off.append(steps)
    assert off[:6] == [61, 103, 121, 122, 201, 206]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sana", "sd3", "flux", "sd"])
def test_every_family_starts_from_a_picture(name: str, start: Path, tmp_path: Path) -> None:
    renderer = Renderer(str(saved(name, tmp_path)), device="cpu")
    plan = plan_of(2).model_copy(update={"width": 128, "height": 128})
    near, far = (drawn(renderer, plan=plan, image=start, denoise=share, steps=2) for share in (0.02, 0.5))
    again = drawn(renderer, plan=plan, image=start, denoise=0.02, steps=2, seed=1)
    assert (near - again).abs().mean() < (near - far).abs().mean()


def test_the_picture_can_be_made_again_while_its_start_is_there(tiny: Renderer, start: Path, tmp_path: Path) -> None:
    result = tiny.render(request(tiny, image=start, denoise=0.6))
    (tmp_path / "out.png").write_bytes(png_bytes(result))
    again = read_request(tmp_path / "out.png")
    assert again == result.request and tiny.render(again).image.tobytes() == result.image.tobytes()
    start.write_bytes(start.read_bytes() + b"!")
    with pytest.raises(RunError, match="start.png is not the file that this picture was made from"):
        tiny.render(again)
    start.unlink()
    with pytest.raises(RunError, match="cannot read .*start.png: No such file"):
        tiny.render(again)


def test_what_a_start_needs(tiny: Renderer, start: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="denoise below 1 needs an image"):
        request(tiny, denoise=0.5)
    with pytest.raises(ValidationError, match="greater than or equal to 0.001"):
        request(tiny, image=FileRef.of(start), denoise=0.0009)
    with pytest.raises(RunError, match="cannot read .*nowhere.png"):
        request(tiny, image=tmp_path / "nowhere.png")
    with pytest.raises(ValidationError):  # a name in a request from elsewhere makes this machine read nothing
        request(tiny, image=str(start))
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(RunError, match="not a picture"):
        drawn(tiny, image=tmp_path / "notes.txt")


def test_an_edit_of_a_picture_with_a_start_keeps_the_rest(tiny: Renderer, start: Path) -> None:
    before = tiny.render(request(tiny, image=start, denoise=0.5))
    change = RegionChange(name="thing 0", prompt=LeveledPrompt(high_level="zzz"), seed=4)
    after = tiny.edit(before, Revision(changes=[change]))
    assert torch.equal(before.latents[..., 6:], after.latents[..., 6:])
    assert torch.equal(tiny.render(after.request).latents, after.latents)


# --- ControlNets ------------------------------------------------------------------------------------------------------


def test_a_controlnet_acts_as_in_diffusers_pipeline(tiny: Renderer, controlnet: Path, start: Path) -> None:
    plan = plan_of(1).model_copy(update={"negative": "blurred", "scene": LeveledPrompt(high_level="a, red")})
    control = Control(model=str(controlnet), image=FileRef.of(start), scale=0.7)
    ours = drawn(tiny, plan=plan, seed=7, guidance_scale=6, prompt_schedule=preset("regions"), controls=[control])
    parts = HunyuanDiTPipeline.from_pretrained(tiny.model).components
    net = HunyuanDiT2DControlNetModel.from_pretrained(controlnet)
    pipe: Any = HunyuanDiTControlNetPipeline(**parts, controlnet=net, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    encode = pipe.vae.encode

    def mode(x: torch.Tensor) -> Any:  # theirs draws a sample of what the encoder sees
        out = encode(x)
        out.latent_dist.std.zero_()
        return out

    pipe.vae.encode = mode
    with Image.open(start) as image:
        seen = ImageOps.fit(image.convert("RGB"), plan.size, Image.Resampling.LANCZOS)
    theirs = pipe(
        "a, red", negative_prompt="blurred", height=plan.height, width=plan.width, num_inference_steps=4,
        guidance_scale=6, control_image=seen, controlnet_conditioning_scale=0.7, use_resolution_binning=False,
        output_type="latent",
        latents=torch.randn(ours.shape, generator=torch.Generator().manual_seed(7)),
    ).images  # fmt: skip
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours, drawn(tiny, plan=plan, seed=7, guidance_scale=6, prompt_schedule=preset("regions")))


def test_a_controlnets_folder_may_be_in_ones_home(controlnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(controlnet.parent))
    assert load_control(f"~/{controlnet.name}", dtype=torch.float32).config.patch_size == 2


def test_a_controlnet_of_no_scale_does_nothing_and_an_edit_may_follow_one(
    tiny: Renderer, controlnet: Path, start: Path
) -> None:
    idle = Control(model=str(controlnet), image=FileRef.of(start), scale=0)
    assert torch.equal(drawn(tiny, controls=[idle]), drawn(tiny))
    before = tiny.render(request(tiny, controls=[Control(model=str(controlnet), image=FileRef.of(start))], steps=6))
    after = tiny.edit(before, Revision(changes=[RegionChange(name="thing 0", seed=4)]))
    assert torch.equal(before.latents[..., 6:], after.latents[..., 6:])


def test_a_controlnet_that_is_not_there_or_not_for_this_model(
    tiny: Renderer, controlnet: Path, start: Path, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"cannot load ControlNet 'canny': .* Tencent-Hunyuan/.*published: canny"):
        drawn(tiny, controls=[Control(model="canny", image=FileRef.of(start))])
    net = HunyuanDiT2DControlNetModel.from_pretrained(controlnet)
    net.save_pretrained(tmp_path / "pickled", safe_serialization=False)  # to read it is to run its code
    with pytest.raises(ModelError, match="cannot load ControlNet .*pickled"):
        drawn(tiny, controls=[Control(model=str(tmp_path / "pickled"), image=FileRef.of(start))])
    with pytest.raises(RenderError, match="^sd models take no ControlNets: leave"):
        drawn(Renderer(str(saved("sd", tmp_path))), controls=[Control(model="canny", image=FileRef.of(start))])


# --- step cache, compile ----------------------------------------------------------------------------------------------


def test_a_step_cache_reuses_and_says_what_it_was_off_by(tiny: Renderer) -> None:
    exact = drawn(tiny, steps=12)
    none, some = (tiny.render(request(tiny, steps=12, step_cache=share)) for share in (1e-9, 0.1))
    assert torch.equal(none.latents, exact) and none.warnings == (
        "step cache: no step reused the output of its blocks",
    )
    reused = int(some.warnings[0].removeprefix("step cache: ").split()[0])
    assert 0 < reused < 12 and "had changed by at most" in some.warnings[0]
    assert 0 < (some.latents - exact).abs().mean() < 0.5 * exact.abs().mean()
    assert torch.equal(drawn(tiny, steps=12), exact)


@pytest.mark.parametrize("name", ["pixart-sigma", "sana", "sd"])
def test_a_step_cache_in_other_families(name: str, tmp_path: Path) -> None:
    renderer = Renderer(str(saved(name, tmp_path)), device="cpu")
    plan = plan_of(2).model_copy(update={"width": 128, "height": 128})
    if name == "sd":
        with pytest.raises(RenderError, match="^sd models have no step cache: leave it out"):
            drawn(renderer, plan=plan, step_cache=0.1)
        return
    exact = drawn(renderer, plan=plan, steps=8)
    assert torch.equal(drawn(renderer, plan=plan, steps=8, step_cache=1e-9), exact)
    assert not torch.equal(drawn(renderer, plan=plan, steps=8, step_cache=0.5), exact)


@pytest.mark.compiled
def test_blocks_can_be_compiled(tiny_folder: Path) -> None:
    assert all(block._compiled_call_impl for block in load(str(tiny_folder), device="cpu", compiled=True).blocks)


@pytest.mark.compiled
def test_compiled_blocks_draw_every_plan_and_edit_with_the_same_graphs(tiny: Renderer) -> None:
    # Traced by torch.compile but not compiled to machine code, which takes a minute: that was tried by hand.
    soft = plan_of(4)
    soft = soft.model_copy(update={"regions": [one.model_copy(update={"feather": 2.0}) for one in soft.regions]})
    plans = {"2": plan_of(2), "1": plan_of(1), "4": plan_of(4), "soft": soft}
    edited = {"2": "thing 0", "4": "thing 3", "soft": "thing 1"}  # 18, 9 and more tokens of 36

    def both(renderer: Renderer, plan: str) -> list[torch.Tensor]:
        picture = renderer.render(request(renderer, plan=plans[plan]))
        if plan not in edited:
            return [picture.latents]
        change = Revision(changes=[RegionChange(name=edited[plan], seed=5)])
        return [picture.latents, renderer.edit(picture, change).latents]

    exact = {plan: both(tiny, plan) for plan in plans}
    renderer = Renderer(tiny.model, device="cpu")
    torch.compiler.reset()
    counters.clear()
    renderer.family.compile(backend="eager")
    torch.testing.assert_close(both(renderer, "2"), exact["2"], rtol=1e-4, atol=1e-4)
    graphs = counters["stats"]["unique_graphs"]
    assert graphs > 2 and not counters["unimplemented"]
    with torch.compiler.set_stance("fail_on_recompile"):
        for plan in plans:
            torch.testing.assert_close(both(renderer, plan), exact[plan], rtol=1e-4, atol=1e-4)
    assert counters["stats"]["unique_graphs"] == graphs
