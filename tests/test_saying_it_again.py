"""A turn that failed after it had drawn keeps what it drew; the same message goes on from there."""

from pathlib import Path
from typing import Any

import pytest
from blank import Blank
from fakes import Pleased, TwoThings
from PIL import Image

from ditpipe import Agent, Critique, ScenePlan
from ditpipe.agent.chat.session import Replied, Session, Sessions
from ditpipe.agent.chat.store import Turn
from ditpipe.prompts.answers.chat_schema import Understanding
from ditpipe.prompts.errors import ModelError
from ditpipe.prompts.revision import RegionChange, Revision
from ditpipe.renderer.request import LocalResult, RenderRequest


class Counting(Blank):
    """Counts the pictures that it draws."""

    drawn = 0

    def candidates(self, request: RenderRequest, count: int, on_step: Any = None) -> list[LocalResult]:
        self.drawn += 1
        return super().candidates(request, count, on_step)

    def edit(self, picture: Any, revision: Any, on_step: Any = None) -> LocalResult:
        self.drawn += 1
        return super().edit(picture, revision, on_step)


class Recovering(Pleased):
    """A critic that fails as long as it is told to."""

    fails = True

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        if self.fails:
            raise ModelError("the critic answered 500")
        return super().critique(image, plan)


class Words:
    """Takes 'change …' for a change of the second thing, and everything else for a brief."""

    def interpret(self, message: str, state: Any) -> Understanding:
        if message.startswith("change"):
            change = RegionChange(name="thing 1", negative=message)
            return Understanding("change", plan=Revision(changes=[change]).apply(state.plan))
        return Understanding("new brief", brief=message)


@pytest.fixture
def renderer() -> Counting:
    return Counting()


@pytest.fixture
def critic() -> Recovering:
    return Recovering()


@pytest.fixture
def session(tmp_path: Path, renderer: Counting, critic: Recovering) -> Session:
    agent = Agent(renderer=renderer, planner=TwoThings(), critic=critic, rounds=1, sessions=tmp_path)
    return Sessions(agent, interpreter=Words()).new()


def turn_of(session: Session, message: str) -> Turn:
    *_, last = session.say(message)
    assert isinstance(last, Replied)
    return last.turn


def test_the_same_brief_goes_on_from_what_was_drawn(session: Session, renderer: Counting, critic: Recovering) -> None:
    failed = turn_of(session, "two things")
    assert failed.status == "failed" and failed.folder and renderer.drawn == 1
    folder = session.path(failed.folder)
    assert f"is kept in {folder}" in failed.reply and f"ditpipe resume {folder}" in failed.reply
    critic.fails = False
    again = turn_of(session, "two things")
    assert again.status == "done" and again.folder == failed.folder and renderer.drawn == 1
    assert session.picture_path and session.picture_path.parent == folder


def test_so_does_the_same_change(session: Session, renderer: Counting, critic: Recovering) -> None:
    critic.fails = False
    turn_of(session, "two things")
    critic.fails = True
    failed = turn_of(session, "change it")
    assert failed.status == "failed" and renderer.drawn == 2
    critic.fails = False
    again = turn_of(session, "change it")
    assert again.status == "done" and renderer.drawn == 2 and again.parent == 1
    assert session.plan and session.plan.region("thing 1").negative == "change it"


def test_another_message_begins_anew(session: Session, renderer: Counting, critic: Recovering) -> None:
    turn_of(session, "two things")
    critic.fails = False
    other = turn_of(session, "two other things")
    assert other.status == "done" and renderer.drawn == 2
    assert turn_of(session, "two other things").folder != other.folder  # it had not failed
