"""Loading and drawing without the libraries' own talk: missing packages that nothing here needs, bars of a second's
work, prompts that are cut, names that are to change."""

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_lock = threading.Lock()
_lasting = 0  # how many are quiet now, in all threads
_before = ExitStack()  # brings back what was before the first of them


@contextmanager
def silence_loading() -> Iterator[None]:
    """While it lasts, diffusers and transformers report only what is critical, show no bars and warn of nothing that is
    to change in them. Errors are raised.

    Several may last at once: the last one to end brings the talk back as it was before the first.
    """
    global _lasting
    with _lock:
        if not _lasting:
            _mute()
        _lasting += 1
    try:
        yield
    finally:
        with _lock:
            _lasting -= 1
            if not _lasting:
                _before.close()


def _mute() -> None:
    from diffusers.utils import logging as diffusers
    from transformers.utils import logging as transformers

    # transformers' import of a vision class warns of torchvision; a checkpoint's missing safety checker is no news.
    for library in (diffusers, transformers):
        _before.callback(library.set_verbosity, library.get_verbosity())
        if library.is_progress_bar_enabled():
            _before.callback(library.enable_progress_bar)
        library.set_verbosity(50)
        library.disable_progress_bar()
    _before.enter_context(warnings.catch_warnings())
    warnings.filterwarnings("ignore", category=FutureWarning, module="diffusers|transformers")
