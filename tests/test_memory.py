"""What saves memory: 8-bit weights, tiles, parts off the GPU, and drawing once more where it was too little."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import (
    HunyuanDiT2DControlNetModel,
)
from option_requests import drawn, request
from plans import plan_of
from pydantic import ValidationError
from tiny_models import saved, vae
from torch import nn

from ditpipe import Renderer, RenderRequest, Revision
from ditpipe.prompts.errors import RenderError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.families.base import with_tiles
from ditpipe.renderer.loaded_model import LoadedModel
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.request import Control
from ditpipe.renderer.sampling.edit import UNINTENDED
from ditpipe.renderer.weights.offload import Offloader, is_out_of_memory, memory_fallbacks
from ditpipe.renderer.weights.quantize import QuantizedLinear


@pytest.mark.parametrize("saving, at_most", [("int8", 0.05), ("fp8", 0.2)])
def test_weights_in_8_bits_draw_nearly_the_same(tiny_folder: Path, saving: str, at_most: float) -> None:
    renderer = Renderer(str(tiny_folder), device="cpu")
    full = drawn(renderer)
    quantized = drawn(renderer, save_memory=[saving])
    layers = [m for m in renderer.family.model.modules() if isinstance(m, QuantizedLinear)]
    assert layers and all(layer.quantized.element_size() == 1 for layer in layers)
    assert 0 < (full - quantized).abs().mean() / full.abs().mean() < at_most
    assert torch.equal(drawn(renderer), full)  # and back again


@pytest.mark.parametrize("dtype, off", [(torch.int8, 0.01), (torch.float8_e4m3fn, 0.05)])
def test_a_narrow_layer_is_near_its_layer(dtype: torch.dtype, off: float) -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(64, 96), torch.randn(5, 64)
    assert (QuantizedLinear(layer, dtype)(x) - layer(x)).norm() < off * layer(x).norm()


@pytest.mark.parametrize("dtype, off", [(torch.int8, 0.0003), (torch.float8_e4m3fn, 0.001)])
def test_the_rows_of_a_narrow_layer_in_half_precision_are_not_too_large_or_too_small(
    dtype: torch.dtype, off: float
) -> None:
    torch.manual_seed(0)
    for half in (torch.bfloat16, torch.float16):
        layer = nn.Linear(4096, 64, dtype=half)
        layer.weight.data *= torch.linspace(1, 2, 64)[:, None]
        nn.init.zeros_(layer.weight[63])
        weight, quantized = layer.weight.double(), QuantizedLinear(layer, dtype)
        used = quantized.quantized.double() * quantized.scale.double()
        assert ((used * weight).sum(1) / (weight * weight).sum(1) - 1)[:63].abs().mean() < off
        assert used[63].eq(0).all()


def test_tiles_are_decoded_where_the_picture_is_larger_than_one(tiny: Renderer) -> None:
    plan = plan_of(1).model_copy(update={"width": 640, "height": 64})
    whole, tiled = (tiny.render(request(tiny, plan=plan, steps=1, save_memory=save)) for save in ([], ["tiling"]))
    assert torch.equal(whole.latents, tiled.latents) and whole.image.size == tiled.image.size == (640, 64)
    assert whole.image.tobytes() != tiled.image.tobytes()  # group norms see a tile instead of the picture
    small = [tiny.render(request(tiny, save_memory=save)).image.tobytes() for save in ([], ["tiling"])]
    assert small[0] == small[1]


@pytest.mark.slow
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

    part, places = Part(), Offloader(torch.device("meta"))
    with pytest.raises(KeyboardInterrupt), places.on_device([part], offload=True):
        raise KeyboardInterrupt
    with places.on_device([part], offload=False):
        pass
    assert part.places == ["meta", "cpu", "meta"]


class Watched(Offloader):
    """Notes what is at work, and stops whatever computes where it is not."""

    def __init__(self) -> None:
        super().__init__(torch.device("cpu"))
        self.at: list[nn.Module] = []
        self.noted: list[list[nn.Module]] = []

    @contextmanager
    def on_device(self, parts: Sequence[nn.Module], *, offload: bool) -> Iterator[None]:
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
    family, offloader = renderer.family, Watched()
    loaded = LoadedModel(family, renderer.checkpoint, offloader=offloader)
    encoders = [getattr(family.pipe, part) for part in family.encoders]
    for part in (*encoders, family.model, family.pipe.vae):
        offloader.watch(part)
    side = 256 if name in ("sana", "sd", "sdxl") else 96
    plan = plan_of(2).model_copy(update={"width": side, "height": side, "negative": "blurred"})
    for number in range(2):
        given = request(renderer, plan=plan, steps=1, save_memory=["offload"])
        latents, _ = loaded.denoised(given, plan, [0], None)
        loaded.decode(given, latents)
        assert offloader.noted == [*([] if number else [encoders]), [family.model], [family.pipe.vae]]
        offloader.noted.clear()


def test_a_controlnet_is_at_work_with_the_denoiser_and_two_are_kept(
    tiny: Renderer, controlnet: Path, start: Path
) -> None:
    offloader = Watched()
    loaded = LoadedModel(tiny.family, tiny.checkpoint, offloader=offloader)
    given = request(tiny, steps=1, controls=[Control(model=str(controlnet), image=FileRef.of(start))])
    for _ in range(2):
        loaded.denoised(given, given.plan, [0], None)
    (_, net), (_, again) = (parts for parts in offloader.noted if tiny.family.model in parts)
    assert isinstance(net, HunyuanDiT2DControlNetModel) and net is again
    assert loaded._load_control.cache_info().maxsize == 2


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


def test_out_of_memory_is_drawn_again_with_one_memory_fallback_after_the_other_and_says_so(tiny_folder: Path) -> None:
    renderer = Renderer(str(tiny_folder), device="cpu")
    plan = plan_of(1).model_copy(update={"width": 640, "height": 64})
    once = failing(renderer, 1)
    next(once)
    result = renderer.render(request(renderer, plan=plan, steps=1))
    assert result.request.save_memory == ["tiling"]
    assert result.warnings[1:] == (  # the first says that the size is far from the trained one
        "out of memory: drawn again with the picture decoded in tiles (save_memory 'tiling')",
    )  # fmt: skip
    assert renderer.render(result.request).image.tobytes() == result.image.tobytes()
    next(failing(renderer, 2))
    result = renderer.render(request(renderer, plan=plan, steps=1))
    assert result.request.save_memory == ["tiling", "int8"]
    assert result.warnings[-1] == (
        "out of memory: drawn again with the picture decoded in tiles and weights in 8 bits (save_memory 'tiling,int8')"
    )
    quantized = request(renderer, plan=plan, steps=1, save_memory=["fp8"])
    renderer.render(quantized)
    last = failing(renderer, 2)
    next(last)
    message = (
        "out of memory .CUDA out of memory.*draw a smaller picture or with another model; 'tiling' tried and not enough"
    )
    with pytest.raises(RenderError, match=message) as caught:
        renderer.render(quantized)
    assert "\n" not in str(caught.value)


def test_whoever_says_that_memory_was_too_small_is_understood(tiny_folder: Path) -> None:
    cublas = RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`")
    others = (
        torch.AcceleratorError("CUDA error: out of memory\nCompile with `TORCH_USE_CUDA_DSA`", 2),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        MemoryError(),
    )
    assert all(is_out_of_memory(error) for error in (TOO_SMALL, cublas, *others))
    renderer = Renderer(str(tiny_folder), device="cpu")
    next(failing(renderer, 1, cublas))
    assert renderer.render(request(renderer, steps=1)).request.save_memory == ["int8"]
    next(failing(renderer, 1, RuntimeError("CUDA error: an illegal memory access was encountered")))
    with pytest.raises(RuntimeError, match="illegal"):
        renderer.render(request(renderer, steps=1, save_memory=["int8"]))


def test_the_memory_fallbacks_are_known_while_another_format_loads(tiny: Renderer) -> None:
    class Reloading(Renderer):
        looks: list[Any] = [(("full", False), tiny.loaded), None]

        def __getattribute__(self, name: str) -> Any:
            return self.looks.pop(0) if name == "_loaded" else super().__getattribute__(name)

    renderer = Reloading(tiny.model, device="cpu")
    assert renderer._memory_fallbacks(request(tiny)) == ["int8"] and renderer.looks == [None]


FAR = "640×96 pixels are far from what this model was trained at"


@pytest.mark.slow
def test_an_edited_picture_says_what_is_to_be_said_of_all_its_renders(tiny_folder: Path, tmp_path: Path) -> None:
    renderer, plan = Renderer(str(tiny_folder), device="cpu"), plan_of(2).model_copy(update={"width": 640})
    next(failing(renderer, 1))
    edits = [Revision(changes=[RegionChange(name=f"thing {number}", seed=4)]) for number in (0, 1)]
    given = request(renderer, plan=plan, steps=2, edits=edits, step_cache=0.5)
    result = renderer.render(given)
    assert result.request.save_memory == ["tiling"]
    noted = [one.split(":")[0] for one in result.warnings if not one.startswith(UNINTENDED)]
    assert noted == ["step cache", FAR, "out of memory", "step cache"]
    assert sum(one.startswith(UNINTENDED) for one in result.warnings) <= 1  # of the last edit only
    base = replace(renderer.render(given.model_copy(update={"edits": []})), seconds=100.0)
    assert 100 < renderer.edit(base, edits[0]).seconds < 200
    flux = Renderer(str(saved("flux", tmp_path)), device="cpu")
    ignored_field_warnings = Revision(changes=[RegionChange(name="thing 0", negative="blurred", seed=4)])
    warnings = flux.edit(request(flux, steps=1), ignored_field_warnings).warnings
    assert "this model takes no negative prompt: yours was ignored" in warnings


def test_the_order_of_memory_fallbacks() -> None:
    assert memory_fallbacks([], cuda=True, large=True) == ["tiling", "offload", "int8"]
    assert memory_fallbacks([], cuda=True, large=False) == ["offload", "int8"]
    assert memory_fallbacks(["offload"], cuda=True, large=False) == ["int8"]
    assert memory_fallbacks([], cuda=False, large=False) == ["int8"]
    assert not any(memory_fallbacks([weights], cuda=False, large=False) for weights in ("int8", "fp8"))
    with pytest.raises(ValidationError, match="in int8 or in fp8, not in both"):
        RenderRequest(plan=plan_of(1), save_memory=["int8", "fp8"])


def test_a_decoder_whose_tiles_are_set_otherwise_is_not_left_as_it_is() -> None:
    decoder = vae()
    assert with_tiles(decoder, tile_latent_min_size=3).tile_latent_min_size == 3 != decoder.tile_latent_min_size
    with pytest.raises(AssertionError, match="AutoencoderKL .* has no .*tile_latent_size"):
        with_tiles(decoder, tile_latent_size=3)
