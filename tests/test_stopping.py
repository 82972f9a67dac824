"""Ctrl-C in a terminal: what is left of the screen, and what an editor gets of it."""

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from plans import plan_of
from waiting import PATIENCE

pytestmark = pytest.mark.terminal


def in_terminal(code: str, *, typed: str = "", **environment: str) -> tuple[int, str]:
    """Runs a program in a terminal of its own: its exit code, and everything on the screen."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, "-c", code], os.environ | {"TERM": "xterm-256color"} | environment)
    os.write(terminal, typed.encode())
    screen = b""
    with suppress(OSError):  # its end
        while more := os.read(terminal, 4096):
            screen += more
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), screen.decode()


TWICE = """
import os, signal
from rich.console import Console
from ditpipe.agent.cli.signals import ctrl_c

with ctrl_c(lambda: None, "kept"), Console().status("thinking"):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
"""


def test_a_command_that_ends_at_once_gives_the_cursor_back() -> None:
    code, screen = in_terminal(TWICE)
    assert code == 130 and "ditpipe: kept" in screen
    assert screen.rindex("\x1b[?25h") > screen.rindex("\x1b[?25l"), screen


FIRST = """
import os, signal, threading
from ditpipe.agent.cli.signals import ctrl_c

held, printed = threading.Lock(), threading.Event()

def stop():
    with held:
        printed.set()

with ctrl_c(stop):
    with held:
        os.kill(os.getpid(), signal.SIGINT)
    assert printed.wait(60)
"""

LEFT = """
import threading
from pathlib import Path
from ditpipe.tools.jobs.in_process import InProcessEngine
from ditpipe.tools.jobs.job_events import Stepped

def draw(payload, context):
    context.emit(Stepped(1, 1, 900))
    threading.Event().wait()

engine = InProcessEngine(Path(), {"draw": draw})
events = engine.read(engine.submit("draw", {}))
next(events)
left = [events]
left.append(left)  # a cycle, as a traceback and its frames are
del events, left
"""


@pytest.mark.parametrize("program", [FIRST, LEFT], ids=["a lock that the main thread holds", "a reader that is left"])
def test_a_process_that_is_stopped_anywhere_ends(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr


ASKS = """
import sys
from pathlib import Path
from rich.console import Console
from ditpipe import ScenePlan
from ditpipe.agent.cli.approval import approved_plan
from ditpipe.agent.events import Waiting

file = Path("{folder}/plan.json")
plan = approved_plan(Waiting(ScenePlan.model_validate_json(file.read_bytes()), file.parent), Console(stderr=True))
print("negative:", plan and plan.negative)
"""


def test_ctrl_c_in_the_editor_is_the_editors(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(plan_of(2).model_dump_json())
    (tmp_path / "after.json").write_text(plan_of(2).model_copy(update={"negative": "rain"}).model_dump_json())
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\ntrap "cp %s $1" INT\nkill -INT 0\n' % (tmp_path / "after.json"))
    editor.chmod(0o755)
    code, screen = in_terminal(ASKS.format(folder=tmp_path), typed="edit\nyes\n", VISUAL=str(editor))
    assert code == 0 and "negative: rain" in screen, screen
