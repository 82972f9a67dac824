"""The routes for operators: /healthz and /readyz, which need no key, and /metrics; and the count of all requests."""

import time

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..jobs.engine import PictureEngine
from .job_scope import Durations
from .metrics import metrics_text

PROBES = ("/healthz", "/readyz")


def watching_router(engine: PictureEngine, requests: Durations) -> APIRouter:
    """The routes; `requests` are counted by `CountRequests`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def is_alive() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    async def is_ready() -> JSONResponse:
        """503 until something can draw, and where nothing can."""
        if reason := engine.waits_for:
            return JSONResponse({"status": "not ready", "reason": reason}, 503)
        return JSONResponse({"status": "ready"})

    @router.get("/metrics")
    def metrics() -> Response:
        content, kind = metrics_text(engine, requests)
        return Response(content, media_type=kind)

    return router


class CountRequests:
    """ASGI middleware that measures how long each request waits for its answer to begin."""

    def __init__(self, app: ASGIApp, requests: Durations) -> None:
        self.app, self.requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.monotonic()

        async def begin(message: Message) -> None:
            if message["type"] == "http.response.start":
                # Of a request without a route its path is not counted: anybody could fill the memory with new ones.
                route = getattr(scope.get("route"), "path", "none")
                method = scope["method"] if scope["method"] in METHODS else "other"
                self.requests.add((method, route, str(message["status"])), time.monotonic() - started)
            await send(message)

        await self.app(scope, receive, begin)


METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
