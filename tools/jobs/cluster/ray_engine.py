"""`RayEngine`: the local engine's queue, whose workers are replicas of the renderer on a Ray cluster.

The server in front is the same FastAPI application as without Ray, and no Ray Serve: its streams of events, keys and
limits work there already, and what Ray Serve adds, routing and scaling of HTTP, is not what runs short. The queue, with
its fairness and its limits, stays in the server's folder. Ray finds the machines, starts the replicas, and tells who
died; it never decides whether a job is done. A job's files are accepted once, from the attempt that the queue waits
for, so whatever a lost replica still draws is nobody's.
"""

import json
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from queue import Empty
from typing import Any, get_args

from ....prompts.errors import DitpipeError, JobCancelled
from ....renderer.pictures.artifacts import write
from ....renderer.pictures.file_ref import path_inside
from ..engine import LOCAL, Job, JobContext, JobHandler, JobLost
from ..job_events import JobEvent, Stepped
from ..local_engine import LocalEngine, thumbnail
from ..queue import MAX_ATTEMPTS
from .driver import Options
from .driver_process import COMMAND, GONE, DriverProcess, ReplicaState, State
from .options import Cluster
from .replica import renamed
from .results import PICTURE, Results, digest_of, link

MAX_LOSSES = 10  # times that a job's node or head may die before that counts against the job
IDLE = 60.0  # seconds
RETRY = 10.0  # seconds before a replica that did not start is tried again
GRACE = 10.0  # seconds that a replica has to end its job when the engine is closed
LOOK = 0.05  # seconds between two looks at a job's cancel signal
STALE = 86400.0  # seconds after which files of an attempt are of a server that was killed


class RayEngine(LocalEngine):
    """Jobs drawn on a Ray cluster; see `LocalEngine` for the queue, and `Cluster` for the replicas.

    `factory`: 'module:function' of a `MakeHandlers`, which makes the handlers of each replica from the JSON text
    `settings`, for the `kinds` of jobs. `cpu_factory`: the same of a `MakeFunctions`, for the cluster's CPU replicas.
    `salt`: what determines the pictures beside a job's input. `seed`: gives jobs
    one that have none, where settings do not. `driver`: the command of the Ray driver. `idle`: seconds without work
    after which a replica above the least number gives its place back.

    A job whose result is kept is not drawn again. A job whose replica's node or head died is drawn again; one whose
    replica died by itself at most `MAX_ATTEMPTS` times; one that ran out of memory, with less of it each time.
    """

    def __init__(
        self,
        folder: Path,
        *,
        cluster: Cluster,
        factory: str,
        settings: str,
        kinds: Iterable[str],
        cpu_factory: str = "",
        salt: str = "",
        seed: Callable[[], int] | None = None,
        driver: Sequence[str] = COMMAND,
        idle: float = IDLE,
        reports: Iterable[type[JobEvent]] = (Stepped,),
        capacity: int = 128,
        share: int = 64,
    ) -> None:
        """Raises RunError if the folder or the address of the results cannot be used."""
        super().__init__(folder, self._connect, reports=reports, capacity=capacity, share=share)
        self.results = Results(cluster.results or str(self.folder / "results"))
        self._cluster, self._salt, self._seed, self._kinds = cluster, salt + settings, seed, tuple(kinds)
        self._options = Options(
            cluster.address, cluster.max_replicas, cluster.gpus, cluster.cpus, factory, settings, cluster.cpu_replicas,
            cpu_factory,
        )  # fmt: skip
        self._driver: DriverProcess | None = None
        self._command, self._idle, self._scaling = driver, idle, threading.Lock()
        self._losses, self._out_of_memory = Counter[str](), Counter[str]()  # by job
        self._was_ready = False
        self.losses = 0  # attempts that were lost, whatever the cause

    @property
    def replicas(self) -> list[ReplicaState]:
        """The places for replicas; empty before the cluster is reached."""
        return self._driver.replicas if self._driver else []

    def replica_counts(self) -> dict[str, int]:
        """`idle` places have no replica; a `busy` one draws, a `ready` one waits."""
        found = Counter("busy" if r.state == "ready" and r.attempt else r.state for r in self.replicas)
        return {state: found[state] for state in (*get_args(State), "busy")}

    @property
    def is_ready(self) -> bool:
        """Whether a replica is there, or will be with a job, where none has to stay."""
        driver, on_demand = self._driver, not self._cluster.min_replicas
        return self._has_replica() or bool(on_demand and driver and driver.connected and not driver.fault)

    def _has_replica(self) -> bool:
        return any(replica.state == "ready" for replica in self.replicas)

    @property
    def waits_for(self) -> str:
        if self.fault or self.is_ready:
            return self.fault
        driver = self._driver
        if driver is None or not (driver.connected or driver.replicas):
            return f"Ray is being connected to {self._cluster.address or 'a cluster of its own'}"
        return driver.fault or (driver.full or "replicas are being started" if driver.connected else GONE)

    def close(self) -> None:
        super_close = super().close
        if self._driver and not self.replicas:  # the first thread still waits for the cluster
            self._closing.set()
            self._driver.close()
        super_close()
        if self._driver:
            self._driver.close()

    def submit(self, kind: str, payload: dict[str, Any], *, caller: str = LOCAL, previews: int = 0) -> Job:
        if self._seed and "seed" in payload and payload["seed"] is None:
            payload = {**payload, "seed": self._seed()}
        return super().submit(kind, payload, caller=caller, previews=previews)

    def _connect(self) -> Mapping[str, Mapping[str, JobHandler]]:
        """The handlers of each replica; waits until the cluster is reached."""
        for left in (self.folder / "attempts").glob("*"):
            if time.time() - left.stat().st_mtime > STALE:
                shutil.rmtree(left, ignore_errors=True)
        self._driver = DriverProcess(self._options, self._changed, self._command)
        if self._closing.is_set():
            self._driver.close()
        self._driver.wait()
        return {
            f"replica-{replica.number}": {kind: partial(self._draw_on, replica, kind) for kind in self._kinds}
            for replica in self.replicas
        }

    def _changed(self) -> None:
        self._was_ready = self._was_ready or self._has_replica()
        fault = self._driver.fault if self._driver and not self._was_ready else ""  # later ones are waited for
        self.fault = f"nothing can be drawn here: {fault}" if fault else ""
        self._wake()

    def _draw_next(self, device: str) -> bool:
        """Claims a job for a replica and has it drawn; starts a replica where one is wanted, and ends an idle one."""
        assert self._driver
        replica = self.replicas[int(device.removeprefix("replica-"))]
        if replica.state == "ready":
            drawn = super()._draw_next(device)
            if drawn:
                replica.since = time.monotonic()
            elif replica.number >= self._cluster.min_replicas and time.monotonic() - replica.since > self._idle:
                self._driver.rest(replica)
            return drawn
        rested = replica.state == "idle" or (replica.state == "failed" and time.monotonic() - replica.since > RETRY)
        if rested:
            with self._scaling:  # one waiting job starts one replica, not every place that looks
                if replica.number < self._cluster.min_replicas or self._is_short_of_replicas():
                    self._driver.start(replica)
        return False

    def _is_short_of_replicas(self) -> bool:
        """Whether more jobs wait than there are replicas to take them soon."""
        coming = sum(r.state == "starting" or (r.state == "ready" and not r.attempt) for r in self.replicas)
        return self.queue.waiting() > coming

    def _draw_on(self, replica: ReplicaState, kind: str, payload: dict[str, Any], context: JobContext) -> bytes | None:
        """The job handler of a replica: the picture that is kept for this input, or one that it draws."""
        digest = digest_of(self._salt, kind, json.dumps(payload, sort_keys=True))
        if not self.results.fetch(digest, context.folder):
            attempt = uuid.uuid4().hex
            drawn = self.folder / "attempts" / attempt
            try:
                self._run_attempt(replica, attempt, kind, payload, context, drawn)
                if not (drawn / PICTURE).exists():
                    return None
                shutil.rmtree(context.folder, ignore_errors=True)
                context.folder.parent.mkdir(parents=True, exist_ok=True)
                drawn.rename(context.folder)
            finally:
                shutil.rmtree(drawn, ignore_errors=True)
            self.results.keep(digest, context.folder)
        return (context.folder / PICTURE).read_bytes()

    def _run_attempt(
        self, replica: ReplicaState, attempt: str, kind: str, payload: dict[str, Any], context: JobContext, drawn: Path
    ) -> None:
        """Has the job drawn once, and passes its events on. Raises JobLost, JobCancelled, or what ended it."""
        assert self._driver
        job = {"id": context.id, "attempt": attempt, "kind": kind, "payload": payload, "previews": context.previews,
               "savings": self._out_of_memory[context.id]}  # fmt: skip
        self._driver.draw(replica, job, folder=str(drawn), base=self._base_of(payload))
        try:
            end = self._follow(replica, attempt, context)
        finally:
            replica.job = replica.attempt = ""
        self._raise_for(end, context)

    def _follow(self, replica: ReplicaState, attempt: str, context: JobContext) -> dict[str, Any]:
        """Passes on what an attempt reports and whether it is cancelled; how it ended."""
        assert self._driver
        cancelled = 0.0
        while True:
            if context.stop.is_set() and not cancelled:
                self._driver.cancel(replica)
                cancelled = time.monotonic()
            try:
                message = replica.inbox.get(timeout=LOOK)
            except Empty:
                if self._closing.is_set() and cancelled and time.monotonic() - cancelled > GRACE:
                    return {"end": "cancelled", "error": ""}  # its node does not answer, and the driver ends anyway
                continue
            if message["attempt"] != attempt:  # of an earlier one, which was lost
                continue
            if "end" in message:
                return message
            fields = renamed(message["fields"], attempt, str(context.folder))
            context.emit(self._event(message["event"], fields))

    def _raise_for(self, end: dict[str, Any], context: JobContext) -> None:
        how, error = end["end"], end["error"]
        self.losses += how in ("out of memory", "died", "lost")
        if how == "cancelled":
            raise JobCancelled
        if how == "failed":
            raise DitpipeError(error)
        if how == "broken":
            raise RuntimeError("a handler failed; the log of its replica says more")
        if how == "out of memory":
            self._out_of_memory[context.id] += 1
            if self._out_of_memory[context.id] >= MAX_ATTEMPTS:
                raise DitpipeError(error)
            raise JobLost(error, blamed=True)
        if how == "died":
            raise JobLost(error, blamed=True)
        if how == "lost":
            self._losses[context.id] += 1
            raise JobLost(error, blamed=self._losses[context.id] > MAX_LOSSES)

    def _base_of(self, payload: dict[str, Any]) -> dict[str, str]:
        """The files of the picture that a job goes on from, by 'job id/name'."""
        base = payload.get("base")
        if not base:
            return {}
        folder = path_inside(self.folder, f"runs/{base}")
        return {f"{base}/{file.name}": str(file) for file in folder.glob("*") if file.is_file()}

    def _keep(self, job: Job, picture: bytes) -> None:
        """The picture by its second name, and a small one."""
        link(self.job_folder(job) / PICTURE, self.file(job))
        write(self.file(job, "small"), thumbnail(picture))

    def _delete_files(self, job: Job) -> None:
        for file in (self.folder / "pictures").glob(f"{job.id}*"):
            file.unlink(missing_ok=True)
        self.results.forget(self.job_folder(job))
        for counter in (self._losses, self._out_of_memory):
            counter.pop(job.id, None)
