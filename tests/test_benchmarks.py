"""The benchmarks' pure parts: fixed plans and briefs, counting, batches and Couple against their oracles."""

import math
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from plans import plan_of
from rich.console import Console

from benchmarks import critic, families, geneval, gpu, jobs, planner
from ditpipe.agent.evaluate.fixed_plans import (
    ARRANGEMENTS,
    BACKGROUND_WORDS,
    fixed_plan,
    patterns_of,
    scene_of,
    seed_of,
)
from ditpipe.agent.planning.nouns import singular
from ditpipe.agent.planning.planner import Planner
from ditpipe.prompts.answers.planner_schema import PlannedObject, PlannerAnswer
from ditpipe.prompts.layout.places import PLACES, Place
from ditpipe.prompts.plan import Box
from ditpipe.renderer.metrics.pocket_judge import Judge, JudgeNet
from ditpipe.renderer.metrics.pocket_labels import BACKGROUNDS, Seen


@pytest.mark.parametrize("regions", ARRANGEMENTS)
def test_a_plan_is_fixed_and_says_in_words_what_is_right(regions: int) -> None:
    plan, right = fixed_plan(regions, 7)
    assert (plan, right) == fixed_plan(regions, 7) != fixed_plan(regions, 8)
    patterned = zip(patterns_of(regions, 7), right, strict=True)
    said = [f"{pattern} {one}".removeprefix("plain ") for pattern, one in patterned]
    assert all(region.prompt.text.startswith(words) for region, words in zip(plan.regions, said, strict=True))
    assert all(f"{one.colour} {one.subject}" in plan.scene.high_level for one in right)
    area = sum(region.box.area for region in plan.regions)
    assert area < 0.7 if regions == 3 else math.isclose(area, 1)


def test_the_first_plan_with_two_regions() -> None:
    plan, right = fixed_plan(2, 0)
    assert plan.scene.high_level == "a green penguin on the left and a purple mushroom on the right at night"
    assert right == [Seen("penguin", "green"), Seen("mushroom", "purple")]
    assert patterns_of(2, 0) == ["striped", "plain"] and plan.regions[0].prompt.text.startswith("striped green penguin")


def test_other_numbers_of_regions_are_refused() -> None:
    with pytest.raises(ValueError, match="one of 1, 2, 4, 9, 3"):
        fixed_plan(5, 0)


def test_seeds_differ_between_plans_only() -> None:
    assert len({seed_of(regions, number) for regions in ARRANGEMENTS for number in range(100)}) == 500


def test_a_scene_prompt_says_background_light_and_style() -> None:
    said = [fixed_plan(1, plan)[0].scene for plan in range(40)]
    for plan, prompt in enumerate(said):
        scene = scene_of(1, plan)
        assert prompt.high_level.endswith(BACKGROUND_WORDS[BACKGROUNDS.index(scene.background)])
        assert (f"{scene.light} light" in prompt.low_level) == (scene.light != "bright")
        assert ("glossy style" in prompt.low_level) == (scene.style == "glossy")


def test_critic_and_judge_agree_when_both_accept_a_region_or_neither_does() -> None:
    rows = [
        {"requested": "red cat", "judge": "red cat", "critic": "red cat", "accepted": True},
        {"requested": "red cat", "judge": "red dog", "critic": "blue cat", "accepted": False},
        {"requested": "red cat", "judge": "nothing", "critic": "red cat", "accepted": True},
        {"requested": "red cat", "judge": "red cat", "critic": "red dog", "accepted": False},
    ]
    found = critic.agreement(rows)
    assert (found["verdict"], found["subject"], found["colour"], found["found"]) == (2 / 4, 1 / 4, 2 / 4, 1 / 2)
    assert critic.adherence(rows) == found["right"] == 2 / 4


def test_results_survive_a_run_that_was_killed_while_it_wrote(tmp_path: Path) -> None:
    jobs.Results("figures", tmp_path).add([{"plan": 0}, {"plan": 1}])
    with (tmp_path / "figures.jsonl").open("a") as file:
        file.write('{"plan": 2, "se')
    again = jobs.Results("figures", tmp_path)
    assert again.rows == [{"plan": 0}, {"plan": 1}]
    again.add([{"plan": 2}])
    assert jobs.Results("figures", tmp_path).rows == [{"plan": 0}, {"plan": 1}, {"plan": 2}]


def test_other_weights_or_settings_are_other_results(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(b"1")
    before = jobs.fingerprint([weights], "20 steps")
    assert before == jobs.fingerprint([weights], "20 steps") != jobs.fingerprint([weights], "30 steps")
    weights.write_bytes(b"2")
    assert jobs.fingerprint([weights], "20 steps") != before


def test_the_code_that_decides_figures_is_found_in_every_sub_package() -> None:
    files = {str(file.relative_to(jobs.ROOT)) for file in jobs.sources("prompts", "renderer")}
    assert {"prompts/templates/planner.md", "renderer/pipeline.py"} <= files
    assert any(name.startswith("renderer/regions/") for name in files)
    assert all((jobs.ROOT / "agent" / path).is_file() for path in planner.INPUTS)


@pytest.mark.process
def test_processes_share_the_tasks() -> None:
    assert set(jobs.in_processes(pow, [(2, 3), (3, 2)], workers=1, title="powers")) == {8, 9}


@pytest.mark.parametrize("task", geneval.TASKS)
def test_fifty_fixed_briefs_a_task(task: str) -> None:
    briefs = geneval.briefs(task)
    assert briefs == geneval.briefs(task) and len({brief.text for brief in briefs}) == 50
    for brief in briefs:
        said = {one.subject for one in brief.objects}
        assert all(subject in brief.text or geneval.plural(subject) in brief.text for subject in said)


def test_the_first_briefs() -> None:
    assert [geneval.briefs(task, 1)[0].text for task in geneval.TASKS] == [
        "a picture of a cat",
        "a picture of a whale and a tractor",
        "a picture of two cats",
        "a picture of a white bee",
        "a picture of a castle left of a giraffe",
        "a picture of a white giraffe and a purple cat",
    ]


@pytest.mark.parametrize(
    ("noun", "more"),
    [("cat", "cats"), ("bus", "buses"), ("butterfly", "butterflies"), ("leaf", "leaves"), ("fish", "fish")],
)
def test_plurals(noun: str, more: str) -> None:
    assert geneval.plural(noun) == more


class Scripted(Judge):
    """Says what it is told to see, box by box."""

    def __init__(self, *seen: Seen) -> None:
        super().__init__(JudgeNet())
        self.seen = list(seen)

    def look(self, image: Image.Image, boxes: Any) -> list[Seen]:
        return [self.seen.pop(0) for _ in boxes]


PICTURE, NOTHING = Image.new("RGB", (96, 96)), Seen("nothing", "")
CAT, DOG = Seen("cat", "red"), Seen("dog", "blue")


@pytest.mark.parametrize(
    ("said", "seen", "right"),
    [
        (("cat", "dog"), (DOG, CAT), True),
        (("cat", "dog"), (CAT, CAT), False),
        (("cat", "cat"), (CAT, CAT), True),
        (("cat", "cat", "cat"), (CAT, CAT), False),
        (("cat",), (CAT, CAT), False),
    ],
)
def test_the_boxes_must_show_just_what_the_brief_names(
    said: tuple[str, ...], seen: tuple[Seen, ...], right: bool
) -> None:
    brief = geneval.Brief("counting", "", tuple(Seen(subject, "") for subject in said))
    assert geneval.fulfils(brief, plan_of(2), PICTURE, Scripted(*seen)) is right


def test_colours_count_where_they_are_said() -> None:
    brief = geneval.Brief("colour attribution", "", (CAT, DOG))
    assert geneval.fulfils(brief, plan_of(2), PICTURE, Scripted(CAT, DOG))
    assert not geneval.fulfils(brief, plan_of(2), PICTURE, Scripted(Seen("cat", "blue"), Seen("dog", "red")))


def test_what_no_box_reaches_must_be_empty() -> None:
    left = Box(left=0, top=0, right=0.5, bottom=1)
    plan = plan_of(1).model_copy(update={"regions": [plan_of(1).regions[0].model_copy(update={"box": left})]})
    brief = geneval.Brief("single object", "", (Seen("cat", ""),))
    assert geneval.fulfils(brief, plan, PICTURE, Scripted(CAT, NOTHING, NOTHING))
    assert not geneval.fulfils(brief, plan, PICTURE, Scripted(CAT, NOTHING, DOG))


def test_positions_are_looked_for_in_the_said_halves() -> None:
    brief = geneval.Brief("position", "", (Seen("cat", ""), Seen("dog", "")), "right of")
    assert [box.left for box in geneval.RELATIONS["right of"]] == [0.5, 0]
    assert geneval.fulfils(brief, plan_of(4), PICTURE, Scripted(CAT, DOG))
    assert not geneval.fulfils(brief, plan_of(4), PICTURE, Scripted(DOG, CAT))


def test_overall_is_the_mean_of_the_tasks() -> None:
    rows = [{"task": task} | dict.fromkeys(geneval.METHODS, task != "counting") for task in geneval.TASKS]
    lines = geneval.table({"embedded": rows + rows[:1]})
    assert lines[1] == ["embedded", "merged prompt", "1.00", "1.00", "0.00", "1.00", "1.00", "1.00", "0.83"]


def planned(*objects: tuple[str, str, Place], background: str = "") -> PlannerAnswer:
    rows = [PlannedObject(subject=s, colour=c, detail="", position=p) for s, c, p in objects]
    return PlannerAnswer(objects=rows, background=background, mood="clear daylight")


@pytest.mark.parametrize("path", planner.HEADINGS, ids=lambda path: path.stem)
def test_each_right_answer_can_be_given(path: Path) -> None:
    briefs = planner.right_answers(path)
    assert len({right["brief"] for right in briefs}) == len(briefs) == (120 if path == planner.VARIED else 60)
    for right in briefs:
        assert set(right) == {"brief", "objects", "background"} and right["objects"], right["brief"]
        for subject, colour, position in right["objects"]:
            assert subject and colour and set(position.split("|")) <= {*PLACES, "*"}, right["brief"]
            assert all(singular(word) == word == word.lower() for word in subject.split("|")), subject
        first = [[said.split("|")[0] for said in one] for one in right["objects"]]
        rows: list[Any] = [(s, c, "center" if p == "*" else p) for s, c, p in first]
        assert planner.judge(planned(*rows, background=right["background"].split("|")[0]), right)["all right"], right


def test_the_unseen_briefs_are_others_of_one_to_six_objects() -> None:
    unseen = planner.right_answers(planner.UNSEEN)
    counts = [len(right["objects"]) for right in unseen]
    assert [counts.count(number) for number in range(1, 7)] == [12, 20, 12, 8, 4, 4]
    seen = {right["brief"].lower() for right in planner.right_answers(planner.BRIEFS)}
    assert not seen & {right["brief"].lower() for right in unseen}


RIGHT: planner.RightAnswer = {
    "brief": "a red cat left of a dog at dusk",
    "objects": [["cat|kitten", "red", "left"], ["dog", "*", "right|bottom right"]],
    "background": "at sunset|at dusk",
}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (planned(("dog", "blue", "bottom right"), ("Kitten", "red", "left"), background="At dusk"), set()),
        (planned(("cat", "red", "left"), ("dog", "", "right"), background="at a sunset"), set()),
        (planned(("cat", "blue", "left"), ("dog", "", "right"), background="at sunset"), {"colours"}),
        (planned(("cat", "red", "right"), ("dog", "", "left"), background="at sunset"), {"positions"}),
        (planned(("cat", "red", "left"), ("dog", "", "right")), {"background"}),
        (planned(("cat", "red", "left"), background="at dusk"), {"number", "subjects", "colours", "positions"}),
    ],
)
def test_a_plan_is_judged_part_by_part(answer: PlannerAnswer, wrong: set[str]) -> None:
    parts = planner.judge(answer, RIGHT)
    assert {part for part, right in parts.items() if not right} == (wrong | {"all right"} if wrong else set())


def test_twins_are_told_apart_by_their_colours() -> None:
    right: planner.RightAnswer = {
        "brief": "", "objects": [["kite", "red", "left"], ["kite", "blue", "right"]], "background": ""
    }  # fmt: skip
    assert planner.judge(planned(("kite", "blue", "right"), ("kite", "red", "left")), right)["all right"]
    assert not planner.judge(planned(("kite", "blue", "left"), ("kite", "red", "right")), right)["positions"]


@pytest.mark.parametrize(("path", "told"), [(planner.BRIEFS, True), (planner.UNSEEN, False)])
def test_of_the_unseen_briefs_no_failure_is_shown(path: Path, told: bool) -> None:
    class AlwaysWrong(Planner):
        def __init__(self) -> None:
            pass

        def answer(self, brief: str) -> PlannerAnswer:
            return planned(("nobody", "", "center"))

    shown = StringIO()
    measured = planner.measure("someone", path, Console(file=shown, width=1000), planner=AlwaysWrong())
    brief = planner.right_answers(path)[0]["brief"]
    assert measured.cells[-2] == "0/60" and bool(measured.wrong) == told == (brief in shown.getvalue())


def test_the_page_has_a_table_for_each_file_of_briefs() -> None:
    cells = ["embedded", *["1/2"] * len(planner.MEASURES), "1.50"]
    measured = {
        planner.BRIEFS: [planner.Measured(cells, ["a cat → a dog"])],
        planner.UNSEEN: [planner.Measured(cells, [])],
    }
    project, unseen = planner.report(measured).split("## Briefs that nobody tuned on")
    assert project.startswith("## Briefs of the project\n\n| planner |") and "- a cat → a dog\n" in project
    assert "| embedded |" in unseen and "wrong" not in unseen


# One family of each kind of conditioning: of a transformer, of a U-Net, in a joint sequence.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["Hunyuan-DiT", "Stable Diffusion 1.5", "Stable Diffusion 3.5"])
def test_the_price_of_nine_regions_comes_out_of_a_family(name: str) -> None:
    (measured,) = (family for family in families.FAMILIES if family.name == name)
    ratios = families.measure(measured, 192, repeats=1)
    assert list(ratios) == (["nine", "padded", "memory"] if name == "Stable Diffusion 3.5" else ["nine", "memory"])
    assert min(ratios.values()) > 0


@pytest.mark.families
@pytest.mark.parametrize("key", gpu.MODELS)
def test_the_gpu_figures_come_out_of_a_tiny_model_on_the_cpu(
    key: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpu.main([key, "--tiny", "--steps", "2", "--no-compile"], tmp_path / "gpu.md")
    page, model = capsys.readouterr().out, gpu.MODELS[key]
    table = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    assert [name for name, *_ in table] == [name for name in gpu.ORDER if name in model.rows]
    assert all(float(over) > 0 for *_, over, _, _ in table) and not list(tmp_path.iterdir())
    assert ("latents are off by" in page) == (gpu.CACHED in model.rows) and f"## {model.title}" in page


def test_nine_regions_take_the_operations_of_one_prompt() -> None:
    model = gpu.MODELS["hunyuan-dit"]
    ways = gpu.ways(model.make(model.tiny, gpu.clock("cpu")))
    one, nine, everywhere = (gpu.flops(ways[name]) for name in (gpu.ONE, gpu.NINE, gpu.ALL))
    assert nine == pytest.approx(one, rel=0.03) and everywhere == pytest.approx(one, rel=0.03)


def test_a_step_cache_is_compared_with_the_exact_picture_of_the_same_noise() -> None:
    model = gpu.MODELS["hunyuan-dit"]
    error = gpu.cache_error(model.make(model.tiny, gpu.clock("cpu")), 4)
    assert error.threshold in gpu.THRESHOLDS and 0 < error.reused < 4 and 0 < error.error < 0.5


def test_the_gpu_page_says_which_aims_are_met_and_what_is_not_measured_yet(tmp_path: Path) -> None:
    def row(name: str, picture: float) -> gpu.Row:
        return gpu.Row(name, True, picture, 0.1, 10**12, 2**30, 1.0, 3)

    rows = [row(gpu.ONE, 2.0), row(gpu.NINE, 2.02), row(gpu.FOUR, 6.0)]
    told = gpu.aims(rows, 2e13, compiled=True)
    assert "with N=9, an aim for compiled blocks: 0.500 (missed: ≥ 0.6)" in told
    assert "N=9 over N=1: 1.010 (met: ≤ 1.05)" in told
    assert "four candidates over one picture: 2.970 (missed: ≤ 2.5)" in told
    assert told.endswith("edit over the full render: not measured.")
    shape, target = gpu.MODELS["qwen-image"].published, tmp_path / "gpu.md"
    text = gpu.section("qwen-image", rows[:2], "card", 2e13, 30, shape=shape)
    assert "Without" not in text and "edit over" not in text and gpu.cells(rows[0], rows[:1], 2e13)[0] == gpu.ONE
    sections = {"Hunyuan-DiT v1.2": "## Hunyuan-DiT v1.2\n\nolder figures\n", "Qwen-Image": text}
    target.write_text(gpu.report(sections))
    kept = gpu.sections_of(target)
    assert list(kept) == list(sections) and gpu.report(kept) == target.read_text()


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what happens without a GPU")
def test_without_a_gpu_it_ends_with_one_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        gpu.main([], tmp_path / "gpu.md")
    assert ended.value.code == 2 and not list(tmp_path.iterdir())
    assert capsys.readouterr().err == "benchmarks.gpu needs a CUDA GPU; none is here\n"


def test_edges_are_as_wide_as_their_rise_over_the_steepest_step() -> None:
    sharpness = pytest.importorskip("benchmarks.sharpness", reason="the training extra is not installed")
    across = torch.arange(64.0)

    def picture(left: torch.Tensor) -> torch.Tensor:
        return (2 * left - 1).expand(3, 64, 64)

    assert not len(sharpness.edge_widths(picture((across > 30) * 0.1)))  # too faint to be an outline
    for pixels in (1, 2, 4):
        ramp = ((across - 30) / pixels).clamp(0, 1)
        for image in (picture(ramp), picture(1 - ramp).mT):
            assert sharpness.edge_widths(image) == pytest.approx([pixels] * 64)
    rim = picture(((across - 20) / 2).clamp(0, 1) - ((across - 40) / 4).clamp(0, 1))
    assert sorted(set(sharpness.edge_widths(rim).round(6))) == [2, 4]
