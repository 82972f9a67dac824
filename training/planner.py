"""Tunes a local planner: a LoRA on synthetic briefs, exported as a GGUF adapter; SmolLM2-135M-Instruct by default.

    python -m training.planner --minutes 80                            # resumes; 5 CPU seconds a step of 8 briefs
    python -m training.planner --minutes 9 --batch 64 --every 200      # on a GPU; 0.18 s a step on an H200
    python -m training.planner --from-shipped --seed 12                # begins with the shipped adapter, other briefs
    python -m training.planner --from-shipped --chat 0.7               # learns to understand chat messages too
    python -m training.planner --publish                               # ships what training/work/ holds
    python -m training.planner --model qwen2.5-coder-1.5b --batch 4    # the better planner, once it was pulled

The adapter is written to training/work/ at every checkpoint, and into agent/llm/embedded/ by --publish.
The shipped one of SmolLM2 saw 1,524 steps of 8 briefs (three hours of one CPU core), 2,800 steps of 64 (8.5 minutes
of one H200, which also trained the transformer), 728 steps of 8 of the short answers, and 1,434 steps of 64 with the
forms of brief_turns.py (5 minutes of one H200, shared with the other adapter; the loss of an answer's token fell from
0.014 to 0.003), and at last 378 of 8 with `--quantities 0.4` (rate 5e-4). That of Qwen2.5-Coder saw 786 steps of 4
(an hour of one CPU core) and in those 5 minutes 1,542 of 64 (0.051 to 0.012). Both were still falling. Neither has
seen the lines of three to six things in `brief_arrangements.lined_up`, and Qwen's not `brief_quantities.py`. SmolLM2's
then saw 1,100 steps for planning and chat together, `--chat 0.65`: 120 of 16 briefs, 560 of 16 examples and 420 of 8
rows (rate 8e-4; 90 minutes of one CPU core that multiplies bfloat16; loss of a token 0.045, still falling).
"""

import argparse
import re
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from ditpipe.agent.llm.local_models import ADAPTERS, EMBEDDED, LOCAL_MODELS, QWEN
from ditpipe.agent.llm.local_server import base_weights
from ditpipe.prompts.answers.planner_schema import PlannerAnswer, ShortAnswer
from ditpipe.prompts.templates import fill_template
from training.artwork import WORK
from training.brief_quantities import absences_of, quantity_brief
from training.briefs import brief_and_answer
from training.chat.examples import answer_text, chat_examples
from training.loop import Batches, multiplies_bfloat16, pick_device, pick_workers, train

MESSAGES = 4  # about one plan, in one row of a batch
SCALE = 2.0  # of every adapter: what llama.cpp takes for alpha / rank
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


@dataclass(frozen=True)
class Tuned:
    """How a local model is tuned: a LoRA of `rank`, scaled by 2, on the linear layers `parts` from block `first` on."""

    architecture: str  # llama.cpp's name
    rank: int
    parts: tuple[str, ...]
    first: int = 0
    rotary: bool = False  # whether llama.cpp keeps the rows of its rotary heads interleaved


# The second one's adapter has 1.1 of the 40 megabytes that all weights may take, which its feed-forward parts would not
# fit; the blocks below `first` are left out of the backward pass too.
TUNED = {
    EMBEDDED.name: Tuned("llama", 8, (*ATTENTION, "gate_proj", "up_proj", "down_proj"), rotary=True),
    QWEN.name: Tuned("qwen2", 4, ATTENTION, first=8),
}
GGUF_NAMES = {
    "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output",
    "gate_proj": "ffn_gate", "up_proj": "ffn_up", "down_proj": "ffn_down",
}  # fmt: skip


def base_model(name: str) -> tuple[Path, str]:
    """The folder and the name of a model's GGUF file. Raises ModelError with the command that fetches it."""
    file = base_weights(LOCAL_MODELS[name])
    return file.parent, file.name


def brief_and_short_answer(rng: np.random.Generator, quantities: float) -> tuple[str, ShortAnswer]:
    """A synthetic brief and its right answer; the share `quantities` is about numbers, sizes and absences."""
    if rng.random() < quantities:
        return quantity_brief(rng)
    brief, answer = brief_and_answer(rng)
    return brief, ShortAnswer.of(PlannerAnswer.model_validate(answer | {"absent": absences_of(brief)}))


@dataclass(frozen=True)
class Tokens:
    """Chats in one row, (tokens,) each: what they have in common, and after it the rest of each, which sees only that
    and itself.

    labels: the id where it is to be learnt, else -100. chat: 0 for what is common, else the number of the chat.
    positions: in that chat.
    """

    ids: np.ndarray
    labels: np.ndarray
    chat: np.ndarray
    positions: np.ndarray


def tokens_of(chats: list[tuple[list[int], list[int]]]) -> Tokens:
    """Questions and their answers, as token ids, in one row: a common beginning is computed once."""
    first, *others = (question for question, _ in chats)
    common = min((_alike(first, other) for other in others), default=len(first) - 1)
    ids, labels, chat, positions = list(first[:common]), [-100] * common, [0] * common, list(range(common))
    for number, (question, answer) in enumerate(chats, 1):
        rest = question[common:] + answer
        ids += rest
        labels += [-100] * (len(question) - common) + answer
        chat += [number] * len(rest)
        positions += range(common, common + len(rest))
    return Tokens(*(np.array(part, dtype=np.int64) for part in (ids, labels, chat, positions)))


def _alike(first: list[int], other: list[int]) -> int:
    """How many tokens two questions begin with alike, at least their last one left out."""
    pairs = zip(first[:-1], other[:-1], strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(first), len(other)) - 1)


def example(tokenizer, rng: np.random.Generator, *, quantities: float, chat: float) -> Tokens:
    """A brief and its plan or, of the share `chat`, some messages about one plan and their rows."""
    if rng.random() < chat:
        template = "chat-embedded"
        pairs = [(prompt, answer_text(rows)) for prompt, rows in chat_examples(rng, MESSAGES)]
    else:
        template, (brief, plan) = "planner-embedded", brief_and_short_answer(rng, quantities)
        pairs = [(brief, plan.model_dump_json())]
    system = fill_template(template)
    chats = []
    for prompt, answer in pairs:
        head = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{prompt}<|im_end|>\n<|im_start|>assistant\n"
        question = tokenizer(head, add_special_tokens=False)["input_ids"]
        chats.append((question, tokenizer(f"{answer}<|im_end|>", add_special_tokens=False)["input_ids"]))
    return tokens_of(chats)


def padded(rows: list[Tokens]) -> tuple[np.ndarray, ...]:
    """The four parts of examples, (rows, longest) each: label -100 and chat -1 where there is nothing."""
    size = len(rows), max(len(row.ids) for row in rows)
    parts = tuple(np.full(size, nothing, dtype=np.int64) for nothing in (0, -100, -1, 0))
    for i, row in enumerate(rows):
        for part, values in zip(parts, (row.ids, row.labels, row.chat, row.positions), strict=True):
            part[i, : len(values)] = values
    return parts


def attention_mask(chat: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Of the chat of each token (rows, tokens) what is added to the scores, (rows, 1, tokens, tokens): a token sees
    those before it that are common or of its own chat."""
    sees = (chat[:, None, :] == 0) | (chat[:, None, :] == chat[:, :, None])
    sees &= torch.ones(chat.shape[1], chat.shape[1], dtype=torch.bool, device=chat.device).tril()
    return torch.zeros(sees.shape, dtype=dtype, device=chat.device).masked_fill(~sees, torch.finfo(dtype).min)[:, None]


def rotary_order(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """llama.cpp keeps the two halves of a rotary head interleaved; reorders the output rows of q and k."""
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def module_order(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Undoes `rotary_order`."""
    return rows.reshape(heads, rows.shape[0] // heads // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def export(weights: dict[str, torch.Tensor], heads: dict[str, int], path: Path, tuned: Tuned) -> None:
    """Writes the adapter in llama.cpp's format: `a` in q8_0 (its rows are long enough), `b` in float16.

    heads: of each part that has rotary heads whose rows are to be interleaved, how many.
    """
    writer = gguf.GGUFWriter(path, tuned.architecture)
    writer.add_string("general.type", "adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", SCALE * tuned.rank)
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

    def __init__(self, layer: nn.Linear, rank: int) -> None:
        super().__init__()
        self.weight, self.bias = layer.weight, layer.bias  # (out, in); (out,) or None
        self.a = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(rank, layer.in_features), a=5**0.5))
        self.b = nn.Parameter(torch.zeros(layer.out_features, rank))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        rows = x.flatten(0, -2)
        low = rows @ (SCALE * self.a).to(x.dtype).T
        plain = nn.functional.linear(rows, self.weight, self.bias)
        return torch.addmm(plain, low, self.b.to(x.dtype).T).unflatten(0, x.shape[:-1])


def add_adapter(model: nn.Module, tuned: Tuned) -> None:
    """Freezes the model and puts a LowRank in the place of each linear layer that is tuned."""
    model.requires_grad_(False)
    for name, layer in list(model.named_modules()):
        match = re.search(r"layers\.(\d+)\.\w+\.(\w+)$", name)
        if match and int(match[1]) >= tuned.first and match[2] in tuned.parts:
            setattr(model.get_submodule(name.rpartition(".")[0]), match[2], LowRank(layer, tuned.rank))


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
    parser.add_argument("--model", choices=list(TUNED), default=EMBEDDED.name)
    parser.add_argument("--steps", type=int, default=100000)
    parser.add_argument("--minutes", type=float, default=80, help="of training in all; the rate falls to 0 by then")
    parser.add_argument("--from-shipped", action="store_true", help="where training/work/ holds no checkpoint yet")
    parser.add_argument("--publish", action="store_true")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0, help="of the briefs; another one than the shipped adapter's saw")
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--decay", type=float, default=0.3, help="last share of the time, in which the rate falls")
    parser.add_argument("--quantities", type=float, default=0.28, help="share of the briefs of brief_quantities.py")
    parser.add_argument("--chat", type=float, default=0.0, help="share of the examples that are chat messages")
    parser.add_argument("--every", type=int, default=25, help="steps between checkpoints")
    device = pick_device()
    parser.add_argument("--workers", type=int, default=pick_workers(device), help="processes that make batches ahead")
    args = parser.parse_args()
    torch.manual_seed(0)
    tuned, shipped = TUNED[args.model], ADAPTERS / LOCAL_MODELS[args.model].adapter
    stage = "planner" if args.model == EMBEDDED.name else f"planner-{args.model}"
    folder, file = base_model(args.model)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        gguf_file=file,
        attn_implementation="sdpa" if device.type == "cuda" else "eager",
        dtype=torch.bfloat16 if multiplies_bfloat16(device) else torch.float32,
    )
    heads = {"q_proj": model.config.num_attention_heads, "k_proj": model.config.num_key_value_heads}
    heads = heads if tuned.rotary else {}
    add_adapter(model, tuned)
    model.to(device)
    adapter = Adapter(model)
    if args.from_shipped:
        adapter.take_over(read(shipped, heads))

    def export_to(path: Path, weights: dict[str, torch.Tensor]) -> None:
        export({name: weights[f"values.{i}"] for i, name in enumerate(adapter.names)}, heads, path, tuned)

    if args.publish:
        export_to(shipped, torch.load(WORK / f"{stage}.pt", map_location="cpu", weights_only=True)["model"])
        return
    optimiser = torch.optim.AdamW(adapter.parameters(), lr=args.lr, betas=(0.9, 0.98), weight_decay=0.0)

    def eight(number: int) -> list[tuple[np.ndarray, ...]]:
        """Of eight batches' worth of examples, sorted by length, eight batches: little padding."""
        rng = np.random.default_rng([args.seed, number])
        pool = [example(tokenizer, rng, quantities=args.quantities, chat=args.chat) for _ in range(8 * args.batch)]
        pool.sort(key=lambda row: len(row.ids))
        return [padded(pool[turn * args.batch : (turn + 1) * args.batch]) for turn in rng.permutation(8)]

    batches = Batches(eight, args.workers)

    def loss_of(step: int) -> tuple[torch.Tensor, dict[str, float]]:
        ids, labels, chat, positions = (torch.from_numpy(x).to(device) for x in batches.at(step))
        mask = attention_mask(chat, model.dtype)
        hidden = model.model(input_ids=ids, attention_mask=mask, position_ids=positions).last_hidden_state
        wanted = labels[:, 1:] != -100
        logits = model.lm_head(hidden[:, :-1][wanted])
        return nn.functional.cross_entropy(logits.float(), labels[:, 1:][wanted]), {}

    def on_checkpoint(step: int, weights: dict[str, torch.Tensor]) -> dict[str, float]:
        path = WORK / shipped.name
        export_to(path, weights)
        return {"megabytes": path.stat().st_size / 1e6}

    train(
        stage, adapter, [optimiser], loss_of,
        steps=args.steps, minutes=args.minutes, warmup=20, every=args.every, decay=args.decay,
        on_checkpoint=on_checkpoint,
    )  # fmt: skip


if __name__ == "__main__":
    main()
