"""The renderer as a whole: parity with diffusers, confinement, reproducibility."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import EulerDiscreteScheduler, HunyuanDiTPipeline
from diffusers.utils import logging as diffusers_logging
from plans import listed_plan, plan_of
from previews import preview

from ditpipe import Box, LeveledPrompt, Region, Renderer, RenderRequest, Revision, ScenePlan
from ditpipe.prompts.errors import ModelError, RenderError
from ditpipe.prompts.prompt_style import style_of, sync_revision, sync_scene_prompt, with_layout, with_place
from ditpipe.prompts.revision import RegionChange
from ditpipe.prompts.wording import STICKER_WORDS
from ditpipe.renderer.checkpoints.published_models import TRAINED_HERE
from ditpipe.renderer.checkpoints.silence import silence_loading
from ditpipe.renderer.pictures.artifacts import read_request, write_result
from ditpipe.renderer.regions.conditioning import prompts_at_level
from ditpipe.renderer.regions.prompt_schedule import PromptSchedule, preset
from ditpipe.renderer.request import LocalResult

SEEDED = Revision(changes=[RegionChange(name="thing 0", seed=4)])


def request(renderer: Renderer, regions: int = 2, **kwargs: Any) -> RenderRequest:
    return RenderRequest(plan=plan_of(regions), model=renderer.model, steps=3, **kwargs)


def test_one_full_canvas_region_equals_diffusers_pipeline(tiny: Renderer, tiny_folder: Path) -> None:
    plan = plan_of(1).model_copy(update={"negative": "blurred", "scene": LeveledPrompt(high_level="a, red")})
    given = RenderRequest(
        plan=plan, model=str(tiny_folder), steps=4, seed=7, guidance_scale=6, prompt_schedule=preset("regions")
    )
    ours = tiny.render(given)
    pipe = HunyuanDiTPipeline.from_pretrained(tiny_folder)
    pipe.set_progress_bar_config(disable=True)
    pipe.scheduler = EulerDiscreteScheduler.from_config(pipe.scheduler.config, timestep_spacing="trailing")
    theirs = pipe(
        "a, red", negative_prompt="blurred", height=96, width=96, num_inference_steps=4, guidance_scale=6,
        use_resolution_binning=False, output_type="latent",
        latents=torch.randn(1, 4, 12, 12, generator=torch.Generator().manual_seed(7)),
    ).images  # fmt: skip
    torch.testing.assert_close(ours.latents, theirs, rtol=1e-4, atol=1e-4)


def test_a_seed_gives_the_same_bytes_and_another_does_not(tiny: Renderer) -> None:
    first, again, other = (tiny.render(request(tiny, seed=seed)) for seed in (5, 5, 6))
    assert first.image.tobytes() == again.image.tobytes() != other.image.tobytes()


def test_a_picture_names_the_model_that_drew_it_and_no_other_draws_it_again(tiny: Renderer, tmp_path: Path) -> None:
    given = RenderRequest(plan=plan_of(2), steps=1)
    drawn = [tiny.render(given), *tiny.candidates(given, 2), tiny.edit(given, SEEDED)]
    assert given.model is None and {result.request.model for result in drawn} == {tiny.model}
    write_result(tmp_path / "one.png", drawn[0])
    assert read_request(tmp_path / "one.png").model == tiny.model
    other = given.model_copy(update={"model": "pocket"})
    message = f"is for model 'pocket', and this renderer draws with {tiny.model!r}"
    for wrong in (
        lambda: tiny.render(other),
        lambda: tiny.candidates(other, 2),
        lambda: tiny.edit(other, SEEDED),
        lambda: tiny.edit(replace(drawn[0], request=other), SEEDED),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            wrong()


def test_a_layout_leaves_nothing_behind_for_the_next(tiny: Renderer) -> None:
    before = tiny.render(request(tiny, 2))
    tiny.render(request(tiny, 9))
    assert tiny.render(request(tiny, 2)).image.tobytes() == before.image.tobytes()


def test_a_render_that_raised_leaves_nothing_behind(tiny: Renderer) -> None:
    before = tiny.render(request(tiny))

    def stop(step: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.render(request(tiny, 4), stop)
    assert tiny.render(request(tiny)).image.tobytes() == before.image.tobytes()


def difference(a: LocalResult, b: LocalResult) -> tuple[float, float]:
    """Mean change of the latents in the left and in the right half."""
    change = (a.latents - b.latents).abs()
    return float(change[..., :6].mean()), float(change[..., 6:].mean())


def changed_left(renderer: Renderer, schedule: PromptSchedule) -> tuple[float, float]:
    plan = plan_of(2)
    left = plan.regions[0].model_copy(update={"prompt": LeveledPrompt(high_level="zzz qqq")})
    other = plan.model_copy(update={"regions": [left, plan.regions[1]]})
    return difference(
        *(
            renderer.render(RenderRequest(plan=p, model=renderer.model, steps=1, prompt_schedule=schedule))
            for p in (plan, other)
        )
    )


def test_a_regions_prompt_changes_its_own_place_most(tiny: Renderer) -> None:
    left, right = changed_left(tiny, preset("regions@1.0"))
    assert left > 2 * right


def test_the_scene_schedule_does_not_hear_the_regions(tiny: Renderer) -> None:
    assert changed_left(tiny, preset("scene")) == (0.0, 0.0)


def test_a_regions_seed_leaves_the_other_noise_alone(tiny: Renderer) -> None:
    from ditpipe.renderer.regions.region_masks import region_ids
    from ditpipe.renderer.sampling.sampler import initial_noise

    plan = plan_of(2)
    seeded = plan.model_copy(update={"regions": [plan.regions[0].model_copy(update={"seed": 9}), plan.regions[1]]})
    owner = region_ids(plan.regions, rows=6, columns=6)
    plain, own = (initial_noise(tiny.family, p, owner, 3) for p in (plan, seeded))
    assert torch.equal(plain[..., 6:], own[..., 6:]) and not torch.equal(plain[..., :6], own[..., :6])


def test_steps_report_progress_and_a_preview(tiny: Renderer) -> None:
    seen = []
    tiny.render(request(tiny), lambda step: seen.append((step.index, step.total, preview(step).size)))
    assert seen == [(1, 3, (96, 96)), (2, 3, (96, 96)), (3, 3, (96, 96))]


def test_schedules_turn_where_they_say() -> None:
    assert preset("scene-then-regions").levels(8) == ["scene"] * 2 + ["region"] * 6
    assert preset("scene-then-regions@0.5").levels(8) == ["scene"] * 4 + ["region"] * 4
    assert preset("regions-then-scene@0.25").levels(8) == ["region"] * 2 + ["scene"] * 6
    with pytest.raises(ValueError, match="one of scene-then-regions, "):
        preset("deep")


@pytest.mark.parametrize(
    ("low_level", "style"),
    [
        ("warm light, glossy style", "glossy style"),
        ("oil painting", "oil painting"),
        ("children's book illustration, spooky mood", "children's book illustration"),
        ("soft moonlight, spooky mood", ""),
        ("light that falls on a painting of a horse", ""),
    ],
)
def test_regions_hear_the_drawing_style_of_the_scene(low_level: str, style: str) -> None:
    plan = plan_of(2).model_copy(update={"scene": LeveledPrompt(high_level="many things", low_level=low_level)})
    plan = plan.model_copy(update={"style": style_of(plan)})
    behind = f", {style}" if style else ""
    assert prompts_at_level(plan, "region", STICKER_WORDS)[1:] == [f"red a{behind}", f"red b{behind}"]
    assert prompts_at_level(plan, "region-high")[1:] == [f"a{behind}", f"b{behind}"]
    assert prompts_at_level(plan, "region-low")[1:] == ["red", "red"]


def test_size_that_does_not_fit_the_model(tiny: Renderer) -> None:
    from ditpipe import Region, grid

    small = Region(name="dot", box=grid(16, 16)[0], prompt=LeveledPrompt(high_level="a"))
    plan = plan_of(1).model_copy(update={"regions": [small]})
    with pytest.raises(RenderError, match="'dot' covers no latent token"):
        tiny.render(RenderRequest(plan=plan, model=tiny.model, steps=1))


def test_unknown_model_lists_the_known(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="pocket, hunyuan-dit"):
        Renderer("stable-confusion")
    with pytest.raises(ModelError, match="no model_index.json"):
        Renderer(str(tmp_path))


def test_models_that_load_at_once_leave_the_libraries_talk_as_it_was() -> None:
    before = diffusers_logging.get_verbosity(), diffusers_logging.is_progress_bar_enabled()
    one, other = silence_loading(), silence_loading()
    one.__enter__()
    other.__enter__()
    one.__exit__(None, None, None)
    assert diffusers_logging.get_verbosity() == 50 and not diffusers_logging.is_progress_bar_enabled()
    other.__exit__(None, None, None)
    assert (diffusers_logging.get_verbosity(), diffusers_logging.is_progress_bar_enabled()) == before


def test_a_scene_that_names_no_place_is_told_what_stands_where() -> None:
    plan = plan_of(2).model_copy(update={"scene": LeveledPrompt(high_level="a beach", low_level="warm light")})
    expected = LeveledPrompt(high_level="a beach, a on the left, b on the right", low_level="warm light")
    assert with_layout(plan).scene == expected
    assert with_layout(with_layout(plan)) == with_layout(plan)
    assert with_layout(plan_of(2)) == plan_of(2)  # its scene names a place
    long = plan.model_copy(update={"scene": LeveledPrompt(high_level="sand " * 60)})
    assert with_layout(long) == long
    full = plan.regions[0].model_copy(update={"box": Box(left=0, top=0, right=1, bottom=1)})
    filled = with_layout(plan.model_copy(update={"regions": [full, plan.regions[1]]}))
    assert filled.scene.high_level == "a beach, a, b on the right"
    late = plan.regions[1].model_copy(update={"start": 0.5})
    begun = with_layout(plan.model_copy(update={"regions": [plan.regions[0], late]}))
    assert begun.scene.high_level == "a beach, a on the left"
    alone = plan_of(1).model_copy(update={"scene": LeveledPrompt(high_level="a beach")})
    assert with_layout(alone) == alone
    one, two = (with_place(region) for region in plan.regions)
    moved = [one.model_copy(update={"box": two.box}), two.model_copy(update={"box": one.box})]
    swapped = with_layout(plan.model_copy(update={"regions": moved})).scene
    assert swapped.high_level == "a beach, a on the right, b on the left"  # the box decides, not the prompt's old place
    mute = [region.model_copy(update={"strength": 0.0 if i else 1.0}) for i, region in enumerate(plan.regions)]
    assert with_layout(plan.model_copy(update={"regions": mute})).scene.high_level == "a beach, a on the left"


def test_the_shallow_blocks_hear_what_stands_where(tiny: Renderer, tmp_path: Path) -> None:
    """In models that this project trains: others are told what the plan says, and no more."""
    shutil.copytree(tiny.model, tmp_path / "trained")
    (tmp_path / "trained" / TRAINED_HERE).write_text("{}")
    trained = Renderer(str(tmp_path / "trained"), device="cpu")
    plan = plan_of(2)
    bare = plan.model_copy(update={"scene": LeveledPrompt(high_level="a beach")})
    named = plan.model_copy(update={"scene": LeveledPrompt(high_level="a beach, a on the left, b on the right")})

    def latents(one: ScenePlan, schedule: str, renderer: Renderer = trained) -> torch.Tensor:
        return renderer.render(RenderRequest(plan=one, steps=2, prompt_schedule=preset(schedule))).latents

    assert torch.equal(latents(bare, "scene-then-regions"), latents(named, "scene-then-regions"))
    assert not torch.equal(latents(bare, "scene-then-regions", tiny), latents(named, "scene-then-regions", tiny))
    assert not torch.equal(latents(bare, "scene"), latents(named, "scene"))  # 'scene' takes the prompt as it is


def test_what_is_added_to_a_scene_without_places_leaves_it_so() -> None:
    """Else the regions that were there before would not be told of any more."""
    boxes = {"cat": (0, 0, 0.5, 1), "rocket": (0.5, 0, 1, 1), "dog": (0, 0.5, 1, 1)}
    cat, rocket, dog = (
        Region(name=name, box=Box(left=x, top=y, right=u, bottom=v), prompt=LeveledPrompt(high_level=name))
        for name, (x, y, u, v) in boxes.items()
    )
    plan = ScenePlan(scene=LeveledPrompt(high_level="on the beach"), regions=[cat, rocket])
    more = plan.model_copy(update={"regions": [cat, rocket, with_place(dog)]})
    assert sync_scene_prompt(plan, more).scene.high_level == "on the beach"
    expected = "on the beach, cat on the left, rocket on the right, dog at the bottom"
    assert with_layout(sync_scene_prompt(plan, more)).scene.high_level == expected
    sentence = LeveledPrompt(high_level="Summer: the cat and its rocket")
    named = sync_scene_prompt(*(one.model_copy(update={"scene": sentence}) for one in (plan, more)))
    assert named.scene.high_level == "Summer: the cat and its rocket, a dog"


def test_a_revision_takes_the_scene_prompt_with_it() -> None:
    plan, dog = listed_plan(), LeveledPrompt(high_level="a blue dog")
    scene = LeveledPrompt(high_level="as it was said")
    box = Box(left=0.5, top=0, right=1, bottom=0.5)
    moon = Region(name="moon", box=box, prompt=LeveledPrompt(high_level="moon"), seed=3)
    cases = {
        "a blue dog on the left and a blue rocket on the right": {"changes": [RegionChange(name="cat", prompt=dog)]},
        "a red cat on the left and a blue rocket at the top right": {"changes": [RegionChange(name="rocket", box=box)]},
        "a blue rocket on the right": {"removed": ["cat"]},
        "a red cat on the left, a blue rocket on the right and a moon at the top right": {"added": [moon]},
    }
    for phrase, given in cases.items():
        changed = sync_revision(Revision.model_validate(given), plan).apply(plan)
        assert changed.scene.high_level == f"{phrase} at night"
    for revision in (
        Revision(changes=[RegionChange(name="cat", seed=4)]),
        Revision(changes=[RegionChange(name="cat", prompt=LeveledPrompt(high_level="dog " * 250))], scene=scene),
        Revision(changes=[RegionChange(name="cat", prompt=dog)], scene=scene),
        Revision(changes=[RegionChange(name="cat", prompt=dog)], scene=plan.scene),
    ):
        assert sync_revision(revision, plan).apply(plan) == revision.apply(plan)


def test_a_model_in_bfloat16_is_told_each_timestep_as_it_is(tiny: Renderer) -> None:
    renderer, seen = Renderer(tiny.model, device="cpu"), []
    renderer.family.model.to(torch.bfloat16)
    renderer.family.model.time_extra_emb.time_proj.register_forward_pre_hook(lambda _, args: seen.append(args[0][0]))
    renderer.render(RenderRequest(plan=plan_of(2), model=tiny.model, steps=8))
    assert [float(one) for one in seen] == [999, 874, 749, 624, 499, 374, 249, 124]  # 1000, 872, 748… in bfloat16
