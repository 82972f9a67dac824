"""A finished picture as the state of a run records it, and the rounds that its events report."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ...prompts.critique import Critique
from ...prompts.plan import ScenePlan
from ...renderer.pictures.file_ref import path_inside
from ...renderer.request import RenderRequest
from ..events import Candidate, Round, rank_key
from ..refine.edit_review import Comparison


class CandidateEntry(BaseModel):
    """A picture of a round. `path` is relative to the folder of the run, which may be moved."""

    path: str
    critique: Critique | None = None


class Entry(CandidateEntry):
    """A drawn picture; of a finished round, its best. `comparison`: with the picture that the run edits, if any.
    `candidates`: all pictures of the round, if there were several."""

    request: RenderRequest
    comparison: Comparison | None = None
    candidates: list[CandidateEntry] = []

    @property
    def plan(self) -> ScenePlan:
        """The plan that the picture shows, its edits included."""
        return self.request.edited_plan

    @property
    def rank(self) -> tuple[int, float]:
        """Sort key: the best picture has the greatest."""
        return rank_key(self.critique, self.comparison)

    def as_state(self) -> dict[str, Any]:
        """Plain JSON for the checkpoints; `Entry.model_validate` reads it."""
        state: dict[str, Any] = {"request": self.request.model_dump(), "path": self.path}
        state["critique"] = self.critique.model_dump() if self.critique else None
        if self.comparison:
            state["comparison"] = self.comparison.model_dump()
        if self.candidates:
            state["candidates"] = [candidate.model_dump() for candidate in self.candidates]
        return state

    def as_round(self, folder: Path, number: int) -> Round:
        """The same with paths under `folder`."""
        candidates = tuple(Candidate(path_inside(folder, c.path), c.critique) for c in self.candidates)
        return Round(number, self.request, path_inside(folder, self.path), self.critique, candidates, self.comparison)
