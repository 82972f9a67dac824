"""The commands for conversations: `ditpipe chat` in the terminal, and `ditpipe sessions` for stored ones."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ....prompts.errors import visible
from ...settings import settings_of
from ..options import Json, Options, OutFile, PlanFile, busy, given_plan, print_answer, stderr_console, with_settings

if TYPE_CHECKING:
    from ...chat.session import Sessions


NOT_CHANGED = 3  # exit code of `change` where the plan stays as it is
AGAIN = "The plan stays as it is; another try is drawn from another seed: ditpipe render PLAN.json --seed 1."
NOT_HERE = {
    "new brief": "This describes another picture; plan it: ditpipe plan.",
    "undo": "There is no earlier plan here; undo needs a conversation: ditpipe chat.",
    "redo": "There is no later plan here; redo needs a conversation: ditpipe chat.",
    "choose": "There are no candidates here; they are chosen in a conversation: ditpipe chat.",
    "accept": "Nothing is to be different.",
}
SessionId = Annotated[str, typer.Argument(metavar="ID", help="a session's id, its beginning, or 'last'")]


@with_settings(without=("out",))
def chat(
    options: Options,
    session: Annotated[str | None, typer.Option("--session", help="go on with this one: its id, or 'last'")] = None,
    list_them: Annotated[bool, typer.Option("--list", help="list the conversations and leave")] = False,
) -> None:
    """Talk a picture into shape: describe it, then say what to change. Everything is kept; Ctrl-D leaves."""
    if list_them:
        _print_sessions(options)
        return
    missing = [name for name in ("prompt_toolkit", "textual_image") if find_spec(name) is None]
    if missing:
        raise ValueError('`ditpipe chat` needs more packages: pip install "ditpipe[chat]"')
    settings = settings_of(**options)
    from ...agent import Agent
    from ...chat.session import Sessions
    from ..chat_view import PREVIEWS
    from ..terminal import TerminalChat

    opened = Sessions(Agent(settings=settings), previews=PREVIEWS)
    TerminalChat(opened, opened.open(_id(opened, session)) if session else opened.new()).run()


@with_settings("planner", "base_url", "timeout", "model")
def change(
    plan_file: PlanFile,
    message: Annotated[str, typer.Argument(help="what is to be different: 'make the cat orange'")],
    options: Options,
    out: OutFile = None,
    as_json: Json = False,
) -> None:
    """Change PLAN.json as MESSAGE says, without drawing; the changed plan goes to stdout as JSON, or to a file.

    Exit code 3: the plan stays as it is, since MESSAGE is not clear, or asks for something else. The question back, or
    the answer, is then on stderr, and nothing on stdout but with --json.
    """
    before, settings = given_plan(plan_file), settings_of(**options)
    from ....renderer.pictures.artifacts import write
    from ...agent import Agent
    from ...chat.phrases import not_done
    from ...chat.understanding import understood_by

    agent = Agent(settings=settings)
    with busy("reading", as_json):
        result = understood_by(agent, message, plan=before)
    fields = result.as_json()
    answer = {name: fields[name] for name in ("kind", "plan", "brief", "reply", "commands", "notes", "suggestions")}
    answer["reply"] = AGAIN if result.plan == before else result.reply or NOT_HERE.get(result.kind, "")
    if not as_json:
        beside = "" if result.kind == "change" else not_done(result.notes)  # a change's reply has them
        lines = [answer["reply"] + beside, *(f"  {text}" for text in result.suggestions)]
        style = "dim" if result.kind == "change" else "yellow"
        stderr_console.print(visible("\n".join(lines)), style=style, markup=False, highlight=False)
    if result.plan is None or result.plan == before:
        if as_json:
            print(json.dumps(answer))
        raise typer.Exit(NOT_CHANGED)
    changed = result.plan.model_dump_json(indent=2)
    if out:
        write(out, changed.encode())
    print_answer(as_json, answer, str(out) if out else changed)


conversations = typer.Typer(
    invoke_without_command=True, help="List the conversations that are kept; export or copy one."
)


@conversations.callback()
@with_settings("sessions")
def list_sessions(context: typer.Context, options: Options, as_json: Json = False) -> None:
    """List the conversations, the most recently used first."""
    if not context.invoked_subcommand:
        _print_sessions(options, as_json)


def _print_sessions(options: Options, as_json: bool = False) -> None:
    from ...chat.store import Store
    from ..display import sessions_table

    records = Store(settings_of(**options).sessions).records()
    if as_json:
        print(json.dumps([record.model_dump() for record in records]))
    elif records:
        Console().print(sessions_table(records))
    else:
        print("no conversations yet; begin one: ditpipe chat")


@conversations.command()
@with_settings("sessions")
def export(
    id: SessionId, options: Options, file: Annotated[Path | None, typer.Argument(metavar="FILE.zip")] = None
) -> None:
    """Write a zip with the plan, every picture, and the transcript."""
    opened = _opened(options)
    session = opened.open(_id(opened, id))
    print(session.export(file or Path(f"{session.id}.zip")))


@conversations.command()
@with_settings("sessions")
def branch(
    id: SessionId,
    options: Options,
    turn: Annotated[int | None, typer.Option("--turn", help="number of the last message to copy; empty: all")] = None,
) -> None:
    """Copy a conversation up to a message, to go on from there another way; prints the copy's id."""
    opened = _opened(options)
    print(opened.open(_id(opened, id)).branch(turn).id)


def _opened(options: Options) -> "Sessions":
    from ...agent import Agent
    from ...chat.session import Sessions

    return Sessions(Agent(settings=settings_of(**options)))


def _id(opened: "Sessions", given: str) -> str:
    if given != "last":
        return given
    records = opened.list()
    if not records:
        raise ValueError("no conversations yet; begin one: ditpipe chat")
    return records[0].id
