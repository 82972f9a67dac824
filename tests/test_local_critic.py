"""The critic without an API: its rule on boxes made by hand, and its models on tiny checkpoints of their classes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import tiny_critics
from PIL import Image

from ditpipe import Agent
from ditpipe.agent.refine.local_critic import LocalCritic
from ditpipe.prompts.critique import Critique, RegionScore
from ditpipe.prompts.errors import ModelError
from ditpipe.prompts.plan import Box, LeveledPrompt, Region, ScenePlan
from ditpipe.prompts.wording import caption
from ditpipe.renderer.detection import Detection, Detector, TextMatcher

LEFT = Box(left=0, top=0, right=0.5, bottom=1)
RIGHT = Box(left=0.5, top=0, right=1, bottom=1)
IMAGE = Image.new("RGB", (64, 48), "white")
Build = Callable[[Path], Path]


def region(name: str, box: Box, high: str, low: str) -> Region:
    return Region(name=name, box=box, prompt=LeveledPrompt(high_level=high, low_level=low))


def plan_of(*regions: Region) -> ScenePlan:
    return ScenePlan(scene=LeveledPrompt(high_level="a street"), regions=list(regions))


def inside(box: Box) -> Box:
    width, height = (box.right - box.left) / 4, (box.bottom - box.top) / 4
    return Box(left=box.left + width, top=box.top + height, right=box.right - width, bottom=box.bottom - height)


@dataclass
class Found:
    """A detector whose findings are given."""

    detections: list[Detection]
    threshold: float = 0.1
    labels: list[str] = field(default_factory=list)

    def detect(self, image: Image.Image, labels: Sequence[str]) -> list[Detection]:
        self.labels += labels
        return self.detections


@dataclass
class Alike:
    """A matcher that gives every crop, in the order of regions, the text that it is like."""

    texts: list[str]

    def match(self, crops: Sequence[Image.Image], texts: Sequence[str]) -> list[list[float]]:
        return [[4.0 if text == alike else 0.0 for text in texts] for alike in self.texts]


CAT, ROCKET = region("cat", LEFT, "a cat", "red"), region("rocket", RIGHT, "a rocket", "blue")


def judged(plan: ScenePlan, found: list[Detection], alike: list[str]) -> tuple[Critique, dict[str, RegionScore]]:
    critique = LocalCritic(Found(found), Alike(alike)).critique(IMAGE, plan)  # type: ignore[arg-type]
    return critique, {score.name: score for score in critique.regions}


def test_what_is_found_in_its_box_and_looks_as_written_scores_high() -> None:
    found = [Detection("a cat", 0.6, inside(LEFT)), Detection("a rocket", 0.5, inside(RIGHT))]
    critique, scores = judged(plan_of(CAT, ROCKET), found, [caption(CAT.prompt), caption(ROCKET.prompt)])
    assert min(score.score or 0 for score in critique.regions) > 0.9
    assert critique.summary == "2 of 2 regions show what was asked" and not scores["cat"].problem
    rocket = ROCKET.model_copy(update={"lettering": "NASA"})
    lettered, _ = judged(plan_of(CAT, rocket), found, [caption(CAT.prompt), caption(ROCKET.prompt)])
    assert lettered.summary.endswith("; whether 'NASA' can be read is not judged")


def test_a_thing_elsewhere_scores_nothing_and_its_place_is_named() -> None:
    _, scores = judged(plan_of(CAT), [Detection("a cat", 0.6, inside(RIGHT))], [caption(CAT.prompt)])
    assert scores["cat"].score == 0
    assert scores["cat"].problem == "no 'a cat' found in its place; there is one at the right"


def test_a_single_cat_is_not_two_cats() -> None:
    cats = region("cat", LEFT, "a cat", "red"), region("cat 2", RIGHT, "a cat", "white")
    wide = Box(left=0.1, top=0, right=0.6, bottom=1)
    _, scores = judged(
        plan_of(*cats), [Detection("a cat", 0.6, wide)], [caption(cats[0].prompt), caption(cats[1].prompt)]
    )
    assert (scores["cat"].score or 0) > 0.9 and scores["cat 2"].score == 0


def test_the_wrong_colour_and_the_wrong_subject_are_told_apart() -> None:
    found = [Detection("a cat", 0.6, inside(LEFT)), Detection("a rocket", 0.5, inside(RIGHT))]
    _, scores = judged(plan_of(CAT, ROCKET), found, ["a cat", caption(CAT.prompt)])
    assert scores["cat"].problem == "does not look 'red'" and (scores["cat"].score or 0) < 0.5
    assert scores["rocket"].problem == f"looks more like {caption(CAT.prompt)!r}"


def test_an_unsure_detection_lowers_the_score() -> None:
    _, scores = judged(plan_of(CAT), [Detection("a cat", 0.15, inside(LEFT))], [caption(CAT.prompt)])
    assert scores["cat"].score == pytest.approx(0.75)


def test_a_plan_without_regions_is_not_judged() -> None:
    critique = LocalCritic(Found([]), Alike([])).critique(IMAGE, plan_of(CAT).model_copy(update={"regions": []}))  # type: ignore[arg-type]
    assert critique.score is None and critique.regions == []


@pytest.mark.parametrize("build", [tiny_critics.owlv2, tiny_critics.grounding_dino], ids=lambda build: build.__name__)
def test_detectors_of_the_published_classes_load_and_find(build: Build, tmp_path: Path) -> None:
    detector = Detector.load(build(tmp_path), device="cpu")
    detector.threshold = 0.0  # random weights: everything is found, somewhere
    found = detector.detect(IMAGE, ["a cat", "a rocket"])
    assert {detection.label for detection in found} <= {"a cat", "a rocket"} and found
    assert [d.score for d in found] == sorted((d.score for d in found), reverse=True)
    assert detector.detect(IMAGE, []) == []


@pytest.mark.parametrize("build", [tiny_critics.siglip2, tiny_critics.clip], ids=lambda build: build.__name__)
def test_matchers_of_the_published_classes_load_and_compare(build: Build, tmp_path: Path) -> None:
    matcher = TextMatcher.load(build(tmp_path), device="cpu")
    logits = matcher.match([IMAGE, IMAGE.rotate(90)], ["a red cat", "a blue rocket " * 40, "a cat"])
    assert [len(row) for row in logits] == [3, 3] and len({*logits[0]}) == 3


def test_both_models_judge_together_from_folders(tmp_path: Path) -> None:
    critic = LocalCritic.named(
        f"local:{tiny_critics.owlv2(tmp_path / 'owl')},{tiny_critics.siglip2(tmp_path / 'siglip')}", device="cpu"
    )
    critique = critic.critique(IMAGE, plan_of(CAT, ROCKET))
    assert [score.name for score in critique.regions] == ["cat", "rocket"]
    assert all(0 <= (score.score or 0) <= 1 for score in critique.regions)


def test_a_folder_of_another_model_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot load .* as a critic's model"):
        Detector.load(tiny_critics.clip(tmp_path), device="cpu")
    with pytest.raises(ModelError, match="neither a folder nor a name on the hub"):
        TextMatcher.load("no such thing")


def test_the_critic_is_named_by_its_setting(tmp_path: Path) -> None:
    folders = f"{tiny_critics.owlv2(tmp_path / 'owl')},{tiny_critics.clip(tmp_path / 'clip')}"
    critic = Agent(critic=f"local:{folders}").critic
    assert isinstance(critic, LocalCritic) and critic.detector.threshold == 0.1
    with pytest.raises(ValueError, match="at most two models"):
        LocalCritic.named("local:a,b,c")
    with pytest.raises(ValueError, match="used by neither planner nor critic"):
        Agent(critic="local", base_url="http://127.0.0.1:9/v1")
