"""Processors of text and pictures, loaded without what needs torchvision: no prompt has a video, and only one family
shows its encoder pictures."""

from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, PreTrainedTokenizerBase, Qwen2VLImageProcessorPil, Qwen3VLProcessor


class TextAndPictures(Qwen3VLProcessor):
    """Qwen3-VL's processor without that of videos."""

    def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> type:
        """No check: None is no processor of videos."""
        return type(argument)


def tokenizer_alone(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a processor's folder. Raises whatever transformers raises."""
    tokenizer: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    return tokenizer


def qwen3_vl(folder: Path) -> Qwen3VLProcessor:
    """The processor of Qwen3-VL in a folder. Raises whatever transformers raises."""
    pictures = Qwen2VLImageProcessorPil.from_pretrained(str(folder), local_files_only=True)
    return TextAndPictures(image_processor=pictures, tokenizer=tokenizer_alone(folder), video_processor=None)


# By their class in model_index.json.
PROCESSORS = {"PixtralProcessor": tokenizer_alone, "Qwen3VLProcessor": qwen3_vl}
