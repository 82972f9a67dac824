"""A replica of the renderer: the process on a cluster's node that draws jobs one at a time, its model warm.

Jobs, events and settings come and go as JSON text and files as bytes: nothing of a stranger's is unpickled.
"""

import json
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

from ....prompts.errors import DitpipeError, JobCancelled, first_line, one_line
from ....renderer.pictures.file_ref import path_inside
from ..engine import JobContext, JobHandler
from ..job_events import JobEvent
from .cpu_replica import CpuReplicas
from .results import PICTURE

MakeHandlers = Callable[[str, int, CpuReplicas | None], Mapping[str, JobHandler]]
"""(settings as JSON, how often memory ran out for the job, the CPU replicas if there are any) → kind of job → handler,
with so many savings of memory."""

Answer = str | tuple[str, bytes]
"""An event or the end of a job as JSON text, or a file: its name in the job's folder, and its content."""

log = logging.getLogger(__name__)


class Replica:
    """Draws jobs with the handlers of `factory`, 'module:function' of a `MakeHandlers`; the class of a Ray actor.

    `cpu_replicas`: Ray actors of `CpuReplica`. Two methods may be at work at a time: `draw`, and `cancel`.
    """

    def __init__(self, factory: str, settings: str, cpu_replicas: Sequence[Any] = ()) -> None:
        self._factory, self._settings = factory, settings
        self._cpu_replicas = CpuReplicas(cpu_replicas) if cpu_replicas else None
        self._handlers: dict[int, Mapping[str, JobHandler]] = {}
        self._stops: dict[str, threading.Event] = {}

    def load(self) -> tuple[str, int]:
        """Loads the model; the id of the replica's node, and of its process there."""
        import ray

        self._handlers_for(0)
        return ray.get_runtime_context().get_node_id(), os.getpid()

    def cancel(self, attempt: str) -> None:
        """Ends an attempt of a job at its next step, also one that has not arrived yet."""
        self._stops.setdefault(attempt, threading.Event()).set()

    def draw(self, text: str, base: dict[str, bytes]) -> Iterator[Answer]:
        """Draws the job of a JSON text: what it reports, its files, and how it ended.

        `base`: files of other jobs that it goes on from, by 'job id/name'. The name of this attempt
        stands for the job's folder in what it reports.
        """
        job = json.loads(text)
        stop = self._stops.setdefault(job["attempt"], threading.Event())
        if self._cpu_replicas:
            self._cpu_replicas.stop = stop
        answers: SimpleQueue[Answer] = SimpleQueue()
        with TemporaryDirectory(prefix="ditpipe-") as place:
            for name, content in base.items():
                file = path_inside(Path(place), name)
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            folder = Path(place) / job["id"]

            def emit(event: JobEvent) -> None:
                fields = renamed(event.as_json(), str(folder), job["attempt"])
                answers.put(json.dumps({"event": event.name(), "fields": fields}))

            context = JobContext(folder, emit, stop, previews=job["previews"], id=job["id"])
            thread = threading.Thread(target=self._work, args=(job, context, answers), daemon=True)
            thread.start()
            try:
                while True:
                    yield (answer := answers.get())
                    if isinstance(answer, str) and "end" in json.loads(answer):
                        break
            finally:
                stop.set()  # nobody reads on
                thread.join()
                self._stops.pop(job["attempt"], None)

    def _work(self, job: dict[str, Any], context: JobContext, answers: "SimpleQueue[Answer]") -> None:
        end = {"end": "done", "error": ""}
        try:
            handlers = self._handlers_for(job["savings"])
            if job["kind"] not in handlers:
                raise DitpipeError(f"no handler for {job['kind']!r} here: one of {', '.join(handlers)}")
            picture = handlers[job["kind"]](job["payload"], context)
            if picture is not None:
                context.folder.mkdir(parents=True, exist_ok=True)
                (context.folder / PICTURE).write_bytes(picture)
            for file in sorted(context.folder.rglob("*")):
                if file.is_file():
                    answers.put((file.relative_to(context.folder).as_posix(), file.read_bytes()))
        except JobCancelled:
            end = {"end": "cancelled", "error": ""}
        except MemoryError as error:  # beside the renderer, which tries on its own what saves memory
            end = {"end": "out of memory", "error": first_line(error) or "out of memory"}
        except (DitpipeError, ValueError) as error:
            end = {"end": "failed", "error": one_line(error)}
        except BaseException:
            log.exception("job %s failed", job["id"])
            end = {"end": "broken", "error": ""}
        answers.put(json.dumps(end))

    def _handlers_for(self, savings: int) -> Mapping[str, JobHandler]:
        if savings not in self._handlers:
            module, _, function = self._factory.partition(":")
            make: MakeHandlers = getattr(import_module(module), function)
            self._handlers[savings] = make(self._settings, savings, self._cpu_replicas)
        return self._handlers[savings]


def renamed(value: Any, old: str, new: str) -> Any:
    """JSON with `new` in place of `old` at the beginning of its texts: a job's folder is another one on the server."""
    if isinstance(value, dict):
        return {key: renamed(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [renamed(item, old, new) for item in value]
    return new + value.removeprefix(old) if isinstance(value, str) and value.startswith(old) else value
