"""A ditpipe server as a client: it is sent the whole plan, and so obeys regions, seeds and steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from ...prompts.errors import ModelError, RenderError, RunError
from ...prompts.outside_json import JsonObject
from ...prompts.revision import Revision
from ..pictures.artifacts import request_in
from ..pictures.bounded import open_bounded
from ..request import OnStep, RenderRequest, Step
from .images_api import MAX_PIXELS, opaque
from .server import NotServed, Server

LOOKS = 0.1, 1.0  # seconds between two looks at a job: at first, and at most


@dataclass(frozen=True)
class Drawn:
    """A finished picture of the server. `request`: the one inside its PNG; `id`: its name there."""

    id: str
    image: Image.Image
    request: RenderRequest
    warnings: tuple[str, ...]


class PicturesApi:
    """`/v1/pictures` of a ditpipe server."""

    def __init__(self, server: Server, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._server, self._sleep = server, sleep

    def draw(self, request: RenderRequest, seeds: Sequence[int], on_step: OnStep | None) -> list[Drawn]:
        """One picture of the request's plan per seed, without its edits. Raises as `Server.post`; RenderError if the
        server cannot draw it."""
        fields = request.model_dump(mode="json", include={"plan", "steps", "guidance_scale", "solver"})
        return self._finished([("pictures", fields | {"seed": seed, "wait": False}) for seed in seeds], on_step)

    def edit(self, picture_id: str, revision: Revision, on_step: OnStep | None) -> Drawn:
        """The picture of that id with a revision drawn into it. Raises as `draw`; NotServed if the server does not know
        the picture."""
        path = f"pictures/{picture_id}/edits?wait=false"
        return self._finished([(path, revision.model_dump(mode="json"))], on_step)[0]

    def _finished(self, jobs: Sequence[tuple[str, JsonObject]], on_step: OnStep | None) -> list[Drawn]:
        """Submits jobs and waits for all. What raises in between ends them on the server, too."""
        ids: list[str] = []
        try:
            for path, body in jobs:
                ids.append(_id(self._server.post(path, body=body)))
            return [self._followed(job, number, len(ids), on_step) for number, job in enumerate(ids)]
        except BaseException:
            for job in ids:
                self._server.delete(f"pictures/{job}")
            raise

    def _followed(self, job: str, number: int, count: int, on_step: OnStep | None) -> Drawn:
        """The picture when it is done. on_step: counts over all `count` pictures."""
        pause, most = LOOKS
        seen = -1
        while True:
            state = self._server.get(f"pictures/{job}")
            step, steps = _whole(state.get("step")), max(1, _whole(state.get("steps")))
            if on_step and (step != seen or not step):  # also while it waits, so that it can be cancelled
                on_step(Step(number * steps + min(step, steps), count * steps, None))
                seen = step
            status = state.get("status")
            if status == "done":
                return self._fetched(job, state)
            if status not in ("queued", "running"):
                raise RenderError(f"{self._server.base_url}: the picture is {status}: {state.get('error', '')}")
            self._sleep(pause)
            pause = min(most, pause * 1.5)

    def _fetched(self, job: str, state: JsonObject) -> Drawn:
        where = f"the picture of {self._server.base_url}"
        try:
            picture = open_bounded(self._server.download(f"pictures/{job}/image"), name=where, most=MAX_PIXELS)
            request = request_in(picture, name=where)
        except (ValueError, RunError) as error:
            raise ModelError(str(error)) from error
        warnings = state.get("warnings")
        warnings = [text for text in warnings if isinstance(text, str)] if isinstance(warnings, list) else []
        return Drawn(job, opaque(picture), request, tuple(warnings))


def served_models(server: Server) -> tuple[bool, list[str]]:
    """Whether a server is a ditpipe, and the names of its models. Raises ModelError if it cannot be reached, or wants
    another key."""
    try:
        rows: Any = server.get("models").get("data")
    except NotServed:
        return False, []
    rows = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return any(row.get("owned_by") == "ditpipe" for row in rows), [str(row.get("id", "")) for row in rows]


def _id(answer: JsonObject) -> str:
    """The id of a submitted job. Raises ModelError for an answer without one."""
    found = answer.get("id")
    if not (isinstance(found, str) and found.isalnum() and len(found) <= 64):
        raise ModelError("the server's answer names no picture: is it of another version of ditpipe?")
    return found


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**6 else 0
