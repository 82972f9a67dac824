"""Evaluations of briefs and of chat: truth files, verdicts, costs, and figures that come out right."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes import Pleased, TwoThings
from llm_servers import chat_server, says
from PIL import Image
from planner_replies import GOOD

from ditpipe import Agent, Box, LeveledPrompt, Planner, Region, Renderer, ScenePlan, columns
from ditpipe.agent.chat.chat_state import ChatState
from ditpipe.agent.evaluate.briefs import evaluate_briefs
from ditpipe.agent.evaluate.chat import evaluate_chat, read_messages, read_plans
from ditpipe.agent.evaluate.cost import counted
from ditpipe.agent.evaluate.drawing import Drawer
from ditpipe.agent.evaluate.judging.brief_truth import Brief, Thing, faults_in, read_briefs
from ditpipe.agent.evaluate.judging.judges import PictureSeen, RegionSeen
from ditpipe.agent.evaluate.rows import RowStore
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.prompts.answers.chat_schema import Understanding
from ditpipe.prompts.errors import ModelError, PlanningError, RunError

LEFT, RIGHT = columns(2)
GENEVAL = [
    {"tag": "color_attr", "include": [{"class": "cat", "count": 1, "color": "red"},
                                      {"class": "dog", "count": 1, "color": "blue"}],
     "prompt": "a photo of a red cat and a blue dog"},
    {"tag": "counting", "include": [{"class": "cat", "count": 2}], "exclude": [{"class": "cat", "count": 3}],
     "prompt": "a photo of two cats"},
    {"tag": "position", "include": [{"class": "dog", "count": 1},
                                    {"class": "cat", "count": 1, "position": ["left of", 0]}],
     "prompt": "a photo of a cat left of a dog"},
]  # fmt: skip


def write_lines(path: Path, rows: Sequence[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_genevals_metadata_truth_lines_and_plain_briefs_are_read(tmp_path: Path) -> None:
    briefs = read_briefs(write_lines(tmp_path / "geneval.jsonl", GENEVAL))
    assert [brief.task for brief in briefs] == ["color_attr", "counting", "position"]
    red, two, beside = (brief.truth or {} for brief in briefs)
    cat, dog = Thing("cat", "red", LEFT), Thing("dog", "blue", RIGHT)
    assert not faults_in([cat, dog], red) and faults_in([Thing("cat", "blue", LEFT), dog], red) == ["0 of 1 red cat"]
    assert not faults_in([cat, Thing("cat", "", RIGHT)], two)
    assert faults_in([cat], two) and faults_in([cat] * 3, two)  # fewer, and more
    assert not faults_in([cat, dog], beside) and faults_in([Thing("cat", "", RIGHT), Thing("dog", "", LEFT)], beside)
    (tmp_path / "briefs.txt").write_text("a red cat\n\n 一只猫 \n")
    assert [brief.text for brief in read_briefs(tmp_path / "briefs.txt")] == ["a red cat", "一只猫"]
    own = {"id": 1, "set": "own", "task": "t", "prompt": "a cat", "objects": [{"class": "cat", "count": 1}]}
    assert read_briefs(write_lines(tmp_path / "own.jsonl", [own, {"brief": "a dog"}]), 1)[0].truth == own
    with pytest.raises(RunError, match="prompt or a brief"):
        read_briefs(write_lines(tmp_path / "none.jsonl", [{"text": "a cat"}]))
    with pytest.raises(RunError, match="GenEval"):
        read_briefs(write_lines(tmp_path / "odd.jsonl", [{"include": [{"class": "cat"}], "prompt": "a cat"}]))


class Sees:
    """A judge to whom every picture shows a cat in the left half; it counts its looks."""

    name, places = "a judge", False

    def __init__(self) -> None:
        self.looks = 0

    def look(self, image: Image.Image, plan: ScenePlan, background: str) -> PictureSeen:
        self.looks += 1
        return PictureSeen([RegionSeen(region.name, "cat", index == 0) for index, region in enumerate(plan.regions)])

    def things(self, image: Image.Image, plan: ScenePlan, classes: Sequence[str]) -> list[Thing]:
        return [Thing("cat", "red", LEFT)]


class Refuses(TwoThings):
    def plan(self, brief: str) -> ScenePlan:
        if "dog" in brief:
            raise PlanningError("no plan", reply="?")
        return super().plan(brief)


def test_briefs_are_planned_once_drawn_three_ways_and_resumed(tiny: Renderer, tmp_path: Path) -> None:
    plans: list[str] = []

    class Counts(Refuses):
        def plan(self, brief: str) -> ScenePlan:
            plans.append(brief)
            return super().plan(brief)

    def agent(drawer: Drawer) -> Agent:
        return Agent(renderer=tiny, planner=Counts(), critic=Pleased(), steps=1, size=96, rounds=2, out=tmp_path)

    cat = {"objects": [{"class": "cat", "count": 1}], "relations": [], "absent": ["dog"], "exact": True}
    briefs = [Brief("one", "a cat", cat), Brief("one", "a dog", cat), Brief("free", "a cat at sea")]
    judge, workers = Sees(), [Drawer(None, lambda model, device: tiny)]

    def run() -> Any:
        return evaluate_briefs(
            {"two things": agent}, briefs, judge, RowStore(tmp_path / "rows"), workers=workers, settings={"steps": 1}
        )

    report, answer = run()
    figures = answer["figures"]["two things"]
    assert (figures["briefs"], figures["without a plan"]) == (3, 1) and sorted(plans) == [
        "a cat",
        "a cat at sea",
        "a dog",
    ]
    for method in ("merged", "regional", "loop"):
        assert (figures[method]["right"], figures[method]["of"]) == (1, 2)  # the brief without a plan is wrong
        assert figures[method]["regions"] == 0.5
    assert figures["loop"]["rounds"] == 1  # the critic is pleased
    page, looks = report.html(), judge.looks
    assert page.count("data:image/webp") == 6 and "no plan" in page and "1/2" in report.tables()[0]
    assert "right by the brief" in report.tables()[0] and report.tables()[1].count("| 0 | 0 | 0 |") == 3
    again, _ = run()
    assert again.html() == page and judge.looks == looks and len(plans) == 3


def test_calls_and_tokens_are_counted_and_nothing_outside() -> None:
    answer = says(GOOD)
    answer.body |= {"usage": {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150}}
    with chat_server(answer, answer) as server:
        planner = Planner(chat_model("big", base_url=server.url, api_key="none", timeout=60))
        planner.plan("a red cat on the left and a blue rocket on the right, at night")
        with counted() as cost:
            planner.plan("a red cat on the left and a blue rocket on the right, at night")
    assert cost.as_json() == {"calls": 1, "tokens_in": 120, "tokens_out": 30}


RED = LeveledPrompt(high_level="cat", low_level="red")
CAT = ScenePlan(
    scene=LeveledPrompt(high_level="a red cat"),
    regions=[Region(name="cat", box=Box(left=0, top=0, right=1, bottom=1), prompt=RED)],
)
LOOKS = {"kind": "looks", "plan": "cat", "outcome": "change"}
MESSAGES: list[dict[str, Any]] = [
    LOOKS | {"message": "make the cat white", "expect": {"has": {"cat": ["white"]}}},
    LOOKS | {"message": "make it green", "expect": {"has": {"cat": ["green"]}}},
    {"kind": "talk", "plan": "cat", "message": "hm", "outcome": "ask"},
]


class Paints:
    """Makes every cat white, and asks back what it does not understand."""

    def interpret(self, message: str, state: ChatState) -> Understanding:
        if "cat" not in message:
            return Understanding("unclear", reply="What?")
        (cat,) = CAT.regions
        white = cat.model_copy(update={"prompt": LeveledPrompt(high_level="cat", low_level="white")})
        return Understanding("change", plan=CAT.model_copy(update={"regions": [white]}))


class Gone:
    def interpret(self, message: str, state: ChatState) -> Understanding:
        raise ModelError("no server") from OSError("refused")


def test_messages_are_right_asked_back_or_wrong(tmp_path: Path) -> None:
    (tmp_path / "plans.json").write_text(json.dumps({"cat": CAT.model_dump()}))
    messages = read_messages(write_lines(tmp_path / "messages.jsonl", MESSAGES))
    plans, store = read_plans(tmp_path / "plans.json"), RowStore(tmp_path / "rows")
    report, figures = evaluate_chat({"paints": Paints()}, messages, plans, store, settings={})
    assert figures["paints"] | {"seconds": 0} == {
        "right": 2, "asked": 1, "wrong": 0, "of": 3, "seconds": 0, "kinds": {"looks": [1, 1, 0], "talk": [1, 0, 0]},
    }  # fmt: skip
    assert "1/1/0" in report.tables()[0] and "make it green" in report.tables()[1]
    again, _ = evaluate_chat({"paints": Gone()}, messages, plans, store, settings={})
    assert again.tables() == report.tables()
    with pytest.raises(ModelError, match="no server"):
        evaluate_chat({"gone": Gone()}, messages, plans, store, settings={})
    odd = [MESSAGES[0] | {"expect": {"_init__": 1}}]
    with pytest.raises(RunError, match="no expectation"):
        evaluate_chat({"odd": Paints()}, odd, plans, store, settings={})
    with pytest.raises(RunError, match="no plan 'dog'"):
        evaluate_chat({"paints": Paints()}, [MESSAGES[0] | {"plan": "dog"}], plans, store, settings={})
    assert len(read_messages(tmp_path / "messages.jsonl", 1)) == 2
