"""Where and in which numbers pictures are computed, and how long a chat model may take."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from plans import changed, plan_of
from png_files import png_bytes
from pydantic import ValidationError
from tiny_models import NAMES, by_speed, saved
from typer.testing import CliRunner

from ditpipe import Agent, Renderer, RenderRequest, Revision
from ditpipe.agent.cli.main import app
from ditpipe.agent.runs.folder import run_record
from ditpipe.agent.settings import settings_of
from ditpipe.prompts.errors import ModelError, first_problem
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.pictures.artifacts import read_request
from ditpipe.renderer.spread import SpreadRenderer
from ditpipe.tools.api_schema import edit_of_upload

pytestmark = pytest.mark.families


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"device": "gpu"}, "device: 'gpu' is no device: give auto, cpu, mps, cuda or cuda:1"),
        ({"device": "cuda:0,cpu"}, "device: 'cuda:0,cpu' is no device"),
        ({"device": "cuda:0,cuda:0"}, "device: 'cuda:0,cuda:0' is no device"),
        ({"dtype": "half"}, "dtype: Input should be 'auto', 'float32', 'bfloat16' or 'float16'"),
        ({"timeout": 0}, "timeout: Input should be greater than 0"),
        ({"timeout": "long"}, "timeout: Input should be a valid number"),
    ],
)
def test_what_is_none_is_one_line(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError) as raised:
        settings_of(**options)
    assert first_problem(raised.value).startswith(told)


def test_a_device_that_is_not_here_is_a_line_that_lists_those_that_are(tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text(plan_of(2).model_dump_json())
    CliRunner().invoke(app, ["render", str(plan), "--steps", "1"])
    for command in (["render", str(plan)], ["repaint", str(tmp_path / "plan.png")]):
        error = CliRunner().invoke(app, [*command, "--device", "cuda:99"]).exception
        assert isinstance(error, ModelError)
        assert str(error).startswith("cannot compute on 'cuda:99' (here: ") and "cpu" in str(error)


def test_the_agent_draws_on_the_device_and_in_the_numbers_of_its_settings(tmp_path: Path) -> None:
    agent = Agent(model=str(saved("sana", tmp_path)), device="cpu", dtype="bfloat16", critic="none")
    renderer = agent.renderer
    assert isinstance(renderer, Renderer)
    family = renderer.family  # before a request says it: nothing is loaded twice
    assert (family.device, family.dtype) == (torch.device("cpu"), torch.bfloat16)
    plan = plan_of(2).model_copy(update={"width": 128, "height": 128})
    assert renderer.render(agent.request(plan).model_copy(update={"steps": 1})).request.dtype == "bfloat16"
    assert renderer.family is family


@pytest.mark.parametrize("name", by_speed(["pixart-sigma", "sana", "sd", "sd3", "flux"]))
def test_every_family_computes_in_16_bits(name: str, tmp_path: Path) -> None:
    renderer = Renderer(str(saved(name, tmp_path)), device="cpu")
    plan = plan_of(2).model_copy(update={"width": 128, "height": 128})
    exact, *rounded = (
        renderer.render(RenderRequest(plan=plan, steps=2, dtype=dtype)).latents
        for dtype in ("float32", "float16", "bfloat16")
    )
    for latents in rounded:
        assert 0 < (latents - exact).abs().mean() < 0.1 * exact.abs().mean()


def test_a_picture_tells_its_numbers_and_is_drawn_again_in_them(tiny: Renderer, tmp_path: Path) -> None:
    plan, picture, again = (tmp_path / name for name in ("plan.json", "a.png", "b.png"))
    plan.write_text(plan_of(2).model_dump_json())
    run, usual = CliRunner(), ["--model", tiny.model, "--device", "cpu"]
    rendered = ["render", str(plan), "--steps", "2", "--dtype", "bfloat16", "--out", str(picture)]
    for command in (rendered, ["repaint", str(picture), "--out", str(again)]):
        assert run.invoke(app, [*command, *usual]).exit_code == 0
    assert read_request(picture).dtype == "bfloat16" and again.read_bytes() == picture.read_bytes()
    usual_numbers = tiny.render(RenderRequest(plan=plan_of(2), steps=2))
    assert usual_numbers.request.dtype is None and "dtype" not in usual_numbers.request.model_dump()


def test_a_server_does_not_load_its_model_anew_for_a_strangers_numbers() -> None:
    service: Any = SimpleNamespace(largest=512)
    revision = Revision(changes=[RegionChange(name="thing 0", seed=1)])
    request, here = RenderRequest(plan=plan_of(2), dtype="bfloat16"), RenderRequest(plan=plan_of(2))
    with pytest.raises(ValueError, match="made with dtype=bfloat16; only the usual one is drawn here"):
        edit_of_upload(service, request, revision, here=here, steps=20)
    assert edit_of_upload(service, request, revision, here=request, steps=20).request == request


def test_a_run_goes_on_where_its_reader_wants_it(tiny: Renderer, tmp_path: Path) -> None:
    agent = Agent(renderer=tiny, critic="none", steps=1, timeout=5, device="cpu", out=tmp_path, approve=True)
    *_, waiting = agent.stream("anything", plan=plan_of(2))
    folder = waiting.folder  # type: ignore[union-attr]
    assert not {"timeout", "device"} & run_record(folder).settings.keys()
    own = ["--model", tiny.model, "--critic", "none", "--device", "cpu", "--timeout", "9"]
    done = CliRunner().invoke(app, ["resume", str(folder), "--yes", "--json", *own])
    assert Path(json.loads(done.stdout)["picture"]).exists()


def test_a_chat_model_gets_the_time_of_the_settings() -> None:
    served: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "timeout": 7}
    agent = Agent(planner="m", critic="m", **served)
    models: list[Any] = [agent.planner.chat_model, agent.critic.chat_model]  # type: ignore[union-attr]
    assert [model.request_timeout.read for model in models] == [7, 7]


def test_candidates_on_several_devices_have_their_usual_seeds_and_are_drawn_again(
    tiny: Renderer, tiny_folder: Path
) -> None:
    steps: list[int] = []
    spread = SpreadRenderer(str(tiny_folder), others=[tiny], device="cpu")
    request = RenderRequest(plan=plan_of(2), steps=2, seed=5)
    results = spread.candidates(request, 3, lambda step: steps.append(step.index))
    seeds = [result.request.seed for result in results]
    assert seeds == tiny.candidate_seeds(request, 3) and steps == [1, 2]
    assert [result.request.together for result in results] == [seeds[:2], seeds[:2], []]
    again = [png_bytes(tiny.render(result.request)) for result in results]
    assert [png_bytes(result) for result in results] == again and len(set(again)) == 3


def test_an_error_on_one_device_ends_the_candidates_on_the_others(tiny_folder: Path) -> None:
    class Broken(Renderer):
        def batch(self, *arguments: Any, **options: Any) -> Any:
            raise ModelError("its memory is broken")

    steps: list[int] = []
    spread = SpreadRenderer(str(tiny_folder), others=[Broken(str(tiny_folder))], device="cpu")
    with pytest.raises(ModelError, match="its memory is broken"):
        spread.candidates(RenderRequest(plan=plan_of(2), steps=1000), 2, lambda step: steps.append(step.index))
    assert len(steps) < 1000


def test_a_picture_alone_is_drawn_on_two_devices_and_says_so(tiny: Renderer, tiny_folder: Path) -> None:
    both = SpreadRenderer(str(tiny_folder), others=[tiny], device="cpu")
    request = RenderRequest(plan=plan_of(4), steps=2, seed=5)
    alone = tiny.render(request)
    (result,) = both.candidates(request, 1)
    assert set(result.warnings) - set(alone.warnings) == {
        "drawn on cpu and cpu, a half of the guidance on each: on one of them its pixels may differ by a level or two"
    }
    torch.testing.assert_close(result.latents, alone.latents, rtol=0, atol=1e-4)
    cached = both.render(request.model_copy(update={"step_cache": 0.5}))
    assert "cpu was not used: the step cache is of one device" in cached.warnings
    edited = both.edit(result, Revision(changes=[RegionChange(name="thing 0", seed=1)]))
    assert edited.latents.shape == alone.latents.shape
    assert both.render(edited.request).warnings == edited.warnings


GUIDED = [name for name in NAMES if name not in ("flux", "flux.2-klein", "flux.2-dev")]


@pytest.mark.parametrize("name", by_speed(GUIDED))
def test_the_halves_of_the_guidance_are_those_of_one_forward(name: str, tmp_path: Path) -> None:
    """Negatives, soft edges and a batch: the rows of each half keep their texts and their weights."""
    model = str(saved(name, tmp_path))
    plan = plan_of(2).model_copy(update={"width": 128, "height": 128, "negative": "grey"})
    plan = changed(plan, 0, negative="blue", feather=2)
    request = RenderRequest(plan=plan, steps=2, guidance_scale=4, together=[0, 1])
    one, other = Renderer(model, device="cpu"), Renderer(model, device="cpu")
    both = SpreadRenderer(model, others=[other], device="cpu")
    alone, split = one.render(request), both.render(request)
    assert any(text.startswith("drawn on cpu and cpu") for text in split.warnings)
    scale = alone.latents.abs().mean()
    assert (split.latents - alone.latents).abs().max() < 1e-4 * scale


@pytest.mark.parametrize("name", ["flux"])
def test_a_model_without_two_halves_says_that_one_device_was_not_used(name: str, tmp_path: Path) -> None:
    model = str(saved(name, tmp_path))
    both = SpreadRenderer(model, others=[Renderer(model, device="cpu")], device="cpu")
    warnings = both.render(RenderRequest(plan=plan_of(2).with_size(128, 128), steps=1)).warnings
    assert "cpu was not used: there is no guidance, so there are no two halves" in warnings
