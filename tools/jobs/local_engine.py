"""`LocalEngine`: a queue in a folder, and one worker thread per device. Knows nothing of models."""

import logging
import shutil
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import cached_property, partial
from io import BytesIO
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from filelock import FileLock, Timeout
from PIL import Image

from ...prompts.errors import DitpipeError, JobCancelled, RunError, UnknownPicture, first_line
from ...renderer.pictures.artifacts import write
from ...renderer.pictures.file_ref import path_inside
from ..watching.job_scope import Durations, watched_job
from .engine import LOCAL, Job, JobContext, JobHandler, JobLost, Status, StepCount
from .job_events import JobEvent, Stepped, event_from_json
from .queue import JobQueue

Handlers = Mapping[str, Mapping[str, JobHandler]]  # device → kind of job → handler

THUMBNAIL = 128  # pixels: longest side at most

log = logging.getLogger(__name__)


class LocalEngine:
    """A folder with a queue, its pictures and its workers; see `PictureEngine`.

    `handlers` of each device, or a function that loads them: it is called in a thread, while jobs are taken in. Any
    number of engines, in any number of processes, may share a folder: a device's lock file lets one of them draw on it
    at a time. Nothing is loaded or drawn before the first `submit()` or `open()`. `reports`: the types of events that
    its handlers report.
    """

    def __init__(
        self,
        folder: Path,
        handlers: Handlers | Callable[[], Handlers],
        *,
        reports: Iterable[type[JobEvent]] = (Stepped,),
        capacity: int = 128,
        share: int = 64,
    ) -> None:
        """Raises RunError if the folder cannot be used."""
        self.folder, self._handlers = folder.absolute(), handlers
        self._reports = {kind.name(): kind for kind in reports}
        self.queue = JobQueue(self.folder / "jobs.sqlite", capacity=capacity, share=share)
        self._threads: list[threading.Thread] = []
        self.fault, self.durations = "", Durations()
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._wakeups: list[Wakeups] = []  # one per worker
        self._running: dict[str, threading.Event] = {}  # job id → its cancel signal, of the jobs drawn by this engine
        self._loaded = False

    @property
    def is_ready(self) -> bool:
        """Whether it can draw by now: its handlers are loaded."""
        return self._loaded

    @property
    def waits_for(self) -> str:
        return self.fault or ("" if self.is_ready else "the model is being loaded")

    def replica_counts(self) -> dict[str, int]:
        return {}

    @cached_property
    def handlers(self) -> Handlers:
        """The handlers of each device, loaded on first use."""
        return self._handlers() if callable(self._handlers) else self._handlers

    def open(self) -> None:
        with self._lock:
            if not self._threads and not self._closing.is_set():
                self._start("jobs", self._start_workers)

    def close(self) -> None:
        self._closing.set()
        for stop in list(self._running.values()):
            stop.set()
        self._wake()
        for thread in self._threads:  # the first one adds the others
            thread.join()

    def submit(self, kind: str, payload: dict[str, Any], *, caller: str = LOCAL, previews: int = 0) -> Job:
        if self.fault:
            raise DitpipeError(self.fault)
        job = self.queue.add(kind, payload, caller=caller, previews=previews)
        self.open()
        self._wake()
        return job

    def get(self, job_id: str, *, caller: str = LOCAL) -> Job:
        return self.queue.get(job_id, caller=caller)

    def recent(self, caller: str = LOCAL) -> list[Job]:
        return self.queue.recent(caller)

    def counts(self) -> dict[Status, int]:
        return self.queue.counts()

    def events(self, job: Job, after: int = 0) -> list[JobEvent]:
        return [self._event(name, fields) for name, fields in self.queue.events(job, after)]

    def _event(self, name: str, fields: Any) -> JobEvent:
        try:
            return event_from_json(self._reports[name], fields)
        except (KeyError, ValueError):  # of another version, or of an untrusted file: an event of no type
            return JobEvent()

    def cancel(self, job_id: str, *, caller: str = LOCAL) -> Job:
        job = self.queue.cancel(job_id, caller=caller)
        if job.status == "cancelled" and (stop := self._running.get(job_id)):
            stop.set()
        return job

    def remove(self, job: Job) -> None:
        if self.queue.remove(job):
            self._delete_files(job)

    def file(self, job: Job, kind: str = "") -> Path:
        return path_inside(self.folder, f"pictures/{job.id}{'-' + kind if kind else ''}.png")

    def job_folder(self, job: Job) -> Path:
        return path_inside(self.folder, f"runs/{job.id}")

    def _delete_files(self, job: Job) -> None:
        for file in (self.folder / "pictures").glob(f"{job.id}*"):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.job_folder(job), ignore_errors=True)

    def _start(self, name: str, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _wake(self) -> None:
        for wakeups in self._wakeups:
            wakeups.put(self)

    def _start_workers(self) -> None:
        """Loads the handlers and starts one worker per device."""
        try:
            devices = list(self.handlers)
            self._requeue_other_devices(devices)
        except Exception as error:  # torch cannot be loaded, or the folder has become unreadable
            log.exception("no worker could be started")
            self.fault = f"nothing can be drawn here: {first_line(error)}"
            return
        self._loaded = True
        for device in devices:
            wakeups: Wakeups = SimpleQueue()
            wakeups.put(self)
            self._wakeups.append(wakeups)
            self._start(f"jobs-{device}", _work, weakref.ref(self), device, wakeups, self._closing)

    def _requeue_other_devices(self, devices: list[str]) -> None:
        """Requeues jobs that ended processes left on devices that this engine does not have."""
        for device in set(self.queue.devices()) - set(devices):
            with suppress(Timeout, RunError), self._lock_of(device).acquire(timeout=0):  # RunError: not a device's name
                self.queue.requeue(device)

    def _lock_of(self, device: str) -> FileLock:
        """The lock of a device, held from claim to finish of a job."""
        return FileLock(path_inside(self.folder, f"{device.replace(':', '-')}.lock"))

    def _draw_next(self, device: str) -> bool:
        """Claims a job and draws it; False if none is queued. The lock is held throughout, see `JobQueue.claim`."""
        try:
            with self._lock_of(device):
                job = self.queue.claim(device)
                if job:
                    with watched_job(job.id, job.kind, partial(self._status, job), self.durations):
                        self._draw(job, device)
                return job is not None
        except Exception:  # a full disk, say: the worker must survive it
            log.exception("the worker of %s goes on after an error", device)
            time.sleep(1)
            return False

    def _status(self, job: Job) -> Status:
        """The present state of a job of any caller; one that was removed was cancelled before."""
        with suppress(UnknownPicture):
            return self.queue.get(job.id, caller=job.caller).status
        return "cancelled"

    def _draw(self, job: Job, device: str) -> None:
        """Draws one job. An error ends the job with one line for its caller, never with a stack trace."""
        handlers = self.handlers[device]
        stop = self._running[job.id] = threading.Event()
        try:
            if job.kind not in handlers:
                raise DitpipeError(f"no handler for {job.kind!r} here: one of {', '.join(handlers)}")
            context = JobContext(
                self.job_folder(job), self._recorder(job, stop), stop, self._closing, job.previews, job.id
            )
            picture = handlers[job.kind](job.payload, context)
            if picture is not None:
                self._keep(job, picture)
            if not self.queue.finish(job, "done"):  # cancelled after its last step
                self._delete_files(job)
        except JobCancelled:
            if self._closing.is_set() and self._status(job) != "cancelled":
                self.queue.release(job)
            else:
                self._delete_files(job)
        except JobLost as loss:
            log.warning("job %s is drawn again: %s", job.id, loss)
            if loss.blamed:
                self.queue.requeue(device)
            else:
                self.queue.release(job)
            self._wake()
        except (DitpipeError, ValueError) as error:
            self.queue.finish(job, "failed", " ".join(str(error).split()))
        except Exception:
            log.exception("job %s failed", job.id)
            self.queue.finish(job, "failed", "an internal error; the log says more")
        finally:
            del self._running[job.id]

    def _keep(self, job: Job, picture: bytes) -> None:
        """Stores a job's picture, and a small one."""
        write(self.file(job), picture)
        write(self.file(job, "small"), thumbnail(picture))

    def _recorder(self, job: Job, stop: threading.Event) -> Callable[[JobEvent], None]:
        """Records what the job reports, and sets `stop` once the job is cancelled or this closes."""
        count, step, steps = StepCount(), 0, 0

        def emit(event: JobEvent) -> None:
            nonlocal step, steps
            if isinstance(event, Stepped):
                step, steps = count.add(event)
            # Another process may have cancelled the job, which only the table shows.
            running = self.queue.record(job, event.name(), event.as_json(), step=step, steps=steps)
            if self._closing.is_set() or not running:
                stop.set()

        return emit


Wakeups = SimpleQueue[LocalEngine]


def _work(
    engine_ref: Callable[[], LocalEngine | None], device: str, wakeups: Wakeups, closing: threading.Event
) -> None:
    """A worker: draws queued jobs until the engine is closed, or is no longer referenced and the queue is empty.

    Between jobs it holds a weak reference to the engine only; `submit` wakes it with a strong one.
    """
    while not closing.is_set() and (engine := engine_ref()):
        while engine._draw_next(device) and not closing.is_set():
            pass
        del engine
        with suppress(Empty):
            engine = wakeups.get(timeout=0.5)  # another process may have submitted a job


def thumbnail(picture: bytes) -> bytes:
    """A PNG of at most half the picture's size and 128 pixels a side."""
    with Image.open(BytesIO(picture)) as image:
        side = min(THUMBNAIL, max(image.size) // 2)
        image.thumbnail((side, side))
        buffer = BytesIO()
        image.convert("RGB").save(buffer, "PNG")
    return buffer.getvalue()
