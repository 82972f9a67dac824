"""The chat in a real pseudo-terminal: what a person sees and presses. pexpect is the terminal."""

import os
import re
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest

from ditpipe import Renderer
from ditpipe.agent.chat.store import Store
from ditpipe.renderer.pictures.artifacts import read_request

pytestmark = pytest.mark.terminal

PROGRAM = [sys.executable, str(Path(__file__).parent / "chat_program.py")]
DITPIPE = str(Path(sys.executable).parent / "ditpipe")
BRIEF = "a red cat on the left and a blue rocket on the right, at night"
PATIENCE = 240.0  # seconds: a busy machine is slow


ESCAPES = re.compile(r"\x1b(?:_[^\x1b]*\x1b\\|\[[0-9;?>=]*[a-zA-Z]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()][A-Z0-9]|[=>78])")


class Terminal:
    """A program on a terminal of 100×60 characters. `text`: all that it printed, without colours and movements."""

    def __init__(self, command: str, *arguments: str, cwd: Path) -> None:
        environment = os.environ | {"TERM": "xterm-256color", "DITPIPE_SESSIONS": str(cwd)}
        self.child: Any = pexpect.spawn(
            command, list(arguments), cwd=cwd, env=environment, dimensions=(60, 100), encoding="utf-8"
        )
        self.text, self.at = "", 0

    def say(self, message: str) -> None:
        self.child.send(message + "\r")

    def sees(self, *texts: str) -> None:
        """Waits until these were printed, one after the other, since the last that was waited for."""
        for text in texts:
            deadline = time.monotonic() + PATIENCE
            while (found := self.text.find(text, self.at)) < 0:
                assert time.monotonic() < deadline, f"no {text!r} after {self.text[self.at :]!r}"
                self._read(f"no {text!r}")
            self.at = found + len(text)

    def _read(self, otherwise: str) -> None:
        try:
            raw = self.child.read_nonblocking(65536, timeout=1)
        except pexpect.TIMEOUT:
            return
        except pexpect.EOF:
            raise AssertionError(f"{otherwise} before the end of {self.text[self.at :]!r}") from None
        if "\x1b[6n" in raw:  # where is the cursor? A terminal answers that.
            self.child.send("\x1b[1;1R")
        self.text += ESCAPES.sub("", raw)

    def ends(self) -> None:
        self.child.expect(pexpect.EOF, timeout=PATIENCE)
        self.child.close()

    def leaves(self) -> None:
        self.sees(">")  # the prompt: a key pressed before it would not be read
        self.child.send("\x04")
        self.sees("Kept. Go on with: ditpipe chat --session")
        self.ends()
        assert self.child.exitstatus == 0


@pytest.fixture
def opened() -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.child.close(force=True)


def test_a_picture_is_talked_into_shape(tmp_path: Path, opened: list[Terminal]) -> None:
    """The real command with the real planner, painter and critic: a brief, a change, a question, and leaving."""
    terminal = Terminal(DITPIPE, "chat", "--rounds", "1", "--steps", "10", cwd=tmp_path)
    opened.append(terminal)
    terminal.sees("Say what the picture should show")
    terminal.say(BRIEF)
    terminal.sees("| cat", "| red", "▀▀▀▀", "Here is a red cat on the left and a blue rocket on the right")
    terminal.say("make the cat on the left orange")
    terminal.sees("▀▀▀▀", "Drew an orange cat. Nothing else was drawn.")
    terminal.say("what do you see?")
    terminal.sees("An orange cat (seen: ")
    terminal.leaves()
    [record] = Store(tmp_path).records()
    turns = Store(tmp_path).turns(record.id)
    assert [turn.kind for turn in turns] == ["new brief", "change", "question"]
    request = read_request(tmp_path / record.id / (turns[1].picture or ""))
    assert request.edited_plan.region("cat").prompt.text == "orange cat on the left" and len(request.edits) == 1


def test_keys_commands_and_a_stop(tmp_path: Path, tiny_folder: Path, opened: list[Terminal]) -> None:
    terminal = Terminal(PROGRAM[0], PROGRAM[1], str(tmp_path), str(tiny_folder), "16", cwd=tmp_path)
    opened.append(terminal)
    terminal.sees("Ctrl-D: leave")
    terminal.say(BRIEF)
    terminal.sees("You could say 1: make the")
    terminal.say("same but at sunset")
    terminal.sees("drawing", "/16")
    terminal.child.sendintr()
    terminal.sees("Stopped; the picture is as it was.", ">")
    terminal.child.sendintr()
    terminal.sees("Nothing is being drawn. Ctrl-D leaves.")
    terminal.child.send("/und\t")
    terminal.sees("/undo")
    terminal.child.send("\r")
    terminal.sees("this is the first picture")
    terminal.child.send("remove the roc\t")
    terminal.sees("rocket")
    terminal.child.send("\r")
    terminal.sees("The rocket is gone.")
    terminal.say("/layout")
    terminal.sees("cat: cat on the left, red")
    terminal.say("/save out.png")
    terminal.sees("out.png")
    terminal.say("/export 'all of it.zip'")
    terminal.sees("all of it.zip")
    terminal.say("/paint")
    terminal.sees("unknown command /paint: one of /help, /undo")
    terminal.child.send("\x1b[A")  # the message before
    terminal.sees("/paint")
    terminal.child.send("\x15/sessions\r")
    terminal.sees("messages", BRIEF[:20])
    terminal.leaves()
    assert read_request(tmp_path / "out.png") and (tmp_path / "all of it.zip").exists()
    kinds = [turn.status for turn in Store(tmp_path).turns(Store(tmp_path).records()[0].id)]
    assert kinds == ["done", "stopped", "done"]


def test_a_chat_killed_while_it_draws_finishes_the_same_picture(
    tmp_path: Path, tiny_folder: Path, tiny: Renderer, opened: list[Terminal]
) -> None:
    terminal = Terminal(PROGRAM[0], PROGRAM[1], str(tmp_path), str(tiny_folder), "16", cwd=tmp_path)
    opened.append(terminal)
    terminal.say(BRIEF)
    terminal.sees("You could say 1: make the")
    terminal.say("make the cat orange")
    terminal.sees("drawing", "/16")
    terminal.child.kill(9)
    terminal.ends()
    [record] = Store(tmp_path).records()
    [_, pending] = Store(tmp_path).turns(record.id)
    assert pending.status == "pending" and pending.picture is None
    again = Terminal(PROGRAM[0], PROGRAM[1], str(tmp_path), str(tiny_folder), "16", record.id, cwd=tmp_path)
    opened.append(again)
    again.sees("Finishing what was interrupted: make the cat orange", "Drew an orange cat. Nothing else was drawn.")
    again.leaves()
    [_, done] = Store(tmp_path).turns(record.id)
    path = tmp_path / record.id / (done.picture or "")
    assert done.status == "done" and tiny.render(read_request(path)).image.tobytes() == open_rgb(path)
    assert sqlite3.connect(tmp_path / "sessions.sqlite").execute("PRAGMA integrity_check").fetchone() == ("ok",)


def open_rgb(path: Path) -> bytes:
    from ditpipe.renderer.pictures.artifacts import open_image

    return open_image(path).tobytes()


def test_a_plan_is_approved_at_the_terminal(tmp_path: Path, opened: list[Terminal]) -> None:
    """`ditpipe paint --approve`, with an editor that gives the picture another negative."""
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nsed -i \'s/"negative": "",$/"negative": "blurred",/\' "$1"\n')
    editor.chmod(0o755)
    command = ["env", f"EDITOR={editor}", "VISUAL=", DITPIPE, "paint", BRIEF, "--approve", "--rounds", "1"]
    terminal = Terminal(command[0], *command[1:], cwd=tmp_path)
    opened.append(terminal)
    terminal.sees("| cat", "Draw this? yes, no, or edit")
    terminal.say("edit")
    terminal.sees("Draw this?")
    terminal.say("yes")
    terminal.sees("picture.png")
    terminal.ends()
    [picture] = tmp_path.glob("runs/*/picture.png")
    assert read_request(picture).plan.negative == "blurred"
