"""The slash commands of the terminal chat: sessions, files and history, rather than the picture's content."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from rich.table import Table

from ...prompts.wording import caption
from ...renderer.pictures.artifacts import copy_as
from ..chat.commands.short_commands import HELP
from ..drawable import what_can_be_drawn
from .chat_view import ChatView
from .display import sessions_table


class Leave(Exception):
    """Ends the chat."""


def run_command(view: ChatView, line: str) -> None:
    """Runs a command. Raises Leave; ValueError for an unknown one or a wrong argument; DitpipeError."""
    name, *arguments = shlex.split(line)
    if name not in COMMANDS:
        raise ValueError(f"unknown command {name}: one of {', '.join(COMMANDS)}")
    COMMANDS[name](view, arguments)


def _help(view: ChatView, arguments: list[str]) -> None:
    view.console.print(HELP, markup=False, highlight=False)
    view.console.print(what_can_be_drawn(view.sessions.agent.vocabulary_summary), markup=False, highlight=False)
    table = Table(box=None, show_header=False)
    for name, command in COMMANDS.items():
        table.add_row(name, command.__doc__ or "")
    view.console.print(table)


def _undo(view: ChatView, arguments: list[str]) -> None:
    """[N] back to the picture before, or N pictures back"""
    view.reply(view.session.undo(_number(arguments, 1)))


def _redo(view: ChatView, arguments: list[str]) -> None:
    """[N] the way back from an undo"""
    view.reply(view.session.redo(_number(arguments, 1)))


def _again(view: ChatView, arguments: list[str]) -> None:
    """the whole picture from new noise"""
    view.follow(view.session.again())


def _choose(view: ChatView, arguments: list[str]) -> None:
    """N show candidate N instead"""
    view.reply(view.session.choose(_number(arguments)))


def _layout(view: ChatView, arguments: list[str]) -> None:
    """the boxes and prompts of the regions"""
    plan = view.session.plan
    if plan is None:
        raise ValueError("there is no plan yet; say what the picture should show")
    view.draw_layout(plan, again=True)
    view.console.print(plan.scene.high_level, style="italic", markup=False)
    for region in plan.regions:
        view.console.print(f"  {region.name}: {caption(region.prompt)}", markup=False, highlight=False)


def _picture(view: ChatView, arguments: list[str]) -> None:
    """show the picture again"""
    if view.session.picture_path is None:
        raise ValueError("there is no picture yet; say what it should show")
    view.show_picture()


def _save(view: ChatView, arguments: list[str]) -> None:
    """FILE copy the picture to a file: .png, .webp or .jpg"""
    source = view.session.picture_path
    if source is None:
        raise ValueError("there is no picture yet; say what it should show")
    target = _path(arguments, "/save picture.png")
    copy_as(source, target)
    view.console.print(str(target), markup=False, highlight=False)


def _export(view: ChatView, arguments: list[str]) -> None:
    """FILE.zip plan, pictures and transcript"""
    path = view.session.export(_path(arguments, "/export session.zip"))
    view.console.print(str(path), markup=False, highlight=False)


def _sessions(view: ChatView, arguments: list[str]) -> None:
    """list all conversations"""
    view.console.print(sessions_table(view.sessions.list()))


def _open(view: ChatView, arguments: list[str]) -> None:
    """ID another conversation, by the beginning of its id"""
    if len(arguments) != 1:
        raise ValueError("which one? /sessions lists them; then: /open ID")
    view.session = view.sessions.open(arguments[0])
    view.greet()


def _new(view: ChatView, arguments: list[str]) -> None:
    """an empty conversation; this one is kept"""
    view.session = view.sessions.new()
    view.greet()


def _branch(view: ChatView, arguments: list[str]) -> None:
    """go on in a copy, and leave this conversation as it is"""
    view.session = view.session.branch()
    view.console.print(f"This is a copy now: {view.session.id}", highlight=False)


def _quit(view: ChatView, arguments: list[str]) -> None:
    """leave; everything is kept"""
    raise Leave


_help.__doc__ = "this list"
COMMANDS: dict[str, Callable[[ChatView, list[str]], None]] = {
    "/help": _help, "/undo": _undo, "/redo": _redo, "/again": _again, "/choose": _choose, "/layout": _layout,
    "/picture": _picture, "/save": _save, "/export": _export, "/sessions": _sessions, "/open": _open, "/new": _new,
    "/branch": _branch, "/quit": _quit,
}  # fmt: skip


def _number(arguments: list[str], default: int | None = None) -> int:
    if not arguments and default is not None:
        return default
    if len(arguments) != 1 or not arguments[0].isdigit() or int(arguments[0]) < 1:
        raise ValueError("give one number, from 1")
    return int(arguments[0])


def _path(arguments: list[str], example: str) -> Path:
    if len(arguments) != 1:
        raise ValueError(f"give one file name: {example}")
    return Path(arguments[0]).expanduser()
