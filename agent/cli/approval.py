"""Approval of a plan at the terminal: yes, no, or edit plan.json first."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from ...prompts.outside_json import read_bounded
from ...prompts.plan import ScenePlan
from ...prompts.plan_files import parse_plan
from .signals import ignore_ctrl_c

if TYPE_CHECKING:
    from ..events import Waiting


def approved_plan(waiting: "Waiting", console: Console) -> ScenePlan | None:
    """The approved plan, edited or not; None if it is rejected, or without a terminal."""
    if not (sys.stdin.isatty() and console.is_terminal):
        return None
    file, plan = waiting.folder / "plan.json", waiting.plan
    while True:
        console.print(f"Draw this? yes, no, or edit ({file}): ", end="", markup=False, highlight=False)
        try:
            answer = input().strip().lower()
        except EOFError:
            return None
        if answer in ("y", "yes"):
            return plan
        if answer in ("n", "no"):
            return None
        if answer in ("e", "edit"):
            plan = _edited(file, plan, console)


def _edited(file: Path, plan: ScenePlan, console: Console) -> ScenePlan:
    """The plan after an edit of `file` in the user's editor; the given plan if the file is no valid plan."""
    from .display import layout_drawing

    editor = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    try:
        with ignore_ctrl_c():
            subprocess.run([*editor, str(file)], check=False)
        plan = parse_plan(read_bounded(file))
    except (OSError, ValueError) as error:
        console.print(f"not a plan: {error}", style="red", markup=False)
        return plan
    console.print(layout_drawing(plan))
    return plan
