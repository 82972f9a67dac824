"""`ditpipe evaluate chat`: how often messages of the chat are understood rightly. Nothing is drawn."""

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ...prompts.errors import DitpipeError, ModelError, RunError
from ...prompts.outside_json import JsonObject, parse_json
from ...prompts.plan import ScenePlan
from ..chat.chat_state import ChatState
from ..chat.interpreter import Interpreter
from .judging.chat_truth import judge
from .judging.planner_truth import lines
from .report import Part, Report, Table, percent
from .rows import Row, RowStore, measure_rows

VERDICTS = ("right", "asked back", "wrong")
MOST_FAULTS = 200  # that the page lists


def read_messages(path: Path, limit: int = 0) -> list[JsonObject]:
    """The messages of a file, at most so many of each kind; 0: all. Raises RunError."""
    by_kind: dict[str, list[JsonObject]] = {}
    for row in lines([path]):
        if not {"kind", "plan", "message", "outcome"} <= row.keys():
            raise RunError(f"{path}: a message needs kind, plan, message and outcome, this has {', '.join(row)}")
        by_kind.setdefault(row["kind"], []).append(row)
    return [row for group in by_kind.values() for row in group[: limit or None]]


def read_plans(path: Path) -> dict[str, ScenePlan]:
    """The plans that messages are about, by name. Raises RunError."""
    try:
        return {name: ScenePlan.model_validate(plan) for name, plan in parse_json(path.read_bytes()).items()}
    except OSError as error:
        raise RunError(
            f"{path}: {error.strerror}; the plans of the messages lie beside them or are given by --plans"
        ) from error
    except (ValueError, AttributeError) as error:
        raise RunError(f"{path} holds no plans by name: {error}") from error


def verdict_on(interpreter: Interpreter, row: JsonObject, plan: ScenePlan) -> JsonObject:
    """How a message was understood: {verdict, faults, seconds}. A server that does not answer raises ModelError."""
    state = ChatState(
        plan=plan, messages=tuple(row.get("before", [])), touched=tuple(row.get("touched", [])),
        candidates=row.get("expect", {}).get("candidates", 1),
    )  # fmt: skip
    started, verdict = time.monotonic(), "wrong"
    try:
        verdict, faults = judge(row, plan, interpreter.interpret(row["message"], state))
    except RunError:
        raise
    except (DitpipeError, ValueError) as error:
        if isinstance(error, ModelError) and error.__cause__:
            raise
        faults = [str(error)]
    return {"verdict": verdict, "faults": faults, "seconds": round(time.monotonic() - started, 2)}


def evaluate_chat(
    interpreters: Mapping[str, Interpreter], messages: Sequence[JsonObject], plans: Mapping[str, ScenePlan],
    store: RowStore, *, settings: JsonObject, list_faults: bool = True,
) -> tuple[Report, JsonObject]:  # fmt: skip
    """Sends each message to each interpreter, by name. Raises RunError for a message about a plan that is not there."""
    if missing := [row["plan"] for row in messages if row["plan"] not in plans]:
        raise RunError(f"there is no plan {missing[0]!r} for these messages: one of {', '.join(plans)}")
    queries = [
        {"planner": name, **settings, "message": row, "about": plans[row["plan"]].model_dump(mode="json")}
        for name in interpreters
        for row in messages
    ]

    def measure(worker: None, query: JsonObject) -> JsonObject:
        row = query["message"]
        return verdict_on(interpreters[query["planner"]], row, plans[row["plan"]])

    rows = measure_rows(queries, measure, store, workers=[None], title="messages")
    figures = {name: figures_of(row for row in rows if row.query["planner"] == name) for name in interpreters}
    return report_of(rows, figures, list_faults=list_faults), figures


def figures_of(rows: Iterable[Row]) -> JsonObject:
    """{right, asked, wrong, of, seconds, kinds: {kind: [right, asked, wrong]}}; seconds: the median of a message."""
    own = list(rows)
    kinds: dict[str, list[int]] = {row.query["message"]["kind"]: [0, 0, 0] for row in own}
    for row in own:
        kinds[row.query["message"]["kind"]][VERDICTS.index(row.measured["verdict"])] += 1
    right, back, wrong = (sum(counts[index] for counts in kinds.values()) for index in range(3))
    seconds = round(median(row.measured["seconds"] for row in own), 2) if own else None
    return {"right": right, "asked": back, "wrong": wrong, "of": len(own), "seconds": seconds, "kinds": kinds}


def report_of(rows: Sequence[Row], figures: Mapping[str, Any], *, list_faults: bool) -> Report:
    kinds = list(dict.fromkeys(row.query["message"]["kind"] for row in rows))
    cells = [
        [name, *(f"{each[key]} ({percent(each[key] / each['of'])})" for key in ("right", "asked", "wrong")),
         f"{each['seconds']:g}", *("/".join(map(str, each["kinds"].get(kind, ["–"]))) for kind in kinds)]
        for name, each in figures.items()
        if each["of"]
    ]  # fmt: skip
    note = "Of each kind: right/asked back/wrong. seconds: the median of a message."
    head = ["planner", "right", "asked back", "wrong", "seconds", *kinds]
    parts: list[Part] = [Table(head, cells, "How messages were understood", note)]
    faulty = [row for row in rows if row.measured["faults"]][:MOST_FAULTS]
    if list_faults and faulty:
        lines = []
        for row in faulty:
            about, why = row.query["message"], "; ".join(row.measured["faults"])
            lines.append([row.query["planner"], row.measured["verdict"], about["message"], about["plan"], why])
        parts.append(Table(["planner", "verdict", "message", "plan", "why"], lines, "What was not right"))
    return Report(
        "Chat: are messages understood?",
        "Each message is about a plan, with what must become of it. A message counts as right, asked back (nothing was "
        "changed, but it could have been) or wrong.",
        parts,
        ["Planners of one table with each other: they get the same messages. No public set of such messages is known."],
        seeds="none",
    )
