"""Numbers that are not finite are an error that names what is likely at fault, never a black picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from plans import plan_of
from previews import preview
from safetensors.torch import save_file

from ditpipe import Renderer, RenderRequest, Revision
from ditpipe.prompts.errors import RenderError
from ditpipe.prompts.revision import RegionChange
from ditpipe.renderer.pictures.file_ref import FileRef
from ditpipe.renderer.request import Lora

LAYER = "blocks.1.attn1.to_q"


def request(renderer: Renderer, **fields: Any) -> RenderRequest:
    return RenderRequest(plan=plan_of(2), model=renderer.model, steps=2, **fields)


def broken(renderer: Renderer, part: str) -> Renderer:
    """A renderer of the same model, one of whose matrices holds no numbers."""
    out = Renderer(renderer.model, device="cpu")
    with torch.no_grad():
        next(getattr(out.pipe, part).parameters()).fill_(math.nan)
    return out


def test_damaged_weights_are_an_error_and_no_black_picture(tiny: Renderer) -> None:
    before = tiny.render(request(tiny))
    for part in ("transformer", "text_encoder"):
        with pytest.raises(RenderError, match="denoised latents are not finite .*damaged weights: get the") as caught:
            broken(tiny, part).render(request(tiny))
        assert "LoRA" not in str(caught.value) and "\n" not in str(caught.value)
    damaged = broken(tiny, "transformer")
    with pytest.raises(RenderError, match="not finite"):
        damaged.edit(before, Revision(changes=[RegionChange(name="thing 0", seed=5)]))
    with pytest.raises(RenderError, match="not finite"):
        damaged.candidates(request(tiny), 2)


def test_a_decoder_that_overflows_is_an_error(tiny: Renderer) -> None:
    previews: list[tuple[int, int]] = []
    out = Renderer(tiny.model, device="cpu")
    with torch.no_grad():
        out.pipe.vae.decoder.conv_out.bias[0] = math.inf
    with pytest.raises(RenderError, match=r"decoder \(VAE\) are not finite .*damaged"):
        out.render(request(tiny), lambda step: previews.append(preview(step).size))
    assert len(previews) == 2  # a preview is no reason to stop


def test_float16_and_loras_are_named_where_they_are_used(tiny: Renderer, tmp_path: Path) -> None:
    path = tmp_path / "strong.safetensors"
    huge = {f"{LAYER}.lora_A.weight": torch.full((2, 32), 1e30), f"{LAYER}.lora_B.weight": torch.full((32, 2), 1e30)}
    save_file(huge, path)
    strong = Lora(file=FileRef.of(path))
    with pytest.raises(RenderError, match=r"a LoRA: try it weaker, or the picture without .*strong\.safetensors"):
        tiny.render(request(tiny, loras=[strong]))
    half = broken(tiny, "transformer")
    half.pipe.to(dtype=torch.float16)
    with pytest.raises(RenderError, match="Likely causes: float16, in which large numbers overflow"):
        half.render(request(tiny))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("end", ["lora_A.weight", "lora_B.weight", "alpha"])
def test_a_lora_of_numbers_that_are_not_finite_is_refused_at_reading(
    value: float, end: str, tiny: Renderer, tmp_path: Path
) -> None:
    tensors = {"lora_A.weight": torch.ones(2, 32), "lora_B.weight": torch.ones(32, 2), "alpha": torch.tensor(1.0)}
    tensors[end].view(-1)[0] = value
    save_file({f"{LAYER}.{name}": tensor for name, tensor in tensors.items()}, tmp_path / "bad.safetensors")
    with pytest.raises(RenderError, match=rf"bad\.safetensors: '{LAYER}\.{end}' holds numbers that are not finite"):
        tiny.render(request(tiny, loras=[Lora(file=FileRef.of(tmp_path / "bad.safetensors"))]))
