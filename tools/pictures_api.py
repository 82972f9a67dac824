"""The HTTP service's own half, `/v1/pictures`: the whole region contract, jobs and their events."""

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
from ..prompts.errors import QueueFull, RunError
from ..prompts.plan import ScenePlan
from ..prompts.revision import Revision
from ..renderer.pictures.artifacts import open_image, read_request
from .api_schema import (
    PaintArguments,
    Picture,
    PictureId,
    PlanArguments,
    RenderArguments,
    check_size,
    order_edit,
    picture,
)
from .auth import caller_of
from .jobs.queue import Job
from .jobs.service import Studio

AT_ONCE = 4  # plans and critiques; all else that is asked shares the server's threads with them
PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}


def _work_of(body: Any) -> str:
    """Which of the two an order is, whatever is wrong with it: its problems are told of that one."""
    plan = body.get("plan") if isinstance(body, dict) else getattr(body, "plan", None)
    return "paint" if plan is None else "render"


Order = Annotated[
    Annotated[RenderArguments, Tag("render")] | Annotated[PaintArguments, Tag("paint")], Discriminator(_work_of)
]


def over_http(studio: Studio, job: Job) -> Picture:
    """A picture whose places are paths of this server, never files."""
    one = picture(studio, job)
    if one.path is None:
        return one
    return one.model_copy(update={"path": f"/v1/pictures/{one.id}/image", "preview": f"/v1/pictures/{one.id}/preview"})


def pictures_router(
    studio: Studio,
    *,
    plan: Callable[[str, int | None, int | None], ScenePlan],
    critique: Callable[[Image.Image, ScenePlan], Critique],
) -> APIRouter:
    """`plan` and `critique` answer what the studio cannot. Raises what the service's handlers turn into answers."""
    router = APIRouter(prefix="/v1", tags=["pictures"])
    seats = threading.BoundedSemaphore(AT_ONCE)

    @contextmanager
    def seat() -> Iterator[None]:
        if not seats.acquire(blocking=False):
            raise QueueFull(f"{AT_ONCE} plans and critiques are being made; try again later", retry_after=5)
        try:
            yield
        finally:
            seats.release()

    def own(picture_id: Annotated[PictureId, Path()], request: Request) -> Job:
        # A dependency, so that it is found before the answer begins: a stream that has begun can no longer say 404.
        return studio.jobs.get(picture_id, caller=caller_of(request))

    def done(job: Job = Depends(own)) -> Job:
        if job.status != "done":
            raise ValueError(f"picture {job.id} is {job.status}, not done")
        return job


    async def answer(job: Job, *, wait: bool, response: Response) -> Picture:
        """200 with the picture, or 202 with the handle if it is not done when the patience is over."""
        async for job in studio.afollow(job, patience=None if wait else 0):
            pass
        response.status_code = 200 if job.is_finished else 202
        return over_http(studio, job)

    @router.post("/plans")
    def plan_picture(asked: PlanArguments) -> ScenePlan:
        """Turn a brief into a plan, without drawing."""
        check_size(studio, asked.width, asked.height)
        with seat():
            return plan(asked.brief, asked.width, asked.height)

    @router.post("/pictures", responses={202: {"model": Picture}})
    async def order_picture(asked: Order, request: Request, response: Response) -> Picture:
        """Draw a plan, or paint a brief."""
        size = asked.plan if isinstance(asked, RenderArguments) else asked
        check_size(studio, size.width, size.height)
        work = "render" if isinstance(asked, RenderArguments) else "paint"
        job = studio.order(work, asked.model_dump(mode="json", exclude={"wait"}), caller=caller_of(request))
        return await answer(job, wait=asked.wait, response=response)

    @router.get("/pictures")
    def list_pictures(request: Request) -> list[Picture]:
        """Your newest hundred pictures, newest first, without those whose files somebody took away."""
        found = []
        for job in studio.jobs.of(caller_of(request)):
            with suppress(RunError):
                found.append(over_http(studio, job))
        return found

    @router.get("/pictures/{picture_id}")
    def get_picture(job: Job = Depends(own)) -> Picture:
        """How far a picture is, and its plan when it is done."""
        return over_http(studio, job)

    @router.delete("/pictures/{picture_id}", response_model=Picture, responses={204: {"description": "Deleted"}})
    def delete_picture(job: Job = Depends(own)) -> Any:
        """Stop drawing a picture that is not done yet; one that is done, failed or cancelled is deleted."""
        if job.is_finished:
            studio.remove(job)
            return Response(status_code=204)
        return over_http(studio, studio.jobs.cancel(job.id, caller=job.caller))

    @router.get("/pictures/{picture_id}/image", response_class=FileResponse, responses=PNG)
    def get_image(job: Job = Depends(done)) -> FileResponse:
        """The picture as PNG, with its request inside."""
        return FileResponse(studio.file(job), media_type="image/png")

    @router.get("/pictures/{picture_id}/preview", response_class=FileResponse, responses=PNG)
    def get_preview(job: Job = Depends(done)) -> FileResponse:
        """The picture, small."""
        return FileResponse(studio.file(job, "small"), media_type="image/png")

    @router.get("/pictures/{picture_id}/events", response_class=EventSourceResponse)
    async def follow_picture(job: Job = Depends(own)) -> AsyncIterator[ServerSentEvent]:
        """Server-sent events: each change as `queued`, `running`, and at last `done`, `failed` or `cancelled`."""
        async for job in studio.afollow(job, patience=float("inf")):
            yield ServerSentEvent(event=job.status, data=over_http(studio, job).model_dump(exclude={"plan"}))

    @router.post("/pictures/{picture_id}/edits", responses={202: {"model": Picture}})
    async def edit_picture(
        revision: Revision, response: Response, wait: bool = True, job: Job = Depends(own)
    ) -> Picture:
        """Change the regions that a revision names; the result is a new picture."""
        order = order_edit(studio, job.id, revision, caller=job.caller)
        job = studio.order("edit", order.model_dump(mode="json"), caller=job.caller)
        return await answer(job, wait=wait, response=response)

    @router.post("/pictures/{picture_id}/critique")
    def critique_picture(job: Job = Depends(done)) -> Critique:
        """Judge a picture against its plan, region by region."""
        file = studio.file(job)
        with seat():
            return critique(open_image(file), read_request(file).edited_plan)

    return router

