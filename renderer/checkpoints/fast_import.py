"""Importing large libraries and reading weights, without Python's garbage collector. Loads no torch."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_lasting = 0  # how many are loading now, in all threads
_before = True  # whether the collector was on before the first of them


@contextmanager
def without_gc() -> Iterator[None]:
    """While it lasts nothing is collected. What is imported stays, and Python looks through all of it again for every
    few hundred new objects: a fifth of the time. Several may last at once, in several threads."""
    global _lasting, _before
    with _lock:
        if not _lasting:
            _before = gc.isenabled()
            gc.disable()
        _lasting += 1
    try:
        yield
    finally:
        with _lock:
            _lasting -= 1
            if not _lasting and _before:
                gc.enable()
