"""LoRA weights: for the whole picture as peft merges them, for one region on that region's tokens alone."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import FluxPipeline, FluxTransformer2DModel
from peft import LoraConfig, PeftModel, get_peft_model
from plans import changed, plan_of
from pydantic import ValidationError
from safetensors.torch import load_file, save_file
from tiny_models import PUBLISHED, by_speed, saved

from ditpipe import Renderer, RenderRequest, Revision
from ditpipe.prompts.errors import RenderError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.renderer.request import Lora
from ditpipe.renderer.weights.lora import load_lora

pytestmark = pytest.mark.families

ATTENTION = ["to_q", "to_k", "to_v", "to_out.0"]
Make = Callable[..., Path]


def request(renderer: Renderer, *loras: Lora, **fields: Any) -> RenderRequest:
    usual: dict[str, Any] = {"plan": plan_of(2), "model": renderer.model, "steps": 3, "loras": list(loras)}
    return RenderRequest(**(usual | fields))


def drawn(renderer: Renderer, *loras: Lora, **fields: Any) -> torch.Tensor:
    return renderer.render(request(renderer, *loras, **fields)).latents


def of(path: Path, **fields: Any) -> Lora:
    return Lora(file=FileRef.of(path), **fields)


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Random LoRA weights that peft wrote for a renderer's network; returns their file."""

    def write(renderer: Renderer, *, targets: Any = None, seed: int = 0, alpha: int = 8, **more: Any) -> Path:
        torch.manual_seed(seed)
        network: Any = Renderer(renderer.model, device="cpu").family.model
        config = LoraConfig(r=4, lora_alpha=alpha, target_modules=targets or ATTENTION, **more)
        wrapped = get_peft_model(network, config)
        for name, parameter in wrapped.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(parameter, std=0.3)
        wrapped.save_pretrained(str(tmp_path / f"lora-{seed}"))
        return tmp_path / f"lora-{seed}" / "adapter_model.safetensors"

    return write


def merged(renderer: Renderer, path: Path, scale: float) -> Renderer:
    """A renderer of the same model, with weights of which peft merged a LoRA into the model's."""
    out = Renderer(renderer.model, device="cpu")
    wrapped = PeftModel.from_pretrained(out.family.model, str(path.parent))
    module: Any
    for module in wrapped.modules():
        if hasattr(module, "scaling"):
            module.scaling = {name: scale * value for name, value in module.scaling.items()}
    wrapped.merge_and_unload()
    return out


def test_a_lora_for_the_whole_picture_is_what_peft_merges(tiny: Renderer, make: Make) -> None:
    path = make(tiny, targets=[*ATTENTION, "ff.net.2", "text_embedder.linear_1", "norm1.linear"], alpha=6)
    ours = drawn(tiny, of(path, scale=0.5))
    torch.testing.assert_close(ours, drawn(merged(tiny, path, scale=0.5)), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(ours, drawn(tiny), atol=0.01)


def test_the_scales_of_peft(tiny: Renderer, make: Make) -> None:
    """Rank-stabilized, and layers with an alpha or a rank of their own."""
    patterns = {"alpha_pattern": {"attn1.to_q": 16, r"blocks\.[12]\.attn2\.to_v": 2}, "rank_pattern": {"attn1.to_k": 2}}
    each = [make(tiny, seed=seed, use_rslora=seed > 0, **patterns) for seed in (0, 1)]
    each.append(make(tiny, seed=2, use_rslora=True, alpha=3))
    for path in each:
        ours = drawn(tiny, of(path, scale=0.3))
        torch.testing.assert_close(ours, drawn(merged(tiny, path, scale=0.3)), rtol=1e-4, atol=1e-4)
        assert not torch.allclose(ours, drawn(tiny), atol=0.01)


def test_the_settings_that_diffusers_writes_are_those_of_the_image_model(tiny: Renderer, tmp_path: Path) -> None:
    layer, settings = "transformer.blocks.1.attn1.to_q", {"text_encoder.lora_alpha": 16, "text_encoder.use_dora": True}
    tensors = {f"{layer}.lora_A.weight": torch.ones(2, 32), f"{layer}.lora_B.weight": torch.ones(32, 2)}
    patterned = {"transformer.lora_alpha": 2, "transformer.alpha_pattern": {"blocks.1.attn1.to_q": 4}}
    path, cpu = tmp_path / "x.safetensors", torch.device("cpu")

    def scale(config: dict[str, Any]) -> float:
        save_file(tensors, path, metadata={"lora_adapter_metadata": json.dumps(config, sort_keys=True)})
        lora = load_lora(tiny.family.model, path, scale=1, region=None, device=cpu)
        return float(lora.weights["blocks.1.attn1.to_q"][1][0, 0])

    assert scale(settings | {"transformer.lora_alpha": 2}) == scale(settings) == 1 and scale(settings | patterned) == 2
    for key, value in {"use_dora": True, "lora_bias": True, "bias": "all", "modules_to_save": ["proj_out"]}.items():
        with pytest.raises(RenderError, match=rf"trained with {key}={value!r}".replace("[", r"\[")):
            scale({f"transformer.{key}": value})
    with pytest.raises(RenderError, match="its settings cannot be read"):
        scale([8])  # type: ignore[arg-type]


def test_a_lora_leaves_nothing_behind(tiny: Renderer, make: Make) -> None:
    plain, path = drawn(tiny), make(tiny)
    with_lora = drawn(tiny, of(path))

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
    assert all(torch.equal(results[i], alone[i]) for i in range(3)) and torch.equal(alone[1], with_lora)


def test_a_lora_of_the_text_embedder_is_not_kept_with_the_prompts(tiny: Renderer, make: Make) -> None:
    path, fresh = make(tiny, targets=["text_embedder.linear_1"]), Renderer(tiny.model, device="cpu")
    with_lora = drawn(fresh, of(path))  # the first to encode these prompts
    assert torch.equal(drawn(fresh), drawn(tiny)) and not torch.equal(with_lora, drawn(tiny))


def test_a_regions_lora_acts_in_its_own_place_most(tiny: Renderer, make: Make) -> None:
    own = of(make(tiny), region="thing 0", scale=0.05)
    for schedule in ("regions", "scene-then-regions"):
        plain, with_lora = (drawn(tiny, *some, steps=1, prompt_schedule=preset(schedule)) for some in ([], [own]))
        left, right = (plain - with_lora).abs().chunk(2, dim=-1)
        assert left.mean() > 1.5 * right.mean() > 0  # what is left is self-attention to the tokens that changed


def test_a_regions_lora_in_what_follows_the_last_attention_is_exactly_its_own(tiny: Renderer, make: Make) -> None:
    path = make(tiny, targets=r".*blocks\.3\.(attn2\.(to_q|to_k|to_v|to_out\.0)|ff\.net\.2)")
    plain, with_lora = (drawn(tiny, *some, steps=1) for some in ([], [of(path, region="thing 0")]))
    left, right = (plain - with_lora).abs().chunk(2, dim=-1)
    assert (left > 0).all() and right.max() == 0


def test_the_text_of_a_region_is_projected_with_its_lora_alone(tiny: Renderer, make: Make) -> None:
    """Also if two regions have the same prompt."""
    path = make(tiny, targets=["attn2.to_k", "attn2.to_v"])
    same = changed(plan_of(2), 1, prompt=plan_of(2).regions[0].prompt)
    fields = {"plan": same, "prompt_schedule": preset("scene*3,region"), "steps": 1}
    plain, left, right, both = (
        drawn(tiny, *(of(path, region=f"thing {i}") for i in regions), **fields) for regions in ([], [0], [1], [0, 1])
    )
    assert torch.equal(left[..., 6:], plain[..., 6:]) and not torch.equal(left[..., :6], plain[..., :6])
    assert torch.equal(right[..., :6], plain[..., :6]) and not torch.equal(right[..., 6:], plain[..., 6:])
    torch.testing.assert_close(both, torch.cat([left[..., :6], right[..., 6:]], -1), rtol=1e-4, atol=1e-5)


def test_a_lora_of_every_region_is_nearly_the_whole_pictures(tiny: Renderer, make: Make) -> None:
    path = make(tiny)
    everywhere = drawn(tiny, of(path), prompt_schedule=preset("regions"))
    each = drawn(tiny, of(path, region="thing 0"), of(path, region="thing 1"), prompt_schedule=preset("regions"))
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


def test_the_lora_of_a_region_that_an_edit_removes_is_not_used_and_that_is_said(tiny: Renderer, make: Make) -> None:
    file = make(tiny)
    before = tiny.render(request(tiny, of(file, region="thing 0"), of(file, region="thing 1")))
    after = tiny.edit(before, Revision(removed=["thing 0"]))
    assert after.warnings[0] == "the LoRA of 'thing 0' is not used: the edited picture has no such region"
    other = tiny.edit(replace(before, request=request(tiny, of(file, region="thing 1"))), Revision(removed=["thing 0"]))
    assert torch.equal(after.latents, other.latents)


@pytest.mark.parametrize("name", by_speed(["pixart-sigma", "sana", "sd", "sd3", "flux", *PUBLISHED]))
def test_loras_in_every_family(name: str, make: Make, tmp_path: Path) -> None:
    renderer = Renderer(str(saved(name, tmp_path)), device="cpu")
    plan = plan_of(2).model_copy(update={"width": 128, "height": 128})
    more = {"sd3": ["add_k_proj", "add_v_proj"], "flux": ["add_k_proj", "add_v_proj"], "sd": ["proj_in", "conv1"]}
    more |= {"qwen-image": ["txt_mlp.net.2"], "flux.2-klein": ["to_qkv_mlp_proj", "add_k_proj"]}
    targets = [*ATTENTION, *more.get(name, [])]
    path = make(renderer, targets=targets)
    scale = 0.1 if name in PUBLISHED else 1.0  # their weights have unit gain: large changes spread everywhere
    fields = {"prompt_schedule": preset("regions"), "plan": plan, "steps": 2 if name == "qwen-image" else 1}
    plain, everywhere, left = (
        drawn(renderer, *some, **fields)
        for some in ([], [of(path, scale=scale)], [of(path, scale=scale, region="thing 0")])
    )
    assert not torch.allclose(plain, everywhere, atol=1e-3)
    here, there = (plain - left).abs().chunk(2, dim=-1)
    assert here.mean() > 1.5 * there.mean()
    assert torch.equal(drawn(renderer, **fields), plain)


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
    result = tiny.render(request(tiny, of(tmp_path / "mixed.safetensors")))
    assert torch.equal(result.latents, results[1]) and "text encoders are not used" in result.warnings[0]
    assert torch.equal(results[0], results[1])
    torch.testing.assert_close(results[1], results[2])
    assert not torch.equal(results[0], drawn(tiny))


CONVOLUTIONS = ["proj_in", "proj_out", "conv1", "conv2", "conv_shortcut", "0.conv"]
FLUX = r"transformer_blocks.*(to_[qkv]|to_out\.0|to_add_out|add_\w_proj|proj|net\.2|linear)|single.*(proj_out|linear)"
TRAINED = {
    "hunyuan": [*ATTENTION, "ff.net.2", "norm1.linear", "skip_linear"],
    "pixart-sigma": [*ATTENTION, "ff.net.0.proj", "caption_projection.linear_1"],
    "sd": [*ATTENTION, *CONVOLUTIONS, "ff.net.0.proj", "time_emb_proj"],
    "sdxl": [*ATTENTION, *CONVOLUTIONS, "ff.net.0.proj", "time_emb_proj"],
    "flux": FLUX,
}
# What kohya's trainers call the layers of models that they compute with the models' own code.
OWN = {
    "sdxl": {
        "down_blocks_0_resnets_0": "input_blocks_1_0", "down_blocks_0_downsamplers_0_conv": "input_blocks_2_0_op",
        "down_blocks_1_resnets_0": "input_blocks_3_0", "down_blocks_1_attentions_0": "input_blocks_3_1",
        "mid_block_resnets_0": "middle_block_0", "mid_block_attentions_0": "middle_block_1",
        "mid_block_resnets_1": "middle_block_2", "up_blocks_0_resnets_0": "output_blocks_0_0",
        "up_blocks_0_attentions_0": "output_blocks_0_1", "up_blocks_0_resnets_1": "output_blocks_1_0",
        "up_blocks_0_attentions_1": "output_blocks_1_1", "up_blocks_0_upsamplers_0": "output_blocks_1_2",
        "up_blocks_1_resnets_0": "output_blocks_2_0", "up_blocks_1_resnets_1": "output_blocks_3_0",
        "conv1": "in_layers_2", "conv2": "out_layers_3", "time_emb_proj": "emb_layers_1",
        "conv_shortcut": "skip_connection",
    },
    "flux": {
        "single_transformer_blocks": "single_blocks", "proj_out": "linear2", "_norm_linear": "_modulation_lin",
        "transformer_blocks": "double_blocks", "attn_to_out_0": "img_attn_proj", "attn_to_add_out": "txt_attn_proj",
        "ff_net_0_proj": "img_mlp_0", "ff_net_2": "img_mlp_2", "ff_context_net_0_proj": "txt_mlp_0",
        "ff_context_net_2": "txt_mlp_2", "norm1_linear": "img_mod_lin", "norm1_context_linear": "txt_mod_lin",
        "attn_to_q": "img_attn_qkv", "attn_add_q_proj": "txt_attn_qkv",
    },
}  # fmt: skip
FUSED = {"to_q": ("to_k", "to_v"), "add_q_proj": ("add_k_proj", "add_v_proj")}


def as_kohya_writes(family: str, path: Path, alpha: float) -> Path:
    """Weights that peft wrote, as kohya's trainers write them, with those of a text encoder. Where FLUX's own code has
    one layer and diffusers has three, the three get one `down`, in peft's file too."""
    tensors = load_file(path)
    for key in [key for key in tensors if family == "flux" and key.endswith("lora_A.weight")]:
        for first, others in FUSED.items():
            if f".{first}." in key:
                tensors |= {key.replace(first, other): tensors[key].clone() for other in others}
    save_file(tensors, path)
    out: dict[str, torch.Tensor] = {}
    for key, down in tensors.items():
        layer, _, ending = key.removeprefix("base_model.model.").partition(".lora_")
        if ending != "A.weight" or (family == "flux" and layer.endswith(("_k", "_v", "_k_proj", "_v_proj"))):
            continue
        each = [key, *(key.replace(layer.split(".")[-1], other) for other in FUSED.get(layer.split(".")[-1], ()))]
        ups = [tensors[one.replace("lora_A", "lora_B")] for one in (each if family == "flux" else [key])]
        name = layer.replace(".", "_")
        for ours, theirs in OWN.get(family, {}).items():
            name = name.replace(ours, theirs)
        out |= {f"lora_unet_{name}.lora_down.weight": down, f"lora_unet_{name}.lora_up.weight": torch.cat(ups)}
        out |= {f"lora_unet_{name}.alpha": torch.tensor(alpha)}
    text = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    out |= {f"{text}.lora_down.weight": torch.ones(4, 16), f"{text}.lora_up.weight": torch.ones(16, 4)}
    (path.parent / "kohya").mkdir()
    save_file(out | {f"{text}.alpha": torch.tensor(alpha)}, path.parent / "kohya" / "style.safetensors")
    return path.parent / "kohya" / "style.safetensors"


@pytest.mark.slow
@pytest.mark.parametrize("name", list(TRAINED))
def test_what_kohyas_trainers_write(name: str, tiny: Renderer, make: Make, tmp_path: Path) -> None:
    renderer = tiny if name == "hunyuan" else Renderer(str(saved(name, tmp_path)), device="cpu")
    request_fields = {"plan": plan_of(2).model_copy(update={"width": 128, "height": 128}), "steps": 1}
    path = make(renderer, targets=TRAINED[name], alpha=6)
    kohyas = as_kohya_writes(name, path, alpha=6)
    for fields in ({"scale": 0.5}, {"scale": 0.5, "region": "thing 0"}):
        expected = drawn(renderer, of(path, **fields), **request_fields)
        result = renderer.render(request(renderer, of(kohyas, **fields), **request_fields))
        torch.testing.assert_close(result.latents, expected, rtol=1e-4, atol=1e-4)
        assert "text encoders are not used" in result.warnings[0]
        assert not torch.allclose(expected, drawn(renderer, **request_fields), atol=0.01)
    everywhere = drawn(renderer, of(kohyas, scale=0.5), **request_fields)
    torch.testing.assert_close(everywhere, drawn(merged(renderer, path, 0.5), **request_fields), rtol=1e-3, atol=1e-3)


def test_the_layers_that_are_one_in_fluxs_own_code(tmp_path: Path) -> None:
    """At the published width: diffusers' reader knows no other."""
    with torch.device("meta"):
        model: Any = FluxTransformer2DModel(num_layers=1, num_single_layers=1)
    name, down, up = "lora_unet_single_blocks_0_linear1", torch.randn(2, 3072), torch.randn(7 * 3072, 2)
    tensors = {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(1.0)}
    save_file(tensors, tmp_path / "x.safetensors")
    reader, cpu = FluxPipeline.lora_state_dict, torch.device("cpu")
    lora = load_lora(model, tmp_path / "x.safetensors", scale=1, region=None, device=cpu, convert=reader)
    layers = [f"single_transformer_blocks.0.{one}" for one in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")]
    assert set(lora.weights) == set(layers)
    for layer, part in zip(layers, up.split([3072, 3072, 3072, 4 * 3072]), strict=True):
        own_down, own_up = lora.weights[layer]
        torch.testing.assert_close(own_up[:8] @ own_down, part[:8] @ down / 2)


@pytest.mark.compiled
@pytest.mark.parametrize("first", ["plain", "with a LoRA"])
def test_a_lora_and_compiled_blocks(first: str, tiny: Renderer, make: Make) -> None:
    lora = of(make(tiny), region="thing 0")
    exact = {"plain": drawn(tiny, steps=2), "with a LoRA": drawn(tiny, lora, steps=2)}
    renderer = Renderer(tiny.model, device="cpu")
    torch.compiler.reset()
    renderer.family.compile(backend="eager")  # as in test_options
    if first == "with a LoRA":
        torch.testing.assert_close(drawn(renderer, lora, steps=2), exact["with a LoRA"], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(drawn(renderer, steps=2), exact["plain"], rtol=1e-4, atol=1e-4)
    with torch.compiler.set_stance("fail_on_recompile"):
        for one, loras in (("with a LoRA", [lora]), ("plain", []), ("with a LoRA", [lora])):
            torch.testing.assert_close(drawn(renderer, *loras, steps=2), exact[one], rtol=1e-4, atol=1e-4)


def test_threads_that_wear_a_lora_for_the_first_time_at_once_hook_it_once(tmp_path: Path) -> None:
    class Slow(torch.nn.Linear):
        def register_forward_hook(self, *args: Any, **options: Any) -> Any:
            time.sleep(0.1)  # a real pause: all threads must be here together, unless a lock lets in one at a time
            return super().register_forward_hook(*args, **options)

    model, cpu = torch.nn.ModuleDict({"to_q": Slow(8, 8)}), torch.device("cpu")
    tensors = {"to_q.lora_A.weight": torch.ones(2, 8), "to_q.lora_B.weight": torch.ones(8, 2)}
    save_file(tensors, tmp_path / "x.safetensors")
    wear = partial(load_lora, model, tmp_path / "x.safetensors", scale=1, region=None, device=cpu)
    threads = [threading.Thread(target=wear) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(model["to_q"]._forward_hooks) == 1


def test_a_lora_that_does_not_fit_is_one_line(tiny: Renderer, tmp_path: Path) -> None:
    def refused(tensors: dict[str, torch.Tensor], message: str) -> None:
        save_file(tensors, tmp_path / "x.safetensors")
        with pytest.raises(RenderError, match=message):
            drawn(tiny, of(tmp_path / "x.safetensors"))

    layer, pair = "transformer.blocks.1.attn1.to_q", (torch.ones(2, 32), torch.ones(32, 2))
    refused({f"{layer}x.lora_A.weight": pair[0], f"{layer}x.lora_B.weight": pair[1]}, "no layer 'blocks.1.attn1.to_qx'")
    refused({f"{layer}.lora_A.weight": torch.ones(2, 8), f"{layer}.lora_B.weight": pair[1]}, "another shape")
    refused({f"{layer}.lora_A.weight": pair[0]}, "made for another one")
    refused({"something": pair[0]}, "'something' is not a LoRA's key")
    refused({"lora_unet_blocks_1_attn1_to_q.dora_scale": pair[0]}, "this is a DoRA ")
    patches = "pos_embed.proj"
    refused({f"{patches}.lora_A.weight": pair[0], f"{patches}.lora_B.weight": pair[1]}, "only linear layers take a")
    refused({"text_encoder.lora_A.weight": pair[0]}, "it has no LoRA weights for a HunyuanDiT2DModel")
    (tmp_path / "y.safetensors").write_bytes(b"nothing")
    with pytest.raises(RenderError, match="not a safetensors file"):
        drawn(tiny, of(tmp_path / "y.safetensors"))
    renderer = Renderer(str(saved("flux", tmp_path)), device="cpu")
    for key in ("lora_unet_double_blocks_0_img_attn_qkv.dora_scale", "lora_unet_something.lora_down.weight"):
        save_file({key: pair[0]}, tmp_path / "x.safetensors")
        with pytest.raises(RenderError, match="this is a DoRA|cannot be read as a LoRA of a Flux"):
            drawn(renderer, of(tmp_path / "x.safetensors"))
    with pytest.raises(ValidationError, match="no region 'cat': the plan has thing 0, thing 1"):
        request(tiny, of(tmp_path / "y.safetensors", region="cat"))
