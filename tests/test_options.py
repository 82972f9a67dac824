"""A render's options: a picture to start from, ControlNets, what saves memory, step caches, compiling."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
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
from PIL import ExifTags, Image, ImageDraw, ImageOps
from plans import plan_of
from pydantic import ValidationError
from tiny_models import loud, saved, vae
from torch import nn
from torch._dynamo.utils import counters

from ditpipe import LeveledPrompt, Renderer, RenderRequest, Revision
from ditpipe.prompts.errors import ModelError, RenderError, RunError
from ditpipe.prompts.scene import RegionChange
from ditpipe.renderer.control import load_control
from ditpipe.renderer.depth import preset
from ditpipe.renderer.files import FileRef
from ditpipe.renderer.loaded import Loaded
from ditpipe.renderer.memory import Places, cheaper
from ditpipe.renderer.models import load
from ditpipe.renderer.picture import open_image, png_bytes, read_request
from ditpipe.renderer.request import Control
from ditpipe.renderer.weights import NarrowLinear

ERRORS_OF_STEPS = "6 steps at denoise 0.005 are the end of 1200: at most 1000 can be"


@pytest.fixture
def start(tmp_path: Path) -> Path:
    """A picture with an edge in it, of another size than a plan's."""
    image = Image.new("RGB", (200, 120), "navy")
    ImageDraw.Draw(image).ellipse((50, 20, 130, 100), fill="gold")
    image.save(tmp_path / "start.png")
    return tmp_path / "start.png"


def request(renderer: Renderer, **asked: Any) -> RenderRequest:
    usual: dict[str, Any] = {"plan": plan_of(2), "model": renderer.model, "steps": 4}
    return RenderRequest(**(usual | asked))


def drawn(renderer: Renderer, **asked: Any) -> torch.Tensor:
    return renderer.render(request(renderer, **asked)).latents


# --- a picture to start from ------------------------------------------------------------------------------------------


def test_less_denoise_stays_nearer_to_the_start(tiny: Renderer, start: Path) -> None:
    plan = plan_of(2)
    with Image.open(start) as image:
        fitted = ImageOps.fit(image.convert("RGB"), (plan.width, plan.height), Image.Resampling.LANCZOS)
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
        with pytest.raises(RunError, match=f"{name}.tiff: grey of 32 bits a pixel, .* save it as grey of 8 or 16"):
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


@pytest.fixture(scope="module")
def controlnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    net: Any = HunyuanDiT2DControlNetModel(
        conditioning_channels=4, num_attention_heads=2, attention_head_dim=16, hidden_size=32, in_channels=4,
        patch_size=2, sample_size=16, transformer_num_layers=4, cross_attention_dim=16, cross_attention_dim_t5=24,
        pooled_projection_dim=16,
    )  # fmt: skip
    loud(net)
    folder = tmp_path_factory.mktemp("tiny-controlnet")
    net.save_pretrained(folder)
    return folder


def test_a_controlnet_acts_as_in_diffusers_pipeline(tiny: Renderer, controlnet: Path, start: Path) -> None:
    plan = plan_of(1).model_copy(update={"negative": "blurred", "scene": LeveledPrompt(high_level="red a")})
    control = Control(model=str(controlnet), image=FileRef.of(start), scale=0.7)
    ours = drawn(tiny, plan=plan, seed=7, guidance_scale=6, depth=preset("regions"), controls=[control])
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
            seen = ImageOps.fit(image.convert("RGB"), (plan.width, plan.height), Image.Resampling.LANCZOS)
    theirs = pipe(
        "red a", negative_prompt="blurred", height=plan.height, width=plan.width, num_inference_steps=4,
        guidance_scale=6, control_image=seen, controlnet_conditioning_scale=0.7, use_resolution_binning=False,
        output_type="latent",
        latents=torch.randn(ours.shape, generator=torch.Generator().manual_seed(7)),
    ).images  # fmt: skip
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours, drawn(tiny, plan=plan, seed=7, guidance_scale=6, depth=preset("regions")))


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
    with pytest.raises(ModelError, match=r"cannot load ControlNet 'canny' from Tencent-Hunyuan/.*published: canny"):
        drawn(tiny, controls=[Control(model="canny", image=FileRef.of(start))])
    net = HunyuanDiT2DControlNetModel.from_pretrained(controlnet)
    net.save_pretrained(tmp_path / "pickled", safe_serialization=False)  # to read it is to run its code
    with pytest.raises(ModelError, match="cannot load ControlNet .*pickled"):
        drawn(tiny, controls=[Control(model=str(tmp_path / "pickled"), image=FileRef.of(start))])
    with pytest.raises(RenderError, match="hunyuan models only, and this is a sd model"):
        drawn(Renderer(str(saved("sd", tmp_path))), controls=[Control(model="canny", image=FileRef.of(start))])


# --- memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("saving, at_most", [("int8", 0.05), ("fp8", 0.2)])
def test_weights_in_8_bits_draw_nearly_the_same(tiny_folder: Path, saving: str, at_most: float) -> None:
    renderer = Renderer(str(tiny_folder), device="cpu")
    full = drawn(renderer)
    narrow = drawn(renderer, save=[saving])
    layers = [m for m in renderer.family.model.modules() if isinstance(m, NarrowLinear)]
    assert layers and all(layer.narrow.element_size() == 1 for layer in layers)
    assert 0 < (full - narrow).abs().mean() / full.abs().mean() < at_most
    assert torch.equal(drawn(renderer), full)  # and back again


@pytest.mark.parametrize("dtype, off", [(torch.int8, 0.01), (torch.float8_e4m3fn, 0.05)])
def test_a_narrow_layer_is_near_its_layer(dtype: torch.dtype, off: float) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(64, 96), torch.randn(5, 64)
    assert (NarrowLinear(layer, dtype)(x) - layer(x)).norm() < off * layer(x).norm()


@pytest.mark.parametrize("dtype, off", [(torch.int8, 0.0003), (torch.float8_e4m3fn, 0.001)])
def test_the_rows_of_a_narrow_layer_in_half_precision_are_not_too_large_or_too_small(
    dtype: torch.dtype, off: float
) -> None:
    torch.manual_seed(0)
    for half in (torch.bfloat16, torch.float16):
        layer = nn.Linear(4096, 64, dtype=half)
        layer.weight.data *= torch.linspace(1, 2, 64)[:, None]
        nn.init.zeros_(layer.weight[63])
        weight, narrow = layer.weight.double(), NarrowLinear(layer, dtype)
        used = narrow.narrow.double() * narrow.scale.double()
        assert ((used * weight).sum(1) / (weight * weight).sum(1) - 1)[:63].abs().mean() < off
        assert used[63].eq(0).all()


def test_tiles_are_decoded_where_the_picture_is_larger_than_one(tiny: Renderer) -> None:
    plan = plan_of(1).model_copy(update={"width": 640, "height": 64})
    whole, tiled = (tiny.render(request(tiny, plan=plan, steps=1, save=save)) for save in ([], ["tiling"]))
    assert torch.equal(whole.latents, tiled.latents) and whole.image.size == tiled.image.size == (640, 64)
    assert whole.image.tobytes() != tiled.image.tobytes()  # group norms see a tile instead of the picture
    small = [tiny.render(request(tiny, save=save)).image.tobytes() for save in ([], ["tiling"])]
    assert small[0] == small[1]


@pytest.mark.parametrize(
    "name, tiles", [("sd", {(64, 64), (64, 32), (32, 64), (32, 32)}), ("sana", {(16, 16), (16, 4), (4, 16), (4, 4)})]
)
def test_a_tile_has_512_pixels_a_side_whatever_the_decoder_is_made_for(
    name: str, tiles: set[tuple[int, int]], tmp_path: Path
) -> None:
    family = Renderer(str(saved(name, tmp_path)), device="cpu").family
    if name == "sd":
        family.pipe.vae = vae(sample_size=1024)
    own, seen = dict(vars(family.pipe.vae)), set()
    family.pipe.vae.decoder.register_forward_pre_hook(lambda _, args: seen.add(tuple(args[0].shape[-2:])))
    side = 1024 // family.cell
    with torch.inference_mode():
        assert family.decode(torch.zeros(1, 4, side, side), tiled=True).size == (1024, 1024)
        assert seen == tiles
        seen.clear()
        family.decode(torch.zeros(1, 4, side, side))
    assert seen == {(side, side)} and dict(vars(family.pipe.vae)) == own


def test_parts_are_on_the_device_only_while_they_work() -> None:
    class Part(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.places: list[str] = []

        def to(self, device: Any) -> Part:  # type: ignore[override]
            self.places.append(str(device))
            return self

    part, places = Part(), Places(torch.device("meta"))
    with pytest.raises(KeyboardInterrupt), places.at_work([part], offload=True):
        raise KeyboardInterrupt
    with places.at_work([part], offload=False):
        pass
    assert part.places == ["meta", "cpu", "meta"]


class Watched(Places):
    """Notes what is at work, and stops whatever computes where it is not."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.at: list[nn.Module] = []
        self.noted: list[list[nn.Module]] = []

    @contextmanager
    def at_work(self, parts: Sequence[nn.Module], *, offload: bool) -> Iterator[None]:
        before, self.at = self.at, [*self.at, *parts]
        self.noted.append(list(parts))
        yield
        self.at = before

    def watch(self, part: nn.Module) -> None:
        def check(*_: Any) -> None:
            assert part in self.at

        for module in part.modules():
            module.register_forward_pre_hook(check)


@pytest.mark.parametrize("name", ["hunyuan", "pixart-sigma", "sana", "sd", "sdxl", "sd3", "flux"])
def test_encoders_and_the_denoiser_are_never_at_work_together(name: str, tiny: Renderer, tmp_path: Path) -> None:
    renderer = Renderer(tiny.model if name == "hunyuan" else str(saved(name, tmp_path)), device="cpu")
    family, places = renderer.family, Watched()
    loaded = Loaded(family, renderer.checkpoint, places=places)
    encoders = [getattr(family.pipe, part) for part in family.encoders]
    for part in (*encoders, family.model, family.pipe.vae):
        places.watch(part)
    side = 256 if name in ("sana", "sd", "sdxl") else 96
    plan = plan_of(2).model_copy(update={"width": side, "height": side, "negative": "blurred"})
    for number in range(2):
        asked = request(renderer, plan=plan, steps=1, save=["offload"])
        latents, _ = loaded.denoised(asked, plan, [0], None)
        loaded.decode(asked, latents)
        assert places.noted == [*([] if number else [encoders]), [family.model], [family.pipe.vae]]
        places.noted.clear()


def test_a_controlnet_is_at_work_with_the_denoiser_and_two_are_kept(
    tiny: Renderer, controlnet: Path, start: Path
) -> None:
    places = Watched()
    loaded = Loaded(tiny.family, tiny.checkpoint, places=places)
    asked = request(tiny, steps=1, controls=[Control(model=str(controlnet), image=FileRef.of(start))])
    for _ in range(2):
        loaded.denoised(asked, asked.plan, [0], None)
    (_, net), (_, again) = (parts for parts in places.noted if tiny.family.model in parts)
    assert isinstance(net, HunyuanDiT2DControlNetModel) and net is again
    assert loaded._control.cache_info().maxsize == 2


TOO_SMALL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def failing(renderer: Renderer, times: int, error: Exception = TOO_SMALL) -> Iterator[None]:
    """The decoder runs out of memory so many times."""
    left = [times]

    def fail(*_: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    hook = renderer.pipe.vae.decoder.register_forward_pre_hook(fail)
    yield
    hook.remove()


def test_out_of_memory_is_drawn_once_more_with_the_next_cheaper_option_and_says_so(tiny_folder: Path) -> None:
    renderer = Renderer(str(tiny_folder), device="cpu")
    plan = plan_of(1).model_copy(update={"width": 640, "height": 64})
    once = failing(renderer, 1)
    next(once)
    result = renderer.render(request(renderer, plan=plan, steps=1))
    assert result.request.save == ["tiling"]
    assert result.warnings == (
        "out of memory: drawn once more with the picture decoded in tiles (save 'tiling')",
    )  # fmt: skip
    assert renderer.render(result.request).image.tobytes() == result.image.tobytes()
    twice = failing(renderer, 2)
    next(twice)
    with pytest.raises(RenderError, match="out of memory .CUDA out of memory.*'tiling', which was tried") as caught:
        renderer.render(request(renderer, plan=plan, steps=1))
    assert "\n" not in str(caught.value)
    narrow = {"plan": plan, "steps": 1, "save": ["tiling", "fp8"]}
    renderer.render(request(renderer, **narrow))
    last = failing(renderer, 1)
    next(last)
    with pytest.raises(RenderError, match="draw a smaller picture or with another model"):
        renderer.render(request(renderer, **narrow))


@pytest.mark.parametrize(
    "error",
    [
        torch.AcceleratorError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`", 2),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        MemoryError(),
    ],
)
def test_whoever_says_that_memory_was_too_small_is_understood(error: Exception, tiny_folder: Path) -> None:
    renderer = Renderer(str(tiny_folder), device="cpu")
    next(failing(renderer, 1, error))
    assert renderer.render(request(renderer, steps=1)).request.save == ["int8"]
    next(failing(renderer, 1, RuntimeError("CUDA error: an illegal memory access was encountered")))
    with pytest.raises(RuntimeError, match="illegal"):
        renderer.render(request(renderer, steps=1, save=["int8"]))


def test_what_is_cheaper_is_known_while_another_format_loads(tiny: Renderer) -> None:
    class Reloading(Renderer):
        looks: list[Any] = [(("full", False), tiny.loaded), None]

        def __getattribute__(self, name: str) -> Any:
            return self.looks.pop(0) if name == "_loaded" else super().__getattribute__(name)

    renderer = Reloading(tiny.model, device="cpu")
    assert renderer._cheaper(request(tiny)) == ["int8"] and renderer.looks == [None]


def test_an_edited_picture_says_what_is_to_be_said_of_all_its_renders(tiny_folder: Path, tmp_path: Path) -> None:
    renderer, plan = Renderer(str(tiny_folder), device="cpu"), plan_of(2).model_copy(update={"width": 640})
    next(failing(renderer, 1))
    edits = [Revision(changes=[RegionChange(name=f"thing {number}", seed=4)]) for number in (0, 1)]
    asked = request(renderer, plan=plan, steps=2, edits=edits, step_cache=0.5)
    result = renderer.render(asked)
    assert result.request.save == ["tiling"]
    assert [one.split(":")[0] for one in result.warnings] == ["step cache", "out of memory"]
    base = replace(renderer.render(asked.model_copy(update={"edits": []})), seconds=100.0)
    assert 100 < renderer.edit(base, edits[0]).seconds < 200
    flux = Renderer(str(saved("flux", tmp_path)), device="cpu")
    unheard = Revision(changes=[RegionChange(name="thing 0", negative="blurred", seed=4)])
    assert flux.edit(request(flux, steps=1), unheard).warnings == (
        "this model takes no negative prompt: it was not heard",
    )


def test_the_ladder() -> None:
    assert cheaper([], cuda=True, large=True) == ["tiling", "offload", "int8"]
    assert cheaper([], cuda=True, large=False) == ["offload", "int8"]
    assert cheaper(["offload"], cuda=True, large=False) == ["int8"]
    assert cheaper([], cuda=False, large=False) == ["int8"]
    assert cheaper(["fp8"], cuda=False, large=False) == cheaper(["int8"], cuda=False, large=False) == []
    with pytest.raises(ValidationError, match="in int8 or in fp8, not in both"):
        RenderRequest(plan=plan_of(1), save=["int8", "fp8"])


# --- step cache, compile ----------------------------------------------------------------------------------------------


def test_a_step_cache_reuses_and_says_what_it_was_off_by(tiny: Renderer) -> None:
    exact = drawn(tiny, steps=12)
    none, some = (tiny.render(request(tiny, steps=12, step_cache=share)) for share in (1e-9, 0.1))
    assert torch.equal(none.latents, exact) and none.warnings == (
        "step cache: no step reused what its blocks had said",
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
        with pytest.raises(RenderError, match="hunyuan, pixart and sana models, and this is a sd model"):
            drawn(renderer, plan=plan, step_cache=0.1)
        return
    exact = drawn(renderer, plan=plan, steps=8)
    assert torch.equal(drawn(renderer, plan=plan, steps=8, step_cache=1e-9), exact)
    assert not torch.equal(drawn(renderer, plan=plan, steps=8, step_cache=0.5), exact)


def test_blocks_can_be_compiled(tiny_folder: Path) -> None:
    assert all(block._compiled_call_impl for block in load(str(tiny_folder), device="cpu", compiled=True).blocks)


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
