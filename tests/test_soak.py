"""Turn after turn on every face, drawn by nothing: threads, files, objects and memory stay what they were.

What is measured is the growth after the first turns, in which caches fill and pools open.
"""

import asyncio
import ctypes
import gc
import json
import os
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from blank import Blank
from fakes import PATIENCE, Pleased, TwoThings
from http_servers import listening
from mcp.client import Client
from planner_replies import region, whole
from plans import plan_of
from waiting import until

from ditpipe import Agent, Planner
from ditpipe.agent.chat.session import Sessions
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.web.app import web_app
from ditpipe.agent.wiring import critique_of, picture_service, picture_tools, plan_brief, tools_for
from ditpipe.prompts.answers.chat_schema import Understanding
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS
from ditpipe.tools.api_schema import RenderInput
from ditpipe.tools.auth import Keys
from ditpipe.tools.http_service import http_service
from ditpipe.tools.jobs.queue import JobQueue
from ditpipe.tools.mcp_server import http_app, mcp_server

WARM = 4  # turns before the first look
FILES = Path("/proc/self/fd")

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(not FILES.exists(), reason="counts what Linux lists of a process"),
]


def look() -> dict[str, int]:
    """Threads, open files, objects, and MiB of memory that cannot be given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "threads": threading.active_count(), "files": len(list(FILES.iterdir())), "objects": len(gc.get_objects()),
        "memory": pages * os.sysconf("SC_PAGE_SIZE") // 2**20,
    }  # fmt: skip


@contextmanager
def steady(turns: int) -> Iterator[Callable[[], bool]]:
    """While its value says so, another turn. In the end no more than a few threads and files may be left, less than 20
    objects a turn, and less than 64 MiB: what is kept of every turn is more than that."""
    done, before = 0, dict[str, int]()

    def another() -> bool:
        nonlocal done, before
        if done == WARM:
            before = look()
        done += 1
        return done <= WARM + turns

    yield another
    bounds = {"threads": 4, "files": 8, "objects": 20 * turns, "memory": 64}
    looks = 0

    def bounded() -> bool:
        nonlocal looks
        looks += 1
        grown = {name: value - before[name] for name, value in look().items()}
        fits = all(grown[name] <= bounds[name] for name in bounds)
        assert fits or looks < 100, f"grown by {grown} in {turns} turns, at most {bounds} are expected"
        return fits

    until(bounded)  # threads that have ended their work may need a moment to end themselves


def agent(folder: Path) -> Agent:
    return Agent(renderer=Blank(), planner=TwoThings(), critic=Pleased(), steps=2, rounds=1, out=folder)


def test_the_agent(tmp_path: Path) -> None:
    painter = agent(tmp_path)
    with steady(14) as another:
        while another():
            painter.paint("two things")
            next(iter(painter.stream("two things")))  # left early
            agent(tmp_path).paint("two things")


def test_the_async_agent(tmp_path: Path) -> None:
    painter = agent(tmp_path)
    with steady(14) as another:
        while another():
            asyncio.run(painter.apaint("two things"))  # an event loop each


class Briefs:
    """Takes every message for a brief."""

    def interpret(self, message: str, shown: Any) -> Understanding:
        return Understanding("new brief", brief=message)


def test_a_conversation(tmp_path: Path) -> None:
    sessions = Sessions(agent(tmp_path).with_settings(sessions=tmp_path / "sessions"), interpreter=Briefs())
    with steady(10) as another:
        while another():
            session = sessions.new()
            for _ in session.say("two red things"):
                pass
            for _ in session.again():
                pass
            session.undo()
            sessions.open(session.id).branch(1)


def posted(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_the_http_service(tmp_path: Path) -> None:
    painter = agent(tmp_path)
    app = http_service(
        picture_service(painter, patience=PATIENCE),
        checkpoint=CHECKPOINTS["pocket"], critique=critique_of(painter), keys=Keys(),
        request_for=painter.request, plan=lambda *brief: plan_brief(painter, *brief), version="0",
    )  # fmt: skip
    with listening(app) as address, steady(12) as another:
        while another():
            drawn = posted(f"{address}/v1/pictures", {"plan": plan_of(2).model_dump()})
            posted(f"{address}/v1/pictures/{drawn['id']}/edits", {"changes": [{"name": "thing 1", "seed": 5}]})
            posted(f"{address}/v1/pictures/{drawn['id']}/critique", {})
            posted(f"{address}/v1/images/generations", {"prompt": "two things"})
            with urllib.request.urlopen(f"{address}/v1/pictures/{drawn['id']}/events", timeout=60) as events:
                events.read(20)


def drawn_state(address: str, session: str) -> dict[str, Any]:
    """Follows a session as a page does, until it has a picture and nothing runs; then hangs up."""
    state: dict[str, Any] = {}
    with urllib.request.urlopen(f"{address}/ditpipe/events?s={session}", timeout=60) as events:
        while not (state.get("session") and state["session"]["picture"] and state["busy"] is None):
            line = events.readline().decode()
            assert line, "the stream of events has ended"
            state |= json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
    return state


def test_the_page(tmp_path: Path) -> None:
    app = web_app(agent(tmp_path).with_settings(sessions=tmp_path / "sessions"), keys=Keys())
    with listening(app) as address, steady(10) as another:
        while another():
            sent = {"message": "two red things", "approve": False}
            session = posted(f"{address}/ditpipe/message", sent)["session"]
            state = drawn_state(address, session)["session"]
            posted(f"{address}/ditpipe/act", {"session": session, "action": {"do": "again"}})
            for path in (state["picture"], state["saves"]["zip"], f"ditpipe/thumbnail/{session}"):
                drawn_state(address, session)
                with urllib.request.urlopen(f"{address}/{path.removeprefix('./')}", timeout=60) as file:
                    assert file.read()
            posted(f"{address}/ditpipe/act", {"session": session, "action": {"do": "undo"}})
            gone = urllib.request.Request(f"{address}/ditpipe/session/{session}", method="DELETE")
            urllib.request.urlopen(gone, timeout=60).close()


async def test_the_mcp_server(tmp_path: Path) -> None:
    painter = agent(tmp_path)
    service = picture_service(painter, patience=PATIENCE)
    server = mcp_server(tools_for(service, painter), service, version="0", local=False)
    with listening(http_app(server, host="127.0.0.1", keys=Keys())) as address, steady(10) as another:
        while another():
            async with Client(f"{address}/mcp") as client:
                drawn: Any = await client.call_tool("render_picture", {"plan": plan_of(2).model_dump()})
                await client.call_tool("paint_picture", {"brief": "two things"})
                await client.read_resource(f"picture://{drawn.structured_content['id']}")


def test_tools_that_nobody_holds_any_more(tmp_path: Path) -> None:
    """What draws for them ends; what was ordered is drawn before."""
    with steady(12) as another:
        while another():
            service = picture_service(agent(tmp_path), patience=PATIENCE)
            job = service.submit("render", RenderInput(plan=plan_of(2)), caller="local")
            queue = JobQueue(tmp_path / "jobs.sqlite")
            del service
            until(lambda: queue.get(job.id, caller="local").status == "done")
            picture_tools(renderer=Blank(), planner=TwoThings(), critic=Pleased(), out=tmp_path)


class Answers(BaseHTTPRequestHandler):
    """An OpenAI-compatible endpoint that keeps connections open and always plans a red cat."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        text = whole(region("cat", [0, 0, 500, 1000], low="red"))
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "any", "choices": [choice]}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        pass


def test_chat_models_of_many_endpoints() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint, held = f"http://127.0.0.1:{server.server_address[1]}", list[str]()
    try:
        with steady(24) as another:
            while another():
                url = f"{endpoint}/{len(held)}/v1"
                planner = Planner(chat_model("any", base_url=url, api_key=f"key {len(held)}", timeout=60 + len(held)))
                planner.plan("a red cat")
                held.append(url)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
