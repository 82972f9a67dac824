"""A critic's judgement of a picture. The field descriptions are sent to the LLM."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from .plan import Share, StrictModel, optional_field


class RegionScore(StrictModel):
    """Score of one region."""

    name: str = Field(description="name of the region")
    score: Share | None = Field(
        description="0: nothing of the prompt is there, 1: exactly what was asked, null: you cannot judge it"
    )
    seen: str = Field(description="what is seen there")
    problem: str = Field(default="", description="what is wrong, or why it is not judged; empty if nothing")

    @model_validator(mode="after")
    def _says_why(self) -> Self:
        if self.score is None and not self.problem:
            raise ValueError("a region that is not judged needs a problem that says why")
        return self


class Critique(StrictModel):
    """A judgement of one picture against its plan."""

    score: Share | None = Field(description="the whole picture, 0 to 1; null only if no region is judged")
    regions: list[RegionScore] = Field(description="one entry per region of the plan")
    summary: str = Field(default="", description="one sentence about the whole picture")
    scene: Share | None = optional_field(
        None, description="the scene alone: setting, light, style, what must not be there; null: nobody judged it"
    )
