"""Runs killed_runs.py, whose forks need a process without threads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_runs_go_on(tmp_path: Path) -> None:
    file = Path(__file__).with_name("killed_runs.py")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--basetemp",
        str(tmp_path / "runs"),
        str(file),
    ]
    done = subprocess.run(command, cwd=file.parents[1], capture_output=True, text=True)
    assert done.returncode == 0 and "3 passed" in done.stdout, done.stdout + done.stderr
