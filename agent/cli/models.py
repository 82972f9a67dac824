"""The commands for models: `ditpipe models` lists those that can be used by name, `models pull` fetches one."""

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from .options import Json, print_answer, stderr_console

models = typer.Typer(invoke_without_command=True, help="List the models that can be used by name; fetch one.")


@models.callback()
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """List the image models and the local planners that can be used by name."""
    if context.invoked_subcommand:
        return
    from dataclasses import asdict

    from ...renderer.checkpoints.registry import CHECKPOINTS
    from ...renderer.checkpoints.vocabulary import vocabulary_of
    from ..llm.local_models import LOCAL_MODELS, best_planner, is_here

    images = Table("image model", "family", "pixels", "steps", "weights", "licence", "", box=None)
    for model in CHECKPOINTS.values():
        weights = f"{model.memory_gib:g} GiB"
        size, steps = str(model.size), str(model.steps)
        images.add_row(model.name, model.family, size, steps, weights, model.licence, model.note)
    planners = Table("planner", "here", "download", "licence", "", box=None)
    for planner in LOCAL_MODELS.values():
        here = "auto" if planner.name == best_planner() else "yes" if is_here(planner) else "no"
        size = f"{planner.bytes / 1e9:.1f} GB" if planner.bytes else "-"
        planners.add_row(planner.name, here, size, planner.licence, planner.note)
    vocabularies = {name: vocabulary_of(model) for name, model in CHECKPOINTS.items()}
    if as_json:
        draws = {name: {"draws": words and words.summary} for name, words in vocabularies.items()}  # null: anything
        answer = {name: asdict(model) | draws[name] for name, model in CHECKPOINTS.items()}
        print(json.dumps(answer | {"planners": {n: asdict(m) | {"here": is_here(m)} for n, m in LOCAL_MODELS.items()}}))
    else:
        limits = [f"{name} draws {words.summary}" for name, words in vocabularies.items() if words]
        Console().print(images, "", *limits, "", planners)


@models.command()
def pull(name: Annotated[str, typer.Argument(help="a planner from `ditpipe models`")], as_json: Json = False) -> None:
    """Fetch a local planner into the cache folder; an interrupted download goes on where it was."""
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from ..llm.local_models import LOCAL_MODELS
    from ..llm.local_models import pull as fetch
    from ..llm.local_server import base_weights

    if name not in LOCAL_MODELS:
        raise ValueError(f"unknown planner {name!r}: one of {', '.join(LOCAL_MODELS)}")
    if not LOCAL_MODELS[name].file:  # it comes as a package, or is missing
        path = base_weights(LOCAL_MODELS[name])
        print_answer(as_json, {"planner": name, "file": str(path)}, str(path))
        return
    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=stderr_console, disable=as_json) as progress:
        bar = progress.add_task(name, total=LOCAL_MODELS[name].bytes or None)
        path = fetch(
            LOCAL_MODELS[name],
            on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
            on_note=lambda note: stderr_console.print(f"note: {note}", style="yellow", markup=False),
        )
    print_answer(as_json, {"planner": name, "file": str(path)}, str(path))
