"""Job handlers that replicas of the tests load: they need no model, so that a replica is there at once."""

import os
import signal
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from waiting import until

from ditpipe.prompts.errors import PlanningError
from ditpipe.renderer.request import Step
from ditpipe.tools.jobs.cluster.cpu_replica import CpuReplicas, Function
from ditpipe.tools.jobs.engine import JobContext, JobHandler


def png(colour: str) -> bytes:
    buffer = BytesIO()
    Image.new("RGB", (64, 64), colour).save(buffer, "PNG")
    return buffer.getvalue()


def functions(settings: str) -> Mapping[str, Function]:
    """What CPU replicas do: tell their process, refuse, fail, die at the first call of all, and write down that they
    were asked and then wait until that note is gone."""

    def refuse(value: Any, file: bytes) -> str:
        raise PlanningError(f"{value} is no brief")

    def die_once(value: Any, file: bytes) -> str:
        if not Path(value).exists():
            Path(value).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return file.decode()

    def bug(value: Any, file: bytes) -> str:
        raise KeyError("secret")

    def hang(value: Any, file: bytes) -> str:
        Path(value).touch()
        until(lambda: not Path(value).exists())
        return "late"

    return {
        "tell": lambda value, file: str(os.getpid()),
        "refuse": refuse,
        "bug": bug,
        "die_once": die_once,
        "hang": hang,
    }


def handlers(settings: str, savings: int, cpu_replicas: CpuReplicas | None = None) -> Mapping[str, JobHandler]:
    """The handlers "draw", which paints one colour, "fail", "poison", which ends its process, and "ask", which paints
    after a CPU replica has answered."""

    def draw(payload: dict[str, Any], context: JobContext) -> bytes:
        """In so many steps; after the first it waits for the file `gate`, if there is one."""
        if savings < payload.get("needs", 0):
            raise MemoryError("out of memory")
        for index in range(1, payload["steps"] + 1):
            context.on_step(Step(index, payload["steps"], lambda: Image.new("RGB", (8, 8))))
            if gate := payload.get("gate"):
                until(lambda: Path(gate).exists() or context.stop.is_set())
        context.folder.mkdir(parents=True, exist_ok=True)
        before = context.folder.parent / payload.get("base", "none") / "picture.png"
        (context.folder / "note.txt").write_text(f"{before.exists()} {savings}")
        return png(payload["colour"])

    def fail(payload: dict[str, Any], context: JobContext) -> bytes:
        raise {"user": ValueError("the canvas\nis round"), "bug": KeyError("secret")}[payload["how"]]

    def ask(payload: dict[str, Any], context: JobContext) -> bytes:
        assert cpu_replicas
        answer = cpu_replicas(payload["function"], payload["value"], b"file")
        context.folder.mkdir(parents=True)
        (context.folder / "note.txt").write_text(f"{os.getpid()} {answer}")
        return png("red")

    def poison(payload: dict[str, Any], context: JobContext) -> bytes:
        os.kill(os.getpid(), signal.SIGKILL)
        return b""

    return {"draw": draw, "fail": fail, "poison": poison, "ask": ask}
