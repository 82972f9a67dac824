"""How well an adapter understands the messages of tables/chat_dev.json, which are not in the corpus.

    python -m training.chat                                           # prints examples of the corpus
    python -m training.chat --check training/work/planner-lora.gguf   # right, asked back, wrong by kind; what was wrong

The messages were written by hand, each about one of a few plans, with the rows that are right: alternatives stand by
'|', '*' is anything.
"""

import argparse
import json
import time
from collections import defaultdict
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from ditpipe.agent.chat.chat_state import ChatState
from ditpipe.agent.chat.commands.short_commands import understand_rows
from ditpipe.agent.chat.rows_interpreter import RowsInterpreter
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.llm.local_models import EMBEDDED, LOCAL_MODELS
from ditpipe.agent.llm.local_server import start
from ditpipe.prompts.answers.chat_rows import aliases
from ditpipe.prompts.answers.planner_schema import PlannedObject, PlannerAnswer, plan_from_answer
from ditpipe.prompts.layout.places import PLACES
from ditpipe.prompts.plan import ScenePlan
from training.chat.examples import answer_text, chat_example
from training.tables import load_table


def plan_of(lines: tuple[str, ...]) -> ScenePlan:
    """Of 'cat red top left' a line, and the background at last."""
    *things, background = lines
    objects = []
    for line in things:
        place = next(place for place in sorted(PLACES, key=len, reverse=True) if line.endswith(place))
        subject, colour = line.removesuffix(place).split()
        objects.append(PlannedObject(subject=subject, colour=colour, detail="", position=place))
    answer = PlannerAnswer(objects=objects, background=background, mood="bright light")
    return plan_from_answer(answer, width=None, height=None)


def fits(given: Any, wanted: Any) -> bool:
    """Whether a part of a row is as wanted; the order of names counts for nothing."""
    if wanted == "*":
        return True
    if isinstance(wanted, tuple | list):
        return isinstance(given, tuple | list) and sorted(map(str, given)) == sorted(map(str, wanted))
    if isinstance(given, int | float):
        return any(part == "*" or float(part) == given for part in str(wanted).split("|"))
    return any(fnmatchcase(str(given).lower(), part.lower()) for part in str(wanted).split("|"))


def is_right(rows: Any, wanted: Any) -> bool:
    """Whether rows are as wanted, in any order."""
    rest = [list(row) for row in wanted]
    for row in rows:
        match = next((r for r in rest if len(r) == len(row) and all(map(fits, row, r))), None)
        if match is None:
            return False
        rest.remove(match)
    return not rest


def check(name: str, adapter: Path, limit: int) -> None:
    """Prints the figures of an adapter, and each message that was not understood."""
    plans = {key: plan_of(lines) for key, lines in load_table("chat_dev", "plans").items()}
    server, url = start(name, adapter=adapter)
    interpreter = RowsInterpreter(chat_model(name, base_url=f"{url}/v1"))
    kinds: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    seconds, results = [], list[tuple[float, bool, bool]]()
    for kind, key, touched, message, wanted, *before in load_table("chat_dev", "messages"):
        if limit and sum(kinds[kind]) >= limit:
            continue
        known = aliases(plans[key])
        state = ChatState(plan=plans[key], touched=(known[touched],) if touched else (), messages=tuple(before))
        begun = time.monotonic()
        rows, probability = interpreter.rows(message, state)
        seconds.append(time.monotonic() - begun)
        right = rows is not None and is_right(rows.rows, wanted)
        asked = rows is None or understand_rows(rows, message, state).kind == "unclear"
        kinds[kind][0 if right else 1 if asked else 2] += 1
        results.append((probability, right, asked))
        if not right:
            given = answer_text(list(map(list, rows.rows)))[8:-1] if rows else "no answer"
            print(f"{'asked' if asked else 'WRONG'} {probability:.2f}: [{kind}, {key}] {message} → {given}", flush=True)
    server.terminate()
    for kind, (right, asked, wrong) in kinds.items():
        print(f"{kind}: {right} right, {asked} asked back, {wrong} wrong")
    for sure in (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7):
        kept = [(right, asked) for probability, right, asked in results if probability >= sure]
        right, wrong = sum(r for r, _ in kept), sum(not r and not a for r, a in kept)
        print(f"asking below {sure}: {right} right, {len(results) - right - wrong} asked back, {wrong} wrong")
    totals = dict(zip(("right", "asked", "wrong"), map(sum, zip(*kinds.values(), strict=True)), strict=True))
    print(json.dumps(totals | {"of": sum(totals.values()), "seconds": round(median(seconds), 2)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", type=Path, metavar="ADAPTER", help="a GGUF file")
    parser.add_argument("--model", choices=list(LOCAL_MODELS), default=EMBEDDED.name)
    parser.add_argument("--limit", type=int, default=0, help="at most so many messages of each kind; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--examples", type=int, default=20)
    args = parser.parse_args()
    if args.check:
        check(args.model, args.check, args.limit)
        return
    for number in range(args.examples):
        prompt, rows = chat_example(np.random.default_rng([args.seed, number]))
        print(f"{prompt}\n  {answer_text(rows)}\n")


if __name__ == "__main__":
    main()
