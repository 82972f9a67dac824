"""A critic or a reviser that fails after a picture is drawn: nothing is lost, it is said, and the run goes on later."""

from pathlib import Path

from llm_servers import chat_server, refuses, says
from loop_replies import answer, change, looks, painter, pocket_plan, verdict

from ditpipe.agent.events import Finished
from ditpipe.renderer.pictures.artifacts import read_metadata


def test_a_critic_that_fails_leaves_the_round_unjudged_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with chat_server(refuses(401, "Incorrect key")) as server:
        painting = painter(server.url, tmp_path, candidates=2).paint("two things", plan=pocket_plan(), folder=folder)
    assert painting.best.critique is None and painting.path.exists() and len(painting.best.candidates) == 2
    assert painting.halted.startswith("round 1 was not judged: ") and "Incorrect key" in painting.halted
    assert painting.resume.startswith(f"ditpipe resume {folder} ")
    assert painting.halted in read_metadata(painting.path)[1]
    with chat_server(verdict(looks(1, True), looks(2, True)), verdict(looks(1, True), looks(2, False))) as server:
        *_, last = painter(server.url, tmp_path, candidates=2).resume(folder)
    assert isinstance(last, Finished) and last.painting.best.score == 1 and not last.painting.halted
    assert not any("not judged" in warning for warning in read_metadata(last.painting.path)[1])


def test_what_a_critic_said_before_it_failed_is_not_asked_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    weak, good = (verdict(looks(1, True), looks(2, seen)) for seen in (False, True))
    with chat_server(weak, good, refuses(401, "Incorrect key")) as server:
        painting = painter(server.url, tmp_path, candidates=3).paint("two things", plan=pocket_plan(), folder=folder)
    assert painting.halted.startswith("1 of 3 pictures of round 1 were not judged: ")
    assert painting.best.score == 1
    assert [bool(each.critique) for each in painting.best.candidates] == [True, True, False]
    with chat_server(weak) as server:
        *_, last = painter(server.url, tmp_path, candidates=3).resume(folder)
    assert len(server.sent) == 1 and isinstance(last, Finished) and last.painting.best.score == 1
    assert [each.critique.score for each in last.painting.best.candidates if each.critique] == [0.5, 1, 0.5]


def test_a_critic_that_fails_later_leaves_the_best_of_what_was_judged(tmp_path: Path) -> None:
    again = says(answer(change("thing 0", new_seed=True)))
    with chat_server(verdict(looks(1, False), looks(2, True)), again, refuses(401, "Incorrect key")) as server:
        painting = painter(server.url, tmp_path).paint("two things", plan=pocket_plan())
    assert len(painting.rounds) == 2 and painting.best.number == 1 and "round 2 was not judged" in painting.halted


def test_a_reviser_that_fails_leaves_the_best_round(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    weak, good = verdict(looks(1, False), looks(2, True)), verdict(looks(1, True), looks(2, True))
    with chat_server(weak, refuses(404, "no such model")) as server:
        painting = painter(server.url, tmp_path).paint("two things", plan=pocket_plan(), folder=folder)
    assert painting.best.score == 0.5 and painting.halted.startswith("nothing was drawn again: ")
    with chat_server(says(answer(change("thing 0", new_seed=True))), good) as server:
        *_, last = painter(server.url, tmp_path).resume(folder)
    assert isinstance(last, Finished) and last.painting.best.number == 2 and last.painting.best.score == 1
