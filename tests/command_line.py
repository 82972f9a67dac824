"""Runs the command `ditpipe` in a process of its own: as a rule a fork of one that has imported torch."""

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

COMMAND = [str(Path(sys.executable).parent / "ditpipe")]
PATIENCE = 300  # seconds
READ_AT_IMPORT = {"HF_HOME", "PYTHONIOENCODING"}  # with one of these a command is started from scratch


def run(*arguments: str, cwd: Path, input: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    command, variables = [*COMMAND, *arguments], os.environ | environment
    if READ_AT_IMPORT & environment.keys():
        return subprocess.run(
            command, cwd=cwd, input=input, capture_output=True, text=True, timeout=PATIENCE, env=variables
        )
    request = {"arguments": arguments, "cwd": str(cwd), "environment": variables}
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as stdin, \
         tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:  # fmt: skip
        for file, text in ((asked, json.dumps(request)), (stdin, input)):
            file.write(text.encode())
            file.seek(0)
        reports, reported = os.pipe()
        try:
            files = [asked.fileno(), stdin.fileno(), out.fileno(), err.fileno(), reported]
            socket.send_fds(_fork_server(), [b"x"], files)
            os.close(reported)
            process = _integer(reports)
            if not select.select([reports], [], [], PATIENCE)[0]:
                os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(command, PATIENCE)
            code = os.waitstatus_to_exitcode(_integer(reports))
        finally:
            os.close(reports)
        for file in (out, err):
            file.seek(0)
        return subprocess.CompletedProcess(command, code, out.read().decode(), err.read().decode())


@cache
def _fork_server() -> socket.socket:
    """The connection to this test process's fork server (fork_server.py), which ends when it is closed."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, str(Path(__file__).with_name("fork_server.py")), str(theirs.fileno())]
    with theirs:
        subprocess.Popen(command, pass_fds=[theirs.fileno()], start_new_session=True, stdin=subprocess.DEVNULL)
    atexit.register(ours.close)
    return ours


def _integer(pipe: int) -> int:
    received = os.read(pipe, 4)
    assert received, "the fork server has ended: its error is above"
    number: int = struct.unpack("i", received)[0]
    return number


def refused(result: subprocess.CompletedProcess[str], *said: str) -> None:
    """Exit code 2, one clear line, no traceback, nothing on stdout."""
    assert result.returncode == 2, result
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("ditpipe: "), result.stderr
    assert all(word in lines[0] for word in said), lines[0]
    assert result.stdout == ""
