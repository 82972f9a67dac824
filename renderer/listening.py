"""Who hears what: the texts of each prompt level, each with its share of every image token."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ..prompts.scene import ScenePlan
from .attention import Segment, TextContext
from .depth import Level, region_text, scene_text
from .family import CrossFamily
from .lora import LoadedLora, Worn, worn
from .masks import coarser

# A prompt, and the LoRAs that speak in it.
Spoken = tuple[str, tuple[LoadedLora, ...]]


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
        self, family: CrossFamily, prompts: Any, plan: ScenePlan, levels: Sequence[Level], *, grid: tuple[int, int],
        loras: Sequence[LoadedLora] = (),
    ) -> None:  # fmt: skip
        """levels: what each block hears, from the shallowest. grid: rows and columns of the image's tokens."""
        self.plan, self.levels, self._grid, self._loras = plan, levels, grid, loras
        self._voices = voices(len(plan.regions), loras)
        self.texts = {
            level: list(dict.fromkeys([*self._spoken(said(plan, level)), *self._spoken(unwanted(plan, level))]))
            for level in dict.fromkeys(levels)
        }
        whole = prompts([plan.negative, scene_text(plan, "scene")])
        self.tone = family.tone(whole)
        self.truncated = truncated(whole)
        spoken = {}
        for level, texts in self.texts.items():
            for voice in dict.fromkeys(voice for _, voice in texts):
                encoded = prompts([text for text, own in texts if own == voice])
                with worn([Worn(one) for one in voice]):
                    spoken[level, voice] = family.text_states(encoded)
                self.truncated = tuple(dict.fromkeys(self.truncated + truncated(encoded)))
        self._projected = [self._project(family, index, spoken) for index in range(len(levels))]
        self._heard = [(level, family.scale(index)) for index, level in enumerate(levels)]
        self._device = family.device

    def _spoken(self, texts: Sequence[str]) -> list[Spoken]:
        return list(zip(texts, self._voices))

    def _project(self, family: CrossFamily, index: int, spoken: Mapping[Any, Any]) -> tuple[Any, Any]:
        """Keys and values of a block, in the order of its level's texts. A LoRA speaks in its own region's texts."""
        level = self.levels[index]
        parts = {}
        for voice in dict.fromkeys(voice for _, voice in self.texts[level]):
            with worn([Worn(one) for one in voice]):
                parts[voice] = family.project(index, spoken[level, voice])
        if len(parts) == 1:
            return next(iter(parts.values()))
        each = {voice: zip(*pair) for voice, pair in parts.items()}
        keys, values = zip(*(next(each[voice]) for _, voice in self.texts[level]))
        return keys, values

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
                *_segments(below, self._spoken(unwanted(self.plan, level)), texts, here, self._device),
                *_segments(above, self._spoken(said(self.plan, level)), texts, here, self._device),
            )
        return [
            TextContext(keys, values, segments[heard])
            for (keys, values), heard in zip(self._projected, self._heard, strict=True)
        ]

    def worn(self, shares: Tensor) -> list[Worn]:
        """The LoRAs as they act on the image's tokens; shares as in `at`."""
        scales = {scale for _, scale in self._heard} | {1}
        coarse = [coarser(shares, self._grid, scale).float().to(self._device) for scale in sorted(scales)]
        return [
            Worn(one, None if one.region is None else {(False, each.shape[1]): each[one.region + 1] for each in coarse})
            for one in self._loras
        ]


def voices(regions: int, loras: Sequence[LoadedLora]) -> list[tuple[LoadedLora, ...]]:
    """The LoRAs that speak in the prompt of the scene and of each region."""
    return [tuple(one for one in loras if one.region in (None, index)) for index in (None, *range(regions))]


def truncated(encoded: Any) -> tuple[str, ...]:
    """Prompts that were longer than their encoders read, of a batch or of a list of encoded ones."""
    each = encoded if isinstance(encoded, list) else [encoded]
    return tuple(dict.fromkeys(text for one in each for text in one.truncated))


def _segments(
    rows: slice, prompts: list[Spoken], texts: list[Spoken], shares: Tensor, device: torch.device
) -> list[Segment]:
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
