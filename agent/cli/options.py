"""Shared by the commands: options (their help is that of `Settings`), reading plan files, printing answers."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.console import Console

from ...prompts.errors import RunError, first_problem
from ...prompts.outside_json import parse_json
from ...prompts.plan import ScenePlan
from ..settings import Settings


def option(name: str, *flags: str) -> Any:
    """A typer option for the setting of that name."""
    field = Settings.model_fields[name]
    return typer.Option(*flags, help=field.description, show_default=str(field.default))


Model = Annotated[str | None, option("model", "--model")]
PlannerName = Annotated[str | None, option("planner", "--planner")]
CriticName = Annotated[str | None, option("critic", "--critic")]
BaseUrl = Annotated[str | None, option("base_url", "--base-url")]
Rounds = Annotated[int | None, option("rounds", "--rounds")]
Candidates = Annotated[int | None, option("candidates", "--candidates")]
Seed = Annotated[int | None, option("seed", "--seed")]
Size = Annotated[int | None, option("size", "--size")]
Steps = Annotated[int | None, option("steps", "--steps")]
SolverName = Annotated[str | None, option("solver", "--solver")]
Guidance = Annotated[float | None, option("guidance_scale", "--guidance")]
Accept = Annotated[float | None, option("accept", "--accept")]
Out = Annotated[Path | None, option("out", "--out")]
SessionFolder = Annotated[Path | None, option("sessions", "--sessions")]
Approve = Annotated[bool, typer.Option("--approve", help=Settings.model_fields["approve"].description)]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else on stdout")]
Depth = Annotated[str | None, option("depth", "--depth")]
Save = Annotated[str | None, option("save", "--save")]
StepCache = Annotated[float | None, option("step_cache", "--step-cache")]
Compile = Annotated[bool | None, option("compile", "--compile/--no-compile")]
stderr_console = Console(stderr=True)


def read_plan(path: Path) -> ScenePlan:
    """The plan of a JSON file. Raises RunError."""
    try:
        return ScenePlan.model_validate(parse_json(path.read_bytes()))
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise RunError(f"{path}: {first_problem(error) if isinstance(error, ValidationError) else error}") from error


def print_answer(as_json: bool, answer: dict[str, Any], line: str) -> None:
    """Prints the line to stdout, or the answer as JSON."""
    print(json.dumps(answer) if as_json else line)
