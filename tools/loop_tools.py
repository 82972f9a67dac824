"""The loop's own verbs, as LangChain tools on files; each takes what does the work as an argument.

What other agents are given is in `studio_tools.py`: there pictures have ids, and no caller names a file.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langchain_core.tools import BaseTool, StructuredTool
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from ..prompts.critique import Critique
from ..prompts.plan import ScenePlan
from ..prompts.revision import Revision
from ..renderer.pictures.artifacts import open_image, read_result, write_result
from ..renderer.request import OnStep, RenderRequest, RenderResult, Step, candidate_seed

if TYPE_CHECKING:
    from ..renderer.pipeline import Renderer


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


def render_candidates(
    renderer: "Renderer", on_step: OnStep | None = None, *, notes: Sequence[str] = ()
) -> BaseTool:
    """The tool `render_candidates`: one batch of pictures of one plan; the artifact is a list of RenderResult.

    `notes`: what else is to be said of the pictures, among their warnings.
    """

    def run(**arguments: Any) -> tuple[str, list[RenderResult]]:
        paths = [Path(path) for path in arguments["paths"]]
        request = RenderRequest(**{name: value for name, value in arguments.items() if name != "paths"})
        results = [_noted(one, notes) for one in renderer.candidates(request, len(paths), on_step)]
        for path, result in zip(paths, results, strict=True):
            write_result(path, result)
        return f"Drew {len(paths)} pictures of {len(request.plan.regions)} regions.", results

    return StructuredTool.from_function(
        run,
        name="render_candidates",
        description="Draw several pictures of one scene plan in one batch, each from its own noise, as PNG files.",
        args_schema=CandidatesArguments,
        response_format="content_and_artifact",
    )


def edit_candidates(
    renderer: "Renderer", base: Path, on_step: OnStep | None = None, *, notes: Sequence[str] = ()
) -> BaseTool:
    """The tool `edit_candidates`: a request's last edit, drawn into the finished picture `base`, once per path.

    From the second on, the regions of that edit get seeds of their own. The artifact is a list of RenderResult.
    `notes` as in `render_candidates`.
    """

    def run(**arguments: Any) -> tuple[str, list[RenderResult]]:
        request = RenderRequest(**{name: value for name, value in arguments.items() if name != "paths"})
        before, results, paths = read_result(base), [], arguments["paths"]
        for number, path in enumerate(paths):

            def step(one: Step, first: int = number) -> None:  # counted over all pictures
                if on_step:
                    on_step(replace(one, index=first * one.total + one.index, total=len(paths) * one.total))

            result = _noted(renderer.edit(before, _reseeded(request, number), step), notes)
            write_result(Path(path), result)
            results.append(result)
        return f"Drew {len(results)} pictures with {len(request.edits[-1].names)} regions changed.", results

    return StructuredTool.from_function(
        run,
        name="edit_candidates",
        description="Draw what an edit changes into a finished picture, several times from other noise, as PNG files.",
        args_schema=CandidatesArguments,
        response_format="content_and_artifact",
    )


def _noted(result: RenderResult, notes: Sequence[str]) -> RenderResult:
    return replace(result, warnings=tuple(dict.fromkeys([*notes, *result.warnings])))


def _reseeded(request: RenderRequest, number: int) -> Revision:
    """The request's last edit, as candidate `number` from 0 draws it."""
    edit = request.edits[-1]
    if not number:
        return edit
    plan = request.edited_plan

    def seed(name: str) -> int:
        own = plan.region(name).seed
        return candidate_seed(request.seed if own is None else own, number)

    return edit.model_copy(
        update={
            "changes": [one.model_copy(update={"seed": seed(one.name)}) for one in edit.changes],
            "added": [one.model_copy(update={"seed": seed(one.name)}) for one in edit.added],
        }
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
