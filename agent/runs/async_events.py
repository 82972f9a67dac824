"""Events of a run that works in a thread, for an event loop: sync and async callers share one implementation."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator

from ..events import Event


async def events_from_thread(
    events: Callable[[], Iterator[Event]], abandoned: threading.Event
) -> AsyncGenerator[Event, None]:
    """Iterates over `events()` in a thread. Its exceptions are raised here.

    If the reader leaves early, `abandoned` is set, which is to end the iterator, and its end is awaited.
    """
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[Event | BaseException | None]()

    def work() -> None:
        last: BaseException | None = None
        try:
            for event in events():
                loop.call_soon_threadsafe(queue.put_nowait, event)
        except BaseException as error:  # raised again where the events are read
            last = error
        loop.call_soon_threadsafe(queue.put_nowait, last)

    worker = asyncio.create_task(asyncio.to_thread(work))
    try:
        while (event := await queue.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            yield event
    finally:
        abandoned.set()
        await worker
