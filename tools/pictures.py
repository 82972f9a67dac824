"""Render, critique and revise as LangChain tools; each takes what does the work as an argument."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from langchain_core.tools import BaseTool, StructuredTool
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ..prompts.scene import Critique, Revision, ScenePlan
from ..renderer.picture import open_image, png_bytes, write
from ..renderer.pipeline import OnStep, Renderer, RenderRequest, RenderResult


class RenderArguments(RenderRequest):
    """A render request and where the picture goes."""

    path: str = Field(description="file to write, ending in .png")


class CritiqueArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")
    plan: ScenePlan = Field(description="the plan that the picture should fulfil")
    path: str = Field(description="the picture file to judge")


class ReviseArguments(BaseModel):
    model_config = ConfigDict(extra="forbid")
    plan: ScenePlan = Field(description="the plan to change")
    revision: Revision = Field(description="the regions that change")


def render_picture(renderer: Renderer, on_step: OnStep | None = None) -> BaseTool:
    """The tool `render_picture`: draws a plan into a PNG; the artifact is the RenderResult."""

    def run(**arguments: Any) -> tuple[str, RenderResult]:
        request = RenderRequest(**{name: value for name, value in arguments.items() if name != "path"})
        result = renderer.render(request, on_step)
        write(Path(arguments["path"]), png_bytes(result))
        return f"Drew {len(request.plan.regions)} regions into {arguments['path']} in {result.seconds:.1f} s.", result

    return StructuredTool.from_function(
        run,
        name="render_picture",
        description="Draw a scene plan with its regions and write the picture to a PNG file.",
        args_schema=RenderArguments,
        response_format="content_and_artifact",
    )


def critique_picture(critique: Callable[[Image.Image, ScenePlan], Critique]) -> BaseTool:
    """The tool `critique_picture`: judges a picture file against a plan; the artifact is the Critique."""

    def run(plan: ScenePlan, path: str) -> tuple[str, Critique]:
        verdict = critique(open_image(Path(path)), plan)
        return verdict.model_dump_json(), verdict

    return StructuredTool.from_function(
        run,
        name="critique_picture",
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
