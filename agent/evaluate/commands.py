"""The command `ditpipe evaluate`. Heavy modules are loaded by the experiments that need them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...prompts.errors import RunError
from ...prompts.outside_json import JsonObject
from ..cli.options import Json, Options, option, print_answer, with_settings
from ..settings import Settings, settings_of

if TYPE_CHECKING:
    from .report import Report
    from .rows import RowStore

evaluate = typer.Typer(
    no_args_is_help=True, help="The paper's experiments on any checkpoint: each a folder of rows and one HTML page."
)
Folder = Annotated[
    Path | None,
    option("Output", "--out", help="folder of rows, pictures and report.html; the same one goes on where it stopped"),
]
Limit = Annotated[int | None, option("Plan", "--limit", min=1, help="at most so many of each kind")]
Models = Annotated[
    list[str] | None, option("Model", "--model", help="image model, as of `ditpipe render`; may be given several times")
]
HOME = Path("evaluation")


@evaluate.command()
@with_settings("base_url", "timeout", "plan_calls")
def planner(
    options: Options,
    truth: Annotated[list[Path], option("Plan", "--truth", help="JSON Lines of briefs with their answers; repeatable")],
    planners: Annotated[
        list[str] | None, option("Model", "--planner", help="a planner, as of `ditpipe paint`; repeatable")
    ] = None,
    faults: Annotated[bool, option("Output", "--faults/--no-faults", help="list what was not right")] = True,
    limit: Limit = None, out: Folder = None, as_json: Json = False,
) -> None:  # fmt: skip
    """How often planners are right on briefs with known answers. Nothing is drawn.

    A line of a truth file: {id, set, task, prompt, objects: [{class, count, color?}], relations: [[i, word, j]],
    places?: {i: word}, absent: [class], exact}.
    """
    from .planner import evaluate_planners
    from .planner_truth import lines, read_truth, sampled

    names = planners or [Settings().planner]
    settings = settings_of(**options, planner=names[0])
    rows = sampled(read_truth(lines(truth)), limit or 0)
    by_name = {name: _planner(settings, name) for name in names}
    query = {"calls": settings.plan_calls, "base_url": settings.base_url, **_version()}
    store, folder = _store(out, "planner")
    report, figures = evaluate_planners(by_name, rows, store, settings=query, list_faults=faults)
    _finish(folder, report, figures, as_json)


@evaluate.command()
def join(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER…", help="folders of evaluations")],
    out: Annotated[Path, option("Output", "--out", help="HTML file to write")],
    title: Annotated[str, option("Output", "--title", help="its heading")] = "ditpipe: evaluation",
) -> None:
    """Put the reports of several evaluations on one page."""
    from ...renderer.pictures.artifacts import write
    from .report import SECTION, page

    if missing := [folder for folder in folders if not (folder / SECTION).is_file()]:
        raise RunError(f"{missing[0]} holds no finished evaluation: it has no {SECTION}")
    sections = [(folder / SECTION).read_text(encoding="utf-8") for folder in folders]
    write(out, page(title, sections).encode())
    print(out)


def _planner(settings: Settings, name: str) -> Any:
    from ..llm.chat_models import chat_model
    from ..llm.local_models import LOCAL_MODELS, best_planner
    from ..planning.planner import Planner

    name = best_planner() if name == "auto" else name
    key, base_url = settings.api_key, None if name in LOCAL_MODELS else settings.base_url
    secret = key.get_secret_value() if key else None
    model = chat_model(name, base_url=base_url, api_key=secret, timeout=settings.timeout)
    return Planner(model, calls=settings.plan_calls).plan


def _version() -> JsonObject:
    from ... import __version__

    return {"ditpipe": __version__}


def _store(out: Path | None, name: str) -> "tuple[RowStore, Path]":
    from .rows import RowStore

    folder = out or HOME / name
    return RowStore(folder), folder


def _finish(folder: Path, report: "Report", figures: JsonObject, as_json: bool) -> None:
    """Writes the page; prints the tables and its path, or the figures as JSON."""
    from .report import write_report

    path = write_report(folder, report)
    print_answer(as_json, {"report": str(path), **figures}, "\n\n".join([*report.tables(), str(path)]))
