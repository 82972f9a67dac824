"""A checkpoint is drawn at its own size, in its own steps; a plan without a size takes the model's, and says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from plans import plan_of
from png_files import png_bytes
from published import published
from rich.console import Console
from tiny_models import saved
from typer.testing import CliRunner

from ditpipe import Agent, Renderer, RenderRequest, Revision, ScenePlan
from ditpipe.agent.cli.display import layout_drawing
from ditpipe.agent.cli.main import app
from ditpipe.prompts.errors import RenderError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.checkpoints.registry import POCKET, checkpoint
from ditpipe.renderer.families.hunyuan import Hunyuan
from ditpipe.renderer.families.joint.flux import Flux
from ditpipe.renderer.families.pixart import PixArt
from ditpipe.renderer.families.stable_diffusion import StableDiffusion, StableDiffusionXL
from ditpipe.renderer.pictures.artifacts import read_request, write
from ditpipe.tools.api_schema import RenderInput
from ditpipe.tools.jobs.engine import JobContext
from ditpipe.tools.jobs.handlers import renderer_handlers

UNSIZED = plan_of(2).model_copy(update={"width": None, "height": None})
# name in the zoo of published structure → pixels a side, steps, guidance
OWN = {
    "hunyuan-1.2": (1024, 30, 6.0), "pixart-alpha": (1024, 20, 4.5), "pixart-alpha-512": (512, 20, 4.5),
    "pixart-sigma": (1024, 20, 4.5), "sana": (1024, 20, 4.5), "sana-512": (512, 20, 4.5), "sd-1.5": (512, 30, 7.5),
    "sd-2.1-768": (768, 30, 7.5), "sdxl": (1024, 30, 5.0), "sdxl-turbo": (1024, 4, 1.0), "sd3": (1024, 28, 7.0),
    "sd3.5-medium": (1024, 28, 4.5), "sd3.5-large-turbo": (1024, 4, 1.0), "flux-dev": (1024, 28, 3.5),
    "flux-schnell": (1024, 4, 1.0),
}  # fmt: skip


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("zoo")


@pytest.mark.parametrize("name", OWN)
def test_a_folder_is_drawn_with_its_own_defaults(name: str, zoo: Path) -> None:
    row = checkpoint(str(published(name, zoo)))
    assert (row.size, row.steps, row.guidance_scale) == OWN[name]


def test_a_distilled_hunyuan_is_told_by_its_name(zoo: Path, tmp_path: Path) -> None:
    (tmp_path / "copied-Distilled").mkdir()
    for file in published("hunyuan-1.2", zoo).rglob("*.json"):
        target = tmp_path / "copied-Distilled" / file.relative_to(published("hunyuan-1.2", zoo))
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(file.read_bytes())
    assert checkpoint(str(tmp_path / "copied-Distilled")).steps == 25


def test_a_plan_without_a_size_takes_the_models_and_the_picture_says_so(tiny: Renderer, tmp_path: Path) -> None:
    request = RenderRequest(plan=UNSIZED, steps=1)
    drawn = tiny.render(request)
    assert drawn.image.size == drawn.request.plan.size == 2 * (tiny.checkpoint.size,)
    write(tmp_path / "a.png", png_bytes(drawn))
    again = tiny.render(read_request(tmp_path / "a.png"))
    assert png_bytes(again) == (tmp_path / "a.png").read_bytes()
    wide = tiny.render(request.model_copy(update={"plan": UNSIZED.model_copy(update={"width": 96})}))
    assert wide.image.size == wide.request.plan.size == (96, 128)
    first, second = tiny.candidates(request, 2)
    assert first.request.plan.size == second.request.plan.size == (128, 128)
    change = Revision(changes=[RegionChange(name="thing 0", seed=4)])
    assert tiny.edit(request, change).request.edited_plan.size == (128, 128)


def test_the_command_and_the_services_draw_a_plan_without_a_size(tiny: Renderer, tmp_path: Path) -> None:
    file, picture = tmp_path / "plan.json", tmp_path / "a.png"
    file.write_text(UNSIZED.model_dump_json(exclude={"width", "height"}))
    done = CliRunner().invoke(
        app, ["render", str(file), "--model", tiny.model, "--steps", "1", "--out", str(picture)]
    )  # fmt: skip
    assert done.exit_code == 0 and read_request(picture).plan.size == (128, 128)
    render = renderer_handlers(tiny, lambda plan: RenderRequest(plan=plan, steps=1))["render"]
    payload = RenderInput(plan=UNSIZED).model_dump(mode="json")
    (tmp_path / "b.png").write_bytes(render(payload, JobContext(tmp_path)) or b"")
    assert read_request(tmp_path / "b.png").plan.size == (128, 128)


def test_an_agent_draws_a_plan_without_a_size(tiny: Renderer, tmp_path: Path) -> None:
    agent = Agent(renderer=tiny, critic="none", steps=1, out=tmp_path, approve=True)
    *_, waiting = agent.stream("anything", plan=UNSIZED)
    assert waiting.plan.size == (128, 128)  # type: ignore[union-attr]
    *_, finished = agent.resume(waiting.folder, approved=UNSIZED)  # type: ignore[union-attr]
    picture = finished.painting.path  # type: ignore[union-attr]
    assert read_request(picture).plan.size == (128, 128)
    changed = Revision(changes=[RegionChange(name="thing 0", seed=4)]).apply(UNSIZED)
    small = Agent(renderer=tiny, critic="none", steps=1, out=tmp_path, size=96)
    assert small.request(UNSIZED).plan.size == (96, 96)
    *_, edited = small.stream("anything", plan=changed, base=picture)
    assert read_request(edited.painting.path).edited_plan.size == (128, 128)  # type: ignore[union-attr]


def test_a_size_is_asked_for_only_where_it_is_known() -> None:
    with pytest.raises(ValueError, match="leaves the picture's size to the model"):
        UNSIZED.size  # noqa: B018
    sized = UNSIZED.with_size(512, 256)
    assert sized.size == (512, 256) and sized.with_size(64, 64) is sized
    assert Revision.between(sized, UNSIZED) is None
    console = Console(width=80, record=True)
    console.print(layout_drawing(UNSIZED))
    assert "thing 0" in console.export_text()
    assert ScenePlan.model_json_schema()["properties"]["width"]["description"].endswith("null: the model's")


FAR: list[tuple[Any, int, tuple[int, int], tuple[int, int] | None]] = [
    (Hunyuan, 1024, (1024, 1024), None),
    (Hunyuan, 1024, (768, 1280), None),
    (Hunyuan, 1024, (512, 512), (1024, 1024)),
    (Hunyuan, 1024, (448, 640), (768, 1024)),
    (Hunyuan, 128, (96, 96), None),
    (Hunyuan, 128, (256, 256), (128, 128)),
    (PixArt, 1024, (2048, 512), None),
    (PixArt, 512, (1024, 1024), (512, 512)),
    (StableDiffusion, 512, (512, 768), None),
    (StableDiffusion, 512, (1024, 1024), (512, 512)),
    (StableDiffusionXL, 1024, (512, 2048), None),
    (StableDiffusionXL, 1024, (512, 512), (1024, 1024)),
    (Flux, 1024, (512, 512), None),
    (Flux, 1024, (2048, 2048), (1024, 1024)),
]


@pytest.mark.parametrize("kind, side, size, nearest", FAR)
def test_a_size_far_from_the_trained_ones_is_known(kind: Any, side: int, size: Any, nearest: Any) -> None:
    family = kind.__new__(kind)  # no weights: only what the class knows of sizes
    assert family.nearest_trained(side, size) == nearest


def test_a_size_far_from_the_trained_ones_is_said(tiny: Renderer) -> None:
    plan = plan_of(1)
    near, far = (
        tiny.render(RenderRequest(plan=plan.model_copy(update={"width": side, "height": side}), steps=1)).warnings
        for side in (96, 64)
    )
    assert not near and far == ("64×64 pixels are far from what this model was trained at: the nearest is 128×128",)


def test_a_size_beyond_a_models_table_of_positions_is_one_line(tmp_path: Path) -> None:
    renderer = Renderer(str(saved("sd3", tmp_path)), device="cpu")
    plan = plan_of(1).model_copy(update={"width": 128, "height": 512})
    with pytest.raises(RenderError, match="this model draws at most 384 pixels a side, got 128×512"):
        renderer.render(RenderRequest(plan=plan, model=renderer.model, steps=1))


def test_offload_on_a_cpu_says_that_it_does_nothing(tiny: Renderer) -> None:
    warnings = tiny.render(RenderRequest(plan=plan_of(1), steps=1, save_memory=["offload"])).warnings
    assert warnings == ("save_memory 'offload' does nothing on a CPU: the model is in main memory all the time",)


def test_places_are_told_to_models_that_the_project_trains(tmp_path: Path) -> None:
    assert checkpoint("pocket").trained_here and checkpoint(str(POCKET)).trained_here
    assert not checkpoint("hunyuan-dit").trained_here and not checkpoint(str(saved("sd3", tmp_path))).trained_here
