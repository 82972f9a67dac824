"""The latest encoded prompts of a loaded model."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch

from ..checkpoints.silence import silence_loading
from ..families.base import Family
from ..forward import Encoded

# Encoded prompts cached per loaded model. One takes 0.16 MB in the pocket checkpoint, 1.2 MB in Hunyuan-DiT and at most
# 7.9 MB in FLUX.2 klein (512 tokens of 7680 channels, half precision): 500 MB of the GPU's memory in all.
CACHED_PROMPTS = 64


class PromptCache:
    """Encodes prompts for one loaded model and caches the latest `CACHED_PROMPTS`.

    Each prompt is encoded alone. In a batch (paper, section II-B) the last bits of its states may depend on the other
    prompts, and a render would depend on what was cached before.
    """

    def __init__(self, family: Family) -> None:
        self._family = family
        self._lock = threading.Lock()  # a fast tokenizer refuses two threads at once
        self._cache: dict[str, Encoded] = {}  # the latest last

    def __call__(self, texts: Sequence[str]) -> list[Encoded]:
        """The encoded texts, in their order."""
        return list(map(self.encoded(texts).__getitem__, texts))

    def encoded(
        self, texts: Sequence[str], loaded: Callable[[], AbstractContextManager[None]] = nullcontext
    ) -> dict[str, Encoded]:
        """The encoded texts. loaded: a context with the encoders on the device, entered if a text is not cached."""
        with self._lock:
            encoded = {text: self._cache[text] for text in texts if text in self._cache}
            if new := [text for text in dict.fromkeys(texts) if text not in encoded]:
                with loaded(), torch.inference_mode(), silence_loading():  # `Reading` has what is cut
                    encoded |= {text: self._family.encode_weighted(text) for text in new}
            rest = {text: states for text, states in self._cache.items() if text not in encoded}
            self._cache = dict(list((rest | encoded).items())[-CACHED_PROMPTS:])
            return encoded
