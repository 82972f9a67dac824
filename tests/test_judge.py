"""The benchmarks' judge with its shipped weights, on pictures composed as in training."""

import json
from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from ditpipe import columns, grid
from ditpipe.renderer.checkpoints.registry import POCKET
from ditpipe.renderer.metrics.pocket_judge import SCENE_WEIGHTS, WEIGHTS, Judge, SceneJudge
from ditpipe.renderer.metrics.pocket_labels import COLOURS, NOTHING, SUBJECTS, SceneSeen, Seen

FIXTURES = Path(__file__).parent / "fixtures"


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge.load()


def test_it_names_what_is_there(judge: Judge) -> None:
    pair = Image.open(FIXTURES / "red_cat_blue_rocket.png")
    for picture in (pair, pair.filter(ImageFilter.GaussianBlur(1)), pair.resize((200, 200))):
        assert judge.look(picture, columns(2)) == [Seen("cat", "red"), Seen("rocket", "blue")]


def test_an_empty_corner_shows_nothing(judge: Judge) -> None:
    corners = Image.open(FIXTURES / "three_corners.png")
    seen = [str(one) for one in judge.look(corners, grid(2, 2))]
    assert seen == ["purple turtle", "yellow balloon", "orange robot", NOTHING]


def test_a_plain_picture_shows_nothing(judge: Judge) -> None:
    assert judge.look(Image.new("RGB", (96, 96), (190, 220, 250)), grid(3, 3)) == [Seen(NOTHING, "")] * 9


def test_its_words_are_the_world_of_the_critic() -> None:
    words = json.loads((POCKET / "critic" / "vocabulary.json").read_text())
    assert (list(SUBJECTS), list(COLOURS)) == (list(words["subjects"]), list(words["colours"]))


def test_it_is_small_and_measured() -> None:
    assert WEIGHTS.stat().st_size <= 600_000
    assert json.loads((WEIGHTS.parent / "accuracy.json").read_text())["composed"]["both"] >= 0.98


def test_the_judge_of_whole_pictures_is_small_and_measured() -> None:
    figures = json.loads((WEIGHTS.parent / "accuracy.json").read_text())["scenes"]
    assert SCENE_WEIGHTS.stat().st_size <= 300_000
    assert min(figures["background"], figures["light"], figures["style"]) >= 0.95


def test_whole_pictures_have_a_background_a_light_and_a_style() -> None:
    pictures = [Image.open(FIXTURES / name) for name in ("red_cat_blue_rocket.png", "three_corners.png")]
    assert SceneJudge.load().look(pictures) == [
        SceneSeen("night", "bright", "flat"),
        SceneSeen("meadow", "bright", "flat"),
    ]


def test_without_weights_it_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="python -m training.judge"):
        Judge.load(tmp_path / "judge.safetensors")
