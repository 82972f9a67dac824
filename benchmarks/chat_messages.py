"""How often chat understands a message rightly: python -m benchmarks.chat_messages [--planner NAME] [--adapter FILE]

chat_messages.jsonl holds messages as people type them, each about a plan of chat_plans.json, with what must become of
that plan. Nothing is drawn. A message counts as *right*, *asked back* (nothing was changed, but it could have been) or
*wrong*. The last line of the output is one JSON object: {right, asked, wrong, of, seconds, kinds: {kind: [right, asked,
wrong]}}, `seconds` the median of a message. `--write` puts them into the table of docs/chat.md, a row a planner.

The rules, and what a line of the file holds: agent/evaluate/judging/chat_truth.py. `ditpipe evaluate chat` makes
a report of the same figures.
"""

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from benchmarks.pages import DOCS
from ditpipe import Agent
from ditpipe.agent.chat.interpreter import Interpreter, interpreter_for
from ditpipe.agent.chat.rows_interpreter import RowsInterpreter
from ditpipe.agent.evaluate.chat import figures_of, read_messages, read_plans, verdict_on
from ditpipe.agent.evaluate.judging.chat_truth import judge
from ditpipe.agent.evaluate.rows import Row
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.llm.local_server import start
from ditpipe.prompts.plan import ScenePlan

__all__ = ["HERE", "judge", "measure"]
HERE = Path(__file__).parent
MARKS = ("<!-- figures -->", "<!-- end of figures -->")


def measure(
    interpreter: Interpreter, rows: Iterable[dict[str, Any]], plans: dict[str, ScenePlan], report: Callable[[str], None]
) -> dict[str, Any]:
    """Counts by kind, and the median time; every message that is not right is reported."""
    found = []
    for row in rows:
        verdict = verdict_on(interpreter, row, plans[row["plan"]])
        found.append(Row({"message": row}, verdict))
        if verdict["faults"]:
            report(f"{verdict['verdict']}: {row['message']} ({row['plan']}) → {'; '.join(verdict['faults'])}")
    return figures_of(found)


def write_row(planner: str, figures: dict[str, Any], page: Path) -> None:
    """Puts a planner's figures into the table between the marks of a page: its row, or a new one."""
    text = page.read_text(encoding="utf-8")
    before, rest = text.split(MARKS[0])
    table, after = rest.split(MARKS[1])
    kinds = list(figures["kinds"])
    head = ["planner", "right", "asked back", "wrong", "seconds", *kinds]
    shares = [f"{figures[name]} ({figures[name] / figures['of']:.0%})" for name in ("right", "asked", "wrong")]
    cells = [
        planner,
        *shares,
        f"{figures['seconds']:g}",
        *("/".join(map(str, figures["kinds"][kind])) for kind in kinds),
    ]
    rows = [line for line in table.strip().splitlines()[2:] if line.split("|")[1].strip() != planner]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}", *rows, f"| {' | '.join(cells)} |"]
    page.write_text("\n".join([before + MARKS[0], *lines, MARKS[1] + after]), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=Path, default=HERE / "chat_messages.jsonl", metavar="FILE")
    parser.add_argument("--planner", default="embedded", metavar="NAME")
    parser.add_argument("--base-url", help="OpenAI-compatible endpoint of the planner")
    parser.add_argument("--adapter", type=Path, metavar="FILE", help="a local planner's rows, by this GGUF adapter")
    parser.add_argument("--limit", type=int, default=0, help="at most so many messages of each kind; 0: all")
    parser.add_argument("--write", action="store_true", help="put the figures into the table of docs/chat.md")
    parser.add_argument("--name", default="", help="what its row is called; the planner's name if empty")
    args = parser.parse_args()
    plans, rows = read_plans(HERE / "chat_plans.json"), read_messages(args.messages)
    chosen = read_messages(args.messages, args.limit)
    console = Console(stderr=True)
    progress = track(chosen, "messages", console=console, disable=not console.is_terminal)
    if args.adapter:
        _, url = start(args.planner, adapter=args.adapter)
        interpreter: Interpreter = RowsInterpreter(chat_model(args.planner, base_url=f"{url}/v1"))
    else:
        interpreter = interpreter_for(Agent(planner=args.planner, base_url=args.base_url))
    figures = measure(interpreter, progress, plans, print)
    for kind, (right, asked, wrong) in figures["kinds"].items():
        print(f"{kind}: {right} right, {asked} asked back, {wrong} wrong")
    if args.write:
        sample = f", {figures['of']} of {len(rows)}" if figures["of"] < len(rows) else ""
        write_row(f"{args.name or args.planner}{sample}", figures, DOCS / "chat.md")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
