"""Token counts of a plan's prompts by a checkpoint's own tokenizer, if its files are local. Loads no torch.

Counted for the encoder with the highest limit: no encoder reads beyond it.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ...prompts.formats.registry import dump_layout
from ...prompts.plan import ScenePlan
from ...prompts.prompt_style import style_of
from ...prompts.wording import region_text, scene_text
from ..checkpoints.files.source import locate
from ..checkpoints.registry import FAMILIES, Checkpoint

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CountTokens = Callable[[str], int]
# Pre-tokenization of CLIP and of Qwen, as published with them.
_CLIP_WORDS = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def overlong_prompts(row: Checkpoint, plan: ScenePlan) -> list[str]:
    """A sentence, for a planner, per text of the plan that exceeds the checkpoint's limit; empty if its tokenizer is
    not local."""
    encoder, limit = max(row.style.tokens.items(), key=lambda item: item[1])
    count = counter_of(row)
    if count is None:
        return []
    if row.style.manner == "sticker words":
        plan = plan.model_copy(update={"style": style_of(plan)})
    texts = {"the scene": scene_text(plan, "both"), "the negative": plan.negative}
    texts |= {repr(region.name): region_text(plan, region, "both", row.style) for region in plan.regions}
    if row.style.caption:
        texts = {"the whole plan": dump_layout(plan, row.style.caption).text}
    lengths = {name: count(text) for name, text in texts.items()}
    return [
        f"The prompt of {name} has {length} tokens, both levels together, and {encoder} reads {limit}: shorten it by "
        f"{length - limit} tokens."
        for name, length in lengths.items()
        if length > limit
    ]


def counter_of(row: Checkpoint) -> CountTokens | None:
    """Counts tokens, special tokens included, for the encoder with the highest limit; None if its files are not local,
    or can only be read by transformers."""
    folder = _folder_of(row)
    return tokenizer_in(folder / FAMILIES[row.family].reader) if folder else None


def _folder_of(row: Checkpoint) -> Path | None:
    """The local folder of a checkpoint, without a request to the hub."""
    source = locate(row.source)
    if source is None or source.folder:
        return source.folder if source else None
    from huggingface_hub import try_to_load_from_cache

    assert source.hub
    index = try_to_load_from_cache(source.hub.repository, "model_index.json", revision=source.hub.revision)
    return Path(index).parent if isinstance(index, str) else None


@lru_cache(maxsize=4)
def tokenizer_in(folder: Path) -> CountTokens | None:
    """The counter of a tokenizer's folder: by its tokenizer.json, its SentencePiece model, or CLIP's or Qwen's two
    files."""
    if (folder / "tokenizer.json").exists():
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        return lambda text: len(tokenizer.encode(text).ids)
    if (folder / "spiece.model").exists():
        from sentencepiece import SentencePieceProcessor

        pieces = SentencePieceProcessor(model_file=str(folder / "spiece.model"))
        return lambda text: len(pieces.encode(text)) + 1  # and the end of the text
    if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
        if "Qwen2" in (folder / "tokenizer_config.json").read_text(encoding="utf-8"):
            qwen = _qwen_tokenizer(folder)
            return lambda text: len(qwen.encode(text).ids)
        clip = _clip_tokenizer(folder)
        return lambda text: len(clip.encode(text).ids) + 2  # and its start and its end
    return None


def _clip_tokenizer(folder: Path) -> "Tokenizer":
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    model = models.BPE.from_file(
        str(folder / "vocab.json"), str(folder / "merges.txt"), unk_token="<|endoftext|>", end_of_word_suffix="</w>"
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    words = pre_tokenizers.Split(Regex(_CLIP_WORDS), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    return tokenizer


def _qwen_tokenizer(folder: Path) -> "Tokenizer":
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(_QWEN_WORDS), behavior="isolated"),
         pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )  # fmt: skip
    return tokenizer
