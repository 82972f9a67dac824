"""What callers ask for and what they get: the same types for LangChain, MCP and HTTP. Descriptions go to the LLM."""

from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, Field, create_model, model_validator

from ..prompts.critique import Critique
from ..prompts.outside_json import parse_json
from ..prompts.plan import MAX_BRIEF, Box, LeveledPrompt, Prompt, ScenePlan, Side, StrictModel
from ..prompts.prompt_style import sync_revision
from ..prompts.revision import Revision
from ..renderer.pictures.artifacts import read_metadata, read_request
from ..renderer.request import RenderRequest, Solver
from .jobs.queue import Job, Status
from .jobs.service import Studio

Seed = Annotated[int, Field(ge=0, lt=2**62)]
MAX_STEPS = 200
MAX_EDITS, MAX_BATCH, MAX_STEPS_IN_ALL = 16, 4, 1000  # of an uploaded picture, which is drawn from its beginning
Steps = Annotated[int, Field(ge=1, le=MAX_STEPS)]
Brief = Annotated[str, Field(min_length=1, max_length=MAX_BRIEF, description="what the picture should show, in words")]
PictureId = Annotated[
    str, Field(pattern="^[0-9a-f]{32}$", description="id of a picture, as a drawing tool returned it")
]
Wait = Annotated[
    bool, Field(description="true: come back with the picture if it is soon done; false: at once, with its id")
]
LeveledWords = Annotated[
    LeveledPrompt, BeforeValidator(lambda value: value, json_schema_input_type=LeveledPrompt | Prompt)
]  # the contract itself reads a plain text as the high level; here the schema says so


class Arguments(StrictModel):
    """What a call may carry. Some hosts send an object, a list or a null as its JSON text; it is read as what it is."""

    @model_validator(mode="before")
    @classmethod
    def _unpacked(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        packed = {name for name, field in cls.model_fields.items() if not _is_text(field.annotation)}
        return {name: _from_json(value) if name in packed else value for name, value in values.items()}


def _is_text(annotation: Any) -> bool:
    """Whether a field's type takes free text."""
    return annotation is str or any(_is_text(part) for part in get_args(annotation))


def _from_json(value: Any) -> Any:
    """What a text says in JSON if that is an object, a list or null; else the value itself."""
    if not isinstance(value, str) or not value.strip().startswith(("{", "[", "null")):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return value


class RenderOrder(Arguments):
    """A plan to draw."""

    plan: ScenePlan = Field(description="what is where: the scene and its regions")
    seed: Seed | None = Field(default=None, description="seed of the noise; null: the server's")
    steps: Steps | None = Field(default=None, description="denoising steps; null: the server's")
    guidance_scale: float | None = Field(default=None, ge=1, le=30, description="CFG scale; null: the server's")
    solver: Solver | None = Field(default=None, description="how the steps are computed; null: the server's")


class PaintOrder(Arguments):
    """A brief to paint: planned, drawn, criticised and mended."""

    brief: Brief
    width: Side | None = Field(default=None, description="picture width in pixels; null: the model's")
    height: Side | None = Field(default=None, description="picture height in pixels; null: the model's")
    seed: Seed | None = Field(default=None, description="seed of the noise; null: the server's")
    steps: Steps | None = Field(default=None, description="denoising steps; null: the server's")
    solver: Solver | None = Field(default=None, description="how the steps are computed; null: the server's")
    rounds: int | None = Field(default=None, ge=1, le=5, description="most rounds of draw and mend; null: default")
    candidates: int | None = Field(default=None, ge=1, le=4, description="pictures per round; null: default")


class EditOrder(StrictModel):
    """A drawn picture to change: its request, the revision that names the regions, and its id if it was drawn here.

    `protected`: a hash of the pixels, as they were sent, outside the free shape that the revision draws in; `notes`:
    what of the order cannot be done, for the picture's warnings.
    """

    request: RenderRequest
    revision: Revision
    base: PictureId | None = None
    protected: str | None = None
    notes: list[str] = []


class PlanArguments(Arguments):
    brief: Brief
    width: Side | None = Field(default=None, description="picture width in pixels; null: the model's")
    height: Side | None = Field(default=None, description="picture height in pixels; null: the model's")


class RenderArguments(RenderOrder):
    wait: Wait = True


class PaintArguments(PaintOrder):
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
        default=None, description="what the critic saw in each region of a painted picture; null: nobody judged it"
    )
    warnings: tuple[str, ...] = Field(default=(), description="what was not drawn as asked, one sentence each")


class Report(StrictModel):
    """What is known of a finished picture besides the PNG: beside it in the folder of its work."""

    critique: Critique | None = None
    warnings: tuple[str, ...] = ()


REPORT = "report.json"  # in the folder of a work


def read_report(studio: Studio, job: Job) -> Report:
    """What a work left beside its picture; an empty report if it left none, or one that cannot be read."""
    try:
        return Report.model_validate_json((studio.folder / "runs" / job.id / REPORT).read_bytes())
    except (OSError, ValueError):
        return Report()


def picture(studio: Studio, job: Job) -> Picture:
    """What a caller is told of a job. Raises RunError if a file of a finished job is gone."""
    known = {"id": job.id, "status": job.status, "step": job.step, "steps": job.steps, "error": job.error}
    known["uri"] = f"picture://{job.id}"
    if job.status == "done":
        path, report = studio.file(job), read_report(studio, job)
        request, warnings = read_metadata(path)
        known |= {"path": str(path), "preview": str(studio.file(job, "small"))}
        known |= {"seed": request.seed, "plan": request.edited_plan, "critique": report.critique}
        known["warnings"] = tuple(dict.fromkeys([*report.warnings, *warnings]))
    return Picture.model_validate(known)


def told(one: Picture) -> str:
    """A picture in a sentence, for a model that reads text."""
    if one.status == "done" and one.plan:
        scores = {region.name: region for region in one.critique.regions} if one.critique else {}
        regions = []
        for region in one.plan.regions:
            judged = scores.get(region.name)
            score = "" if judged is None else ", not judged" if judged.score is None else f", score {judged.score:.2f}"
            regions.append(f"{region.name} ({region.prompt.text}{score})")
        size = f"{one.plan.width}×{one.plan.height}"
        said = [f"Picture {one.id} is done: {size} pixels, seed {one.seed}, regions: {', '.join(regions)}."]
        said += [f"File: {one.path}"] if one.path else []  # whoever is elsewhere gets a link
        return " ".join([*said, *(f"Note: {warning}." for warning in one.warnings)])
    if one.status in ("queued", "running"):
        where = f"step {one.step} of {one.steps}" if one.steps else one.status
        return f"Picture {one.id} is not done yet: {where}. Ask get_picture for it."
    return f"Picture {one.id} is {one.status}{': ' + one.error if one.error else ''}."


def order_edit(studio: Studio, picture_id: str, revision: Revision, *, caller: str) -> EditOrder:
    """The order that changes a picture. Raises UnknownPicture; ValueError if it is not done or has no such region."""
    job = studio.jobs.get(picture_id, caller=caller)
    if job.status != "done":
        raise ValueError(f"picture {picture_id} is {job.status}; only a picture that is done can be changed")
    return edit_of(studio, read_request(studio.file(job)), revision, base=job.id)


def edit_of(
    studio: Studio, request: RenderRequest, revision: Revision, *, base: PictureId | None = None
) -> EditOrder:
    """The order that draws a revision into the picture of a request, and has the scene prompt follow it. Raises
    ValueError if the plan has no such region, or if the picture is too large."""
    plan = request.edited_plan
    check_size(studio, plan.width, plan.height)
    return EditOrder(request=request, revision=sync_revision(revision, plan), base=base)


def check_upload(studio: Studio, request: RenderRequest, *, here: RenderRequest, steps: int) -> None:
    """Raises ValueError if the request of a picture that a caller sent, a stranger's word, asks for what is not `here`,
    a request with this server's settings, or if it takes too much to draw. `steps`: the model's own."""
    check_size(studio, request.plan.width, request.plan.height)
    if request.model not in (None, here.model):
        raise ValueError(f"image: {request.model[:80]!r} drew this picture; only {here.model!r} draws here")
    if request.files or (request.compile and not here.compile):
        raise ValueError("this picture was made with options or files of its own machine; it is not drawn again here")
    if request.save != here.save:  # the weights would be loaded anew for it, and again for the next picture
        raise ValueError(f"this picture was made with save={request.save}; only {here.save} is drawn here")
    check_work(request, steps=request.steps or steps, edits=len(request.edits) + 1)


def check_work(request: RenderRequest, *, steps: int, edits: int) -> None:
    """Raises ValueError if a stranger's request takes more than is drawn for one: so many steps, and so many edits of
    as many steps."""
    pictures = len(request.together or [request.seed])
    if steps > MAX_STEPS or pictures > MAX_BATCH or edits > MAX_EDITS:
        limits = f"{MAX_STEPS} steps, {MAX_BATCH} pictures together and {MAX_EDITS} edits"
        raise ValueError(f"at most {limits} of an uploaded picture are drawn here")
    if steps * (pictures + edits) > MAX_STEPS_IN_ALL:
        said = f"{steps} steps of {pictures} pictures and {edits} edits are too many"
        raise ValueError(f"{said}: at most {MAX_STEPS_IN_ALL} in all are drawn for an uploaded picture")


def edit_of_upload(
    studio: Studio, request: RenderRequest, revision: Revision, *, here: RenderRequest, steps: int
) -> EditOrder:
    """`edit_of` a picture that a caller sent. Raises ValueError also as `check_upload` does."""
    check_upload(studio, request, here=here, steps=steps)
    return edit_of(studio, request, revision)


def check_size(studio: Studio, width: int | None, height: int | None) -> None:
    """Raises ValueError if a picture is larger than this studio draws."""
    if max(width or 0, height or 0) > studio.largest:
        raise ValueError(f"{width}×{height} pixels are too many: at most {studio.largest} a side are drawn here")


def limited(schema: type[BaseModel], *, largest: int, usual: int) -> type[BaseModel]:
    """Arguments whose schema says how large a picture may be here, and how large it normally is, in pixels a side."""

    def side(name: str) -> dict[str, Any]:
        about = f"picture {name} in pixels; normally {usual}"
        return {"ge": 64, "le": largest, "multiple_of": 16, "description": about}

    sides = ("width", "height")
    fields: dict[str, Any] = {
        name: (int | None, Field(default=None, **side(name))) for name in sides if name in schema.model_fields
    }
    if "plan" in schema.model_fields:
        base = max(64, min(usual, largest) // 16 * 16)
        sized: dict[str, Any] = {name: (int, Field(default=base, **side(name))) for name in sides}
        plan = create_model("ScenePlan", __base__=ScenePlan, __doc__=ScenePlan.__doc__, **sized)
        fields["plan"] = (plan, schema.model_fields["plan"])
    return create_model(schema.__name__, __base__=schema, __doc__=schema.__doc__, **fields) if fields else schema
