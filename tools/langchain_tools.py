"""The tools that other agents pick up, over one studio. Each takes what does the work as an argument.

The caller of a call says whose pictures it may see; a model cannot set it. A drawing call that is cancelled ends its
render.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from PIL import Image
from pydantic import BaseModel

from ..prompts.critique import Critique
from ..prompts.errors import DitpipeError
from ..prompts.plan import Region, ScenePlan
from ..prompts.revision import RegionChange, Revision
from ..renderer.pictures.artifacts import open_image, read_request
from .api_schema import (
    AddArguments,
    Arguments,
    ChangeArguments,
    EditArguments,
    GetArguments,
    PaintArguments,
    Picture,
    PictureArguments,
    PlanArguments,
    RemoveArguments,
    RenderArguments,
    check_size,
    order_edit,
    picture,
    told,
)
from .jobs.queue import Job
from .jobs.service import Studio
from .requested_change import Reader, order_change, understood_change
from .tool_spec import PictureTool, Progress

# What a host may tell its user before a call (hints of the Model Context Protocol).
READS: dict[str, bool] = {"readOnlyHint": True, "openWorldHint": False}
ADDS: dict[str, bool] = {"readOnlyHint": False, "destructiveHint": False, "openWorldHint": False}
ENDS: dict[str, bool] = {
    "readOnlyHint": False, "destructiveHint": True, "idempotentHint": True, "openWorldHint": False,
}  # fmt: skip


def plan_picture(studio: Studio, plan: Callable[[str, int | None, int | None], ScenePlan]) -> PictureTool:
    """Brief → ScenePlan, without drawing. `plan`: (brief, width, height) → plan."""

    def run(arguments: PlanArguments, caller: str) -> tuple[str, ScenePlan]:
        check_size(studio, arguments.width, arguments.height)
        answer = plan(arguments.brief, arguments.width, arguments.height)
        return answer.model_dump_json(), answer

    says = "Turn a brief into a plan of regions, without drawing. Change the plan if you like, then render_picture it."
    return _tool("plan_picture", says, PlanArguments, run, ScenePlan)


def critique_picture(studio: Studio, critique: Callable[[Image.Image, ScenePlan], Critique]) -> PictureTool:
    """Judges a picture of the caller's against the plan that it was drawn from."""

    def run(arguments: PictureArguments, caller: str) -> tuple[str, Critique]:
        job = studio.jobs.get(arguments.id, caller=caller)
        if job.status != "done":
            raise ValueError(f"picture {job.id} is {job.status}; only a picture that is done can be judged")
        verdict = critique(open_image(studio.file(job)), read_request(studio.file(job)).edited_plan)
        return verdict.model_dump_json(), verdict

    says = "Judge a picture against its plan: a score and what is seen, region by region."
    return _tool("critique_picture", says, PictureArguments, run, Critique)


def cancel_picture(studio: Studio) -> PictureTool:
    """Ends a picture that is waiting or being drawn."""

    def run(arguments: PictureArguments, caller: str) -> tuple[str, Picture]:
        answer = picture(studio, studio.jobs.cancel(arguments.id, caller=caller))
        return told(answer), answer

    says = "Stop drawing a picture that is not done yet."
    return _tool("cancel_picture", says, PictureArguments, run, Picture, hints=ENDS)


def render_picture(studio: Studio) -> PictureTool:
    """ScenePlan → picture."""

    def start(arguments: RenderArguments, caller: str) -> Job:
        check_size(studio, arguments.plan.width, arguments.plan.height)
        return studio.order("render", arguments.model_dump(mode="json", exclude={"wait"}), caller=caller)

    return _drawing(studio, "render_picture", "Draw a plan, every region in its place.", RenderArguments, start)


def edit_region(studio: Studio) -> PictureTool:
    """Changes one region of a picture; the result is a new picture."""

    def start(arguments: EditArguments, caller: str) -> Job:
        given = arguments.model_dump(include={"prompt", "box", "negative", "seed"})
        revision = Revision(changes=[RegionChange(name=arguments.region, **given)], scene=arguments.scene)
        return _order_edit(studio, arguments.id, revision, caller)

    says = "Change one region of a picture that is done and keep the rest as it is: a new picture."
    return _drawing(studio, "edit_region", says, EditArguments, start)


def add_region(studio: Studio) -> PictureTool:
    """Draws one more region into a picture; the result is a new picture."""

    def start(arguments: AddArguments, caller: str) -> Job:
        plan = _plan_of(studio, arguments.id, caller)
        top = min(100, 1 + max(region.z_order for region in plan.regions))
        new = Region(name=arguments.region, box=arguments.box, prompt=arguments.prompt, z_order=top)
        return _order_edit(studio, arguments.id, Revision(added=[new]), caller)

    says = "Add one region to a picture that is done and keep the rest as it is: a new picture."
    return _drawing(studio, "add_region", says, AddArguments, start)


def remove_region(studio: Studio) -> PictureTool:
    """Takes one region out of a picture; the result is a new picture."""

    def start(arguments: RemoveArguments, caller: str) -> Job:
        return _order_edit(studio, arguments.id, Revision(removed=[arguments.region]), caller)

    says = "Take one region out of a picture that is done and keep the rest as it is: a new picture."
    return _drawing(studio, "remove_region", says, RemoveArguments, start)


def change_picture(studio: Studio, read: Reader) -> PictureTool:
    """Changes a picture as words say, read as the chat reads them; the result is a new picture."""

    def start(arguments: ChangeArguments, caller: str) -> Job:
        path = studio.file(_done(studio, arguments.id, caller))
        request = read_request(path)
        heard = understood_change(read, arguments.message, request.edited_plan, field="message")
        work, order = order_change(
            heard, request, lambda revision: order_edit(studio, arguments.id, revision, caller=caller)
        )
        return studio.order(work, order.model_dump(mode="json"), caller=caller)

    says = "Change a picture that is done as a sentence says, and keep the rest as it is: a new picture."
    return _drawing(studio, "change_picture", says, ChangeArguments, start)


def _done(studio: Studio, picture_id: str, caller: str) -> Job:
    """A caller's finished picture. Raises UnknownPicture; ValueError if it is not done."""
    job = studio.jobs.get(picture_id, caller=caller)
    if job.status != "done":
        raise ValueError(f"picture {job.id} is {job.status}; only a picture that is done can be changed")
    return job


def _plan_of(studio: Studio, picture_id: str, caller: str) -> ScenePlan:
    return read_request(studio.file(_done(studio, picture_id, caller))).edited_plan


def _order_edit(studio: Studio, picture_id: str, revision: Revision, caller: str) -> Job:
    order = order_edit(studio, picture_id, revision, caller=caller)
    return studio.order("edit", order.model_dump(mode="json"), caller=caller)


def paint_picture(studio: Studio) -> PictureTool:
    """Brief → picture, planned, criticised and mended; for studios whose crew can paint."""

    def start(arguments: PaintArguments, caller: str) -> Job:
        check_size(studio, arguments.width, arguments.height)
        return studio.order("paint", arguments.model_dump(mode="json", exclude={"wait"}), caller=caller)

    says = "Paint a brief: plan it, draw it, look at every region, and draw again what is wrong."
    return _drawing(studio, "paint_picture", says, PaintArguments, start)


def get_picture(studio: Studio) -> PictureTool:
    """The state of a picture, and the picture when it is done."""

    def start(arguments: GetArguments, caller: str) -> Job:
        return studio.jobs.get(arguments.id, caller=caller)

    says = "Look at a picture by its id: how far it is, or where its file and preview are, and its plan."
    return _drawing(studio, "get_picture", says, GetArguments, start, owns=False, hints=READS)


def _drawing(
    studio: Studio,
    name: str,
    says: str,
    schema: type[Arguments],
    start: Callable[[Any, str], Job],
    *,
    owns: bool = True,
    hints: dict[str, bool] = ADDS,
) -> PictureTool:
    """A tool that waits for the job that `start` gives. `owns`: a call that is cancelled takes the job with it."""

    def answer(job: Job) -> tuple[str, Picture]:
        found = picture(studio, job)
        if owns and found.status in ("failed", "cancelled"):
            raise DitpipeError(told(found))
        return told(found), found

    def call(arguments: Any, caller: str, report: Callable[[Progress], None]) -> tuple[str, Picture]:
        job, seen = start(arguments, caller), 0
        try:
            for job in studio.follow(job, patience=None if arguments.wait else 0):
                for step in _steps(job, seen):
                    report(step)
                seen = max(seen, job.step)
        except BaseException:
            if owns:
                studio.jobs.cancel(job.id, caller=job.caller)
            raise
        return answer(job)

    async def acall(
        arguments: Any, caller: str, report: Callable[[Progress], Awaitable[None]]
    ) -> tuple[str, Picture]:
        job, seen = start(arguments, caller), 0
        try:
            async for job in studio.afollow(job, patience=None if arguments.wait else 0):
                for step in _steps(job, seen):
                    await report(step)
                seen = max(seen, job.step)
        except BaseException:
            if owns:
                studio.jobs.cancel(job.id, caller=job.caller)
            raise
        return answer(job)

    return PictureTool(name, says, schema, Picture, hints, call, acall)


def _tool(
    name: str,
    says: str,
    schema: type[Arguments],
    act: Callable[[Any, str], tuple[str, Any]],
    output: type[BaseModel],
    *,
    hints: dict[str, bool] = READS,
) -> PictureTool:
    """A tool that computes its answer at once."""

    def call(arguments: Any, caller: str, report: Callable[[Progress], None]) -> tuple[str, Any]:
        return act(arguments, caller)

    async def acall(
        arguments: Any, caller: str, report: Callable[[Progress], Awaitable[None]]
    ) -> tuple[str, Any]:
        return await asyncio.to_thread(act, arguments, caller)

    return PictureTool(name, says, schema, output, hints, call, acall)


def _steps(job: Job, seen: int) -> Iterator[Progress]:
    """One report per step since the last look."""
    for step in range(seen + 1, job.step + 1):
        yield {"picture": job.id, "step": step, "steps": job.steps}
