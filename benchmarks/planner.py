"""How often a planner is right, on briefs that none was trained on: python -m benchmarks.planner [--planner NAME]"""

import argparse
import json
import time
from pathlib import Path

from langchain_core.messages import HumanMessage, SystemMessage
from rich.console import Console
from rich.table import Table

from ditpipe.agent.chat_models import chat_model
from ditpipe.agent.checks import check_answer, singular
from ditpipe.agent.planner import Planner
from ditpipe.prompts.answers import PlannerAnswer
from ditpipe.prompts.errors import PlanningError
from ditpipe.prompts.templates import words

BRIEFS = Path(__file__).parent / "briefs.jsonl"
MEASURES = ("valid", "number", "subjects", "colours", "positions", "background", "all right")


def judge(answer: PlannerAnswer, right: dict) -> dict[str, bool]:
    """Which parts of an answer are right; '*' accepts anything; the order of objects does not matter."""
    wanted = right["objects"]
    got = [(singular(one.subject.lower()), one.colour.lower(), one.position) for one in answer.objects]
    number = len(got) == len(wanted)
    subjects = sorted(g[0] for g in got) == sorted(w[0] for w in wanted)
    free = any(w[1] == "*" for w in wanted)
    colours = subjects and (free or sorted((g[0], g[1]) for g in got) == sorted((w[0], w[1]) for w in wanted))
    positions = subjects and all(
        any(g[0] == w[0] and w[1] in ("*", g[1]) and g[2] == w[2] for g in got) for w in wanted
    )
    background = right["background"] in ("*", answer.background)
    parts = {
        "valid": True,
        "number": number,
        "subjects": subjects,
        "colours": colours,
        "positions": positions,
        "background": background,
    }
    return parts | {"all right": all(parts.values())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--planner", default="embedded")
    parser.add_argument("--base-url")
    args = parser.parse_args()
    model = chat_model(args.planner, base_url=args.base_url)
    planner = Planner(model)
    console, rows, seconds = Console(), [], []
    for line in BRIEFS.read_text().splitlines():
        right = json.loads(line)
        started = time.perf_counter()
        messages = [SystemMessage(words("planner")), HumanMessage(right["brief"])]
        try:
            answer = planner._ask(messages)
            findings = check_answer(right["brief"], answer)
            if findings:
                answer = planner._second_thought(right["brief"], messages, answer, findings)
            row = judge(answer, right)
        except PlanningError as error:
            row, answer = dict.fromkeys(MEASURES, False), error.reply
        seconds.append(time.perf_counter() - started)
        rows.append(row)
        if not row["all right"]:
            said = (
                [(o.subject, o.colour, o.position) for o in answer.objects] + [answer.background]
                if row["valid"]
                else answer
            )
            console.print(f"✗ {right['brief']}\n    {said}", markup=False)
    table = Table("planner", *MEASURES, "seconds a plan")
    table.add_row(
        args.planner,
        *(f"{sum(r[m] for r in rows)}/{len(rows)}" for m in MEASURES),
        f"{sorted(seconds)[len(rows) // 2]:.2f}",
    )
    console.print(table)


if __name__ == "__main__":
    main()
