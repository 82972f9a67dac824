"""Transformers in GGUF files, quantized by llama.cpp's formats, as diffusers reads them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ....prompts.errors import ModelError, first_line
from ...weights.offload import is_out_of_memory

DENOISER = "transformer"  # what a GGUF file holds; the folder has the rest
_LIKELY = 200  # characters of a library's message


def load_gguf(file: Path, folder: Path, kind: Any, dtype: torch.dtype) -> nn.Module:
    """The transformer of a GGUF file, its matrices kept quantized and computed in `dtype`. folder: the pipeline's, with
    the transformer's configuration. kind: its class of diffusers.

    Raises ModelError if the package gguf is missing, diffusers reads no GGUF of this class, or the file is broken.
    """
    if find_spec("gguf") is None:
        raise ModelError(f'{file.name}: reading it needs gguf: pip install "ditpipe[gguf]"')
    from diffusers import GGUFQuantizationConfig
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

    if kind.__name__ not in SINGLE_FILE_LOADABLE_CLASSES:
        raise ModelError(f"{file.name}: diffusers reads no GGUF of a {kind.__name__}, which {folder} configures")
    try:
        model: nn.Module = kind.from_single_file(
            str(file), config=str(folder), subfolder=DENOISER, local_files_only=True, torch_dtype=dtype,
            quantization_config=GGUFQuantizationConfig(compute_dtype=dtype),
        )  # fmt: skip
    except Exception as error:  # of gguf, numpy or a converter: they have no common class
        if is_out_of_memory(error):
            raise
        why = f"it lacks {error.args[0]}" if isinstance(error, KeyError) and error.args else first_line(error)[:_LIKELY]
        raise ModelError(
            f"cannot read {file}: {why}; give the folder that configures this model ({folder} may not), or get the "
            "file again"
        ) from error
    return model.eval()
