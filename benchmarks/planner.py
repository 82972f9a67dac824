"""How often a planner is right, on 60 briefs that none was trained on: python -m benchmarks.planner [NAME …]

Without names it measures the local planners that are here and writes docs/planner.md; any other planner by its name.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from ditpipe.agent.chat_models import chat_model
from ditpipe.agent.checks import singular
from ditpipe.agent.local_models import LOCAL_MODELS, is_here
from ditpipe.agent.planner import Planner
from ditpipe.prompts.answers import PlannerAnswer
from ditpipe.prompts.errors import PlanningError

BRIEFS = Path(__file__).parent / "briefs.jsonl"
REPORT = Path(__file__).parent.parent / "docs" / "planner.md"
MEASURES = ("valid", "number", "subjects", "colours", "positions", "background", "all right")
INTRODUCTION = """\
# How often the local planners are right

`python -m benchmarks.planner` made this page. It asks for a plan of each of the {count} briefs in
`benchmarks/briefs.jsonl`, lets the checks hand back what they find once, and compares what comes with the right answer.
Seconds are the median of a plan on this machine, its load included.

"""


def fits(said: str, right: str) -> bool:
    """Whether a word is one of the right ones: 'at dusk' fits 'at sunset|at dusk', anything fits '*'."""
    return right == "*" or said.lower() in right.lower().split("|")


def all_found(wanted: list[tuple[str, ...]], got: list[tuple[str, ...]]) -> bool:
    """Whether each wanted row has a row of its own among `got`, in any order; exact rows choose first."""
    left = list(got)
    for row in sorted(wanted, key=lambda row: row.count("*")):
        found = next((one for one in left if all(map(fits, one, row))), None)
        if found is None:
            return False
        left.remove(found)
    return len(wanted) == len(got)


def judge(answer: PlannerAnswer, right: dict) -> dict[str, bool]:
    """Which parts of an answer are right. Twins ('a red and a blue kite') are told apart by their colours."""
    wanted = [tuple(one) for one in right["objects"]]
    got = [(singular(one.subject.lower()), one.colour, one.position) for one in answer.objects]
    twins = len({subject for subject, _, _ in wanted}) < len(wanted)
    placed = wanted if twins else [row[::2] for row in wanted]
    parts = {
        "valid": True,
        "number": len(got) == len(wanted),
        "subjects": all_found([row[:1] for row in wanted], [row[:1] for row in got]),
        "colours": all_found([row[:2] for row in wanted], [row[:2] for row in got]),
        "positions": all_found(placed, got if twins else [row[::2] for row in got]),
        "background": fits(answer.background, right["background"]),
    }
    return parts | {"all right": all(parts.values())}


def measure(name: str, console: Console, base_url: str | None = None) -> tuple[list[str], list[str]]:
    """The table's cells for one planner, and a line for each brief that it got wrong."""
    planner = Planner(chat_model(name, base_url=base_url))
    rows, seconds, wrong = [], [], []
    planner.answer("a dog")  # the server's start is not a plan's time
    for line in track(BRIEFS.read_text().splitlines(), name, console=console):
        right = json.loads(line)
        started = time.perf_counter()
        try:
            answer = planner.answer(right["brief"])
            row = judge(answer, right)
            said = "; ".join(f"{one.colour} {one.subject}: {one.position}" for one in answer.objects)
            said += f"; background '{answer.background}'"
        except PlanningError as error:
            row, said = dict.fromkeys(MEASURES, False), error.reply
        seconds.append(time.perf_counter() - started)
        rows.append(row)
        if not row["all right"]:
            wrong.append(" ".join(f"{right['brief']} → {said}".split()))
            console.print(f"{len(rows) - len(wrong)}/{len(rows)} ✗ {wrong[-1]}", markup=False, highlight=False)
    cells = [f"{sum(row[part] for row in rows)}/{len(rows)}" for part in MEASURES]
    return [name, *cells, f"{statistics.median(seconds):.2f}"], wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("planners", nargs="*", metavar="NAME")
    parser.add_argument("--base-url", help="OpenAI-compatible endpoint of the named planners")
    args = parser.parse_args()
    names = args.planners or [name for name, model in LOCAL_MODELS.items() if is_here(model)]
    console = Console(stderr=True)
    measured = []
    for name in names:
        measured.append(measure(name, console, args.base_url))
        if not args.planners:  # after each planner: a slow one that is stopped loses nothing but itself
            REPORT.write_text(INTRODUCTION.format(count=len(BRIEFS.read_text().splitlines())) + report(measured))
    print(report(measured))


def report(measured: list[tuple[list[str], list[str]]]) -> str:
    """The table as Markdown, and what each planner got wrong."""
    head = ["planner", *MEASURES, "seconds a plan"]
    rows = [head, ["---"] * len(head), *(cells for cells, _ in measured)]
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    for (name, *_), wrong in measured:
        text += f"\nWhat {name} got wrong:\n\n" + "".join(f"- {line}\n" for line in wrong)
    return text


if __name__ == "__main__":
    main()
