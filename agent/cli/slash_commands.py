"""The commands of the terminal chat that begin with '/': what is about sessions and files rather than the picture."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table

from ...renderer.pictures.artifacts import copy_as
from ..chat.grammar.embedded_listener import HELP
from ..drawable import what_can_be_drawn
from .display import sessions_table

if TYPE_CHECKING:
    from .terminal import TerminalChat


class Leave(Exception):
    """The person wants to go."""


def obey(chat: TerminalChat, line: str) -> None:
    """Runs a command. Raises Leave; ValueError for an unknown one or a wrong argument; DitpipeError."""
    name, *arguments = shlex.split(line)
    if name not in COMMANDS:
        raise ValueError(f"unknown command {name}: one of {', '.join(COMMANDS)}")
    COMMANDS[name](chat, arguments)


def _help(chat: TerminalChat, arguments: list[str]) -> None:
    chat.console.print(HELP, markup=False, highlight=False)
    chat.console.print(what_can_be_drawn(chat.sessions.agent.vocabulary_summary), markup=False, highlight=False)
    table = Table(box=None, show_header=False)
    for name, command in COMMANDS.items():
        table.add_row(name, command.__doc__ or "")
    chat.console.print(table)


def _undo(chat: TerminalChat, arguments: list[str]) -> None:
    """[N] back to the picture before, or N pictures back"""
    chat.reply(chat.session.undo(_number(arguments, 1)))


def _redo(chat: TerminalChat, arguments: list[str]) -> None:
    """[N] the way back from an undo"""
    chat.reply(chat.session.redo(_number(arguments, 1)))


def _again(chat: TerminalChat, arguments: list[str]) -> None:
    """the whole picture from new noise"""
    chat.follow(chat.session.again())


def _choose(chat: TerminalChat, arguments: list[str]) -> None:
    """N show candidate N instead"""
    chat.reply(chat.session.choose(_number(arguments)))


def _layout(chat: TerminalChat, arguments: list[str]) -> None:
    """the boxes and prompts of the regions"""
    plan = chat.session.plan
    if plan is None:
        raise ValueError("there is no plan yet; say what the picture should show")
    chat._layout = None
    chat.draw_layout(plan)
    chat.console.print(plan.scene.high_level, style="italic", markup=False)
    for region in plan.regions:
        chat.console.print(f"  {region.name}: {region.prompt.text}", markup=False, highlight=False)


def _picture(chat: TerminalChat, arguments: list[str]) -> None:
    """show the picture again"""
    if chat.session.picture_path is None:
        raise ValueError("there is no picture yet; say what it should show")
    chat.show_picture()


def _save(chat: TerminalChat, arguments: list[str]) -> None:
    """FILE copy the picture to a file: .png, .webp or .jpg"""
    source = chat.session.picture_path
    if source is None:
        raise ValueError("there is no picture yet; say what it should show")
    target = _path(arguments, "/save picture.png")
    copy_as(source, target)
    chat.console.print(str(target), markup=False, highlight=False)


def _export(chat: TerminalChat, arguments: list[str]) -> None:
    """FILE.zip plan, pictures and transcript"""
    path = chat.session.export(_path(arguments, "/export session.zip"))
    chat.console.print(str(path), markup=False, highlight=False)


def _sessions(chat: TerminalChat, arguments: list[str]) -> None:
    """list all conversations"""
    chat.console.print(sessions_table(chat.sessions.list()))


def _open(chat: TerminalChat, arguments: list[str]) -> None:
    """ID another conversation, by the beginning of its id"""
    if len(arguments) != 1:
        raise ValueError("which one? /sessions lists them; then: /open ID")
    chat.session = chat.sessions.open(arguments[0])
    chat.greet()


def _new(chat: TerminalChat, arguments: list[str]) -> None:
    """an empty conversation; this one is kept"""
    chat.session = chat.sessions.new()
    chat.greet()


def _branch(chat: TerminalChat, arguments: list[str]) -> None:
    """go on in a copy, and leave this conversation as it is"""
    chat.session = chat.session.branch()
    chat.console.print(f"This is a copy now: {chat.session.id}", highlight=False)


def _quit(chat: TerminalChat, arguments: list[str]) -> None:
    """leave; everything is kept"""
    raise Leave


_help.__doc__ = "this list"
COMMANDS: dict[str, Callable[[TerminalChat, list[str]], None]] = {
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
