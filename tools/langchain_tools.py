"""The tools for other agents, over one picture service: `PictureTool`s, which LangChain, MCP and schemas are made from.

A call sees only its caller's pictures; the caller is not an argument that a model could set. Cancelling a drawing call
cancels its render.
"""

from collections.abc import Callable
from typing import Any

from PIL import Image
from pydantic import BaseModel

from ..prompts.critique import Critique
from ..prompts.errors import DitpipeError
from ..prompts.plan import Region, ScenePlan
from ..prompts.revision import RegionChange, Revision
from ..renderer.checkpoints.registry import Checkpoint
from ..renderer.pictures.artifacts import open_image, read_request
from ..renderer.request import RenderRequest
from .api_schema import (
    AddArguments,
    ChangeArguments,
    EditArguments,
    GetArguments,
    PaintArguments,
    Picture,
    PictureArguments,
    PlanArguments,
    PlanBrief,
    RemoveArguments,
    RenderArguments,
    check_size,
    describe_picture,
    edit_of_picture,
    picture_file,
    picture_of,
    request_of,
)
from .arguments import Arguments
from .jobs.engine import STATES, Job
from .jobs.service import PictureService
from .requested_change import (
    ChangeReader,
    UnderstandArguments,
    UnderstoodMessage,
    change_input,
    read_change,
    understood,
)
from .tool_spec import Answer, CallEvents, PictureTool

# Hints of the Model Context Protocol, which a host may show before a call.
READS: dict[str, bool] = {"readOnlyHint": True, "openWorldHint": False}
ADDS: dict[str, bool] = {"readOnlyHint": False, "destructiveHint": False, "openWorldHint": False}
ENDS: dict[str, bool] = {
    "readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False,
}  # fmt: skip


def plan_picture(service: PictureService, plan: PlanBrief) -> PictureTool:
    """Brief → ScenePlan, without drawing. `plan`: (brief, width, height, aspect) → plan."""

    def run(arguments: PlanArguments, caller: str) -> Answer:
        check_size(service, arguments.width, arguments.height)
        answer = plan(arguments.brief, arguments.width, arguments.height, arguments.aspect)
        return answer.model_dump_json(), answer

    description = (
        "Turn a brief into a plan of regions, without drawing. Change the plan if you like, then render_picture it."
    )
    return _immediate("plan_picture", description, PlanArguments, run, ScenePlan)


def change_plan(read: ChangeReader) -> PictureTool:
    """(message, plan) → the meaning of the message, without drawing."""

    def run(arguments: UnderstandArguments, caller: str) -> Answer:
        answer = understood(read, arguments)
        return answer.model_dump_json(exclude_defaults=True), answer

    description = "What a person's message makes of a plan, without drawing: the changed plan, or a question back."
    return _immediate("change_plan", description, UnderstandArguments, run, UnderstoodMessage)


def critique_picture(service: PictureService, critique: Callable[[Image.Image, ScenePlan], Critique]) -> PictureTool:
    """Judges a picture against the plan that it was drawn from."""

    def run(arguments: PictureArguments, caller: str) -> Answer:
        job = service.jobs.get(arguments.id, caller=caller)
        if job.status != "done":
            raise ValueError(f"picture {job.id} {STATES[job.status]}; only a picture that is done can be judged")
        file = picture_file(service, job)
        verdict = critique(open_image(file), read_request(file).edited_plan)
        return verdict.model_dump_json(), verdict

    description = "Judge a picture against its plan: a score and what is seen, region by region."
    return _immediate("critique_picture", description, PictureArguments, run, Critique)


def cancel_picture(service: PictureService) -> PictureTool:
    """Ends a job that is queued or running."""

    def run(arguments: PictureArguments, caller: str) -> Answer:
        answer = picture_of(service, service.jobs.cancel(arguments.id, caller=caller))
        return describe_picture(answer), answer

    description = "Stop drawing a picture that is not done yet."
    return _immediate("cancel_picture", description, PictureArguments, run, Picture, hints=ENDS)


def render_picture(service: PictureService) -> PictureTool:
    """ScenePlan → picture."""

    def start(arguments: RenderArguments, caller: str) -> Job:
        check_size(service, arguments.plan.width, arguments.plan.height)
        return service.submit("render", arguments, caller=caller)

    return _drawing(service, "render_picture", "Draw a plan, every region in its place.", RenderArguments, start)


def edit_region(service: PictureService) -> PictureTool:
    """Changes one region of a picture; the result is a new picture."""

    def start(arguments: EditArguments, caller: str) -> Job:
        given = arguments.model_dump(include={"prompt", "box", "negative", "seed"})
        revision = Revision(changes=[RegionChange(name=arguments.region, **given)], scene=arguments.scene)
        return _submit_edit(service, arguments.id, revision, caller)

    description = "Change one region of a picture that is done and keep the rest as it is: a new picture."
    return _drawing(service, "edit_region", description, EditArguments, start)


def add_region(service: PictureService) -> PictureTool:
    """Draws one more region into a picture; the result is a new picture."""

    def start(arguments: AddArguments, caller: str) -> Job:
        plan = request_of(service, arguments.id, caller=caller).edited_plan
        top = min(100, 1 + max((region.z_order for region in plan.regions), default=0))
        new = Region(name=arguments.region, box=arguments.box, prompt=arguments.prompt, z_order=top)
        return _submit_edit(service, arguments.id, Revision(added=[new]), caller)

    description = "Add one region to a picture that is done and keep the rest as it is: a new picture."
    return _drawing(service, "add_region", description, AddArguments, start)


def remove_region(service: PictureService) -> PictureTool:
    """Takes one region out of a picture; the result is a new picture."""

    def start(arguments: RemoveArguments, caller: str) -> Job:
        return _submit_edit(service, arguments.id, Revision(removed=[arguments.region]), caller)

    description = "Take one region out of a picture that is done and keep the rest as it is: a new picture."
    return _drawing(service, "remove_region", description, RemoveArguments, start)


def change_picture(
    service: PictureService,
    read: ChangeReader,
    request_for: Callable[[ScenePlan], RenderRequest],
    checkpoint: Checkpoint,
) -> PictureTool:
    """Changes a picture by a sentence, read by the chat's interpreter; the result is a new picture. `request_for` a
    plan has the server's settings."""

    def start(arguments: ChangeArguments, caller: str) -> Job:
        request = request_of(service, arguments.id, caller=caller)
        result = read_change(read, arguments.message, request.edited_plan, field="message")
        kind, job_input = change_input(
            result, request, lambda revision: edit_of_picture(service, arguments.id, revision, caller=caller),
            here=request_for(request.edited_plan), checkpoint=checkpoint,
        )  # fmt: skip
        return service.submit(kind, job_input, caller=caller)

    description = "Change a picture that is done as a sentence says, and keep the rest as it is: a new picture."
    return _drawing(service, "change_picture", description, ChangeArguments, start)


def _submit_edit(service: PictureService, picture_id: str, revision: Revision, caller: str) -> Job:
    return service.submit("edit", edit_of_picture(service, picture_id, revision, caller=caller), caller=caller)


def paint_picture(service: PictureService) -> PictureTool:
    """Brief → picture: plan, render, critique, revise. Needs a handler "paint"."""

    def start(arguments: PaintArguments, caller: str) -> Job:
        check_size(service, arguments.width, arguments.height)
        return service.submit("paint", arguments, caller=caller)

    description = "Paint a brief: plan it, draw it, look at every region, and draw again what is wrong."
    return _drawing(service, "paint_picture", description, PaintArguments, start)


def get_picture(service: PictureService) -> PictureTool:
    """The state of a picture, and the picture when it is done."""

    def start(arguments: GetArguments, caller: str) -> Job:
        return service.jobs.get(arguments.id, caller=caller)

    description = "Look at a picture by its id: how far it is, or where its file and preview are, and its plan."
    return _drawing(service, "get_picture", description, GetArguments, start, cancels=False, hints=READS)


def _drawing(
    service: PictureService,
    name: str,
    description: str,
    schema: type[Arguments],
    start: Callable[[Any, str], Job],
    *,
    cancels: bool = True,
    hints: dict[str, bool] = ADDS,
) -> PictureTool:
    """A tool that waits for the job that `start` returns. `cancels`: a call that ends early cancels its job."""

    def run(arguments: Any, caller: str) -> CallEvents:
        job, reported = start(arguments, caller), 0
        try:
            for state in service.changes(job, patience=None if arguments.wait else 0):
                if state is None:
                    yield None
                if not isinstance(state, Job):
                    continue
                job = state
                for step in range(reported + 1, job.step + 1):
                    yield {"picture": job.id, "step": step, "steps": job.steps}
                reported = max(reported, job.step)
        except BaseException:
            if cancels:
                service.jobs.cancel(job.id, caller=job.caller)
            raise
        answer = picture_of(service, job)
        if cancels and answer.status in ("failed", "cancelled"):
            raise DitpipeError(describe_picture(answer))
        yield describe_picture(answer), answer

    return PictureTool(name, description, schema, Picture, hints, run)


def _immediate(
    name: str,
    description: str,
    schema: type[Arguments],
    compute: Callable[[Any, str], Answer],
    output: type[BaseModel],
    *,
    hints: dict[str, bool] = READS,
) -> PictureTool:
    """A tool that computes its answer without a job."""

    def run(arguments: Any, caller: str) -> CallEvents:
        yield compute(arguments, caller)

    return PictureTool(name, description, schema, output, hints, run)
