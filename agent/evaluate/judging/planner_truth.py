"""Whether a plan says what a brief with a known answer asks for, by rules on its regions; and planners measured so.

A line of a truth file: {id, set, task, prompt, objects: [{class, count, color?}] or null, relations: [[i, word, j]],
places?: {i: word}, absent: [class], exact}. `exact`: so many and no more. Lines without an answer are passed over.
"""

import random
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

from ....prompts.errors import DitpipeError, ModelError, RunError
from ....prompts.outside_json import parse_json
from ....prompts.plan import Region, ScenePlan

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


def lines(paths: Sequence[Path]) -> list[dict[str, Any]]:
    """The objects of JSON Lines files. Raises RunError for a file that is not JSON Lines."""
    rows = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise RunError(f"{path}: {error.strerror}") from error
        except ValueError as error:
            raise RunError(f"{path}: {error}") from error
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                rows.append(_object(line, f"{path}, line {number}"))
    return rows


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = parse_json(line)
    except ValueError as error:
        raise RunError(f"{where}: {error}; each line of this file is one JSON object") from error
    if not isinstance(row, dict):
        raise RunError(f"{where}: each line of this file is one JSON object")
    return row


def read_truth(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines that have an answer. Raises RunError for a line that is not in the format of truth files."""
    for row in rows:
        if not {"id", "set", "task", "prompt", "objects"} <= row.keys():
            raise RunError(f"a line of truth needs id, set, task, prompt and objects, this has {', '.join(row)}")
    return [row for row in rows if row["objects"] is not None]


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


def answer_to(plan_of: Callable[[str], ScenePlan], truth: dict[str, Any]) -> dict[str, Any]:
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
