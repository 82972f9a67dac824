"""What a brief becomes: rounds, the best of them, and the events on the way. Knows no model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..prompts.critique import Critique
from ..prompts.plan import ScenePlan
from ..prompts.revision import Revision
from ..renderer.pictures.artifacts import open_image
from ..renderer.request import RenderRequest, Step
from .edit_review import Comparison


def score_key(critique: Critique | None) -> float:
    """The score as a key to choose the best by: what nobody judged comes last."""
    return -1.0 if critique is None or critique.score is None else critique.score


def shown_in(drawn: dict[str, Any]) -> ScenePlan:
    """The plan that a finished picture shows, its edits included; `drawn`: the picture as a run keeps it."""
    return RenderRequest.model_validate(drawn["request"]).edited_plan


def comparison_of(drawn: dict[str, Any]) -> Comparison | None:
    """What a picture, as a run keeps it, is beside the one that the run changes."""
    return Comparison.model_validate(drawn["comparison"]) if drawn.get("comparison") else None


def rank_key(critique: Critique | None, comparison: Comparison | None) -> tuple[int, float]:
    """A round as a key to choose the best by: what it gained less what it lost, then its score."""
    return comparison.balance if comparison else 0, score_key(critique)


@dataclass(frozen=True)
class Candidate:
    """One of several pictures of a round's plan."""

    path: Path
    critique: Critique | None


@dataclass(frozen=True)
class Round:
    """One plan, its picture file and what the critic said of it (None without a critic).

    `candidates`: all pictures of the round in the order of drawing, the best one included, if there were several.
    `comparison`: the round beside the picture that the run changes, if it changes one. Number 0 is that picture itself.
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

    `before`: the picture that the run changes, as round 0, if it changes one. It is the best round if every other one
    came out worse than it (see `comparing`).
    """

    brief: str
    folder: Path
    rounds: tuple[Round, ...]
    before: Round | None = None

    @property
    def best(self) -> Round:
        best = self.best_try
        return self.before if self.before and best.comparison and best.comparison.is_worse else best

    @property
    def best_try(self) -> Round:
        """The best of `rounds`, were it worse than the picture before."""
        return max(self.rounds, key=lambda round_: rank_key(round_.critique, round_.comparison))

    @property
    def notes(self) -> list[str]:
        """What is worse than in the picture that the run changes, or why that one stays: clauses, as warnings are."""
        best = self.best_try
        if best.comparison is None:
            return []
        if not self.best.number:
            tries = "one try" if len(self.rounds) == 1 else f"{len(self.rounds)} tries"
            return [f"the picture is as it was: in the best of {tries} {' and '.join(best.comparison.notes)}"]
        return best.comparison.notes

    @property
    def path(self) -> Path:
        return self.folder / "picture.png"


@dataclass(frozen=True)
class Planned:
    plan: ScenePlan


@dataclass(frozen=True)
class Waiting:
    """The run stops here until somebody says yes: `Agent.resume(folder, approved=True)`, or a changed plan for True."""

    plan: ScenePlan
    folder: Path


@dataclass(frozen=True)
class Stepped:
    """A step of a round, counted over all its candidates."""

    round: int
    step: Step


@dataclass(frozen=True)
class Rendered:
    round: int
    path: Path
    seconds: float
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Critiqued:
    round: int
    critique: Critique


@dataclass(frozen=True)
class Compared:
    """A round beside the picture that the run changes."""

    round: int
    comparison: Comparison


@dataclass(frozen=True)
class Revised:
    round: int
    revision: Revision


@dataclass(frozen=True)
class Finished:
    painting: Painting


Event = Planned | Waiting | Stepped | Rendered | Critiqued | Compared | Revised | Finished
