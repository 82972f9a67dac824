"""Silences log messages and progress bars of diffusers and transformers while a model loads or draws."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_lock = threading.Lock()
_active = 0  # open blocks in all threads
_before = ExitStack()  # restores the settings from before the first of them


@contextmanager
def silence_loading() -> Iterator[None]:
    """Inside the block diffusers and transformers log only critical messages, and show no progress bars or deprecation
    warnings. Errors are raised.

    Blocks may overlap: the last one to end restores the settings from before the first.
    """
    global _active
    with _lock:
        if not _active:
            _mute()
        _active += 1
    try:
        yield
    finally:
        with _lock:
            _active -= 1
            if not _active:
                _before.close()


def _mute() -> None:
    from diffusers.utils import logging as diffusers
    from transformers.utils import logging as transformers

    # Among what is muted: a missing torchvision, a checkpoint without safety checker.
    for library in (diffusers, transformers):
        _before.callback(library.set_verbosity, library.get_verbosity())
        if library.is_progress_bar_enabled():
            _before.callback(library.enable_progress_bar)
        library.set_verbosity(50)
        library.disable_progress_bar()
    _before.enter_context(warnings.catch_warnings())
    warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers|transformers")
