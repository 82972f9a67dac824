"""The command `ditpipe evaluate`. Heavy modules are loaded by the experiments that need them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ...prompts.errors import RunError
from ...prompts.outside_json import JsonObject
from ...prompts.plan_files import read_plan
from ..cli.options import Json, Options, option, print_answer, stderr_console, with_settings
from ..settings import UNRECORDED, Settings, settings_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..agent import Agent
    from .drawing import Drawer
    from .judging.judges import Judge
    from .regions import Case
    from .report import Report
    from .rows import RowStore

evaluate = typer.Typer(
    no_args_is_help=True, help="The paper's experiments on any checkpoint: each a folder of rows and one HTML page."
)
Folder = Annotated[
    Path | None,
    option(
        "Output",
        "--out",
        help="folder of rows, pictures and report.html; the same one goes on where it stopped (empty: evaluation/NAME)",
    ),
]
Limit = Annotated[int | None, option("Plan", "--limit", min=1, help="at most so many of each kind")]
PlansOfEach = Annotated[int, option("Plan", "--limit", min=1, max=100, help="plans of each kind; seeds of a file")]
Faults = Annotated[bool, option("Output", "--faults/--no-faults", help="list what was not right")]
Models = Annotated[
    list[str] | None, option("Model", "--model", help="image model, as of `ditpipe render`; may be given several times")
]
Planners = Annotated[
    list[str] | None, option("Model", "--planner", help="a planner, as of `ditpipe paint`; repeatable")
]
Numbers = Annotated[
    list[int] | None,
    option("Plan", "--regions", help="fixed plans with 1, 2, 4, 9 or (in free boxes) 3 regions; repeatable"),
]
Plans = Annotated[
    list[Path] | None, option("Plan", "--plan", help="a plan file, in place of the fixed plans; repeatable")
]
JudgeName = Annotated[
    str,
    option(
        "Model", "--judge",
        help="pocket (knows the pocket model's pictures only), local (OWLv2 and SigLIP 2), local:DETECTOR,MATCHER, or "
        "a vision model: openai:gpt-5 (auto: pocket for the pocket model, else local if its models are here)",
    ),
]  # fmt: skip
HOME = Path("evaluation")
_shared: "dict[str, Agent]" = {}  # by the name of the planner


@evaluate.command()
@with_settings("base_url", "timeout", "plan_calls")
def planner(
    options: Options,
    truth: Annotated[list[Path], option("Plan", "--truth", help="JSON Lines of briefs with their answers; repeatable")],
    planners: Planners = None,
    faults: Faults = True,
    limit: Limit = None, out: Folder = None, as_json: Json = False,
) -> None:  # fmt: skip
    """How often planners are right on briefs with known answers. Nothing is drawn.

    A line of a truth file: {id, set, task, prompt, objects: [{class, count, color?}], relations: [[i, word, j]],
    places?: {i: word}, absent: [class], exact}.
    """
    from .judging.planner_truth import lines, read_truth, sampled
    from .planner import evaluate_planners

    names = _names(planners)
    settings = settings_of(**options, planner=names[0])
    rows = sampled(read_truth(lines(truth)), limit or 0)
    by_name = {name: _planner(settings, name) for name in names}
    query = {"calls": settings.plan_calls, "base_url": settings.base_url, **_version()}
    store, folder = _store(out, "planner")
    with store.checked():
        report, figures = evaluate_planners(by_name, rows, store, settings=query, list_faults=faults)
    _finish(folder, report, figures, as_json)


@evaluate.command()
@with_settings("steps", "guidance_scale", "seed", "device", "dtype", "base_url", "timeout")
def regions(
    options: Options,
    models: Models = None, judge: JudgeName = "auto",
    numbers: Numbers = None, plans: Plans = None,
    methods: Annotated[
        list[str] | None, option("Render", "--method", help="regions, default, merged, couple, caption; repeatable")
    ] = None,
    limit: PlansOfEach = 25,
    out: Folder = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Does each region show its prompt? Region-Attention, merged prompts, Couple and native captions compared.

    Subjects, colours and settings of the fixed plans are those of the pocket model's world; any model draws them.
    """
    from .drawing import drawers
    from .regions import METHODS, evaluate_regions

    settings = _settings(options, models, judge)
    names, cases = models or [settings.model], _cases(numbers or [2, 4, 9, 3], plans, limit, settings.picture_seed())
    if unknown := [method for method in methods or [] if method not in METHODS]:
        raise ValueError(f"unknown method {unknown[0]!r}: one of {', '.join(METHODS)}")
    store, folder = _store(out, "regions")
    workers = drawers(settings, names)
    with store.checked():
        report, figures = evaluate_regions(
            names, cases, _judge(settings, judge, names), store, workers=workers,
            steps=settings.steps, guidance=settings.guidance_scale, methods=methods or [],
        )  # fmt: skip
    _finish(folder, report, figures, as_json)


@evaluate.command()
@with_settings("steps", "guidance_scale", "seed", "device", "dtype", "base_url", "timeout")
def ablation(
    options: Options,
    models: Models = None, judge: JudgeName = "auto",
    numbers: Numbers = None, plans: Plans = None,
    points: Annotated[int, option("Render", "--points", min=2, max=64, help="depths of each curve")] = 9,
    limit: PlansOfEach = 25,
    out: Folder = None, as_json: Json = False,
) -> None:  # fmt: skip
    """How many blocks should attend to region prompts, from which end, and which level of them at which depth?

    None to all regional blocks as in the paper's Figure 6, and nine pairs of levels (high, low, joined). By default
    with three regions in free boxes.
    """
    from .ablation import evaluate_ablation
    from .drawing import drawers

    settings = _settings(options, models, judge)
    names, cases = models or [settings.model], _cases(numbers or [3], plans, limit, settings.picture_seed())
    store, folder = _store(out, "ablation")
    with store.checked():
        report, figures = evaluate_ablation(
            names, cases, _judge(settings, judge, names), store, points=points, steps=settings.steps,
            workers=drawers(settings), guidance=settings.guidance_scale,
        )  # fmt: skip
    _finish(folder, report, figures, as_json)


@evaluate.command()
@with_settings(without=("planner", "out", "sessions", "approve", "candidates"))
def briefs(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="GenEval's metadata, lines of truth, or a brief a line")
    ],
    options: Options,
    planners: Planners = None, judge: JudgeName = "auto",
    limit: Limit = None, out: Folder = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Briefs end to end: planned once, drawn merged, with regions, and with the loop; what each costs.

    A .jsonl file holds GenEval's published metadata {tag, include, exclude, prompt}, lines of truth as of `evaluate
    planner`, or {brief}. Runs of the loop stay in the folder, each with its rounds.
    """
    from functools import partial

    from .briefs import evaluate_briefs
    from .drawing import drawers
    from .judging.brief_truth import read_briefs

    names = _names(planners)
    first = settings_of(**options, planner=names[0])
    rows, workers = read_briefs(file, limit or 0), drawers(first)
    agents = {name: partial(_agent, settings_of(**options, planner=name)) for name in names}
    seed = first.picture_seed()
    recorded = first.model_dump(mode="json", exclude={*UNRECORDED, "planner"}) | {"seed": seed} | _version()
    store, folder = _store(out, "briefs")
    with store.checked():
        report, figures = evaluate_briefs(
            agents, rows, _judge(first, judge, [first.model]), store, workers=workers, settings=recorded, seed=seed
        )
    _finish(folder, report, figures, as_json)


@evaluate.command()
@with_settings("base_url", "timeout", "model")
def chat(
    options: Options,
    messages: Annotated[Path, option("Plan", "--messages", help="JSON Lines: messages with what must become of them")],
    plans: Annotated[
        Path | None, option("Plan", "--plans", help="JSON of the plans they are about (chat_plans.json beside them)")
    ] = None,
    planners: Planners = None,
    faults: Faults = True,
    limit: Limit = None, out: Folder = None, as_json: Json = False,
) -> None:  # fmt: skip
    """How often messages of the chat are understood rightly. Nothing is drawn.

    A line: {kind, plan, message, outcome, expect, before?, touched?}; what `expect` may hold stands in chat_truth.py.
    """
    from ..agent import Agent
    from ..chat.interpreter import interpreter_for
    from .chat import evaluate_chat, read_messages, read_plans

    names = _names(planners)
    rows = read_messages(messages, limit or 0)
    about = read_plans(plans or messages.with_name("chat_plans.json"))
    by_name = {name: interpreter_for(Agent(settings=settings_of(**options, planner=name))) for name in names}
    store, folder = _store(out, "chat")
    settings = {"base_url": options.get("base_url"), **_version()}
    with store.checked():
        report, figures = evaluate_chat(by_name, rows, about, store, settings=settings, list_faults=faults)
    _finish(folder, report, figures, as_json)


@evaluate.command()
@with_settings("device", "dtype")
def reconstruction(
    options: Options,
    images: Annotated[Path, option("Plan", "--images", help="folder of pictures, searched to its depths")],
    models: Models = None,
    size: Annotated[int, option("Plan", "--size", min=16, help="pixels a side: the middle square, scaled")] = 256,
    metrics: Annotated[
        str, option("Plan", "--metrics", help="some of psnr,ssim,lpips,rfid; the last two fetch a network once")
    ] = "psnr,ssim,lpips,rfid",
    lpips: Annotated[Literal["alex", "vgg"], option("Plan", "--lpips", help="network of LPIPS")] = "alex",
    limit: Limit = None, out: Folder = None, as_json: Json = False,
) -> None:  # fmt: skip
    """What a VAE loses of pictures, as in the paper's Table I: PSNR, SSIM, LPIPS, rFID. Nothing is drawn.

    --model is also the folder of a VAE alone, or such a repository on the hub; of a pipeline only the VAE is fetched.
    It computes in float32 unless --dtype says otherwise.
    """
    from .reconstruction import Choice, evaluate_reconstruction, fetch_networks, pictures_in

    settings = settings_of(**options)
    choice = Choice(size, tuple(name.strip() for name in metrics.split(",")), lpips)
    pictures = pictures_in(images, limit)
    choice.check(len(pictures))
    fetch_networks(choice, on_note=lambda note: stderr_console.print(note, style="dim", markup=False))
    store, folder = _store(out, "reconstruction")
    with store.checked():
        report, figures = evaluate_reconstruction(
            models or [settings.model], pictures, store, folder, choice=choice, devices=_devices(settings),
            dtype=settings.chosen_dtype, settings=_version(),
        )  # fmt: skip
    for warning in figures["warnings"]:
        stderr_console.print(f"note: {warning}", style="yellow", markup=False)
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
    if twice := [folder for folder in folders if folders.count(folder) > 1]:
        raise ValueError(f"{twice[0]} is named twice")
    sections = [(folder / SECTION).read_text(encoding="utf-8") for folder in folders]
    write(out, page(title, sections).encode())
    print(out)


def _names(planners: list[str] | None) -> list[str]:
    """The names of planners that were given, or of the usual one: never 'auto', which is another one elsewhere."""
    from ..llm.local_models import best_planner

    return [best_planner() if name == "auto" else name for name in planners or [Settings().planner]]


def _planner(settings: Settings, name: str) -> Any:
    from ..planning.planner import Planner

    return Planner(_chat_model(settings, name), calls=settings.plan_calls).plan


def _chat_model(settings: Settings, name: str) -> Any:
    from ..llm.chat_models import chat_model
    from ..llm.local_models import LOCAL_MODELS

    key, base_url = settings.api_key, None if name in LOCAL_MODELS else settings.base_url
    secret = key.get_secret_value() if key else None
    return chat_model(name, base_url=base_url, api_key=secret, timeout=settings.timeout)


def _agent(settings: Settings, drawer: "Drawer") -> "Agent":
    """An agent that draws with a drawer's renderer; its planner and critic are those of all workers."""
    from ..agent import Agent

    shared = _shared.setdefault(settings.planner, Agent(settings=settings))
    renderer = drawer.renderer(settings.model)
    return Agent(settings=settings, renderer=renderer, planner=shared.planner, critic=shared.critic)


def _settings(options: Options, models: list[str] | None, judge: str) -> Settings:
    """The settings of pictures of the first model; a judge that is a chat model has the critic's endpoint and key."""
    is_chat_model = judge.partition(":")[0] not in ("auto", "pocket", "local")
    return settings_of(**options, model=models[0] if models else None, critic=judge if is_chat_model else None)


def _cases(numbers: "Sequence[int]", plans: list[Path] | None, limit: int, seed: int) -> "list[Case]":
    """The plans of files, or the fixed plans with these numbers of regions. Raises ValueError, RunError."""
    from .fixed_plans import ARRANGEMENTS
    from .regions import file_cases, fixed_cases

    if unknown := [number for number in numbers if number not in ARRANGEMENTS]:
        raise ValueError(f"no fixed plans with {unknown[0]} regions: one of {', '.join(map(str, ARRANGEMENTS))}")
    if plans:
        return file_cases({path.stem: read_plan(path) for path in plans}, limit, seed)
    return [case for number in numbers for case in fixed_cases(number, limit, seed)]


def _judge(settings: Settings, name: str, models: "Sequence[str]") -> "Judge":
    """Raises ValueError if 'auto' finds no judge for these models."""
    from ...renderer.checkpoints.registry import checkpoint
    from ..refine.local_critic import DETECTOR, MATCHER, PREFIX, LocalCritic
    from .judging.judges import LocalJudge, PocketJudge, VisionJudge

    if name == "auto":
        foreign = [model for model in models if not checkpoint(model).trained_here]
        name = "pocket" if not foreign else PREFIX if LocalCritic.is_here() else ""
        if not name:
            raise ValueError(
                f"no judge is available for pictures of {foreign[0]}: give --judge local (fetches {DETECTOR} and "
                f"{MATCHER}), local:DETECTOR,MATCHER with folders, or a vision model such as openai:gpt-5"
            )
    if name == "pocket":
        return PocketJudge()
    if name.partition(":")[0] == PREFIX:
        return LocalJudge(LocalCritic.named(name, device=settings.chosen_device), name)
    return VisionJudge(_chat_model(settings, name), name)


def _devices(settings: Settings) -> list[str]:
    """The devices of --device, or all GPUs, or the CPU."""
    from ...renderer.checkpoints.load import devices

    return settings.chosen_devices or devices()


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
