"""Loading without the libraries' own talk: missing packages that nothing here needs, bars of a second's work."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quietly() -> Iterator[None]:
    """While it lasts, diffusers and transformers report only what is critical and show no bars. Errors are raised."""
    from diffusers.utils import logging as diffusers
    from transformers.utils import logging as transformers

    # transformers' import of a vision class warns of torchvision; a checkpoint's missing safety checker is no news.
    before = [(library, library.get_verbosity()) for library in (diffusers, transformers)]
    bars = [library for library in (diffusers, transformers) if library.is_progress_bar_enabled()]
    for library, _ in before:
        library.set_verbosity(50)
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity in before:
            library.set_verbosity(verbosity)
        for library in bars:
            library.enable_progress_bar()
