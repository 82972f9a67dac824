"""The scorer of benchmarks/chat_messages.py, on answers made by hand."""

import json
from typing import Any

import pytest

from benchmarks.chat_messages import HERE, judge
from ditpipe.prompts.answers.chat_schema import ChatCommand
from ditpipe.prompts.plan import LeveledPrompt, ScenePlan
from ditpipe.prompts.revision import RegionChange, Revision

PLANS = {
    name: ScenePlan.model_validate(plan)
    for name, plan in json.loads((HERE / "chat_plans.json").read_text(encoding="utf-8")).items()
}
ROWS = [json.loads(line) for line in (HERE / "chat_messages.jsonl").read_text(encoding="utf-8").splitlines()]


def row_of(message: str) -> dict[str, Any]:
    return next(row for row in ROWS if row["message"] == message)


def recoloured(name: str, high: str, low: str) -> ChatCommand:
    change = RegionChange(name=name, prompt=LeveledPrompt(high_level=high, low_level=low))
    return ChatCommand(kind="change", revision=Revision(changes=[change]))


def test_what_was_asked_for_is_right_and_anything_else_wrong() -> None:
    row, plan = row_of("make the cat white"), PLANS["cat-rocket"]
    assert judge(row, plan, recoloured("cat", "cat on the left", "white")) == ("right", [])
    assert judge(row, plan, recoloured("cat", "cat on the left", "red"))[0] == "wrong"
    assert judge(row, plan, recoloured("rocket", "rocket on the right", "white"))[1] == [
        "cat is not white", "cat is red yet", "rocket is not as before",
    ]  # fmt: skip


def test_a_question_back_is_not_wrong_and_right_only_where_one_is_due() -> None:
    ask = ChatCommand(kind="unclear", reply="Which cat?")
    assert judge(row_of("make the cat white"), PLANS["cat-rocket"], ask)[0] == "asked back"
    assert judge(row_of("make the cat green"), PLANS["two-cats"], ask)[0] == "right"


def test_removing_more_than_was_said_is_wrong() -> None:
    row, plan = row_of("no tram"), PLANS["woman"]
    assert judge(row, plan, ChatCommand(kind="change", revision=Revision(removed=["tram"])))[0] == "right"
    assert judge(row, plan, ChatCommand(kind="change", revision=Revision(removed=["tram", "umbrella"])))[0] == "wrong"


CHANGES = [row for row in ROWS if row["outcome"] == "change"]


@pytest.mark.parametrize("row", CHANGES, ids=lambda row: row["message"])
def test_leaving_the_plan_as_it_is_is_never_right(row: dict[str, Any]) -> None:
    """Each line of the file can fail: a command that changes nothing does not meet it."""
    nothing = ChatCommand(kind="change", whole=True)
    assert judge(row, PLANS[row["plan"]], nothing)[0] == "wrong"


def test_every_name_of_an_expectation_is_known() -> None:
    known = {
        "has", "lacks", "gone", "new", "at", "beside", "near", "between", "bigger", "smaller", "moved", "swapped",
        "visible", "scene", "scene_lacks", "redrawn", "format", "either", "brief", "steps", "choice", "candidates",
    }  # fmt: skip
    assert {name for row in ROWS for name in row.get("expect", {})} <= known
