"""Tunes a local planner: a LoRA on synthetic briefs, exported as a GGUF adapter; SmolLM2-135M-Instruct by default.

    python -m training.planner --minutes 80                            # resumes; 5 CPU seconds a step of 8 briefs
    python -m training.planner --minutes 9 --batch 64 --every 200      # on a GPU; 0.18 s a step on an H200
    python -m training.planner --from-shipped --seed 12                # begins with the shipped adapter, other briefs
    python -m training.planner --chat --from-shipped --seed 12         # the adapter that understands chat messages
    python -m training.planner --from-shipped --shrink 1.9             # the same made smaller first, megabytes
    python -m training.planner --publish                               # ships what training/work/ holds
    python -m training.planner --model qwen2.5-coder-1.5b --batch 4    # the better planner, once it was pulled

The adapter is written to training/work/ at every checkpoint, and into agent/llm/embedded/ by --publish.
The shipped planner of SmolLM2 saw 1,524 steps of 8 briefs (three hours of one CPU core), 2,800 steps of 64 (8.5 minutes
of one H200, which also trained the transformer), 728 steps of 8 of the short answers, and 1,434 steps of 64 with the
forms of brief_turns.py (5 minutes of one H200, shared with the other adapter; the loss of an answer's token fell from
0.014 to 0.003), and 378 of 8 with `--quantities 0.4` (rate 5e-4). That of Qwen2.5-Coder saw 786 steps of 4
(an hour of one CPU core) and in those 5 minutes 1,542 of 64 (0.051 to 0.012). Both were still falling. Qwen's has
not seen `brief_quantities.py`, the lines of three to six things in `brief_arrangements.lined_up`, nor what came later.
Both of SmolLM2 were one once, for plans and messages (1,100 steps). They began anew with half the bytes each,
`--shrink 1.9`: the planner's with what it was before and 161 steps of 8 (rate 5e-4), that for messages with the common
one and 513 of 8 rows of 4 messages (rate 7e-4; an hour of one CPU core that multiplies bfloat16), then 351 more (40
minutes; the loss of an answer's token fell from 0.05 to 0.04) and 700 of other messages (`--seed 41`; to 0.028).
Then the corpora got three times the words and forms: 478 steps for plans (rate 7e-4, 33 minutes; 0.074 to 0.038).
"""

import argparse
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForCausalLM, AutoTokenizer

from ditpipe.agent.llm.local_models import ADAPTERS, EMBEDDED, LOCAL_MODELS, QWEN
from ditpipe.agent.llm.local_server import base_weights
from ditpipe.prompts.answers.planner_schema import PlannerAnswer, ShortAnswer
from ditpipe.prompts.templates import fill_template
from training.adapters import Adapter, Weights, add_adapter, export, read, shrink
from training.artwork import WORK
from training.brief_quantities import absences_of, quantity_brief
from training.briefs import brief_and_answer
from training.chat.examples import answer_text, chat_examples
from training.loop import Batches, multiplies_bfloat16, pick_device, pick_workers, train

MESSAGES = 4  # about one plan, in one row of a batch
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")


@dataclass(frozen=True)
class Tuned:
    """How a local model is tuned: a LoRA of `rank` on the linear layers `parts` from block `first` on."""

    architecture: str  # llama.cpp's name
    rank: int
    parts: tuple[str, ...]
    first: int = 0
    rotary: bool = False  # whether llama.cpp keeps the rows of its rotary heads interleaved

    def ranks(self, blocks: int) -> dict[str, int]:
        """The rank of each matrix, by 'layers.LAYER.PART'."""
        return {f"layers.{block}.{part}": self.rank for block in range(self.first, blocks) for part in self.parts}


# The second one's adapter has 1.1 of the 40 megabytes that all weights may take, which its feed-forward parts would not
# fit; the blocks below `first` are left out of the backward pass too.
TUNED = {
    EMBEDDED.name: Tuned("llama", 8, (*ATTENTION, "gate_proj", "up_proj", "down_proj"), rotary=True),
    QWEN.name: Tuned("qwen2", 4, ATTENTION, first=8),
}


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


def example(tokenizer, rng: np.random.Generator, *, quantities: float, chat: bool) -> Tokens:
    """A brief and its plan or, for `chat`, some messages about one plan and their rows."""
    if chat:
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
    parser.add_argument("--chat", action="store_true", help="the adapter for chat messages instead of briefs")
    parser.add_argument("--shrink", type=float, help="megabytes of the adapter; with --from-shipped")
    parser.add_argument("--every", type=int, default=25, help="steps between checkpoints")
    device = pick_device()
    parser.add_argument("--workers", type=int, default=pick_workers(device), help="processes that make batches ahead")
    args = parser.parse_args()
    torch.manual_seed(0)
    tuned, local = TUNED[args.model], LOCAL_MODELS[args.model]
    if args.chat and not local.chat_adapter:
        parser.error(f"{args.model} understands messages by its own words: there is no adapter for them")
    shipped = ADAPTERS / (local.chat_adapter if args.chat else local.adapter)
    if args.shrink and not args.from_shipped:
        parser.error("--shrink makes the shipped adapter smaller: give --from-shipped too")
    if args.publish:
        shutil.copy(WORK / shipped.name, shipped)
        return
    stage = shipped.stem
    folder, file = base_model(args.model)
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        gguf_file=file,
        attn_implementation="sdpa",
        dtype=torch.bfloat16 if multiplies_bfloat16(device) else torch.float32,
    )
    heads = {"q_proj": model.config.num_attention_heads, "k_proj": model.config.num_key_value_heads}
    heads = heads if tuned.rotary else {}
    begins = read(shipped, heads) if args.from_shipped else {}
    if args.shrink:
        begins = shrink(begins, round(args.shrink * 1e6))
    ranks = {name.removesuffix(".a"): len(value) for name, value in begins.items() if name.endswith(".a")}
    add_adapter(model, ranks or tuned.ranks(model.config.num_hidden_layers))
    model.to(device)
    adapter = Adapter(model)
    if begins:
        adapter.take_over(begins)

    def export_to(path: Path, values: Weights) -> None:
        export({name: values[f"values.{i}"] for i, name in enumerate(adapter.names)}, heads, path, tuned.architecture)

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

    def on_checkpoint(step: int, weights: Weights) -> dict[str, float]:
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
