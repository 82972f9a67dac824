"""The commands `ditpipe import` and `ditpipe export`: layouts of other programs."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ....prompts.errors import visible
from ..options import Json, OutFile, flag, option, print_answer, stderr_console

FROM_HELP = "name of its format, if it is not recognised (docs/formats.md)"
SET_HELP = "what the program keeps beside the text: ratio=1,2, direction=vertical, width=1024"
_OPTIONS = ("seed", "steps", "guidance_scale", "prompt_schedule")  # settings that `ditpipe render` takes


def import_layout(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a text, JSON, a project, or a picture with metadata")],
    format: Annotated[str | None, option("Plan", "--from", help=FROM_HELP)] = None,
    settings: Annotated[list[str] | None, option("Plan", "--set", help=SET_HELP)] = None,
    out: OutFile = None,
    as_json: Json = False,
) -> None:
    """Turn another program's layout into a plan, which goes to stdout as JSON, or to a file."""
    from ....renderer.pictures.artifacts import write
    from ....renderer.pictures.layout_files import load_layout
    from ..display import layout_drawing

    layout = load_layout(file, format=format or "", **_assigned(settings or []))
    if not as_json:
        stderr_console.print(f"read as {layout.format}", style="dim", markup=False)
        stderr_console.print(layout_drawing(layout.plan))
        _say(layout.notes)
        if command := _render_command(layout.settings, str(out or "PLAN.json")):
            stderr_console.print(command, style="dim", markup=False, soft_wrap=True)
    if out:
        write(out, layout.plan.model_dump_json(indent=2).encode())
    answer = {
        "plan": layout.plan.model_dump(), "format": layout.format, "notes": layout.notes,
        "settings": dict(layout.settings),
    }  # fmt: skip
    print_answer(as_json, answer, str(out) if out else layout.plan.model_dump_json(indent=2))


def export_layout(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="a plan, a picture that ditpipe drew, or any layout")],
    format: Annotated[str, option("Plan", "--format", help="name of the format to write (docs/formats.md)")],
    out: OutFile = None,
    as_json: Json = False,
) -> None:
    """Write a plan in another program's format, to stdout or to a file, and say what the format cannot."""
    from ....prompts.formats.registry import dump_layout
    from ....renderer.pictures.artifacts import write
    from ....renderer.pictures.layout_files import load_layout

    loaded = load_layout(plan)
    dumped = dump_layout(loaded.plan, format)
    if not as_json:
        _say([*loaded.notes, *dumped.unsaid])
    if out:
        write(out, dumped.text.encode())
    answer = {"text": dumped.text, "format": dumped.format, "unsaid": dumped.unsaid}
    print_answer(as_json, answer, str(out) if out else dumped.text)


def _assigned(texts: list[str]) -> dict[str, Any]:
    """Settings from NAME=VALUE. Raises ValueError."""
    pairs = [text.partition("=") for text in texts]
    if wrong := [text for text, equals, _ in pairs if not equals or not text]:
        raise ValueError(f"--set {wrong[0]!r}: give NAME=VALUE, such as ratio=1,2")
    return {name: value for name, _, value in pairs if name not in ("source", "format")}


def _say(notes: Any) -> None:
    for note in notes:
        stderr_console.print(visible(f"note: {note}"), style="yellow", markup=False, soft_wrap=True)


def _render_command(settings: Mapping[str, Any], plan: str) -> str:
    """How to draw the plan with the settings that its file names; empty if it names none."""
    given = [f"{flag(name)} {settings[name]:g}" if name == "guidance_scale" else f"{flag(name)} {settings[name]}"
             for name in _OPTIONS if settings.get(name) is not None]  # fmt: skip
    if not given:
        return ""
    made = ", ".join(str(settings[name])[:60] for name in ("model", "sampler") if settings.get(name))
    return (
        f"made there with{' ' + made + ',' if made else ''} these: ditpipe render {shlex.quote(plan)} {' '.join(given)}"
    )
