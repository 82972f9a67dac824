"""What evaluations of regions measure: judges, scores of found boxes, methods, the ablation's schedules and words."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import tiny_critics
from llm_servers import chat_server, says
from PIL import Image
from typer.testing import CliRunner

from ditpipe import Box, LeveledPrompt, Region, Renderer, RenderRequest, ScenePlan, columns
from ditpipe.agent.cli.main import app
from ditpipe.agent.evaluate.ablation import DEEP, LEVELS, SHALLOW, conclusions, evaluate_ablation, settings_of
from ditpipe.agent.evaluate.drawing import Drawer
from ditpipe.agent.evaluate.fixed_plans import ARRANGEMENTS, fixed_plan, patterns_of
from ditpipe.agent.evaluate.judging.detection_scores import Found, Wanted, average_precision, coco_ap, iou
from ditpipe.agent.evaluate.judging.judges import COLOUR_WORDS, LocalJudge, PictureSeen, PocketJudge, VisionJudge
from ditpipe.agent.evaluate.regions import (
    Case,
    Figures,
    evaluate_regions,
    figures_of,
    file_cases,
    fixed_cases,
    merged,
    methods_of,
    request_of,
)
from ditpipe.agent.evaluate.rows import Row, RowStore
from ditpipe.agent.llm.chat_models import chat_model
from ditpipe.agent.refine.local_critic import LocalCritic
from ditpipe.prompts.errors import RunError
from ditpipe.prompts.plan_files import read_plan
from ditpipe.prompts.prompt_style import colour_of, subject_of
from ditpipe.renderer.detection import Detection
from ditpipe.renderer.regions.region_masks import visible_regions

FIXTURES = Path(__file__).parent / "fixtures"
LEFT, RIGHT = columns(2)


def plan_of(*things: tuple[str, str], scene: str = "a picture at night") -> ScenePlan:
    regions = [
        Region(name=f"{name} {index}", box=box, prompt=LeveledPrompt(high_level=name, low_level=colour))
        for index, ((name, colour), box) in enumerate(zip(things, columns(len(things)), strict=True))
    ]
    return ScenePlan(scene=LeveledPrompt(high_level=scene), regions=regions)


def box(left: float, top: float, right: float, bottom: float) -> Box:
    return Box(left=left, top=top, right=right, bottom=bottom)


def test_average_precision_is_cocos() -> None:
    """Known values: by hand, on 101 recalls."""
    wanted = [Wanted(0, "cat", LEFT), Wanted(0, "dog", RIGHT), Wanted(1, "cat", LEFT)]
    assert iou(LEFT, LEFT) == 1 and iou(LEFT, RIGHT) == 0
    assert iou(box(0, 0, 0.5, 1), box(0.25, 0, 0.75, 1)) == pytest.approx(1 / 3)
    every = [Found(each.picture, each.label, 0.9, each.box) for each in wanted]
    assert coco_ap(wanted, every) == (1, 1)
    assert average_precision(wanted, every[:1], 0.5) == pytest.approx(34 / 101)  # recall ⅓: points 0.00 to 0.33
    ghost = [Found(0, "cat", 0.99, RIGHT), *every]  # first in rank and wrong: precision 3/4 at every recall
    assert average_precision(wanted, ghost, 0.5) == pytest.approx(0.75)
    twice = [*every, Found(0, "cat", 0.95, LEFT)]  # the second box of one cat is wrong
    assert average_precision(wanted, twice, 0.5) < 1
    narrow = [Found(0, "cat", 0.9, box(0, 0, 0.5, 0.72))]  # IoU 0.72: right at five of ten thresholds
    assert coco_ap(wanted[:1], narrow) == pytest.approx((0.5, 1))
    assert coco_ap([], [])[0] != coco_ap([], [])[0]


def test_the_pocket_judge_sees_subjects_colours_bleeding_and_the_background() -> None:
    judge, picture = PocketJudge(), Image.open(FIXTURES / "red_cat_blue_rocket.png").convert("RGB")
    seen = judge.look(picture, plan_of(("cat", "red"), ("rocket", "blue")), "at night")
    assert [(each.subject, each.colour, each.bleeds) for each in seen.regions] == [(True, True, False)] * 2
    assert seen.background is True and not seen.found and seen.light is seen.style is None
    moody = plan_of(("cat", "red"), ("rocket", "blue"))
    moody = moody.model_copy(
        update={"scene": LeveledPrompt(high_level="a picture", low_level="warm light, glossy style")}
    )
    seen_so = judge.look(picture, moody, "at night")
    assert (seen_so.light, seen_so.style) == (False, False) and PictureSeen.from_json(seen_so.as_json()) == seen_so
    wrong = judge.look(picture, plan_of(("rocket", "red"), ("rocket", "green")), "on the beach")
    assert [(each.subject, each.colour, each.bleeds) for each in wrong.regions] == [
        (False, True, False), (True, False, False),
    ]  # fmt: skip
    assert wrong.background is False
    swapped = judge.look(picture, plan_of(("rocket", "red"), ("astronaut", "")), "somewhere")
    assert [(each.subject, each.colour, each.bleeds) for each in swapped.regions] == [
        (False, True, True), (None, None, None),
    ]  # fmt: skip
    assert swapped.background is None and swapped.regions[1].right is None
    assert PictureSeen.from_json(seen.as_json()) == seen


@dataclass
class Detects:
    detections: list[Detection]
    threshold: float = 0.1

    def detect(self, image: Image.Image, labels: Sequence[str]) -> list[Detection]:
        return [each for each in self.detections if each.label in labels]


@dataclass
class Matches:
    """Every crop is like the first of these texts that is among those asked for."""

    alike: Sequence[str]
    crops: list[Image.Image] = field(default_factory=list)

    def match(self, crops: Sequence[Image.Image], texts: Sequence[str]) -> list[list[float]]:
        self.crops += crops
        best = next((text for text in self.alike if text in texts), "")
        return [[1.0 if text == best else 0.0 for text in texts] for _ in crops]


def test_the_local_judge_tells_place_colour_and_strays() -> None:
    things: Any = Detects([
        Detection("cat", 0.8, box(0.1, 0.1, 0.4, 0.9)), Detection("cat", 0.6, box(0.6, 0.1, 0.9, 0.9)),
    ])  # fmt: skip
    matcher: Any = Matches(["a blue cat", "a picture at night"])
    judge = LocalJudge(LocalCritic(things, matcher))
    seen = judge.look(Image.new("RGB", (100, 100)), plan_of(("cat", "red"), ("dog", "")), "at night")
    cat, dog = seen.regions
    assert (cat.subject, cat.colour, cat.bleeds) == (True, False, True) and cat.iou == pytest.approx(0.48)
    assert (dog.subject, dog.colour, dog.bleeds, dog.iou) == (False, None, False, 0.0)
    assert seen.background is True and [label for label, _, _ in seen.found] == ["cat", "cat"]
    assert matcher.crops[0].size == (30, 80)  # the found cat, not its region
    row = Row({"plan": plan_of(("cat", "red"), ("dog", "")).model_dump()}, {"seconds": 1.0, **seen.as_json()})
    figures = figures_of("m", "a", "regions", [row, Row(row.query, {"error": "too small"})])
    assert (figures.pictures, figures.failed, figures.regions) == (2, 1, 4)
    assert figures.subject == 0.25 and figures.mean_iou == pytest.approx(0.24) and figures.ap50 == 0


def test_the_local_judge_looks_with_models_of_the_published_classes(tmp_path: Path) -> None:
    """Random weights, by which each of the detector's 4×4 patches is something: a square of a quarter's side."""
    owl, siglip = tiny_critics.owlv2(tmp_path / "owl"), tiny_critics.siglip2(tmp_path / "siglip")
    critic = LocalCritic.named(f"local:{owl},{siglip}", device="cpu")
    critic.detector.threshold = 0.0
    image = Image.open(FIXTURES / "red_cat_blue_rocket.png").convert("RGB")
    judge, plan = LocalJudge(critic), plan_of(("cat", "red"), ("rocket", ""))
    seen, found = judge.look(image, plan, "at night"), critic.detector.detect(image, ["cat", "rocket"])
    assert len(found) == 16 and max(each.box.area for each in found) == pytest.approx(1 / 16, abs=1e-3)
    for region, own in zip(plan.regions, seen.regions, strict=True):
        squares = [each.box for each in found if each.label == subject_of(region)]
        inside = [each for each in squares if each.share_in(region.box) >= 0.5]
        assert own.subject == bool(inside) and own.bleeds == (len(inside) < len(squares))
        assert own.iou == pytest.approx(max((iou(each, region.box) for each in squares), default=0), abs=1e-4)
    assert [each.colour is None for each in seen.regions] == [False, True] and seen.background in (True, False)
    assert {label for label, _, _ in seen.found} == {each.label for each in found}
    figures = figures_of("m", "a", "default", [Row({"plan": plan.model_dump()}, {"seconds": 1.0, **seen.as_json()})])
    assert 0 < figures.mean_iou < 0.13 and figures.ap == 0  # no square is half of a region
    assert {thing.colour for thing in judge.things(image, plan, ["cat", "rocket"])} <= set(COLOUR_WORDS)


def test_a_vision_model_judges_box_by_box() -> None:
    right = {"box": 1, "seen": "an orange cat", "subject": True, "colour": False, "elsewhere": False}
    other = {"box": 2, "seen": "a rocket", "subject": True, "colour": None, "elsewhere": True}
    lacks, whole = ({"boxes": boxes, "background": True} for boxes in ([right], [right, other]))
    with chat_server(says(json.dumps(lacks)), says(json.dumps(whole))) as server:
        judge = VisionJudge(chat_model("eyes", base_url=server.url, api_key="none", timeout=20), "eyes")
        seen = judge.look(Image.new("RGB", (64, 64)), plan_of(("cat", "red"), ("rocket", "")), "at night")
        assert "give exactly one entry" in json.dumps(server.sent[1]) and "at night" in json.dumps(server.sent[0])
    assert [(each.right, each.bleeds) for each in seen.regions] == [(False, False), (True, True)]
    assert seen.background is True


@pytest.mark.parametrize("judge", ["local", "vision"])
def test_the_command_draws_with_a_foreign_model_and_asks_a_foreign_judge(
    judge: str, tiny_folder: Path, tmp_path: Path
) -> None:
    """A folder in the published format, and a real detector of random weights or a real server on loopback."""
    (tmp_path / "plan.json").write_text(plan_of(("cat", "red"), ("rocket", "")).model_dump_json())
    plan, out = str(tmp_path / "plan.json"), str(tmp_path / "out")
    command = ["evaluate", "regions", "--plan", plan, "--model", str(tiny_folder), "--steps", "1", "--limit", "1",
               "--device", "cpu", "--out", out, "--json"]  # fmt: skip

    def run(*options: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, [*command, *options], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        answer: dict[str, Any] = json.loads(done.stdout)
        assert [each["method"] for each in answer["figures"]] == ["regions", "merged", "couple"]
        return answer

    if judge == "local":
        owl, siglip = tiny_critics.owlv2(tmp_path / "owl"), tiny_critics.siglip2(tmp_path / "siglip")
        answer = run("--judge", f"local:{owl},{siglip}")
        assert all(each["mean_iou"] is not None and each["ap"] is not None for each in answer["figures"])
    else:
        boxes = [{"box": box, "seen": "it", "subject": True, "colour": None, "elsewhere": False} for box in (1, 2)]
        seen = says(json.dumps({"boxes": [boxes[0] | {"colour": False}, boxes[1]], "background": True}))
        with chat_server(seen, seen, seen) as server:  # a picture each
            judged = ["--judge", "eyes", "--base-url", server.url]
            answer = run(*judged)
            assert run(*judged) == answer  # all of it is stored: the server is not asked again
            assert all("image_url" in json.dumps(sent) and sent["model"] == "eyes" for sent in server.sent)
        assert [(each["subject"], each["colour"], each["right"]) for each in answer["figures"]] == [(1, 0, 0.5)] * 3
        assert all(each["mean_iou"] is None for each in answer["figures"])
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/webp") == 3 and ("mIoU</th>" in page) == (judge == "local")


def test_labels_are_read_from_the_plans_own_prompts() -> None:
    for regions in ARRANGEMENTS:
        for case in fixed_cases(regions, 12):
            plan, right = fixed_plan(regions, case.number)
            assert [(subject_of(each), colour_of(each)) for each in plan.regions] == [
                (label.subject, label.colour) for label in right
            ]
            for region, pattern in zip(plan.regions, patterns_of(regions, case.number), strict=True):
                assert pattern == "plain" or pattern in region.prompt.low_level
    assert len({case.plan.regions[0].box for case in fixed_cases(3, 10)}) == 10  # free boxes of other layouts first


def test_methods_are_those_that_a_model_has() -> None:
    assert methods_of("pocket", 2) == ["regions", "default", "merged", "couple"]
    assert methods_of("hunyuan-dit", 9) == ["regions", "merged"] and methods_of("pocket", 4, ["couple"]) == []
    (case,) = file_cases({"own": plan_of(("cat", "red"), ("astronaut", "tall"), scene="a cat on the moon")}, 1, 7)
    assert merged(case.plan).scene.high_level == "a cat on the moon, tall astronaut on the right"
    requests = {name: request_of("pocket", case, name, steps=2, guidance=None) for name in methods_of("pocket", 2)}
    assert {request.seed for request in requests.values()} == {7} and not requests["merged"].plan.regions
    assert [region.strength for region in requests["couple"].plan.regions] == [0.5, 0.5]
    assert requests["regions"].prompt_schedule and not requests["default"].prompt_schedule


def test_the_schedules_of_the_ablation() -> None:
    settings = settings_of(8)
    deep = {each.blocks: each.levels for each in settings if each.curve == DEEP}
    shallow = {each.blocks: each.levels for each in settings if each.curve == SHALLOW}
    assert list(deep) == list(range(9)) and deep[2] == ("scene",) * 6 + ("region",) * 2 == shallow[2][::-1]
    assert deep[0] == shallow[0] and deep[8] == shallow[8] == ("region",) * 8
    levels = {each.key: each.levels for each in settings if each.curve == LEVELS}
    assert len(levels) == 9 and levels["low/high"] == ("region-low",) * 4 + ("region-high",) * 4
    assert len({each.key for each in settings}) == len(settings)
    assert sorted({each.blocks for each in settings_of(40, 5)}) == [0, 10, 20, 30, 40]


def figures(right: float, background: float = 1.0, regions: int = 300) -> Figures:
    nan = float("nan")
    return Figures(
        "m", "a", "s", 100, 0, regions, right, right, right, nan, 0.0, background, nan, nan, nan, nan, nan, 1.0
    )


def test_the_words_follow_the_figures() -> None:
    some = {f"{DEEP}: 0": figures(0.6), f"{DEEP}: 4": figures(0.9), f"{SHALLOW}: 4": figures(0.5),
            f"{DEEP}: 6": figures(0.92), f"{DEEP}: 8": figures(0.91, 0.2),
            "low/high": figures(0.5), "high/low": figures(0.52)}  # fmt: skip
    abstract, figure, default = conclusions("pocket", some, 8)
    assert "-2 points, is within chance" in abstract
    assert "from 60% to 91% of regions" in figure and "+40 points: Figure 6 says so" in figure
    assert "shallow 2 of 8" in default and "departs" in default and "background 20%" in default
    assert "contradicts the abstract" in conclusions("pocket", some | {"high/low": figures(0.8)}, 8)[0]
    assert conclusions("pocket", {"low/high": figures(0.5)}, 8) == []
    assert "the paper's" in conclusions("hunyuan-dit", some, 8)[2]


def test_both_experiments_run_resume_and_report(tmp_path: Path) -> None:
    made: list[str] = []

    def make(model: str, device: str | None) -> Renderer:
        made.append(model)
        return Renderer(model)

    def run(name: str) -> tuple[str, dict[str, Any]]:
        store = RowStore(tmp_path / name)
        case = fixed_cases(2, 1)
        workers = [Drawer(None, make)]
        if name == "regions":
            report, answer = evaluate_regions(["pocket"], case, PocketJudge(), store, workers=workers, steps=1)
        else:
            report, answer = evaluate_ablation(
                ["pocket"], case, PocketJudge(), store, workers=workers, steps=1, points=2
            )
        return report.html(), answer

    page, answer = run("regions")
    assert [each["method"] for each in answer["figures"]] == ["regions", "default", "merged", "couple"]
    assert page.count("data:image/webp") == 4 and "Controllable Region-Attention" in page
    again, _ = run("regions")
    assert again == page and made == ["pocket"]  # nothing was drawn again
    page, answer = run("ablation")
    assert answer["blocks"] == {"pocket": 8} and len(answer["figures"]["pocket"]) == 4 + 9
    assert len(list((tmp_path / "ablation" / "pictures").iterdir())) == 2 + 8  # joined/joined is all blocks


def test_pictures_that_cannot_be_drawn_are_told_and_none_at_all_is_an_error(tmp_path: Path) -> None:
    sized = plan_of(("cat", "red"), ("car", "blue")).model_copy(update={"width": 176, "height": 208})
    narrow = file_cases({"narrow": sized}, 1)

    def run(cases: Sequence[Case], name: str) -> str:
        store, workers = RowStore(tmp_path / name), [Drawer(None, lambda model, device: Renderer(model))]
        judge, some = PocketJudge(), ["merged"]
        report, _ = evaluate_regions(["pocket"], cases, judge, store, workers=workers, steps=1, methods=some)
        return "\n".join(report.tables())

    with pytest.raises(RunError, match="no picture could be drawn.* multiples of 32, got 176×208: 192×192 is near"):
        run(narrow, "none")
    tables = run([*narrow, *fixed_cases(2, 1)], "one")
    assert "1 of 2 pictures could not be drawn" in tables and "multiples of 32" in tables


PLANS = Path(__file__).parent.parent / "examples" / "plans"


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.json")), ids=lambda path: path.stem)
def test_the_papers_examples_are_plans_that_any_model_draws(path: Path, tiny: Renderer) -> None:
    plan = read_plan(path)
    large = plan.with_size(1024, 1024)
    assert visible_regions(large, token=16) == {region.name for region in plan.regions} and plan.width is None
    assert f"[{path.name}]({path.name})" in (PLANS / "README.md").read_text(encoding="utf-8")
    if plan.notes:  # figures whose prompts the paper shows in a picture only
        assert "words are ditpipe's own" in plan.notes[0]
        assert all(each.low_level for each in (plan.scene, *(region.prompt for region in plan.regions)))
    else:
        assert len(plan.regions) in (2, 4, 9) and plan.negative == "模糊的"
        assert sum(region.box.area for region in plan.regions) == pytest.approx(1, abs=1e-4)
    for method in methods_of("hunyuan-dit", len(plan.regions)):
        (case,) = file_cases({path.stem: plan}, 1, 41)
        request = request_of("hunyuan-dit", case, method, steps=30, guidance=6)
        assert (request.seed, request.plan.size) == (41, (1024, 1024))
    result = tiny.render(RenderRequest(plan=plan, steps=1))
    assert result.image.size == (128, 128) and set(plan.notes) <= set(result.warnings)
