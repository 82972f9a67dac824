"""docs/new-family.md: what it shows is what the repository holds, and a family made from the page alone draws."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from family_plans import plan_of, request
from published import published

from ditpipe import Renderer
from ditpipe.renderer.checkpoints import published_models
from ditpipe.renderer.checkpoints.registry import FAMILIES, checkpoint
from ditpipe.renderer.families.joint import chroma
from ditpipe.renderer.loaded_model import LoadedModel

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "new-family.md").read_text(encoding="utf-8")
FILE, ROW = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_row_of_the_page_is_the_tables() -> None:
    (row,) = eval(f"[{ROW}]", vars(published_models))  # the page is this repository's own
    assert row == FAMILIES["chroma"]


def test_the_class_of_the_page_draws_as_the_families_own(tmp_path: Path) -> None:
    folder = str(published("chroma", tmp_path))
    names: dict[str, Any] = dict(vars(chroma))
    exec(FILE, names)
    assert names["Chroma"] is not chroma.Chroma
    renderer = Renderer(folder, device="cpu")
    plan = plan_of("chroma", 2)
    expected = renderer.render(request(renderer, plan)).latents
    made = LoadedModel(names["Chroma"](renderer.pipe), checkpoint(folder))
    latents, _ = made.denoised(request(renderer, plan, prompt_schedule=None), plan, [0])
    assert torch.equal(latents.float(), expected)


def test_the_files_and_tests_that_the_page_names_are_there() -> None:
    named = set(re.findall(r"`((?:tests|renderer|docs)/[\w/.]+\.\w+)`", PAGE))
    assert len(named) > 5 and all((ROOT / name).exists() for name in named)
    assert all((ROOT / "renderer" / "families" / name).exists() for name in re.findall(r"`([\w/]+\.py)`", PAGE)
               if not name.startswith(("tests/", "renderer/")))  # fmt: skip
