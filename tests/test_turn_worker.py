"""Turns behind the page: what can be stopped before anything is drawn, and what a window is sent."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
from fakes import tiny_agent

from ditpipe import Renderer
from ditpipe.agent.chat.chat_state import ChatState
from ditpipe.agent.chat.session import Session, Sessions
from ditpipe.agent.chat.store import Store
from ditpipe.agent.web.app import state_events
from ditpipe.agent.web.turn_worker import STOPPED_EARLY, TurnWorker
from ditpipe.agent.web.user_context import UserContext
from ditpipe.prompts.chat_schema import ChatCommand


class Slow:
    """An interpreter that takes as long as it is told to."""

    def __init__(self) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()

    def interpret(self, message: str, state: ChatState) -> ChatCommand:
        self.begun.set()
        self.go_on.wait()
        return ChatCommand(kind="new brief", brief=message)


@pytest.fixture
def warm() -> threading.Event:
    event = threading.Event()
    event.set()
    return event


def ended(worker: TurnWorker, session: Session) -> None:
    while worker.progress(session.id):
        threading.Event().wait(0.01)


def test_a_stop_while_planning_draws_nothing(tiny: Renderer, tmp_path: Path, warm: threading.Event) -> None:
    slow, worker = Slow(), TurnWorker(threading.Lock(), warm)
    session = Sessions(tiny_agent(tiny, tmp_path), store=Store(tmp_path / "sessions"), interpreter=slow).new()
    assert worker.start(session, lambda opened: opened.say("two owls at night"))
    slow.begun.wait()
    progress = worker.progress(session.id)
    assert progress and progress.stoppable
    worker.stop(session.id)
    slow.go_on.set()
    ended(worker, session)
    assert [(turn.status, turn.picture) for turn in session.turns] == [("stopped", None)]
    assert not session.busy and session.unfinished is None


def test_a_stop_while_another_picture_is_drawn_takes_the_message_back(
    tiny: Renderer, tmp_path: Path, warm: threading.Event
) -> None:
    busy = threading.Lock()
    worker = TurnWorker(busy, warm)
    session = Sessions(tiny_agent(tiny, tmp_path), store=Store(tmp_path / "sessions")).new()
    with busy:
        assert worker.start(session, lambda opened: opened.say("two owls at night"))
        worker.stop(session.id)
        ended(worker, session)
    assert session.turns == [] and worker.problem(session.id) == STOPPED_EARLY


async def test_a_window_is_sent_what_changed_and_sleeps_meanwhile(
    tiny: Renderer, tmp_path: Path, warm: threading.Event
) -> None:
    worker = TurnWorker(threading.Lock(), warm)
    context = UserContext(tiny_agent(tiny, tmp_path), Store(tmp_path / "sessions"), worker)
    stream = state_events(context, "", {"about": 1})
    first = await anext(stream)
    assert {"about", "session", "sessions", "messages", "busy"} <= set(json.loads(first.data or ""))
    following = asyncio.ensure_future(anext(stream))
    worker.changes.announce()  # nothing has changed
    await asyncio.sleep(0)
    session = context.new()
    session.store.add(session.id, "hello", status="done")
    worker.changes.announce()
    assert set(json.loads((await following).data or "")) == {"sessions"}
    assert isinstance(stream, AsyncGenerator)
    await stream.aclose()
