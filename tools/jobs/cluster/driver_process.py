"""The server's end of the Ray driver: starts the child process, and another one when that has ended."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from queue import SimpleQueue
from typing import Any, Literal

from .driver import Options

RECONNECT = 10  # seconds without an answer of Ray's head after which Ray ends its driver
GRACE = 10.0  # seconds that a driver has to end its replicas
PAUSES = (1.0, 2.0, 5.0, 10.0)  # seconds before a driver is started again, the last one from then on
GONE = "Ray's head is gone, or this server's node"
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": str(RECONNECT),
}

# Nothing of the folder that the person happens to be in is imported, neither by the driver (-P) nor by replicas, whose
# search path Ray begins with the driver's current folder.
COMMAND = (sys.executable, "-P", "-m", "ditpipe.tools.jobs.cluster.driver")
ROOT = os.path.abspath(os.sep)

State = Literal["idle", "starting", "ready", "failed"]
Message = dict[str, Any]

log = logging.getLogger(__name__)


@dataclass
class ReplicaState:
    """A place for a replica, and whether one is there. `node`, `pid`: the id of its node, and of its process there;
    `error`: why it did not start; `job`, `attempt`: what it draws, or empty; `since`: when its state changed, in
    seconds of the monotonic clock."""

    number: int
    state: State = "idle"
    node: str = ""
    pid: int = 0
    error: str = ""
    job: str = ""
    attempt: str = ""
    since: float = 0.0
    inbox: "SimpleQueue[Message]" = field(default_factory=SimpleQueue, repr=False)


class DriverProcess:
    """A Ray driver that is there again soon after it has ended.

    `on_change` is called when the state of a replica has changed, in a thread of this object's. `fault`: why there is
    no driver, or why no replica could be started; empty if all is well. `connected`: whether the driver has reached its
    cluster, and has not ended since. `full`: why the cluster has no room for a replica yet, or empty. `command`: the
    driver.
    """

    def __init__(self, options: Options, on_change: Callable[[], None], command: Sequence[str] = COMMAND) -> None:
        self._options, self._on_change, self._command = options, on_change, command
        self._process: subprocess.Popen[str] | None = None
        self._lock, self._known, self._closing = threading.Lock(), threading.Event(), threading.Event()
        self.replicas: list[ReplicaState] = []
        self.fault, self.full, self.connected = "", "", False
        self._thread = threading.Thread(target=self._keep_running, name="ray-driver", daemon=True)
        self._thread.start()

    def wait(self) -> int:
        """The number of places for replicas, once the cluster was reached; 0 if this was closed before."""
        self._known.wait()
        return len(self.replicas)

    def close(self) -> None:
        """Ends the driver, and with it its replicas; kills one that does not end, as before Ray answers."""
        self._closing.set()
        self._known.set()
        with self._lock:
            if self._process and self._process.stdin:
                self._process.stdin.close()
        self._thread.join(GRACE)
        if self._thread.is_alive() and self._process:
            self._process.kill()
            self._thread.join()

    def start(self, replica: ReplicaState) -> None:
        """Starts a replica; its state is 'starting' until it is 'ready' or 'failed'."""
        _change(replica, "starting")
        if not self._send(slot=replica.number, do="start"):
            _change(replica, "idle")

    def rest(self, replica: ReplicaState) -> None:
        """Ends a replica, and gives its place back."""
        _change(replica, "idle")
        self._send(slot=replica.number, do="rest")

    def draw(self, replica: ReplicaState, job: Message, *, folder: str, base: dict[str, str]) -> None:
        """Has a job drawn; the replica's `inbox` gets what it reports, and its end. Its files go into the folder."""
        replica.job, replica.attempt = job["id"], job["attempt"]
        if not self._send(slot=replica.number, do="draw", job=job, folder=folder, base=base):
            replica.inbox.put(_lost(replica))

    def cancel(self, replica: ReplicaState) -> None:
        """Ends the replica's job at its next step."""
        self._send(slot=replica.number, do="cancel", attempt=replica.attempt)

    def _send(self, **message: Any) -> bool:
        """False if the driver has ended."""
        with self._lock:
            if self._process is None or self._process.stdin is None:
                return False
            try:
                self._process.stdin.write(json.dumps(message) + "\n")
                self._process.stdin.flush()
            except (OSError, ValueError):
                return False
            return True

    def _keep_running(self) -> None:
        attempts = 0
        while not self._closing.is_set():
            reached, fault = self._run()
            if self._closing.is_set():
                return
            attempts = 0 if reached else attempts + 1
            if not reached:
                nobody = f"no answer from {self._options.address or 'its own head'}"  # Ray has ended it
                self.fault = fault or f"Ray cannot be reached: {nobody}"
            self._lose_all()
            self._on_change()
            log.warning("Ray's driver has ended and is started again: %s", self.fault or GONE)
            self._closing.wait(PAUSES[min(attempts, len(PAUSES) - 1)])

    def _run(self) -> tuple[bool, str]:
        """Starts a driver and reads what it says until it ends. Whether it reached its cluster, and why it ended, if it
        said so."""
        reached, fault = False, ""
        options = replace(self._options, max_replicas=len(self.replicas) or self._options.max_replicas)
        process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT | os.environ,
            cwd=ROOT, start_new_session=True,  # Ctrl-C in a terminal is for the server, which then ends its driver
        )  # fmt: skip
        assert process.stdin and process.stdout
        with suppress(OSError):  # it has ended already: there is nothing to read then
            process.stdin.write(json.dumps(asdict(options)) + "\n")
            process.stdin.flush()
        with self._lock:
            self._process = process
            if self._closing.is_set():
                process.stdin.close()
        with suppress(OSError), process:
            for line in process.stdout:
                message = json.loads(line)
                if "fault" in message:
                    self.fault = fault = message["fault"]
                    self._on_change()
                elif "slots" in message:
                    self.connected = reached = True
                    self.fault, self.full = "", message.get("full", "")
                    # Nodes may come back later than the head.
                    self._options = replace(self._options, gpus=message["gpus"])
                    self.replicas = self.replicas or [ReplicaState(number) for number in range(message["slots"])]
                    self._known.set()
                    self._on_change()
                else:
                    self._read(message)
        self.connected = False
        return reached, fault

    def _read(self, message: Message) -> None:
        replica = self.replicas[message["slot"]]
        if "attempt" in message:
            replica.inbox.put(message)
            return
        replica.error, replica.node, replica.pid = (
            message.get("error", ""), message.get("node", ""), message.get("pid", 0)
        )  # fmt: skip
        _change(replica, message["state"])
        if replica.state == "ready":
            self.fault = ""
        elif replica.error and not any(other.state == "ready" for other in self.replicas):
            self.fault = f"no replica can be started: {replica.error}"
        self._on_change()

    def _lose_all(self) -> None:
        for replica in self.replicas:
            _change(replica, "idle")
            replica.node, replica.pid = "", 0
            replica.inbox.put(_lost(replica))


def _change(replica: ReplicaState, state: State) -> None:
    replica.state, replica.since = state, time.monotonic()


def _lost(replica: ReplicaState) -> Message:
    return {"attempt": replica.attempt, "end": "lost", "error": "Ray's driver has ended"}
