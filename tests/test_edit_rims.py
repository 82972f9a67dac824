"""The rim of an edit: the background beside a changed region is drawn too, and its pixels fade into the old ones."""

import numpy as np
import torch
from PIL import Image
from plans import plan_of

from ditpipe import Box, Renderer, RenderRequest, Revision
from ditpipe.prompts.answers.revision_answer import RevisionAnswer
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.sampling.edit import REACH, changed_tokens, keep_pixels, margin_of

# One thing in the upper left ninth, one in the lower right ninth of 9×9 tokens, and background between them.
BOXES = Box(left=0, top=0, right=1 / 3, bottom=1 / 3), Box(left=2 / 3, top=2 / 3, right=1, bottom=1)
PLAN = plan_of(2).model_copy(
    update={"regions": [r.model_copy(update={"box": box}) for r, box in zip(plan_of(2).regions, BOXES, strict=True)]}
)
SEED = Revision(changes=[RegionChange(name="thing 0", seed=5)])


def drawn(margin: int) -> torch.Tensor:
    return changed_tokens(PLAN, SEED.apply(PLAN), rows=9, columns=9, patch=2, margin=margin).view(9, 9)


def test_the_background_beside_a_changed_region_is_drawn_with_it() -> None:
    assert drawn(0).nonzero().tolist() == [[y, x] for y in range(3) for x in range(3)]
    assert drawn(2).nonzero().tolist() == [[y, x] for y in range(5) for x in range(5)]


def test_a_margin_ends_at_another_region() -> None:
    assert drawn(9).sum() == 81 - 9 and not drawn(9)[6:, 6:].any()
    full = plan_of(4)
    changed = SEED.apply(full)
    plain, wide = (changed_tokens(full, changed, rows=6, columns=6, patch=2, margin=margin) for margin in (0, 3))
    assert torch.equal(plain, wide)


def test_the_margin_is_a_sixteenth_of_the_picture_and_one_token_at_least() -> None:
    after = SEED.apply(PLAN)
    assert [margin_of(PLAN, after, rows=rows, columns=64) for rows in (8, 32, 64)] == [1, 2, 4]


def test_an_edit_notes_its_margin_and_is_made_again_with_it(tiny: Renderer) -> None:
    before = tiny.render(RenderRequest(plan=PLAN, steps=2))
    edited = tiny.edit(before, SEED)
    assert edited.request.edits == [SEED.model_copy(update={"margin": 1})]
    assert tiny.render(edited.request).image.tobytes() == edited.image.tobytes()
    exact = tiny.render(before.request.model_copy(update={"edits": [SEED]}))  # as earlier pictures note their edits
    assert exact.request.edits == [SEED]
    differs = [(result.latents != before.latents)[0].any(0) for result in (exact, edited)]
    assert differs[0].nonzero().max() == 3 and differs[1].nonzero().max() == 5


def test_no_llm_is_asked_for_a_margin() -> None:
    assert "margin" not in str(Revision.model_json_schema()) and "margin" not in str(RevisionAnswer.model_json_schema())
    assert "margin" not in SEED.model_dump()


def test_beyond_what_is_drawn_the_new_picture_fades_into_the_old_one() -> None:
    old, new = Image.new("RGB", (96, 96), "black"), Image.new("RGB", (96, 96), "white")
    tokens = torch.zeros(6, 6, dtype=torch.bool)
    tokens[:, :3] = True
    edited = keep_pixels(old, new, tokens.flatten(), plan_of(2), SEED.apply(plan_of(2)), patch=2)
    row = np.asarray(edited)[50, :, 0].astype(int)
    assert (row[:48] == 255).all() and (row[48 + 8 * REACH :] == 0).all()
    steps = row[47:-1] - row[48:]
    assert (steps >= 0).all() and steps.max() <= 17  # of 255: no line is seen
