"""Who hears what: the texts of each prompt level, each with its share of every image token."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..prompts.scene import ScenePlan
from .attention import Segment, TextContext, project_text
from .depth import Level, region_text, scene_text
from .hunyuan import text_states
from .text import Prompts


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

    def __init__(self, transformer: Any, prompts: Prompts, plan: ScenePlan, levels: Sequence[Level]) -> None:
        """levels: what each block hears, from the shallowest."""
        self.plan, self.levels = plan, levels
        self.texts = {
            level: list(dict.fromkeys([*said(plan, level), *unwanted(plan, level)])) for level in dict.fromkeys(levels)
        }
        whole = prompts([plan.negative, scene_text(plan, "scene")])
        self.pooled = whole.t5  # (2, text tokens, channels): the negative's and the scene's tone
        self.truncated = whole.truncated
        states = {}
        for level, texts in self.texts.items():
            encoded = prompts(texts)
            states[level] = text_states(transformer, encoded)
            self.truncated = tuple(dict.fromkeys(self.truncated + encoded.truncated))
        self._projected = [
            project_text(block.attn2, states[level])
            for block, level in zip(transformer.blocks, self.levels, strict=True)
        ]

    def at(self, shares: Tensor, *, pictures: int = 1) -> list[TextContext]:
        """One TextContext per block, for a batch of `pictures` unconditional rows and as many conditional ones.

        shares: (regions + 1, image tokens), the share of each prompt in every token. The negatives are gathered by the
        same shares as the prompts.
        """
        device = self._projected[0][0].device
        below, above = slice(0, pictures), slice(pictures, 2 * pictures)
        segments = {
            level: (
                *_segments(below, unwanted(self.plan, level), texts, shares, device),
                *_segments(above, said(self.plan, level), texts, shares, device),
            )
            for level, texts in self.texts.items()
        }
        return [
            TextContext(keys, values, segments[level])
            for (keys, values), level in zip(self._projected, self.levels, strict=True)
        ]


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
