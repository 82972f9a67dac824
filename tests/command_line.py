"""Runs the command `ditpipe` in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

COMMAND = [str(Path(sys.executable).parent / "ditpipe")]


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, capture_output=True, text=True, timeout=300, env=os.environ | environment
    )


def refused(result: subprocess.CompletedProcess[str], *said: str) -> None:
    """Exit code 2, one clear line, no traceback, nothing on stdout."""
    assert result.returncode == 2, result
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("ditpipe: "), result.stderr
    assert all(word in lines[0] for word in said), lines[0]
    assert result.stdout == ""
