"""The web application: the page, its pictures and downloads, behind the gate. Needs the extra `web`."""

import tempfile
import threading
from pathlib import Path

import fastapi
import gradio as gr
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.background import BackgroundTask
from starlette.types import ASGIApp

from ...prompts.errors import ModelError, RunError
from ...tools.auth import AuthMiddleware, Keys, caller_of
from ...tools.jobs.engine import LOCAL
from ..agent import Agent
from ..chat.session import Session
from ..llm.local_models import LOCAL_MODELS
from ..llm.local_server import weights
from .page import STATIC, build_page
from .user_context import Room, Rooms


def web_app(agent: Agent, *, keys: Keys, notice: str = "") -> ASGIApp:
    """The page of an agent as an ASGI application. What an ended process left unfinished is drawn on at once."""
    rooms = Rooms(agent)
    if not keys:
        rooms.of(LOCAL)
    threading.Thread(target=rooms.warm_up, name="web-warm-up", daemon=True).start()
    app = fastapi.FastAPI(openapi_url=None)
    app.mount("/ditpipe/static", StaticFiles(directory=STATIC))

    def room_of(request: fastapi.Request | gr.Request) -> Room:
        return rooms.of(caller_of(request.request if isinstance(request, gr.Request) else request))

    def found(request: fastapi.Request, session: str) -> Session:
        one = room_of(request).find(session)
        if one is None:
            raise fastapi.HTTPException(404, "no such session")
        return one

    @app.get("/ditpipe/picture/{session}/{file:path}")
    def picture(session: str, file: str, request: fastapi.Request) -> FileResponse:
        one = found(request, session)
        path = (one.folder / file).resolve()
        if not path.is_relative_to(one.folder.resolve()) or path.suffix != ".png" or not path.is_file():
            raise fastapi.HTTPException(404, "no such picture")
        return FileResponse(path, headers={"Cache-Control": "private, no-cache"})

    @app.get("/ditpipe/preview/{session}")
    def preview(session: str, request: fastapi.Request) -> Response:
        progress = room_of(request).desk.progress(session)
        if progress is None or progress.preview is None:
            raise fastapi.HTTPException(404, "nothing is being drawn")
        return Response(progress.preview, media_type="image/png", headers={"Cache-Control": "no-store"})

    @app.get("/ditpipe/save/{session}.png")
    def save_picture(session: str, request: fastapi.Request) -> FileResponse:
        one = found(request, session)
        if one.picture_path is None:
            raise fastapi.HTTPException(404, "nothing is drawn yet")
        return FileResponse(one.picture_path, filename=f"{_name(one)}.png")

    @app.get("/ditpipe/save/{session}.zip")
    def save_everything(session: str, request: fastapi.Request) -> FileResponse:
        one = found(request, session)
        folder = tempfile.TemporaryDirectory()
        try:
            path = one.export(Path(folder.name) / "session.zip")
        except RunError as error:
            raise fastapi.HTTPException(500, str(error)) from error
        return FileResponse(path, filename=f"{_name(one)}.zip", background=BackgroundTask(folder.cleanup))

    page = build_page(room_of, notice=notice, draws=agent.vocabulary_summary)
    gr.mount_gradio_app(
        app, page, path="/", theme=theme(), footer_links=[], run_history=False,
        head='<link rel="stylesheet" href="ditpipe/static/page.css">', max_file_size="1mb", ssr_mode=False, pwa=False,
    )  # fmt: skip
    return AuthMiddleware(app, keys=keys, browser=True)


def missing(agent: Agent) -> str:
    """What this machine lacks to paint or to judge, in plain words; empty if nothing does."""
    name = agent.planner_name
    try:
        if name in LOCAL_MODELS:
            weights(name)
    except ModelError as error:
        return f"**The planner is not there yet, so no brief can be read.** {error}"
    return f"Note: {agent.no_critic_reason}." if agent.no_critic_reason else ""


def _name(session: Session) -> str:
    """A file name out of a title."""
    words = "".join(letter if letter.isalnum() else " " for letter in session.title).split()
    return "-".join(words)[:60] or "picture"


def theme() -> gr.Theme:
    """Gradio's plainest theme with the fonts of the system: nothing is fetched from elsewhere."""
    return gr.themes.Base(
        font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Arial", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
    )
