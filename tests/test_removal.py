"""A removed region leaves background, and nothing of it stays in tokens of its neighbours that its box touches."""

import numpy as np
import torch
from PIL import Image
from plans import changed, plan_of

from ditpipe import Box, LeveledPrompt, PromptSchedule, Region, Renderer, RenderRequest, Revision, ScenePlan
from ditpipe.prompts.answers.revision_answer import RevisionAnswer
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.regions.region_masks import SCENE
from ditpipe.renderer.regions.token_layout import token_layout
from ditpipe.renderer.sampling.removal import background_plan, cleared_tokens, clears_background, keep_neighbours


def thing(name: str, left: float, right: float) -> Region:
    box = Box(left=left, top=0, right=right, bottom=1)
    return Region(name=name, box=box, prompt=LeveledPrompt(high_level=name, low_level="red"))


# On 8 tokens the borders at 0.33 and 0.67 lie within the tokens 2 and 5, whose centres are the neighbours'.
THREE = ScenePlan(
    width=128,
    height=128,
    scene=LeveledPrompt(high_level="a red cat, a red dog and a red owl at night", low_level="warm light"),
    regions=[thing("cat", 0, 0.33), thing("dog", 0.33, 0.67), thing("owl", 0.67, 1)],
)
GONE = Revision(
    removed=["dog"], scene=LeveledPrompt(high_level="a red cat and a red owl at night", low_level="warm light")
)
AFTER = GONE.apply(THREE)
GRID = {"rows": 8, "columns": 8, "patch": 2}


def test_a_token_of_a_neighbour_that_the_removed_box_touches_is_cleared() -> None:
    assert clears_background(THREE, AFTER)
    cleared = cleared_tokens(THREE, AFTER, **GRID).view(8, 8)
    assert [column for column in range(8) if cleared[:, column].all()] == [2, 3, 4, 5]
    assert not cleared[:, [0, 1, 6, 7]].any()
    narrow = AFTER.model_copy(update={"regions": [thing("cat", 0.26, 0.33), *AFTER.regions[1:]]})
    assert not cleared_tokens(THREE, narrow, **GRID).view(8, 8)[:, 2].any()  # the cat keeps its only tokens


def test_cleared_tokens_attend_to_the_background_alone() -> None:
    plan = background_plan(AFTER)
    assert (plan.scene.high_level, plan.scene.low_level) == ("at night", "warm light") and plan.regions == AFTER.regions
    layout = token_layout(plan, PromptSchedule(), grid=(8, 8), patch=2, blocks=4)
    tokens = cleared_tokens(THREE, AFTER, **GRID)
    cleared = layout.cleared(tokens)
    assert (cleared.region_ids[tokens] == SCENE).all() and (cleared.region_weights[SCENE, tokens] == 1).all()
    assert torch.equal(cleared.region_ids[~tokens], layout.region_ids[~tokens])
    assert (cleared.region_weights.sum(0) == 1).all()


def test_the_neighbours_keep_their_own_pixels() -> None:
    old, new = Image.new("RGB", (128, 128), "black"), Image.new("RGB", (128, 128), "white")
    row = np.asarray(keep_neighbours(old, new, THREE, AFTER, fade=4))[64, :, 0].astype(int)
    left, right = round(0.33 * 128), round(0.67 * 128)
    assert (row[left:right] == 255).all() and (row[: left - 5] == 0).all() and (row[right + 5 :] == 0).all()
    assert (np.diff(row[:left]) >= 0).all()


def test_what_is_not_only_a_removal_from_the_background_is_drawn_as_any_edit() -> None:
    moved = changed(AFTER, box=Box(left=0.1, top=0, right=0.3, bottom=1))
    assert not clears_background(THREE, moved) and not clears_background(THREE, THREE)
    behind = THREE.model_copy(update={"regions": [*THREE.regions, thing("house", 0.2, 0.8)]})
    assert not clears_background(behind, Revision(removed=["dog"]).apply(behind))
    prose = GONE.model_copy(update={"scene": LeveledPrompt(high_level="friends of the night")}).apply(THREE)
    assert not clears_background(THREE, prose)  # nothing tells its background from the rest


def test_an_edit_notes_that_it_clears_and_is_made_again_with_it(tiny: Renderer) -> None:
    plan = plan_of(4).model_copy(update={"scene": LeveledPrompt(high_level="at night")})
    listed = changed(plan, box=Box(left=0, top=0, right=0.55, bottom=0.5)).model_copy(
        update={"scene": LeveledPrompt(high_level="a red a, a red b, a red c and a red d at night")}
    )
    scene = LeveledPrompt(high_level="a red b, a red c and a red d at night")
    revision = Revision(removed=["thing 0"], scene=scene)
    before = tiny.render(RenderRequest(plan=listed, steps=2))
    edited = tiny.edit(before, revision)
    assert edited.request.edits[0].clears
    assert tiny.render(edited.request).image.tobytes() == edited.image.tobytes()
    as_earlier = tiny.render(before.request.model_copy(update={"edits": [revision]}))
    assert not as_earlier.request.edits[0].clears  # pictures of before carry no such note
    seed = tiny.edit(before, Revision(changes=[RegionChange(name="thing 0", seed=5)]))
    assert not seed.request.edits[0].clears


def test_no_llm_is_asked_whether_an_edit_clears() -> None:
    assert "clears" not in str(Revision.model_json_schema()) and "clears" not in str(RevisionAnswer.model_json_schema())
    assert "clears" not in GONE.model_dump()
