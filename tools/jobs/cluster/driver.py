"""The Ray driver: a child process of the server, which starts replicas, hands them jobs and passes on what they report.

It is a process of its own because Ray ends the process of a driver whose node or head dies; the server starts another
one. They speak JSON, a line a message, over the child's standard input and output; `driver_process.py` is the other
end. Pictures go straight into the folders that the server names.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TextIO

from ....prompts.errors import first_line
from ....renderer.pictures.file_ref import path_inside
from .cpu_replica import cpu_replicas
from .replica import Replica

WATCH = 5.0  # seconds between two looks at this process's own node
OWN_OBJECT_STORE = 256 * 2**20  # bytes; jobs and pictures pass through it, a few megabytes each


@dataclass(frozen=True)
class Options:
    """What the server sends its driver in the first line."""

    address: str
    max_replicas: int
    gpus: float
    cpus: float
    factory: str
    settings: str
    cpu_replicas: int = 0
    cpu_factory: str = ""


class Channel:
    """Writes messages to the server, from any thread."""

    def __init__(self, out: TextIO) -> None:
        self._out, self._lock = out, threading.Lock()

    def send(self, **message: Any) -> None:
        with self._lock:
            self._out.write(json.dumps(message) + "\n")
            self._out.flush()


class Slot:
    """A place for one replica, with a thread that starts it and draws on it, one job after another."""

    def __init__(self, number: int, new_actor: Callable[[], Any], channel: Channel) -> None:
        self.number, self._new_actor, self._channel = number, new_actor, channel
        self.inbox: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self.actor: Any = None
        self._node = ""
        threading.Thread(target=self._work, name=f"slot-{number}", daemon=True).start()

    def cancel(self, attempt: str) -> None:
        if actor := self.actor:
            actor.cancel.remote(attempt)

    def _work(self) -> None:
        while True:
            message = self.inbox.get()
            if message["do"] == "start" and self.actor is None:
                self._start()
            elif message["do"] == "rest":
                self._drop()
            elif message["do"] == "draw":
                self._draw(message)

    def _start(self) -> None:
        import ray

        try:
            self.actor = self._new_actor()
            self._node, pid = ray.get(self.actor.load.remote())  # waits until there is a place for it
        except Exception as error:  # of Ray, or of the model that it cannot load
            cause = getattr(error, "cause", None)
            self._drop("failed", first_line(cause if isinstance(cause, BaseException) else error))
        else:
            self._channel.send(slot=self.number, state="ready", node=self._node, pid=pid)

    def _drop(self, state: str = "idle", error: str = "") -> None:
        """Ends the replica, if it has not ended itself: nobody may go on with a job that is drawn elsewhere."""
        import ray

        if self.actor is not None:
            try:
                ray.kill(self.actor)
            except Exception:  # it is gone
                pass
        self.actor = None
        self._channel.send(slot=self.number, state=state, error=error)

    def _draw(self, message: dict[str, Any]) -> None:
        import ray

        attempt, folder = message["job"]["attempt"], Path(message["folder"])
        try:
            if self.actor is None:
                raise ConnectionError("its replica has ended")
            base = {name: Path(file).read_bytes() for name, file in message["base"].items()}
            answers = self.actor.draw.options(num_returns="streaming").remote(json.dumps(message["job"]), base)
            for reference in answers:
                answer = ray.get(reference)
                if isinstance(answer, tuple):
                    file = path_inside(folder, answer[0])
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(answer[1])
                else:
                    self._channel.send(slot=self.number, attempt=attempt, **json.loads(answer))
        except Exception as error:  # of Ray: the replica, its node or the way to it
            end = self._loss(error)
            self._drop()
            self._channel.send(slot=self.number, attempt=attempt, end=end, error=first_line(error))

    def _loss(self, error: Exception) -> str:
        """How a replica was lost: 'out of memory', 'died' by itself, or 'lost' with its node."""
        import ray

        if isinstance(error, ray.exceptions.OutOfMemoryError) or "memory monitor" in str(error):
            return "out of memory"
        if isinstance(error, ray.exceptions.ActorUnavailableError) or not isinstance(
            error, ray.exceptions.ActorDiedError
        ):
            return "lost"
        return "died" if "worker process has died" in str(error) and _is_alive(self._node) else "lost"


def _is_alive(node: str) -> bool:
    import ray

    return any(known["NodeID"] == node and known["Alive"] for known in ray.nodes())


def _end_with_node() -> None:
    """Ends this process once its node no longer belongs to the cluster: a restarted head does not know this
    node, and requests to the head before it are never answered."""
    import ray

    node = ray.get_runtime_context().get_node_id()
    while True:
        time.sleep(WATCH)
        try:
            alive = _is_alive(node)
        except Exception as error:  # of Ray, which ends this process if its head stays away
            print(f"the head does not answer: {first_line(error)}", file=sys.stderr)
            continue
        if not alive:
            os._exit(1)


def places(options: Options, resources: dict[str, float]) -> tuple[int, dict[str, float], str]:
    """How many replicas a cluster has room for, and what each takes of it: no GPU where there are only CPUs. Workers
    that are still to come count as having GPUs. CPU replicas come first. The text says why not one has room yet, where
    the number is given; else raises ValueError then."""
    gpus, cpus = resources.get("GPU", 0.0), resources.get("CPU", 0.0)
    takes = {"num_gpus": options.gpus if gpus or not cpus else 0.0, "num_cpus": options.cpus}
    left = cpus - options.cpu_replicas
    shares = [(gpus, takes["num_gpus"]), (left, takes["num_cpus"])]
    room = min((int(there / share + 1e-6) for there, share in shares if share), default=1) if left >= 0 else 0
    if room:
        return options.max_replicas or room, takes, ""
    beside = f" beside {options.cpu_replicas} CPU replicas" if options.cpu_replicas else ""
    full = (
        f"the cluster has no room for a replica of {takes['num_gpus']:g} GPUs and {takes['num_cpus']:g} CPUs{beside}: "
        f"it has {gpus:g} GPUs and {cpus:g} CPUs"
    )
    if not options.max_replicas:
        raise ValueError(full)
    return options.max_replicas, takes, full


def main() -> None:
    """Serves the process that started it until that closes the pipe."""
    channel = Channel(os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)  # what Ray prints is no message
    options = Options(**json.loads(sys.stdin.readline()))
    import ray

    try:
        if options.address:
            ray.init(options.address, log_to_driver=False)
        else:
            ray.init(
                "local", log_to_driver=False, include_dashboard=False, _node_ip_address="127.0.0.1",
                object_store_memory=OWN_OBJECT_STORE,
            )  # fmt: skip
    except Exception as error:
        # Ray sends a token to no address that is given, unless it is told to, and names no reason.
        hint = "; does it ask for a token? Then set RAY_AUTH_MODE=token, or give --address auto"
        unset = options.address not in ("", "auto") and "RAY_AUTH_MODE" not in os.environ
        channel.send(fault=f"Ray cannot be reached: {first_line(error)}{hint if unset else ''}")
        return
    try:
        count, takes, full = places(options, ray.cluster_resources())
    except Exception as error:
        channel.send(fault=first_line(error))
        return
    actor_class = ray.remote(max_concurrency=2, max_restarts=0, **takes)(Replica)
    others = cpu_replicas(options.cpu_replicas, options.cpu_factory, options.settings)
    new_actor = partial(actor_class.remote, options.factory, options.settings, others)
    slots = [Slot(number, new_actor, channel) for number in range(count)]
    channel.send(slots=count, gpus=takes["num_gpus"], full=full)
    threading.Thread(target=_end_with_node, name="watch", daemon=True).start()
    for line in sys.stdin:
        message = json.loads(line)
        if message["do"] == "cancel":
            slots[message["slot"]].cancel(message["attempt"])
        else:
            slots[message["slot"]].inbox.put(message)
    ray.shutdown()


if __name__ == "__main__":
    main()
