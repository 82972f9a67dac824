"""A run whose process is killed, for real and at many points of its work with files, goes on to the same picture.

test_killed.py runs these in a process of its own: what is forked here must have no threads, for a lock that another
thread holds at the fork (SQLite's, say) stays locked in the child.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blank import Blank
from fakes import Pleased
from plans import plan_of

from ditpipe import Agent
from ditpipe.agent.events import Finished
from ditpipe.agent.runs.folder import run_record
from ditpipe.prompts.errors import RunError

BRIEF = "two things"
# Calls into C after which the disk holds something else than before.
WRITING = {"open", "write", "close", "mkdir", "rename", "replace", "unlink", "execute", "executemany", "commit"}
POINTS = 12  # of each kind, spread evenly


def agent(out: Path) -> Agent:
    return Agent(renderer=Blank(), critic=Pleased(), steps=2, rounds=1, out=out)


def killed(act: Callable[[], object], point: int) -> bool:
    """Does it in a process of its own, which is killed at that call of `WRITING`, before and after it in turns.

    False if it came to its end before that.
    """
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
        return os.WIFSIGNALED(status)
    left = [point]

    def look(frame: Any, event: str, called: Any) -> None:
        if event.startswith("c_") and getattr(called, "__name__", "") in WRITING:
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    failed = 1
    try:
        threading.setprofile(look)
        sys.setprofile(look)
        act()
        failed = 0
    finally:
        os._exit(failed)


def points(act: Callable[[int], Callable[[], object]]) -> list[int]:
    """Some of the points at which it can be killed, the first and the last among them."""
    few, many = 0, 1
    while killed(act(many), many):
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if killed(act(middle), middle) else (few, middle)
    return sorted({round(i * few / (POINTS - 1)) for i in range(POINTS)})


def test_there_is_a_run_with_its_whole_brief_or_none(tmp_path: Path) -> None:
    def begin(point: int) -> Callable[[], object]:
        return lambda: agent(tmp_path / str(point)).begin(BRIEF, plan=plan_of(2))

    begun = 0
    for point in points(begin):
        killed(begin(point), point)
        for folder in (tmp_path / str(point)).glob("[0-9]*"):
            assert run_record(folder).brief == BRIEF and run_record(folder).plan == plan_of(2)
            begun += 1
    assert begun


def test_the_first_file_of_a_folder_that_was_given_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    def begin(point: int) -> Callable[[], object]:
        return lambda: agent(tmp_path).begin(BRIEF, plan=plan_of(2), folder=tmp_path / str(point))

    seen = set()
    for point in points(begin):
        killed(begin(point), point)
        try:
            assert run_record(tmp_path / str(point)).brief == BRIEF
        except RunError:
            assert not (tmp_path / str(point) / "run.json").exists()
        seen |= {file.name for file in (tmp_path / str(point)).glob("*")}
    assert seen == {"run.json", "run.json.part"}
    whole, part = tmp_path / "whole", tmp_path / "part"
    agent(tmp_path).begin(BRIEF, plan=plan_of(2), folder=whole)
    part.mkdir()
    (whole / "run.json").rename(part / "run.json.part")
    assert run_record(part).brief == BRIEF
    *_, last = agent(tmp_path).resume(part)
    assert isinstance(last, Finished)


def test_a_killed_run_goes_on_to_the_same_picture(tmp_path: Path) -> None:
    def paint(point: int) -> Callable[[], object]:
        return lambda: agent(tmp_path).paint(BRIEF, plan=plan_of(2), folder=tmp_path / str(point))

    expected = agent(tmp_path).paint(BRIEF, plan=plan_of(2)).path.read_bytes()
    resumed = 0
    for point in points(paint):
        killed(paint(point), point)
        if (tmp_path / str(point) / "run.json").exists():
            *_, last = agent(tmp_path).resume(tmp_path / str(point))
            assert isinstance(last, Finished) and last.painting.path.read_bytes() == expected
            resumed += 1
    assert resumed > POINTS // 2
