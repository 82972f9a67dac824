"""Who hears what: the texts of each prompt level, each with its share of every image token."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..prompts.scene import ScenePlan
from .attention import Segment, TextContext
from .depth import Level, region_text, scene_text
from .family import CrossFamily
from .masks import coarser


def said(plan: ScenePlan, level: Level) -> list[str]:
    """The prompts of a level: the scene's, and at the regions' levels one per region."""
    regions = plan.regions if level.startswith("region") else []
    return [scene_text(plan, level), *(region_text(region, level) for region in regions)]


def unwanted(plan: ScenePlan, level: Level) -> list[str]:
    """The negatives of a level, as `said`: the picture's, and per region its own together with the picture's."""
    regions = plan.regions if level.startswith("region") else []
    return [plan.negative, *(", ".join(n for n in (region.negative, plan.negative) if n) for region in regions)]


class Listening:
    """What each block of one plan's render hears. Keys and values are computed once, for all steps.

    They are freed with this object. A prompt takes 1.9 MB in each block that hears it in Hunyuan-DiT (half precision)
    and 0.3 MB in the pocket checkpoint; with nine regions and the default schedule 0.5 GB and 16 MB in all.
    """

    def __init__(
        self, family: CrossFamily, prompts: Any, plan: ScenePlan, levels: Sequence[Level], *, grid: tuple[int, int]
    ) -> None:
        """levels: what each block hears, from the shallowest. grid: rows and columns of the image's tokens."""
        self.plan, self.levels, self._grid = plan, levels, grid
        self.texts = {
            level: list(dict.fromkeys([*said(plan, level), *unwanted(plan, level)])) for level in dict.fromkeys(levels)
        }
        whole = prompts([plan.negative, scene_text(plan, "scene")])
        self.tone = family.tone(whole)
        self.truncated = truncated(whole)
        states = {}
        for level, texts in self.texts.items():
            encoded = prompts(texts)
            states[level] = family.text_states(encoded)
            self.truncated = tuple(dict.fromkeys(self.truncated + truncated(encoded)))
        self._projected = [family.project(index, states[level]) for index, level in enumerate(levels)]
        self._heard = [(level, family.scale(index)) for index, level in enumerate(levels)]
        self._device = family.device

    def at(self, shares: Tensor, *, pictures: int = 1) -> list[TextContext]:
        """One TextContext per block, for a batch of `pictures` unconditional rows and as many conditional ones.

        shares: (regions + 1, image tokens), the share of each prompt in every token. The negatives are gathered by the
        same shares as the prompts.
        """
        below, above = slice(0, pictures), slice(pictures, 2 * pictures)
        segments = {}
        for level, scale in dict.fromkeys(self._heard):
            texts, here = self.texts[level], coarser(shares, self._grid, scale)
            segments[level, scale] = (
                *_segments(below, unwanted(self.plan, level), texts, here, self._device),
                *_segments(above, said(self.plan, level), texts, here, self._device),
            )
        return [
            TextContext(keys, values, segments[heard])
            for (keys, values), heard in zip(self._projected, self._heard, strict=True)
        ]


def truncated(encoded: Any) -> tuple[str, ...]:
    """Prompts that were longer than their encoders read, of a batch or of a list of encoded ones."""
    each = encoded if isinstance(encoded, list) else [encoded]
    return tuple(dict.fromkeys(text for one in each for text in one.truncated))


def _segments(rows: slice, prompts: list[str], texts: list[str], shares: Tensor, device: torch.device) -> list[Segment]:
    """Who listens to which of `texts`, where prompts[i] has shares[i]; a single prompt has everything."""
    out = []
    for text in dict.fromkeys(prompts):
        mine = [i for i, other in enumerate(prompts) if other == text]
        share = shares[mine].sum(0).clamp(max=1) if len(prompts) > 1 else torch.ones_like(shares[0])
        tokens = share.nonzero()[:, 0]
        if not len(tokens):
            continue
        soft = bool((share[tokens] < 1).any())
        out.append(
            Segment(
                rows,
                None if len(tokens) == len(share) else tokens.to(device),
                texts.index(text),
                share[tokens].float().to(device) if soft else None,
            )
        )
    return out
