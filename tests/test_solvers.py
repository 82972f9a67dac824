"""Solvers: which one draws a model, that it is diffusers' own, and how edits, candidates and start pictures fare."""

from __future__ import annotations

import json
import threading
from math import inf
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from family_plans import plan_of, request
from png_files import png_bytes
from previews import preview
from tiny_models import TINY, by_speed, saved
from typer.testing import CliRunner

from benchmarks.solvers import Mixture, Model, by_default, drawn, published
from ditpipe import LeveledPrompt, Renderer, RenderRequest, Revision
from ditpipe.agent.cli.main import app
from ditpipe.prompts.errors import ModelError, RenderError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.checkpoints.registry import POCKET
from ditpipe.renderer.checkpoints.supported import check_scheduler
from ditpipe.renderer.families.hunyuan import Hunyuan
from ditpipe.renderer.families.pixart import PixArt
from ditpipe.renderer.families.stable_diffusion import StableDiffusion
from ditpipe.renderer.pictures.artifacts import read_request, write
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.tools.api_schema import PaintInput, RenderInput
from ditpipe.tools.jobs.engine import JobContext
from ditpipe.tools.jobs.handlers import renderer_handlers

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
DPM: Any = diffusers.DPMSolverMultistepScheduler
# As they are published, the tiny checkpoints have schedulers of Euler's.
AS_PUBLISHED = {
    "pixart-sigma": lambda: DPM(),
    "sana": lambda: DPM(use_flow_sigmas=True, prediction_type="flow_prediction", flow_shift=3.0),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("solvers")


@pytest.fixture(scope="module")
def renderers(folder: Path) -> dict[str, Renderer]:
    """Every family, each with a scheduler of its publisher's class."""
    for name in TINY:
        saved(name, folder)
        if make := AS_PUBLISHED.get(name):
            make().save_pretrained(folder / name / "scheduler")
            index = folder / name / "model_index.json"
            parts = json.loads(index.read_text()) | {"scheduler": ["diffusers", "DPMSolverMultistepScheduler"]}
            index.write_text(json.dumps(parts))
    return {name: Renderer(str(folder / name), device="cpu") for name in TINY}


@pytest.mark.parametrize("name", AS_PUBLISHED)
def test_a_model_published_with_dpm_is_drawn_as_diffusers_default_call_draws_it(
    name: str, renderers: dict[str, Renderer]
) -> None:
    renderer = renderers[name]
    plan = plan_of(name, 1, negative="blurred", scene=LeveledPrompt(high_level="a, red"))
    given = request(renderer, plan, guidance_scale=4, seed=7, steps=3, prompt_schedule=preset("regions"))
    ours = renderer.render(given).latents
    pipe = diffusers.DiffusionPipeline.from_pretrained(renderer.model)
    pipe.set_progress_bar_config(disable=True)
    extra: dict[str, Any] = {"complex_human_instruction": None} if name == "sana" else {}
    theirs = pipe(
        "a, red", negative_prompt="blurred", height=plan.height, width=plan.width, num_inference_steps=3,
        guidance_scale=4, output_type="latent", use_resolution_binning=False, clean_caption=False,
        latents=torch.randn(ours.shape, generator=torch.Generator().manual_seed(7)), **extra,
    ).images  # fmt: skip
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=3e-4)
    assert renderer.family.solver == "dpm++"


def test_the_scheduler_says_which_solver_draws(renderers: dict[str, Renderer]) -> None:
    assert {name: one.family.solver for name, one in renderers.items()} == {
        "pixart-sigma": "dpm++", "sana": "dpm++", "pixart-alpha": "euler", "sana-1.5": "euler", "sd": "euler",
        "sdxl": "euler", "sd3": "euler", "sd3.5": "euler", "flux": "euler",
    }  # fmt: skip
    assert {name: one.solver for name, one in published().items()} == {
        "hunyuan-dit": "euler", "pixart-sigma": "dpm++", "sana": "dpm++", "sd-1.5": "dpm++", "sdxl": "euler",
        "sd-3.5-medium": "euler", "flux-schnell": "euler", "flux-dev": "euler",
    }  # fmt: skip


@pytest.mark.parametrize("name", by_speed(TINY))
def test_every_family_draws_edits_and_repeats_with_the_other_solver(name: str, renderers: dict[str, Renderer]) -> None:
    renderer = renderers[name]
    own = renderer.family.solver
    other = "euler" if own == "dpm++" else "dpm++"
    given = request(renderer, plan_of(name), steps=4, solver=other)
    before = renderer.render(given)
    assert not torch.equal(before.latents, renderer.render(given.model_copy(update={"solver": None})).latents)
    assert torch.equal(
        renderer.render(given.model_copy(update={"solver": own})).latents,
        renderer.render(given.model_copy(update={"solver": None})).latents,
    )
    change = RegionChange(name="thing 0", prompt=LeveledPrompt(high_level="zzz qqq"), seed=5)
    after = renderer.edit(before, Revision(changes=[change]))
    half = before.latents.shape[-1] // 2
    assert torch.equal(before.latents[..., half:], after.latents[..., half:])
    assert (before.latents[..., :half] != after.latents[..., :half]).all()
    assert torch.equal(renderer.render(after.request).latents, after.latents)
    first, second = renderer.candidates(given, 2)
    torch.testing.assert_close(first.latents, before.latents, rtol=1e-2, atol=1e-3)
    assert torch.equal(renderer.render(second.request).latents, second.latents)


def test_an_edit_that_changes_nothing_seen_draws_what_was_there(tiny: Renderer) -> None:
    """With whole steps only, the drawn tokens go the way that the first render went."""
    plan = plan_of("tiny")
    renders = {}
    for steps in (1, 2):
        before = tiny.render(RenderRequest(plan=plan, steps=steps, solver="dpm++"))
        same = Revision(changes=[RegionChange(name="thing 0", negative="zzz")])
        renders[steps] = (before, tiny.edit(before, same))
    half = renders[1][0].latents.shape[-1] // 2
    for before, after in renders.values():
        assert torch.equal(before.latents[..., half:], after.latents[..., half:])
        assert after.latents.isfinite().all()


def test_steps_foresee_the_picture_and_a_start_picture_leads_there(tiny: Renderer, tmp_path: Path) -> None:
    """The last step's foreseen picture is the picture; little noise leaves most of the start picture."""
    given = RenderRequest(plan=plan_of("tiny"), steps=3, solver="dpm++")
    whole = tiny.render(given)
    file = tmp_path / "start.png"
    write(file, png_bytes(whole))
    previews: list[Any] = []
    near = tiny.render(
        RenderRequest.model_validate({**dict(given), "image": FileRef.of(file), "denoise": 0.05}),
        lambda step: previews.append(preview(step)),
    )
    far = tiny.render(RenderRequest.model_validate({**dict(given), "image": FileRef.of(file), "denoise": 1.0}))
    start = tiny.family.encode_image(whole.image)
    assert (near.latents - start).square().mean() < (far.latents - start).square().mean()
    away = np.abs(np.asarray(previews[-1], dtype=int) - np.asarray(near.image, dtype=int))
    assert away.max() <= 1 and len(previews) == 3


def test_a_step_cache_works_with_every_solver(tiny: Renderer) -> None:
    for solver in ("euler", "dpm++"):
        given = RenderRequest(plan=plan_of("tiny"), steps=4, solver=solver, step_cache=1.0)
        assert "3 of 4 steps reused" in tiny.render(given).warnings[0]


def test_what_a_multistep_solver_remembers_is_of_one_render(tiny: Renderer) -> None:
    given = [RenderRequest(plan=plan_of("tiny"), steps=6, solver="dpm++", seed=seed) for seed in (1, 2)]
    alone = [tiny.render(one).latents for one in given]
    results: dict[int, torch.Tensor] = {}
    threads = [threading.Thread(target=lambda i=i: results.update({i: tiny.render(given[i]).latents})) for i in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(alone[i], results[i]) for i in (0, 1))


@pytest.mark.parametrize("scheduler, flow, why", [
    (diffusers.EDMDPMSolverMultistepScheduler(), False, "EDMDPMSolverMultistepScheduler, for which there is no"),
    (diffusers.EDMEulerScheduler(), False, "EDMEulerScheduler, for which there is no solver here"),
    (diffusers.LCMScheduler(), False, "LCMScheduler, for which there is no solver here"),
    (diffusers.TCDScheduler(), False, "TCDScheduler, for which there is no solver here"),
    (diffusers.FlowMatchLCMScheduler(), True, "FlowMatchLCMScheduler, for which there is no solver here"),
    (diffusers.FlowMatchEulerDiscreteScheduler(), False, "for a flow, and this model is a diffusion"),
    (DPM(use_flow_sigmas=True, prediction_type="flow_prediction"), False, "for a flow, and this model"),
    (DPM(), True, "for a diffusion, and this model is a flow"),
    (diffusers.DDIMScheduler(thresholding=True), False, "with thresholding, which no solver here implements"),
    (diffusers.FlowMatchEulerDiscreteScheduler(stochastic_sampling=True), True, "with stochastic_sampling"),
])  # fmt: skip
def test_a_scheduler_that_no_solver_stands_in_for_is_refused(scheduler: Any, flow: bool, why: str) -> None:
    with pytest.raises(ModelError, match=why) as caught:
        check_scheduler(type(scheduler).__name__, scheduler.config, flow=flow)
    assert "\n" not in str(caught.value)


def test_a_folder_is_refused_when_it_loads(folder: Path, tmp_path: Path) -> None:
    pipe = TINY["sdxl"]()
    pipe.scheduler = diffusers.TCDScheduler()
    with pytest.raises(ModelError, match="TCDScheduler"):
        StableDiffusion(pipe)
    pipe = TINY["sdxl"]()
    pipe.vae.register_to_config(latents_mean=[0.0] * 4)
    with pytest.raises(ModelError, match="latents_mean"):
        StableDiffusion(pipe)


@pytest.mark.parametrize("model", published().values(), ids=published())
@pytest.mark.parametrize("solver", ["euler", "dpm++"])
def test_every_schedule_falls_to_no_noise(model: Any, solver: Any) -> None:
    for steps in (1, 2, 4, 20, 61, 100, 999):
        ours = model.family.schedule_of(
            model.scheduler.config, steps, denoise=1.0, tokens=4096, solver=solver, device=CPU
        )  # fmt: skip
        levels = [float(ours.sigma(i)) for i in range(steps + 1)]
        assert levels == sorted(set(levels), reverse=True) and levels[-1] == 0 and levels[0] < inf


def test_a_schedule_ends_without_noise_whatever_its_publisher_said() -> None:
    for family in (Hunyuan, PixArt):
        for solver in ("euler", "dpm++"):
            config = DPM(final_sigmas_type="sigma_min", algorithm_type="sde-dpmsolver++").config
            schedule = family.schedule_of(config, 5, denoise=1.0, tokens=1, solver=solver, device=CPU)
            assert schedule.sigma(5) == 0


def test_more_steps_than_a_solver_has_are_refused() -> None:
    with pytest.raises(RenderError, match="1000 steps are too many for this solver"):
        PixArt.schedule_of(DPM().config, 1000, denoise=1.0, tokens=1, solver="dpm++", device=CPU)


def test_a_solver_is_an_option_a_setting_and_a_field_of_every_order(tiny: Renderer, tmp_path: Path) -> None:
    plan, picture, run = tmp_path / "plan.json", tmp_path / "a.png", CliRunner()
    plan.write_text(plan_of("tiny").model_dump_json())
    usual = ["render", str(plan), "--model", tiny.model, "--steps", "2", "--out", str(picture)]
    assert run.invoke(app, [*usual, "--solver", "dpm++"]).exit_code == 0
    assert read_request(picture).solver == "dpm++"
    by_option = picture.read_bytes()
    assert run.invoke(app, usual, env={"DITPIPE_SOLVER": "dpm++"}).exit_code == 0 and picture.read_bytes() == by_option
    wrong = run.invoke(app, [*usual, "--solver", "heun"])
    assert isinstance(wrong.exception, ValueError) and "'euler' or 'dpm++'" in str(wrong.exception)
    render = renderer_handlers(tiny, lambda plan: RenderRequest(plan=plan, steps=2))["render"]
    payload = RenderInput(plan=plan_of("tiny"), solver="dpm++").model_dump(mode="json")
    (tmp_path / "b.png").write_bytes(render(payload, JobContext(tmp_path)) or b"")
    assert read_request(tmp_path / "b.png").solver == "dpm++"
    assert "solver" in PaintInput.model_fields


def test_the_pocket_model_keeps_eulers_steps() -> None:
    scheduler = diffusers.DDPMScheduler.from_pretrained(str(POCKET), subfolder="scheduler")
    ours = Hunyuan.schedule_of(scheduler.config, 20, denoise=1.0, tokens=64, solver="euler", device=CPU)
    theirs = diffusers.EulerDiscreteScheduler.from_config(scheduler.config, timestep_spacing="trailing")
    theirs.set_timesteps(20)
    assert all(ours.sigma(i) == theirs.sigmas[i] for i in range(21))
    assert published()["hunyuan-dit"].solver == "euler"


def test_the_measurement_finds_the_better_solver_and_agrees_with_diffusers() -> None:
    mixture = Mixture.random(0, count=4, size=8, spread=0.3)
    noise = torch.randn(64, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    exact = mixture.exact(noise, 400)
    torch.testing.assert_close(exact, mixture.exact(noise, 800), atol=1e-6, rtol=0)
    for name in ("pixart-sigma", "sana"):
        model = Model(mixture, known := published()[name])
        euler, dpm = (drawn(model, noise, known, solver=solver, steps=20) for solver in ("euler", "dpm++"))
        default = by_default(model, noise, known, 20)
        assert default is not None and torch.equal(default, dpm)
        assert (dpm - exact).square().mean() < 0.3 * (euler - exact).square().mean()
