"""Sessions: what a change leaves as it was, the way back and forward, approval, copies, stops, two at once."""

import json
import sqlite3
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chat_program import FixedPlanner, sessions
from critics import Blind, ByRegion, Verdicts
from PIL import Image
from rich.console import Console
from scripted import scripted

from ditpipe import Agent, Box, LeveledPrompt, Region, Renderer, Revision, ScenePlan
from ditpipe.agent.chat.chat_state import ChatState
from ditpipe.agent.chat.interpreter import ModelInterpreter
from ditpipe.agent.chat.replies import BRIEFS
from ditpipe.agent.chat.session import Replied, Session, Sessions, Understood
from ditpipe.agent.chat.store import Turn
from ditpipe.agent.cli.chat_view import ChatView
from ditpipe.agent.events import Finished, Planned, Rendered, Stepped, Waiting
from ditpipe.agent.web.session_view import session_state
from ditpipe.prompts.answers.chat_schema import Understanding
from ditpipe.prompts.critique import Critique
from ditpipe.prompts.errors import ModelError, RunError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.pictures.artifacts import read_metadata, read_request, read_result, write_result
from ditpipe.renderer.request import RenderResult

BRIEF = "a red cat on the left and a blue rocket on the right, at night"


def agent_of(tiny: Renderer, **options: Any) -> Agent:
    known: dict[str, Any] = {"critic": "none", "size": 96, "steps": 2} | options
    return Agent(renderer=tiny, model=tiny.model, planner=FixedPlanner(), **known)


@pytest.fixture
def all_sessions(tiny: Renderer, tmp_path: Path) -> Sessions:
    return sessions(tmp_path / "sessions", agent_of(tiny))


@pytest.fixture
def session(all_sessions: Sessions) -> Session:
    return all_sessions.new()


def turn_of(session: Session, *messages: str) -> Turn:
    """The turn of the last message."""
    for message in messages:
        turn = last(session.say(message))
    return turn


def last(events: Iterator[Any]) -> Turn:
    *_, event = events
    assert isinstance(event, Replied)
    return event.turn


def pixels(session: Session) -> Any:
    assert session.picture is not None
    return np.asarray(session.picture)


def test_a_brief_is_drawn_and_told_by_typed_events(session: Session) -> None:
    events = [event for event in session.say(BRIEF) if not isinstance(event, Stepped)]
    assert [type(event) for event in events] == [Understood, Planned, Rendered, Finished, Replied]
    assert session.title == BRIEF[:59] + "…" and session.plan is not None
    assert session.picture_path and read_request(session.picture_path).edited_plan == session.plan
    assert session.head and session.head.reply.startswith("Here is a red cat")


def test_help_is_told_by_every_face(session: Session) -> None:
    turn = turn_of(session, "/help")
    assert turn.kind == "question" and "Say in your own words" in turn.reply and not turn.picture


def test_a_turn_says_what_could_not_be_judged(tiny: Renderer, tmp_path: Path) -> None:
    session = sessions(tmp_path, agent_of(tiny, critic=Blind(cat=0.2), candidates=2, rounds=1)).new()
    turn = turn_of(session, BRIEF)
    assert "The critic says: cat: cannot judge it; rocket: cannot judge it." in turn.reply
    shown = session_state(session)
    assert [each["score"] for each in shown["scores"]] == [0.2, None]
    assert [each["current"] for each in shown["candidates"]] == [True, False]
    blind = sessions(tmp_path / "blind", agent_of(tiny, critic=Blind(), candidates=2, rounds=1)).new()
    turn_of(blind, BRIEF)
    assert [each["current"] for each in session_state(blind)["candidates"]] == [True, False]


class Broken:
    """An interpreter with a fault that nobody foresaw."""

    def interpret(self, message: str, shown: ChatState) -> Understanding:
        raise TypeError("unforeseen")


def test_an_unforeseen_fault_ends_the_turn(tiny: Renderer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    session = Sessions(agent_of(tiny, sessions=tmp_path), interpreter=Broken()).new()
    turn = turn_of(session, BRIEF)
    assert (turn.status, turn.reply) == ("failed", "That did not work: an internal error; the log says more")
    assert session.unfinished is None and "unforeseen" in caplog.text


class Unreachable(Verdicts):
    """A critic whose server does not answer at its second call."""

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        if self.calls == 1:
            self.calls += 1
            raise ModelError("the chat model did not answer")
        return super().critique(image, plan)


@pytest.mark.parametrize("again", [BRIEF, ""])
def test_what_failed_goes_on_from_its_finished_rounds_when_it_is_said_again(
    tiny: Renderer, tmp_path: Path, again: str
) -> None:
    session = sessions(tmp_path, agent_of(tiny, critic=Unreachable(0.3, 0.9), rounds=2)).new()
    failed = turn_of(session, BRIEF)
    assert failed.status == "failed" and failed.reply.startswith(
        "That did not work: round 2 was not judged: the chat model did not answer. The picture is as it was; say it "
        "again to try once more. "
    )
    first = session.folder / "turn-0001" / "round-1" / "candidate-1.png"
    drawn = first.stat().st_mtime_ns
    events = list(session.say(again) if again else session.again())
    assert sum(isinstance(event, Rendered) for event in events) == 0  # both rounds were drawn before
    turn = last(iter(events))
    assert turn.status == "done" and [shot.score for shot in turn.rounds] == [0.3, 0.9]
    assert first.stat().st_mtime_ns == drawn and session.states == [turn]


def test_another_message_after_a_failure_begins_anew(tiny: Renderer, tmp_path: Path) -> None:
    session = sessions(tmp_path, agent_of(tiny, critic=Unreachable(*5 * [0.9]), rounds=1)).new()
    turn_of(session, BRIEF)
    assert turn_of(session, "make the cat orange").status == "failed"
    turn = turn_of(session, "remove the rocket")
    assert (turn.status, turn.folder) == ("done", "turn-0003") and turn.plan and len(turn.plan.regions) == 1


def test_a_change_draws_only_its_region(session: Session) -> None:
    turn_of(session, BRIEF)
    before, plan = pixels(session), session.plan
    turn = turn_of(session, "make the cat orange")
    after = pixels(session)
    assert turn.revision and turn.revision.names == ["cat"] and turn.base
    assert turn.reply == "Drew an orange cat. Nothing else was drawn."
    assert (before[:, :24] != after[:, :24]).any()
    edge = before.shape[1] // 2 + 16
    assert (before[:, edge:] == after[:, edge:]).all()  # beyond the region and the decoder's reach
    assert plan and session.plan and session.plan.region("rocket") == plan.region("rocket")
    one, other = (read_result(session.path(t.picture or "")) for t in session.states)
    assert isinstance(one, RenderResult) and isinstance(other, RenderResult)
    assert one.latents is not None and other.latents is not None
    half = one.latents.shape[-1] // 2
    assert (one.latents[..., half:] == other.latents[..., half:]).all()


def test_adding_and_removing_draw_only_what_changed(session: Session) -> None:
    turn_of(session, BRIEF)
    before = pixels(session)
    turn = turn_of(session, "remove the rocket")
    assert turn.reply.startswith("The rocket is gone.")
    assert (before[:, :32] == pixels(session)[:, :32]).all() and (before != pixels(session)).any()
    without = pixels(session)
    turn = turn_of(session, "add a moon at the top right")
    assert session.plan and [region.name for region in session.plan.regions] == ["cat", "moon"]
    assert (without[:, :32] == pixels(session)[:, :32]).all() and (without != pixels(session)).any()
    assert session.plan.scene.high_level == "a red cat on the left and a small yellow moon at the top right at night"


def test_an_edited_picture_can_be_drawn_again_from_what_it_carries(session: Session, tiny: Renderer) -> None:
    turn_of(session, BRIEF, "remove the rocket", "add a moon at the top right")
    assert session.picture_path
    again = tiny.render(read_request(session.picture_path))
    assert (np.asarray(again.image) == pixels(session)).all()


def test_another_background_draws_all_of_it_from_the_same_seeds(session: Session) -> None:
    turn_of(session, BRIEF, "make the cat orange")
    turn = turn_of(session, "same but at sunset")
    assert turn.base is None and session.plan and session.plan.scene.high_level.endswith("at sunset")
    assert session.picture_path and read_request(session.picture_path).edits == []
    assert turn.seed == session.states[0].seed
    assert turn_of(session, "try again").seed != turn.seed


def test_back_and_forward_and_another_way_and_nothing_is_lost(session: Session) -> None:
    turn_of(session, BRIEF, "make the cat orange", "remove the rocket")
    paths = [session.path(turn.picture or "") for turn in session.states]
    assert turn_of(session, "go back two").reply == f"Back at: {BRIEF}"
    assert session.picture_path == paths[0]
    turn_of(session, "undo the undo")
    assert session.picture_path == paths[2]
    turn_of(session, "undo", "make the rocket green")  # another way on from the orange cat
    assert [turn.message for turn in session.states] == [BRIEF, "make the cat orange", "make the rocket green"]
    assert all(path.exists() for path in paths)
    session.show(3)
    assert session.picture_path == paths[2]
    with pytest.raises(ValueError, match="only 2 pictures before"):
        session.undo(3)
    assert "only 2 pictures" in turn_of(session, "go back 7").reply


def test_what_is_not_understood_changes_nothing(session: Session) -> None:
    turn_of(session, BRIEF)
    before = pixels(session)
    turn = turn_of(session, "flurbl the cat")
    assert (turn.kind, turn.status) == ("unclear", "done") and turn.reply
    assert turn_of(session, "what is on the left?").reply == "A red cat."
    assert (before == pixels(session)).all() and len(session.states) == 1


def test_an_impossible_change_fails_in_one_line_and_leaves_the_picture(session: Session) -> None:
    turn_of(session, BRIEF)
    too_small = Box(left=0.01, top=0.01, right=0.02, bottom=0.02)
    turn = last(session.change(Revision(changes=[RegionChange(name="cat", box=too_small)])))
    assert turn.status == "failed" and "covers no latent token" in turn.reply
    assert last(session.change(Revision(removed=["dog"]))).reply == (
        "That did not work: no region 'dog': the plan has cat, rocket"
    )
    assert len(session.states) == 1
    assert turn_of(session, "make the cat orange").status == "done"
    with pytest.raises(ValueError, match="empty"):
        next(session.say("  "))


def test_replan_draws_what_differs(session: Session) -> None:
    turn_of(session, BRIEF)
    assert session.plan
    cat = session.plan.region("cat").model_copy(update={"box": Box(left=0, top=0.5, right=0.5, bottom=1)})
    moved = session.plan.model_copy(update={"regions": [cat, session.plan.region("rocket")]})
    turn = last(session.replan(moved, "dragged the cat"))
    assert turn.base and turn.revision and turn.revision.names == ["cat"] and turn.message == "dragged the cat"
    assert session.plan.scene.high_level.startswith("a red cat at the bottom left and")
    other = session.plan.model_copy(update={"negative": "blurred"})
    assert last(session.replan(other)).base is None
    assert last(session.replan(other)).reply == "It is like that already; nothing was drawn."


def test_a_candidate_is_chosen_and_changed(tiny: Renderer, tmp_path: Path) -> None:
    several = agent_of(tiny, critic=Verdicts(0.2, 0.8, 0.5, 0.6, 0.9, 0.1), candidates=3, rounds=1)
    session = sessions(tmp_path, several).new()
    first = turn_of(session, BRIEF)
    assert [candidate.score for candidate in first.candidates] == [0.2, 0.8, 0.5]
    assert session.critique and session.critique.score == 0.8
    view = ChatView(session.sessions, session, Console(quiet=True))
    view.suggest()
    assert view.chosen("2") == "2"  # a candidate
    turn_of(session, "what is on the left?")
    view.suggest()
    assert view.chosen("2") == "same but at sunset"
    turn = turn_of(session, "I like the third one")
    assert turn.kind == "choose" and session.critique.score == 0.5
    assert session.picture_path == session.path(first.candidates[2].picture)
    before = pixels(session)
    turn = turn_of(session, "make the cat orange")
    assert turn.critique and turn.critique.score == 0.9 and len(turn.candidates) == 3
    edge = before.shape[1] // 2 + 16
    assert (before[:, edge:] == pixels(session)[:, edge:]).all()
    with pytest.raises(ValueError, match="3 candidates"):
        session.choose(4)


def test_a_change_is_mended_only_where_it_was_made(tiny: Renderer, tmp_path: Path) -> None:
    critic = ByRegion(cat=[0.9, 0.1, 0.8], rocket=[0.6])
    session = sessions(tmp_path, agent_of(tiny, critic=critic, rounds=2)).new()
    turn_of(session, BRIEF)
    before = pixels(session)
    turn = turn_of(session, "make the cat orange")
    assert [each.score for each in turn.rounds] == [0.35, 0.7] and turn.round == 2 and session.plan
    assert session.plan.region("cat").seed is not None and session.plan.region("rocket").seed is None
    edge = before.shape[1] // 2 + 16
    assert (before[:, edge:] == pixels(session)[:, edge:]).all()


def test_a_change_that_comes_out_worse_leaves_the_picture_and_offers_its_tries(tiny: Renderer, tmp_path: Path) -> None:
    critic = ByRegion(cat=[0.9, 0.0, 0.1, 0.2, 0.0, 0.9], rocket=[0.6])
    session = sessions(tmp_path, agent_of(tiny, critic=critic, rounds=2)).new()
    first = turn_of(session, BRIEF)
    before, plan = pixels(session), session.plan
    turn = turn_of(session, "make the cat orange")
    assert turn.status == "done" and turn.round == 0 and session.plan == plan and (pixels(session) == before).all()
    assert turn.critique == first.critique and turn.comparison and turn.comparison.lost[0].after == 0.1
    assert turn.reply.startswith(
        "I left the picture as it was: in the best of 2 tries the orange cat came out at 0.10, where it was 0.90 "
        "before. To have that one all the same, say 'number 3'; or say it in another way, or once more for other tries."
    )
    shown = session_state(session)
    assert [frame["caption"] for frame in shown["film"]] == [BRIEF, "try 1", "try 2", "make the cat orange"]
    assert [each["current"] for each in shown["candidates"]] == [True, False, False]
    again = turn_of(session, "make the cat orange")
    assert again.round == 0 and session.states == [again]  # and not three pictures that are one
    tries = [read_request(session.path(shot.picture)).edited_plan for each in (turn, again) for shot in each.rounds]
    assert len({plan.region("cat").seed for plan in tries}) == 4
    chosen = turn_of(session, "number 2")
    assert session.plan == tries[2] and chosen.parent == again.number and (pixels(session) != before).any()
    assert turn_of(session, "undo").head == again.number and (pixels(session) == before).all()
    last_try = turn_of(session, "make the cat orange")
    assert last_try.round == 1 and last_try.reply.startswith("Drew an orange cat.")
    assert session.states == [again, last_try] and turn_of(session, "undo").head == again.number


def test_what_the_model_cannot_draw_is_said_of_a_try_that_was_left(tiny: Renderer, tmp_path: Path) -> None:
    session = sessions(tmp_path, agent_of(tiny, critic=ByRegion(cat=[0.9, 0.0], rocket=[0.6]), rounds=1)).new()
    turn_of(session, BRIEF)
    turn = last(session.change(Revision(changes=[RegionChange(name="cat", negative="fog BREAK rain")])))
    assert turn.round == 0 and "Of that try: 'BREAK' in a prompt" in turn.reply


def test_a_change_that_alters_a_neighbour_says_so(tiny: Renderer, tmp_path: Path) -> None:
    """The picture before is made up, so that what the edit draws beside its box differs from it."""
    session = sessions(tmp_path, agent_of(tiny)).new()
    turn_of(session, BRIEF)
    assert session.picture_path
    odd = Image.open(session.picture_path)
    odd.paste("white", (48, 0, 96, 96))
    result = read_result(session.picture_path)
    assert isinstance(result, RenderResult)
    write_result(session.picture_path, replace(result, image=odd.convert("RGB")))
    turn = turn_of(session, "make the cat orange")
    assert turn.comparison and turn.comparison.beside.keys() == {"rocket"}
    assert turn.reply.startswith("Drew an orange cat. Note: the edit also changed ") and "of 'rocket'" in turn.reply
    assert session.picture_path and "the edit also changed" in read_metadata(session.picture_path)[1][0]


def test_the_plan_waits_for_a_yes_over_a_restart(tiny: Renderer, tmp_path: Path) -> None:
    session = sessions(tmp_path, agent_of(tiny, approve=True)).new()
    events = list(session.say(BRIEF))
    assert [type(event) for event in events] == [Understood, Planned, Waiting, Replied]
    assert session.waiting and session.picture is None and "Shall I draw it?" in session.waiting.reply
    assert session.chat_state(draws="", token=16).previous == session.plan  # "no, make the cat orange"
    assert turn_of(session, "make the cat orange").status == "waiting"
    assert session.chat_state(draws="", token=16).touched == ("cat",)
    reopened = sessions(tmp_path, agent_of(tiny, approve=True)).open(session.id)
    assert reopened.plan and reopened.plan.region("cat").prompt.low_level == "orange"
    turn = turn_of(reopened, "yes")
    assert turn.status == "done" and reopened.waiting is None and reopened.picture_path
    assert read_request(reopened.picture_path).plan.region("cat").prompt.low_level == "orange"
    assert turn_of(reopened, "remove the rocket").status == "done"  # changes can be undone, and do not wait
    assert last(reopened.approve()).reply == "That did not work: no plan waits for a yes"


def test_a_waiting_plan_is_dropped_by_a_no_or_another_brief(tiny: Renderer, tmp_path: Path) -> None:
    session = sessions(tmp_path, agent_of(tiny, approve=True)).new()
    turn_of(session, BRIEF, "no")
    assert session.suggestions == BRIEFS
    turn_of(session, BRIEF, "yes", "start over: two dogs")
    assert session.waiting
    assert turn_of(session, "no").reply == "The plan is dropped; nothing was drawn."
    assert session.waiting is None and len(session.states) == 1
    turn_of(session, "start over: two dogs", "start over: three dogs")
    assert session.waiting and session.waiting.brief == "three dogs"
    assert sum(turn.status == "waiting" for turn in session.turns) == 1


def test_approval_in_python(tiny: Renderer, tmp_path: Path) -> None:
    agent = agent_of(tiny, approve=True, out=tmp_path)
    *_, waiting = agent.stream(BRIEF)
    assert isinstance(waiting, Waiting) and not list(waiting.folder.glob("round-*"))
    assert [type(event) for event in agent_of(tiny, approve=True).resume(waiting.folder)] == [Waiting]
    changed = Revision(removed=["rocket"]).apply(waiting.plan)
    *_, finished = agent_of(tiny, approve=True).resume(waiting.folder, approved=changed)
    assert isinstance(finished, Finished) and finished.painting.best.plan == changed
    assert ScenePlan.model_validate_json((waiting.folder / "plan.json").read_bytes()) == changed
    *_, other = agent.stream(BRIEF)
    assert isinstance(other, Waiting)
    *_, finished = agent.resume(other.folder, approved=True)
    assert isinstance(finished, Finished) and finished.painting.best.plan == other.plan
    with pytest.raises(RunError, match="waits for a yes"):
        agent.paint(BRIEF)


class Gated(Renderer):
    """After the first step of an edit it waits until `gate` is set."""

    gate: threading.Event

    def edit(self, picture: Any, revision: Any, on_step: Any = None) -> Any:
        def step(progress: Any) -> None:
            if progress.index > 1:
                self.gate.wait()
            on_step(progress)

        return super().edit(picture, revision, step)


def test_a_stop_ends_the_drawing_and_not_the_session(tiny_folder: Path, tmp_path: Path) -> None:
    renderer = Gated(str(tiny_folder), device="cpu")
    renderer.gate = threading.Event()
    session = sessions(tmp_path, agent_of(renderer)).new()
    turn_of(session, BRIEF)
    before = pixels(session)
    turn = None
    for event in session.say("make the cat orange"):
        if isinstance(event, Stepped):
            session.stop()
            renderer.gate.set()
        turn = event.turn if isinstance(event, Replied) else None
    assert turn and turn.status == "stopped" and (before == pixels(session)).all()
    assert turn_of(session, "make the cat orange").status == "done"


class StopsFirst:
    """Takes every message for a brief, and stops the session before it answers."""

    session: Session

    def interpret(self, message: str, state: ChatState) -> Understanding:
        self.session.stop()
        return Understanding("new brief", brief=message)


def test_a_stop_while_the_words_are_read_ends_the_turn_too(tiny: Renderer, tmp_path: Path) -> None:
    interpreter = StopsFirst()
    interpreter.session = Sessions(agent_of(tiny, sessions=tmp_path), interpreter=interpreter).new()
    turn = turn_of(interpreter.session, BRIEF)
    assert turn.status == "stopped" and turn.plan is None


def test_what_nobody_waited_for_is_finished_later_and_is_the_same(tiny_folder: Path, tmp_path: Path) -> None:
    renderer = Gated(str(tiny_folder), device="cpu")
    renderer.gate = threading.Event()
    all_sessions = sessions(tmp_path, agent_of(renderer))
    left, whole = all_sessions.new(), all_sessions.new()
    for session in (left, whole):
        turn_of(session, BRIEF)
    events = left.say("make the cat orange")
    assert any(isinstance(event, Stepped) for event in events)
    assert left.busy and left.unfinished is None
    threading.Timer(0.1, renderer.gate.set).start()
    events.close()  # type: ignore[attr-defined]
    assert left.unfinished and left.unfinished.message == "make the cat orange"
    assert last(left.resume()).status == "done" and left.unfinished is None
    turn_of(whole, "make the cat orange")
    assert left.picture_path and whole.picture_path
    assert left.picture_path.read_bytes() == whole.picture_path.read_bytes()


def test_only_one_message_at_a_time(tiny_folder: Path, tmp_path: Path) -> None:
    renderer = Gated(str(tiny_folder), device="cpu")
    renderer.gate = threading.Event()
    all_sessions = sessions(tmp_path, agent_of(renderer))
    session = all_sessions.new()
    turn_of(session, BRIEF)
    events = session.say("make the cat orange")
    next(events)
    with pytest.raises(RunError, match="at work"):
        next(all_sessions.open(session.id).say("a dog"))
    renderer.gate.set()
    last(events)
    assert [turn.message for turn in session.turns] == [BRIEF, "make the cat orange"]


def test_a_branch_goes_its_own_way(session: Session) -> None:
    turn_of(session, BRIEF, "make the cat orange")
    other = session.branch(1)
    assert other.title.endswith("(branch)") and [turn.message for turn in other.turns] == [BRIEF]
    assert (pixels(other) != pixels(session)).any()
    turn_of(other, "remove the cat")
    assert session.plan and len(session.plan.regions) == 2 and other.plan and len(other.plan.regions) == 1
    with pytest.raises(ValueError, match="no turn 9"):
        session.branch(9)
    session.rename_region("cat", "tiger")  # its picture is in a folder of its own
    assert (pixels(session.branch()) == pixels(session)).all()


def test_an_export_holds_plan_pictures_and_transcript(session: Session, tmp_path: Path) -> None:
    turn_of(session, BRIEF, "make the cat orange", "what is on the left?")
    with zipfile.ZipFile(session.export(tmp_path / "out" / "x.zip")) as packed:
        assert set(packed.namelist()) == {
            "plan.json", "picture.png", "pictures/turn-1.png", "pictures/turn-2.png", "transcript.md", "session.json",
        }  # fmt: skip
        assert ScenePlan.model_validate_json(packed.read("plan.json")) == session.plan
        text = packed.read("transcript.md").decode()
        assert "**You:** make the cat orange" in text and "![picture 2](pictures/turn-2.png)" in text
        assert len(json.loads(packed.read("session.json"))["turns"]) == 3
    with pytest.raises(RunError, match="cannot write"):
        session.export(session.path("turn-0001/picture.png") / "x.zip")


def test_sessions_are_listed_and_opened_by_a_beginning(all_sessions: Sessions) -> None:
    one, other = all_sessions.new("one"), all_sessions.new("other")
    turn_of(one, BRIEF)
    assert [record.title for record in all_sessions.list()] == ["one", "other"]
    assert all_sessions.open(one.id).title == "one"
    other.rename("renamed")
    assert other.title == "renamed"
    with pytest.raises(RunError, match="no session begins with 'xyz'"):
        all_sessions.open("xyz")
    with pytest.raises(RunError, match="several sessions begin"):
        all_sessions.open(one.id[:6])


def test_a_drawn_region_added_by_hand_is_named_in_the_scene(session: Session) -> None:
    turn_of(session, BRIEF)
    moon = Region(
        name="moon", box=Box(left=0.5, top=0, right=1, bottom=0.5), z_order=1,
        prompt=LeveledPrompt(high_level="moon at the top right", low_level="white"),
    )  # fmt: skip
    last(session.change(Revision(added=[moon]), "drew a box"))
    assert session.plan and "a white moon at the top right" in session.plan.scene.high_level
    assert session.picture and isinstance(session.picture, Image.Image)


def test_onlookers_do_not_take_each_other_for_work_and_wait_for_no_writer(session: Session) -> None:
    with ThreadPoolExecutor(8) as crowd:
        assert not any(crowd.map(lambda _: session.busy, range(400)))
    with closing(sqlite3.connect(session.store.folder / "sessions.sqlite", isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        assert session.turns == [] and session.title == "" and len(session.store.records()) == 1


def test_what_was_not_drawn_as_asked_is_in_the_reply(tiny: Renderer, tmp_path: Path) -> None:
    turn = turn_of(sessions(tmp_path, agent_of(tiny, step_cache=0.2)).new(), BRIEF)
    assert " Note: step cache: " in turn.reply


@pytest.mark.slow
def test_fifty_turns_stay_right_and_what_a_model_is_sent_does_not_grow(tiny: Renderer, tmp_path: Path) -> None:
    """Of a long conversation a model is sent the plan and the last messages; 'it' is what was changed last."""
    commands = [{"do": "new brief", "brief": BRIEF}, {"do": "look", "regions": ["cat"], "low_level": "orange"}]
    commands += [{"do": "answer", "reply": f"answer {number}"} for number in range(47)]
    replies = [json.dumps({"commands": [command]}) for command in [*commands, {"do": "undo", "steps": 1}]]
    with scripted(*replies) as model:
        long = Sessions(agent_of(tiny, sessions=tmp_path), interpreter=ModelInterpreter(model)).new()
        turn_of(long, BRIEF, "make the cat orange", *(f"question {number} {'x' * 90}" for number in range(47)), "undo")
    sizes = [len(str(asked[-1].content)) for asked in model.calls]
    assert max(sizes) < sizes[15] + 50 and sizes[49] < 4_000
    sent = str(model.calls[48][-1].content)
    assert '"touched": ["cat"]' in sent and "question 45 " in sent and "question 33 " not in sent
    assert len(long.turns) == 50 and long.turns[-1].reply == f"Back at: {BRIEF}"
    assert long.plan and long.plan.region("cat").prompt.low_level == "red"
