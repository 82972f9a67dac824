"""The web application: a static page, its events and its actions, behind authentication. Needs the extra `web`."""

import asyncio
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import fastapi
from fastapi.responses import FileResponse, Response
from fastapi.sse import EventSourceResponse, ServerSentEvent
from fastapi.staticfiles import StaticFiles
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...prompts.errors import ModelError, RunError
from ...prompts.plan import ScenePlan
from ...tools.auth import AuthMiddleware, Keys, caller_of, refusal
from ...tools.http_service import service_app
from ...tools.jobs.engine import LOCAL, JobContext, JobHandler
from ...tools.watching.job_scope import Durations
from ...tools.watching.routes import PROBES, CountRequests
from ..agent import Agent
from ..chat.chat_state import checked_message
from ..chat.session import Session
from ..chat.store import Store
from ..chat.turn_job import Act, TurnInput, turn_handler
from ..drawable import what_can_be_drawn
from ..llm.local_models import LOCAL_MODELS
from ..llm.local_server import weights
from ..wiring import change_reader, critique_of, local_engine, picture_service, plan_brief
from .session_view import examples, page_state
from .user_context import UserContext, UserContexts, carry_out

STATIC = Path(__file__).parent / "static"
THUMBNAIL = 96  # pixels
AT_MOST_EVERY = 0.1  # seconds between two events of a stream
LOOK_AGAIN = 1.0  # seconds between two looks at a session on which another process works
BUSY = "Wait until this picture is done, or stop it."
HEADERS = {
    b"content-security-policy": b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    b"require-trusted-types-for 'script'; trusted-types 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}


class Sent(BaseModel):
    """A message from the page. `plan`: a change by hand to draw first, which `summary` puts into words."""

    model_config = ConfigDict(extra="forbid")

    message: str
    session: str = ""
    approve: bool = False
    plan: ScenePlan | None = None
    summary: str = Field("", max_length=1000)


class Draw(BaseModel):
    """Draw this plan: a yes if one waits, else a change of the picture."""

    do: Literal["draw"]
    plan: ScenePlan
    message: str = Field("", max_length=1000)


class Pick(BaseModel):
    """Show the picture of a turn, or a candidate of the current one."""

    do: Literal["show", "choose"]
    number: int


class Rename(BaseModel):
    """Give a region another name; nothing is drawn."""

    do: Literal["rename"]
    name: str = Field(max_length=60)
    to: str = Field(min_length=1, max_length=60)


class Press(BaseModel):
    """A button that needs no more than its name."""

    do: Literal["stop", "undo", "redo", "again", "more"]


class ActionSent(BaseModel):
    session: str
    action: Annotated[Draw | Pick | Rename | Press, Field(discriminator="do")]


def web_app(agent: Agent, *, keys: Keys, notice: str = "") -> ASGIApp:
    """The page of an agent as an ASGI application, on the app of `ditpipe serve` and with its queue, in the folder of
    the sessions. Turns that an ended process left unfinished go on at once.

    `notice`: what is missing on this machine, in plain words.
    """
    from ... import __version__

    warm = threading.Event()

    def turn(worker: Agent) -> JobHandler:
        def when_loaded(job: TurnInput, context: JobContext) -> None:
            while not warm.wait(0.1):
                context.raise_if_stopped()
            carry_out(worker, job, context)

        return turn_handler(when_loaded)

    engine = local_engine(agent, folder=Store(agent.settings.sessions).folder, turn=turn)
    contexts = UserContexts(agent, engine, warm=warm)

    def warm_up() -> None:  # what is missing is reported when it is needed
        agent.warm_up()
        warm.set()

    threading.Thread(target=warm_up, name="web-warm-up", daemon=True).start()
    if not keys:
        contexts.of(LOCAL)
    requests = Durations()
    app = service_app(
        picture_service(agent, engine=engine), checkpoint=agent.checkpoint, critique=critique_of(agent),
        plan=partial(plan_brief, agent), version=__version__, requests=requests,
        request_for=agent.request, read=change_reader(agent),
    )  # fmt: skip
    app.mount("/ditpipe/static", StaticFiles(directory=STATIC))
    draws = what_can_be_drawn(agent.vocabulary_summary) if agent.vocabulary_summary else ""
    app.include_router(page_router(contexts, {"notice": notice, "draws": draws, "examples": examples()}))
    locked = AuthMiddleware(SameOrigin(app), keys=keys, open_paths=("/v1/files/", *PROBES), browser=True)
    return CountRequests(locked, requests)


def page_router(contexts: UserContexts, about: dict[str, Any]) -> fastapi.APIRouter:
    """The page's routes. Errors become answers in `http_service`. `about`: what every window is told first."""
    app = fastapi.APIRouter(include_in_schema=False)

    def context_of(request: fastapi.Request) -> UserContext:
        return contexts.of(caller_of(request))

    def session_of(request: fastapi.Request, session_id: str) -> Session:
        session = context_of(request).find(session_id)
        if session is None:
            raise fastapi.HTTPException(404, "no such session")
        return session

    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status_code=204)

    @app.get("/ditpipe/events", response_class=EventSourceResponse)
    async def events(
        context: Annotated[UserContext, fastapi.Depends(context_of)], s: str = ""
    ) -> AsyncIterator[ServerSentEvent]:
        async for event in state_events(context, s, {"about": about}):
            yield event

    @app.post("/ditpipe/message")
    def send(sent: Sent, request: fastapi.Request) -> dict[str, str]:
        checked_message(sent.message)
        context = context_of(request)
        session = context.find(sent.session)
        if session is None and sent.session:
            raise fastapi.HTTPException(404, "this picture is not here any more")
        session = session or context.sessions.new()
        if not context.send(session, sent.message, plan=sent.plan, summary=sent.summary, approve=sent.approve):
            raise fastapi.HTTPException(409, BUSY)
        return {"session": session.id}

    @app.post("/ditpipe/act")
    def act(pressed: ActionSent, request: fastapi.Request) -> dict[str, str]:
        session, context = session_of(request, pressed.session), context_of(request)
        if not _act(context, session, pressed.action):
            raise fastapi.HTTPException(409, BUSY)
        context.turns.changes.announce()
        return {"session": session.id}

    @app.delete("/ditpipe/session/{session_id}")
    def delete(session_id: str, request: fastapi.Request) -> dict[str, str]:
        context_of(request).delete(session_of(request, session_id))
        return {}

    @app.get("/ditpipe/picture/{session_id}/{file:path}")
    def picture(session_id: str, file: str, request: fastapi.Request) -> FileResponse:
        session = session_of(request, session_id)
        path = (session.folder / file).resolve()
        if not path.is_relative_to(session.folder.resolve()) or path.suffix != ".png" or not path.is_file():
            raise fastapi.HTTPException(404, "no such picture")
        return FileResponse(path, headers={"Cache-Control": "private, no-cache"})

    @app.get("/ditpipe/thumbnail/{session_id}")
    def thumbnail(session_id: str, request: fastapi.Request) -> Response:
        image = session_of(request, session_id).picture
        if image is None:
            raise fastapi.HTTPException(404, "nothing is drawn yet")
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        return _png(image, {"Cache-Control": "private, max-age=86400"})

    @app.get("/ditpipe/preview/{session_id}")
    def preview(session_id: str, request: fastapi.Request) -> Response:
        progress = context_of(request).turns.progress(session_id)
        if progress is None or progress.preview is None:
            raise fastapi.HTTPException(404, "nothing is being drawn")
        return Response(progress.preview, media_type="image/png", headers={"Cache-Control": "no-store"})

    @app.get("/ditpipe/save/{session_id}.png")
    def save_picture(
        session_id: str, request: fastapi.Request, scale: Annotated[int, fastapi.Query(ge=1, le=4)] = 1
    ) -> Response:
        session = session_of(request, session_id)
        if session.picture_path is None or session.picture is None:
            raise fastapi.HTTPException(404, "nothing is drawn yet")
        if scale == 1:
            return FileResponse(session.picture_path, filename=f"{_file_name(session)}.png")
        # The request in the file describes the pixels as drawn, so an enlarged copy goes without it.
        width, height = session.picture.width * scale, session.picture.height * scale
        enlarged = session.picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
        enlarged.info.clear()
        name = f"{_file_name(session)}-{width}x{height}.png"
        return _png(enlarged, {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"})

    @app.get("/ditpipe/save/{session_id}.zip")
    def save_everything(session_id: str, request: fastapi.Request) -> FileResponse:
        session = session_of(request, session_id)
        folder = tempfile.TemporaryDirectory()
        try:
            path = session.export(Path(folder.name) / "session.zip")
        except RunError as error:
            raise fastapi.HTTPException(500, str(error)) from error
        return FileResponse(path, filename=f"{_file_name(session)}.zip", background=BackgroundTask(folder.cleanup))

    return app


class SameOrigin:
    """Sends the page's security headers, and lets no other site's page act through the visitor's browser."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS.items()]
            await send(message)

        site = dict(scope["headers"]).get(b"sec-fetch-site", b"none")
        if scope["method"] not in ("GET", "HEAD") and site not in (b"same-origin", b"none"):
            await refusal(403, "web pages of another origin are not served here")(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)


async def state_events(context: UserContext, session_id: str, start: dict[str, Any]) -> AsyncIterator[ServerSentEvent]:
    """The parts of the page's state that changed, first all of them; sleeps while nothing happens."""
    sent: dict[str, Any] = {}
    with context.turns.changes.subscribed() as changed:
        while True:
            changed.clear()
            state = start | await asyncio.to_thread(page_state, context, session_id)
            if fresh := {part: value for part, value in state.items() if part not in sent or sent[part] != value}:
                yield ServerSentEvent(event="state", data=fresh, retry=2000)
            sent = state
            elsewhere = bool(state["busy"] and state["busy"].get("elsewhere"))
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), LOOK_AGAIN if elsewhere else None)
            await asyncio.sleep(AT_MOST_EVERY)


def _act(context: UserContext, session: Session, action: Draw | Pick | Rename | Press) -> bool:
    """What a button of the page asks for; False if a turn runs already. Raises ValueError or DitpipeError."""
    match action:
        case Draw(plan=plan, message=message):
            if session.waiting:
                return context.turns.start(session, Act(do="approve", message="yes", plan=plan))
            return context.turns.start(session, Act(do="replan", message=message or "change", plan=plan))
        case Pick(do="show", number=number):
            session.show(number)
        case Pick(number=number):
            session.choose(number)
        case Rename(name=name, to=new):
            session.rename_region(name, new)
        case Press(do="stop"):
            context.turns.stop(session.id)
        case Press(do="undo"):
            session.undo()
        case Press(do="redo"):
            session.redo()
        case Press(do="again"):
            return context.turns.start(session, Act(do="again", message="try again"))
        case Press(do="more"):
            return context.versions(session)
    return True


def missing(agent: Agent) -> str:
    """What this machine lacks to plan or to judge, in plain words; empty if nothing does."""
    name = agent.planner_name
    try:
        if name in LOCAL_MODELS:
            weights(name)
    except ModelError as error:
        return f"The planner is not there yet, so no brief can be read. {error}"
    return f"Note: {agent.no_critic_reason}." if agent.no_critic_reason else ""


def _png(image: Image.Image, headers: dict[str, str]) -> Response:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return Response(buffer.getvalue(), media_type="image/png", headers=headers)


def _file_name(session: Session) -> str:
    """A file name made of the title."""
    words = "".join(letter if letter.isalnum() else " " for letter in session.title).split()
    return "-".join(words)[:60] or "picture"
