"""Brief to picture: GenEval's six tasks in the pocket vocabulary, through planner, renderer and loop.

    python -m benchmarks.geneval                     # the local planners that are here; resumes
    python -m benchmarks.geneval --planner embedded openai:gpt-5 --briefs 10

After Ghosh et al. 2023 (GenEval), 50 briefs a task. The detector is the pocket model's judge
(renderer/metrics/pocket_judge.py), which classifies the content of a box. A picture is right by these rules:

- single object, two objects, counting, colours, colour attribution: the boxes of the plan show exactly the objects of
  the brief, in its numbers, and every quarter of the canvas without a box shows nothing. Colours count where the brief
  names them. A plan with too few or too many boxes is therefore wrong, whatever was drawn.
- position: the two halves of the canvas (left and right, or top and bottom) show the two subjects.

A box with two objects of a kind counts as one: the judge does not count inside a box. `ditpipe evaluate briefs` has
GenEval's own rules, for its published briefs and a detector; these are for judges that classify boxes. Writes
docs/geneval.md.
"""

import argparse
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.progress import track

from benchmarks import jobs, pages
from ditpipe import Planner, RenderRequest, ScenePlan, columns, grid, rows
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.llm.local_models import ADAPTERS, LOCAL_MODELS, is_here
from ditpipe.prompts.errors import PlanningError, RenderError
from ditpipe.renderer.metrics.pocket_judge import Judge
from ditpipe.renderer.metrics.pocket_labels import COLOURS, NOTHING, SUBJECTS, Seen
from ditpipe.renderer.regions.prompt_schedule import preset

TASKS = ("single object", "two objects", "counting", "colours", "position", "colour attribution")
RELATIONS = {
    "left of": columns(2), "right of": columns(2)[::-1], "above": rows(2), "below": rows(2)[::-1],
}  # fmt: skip
NUMBERS = {2: "two", 3: "three", 4: "four"}
METHODS = ("merged prompt", "regions, one round", "regions and the loop, best of 3 rounds")


@dataclass(frozen=True)
class Brief:
    """A brief and its right answer; colours that it does not name are empty. relation: of the task 'position' only."""

    task: str
    text: str
    objects: tuple[Seen, ...]
    relation: str = ""


def briefs(task: str, count: int = 50) -> list[Brief]:
    """The fixed briefs of a task, no two the same, in GenEval's wording.

    Raises ValueError for an unknown task, and for more briefs than the vocabulary has single objects.
    """
    if task not in TASKS:
        raise ValueError(f"unknown task {task!r}: one of {', '.join(TASKS)}")
    if count > 2 * len(SUBJECTS):
        raise ValueError(f"at most {2 * len(SUBJECTS)} briefs a task, got {count}")
    rng, by_text = random.Random(task), dict[str, Brief]()
    while len(by_text) < count:
        brief = _brief(task, len(by_text), rng)
        by_text.setdefault(brief.text, brief)
    return list(by_text.values())


def _brief(task: str, number: int, rng: random.Random) -> Brief:
    noun, other = rng.sample(SUBJECTS, 2)
    first, second = rng.sample(COLOURS, 2)
    if task == "single object":
        noun = SUBJECTS[number % len(SUBJECTS)]
        words = _a(noun) if number < len(SUBJECTS) else f"one {noun}"
        return Brief(task, f"a picture of {words}", (Seen(noun, ""),))
    if task == "two objects":
        return Brief(task, f"a picture of {_a(noun)} and {_a(other)}", (Seen(noun, ""), Seen(other, "")))
    if task == "counting":
        times = 2 + number % 3
        return Brief(task, f"a picture of {NUMBERS[times]} {plural(noun)}", (Seen(noun, ""),) * times)
    if task == "colours":
        return Brief(task, f"a picture of {_a(f'{first} {noun}')}", (Seen(noun, first),))
    if task == "position":
        relation = list(RELATIONS)[number % len(RELATIONS)]
        text = f"a picture of {_a(noun)} {relation} {_a(other)}"
        return Brief(task, text, (Seen(noun, ""), Seen(other, "")), relation)
    text = f"a picture of {_a(f'{first} {noun}')} and {_a(f'{second} {other}')}"
    return Brief(task, text, (Seen(noun, first), Seen(other, second)))


def _a(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def plural(noun: str) -> str:
    """'cats', 'buses', 'butterflies', 'leaves', 'fish'."""
    if noun == "fish":
        return noun
    if noun.endswith("y"):
        return noun[:-1] + "ies"
    if noun.endswith("f"):
        return noun[:-1] + "ves"
    return noun + ("es" if noun.endswith(("s", "sh", "ch", "x")) else "s")


def fulfils(brief: Brief, plan: ScenePlan, image: Image.Image, judge: Judge) -> bool:
    """Whether the picture is right, by the rules at the top of this file."""
    if brief.relation:
        seen = judge.look(image, RELATIONS[brief.relation])
        return [label.subject for label in seen] == [label.subject for label in brief.objects]
    boxes = [region.box for region in plan.regions]
    free = [quarter for quarter in grid(2, 2) if not any(quarter.overlap(box) for box in boxes)]
    seen = judge.look(image, [*boxes, *free])
    in_boxes, elsewhere = seen[: len(boxes)], seen[len(boxes) :]
    return _matches(in_boxes, brief.objects) and all(label.subject == NOTHING for label in elsewhere)


def _matches(seen: list[Seen], right: tuple[Seen, ...]) -> bool:
    """Whether both hold the same labels in any order; colours are compared only if `right` has some."""
    coloured = any(label.colour for label in right)
    labels = [(label.subject, label.colour if coloured else "") for label in seen]
    return sorted(labels) == sorted((label.subject, label.colour) for label in right)


def plans(planner: str, base_url: str | None, wanted: list[Brief]) -> Iterator[tuple[Brief, ScenePlan | None, str]]:
    """Each brief's plan, or None and the planner's error. Stored on disk."""
    adapter = [ADAPTERS / LOCAL_MODELS[planner].adapter] if planner in LOCAL_MODELS else []
    store = jobs.Results(f"geneval-plans-{jobs.fingerprint([*jobs.sources('agent', 'prompts'), *adapter], planner)}")
    by_brief = {row["brief"]: row for row in store.rows}
    model = None
    for brief in track(wanted, f"planning with {planner}"):
        if brief.text not in by_brief:
            model = model or Planner(chat_model(planner, base_url=base_url))
            row: dict[str, Any] = {"brief": brief.text, "plan": None, "error": ""}
            try:
                row["plan"] = model.plan(brief.text).model_dump()
            except PlanningError as error:
                row["error"] = str(error)
            store.add([row])
            by_brief[brief.text] = row
        plan = by_brief[brief.text]["plan"]
        yield brief, ScenePlan.model_validate(plan) if plan else None, by_brief[brief.text]["error"]


def measure(model: str, brief: Brief, plan: ScenePlan, number: int) -> dict[str, Any]:
    """Draws a plan by every method: method → whether the picture is right. A plan that cannot be drawn, for example
    because a region is smaller than a token, is wrong by every method."""
    judge, renderer = jobs.the_judge(), jobs.renderer_of(model)
    try:
        merged = renderer.render(
            RenderRequest(plan=plan, model=model, seed=number, prompt_schedule=preset("scene"))
        ).image
    except RenderError:
        nothing: dict[str, Any] = {"brief": brief.text, "task": brief.task, "number": number, "rounds": 0}
        return nothing | dict.fromkeys(METHODS, False)
    with tempfile.TemporaryDirectory() as folder:
        painting = jobs.loop(model, plan, number, Path(folder))
        pictures = (merged, painting.rounds[0].image, painting.best.image)
        verdicts = [fulfils(brief, plan, picture, judge) for picture in pictures]
        return {"brief": brief.text, "task": brief.task, "number": number, "rounds": len(painting.rounds)} | dict(
            zip(METHODS, verdicts, strict=True)
        )


def table(results: dict[str, list[dict[str, Any]]]) -> list[list[str]]:
    """Shares of right pictures per task, and their mean over the tasks as GenEval's overall score; a line per method.

    `results`: rows per planner, each with its task and, per method, whether the picture is right.
    """
    lines = [["planner", "method", *TASKS, "overall"]]
    for planner, rows_of_planner in results.items():
        for method in METHODS:
            shares = []
            for task in TASKS:
                hits = [row[method] for row in rows_of_planner if row["task"] == task]
                shares.append(sum(hits) / len(hits))
            cells = [f"{share:.2f}" for share in (*shares, sum(shares) / len(shares))]
            lines.append([planner, method, *cells])
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = [name for name, model in LOCAL_MODELS.items() if is_here(model)]
    parser.add_argument("--planner", nargs="+", default=here, metavar="NAME", help=f"by default: {' '.join(here)}")
    parser.add_argument("--base-url", help="OpenAI-compatible endpoint of the other planners")
    parser.add_argument("--briefs", type=int, default=50, help="briefs a task")
    parser.add_argument("--model", default="pocket", help="a name from `ditpipe models`, or a folder")
    parser.add_argument("--workers", type=int, default=jobs.available(), help="processes of one thread each")
    parser.add_argument("--no-write", action="store_true", help="print only, leave docs/ as it is")
    args = parser.parse_args()
    wanted = [brief for task in TASKS for brief in briefs(task, args.briefs)]
    code = [*jobs.weights_of(args.model), *jobs.sources("renderer", "agent", "prompts"), *jobs.own("geneval")]
    results = {}
    for planner in args.planner:
        store, tasks, found = jobs.Results(f"geneval-{jobs.fingerprint(code, planner)}"), [], []
        done = {(row["task"], row["number"], row["plan"]): row for row in store.rows}
        for index, (brief, plan, error) in enumerate(plans(planner, args.base_url, wanted)):
            number = index % args.briefs
            if plan is None:
                print(f"no plan for {brief.text!r}: {error}")
                found.append({"task": brief.task, "number": number} | dict.fromkeys(METHODS, False))
            elif row := done.get((brief.task, number, plan.model_dump_json())):
                found.append(row)
            else:
                tasks.append((args.model, brief, plan, number))
        for row, plan in jobs.in_processes(_with_plan, tasks, workers=args.workers, title=f"painting for {planner}"):
            store.add([row | {"plan": plan}])
            found.append(row)
        results[planner] = found

    lines = table(results)
    console = Console()
    console.print(pages.markdown(lines), markup=False, soft_wrap=True)
    if not args.no_write:
        write(lines, args.briefs)
        console.print(f"wrote {pages.DOCS / 'geneval.md'}", markup=False)


def _with_plan(model: str, brief: Brief, plan: ScenePlan, number: int) -> tuple[dict[str, Any], str]:
    return measure(model, brief, plan, number), plan.model_dump_json()


def write(lines: list[list[str]], count: int) -> None:
    """docs/geneval.md: the table, and the rules of this file's docstring."""
    assert __doc__ is not None
    rules = __doc__[__doc__.index("After Ghosh") :].removesuffix(" Writes\ndocs/geneval.md.\n")
    (pages.DOCS / "geneval.md").write_text(
        f"""# Brief to picture: GenEval's tasks in the pocket world

`python -m benchmarks.geneval --briefs {count}`: {count} fixed briefs a task, shares of right pictures.

{pages.markdown(lines)}

{jobs.judge_line()}

{rules}
"""
    )


if __name__ == "__main__":
    main()
