"""The command `ditpipe`. Heavy modules are loaded by the commands that need them."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table

from ..prompts.errors import DitpipeError, RunError, first_problem
from ..prompts.scene import Box, Critique, LeveledPrompt, RegionChange, Revision, ScenePlan
from . import chat_cli, serve_cli
from .approving import approved_plan
from .options import (
    Accept,
    Approve,
    BaseUrl,
    Candidates,
    CriticName,
    Guidance,
    Json,
    Model,
    Out,
    PlannerName,
    Rounds,
    Seed,
    Size,
    Steps,
    option,
)
from .settings import Settings, unknown_variables
from .stopping import STOPPED, ctrl_c

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
people = Console(stderr=True)
for command in (chat_cli.chat, serve_cli.serve, serve_cli.web, serve_cli.mcp, serve_cli.tools):
    app.command()(command)
app.add_typer(chat_cli.conversations, name="sessions")


Depth = Annotated[str | None, option("depth", "--depth")]
Save = Annotated[str | None, option("save", "--save")]
StepCache = Annotated[float | None, option("step_cache", "--step-cache")]
Compile = Annotated[bool | None, option("compile", "--compile/--no-compile")]
Picture = Annotated[Path | None, typer.Option("--out", help="picture file to write")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="a plan field: cat.feather=2, *.strength=0.7, negative=blurred")
]


def _settings(**options: Any) -> Settings:
    settings = Settings(**{name: value for name, value in options.items() if value is not None})
    settings.check_endpoint()
    return settings


def _say(as_json: bool, answer: dict[str, Any], line: str) -> None:
    print(json.dumps(answer) if as_json else line)


@app.command()
def paint(
    brief: Annotated[str, typer.Argument(help="what the picture should show")],
    model: Model = None, planner: PlannerName = None, critic: CriticName = None, base_url: BaseUrl = None,
    rounds: Rounds = None, candidates: Candidates = None, accept: Accept = None, seed: Seed = None, size: Size = None,
    steps: Steps = None, guidance: Guidance = None, depth: Depth = None, save: Save = None,
    step_cache: StepCache = None, compiled: Compile = None, out: Out = None, approve: Approve = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Plan, draw, criticise and mend a picture of BRIEF."""
    settings = _settings(
        model=model, planner=planner, critic=critic, base_url=base_url, rounds=rounds, candidates=candidates,
        accept=accept, seed=seed, size=size, steps=steps, guidance_scale=guidance, depth=depth, save=save,
        step_cache=step_cache, compile=compiled, out=out, approve=approve or None,
    )  # fmt: skip
    from .painter import Agent

    agent = Agent(settings=settings)
    folder = agent.begin(brief)
    _follow(agent, folder, agent.resume(folder), as_json)


@app.command()
def resume(
    folder: Annotated[Path, typer.Argument(help="run folder")],
    yes: Annotated[bool, typer.Option("--yes", help="draw the plan.json in it, as it is now")] = False,
    as_json: Json = False,
) -> None:
    """Go on with a run that was stopped, from its last finished step, or that waits for a yes to its plan."""
    from .painter import Agent
    from .run_folder import run_record

    settings = Settings(**run_record(folder).settings)
    agent = Agent(settings=settings)
    approved = _read_plan(folder / "plan.json") if yes else False
    _follow(agent, folder, agent.resume(folder, approved=approved), as_json)


def _follow(agent: Any, folder: Path, events: Any, as_json: bool) -> None:
    from .rounds import Waiting
    from .show import show

    def stop() -> None:
        people.print("stopping at the next step; Ctrl-C again stops at once", style="dim")
        agent.stop.set()

    stopped = f"stopped; go on with: ditpipe resume {folder}"

    def shown(events: Any) -> Any:
        with ctrl_c(stop, stopped):
            return show(events, console, rounds=agent.settings.rounds, planner=agent.planner_name)

    if agent.unjudged and not as_json:
        people.print(f"note: {agent.unjudged}", style="yellow", markup=False)
    console = Console(quiet=True) if as_json else people
    try:
        painting = shown(events)
        while isinstance(painting, Waiting):
            plan = None if as_json else approved_plan(painting, people)
            if plan is None:
                waits = {"waiting": str(folder), "plan": painting.plan.model_dump()}
                _say(as_json, waits, f"nothing is drawn yet; go on with: ditpipe resume {folder} --yes")
                return
            painting = shown(agent.resume(folder, approved=plan))
    except KeyboardInterrupt:
        print(f"ditpipe: {stopped}", file=sys.stderr)
        raise typer.Exit(STOPPED) from None
    from ..renderer.picture import read_note

    best = painting.best
    answer = {
        "picture": str(painting.path), "folder": str(painting.folder), "best_round": best.number, "score": best.score,
        "rounds": [{"number": one.number, "score": one.score, "picture": str(one.path)} for one in painting.rounds],
        "plan": best.plan.model_dump(), "seed": best.request.seed, "warnings": read_note(painting.path)[1],
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
    with _busy("planning", as_json):
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
    model: Model = None, seed: Seed = None, steps: Steps = None, guidance: Guidance = None, depth: Depth = None,
    change: Set = None, candidates: Candidates = None, critic: CriticName = None, base_url: BaseUrl = None,
    image: Annotated[Path | None, typer.Option("--image", help="picture to start from")] = None,
    denoise: Annotated[
        float | None, typer.Option("--denoise", help="share of noise it is put under, 0.001 to 1; empty: 0.6")
    ] = None,
    control: Annotated[
        list[str] | None, typer.Option("--control", help="ControlNet: canny=edges.png, depth=map.png,scale=0.7")
    ] = None,
    lora: Annotated[
        list[str] | None, typer.Option("--lora", help="LoRA: FILE, FILE,scale=0.8 or FILE,region=cat")
    ] = None,
    save: Save = None, step_cache: StepCache = None, compiled: Compile = None,
    out: Picture = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Draw a plan file. With --candidates, several pictures in one batch, numbered from the best."""
    from .overrides import overridden

    scene = overridden(_read_plan(plan_file), change or [])
    settings = _settings(
        model=model, seed=seed, steps=steps, guidance_scale=guidance, depth=depth, candidates=candidates,
        critic=critic, base_url=base_url, save=save, step_cache=step_cache, compile=compiled,
    )  # fmt: skip
    from .painter import Agent
    from .render_options import with_files

    agent, path = Agent(settings=settings), out or plan_file.with_suffix(".png")
    request = with_files(agent.request(scene), image=image, denoise=denoise, controls=control or [], loras=lora or [])
    if settings.candidates == 1:
        _draw(lambda on_step: agent.renderer.render(request, on_step), path, as_json)
        return
    from ..renderer.picture import png_bytes, write

    _check_file(path)
    drawn = _followed(lambda step: agent.renderer.candidates(request, settings.candidates, step), as_json)
    pictures = []
    for number, (result, verdict) in enumerate(agent.ranked(drawn), start=1):
        file = path.with_name(f"{path.stem}-{number}{path.suffix}")
        write(file, png_bytes(result))
        score = verdict.score if verdict else None
        pictures.append({
            "picture": str(file), "score": score, "seed": result.request.seed, "warnings": result.warnings,
        })  # fmt: skip
    _warn(drawn[0].warnings)  # they are of the batch
    lines = [f"{one['picture']}" + ("" if one["score"] is None else f"  {one['score']:.2f}") for one in pictures]
    _say(as_json, {"pictures": pictures}, "\n".join(lines))


@app.command()
def edit(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE.png")],
    region: Annotated[str, typer.Option("--region", help="name of the region to draw again")],
    prompt: Annotated[str | None, typer.Option("--prompt", help="what is to be there")] = None,
    low: Annotated[str | None, typer.Option("--low", help="colour, texture, material, light and detail")] = None,
    scene: Annotated[str | None, typer.Option("--scene", help="new scene prompt, if the old names it")] = None,
    negative: Annotated[str | None, typer.Option("--negative", help="what must not appear in the region")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="new noise seed of the region")] = None,
    box: Annotated[str | None, typer.Option("--box", help="new place: left,top,right,bottom in 0 to 1")] = None,
    feather: Annotated[float | None, typer.Option("--feather", help="soft edge in latent cells")] = None,
    strength: Annotated[float | None, typer.Option("--strength", help="share of its own prompt, 0 to 1")] = None,
    start: Annotated[float | None, typer.Option("--start", help="share of the steps before it is heard")] = None,
    end: Annotated[float | None, typer.Option("--end", help="share of the steps after which it is not")] = None,
    z_order: Annotated[int | None, typer.Option("--z-order", help="which of overlapping regions is seen")] = None,
    out: Picture = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Draw one region of a picture again and keep the rest as it is; --seed alone draws it from other noise.

    The latents stay beside the new picture: the next edit goes on from them, without drawing the rest again.
    """
    from ..prompts.wording import followed
    from ..renderer.picture import read_result, write_result
    from ..renderer.pipeline import Renderer, RenderRequest

    before = read_result(picture)
    request = before if isinstance(before, RenderRequest) else before.request
    plan = request.edited_plan
    old = plan.region(region).prompt
    said = None
    if prompt is not None or low is not None:
        said = LeveledPrompt(
            high_level=old.high_level if prompt is None else prompt,
            low_level=("" if prompt else old.low_level) if low is None else low,
        )
    change = RegionChange(
        name=region, prompt=said, negative=negative, seed=seed, box=_box(box), feather=feather, strength=strength,
        start=start, end=end, z_order=z_order,
    )  # fmt: skip
    if change == RegionChange(name=region):
        raise ValueError(
            "nothing to change: give --prompt, --low, --negative, --seed, --box, --feather, --strength, --start, --end "
            "or --z-order"
        )
    told = None if scene is None else LeveledPrompt(high_level=scene, low_level=plan.scene.low_level)
    revision = followed(Revision(changes=[change], scene=told), plan)
    path = out or picture.with_name(f"{picture.stem}-edited.png")
    told_first = ["no latents are kept beside this picture, so all of it was drawn first"] if before is request else []
    _draw(
        lambda on_step: Renderer(request.model).edit(before, revision, on_step), path, as_json,
        keep=write_result, told_first=told_first,
    )  # fmt: skip


def _box(text: str | None) -> Box | None:
    if text is None:
        return None
    try:
        left, top, right, bottom = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"--box needs four numbers left,top,right,bottom, got {text!r}") from error
    return Box(left=left, top=top, right=right, bottom=bottom)


@app.command()
def repaint(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE.png")], out: Picture = None, as_json: Json = False
) -> None:
    """Draw a picture again from what its PNG carries: the same bytes on the same machine."""
    from ..renderer.picture import read_request
    from ..renderer.pipeline import Renderer

    request = read_request(picture)
    path = out or picture.with_name(f"{picture.stem}-again.png")
    _draw(lambda on_step: Renderer(request.model).render(request, on_step), path, as_json)


def _followed(draw: Callable[[Any], Any], as_json: bool) -> Any:
    """Runs `draw(on_step)` under a progress bar."""
    from rich.progress import Progress

    with Progress(console=people, disable=as_json, transient=True) as progress:
        bar = progress.add_task("drawing", total=None)
        return draw(lambda s: progress.update(bar, total=s.total, completed=s.index))


def _draw(
    draw: Callable[[Any], Any],
    path: Path,
    as_json: bool,
    keep: Callable[[Path, Any], None] | None = None,
    told_first: Sequence[str] = (),
) -> None:
    from ..renderer.picture import png_bytes, write

    _check_file(path)
    result = _followed(draw, as_json)
    warnings = [*told_first, *result.warnings]
    _warn(warnings)
    keep(path, result) if keep else write(path, png_bytes(result))
    answer = {"picture": str(path), "seconds": round(result.seconds, 2), "seed": result.request.seed}
    _say(as_json, answer | {"warnings": warnings}, str(path))


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"{path} is a folder; give --out the name of a picture file")
    there = next(folder for folder in path.absolute().parents if folder.exists())
    if not (there.is_dir() and os.access(there, os.W_OK)):
        raise RunError(f"cannot write {path}: {there} is no folder that can be written to")


def _busy(doing: str, as_json: bool) -> AbstractContextManager[Any]:
    """What goes on, said where a person looks."""
    return people.status(f"{doing} …") if people.is_terminal and not as_json else nullcontext()


def _warn(warnings: Sequence[str]) -> None:
    for warning in warnings:
        people.print(f"note: {warning}", style="yellow", markup=False)


@app.command()
def critique(
    plan_file: Annotated[Path, typer.Argument(metavar="PLAN.json")],
    picture: Annotated[Path, typer.Argument(metavar="PICTURE")],
    critic: CriticName = None, base_url: BaseUrl = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Judge a picture against a plan, region by region."""
    scene, settings = _read_plan(plan_file), _settings(critic=critic, base_url=base_url)
    from ..renderer.picture import open_image
    from .answering import figure
    from .painter import Agent

    agent = Agent(settings=settings)
    if agent.critic is None:
        raise ValueError(agent.unjudged or "--critic none judges nothing; give 'embedded' or a vision model")
    with _busy("looking", as_json):
        verdict = agent.critic.critique(open_image(picture), scene)
    lines = [f"{figure(verdict.score)}  {verdict.summary}"]
    lines += [f"{figure(one.score)}  {one.name}: {one.problem or 'sees ' + one.seen}" for one in verdict.regions]
    _say(as_json, verdict.model_dump(), "\n".join(lines))


def _read_plan(path: Path) -> ScenePlan:
    try:
        return ScenePlan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise RunError(f"{path}: {first_problem(error)}") from error


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

    images = Table("image model", "family", "pixels", "steps", "weights", "licence", "", box=None)
    for one in CHECKPOINTS.values():
        weights = f"{one.memory_gib:g} GiB"
        images.add_row(one.name, one.family, str(one.size), str(one.steps), weights, one.licence, one.note)
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

    from .embedded_llm import base_weights
    from .local_models import LOCAL_MODELS
    from .local_models import pull as fetch

    if name not in LOCAL_MODELS:
        raise ValueError(f"unknown planner {name!r}: one of {', '.join(LOCAL_MODELS)}")
    if not LOCAL_MODELS[name].file:  # it comes as a package, or is missing
        path = base_weights(LOCAL_MODELS[name])
        return _say(as_json, {"planner": name, "file": str(path)}, str(path))
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

    with _busy("planning, drawing and judging, each twice", as_json):
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
        if unknown := list(unknown_variables("DITPIPE_KEYS")):
            raise ValueError(unknown[0])
        with ctrl_c(_interrupted):
            app(standalone_mode=True)
    except ValidationError as error:
        sys.exit(_fail(first_problem(error)))
    except (DitpipeError, ValueError) as error:
        sys.exit(_fail(str(error)))


def _fail(message: str) -> int:
    line = " ".join(message.split())
    print(f"ditpipe: {line}", file=sys.stderr)
    return 2


def _interrupted() -> None:
    raise KeyboardInterrupt
