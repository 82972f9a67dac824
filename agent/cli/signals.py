"""Ctrl-C: the first press asks for an end, the second one ends the process at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

STOPPED = 130  # what a shell calls a command that Ctrl-C ended
SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def ctrl_c(first: Callable[[], None], last_words: str = "stopped") -> Iterator[None]:
    """Within it the first Ctrl-C calls `first`, and a second one ends the process with `last_words` and code 130.

    A model that does not answer is waited for in a thread that nothing can stop. What is on disk is good all the same:
    files are written whole, a run is kept node by node, a turn goes on when its session is opened. Only the main thread
    can be told; in another one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    presses = 0

    def pressed(number: int, frame: FrameType | None) -> None:
        nonlocal presses
        presses += 1
        if presses > 1:
            for screen in filter(os.isatty, (1, 2)):
                os.write(screen, SHOW_CURSOR)  # a progress bar hides it
            os.write(sys.stderr.fileno(), f"\nditpipe: {last_words}\n".encode())
            os._exit(STOPPED)
        first()

    before = signal.signal(signal.SIGINT, pressed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def not_ours() -> Iterator[None]:
    """Within it Ctrl-C is only for the program that has the terminal: an editor, to whom it is a key like others."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # ignored in full, the editor would inherit it
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
