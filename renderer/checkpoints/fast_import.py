"""Imports of large libraries and loading of weights without garbage collection. Loads no torch."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_lock = threading.Lock()
_active = 0  # open blocks in all threads
_before = True  # whether the collector was on before the first of them


@contextmanager
def without_gc() -> Iterator[None]:
    """Disables the garbage collector inside the block. Imported objects stay alive, and scanning them after every few
    hundred new objects takes a fifth of the import time. May be nested and used in several threads."""
    global _active, _before
    with _lock:
        if not _active:
            _before = gc.isenabled()
            gc.disable()
        _active += 1
    try:
        yield
    finally:
        with _lock:
            _active -= 1
            if not _active and _before:
                gc.enable()
