"""Conditioning of cross-attention models: each block's keys and values, and each prompt's weight in every token."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from ...prompts.plan import ScenePlan
from ...prompts.wording import PROSE, PromptStyle, region_text, scene_text
from ..forward import Encode, Encoded, PictureCondition
from ..texts.prompt_reading import Reading
from ..weights.lora import ActiveLora, LoadedLora, active_loras
from .attention import TextContext, TokenGroup, token_groups
from .prompt_schedule import PARTS, Level
from .region_masks import downsample_weights

KeyValues = tuple[Tensor | Sequence[Tensor], Tensor | Sequence[Tensor]]
States = TypeVar("States")  # a family's text states
LoraPrompt = tuple[str, tuple[LoadedLora, ...]]  # a prompt, and the LoRAs active while it is encoded


class CrossAttends(Protocol[States]):
    """The part of `CrossFamily` that the conditioning uses."""

    device: torch.device
    style: PromptStyle

    def picture_condition(self, whole: Sequence[Encoded]) -> PictureCondition: ...
    def text_states(self, encoded: Sequence[Encoded]) -> States: ...
    def project(self, index: int, states: States) -> KeyValues: ...
    def scale(self, index: int) -> int: ...


def prompts_at_level(plan: ScenePlan, level: Level, style: PromptStyle = PROSE) -> list[str]:
    """The prompts of a level: the scene prompt, and at region levels one per region."""
    if not level.startswith("region"):
        return [scene_text(plan, PARTS[level])]
    return [scene_text(plan, "both"), *(region_text(plan, region, PARTS[level], style) for region in plan.regions)]


def negatives_at_level(plan: ScenePlan, level: Level) -> list[str]:
    """The negatives, in the order of `prompts_at_level`: the plan's, and per region its own joined with the plan's."""
    regions = plan.regions if level.startswith("region") else []
    return [plan.negative, *(", ".join(n for n in (region.negative, plan.negative) if n) for region in regions)]


def all_texts(plan: ScenePlan, levels: Sequence[Level], style: PromptStyle = PROSE, *, guided: bool) -> list[str]:
    """All distinct texts of a render. guided: the family takes negatives."""
    texts = [plan.negative, scene_text(plan, "both")]
    for level in dict.fromkeys(levels):
        texts += prompts_at_level(plan, level, style) + (negatives_at_level(plan, level) if guided else [])
    return list(dict.fromkeys(texts))


def loras_by_prompt(regions: int, loras: Sequence[LoadedLora]) -> list[tuple[LoadedLora, ...]]:
    """The LoRAs active in the scene prompt, then in each region's prompt."""
    return [tuple(lora for lora in loras if lora.region in (None, index)) for index in (None, *range(regions))]


def readings_of(encoded: Iterable[Encoded]) -> tuple[Reading, ...]:
    """The `Reading` of each prompt."""
    return tuple(prompt.reading for prompt in encoded)


class RegionConditioning:
    """Keys and values of a plan's prompts for the blocks of one render, computed once for all steps.

    They are freed with this object. A prompt takes 1.9 MB in each block that uses it in Hunyuan-DiT (half precision)
    and 0.3 MB in the pocket checkpoint; with nine regions and the default schedule 0.7 GB and 21 MB in all.
    """

    def __init__(
        self, family: CrossAttends[States], encode: Encode, plan: ScenePlan, levels: Sequence[Level], *,
        grid: tuple[int, int], loras: Sequence[LoadedLora] = (),
    ) -> None:  # fmt: skip
        """levels: one per block, from the shallowest. grid: rows and columns of the image's tokens."""
        self.plan, self.levels, self._grid, self._loras = plan, levels, grid, loras
        self.guided = True
        self._style = family.style
        self._loras_by_prompt = loras_by_prompt(len(plan.regions), loras)
        self.texts: dict[Level, list[LoraPrompt]] = {}
        for level in levels:
            prompts = self._with_loras(prompts_at_level(plan, level, family.style))
            negatives = self._with_loras(negatives_at_level(plan, level))
            self.texts[level] = list(dict.fromkeys([*prompts, *negatives]))
        whole = encode([plan.negative, scene_text(plan, "both")])
        self.picture_condition = family.picture_condition(whole)
        self.readings = readings_of(whole)
        states: dict[tuple[Level, tuple[LoadedLora, ...]], States] = {}
        for level, texts in self.texts.items():
            for group in dict.fromkeys(group for _, group in texts):
                encoded = encode([text for text, own in texts if own == group])
                with active_loras([ActiveLora(lora) for lora in group]):
                    states[level, group] = family.text_states(encoded)
                self.readings += readings_of(encoded)
        self._projected = [self._project(family, index, states) for index in range(len(levels))]
        self._resolutions = [(level, family.scale(index)) for index, level in enumerate(levels)]
        self._device = family.device

    def at(self, region_weights: Tensor, *, pictures: int = 1) -> list[TextContext]:
        """One TextContext per block, for `pictures` unconditional rows and as many conditional ones.

        region_weights: (regions + 1, image tokens), the weight of each prompt in every token. The negatives are
        gathered by the same weights as the prompts.
        """
        together = all(isinstance(keys, Tensor) for keys, _ in self._projected)
        groups: dict[tuple[Level, int], tuple[TokenGroup, ...]] = {}
        for level, scale in dict.fromkeys(self._resolutions):
            coarse = downsample_weights(region_weights, self._grid, scale)
            prompts_of_rows = (
                (slice(0, pictures), negatives_at_level(self.plan, level)),
                (slice(pictures, 2 * pictures), prompts_at_level(self.plan, level, self._style)),
            )
            groups[level, scale] = tuple(
                group
                for rows, prompts in prompts_of_rows
                for group in token_groups(
                    rows, self._text_weights(level, prompts, coarse), device=self._device, together=together
                )
            )
        return [
            TextContext(keys, values, groups[resolution])
            for (keys, values), resolution in zip(self._projected, self._resolutions, strict=True)
        ]

    def active_loras(self, region_weights: Tensor) -> list[ActiveLora]:
        """The LoRAs as they act on the image's tokens; region_weights as in `at`."""
        scales = sorted({scale for _, scale in self._resolutions} | {1})
        coarse = [downsample_weights(region_weights, self._grid, scale).float().to(self._device) for scale in scales]
        return [
            ActiveLora(
                lora,
                None if lora.region is None else {(False, each.shape[1]): each[lora.region + 1] for each in coarse},
            )
            for lora in self._loras
        ]

    def _with_loras(self, texts: Sequence[str]) -> list[LoraPrompt]:
        return list(zip(texts, self._loras_by_prompt))

    def _project(
        self, family: CrossAttends[States], index: int, states: Mapping[tuple[Level, tuple[LoadedLora, ...]], States]
    ) -> KeyValues:
        """Keys and values of a block, in the order of its level's texts. A regional LoRA is active in its region's
        texts."""
        level = self.levels[index]
        parts: dict[tuple[LoadedLora, ...], KeyValues] = {}
        for loras in dict.fromkeys(loras for _, loras in self.texts[level]):
            with active_loras([ActiveLora(lora) for lora in loras]):
                parts[loras] = family.project(index, states[level, loras])
        keys, values = next(iter(parts.values()))
        if len(parts) > 1:
            pairs = {loras: zip(*part) for loras, part in parts.items()}
            keys, values = zip(*(next(pairs[loras]) for _, loras in self.texts[level]))
        alike = len({len(key) for key in keys}) == 1
        if isinstance(keys, Tensor) or isinstance(values, Tensor) or not alike:
            return keys, values
        return torch.stack(list(keys)), torch.stack(list(values))

    def _text_weights(self, level: Level, prompts: Sequence[str], region_weights: Tensor) -> Tensor:
        """(texts of the level, tokens): prompts[i] has region_weights[i]; a single prompt has weight 1 everywhere."""
        out = region_weights.new_zeros(len(self.texts[level]), region_weights.shape[1])
        weights = region_weights if len(prompts) > 1 else torch.ones_like(region_weights[:1])
        for prompt, weight in zip(self._with_loras(prompts), weights):
            out[self.texts[level].index(prompt)] += weight
        return out.clamp(max=1)
