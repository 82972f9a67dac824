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
import random
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks import pages
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.planning.planner import Planner
from ditpipe.prompts.errors import DitpipeError, ModelError
from ditpipe.prompts.layout.normalise import normalise
from ditpipe.prompts.plan import LeveledPrompt, Region, ScenePlan
from ditpipe.renderer.regions.region_masks import visible_regions

# Words of the sets' classes for the same thing; the COCO names that GenEval and HRS use beside everyday ones.
SAME = [
    {"tv", "television", "tv monitor"}, {"cell phone", "phone", "mobile phone", "cellphone", "smartphone"},
    {"couch", "sofa"}, {"airplane", "plane", "aeroplane"}, {"sports ball", "ball", "soccer ball"},
    {"hair drier", "hair dryer", "hairdryer", "dryer"}, {"tv remote", "remote", "remote control"},
    {"donut", "doughnut"},
    {"computer mouse", "mouse"}, {"computer keyboard", "keyboard"}, {"wine glass", "wineglass", "glass"},
    {"dining table", "table"}, {"motorcycle", "motorbike"}, {"bicycle", "bike"}, {"mouse", "computer mouse"},
    {"stop sign", "sign"}, {"car", "sedan"}, {"skis", "ski"}, {"scissors", "scissor"}, {"ship", "boat"},
]  # fmt: skip
PERSON = {"person", "man", "woman", "boy", "girl", "child", "snowboarder", "skier", "player", "lady", "guy"}
IRREGULAR = {"mice": "mouse", "geese": "goose", "teeth": "tooth", "children": "child", "people": "person",
             "knives": "knife", "leaves": "leaf", "wolves": "wolf", "sheep": "sheep", "skis": "skis"}  # fmt: skip
HEADING = "# On public briefs"
ABOUT = """\
`python -m benchmarks.public_briefs --table FILE…` made this table: how many plans are right by this project's own rule,
of those that were asked for. Briefs are drawn from each task in one order for all planners: cells of a row are of the
same briefs where their second numbers are equal, and else of more of them. The published replies of GPT-3.5 and GPT-4
were made by other programs, with prompts of their own and worked examples; they say what such layouts look like under
this rule, not which model plans better.
"""
COLOURS = {"gray": "grey", "golden": "gold"}


def singular(word: str) -> str:
    """A noun's singular by spelling."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word.endswith("men"):
        return word[:-3] + "man"
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(ch|sh|x|ss|ato|[^o]us)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us")) else word


def words(text: str) -> list[str]:
    return [singular(word) for word in re.findall(r"[a-z]+", text.lower())]


def is_a(region: Region, kind: str) -> bool:
    """Whether a region shows a thing of the class: its name or what stands there says the class, as whole words."""
    name = re.sub(r" \d+$", "", region.name)
    kinds = next((same for same in SAME if kind in same), {kind})
    texts = [words(name), words(region.prompt.high_level)]
    if kind == "person" and any(PERSON & set(text) for text in texts):
        return True
    return any(_within(words(option), text) for option in kinds for text in texts)


def looks(region: Region) -> list[str]:
    """The words of both levels; 'gray' is 'grey'."""
    text = f"{region.prompt.low_level} {region.prompt.high_level}".lower()
    return [COLOURS.get(word, word) for word in re.findall(r"[a-z]+", text)]


def _within(part: list[str], whole: list[str]) -> bool:
    return any(whole[i : i + len(part)] == part for i in range(len(whole) - len(part) + 1))


def holds(word: str, region: Region, other: Region) -> bool:
    """Whether a relation of the truth lines holds between the boxes of two regions."""
    (x, y), (u, v) = region.box.centre, other.box.centre
    if word in ("left of", "on the left of", "to the left of"):
        return x < u
    if word in ("right of", "on the right of", "to the right of"):
        return x > u
    if word in ("above", "over", "on", "on top of", "on the top of"):
        return y < v
    if word in ("below", "under", "beneath", "underneath", "on the bottom of"):
        return y > v
    if word in ("larger", "bigger"):
        return region.box.area > other.box.area
    if word == "smaller":
        return region.box.area < other.box.area
    if word in ("behind", "hidden by"):
        return y < v or region.z_order < other.z_order
    if word == "in front of":
        return y > v or region.z_order > other.z_order
    return word in ("near", "next to", "on side of", "beside")


def wrong(plan: ScenePlan, truth: dict[str, Any]) -> list[str]:
    """What of the truth a plan does not say, one line each; empty if it is right."""
    found = {i: [r for r in plan.regions if is_a(r, o["class"])] for i, o in enumerate(truth["objects"])}
    faults = []
    for i, wanted in enumerate(truth["objects"]):
        colour, regions = wanted.get("color"), found[i]
        if colour:
            colour = COLOURS.get(colour, colour)
            regions = [region for region in regions if colour in looks(region)]
            found[i] = regions or found[i]
        many = len(regions) == wanted["count"] if truth.get("exact") else len(regions) >= wanted["count"]
        if not many:
            faults.append(f"{len(regions)} of {wanted['count']} {colour or ''} {wanted['class']}")
    for i, word, j in truth.get("relations", []):
        pairs = [(a, b) for a in found[i] for b in found[j] if a is not b]
        if not any(holds(word, a, b) for a, b in pairs):
            faults.append(f"not {truth['objects'][i]['class']} {word} {truth['objects'][j]['class']}")
    for i, place in (truth.get("places") or {}).items():
        here = [r.box.centre for r in found[int(i)]]
        axis = 0 if place in ("left", "right") else 1
        sign = 1 if place in ("right", "bottom") else -1
        if not any(sign * (centre[axis] - 0.5) > 0 for centre in here):
            faults.append(f"{truth['objects'][int(i)]['class']} not at the {place}")
    scene = words(plan.scene.high_level)
    for kind in truth.get("absent", []):
        if any(is_a(region, kind) for region in plan.regions) or _within(words(kind), scene):
            faults.append(f"{kind} is in the plan")
        elif not _within(words(kind), words(plan.negative)):
            faults.append(f"{kind} is not in the negative")
    return faults


def lines(paths: list[Path]) -> list[dict[str, Any]]:
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines() if line]


def sampled(rows: list[dict[str, Any]], most: int = 0) -> list[dict[str, Any]]:
    """One row of each task after the other, always the same ones first; at most so many of each; 0: all."""
    tasks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        tasks[task_of(row)].append(row)
    for task in tasks.values():
        random.Random(0).shuffle(task)
    rounds = zip_longest(*(task[: most or None] for task in tasks.values()))
    return [row for row in chain.from_iterable(rounds) if row is not None]


def task_of(truth: dict[str, Any]) -> str:
    return f"{truth['set']} {truth['task']}"


def measure(
    name: str, plan_of: Callable[[str], ScenePlan], rows: list[dict[str, Any]], console: Console, *,
    results: Path | None = None,
) -> dict[str, list[int]]:  # fmt: skip
    """task → [right, of]; every miss is printed. What is in `results` is not asked again; what is asked is added."""
    before = lines([results]) if results and results.exists() else []
    kept = {row["id"]: row for row in before if row["planner"] == name}
    tasks: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for truth in track(rows, "briefs", console=console, disable=not console.is_terminal):
        result = kept.get(truth["id"]) or {"planner": name, **asked(plan_of, truth)}
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


def asked(plan_of: Callable[[str], ScenePlan], truth: dict[str, Any]) -> dict[str, Any]:
    """A planner's answer to one brief, and its faults. Raises ModelError for a server that does not answer."""
    started, valid = time.perf_counter(), True
    try:
        plan = plan_of(truth["prompt"])
        faults = wrong(plan, truth)
        answer = "; ".join(region.prompt.text for region in plan.regions) + f"; not {plan.negative or 'anything'}"
    except DitpipeError as error:
        if isinstance(error, ModelError) and error.__cause__:
            raise
        valid, faults, answer = False, [str(error)], ""
    seconds = round(time.perf_counter() - started, 1)
    about = {"id": truth["id"], "task": task_of(truth), "valid": valid, "seconds": seconds}
    return about | {"faults": faults, "answer": answer}


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
        plan_of = Planner(chat_model(args.planner, base_url=args.base_url), calls=args.plan_calls).plan
    rows = sampled(rows, args.limit)
    name, console = args.label or args.planner, Console(stderr=True)
    print(summary(measure(name, plan_of, rows, console, results=args.results)))


if __name__ == "__main__":
    main()
