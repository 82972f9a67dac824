"""LoRA files as trainers and publishers write them, against models into which their products were added by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from plans import plan_of
from safetensors.torch import save_file
from tiny_models import saved
from torch import Tensor

from ditpipe import Renderer, RenderRequest
from ditpipe.prompts.errors import RenderError
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.request import Control, Lora
from ditpipe.renderer.weights.lora import load_lora

pytestmark = pytest.mark.slow  # files in each published naming

RANK, ALPHA = 4, 6.0
# Layer of a model's own code → the layers of diffusers that it is, in order; '~' where shift and scale change places,
# as in the modulation of SD3's last block.
HUNYUAN = {
    "blocks.1.attn1.Wqkv": "blocks.1.attn1.to_q blocks.1.attn1.to_k blocks.1.attn1.to_v",
    "blocks.1.attn1.out_proj": "blocks.1.attn1.to_out.0",
    "blocks.2.attn2.q_proj": "blocks.2.attn2.to_q",
    "blocks.2.attn2.kv_proj": "blocks.2.attn2.to_k blocks.2.attn2.to_v",
    "blocks.2.attn2.out_proj": "blocks.2.attn2.to_out.0",
    "blocks.3.mlp.fc1": "blocks.3.ff.net.0.proj",
    "blocks.3.mlp.fc2": "blocks.3.ff.net.2",
    "blocks.3.skip_linear": "blocks.3.skip_linear",
    "blocks.0.default_modulation.1": "blocks.0.norm1.linear",
    "pooler.q_proj": "time_extra_emb.pooler.q_proj",
    "pooler.c_proj": "time_extra_emb.pooler.c_proj",
    "mlp_t5.2": "text_embedder.linear_2",
    "extra_embedder.0": "time_extra_emb.extra_embedder.linear_1",
    "t_embedder.mlp.2": "time_extra_emb.timestep_embedder.linear_2",
    "final_layer.adaLN_modulation.1": "~norm_out.linear",
    "final_layer.linear": "proj_out",
}
X, CONTEXT, BLOCK = "joint_blocks.1.x_block.", "joint_blocks.1.context_block.", "transformer_blocks.1."
SD3 = {
    f"{X}attn.qkv": f"{BLOCK}attn.to_q {BLOCK}attn.to_k {BLOCK}attn.to_v",
    f"{X}attn.proj": f"{BLOCK}attn.to_out.0",
    f"{X}mlp.fc1": f"{BLOCK}ff.net.0.proj",
    f"{X}mlp.fc2": f"{BLOCK}ff.net.2",
    f"{X}adaLN_modulation.1": f"{BLOCK}norm1.linear",
    f"{CONTEXT}attn.qkv": f"{BLOCK}attn.add_q_proj {BLOCK}attn.add_k_proj {BLOCK}attn.add_v_proj",
    f"{CONTEXT}attn.proj": f"{BLOCK}attn.to_add_out",
    f"{CONTEXT}mlp.fc1": f"{BLOCK}ff_context.net.0.proj",
    f"{CONTEXT}mlp.fc2": f"{BLOCK}ff_context.net.2",
    f"{CONTEXT}adaLN_modulation.1": f"{BLOCK}norm1_context.linear",
    "joint_blocks.3.context_block.adaLN_modulation.1": "~transformer_blocks.3.norm1_context.linear",
    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
    "context_embedder": "context_embedder",
    "final_layer.adaLN_modulation.1": "~norm_out.linear",
}
SD35 = SD3 | {
    f"{X}attn2.qkv": f"{BLOCK}attn2.to_q {BLOCK}attn2.to_k {BLOCK}attn2.to_v",
    f"{X}attn2.proj": f"{BLOCK}attn2.to_out.0",
}
DOUBLE, SINGLE = "transformer_blocks.1.", "single_transformer_blocks.0."
FLUX = {
    "double_blocks.1.img_attn.qkv": f"{DOUBLE}attn.to_q {DOUBLE}attn.to_k {DOUBLE}attn.to_v",
    "double_blocks.1.img_attn.proj": f"{DOUBLE}attn.to_out.0",
    "double_blocks.1.txt_attn.qkv": f"{DOUBLE}attn.add_q_proj {DOUBLE}attn.add_k_proj {DOUBLE}attn.add_v_proj",
    "double_blocks.1.txt_attn.proj": f"{DOUBLE}attn.to_add_out",
    "double_blocks.1.img_mlp.0": f"{DOUBLE}ff.net.0.proj",
    "double_blocks.1.txt_mlp.2": f"{DOUBLE}ff_context.net.2",
    "double_blocks.1.img_mod.lin": f"{DOUBLE}norm1.linear",
    "single_blocks.0.linear2": f"{SINGLE}proj_out",
    "single_blocks.0.modulation.lin": f"{SINGLE}norm.linear",
}
OWN = {"hunyuan": HUNYUAN, "sd3": SD3, "sd3.5": SD35, "flux": FLUX}


def peft(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    return {f"base_model.model.{layer}.lora_A.weight": down, f"base_model.model.{layer}.lora_B.weight": up}


def comfy(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    return {f"diffusion_model.{layer}.lora_A.weight": down, f"diffusion_model.{layer}.lora_B.weight": up}


def kohya(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    name = f"lora_unet_{layer.replace('.', '_')}"
    return {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(ALPHA)}


def tencents_converter(layer: str, down: Tensor, up: Tensor) -> dict[str, Tensor]:
    name = f"lora_unet_{layer.replace('.', '_')}"
    return {f"{name}_lora_A_weight": down, f"{name}_lora_B_weight": up}


NAMINGS = {"peft": peft, "comfy": comfy, "kohya": kohya, "tencent": tencents_converter}
CASES = [(name, naming) for name in OWN for naming in ("peft", "comfy", "kohya") if (name, naming) != ("flux", "peft")]
CASES.append(("hunyuan", "tencent"))


def renderer_of(name: str, tiny: Renderer, folder: Path) -> Renderer:
    return Renderer(tiny.model if name == "hunyuan" else str(saved(name, folder)), device="cpu")


def latents(renderer: Renderer, *loras: Path) -> Tensor:
    plan = plan_of(2).model_copy(update={"width": 128, "height": 128})
    each = [Lora(file=FileRef.of(path)) for path in loras]
    return renderer.render(RenderRequest(plan=plan, model=renderer.model, steps=2, loras=each)).latents


@pytest.mark.parametrize("name, naming", CASES)
def test_layers_in_the_names_of_a_models_own_code(name: str, naming: str, tiny: Renderer, tmp_path: Path) -> None:
    renderer, merged = (renderer_of(name, tiny, tmp_path) for _ in range(2))
    plain, scale = latents(renderer), ALPHA / RANK if naming in ("peft", "kohya") else 1.0
    tensors: dict[str, Tensor] = {}
    torch.manual_seed(0)
    for own, theirs in OWN[name].items():
        layers = [merged.family.model.get_submodule(layer) for layer in theirs.removeprefix("~").split()]
        down = torch.randn(RANK, layers[0].in_features) / math.sqrt(layers[0].in_features)
        up = torch.randn(sum(layer.out_features for layer in layers), RANK) * 0.2
        tensors |= NAMINGS[naming](own, down, up)
        product = scale * up @ down
        if theirs.startswith("~"):
            product = torch.cat([product.chunk(2)[1], product.chunk(2)[0]])
        with torch.no_grad():
            for layer, part in zip(layers, product.chunk(len(layers)), strict=True):
                layer.weight += part
    save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, tmp_path / "x.safetensors")
    if naming == "peft":
        (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": ALPHA, "r": RANK}))
    expected = latents(merged)
    torch.testing.assert_close(latents(renderer, tmp_path / "x.safetensors"), expected, rtol=1e-3, atol=1e-3)
    assert (expected - plain).abs().max() > 0.05


def test_a_u_nets_lora_as_diffusers_wrote_it_in_2023(tiny: Renderer, tmp_path: Path) -> None:
    renderer = renderer_of("sd", tiny, tmp_path)
    block = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"
    old: dict[str, Tensor] = {}
    new: dict[str, Tensor] = {}
    torch.manual_seed(0)
    for part, layer in (("to_q", "to_q"), ("to_out", "to_out.0")):
        linear = renderer.family.model.get_submodule(f"{block}.{layer}")
        down, up = torch.randn(RANK, linear.in_features) * 0.1, torch.randn(linear.out_features, RANK)
        new |= peft(f"{block}.{layer}", down, up)
        name = f"unet.{block}.processor.{part}_lora"
        old |= {f"{name}.down.weight": down, f"{name}.up.weight": up}
    save_file(old, tmp_path / "old.safetensors")
    save_file(new, tmp_path / "new.safetensors")
    ours = latents(renderer, tmp_path / "old.safetensors")
    assert torch.equal(ours, latents(renderer, tmp_path / "new.safetensors"))
    assert not torch.equal(ours, latents(renderer))
    save_file(kohya("blocks.1.attn1.to_q", torch.ones(RANK, 32), torch.ones(32, RANK)), tmp_path / "x.safetensors")
    with pytest.raises(RenderError, match="no layer 'blocks.1.attn1.to_q'; the LoRA was made for another one"):
        latents(renderer, tmp_path / "x.safetensors")


def test_a_fused_matrix_that_does_not_fit_is_one_line(tiny: Renderer, tmp_path: Path) -> None:
    save_file(kohya("blocks.1.attn1.Wqkv", torch.ones(RANK, 32), torch.ones(95, RANK)), tmp_path / "x.safetensors")
    with pytest.raises(RenderError, match="'blocks_1_attn1_Wqkv' has another shape in this model"):
        latents(tiny, tmp_path / "x.safetensors")
    save_file(kohya("blocks.9.attn1.Wqkv", torch.ones(RANK, 32), torch.ones(96, RANK)), tmp_path / "x.safetensors")
    with pytest.raises(RenderError, match="no layer 'blocks_9_attn1_Wqkv'"):
        latents(tiny, tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "kind, ending",
    [
        ("LoHa", "hada_w1_a"), ("LoKr", "lokr_w1"), ("DoRA", "dora_scale"), ("DoRA", "lora_magnitude_vector.weight"),
        ("LoCon with a Tucker decomposition", "lora_mid.weight"), ("OFT", "oft_blocks"), ("BOFT", "boft_R"),
        ("GLoRA", "a1.weight"), ("VeRA", "vera_lambda_b"), ("LoRA with biases", "lora_B.bias"),
        ("LyCORIS with full differences", "diff"),
    ],
)  # fmt: skip
def test_other_kinds_are_refused_by_name(kind: str, ending: str, tiny: Renderer, tmp_path: Path) -> None:
    tensors = kohya("blocks.1.attn1.to_q", torch.ones(RANK, 32), torch.ones(32, RANK))
    save_file(tensors | {f"lora_unet_blocks_1_attn1_to_q.{ending}": torch.ones(2)}, tmp_path / "x.safetensors")
    with pytest.raises(RenderError) as caught:
        latents(tiny, tmp_path / "x.safetensors")
    assert f"this is a {kind} (" in str(caught.value) and "only plain LoRA is read here" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_differences_that_were_not_trained_are_no_other_kind(tiny: Renderer, tmp_path: Path) -> None:
    tensors = kohya("blocks.1.attn1.to_q", torch.ones(RANK, 32), torch.ones(32, RANK))
    save_file(tensors, tmp_path / "x.safetensors")
    save_file(tensors | {"lora_unet_blocks_1_attn1_to_q.diff_b": torch.zeros(32)}, tmp_path / "y.safetensors")
    assert torch.equal(latents(tiny, tmp_path / "x.safetensors"), latents(tiny, tmp_path / "y.safetensors"))


class Harmful:
    """What a pickle of somebody else's may hold."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("name", ["x.pt", "x.bin", "x.ckpt", "x.safetensors"])
@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_is_refused_and_never_opened(name: str, zipped: bool, tiny: Renderer, tmp_path: Path) -> None:
    torch.save({"x": Harmful(tmp_path / "ran")}, tmp_path / name, _use_new_zipfile_serialization=zipped)
    with pytest.raises(RenderError, match=r"a pickle, which may run code .* get it as a \.safetensors file"):
        latents(tiny, tmp_path / name)
    assert not (tmp_path / "ran").exists()


def test_names_are_bounded_before_they_are_read(tiny: Renderer, tmp_path: Path) -> None:
    for header in ((2**63).to_bytes(8, "little"), (2**25).to_bytes(8, "little") + b" " * 2**25, b"", b"\0" * 7):
        (tmp_path / "x.safetensors").write_bytes(header)
        with pytest.raises(RenderError, match="not a safetensors file that can be read"):
            latents(tiny, tmp_path / "x.safetensors")


@pytest.mark.parametrize(
    "settings",
    [
        "[" * 100_000,
        '{"alpha_pattern": {"(": 1}}',
        '{"lora_alpha": "x"}',
        '{"alpha_pattern": {"a": []}}',
        '{"alpha_pattern": {"(?=a)b": 1}}',
        '{"alpha_pattern": {"a{1000}": 1}}',
        json.dumps({"alpha_pattern": {f"a{i}": 1 for i in range(10_001)}}),
        json.dumps({"alpha_pattern": {"a|" * 5_001: 1}}),
    ],
    ids=["deep", "unbalanced", "alpha", "list", "lookahead", "repeated", "many", "long"],
)
def test_settings_that_cannot_be_read_are_one_line(settings: str, tiny: Renderer, tmp_path: Path) -> None:
    save_file(peft("blocks.1.attn1.to_q", torch.ones(2, 32), torch.ones(32, 2)), tmp_path / "x.safetensors")
    (tmp_path / "adapter_config.json").write_text(settings)
    with pytest.raises(RenderError, match="its settings cannot be read"):
        latents(tiny, tmp_path / "x.safetensors")


def test_a_strangers_pattern_takes_no_time(tiny: Renderer, tmp_path: Path) -> None:
    """Python's own engine would need longer than the universe is old for it."""
    save_file(peft("blocks.1.attn1.to_q", torch.ones(2, 32), torch.ones(32, 2)), tmp_path / "x.safetensors")
    patterns = {r"(([\w.]*)*)*\.": 1, r"blocks\.(1|2)\.attn[12]\.to_q": 6, "to_q": 8}
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 2, "alpha_pattern": patterns}))
    lora = load_lora(
        tiny.family.model, tmp_path / "x.safetensors", scale=1, region=None, device=torch.device("cpu")
    )  # fmt: skip
    assert float(lora.weights["blocks.1.attn1.to_q"][1][0, 0]) == 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_an_alpha_is_one_number_in_any_shape_and_type(dtype: torch.dtype, tiny: Renderer, tmp_path: Path) -> None:
    tensors = kohya("blocks.1.attn1.to_q", torch.ones(RANK, 32, dtype=dtype), torch.ones(32, RANK, dtype=dtype))
    key, path, cpu = "lora_unet_blocks_1_attn1_to_q.alpha", tmp_path / "x.safetensors", torch.device("cpu")
    for alpha in (torch.tensor(2.0), torch.tensor([2.0]), torch.tensor([[2]])):
        save_file(tensors | {key: alpha}, path)
        lora = load_lora(tiny.family.model, path, scale=1, region=None, device=cpu)
        assert float(lora.weights["blocks.1.attn1.to_q"][1][0, 0]) == 0.5
    for wrong in (torch.zeros(0), torch.ones(RANK)):
        save_file(tensors | {key: wrong}, path)
        with pytest.raises(RenderError, match="the alpha of 'blocks.1.attn1.to_q' is not a single number"):
            load_lora(tiny.family.model, path, scale=1, region=None, device=cpu)


def warned(renderer: Renderer, **fields: Any) -> tuple[str, ...]:
    return renderer.render(RenderRequest(plan=plan_of(1), model=renderer.model, steps=1, **fields)).warnings


@pytest.mark.parametrize("version, older", [("1.0", True), ("1.1", True), ("1.2", False)])
def test_a_lora_of_another_version_of_hunyuan_dit_is_told_of(
    version: str, older: bool, tiny: Renderer, tmp_path: Path
) -> None:
    path = tmp_path / "x.safetensors"
    tensors = kohya("blocks.1.attn1.to_q", torch.ones(2, 32), torch.ones(32, 2))
    newer = Renderer(tiny.model, device="cpu")
    newer.family.model.register_to_config(use_style_cond_and_image_meta_size=False)
    metadata = {"modelspec.architecture": f"hunyuan-dit-g2-v{version.replace('.', '_')}/lora"}
    for where in (metadata, None):
        save_file(tensors, path, metadata=where)
        if where is None:
            base = f"Tencent-Hunyuan/HunyuanDiT-v{version}-Diffusers"
            (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
        for renderer, other in ((tiny, not older), (newer, older)):
            warnings = warned(renderer, loras=[Lora(file=FileRef.of(path))])
            assert warnings == warnings[:other]
            assert all(f"a LoRA was trained for Hunyuan-DiT {version}, and" in warning for warning in warnings)
            assert len(warnings) == other
    save_file(tensors, path, metadata={"modelspec.architecture": "stable-diffusion-xl-v1-base/lora"})
    (tmp_path / "adapter_config.json").unlink()
    assert warned(tiny, loras=[Lora(file=FileRef.of(path))]) == ()


def test_a_controlnet_of_another_version_is_told_of(tiny: Renderer, controlnet: Path, start: Path) -> None:
    Image.open(start).resize((96, 96)).save(start)  # the plan's shape, of which there is nothing to say
    own = Control(model=str(controlnet), image=FileRef.of(start))
    assert warned(tiny, controls=[own]) == ()
    newer = Renderer(tiny.model, device="cpu")
    newer.family.model.register_to_config(use_style_cond_and_image_meta_size=False)
    (warning,) = warned(newer, controls=[own])
    assert "a ControlNet was trained for Hunyuan-DiT 1.1 or earlier, and this model is 1.2" in warning
