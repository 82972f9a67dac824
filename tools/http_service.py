"""The HTTP service: OpenAI's Images API and `/v1/pictures` behind one AuthMiddleware; errors in OpenAI's format."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from PIL import Image
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from ..prompts.critique import Critique
from ..prompts.errors import DitpipeError, QueueFull, RenderError, RunError, UnknownPicture, one_line
from ..prompts.plan import ScenePlan
from ..renderer.checkpoints.registry import Checkpoint
from ..renderer.checkpoints.vocabulary import vocabulary_of
from ..renderer.request import RenderRequest
from .api_schema import PlanBrief
from .auth import AuthMiddleware, Keys, Signer, refusal
from .jobs.service import PictureService
from .openai_images import images_router
from .pictures_api import pictures_router
from .requested_change import ChangeReader
from .watching.job_scope import Durations
from .watching.routes import PROBES, CountRequests, watching_router


class Problem(BaseModel):
    """An error in OpenAI's API."""

    message: str
    type: str
    param: str | None
    code: str | None


ERROR = {"type": "object", "required": ["error"], "properties": {"error": Problem.model_json_schema()}}
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"description": phrase, "content": {"application/json": {"schema": ERROR}}}
    for status, phrase in {
        400: "Not understood", 401: "No valid key", 403: "Not from there", 404: "No such picture",
        411: "No Content-Length", 413: "Too long", 422: "Could not be drawn", 429: "The queue is full",
        502: "A model did not answer", 504: "Took too long",
    }.items()
}  # fmt: skip


def http_service(service: PictureService, *, keys: Keys, **about: Any) -> ASGIApp:
    """The whole service as an ASGI application; `about`: what else `service_app` takes."""
    requests = Durations()
    app = service_app(service, requests=requests, **about)
    locked = AuthMiddleware(app, keys=keys, open_paths=("/v1/files/", "/docs", "/openapi.json", *PROBES))
    return CountRequests(locked, requests)


def service_app(
    service: PictureService,
    *,
    checkpoint: Checkpoint,
    request_for: Callable[[ScenePlan], RenderRequest],
    plan: PlanBrief,
    critique: Callable[[Image.Image, ScenePlan], Critique],
    version: str,
    read: ChangeReader | None = None,
    compatible: bool = False,
    requests: Durations | None = None,
) -> FastAPI:
    """The routes of the service, to be put behind an AuthMiddleware; its workers start and stop with it.

    `request_for` a plan has the server's settings. `read` reads a change in plain language; without it an edit needs a
    mask. `compatible`: the Images API takes every model name and size, draws what is here, and warns. `requests`: as
    `CountRequests` measures them, for /metrics.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.jobs.open()
        yield
        service.jobs.close()

    vocabulary = vocabulary_of(checkpoint)
    app = FastAPI(
        title="ditpipe", version=version, lifespan=lifespan, responses=ERRORS, redirect_slashes=False,
        description=f"{checkpoint.name} draws {vocabulary.summary}" if vocabulary else "",
    )  # fmt: skip
    app.include_router(watching_router(service.jobs, requests or Durations()))
    app.include_router(pictures_router(service, plan=plan, critique=critique, read=read))
    signer = Signer(service.jobs.folder / "links.secret")
    app.include_router(
        images_router(
            service, checkpoint=checkpoint, signer=signer, request_for=request_for, read=read, compatible=compatible
        )
    )
    _answer_errors(app)
    return app


def _answer_errors(app: FastAPI) -> None:
    """Errors as one line in OpenAI's format; the details of an unexpected one go to the log only."""

    def answer(kind: type[Exception], status: int) -> None:
        async def handle(request: Request, error: Any) -> Response:
            return refusal(status, one_line(error))

        app.add_exception_handler(kind, handle)

    answer(ValueError, 400)
    answer(RunError, 400)
    answer(UnknownPicture, 404)
    answer(RenderError, 422)
    answer(TimeoutError, 504)
    answer(DitpipeError, 502)  # a model behind this server failed

    @app.exception_handler(QueueFull)
    async def full(request: Request, error: QueueFull) -> Response:
        response = refusal(429, str(error), code="queue_full")
        response.headers["Retry-After"] = str(error.retry_after)
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        parts = [str(part) for part in first["loc"][1:]]
        where = ".".join(parts[1:] if parts[:1] in (["render"], ["paint"]) else parts)  # the union's tags are no fields
        message = first["msg"].removeprefix("Value error, ")
        return refusal(400, f"{where or 'body'}: {message}", param=where or None)

    @app.exception_handler(HTTPException)
    async def routing(request: Request, error: HTTPException) -> Response:
        return refusal(error.status_code, str(error.detail))

    @app.exception_handler(Exception)
    async def unforeseen(request: Request, error: Exception) -> Response:
        return refusal(500, "an internal error; the log says more")
