"""The rules by which messages of benchmarks/chat_messages.jsonl are understood, on answers made by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from ditpipe.agent.evaluate.judging.chat_truth import judge
from ditpipe.prompts.answers.chat_schema import Understanding
from ditpipe.prompts.plan import LeveledPrompt, ScenePlan
from ditpipe.prompts.prompt_style import sync_scene_prompt
from ditpipe.prompts.revision import RegionChange, Revision

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"

PLANS = {
    name: ScenePlan.model_validate(plan)
    for name, plan in json.loads((BENCHMARKS / "chat_plans.json").read_text(encoding="utf-8")).items()
}
ROWS = [json.loads(line) for line in (BENCHMARKS / "chat_messages.jsonl").read_text(encoding="utf-8").splitlines()]


def row_of(message: str) -> dict[str, Any]:
    return next(row for row in ROWS if row["message"] == message)


def changed(revision: Revision, plan: ScenePlan) -> Understanding:
    return Understanding("change", plan=sync_scene_prompt(plan, revision.apply(plan)))


def recoloured(name: str, low: str, plan: ScenePlan) -> Understanding:
    prompt = LeveledPrompt(high_level=plan.region(name).prompt.high_level, low_level=low)
    return changed(Revision(changes=[RegionChange(name=name, prompt=prompt)]), plan)


def test_what_was_asked_for_is_right_and_anything_else_wrong() -> None:
    row, plan = row_of("make the cat white"), PLANS["cat-rocket"]
    assert judge(row, plan, recoloured("cat", "white", plan)) == ("right", [])
    assert judge(row, plan, recoloured("cat", "red", plan))[0] == "wrong"
    assert judge(row, plan, recoloured("rocket", "white", plan))[1] == [
        "cat is not white", "cat is red yet", "rocket is not as before",
    ]  # fmt: skip


def test_a_question_back_is_not_wrong_and_right_only_where_one_is_due() -> None:
    ask = Understanding("unclear", reply="Which cat?")
    assert judge(row_of("make the cat white"), PLANS["cat-rocket"], ask)[0] == "asked back"
    assert judge(row_of("make the cat green"), PLANS["two-cats"], ask)[0] == "right"


def test_removing_more_than_was_said_is_wrong() -> None:
    row, plan = row_of("no tram"), PLANS["woman"]
    assert judge(row, plan, changed(Revision(removed=["tram"]), plan))[0] == "right"
    assert judge(row, plan, changed(Revision(removed=["tram", "umbrella"]), plan))[0] == "wrong"


CHANGES = [row for row in ROWS if row["outcome"] == "change"]


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: row["message"])
def test_leaving_the_plan_as_it_is_is_never_right(row: dict[str, Any]) -> None:
    """Each line of the file can fail: a command that changes nothing does not meet it."""
    nothing = Understanding("change", plan=PLANS[row["plan"]], whole=True)
    assert judge(row, PLANS[row["plan"]], nothing)[0] == "wrong"


def test_every_name_of_an_expectation_is_known() -> None:
    known = {
        "has", "lacks", "gone", "new", "at", "beside", "near", "between", "bigger", "smaller", "moved", "swapped",
        "visible", "scene", "scene_lacks", "redrawn", "format", "either", "brief", "steps", "number", "candidates",
    }  # fmt: skip
    assert {name for row in ROWS for name in row.get("expect", {})} <= known
