"""Ctrl-C: the first press requests a stop, the second one ends the process at once."""

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
def ctrl_c(first: Callable[[], None] | None = None, message: str = "stopped") -> Iterator[None]:
    """Within it the first Ctrl-C calls `first`, and a second one ends the process with `message` and code 130.

    `first` runs in a thread of its own: it may print, or take a lock, that the main thread is in the middle of. Without
    it the first Ctrl-C raises KeyboardInterrupt in the main thread.

    A call to a model that does not answer blocks a thread that cannot be stopped. Ending the process is safe: files are
    written atomically, a run is stored node by node, a turn resumes when its session is opened. Python delivers signals
    to the main thread only; in another thread this does nothing.
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
            os.write(sys.stderr.fileno(), f"\nditpipe: {message}\n".encode())
            os._exit(STOPPED)
        if first is None:
            raise KeyboardInterrupt
        threading.Thread(target=first, name="ctrl-c", daemon=True).start()

    before = signal.signal(signal.SIGINT, pressed)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def ignore_ctrl_c() -> Iterator[None]:
    """Within it only the child process that has the terminal reacts to Ctrl-C: an editor, for which it is a key."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # ignored in full, the editor would inherit it
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
