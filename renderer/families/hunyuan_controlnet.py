"""ControlNets of Hunyuan-DiT: a second network that looks at edges, depth or a pose adds to the first one's skips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...prompts.errors import ModelError, first_line
from ..checkpoints.components import load_component
from ..checkpoints.hub import Hub, HubName
from ..checkpoints.silence import silence_loading
from ..prompt_cache import HunyuanText
from ..weights.offload import is_out_of_memory

PUBLISHED = {
    name: f"Tencent-Hunyuan/HunyuanDiT-v1.2-ControlNet-Diffusers-{name.capitalize()}"
    for name in ("canny", "depth", "pose")
}


@dataclass(frozen=True)
class ControlInput:
    """A ControlNet and the latents (1, channels, h, w) of the picture that it follows."""

    net: Any
    latents: Tensor
    scale: float


def load_control(name: str, *, dtype: torch.dtype, hub: Hub | None = None) -> Any:
    """A published ControlNet, or one of a folder or a hub name, in main memory. Raises ModelError, one line."""
    from diffusers import HunyuanDiT2DControlNetModel

    folder, on_hub = Path(name).expanduser(), HubName.parse(PUBLISHED.get(name, name))
    try:
        if not folder.is_dir():
            if not on_hub:
                raise ModelError("neither a folder nor a name on the hub")
            folder = (hub or Hub()).fetch_model(on_hub)
        with silence_loading():
            net = load_component(HunyuanDiT2DControlNetModel, folder, dtype)
    except Exception as error:  # every loader underneath has its own exceptions for a missing or broken file
        if is_out_of_memory(error):
            raise
        raise ModelError(
            f"cannot load ControlNet {name!r}: {first_line(error)} "
            f"(published: {', '.join(PUBLISHED)}; or a folder in diffusers' format)"
        ) from error
    return net.eval()


def residuals(
    followed: Sequence[ControlInput], whole: HunyuanText, size: Tensor, style: Tensor, rotary: Any
) -> Callable[[Tensor, Tensor], list[Tensor]]:
    """What the ControlNets add to the skips, deepest last, for (latents, times): each (rows, tokens, channels).

    They hear the whole picture's prompts: whole holds the negative's and the scene's, (2, …); rows are pairs of them.
    """

    def add(latents: Tensor, times: Tensor) -> list[Tensor]:
        pictures, dtype = len(latents) // 2, latents.dtype
        bert, bert_mask, t5, t5_mask = (
            one.repeat_interleave(pictures, 0) for one in (whole.bert, whole.bert_mask, whole.t5, whole.t5_mask)
        )
        sums: list[Tensor] = []
        for one in followed:
            (each,) = one.net(
                latents, times, one.latents.to(dtype).expand(len(latents), -1, -1, -1), one.scale,
                encoder_hidden_states=bert, text_embedding_mask=bert_mask, encoder_hidden_states_t5=t5,
                text_embedding_mask_t5=t5_mask, image_meta_size=size, style=style, image_rotary_emb=rotary,
                return_dict=False,
            )  # fmt: skip
            sums = [a + b for a, b in zip(sums, each, strict=True)] if sums else list(each)
        return sums

    return add
