"""Maps the keys of a LoRA file to layers of the model, and splits fused matrices among their layers.

Trainers name layers as in the code that they train, some with '_' for '.'. For U-Nets and FLUX diffusers' key
converters are used. It has none for the original code of Hunyuan-DiT and Stable Diffusion 3; their tables follow
diffusers' conversion scripts for checkpoints.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from ...prompts.errors import RenderError

# The last two are of kohya and OneTrainer, with '_' for '.' in the layer's name.
PREFIXES = (
    "base_model.model.", "model.diffusion_model.", "transformer.", "unet.", "diffusion_model.", "lora_unet_",
    "lora_transformer_",
)  # fmt: skip
# The last two of each are of diffusers in 2023, and of Tencent's converter for ComfyUI.
DOWN = (
    ".lora_A.weight", ".lora_A.default.weight", ".lora_down.weight", ".lora.down.weight", "_lora.down.weight",
    "_lora_A_weight",
)  # fmt: skip
UP = (
    ".lora_B.weight", ".lora_B.default.weight", ".lora_up.weight", ".lora.up.weight", "_lora.up.weight",
    "_lora_B_weight",
)  # fmt: skip
ENDINGS = (*DOWN, *UP, ".alpha")
# SDXL's layers as its original code and kohya name them, after diffusers has renumbered the blocks.
_SGM = {
    "input_blocks": "down_blocks", "middle_block": "mid_block", "output_blocks": "up_blocks", "in_layers_2": "conv1",
    "out_layers_3": "conv2", "emb_layers_1": "time_emb_proj", "skip_connection": "conv_shortcut", "_op.": "_conv.",
}  # fmt: skip
_SGM_BLOCKS = ("lora_unet_input_blocks", "lora_unet_middle_block", "lora_unet_output_blocks")
# Layers of FLUX's original code. diffusers' converter reads them in kohya's naming only.
_FLUX_OWN = ("double_blocks.", "single_blocks.", "img_in.", "txt_in.", "time_in.", "vector_in.", "final_layer.")
# Original code → diffusers' layers, those of a fused matrix in order; {} is the block's index.
_HUNYUAN = {
    "blocks.{}.attn1.Wqkv": "blocks.{0}.attn1.to_q blocks.{0}.attn1.to_k blocks.{0}.attn1.to_v",
    "blocks.{}.attn1.out_proj": "blocks.{0}.attn1.to_out.0",
    "blocks.{}.attn2.q_proj": "blocks.{0}.attn2.to_q",
    "blocks.{}.attn2.kv_proj": "blocks.{0}.attn2.to_k blocks.{0}.attn2.to_v",
    "blocks.{}.attn2.out_proj": "blocks.{0}.attn2.to_out.0",
    "blocks.{}.mlp.fc1": "blocks.{0}.ff.net.0.proj",
    "blocks.{}.mlp.fc2": "blocks.{0}.ff.net.2",
    "blocks.{}.default_modulation.1": "blocks.{0}.norm1.linear",
    "pooler.q_proj": "time_extra_emb.pooler.q_proj",
    "pooler.k_proj": "time_extra_emb.pooler.k_proj",
    "pooler.v_proj": "time_extra_emb.pooler.v_proj",
    "pooler.c_proj": "time_extra_emb.pooler.c_proj",
    "t_embedder.mlp.0": "time_extra_emb.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_extra_emb.timestep_embedder.linear_2",
    "extra_embedder.0": "time_extra_emb.extra_embedder.linear_1",
    "extra_embedder.2": "time_extra_emb.extra_embedder.linear_2",
    "mlp_t5.0": "text_embedder.linear_1",
    "mlp_t5.2": "text_embedder.linear_2",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
    "final_layer.linear": "proj_out",
}
_X, _CONTEXT, _OURS = "joint_blocks.{}.x_block.", "joint_blocks.{}.context_block.", "transformer_blocks.{0}."
_STABLE_DIFFUSION_3 = {
    f"{_X}attn.qkv": f"{_OURS}attn.to_q {_OURS}attn.to_k {_OURS}attn.to_v",
    f"{_X}attn.proj": f"{_OURS}attn.to_out.0",
    f"{_X}attn2.qkv": f"{_OURS}attn2.to_q {_OURS}attn2.to_k {_OURS}attn2.to_v",
    f"{_X}attn2.proj": f"{_OURS}attn2.to_out.0",
    f"{_X}mlp.fc1": f"{_OURS}ff.net.0.proj",
    f"{_X}mlp.fc2": f"{_OURS}ff.net.2",
    f"{_X}adaLN_modulation.1": f"{_OURS}norm1.linear",
    f"{_CONTEXT}attn.qkv": f"{_OURS}attn.add_q_proj {_OURS}attn.add_k_proj {_OURS}attn.add_v_proj",
    f"{_CONTEXT}attn.proj": f"{_OURS}attn.to_add_out",
    f"{_CONTEXT}mlp.fc1": f"{_OURS}ff_context.net.0.proj",
    f"{_CONTEXT}mlp.fc2": f"{_OURS}ff_context.net.2",
    f"{_CONTEXT}adaLN_modulation.1": f"{_OURS}norm1_context.linear",
    "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
    "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
    "final_layer.adaLN_modulation.1": "norm_out.linear",
    "final_layer.linear": "proj_out",
}
_OWN_CODE = {"HunyuanDiT2DModel": _HUNYUAN, "SD3Transformer2DModel": _STABLE_DIFFUSION_3}

Named = dict[tuple[str, str], Tensor]  # (layer, ending of the key) → weights
Converter = Callable[[dict[str, Tensor]], dict[str, Tensor] | tuple[dict[str, Tensor], ...]]


def split(key: str) -> tuple[str, str]:
    """Splits a key into layer name, without trainers' prefixes, and ending; the ending is '' if it is not a LoRA's."""
    ending = next((ending for ending in ENDINGS if key.endswith(ending)), "")
    name = key.removesuffix(ending)
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    if ending.startswith("_lora."):  # of attention processors
        name = name.replace(".processor.", ".")
        name += ".0" * name.endswith(".to_out")
    return name, ending


def by_layer(path: Path, tensors: Mapping[str, Tensor], model: nn.Module, convert: Converter | None) -> Named:
    """The tensors of a file by layer of the model and key ending (down, up or alpha).

    convert: the pipeline's key converter in diffusers, if there is one. Raises RenderError for keys that fit no layer.
    """
    modules = dict(model.named_modules())
    layers = {name.replace(".", "_"): name for name in modules} | {name: name for name in modules}
    kind = type(model).__name__
    try:
        if hasattr(model, "mid_block") and any(key.startswith(_SGM_BLOCKS) for key in tensors):
            tensors = _of_sgm(tensors, model)
        elif convert and not any(split(key)[0] in layers for key in tensors) and kind not in _OWN_CODE:
            converted = convert(_as_kohya(tensors) if kind == "FluxTransformer2DModel" else dict(tensors))
            tensors = converted[0] if isinstance(converted, tuple) else converted
    except Exception as error:  # diffusers' converters have no common error class
        raise RenderError(f"{path}: it cannot be read as a LoRA of a {kind}") from error
    own = _own_names(kind, modules)
    out: Named = {}
    for key, tensor in tensors.items():
        name, ending = split(key)
        if not ending:
            raise RenderError(f"{path}: {key!r} is not a LoRA's key in peft's, diffusers' or kohya's naming")
        fused = own.get(name.replace(".", "_"))
        if fused and name not in layers:
            out |= {(layer, ending): part for layer, part in _parts(path, name, ending, tensor, fused, model).items()}
        else:
            out[layers.get(name, name), ending] = tensor
    return out


def _of_sgm(tensors: Mapping[str, Tensor], unet: nn.Module) -> dict[str, Tensor]:
    from diffusers.loaders.lora_conversion_utils import _maybe_map_sgm_blocks_to_diffusers

    out: dict[str, Tensor] = _maybe_map_sgm_blocks_to_diffusers(dict(tensors), unet.config)
    for theirs, ours in _SGM.items():
        out = {key.replace(theirs, ours): tensor for key, tensor in out.items()}
    return out


def _as_kohya(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames keys of FLUX's original code to kohya's naming; leaves other keys as they are."""
    out = {}
    for key, tensor in tensors.items():
        name, ending = split(key)
        if ending and name.startswith(_FLUX_OWN):
            new = ".lora_down.weight" if ending in DOWN else ".lora_up.weight" if ending in UP else ending
            key = f"lora_unet_{name.replace('.', '_')}{new}"
        out[key] = tensor
    return out


def _own_names(kind: str, modules: Mapping[str, nn.Module]) -> dict[str, list[str]]:
    """Layer name in the model's original code, with '_' for '.' → diffusers' layers that it fuses, in order."""
    out = {}
    for theirs, ours in _OWN_CODE.get(kind, {}).items():
        for block in range(len(modules) if "{}" in theirs else 1):
            names = ours.format(block).split()
            if names[0] in modules:
                out[theirs.format(block).replace(".", "_")] = names
            elif "attn2" not in theirs:  # only some blocks have an attn2
                break
    return out


def _parts(
    path: Path, name: str, ending: str, tensor: Tensor, layers: list[str], model: nn.Module
) -> dict[str, Tensor]:
    """Splits the weights of a fused layer: each part gets its own rows of `up`, and the same `down` and alpha."""
    if ending not in UP:
        return dict.fromkeys(layers, tensor)
    rows = [int(getattr(model.get_submodule(layer), "out_features")) for layer in layers]
    if tensor.shape[:1] != (sum(rows),):
        raise RenderError(f"{path}: {name!r} has another shape in this model; the LoRA was made for another one")
    if _swapped(layers[0], model):
        tensor = torch.cat(tensor.chunk(2)[::-1])
    return dict(zip(layers, tensor.split(rows), strict=True))


def _swapped(layer: str, model: nn.Module) -> bool:
    """Whether a modulation stores shift before scale in the original code and scale before shift in diffusers."""
    name = type(model.get_submodule(layer.removesuffix(".linear"))).__name__
    return layer.endswith(".linear") and name == "AdaLayerNormContinuous"
