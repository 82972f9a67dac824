"""The commands for conversations: `ditpipe chat` in the terminal, and `ditpipe sessions` for stored ones."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ..settings import settings_of
from .options import (
    Approve,
    BaseUrl,
    Candidates,
    CriticName,
    Json,
    Model,
    PlannerName,
    Rounds,
    Seed,
    SessionFolder,
    Size,
    SolverName,
    Steps,
)

if TYPE_CHECKING:
    from ..chat.session import Sessions


SessionId = Annotated[str, typer.Argument(metavar="ID", help="a session's id, its beginning, or 'last'")]


def chat(
    session: Annotated[str | None, typer.Option("--session", help="go on with this one: its id, or 'last'")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="list the conversations and leave")] = False,
    model: Model = None, planner: PlannerName = None, critic: CriticName = None, base_url: BaseUrl = None,
    rounds: Rounds = None, candidates: Candidates = None, seed: Seed = None, size: Size = None,
    steps: Steps = None, solver: SolverName = None, approve: Approve = False, sessions: SessionFolder = None,
) -> None:  # fmt: skip
    """Talk a picture into shape: describe it, then say what to change. Everything is kept; Ctrl-D leaves."""
    if list_them:
        list_sessions(sessions=sessions)
        return
    missing = [name for name in ("prompt_toolkit", "textual_image") if find_spec(name) is None]
    if missing:
        raise ValueError('`ditpipe chat` needs more packages: pip install "ditpipe[chat]"')
    settings = settings_of(
        model=model, planner=planner, critic=critic, base_url=base_url, rounds=rounds, candidates=candidates, seed=seed,
        size=size, steps=steps, solver=solver, sessions=sessions, approve=approve or None,
    )  # fmt: skip
    from ..agent import Agent
    from ..chat.session import Sessions
    from .terminal import TerminalChat

    opened = Sessions(Agent(settings=settings))
    TerminalChat(opened, opened.open(_id(opened, session)) if session else opened.new()).run()


conversations = typer.Typer(
    invoke_without_command=True, help="List the conversations that are kept; export or copy one."
)


@conversations.callback()
def list_sessions(context: typer.Context = None, sessions: SessionFolder = None, as_json: Json = False) -> None:  # type: ignore[assignment]
    """List the conversations, the most recently used first."""
    if context and context.invoked_subcommand:
        return
    from ..chat.store import Store
    from .display import sessions_table

    records = Store(sessions or settings_of().sessions).records()
    if as_json:
        print(json.dumps([record.model_dump() for record in records]))
    elif records:
        Console().print(sessions_table(records))
    else:
        print("no conversations yet; begin one: ditpipe chat")


@conversations.command()
def export(
    id: SessionId,
    file: Annotated[Path | None, typer.Argument(metavar="FILE.zip")] = None,
    sessions: SessionFolder = None,
) -> None:
    """Write a zip with the plan, every picture, and the transcript."""
    opened = _opened(sessions)
    session = opened.open(_id(opened, id))
    print(session.export(file or Path(f"{session.id}.zip")))


@conversations.command()
def branch(
    id: SessionId,
    turn: Annotated[int | None, typer.Option("--turn", help="number of the last message to copy; empty: all")] = None,
    sessions: SessionFolder = None,
) -> None:
    """Copy a conversation up to a message, to go on from there another way; prints the copy's id."""
    opened = _opened(sessions)
    print(opened.open(_id(opened, id)).branch(turn).id)


def _opened(folder: Path | None) -> "Sessions":
    from ..agent import Agent
    from ..chat.session import Sessions

    return Sessions(Agent(settings=settings_of(sessions=folder)))


def _id(opened: "Sessions", given: str) -> str:
    if given != "last":
        return given
    records = opened.list()
    if not records:
        raise ValueError("no conversations yet; begin one: ditpipe chat")
    return records[0].id
