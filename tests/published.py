"""Checkpoint folders in exactly the structure that their publishers chose, made from nothing, with tiny widths.

File names, component classes, configuration keys and the names of weights are the published ones: files are written
weight by weight, not by the `save_pretrained` of the classes that read them later. The text encoders and the VAE are
tables of names below. The denoisers' names are those of diffusers' classes, under which they were published too;
test_published.py pins some of each.
"""

from __future__ import annotations

import io
import json
import math
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import diffusers
import sentencepiece
import tokenizers
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers.convert_slow_tokenizer import bytes_to_unicode

Config = dict[str, Any]
Tensors = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]

NONE = (None, None)
CORPUS = (
    "a red cat on the left and a blue rocket on the right, at night",
    "many things in rows, blurred, low quality",
    "a photo of two green chairs beside an orange tree, in the style of a painting",
    "zzz qqq thing one two three four five six seven eight nine",
)


# Weights


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


# Files


def write_json(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def write_weights(
    folder: Path, stem: str, tensors: Tensors, *, variant: str | None = None, shards: int = 1
) -> None:  # fmt: skip
    """Safetensors as the libraries name them: model.fp16-00001-of-00002.safetensors and its index, for example."""
    if variant:
        dtype = {"fp16": torch.float16, "bf16": torch.bfloat16}[variant]
        tensors = {name: value.to(dtype) if value.is_floating_point() else value for name, value in tensors.items()}
    folder.mkdir(parents=True, exist_ok=True)
    base = f"{stem}.{variant}" if variant else stem
    if shards == 1:
        save_file(tensors, folder / f"{base}.safetensors", metadata={"format": "pt"})
        return
    names = list(tensors)
    where: dict[str, str] = {}
    for i in range(shards):
        file = f"{base}-{i + 1:05}-of-{shards:05}.safetensors"
        part = names[i * len(names) // shards : (i + 1) * len(names) // shards]
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(part, file)
    size = sum(value.nbytes for value in tensors.values())
    index = f"{stem}.safetensors.index.{variant}.json" if variant else f"{stem}.safetensors.index.json"
    write_json(folder / index, {"metadata": {"total_size": size}, "weight_map": where})


def write_model(
    folder: Path, config: Config, tensors: Tensors, *, variants: tuple[str | None, ...] = (None,), shards: int = 1
) -> None:  # fmt: skip
    """A component with weights: config.json and its files in each variant; None is the one of full size."""
    write_json(folder / "config.json", config)
    stem = "diffusion_pytorch_model" if "_class_name" in config else "model"
    for variant in variants:
        write_weights(folder, stem, tensors, variant=variant, shards=shards)


# Tokenizers


def byte_pieces() -> list[str]:
    return list(bytes_to_unicode().values())


@cache
def clip_vocabulary() -> tuple[dict[str, int], list[str]]:
    """CLIP's byte-level pieces and merges: bytes, bytes at a word's end, merges, then the two special tokens last."""
    merges = ["t h", "th e</w>", "r e", "re d</w>", "i n", "a t</w>", "c at</w>", "o n</w>"]
    pieces = byte_pieces() + [f"{piece}</w>" for piece in byte_pieces()]
    pieces += ["".join(merge.split()) for merge in merges] + ["<|startoftext|>", "<|endoftext|>"]
    return {piece: i for i, piece in enumerate(pieces)}, merges


def write_clip_tokenizer(folder: Path, *, pad: str = "<|endoftext|>") -> None:
    vocabulary, merges = clip_vocabulary()
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")

    def token(content: str) -> Config:
        return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}

    write_json(
        folder / "special_tokens_map.json",
        {"bos_token": token("<|startoftext|>"), "eos_token": token("<|endoftext|>"), "pad_token": pad,
         "unk_token": token("<|endoftext|>")},
    )  # fmt: skip
    write_json(
        folder / "tokenizer_config.json",
        {"add_prefix_space": False, "bos_token": {"__type": "AddedToken", **token("<|startoftext|>")},
         "do_lower_case": True, "eos_token": {"__type": "AddedToken", **token("<|endoftext|>")}, "errors": "replace",
         "model_max_length": 77, "name_or_path": "openai/clip-vit-large-patch14", "pad_token": pad,
         "special_tokens_map_file": "./special_tokens_map.json", "tokenizer_class": "CLIPTokenizer",
         "unk_token": {"__type": "AddedToken", **token("<|endoftext|>")}},
    )  # fmt: skip


def write_bert_tokenizer(folder: Path) -> None:
    letters = "abcdefghijklmnopqrstuvwxyz"
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    pieces += [",", ".", "红", "猫", "蓝", "绿", "模", "糊", "的"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    special = {"cls_token": "[CLS]", "mask_token": "[MASK]", "pad_token": "[PAD]", "sep_token": "[SEP]",
               "unk_token": "[UNK]"}  # fmt: skip
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        special | {"clean_up_tokenization_spaces": True, "do_basic_tokenize": True, "do_lower_case": True,
                   "model_max_length": 77, "name_or_path": "hfl/chinese-roberta-wwm-ext", "never_split": None,
                   "strip_accents": None, "tokenize_chinese_chars": True, "tokenizer_class": "BertTokenizer"},
    )  # fmt: skip


@cache
def sentencepieces(kind: str) -> bytes:
    """A trained sentencepiece model, as binary as the published ones. kind: "t5" (unigram) or "gemma" (BPE)."""
    out = io.BytesIO()
    special: Config = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1, "model_type": "unigram"}
    if kind == "gemma":
        special = {
            "pad_id": 0,
            "eos_id": 1,
            "bos_id": 2,
            "unk_id": 3,
            "model_type": "bpe",
            "byte_fallback": True,
            "add_dummy_prefix": False,
            "remove_extra_whitespaces": False,
            "normalization_rule_name": "identity",
            "user_defined_symbols": ["<start_of_turn>", "<end_of_turn>"],
        }
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 8), model_writer=out, vocab_size=330 if kind == "gemma" else 60,
        hard_vocab_limit=False, minloglevel=2, num_threads=1, pad_piece="<pad>", unk_piece="<unk>",
        bos_piece="<bos>" if kind == "gemma" else "<s>", eos_piece="<eos>" if kind == "gemma" else "</s>", **special,
    )  # fmt: skip
    return out.getvalue()


def write_t5_tokenizer(folder: Path, *, extra_ids: int = 100) -> None:
    """T5's: spiece.model and no tokenizer.json. mT5 has no `extra_ids`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(sentencepieces("t5"))
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    extra = [f"<extra_id_{i}>" for i in range(extra_ids)]
    write_json(folder / "special_tokens_map.json", special | ({"additional_special_tokens": extra} if extra else {}))
    config: Config = special | {
        "additional_special_tokens": extra or None, "clean_up_tokenization_spaces": True, "extra_ids": extra_ids,
        "legacy": True, "model_max_length": 512, "sp_model_kwargs": {}, "tokenizer_class": "T5Tokenizer",
    }  # fmt: skip
    if extra:
        size = sentencepiece.SentencePieceProcessor(model_proto=sentencepieces("t5")).GetPieceSize()
        numbers = {size + extra_ids - 1 - i: piece for i, piece in enumerate(extra)}
        config["added_tokens_decoder"] = {
            str(number): {"content": piece, "lstrip": False, "normalized": False, "rstrip": False,
                          "single_word": False, "special": True}
            for number, piece in sorted((dict(enumerate(["<pad>", "</s>", "<unk>"])) | numbers).items())
        }  # fmt: skip
    write_json(folder / "tokenizer_config.json", config)


def write_gemma_tokenizer(folder: Path) -> None:
    """Gemma's: tokenizer.model beside the tokenizer.json that is read."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.model").write_bytes(sentencepieces("gemma"))
    pieces = sentencepiece.SentencePieceProcessor(model_proto=sentencepieces("gemma"))
    vocabulary = {pieces.IdToPiece(i): i for i in range(pieces.GetPieceSize())}
    merges = [
        (piece[:cut], piece[cut:])
        for piece in sorted(vocabulary, key=vocabulary.__getitem__)
        for cut in range(1, len(piece))
        if not piece.startswith("<") and piece[:cut] in vocabulary and piece[cut:] in vocabulary
    ]
    special = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    tokenizer = tokenizers.Tokenizer(
        tokenizers.models.BPE(vocab=vocabulary, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    tokenizer.normalizer = tokenizers.normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos>:1 $B:1", special_tokens=[("<bos>", vocabulary["<bos>"])]
    )
    turns = ["<start_of_turn>", "<end_of_turn>"]
    tokenizer.add_special_tokens([*special.values(), *turns])
    tokenizer.save(str(folder / "tokenizer.json"))

    def token(content: str) -> Config:
        return {"content": content, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False}

    write_json(
        folder / "special_tokens_map.json",
        {name: token(piece) for name, piece in special.items()} | {"additional_special_tokens": turns},
    )
    write_json(
        folder / "tokenizer_config.json",
        special | {"add_bos_token": True, "add_eos_token": False, "additional_special_tokens": turns,
                   "added_tokens_decoder": {str(vocabulary[piece]): token(piece) | {"special": True}
                                            for piece in (*special.values(), *turns)},
                   "clean_up_tokenization_spaces": False, "model_max_length": 300, "padding_side": "right",
                   "sp_model_kwargs": {}, "spaces_between_special_tokens": False,
                   "tokenizer_class": "GemmaTokenizer", "use_default_system_prompt": False},
    )  # fmt: skip


# Configurations, with the keys of the published files


def clip_config(width: int, *, projection: int = 0, act: str = "quick_gelu", layers: int = 2) -> Config:
    """eos_token_id is 2, as published, which is not the token's number: the pooled state is then the last one's."""
    return {
        "_name_or_path": "openai/clip-vit-large-patch14",
        "architectures": ["CLIPTextModelWithProjection" if projection else "CLIPTextModel"],
        "attention_dropout": 0.0, "bos_token_id": 0, "dropout": 0.0, "eos_token_id": 2, "hidden_act": act,
        "hidden_size": width, "initializer_factor": 1.0, "initializer_range": 0.02, "intermediate_size": 2 * width,
        "layer_norm_eps": 1e-05, "max_position_embeddings": 77, "model_type": "clip_text_model",
        "num_attention_heads": 2, "num_hidden_layers": layers, "pad_token_id": 1,
        "projection_dim": projection or width, "torch_dtype": "float32", "transformers_version": "4.22.0.dev0",
        "vocab_size": len(clip_vocabulary()[0]),
    }  # fmt: skip


def t5_config(width: int, *, model_type: str = "t5", vocabulary: int = 192) -> Config:
    return {
        "_name_or_path": "output/text_encoder", "architectures": ["T5EncoderModel"], "classifier_dropout": 0.0,
        "d_ff": 2 * width, "d_kv": 8, "d_model": width, "decoder_start_token_id": 0, "dense_act_fn": "gelu_new",
        "dropout_rate": 0.1, "eos_token_id": 1, "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0,
        "is_encoder_decoder": True, "is_gated_act": True, "layer_norm_epsilon": 1e-06, "model_type": model_type,
        "num_decoder_layers": 2, "num_heads": 2, "num_layers": 2, "output_past": True, "pad_token_id": 0,
        "relative_attention_max_distance": 128, "relative_attention_num_buckets": 32, "tie_word_embeddings": False,
        "torch_dtype": "float32", "transformers_version": "4.21.1", "use_cache": True, "vocab_size": vocabulary,
    }  # fmt: skip


def bert_config(width: int) -> Config:
    return {
        "_name_or_path": "HunyuanDiT/clip_text_encoder", "architectures": ["BertModel"],
        "attention_probs_dropout_prob": 0.1, "bos_token_id": 0, "classifier_dropout": None, "directionality": "bidi",
        "eos_token_id": 2, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": width,
        "initializer_range": 0.02, "intermediate_size": 2 * width, "layer_norm_eps": 1e-12,
        "max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 2, "num_hidden_layers": 2,
        "output_past": True, "pad_token_id": 0, "pooler_fc_size": 768, "pooler_num_attention_heads": 12,
        "pooler_num_fc_layers": 3, "pooler_size_per_head": 128, "pooler_type": "first_token_transform",
        "position_embedding_type": "absolute", "torch_dtype": "float32", "transformers_version": "4.41.1",
        "type_vocab_size": 2, "use_cache": True, "vocab_size": 72,
    }  # fmt: skip


def gemma_config(width: int) -> Config:
    return {
        "_name_or_path": "unsloth/gemma-2-2b-it", "architectures": ["Gemma2Model"], "attention_bias": False,
        "attention_dropout": 0.0, "attn_logit_softcapping": 50.0, "bos_token_id": 2, "cache_implementation": "hybrid",
        "eos_token_id": 1, "final_logit_softcapping": 30.0, "head_dim": 8, "hidden_act": "gelu_pytorch_tanh",
        "hidden_activation": "gelu_pytorch_tanh", "hidden_size": width, "initializer_range": 0.02,
        "intermediate_size": 2 * width, "max_position_embeddings": 8192, "model_type": "gemma2",
        "num_attention_heads": 2, "num_hidden_layers": 2, "num_key_value_heads": 1, "pad_token_id": 0,
        "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-06, "rope_theta": 10000.0, "sliding_window": 4096,
        "torch_dtype": "bfloat16", "transformers_version": "4.46.2", "use_cache": True, "vocab_size": 400,
    }  # fmt: skip


def vae_config(latent: int = 4, *, scaling: float = 0.18215, **more: Any) -> Config:
    return {
        "_class_name": "AutoencoderKL", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "block_out_channels": [8, 8, 16, 16], "down_block_types": ["DownEncoderBlock2D"] * 4, "in_channels": 3,
        "latent_channels": latent, "layers_per_block": 2, "norm_num_groups": 4, "out_channels": 3, "sample_size": 512,
        "up_block_types": ["UpDecoderBlock2D"] * 4, "scaling_factor": scaling, **more,
    }  # fmt: skip


FLUX_VAE: Config = {"shift_factor": 0.1159, "force_upcast": True, "latents_mean": None, "latents_std": None,
                    "mid_block_add_attention": True, "use_post_quant_conv": False, "use_quant_conv": False}  # fmt: skip
SD3_VAE = FLUX_VAE | {"shift_factor": 0.0609}


def beta_config(name: str, beta_end: float, **more: Any) -> Config:
    return {
        "_class_name": name, "_diffusers_version": "0.29.0.dev0", "beta_end": beta_end,
        "beta_schedule": "scaled_linear", "beta_start": 0.00085, "num_train_timesteps": 1000, "trained_betas": None,
        **more,
    }  # fmt: skip


def hunyuan_scheduler(beta_end: float) -> Config:
    return beta_config(
        "DDPMScheduler", beta_end, clip_sample=False, clip_sample_range=1.0, dynamic_thresholding_ratio=0.995,
        prediction_type="v_prediction", rescale_betas_zero_snr=False, sample_max_value=1.0, steps_offset=1,
        thresholding=False, timestep_spacing="leading", variance_type="fixed_small",
    )  # fmt: skip


def dpm_scheduler(**more: Any) -> Config:
    config = beta_config(
        "DPMSolverMultistepScheduler", 0.02, algorithm_type="dpmsolver++", dynamic_thresholding_ratio=0.995,
        euler_at_final=False, lambda_min_clipped=-math.inf, lower_order_final=True, prediction_type="epsilon",
        sample_max_value=1.0, solver_order=2, solver_type="midpoint", steps_offset=0, thresholding=False,
        timestep_spacing="linspace", use_karras_sigmas=False, use_lu_lambdas=False, variance_type=None,
    )  # fmt: skip
    return config | {"beta_schedule": "linear", "beta_start": 0.0001} | more


def flow_scheduler(**more: Any) -> Config:
    return {"_class_name": "FlowMatchEulerDiscreteScheduler", "_diffusers_version": "0.29.0.dev0",
            "num_train_timesteps": 1000, **more}  # fmt: skip


def pixart_config(*, sample_size: int, **more: Any) -> Config:
    return {
        "_class_name": "Transformer2DModel", "_diffusers_version": "0.22.0.dev0", "activation_fn": "gelu-approximate",
        "attention_bias": True, "attention_head_dim": 24, "attention_type": "default", "caption_channels": 32,
        "cross_attention_dim": 48, "double_self_attention": False, "dropout": 0.0, "in_channels": 4,
        "norm_elementwise_affine": False, "norm_eps": 1e-06, "norm_num_groups": 32, "norm_type": "ada_norm_single",
        "num_attention_heads": 2, "num_embeds_ada_norm": 1000, "num_layers": 3, "num_vector_embeds": None,
        "only_cross_attention": False, "out_channels": 8, "patch_size": 2, "sample_size": sample_size,
        "upcast_attention": False, "use_linear_projection": False, **more,
    }  # fmt: skip


def hunyuan_config(*, conditions: bool) -> Config:
    """conditions: versions 1.0 and 1.1 are told the picture's size and style."""
    return {
        "_class_name": "HunyuanDiT2DModel", "_diffusers_version": "0.29.0.dev0", "activation_fn": "gelu-approximate",
        "attention_head_dim": 16, "cross_attention_dim": 16, "cross_attention_dim_t5": 32, "hidden_size": 32,
        "in_channels": 4, "learn_sigma": True, "mlp_ratio": 4.3637, "norm_type": "layer_norm",
        "num_attention_heads": 2, "num_layers": 4, "patch_size": 2, "pooled_projection_dim": 16, "sample_size": 128,
        "text_len": 77, "text_len_t5": 256, "use_style_cond_and_image_meta_size": conditions,
    }  # fmt: skip


def unet_config(*, sample_size: int, **more: Any) -> Config:
    return {
        "_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "act_fn": "silu",
        "attention_head_dim": 8, "block_out_channels": [16, 32], "center_input_sample": False,
        "cross_attention_dim": 16, "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "downsample_padding": 1, "flip_sin_to_cos": True, "freq_shift": 0, "in_channels": 4, "layers_per_block": 1,
        "mid_block_scale_factor": 1, "norm_eps": 1e-05, "norm_num_groups": 4, "out_channels": 4,
        "sample_size": sample_size, "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"], **more,
    }  # fmt: skip


SDXL_UNET: Config = {
    "addition_embed_type": "text_time", "addition_embed_type_num_heads": 64, "addition_time_embed_dim": 8,
    "attention_head_dim": [2, 4], "cross_attention_dim": 40, "projection_class_embeddings_input_dim": 72,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"], "transformer_layers_per_block": [1, 2],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "use_linear_projection": True, "class_embed_type": None,
    "conv_in_kernel": 3, "conv_out_kernel": 3, "dual_cross_attention": False, "only_cross_attention": False,
    "num_class_embeds": None, "resnet_time_scale_shift": "default", "time_embedding_type": "positional",
    "upcast_attention": None,
}  # fmt: skip


def sd3_config(**more: Any) -> Config:
    return {
        "_class_name": "SD3Transformer2DModel", "_diffusers_version": "0.29.0.dev0", "attention_head_dim": 16,
        "caption_projection_dim": 32, "in_channels": 16, "joint_attention_dim": 48, "num_attention_heads": 2,
        "num_layers": 3, "out_channels": 16, "patch_size": 2, "pooled_projection_dim": 40, "pos_embed_max_size": 24,
        "sample_size": 128, **more,
    }  # fmt: skip


def flux_config(*, guidance: bool) -> Config:
    return {
        "_class_name": "FluxTransformer2DModel", "_diffusers_version": "0.30.0.dev0", "attention_head_dim": 16,
        "axes_dims_rope": [4, 6, 6], "guidance_embeds": guidance, "in_channels": 64, "joint_attention_dim": 32,
        "num_attention_heads": 2, "num_layers": 2, "num_single_layers": 2, "patch_size": 1,
        "pooled_projection_dim": 16,
    }  # fmt: skip


def sana_config(*, sample_size: int) -> Config:
    return {
        "_class_name": "SanaTransformer2DModel", "_diffusers_version": "0.32.0.dev0", "attention_bias": False,
        "attention_head_dim": 16, "caption_channels": 16, "cross_attention_dim": 32, "cross_attention_head_dim": 16,
        "dropout": 0.0, "in_channels": 4, "interpolation_scale": None, "mlp_ratio": 2.5,
        "norm_elementwise_affine": False, "norm_eps": 1e-06, "num_attention_heads": 2,
        "num_cross_attention_heads": 2, "num_layers": 3, "out_channels": 4, "patch_size": 1,
        "sample_size": sample_size,
    }  # fmt: skip


def dc_ae_config() -> Config:
    kinds = ["ResBlock"] * 3 + ["EfficientViTBlock"] * 3
    return {
        "_class_name": "AutoencoderDC", "_diffusers_version": "0.32.0.dev0", "attention_head_dim": 2,
        "decoder_act_fns": "silu", "decoder_block_out_channels": [4, 4, 4, 8, 8, 8], "decoder_block_types": kinds,
        "decoder_layers_per_block": [1] * 6, "decoder_norm_types": "rms_norm",
        "decoder_qkv_multiscales": [[], [], [], [5], [5], [5]], "downsample_block_type": "conv",
        "encoder_block_out_channels": [4, 4, 4, 8, 8, 8], "encoder_block_types": kinds,
        "encoder_layers_per_block": [1] * 6, "encoder_qkv_multiscales": [[], [], [], [5], [5], [5]],
        "in_channels": 3, "latent_channels": 4, "scaling_factor": 0.41407, "upsample_block_type": "interpolate",
    }  # fmt: skip


# Checkpoints


def write_index(folder: Path, pipeline: str, parts: Mapping[str, tuple[str | None, str | None]], **more: Any) -> None:
    index = {"_class_name": pipeline, "_diffusers_version": "0.29.0.dev0"}
    write_json(folder / "model_index.json", index | {name: list(part) for name, part in parts.items()} | more)


def write_scheduler(folder: Path, config: Config) -> tuple[str, str]:
    write_json(folder / "scheduler" / "scheduler_config.json", config)
    return "diffusers", str(config["_class_name"])


def hunyuan(folder: Path, *, conditions: bool = False, beta_end: float = 0.018) -> None:
    """Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers, and v1.1 and v1.0, with a sharded mT5."""
    write_bert_tokenizer(folder / "tokenizer")
    write_model(folder / "text_encoder", bert_config(16), bert_weights(bert_config(16)))
    write_t5_tokenizer(folder / "tokenizer_2", extra_ids=0)
    t5 = t5_config(32, model_type="mt5") | {"tokenizer_class": "T5Tokenizer"}
    both = ("shared.weight", "encoder.embed_tokens.weight")  # tied, and saved twice
    write_model(folder / "text_encoder_2", t5, t5_weights(t5, embedding=both), shards=2)
    transformer = hunyuan_config(conditions=conditions)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer))
    vae = vae_config(scaling=0.13025, force_upcast=False)
    write_model(folder / "vae", vae, vae_weights(vae))
    write_index(
        folder, "HunyuanDiTPipeline",
        {"feature_extractor": NONE, "safety_checker": NONE,
         "scheduler": write_scheduler(folder, hunyuan_scheduler(beta_end)),
         "text_encoder": ("transformers", "BertModel"), "text_encoder_2": ("transformers", "T5EncoderModel"),
         "tokenizer": ("transformers", "BertTokenizer"), "tokenizer_2": ("transformers", "T5Tokenizer"),
         "transformer": ("diffusers", "HunyuanDiT2DModel"), "vae": ("diffusers", "AutoencoderKL")},
        requires_safety_checker=True,
    )  # fmt: skip


def pixart(folder: Path, pipeline: str, transformer: Config, *, attention: Mapping[str, str] = ATTENTION) -> None:
    """PixArt-alpha/PixArt-XL-2-1024-MS, -512x512, and PixArt-Sigma-XL-2-1024-MS: one sharded T5."""
    write_t5_tokenizer(folder / "tokenizer")
    write_model(folder / "text_encoder", t5_config(32), t5_weights(t5_config(32)), shards=2)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer))
    vae = vae_config(scaling=0.13025 if "Sigma" in pipeline else 0.18215)
    write_model(folder / "vae", vae, vae_weights(vae, attention))
    write_index(
        folder, pipeline,
        {"scheduler": write_scheduler(folder, dpm_scheduler()), "text_encoder": ("transformers", "T5EncoderModel"),
         "tokenizer": ("transformers", "T5Tokenizer"), "transformer": ("diffusers", transformer["_class_name"]),
         "vae": ("diffusers", "AutoencoderKL")},
    )  # fmt: skip


def sana(folder: Path, *, sample_size: int = 32, variants: tuple[str | None, ...] = (None, "fp16")) -> None:
    """Efficient-Large-Model/Sana_1600M_1024px_diffusers and its 512px: all in full and in fp16, Gemma sharded."""
    write_gemma_tokenizer(folder / "tokenizer")
    gemma = gemma_config(16)
    write_model(folder / "text_encoder", gemma, gemma_weights(gemma), variants=variants, shards=2)
    transformer, vae = sana_config(sample_size=sample_size), dc_ae_config()
    write_model(folder / "transformer", transformer, denoiser_weights(transformer), variants=variants)
    write_model(folder / "vae", vae, denoiser_weights(vae), variants=variants)
    scheduler = dpm_scheduler(flow_shift=3.0, prediction_type="flow_prediction", use_flow_sigmas=True)
    write_index(
        folder, "SanaPipeline",
        {"scheduler": write_scheduler(folder, scheduler), "text_encoder": ("transformers", "Gemma2Model"),
         "tokenizer": ("transformers", "GemmaTokenizerFast"), "transformer": ("diffusers", "SanaTransformer2DModel"),
         "vae": ("diffusers", "AutoencoderDC")},
    )  # fmt: skip


def write_safety_checker(folder: Path, variants: tuple[str | None, ...]) -> None:
    """A stand-in of the published one's files, with weights that fit nothing: it must not be read."""
    config = {"architectures": ["StableDiffusionSafetyChecker"], "model_type": "clip", "projection_dim": 8}
    write_model(folder / "safety_checker", config, {"concept_embeds": torch.zeros(17, 8)}, variants=variants)
    write_json(
        folder / "feature_extractor" / "preprocessor_config.json",
        {"crop_size": 224, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True, "do_resize": True,
         "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": [0.48145466, 0.4578275, 0.40821073],
         "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "size": 224},
    )  # fmt: skip


def sd(folder: Path, *, variants: tuple[str | None, ...] = (None, "fp16")) -> None:
    """stable-diffusion-v1-5/stable-diffusion-v1-5: both variants, a safety checker, old attention names."""
    write_clip_tokenizer(folder / "tokenizer")
    clip = clip_config(16)
    write_model(folder / "text_encoder", clip, clip_weights(clip), variants=variants)
    unet, vae = unet_config(sample_size=64), vae_config()
    write_model(folder / "unet", unet, denoiser_weights(unet), variants=variants)
    write_model(folder / "vae", vae, vae_weights(vae, OLD_ATTENTION), variants=variants)
    write_safety_checker(folder, variants)
    scheduler = beta_config("PNDMScheduler", 0.012, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1,
                            clip_sample=False)  # fmt: skip
    write_index(
        folder, "StableDiffusionPipeline",
        {"feature_extractor": ("transformers", "CLIPImageProcessor"),
         "safety_checker": ("stable_diffusion", "StableDiffusionSafetyChecker"),
         "scheduler": write_scheduler(folder, scheduler), "text_encoder": ("transformers", "CLIPTextModel"),
         "tokenizer": ("transformers", "CLIPTokenizer"), "unet": ("diffusers", "UNet2DConditionModel"),
         "vae": ("diffusers", "AutoencoderKL")},
    )  # fmt: skip


def sd2(folder: Path) -> None:
    """stabilityai/stable-diffusion-2-1, of 768 pixels: OpenCLIP, v-prediction, no safety checker."""
    write_clip_tokenizer(folder / "tokenizer", pad="!")
    clip = clip_config(16, act="gelu", layers=2) | {"projection_dim": 512}
    write_model(folder / "text_encoder", clip, clip_weights(clip), variants=(None, "fp16"))
    unet = unet_config(sample_size=96, use_linear_projection=True, attention_head_dim=[2, 4], upcast_attention=True,
                       dual_cross_attention=False, num_class_embeds=None, only_cross_attention=False)  # fmt: skip
    vae = vae_config()
    write_model(folder / "unet", unet, denoiser_weights(unet), variants=(None, "fp16"))
    write_model(folder / "vae", vae, vae_weights(vae, OLD_ATTENTION), variants=(None, "fp16"))
    scheduler = beta_config("DDIMScheduler", 0.012, clip_sample=False, prediction_type="v_prediction",
                            set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1)  # fmt: skip
    write_index(
        folder, "StableDiffusionPipeline",
        {"feature_extractor": ("transformers", "CLIPImageProcessor"), "safety_checker": NONE,
         "scheduler": write_scheduler(folder, scheduler), "text_encoder": ("transformers", "CLIPTextModel"),
         "tokenizer": ("transformers", "CLIPTokenizer"), "unet": ("diffusers", "UNet2DConditionModel"),
         "vae": ("diffusers", "AutoencoderKL")},
        requires_safety_checker=False,
    )  # fmt: skip
    write_safety_checker(folder, (None,))  # its feature extractor is listed and its files are there


def sdxl(folder: Path, *, scheduler: Config | None = None) -> None:
    """SG161222/RealVisXL_V5.0's structure: stabilityai/stable-diffusion-xl-base-1.0's, in fp16 only."""
    write_clip_tokenizer(folder / "tokenizer")
    write_clip_tokenizer(folder / "tokenizer_2", pad="!")
    first, second = clip_config(16), clip_config(24, projection=24, act="gelu")
    only: tuple[str | None, ...] = ("fp16",)
    write_model(folder / "text_encoder", first, clip_weights(first, position_ids=False), variants=only)
    write_model(folder / "text_encoder_2", second, clip_weights(second, position_ids=False), variants=only)
    unet, vae = unet_config(sample_size=128, **SDXL_UNET), vae_config(scaling=0.13025, force_upcast=True)
    write_model(folder / "unet", unet, denoiser_weights(unet), variants=only)
    write_model(folder / "vae", vae, vae_weights(vae), variants=only)
    scheduler = scheduler or beta_config(
        "EulerDiscreteScheduler", 0.012, clip_sample=False, interpolation_type="linear", prediction_type="epsilon",
        sample_max_value=1.0, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1,
        timestep_spacing="leading", use_karras_sigmas=False,
    )  # fmt: skip
    write_index(
        folder, "StableDiffusionXLPipeline",
        {"scheduler": write_scheduler(folder, scheduler), "text_encoder": ("transformers", "CLIPTextModel"),
         "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
         "tokenizer": ("transformers", "CLIPTokenizer"), "tokenizer_2": ("transformers", "CLIPTokenizer"),
         "unet": ("diffusers", "UNet2DConditionModel"), "vae": ("diffusers", "AutoencoderKL")},
        force_zeros_for_empty_prompt=True,
    )  # fmt: skip


def sd3(folder: Path, *, transformer: Config | None = None, t5: bool = True) -> None:
    """stabilityai/stable-diffusion-3-medium-diffusers and 3.5: T5 sharded in full and in fp16, or none at all."""
    for name, pad in (("tokenizer", "<|endoftext|>"), ("tokenizer_2", "!")):
        write_clip_tokenizer(folder / name, pad=pad)
    first, second = clip_config(16, projection=16), clip_config(24, projection=24, act="gelu")
    weights = clip_weights(first, position_ids=False) | {"text_projection.weight": torch.eye(16)}  # SD 3 has none
    write_model(folder / "text_encoder", first, weights, variants=(None, "fp16"))
    write_model(folder / "text_encoder_2", second, clip_weights(second, position_ids=False), variants=(None, "fp16"))
    if t5:
        write_t5_tokenizer(folder / "tokenizer_3")
        write_model(
            folder / "text_encoder_3", t5_config(48), t5_weights(t5_config(48)), variants=(None, "fp16"), shards=2
        )
    transformer, vae = transformer or sd3_config(), vae_config(16, scaling=1.5305, **SD3_VAE)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer))
    write_model(folder / "vae", vae, vae_weights(vae))
    write_index(
        folder, "StableDiffusion3Pipeline",
        {"scheduler": write_scheduler(folder, flow_scheduler(shift=3.0)),
         "text_encoder": ("transformers", "CLIPTextModelWithProjection"),
         "text_encoder_2": ("transformers", "CLIPTextModelWithProjection"),
         "text_encoder_3": ("transformers", "T5EncoderModel") if t5 else NONE,
         "tokenizer": ("transformers", "CLIPTokenizer"), "tokenizer_2": ("transformers", "CLIPTokenizer"),
         "tokenizer_3": ("transformers", "T5TokenizerFast") if t5 else NONE,
         "transformer": ("diffusers", "SD3Transformer2DModel"), "vae": ("diffusers", "AutoencoderKL")},
    )  # fmt: skip


def flux(folder: Path, *, guidance: bool = True) -> None:
    """black-forest-labs/FLUX.1-dev, and with no `guidance` FLUX.1-schnell: transformer and T5 sharded."""
    write_clip_tokenizer(folder / "tokenizer")
    clip = clip_config(16)
    write_model(folder / "text_encoder", clip, clip_weights(clip, position_ids=False))
    write_t5_tokenizer(folder / "tokenizer_2")
    write_model(folder / "text_encoder_2", t5_config(32), t5_weights(t5_config(32)), shards=2)
    transformer, vae = flux_config(guidance=guidance), vae_config(16, scaling=0.3611, **FLUX_VAE)
    write_model(folder / "transformer", transformer, denoiser_weights(transformer), shards=3)
    write_model(folder / "vae", vae, vae_weights(vae))
    scheduler = flow_scheduler(
        base_image_seq_len=256, base_shift=0.5, max_image_seq_len=4096, max_shift=1.15,
        shift=3.0 if guidance else 1.0, use_dynamic_shifting=guidance,
    )  # fmt: skip
    write_index(
        folder, "FluxPipeline",
        {"scheduler": write_scheduler(folder, scheduler), "text_encoder": ("transformers", "CLIPTextModel"),
         "text_encoder_2": ("transformers", "T5EncoderModel"), "tokenizer": ("transformers", "CLIPTokenizer"),
         "tokenizer_2": ("transformers", "T5TokenizerFast"), "transformer": ("diffusers", "FluxTransformer2DModel"),
         "vae": ("diffusers", "AutoencoderKL")},
    )  # fmt: skip


SIGMA: Config = {"interpolation_scale": 2, "use_additional_conditions": False}
SD35: Config = {"dual_attention_layers": [0, 1], "qk_norm": "rms_norm"}
SDXL_TURBO = beta_config(
    "EulerAncestralDiscreteScheduler", 0.012, clip_sample=False, interpolation_type="linear",
    prediction_type="epsilon", sample_max_value=1.0, set_alpha_to_one=False, skip_prk_steps=True, steps_offset=1,
    timestep_spacing="trailing",
)  # fmt: skip

PUBLISHED: dict[str, Callable[[Path], None]] = {
    "hunyuan-1.2": hunyuan,
    "hunyuan-1.2-distilled": hunyuan,  # the same structure; fewer steps
    "hunyuan-1.1": lambda folder: hunyuan(folder, conditions=True, beta_end=0.03),
    "hunyuan-1.1-distilled": lambda folder: hunyuan(folder, conditions=True, beta_end=0.03),
    "hunyuan-1.0": lambda folder: hunyuan(folder, conditions=True, beta_end=0.03),
    "pixart-alpha": lambda folder: pixart(
        folder, "PixArtAlphaPipeline", pixart_config(sample_size=128), attention=OLD_ATTENTION
    ),
    "pixart-alpha-512": lambda folder: pixart(
        folder, "PixArtAlphaPipeline", pixart_config(sample_size=64), attention=OLD_ATTENTION
    ),
    "pixart-sigma": lambda folder: pixart(folder, "PixArtSigmaPipeline", pixart_config(sample_size=128, **SIGMA)),
    "pixart-sigma-512": lambda folder: pixart(
        folder, "PixArtSigmaPipeline", pixart_config(sample_size=64, **SIGMA | {"interpolation_scale": 1})
    ),
    "sana": sana,
    "sana-512": lambda folder: sana(folder, sample_size=16),
    "sana-bf16": lambda folder: sana(folder, variants=("bf16",)),
    "sd-1.5": sd,
    "sd-1.5-fp16": lambda folder: sd(folder, variants=("fp16",)),
    "sd-2.1-768": sd2,
    "sdxl": sdxl,
    "sdxl-turbo": lambda folder: sdxl(folder, scheduler=SDXL_TURBO),
    "sd3": sd3,
    "sd3-without-t5": lambda folder: sd3(folder, t5=False),
    "sd3.5-medium": lambda folder: sd3(folder, transformer=sd3_config(**SD35)),
    "sd3.5-large-turbo": lambda folder: sd3(folder, transformer=sd3_config(qk_norm="rms_norm"), t5=False),
    "flux-dev": flux,
    "flux-schnell": lambda folder: flux(folder, guidance=False),
}  # fmt: skip


def published(name: str, folder: Path) -> Path:
    """The checkpoint of that name under a folder, written once."""
    target = folder / name
    if not target.exists():
        PUBLISHED[name](target)
    return target
