"""`ditpipe evaluate planner`: how often planners are right on briefs with known answers. Nothing is drawn."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any

from ...prompts.outside_json import JsonObject
from ...prompts.plan import ScenePlan
from .judging.planner_truth import answer_to, task_of
from .report import Part, Report, Table
from .rows import Row, RowStore, measure_rows

PlanOf = Callable[[str], ScenePlan]
MOST_FAULTS = 200  # faults that the page lists


def evaluate_planners(
    planners: Mapping[str, PlanOf], truth: Sequence[JsonObject], store: RowStore, *, settings: JsonObject,
    list_faults: bool = True,
) -> tuple[Report, JsonObject]:  # fmt: skip
    """Asks each planner for a plan of each line of truth, one of each task after the other.

    settings: what else determines an answer, such as calls and endpoint. Raises ModelError for a server that does not
    answer: what is measured is stored.
    """
    queries = [{"planner": name, **settings, "truth": line} for name in planners for line in truth]

    def measure(worker: None, each: JsonObject) -> JsonObject:
        return answer_to(planners[each["planner"]], each["truth"])

    rows = measure_rows(queries, measure, store, workers=[None], title="plans")
    return report_of(rows, list_faults=list_faults), figures_of(rows)


def figures_of(rows: Sequence[Row]) -> JsonObject:
    """planner → {right, of, valid, seconds, tasks: {task: [right, of]}}; seconds: the median of a plan."""
    figures: dict[str, Any] = {}
    for planner, own in by_planner(rows).items():
        tasks = {task_of(row.query["truth"]): [0, 0] for row in own}
        for row in own:
            task = tasks[task_of(row.query["truth"])]
            task[0] += not row.measured["faults"]
            task[1] += 1
        figures[planner] = {
            "right": sum(not row.measured["faults"] for row in own), "of": len(own),
            "valid": sum(row.measured["valid"] for row in own),
            "seconds": round(median(row.measured["seconds"] for row in own), 2), "tasks": tasks,
        }  # fmt: skip
    return figures


def by_planner(rows: Iterable[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.query["planner"], []).append(row)
    return found


def table_of(figures: Mapping[str, JsonObject]) -> Table:
    """A row a task, a column a planner."""
    tasks = sorted({task for each in figures.values() for task in each["tasks"]})
    cells = [
        [task, *("{} of {}".format(*each["tasks"].get(task, "––")) for each in figures.values())] for task in tasks
    ]
    cells.append(["all of these", *(f"{each['right']} of {each['of']}" for each in figures.values())])
    cells.append(["valid plans", *(f"{each['valid']} of {each['of']}" for each in figures.values())])
    cells.append(["seconds a plan, median", *(f"{each['seconds']:g}" for each in figures.values())])
    return Table(["task", *figures], cells, "Right plans")


def faults_of(row: Row) -> str:
    return "; ".join(row.measured["faults"])


def report_of(rows: Sequence[Row], *, list_faults: bool = True) -> Report:
    faulty = [row for row in rows if row.measured["faults"]][:MOST_FAULTS]
    parts: list[Part] = [table_of(figures_of(rows))]
    if list_faults and faulty:
        lines = [
            [row.query["planner"], row.query["truth"]["prompt"], row.measured["answer"], faults_of(row)]
            for row in faulty
        ]
        parts.append(Table(["planner", "brief", "plan", "what is not right"], lines, "What was not right"))
    return Report(
        "Planners on briefs with known answers",
        "Each planner is asked for a plan of each brief; a plan is right if its regions have the objects, numbers, "
        "colours and places that the brief names, and none that it excludes.",
        parts,
        [
            "Planners of one table with each other: they get the same briefs in one order, and cells with equal second "
            "numbers are of the same briefs.",
            "Not with the figures that the sets' authors publish: they judge pictures, these rules judge plans.",
        ],
        seeds="none: the order of the briefs is fixed",
    )
