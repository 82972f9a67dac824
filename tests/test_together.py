"""Pictures of different plans in one batch: as one by one, for each family that says it can."""

from pathlib import Path

import pytest
import torch
from family_plans import plan_of, request
from tiny_models import saved

from ditpipe import LeveledPrompt, Renderer, RenderRequest
from ditpipe.prompts.errors import RenderError

TOLERANCE = 1e-4  # of the latents, whose spread is about 1; measured: 1e-5


def requests(renderer: Renderer, name: str) -> list[RenderRequest]:
    """One, two and four regions, with soft edges and a region that acts in some of the steps."""
    one = plan_of(name, columns=1, scene=LeveledPrompt(high_level="a hill"))
    two, four = plan_of(name), plan_of(name, columns=2, rows=2, negative="blurred")
    soft = two.regions[0].model_copy(update={"feather": 2, "strength": 0.7})
    late = four.regions[3].model_copy(update={"start": 0.4})
    two = two.model_copy(update={"regions": [soft, two.regions[1]]})
    four = four.model_copy(update={"regions": [*four.regions[:3], late]})
    return [request(renderer, plan, seed=seed, steps=3) for seed, plan in enumerate((one, two, four))]


@pytest.mark.parametrize("name", ["hunyuan"])
def test_a_batch_of_plans_is_each_of_them(name: str, tiny_folder: Path, tmp_path: Path) -> None:
    renderer = Renderer(str(tiny_folder if name == "hunyuan" else saved(name, tmp_path)), device="cpu")
    alone = requests(renderer, name)
    steps: list[int] = []
    results = renderer.together(alone, lambda step: steps.append(step.index))
    assert steps == [1, 2, 3]
    for one, result in zip(alone, results, strict=True):
        expected = renderer.render(one)
        assert result.request == expected.request
        assert torch.allclose(result.latents, expected.latents, atol=TOLERANCE, rtol=0)
        (note,) = set(result.warnings) - set(expected.warnings)
        assert note.startswith("drawn in one batch with 2 others")
    other = [result.latents for result in results]
    assert not torch.allclose(other[0], other[1], atol=0.1)


def test_what_does_not_go_together_is_refused(tiny: Renderer, tmp_path: Path) -> None:
    first, second, third = requests(tiny, "hunyuan")
    for others, said in (
        ([second.model_copy(update={"steps": 9})], "share all settings"),
        ([second, third] * 9, "1 to 16"),
        (
            [first.model_copy(update={"plan": first.plan.with_size(64, 64).model_copy(update={"width": 64})})],
            "one size",
        ),
    ):
        with pytest.raises((ValueError, RenderError), match=said):
            tiny.together([first, *others])
    with pytest.raises(ValueError, match="step cache"):
        tiny.together([one.model_copy(update={"step_cache": 0.2}) for one in (first, second)])
    joint = Renderer(str(saved("sd3", tmp_path)), device="cpu")
    with pytest.raises(RenderError, match="one by one"):
        joint.together(requests(joint, "sd3"))
