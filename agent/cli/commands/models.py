"""The commands for models: `ditpipe models` lists those that can be used by name, `models pull` fetches one."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ....prompts.outside_json import JsonObject
from ..options import Json, busy, option, print_answer, stderr_console

if TYPE_CHECKING:
    from ....renderer.checkpoints.registry import Checkpoint

# Names of image models that are in no table, and what they mean.
OTHER_NAMES = {
    "FOLDER, OWNER/NAME[@REVISION]": "a pipeline in diffusers' format, here or on the hub",
    "FILE.safetensors[@FOLDER]": "a single file; the folder, or a hub name, configures it and has what it lacks",
    "FILE.gguf@FOLDER": "a quantized transformer, beside a folder or hub name with the rest (extra gguf)",
    "openai:gpt-image-2": "OpenAI's Images API (OPENAI_API_KEY): regions in words, no seed, edits under a mask",
    "http://HOST/v1#NAME": "any server of that API (DITPIPE_IMAGE_API_KEY); a `ditpipe serve` there obeys the plan",
    "http://HOST/v1#NAME,caption=FORMAT": "prompted in a layout format: ideogram4, flux3, fibo … (docs/formats.md)",
}

models = typer.Typer(invoke_without_command=True, help="List the models that can be used by name; fetch one.")


@models.callback()
def list_models(context: typer.Context, as_json: Json = False) -> None:
    """List the image models, the local planners and the networks of metrics that can be used by name."""
    if context.invoked_subcommand:
        return
    from ....renderer.checkpoints.registry import CHECKPOINTS, FAMILIES
    from ....renderer.checkpoints.vocabulary import vocabulary_of
    from ....renderer.metrics import networks
    from ...llm.local_models import LOCAL_MODELS, best_planner, is_here

    planners = Table("planner", "here", "download", "licence", "", box=None)
    for planner in LOCAL_MODELS.values():
        here = "auto" if planner.name == best_planner() else "yes" if is_here(planner) else "no"
        size = f"{planner.bytes / 1e9:.1f} GB" if planner.bytes else "-"
        planners.add_row(planner.name, here, size, planner.licence, planner.note)
    metrics = Table("metrics", "here", "download", "licence", "", box=None)
    for network in networks.METRIC_NETWORKS.values():
        here = "yes" if networks.is_here(network) else "no"
        metrics.add_row(network.name, here, f"{network.bytes / 1e6:.0f} MB", network.licence, network.note)
    vocabularies = {name: vocabulary_of(model) for name, model in CHECKPOINTS.items()}
    rows = {model.name: described(model) for model in CHECKPOINTS.values()}
    if as_json:
        draws = {name: {"draws": words and words.summary} for name, words in vocabularies.items()}  # null: anything
        answer = {name: row | draws[name] for name, row in rows.items()} | {"other_names": OTHER_NAMES}
        answer["planners"] = {n: asdict(m) | {"here": is_here(m)} for n, m in LOCAL_MODELS.items()}
        fields = ("package", "bytes", "licence", "note")
        answer["networks"] = {
            name: {"here": networks.is_here(network), **{field: getattr(network, field) for field in fields}}
            for name, network in networks.METRIC_NETWORKS.items()
        }
        print(json.dumps(answer))
        return
    console = Console()
    for family in FAMILIES.values():
        own = [row for row in rows.values() if row["family"] == family.name]
        if own:
            console.print(f"[bold]{family.name}[/bold]: {abilities(own[-1])}", _of_family(own))
    limits = [f"{name} draws {words.summary}" for name, words in vocabularies.items() if words]
    others = Table("--model also takes", "", box=None)
    for form, what in OTHER_NAMES.items():
        others.add_row(escape(form), escape(what))
    console.print(*limits, "", others, "", planners, "", metrics, sep="\n")


def abilities(row: JsonObject) -> str:
    """What the family of a row can, in a sentence."""
    edits = "edits compute the changed tokens alone" if row["partial_edits"] else "edits compute the whole picture"
    nets = "ControlNets" if row["controlnets"] else "no ControlNets"
    weights = "weights of words act" if row["word_weights"] else "no weights of words"
    return f"regions by {row['regions']}; {edits}; {nets}; {weights}; reads {' and '.join(row['languages'])}"


def _of_family(rows: Sequence[JsonObject]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 2))
    widths = {"model": 18, "here": 4, "pixels": 6, "steps": 5, "negatives": 9, "weights": 9, "licence": 26, "": None}
    for name, width in widths.items():
        table.add_column(name, min_width=width)
    for row in rows:
        weights = f"{row['memory_gib']:g} GiB" if row["memory_gib"] else ""
        table.add_row(
            row["name"], "yes" if row["here"] else "no", str(row["size"]), str(row["steps"]),
            "yes" if row["negatives"] else "no", weights, row["licence"], row["note"],
        )  # fmt: skip
    return table


def described(model: "Checkpoint") -> JsonObject:
    """A row of the table with what its family can, and whether all of its files are here."""
    from ....renderer.checkpoints.files.hub import Hub
    from ....renderer.checkpoints.files.source import locate
    from ....renderer.checkpoints.registry import FAMILIES

    family, source = FAMILIES[model.family], locate(model.source)
    assert source
    card = model.card or (f"https://huggingface.co/{source.hub.repository}" if source.hub else "")
    return asdict(model) | {
        "negatives": model.style.negatives, "regions": family.regions, "languages": list(model.style.languages),
        "partial_edits": family.partial, "controlnets": family.controlled, "card": card,
        "word_weights": family.weighted,
        "here": source.folder is not None or (source.hub is not None and Hub().is_pipeline_cached(source.hub)),
    }  # fmt: skip


@models.command()
def pull(
    name: Annotated[str, typer.Argument(help="a planner or a network of metrics from `ditpipe models`")],
    archive: Annotated[
        Path | None, option("Model", "--archive", help="of a network: its package, downloaded elsewhere")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch a local planner into the cache folder, or a network that pictures are compared with.

    An interrupted download of a planner goes on where it was.
    """
    from rich.progress import DownloadColumn, Progress, TransferSpeedColumn

    from ....renderer.metrics.networks import METRIC_NETWORKS
    from ....renderer.metrics.networks import pull as fetch_network
    from ...llm.local_models import LOCAL_MODELS
    from ...llm.local_models import pull as fetch
    from ...llm.local_server import base_weights

    if name in METRIC_NETWORKS:
        network = METRIC_NETWORKS[name]
        with busy(f"fetching {network.bytes / 1e6:.0f} MB", as_json):
            path = fetch_network(network, archive=archive)
        print_answer(as_json, {"network": name, "file": str(path)}, str(path))
        return
    if name not in LOCAL_MODELS:
        raise ValueError(f"unknown name {name!r}: one of {', '.join([*LOCAL_MODELS, *METRIC_NETWORKS])}")
    if archive:
        raise ValueError(f"--archive is for {' and '.join(METRIC_NETWORKS)}")
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
