"""Turns behind the page are jobs of the server's queue: stopped, gone on with, and what a window is sent of them."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from blank import Blank
from fakes import ended, tiny_agent
from plans import plan_of
from waiting import PATIENCE, until

from ditpipe import Agent
from ditpipe.agent.chat.chat_state import ChatState
from ditpipe.agent.chat.session import Session, Sessions
from ditpipe.agent.chat.store import Store
from ditpipe.agent.chat.turn_job import TURN, Act, TurnInput, turn_handler
from ditpipe.agent.events import Finished
from ditpipe.agent.web.app import state_events
from ditpipe.agent.web.turns import STOPPED_EARLY, Turns
from ditpipe.agent.web.user_context import UserContext
from ditpipe.agent.wiring import local_engine, picture_service
from ditpipe.prompts.answers.chat_schema import Understanding
from ditpipe.prompts.errors import JobCancelled
from ditpipe.renderer.request import LocalResult, RenderRequest
from ditpipe.tools.api_schema import PaintInput
from ditpipe.tools.jobs.engine import JobContext
from ditpipe.tools.jobs.local_engine import LocalEngine

BRIEF = "two owls at night"


class Slow:
    """An interpreter that takes every message for a brief, and as long as it is told to."""

    def __init__(self) -> None:
        self.begun, self.go_on, self.messages = threading.Event(), threading.Event(), list[str]()

    def interpret(self, message: str, state: ChatState) -> Understanding:
        self.messages.append(message)
        self.begun.set()
        assert self.go_on.wait(PATIENCE)
        return Understanding("new brief", brief=message)


class Watched(Blank):
    """Tells that it draws, and goes on when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.at_work, self.gate = threading.Event(), threading.Event()
        self.gate.set()

    def candidates(self, request: RenderRequest, count: int, on_step: Any = None) -> list[LocalResult]:
        self.at_work.set()
        assert self.gate.wait(PATIENCE)
        return super().candidates(request, count, on_step)


class Server:
    """The sessions of one folder, and the queue that carries out their turns."""

    def __init__(self, folder: Path) -> None:
        self.renderer = Watched()
        self.agent, self.slow, self.warm = tiny_agent(self.renderer, folder), Slow(), threading.Event()
        self.sessions = Sessions(self.agent, store=Store(folder / "sessions"), interpreter=self.slow)
        self.engine = local_engine(
            self.agent, folder=folder / "sessions", turn=lambda own: turn_handler(self.carry_out)
        )
        self.turns = Turns(self.engine, self.sessions, caller="local", warm=self.warm)
        self.warm.set()
        self.slow.go_on.set()

    def carry_out(self, turn: TurnInput, context: JobContext) -> None:
        self.sessions.carry_out(turn, context)

    def start(self, session: Session, message: str = BRIEF) -> bool:
        return self.turns.start(session, Act(do="say", message=message))

    def wait(self, session: Session) -> None:
        until(lambda: not self.turns.progress(session.id))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path)
    yield running
    running.slow.go_on.set()
    running.engine.close()


def test_a_turn_is_a_job_that_leaves_only_its_turn(server: Server) -> None:
    session = server.sessions.new()
    assert server.start(session) and not server.start(session, "another")
    server.wait(session)
    assert [(turn.message, turn.status) for turn in session.turns] == [(BRIEF, "done")] and session.picture
    assert server.engine.recent() == [] and server.turns.problem(session.id) == ""


def test_a_stop_while_planning_draws_nothing(server: Server) -> None:
    session = server.sessions.new()
    server.slow.go_on.clear()
    server.start(session)
    server.slow.begun.wait()
    progress = server.turns.progress(session.id)
    assert progress and progress.stoppable
    server.turns.stop(session.id)
    server.slow.go_on.set()
    server.wait(session)
    assert [(turn.status, turn.picture) for turn in session.turns] == [("stopped", None)]
    assert not session.busy and session.unfinished is None


def test_a_stop_while_another_picture_is_drawn_takes_the_message_back(server: Server) -> None:
    other, session = server.sessions.new(), server.sessions.new()
    server.slow.go_on.clear()
    server.start(other)
    server.slow.begun.wait()
    server.start(session)
    server.turns.stop(session.id)
    server.wait(session)
    assert session.turns == [] and server.turns.problem(session.id) == STOPPED_EARLY


def test_a_session_that_is_deleted_takes_its_queued_message_with_it(server: Server) -> None:
    context = UserContext(server.sessions, server.turns)
    other, session = server.sessions.new(), server.sessions.new()
    server.slow.go_on.clear()
    server.start(other)
    server.slow.begun.wait()
    server.start(session)
    context.delete(session)
    server.wait(session)  # while the other one is still drawn
    assert not server.slow.go_on.is_set() and len(server.engine.recent()) == 1
    server.slow.go_on.set()
    server.wait(other)
    assert server.slow.messages == [BRIEF] and not session.folder.exists()


def test_a_page_and_the_api_share_a_queue_and_a_painting_waits_for_the_turn(server: Server) -> None:
    service, session = picture_service(server.agent, engine=server.engine), server.sessions.new()
    server.slow.go_on.clear()
    server.start(session)
    server.slow.begun.wait()
    job = service.submit("paint", PaintInput(brief="a red cat"), caller="local")
    *_, state = service.follow(job, patience=0.2)
    assert state.status == "queued"  # type: ignore[union-attr]
    server.slow.go_on.set()
    assert ended(service, job).status == "done"
    server.wait(session)


def test_a_closing_server_leaves_a_turn_to_the_next_one_and_none_is_drawn_twice(tmp_path: Path) -> None:
    first = Server(tmp_path)
    session, waiting = first.sessions.new(), first.sessions.new()
    first.slow.go_on.clear()
    first.start(session)
    first.start(waiting, "two more owls")
    first.slow.begun.wait()
    closing_down = threading.Thread(target=first.engine.close)
    closing_down.start()
    first.engine._closing.wait()
    first.slow.go_on.set()
    closing_down.join()
    assert [turn.status for turn in session.turns] == ["pending"] and waiting.turns == []
    second = Server(tmp_path)
    second.turns.finish_interrupted()
    second.engine.open()
    second.wait(session)
    second.wait(waiting)
    assert [(turn.message, turn.status) for turn in session.turns] == [(BRIEF, "done")]
    assert [(turn.message, turn.status) for turn in waiting.turns] == [("two more owls", "done")]
    second.engine.close()


def test_a_job_that_begins_again_draws_only_what_is_not_done(server: Server) -> None:
    session = server.sessions.new()
    acts = (Act(do="say", message=BRIEF), Act(do="say", message="two cats"))
    context = JobContext(session.folder, id="1")
    turn_handler(server.carry_out)(TurnInput(session=session.id, acts=acts[:1]).model_dump(mode="json"), context)
    turn_handler(server.carry_out)(TurnInput(session=session.id, acts=acts).model_dump(mode="json"), context)
    assert [turn.message for turn in session.turns] == server.slow.messages == [BRIEF, "two cats"]


def test_a_session_that_cannot_be_read_does_not_keep_the_others_waiting(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    left, broken = server.sessions.new(), server.sessions.new()
    for session in (left, broken):
        server.sessions.store.add(session.id, BRIEF)
    with closing(sqlite3.connect(server.sessions.store.folder / "sessions.sqlite")) as table, table:
        table.execute("UPDATE turns SET body = '5' WHERE session = ?", [broken.id])
    server.turns.finish_interrupted()
    server.wait(left)
    assert left.turns[0].status == "done"
    assert "is left as it is: turn 1 of session" in caplog.text


def test_a_message_of_a_deleted_session_is_dropped(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = Server(tmp_path)
    gone, left = first.sessions.new(), first.sessions.new()
    for session in (gone, left):
        turn = TurnInput(session=session.id, acts=(Act(do="say", message=BRIEF),), caller="local")
        first.engine.submit(TURN, turn.model_dump(mode="json"), caller="local")
    first.engine.close()
    first.sessions.delete(gone.id)
    second = Server(tmp_path)
    second.turns.finish_interrupted()
    second.engine.open()
    second.wait(left)
    assert left.turns[0].status == "done" and f"a message of session '{gone.id}' is dropped" in caplog.text
    second.engine.close()


def test_the_page_says_why_a_turn_could_not_begin(server: Server, tmp_path: Path) -> None:
    def broken(payload: dict[str, Any], context: JobContext) -> None:
        raise TypeError("unforeseen")

    session, engine = server.sessions.new(), LocalEngine(tmp_path / "broken", {"cpu": {TURN: broken}})
    turns = Turns(engine, server.sessions, caller="local", warm=server.warm)
    turns.start(session, Act(do="say", message=BRIEF))
    until(lambda: not turns.progress(session.id))
    assert turns.problem(session.id) == "an internal error; the log says more"
    engine.close()


async def test_a_window_is_sent_what_changed_and_sleeps_meanwhile(server: Server) -> None:
    context = UserContext(server.sessions, server.turns)
    stream = state_events(context, "", {"about": 1})
    first = await anext(stream)
    assert {"about", "session", "sessions", "messages", "busy"} <= set(first.data)
    following = asyncio.ensure_future(anext(stream))
    server.turns.changes.announce()  # nothing has changed
    await asyncio.sleep(0)
    session = server.sessions.new()
    session.store.add(session.id, "hello", status="done")
    server.turns.changes.announce()
    assert set((await following).data) == {"sessions"}
    await stream.aclose()  # type: ignore[attr-defined]


def test_a_page_and_an_agent_of_one_process_never_draw_at_once(server: Server, tmp_path: Path) -> None:
    server.renderer.gate.clear()
    session = server.sessions.new()
    server.start(session)
    assert server.renderer.at_work.wait(PATIENCE)
    other = Watched()
    painter = Agent(renderer=other, critic="none", steps=2, rounds=1, out=tmp_path / "runs")
    job = painter.submit(painter.begin(BRIEF, plan=plan_of(2)))
    assert not other.at_work.wait(0.5)  # it waits for the device
    server.renderer.gate.set()
    assert isinstance(list(painter.events_of(job))[-1], Finished) and other.at_work.is_set()
    server.wait(session)


def test_a_stop_reaches_who_waits_for_the_device(server: Server, tmp_path: Path) -> None:
    server.renderer.gate.clear()
    session, other = server.sessions.new(), Watched()
    server.start(session)
    assert server.renderer.at_work.wait(PATIENCE)
    painter = Agent(renderer=other, critic="none", steps=2, rounds=1, out=tmp_path / "runs")
    job = painter.submit(painter.begin(BRIEF, plan=plan_of(2)))
    painter.stop()
    with pytest.raises(JobCancelled):
        list(painter.events_of(job))
    assert not other.at_work.is_set()
    server.renderer.gate.set()
    server.wait(session)
