"""`ditpipe evaluate`: rows that resume, a page that loads nothing, plots, and planners by known answers."""

import re
import threading
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from command_line import refused, run
from PIL import Image
from waiting import PATIENCE

from ditpipe import LeveledPrompt, Region, ScenePlan, columns
from ditpipe.agent.evaluate.drawing import drawers, picture_of
from ditpipe.agent.evaluate.judging.planner_truth import read_truth, sampled
from ditpipe.agent.evaluate.planner import evaluate_planners
from ditpipe.agent.evaluate.plots import line_plot
from ditpipe.agent.evaluate.report import Part, Plot, Report, Sheet, Table, Text, page, write_report
from ditpipe.agent.evaluate.rows import RowStore, digest_of, failure, measure_rows
from ditpipe.agent.models import AT_ONCE
from ditpipe.agent.settings import Settings
from ditpipe.prompts.errors import ModelError, OutOfMemory, RenderError, RunError

QUERIES = [{"plan": number, "method": method} for number in range(4) for method in ("regions", "merged")]


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path) -> None:
    measured: list[str] = []

    def measure(worker: str, query: dict[str, object]) -> dict[str, object]:
        if len(measured) == 5:
            raise RunError("out of memory")
        measured.append(digest_of(query))
        return {"right": query["plan"]}

    with pytest.raises(RunError, match="out of memory"):
        measure_rows(QUERIES, measure, RowStore(tmp_path), workers=["cpu"], title="")
    with (tmp_path / "rows.jsonl").open("a") as out:
        out.write('{"key": "half of a li')  # killed while it wrote
    before, more = list(measured), list[str]()

    def go_on(worker: str, query: dict[str, object]) -> dict[str, object]:
        more.append(digest_of(query))
        return {"right": query["plan"]}

    rows = measure_rows([*QUERIES, QUERIES[0]], go_on, RowStore(tmp_path), workers=["gpu 0", "gpu 1"], title="")
    assert [row.measured["right"] for row in rows] == [0, 0, 1, 1, 2, 2, 3, 3, 0]
    assert len(before) == 5 and not set(before) & set(more) and len(more) == 3
    assert len(RowStore(tmp_path)) == 8
    for line in ('{"key": 1}', '{"key": "of another row", "query": {"plan": 1}, "measured": {"right": 1}}'):
        (tmp_path / "rows.jsonl").write_text(line + "\n")
        with pytest.raises(RunError, match="not a row"):
            RowStore(tmp_path)


def test_workers_share_one_list_and_a_fault_ends_it(tmp_path: Path) -> None:
    both, taken = threading.Barrier(2), list[tuple[str, int]]()

    def together(worker: str, query: dict[str, int]) -> dict[str, int]:
        taken.append((worker, query["n"]))
        if query["n"] < 2:
            both.wait(PATIENCE)  # neither worker waits for the other's row
        if query["n"] == 2:
            raise ModelError("no such model")
        return query

    queries = [{"n": number} for number in range(100)]
    with pytest.raises(ModelError, match="no such model"):
        measure_rows(queries, together, RowStore(tmp_path), workers=["gpu 0", "gpu 1"], title="")
    assert {worker for worker, number in taken if number < 2} == {"gpu 0", "gpu 1"} and len(taken) < 100
    assert len(RowStore(tmp_path)) == len(taken) - 1


def test_what_had_no_memory_is_tried_again_and_odd_rows_are_one_line(tmp_path: Path) -> None:
    answers = iter([failure(OutOfMemory("out of memory")), failure(RenderError("no such size"))])

    def measured() -> dict[str, Any]:
        rows = measure_rows([{"n": 1}], lambda worker, query: next(answers), RowStore(tmp_path), workers=[0], title="")
        return rows[0].measured

    assert measured()["error"] == "out of memory"
    assert measured() == measured() == {"error": "no such size"}
    with pytest.raises(RunError, match="values of another kind; give another --out"), RowStore(tmp_path).checked():
        raise KeyError("regions")
    with pytest.raises(KeyError), RowStore(tmp_path / "new").checked():
        raise KeyError("a mistake of our own")


def test_rows_name_pictures_of_their_own_folder_only(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="a.png is gone: give another --out, or take its line out of .*rows.jsonl"):
        picture_of({"file": "a.png"}, tmp_path)
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").touch()
    assert picture_of({"file": "a.png"}, tmp_path) == (tmp_path / "pictures" / "a.png").resolve()
    for away in ("../../a.png", "/etc/hostname"):
        with pytest.raises(RunError, match="rows.jsonl names a picture outside of .*pictures; give another --out"):
            picture_of({"file": away}, tmp_path)


def test_each_named_device_takes_pictures_of_the_list() -> None:
    assert [drawer.device for drawer in drawers(Settings(device="cuda:0,cuda:1"))] == ["cuda:0", "cuda:1"]
    server, settings = "http://127.0.0.1:9/v1#any", Settings(model="http://127.0.0.1:9/v1#any", device="cpu")
    assert [drawer.device for drawer in drawers(settings, [server, "pocket"])] == ["cpu"]  # the pocket loads once
    assert len({drawer.device for drawer in drawers(settings, [server])}) == AT_ONCE


def test_the_page_holds_everything_and_loads_nothing(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200), "red").save(tmp_path / "red.png")
    parts: list[Part] = [
        Text(["<b>not bold</b>"], "Words"), Table(["a"], [["x & y"]], "Cells"),
        Plot({"<curve>": [(0, 0.5), (4, float("nan")), (8, 1)]}, "blocks", "right"),
        Sheet(["one", "none"], [("plan", [tmp_path / "red.png", None])]),
    ]  # fmt: skip
    report = Report("A test", "of the page", parts, ["with nothing"], seeds="0 to 3")
    text = write_report(tmp_path, report).read_text()
    assert "&lt;b&gt;not bold" in text and "x &amp; y" in text and "&lt;curve&gt;" in text and "0 to 3" in text
    assert set(re.findall(r'(?:src|href)="([a-z]+:)', text)) == {"data:"} and "<script" not in text
    assert "Python 3" in text and "ditpipe 0" in text and "cores" in text
    assert (tmp_path / "section.html").read_text() in page("both", [(tmp_path / "section.html").read_text()])
    assert report.tables() == ["Cells\n| a |\n|---|\n| x & y |"]


def test_a_plot_is_drawn_to_scale() -> None:
    svg = ElementTree.fromstring(line_plot({"curve": [(0, 0), (5, 0.5), (10, 1)]}, x_label="x", y_label="y"))
    places = [(float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in svg.iter("circle")]
    (left, low), (middle, half), (right, high) = places
    assert middle == pytest.approx((left + right) / 2, abs=0.1) and half == pytest.approx((low + high) / 2, abs=0.1)
    assert right > left and low > high


def side_by_side(*things: tuple[str, str]) -> ScenePlan:
    regions = [
        Region(name=name, box=box, prompt=LeveledPrompt(high_level=name, low_level=colour))
        for (name, colour), box in zip(things, columns(2), strict=True)
    ]
    return ScenePlan(scene=LeveledPrompt(high_level="a meadow"), regions=regions)


TRUTH: list[dict[str, Any]] = [
    {"id": "1", "set": "own", "task": "colour", "prompt": "a red cat on the left and a blue dog on the right",
     "objects": [{"class": "cat", "count": 1, "color": "red"}, {"class": "dog", "count": 1, "color": "blue"}],
     "relations": [[0, "left of", 1]], "absent": [], "exact": True},
    {"id": "2", "set": "own", "task": "nothing", "prompt": "bias", "objects": None},
]  # fmt: skip


def test_planners_are_compared_on_the_lines_that_have_an_answer(tmp_path: Path) -> None:
    def good(brief: str) -> ScenePlan:
        return side_by_side(("cat", "red"), ("dog", "blue"))

    def bad(brief: str) -> ScenePlan:
        return side_by_side(("dog", "blue"), ("cat", "red"))

    rows = sampled(read_truth(TRUTH))
    planners = {"good": good, "bad": bad}
    report, figures = evaluate_planners(planners, rows, RowStore(tmp_path), settings={"calls": 1})
    assert {name: (each["right"], each["of"]) for name, each in figures.items()} == {"good": (1, 1), "bad": (0, 1)}
    assert "| own colour | 1 of 1 | 0 of 1 |" in report.tables()[0] and "not cat left of dog" in report.tables()[1]

    def asked_again(brief: str) -> ScenePlan:
        raise AssertionError("measured already")

    again, _ = evaluate_planners(dict.fromkeys(planners, asked_again), rows, RowStore(tmp_path), settings={"calls": 1})
    assert again.tables() == report.tables()
    with pytest.raises(RunError, match="needs id"):
        read_truth([{"prompt": "a cat"}])


@pytest.mark.process
def test_mistakes_are_one_line(tmp_path: Path) -> None:
    refused(run("evaluate", "join", "nowhere", "--out", "page.html", cwd=tmp_path), "nowhere", "no finished evaluation")
    (tmp_path / "truth.jsonl").write_text("{}\n[1]\n")
    refused(run("evaluate", "planner", "--truth", "truth.jsonl", cwd=tmp_path), "truth.jsonl, line 2", "JSON object")
