"""The job handler "batch": draws lines and reports each with its picture, so that one process writes all files."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import Base64Bytes

from ...prompts.critique import Critique
from ...prompts.errors import DitpipeError, one_line
from ...prompts.plan import ScenePlan, StrictModel
from ...renderer.pictures.artifacts import read_metadata, write_picture
from ...tools.jobs.device_lock import drawing_on
from ...tools.jobs.engine import JobContext, JobHandler
from ...tools.jobs.job_events import JobEvent, Stepped
from ...tools.watching.tracing import span
from ..agent import Agent
from ..events import Finished, Painting
from .lines import LineInput

BATCH = "batch"  # the kind of job

log = logging.getLogger(__name__)


class BatchInput(StrictModel):
    """The lines of one job; each has its plan."""

    lines: list[LineInput]


@dataclass(frozen=True)
class LineDrawn(JobEvent):
    """A line is finished. picture: a PNG with its request. halted: how a critic or a reviser failed after drawing."""

    key: str
    picture: Base64Bytes
    plan: ScenePlan
    critique: Critique | None
    seed: int
    rounds: int
    seconds: float
    warnings: tuple[str, ...]
    halted: str


@dataclass(frozen=True)
class LineFailed(JobEvent):
    key: str
    error: str


BATCH_EVENTS = (LineDrawn, LineFailed)


def batch_handler(agent: Agent) -> JobHandler:
    """Draws lines with an agent, each in its own settings; one that fails ends neither the job nor the others. Several
    lines of one job are drawn in one batch, or if that cannot be, one by one."""

    def draw(payload: dict[str, Any], context: JobContext) -> None:
        lines, alone = BatchInput.model_validate(payload).lines, list[str]()
        if len(lines) > 1:
            try:
                for drawn in _drawn_together(agent, lines, context):
                    context.emit(drawn)
                return
            except (DitpipeError, ValueError) as error:  # each is tried alone, and says so
                alone = [f"drawn by itself, not in a batch: {one_line(error)}"]
        for line in lines:
            context.raise_if_stopped()
            try:
                drawn = _drawn(agent, line, context)
                context.emit(replace(drawn, warnings=(*drawn.warnings, *alone)))
            except (DitpipeError, ValueError) as error:
                context.emit(LineFailed(line.key, one_line(error)))
            except Exception:
                log.exception("line %s failed", line.key[:16])
                context.emit(LineFailed(line.key, "an internal error; the log says more"))

    return draw


def _drawn_together(agent: Agent, lines: Sequence[LineInput], context: JobContext) -> list[LineDrawn]:
    """One round of lines that share all settings but the seed, in one batch."""
    painters = [agent.with_settings(**line.options) for line in lines]
    requests = [painter.request(line.plan) for painter, line in zip(painters, lines, strict=True) if line.plan]
    with span("render"), drawing_on(agent.renderer.device, context):
        results = agent.renderer.together(requests, context.on_step)
    drawn = []
    for painter, line, result in zip(painters, lines, results, strict=True):
        context.raise_if_stopped()
        started, critique, halted = time.perf_counter(), None, ""
        plan = result.request.plan
        try:
            with span("critique"):
                critique = painter.critic.critique(result.image, plan) if painter.critic else None
        except DitpipeError as error:
            halted = f"round 1 was not judged: {one_line(error)}"
        seconds = result.seconds + time.perf_counter() - started
        notes = [
            *painter.unused_settings,
            *painter.notes,
            *result.warnings,
            *([halted] if halted else []),
        ]
        result = replace(result, warnings=tuple(dict.fromkeys(notes)))
        file = context.folder / f"{line.key}.png"
        write_picture(file, result)
        drawn.append(
            LineDrawn(
                line.key, file.read_bytes(), plan, critique, result.request.seed, 1, seconds, result.warnings, halted
            )
        )
    return drawn


def _drawn(agent: Agent, line: LineInput, context: JobContext) -> LineDrawn:
    """Runs the loop on a line in a folder of its own."""
    started = time.perf_counter()
    painter = agent.with_settings(**line.options, approve=False)
    folder = painter.begin(line.brief or "a plan", plan=line.plan, folder=context.folder / line.key)
    own = replace(context, folder=folder, emit=lambda event: context.emit(event) if type(event) is Stepped else None)
    last = painter.run(folder, own)
    assert isinstance(last, Finished)  # no plan waits for approval here
    return _reported(last.painting, line.key, time.perf_counter() - started)


def _reported(painting: Painting, key: str, seconds: float) -> LineDrawn:
    best = painting.best
    return LineDrawn(
        key, painting.path.read_bytes(), best.plan, best.critique, best.request.seed, len(painting.rounds), seconds,
        read_metadata(painting.path)[1], painting.halted,
    )  # fmt: skip
