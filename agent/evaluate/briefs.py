"""`ditpipe evaluate briefs`: from a brief to a picture, with and without the loop, merged against regional."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from os.path import relpath
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from PIL import Image

from ...prompts.errors import CritiqueError, PlanningError, RenderError
from ...prompts.outside_json import JsonObject
from ...prompts.plan import ScenePlan
from ...renderer.request import RenderRequest
from ..events import Finished
from .cost import counted
from .drawing import Drawer, picture_of, picture_query, usual_size
from .judging.brief_truth import Brief, faults_in
from .judging.judges import Judge, PictureSeen
from .regions import merged, share
from .report import Part, Report, Sheet, Table, percent
from .rows import Row, RowStore, digest_of, failure, measure_rows

if TYPE_CHECKING:
    from ..agent import Agent

RUNS = "runs"
METHODS = {
    "merged": "all prompts merged into one",
    "regional": "regions, one round",
    "loop": "regions and the loop, best round",
}
SHOWN_BRIEFS = 12


def evaluate_briefs(
    agents: "Mapping[str, Callable[[Drawer], Agent]]", briefs: Sequence[Brief], judge: Judge, store: RowStore, *,
    workers: Sequence[Drawer], settings: JsonObject, seed: int = 0,
) -> tuple[Report, JsonObject]:  # fmt: skip
    """Plans each brief once with each planner, then draws the plan by all methods and judges the pictures.

    agents: by the name of the planner, an agent that draws with a drawer's renderer and has the loop's settings, which
    `settings` names. Raises ModelError for a server that does not answer.
    """
    folder = store.path.parent
    plans = planned(agents, briefs, store, workers=workers, settings=settings)
    queries: list[JsonObject] = []
    for plan in plans:
        if "error" not in plan.measured:
            scene = ScenePlan.model_validate(plan.measured["plan"])
            given = plan.query | {"plan": scene.model_dump(mode="json", exclude_defaults=True), "judge": judge.name}
            for method in ("merged", "loop"):
                picture = _query(agents[plan.query["planner"]], workers[0], scene, method, seed)
                about = {"experiment": "briefs", "method": method, "seed": seed, "picture": picture}
                queries.append({**given, **about})

    def measure(drawer: Drawer, query: JsonObject) -> JsonObject:
        scene = ScenePlan.model_validate(query["plan"])
        try:
            if query["method"] == "merged":
                path, seconds, _ = drawer.picture(query["picture"], folder)
                return {"merged": _seen(judge, path, folder, scene, query["truth"]) | {"seconds": seconds}}
            agent = agents[query["planner"]](drawer)
            return _looped(agent, query, scene, judge, folder)
        except (RenderError, CritiqueError) as error:
            return failure(error)

    rows = measure_rows(queries, measure, store, workers=workers, title="pictures")
    figures = {name: figures_of(name, plans, rows) for name in agents}
    return report_of(plans, rows, figures, judge, folder), {"figures": figures}


def planned(
    agents: "Mapping[str, Callable[[Drawer], Agent]]", briefs: Sequence[Brief], store: RowStore, *,
    workers: Sequence[Drawer], settings: JsonObject,
) -> list[Row]:  # fmt: skip
    """A row a brief and planner: the plan, or why there is none, and what it cost."""
    queries = [
        {"experiment": "plans", "planner": name, "settings": settings, "task": brief.task, "brief": brief.text,
         "truth": brief.truth}
        for name in agents
        for brief in briefs
    ]  # fmt: skip

    def measure(worker: Drawer, query: JsonObject) -> JsonObject:
        started = time.monotonic()
        with counted() as cost:
            try:
                plan = agents[query["planner"]](worker).plan(query["brief"])
                result: JsonObject = {"plan": plan.model_dump(mode="json", exclude_defaults=True)}
            except PlanningError as error:
                result = {"error": str(error)}
        return result | {"seconds": round(time.monotonic() - started, 2), "cost": cost.as_json()}

    return measure_rows(queries, measure, store, workers=workers[:1], title="plans")


def _query(
    agent_of: "Callable[[Drawer], Agent]", drawer: Drawer, plan: ScenePlan, method: str, seed: int
) -> JsonObject:
    """The picture that a method draws (first)."""
    agent = agent_of(drawer)
    plan = usual_size(agent.model, plan)
    request = agent.request(merged(plan) if method == "merged" else plan)
    return picture_query(agent.model, RenderRequest.model_validate({**dict(request), "seed": seed}))


def _looped(agent: "Agent", query: JsonObject, plan: ScenePlan, judge: Judge, folder: Path) -> JsonObject:
    """The loop on a ready plan: its first round is the regional picture without the loop."""
    started, home = time.monotonic(), folder / RUNS / digest_of(query)
    with counted() as cost:
        if (home / "run.json").exists():  # a run that was stopped goes on
            *_, last = agent.resume(home)
            assert isinstance(last, Finished)
            painting = last.painting
        else:
            painting = agent.paint(query["brief"], plan=plan, folder=home)
    seconds = round(time.monotonic() - started, 2)
    first, best = painting.rounds[0], painting.best
    about = {"seconds": seconds, "rounds": len(painting.rounds), "best": best.number, "halted": painting.halted}
    return {
        "regional": _seen(judge, first.path, folder, plan, query["truth"]),
        "loop": _seen(judge, best.path, folder, plan, query["truth"], drawn=best.plan)
        | about
        | {"cost": cost.as_json()},
    }


def _seen(
    judge: Judge, path: Path, folder: Path, plan: ScenePlan, truth: JsonObject | None, *, drawn: ScenePlan | None = None
) -> JsonObject:
    """What a picture shows of the plan, and what of the truth it does not: null if nobody can tell. drawn: the plan of
    the picture, if the loop revised it; the regions are judged by the plan before."""
    from ...renderer.pictures.artifacts import open_image

    image = open_image(path)
    seen, faults = judge.look(image, plan, ""), _faults(judge, image, drawn or plan, truth)
    return {"file": relpath(path, folder), "faults": faults, **seen.as_json()}


def _faults(judge: Judge, image: Image.Image, plan: ScenePlan, truth: JsonObject | None) -> list[str] | None:
    things: Any = getattr(judge, "things", None)
    if truth is None or things is None:
        return None
    return faults_in(things(image, plan, [each["class"] for each in truth["objects"]]), truth)


def figures_of(planner: str, plans: Sequence[Row], rows: Sequence[Row]) -> JsonObject:
    """Per method {right, of, tasks, regions, seconds, rounds, calls, tokens}; right: by the brief's own truth, of those
    that have one; briefs without a plan, or whose picture could not be drawn, are not right."""
    own = [row for row in plans if row.query["planner"] == planner]
    judged = [row for row in rows if row.query["planner"] == planner]
    planning = {"seconds": _median(row.measured["seconds"] for row in own)}
    figures: JsonObject = {
        "briefs": len(own),
        "without a plan": sum("error" in row.measured for row in own),
        "planning": planning | _costs(row.measured["cost"] for row in own),
    }
    for method in METHODS:
        found = {row.query["brief"]: row.measured for row in judged if method in row.measured}
        tasks: dict[str, list[int]] = {}
        for row in own:
            entry = found.get(row.query["brief"], {}).get(method)
            if row.query["truth"] is not None and (entry is None or entry["faults"] is not None):
                task = tasks.setdefault(row.query["task"], [0, 0])
                task[0] += entry is not None and not entry["faults"]
                task[1] += 1
        entries = [measured[method] for measured in found.values()]
        regions = share(region.right for entry in entries for region in PictureSeen.from_json(entry).regions)
        figures[method] = {
            "right": sum(task[0] for task in tasks.values()),
            "of": sum(task[1] for task in tasks.values()),
            "tasks": tasks,
            "regions": None if regions != regions else round(regions, 4),
            "seconds": _median(entry["seconds"] for entry in entries if "seconds" in entry),
            "rounds": fmean(entry["rounds"] for entry in entries) if method == "loop" and entries else 1,
            **_costs(entry["cost"] for entry in entries if "cost" in entry),
        }  # fmt: skip
    return figures


def _costs(costs: Iterable[JsonObject]) -> JsonObject:
    """Means a brief."""
    own, keys = list(costs), ("calls", "tokens_in", "tokens_out")
    return {key: round(fmean(cost[key] for cost in own), 2) if own else 0 for key in keys}


def _median(values: Iterable[float]) -> float | None:
    own = list(values)
    return round(median(own), 2) if own else None


def report_of(
    plans: Sequence[Row], rows: Sequence[Row], figures: Mapping[str, JsonObject], judge: Judge, folder: Path
) -> Report:
    parts: list[Part] = []
    tasks = list(dict.fromkeys(row.query["task"] for row in plans))
    lines, costs, known = [], [], any(row.query["truth"] is not None for row in plans)
    for planner, each in figures.items():
        planning = each["planning"]
        costs.append([planner, "the plan", "–", *_cost_cells(planning)])
        for method, name in METHODS.items():
            own = each[method]
            cells = ["{}/{}".format(*own["tasks"][task]) if task in own["tasks"] else "–" for task in tasks]
            right = [f"{own['right']}/{own['of']}" if own["of"] else "–", *(cells if len(tasks) > 1 else [])]
            regions = "–" if own["regions"] is None else percent(own["regions"])
            lines.append([planner, name, regions, *(right if known else [])])
            if method != "regional":
                costs.append([planner, name, f"{own['rounds']:.1f}", *_cost_cells(own)])
    head = ["planner", "method", "regions right"]
    note = "regions right: regions of the plan whose subject and colour the judge sees."
    if known:
        head += ["right by the brief", *(tasks if len(tasks) > 1 else [])]
        note += (
            " right by the brief: pictures that show the classes, numbers, colours and relations that the brief names, "
            "of briefs with a known answer, by GenEval's rules; a brief without a plan is wrong."
        )
    parts.append(Table(head, lines, "Briefs to pictures", note))
    head = ["planner", "what", "rounds", "seconds", "calls", "tokens in", "tokens out"]
    note = "Of a brief: median seconds on this machine, mean calls and tokens of chat models; a dash: not reported."
    parts.append(Table(head, costs, "Cost", note))
    failed = [row for row in (*plans, *rows) if "error" in row.measured]
    lost = [[row.query["planner"], row.query["brief"], row.measured["error"]] for row in failed]
    if lost:
        parts.append(Table(["planner", "brief", "why"], lost[:50], f"{len(lost)} without a picture"))
    halted = [(row, row.measured["loop"]["halted"]) for row in rows if row.measured.get("loop", {}).get("halted")]
    stopped = [[row.query["planner"], row.query["brief"], str(why)] for row, why in halted]
    if stopped:
        title = f"{len(stopped)} loops ended before their last round was judged"
        parts.append(Table(["planner", "brief", "why"], stopped[:50], title))
    parts.append(_sheet(rows, folder))
    return Report(
        "Briefs, end to end",
        "A planner plans each brief once; the plan is drawn as one merged prompt, with its regions, and with the loop. "
        f"{judge.name[0].upper()}{judge.name[1:]} looks at the pictures.",
        parts,
        [
            "Methods and planners of this page with each other: they get the same briefs and seeds.",
            "With GenEval's published scores only in their rules: the detector there is a Mask2Former, colours are "
            "told by a CLIP, and four pictures a prompt are drawn. Relations here are those of box centres, without "
            "its margin.",
        ],
        seeds="the same for every brief and method: " + ", ".join(sorted({str(row.query["seed"]) for row in rows})),
    )  # fmt: skip


def _cost_cells(own: JsonObject) -> list[str]:
    seconds = "–" if own["seconds"] is None else f"{own['seconds']:g}"
    known = not own["calls"] or own["tokens_in"]
    return [seconds, f"{own['calls']:g}", *(f"{own[key]:g}" if known else "–" for key in ("tokens_in", "tokens_out"))]


def _sheet(rows: Sequence[Row], folder: Path) -> Sheet:
    files: dict[tuple[str, str], dict[str, Path]] = {}
    for row in rows:
        for method in METHODS:
            if method in row.measured:
                cell = files.setdefault((row.query["planner"], row.query["brief"]), {})
                cell[method] = picture_of(row.measured[method], folder, inside="")
    lines = [
        (f"{planner}: {brief[:80]}", [own.get(method) for method in METHODS])
        for (planner, brief), own in list(files.items())[:SHOWN_BRIEFS]
    ]
    return Sheet(list(METHODS.values()), lines, "Pictures", "Not chosen: the first briefs.")
