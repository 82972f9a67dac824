"""How often a planner is right on public briefs with known answers: python -m benchmarks.public_briefs --truth FILE…

    python -m benchmarks.public_briefs --truth lmd.jsonl hrs.jsonl --planner embedded --results embedded.jsonl
    python -m benchmarks.public_briefs --truth lmd.jsonl hrs.jsonl --replies gpt_layouts.jsonl --planner gpt-4
    python -m benchmarks.public_briefs --table embedded.jsonl gpt-4.jsonl
    python -m benchmarks.public_briefs --layouts gpt_layouts.jsonl

A line of a truth file: {id, set, task, prompt, objects: [{class, count, color?}] or null, relations: [[i, word, j]],
places?: {i: word}, absent: [class], exact}. `exact`: so many and no more. Lines without an answer are passed over. The
last line of the output is one JSON object: {right, of, tasks: {task: [right, of]}}.

A line of a file of layouts, which language models gave for briefs: {set, model, prompt, background, negative, objects:
[[name, [x0, y0, x1, y1] of 512]]}. Right are those that become a plan in which every object has a token of a picture of
1024×1024 pixels, by the renderer's own rule. `--replies` takes a model's layouts of such a file as its answers to the
briefs, as published, and asks nobody.

One brief of each task is asked after the other, always in the same order, so that a run may be stopped at any time.
With `--results` each answer is kept, and what is there already is not asked again; `--table` puts such files beside
each other in docs/planner.md.
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks import pages
from ditpipe.agent.evaluate.judging.planner_truth import answer_to, lines, sampled, wrong
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.planning.planner import Planner
from ditpipe.prompts.endpoint import TIMEOUT
from ditpipe.prompts.layout.normalise import normalise
from ditpipe.prompts.plan import LeveledPrompt, Region, ScenePlan
from ditpipe.renderer.regions.region_masks import visible_regions

__all__ = ["lines", "sampled", "summary", "table", "wrong"]

HEADING = "# On public briefs"
ABOUT = """\
`python -m benchmarks.public_briefs --table FILE…` made this table: how many plans are right by this project's own rule,
of those that were asked for. Briefs are drawn from each task in one order for all planners: cells of a row are of the
same briefs where their second numbers are equal, and else of more of them. The published replies of GPT-3.5 and GPT-4
were made by other programs, with prompts of their own and worked examples; they say what such layouts look like under
this rule, not which model plans better. Two calls a plan (`--plan-calls 2`) have not been measured against one, which
therefore stays the default.
"""


def measure(
    name: str, plan_of: Callable[[str], ScenePlan], rows: list[dict[str, Any]], console: Console, *,
    results: Path | None = None,
) -> dict[str, list[int]]:  # fmt: skip
    """task → [right, of]; every miss is printed. What is in `results` is not asked again; what is asked is added."""
    before = lines([results]) if results and results.exists() else []
    kept = {row["id"]: row for row in before if row["planner"] == name}
    tasks: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for truth in track(rows, "briefs", console=console, disable=not console.is_terminal):
        result = kept.get(truth["id"]) or {"planner": name, **answer_to(plan_of, truth)}
        if results and truth["id"] not in kept:
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(result, ensure_ascii=False) + "\n")
        task = tasks[result["task"]]
        task[0] += not result["faults"]
        task[1] += 1
        if result["faults"]:
            print(f"{truth['id']} {truth['prompt']} → {result['answer']}: {'; '.join(result['faults'])}")
            sys.stdout.flush()
    return tasks


def replies(paths: list[Path], model: str) -> dict[str, ScenePlan]:
    """Prompt → the plan that a model's published layout becomes."""
    return {row["prompt"]: plan_of_layout(row) for row in lines(paths) if row["model"] == model}


def table(results: list[dict[str, Any]]) -> str:
    """Right of asked, in Markdown: a row a task, a column a planner."""
    planners = list(dict.fromkeys(row["planner"] for row in results))
    cells: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in results:
        cells[row["task"], row["planner"]].append(row)
        cells["all of these", row["planner"]].append(row)
    tasks = [*dict.fromkeys(sorted(row["task"] for row in results)), "all of these"]
    text = [["task", *planners]]
    for task in tasks:
        text.append([task, *(share(not row["faults"] for row in cells[task, planner]) for planner in planners)])
    every = [cells["all of these", planner] for planner in planners]
    text.append(["valid plans", *(share(row["valid"] for row in rows) for rows in every)])
    return pages.markdown(text)


def share(ones: Iterable[bool]) -> str:
    """'3 of 4'; a dash for nothing."""
    counted = list(ones)
    return f"{sum(counted)} of {len(counted)}" if counted else "–"


def measure_layouts(rows: list[dict[str, Any]]) -> dict[str, list[int]]:
    """task → [right, of]; every layout that does not become such a plan is printed."""
    tasks: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for row in rows:
        task = tasks[f"{row['set']} {row['model']}"]
        fault = unseen(row)
        task[0] += not fault
        task[1] += 1
        if fault:
            print(f"{row['prompt']}: {fault}")
    return tasks


def unseen(row: dict[str, Any]) -> str:
    """Why a layout does not become a plan of 1024×1024 pixels in which every object has a token; empty if it does."""
    try:
        plan = plan_of_layout(row)
    except ValueError as error:
        return str(error)
    seen = visible_regions(plan, token=16)
    missing = [region.name for region in plan.regions if region.name not in seen]
    if missing:
        return f"not seen: {', '.join(missing)}"
    given, planned = len(row["objects"]), len(plan.regions)
    return f"{given - planned} of {given} objects left out" if planned < given else ""


def plan_of_layout(row: dict[str, Any]) -> ScenePlan:
    """A published layout as a plan. Raises ValueError."""
    names, boxes = [name for name, _ in row["objects"]], [box for _, box in row["objects"]]
    layout = normalise(names, boxes, unit=512)
    regions = [
        Region(name=name, box=box, prompt=LeveledPrompt(high_level=names[index]), z_order=z_order)
        for index, name, box, z_order in zip(layout.indices, layout.names, layout.boxes, layout.z_orders, strict=True)
    ]
    scene = LeveledPrompt(high_level=row["background"])
    return ScenePlan(width=1024, height=1024, scene=scene, negative=row["negative"] or "", regions=regions)


def summary(tasks: dict[str, list[int]]) -> str:
    """A line a task, and the JSON object of all of them at the end."""
    table = [f"{name}: {right} of {of} ({right / of:.1%})" for name, (right, of) in tasks.items()]
    right, of = (sum(task[i] for task in tasks.values()) for i in (0, 1))
    return "\n".join([*table, json.dumps({"right": right, "of": of, "tasks": tasks})])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--truth", nargs="+", type=Path, metavar="FILE")
    source.add_argument("--layouts", nargs="+", type=Path, metavar="FILE")
    source.add_argument("--table", nargs="+", type=Path, metavar="FILE", help="results, put beside each other")
    parser.add_argument("--replies", nargs="+", type=Path, metavar="FILE", help="layouts that `--planner` gave")
    parser.add_argument("--results", type=Path, metavar="FILE", help="keeps the answers, and resumes")
    parser.add_argument("--plan-calls", type=int, choices=(1, 2), default=1)
    parser.add_argument("--label", help="the planner's name in the table")
    parser.add_argument("--planner", default="embedded", metavar="NAME")
    parser.add_argument("--base-url", help="OpenAI-compatible endpoint of the planner")
    parser.add_argument("--temperature", type=float, help="of the planner; not sent if it is not given")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds a call")
    parser.add_argument("--limit", type=int, default=0, help="at most so many briefs of each task; 0: all")
    parser.add_argument("--tasks", nargs="*", help="only these tasks")
    args = parser.parse_args()
    if args.layouts:
        print(summary(measure_layouts(lines(args.layouts))))
        return
    if args.table:
        text = table(lines(args.table))
        page = pages.DOCS / "planner.md"
        old = page.read_text(encoding="utf-8")
        page.write_text(old.removesuffix(pages.from_heading(page, HEADING)) + f"{HEADING}\n\n{ABOUT}\n{text}\n")
        print(text)
        return
    rows = [row for row in lines(args.truth) if row.get("objects") is not None]
    if args.tasks:
        rows = [row for row in rows if row["task"] in args.tasks]
    if args.replies:
        published = replies(args.replies, args.planner)
        rows, plan_of = [row for row in rows if row["prompt"] in published], published.__getitem__
    else:
        model = chat_model(
            args.planner, base_url=args.base_url, timeout=args.timeout, temperature=args.temperature
        )  # fmt: skip
        plan_of = Planner(model, calls=args.plan_calls).plan
    rows = sampled(rows, args.limit)
    name, console = args.label or args.planner, Console(stderr=True)
    print(summary(measure(name, plan_of, rows, console, results=args.results)))


if __name__ == "__main__":
    main()
