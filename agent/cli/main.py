"""The command `ditpipe`. Heavy modules are loaded by the commands that need them."""

import atexit
import gc
import json
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ...prompts.errors import DitpipeError, JobCancelled, first_problem, visible
from ...prompts.plan_files import read_plan
from ..evaluate.commands import evaluate
from ..settings import PERSONAL, check_variables, settings_of
from .approval import approved_plan
from .commands import batch as batch_cli
from .commands import chat as chat_cli
from .commands import layouts as layouts_cli
from .commands import render as render_cli
from .commands import serve as serve_cli
from .commands.jobs import jobs
from .commands.models import models
from .options import (
    Agreed,
    Json,
    Options,
    OutFile,
    PlanFile,
    busy,
    given_plan,
    option,
    print_answer,
    print_seed,
    settings_summary,
    stderr_console,
    with_settings,
)
from .signals import STOPPED, ctrl_c

DRAW, TALK, SERVE, HERE = "Draw and judge", "Talk", "For other programs", "On this machine"  # panels of --help
if TYPE_CHECKING:
    from ...prompts.plan import ScenePlan

app = typer.Typer(
    invoke_without_command=True, add_completion=False, pretty_exceptions_enable=False,
    help="Brief in, picture out, every region under control.", epilog=settings_summary(),
)  # fmt: skip


def _print_version(wanted: bool) -> None:
    if wanted:
        from ... import __version__

        print(f"ditpipe {__version__}")
        raise typer.Exit


@app.callback()
def command(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="print the version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        context.get_help()  # prints it


@app.command(rich_help_panel=DRAW)
@with_settings(without=("sessions",))
def paint(
    brief: Annotated[str, typer.Argument(help="what the picture should show")], options: Options, as_json: Json = False
) -> None:
    """Plan, draw, criticise and mend a picture of BRIEF."""
    settings = settings_of(**options)
    from ..agent import Agent
    from ..runs.folder import run_record

    agent = Agent(settings=settings)
    folder = agent.begin(brief)
    if settings.seed == "random":
        print_seed(run_record(folder).settings["seed"])
    agent.load_torch()
    _follow(agent, folder, False, as_json)


@app.command(rich_help_panel=DRAW)
@with_settings(*PERSONAL, "timeout", "device")
def resume(
    folder: Annotated[Path, typer.Argument(help="run folder")],
    options: Options,
    yes: Annotated[bool, option("Plan", "--yes", help="draw the plan.json in it, as it is now")] = False,
    control: Agreed = None,
    large: Annotated[bool, option("Render", "--large", help="draw it even if it is more than a server would")] = False,
    as_json: Json = False,
) -> None:
    """Go on with a run that was stopped, from its last finished step, or whose plan waits for a yes.

    Where texts, pictures and keys are sent is never read from the folder: if the run was begun with other settings
    than yours, the message says which options agree to them.
    """
    from ..agent import Agent
    from ..runs.folder import run_record
    from ..runs.resume_policy import resume_settings, run_work

    settings = resume_settings(folder, run_record(folder), **options)
    message, too_much = run_work(settings)
    if too_much and not large:
        raise ValueError(f"this run asks for {message}: {too_much}; --large goes on all the same")
    stderr_console.print(f"drawing {message}", style="dim", markup=False)
    agent = Agent(settings=settings, controls=control or [])
    _follow(agent, folder, read_plan(folder / "plan.json") if yes else False, as_json)


def _follow(agent: Any, folder: Path, approved: "bool | ScenePlan", as_json: bool) -> None:
    from ..events import Waiting
    from ..runs.resume_policy import resume_command
    from .display import show

    def stop() -> None:
        stderr_console.print("stopping at the next step; Ctrl-C again stops at once", style="dim")
        agent.stop()

    command = resume_command(folder, agent.settings)
    stopped = f"stopped; go on with: {command}"

    def follow(approved: "bool | ScenePlan") -> Any:
        job = agent.submit(folder, approved=approved)
        with ctrl_c(stop, stopped):
            return show(agent.events_of(job), console, rounds=agent.settings.rounds, planner=agent.planner_name)

    if agent.no_critic_reason and not as_json:
        stderr_console.print(f"note: {agent.no_critic_reason}", style="yellow", markup=False)
    console = Console(quiet=True) if as_json else stderr_console
    try:
        painting = follow(approved)
        while isinstance(painting, Waiting):
            plan = None if as_json else approved_plan(painting, stderr_console)
            if plan is None:
                waits = {"waiting": str(folder), "plan": painting.plan.model_dump()}
                print_answer(as_json, waits, f"nothing is drawn yet; go on with: {command} --yes")
                return
            painting = follow(plan)
    except (JobCancelled, KeyboardInterrupt):  # while it draws, or at the question
        print(f"ditpipe: {stopped}", file=sys.stderr)
        sys.exit(STOPPED)
    from ...renderer.pictures.artifacts import read_metadata

    best = painting.best
    if painting.halted and not as_json:
        way_on = f"note: {painting.halted}; all is kept in {painting.folder}, go on with: {painting.resume}"
        stderr_console.print(way_on, style="yellow", markup=False, soft_wrap=True)
    answer = {
        "picture": str(painting.path), "folder": str(painting.folder), "best_round": best.number, "score": best.score,
        "rounds": [{"number": each.number, "score": each.score, "picture": str(each.path)} for each in painting.rounds],
        "plan": best.plan.model_dump(), "seed": best.request.seed,
        "warnings": [*filter(None, [agent.no_critic_reason]), *read_metadata(painting.path)[1]],
    } | ({"resume": painting.resume} if painting.halted else {})  # fmt: skip
    print_answer(as_json, answer, str(painting.path))


@app.command(rich_help_panel=DRAW)
@with_settings("model", "planner", "base_url", "timeout", "size", "aspect", "plan_calls")
def plan(
    brief: Annotated[str, typer.Argument(help="what the picture should show")],
    options: Options,
    out: OutFile = None,
    as_json: Json = False,
) -> None:
    """Turn BRIEF into a plan, without drawing; the plan goes to stdout as JSON, or to a file."""
    settings = settings_of(**options)
    from ...renderer.pictures.artifacts import write
    from ..agent import Agent
    from .display import layout_drawing

    agent = Agent(settings=settings)
    with busy("planning", as_json):
        answer = agent.plan(brief)
    if not as_json:
        stderr_console.print(f"planned by {agent.planner_name}", style="dim", markup=False)
        stderr_console.print(layout_drawing(answer))
    for note in [*answer.notes, *(agent.vocabulary.warnings(answer) if agent.vocabulary else [])]:
        stderr_console.print(visible(f"note: {note}"), style="yellow", markup=False)
    if out:
        write(out, answer.model_dump_json(indent=2).encode())
    print_answer(as_json or not out, answer.model_dump(), str(out))


for draw in (render_cli.render, render_cli.edit, render_cli.repaint):
    app.command(rich_help_panel=DRAW)(draw)


@app.command(rich_help_panel=DRAW)
@with_settings("critic", "base_url", "timeout")
def critique(
    plan_file: PlanFile,
    picture: Annotated[Path, typer.Argument(metavar="PICTURE")],
    options: Options,
    as_json: Json = False,
) -> None:
    """Judge a picture against a plan, region by region."""
    scene, settings = given_plan(plan_file), settings_of(**options)
    from ...renderer.pictures.artifacts import open_image
    from ..agent import Agent
    from ..chat.phrases import score_text

    agent = Agent(settings=settings)
    if agent.critic is None:
        raise ValueError(agent.no_critic_reason or "--critic none judges nothing; give 'embedded' or a vision model")
    with busy("looking", as_json):
        verdict = agent.critic.critique(open_image(picture), scene)
    lines = [f"{score_text(verdict.score)}  {verdict.summary}"]
    lines += [
        f"{score_text(region.score)}  {region.name}: {region.problem or 'sees ' + region.seen}"
        for region in verdict.regions
    ]
    print_answer(as_json, verdict.model_dump(), "\n".join(lines))


app.command(rich_help_panel=DRAW)(batch_cli.batch)
app.command("import", rich_help_panel=SERVE)(layouts_cli.import_layout)
app.command("export", rich_help_panel=SERVE)(layouts_cli.export_layout)
for talk in (chat_cli.chat, chat_cli.change, serve_cli.web):
    app.command(rich_help_panel=TALK)(talk)
app.add_typer(chat_cli.conversations, name="sessions", rich_help_panel=TALK)
for serve in (serve_cli.serve, serve_cli.mcp, serve_cli.tools, serve_cli.schema):
    app.command(rich_help_panel=SERVE)(serve)
app.add_typer(evaluate, name="evaluate", rich_help_panel=HERE)
app.add_typer(jobs, name="jobs", rich_help_panel=SERVE)
app.add_typer(models, name="models", rich_help_panel=HERE)


@app.command(rich_help_panel=HERE)
def doctor(as_json: Json = False) -> None:
    """Report which parts are installed, how to get the others, and what is slow on this machine."""
    from .commands.doctor import examine

    with busy("planning, drawing and judging", as_json):
        findings = examine()
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings]))
    else:
        table = Table("", "", "", box=None, show_header=False)
        for finding in findings:
            state = "[green]ok" if finding.ok else "[red]missing" if finding.needed else "[yellow]not here"
            table.add_row(finding.name, state, escape(finding.detail))
        Console().print(table)
    if not all(finding.ok for finding in findings if finding.needed):
        raise typer.Exit(1)


def main() -> None:
    """Runs the command; a user's mistake is one line on stderr and exit code 2."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it reports optional packages that are not needed here
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # weights load in a second
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):  # a file or a program reads UTF-8, as JSON is; a terminal, what it can
            stream.reconfigure(encoding=None if stream.isatty() else "utf-8", errors="backslashreplace")
    atexit.register(gc.freeze)  # at the end, nothing is searched for cycles: it would take seconds after torch
    try:
        check_variables("DITPIPE_KEYS", "DITPIPE_SERVER", "DITPIPE_SERVER_KEY", "DITPIPE_LOG_FORMAT")
        with ctrl_c():
            try:
                code = app(standalone_mode=False)
            except JobCancelled:
                code = STOPPED
            except SystemExit as ended:
                if ended.code == STOPPED:  # the command has reported it
                    _end_stopped()
                raise
        if code == STOPPED:
            print("ditpipe: stopped", file=sys.stderr)
            _end_stopped()
        sys.exit(code if isinstance(code, int) else 0)
    except ValidationError as error:
        sys.exit(_fail(first_problem(error)))
    except typer.TyperException as error:  # an option or an argument that the command does not have, or lacks
        context = getattr(error, "ctx", None)
        where = f"; {context.command_path} --help lists what there is" if context else ""
        sys.exit(_fail(error.format_message().rstrip(".") + where))
    except DitpipeError as error:
        advice = f"; what is done is kept, go on with: {error.resume}" if error.resume else ""
        sys.exit(_fail(f"{error}{advice}"))
    except ValueError as error:
        sys.exit(_fail(str(error)))


def _end_stopped() -> None:
    """Ends the process after Ctrl-C: threads that call models may still block, and an interpreter waits for them."""
    with suppress(OSError):  # nobody reads any more
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STOPPED)


def _fail(message: str) -> int:
    line = visible(" ".join(message.split()))
    print(f"ditpipe: {line}", file=sys.stderr)
    return 2
