"""Tokenizers as their publishers wrote them, trained on a few sentences."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import sentencepiece
import tokenizers
from transformers.convert_slow_tokenizer import bytes_to_unicode

from .files import Config, write_json

CORPUS = (
    "a red cat on the left and a blue rocket on the right, at night",
    "many things in rows, blurred, low quality",
    "a photo of two green chairs beside an orange tree, in the style of a painting",
    "zzz qqq thing one two three four five six seven eight nine",
)


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


CHAT = (
    "{%- for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string %}{{ message.content }}{%- else %}{{ message.content[0].text }}{%- endif %}"
    "{{ '<|im_end|>\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}{{ '<think>\n\n</think>\n\n' }}{%- endif %}"
    "{%- endif %}"
)


VISION = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")


def write_qwen_tokenizer(folder: Path, *, more: Sequence[str] = ()) -> None:
    """Qwen's byte-level pieces, as Qwen2.5-VL and Qwen 3 were published: vocab.json, merges.txt, a chat template.
    more: special tokens behind the usual ones, such as `VISION`."""
    merges = ["Ġ Ġ", "t h", "Ġ th", "r e", "i n", "a t", "Ġ c", "Ġc at"]
    vocabulary = {piece: i for i, piece in enumerate([*byte_pieces(), *("".join(merge.split()) for merge in merges)])}
    write_json(folder / "vocab.json", vocabulary)
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *more]
    write_json(folder / "added_tokens.json", {piece: len(vocabulary) + i for i, piece in enumerate(special)})
    write_json(
        folder / "special_tokens_map.json",
        {"additional_special_tokens": special[1:], "eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"},
    )
    write_json(
        folder / "tokenizer_config.json",
        {"add_bos_token": False, "add_prefix_space": False,
         "added_tokens_decoder": {
             str(len(vocabulary) + i): {"content": piece, "lstrip": False, "normalized": False, "rstrip": False,
                                        "single_word": False, "special": True}
             for i, piece in enumerate(special)
         },
         "additional_special_tokens": special[1:], "bos_token": None, "chat_template": CHAT,
         "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>", "errors": "replace",
         "model_max_length": 131072, "pad_token": "<|endoftext|>", "split_special_tokens": False,
         "tokenizer_class": "Qwen2Tokenizer", "unk_token": None},
    )  # fmt: skip


QWEN_VOCABULARY = 256 + 8 + 3


def write_byt5_tokenizer(folder: Path) -> None:
    """ByT5's: bytes, without a file of a vocabulary."""
    special = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        special | {"additional_special_tokens": [f"<extra_id_{i}>" for i in range(125)], "extra_ids": 125,
                   "model_max_length": 1000000000000000019884624838656, "tokenizer_class": "ByT5Tokenizer"},
    )  # fmt: skip


def write_qwen3_vl_processor(folder: Path) -> None:
    """Qwen3-VL's: its tokenizer and the settings of its pictures."""
    write_qwen_tokenizer(folder, more=VISION)
    write_json(
        folder / "preprocessor_config.json",
        {"image_mean": [0.5, 0.5, 0.5], "image_processor_type": "Qwen2VLImageProcessorFast", "image_std": [0.5] * 3,
         "merge_size": 2, "patch_size": 16, "processor_class": "Qwen3VLProcessor", "temporal_patch_size": 2,
         "size": {"longest_edge": 16777216, "shortest_edge": 65536}},
    )  # fmt: skip


MISTRAL = ("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "<pad>", "[IMG]", "[IMG_BREAK]", "[IMG_END]",
           "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]")  # fmt: skip
MISTRAL_CHAT = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'system' %}{{ '[SYSTEM_PROMPT]' }}{% else %}{{ '[INST]' }}{% endif %}"
    "{% for part in message['content'] %}{{ part['text'] if part['type'] == 'text' else '[IMG]' }}{% endfor %}"
    "{% if message['role'] == 'system' %}{{ '[/SYSTEM_PROMPT]' }}{% else %}{{ '[/INST]' }}{% endif %}{% endfor %}"
)


def write_pixtral_processor(folder: Path) -> None:
    """FLUX.2 dev's: Mistral's byte-level tokenizer, and the settings of pictures that no prompt has."""
    pieces = {piece: i for i, piece in enumerate([*MISTRAL, *byte_pieces()])}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=pieces, merges=[]))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    tokenizer.add_special_tokens(list(MISTRAL))
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "chat_template.jinja").write_text(MISTRAL_CHAT, encoding="utf-8")
    special = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        special | {"clean_up_tokenization_spaces": False, "extra_special_tokens": {}, "model_max_length": 10**30,
                   "padding_side": "left", "processor_class": "PixtralProcessor",
                   "tokenizer_class": "PreTrainedTokenizerFast"},
    )  # fmt: skip
    write_json(
        folder / "preprocessor_config.json",
        {"do_convert_rgb": True, "image_processor_type": "PixtralImageProcessorFast", "patch_size": 14,
         "processor_class": "PixtralProcessor", "size": {"longest_edge": 1540}},
    )  # fmt: skip
    write_json(
        folder / "processor_config.json",
        {"image_break_token": "[IMG_BREAK]", "image_end_token": "[IMG_END]", "image_token": "[IMG]", "patch_size": 14,
         "processor_class": "PixtralProcessor", "spatial_merge_size": 2},
    )  # fmt: skip


MISTRAL_VOCABULARY = len(MISTRAL) + 256
