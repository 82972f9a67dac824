"""The loop's own verbs, as LangChain tools on files; each takes what does the work as an argument.

What other agents are given is in `studio_tools.py`: there pictures have ids, and no caller names a file.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ..prompts.scene import Critique, Revision, ScenePlan
from ..renderer.picture import open_image, png_bytes, write
from ..renderer.pipeline import OnStep, Renderer, RenderRequest, RenderResult


class CandidatesArguments(RenderRequest):
    """A render request and where its candidates go."""

    paths: list[str] = Field(min_length=1, max_length=16, description="files to write, ending in .png, one a picture")


class CritiqueArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")
    plan: ScenePlan = Field(description="the plan that the picture should fulfil")
    path: str = Field(description="the picture file to judge")


class ReviseArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")
    plan: ScenePlan = Field(description="the plan to change")
    revision: Revision = Field(description="the regions that change")


def render_candidates(renderer: Renderer, on_step: OnStep | None = None) -> BaseTool:
    """The tool `render_candidates`: one batch of pictures of one plan; the artifact is a list of RenderResult."""

    def run(**arguments: Any) -> tuple[str, list[RenderResult]]:
        paths = [Path(path) for path in arguments["paths"]]
        request = RenderRequest(**{name: value for name, value in arguments.items() if name != "paths"})
        results = renderer.candidates(request, len(paths), on_step)
        for path, result in zip(paths, results, strict=True):
            write(path, png_bytes(result))
        return f"Drew {len(paths)} pictures of {len(request.plan.regions)} regions.", results

    return StructuredTool.from_function(
        run,
        name="render_candidates",
        description="Draw several pictures of one scene plan in one batch, each from its own noise, as PNG files.",
        args_schema=CandidatesArguments,
        response_format="content_and_artifact",
    )


def critique_file(critique: Callable[[Image.Image, ScenePlan], Critique]) -> BaseTool:
    """The tool `critique_file`: judges a picture file against a plan; the artifact is the Critique."""

    def run(plan: ScenePlan, path: str) -> tuple[str, Critique]:
        verdict = critique(open_image(Path(path)), plan)
        return verdict.model_dump_json(), verdict

    return StructuredTool.from_function(
        run,
        name="critique_file",
        description="Judge how well a picture file shows what a scene plan asks for, region by region.",
        args_schema=CritiqueArguments,
        response_format="content_and_artifact",
    )


def revise_plan() -> BaseTool:
    """The tool `revise_plan`: applies a revision to a plan; the artifact is the new ScenePlan."""

    def run(plan: ScenePlan, revision: Revision) -> tuple[str, ScenePlan]:
        changed = revision.apply(plan)
        return changed.model_dump_json(), changed

    return StructuredTool.from_function(
        run,
        name="revise_plan",
        description="Change some regions of a scene plan and leave the others as they are.",
        args_schema=ReviseArguments,
        response_format="content_and_artifact",
    )
