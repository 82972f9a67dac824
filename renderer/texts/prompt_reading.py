"""Prompt text that encoders drop: beyond their token limits, and words that their tokenizers lack."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedModel
    from transformers import PreTrainedTokenizerBase as Tokenizer

# Names of text encoders, by `model_type` of their configuration.
NAMES = {
    "bert": "BERT", "clip_text_model": "CLIP", "gemma": "Gemma", "gemma2": "Gemma 2", "mistral3": "Mistral 3",
    "mt5": "mT5", "qwen2_5_vl": "Qwen2.5-VL", "qwen3": "Qwen 3", "qwen3_vl": "Qwen3-VL", "t5": "T5", "umt5": "UMT5",
}  # fmt: skip
QUOTED = 60  # characters of a prompt, or of its cut end, that a warning quotes
LISTED = 12  # unknown words that a warning lists


@dataclass(frozen=True)
class Cut:
    """An encoder with a limit of `limit` tokens, and the end of the prompt beyond it."""

    encoder: str
    limit: int
    rest: str


@dataclass(frozen=True)
class Reading:
    """How a family's text encoders (readers) tokenize one prompt. unknown: (encoder, word that it lacks).

    tokens: per encoder, special tokens included, at most its limit.
    """

    text: str
    readers: tuple[str, ...] = ()
    cuts: tuple[Cut, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()
    tokens: tuple[int, ...] = ()


def encoder_name(encoder: PreTrainedModel) -> str:
    """The name of a text encoder of transformers."""
    kind = str(encoder.config.model_type)
    return NAMES.get(kind, kind)


def read(text: str, encoders: Sequence[tuple[str, Tokenizer, int]]) -> Reading:
    """Tokenizes a prompt for each encoder. encoders: (name, tokenizer, limit in tokens, special tokens included)."""
    cuts, unknown, tokens = [], [], []
    for name, tokenizer, limit in encoders:
        rest, words = _unread(text, tokenizer, limit)
        tokens.append(min(limit, len(tokenizer(text, truncation=False, verbose=False)["input_ids"])))
        if rest:
            cuts.append(Cut(name, limit, rest))
        unknown += [(name, word) for word in words]
    readers = dict.fromkeys(name for name, _, _ in encoders)
    return Reading(text, tuple(readers), tuple(dict.fromkeys(cuts)), tuple(dict.fromkeys(unknown)), tuple(tokens))


def _unread(text: str, tokenizer: Tokenizer, limit: int) -> tuple[str, list[str]]:
    """The end of a text beyond the token limit, and the words before it that the vocabulary lacks."""
    if not tokenizer.is_fast:  # slow tokenizers give no character offsets
        return _unread_by_words(text, tokenizer, limit)
    tokens = tokenizer(
        text, truncation=False, return_offsets_mapping=True, return_special_tokens_mask=True, verbose=False
    )
    ids, spans, special = tokens["input_ids"], tokens["offset_mapping"], tokens["special_tokens_mask"]
    content = [span for span, added in zip(spans, special, strict=True) if not added]
    end = len(text)
    if len(ids) > limit:
        end = content[max(0, limit - sum(special))][0]
        while 0 < end and text[end - 1 : end + 1].isalnum() and text[end - 1 : end + 1].isascii():
            end -= 1  # a word that is cut in two is quoted whole
    own = [
        (token, *span)
        for token, piece, span, added in zip(ids, tokenizer.convert_ids_to_tokens(ids), spans, special, strict=True)
        if not added and piece != "▁"  # SentencePiece's space, whose offsets are those of the letter after it
    ]
    times = Counter((start, stop) for _, start, stop in own)
    lacking = [True] * len(text)
    for token, start, stop in own:
        in_bytes = stop - start == 1 and times[start, stop] > 1  # one character, spelled out byte by byte
        if token != tokenizer.unk_token_id and not in_bytes:
            lacking[start:stop] = [False] * (stop - start)
    return text[end:].strip(), _words(text[:end], lacking)


def _words(text: str, lacking: Sequence[bool]) -> list[str]:
    """Runs of lacking characters that hold a letter, a digit or a symbol; lone punctuation is left out."""
    marked = "".join(char if lacks and not char.isspace() else "\0" for char, lacks in zip(text, lacking))
    return [
        run for run in marked.split("\0") if any(char.isalnum() or unicodedata.category(char) == "So" for char in run)
    ]


def _unread_by_words(text: str, tokenizer: Tokenizer, limit: int) -> tuple[str, list[str]]:
    """`_unread` without character offsets, word by word."""
    words, read_until = text.split(), len(text.split())
    while read_until and len(tokenizer(" ".join(words[:read_until]), truncation=False)["input_ids"]) > limit:
        read_until -= 1
    unknown = [word for word in words[:read_until] if tokenizer.unk_token_id in tokenizer(word)["input_ids"]]
    return " ".join(words[read_until:]), unknown


def warnings_of(readings: Iterable[Reading]) -> list[str]:
    """Warnings for a render's prompts: one per cut prompt, one per set of encoders that lack words."""
    readings = list(dict.fromkeys(readings))
    out = [_cut(reading) for reading in readings if reading.cuts]
    lacking: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {}  # word → (without it, with it)
    for reading in readings:
        for word in dict.fromkeys(word for _, word in reading.unknown):
            names = tuple(name for name, other in reading.unknown if other == word)
            lacking.setdefault(word, (names, tuple(name for name in reading.readers if name not in names)))
    for names, others in dict.fromkeys(lacking.values()):
        words = [word for word, readers in lacking.items() if readers == (names, others)]
        quoted = ", ".join(repr(word[:QUOTED]) for word in words[:LISTED]) + (", …" if len(words) > LISTED else "")
        effect = (
            f"only {_listed(others)} {'reads' if len(others) == 1 else 'read'} that"
            if others
            else "the picture is drawn as if that were not there; say it in words that this model knows"
        )
        out.append(f"{_listed(names)} {'does' if len(names) == 1 else 'do'} not know {quoted}: {effect}")
    return out


def _cut(reading: Reading) -> str:
    by_rest: dict[tuple[int, str], list[str]] = {}
    for cut in reading.cuts:
        by_rest.setdefault((cut.limit, cut.rest), []).append(cut.encoder)
    parts = []
    for (limit, rest), names in by_rest.items():
        last = rest if len(rest) <= QUOTED else f"{rest[:QUOTED]}…"
        parts.append(f"{_listed(names)}, with {limit} tokens, not {last!r}")
    others = [name for name in reading.readers if name not in {cut.encoder for cut in reading.cuts}]
    whole = f" ({_listed(others)} {'reads' if len(others) == 1 else 'read'} all of it)" if others else ""
    text = reading.text if len(reading.text) <= QUOTED else f"{reading.text[:QUOTED]}…"
    return f"only the beginning of {text!r} is read: {'; '.join(parts)}{whole}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
