"""LoRA weights: for the whole picture as peft merges them, for one region on that region's tokens alone."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from plans import plan_of
from pydantic import ValidationError
from safetensors.torch import save_file
from test_controls import changed
from tiny_models import saved

from ditpipe import Renderer, RenderRequest, Revision
from ditpipe.prompts.errors import RenderError
from ditpipe.prompts.scene import RegionChange
from ditpipe.renderer.depth import preset
from ditpipe.renderer.files import FileRef
from ditpipe.renderer.request import Lora

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
Make = Callable[..., Path]


def request(renderer: Renderer, *loras: Lora, **asked: Any) -> RenderRequest:
    usual: dict[str, Any] = {"plan": plan_of(2), "model": renderer.model, "steps": 3, "loras": list(loras)}
    return RenderRequest(**(usual | asked))


def drawn(renderer: Renderer, *loras: Lora, **asked: Any) -> torch.Tensor:
    return renderer.render(request(renderer, *loras, **asked)).latents


def of(path: Path, **fields: Any) -> Lora:
    return Lora(file=FileRef.of(path), **fields)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Random LoRA weights that peft wrote for a renderer's network; returns their file."""

    def write(renderer: Renderer, *, targets: Any = None, seed: int = 0, alpha: int = 8) -> Path:
        torch.manual_seed(seed)
        network: Any = Renderer(renderer.model, device="cpu").family.model
        wrapped = get_peft_model(network, LoraConfig(r=4, lora_alpha=alpha, target_modules=targets or ATTENTION))
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=0.3)
        wrapped.save_pretrained(str(tmp_path / f"lora-{seed}"))
        return tmp_path / f"lora-{seed}" / "adapter_model.safetensors"

    return write


def test_a_lora_for_the_whole_picture_is_what_peft_merges(tiny: Renderer, make: Make) -> None:
    path = make(tiny, targets=[*ATTENTION, "ff.net.2", "text_embedder.linear_1", "norm1.linear"], alpha=6)
    ours = drawn(tiny, of(path, scale=0.5))
    merged = Renderer(tiny.model, device="cpu")
    wrapped = PeftModel.from_pretrained(merged.family.model, str(path.parent))
    module: Any
    for module in wrapped.modules():
        if hasattr(module, "scaling"):
            module.scaling = {name: 0.5 * value for name, value in module.scaling.items()}
    wrapped.merge_and_unload()
    torch.testing.assert_close(ours, drawn(merged), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours, drawn(tiny), atol=0.01)


def test_a_lora_leaves_nothing_behind(tiny: Renderer, make: Make) -> None:
    plain, path = drawn(tiny), make(tiny)
    worn = drawn(tiny, of(path))

    def stop(step: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.render(request(tiny, of(path)), stop)
    assert torch.equal(drawn(tiny), plain) and torch.equal(drawn(tiny, of(path, scale=0)), plain)
    results: dict[int, torch.Tensor] = {}
    sets = [[], [of(path)], [of(path, region="thing 0")]]
    alone = [drawn(tiny, *one) for one in sets]
    threads = [
        threading.Thread(target=lambda i=i: results.update({i: drawn(tiny, *sets[i])})) for i in range(len(sets))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(results[i], alone[i]) for i in range(3)) and torch.equal(alone[1], worn)


def test_a_regions_lora_acts_in_its_own_place_most(tiny: Renderer, make: Make) -> None:
    own = of(make(tiny), region="thing 0", scale=0.05)
    for depth in ("regions", "scene-then-regions"):
        plain, worn = (drawn(tiny, *some, steps=1, depth=preset(depth)) for some in ([], [own]))
        left, right = (plain - worn).abs().chunk(2, dim=-1)
        assert left.mean() > 1.5 * right.mean() > 0  # what is left is self-attention to the tokens that changed


def test_a_regions_lora_in_what_follows_the_last_attention_is_exactly_its_own(tiny: Renderer, make: Make) -> None:
    path = make(tiny, targets=r".*blocks\.3\.(attn2\.(to_q|to_k|to_v|to_out\.0)|ff\.net\.2)")
    plain, worn = (drawn(tiny, *some, steps=1) for some in ([], [of(path, region="thing 0")]))
    left, right = (plain - worn).abs().chunk(2, dim=-1)
    assert (left > 0).all() and right.max() == 0


def test_the_text_of_a_region_is_spoken_with_its_lora_alone(tiny: Renderer, make: Make) -> None:
    """Also where two regions say the same."""
    path = make(tiny, targets=["attn2.to_k", "attn2.to_v"])
    same = changed(plan_of(2), 1, prompt=plan_of(2).regions[0].prompt)
    asked = {"plan": same, "depth": preset("scene*3,region"), "steps": 1}
    plain, left, right, both = (
        drawn(tiny, *(of(path, region=f"thing {i}") for i in regions), **asked) for regions in ([], [0], [1], [0, 1])
    )
    assert torch.equal(left[..., 6:], plain[..., 6:]) and not torch.equal(left[..., :6], plain[..., :6])
    assert torch.equal(right[..., :6], plain[..., :6]) and not torch.equal(right[..., 6:], plain[..., 6:])
    torch.testing.assert_close(both, torch.cat([left[..., :6], right[..., 6:]], -1), rtol=1e-4, atol=1e-5)


def test_a_lora_of_every_region_is_nearly_the_whole_pictures(tiny: Renderer, make: Make) -> None:
    path = make(tiny)
    everywhere = drawn(tiny, of(path), depth=preset("regions"))
    each = drawn(tiny, of(path, region="thing 0"), of(path, region="thing 1"), depth=preset("regions"))
    torch.testing.assert_close(each, everywhere, rtol=1e-3, atol=1e-3)


def test_an_edit_and_candidates_wear_it_too(tiny: Renderer, make: Make) -> None:
    lora = of(make(tiny), region="thing 0")
    before = tiny.render(request(tiny, lora, plan=plan_of(4), steps=6))
    after = tiny.edit(before, Revision(changes=[RegionChange(name="thing 0", seed=3)]))
    assert torch.equal(after.latents[..., 6:], before.latents[..., 6:])
    assert torch.equal(tiny.render(after.request).latents, after.latents)
    bare = tiny.edit(tiny.render(request(tiny, plan=plan_of(4), steps=6)), after.request.edits[0])
    assert not torch.equal(bare.latents[..., :6, :6], after.latents[..., :6, :6])
    assert len(tiny.candidates(request(tiny, lora), 2)) == 2


@pytest.mark.parametrize("name", ["pixart-sigma", "sana", "sd", "sd3", "flux"])
def test_loras_in_every_family(name: str, make: Make, tmp_path: Path) -> None:
    renderer = Renderer(str(saved(name, tmp_path)), device="cpu")
    plan = plan_of(2).model_copy(update={"width": 128, "height": 128})
    targets = [*ATTENTION, "add_k_proj", "add_v_proj"] if name in ("sd3", "flux") else ATTENTION
    path = make(renderer, targets=targets)
    depth = {"depth": preset("regions"), "plan": plan, "steps": 1}
    plain, everywhere, left = (
        drawn(renderer, *some, **depth) for some in ([], [of(path)], [of(path, region="thing 0")])
    )
    assert not torch.allclose(plain, everywhere, atol=1e-3)
    here, there = (plain - left).abs().chunk(2, dim=-1)
    assert here.mean() > 1.5 * there.mean()
    assert torch.equal(drawn(renderer, **depth), plain)


def test_the_namings_that_are_read(tiny: Renderer, tmp_path: Path) -> None:
    torch.manual_seed(0)
    down, up = torch.randn(2, 32), torch.randn(32, 2)
    layer = "blocks.1.attn1.to_q"
    files = {
        "peft": {f"base_model.model.{layer}.lora_A.weight": down, f"base_model.model.{layer}.lora_B.weight": up},
        "diffusers": {f"transformer.{layer}.lora_A.weight": down, f"transformer.{layer}.lora_B.weight": up},
        "others": {
            f"{layer}.lora_down.weight": down, f"{layer}.lora_up.weight": 2 * up, f"{layer}.alpha": torch.tensor(1.0),
        },
    }  # fmt: skip
    for name, tensors in files.items():
        save_file(tensors, tmp_path / f"{name}.safetensors")
    results = [drawn(tiny, of(tmp_path / f"{name}.safetensors")) for name in files]
    mixed = files["diffusers"] | {"text_encoder.layer.lora_A.weight": down}
    save_file({name: one.clone() for name, one in mixed.items()}, tmp_path / "mixed.safetensors")
    told = tiny.render(request(tiny, of(tmp_path / "mixed.safetensors")))
    assert torch.equal(told.latents, results[1]) and "text encoders are not used" in told.warnings[0]
    assert torch.equal(results[0], results[1])
    torch.testing.assert_close(results[1], results[2])
    assert not torch.equal(results[0], drawn(tiny))


def test_a_lora_that_does_not_fit_is_one_line(tiny: Renderer, tmp_path: Path) -> None:
    def refused(tensors: dict[str, torch.Tensor], told: str) -> None:
        save_file(tensors, tmp_path / "x.safetensors")
        with pytest.raises(RenderError, match=told):
            drawn(tiny, of(tmp_path / "x.safetensors"))

    layer, pair = "transformer.blocks.1.attn1.to_q", (torch.ones(2, 32), torch.ones(32, 2))
    refused({f"{layer}x.lora_A.weight": pair[0], f"{layer}x.lora_B.weight": pair[1]}, "no layer 'blocks.1.attn1.to_qx'")
    refused({f"{layer}.lora_A.weight": torch.ones(2, 8), f"{layer}.lora_B.weight": pair[1]}, "another shape")
    refused({f"{layer}.lora_A.weight": pair[0]}, "made for another one")
    refused({"something": pair[0]}, "'something' is no part of a LoRA")
    refused({"text_encoder.lora_A.weight": pair[0]}, "there is no LoRA of a HunyuanDiT2DModel in it")
    (tmp_path / "y.safetensors").write_bytes(b"nothing")
    with pytest.raises(RenderError, match="not a safetensors file"):
        drawn(tiny, of(tmp_path / "y.safetensors"))
    with pytest.raises(ValidationError, match="no region 'cat': the plan has thing 0, thing 1"):
        request(tiny, of(tmp_path / "y.safetensors", region="cat"))
