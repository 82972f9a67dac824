"""The command line's options that several commands share; their help is that of `Settings`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .settings import Settings


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
Guidance = Annotated[float | None, option("guidance_scale", "--guidance")]
Accept = Annotated[float | None, option("accept", "--accept")]
Out = Annotated[Path | None, option("out", "--out")]
SessionFolder = Annotated[Path | None, option("sessions", "--sessions")]
Approve = Annotated[bool, typer.Option("--approve", help=Settings.model_fields["approve"].description)]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else on stdout")]
