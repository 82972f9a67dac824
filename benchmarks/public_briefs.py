"""Published layouts of language models, as plans: python -m benchmarks.public_briefs LAYOUTS.jsonl [--truth FILE…]

A line of a file of layouts, which language models gave for briefs: {set, model, prompt, background, negative, objects:
[[name, [x0, y0, x1, y1] of 512]]}. Right are those that become a plan in which every object has a token of a picture of
1024×1024 pixels, by the renderer's own rule.

With `--truth` (lines as of `ditpipe evaluate planner`, which measures any planner by them) the layouts are the answers
to its briefs, and right are those whose plan says what the brief asks for.

The last line of the output is one JSON object: {right, of, tasks: {task: [right, of]}}.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from ditpipe.agent.evaluate.judging.planner_truth import answer_to, lines, read_truth, task_of
from ditpipe.prompts.layout.normalise import normalise
from ditpipe.prompts.plan import LeveledPrompt, Region, ScenePlan
from ditpipe.renderer.regions.region_masks import visible_regions


def measure_answers(layouts: list[dict[str, Any]], truth: list[dict[str, Any]]) -> dict[str, list[int]]:
    """'model: task' → [right, of], of the briefs that a model has a layout for; every miss is printed."""
    tasks: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for model in dict.fromkeys(row["model"] for row in layouts):
        own = {row["prompt"]: row for row in layouts if row["model"] == model}
        for row in truth:
            if row["prompt"] in own:
                result = answer_to(lambda brief: plan_of_layout(own[brief]), row)  # noqa: B023 - called at once
                task = tasks[f"{model}: {task_of(row)}"]
                task[0] += not result["faults"]
                task[1] += 1
                if result["faults"]:
                    print(f"{row['id']} {row['prompt']} → {result['answer']}: {'; '.join(result['faults'])}")
    return tasks


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
    parser.add_argument("layouts", nargs="+", type=Path, metavar="LAYOUTS.jsonl")
    parser.add_argument("--truth", nargs="+", type=Path, metavar="FILE")
    args = parser.parse_args()
    layouts = lines(args.layouts)
    measured = measure_answers(layouts, read_truth(lines(args.truth))) if args.truth else measure_layouts(layouts)
    print(summary(measured))


if __name__ == "__main__":
    main()
