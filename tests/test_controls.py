"""Controls of a render: soft boxes, strength, start and end, prompt schedules, negatives, seeds, candidates, edits."""

import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from attention_layers import attention, regions
from PIL import Image
from plans import changed, plan_of
from previews import preview
from pydantic import ValidationError

from ditpipe import Box, LeveledPrompt, PromptSchedule, Region, Renderer, RenderRequest, Revision, ScenePlan, grid
from ditpipe.prompts.errors import RenderError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.families.hunyuan import Hunyuan, embed_picture_condition, predict
from ditpipe.renderer.families.hunyuan_attention import rotary_embedding, rotary_pairs_of
from ditpipe.renderer.families.hunyuan_text import join
from ditpipe.renderer.forward import full_steps
from ditpipe.renderer.regions.attention import RegionAttention, TextContext, project_text, token_groups
from ditpipe.renderer.regions.conditioning import negatives_at_level
from ditpipe.renderer.regions.mask_image import mask_text
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.renderer.regions.region_masks import blend, region_ids, region_weights, scale_region_weights, strengths_at
from ditpipe.renderer.sampling.edit import REACH, changed_tokens
from ditpipe.renderer.sampling.edit_cache import CachedKeyValues, Extrapolation
from ditpipe.renderer.sampling.sampler import initial_noise, tokens_to_cells

LEFT = Box(left=0, top=0, right=0.5, bottom=1)
WHOLE = Box(left=0, top=0, right=1, bottom=1)
MIDDLE = Box(left=0.25, top=0.25, right=0.75, bottom=0.75)


def request(renderer: Renderer, plan: ScenePlan, **kwargs: Any) -> RenderRequest:
    return RenderRequest(plan=plan, model=renderer.model, **({"steps": 4} | kwargs))


def drawn(renderer: Renderer, plan: ScenePlan, **kwargs: Any) -> torch.Tensor:
    return renderer.render(request(renderer, plan, **kwargs)).latents


# --- boxes, feather, strength -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("feather", [0.0, 1.0, 2.5, 7.0])
def test_the_shares_of_every_token_sum_to_one(feather: float) -> None:
    some = [
        each.model_copy(update={"feather": feather}) for each in regions([LEFT, MIDDLE, *grid(3, 3)], [0, 1] + [0] * 9)
    ]
    share = region_weights(some, rows=6, columns=8, patch=2)
    assert share.min() >= 0 and torch.allclose(share.sum(0), torch.ones(48, dtype=share.dtype))


def test_without_feathers_a_token_has_one_owner() -> None:
    some = regions([LEFT, MIDDLE], [1, 0])
    share = region_weights(some, rows=8, columns=8, patch=2)
    assert torch.equal(share.argmax(0), region_ids(some, rows=8, columns=8)) and set(share.unique().tolist()) == {0, 1}


def test_a_feather_fades_out_beyond_the_box_over_that_many_cells() -> None:
    soft = regions([LEFT])[0].model_copy(update={"feather": 4.0})
    row = region_weights([soft], rows=1, columns=8, patch=2)[1]
    assert row.tolist() == [1, 1, 1, 1, 0.75, 0.25, 0, 0]  # cells 0.5, 1.5, 2.5, 3.5 beyond the edge: 7/8 … 1/8


def test_neighbours_with_feathers_leave_nothing_to_the_scene_between_them() -> None:
    both = [each.model_copy(update={"feather": 3.0}) for each in regions(grid(2, 1))]
    assert region_weights(both, rows=2, columns=8, patch=2)[0].sum() == 0


def test_strength_mixes_the_scene_prompt_in() -> None:
    weak = regions([LEFT])[0].model_copy(update={"strength": 0.7})
    share = scale_region_weights(region_weights([weak], rows=2, columns=2, patch=2), strengths_at([weak], 0.0))
    torch.testing.assert_close(share[:, 0], torch.tensor([0.3, 0.7], dtype=share.dtype))
    assert share[:, 1].tolist() == [1, 0]


def test_soft_gather_equals_the_weighted_sum_of_all_prompts() -> None:
    """Outputs times shares, summed, is the authors' way with their normalised masks."""
    layer = attention()
    image, texts = torch.randn(2, 64, 32), torch.randn(3, 20, 24)
    some = [each.model_copy(update={"feather": 3.0, "strength": 0.8}) for each in regions([LEFT, MIDDLE])]
    share = scale_region_weights(region_weights(some, rows=8, columns=8, patch=2), strengths_at(some, 0.0))

    def attended(texts: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
        who = tuple(token_groups(slice(0, 2), share, device=share.device))
        return RegionAttention()(layer, image, TextContext(*project_text(layer, texts), who))

    ours = attended(texts, share)
    one_by_one = [attended(texts[[p]], torch.ones_like(share[:1])) for p in range(3)]
    summed = sum(share[p].float()[:, None] * out for p, out in enumerate(one_by_one))
    torch.testing.assert_close(ours, summed, rtol=1e-5, atol=1e-6)


def test_feather_and_strength_change_the_picture(tiny: Renderer) -> None:
    plain = drawn(tiny, plan_of(2))
    assert not torch.equal(plain, drawn(tiny, changed(plan_of(2), 1, feather=4.0)))
    assert not torch.equal(plain, drawn(tiny, changed(plan_of(2), strength=0.5)))


def test_a_region_without_strength_has_no_effect(tiny: Renderer) -> None:
    silent = ScenePlan.model_validate(
        plan_of(2).model_dump() | {"regions": [r.model_dump() | {"strength": 0} for r in plan_of(2).regions]}
    )
    assert torch.equal(drawn(tiny, silent), drawn(tiny, plan_of(2), prompt_schedule=preset("scene")))


# --- start and end ----------------------------------------------------------------------------------------------------


def test_a_region_acts_from_start_until_end() -> None:
    late, early = (r.model_copy(update=u) for r, u in zip(regions([LEFT, MIDDLE]), ({"start": 0.5}, {"end": 0.25})))
    assert [strengths_at([late, early], step / 4) for step in range(4)] == [(0, 1), (0, 0), (1, 0), (1, 0)]


def test_a_region_that_starts_late_leaves_the_first_steps_alone(tiny: Renderer) -> None:
    def steps(plan: ScenePlan) -> list[bytes]:
        seen: list[bytes] = []
        tiny.render(request(tiny, plan), lambda step: seen.append(preview(step).tobytes()))
        return seen

    late = [steps(changed(changed(plan_of(2), 0, start=0.5, prompt=prompt), 1, start=0.5)) for prompt in
            (LeveledPrompt(high_level="a"), LeveledPrompt(high_level="zzz qqq"))]  # fmt: skip
    assert late[0][:2] == late[1][:2] and late[0][3] != late[1][3]


def test_a_region_must_start_before_it_ends() -> None:
    with pytest.raises(ValidationError, match="start < end"):
        Region(name="x", box=LEFT, prompt=LeveledPrompt(high_level="x"), start=0.5, end=0.5)


# --- prompt schedules -------------------------------------------------------------------------------------------------


def test_a_free_list_of_levels_is_one_level_per_block() -> None:
    listed = preset("scene-high*4,region-high*2,region-low*2")
    assert listed.levels(8) == ["scene-high"] * 4 + ["region-high"] * 2 + ["region-low"] * 2
    assert PromptSchedule(blocks=["scene", "region"]).levels(2) == ["scene", "region"]
    with pytest.raises(
        ValueError, match="'scene-deep.2' in the prompt schedule is not a level: one of scene, scene-high"
    ):
        preset("scene-deep*2,region*2")
    with pytest.raises(ValidationError, match="lists no level"):
        PromptSchedule(blocks=[])


def test_a_list_of_another_length_is_refused(tiny: Renderer) -> None:
    with pytest.raises(RenderError, match="lists 3 blocks, this transformer has 4"):
        drawn(tiny, plan_of(2), prompt_schedule=preset("scene*2,region"))


def test_a_list_that_says_what_a_preset_says_draws_the_same(tiny: Renderer) -> None:
    preset_and_list = (
        drawn(tiny, plan_of(2), prompt_schedule=preset(name)) for name in ("scene-then-regions", "scene,region*3")
    )
    assert torch.equal(*preset_and_list)


@pytest.mark.parametrize("level, expected", [("region-high", (True, False)), ("region-low", (False, True))])
def test_a_level_depends_only_on_its_part_of_a_prompt(tiny: Renderer, level: str, expected: tuple[bool, bool]) -> None:
    schedule = preset(f"{level}*4")
    plain = drawn(tiny, plan_of(2), prompt_schedule=schedule)
    other_high = changed(plan_of(2), prompt=LeveledPrompt(high_level="zzz", low_level="red"))
    other_low = changed(plan_of(2), prompt=LeveledPrompt(high_level="a", low_level="qqq"))
    changes = tuple(
        not torch.equal(plain, drawn(tiny, plan, prompt_schedule=schedule)) for plan in (other_high, other_low)
    )
    assert changes == expected


def test_requests_written_before_there_were_lists_are_still_read_and_written() -> None:
    old = {"first": "scene", "then": "region", "turn": 0.25}
    assert PromptSchedule.model_validate(old).model_dump() == old
    region = plan_of(1).regions[0]
    assert set(region.model_dump()) == {"name", "box", "prompt", "negative", "z_order", "seed"}


# --- negatives and seeds ----------------------------------------------------------------------------------------------


def test_a_regions_negative_acts_in_its_own_place_most(tiny: Renderer) -> None:
    schedule = preset("regions")
    plain, other = (
        drawn(tiny, plan, steps=1, prompt_schedule=schedule)
        for plan in (plan_of(2), changed(plan_of(2), negative="zzz qqq"))
    )
    change = (plain - other).abs()
    assert change[..., :6].mean() > 2 * change[..., 6:].mean() >= 0


def test_a_regions_negative_stands_beside_the_pictures() -> None:
    plan = changed(plan_of(2), negative="green").model_copy(update={"negative": "blurred"})
    assert negatives_at_level(plan, "region") == ["blurred", "green, blurred", "blurred"]
    assert negatives_at_level(plan, "scene") == ["blurred"]


@pytest.mark.parametrize("number", range(4))
def test_a_regions_seed_leaves_the_noise_elsewhere_bit_identical(tiny: Renderer, number: int) -> None:
    plan = plan_of(4)
    owner = region_ids(plan.regions, rows=6, columns=6)
    plain, own = (initial_noise(tiny.family, each, owner, 3) for each in (plan, changed(plan, number, seed=9)))
    mine = tokens_to_cells(owner, 12, 12, 2) == number + 1
    assert torch.equal(plain[..., ~mine], own[..., ~mine]) and (plain[..., mine] != own[..., mine]).all()


# --- candidates -------------------------------------------------------------------------------------------------------


def test_candidates_are_different_pictures_that_can_each_be_made_again(tiny: Renderer) -> None:
    results = tiny.candidates(request(tiny, plan_of(2)), 3)
    assert len({result.image.tobytes() for result in results}) == 3
    for result in results:
        assert torch.equal(tiny.render(result.request).latents, result.latents)
        alone = tiny.render(request(tiny, plan_of(2), seed=result.request.seed))
        torch.testing.assert_close(alone.latents, result.latents, rtol=1e-4, atol=1e-4)


def test_one_candidate_is_a_plain_render(tiny: Renderer) -> None:
    (only,) = tiny.candidates(request(tiny, plan_of(2)), 1)
    assert only.request == request(tiny, plan_of(2), prompt_schedule=preset(tiny.checkpoint.prompt_schedule))
    assert torch.equal(only.latents, drawn(tiny, plan_of(2)))


# --- edits ------------------------------------------------------------------------------------------------------------


def revision(**change: Any) -> Revision:
    return Revision(changes=[RegionChange(name="thing 0", **change)])


EDITS = {
    "another prompt": revision(prompt=LeveledPrompt(high_level="zzz qqq")),
    "another seed": revision(seed=5),
    "another place": revision(box=Box(left=0.34, top=0.34, right=0.66, bottom=0.66), z_order=1),
    "a soft edge": revision(feather=3.0, prompt=LeveledPrompt(high_level="zzz")),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_keeps_everything_else_bit_for_bit(tiny: Renderer, name: str) -> None:
    before = tiny.render(request(tiny, plan_of(9), steps=8))
    after = tiny.edit(before, EDITS[name])
    new = changed_tokens(plan_of(9), after.request.edited_plan, rows=6, columns=6, patch=2)
    cells = tokens_to_cells(new, 12, 12, 2)
    assert 0 < cells.sum() < 144
    assert torch.equal(before.latents[..., ~cells], after.latents[..., ~cells])
    assert not torch.equal(before.latents[..., cells], after.latents[..., cells])


def test_pixels_beyond_the_decoders_reach_stay(tiny: Renderer) -> None:
    before = tiny.render(request(tiny, plan_of(9)))
    after = tiny.edit(before, EDITS["another seed"])
    edge = 32 + 8 * REACH  # the region is 32 pixels wide
    for box in ((edge, 0, 96, 96), (0, edge, 96, 96)):
        assert before.image.crop(box).tobytes() == after.image.crop(box).tobytes()
    assert before.image.crop((0, 0, 32, 32)).tobytes() != after.image.crop((0, 0, 32, 32)).tobytes()


def test_a_free_shape_fades_into_the_old_picture_along_its_edge() -> None:
    shape = torch.zeros(60, 60, dtype=torch.bool)
    shape[30:, 20:50], shape[:10, 30:34] = True, True  # a wide part that touches the border, and a narrow one
    weight = blend(shape, 16)
    assert not weight[~shape].any() and weight[shape].min() > 0
    assert (weight[40:, 28:42] == 1).all() and weight[50, 20] < weight[50, 24] < 1 and weight[0, 31] == 1
    assert torch.equal(weight[59], weight[55])  # the picture's border is no edge


def test_a_shape_belongs_to_the_tokens_it_has_a_pixel_in_and_fades_beyond_them() -> None:
    drawing = Image.new("L", (96, 96))
    drawing.paste(255, (0, 0, 17, 16))
    drawing.paste(255, (80, 90, 81, 91))
    corners = Region(name="a", box=WHOLE, prompt=LeveledPrompt(high_level="a"), mask=mask_text(drawing))
    tokens = region_ids([corners], rows=6, columns=6).view(6, 6)
    assert [tuple(where) for where in tokens.nonzero().tolist()] == [(0, 0), (0, 1), (5, 5)]
    soft = region_weights([corners.model_copy(update={"feather": 4.0})], rows=6, columns=6, patch=2)[1].view(6, 6)
    assert soft[0, 0] == soft[5, 5] == 1 and 0 < soft[0, 3] < soft[1, 2] < soft[0, 2] == 0.75 and soft[0, 4] == 0
    half = corners.model_copy(update={"box": Box(left=0, top=0, right=0.5, bottom=0.5)})
    assert region_ids([half], rows=6, columns=6).sum() == 2


def test_masks_that_cannot_be_used_say_why(tiny: Renderer) -> None:
    def drawn(mask: str, box: Box = WHOLE) -> None:
        region = Region(name="a", box=box, prompt=LeveledPrompt(high_level="a"), mask=mask)
        plan = plan_of(1)
        tiny.render(request(tiny, plan.model_copy(update={"regions": [region]})))

    corner, noise = Image.new("1", (96, 96)), Image.effect_noise((1024, 1024), 200)
    corner.paste(1, (0, 0, 9, 9))
    with pytest.raises(RenderError, match="its mask leaves nothing of its box"):
        drawn(mask_text(corner), Box(left=0.5, top=0.5, right=1, bottom=1))
    with pytest.raises(RenderError, match="mask has 64×64 pixels and the picture 96×96"):
        drawn(mask_text(Image.new("1", (64, 64), 1)))
    for wrong in ("iVBORw0KGgoAAAA", mask_text(corner)[:40], mask_text(Image.new("1", (4096, 4096), 1))):
        with pytest.raises(RenderError, match="not a PNG in base64 that can be read"):
            drawn(wrong)
    with pytest.raises(ValidationError, match="mask"):
        drawn("white")
    with pytest.raises(ValueError, match="too much detail"):
        mask_text(noise)


def test_edits_are_part_of_the_request_and_can_be_made_again(tiny: Renderer) -> None:
    once = tiny.edit(request(tiny, plan_of(4)), EDITS["another seed"])
    twice = tiny.edit(once, Revision(changes=[RegionChange(name="thing 3", negative="green", seed=1)]))
    assert [edit.changes[0].name for edit in twice.request.edits] == ["thing 0", "thing 3"]
    assert twice.request.edited_plan.region("thing 3").seed == 1 and twice.request.plan == plan_of(4)
    again = tiny.render(RenderRequest.model_validate_json(twice.request.model_dump_json()))
    assert torch.equal(again.latents, twice.latents) and again.image.tobytes() == twice.image.tobytes()


def test_an_edit_computes_few_steps_whole() -> None:
    assert sorted(full_steps(20)) == [0, 4, 8, 12, 16] and sorted(full_steps(4)) == [0, 2] and full_steps(1) == {0}


def test_an_edits_whole_step_is_a_whole_forward_at_the_drawn_tokens(tiny: Renderer) -> None:
    """Its last block computes no others; everything before it is computed whole."""
    family, model = tiny.family, tiny.family.model
    assert isinstance(family, Hunyuan)
    share = region_weights(plan_of(4).regions, rows=6, columns=6, patch=2)
    drawn = share[2].nonzero()[:, 0]
    with torch.inference_mode():
        conditioning = family.conditioning(tiny.prompts, plan_of(4), ["region"] * family.block_count, (6, 6))
        whole, part = conditioning.at(share), conditioning.at(share[:, drawn])
        latents = torch.randn(2, family.channels, 12, 12)
        encoded = conditioning.picture_condition
        assert encoded is not None and not isinstance(encoded, torch.Tensor)
        common: dict[str, Any] = {
            "picture_condition": embed_picture_condition(model, join(encoded).t5, 96, 96),
            "rotary_pairs": rotary_pairs_of(rotary_embedding(model, 6, 6)),
        }  # fmt: skip
        everywhere = predict(model, latents, torch.tensor(500), contexts=whole, **common)
        beside = [CachedKeyValues(drawn, 36, Extrapolation(torch.zeros(()))) for _ in model.blocks]
        there = predict(
            model,
            latents,
            torch.tensor(500),
            contexts=[*whole[:-1], part[-1]],
            tokens=drawn,
            cached_kv=beside,
            **common,
        )
        again = predict(
            model, latents, torch.tensor(500), contexts=part, tokens=drawn, partial=True, cached_kv=beside, **common
        )
    mask = tokens_to_cells(torch.isin(torch.arange(36), drawn), 12, 12, 2)
    torch.testing.assert_close(there, torch.where(mask, everywhere, 0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(again, there, rtol=1e-4, atol=1e-5)  # what was remembered is what it attends to


def test_neighbours_that_change_steadily_are_foreseen_for_as_long_as_they_were_watched() -> None:
    speed = torch.randn(1, 6, 2, 4)
    extrapolation = Extrapolation(torch.zeros(()))
    beside = CachedKeyValues(torch.tensor([3, 4]), 6, extrapolation)
    for step in (2, 5):
        extrapolation.advance(step, partial=False)
        assert beside.merge(step * speed, -step * speed)[0].shape[1] == 6
    for step, foreseen in ((6, 6), (8, 8), (12, 8)):
        extrapolation.advance(step, partial=True)
        keys, values = beside.merge(torch.ones(1, 2, 2, 4), torch.zeros(1, 2, 2, 4))
        unchanged = [0, 1, 2, 5]
        torch.testing.assert_close(keys[:, unchanged], foreseen * speed[:, unchanged])
        torch.testing.assert_close(values[:, unchanged], -foreseen * speed[:, unchanged])
        assert keys[:, 3:5].eq(1).all() and values[:, 3:5].eq(0).all()


def test_an_edit_that_hardly_changes_anything_draws_nearly_the_same(tiny: Renderer) -> None:
    """A picture edited with the noise and prompt it already has comes out near itself."""
    before = tiny.render(request(tiny, plan_of(9), steps=8))
    same = tiny.edit(before, revision(strength=0.999999))
    other = tiny.edit(before, EDITS["another seed"])
    drift, change = ((each.latents - before.latents).abs().max() for each in (same, other))
    assert drift < change / 4


def test_candidates_that_their_own_pictures_could_not_tell_of_are_refused(tiny: Renderer) -> None:
    for count in (0, 17):
        with pytest.raises(ValueError, match=f"1 to 16 candidates are drawn in one batch, not {count}"):
            tiny.candidates(request(tiny, plan_of(2)), count)


def test_what_an_edit_refuses(tiny: Renderer) -> None:
    hidden = plan_of(2).model_copy(update={"regions": [*plan_of(2).regions, regions([Box(
        left=0, top=0, right=1, bottom=1)])[0].model_copy(update={"name": "below", "z_order": -1})]})  # fmt: skip
    result = tiny.render(request(tiny, hidden))
    with pytest.raises(ValueError, match="changes nothing visible"):
        tiny.edit(result, Revision(changes=[RegionChange(name="below", seed=4)]))
    with pytest.raises(ValueError, match="the plan has thing 0, thing 1, below"):
        tiny.edit(result, Revision(changes=[RegionChange(name="cat", seed=4)]))
    with pytest.raises(ValueError, match="not from an edited picture"):
        tiny.candidates(tiny.edit(result, EDITS["another seed"]).request, 2)


# --- state ------------------------------------------------------------------------------------------------------------


def test_an_edit_encodes_only_what_is_new(tiny_folder: Path) -> None:
    renderer = Renderer(str(tiny_folder), device="cpu")
    calls: list[int] = []
    renderer.pipe.text_encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    before = renderer.render(request(renderer, plan_of(9)))
    assert len(calls) == 11  # nine regions, the scene and the negative
    renderer.edit(before, EDITS["another prompt"])
    assert len(calls) == 12


def test_two_renders_in_two_threads(tiny_folder: Path) -> None:
    renderer = Renderer(str(tiny_folder), device="cpu")
    plans = [plan_of(9), changed(plan_of(2), feather=2.0)]
    alone = [drawn(renderer, plan) for plan in plans]
    renderer = Renderer(str(tiny_folder), device="cpu")
    renderer.pipe  # noqa: B018
    results: dict[int, torch.Tensor] = {}

    def draw(i: int) -> None:
        results[i] = drawn(renderer, plans[i % 2])

    threads = [threading.Thread(target=draw, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [0, 1, 2, 3] and all(torch.equal(results[i], alone[i % 2]) for i in results)


def test_an_edit_that_was_stopped_leaves_nothing_behind(tiny: Renderer) -> None:
    before = tiny.render(request(tiny, plan_of(9)))
    wanted = tiny.edit(before, EDITS["another seed"])

    def stop(step: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny.edit(before, EDITS["a soft edge"], stop)
    assert torch.equal(tiny.edit(before, EDITS["another seed"]).latents, wanted.latents)
    assert torch.equal(tiny.render(request(tiny, plan_of(9))).latents, before.latents)
