"""Weights under their published names: tables for the text encoders and the VAE, diffusers' names for the denoisers."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

import diffusers
import torch
import transformers
from torch import Tensor

from .files import Config, Tensors

Shapes = dict[str, tuple[int, ...]]


def drawn(name: str, shape: tuple[int, ...]) -> Tensor:
    """A weight that depends on its name and shape only: norms near 1, matrices of unit gain, small biases."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    noise = torch.randn(shape, generator=generator)
    if name.endswith("bias"):
        return noise * 0.02
    if len(shape) < 2:
        return 1 + noise * 0.1
    if "embed" in name and len(shape) == 2:
        return noise * 0.3
    return noise / math.sqrt(math.prod(shape[1:]))


def filled(shapes: Shapes) -> Tensors:
    return {name: drawn(name, shape) for name, shape in shapes.items()}


def linear(name: str, out: int, into: int, *, bias: bool = True) -> Shapes:
    return {f"{name}.weight": (out, into)} | ({f"{name}.bias": (out,)} if bias else {})


def norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}


def conv(name: str, out: int, into: int, side: int = 3) -> Shapes:
    return {f"{name}.weight": (out, into, side, side), f"{name}.bias": (out,)}


def clip_weights(config: Config, *, prefix: str = "text_model.", position_ids: bool = True) -> Tensors:
    """CLIPTextModel and CLIPTextModelWithProjection as published: everything under `text_model.`."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes: Shapes = {
        f"{prefix}embeddings.token_embedding.weight": (config["vocab_size"], width),
        f"{prefix}embeddings.position_embedding.weight": (config["max_position_embeddings"], width),
        **norm(f"{prefix}final_layer_norm", width),
    }
    for i in range(config["num_hidden_layers"]):
        layer = f"{prefix}encoder.layers.{i}"
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            shapes |= linear(f"{layer}.self_attn.{part}", width, width)
        shapes |= norm(f"{layer}.layer_norm1", width) | norm(f"{layer}.layer_norm2", width)
        shapes |= linear(f"{layer}.mlp.fc1", inner, width) | linear(f"{layer}.mlp.fc2", width, inner)
    if "WithProjection" in config["architectures"][0]:
        shapes |= linear("text_projection", config["projection_dim"], width, bias=False)
    tensors = filled(shapes)
    if position_ids:  # a buffer that transformers saved before 4.31
        tensors[f"{prefix}embeddings.position_ids"] = torch.arange(config["max_position_embeddings"])[None]
    return tensors


def bert_weights(config: Config) -> Tensors:
    width, inner = config["hidden_size"], config["intermediate_size"]
    shapes: Shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], width),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], width),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], width),
        **norm("embeddings.LayerNorm", width),
        **linear("pooler.dense", width, width),
    }
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            shapes |= linear(f"{layer}.attention.self.{part}", width, width)
        shapes |= linear(f"{layer}.attention.output.dense", width, width)
        shapes |= norm(f"{layer}.attention.output.LayerNorm", width)
        shapes |= linear(f"{layer}.intermediate.dense", inner, width) | linear(f"{layer}.output.dense", width, inner)
        shapes |= norm(f"{layer}.output.LayerNorm", width)
    return filled(shapes)


def t5_weights(config: Config, *, embedding: tuple[str, ...] = ("shared.weight",)) -> Tensors:
    """T5EncoderModel. embedding: the names under which the one matrix of token embeddings was saved."""
    width, inner = config["d_model"], config["num_heads"] * config["d_kv"]
    shapes: Shapes = {"encoder.final_layer_norm.weight": (width,)}
    for i in range(config["num_layers"]):
        attention, feed = f"encoder.block.{i}.layer.0", f"encoder.block.{i}.layer.1"
        for part in ("q", "k", "v"):
            shapes |= linear(f"{attention}.SelfAttention.{part}", inner, width, bias=False)
        shapes |= linear(f"{attention}.SelfAttention.o", width, inner, bias=False)
        if not i:
            buckets = config["relative_attention_num_buckets"]
            shapes[f"{attention}.SelfAttention.relative_attention_bias.weight"] = (buckets, config["num_heads"])
        shapes |= {f"{attention}.layer_norm.weight": (width,), f"{feed}.layer_norm.weight": (width,)}
        for part in ("wi_0", "wi_1"):
            shapes |= linear(f"{feed}.DenseReluDense.{part}", config["d_ff"], width, bias=False)
        shapes |= linear(f"{feed}.DenseReluDense.wo", width, config["d_ff"], bias=False)
    tokens = drawn("shared.weight", (config["vocab_size"], width))
    return {name: tokens.clone() for name in embedding} | filled(shapes)


def gemma_weights(config: Config) -> Tensors:
    width, inner, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    shapes: Shapes = {"embed_tokens.weight": (config["vocab_size"], width), "norm.weight": (width,)}
    for i in range(config["num_hidden_layers"]):
        layer = f"layers.{i}"
        shapes |= {
            f"{layer}.{part}.weight": (width,)
            for part in ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
                         "post_feedforward_layernorm")
        }  # fmt: skip
        shapes |= linear(f"{layer}.self_attn.q_proj", queries, width, bias=False)
        shapes |= linear(f"{layer}.self_attn.k_proj", keys, width, bias=False)
        shapes |= linear(f"{layer}.self_attn.v_proj", keys, width, bias=False)
        shapes |= linear(f"{layer}.self_attn.o_proj", width, queries, bias=False)
        shapes |= linear(f"{layer}.mlp.gate_proj", inner, width, bias=False)
        shapes |= linear(f"{layer}.mlp.up_proj", inner, width, bias=False)
        shapes |= linear(f"{layer}.mlp.down_proj", width, inner, bias=False)
    tensors = filled(shapes)
    return {name: value - 1 if "norm" in name else value for name, value in tensors.items()}  # Gemma adds 1 to a norm


# AutoencoderKL's attention: as it is called today, and as it was until diffusers 0.17.
ATTENTION = {"to_q": "to_q", "to_k": "to_k", "to_v": "to_v", "to_out.0": "to_out.0"}
OLD_ATTENTION = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def vae_weights(config: Config, attention: Mapping[str, str] = ATTENTION) -> Tensors:
    """AutoencoderKL. attention: how the parts of the middle blocks' attention are called."""
    widths, layers, latent = config["block_out_channels"], config["layers_per_block"], config["latent_channels"]
    shapes: Shapes = {}

    def resnet(name: str, out: int, into: int) -> None:
        nonlocal shapes
        shapes |= norm(f"{name}.norm1", into) | conv(f"{name}.conv1", out, into)
        shapes |= norm(f"{name}.norm2", out) | conv(f"{name}.conv2", out, out)
        shapes |= conv(f"{name}.conv_shortcut", out, into, 1) if out != into else {}

    def middle(name: str, width: int) -> None:
        nonlocal shapes
        shapes |= norm(f"{name}.attentions.0.group_norm", width)
        for part in attention.values():
            shapes |= linear(f"{name}.attentions.0.{part}", width, width)
        for i in range(2):
            resnet(f"{name}.resnets.{i}", width, width)

    shapes |= conv("encoder.conv_in", widths[0], 3)
    for i, width in enumerate(widths):
        for j in range(layers):
            resnet(f"encoder.down_blocks.{i}.resnets.{j}", width, width if j else widths[max(i - 1, 0)])
        if i < len(widths) - 1:
            shapes |= conv(f"encoder.down_blocks.{i}.downsamplers.0.conv", width, width)
    middle("encoder.mid_block", widths[-1])
    shapes |= norm("encoder.conv_norm_out", widths[-1]) | conv("encoder.conv_out", 2 * latent, widths[-1])
    shapes |= conv("decoder.conv_in", widths[-1], latent)
    middle("decoder.mid_block", widths[-1])
    upwards = widths[::-1]
    for i, width in enumerate(upwards):
        for j in range(layers + 1):
            resnet(f"decoder.up_blocks.{i}.resnets.{j}", width, width if j else upwards[max(i - 1, 0)])
        if i < len(widths) - 1:
            shapes |= conv(f"decoder.up_blocks.{i}.upsamplers.0.conv", width, width)
    shapes |= norm("decoder.conv_norm_out", widths[0]) | conv("decoder.conv_out", 3, widths[0])
    if config.get("use_quant_conv", True):
        shapes |= conv("quant_conv", 2 * latent, 2 * latent, 1) | conv("post_quant_conv", latent, latent, 1)
    return filled(shapes)


def denoiser_weights(config: Config) -> Tensors:
    """The weights of diffusers' class, drawn anew, and its persistent buffers (SD 3's positions) as they are."""
    cls: Any = getattr(diffusers, config["_class_name"])
    if config["_class_name"] == "Transformer2DModel":  # PixArt's, published before it had a class of its own
        cls = diffusers.PixArtTransformer2DModel
    module: Any = cls.from_config(config)
    parameters = dict(module.named_parameters())
    return {
        name: drawn(name, tuple(value.shape)) if name in parameters else value.clone()
        for name, value in module.state_dict().items()
    }


def transformers_weights(config: Config, published: Mapping[str, str] | None = None) -> Tensors:
    """The weights of transformers' class, drawn anew, under the published beginnings of their names."""
    kind = getattr(transformers, config["architectures"][0])
    with torch.device("meta"):
        module = kind(kind.config_class.from_dict(dict(config)))
    out: Tensors = {}
    for name, value in module.named_parameters():
        for ours, theirs in (published or {}).items():
            name = theirs + name.removeprefix(ours) if name.startswith(ours) else name
        out[name] = drawn(name, tuple(value.shape))
    return out


# Of Qwen2.5-VL, as it was published.
QWEN_VL = {"model.language_model.": "model.", "model.visual.": "visual."}
# Of Mistral Small 3, as it was published.
MISTRAL_3 = {
    "model.language_model.": "language_model.model.", "model.vision_tower.": "vision_tower.",
    "model.multi_modal_projector.": "multi_modal_projector.", "lm_head.": "language_model.lm_head.",
}  # fmt: skip
