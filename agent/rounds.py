"""What a brief becomes: rounds, the best of them, and the events on the way. Knows no model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from ..prompts.scene import Critique, Revision, ScenePlan
from ..renderer.picture import open_image
from ..renderer.request import RenderRequest, Step


def standing(critique: Critique | None) -> float:
    """The score as a key to choose the best by: what nobody judged comes last."""
    return -1.0 if critique is None or critique.score is None else critique.score


def shown_in(drawn: dict[str, Any]) -> ScenePlan:
    """The plan that a finished picture shows, its edits included; `drawn`: the picture as a run keeps it."""
    return RenderRequest.model_validate(drawn["request"]).edited_plan


@dataclass(frozen=True)
class Candidate:
    """One of several pictures of a round's plan."""

    path: Path
    critique: Critique | None


@dataclass(frozen=True)
class Round:
    """One plan, its picture file and what the critic said of it (None without a critic).

    `candidates`: all pictures of the round in the order of drawing, the best one included, if there were several.
    """

    number: int
    request: RenderRequest
    path: Path
    critique: Critique | None
    candidates: tuple[Candidate, ...] = ()

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
    """All rounds of one brief. `path` is the picture to show: the best round's, which need not be the last."""

    brief: str
    folder: Path
    rounds: tuple[Round, ...]

    @property
    def best(self) -> Round:
        return max(self.rounds, key=lambda one: standing(one.critique))

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
class Revised:
    round: int
    revision: Revision


@dataclass(frozen=True)
class Finished:
    painting: Painting


Event = Planned | Waiting | Stepped | Rendered | Critiqued | Revised | Finished
