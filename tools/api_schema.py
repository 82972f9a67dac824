"""Arguments and answers of the tools for LangChain, MCP and HTTP alike. The descriptions are sent to the LLM."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, create_model, model_validator

from ..prompts.critique import Critique
from ..prompts.errors import UnknownPicture
from ..prompts.layout.canvas import read_aspect
from ..prompts.outside_json import read_bounded
from ..prompts.plan import MAX_BRIEF, Box, LeveledPrompt, Prompt, ScenePlan, Side, StrictModel
from ..prompts.prompt_style import sync_revision
from ..prompts.revision import Revision
from ..prompts.wording import caption
from ..renderer.checkpoints.registry import Checkpoint
from ..renderer.pictures.artifacts import read_metadata, read_request
from ..renderer.regions.prompt_schedule import preset
from ..renderer.request import RenderRequest, Solver
from .arguments import Arguments
from .jobs.engine import STATES, Job, Status
from .jobs.service import PictureService

SCHEME = "picture://"  # of a picture's address as an MCP resource; with it, it is understood as an id, too
Seed = Annotated[int, Field(ge=0, lt=2**62)]
MAX_STEPS = 200
MAX_ROUNDS, MAX_CANDIDATES = 5, 4  # of a run
MAX_EDITS, MAX_BATCH, MAX_STEPS_IN_ALL = 16, 4, 1000  # of an uploaded picture, which is rendered from its first step
Steps = Annotated[int, Field(ge=1, le=MAX_STEPS)]
Brief = Annotated[str, Field(min_length=1, max_length=MAX_BRIEF, description="what the picture should show, in words")]
Aspect = Annotated[str, Field(pattern="^[1-9][0-9]{0,3}:[1-9][0-9]{0,3}$"), AfterValidator(read_aspect)]
PictureId = Annotated[
    str,
    BeforeValidator(lambda value: value.removeprefix(SCHEME) if isinstance(value, str) else value),
    Field(pattern="^[0-9a-f]{32}$", description="id of a picture, as a drawing tool returned it"),
]
PlanBrief = Callable[[str, int | None, int | None, str | None], ScenePlan]  # of a brief, width, height and aspect
Wait = Annotated[
    bool, Field(description="true: come back with the picture if it is soon done; false: at once, with its id")
]
LeveledWords = Annotated[
    LeveledPrompt, BeforeValidator(lambda value: value, json_schema_input_type=LeveledPrompt | Prompt)
]  # the model itself reads a plain text as the high level; this puts it in the schema


class RenderInput(Arguments):
    """Input of a job "render": a plan."""

    plan: ScenePlan = Field(description="what is where: the scene and its regions")
    seed: Seed | None = Field(default=None, description="seed of the noise; null: the server's")
    steps: Steps | None = Field(default=None, description="denoising steps; null: the server's")
    guidance_scale: float | None = Field(default=None, ge=1, le=30, description="CFG scale; null: the server's")
    solver: Solver | None = Field(default=None, description="how the steps are computed; null: the server's")


class RedrawInput(RenderInput):
    """`RenderInput` of a job that draws in place of another picture. `notes`: warnings to add to the picture's."""

    notes: list[str] = []


class PlanArguments(Arguments):
    brief: Brief
    width: Side | None = Field(default=None, description="picture width in pixels; null: the model's")
    height: Side | None = Field(default=None, description="picture height in pixels; null: the model's")
    aspect: Aspect | None = Field(
        default=None, description="the picture's shape in place of width and height, e.g. '16:9'; null: the model's"
    )

    @model_validator(mode="after")
    def _has_one_shape(self) -> Self:
        if self.aspect and (self.width or self.height):
            raise ValueError("give the aspect, or width and height")
        return self


class PaintInput(PlanArguments):
    """Input of a job "paint": a brief, which is planned, rendered, criticised and revised."""

    seed: Seed | None = Field(default=None, description="seed of the noise; null: the server's")
    steps: Steps | None = Field(default=None, description="denoising steps; null: the server's")
    solver: Solver | None = Field(default=None, description="how the steps are computed; null: the server's")
    rounds: int | None = Field(
        default=None, ge=1, le=MAX_ROUNDS, description="most rounds of draw and mend; null: default"
    )
    candidates: int | None = Field(
        default=None, ge=1, le=MAX_CANDIDATES, description="pictures per round; null: default"
    )


class EditInput(StrictModel):
    """Input of a job "edit": a picture's request, the revision of it, and its id if it was drawn here.

    `protected`: a hash of the uploaded pixels outside the free shape of the revision. `notes`: warnings to add to the
    picture's.
    """

    request: RenderRequest
    revision: Revision
    base: PictureId | None = None
    protected: str | None = None
    notes: list[str] = []


class RenderArguments(RenderInput):
    wait: Wait = True


class PaintArguments(PaintInput):
    wait: Wait = True


class EditArguments(Arguments):
    id: PictureId
    region: str = Field(min_length=1, max_length=60, description="name of the region to change, as in the plan")
    prompt: LeveledWords | None = Field(
        default=None, description="what is to be there, as a text or in two levels; null: as it was"
    )
    box: Box | None = Field(default=None, description="new place of the region; null: where it was")
    negative: Prompt | None = Field(default=None, description="what must not appear in the region; null: as it was")
    seed: Seed | None = Field(default=None, description="new noise for the region; null: as it was")
    scene: LeveledPrompt | None = Field(default=None, description="new scene prompt; null: it follows the region")
    wait: Wait = True


class AddArguments(Arguments):
    id: PictureId
    region: str = Field(min_length=1, max_length=60, description="short unique name of the new region, e.g. 'moon'")
    prompt: LeveledWords = Field(
        description="what is there and what it looks like, as a text or in two levels, e.g. 'a small white moon'"
    )
    box: Box = Field(description="where it is; it is drawn over what is there")
    wait: Wait = True


class RemoveArguments(Arguments):
    id: PictureId
    region: str = Field(min_length=1, max_length=60, description="name of the region to take away, as in the plan")
    wait: Wait = True


class ChangeArguments(Arguments):
    id: PictureId
    message: Brief = Field(
        description="what is to change, in a person's words: 'make the cat orange', 'add a moon at the top', 'same but "
        "at night', 'remove the dog'"
    )
    wait: Wait = True


class PictureArguments(Arguments):
    id: PictureId


class GetArguments(PictureArguments):
    wait: Wait = False


class Picture(StrictModel):
    """A picture that is drawn or being drawn."""

    id: PictureId
    status: Status = Field(description="queued, running, done, failed or cancelled")
    step: int = Field(description="denoising steps done")
    steps: int = Field(description="denoising steps in all; 0 until drawing has begun")
    error: str = Field(default="", description="why it failed")
    uri: str = Field(description="the picture as an MCP resource")
    path: str | None = Field(default=None, description="where the PNG is: a file, or over HTTP a path of the server")
    preview: str | None = Field(default=None, description="where a small PNG of it is")
    seed: int | None = Field(default=None, description="seed of the noise")
    plan: ScenePlan | None = Field(default=None, description="what was drawn where")
    critique: Critique | None = Field(
        default=None,
        description="what the critic saw in each region of a painted or edited picture; null: nobody judged it",
    )
    warnings: tuple[str, ...] = Field(
        default=(), description="what was not drawn as asked, or why a queued picture waits, one sentence each"
    )


class Report(StrictModel):
    """Facts about a finished picture that its PNG does not hold; a file in its job's folder."""

    critique: Critique | None = None
    warnings: tuple[str, ...] = ()


REPORT = "report.json"  # in a job's folder


def read_report(folder: Path) -> Report:
    """The report that a handler wrote in its job's folder; an empty one if there is none, or if it cannot be read."""
    try:
        return Report.model_validate_json(read_bounded(folder / REPORT))
    except (OSError, ValueError):
        return Report()


def picture_of(service: PictureService, job: Job) -> Picture:
    """A job as callers see it. Raises UnknownPicture if a finished job's file is gone, RunError if it is broken."""
    fields: dict[str, Any] = {name: getattr(job, name) for name in ("id", "status", "step", "steps", "error")}
    fields["uri"] = f"{SCHEME}{job.id}"
    if job.status == "queued" and (reason := service.jobs.waits_for):
        fields["warnings"] = (reason,)
    if job.status == "done":
        path, report = picture_file(service, job), read_report(service.jobs.job_folder(job))
        request, warnings = read_metadata(path)
        fields |= {"path": str(path), "preview": str(service.jobs.file(job, "small"))}
        fields |= {"seed": request.seed, "plan": request.edited_plan, "critique": report.critique}
        fields["warnings"] = tuple(dict.fromkeys([*report.warnings, *warnings]))
    return Picture.model_validate(fields)


def picture_file(service: PictureService, job: Job, kind: str = "") -> Path:
    """A finished job's picture, as `kind` says of `JobEngine.file`. Raises UnknownPicture if somebody took it away."""
    file = service.jobs.file(job, kind)
    if not file.is_file():
        raise UnknownPicture(f"the file of picture {job.id} is gone")
    return file


def describe_picture(picture: Picture) -> str:
    """A picture in a sentence, for a model that reads text."""
    if picture.status == "done" and picture.plan:
        scores = {region.name: region for region in picture.critique.regions} if picture.critique else {}
        regions = []
        for region in picture.plan.regions:
            region_score = scores.get(region.name)
            if region_score is None:
                score = ""
            else:
                score = ", not judged" if region_score.score is None else f", score {region_score.score:.2f}"
            regions.append(f"{region.name} ({caption(region.prompt)}{score})")
        size = f"{picture.plan.width}×{picture.plan.height}"
        about = f"{size} pixels, seed {picture.seed}, regions: {', '.join(regions)}"
        sentences = [f"Picture {picture.id} is done: {about}."]
        sentences += [f"File: {picture.path}"] if picture.path else []  # remote callers get a link
        return " ".join([*sentences, *(f"Note: {warning}." for warning in picture.warnings)])
    if picture.status in ("queued", "running"):
        where = f"step {picture.step} of {picture.steps}" if picture.steps else picture.status
        waits = "".join(f"; {warning}" for warning in picture.warnings)
        return f"Picture {picture.id} is not done yet: {where}{waits}. Ask get_picture for it."
    return f"Picture {picture.id} {STATES[picture.status]}{': ' + picture.error if picture.error else ''}."


def edit_of_picture(service: PictureService, picture_id: str, revision: Revision, *, caller: str) -> EditInput:
    """The edit of a picture that was drawn here. Raises as `request_of` and `edit_of_request` do."""
    request = request_of(service, picture_id, caller=caller)
    return edit_of_request(service, request, revision, base=picture_id)


def request_of(service: PictureService, picture_id: str, *, caller: str) -> RenderRequest:
    """The request of a finished picture. Raises UnknownPicture; ValueError if it is not done."""
    job = service.jobs.get(picture_id, caller=caller)
    if job.status != "done":
        raise ValueError(f"picture {job.id} {STATES[job.status]}; only a picture that is done can be changed")
    return read_request(picture_file(service, job))


def edit_of_request(
    service: PictureService, request: RenderRequest, revision: Revision, *, base: PictureId | None = None
) -> EditInput:
    """The edit that draws a revision into the picture of a request; the scene prompt follows it. Raises ValueError if
    the plan has no such region or has all of it already, or if the picture is too large."""
    plan = request.edited_plan
    check_size(service, plan.width, plan.height)
    if revision.apply(plan) == plan:
        raise ValueError("nothing to change: the picture's plan says all of this already")
    return EditInput(request=request, revision=sync_revision(revision, plan), base=base)


def redraw_of(
    request: RenderRequest, plan: ScenePlan, *, seed: int, here: RenderRequest, checkpoint: Checkpoint
) -> RedrawInput:
    """A plan drawn as a whole in the way of another picture's request. Its notes say which settings are the server's
    instead: `here` is a request with these."""
    usual = preset(checkpoint.prompt_schedule)  # where a request leaves it to the model
    unlike = ["prompt schedule"] if (request.prompt_schedule or usual) != (here.prompt_schedule or usual) else []
    unlike += [
        name.replace("_", " ") for name in ("step_cache", "dtype") if getattr(request, name) != getattr(here, name)
    ]
    notes = [f"{name}: this server's, not that of the picture" for name in unlike]
    fields = request.model_dump(include={"steps", "guidance_scale", "solver"})
    return RedrawInput(plan=plan, seed=seed, notes=notes, **fields)


def check_upload(service: PictureService, request: RenderRequest, *, here: RenderRequest, steps: int) -> None:
    """Raises ValueError if an uploaded picture's request needs what this server lacks, or too much computation.

    `here`: a request with this server's settings. `steps`: the model's default.
    """
    check_size(service, request.plan.width, request.plan.height)
    if request.model not in (None, here.model):
        raise ValueError(f"image: {request.model[:80]!r} drew this picture; only {here.model!r} draws here")
    if request.files or (request.compile and not here.compile):
        raise ValueError("this picture was made with options or files of its own machine; it is not drawn again here")
    if request.save_memory != here.save_memory:  # the weights would be reloaded for it, and for the next picture
        raise ValueError(
            f"this picture was made with save_memory={request.save_memory}; only {here.save_memory} is drawn here"
        )
    if request.dtype != here.dtype:
        usual = here.dtype or "the usual one"
        raise ValueError(f"this picture was made with dtype={request.dtype}; only {usual} is drawn here")
    check_work(request, steps=request.steps or steps, edits=len(request.edits) + 1)


def check_work(request: RenderRequest, *, steps: int, edits: int) -> None:
    """Raises ValueError if an uploaded request needs too many steps in all; every edit counts `steps`."""
    pictures = len(request.together or [request.seed])
    if steps > MAX_STEPS or pictures > MAX_BATCH or edits > MAX_EDITS:
        limits = f"{MAX_STEPS} steps, {MAX_BATCH} pictures together and {MAX_EDITS} edits"
        raise ValueError(f"at most {limits} of an uploaded picture are drawn here")
    if steps * (pictures + edits) > MAX_STEPS_IN_ALL:
        total = f"{steps} steps of {pictures} pictures and {edits} edits are too many"
        raise ValueError(f"{total}: at most {MAX_STEPS_IN_ALL} in all are drawn for an uploaded picture")


def check_run(*, steps: int, rounds: int, candidates: int) -> None:
    """Raises ValueError if a run of another's folder draws more than a server would."""
    if steps > MAX_STEPS or rounds > MAX_ROUNDS or candidates > MAX_CANDIDATES:
        limits = f"{MAX_STEPS} steps, {MAX_ROUNDS} rounds and {MAX_CANDIDATES} candidates"
        raise ValueError(f"a server draws at most {limits}")
    if steps * rounds * candidates > MAX_STEPS_IN_ALL:
        raise ValueError(f"a server draws at most {MAX_STEPS_IN_ALL} steps in all")


def edit_of_upload(
    service: PictureService, request: RenderRequest, revision: Revision, *, here: RenderRequest, steps: int
) -> EditInput:
    """The edit of an uploaded picture. Raises ValueError as `check_upload` and `edit_of_request` do."""
    check_upload(service, request, here=here, steps=steps)
    return edit_of_request(service, request, revision)


def check_size(service: PictureService, width: int | None, height: int | None) -> None:
    """Raises ValueError if a picture is larger than this service draws."""
    if max(width or 0, height or 0) > service.largest:
        raise ValueError(f"{width}×{height} pixels are too many: at most {service.largest} a side are drawn here")


def with_size_limits(
    schema: type[BaseModel], *, largest: int, usual: tuple[int, int], multiple: int
) -> type[BaseModel]:
    """The arguments with the largest side, the usual width and height and what sides are multiples of in their schema,
    in pixels."""

    sides = dict(zip(("width", "height"), usual, strict=True))

    def side(name: str) -> dict[str, Any]:
        about = f"picture {name} in pixels; normally {sides[name]}"
        return {"ge": 64, "le": largest, "multiple_of": multiple, "description": about}

    fields: dict[str, Any] = {
        name: (int | None, Field(default=None, **side(name))) for name in sides if name in schema.model_fields
    }
    if "plan" in schema.model_fields:
        sized: dict[str, Any] = {
            name: (int, Field(default=max(64, min(pixels, largest) // multiple * multiple), **side(name)))
            for name, pixels in sides.items()
        }
        plan = create_model("ScenePlan", __base__=ScenePlan, __doc__=ScenePlan.__doc__, **sized)
        fields["plan"] = (plan, schema.model_fields["plan"])
    return create_model(schema.__name__, __base__=schema, __doc__=schema.__doc__, **fields) if fields else schema
