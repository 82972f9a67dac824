"""A CPU replica: the process on a cluster's node that plans and judges for the replicas that draw, its models warm.

Calls and answers are JSON text and bytes, as between server and replicas: nothing of a stranger's is unpickled.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import cycle
from random import sample
from threading import Event
from typing import Any

from ....prompts.errors import (
    CritiqueError,
    DitpipeError,
    JobCancelled,
    ModelError,
    PlanningError,
    first_line,
    one_line,
)

Function = Callable[[Any, bytes], str]
"""(what JSON holds, a file or b"") → the result as text. Raises DitpipeError or ValueError."""

MakeFunctions = Callable[[str], Mapping[str, Function]]
"""Settings as JSON → name → function."""

ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (DitpipeError, PlanningError, CritiqueError, ModelError)
}
RETRIES = 2  # of a call whose replica or node died
LOOK = 0.05  # seconds between two looks at the cancel signal


class CpuReplica:
    """Answers calls with the functions of `factory`, 'module:function' of a `MakeFunctions`; a Ray actor's class."""

    def __init__(self, factory: str, settings: str) -> None:
        module, _, function = factory.partition(":")
        make: MakeFunctions = getattr(import_module(module), function)
        self._functions = make(settings)

    def call(self, name: str, text: str, file: bytes) -> str:
        """The function's `result` as JSON, or the `error` that it raised, one line, and the name of its class."""
        try:
            return json.dumps({"result": self._functions[name](json.loads(text), file)})
        except (DitpipeError, ValueError) as error:
            return json.dumps({"error": one_line(error), "class": type(error).__name__})


class CpuReplicas:
    """Calls of CPU replicas, each in turn. Ray starts one that died again, and its call with it.

    `stop`: the cancel signal of the job whose calls these are; nobody waits for an answer once it is set.
    """

    def __init__(self, actors: Sequence[Any]) -> None:
        self._turns = cycle(sample(list(actors), len(actors)))  # replicas that draw begin with different ones
        self.stop = Event()

    def __call__(self, name: str, value: Any, file: bytes = b"") -> str:
        """The function's result. Raises what it raised, ModelError if its replicas died of it, and JobCancelled."""
        import ray

        actor = next(self._turns)
        try:
            reference = actor.call.remote(name, json.dumps(value), file)
            while not ray.wait([reference], timeout=LOOK)[0]:
                if self.stop.is_set():
                    ray.cancel(reference)
                    raise JobCancelled
            answer = json.loads(ray.get(reference))
        except ray.exceptions.RayTaskError:  # a fault of the function: the replica that draws logs it
            raise
        except ray.exceptions.RayError as error:
            raise ModelError(f"no CPU replica could {name}: {first_line(error)}") from None
        if "error" not in answer:
            return str(answer["result"])
        raise ERRORS.get(answer["class"], ValueError)(answer["error"])


def cpu_replicas(count: int, factory: str, settings: str) -> list[Any]:
    """Starts so many of them, of one CPU each, in a Ray that this process is connected to."""
    import ray

    actor = ray.remote(num_cpus=1, num_gpus=0, max_restarts=-1, max_task_retries=RETRIES)(CpuReplica)
    return [actor.remote(factory, settings) for _ in range(count)]
