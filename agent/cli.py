"""The command `ditpipe`. Heavy modules are loaded by the commands that need them."""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table

from ..prompts.errors import DitpipeError, RunError
from ..prompts.scene import Critique, Revision, ScenePlan
from .settings import Settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
people = Console(stderr=True)


def _option(name: str, *flags: str) -> Any:
    field = Settings.model_fields[name]
    return typer.Option(*flags, help=field.description, show_default=str(field.default))


Model = Annotated[str | None, _option("model", "--model")]
PlannerName = Annotated[str | None, _option("planner", "--planner")]
CriticName = Annotated[str | None, _option("critic", "--critic")]
BaseUrl = Annotated[str | None, _option("base_url", "--base-url")]
Rounds = Annotated[int | None, _option("rounds", "--rounds")]
Candidates = Annotated[int | None, _option("candidates", "--candidates")]
Seed = Annotated[int | None, _option("seed", "--seed")]
Size = Annotated[int | None, _option("size", "--size")]
Steps = Annotated[int | None, _option("steps", "--steps")]
Depth = Annotated[str | None, _option("depth", "--depth")]
Out = Annotated[Path | None, _option("out", "--out")]
Json = Annotated[bool, typer.Option("--json", help="print one JSON object and nothing else on stdout")]
Picture = Annotated[Path | None, typer.Option("--out", help="picture file to write")]


def _settings(**options: Any) -> Settings:
    return Settings(**{name: value for name, value in options.items() if value is not None})


def _say(as_json: bool, answer: dict[str, Any], line: str) -> None:
    print(json.dumps(answer) if as_json else line)


@app.command()
def paint(
    brief: Annotated[str, typer.Argument(help="what the picture should show")],
    model: Model = None, planner: PlannerName = None, critic: CriticName = None, base_url: BaseUrl = None,
    rounds: Rounds = None, candidates: Candidates = None, seed: Seed = None, size: Size = None, steps: Steps = None,
    depth: Depth = None, out: Out = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Plan, draw, criticise and mend a picture of BRIEF."""
    settings = _settings(
        model=model, planner=planner, critic=critic, base_url=base_url, rounds=rounds, candidates=candidates, seed=seed,
        size=size, steps=steps, depth=depth, out=out,
    )  # fmt: skip
    from .painter import Agent

    agent = Agent(settings=settings)
    _follow(agent, agent.stream(brief), as_json)


@app.command()
def resume(folder: Annotated[Path, typer.Argument(help="run folder")], as_json: Json = False) -> None:
    """Go on with a run that was stopped, from its last finished step."""
    from .painter import Agent, run_record

    settings = Settings(**run_record(folder)["settings"])
    agent = Agent(settings=settings)
    _follow(agent, agent.resume(folder), as_json)


def _follow(agent: Any, events: Any, as_json: bool) -> None:
    from .show import show

    signal.signal(signal.SIGINT, lambda *_: agent.stop.set())
    try:
        console = Console(quiet=True) if as_json else people
        painting = show(events, console, rounds=agent.settings.rounds, planner=agent.planner_name)
    except KeyboardInterrupt:
        raise typer.Exit(_stopped()) from None
    best = painting.best
    answer = {
        "picture": str(painting.path), "folder": str(painting.folder), "best_round": best.number, "score": best.score,
        "rounds": [{"number": one.number, "score": one.score, "picture": str(one.path)} for one in painting.rounds],
        "plan": best.plan.model_dump(), "seed": best.request.seed,
    }  # fmt: skip
    _say(as_json, answer, str(painting.path))


@app.command()
def plan(
    brief: Annotated[str, typer.Argument(help="what the picture should show")],
    model: Model = None, planner: PlannerName = None, base_url: BaseUrl = None, size: Size = None,
    out: Annotated[Path | None, typer.Option("--out", help="plan file to write")] = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Turn BRIEF into a plan, without drawing; the plan goes to stdout as JSON, or to a file."""
    settings = _settings(model=model, planner=planner, base_url=base_url, size=size)
    from ..renderer.picture import write
    from .painter import Agent
    from .show import layout_drawing

    agent = Agent(settings=settings)
    answer = agent.planner.plan(brief)
    if not as_json:
        people.print(f"planned by {agent.planner_name}", style="dim")
        people.print(layout_drawing(answer))
    if out:
        write(out, answer.model_dump_json(indent=2).encode())
    _say(as_json or not out, answer.model_dump(), str(out))


@app.command()
def render(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN.json")],
    model: Model = None, seed: Seed = None, steps: Steps = None, depth: Depth = None, out: Picture = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Draw a plan file."""
    scene, settings = _read_plan(plan_file), _settings(model=model, seed=seed, steps=steps, depth=depth)
    from .painter import Agent

    agent = Agent(settings=settings)
    _draw(agent.renderer, agent.request(scene), out or plan_file.with_suffix(".png"), as_json)


@app.command()
def repaint(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE.png")], out: Picture = None, as_json: Json = False
) -> None:
    """Draw a picture again from what its PNG carries: the same bytes on the same machine."""
    from ..renderer.picture import read_request
    from ..renderer.pipeline import Renderer

    request = read_request(picture)
    _draw(Renderer(request.model), request, out or picture.with_name(f"{picture.stem}-again.png"), as_json)


def _draw(renderer: Any, request: Any, path: Path, as_json: bool) -> None:
    from rich.progress import Progress

    from ..renderer.picture import png_bytes, write

    with Progress(console=people, disable=as_json, transient=True) as progress:
        bar = progress.add_task("drawing", total=None)
        result = renderer.render(request, lambda s: progress.update(bar, total=s.total, completed=s.index))
    for warning in result.warnings:
        people.print(f"note: {warning}", style="yellow", markup=False)
    write(path, png_bytes(result))
    _say(as_json, {"picture": str(path), "seconds": round(result.seconds, 2), "seed": request.seed}, str(path))


@app.command()
def critique(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN.json")],
    picture: Annotated[Path, typer.Argument(metavar="PICTURE")],
    critic: CriticName = None, base_url: BaseUrl = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Judge a picture against a plan, region by region."""
    scene, settings = _read_plan(plan_file), _settings(critic=critic, base_url=base_url)
    from ..renderer.picture import open_image
    from .painter import Agent

    judge = Agent(settings=settings).critic
    if judge is None:
        raise ValueError("--critic none judges nothing; give 'embedded' or a vision model")
    verdict = judge.critique(open_image(picture), scene)
    lines = [f"{verdict.score:.2f}  {verdict.summary}"]
    lines += [f"{one.score:.2f}  {one.name}: {one.problem or 'sees ' + one.seen}" for one in verdict.regions]
    _say(as_json, verdict.model_dump(), "\n".join(lines))


def _read_plan(path: Path) -> ScenePlan:
    try:
        return ScenePlan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise RunError(f"{path}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first validation problem as one line that names the field."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"])
    more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
    return f"{where + ': ' if where else ''}{first['msg']}{more}"


models = typer.Typer(invoke_without_command=True, help="List the models that can be asked for by name; fetch one.")
app.add_typer(models, name="models")


@models.callback()
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """List the image models and the local planners that can be asked for by name."""
    if context.invoked_subcommand:
        return
    from dataclasses import asdict

    from ..renderer.models import CHECKPOINTS
    from .local_models import LOCAL_MODELS, best_planner, is_here

    images = Table("image model", "pixels", "steps", "weights", "licence", "", box=None)
    for one in CHECKPOINTS.values():
        images.add_row(one.name, str(one.size), str(one.steps), f"{one.memory_gib:g} GiB", one.licence, one.note)
    planners = Table("planner", "here", "download", "licence", "", box=None)
    for planner in LOCAL_MODELS.values():
        here = "auto" if planner.name == best_planner() else "yes" if is_here(planner) else "no"
        size = f"{planner.bytes / 1e9:.1f} GB" if planner.bytes else "-"
        planners.add_row(planner.name, here, size, planner.licence, planner.note)
    if as_json:
        answer = {name: asdict(one) for name, one in CHECKPOINTS.items()}
        print(json.dumps(answer | {"planners": {n: asdict(m) | {"here": is_here(m)} for n, m in LOCAL_MODELS.items()}}))
    else:
        Console().print(images, "", planners)


@models.command()
def pull(name: Annotated[str, typer.Argument(help="a planner from `ditpipe models`")], as_json: Json = False) -> None:
    """Fetch a local planner into the cache folder; an interrupted download goes on where it was."""
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from .local_models import LOCAL_MODELS
    from .local_models import pull as fetch

    if name not in LOCAL_MODELS:
        raise ValueError(f"unknown planner {name!r}: one of {', '.join(LOCAL_MODELS)}")
    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=people, disable=as_json) as progress:
        bar = progress.add_task(name, total=LOCAL_MODELS[name].bytes or None)
        path = fetch(
            LOCAL_MODELS[name],
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
            on_note=lambda note: people.print(f"note: {note}", style="yellow", markup=False),
        )
    _say(as_json, {"planner": name, "file": str(path)}, str(path))


@app.command()
def schema(
    name: Annotated[str, typer.Argument(help="scene-plan, critique or revision")] = "scene-plan", as_json: Json = False
) -> None:
    """Print the JSON Schema of the contract."""
    contracts: dict[str, type[BaseModel]] = {"scene-plan": ScenePlan, "critique": Critique, "revision": Revision}
    if name not in contracts:
        raise ValueError(f"unknown schema {name!r}: one of {', '.join(contracts)}")
    print(json.dumps(contracts[name].model_json_schema(), indent=None if as_json else 2))


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is missing or slow on this machine; draws one picture and makes one plan to find out."""
    from .doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings]))
    else:
        table = Table("", "", "", box=None, show_header=False)
        for one in findings:
            table.add_row(one.name, {True: "[green]ok", False: "[red]missing"}[one.ok], one.detail)
        Console().print(table)
    if not all(one.ok for one in findings):
        raise typer.Exit(1)


def main() -> None:
    """Runs the command; a user's mistake is one line on stderr and exit code 2."""
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it reports optional packages that are not needed here
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")  # weights load in a second
    try:
        app(standalone_mode=True)
    except KeyboardInterrupt:
        sys.exit(_stopped())
    except ValidationError as error:
        sys.exit(_fail(first_problem(error)))
    except (DitpipeError, ValueError) as error:
        sys.exit(_fail(str(error)))


def _fail(message: str) -> int:
    line = " ".join(message.split())
    print(f"ditpipe: {line}", file=sys.stderr)
    return 2


def _stopped() -> int:
    print("ditpipe: stopped; go on with: ditpipe resume FOLDER (the newest folder under runs/)", file=sys.stderr)
    return 130
