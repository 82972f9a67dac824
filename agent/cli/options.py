"""Shared by the commands: the options that `Settings` declares, reading plan files, printing answers."""

import inspect
import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from functools import cache, wraps
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import typer
from rich.console import Console
from rich.markup import escape

from ...prompts.errors import RunError
from ...prompts.outside_json import MAX_JSON
from ...prompts.plan import ScenePlan
from ...prompts.plan_files import parse_plan, read_plan
from ..settings import Group, Settings

Command = Callable[..., None]
Options = dict[str, Any]  # settings that were given as options, by their names
METAVARS: dict[Any, str] = {int: "INT", float: "NUMBER", Path: "FOLDER", str: "TEXT"}
SETTINGS: dict[str, dict[str, Any]] = {
    name: extra for name, field in Settings.model_fields.items() if isinstance(extra := field.json_schema_extra, dict)
}  # of each setting that is an option: its group and its flag
PANELS = (*get_args(Group), "Server", "Cluster")
stderr_console = Console(stderr=True)


def option(group: Group | Literal["Server", "Cluster"], *flags: str, help: str, **more: Any) -> Any:
    """A typer option in a panel of --help."""
    return typer.Option(*flags, help=escape(help), rich_help_panel=group, **more)


Json = Annotated[bool, option("Output", "--json", help="print one JSON object and nothing else on stdout")]
STDIN = Path("-")
PlanFile = Annotated[Path, typer.Argument(metavar="PLAN.json", help="a plan file, or - for stdin")]
OutFile = Annotated[
    Path | None, option("Output", "--out", help="file to write; a picture's name ends in .png, .webp or .jpg")
]

Agreed = Annotated[list[str] | None, option("Model", "--control", help="agree to a ControlNet that the picture names")]


def with_settings(
    *names: str, without: tuple[str, ...] = (), defaults: Mapping[str, str] | None = None
) -> Callable[[Command], Command]:
    """Gives a command an option for each setting of these names, without names for all, in place of its parameter
    `options`, which becomes the dictionary of those that were given.

    Values are checked by `Settings` alone, as those of the environment are. `defaults`: what --help shows for a setting
    whose default is another one here.
    """
    chosen = [name for name in names or SETTINGS if name not in without]

    def decorate(command: Command) -> Command:
        @wraps(command)
        def run(**given: Any) -> None:
            options = {name: value for name in chosen if (value := given.pop(name, None)) is not None}
            command(options=options, **given)

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            of_settings = [_parameter(name, (defaults or {}).get(name)) for name in chosen]
            parameters += of_settings if parameter.name == "options" else [parameter]
        parameters.sort(key=_panel)  # --help has the panels in this order
        keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]
        run.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
        return run

    return decorate


def flag(name: str) -> str:
    """The option for a setting."""
    return SETTINGS[name]["flag"] or "--" + name.replace("_", "-")


def _panel(parameter: inspect.Parameter) -> int:
    """Where its panel stands in --help; arguments and options without one come first."""
    names = [getattr(info, "rich_help_panel", None) for info in getattr(parameter.annotation, "__metadata__", ())]
    return next((index for index, panel in enumerate(PANELS) if panel in names), -1)


@cache
def _parameter(name: str, default: str | None) -> inspect.Parameter:
    """The parameter of a command that is the option for a setting."""
    field, decl = Settings.model_fields[name], flag(name)
    kind: Any = next((arg for arg in get_args(field.annotation) if arg is not type(None)), field.annotation)
    value: Any
    if kind is bool:
        value, more = bool | None, {}
        decl = f"{decl}/--no-{decl[2:]}"
    else:
        metavar = SETTINGS[name]["metavar"] or METAVARS.get(kind) or "|".join(get_args(kind))
        value, more = str | None, {"metavar": metavar}
        usual = f"{field.default:g}" if isinstance(field.default, float) else field.default
        default = default or ("" if usual is None else str(usual))
    origin = f"DITPIPE_{name.upper()}" + (f", default {default}" if default else "")
    help = f"{field.description} [{origin}]"
    info = option(SETTINGS[name]["group"], decl, help=help, show_default=False, **more)
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[value, info])


def settings_summary() -> str:
    """The options of all settings by group, for the end of `ditpipe --help`."""
    rows = [
        f"{group}: " + ", ".join(flag(name) for name, extra in SETTINGS.items() if extra["group"] == group)
        for group in get_args(Group)
    ]
    head = "Settings: options of each command that uses them, variables such as DITPIPE_MODEL, arguments of Agent."
    return escape("\n\n".join([head, *rows]))


def given_plan(path: Path) -> ScenePlan:
    """The plan in a file; of '-' the one on stdin. Raises RunError."""
    if path != STDIN:
        return read_plan(path)
    try:
        return parse_plan(sys.stdin.buffer.read(MAX_JSON + 1))
    except ValueError as error:
        raise RunError(f"the plan on stdin: {error}") from error


def print_seed(seed: int) -> None:
    """Prints the random seed of a picture to stderr."""
    stderr_console.print(f"seed {seed}", style="dim", highlight=False)


def print_answer(as_json: bool, answer: dict[str, Any], line: str) -> None:
    """Prints the line to stdout, or the answer as JSON."""
    print(json.dumps(answer) if as_json else line)


def busy(doing: str, as_json: bool) -> AbstractContextManager[Any]:
    """A spinner on the terminal while a command works."""
    return stderr_console.status(f"{doing} …") if stderr_console.is_terminal and not as_json else nullcontext()
