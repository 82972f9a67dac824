"""How often a planner is right on public briefs with known answers: python -m benchmarks.public_briefs --truth FILE…

    python -m benchmarks.public_briefs --truth lmd.jsonl hrs.jsonl --planner embedded
    python -m benchmarks.public_briefs --layouts gpt_layouts.jsonl

A line of a truth file: {id, set, task, prompt, objects: [{class, count, color?}] or null, relations: [[i, word, j]],
places?: {i: word}, absent: [class], exact}. `exact`: so many and no more. Lines without an answer are passed over. The
last line of the output is one JSON object: {right, of, tasks: {task: [right, of]}}.

A line of a file of layouts, which language models gave for briefs: {set, model, prompt, background, negative, objects:
[[name, [x0, y0, x1, y1] of 512]]}. Right are those that become a plan in which every object has a token of a picture of
1024×1024 pixels, by the renderer's own rule.
"""

import argparse
import json
import random
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.planning.planner import Planner
from ditpipe.prompts.errors import DitpipeError
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


def sampled(rows: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """At most so many rows of each task, always the same ones."""
    tasks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        tasks[f"{row['set']} {row['task']}"].append(row)
    for task in tasks.values():
        random.Random(0).shuffle(task)
    return [row for task in tasks.values() for row in task[:most]]


def measure(planner: Planner, rows: list[dict[str, Any]], console: Console) -> dict[str, list[int]]:
    """task → [right, of]; every miss is printed."""
    tasks: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for truth in track(rows, "briefs", console=console, disable=not console.is_terminal):
        try:
            plan = planner.plan(truth["prompt"])
            faults = wrong(plan, truth)
            answer = "; ".join(region.prompt.text for region in plan.regions) + f"; not {plan.negative or 'anything'}"
        except DitpipeError as error:
            faults, answer = [str(error)], ""
        task = tasks[f"{truth['set']} {truth['task']}"]
        task[0] += not faults
        task[1] += 1
        if faults:
            print(f"{truth['id']} {truth['prompt']} → {answer}: {'; '.join(faults)}")
            sys.stdout.flush()
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
    names, boxes = [name for name, _ in row["objects"]], [box for _, box in row["objects"]]
    try:
        layout = normalise(names, boxes, unit=512)
    except ValueError as error:
        return str(error)
    regions = [
        Region(name=name, box=box, prompt=LeveledPrompt(high_level=name), z_order=z_order)
        for name, box, z_order in zip(layout.names, layout.boxes, layout.z_orders, strict=True)
    ]
    scene = LeveledPrompt(high_level=row["background"])
    plan = ScenePlan(width=1024, height=1024, scene=scene, negative=row["negative"] or "", regions=regions)
    seen = visible_regions(plan, token=16)
    missing = [region.name for region in plan.regions if region.name not in seen]
    if missing:
        return f"not seen: {', '.join(missing)}"
    return f"{len(names) - len(regions)} of {len(names)} objects left out" if len(regions) < len(names) else ""


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
    parser.add_argument("--planner", default="embedded", metavar="NAME")
    parser.add_argument("--base-url", help="OpenAI-compatible endpoint of the planner")
    parser.add_argument("--limit", type=int, default=0, help="at most so many briefs of each task; 0: all")
    parser.add_argument("--tasks", nargs="*", help="only these tasks")
    args = parser.parse_args()
    if args.layouts:
        print(summary(measure_layouts(lines(args.layouts))))
        return
    rows = [row for row in lines(args.truth) if row.get("objects") is not None]
    if args.tasks:
        rows = [row for row in rows if row["task"] in args.tasks]
    if args.limit:
        rows = sampled(rows, args.limit)
    planner = Planner(chat_model(args.planner, base_url=args.base_url))
    print(summary(measure(planner, rows, Console(stderr=True))))


if __name__ == "__main__":
    main()
