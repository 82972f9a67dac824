"""LoRAs of local planners: trained as modules of torch, kept as GGUF files that llama.cpp reads.

A weight W is used as W + b @ a. The rank is each matrix's own: `shrink` spends the bytes of a file where they are
worth most.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import gguf
import numpy as np
import torch
from torch import nn

GGUF_NAMES = {
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
    "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
}  # fmt: skip
PARTS = {name: part for part, name in GGUF_NAMES.items()}
Weights = dict[str, torch.Tensor]  # 'layers.LAYER.PART.a', (rank, in), and '… .b', (out, rank), float32


def rotary_order(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """llama.cpp keeps the two halves of a rotary head interleaved; reorders the output rows of q and k."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def module_order(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Undoes `rotary_order`."""
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def export(weights: Weights, heads: Mapping[str, int], path: Path, architecture: str) -> None:
    """Writes an adapter in llama.cpp's format: `a` in q8_0 (its rows are long enough), `b` in float16.

    heads: of each part that has rotary heads whose rows are to be interleaved, how many.
    architecture: llama.cpp's name of the model's.
    """
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", 0.0)  # the update is b @ a as it stands, whatever the rank
    for name, value in weights.items():
        _, layer, part, side = name.split(".")
        value = value.float().cpu()
        tensor = f"blk.{layer}.{GGUF_NAMES[part]}.weight.lora_{side}"
        if side == "a":
            packed = gguf.quantize(value.numpy(), gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(tensor, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
            continue
        if part in heads:
            value = rotary_order(value, heads[part])
        writer.add_tensor(tensor, value.contiguous().numpy().astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read(path: Path, heads: Mapping[str, int]) -> Weights:
    """The weights of an exported adapter, in the order of the modules; an alpha of the file is multiplied in."""
    reader = gguf.GGUFReader(path)
    field = reader.get_field("adapter.lora.alpha")
    alpha = float(field.contents()) if field else 0.0
    weights = {}
    for tensor in reader.tensors:
        _, layer, name, _, lora = tensor.name.split(".")
        part, side = PARTS[name], lora[-1]
        value = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
        if side == "b":
            value = module_order(value, heads[part]) if part in heads else value
            value = value * alpha / value.shape[1] if alpha else value
        weights[f"layers.{layer}.{part}.{side}"] = value
    return weights


def shrink(weights: Weights, size: int) -> Weights:
    """The best adapter of at most `size` bytes: of all matrices' singular directions those that change most a byte."""
    parts, directions = {}, []
    for name in sorted({key.rpartition(".")[0] for key in weights}):
        a, b = weights[f"{name}.a"], weights[f"{name}.b"]
        cost = a.shape[1] * 34 / 32 + b.shape[0] * 2  # q8_0 and float16
        u, values, v = torch.linalg.svd(b @ a, full_matrices=False)
        parts[name] = u, values, v
        directions += [(float(value) ** 2 / cost, cost, name) for value in values[: a.shape[0]]]
    ranks, used = dict.fromkeys(parts, 0), 0.0
    for _, cost, name in sorted(directions, reverse=True):
        cost += 0 if ranks[name] else 256  # about the names and places of a matrix's two tensors
        if used + cost > size:
            break
        used, ranks[name] = used + cost, ranks[name] + 1
    smaller = {}
    for name, rank in ranks.items():
        if rank:
            u, values, v = (parts[name][0][:, :rank], parts[name][1][:rank].sqrt(), parts[name][2][:rank])
            smaller[f"{name}.a"], smaller[f"{name}.b"] = values[:, None] * v, u * values
    return smaller


class LowRank(nn.Module):
    """A frozen linear layer plus `scale` times its low-rank update, in the layer's dtype; `a` and `b` stay float32.

    (peft would cast every input to float32 and back.)
    """

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias  # (out, in); (out,) or None
        self.a = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(rank, layer.in_features), a=5**0.5))
        self.b = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(0, -2)
        low = rows @ self.a.to(x.dtype).T
        plain = nn.functional.linear(rows, self.weight, self.bias)
        return torch.addmm(plain, low, self.b.to(x.dtype).T).unflatten(0, x.shape[:-1])


def add_adapter(model: nn.Module, ranks: Mapping[str, int]) -> None:
    """Freezes the model and puts a LowRank in the place of each linear layer that has a rank.

    ranks: by 'layers.LAYER.PART'.
    """
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        rank = ranks.get(short_name(name), 0)
        if rank:
            setattr(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], LowRank(layer, rank))


def short_name(name: str) -> str:
    """'layers.LAYER.PART' (and '.a' or '.b') of a module's or parameter's whole name; '' for any other."""
    match = re.search(r"(layers\.\d+)\.\w+\.(\w+_proj(?:\.[ab])?)$", name)
    return f"{match[1]}.{match[2]}" if match else ""


class Adapter(nn.Module):
    """Only the trainable weights, so that a checkpoint holds nothing else."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names = [short_name(name) for name, p in model.named_parameters() if p.requires_grad]
        self.values = nn.ParameterList([p for p in model.parameters() if p.requires_grad])

    @torch.no_grad()
    def take_over(self, weights: Weights) -> None:
        """Begins with the weights that `read` gives."""
        for name, value in zip(self.names, self.values, strict=True):
            value.copy_(weights[name])
