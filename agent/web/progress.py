"""How far a turn is, in words and figures for a person."""

import time
from dataclasses import dataclass
from typing import Any

from ...tools.jobs.job_events import JobEvent, Stepped
from ..chat.turn_job import Replied, Understood
from ..events import Critiqued, Planned, Rendered, Revised

SLOW = 10.0  # seconds: a longer remaining time is shown


@dataclass(frozen=True)
class Progress:
    """How far the turns of a job are. `total` is 0 while unknown; `preview` is a PNG, number `previews` of this job.

    `messages`: those that were sent, of which the job's turns record one after the other.
    """

    text: str
    done: int = 0
    total: int = 0
    preview: bytes | None = None
    previews: int = 0
    stoppable: bool = True
    messages: tuple[str, ...] = ()
    job: str = ""


class Narration:
    """Turns events into what a person reads."""

    def __init__(self) -> None:
        self._previews, self._start_time, self._round = 0, 0.0, 0

    def of(self, event: JobEvent) -> dict[str, Any]:
        """The fields of Progress that the event changes."""
        match event:
            case Understood():
                return {"text": "Planning the picture …" if event.result.kind == "new brief" else "Working on it …"}
            case Planned():
                return {"text": "This is the layout; drawing begins …"}
            case Stepped():
                return self._step(event)
            case Rendered():
                return {"text": "Looking at it …", "total": 0, "done": 0}
            case Critiqued():
                return {"text": "Comparing it with the plan …"}
            case Revised(_, revision):
                return {"text": f"Drawing again: {revision.summary} …"}
            case Replied():
                return {"stoppable": False}
        return {}

    def _step(self, step: Stepped) -> dict[str, Any]:
        now = time.monotonic()
        if step.round != self._round or step.index == 1:
            self._round, self._start_time = step.round, now
        text = "Drawing" if step.round == 1 else f"Drawing, try {step.round}"
        left = (now - self._start_time) / max(1, step.index - 1) * (step.total - step.index) if step.index > 1 else 0
        if left > SLOW:
            text += f"; this machine needs about {_duration(left)} more"
        fields: dict[str, Any] = {"text": f"{text} …", "done": step.index, "total": step.total}
        if step.preview:
            self._previews += 1
            fields |= {"preview": step.preview, "previews": self._previews}
        return fields


def _duration(seconds: float) -> str:
    return f"{round(seconds / 60)} minutes" if seconds >= 90 else f"{round(seconds / 10) * 10} seconds"
