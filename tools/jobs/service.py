"""Where pictures are ordered, drawn and kept: one worker per device takes jobs from the queue, one after the other.

Knows nothing of models: a `Work` turns an order into a picture.
"""

import asyncio
import logging
import shutil
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from io import BytesIO
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from filelock import FileLock, Timeout
from PIL import Image

from ...prompts.errors import DitpipeError, RunError, first_line
from ...renderer.pictures.artifacts import write
from ...renderer.pictures.file_ref import path_inside
from ...renderer.request import OnStep, Step
from .queue import Job, Jobs

Work = Callable[[dict[str, Any], Path, OnStep], bytes]
"""(order as JSON, a folder of its own, callback per step) → a PNG file's bytes. The same order gives the same bytes."""
Crew = Mapping[str, Mapping[str, Work]]  # the works of each device

POLL = 0.04  # seconds between two looks at the table
SMALL = 128  # pixels: the longer side of a preview, at most

log = logging.getLogger(__name__)


class Stopped(BaseException):
    """Ends a render from inside its step callback: cancelled, or the studio closes."""


class Studio:
    """A folder with a queue, its pictures and its workers.

    `crew` names the works of each device, or is a function that does so: whatever has to be loaded for that is loaded
    in a thread, while the studio takes orders. Any number of studios, in any number of processes, may share a folder: a
    device's lock file lets one of them draw on it at a time. Nothing is drawn before the first order or `open()`.
    `patience`: seconds that a caller waits for a picture before it gets the handle. `largest`: pixels a side.
    """

    def __init__(
        self,
        folder: Path,
        crew: Crew | Callable[[], Crew],
        *,
        patience: float = 45,
        largest: int = 2048,
        capacity: int = 128,
        share: int = 64,
    ) -> None:
        """Raises RunError if the folder cannot be used."""
        self.folder, self._crew, self.patience, self.largest = folder.absolute(), crew, patience, largest
        self.jobs = Jobs(self.folder / "jobs.sqlite", capacity=capacity, share=share)
        self._threads: list[threading.Thread] = []
        self._fault = ""  # why there are no workers
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._wakeups: list[Wakeups] = []  # one per worker

    @cached_property
    def crew(self) -> Crew:
        """The works of each device, found out on first use."""
        return self._crew() if callable(self._crew) else self._crew

    def open(self) -> None:
        """Has the workers started, which first finish what an ended process left; comes back at once."""
        with self._lock:
            if not self._threads and not self._closing.is_set():
                self._start("studio", self._open)

    def _start(self, name: str, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _open(self) -> None:
        """Starts one worker per device."""
        try:
            crew = self.crew
            self._take_over()
        except Exception as error:  # torch cannot be loaded, or the folder has become unreadable
            log.exception("no worker could be started")
            self._fault = f"nothing can be drawn here: {first_line(error)}"
            return
        for device in crew:
            wakeups: Wakeups = SimpleQueue()
            wakeups.put(self)
            self._wakeups.append(wakeups)
            self._start(f"studio-{device}", _serve, weakref.ref(self), device, wakeups, self._closing)

    def _take_over(self) -> None:
        """Queues again what ended processes were drawing on devices that this studio does not have."""
        for device in set(self.jobs.devices()) - set(self.crew):
            with suppress(Timeout, RunError), self._lock_of(device).acquire(timeout=0):  # RunError: it is no device
                self.jobs.deserted(device)

    def _lock_of(self, device: str) -> FileLock:
        """Held from claim to finish by whoever draws on the device."""
        return FileLock(path_inside(self.folder, f"{device.replace(':', '-')}.lock"))

    def close(self) -> None:
        """Stops within one step; the jobs that were running wait in the queue for whoever opens the folder next."""
        self._closing.set()
        self._wake()
        for thread in self._threads:  # the first one adds the others
            thread.join()

    def order(self, work: str, asked: dict[str, Any], *, caller: str, previews: int = 0) -> Job:
        """Queues a picture; `previews` pictures are kept on the way. Raises QueueFull; DitpipeError without workers."""
        if self._fault:
            raise DitpipeError(self._fault)
        job = self.jobs.add(work, asked, caller=caller, previews=previews)
        self.open()
        self._wake()
        return job

    def _wake(self) -> None:
        for wakeups in self._wakeups:
            wakeups.put(self)

    def remove(self, job: Job) -> None:
        """Deletes a finished job: its picture, all else that was kept of it, and the job; no other."""
        if self.jobs.remove(job):
            self._clear(job)

    def _clear(self, job: Job) -> None:
        for file in (self.folder / "pictures").glob(f"{job.id}*"):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.folder / "runs" / job.id, ignore_errors=True)

    def follow(self, job: Job, *, patience: float | None = None) -> Iterator[Job]:
        """The job at each change, until it is finished or the patience is over."""
        seen, until = None, time.monotonic() + (self.patience if patience is None else patience)
        while True:
            now = self.jobs.get(job.id, caller=job.caller)
            if now != seen:
                yield now
            if now.is_finished or time.monotonic() >= until:
                return
            seen = now
            time.sleep(POLL)

    async def afollow(self, job: Job, *, patience: float | None = None) -> AsyncIterator[Job]:
        """`follow`, without blocking the event loop."""
        seen, until = None, time.monotonic() + (self.patience if patience is None else patience)
        while True:
            now = self.jobs.get(job.id, caller=job.caller)
            if now != seen:
                yield now
            if now.is_finished or time.monotonic() >= until:
                return
            seen = now
            await asyncio.sleep(POLL)

    def file(self, job: Job, kind: str = "") -> Path:
        """A job's picture; `kind` 'small' is its preview, a number the picture after so many previews."""
        return self.folder / "pictures" / f"{job.id}{'-' + kind if kind else ''}.png"

    def _work(self, device: str) -> bool:
        """Claims a job and draws it; False if none waits. The lock is held throughout, see `Jobs.claim`."""
        try:
            with self._lock_of(device):
                job = self.jobs.claim(device)
                if job:
                    self._draw(job, self.crew[device])
                return job is not None
        except Exception:  # a full disk, say: the worker must outlive it
            log.exception("the worker of %s stumbled and goes on", device)
            time.sleep(1)
            return False

    def _draw(self, job: Job, works: Mapping[str, Work]) -> None:
        """Draws one job, whatever happens; what it says of a fault is one line and never a stack."""
        try:
            if job.work not in works:
                raise DitpipeError(f"nobody here can {job.work!r}: this studio does {', '.join(works)}")
            picture = works[job.work](job.asked, self.folder / "runs" / job.id, self._watch(job))
            write(self.file(job), picture)
            write(self.file(job, "small"), small(picture))
            if not self.jobs.finish(job, "done"):  # cancelled after its last step
                self._clear(job)
        except Stopped:
            if self._closing.is_set():
                self.jobs.put_back(job)
            else:
                self._clear(job)
        except (DitpipeError, ValueError) as error:
            self.jobs.finish(job, "failed", " ".join(str(error).split()))
        except Exception:
            log.exception("job %s failed", job.id)
            self.jobs.finish(job, "failed", "an internal error; the log says more")

    def _watch(self, job: Job) -> OnStep:
        """The step callback of a job: notes progress, keeps previews, ends a render that nobody wants."""

        def on_step(step: Step) -> None:
            for number in range(1, job.previews + 1):
                if step.index == max(1, number * step.total // (job.previews + 1)):
                    buffer = BytesIO()
                    step.preview().save(buffer, "PNG")
                    write(self.file(job, str(number)), buffer.getvalue())
            if self._closing.is_set() or not self.jobs.progress(job, step.index, step.total):
                raise Stopped

        return on_step


Wakeups = SimpleQueue[Studio]


def _serve(
    held: Callable[[], Studio | None], device: str, wakeups: "Wakeups", closing: threading.Event
) -> None:
    """A worker: draws whatever waits, until the studio is closed, or nobody holds it any more and nothing waits.

    Between two jobs it holds the studio by a weak reference only; an order wakes it with the studio itself.
    """
    while not closing.is_set() and (studio := held()):
        while studio._work(device) and not closing.is_set():
            pass
        del studio
        with suppress(Empty):
            studio = wakeups.get(timeout=0.5)  # another process may have ordered, too


def small(picture: bytes) -> bytes:
    """A PNG of at most half the picture's size and 128 pixels a side."""
    with Image.open(BytesIO(picture)) as image:
        side = min(SMALL, max(image.size) // 2)
        image.thumbnail((side, side))
        buffer = BytesIO()
        image.convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()
