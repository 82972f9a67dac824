"""ControlNets of Hunyuan-DiT, for edges, depth or a pose: their residuals are added to the transformer's skips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ...prompts.errors import ModelError, first_line
from ..checkpoints.components import load_component
from ..checkpoints.files.hub import Hub, HubName
from ..checkpoints.published_models import CONTROLNETS
from ..checkpoints.silence import silence_loading
from ..diffusers_types import Network
from ..forward import ControlInput
from ..weights.offload import is_out_of_memory
from .hunyuan_text import HunyuanText


def load_control(name: str, *, dtype: torch.dtype, hub: Hub | None = None) -> Network:
    """Loads a ControlNet into main memory, by a name of `CONTROLNETS`, a folder or a hub name. Raises ModelError, one
    line."""
    from diffusers import HunyuanDiT2DControlNetModel

    folder, on_hub = Path(name).expanduser(), HubName.parse(CONTROLNETS.get(name, name))
    try:
        if not folder.is_dir():
            if not on_hub:
                raise ModelError("neither a folder nor a name on the hub")
            folder = (hub or Hub()).fetch_model(on_hub)
        with silence_loading():
            net = load_component(HunyuanDiT2DControlNetModel, folder, dtype)
    except Exception as error:  # the libraries have no common class for a broken file
        if is_out_of_memory(error):
            raise
        raise ModelError(
            f"cannot load ControlNet {name!r}: {first_line(error)} "
            f"(published: {', '.join(CONTROLNETS)}; or a folder in diffusers' format)"
        ) from error
    return net.eval()


def residuals(
    inputs: Sequence[ControlInput], whole: HunyuanText, size: Tensor, style: Tensor, rotary: tuple[Tensor, Tensor]
) -> Callable[[Tensor, Tensor], list[Tensor]]:
    """A function (latents, times) → the summed residuals of all ControlNets, deepest last, (rows, tokens, channels)
    each.

    whole: the encoded negative and scene prompt, (2, …), which all ControlNets take.
    """

    def add(latents: Tensor, times: Tensor) -> list[Tensor]:
        pictures, dtype = len(latents) // 2, latents.dtype
        bert, mask, t5, t5_mask = (
            part.repeat_interleave(pictures, 0) for part in (whole.states, whole.mask, whole.t5, whole.t5_mask)
        )
        sums: list[Tensor] = []
        for control in inputs:
            (added,) = control.net(
                latents, times, control.latents.to(dtype).expand(len(latents), -1, -1, -1), control.scale,
                encoder_hidden_states=bert, text_embedding_mask=mask, encoder_hidden_states_t5=t5,
                text_embedding_mask_t5=t5_mask, image_meta_size=size, style=style, image_rotary_emb=rotary,
                return_dict=False,
            )  # fmt: skip
            sums = [a + b for a, b in zip(sums, added, strict=True)] if sums else list(added)
        return sums

    return add
