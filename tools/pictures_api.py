"""The routes `/v1/plans` and `/v1/pictures`: plans with regions, jobs and their events."""

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from PIL import Image
from pydantic import Discriminator, Tag

from ..prompts.critique import Critique
from ..prompts.errors import QueueFull, RunError, UnknownPicture
from ..prompts.plan import ScenePlan
from ..prompts.revision import Revision
from ..renderer.pictures.artifacts import open_image, read_request
from .api_schema import (
    PaintArguments,
    Picture,
    PictureId,
    PlanArguments,
    PlanBrief,
    RenderArguments,
    check_size,
    edit_of_picture,
    picture_file,
    picture_of,
)
from .auth import caller_of
from .jobs.engine import STATES, Job
from .jobs.job_events import Stepped
from .jobs.service import PictureService
from .requested_change import ChangeReader, UnderstandArguments, UnderstoodMessage, understood

MAX_MODEL_CALLS = 4  # plans and critiques at a time: they share the server's threads with all other requests
PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}


def _kind_of(body: Any) -> str:
    """The kind of job that a body is for, so that a body that is not valid gets the errors of that kind."""
    plan = body.get("plan") if isinstance(body, dict) else getattr(body, "plan", None)
    return "paint" if plan is None else "render"


DrawingArguments = Annotated[
    Annotated[RenderArguments, Tag("render")] | Annotated[PaintArguments, Tag("paint")], Discriminator(_kind_of)
]


def over_http(service: PictureService, job: Job) -> Picture:
    """A picture with paths of this server in place of files."""
    picture = picture_of(service, job)
    if picture.path is None:
        return picture
    path = f"/v1/pictures/{job.id}"
    return picture.model_copy(update={"path": f"{path}/image", "preview": f"{path}/preview"})


def pictures_router(
    service: PictureService,
    *,
    plan: PlanBrief,
    critique: Callable[[Image.Image, ScenePlan], Critique],
    read: ChangeReader | None = None,
) -> APIRouter:
    """The routes; `plan`: (brief, width, height, aspect) → plan. `read` understands messages; without it there is no
    /plans/changes. Errors become answers in `http_service`."""
    router = APIRouter(prefix="/v1", tags=["pictures"])
    slots = threading.BoundedSemaphore(MAX_MODEL_CALLS)

    @contextmanager
    def slot() -> Iterator[None]:
        if not slots.acquire(blocking=False):
            raise QueueFull(f"{MAX_MODEL_CALLS} plans and critiques are being made; try again later", retry_after=5)
        try:
            yield
        finally:
            slots.release()

    def own(picture_id: Annotated[PictureId, Path()], request: Request) -> Job:
        # A dependency, so that a missing picture is a 404: a stream that has begun has its status already.
        return service.jobs.get(picture_id, caller=caller_of(request))

    def done(job: Job = Depends(own)) -> Job:
        if job.status != "done":
            raise ValueError(f"picture {job.id} {STATES[job.status]}; it has no file")
        return job

    async def answer(job: Job, *, wait: bool, response: Response) -> Picture:
        """200 with the picture, or 202 with its id if it is not finished in time."""
        async for change in service.afollow(job, patience=None if wait else 0):
            job = change if isinstance(change, Job) else job
        response.status_code = 200 if job.is_finished else 202
        return over_http(service, job)

    @router.post("/plans")
    def plan_picture(arguments: PlanArguments) -> ScenePlan:
        """Turn a brief into a plan, without drawing."""
        check_size(service, arguments.width, arguments.height)
        with slot():
            return plan(arguments.brief, arguments.width, arguments.height, arguments.aspect)

    if read:

        @router.post("/plans/changes")
        def change_plan(arguments: UnderstandArguments) -> UnderstoodMessage:
            """Understand what a person says about a plan, without drawing: the changed plan, a question back, or what
            else it is."""
            with slot():
                return understood(read, arguments)

    @router.post("/pictures", responses={202: {"model": Picture}})
    async def submit_picture(arguments: DrawingArguments, request: Request, response: Response) -> Picture:
        """Draw a plan, or paint a brief."""
        size = arguments.plan if isinstance(arguments, RenderArguments) else arguments
        check_size(service, size.width, size.height)
        kind = "render" if isinstance(arguments, RenderArguments) else "paint"
        job = service.submit(kind, arguments, caller=caller_of(request))
        return await answer(job, wait=arguments.wait, response=response)

    @router.get("/pictures")
    def list_pictures(request: Request) -> list[Picture]:
        """Your newest hundred pictures, newest first, without those whose files are gone."""
        pictures = []
        for job in service.jobs.recent(caller_of(request)):
            with suppress(RunError, UnknownPicture):
                pictures.append(over_http(service, job))
        return pictures

    @router.get("/pictures/{picture_id}")
    def get_picture(job: Job = Depends(own)) -> Picture:
        """How far a picture is, and its plan when it is done."""
        return over_http(service, job)

    @router.delete("/pictures/{picture_id}", response_model=Picture, responses={204: {"description": "Deleted"}})
    def delete_picture(job: Job = Depends(own)) -> Any:
        """Stop drawing a picture that is not done yet; one that is done, failed or cancelled is deleted."""
        if job.is_finished:
            service.jobs.remove(job)
            return Response(status_code=204)
        return over_http(service, service.jobs.cancel(job.id, caller=job.caller))

    @router.post("/pictures/{picture_id}/cancel")
    def cancel_picture(job: Job = Depends(own)) -> Picture:
        """Stop drawing a picture; one that is done, failed or cancelled already stays as it is."""
        return over_http(service, service.jobs.cancel(job.id, caller=job.caller))

    @router.get("/pictures/{picture_id}/image", response_class=FileResponse, responses=PNG)
    def get_image(job: Job = Depends(done)) -> FileResponse:
        """The picture as PNG, with its request inside."""
        return FileResponse(picture_file(service, job), media_type="image/png")

    @router.get("/pictures/{picture_id}/preview", response_class=FileResponse, responses=PNG)
    def get_preview(job: Job = Depends(done)) -> FileResponse:
        """The picture, small."""
        return FileResponse(picture_file(service, job, "small"), media_type="image/png")

    @router.get("/pictures/{picture_id}/events", response_class=EventSourceResponse)
    async def follow_picture(job: Job = Depends(own)) -> AsyncIterator[ServerSentEvent]:
        """Server-sent events: each change of state as `queued`, `running`, and at last `done`, `failed` or `cancelled`;
        of a brief that is painted also `planned`, `rendered`, `critiqued`, `compared`, `revised` and `finished`."""
        with suppress(UnknownPicture):  # it was deleted meanwhile: its events end
            async for change in service.afollow(job, patience=float("inf")):
                if isinstance(change, Job):
                    picture = over_http(service, change).model_dump(exclude={"plan"})
                    yield ServerSentEvent(event=change.status, data=picture)
                elif not isinstance(change, Stepped):  # it is a change of state, too
                    yield ServerSentEvent(event=change.name(), data=change.public_json())

    @router.post("/pictures/{picture_id}/edits", responses={202: {"model": Picture}})
    async def edit_picture(
        revision: Revision, response: Response, wait: bool = True, job: Job = Depends(own)
    ) -> Picture:
        """Change the regions that a revision names; the result is a new picture."""
        edit = edit_of_picture(service, job.id, revision, caller=job.caller)
        job = service.submit("edit", edit, caller=job.caller)
        return await answer(job, wait=wait, response=response)

    @router.post("/pictures/{picture_id}/critique")
    def critique_picture(job: Job = Depends(done)) -> Critique:
        """Judge a picture against its plan, region by region."""
        file = picture_file(service, job)
        with slot():
            return critique(open_image(file), read_request(file).edited_plan)

    return router
