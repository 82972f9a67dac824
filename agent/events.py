"""The result of a run (rounds, the best of them) and the events that it reports on the way. Knows no model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..prompts.critique import Critique
from ..prompts.plan import ScenePlan
from ..prompts.revision import Revision
from ..renderer.pictures.artifacts import open_image
from ..renderer.request import RenderRequest
from ..tools.jobs.job_events import JobEvent
from ..tools.jobs.job_events import Stepped as Stepped  # it is one of these events
from .refine.edit_review import Comparison


def score_key(critique: Critique | None) -> float:
    """Sort key of a critique: its score; unjudged pictures come last."""
    return -1.0 if critique is None or critique.score is None else critique.score


def rank_key(critique: Critique | None, comparison: Comparison | None) -> tuple[int, float]:
    """Sort key of a round: regions gained minus regions lost, then its score."""
    return comparison.balance if comparison else 0, score_key(critique)


@dataclass(frozen=True)
class Candidate:
    """One of several pictures of a round's plan."""

    path: Path
    critique: Critique | None


@dataclass(frozen=True)
class Round:
    """One plan, its picture file and the critique of it (None without a critic).

    `candidates`: all pictures of the round in the order of drawing, the best one included, if there were several.
    `comparison`: with the picture that the run edits, if it edits one. Round 0 is that picture itself.
    """

    number: int
    request: RenderRequest
    path: Path
    critique: Critique | None
    candidates: tuple[Candidate, ...] = ()
    comparison: Comparison | None = None

    @property
    def plan(self) -> ScenePlan:
        return self.request.edited_plan

    @property
    def score(self) -> float | None:
        return self.critique.score if self.critique else None

    @property
    def image(self) -> Image.Image:
        """The picture, read from its file. Raises RunError."""
        return open_image(self.path)


@dataclass(frozen=True)
class Painting:
    """All rounds of one brief. `path` is the picture to show: the best round's, which need not be the last.

    `before`: the picture that the run edits, as round 0, if it edits one. It is the best round if all others are worse
    (see `edit_review`). `halted`: how a critic or a reviser failed after the last round was drawn, which nobody judged
    or mended then; `resume`: the command that goes on from there. Empty if none failed.
    """

    brief: str
    folder: Path
    rounds: tuple[Round, ...]
    before: Round | None = None
    halted: str = ""
    resume: str = ""

    @property
    def best(self) -> Round:
        best = self.best_try
        return self.before if self.before and best.comparison and best.comparison.is_worse else best

    @property
    def best_try(self) -> Round:
        """The best of `rounds`, even if it is worse than `before`."""
        return max(self.rounds, key=lambda round_: rank_key(round_.critique, round_.comparison))

    @property
    def notes(self) -> list[str]:
        """What was not judged or mended, what is worse than in the edited picture, or why that one stays: clauses, as
        warnings are."""
        best, halted = self.best_try, [self.halted] if self.halted else []
        if best.comparison is None:
            return halted
        if not self.best.number:
            tries = "one try" if len(self.rounds) == 1 else f"{len(self.rounds)} tries"
            return [*halted, f"the picture is as it was: in the best of {tries} {' and '.join(best.comparison.notes)}"]
        return [*halted, *best.comparison.notes]

    @property
    def path(self) -> Path:
        return self.folder / "picture.png"


@dataclass(frozen=True)
class Planned(JobEvent):
    plan: ScenePlan


@dataclass(frozen=True)
class Waiting(JobEvent):
    """The plan waits for approval: `Agent.resume(folder, approved=True)`, or a changed plan instead of True."""

    plan: ScenePlan
    folder: Path

    def public_json(self) -> dict[str, Any]:
        return {"plan": self.as_json()["plan"]}


@dataclass(frozen=True)
class Rendered(JobEvent):
    round: int
    path: Path
    seconds: float
    warnings: tuple[str, ...]

    def public_json(self) -> dict[str, Any]:
        return {name: value for name, value in self.as_json().items() if name != "path"}


@dataclass(frozen=True)
class Critiqued(JobEvent):
    round: int
    critique: Critique


@dataclass(frozen=True)
class Compared(JobEvent):
    """A round compared with the picture that the run edits."""

    round: int
    comparison: Comparison


@dataclass(frozen=True)
class Revised(JobEvent):
    round: int
    revision: Revision


@dataclass(frozen=True)
class Finished(JobEvent):
    painting: Painting

    def public_json(self) -> dict[str, Any]:
        return {"best": self.painting.best.number}


Event = Planned | Waiting | Stepped | Rendered | Critiqued | Compared | Revised | Finished
EVENTS = (Planned, Waiting, Stepped, Rendered, Critiqued, Compared, Revised, Finished)
