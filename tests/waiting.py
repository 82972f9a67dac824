"""Waiting for what another thread or process does: as long as a busy machine needs, no longer than it takes."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PATIENCE = 300.0  # seconds: only a machine that hangs takes so long
PAUSE = 0.02  # seconds between two looks


def until(look: Callable[[], Found | None]) -> Found:
    """What `look` returns, once that is true. `look` may raise AssertionError to give up at once."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(PAUSE)
    return found


async def auntil(look: Callable[[], Found | None]) -> Found:
    """`until`, without blocking the event loop."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, "waited in vain"
        await asyncio.sleep(PAUSE)
    return found
