"""Processors of text and pictures, loaded without what needs torchvision: no prompt has a video, and only one family
shows its encoder pictures. Loads transformers' classes on first use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, Qwen3VLProcessor


def tokenizer_alone(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a processor's folder. Raises whatever transformers raises."""
    from transformers import AutoTokenizer

    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    return tokenizer


def qwen3_vl(folder: Path) -> Qwen3VLProcessor:
    """Qwen3-VL's processor in a folder, without its video processor. Raises whatever transformers raises."""
    from transformers import Qwen2VLImageProcessorPil, Qwen3VLProcessor

    class TextAndPictures(Qwen3VLProcessor):
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> type:
            return type(argument)  # None is no processor of videos

    pictures = Qwen2VLImageProcessorPil.from_pretrained(str(folder), local_files_only=True)
    return TextAndPictures(image_processor=pictures, tokenizer=tokenizer_alone(folder), video_processor=None)  # type: ignore[no-untyped-call]


# By their class in model_index.json.
PROCESSORS: dict[str, Callable[[Path], PreTrainedTokenizerBase | Qwen3VLProcessor]] = {
    "PixtralProcessor": tokenizer_alone, "Qwen3VLProcessor": qwen3_vl,
}  # fmt: skip
