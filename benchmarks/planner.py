"""Accuracy of planners on briefs that none was trained on: python -m benchmarks.planner [NAME …]

Without names it measures the local planners that are here. There are three files of briefs, or the one of `--briefs`:
those of the project and those in many manners (specifications, slang, letters), whose failures are listed, and those
that nobody tuned on, whose failures are never shown, to keep it so. Without names and without `--briefs` it writes
docs/planner.md. Results of local planners are stored, and the next run resumes.

`ditpipe evaluate planner` measures plans of any planner by objects, numbers, colours and relations. This measures what
only a planner's own answer has: each word of it, the place in nine and the background.
"""

import argparse
import json
import statistics
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

from rich.console import Console
from rich.progress import track

from benchmarks import jobs, pages
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.llm.local_models import ADAPTERS, LOCAL_MODELS, is_here
from ditpipe.agent.planning.nouns import singular
from ditpipe.agent.planning.planner import Planner
from ditpipe.prompts.answers.planner_schema import PlannerAnswer
from ditpipe.prompts.errors import PlanningError

BRIEFS = Path(__file__).resolve().parent / "briefs.jsonl"
VARIED = BRIEFS.with_name("briefs-varied.jsonl")
UNSEEN = BRIEFS.with_name("briefs-unseen.jsonl")
HEADINGS = {BRIEFS: "Briefs of the project", VARIED: "Briefs in many manners", UNSEEN: "Briefs that nobody tuned on"}
REPORT = Path(__file__).parent.parent / "docs" / "planner.md"
PUBLIC = "# On public briefs"  # heading of the part that `ditpipe evaluate planner` measures
# Files under agent/ that determine a planner's figures: a change invalidates stored results.
INPUTS = (
    "planning/planner.py", "planning/plan_checks.py", "planning/nouns.py", "planning/layout_repair.py",
    "llm/structured.py", "llm/lenient_json.py", "llm/schema_fit.py", "llm/local_models.py", "llm/local_server.py",
)  # fmt: skip
MEASURES = ("valid", "number", "subjects", "colours", "positions", "background", "all right")
INTRODUCTION = """\
# How often the local planners are right

`python -m benchmarks.planner` made this page. It asks for a plan of each brief in `benchmarks/briefs.jsonl`
({project}), `briefs-varied.jsonl` ({varied}: specifications, slang, letters, children) and `briefs-unseen.jsonl`
({unseen}), lets the checks repair a plan once, and compares it with the right answer. Failures on the last file are
never shown, so that no planner is tuned on it; the forms of `training/brief_*.py` were written with the second file in
view. Seconds are the median of a plan on this machine, its load included.

"""


class RightAnswer(TypedDict):
    """A line of a file of briefs. `objects`: [subject, colour, position]; '|': or; '*': anything."""

    brief: str
    objects: list[list[str]]
    background: str


@dataclass(frozen=True)
class Measured:
    """A planner on a file of briefs: its cells of the table, and a line per brief that it got wrong."""

    cells: list[str]
    wrong: list[str]


def right_answers(path: Path) -> list[RightAnswer]:
    """The briefs of a JSON Lines file with their right answers."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def fits(answer: str, right: str) -> bool:
    """Whether an answer is one of the right ones: 'at dusk' fits 'at sunset|at dusk', 'in a city' 'in the city', and
    anything fits '*'."""
    return right == "*" or _bare(answer) in map(_bare, right.split("|"))


def _bare(words: str) -> str:
    """Lower case, without articles."""
    return " ".join(word for word in words.lower().split() if word not in ("a", "an", "the"))


def all_found(wanted: list[tuple[str, ...]], got: list[tuple[str, ...]]) -> bool:
    """Whether each wanted row has a row of its own among `got`, in any order; exact rows choose first."""
    left = list(got)
    for row in sorted(wanted, key=lambda row: row.count("*")):
        match = next((other for other in left if all(map(fits, other, row))), None)
        if match is None:
            return False
        left.remove(match)
    return len(wanted) == len(got)


def judge(answer: PlannerAnswer, right: RightAnswer) -> dict[str, bool]:
    """Which parts of an answer are right. Twins ('a red and a blue kite') are told apart by their colours."""
    wanted: list[tuple[str, ...]] = [tuple(row) for row in right["objects"]]
    got: list[tuple[str, ...]] = [
        (singular(thing.subject.lower()), thing.colour, thing.position) for thing in answer.objects
    ]
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


def measure(
    name: str, path: Path, console: Console, base_url: str | None = None, *, planner: Planner | None = None
) -> Measured:
    """Measures a planner on a file of briefs; failures on the unseen file are neither stored nor shown."""
    planner = planner or Planner(chat_model(name, base_url=base_url))
    rows: list[dict[str, bool]] = []
    seconds: list[float] = []
    wrong: list[str] = []
    planner.answer("a dog")  # the server's start is not a plan's time
    for right in track(right_answers(path), f"{name}, {path.stem}", console=console):
        started = time.perf_counter()
        try:
            answer = planner.answer(right["brief"])
            row = judge(answer, right)
            reply = "; ".join(f"{thing.colour} {thing.subject}: {thing.position}" for thing in answer.objects)
            reply += f"; background '{answer.background}'"
        except PlanningError as error:
            row, reply = dict.fromkeys(MEASURES, False), error.reply
        seconds.append(time.perf_counter() - started)
        rows.append(row)
        if not row["all right"] and path != UNSEEN:
            wrong.append(" ".join(f"{right['brief']} → {reply}".split()))
            console.print(f"{len(rows) - len(wrong)}/{len(rows)} ✗ {wrong[-1]}", markup=False, highlight=False)
    cells = [f"{sum(row[part] for row in rows)}/{len(rows)}" for part in MEASURES]
    return Measured([name, *cells, f"{statistics.median(seconds):.2f}"], wrong)


def measure_once(name: str, path: Path, console: Console) -> Measured:
    """`measure` of a local planner, stored by a fingerprint of its inputs; of the unseen file only the sums."""
    code = [jobs.ROOT / "agent" / module for module in INPUTS]
    files = [path, ADAPTERS / LOCAL_MODELS[name].adapter, *code, *jobs.sources("prompts"), *jobs.own("planner")]
    store = jobs.Results(f"planner-{jobs.fingerprint(files, name)}")
    if not store.rows:
        store.add([asdict(measure(name, path, console))])
    return Measured(**store.rows[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("planners", nargs="*", metavar="NAME")
    parser.add_argument("--base-url", help="OpenAI-compatible endpoint of the named planners")
    parser.add_argument(
        "--briefs",
        type=lambda path: Path(path).resolve(),
        metavar="FILE",
        help="only this file of briefs, and no page; by default both files of the repository",
    )
    args = parser.parse_args()
    names: list[str] = args.planners or [name for name, model in LOCAL_MODELS.items() if is_here(model)]
    paths = [args.briefs] if args.briefs else list(HEADINGS)
    if not all(path.is_file() for path in paths):
        parser.error(f"there is no file {args.briefs}")
    console = Console(stderr=True)
    measured: dict[Path, list[Measured]] = {path: [] for path in paths}
    for name in names:
        for path in paths:
            local = name in LOCAL_MODELS and not args.base_url
            result = measure_once(name, path, console) if local else measure(name, path, console, args.base_url)
            measured[path].append(result)
        if not args.planners and not args.briefs:  # after each planner, so that an interrupted run keeps the others
            files = {"project": BRIEFS, "varied": VARIED, "unseen": UNSEEN}
            counts = {name: len(right_answers(path)) for name, path in files.items()}
            kept = pages.from_heading(REPORT, PUBLIC)
            REPORT.write_text(f"{INTRODUCTION.format(**counts)}{report(measured)}\n{kept}", encoding="utf-8")
    print(report(measured))


def report(measured: dict[Path, list[Measured]]) -> str:
    """For each file of briefs a heading, the table in Markdown, and the failures, except of the unseen file."""
    parts = []
    for path, planners in measured.items():
        head = ["planner", *MEASURES, "seconds a plan"]
        rows = [head, ["---"] * len(head), *(planner.cells for planner in planners)]
        text = f"## {HEADINGS.get(path, path.name)}\n\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)
        for planner in planners:
            if planner.wrong:
                text += f"\nWhat {planner.cells[0]} got wrong:\n\n" + "".join(f"- {line}\n" for line in planner.wrong)
        parts.append(text)
    return "\n".join(parts)


if __name__ == "__main__":
    main()
