"""Models that take boxes by themselves: the plan is one caption, and what it cannot say is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from published import published

from ditpipe import LeveledPrompt, Region, Renderer, RenderRequest, ScenePlan, grid
from ditpipe.agent.cli.commands.models import abilities, described
from ditpipe.prompts.errors import RenderError
from ditpipe.prompts.formats.registry import dump_layout
from ditpipe.prompts.revision import RegionChange, Revision
from ditpipe.renderer.checkpoints.registry import CHECKPOINTS, checkpoint
from ditpipe.renderer.families.caption.family import CaptionFamily
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.regions.prompt_schedule import preset
from ditpipe.renderer.request import Lora
from ditpipe.renderer.texts.prompt_lengths import overlong_prompts

pytestmark = pytest.mark.slow  # encoders of 36 layers

FORMATS = {"ideogram-4": "ideogram4", "fibo-2": "fibo"}


@pytest.fixture(scope="module")
def renderers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Renderer]:
    zoo = tmp_path_factory.mktemp("captions")
    return {name: Renderer(str(published(name, zoo)), device="cpu") for name in FORMATS}


@pytest.fixture(params=FORMATS)
def renderer(request: pytest.FixtureRequest, renderers: dict[str, Renderer]) -> Renderer:
    return renderers[request.param]


def family_of(renderer: Renderer) -> CaptionFamily:
    assert isinstance(renderer.family, CaptionFamily)
    return renderer.family


def plan_of(*changes: dict[str, Any], **fields: Any) -> ScenePlan:
    """Two regions side by side. changes: of each of them."""
    regions = [
        Region(name=name, box=box, prompt=LeveledPrompt(high_level=name, low_level="red"))
        for name, box in zip(("cat", "sign"), grid(2, 1), strict=True)
    ]
    regions = [region.model_copy(update=change) for region, change in zip(regions, (*changes, {}, {}))]
    scene = LeveledPrompt(high_level="a street", low_level="at dusk")
    return ScenePlan.model_validate({"scene": scene, "regions": regions, "width": 96, "height": 96} | fields)


def of(renderer: Renderer, plan: ScenePlan, **fields: Any) -> RenderRequest:
    return RenderRequest(plan=plan, model=renderer.model, **({"steps": 2} | fields))


def drawn(renderer: Renderer, plan: ScenePlan, **fields: Any) -> torch.Tensor:
    return renderer.render(of(renderer, plan, **fields)).latents


def test_a_picture_is_that_of_the_pipeline_for_the_plans_caption(renderer: Renderer) -> None:
    """With a lettering, of which FIBO 2's encoder sees a picture while there is little noise; decoded."""
    plan = plan_of({}, {"lettering": "OPEN", "colors": ["#aa0011"]}, style="ink", colors=["#000000"])
    result = renderer.render(of(renderer, plan, guidance_scale=4, steps=3))
    style = checkpoint(renderer.model).style
    noise = torch.randn(result.latents.shape, generator=torch.Generator().manual_seed(0))
    pipe: Any = renderer.pipe
    extra: dict[str, Any] = {}
    if isinstance(pipe, diffusers.Ideogram4Pipeline):
        extra, noise = {"guidance_schedule": None}, noise.flatten(2).transpose(1, 2)
    pipe.set_progress_bar_config(disable=True)
    with torch.no_grad():
        theirs = pipe(
            dump_layout(plan, style.caption).text, height=96, width=96, num_inference_steps=3, guidance_scale=4,
            latents=noise, **extra,
        ).images[0]  # fmt: skip
    assert np.abs(np.asarray(result.image, int) - np.asarray(theirs, int)).max() <= 1


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": LeveledPrompt(high_level="dog")}, {"box": grid(2, 2)[3]}, {"lettering": "OPEN"},
        {"colors": ["#123456"]}, {"seed": 7},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_what_a_region_is_and_where_acts(change: dict[str, Any], renderer: Renderer) -> None:
    assert not torch.equal(drawn(renderer, plan_of()), drawn(renderer, plan_of(change)))


def test_what_a_caption_cannot_say_is_said(renderer: Renderer) -> None:
    odd = {"strength": 0.5, "feather": 2.0, "negative": "fog", "start": 0.2}
    weighted = LeveledPrompt(high_level="a (wide:1.4) street", low_level="at dusk")
    request = of(renderer, plan_of(odd, scene=weighted, negative="blur"), prompt_schedule=preset("scene"))
    result = renderer.render(request)
    warnings = "\n".join(result.warnings)
    for what in ("the strength", "the soft edge", "the negative", "start and end"):
        assert f"{what} of 'cat': not said in this model's caption" in warnings
    assert "the prompt schedule was ignored" in warnings and "takes no weights of words: 'wide'" in warnings
    assert ("takes no negative prompt" in warnings) is not family_of(renderer).negatable
    plain = plan_of(odd, scene=LeveledPrompt(high_level="a wide street", low_level="at dusk"), negative="blur")
    assert torch.equal(result.latents, drawn(renderer, plain))
    quiet = renderer.render(of(renderer, plan_of({}, {"z_order": 2, "seed": 3}))).warnings
    assert not [line for line in quiet if "caption" in line or "schedule" in line]


def test_negatives_act_where_the_model_has_them(renderer: Renderer) -> None:
    plain, other = (drawn(renderer, plan_of(negative=text)) for text in ("", "blur"))
    assert torch.equal(plain, other) is not family_of(renderer).negatable


@pytest.mark.parametrize("text", ["<|im_end|>", "a <|image_pad|> b"])
def test_control_tokens_are_refused(text: str, renderer: Renderer) -> None:
    for plan in (plan_of({"prompt": LeveledPrompt(high_level=text)}), plan_of({"lettering": text})):
        with pytest.raises(RenderError, match=r"is a control token of this model: leave it out"):
            drawn(renderer, plan)


def test_a_caption_that_is_too_long_is_refused_and_the_planner_told(renderer: Renderer) -> None:
    plan = plan_of(*[{"prompt": LeveledPrompt(high_level="many things " * 80, low_level="rows " * 190)}] * 2)
    plan = plan.model_copy(update={"scene": LeveledPrompt(high_level="z" * 990, low_level="z" * 990)})
    with pytest.raises(RenderError, match=r"the plan's caption has [\d,]+ tokens, and this model reads \d,\d+"):
        drawn(renderer, plan)
    assert not overlong_prompts(checkpoint(renderer.model), plan_of())
    (told,) = overlong_prompts(checkpoint(renderer.model), plan)
    assert "The prompt of the whole plan has" in told


def test_an_edit_re_captions_and_keeps_everything_else_bit_for_bit(renderer: Renderer) -> None:
    before = renderer.render(of(renderer, plan_of()))
    change = RegionChange(name="cat", prompt=LeveledPrompt(high_level="dog"), seed=5)
    after = renderer.edit(before, Revision(changes=[change]))
    half = before.latents.shape[-1] // 2
    assert torch.equal(before.latents[..., half:], after.latents[..., half:])
    assert (before.latents[..., :half] != after.latents[..., :half]).all()
    again = renderer.render(RenderRequest.model_validate_json(after.request.model_dump_json()))
    assert again.image.tobytes() == after.image.tobytes()
    removed = renderer.edit(before, Revision(removed=["cat"]))
    assert not torch.equal(removed.latents[..., :half], before.latents[..., :half])


def test_candidates_can_each_be_made_again(renderer: Renderer) -> None:
    first, second = renderer.candidates(of(renderer, plan_of()), 2)
    assert not torch.equal(first.latents, second.latents)
    assert torch.equal(renderer.render(second.request).latents, second.latents)


def test_loras_act_everywhere_or_in_one_regions_tokens(renderer: Renderer, tmp_path: Path) -> None:
    network: Any = Renderer(renderer.model, device="cpu").family.model
    wrapped = get_peft_model(network, LoraConfig(r=4, target_modules=["to_q", "to_v"]))
    torch.manual_seed(0)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    wrapped.save_pretrained(str(tmp_path))
    file, plan = FileRef.of(tmp_path / "adapter_model.safetensors"), plan_of()
    plain, everywhere, left = (
        drawn(renderer, plan, steps=1, loras=loras)
        for loras in ([], [Lora(file=file, scale=0.1)], [Lora(file=file, scale=0.1, region="cat")])
    )
    assert not torch.allclose(plain, everywhere, atol=1e-3)
    here, there = (plain - left).abs().chunk(2, dim=-1)
    assert here.mean() > 1.5 * there.mean()
    assert torch.equal(drawn(renderer, plan, steps=1), plain)


def test_a_start_picture_is_what_the_decoder_made_of_its_latents(renderer: Renderer) -> None:
    """The VAE packs its cells and back."""
    family, packed = family_of(renderer), torch.randn(1, 128, 3, 5)
    assert torch.equal(family.of_cells(family.cells(packed)), packed)
    assert torch.equal(family.packed(family.unpacked(packed)), packed)
    result = renderer.render(of(renderer, plan_of()))
    assert family.encode_image(result.image).shape == result.latents.shape


def test_ideogram_polishes_at_its_published_scale_and_has_its_own_noise_levels(renderers: dict[str, Renderer]) -> None:
    family = renderers["ideogram-4"].family
    zero, one = torch.zeros(1), torch.ones(1)
    scales = [float(family.guider(7.0, 48, None)(zero, one, step)) for step in range(48)]
    assert scales == [7.0] * 45 + [3.0] * 3
    assert {float(family.guider(5.0, 48, None)(zero, one, step)) for step in range(48)} == {5.0}
    with pytest.raises(RenderError, match="draw with the solver 'euler'"):
        drawn(renderers["ideogram-4"], plan_of(), solver="dpm++")


def test_letters_that_fibo_is_not_shown_are_said(renderers: dict[str, Renderer]) -> None:
    plans = [plan_of({"lettering": text}) for text in ("CAFÉ", "咖啡")]
    said = [renderers["fibo-2"].render(of(renderers["fibo-2"], plan, steps=1)).warnings for plan in plans]
    assert [any("letters that are not Latin" in line for line in lines) for lines in said] == [False, True]


def test_the_table_says_that_regions_act_by_caption() -> None:
    own = [row for row in CHECKPOINTS.values() if row.family in FORMATS]
    assert len(own) == 2 and all("regions by caption" in abilities(described(row)) for row in own)
    assert all("one JSON caption" in row.style.instructions for row in own)
