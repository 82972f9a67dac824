"""One lock per device of this process: held while drawing, so that no two runners use one GPU at once."""

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from .engine import JobContext

WAIT = 0.1  # seconds between two looks at the cancel signal

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)


@contextmanager
def drawing_on(device: str, context: JobContext) -> Iterator[None]:
    """Within it nothing else draws on the device. Raises JobCancelled if the job is cancelled while it waits."""
    while not _locks[device].acquire(timeout=WAIT):
        context.raise_if_stopped()
    try:
        context.raise_if_stopped()
        yield
    finally:
        _locks[device].release()
