"""Regions where text and image share one attention: what the paddings of their prompts cost, and what they still do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from plans import plan_of
from tiny_models import saved
from torch import Tensor

from ditpipe import LeveledPrompt, Renderer, ScenePlan
from ditpipe.renderer.forward import Encoded
from ditpipe.renderer.regions.joint_attention import SequenceLayout
from ditpipe.renderer.regions.joint_conditioning import PADDINGS, JointConditioning, condensed
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.renderer.regions.region_masks import region_ids, region_weights
from ditpipe.renderer.regions.stepwise import StepwiseConditioning
from ditpipe.renderer.sampling.sampler import denoise, initial_noise

Prompts = Callable[[Sequence[str]], list[Encoded]]
TOKENS = {"sd3.5": 77 + 256, "flux": 512}


@pytest.fixture(params=TOKENS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def renderer(name: str, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    folder: Path = tmp_path_factory.getbasetemp() / "joint"
    folder.mkdir(exist_ok=True)
    return Renderer(str(saved(name, folder)), device="cpu")


def prompts_of(renderer: Renderer, *, alike: bool) -> Prompts:
    """What encodes prompts. alike: each encoder's paddings are all the same state, its last."""

    def encode(text: str) -> Encoded:
        encoded: Encoded = renderer.family.encode(text)
        states, start = encoded.states.clone(), 0
        for length, own in encoded.sections:
            if alike:
                states[start + own : start + length] = states[start + length - 1]
            start += length
        return replace(encoded, states=states)

    return lambda texts: [encode(text) for text in texts]


def conditioning_of(renderer: Renderer, plan: ScenePlan, prompts: Prompts, paddings: int | None) -> JointConditioning:
    levels = preset("scene-then-regions").levels(renderer.family.block_count)
    guided = renderer.family.guided
    return JointConditioning(renderer.family, prompts, plan, levels, guided=guided, paddings=paddings)  # type: ignore[arg-type]


def drawn(renderer: Renderer, plan: ScenePlan, prompts: Prompts, paddings: int | None) -> Tensor:
    family, rows, columns = renderer.family, 6, 6  # tokens of 96×96 pixels
    with torch.inference_mode():
        conditioning = conditioning_of(renderer, plan, prompts, paddings)
        text = StepwiseConditioning(conditioning, region_weights(plan.regions, rows=rows, columns=columns, patch=2))
        noise = initial_noise(family, plan, region_ids(plan.regions, rows=rows, columns=columns), 0)
        for at in denoise(family, noise, text, steps=2, guidance=3):
            pass
    return at.latents


def text_of(renderer: Renderer, plan: ScenePlan, paddings: int | None = PADDINGS, share: Tensor | None = None) -> Any:
    conditioning = conditioning_of(renderer, plan, prompts_of(renderer, alike=False), paddings)
    share = region_weights(plan.regions, rows=6, columns=6, patch=2) if share is None else share
    with torch.inference_mode():
        return conditioning.at(share)


def attended(layout: SequenceLayout, tokens: int = 0) -> Tensor:
    """The factor of each token's (row's) attention to each other one, (tokens, tokens), of the first batch row."""
    size = tokens or max(int(group.queries.max()) + 1 for group in layout.groups if group.queries is not None)
    seen = torch.zeros(size, size)
    for group in layout.groups:
        if group.rows.start in (None, 0):
            queries, keys = (torch.arange(size) if each is None else each for each in (group.queries, group.keys))
            factors = torch.ones(1, 1) if group.bias is None else group.bias.exp()
            seen[queries[:, None], keys] = factors.expand(len(queries), len(keys))
    return seen


def test_few_paddings_stand_for_all_and_where_they_are_alike_nothing_changes(renderer: Renderer) -> None:
    plan = plan_of(4).model_copy(update={"negative": "a blurred picture of many things in rows"})
    whole, few = (drawn(renderer, plan, prompts_of(renderer, alike=True), paddings) for paddings in (None, PADDINGS))
    torch.testing.assert_close(few, whole, rtol=1e-4, atol=1e-4)
    # without the weights of those that they stand for it would be another picture
    dropped = drawn(renderer, plan, prompts_of(renderer, alike=True), 0)
    assert (dropped - whole).abs().max() > 30 * (few - whole).abs().max()


def test_nine_regions_add_few_tokens_and_texts_without_weight_add_none(name: str, renderer: Renderer) -> None:
    plan, tokens = plan_of(9), TOKENS[name]
    every = text_of(renderer, plan, None)
    assert every.states.shape[1] == 10 * tokens  # the scene's and nine
    few = text_of(renderer, plan)
    clip = 0 if name == "flux" else 77  # all of it: its paddings have positions of their own
    assert few.states.shape[1] == tokens + 9 * (clip + 2 * PADDINGS) < every.states.shape[1] / 2
    assert all(len(seen) == few.states.shape[1] + 36 for seen in map(attended, few.layouts))
    # where regions are everywhere, the scene's text at the regions' level has no weight
    other = plan.model_copy(update={"scene": LeveledPrompt(high_level="rows", low_level="small")})
    levels = ["scene-high", *["region"] * (renderer.family.block_count - 1)]
    guided, prompts = renderer.family.guided, prompts_of(renderer, alike=False)
    conditioning = JointConditioning(renderer.family, prompts, other, levels, guided=guided)  # type: ignore[arg-type]
    share = region_weights(other.regions, rows=6, columns=6, patch=2)
    with torch.inference_mode():
        assert conditioning.at(share).states.shape[1] == few.states.shape[1]
        share[0], share[1] = share[1].clone(), 0  # the first region without weight, the scene in its place
        assert conditioning.at(share).states.shape[1] > few.states.shape[1] + tokens / 2


def test_the_scenes_and_a_single_regions_prompt_are_as_the_model_was_trained(name: str, renderer: Renderer) -> None:
    for plan in (plan_of(1), plan_of(9)):
        text = text_of(renderer, plan)
        (scene,) = prompts_of(renderer, alike=False)([plan.scene.text])
        assert torch.equal(text.states[-1, : TOKENS[name]], scene.states)
        seen = attended(text.layouts[0])
        assert (seen[: TOKENS[name], : TOKENS[name]] == 1).all()
    assert text_of(renderer, plan_of(1)).states.shape[1] == 2 * TOKENS[name]


def test_a_family_without_pooled_vectors_and_one_without_negatives(name: str, renderer: Renderer) -> None:
    """Pooled vectors are stacked for the prompts in use; a family whose encoders give none conditions on none."""
    given = prompts_of(renderer, alike=False)
    pooled = conditioning_of(renderer, plan_of(2), given, PADDINGS).picture_condition
    assert isinstance(pooled, Tensor) and len(pooled) == (1 if name == "flux" else 2)
    bare = conditioning_of(
        renderer, plan_of(2), lambda texts: [replace(prompt, pooled=None) for prompt in given(texts)], PADDINGS
    )
    assert bare.picture_condition is None


def test_what_is_computed_of_a_prompt() -> None:
    tokens, weights = condensed([(77, 5), (256, 20)])
    assert tokens[:8].tolist() == list(range(8)) and tokens[16:40].tolist() == [77 + i for i in range(24)]
    assert (tokens.diff() > 0).all() and len(tokens) == 8 + 8 + 24 + 8 and weights.sum() == 77 + 256
    assert weights[:8].tolist() == 8 * [1] and weights[8] == (77 - 8) / 8
    for own in (250, 256, 0):
        tokens, weights = condensed([(256, own)])
        assert weights.sum() == 256 and tokens.max() < 256 and len(set(tokens.tolist())) == len(tokens)
    assert torch.equal(condensed([(77, 77)])[0], torch.arange(77))
