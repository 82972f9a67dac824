"""Checkpoints as single files, with the names of weights that the models' authors use, made from those of published.py.

Stable Diffusion 1.5 and XL come so from most who train them further; SD 3 and FLUX from their authors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from published import ATTENTION, OLD_ATTENTION, Tensors, published
from safetensors.torch import load_file, save_file

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
    "conv2": "out_layers.3", "conv_shortcut": "skip_connection",
}  # fmt: skip


def stored(folder: Path) -> Tensors:
    """All weights of a component's folder, of the full variant if it is there."""
    files = sorted(folder.glob("*.safetensors"))
    full = [file for file in files if ".fp16" not in file.name]
    return {name: value for file in full or files for name, value in load_file(file).items()}


def renamed(name: str, table: Mapping[str, str]) -> str:
    """A name whose parts between the dots are others by the table."""
    for old, new in table.items():
        name = f".{name}.".replace(f".{old}.", f".{new}.").strip(".")
    return name


def unet_name(name: str, *, layers: int, attends: Sequence[bool]) -> str:
    """diffusers' name of a U-Net's weight → the authors'. layers: resnets of a block on the way down; attends: which
    blocks on the way up have attention."""
    outer = {
        "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
        "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
        "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    }  # fmt: skip
    for old, new in outer.items():
        if name.startswith(f"{old}."):
            return new + name.removeprefix(old)
    stage, *rest = name.split(".")
    if stage == "mid_block":
        kind, index, *tail = rest
        place = f"middle_block.{1 if kind == 'attentions' else 2 * int(index)}"
    else:
        block, kind, index, *tail = rest
        at = int(block) * (layers + 1) + (layers if kind.endswith("samplers") else int(index))
        if kind == "downsamplers":
            return f"input_blocks.{1 + at}.0.op.{tail[-1]}"
        if kind == "upsamplers":  # after the attention, where the block has one
            return f"output_blocks.{at}.{2 if attends[int(block)] else 1}.conv.{tail[-1]}"
        place = f"input_blocks.{1 + at}" if stage == "down_blocks" else f"output_blocks.{at}"
        place += ".1" if kind == "attentions" else ".0"
    inner = ".".join(tail)
    return f"{place}.{renamed(inner, RESNET) if kind == 'resnets' else inner}"


def unet_of(folder: Path) -> Tensors:
    config = json.loads((folder / "config.json").read_text())
    shape = {
        "layers": config["layers_per_block"],
        "attends": [kind[:5] == "Cross" for kind in config["up_block_types"]],
    }
    return {f"model.diffusion_model.{unet_name(name, **shape)}": value for name, value in stored(folder).items()}


def vae_of(folder: Path, attention: Mapping[str, str]) -> Tensors:
    weights, out = stored(folder), {}
    last = len(json.loads((folder / "config.json").read_text())["block_out_channels"]) - 1
    parts = {attention["to_q"]: "q", attention["to_k"]: "k", attention["to_v"]: "v",
             attention["to_out.0"]: "proj_out", "group_norm": "norm"}  # fmt: skip
    for name, value in weights.items():
        new = renamed(name, {"conv_shortcut": "nin_shortcut", "conv_norm_out": "norm_out"})
        for index in range(last + 1):
            new = renamed(new, {
                f"down_blocks.{index}.resnets": f"down.{index}.block",
                f"down_blocks.{index}.downsamplers.0.conv": f"down.{index}.downsample.conv",
                f"up_blocks.{index}.resnets": f"up.{last - index}.block",
                f"up_blocks.{index}.upsamplers.0.conv": f"up.{last - index}.upsample.conv",
            })  # fmt: skip
        new = renamed(new, {"mid_block.resnets.0": "mid.block_1", "mid_block.resnets.1": "mid.block_2"})
        if ".attentions.0." in name:
            new = renamed(renamed(new, {"mid_block.attentions.0": "mid.attn_1"}), parts)
            value = value[..., None, None] if value.ndim == 2 else value  # a convolution of one pixel
        out[f"first_stage_model.{new}"] = value
    return out


def prefixed(prefix: str, weights: Tensors) -> Tensors:
    return {prefix + name: value for name, value in weights.items()}


def open_clip_of(folder: Path) -> Tensors:
    """CLIP with a projection as OpenCLIP names and stacks it."""
    weights, out = stored(folder), {}
    outer = {
        "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
        "text_model.embeddings.position_embedding.weight": "positional_embedding",
        "text_model.final_layer_norm.weight": "ln_final.weight", "text_model.final_layer_norm.bias": "ln_final.bias",
    }  # fmt: skip
    for name, value in weights.items():
        if name in outer:
            out[outer[name]] = value
        elif name == "text_projection.weight":
            out["text_projection"] = value.T.contiguous()
        elif ".q_proj." in name:
            kind = name.rsplit(".", 1)[1]
            layer = name.split(".")[3]
            stack = [weights[name.replace("q_proj", part)] for part in ("q_proj", "k_proj", "v_proj")]
            out[f"transformer.resblocks.{layer}.attn.in_proj_{kind}"] = torch.cat(stack)
        elif ".k_proj." not in name and ".v_proj." not in name:
            new = renamed(name, {
                "text_model.encoder.layers": "transformer.resblocks", "layer_norm1": "ln_1", "layer_norm2": "ln_2",
                "self_attn": "attn", "fc1": "c_fc", "fc2": "c_proj",
            })  # fmt: skip
            out[new] = value
    return out


def joint_blocks_of(folder: Path) -> Tensors:
    """SD 3's transformer as its authors name it."""
    weights, out = stored(folder), {}
    last = json.loads((folder / "config.json").read_text())["num_layers"] - 1

    def swapped(value: torch.Tensor) -> torch.Tensor:
        scale, shift = value.chunk(2)
        return torch.cat([shift, scale])

    outer = {
        "pos_embed.pos_embed": "pos_embed", "pos_embed.proj": "x_embedder.proj",
        "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
        "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
        "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
        "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
        "proj_out": "final_layer.linear", "norm_out.linear": "final_layer.adaLN_modulation.1",
    }  # fmt: skip
    inner = {
        "norm1.linear": "x_block.adaLN_modulation.1", "norm1_context.linear": "context_block.adaLN_modulation.1",
        "attn.to_out.0": "x_block.attn.proj", "attn.to_add_out": "context_block.attn.proj",
        "ff.net.0.proj": "x_block.mlp.fc1", "ff.net.2": "x_block.mlp.fc2",
        "ff_context.net.0.proj": "context_block.mlp.fc1", "ff_context.net.2": "context_block.mlp.fc2",
    }  # fmt: skip
    stacks = {"to_q": ("to_q", "to_k", "to_v", "x_block"),
              "add_q_proj": ("add_q_proj", "add_k_proj", "add_v_proj", "context_block")}  # fmt: skip
    for name, value in weights.items():
        part = name.split(".")[-2]
        if part in stacks:
            *names, block = stacks[part]
            layer, kind = name.split(".")[1], name.rsplit(".", 1)[1]
            stack = torch.cat([weights[name.replace(part, other)] for other in names])
            out[f"joint_blocks.{layer}.{block}.attn.qkv.{kind}"] = stack
        elif part not in ("to_k", "to_v", "add_k_proj", "add_v_proj"):
            new = renamed(renamed(name, outer), {"transformer_blocks": "joint_blocks"} | inner)
            turned = name.startswith((f"transformer_blocks.{last}.norm1_context", "norm_out"))
            out[new] = swapped(value) if turned else value
    return out


def single_file(name: str, zoo: Path, target: Path) -> Path:
    """The checkpoint of published.py as one file: "sd-1.5", "sdxl", "sd3" or "sd3-without-t5"."""
    folder = published(name, zoo)
    weights: Tensors = {}
    if name == "sd-1.5":
        weights |= unet_of(folder / "unet") | vae_of(folder / "vae", OLD_ATTENTION)
        weights |= prefixed("cond_stage_model.transformer.", stored(folder / "text_encoder"))
        weights["alphas_cumprod"] = torch.linspace(0.999, 0.005, 1000)  # as in files from training
    elif name == "sdxl":
        weights |= unet_of(folder / "unet") | vae_of(folder / "vae", ATTENTION)
        weights |= prefixed("conditioner.embedders.0.transformer.", stored(folder / "text_encoder"))
        weights |= prefixed("conditioner.embedders.1.model.", open_clip_of(folder / "text_encoder_2"))
    else:
        weights |= prefixed("model.diffusion_model.", joint_blocks_of(folder / "transformer"))
        weights |= vae_of(folder / "vae", ATTENTION)
        for part, key in (("text_encoder", "clip_l"), ("text_encoder_2", "clip_g"), ("text_encoder_3", "t5xxl")):
            weights |= prefixed(f"text_encoders.{key}.transformer.", stored(folder / part))
        del weights["text_encoders.clip_l.transformer.text_projection.weight"]
    target.parent.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in weights.items()}, target)
    return target
