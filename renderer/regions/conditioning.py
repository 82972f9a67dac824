"""Who hears what: the texts of each prompt level, each with its share of every image token."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from ...prompts.plan import ScenePlan
from ..families.base import CrossFamily
from ..prompt_reading import Reading
from ..weights.lora import ActiveLora, LoadedLora, active_loras
from .attention import TextContext, token_groups
from .prompt_schedule import Level, region_text, scene_text
from .region_masks import coarser

# A prompt, and the LoRAs that speak in it.
LoraPrompt = tuple[str, tuple[LoadedLora, ...]]


def prompts_at_level(plan: ScenePlan, level: Level) -> list[str]:
    """The prompts of a level: the scene's, and at the regions' levels one per region."""
    regions = plan.regions if level.startswith("region") else []
    return [scene_text(plan, level), *(region_text(plan, region, level) for region in regions)]


def negatives_at_level(plan: ScenePlan, level: Level) -> list[str]:
    """The negatives of a level, as `said`: the picture's, and per region its own together with the picture's."""
    regions = plan.regions if level.startswith("region") else []
    return [plan.negative, *(", ".join(n for n in (region.negative, plan.negative) if n) for region in regions)]


def all_texts(plan: ScenePlan, levels: Sequence[Level], *, guided: bool) -> list[str]:
    """Every text that is encoded for a render. guided: negatives are heard."""
    each = [[plan.negative, scene_text(plan, "scene")]]
    each += [
        prompts_at_level(plan, level) + (negatives_at_level(plan, level) if guided else [])
        for level in dict.fromkeys(levels)
    ]
    return list(dict.fromkeys(text for texts in each for text in texts))


class RegionConditioning:
    """What each block of one plan's render hears. Keys and values are computed once, for all steps.

    They are freed with this object. A prompt takes 1.9 MB in each block that hears it in Hunyuan-DiT (half precision)
    and 0.3 MB in the pocket checkpoint; with nine regions and the default schedule 0.7 GB and 21 MB in all.
    """

    def __init__(
        self, family: CrossFamily, prompts: Any, plan: ScenePlan, levels: Sequence[Level], *, grid: tuple[int, int],
        loras: Sequence[LoadedLora] = (),
    ) -> None:  # fmt: skip
        """levels: what each block hears, from the shallowest. grid: rows and columns of the image's tokens."""
        self.plan, self.levels, self._grid, self._loras = plan, levels, grid, loras
        self._voices = loras_by_prompt(len(plan.regions), loras)
        self.texts = {
            level: list(
                dict.fromkeys(
                    [*self._spoken(prompts_at_level(plan, level)), *self._spoken(negatives_at_level(plan, level))]
                )
            )
            for level in dict.fromkeys(levels)
        }
        whole = prompts([plan.negative, scene_text(plan, "scene")])
        self.picture_condition = family.picture_condition(whole)
        self.readings = readings(whole)
        spoken = {}
        for level, texts in self.texts.items():
            for voice in dict.fromkeys(voice for _, voice in texts):
                encoded = prompts([text for text, own in texts if own == voice])
                with active_loras([ActiveLora(one) for one in voice]):
                    spoken[level, voice] = family.text_states(encoded)
                self.readings += readings(encoded)
        self._projected = [self._project(family, index, spoken) for index in range(len(levels))]
        self._heard = [(level, family.scale(index)) for index, level in enumerate(levels)]
        self._device = family.device

    def _spoken(self, texts: Sequence[str]) -> list[LoraPrompt]:
        return list(zip(texts, self._voices))

    def _project(self, family: CrossFamily, index: int, spoken: Mapping[Any, Any]) -> tuple[Any, Any]:
        """Keys and values of a block, in the order of its level's texts. A LoRA speaks in its own region's texts."""
        level = self.levels[index]
        parts = {}
        for voice in dict.fromkeys(voice for _, voice in self.texts[level]):
            with active_loras([ActiveLora(one) for one in voice]):
                parts[voice] = family.project(index, spoken[level, voice])
        if len(parts) == 1:
            keys, values = next(iter(parts.values()))
        else:
            each = {voice: zip(*pair) for voice, pair in parts.items()}
            keys, values = zip(*(next(each[voice]) for _, voice in self.texts[level]))
        alike = len({len(one) for one in keys}) == 1
        return (keys, values) if isinstance(keys, Tensor) or not alike else (torch.stack(keys), torch.stack(values))

    def at(self, region_weights: Tensor, *, pictures: int = 1) -> list[TextContext]:
        """One TextContext per block, for a batch of `pictures` unconditional rows and as many conditional ones.

        shares: (regions + 1, image tokens), the share of each prompt in every token. The negatives are gathered by the
        same shares as the prompts.
        """
        below, above = slice(0, pictures), slice(pictures, 2 * pictures)
        together = all(isinstance(keys, Tensor) for keys, _ in self._projected)
        heard = {}
        for level, scale in dict.fromkeys(self._heard):
            here = coarser(region_weights, self._grid, scale)
            heard[level, scale] = tuple(
                segment
                for rows, prompts in (
                    (below, negatives_at_level(self.plan, level)),
                    (above, prompts_at_level(self.plan, level)),
                )
                for segment in token_groups(
                    rows, self._of_texts(level, prompts, here), device=self._device, together=together
                )
            )
        return [
            TextContext(keys, values, heard[where])
            for (keys, values), where in zip(self._projected, self._heard, strict=True)
        ]

    def _of_texts(self, level: Level, prompts: list[str], region_weights: Tensor) -> Tensor:
        """Share of each text of a level in every token, where prompts[i] has shares[i]; a single one has everything."""
        out = region_weights.new_zeros(len(self.texts[level]), region_weights.shape[1])
        for spoken, share in zip(
            self._spoken(prompts), region_weights if len(prompts) > 1 else torch.ones_like(region_weights[:1])
        ):
            out[self.texts[level].index(spoken)] += share
        return out.clamp(max=1)

    def active_loras(self, region_weights: Tensor) -> list[ActiveLora]:
        """The LoRAs as they act on the image's tokens; shares as in `at`."""
        scales = {scale for _, scale in self._heard} | {1}
        coarse = [coarser(region_weights, self._grid, scale).float().to(self._device) for scale in sorted(scales)]
        return [
            ActiveLora(
                one, None if one.region is None else {(False, each.shape[1]): each[one.region + 1] for each in coarse}
            )
            for one in self._loras
        ]


def loras_by_prompt(regions: int, loras: Sequence[LoadedLora]) -> list[tuple[LoadedLora, ...]]:
    """The LoRAs that speak in the prompt of the scene and of each region."""
    return [tuple(one for one in loras if one.region in (None, index)) for index in (None, *range(regions))]


def readings(encoded: Any) -> tuple[Reading, ...]:
    """How the encoders read prompts: those of a batch, or of a list of encoded ones."""
    return encoded.readings if hasattr(encoded, "readings") else tuple(prompt.reading for prompt in encoded)
