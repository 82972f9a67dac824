"""Every field and option acts, or says that it does not: a new one without an entry here is a failure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from fakes import Pleased, TwoThings
from PIL import Image, ImageDraw
from plans import plan_of
from pydantic import BaseModel
from typer.testing import CliRunner

from ditpipe import Agent, Box, Region, Renderer, RenderRequest, Revision, ScenePlan
from ditpipe.agent.cli.commands.serve import _agent
from ditpipe.agent.cli.main import app
from ditpipe.agent.cli.options import SETTINGS, flag
from ditpipe.prompts.plan import LeveledPrompt
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS
from ditpipe.renderer.pictures.artifacts import read_metadata
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.regions.mask_image import mask_text
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.tools.api_schema import (
    AddArguments,
    ChangeArguments,
    EditArguments,
    GetArguments,
    PaintArguments,
    PictureArguments,
    PlanArguments,
    RemoveArguments,
    RenderArguments,
    redraw_of,
)
from ditpipe.tools.openai_images_schema import EditSettings, ImageSettings, VariationSettings

WHOLE = Box(left=0, top=0, right=1, bottom=1)
CHANGE = Revision(changes=[RegionChange(name="thing 0", seed=4)])


def region(number: int = 0, **fields: Any) -> ScenePlan:
    """Two things, of which one has other fields."""
    regions = list(plan_of(2).regions)
    regions[number] = regions[number].model_copy(update=fields)
    return plan_of(2).model_copy(update={"regions": regions})


def plan(**fields: Any) -> ScenePlan:
    return plan_of(2).model_copy(update=fields)


def triangle() -> str:
    shape = Image.new("L", (96, 96))
    ImageDraw.Draw(shape).polygon([(0, 0), (60, 0), (0, 90)], fill=255)
    return mask_text(shape)


class Elsewhere(str):
    """The test that shows that a field acts: 'file::test'. It must be there."""

    @property
    def is_there(self) -> bool:
        file, _, name = self.partition("::")
        return f"def {name}(" in _source(Path(__file__).with_name(file))


@cache
def _source(file: Path) -> str:
    return file.read_text()


# Two requests, of which the named field differs: their pictures differ, too.
Pair = tuple[dict[str, Any], dict[str, Any]]
STRIPES: dict[str, Any] = {"image": "stripes.png", "denoise": 0.5}

REQUEST: dict[str, Pair | Elsewhere] = {
    "plan": ({}, {"plan": plan_of(4)}),
    "model": Elsewhere("test_pipeline.py::test_a_picture_names_the_model_that_drew_it_and_no_other_draws_it_again"),
    "seed": ({"seed": 5}, {"seed": 2**32 + 5}),
    "steps": ({"steps": 2}, {"steps": 3}),
    "guidance_scale": ({"guidance_scale": 1}, {"guidance_scale": 6}),
    "solver": ({"steps": 4, "solver": "euler"}, {"steps": 4, "solver": "dpm++"}),
    "prompt_schedule": ({"prompt_schedule": preset("regions")}, {"prompt_schedule": preset("scene-then-regions@0.5")}),
    "together": Elsewhere("test_controls.py::test_candidates_are_different_pictures_that_can_each_be_made_again"),
    "edits": ({}, {"edits": [CHANGE]}),
    "image": ({}, STRIPES),
    "denoise": (STRIPES, STRIPES | {"denoise": 0.9}),
    "fit": (STRIPES, STRIPES | {"fit": "contain"}),
    "background": (STRIPES, STRIPES | {"background": "navy"}),
    "controls": Elsewhere("test_options.py::test_a_controlnet_acts_as_in_diffusers_pipeline"),
    "loras": Elsewhere("test_lora.py::test_a_lora_for_the_whole_picture_is_what_peft_merges"),
    "save_memory": ({}, {"save_memory": ["int8"]}),
    "dtype": ({}, {"dtype": "bfloat16"}),
    "step_cache": Elsewhere("test_options.py::test_a_step_cache_reuses_and_says_what_it_was_off_by"),
    "compile": Elsewhere("test_options.py::test_blocks_can_be_compiled"),
}
PLAN: dict[str, Pair | Elsewhere] = {
    "width": ({}, {"plan": plan(width=112)}),
    "height": ({}, {"plan": plan(height=112)}),
    "scene": ({}, {"plan": plan(scene=LeveledPrompt(high_level="zzz"))}),
    "negative": ({}, {"plan": plan(negative="zzz")}),
    "regions": ({}, {"plan": plan_of(4)}),
    "style": ({}, {"plan": plan(style="zzz")}),
    "colors": Elsewhere("test_nothing_is_ignored.py::test_what_cannot_act_is_said"),
    "notes": Elsewhere("test_nothing_is_ignored.py::test_what_cannot_act_is_said"),
}
REGION: dict[str, Pair | Elsewhere] = {
    "name": Elsewhere("test_controls.py::test_edits_are_part_of_the_request_and_can_be_made_again"),
    "box": ({}, {"plan": region(box=Box(left=0, top=0, right=0.5, bottom=0.5))}),
    "prompt": ({}, {"plan": region(prompt=LeveledPrompt(high_level="zzz"))}),
    "negative": ({}, {"plan": region(negative="zzz")}),
    "z_order": ({"plan": region(box=WHOLE)}, {"plan": region(box=WHOLE, z_order=1)}),
    "seed": ({"plan": region(seed=5)}, {"plan": region(seed=2**40 + 5)}),
    "feather": ({}, {"plan": region(1, feather=3.0)}),
    "strength": ({}, {"plan": region(strength=0.5)}),
    "start": ({}, {"plan": region(start=0.5)}),
    "end": ({}, {"plan": region(end=0.5)}),
    "mask": ({}, {"plan": region(mask=triangle())}),
    "lettering": Elsewhere("test_wording.py::test_lettering_is_in_the_prompts_of_models_that_write"),
    "colors": Elsewhere("test_nothing_is_ignored.py::test_what_cannot_act_is_said"),
}
# Plan and change of its first region, beside one that gives it another seed alone.
CHANGES: dict[str, tuple[ScenePlan, dict[str, Any]] | Elsewhere] = {
    "prompt": (plan(), {"prompt": LeveledPrompt(high_level="zzz")}),
    "box": (plan(), {"box": Box(left=0, top=0, right=0.5, bottom=0.5)}),
    "seed": (plan(), {"seed": 2**40 + 4}),
    "negative": (plan(), {"negative": "zzz"}),
    "z_order": (region(box=WHOLE), {"z_order": 1}),
    "feather": (region(z_order=1), {"feather": 3.0}),
    "strength": (plan(), {"strength": 0.5}),
    "start": (plan(), {"start": 0.5}),
    "end": (plan(), {"end": 0.5}),
    "name": (plan(), {"name": "thing 1"}),
    "lettering": Elsewhere("test_wording.py::test_lettering_is_in_the_prompts_of_models_that_write"),
    "colors": Elsewhere("test_nothing_is_ignored.py::test_what_cannot_act_is_said"),
}
REVISION: dict[str, Pair | Elsewhere] = {
    "reason": Elsewhere("test_nothing_is_ignored.py::test_the_reason_of_a_revision_is_a_note_in_the_picture"),
    "changes": ({"edits": [CHANGE]}, {"edits": [Revision(changes=[RegionChange(name="thing 1", seed=4)])]}),
    "scene": ({"edits": [CHANGE]}, {"edits": [CHANGE.model_copy(update={"scene": LeveledPrompt(high_level="zzz")})]}),
    "added": ({}, {"edits": [Revision(added=[region().regions[0].model_copy(update={"name": "more"})])]}),
    "removed": ({}, {"edits": [Revision(removed=["thing 0"])]}),
    "margin": Elsewhere("test_controls.py::test_edits_are_part_of_the_request_and_can_be_made_again"),
    "clears": ({"edits": [Revision(removed=["thing 0"])]}, {"edits": [Revision(removed=["thing 0"], clears=True)]}),
}
PAIRS = REQUEST | {f"plan.{name}": pair for name, pair in PLAN.items()} | {
    f"region.{name}": pair for name, pair in REGION.items()
} | {f"revision.{name}": pair for name, pair in REVISION.items()}  # fmt: skip

# What is asked for and cannot act, and the warning that says so.
IDLE: dict[str, tuple[dict[str, Any], str]] = {
    "a hidden region": ({"plan": region(1, box=WHOLE)}, "region 'thing 0' is not seen: 'thing 1' covers all of it"),
    "a negative without guidance": ({"plan": plan(negative="a"), "guidance_scale": 1}, "a guidance scale above 1"),
    "a region's negative": ({"plan": region(negative="a"), "guidance_scale": 1}, "it needs a guidance scale above 1"),
    "weights": ({"plan": region(prompt=LeveledPrompt(high_level="[a:b:0.5]"))}, "'[a:b:0.5]' in a prompt: read as"),
    "a LoRA tag": ({"plan": plan(negative="<lora:x:1>")}, "there is no LoRA 'x'"),
    "BREAK": ({"plan": plan(scene=LeveledPrompt(high_level="a BREAK b"))}, "'BREAK' in a prompt is read as a comma"),
    "a palette": ({"plan": plan(colors=["#ff0000"])}, "colors of the picture: not used"),
    "a region's palette": ({"plan": region(colors=["#ff0000"])}, "colors of 'thing 0': not used"),
    "lettering": ({"plan": region(lettering="OPEN")}, "lettering of 'thing 0': not used"),
    "what the planner left out": ({"plan": plan(notes=["left out of the plan: a dog"])}, "left out of the plan: a dog"),
    "a region between two steps": ({"plan": region(start=0.6, end=0.7)}, "no effect: none of 2 steps lies between"),
    "regions at no level": ({"prompt_schedule": preset("scene")}, "the prompt schedule has no level of the regions"),
    "the start of an edit": (STRIPES | {"edits": [CHANGE]}, "what the edit draws starts from noise"),
    "an edit's step cache": ({"step_cache": 0.2, "edits": [CHANGE]}, "step cache: not used while a part of a picture"),
    "offload on the CPU": ({"save_memory": ["offload"]}, "save_memory 'offload' does nothing on a CPU"),
    "tiles of a small picture": ({"save_memory": ["tiling"]}, "save_memory 'tiling' does nothing here"),
    "another shape": (STRIPES, "another shape: it was cut off at its edges"),
    "transparency": (STRIPES, "its transparent pixels were made white"),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 'stripes.png', wide and half transparent."""
    folder = tmp_path_factory.mktemp("pictures")
    stripes = Image.new("RGBA", (200, 100), (255, 0, 0, 120))
    stripes.paste((0, 0, 255, 255), (0, 0, 40, 100))
    stripes.save(folder / "stripes.png")
    return folder


def request_for(tiny: Renderer, files: Path, options: dict[str, Any]) -> RenderRequest:
    given: dict[str, Any] = {"plan": plan_of(2), "model": tiny.model, "steps": 2} | options
    given |= {"image": FileRef.of(files / given["image"])} if "image" in given else {}
    return RenderRequest.model_validate(given)


@pytest.mark.parametrize(
    ("model", "entries"),
    [(RenderRequest, REQUEST), (ScenePlan, PLAN), (Region, REGION), (RegionChange, CHANGES), (Revision, REVISION)],
)
def test_every_field_has_an_entry(model: type[BaseModel], entries: dict[str, Any]) -> None:
    assert list(entries) and set(entries) == set(model.model_fields)


@pytest.mark.parametrize("name", PAIRS)
def test_every_field_of_a_request_changes_the_picture(tiny: Renderer, files: Path, name: str) -> None:
    pair = PAIRS[name]
    if isinstance(pair, Elsewhere):
        assert pair.is_there, f"{pair} is gone: name the test that shows that {name!r} acts"
        return
    first, second = (tiny.render(request_for(tiny, files, options)).image for options in pair)
    assert first.tobytes() != second.tobytes()


@pytest.mark.parametrize("name", CHANGES)
def test_every_field_of_a_change_changes_what_is_drawn(tiny: Renderer, name: str) -> None:
    entry = CHANGES[name]
    if isinstance(entry, Elsewhere):
        assert entry.is_there, entry
        return
    before, change = entry
    picture = tiny.render(RenderRequest(plan=before, steps=2))
    pair = [{"name": "thing 0", "seed": 4}, {"name": "thing 0", "seed": 4} | change]
    changes = [RegionChange.model_validate(fields) for fields in pair]
    first, second = (tiny.edit(picture, Revision(changes=[change])).image for change in changes)
    assert first.tobytes() != second.tobytes()


def test_the_reason_of_a_revision_is_a_note_in_the_picture(tiny: Renderer) -> None:
    edited = tiny.edit(RenderRequest(plan=plan(), steps=1), CHANGE.model_copy(update={"reason": "it was too red"}))
    assert edited.request.edits[0].reason == "it was too red"


@pytest.mark.parametrize("name", IDLE)
def test_what_cannot_act_is_said(tiny: Renderer, files: Path, name: str) -> None:
    options, warning = IDLE[name]
    assert [one for one in tiny.render(request_for(tiny, files, options)).warnings if warning in one]


def test_of_what_acts_nothing_is_said(tiny: Renderer, files: Path) -> None:
    assert tiny.render(request_for(tiny, files, {"plan": plan(negative="a")})).warnings == ()


def test_seeds_within_32_bits_draw_as_ever_and_larger_ones_by_all_their_bits(tiny: Renderer) -> None:
    from ditpipe.renderer.sampling.sampler import initial_noise

    owner = torch.zeros(36, dtype=torch.long)
    seeds = (7, 2**32 - 1, 2**32 + 7, 2**62 + 7, 2**63 - 1)
    noise = [initial_noise(tiny.family, plan_of(1), owner, seed).cpu() for seed in seeds]
    assert torch.equal(noise[0], torch.randn(noise[0].shape, generator=torch.Generator().manual_seed(7)))
    assert len({one.numpy().tobytes() for one in noise}) == len(seeds)
    assert all(abs(one.mean()) < 0.2 and abs(one.std() - 1) < 0.15 for one in noise)


# --- the faces --------------------------------------------------------------------------------------------------------


def test_a_brief_in_other_programs_notation_says_so_in_the_picture(tiny: Renderer, tmp_path: Path) -> None:
    agent = Agent(renderer=tiny, planner=TwoThings(), critic=Pleased(), steps=2, rounds=1, threshold=0.9, out=tmp_path)
    warnings = read_metadata(agent.paint("a [red:blue:0.5] cat").path)[1]
    assert warnings[0].startswith("threshold: not used") and warnings[1].startswith("'[red:blue:0.5]' in a prompt")
    unjudged = Agent(renderer=tiny, critic="none", rounds=5, threshold=0.9)
    assert unjudged.unused_settings == [
        f"{name}: not used, for nobody judges the pictures" for name in ("rounds", "threshold")
    ]
    unranked = Agent(renderer=tiny, critic="none", candidates=2).unused_settings
    assert unranked == ["candidates: the first one is taken, for nobody judges the pictures"]
    assert Agent(renderer=tiny, critic="none").unused_settings == []


def test_the_command_says_what_it_does_not_use(tiny: Renderer, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(plan(negative="blurred").model_dump_json())
    usual = ["render", str(file), "--model", tiny.model, "--steps", "1", "--guidance", "1", "--critic", "none"]
    done = CliRunner().invoke(app, [*usual, "--json"])
    warnings = json.loads(done.stdout)["warnings"]
    assert ["--critic is not used" in warnings[0], "a guidance scale above 1" in warnings[1]] == [True, True]
    assert done.stderr.count("note: ") == 2 and read_metadata(tmp_path / "plan.png")[1] == tuple(warnings[1:])
    wrong = CliRunner().invoke(app, ["mcp", "--port", "9000"])
    assert "--host and --port are for --http" in str(wrong.exception)


def test_a_given_renderer_keeps_its_device_and_model_and_a_server_names_what_it_does_not_use(
    tiny: Renderer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Agent(renderer=tiny, device="cpu", model=tiny.model).renderer is tiny
    with pytest.raises(ValueError, match="device 'cuda:1': the given renderer draws on 'cpu'"):
        Agent(renderer=tiny, device="cuda:1")
    with pytest.raises(ValueError, match="model 'pocket': the given renderer draws with"):
        Agent(renderer=tiny, model="pocket")
    _agent({})
    assert "DITPIPE_APPROVE" not in capsys.readouterr().err
    monkeypatch.setenv("DITPIPE_APPROVE", "1")
    _agent({})
    assert "DITPIPE_APPROVE is not used by servers" in capsys.readouterr().err


# Options of the command line, those of settings aside: the field of a request that they set, or the test that shows
# what they do.
OPTIONS = {
    "--image": "RenderRequest.image", "--denoise": "RenderRequest.denoise",
    "--fit": "RenderRequest.fit", "--background": "RenderRequest.background", "--control": "RenderRequest.controls",
    "--lora": "RenderRequest.loras", "--set": Elsewhere("test_cli.py::test_set_edit_and_candidates"),
    "--prompt": "RegionChange.prompt", "--low": "RegionChange.prompt", "--negative": "RegionChange.negative",
    "--box": "RegionChange.box", "--feather": "RegionChange.feather", "--strength": "RegionChange.strength",
    "--start": "RegionChange.start", "--end": "RegionChange.end", "--z-order": "RegionChange.z_order",
    "--region": "RegionChange.name", "--scene": "Revision.scene",
    "--large": Elsewhere("test_picture_files.py::test_repaint_says_what_it_does_and_does_no_more_than_a_server"),
    "--from": Elsewhere("test_formats.py::test_a_layout_says_its_regions"),
    "--json": Elsewhere("test_cli.py::test_render_repaint_and_json"),
    "--format": Elsewhere("test_schemas.py::test_the_command_prints_them"),
    "--host": Elsewhere("test_security.py::test_other_addresses_than_loopback_need_keys"),
    "--port": Elsewhere("test_nothing_is_ignored.py::test_the_command_says_what_it_does_not_use"),
    "--http": Elsewhere("test_nothing_is_ignored.py::test_the_command_says_what_it_does_not_use"),
    "--keys": Elsewhere("test_security.py::test_key_files_are_checked"),
    "--yes": Elsewhere("test_chat_cli.py::test_a_script_says_yes_to_a_plan_later"),
    "--list": Elsewhere("test_chat_cli.py::test_conversations_are_listed"),
    "--turn": Elsewhere("test_chat_cli.py::test_a_conversation_is_copied_and_exported"),
    "--session": Elsewhere("test_chat_cli.py::test_mistakes_are_one_line"),
    "--openai-compatible": Elsewhere(
        "test_http.py::test_other_models_and_sizes_map_to_what_is_here_where_that_is_wanted"
    ), "--version": "", "--help": "",
    "--judge": Elsewhere("test_evaluate_regions.py::test_both_experiments_run_resume_and_report"),
    "--truth": Elsewhere("test_evaluate.py::test_planners_are_compared_on_the_lines_that_have_an_answer"),
    "--planners": Elsewhere("test_batch.py::test_lines_are_drawn_once_and_skipped_the_next_time"),
    "--lpips": Elsewhere("test_metrics.py::test_lpips_is_the_weighted_distance_of_unit_features"),
    "--archive": Elsewhere(
        "test_reconstruction.py::test_networks_that_cannot_be_fetched_are_an_error_that_says_how_to_go_on"
    ),
    "--faults": Elsewhere("test_evaluate.py::test_planners_are_compared_on_the_lines_that_have_an_answer"),
    "--limit": Elsewhere("test_evaluate.py::test_planners_are_compared_on_the_lines_that_have_an_answer"),
    "--metrics": Elsewhere("test_reconstruction.py::test_the_command_measures_the_pocket_models_vae"),
    "--images": Elsewhere("test_reconstruction.py::test_the_command_measures_the_pocket_models_vae"),
    "--parquet": Elsewhere("test_batch.py::test_the_manifest_as_parquet"),
    "--shard": Elsewhere("test_batch.py::test_shards_are_every_line_once"),
    "--together": Elsewhere("test_batch.py::test_lines_are_drawn_once_and_skipped_the_next_time"),
    "--server": Elsewhere("test_watching.py::test_jobs_are_listed_followed_and_cancelled_over_http"),
    "--log-format": Elsewhere("test_deploy.py::test_what_they_start_takes_the_options_that_they_give"),
    "--engine": Elsewhere("test_cluster.py::test_a_job_outlives_its_rays_head"),
    "--address": Elsewhere("test_ray_cluster.py::test_a_cluster_that_loses_replicas_and_nodes_draws_each_picture_once"),
    "--min-replicas": Elsewhere("test_cluster.py::test_replicas_are_as_many_as_there_is_room_for"),
    "--max-replicas": Elsewhere("test_cluster.py::test_replicas_are_as_many_as_there_is_room_for"),
    "--gpus-per-replica": Elsewhere("test_cluster.py::test_replicas_are_as_many_as_there_is_room_for"),
    "--cpu-replicas": Elsewhere("test_cluster.py::test_a_replica_leaves_planning_and_judging_to_cpu_replicas"),
    "--cpus-per-replica": Elsewhere("test_cluster.py::test_replicas_are_as_many_as_there_is_room_for"),
    "--results": Elsewhere("test_cluster.py::test_results_at_an_address_of_fsspec"),
    "--messages": Elsewhere("test_evaluate_briefs.py::test_messages_are_right_asked_back_or_wrong"),
    "--plan": Elsewhere("test_evaluate_regions.py::test_the_papers_examples_are_plans_that_any_model_draws"),
    "--plans": Elsewhere("test_evaluate_regions.py::test_both_experiments_run_resume_and_report"),
    "--points": Elsewhere("test_evaluate_regions.py::test_the_schedules_of_the_ablation"),
    "--method": Elsewhere("test_evaluate_regions.py::test_methods_are_those_that_a_model_has"),
    "--regions": Elsewhere("test_evaluate_regions.py::test_both_experiments_run_resume_and_report"),
    "--title": Elsewhere("test_evaluate.py::test_the_page_holds_everything_and_loads_nothing"),
}  # fmt: skip
MODELS: dict[str, type[BaseModel]] = {
    model.__name__: model for model in (RenderRequest, Revision, RegionChange)
}  # fmt: skip


def options_of(command: Any) -> Iterator[str]:
    for other in getattr(command, "commands", {}).values():
        yield from options_of(other)
    yield from (one.opts[0] for one in command.params if one.param_type_name == "option")


def test_every_option_of_the_command_line_has_an_entry() -> None:
    found = set(options_of(typer.main.get_command(app))) - {flag(name) for name in SETTINGS}
    assert found <= set(OPTIONS), f"say in OPTIONS what {found - set(OPTIONS)} set, or which test shows what they do"
    for option, sets in OPTIONS.items():
        if isinstance(sets, Elsewhere):
            assert sets.is_there, (option, sets)
        elif sets:
            model, _, field = sets.partition(".")
            assert field in MODELS[model].model_fields, (option, sets)


# Parameters of the Images API and of an order: what they become, the test that shows it, or why nothing is to be done.
PARAMETERS = {
    "prompt": Elsewhere("test_http.py::test_openai_generates_n_pictures_of_a_size"),
    "model": Elsewhere("test_http.py::test_openai_is_told_what_it_got_wrong"),
    "n": Elsewhere("test_http.py::test_openai_generates_n_pictures_of_a_size"),
    "size": Elsewhere("test_http.py::test_without_a_mask_the_whole_picture_is_drawn_anew"),
    "quality": Elsewhere("test_http.py::test_openai_generates_n_pictures_of_a_size"),
    "response_format": Elsewhere("test_http.py::test_openai_gets_a_link_that_works_without_a_key_and_cannot_be_forged"),
    "output_format": Elsewhere("test_http.py::test_openai_streams_partial_images_and_then_the_picture"),
    "output_compression": Elsewhere("test_http.py::test_openai_is_told_what_was_not_done_as_asked"),
    "background": "opaque is what every picture is; a transparent one is refused",
    "moderation": "there is none, so there is none to lower",
    "stream": Elsewhere("test_http.py::test_openai_streams_partial_images_and_then_the_picture"),
    "partial_images": Elsewhere("test_http.py::test_openai_is_told_what_was_not_done_as_asked"),
    "user": "a note of the caller's own, about no picture",
    "safety_identifier": "a note of the caller's own, about no picture",
    "style": Elsewhere("test_http.py::test_the_style_is_taken_and_said_not_to_be_used"),
    "input_fidelity": "high is what every edit is: the rest of the picture stays as it is",
    "seed": Elsewhere("test_http.py::test_openai_generates_n_pictures_of_a_size"),
    "image": Elsewhere("test_http.py::test_openai_edits_in_the_holes_alone"),
    "images": Elsewhere("test_http.py::test_openai_edits_in_the_holes_alone"),
    "mask": Elsewhere("test_http.py::test_openai_edits_in_the_holes_alone"),
    "brief": Elsewhere("test_http.py::test_openai_generates_n_pictures_of_a_size"),
    "width": "PLAN", "height": "PLAN", "aspect": Elsewhere(
        "test_canvas.py::test_a_caller_names_a_shape"
    ), "plan": "REQUEST", "steps": "REQUEST", "guidance_scale": "REQUEST",
    "solver": "REQUEST", "rounds": "Settings", "candidates": "Settings",
    "id": Elsewhere("test_picture_tools.py::test_one_caller_does_not_see_anothers_pictures"),
    "region": "RegionChange.name, Region.name or Revision.removed", "box": "CHANGES", "negative": "CHANGES",
    "scene": "REVISION", "message": Elsewhere("test_picture_tools.py::test_words_change_a_picture_as_in_the_chat"),
    "wait": Elsewhere("test_picture_tools.py::test_a_call_that_does_not_wait_returns_a_handle"),
}  # fmt: skip


@pytest.mark.parametrize(
    "model",
    [
        ImageSettings, EditSettings, VariationSettings, PlanArguments, RenderArguments, PaintArguments, EditArguments,
        AddArguments, RemoveArguments, ChangeArguments, PictureArguments, GetArguments,
    ],
)  # fmt: skip
def test_every_parameter_of_the_services_has_an_entry(model: type[BaseModel]) -> None:
    missing = set(model.model_fields) - set(PARAMETERS)
    assert not missing, f"say in PARAMETERS what {missing} do"
    for name in model.model_fields:
        entry = PARAMETERS[name]
        assert entry and (not isinstance(entry, Elsewhere) or entry.is_there), (name, entry)


def test_a_plan_drawn_as_a_whole_in_place_of_a_picture_keeps_its_settings_or_says_which_not() -> None:
    kept: dict[str, Any] = {"steps": 7, "guidance_scale": 3.0, "solver": "dpm++"}
    said: dict[str, Any] = {"prompt_schedule": preset("regions"), "step_cache": 0.2, "dtype": "bfloat16"}
    of_the_picture_alone = {"plan", "seed", "edits", "together"}
    refused_or_of_memory = {
        "model",
        "image",
        "denoise",
        "fit",
        "background",
        "controls",
        "loras",
        "save_memory",
        "compile",
    }
    assert {*kept, *said, *of_the_picture_alone, *refused_or_of_memory} == {*RenderRequest.model_fields}
    here = RenderRequest(plan=plan(), prompt_schedule=preset("scene-then-regions"))
    drawn = redraw_of(here.model_copy(update=kept | said), plan(), seed=5, here=here, checkpoint=CHECKPOINTS["pocket"])
    assert drawn.model_dump(include={*kept}) == kept and drawn.seed == 5
    assert [note.partition(":")[0].replace(" ", "_") for note in drawn.notes] == [*said]
    assert redraw_of(here, plan(), seed=5, here=here, checkpoint=CHECKPOINTS["pocket"]).notes == []
