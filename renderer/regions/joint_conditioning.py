"""Conditioning of joint-attention models: the texts of all regions as spans of one sequence, see `joint_attention`.

Prompts may be of any length each. Some of these models attend to the padding of a prompt, hundreds of tokens. The scene
prompt and the prompt of a single region keep all of it. Other prompts keep a few padding tokens, each weighted by the
number that it represents (its logarithm is added to the logits). Without positions of text tokens this is exact for
equal padding tokens. T5's are nearly equal: T5 encodes relative distances only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ...prompts.plan import ScenePlan
from ...prompts.wording import PromptStyle, scene_text
from ..forward import Encode, Encoded, JointText, PictureCondition
from ..weights.lora import ActiveLora, LoadedLora, active_loras
from .conditioning import loras_by_prompt, negatives_at_level, prompts_at_level, readings_of
from .joint_attention import SequenceLayout, sequence_groups
from .prompt_schedule import Level

# Padding tokens kept per encoder. The number of a prompt's own tokens is rounded up to a multiple of it, so that
# prompts of similar length give sequences of equal length, which kernels and compiled code prefer.
PADDINGS = 8


class JointAttends(Protocol):
    """The part of `JointFamily` that the conditioning uses."""

    device: torch.device
    style: PromptStyle

    def picture_condition(self, whole: Sequence[Encoded]) -> PictureCondition: ...
    def embedded(self, prompt: Encoded) -> Encoded: ...
    def image_paddings(self, tokens: int) -> int: ...


def condensed(sections: Sequence[tuple[int, int]], paddings: int = PADDINGS) -> tuple[Tensor, Tensor]:
    """The tokens of a prompt that are kept, int64 (n,), and the number that each represents, float32 (n,).

    sections: (length, own tokens), see `Encoded`. Of the padding, evenly spaced tokens are kept.
    """
    tokens, weights, start = [], [], 0
    for length, own in sections:
        exact = min(length, -(-own // PADDINGS) * PADDINGS)
        rest = length - exact
        few = min(rest, paddings)
        spread = ((torch.arange(few) + 0.5) * (rest / max(few, 1))).long()
        tokens += [start + torch.arange(exact), start + exact + spread]
        weights += [torch.ones(exact), torch.full([few], rest / max(few, 1))]
        start += length
    return torch.cat(tokens), torch.cat(weights)


@dataclass(frozen=True)
class _TextSpans:
    """The texts with weight in at least one image token; each is a span of the sequence.

    weights: per level, (spans, image tokens). tokens: indices among all text tokens, int64 (text tokens,). span: the
    span of each of them.
    """

    weights: Mapping[Level, Tensor]
    tokens: Tensor
    span: Tensor


class JointConditioning:
    """Text states and the blocks' layouts of one render."""

    def __init__(
        self, family: JointAttends, encode: Encode, plan: ScenePlan, levels: Sequence[Level],
        loras: Sequence[LoadedLora] = (), *, guided: bool = True, paddings: int | None = PADDINGS,
    ) -> None:  # fmt: skip
        """guided: with unconditional rows. paddings: padding tokens kept of a region's prompt, see `condensed`; None:
        all."""
        self.plan, self.levels, self.guided, self._family, self._loras = plan, levels, guided, family, loras
        # A slot is (prompt, negative, LoRAs). Prompt and negative have the same span, in the two halves of the batch.
        by_prompt = loras_by_prompt(len(plan.regions), loras)
        self._slots = {
            level: list(zip(prompts_at_level(plan, level, family.style), negatives_at_level(plan, level), by_prompt))
            for level in dict.fromkeys(levels)
        }
        self.texts = list(dict.fromkeys(slot for slots in self._slots.values() for slot in slots))
        whole = encode([plan.negative, scene_text(plan, "both")] if guided else [scene_text(plan, "both")])
        positive = encode([text for text, _, _ in self.texts])
        self.picture_condition = family.picture_condition(whole)
        negative = [text.as_negative or text for text in encode([text for _, text, _ in self.texts])] if guided else []
        rows = [negative, positive] if guided else [positive]
        self.readings = readings_of([*whole, *(prompt for row in rows for prompt in row)])
        scenes = {slots[0] for slots in self._slots.values()}
        spans = []
        for slot, prompts in zip(self.texts, zip(*rows), strict=True):
            with active_loras([ActiveLora(lora) for lora in slot[2]]):
                embedded = [family.embedded(prompt) for prompt in prompts]
            uncut = paddings is None or slot in scenes or len(plan.regions) == 1
            spans.append(_span(embedded, None if uncut else paddings))
        self._states, self._own, self._positions, self._lengths = (
            torch.cat([getattr(span, name) for span in spans], 1) for name in ("states", "own", "positions", "lengths")
        )
        self._span = torch.cat([torch.full([span.own.shape[1]], index) for index, span in enumerate(spans)])
        self._counts = torch.cat([span.counts for span in spans])

    def at(self, region_weights: Tensor, *, pictures: int = 1) -> JointText:
        """The text for a batch, unconditional rows first; region_weights: (regions + 1, image tokens)."""
        spans, device = self._in_use(region_weights), self._family.device
        ever = torch.stack(list(spans.weights.values())).amax(0)
        own = self._own[:, spans.tokens]
        alike = bool((own == own[:1]).all())  # then unconditional and conditional rows are computed together
        halves = (
            [(slice(None), 0)] if alike else [(slice(i * pictures, (i + 1) * pictures), i) for i in range(len(own))]
        )
        layouts = {
            level: SequenceLayout(tuple(
                group
                for rows, half in halves
                for group in sequence_groups(
                    rows, weights, ever, span=spans.span, own=own[half], counts=self._counts[spans.tokens],
                    device=device,
                )
            ))
            for level, weights in spans.weights.items()
        }  # fmt: skip

        def of_rows(each: Tensor) -> Tensor:
            return each[:, spans.tokens.to(each.device)].repeat_interleave(pictures, 0)

        return JointText(
            of_rows(self._states), tuple(layouts[level] for level in self.levels), span=spans.span,
            own=of_rows(self._own), positions=of_rows(self._positions).to(device), lengths=of_rows(self._lengths),
        )  # fmt: skip

    def active_loras(self, region_weights: Tensor) -> list[ActiveLora]:
        """The LoRAs with masks for the image tokens, the text tokens, and both in one stream; region_weights as in
        `at`."""
        active = []
        tokens = self._in_use(region_weights).tokens
        for lora in self._loras:
            if lora.region is None:
                active.append(ActiveLora(lora))
                continue
            acts = torch.tensor([float(lora in loras) for *_, loras in self.texts])
            image = self._padded(region_weights[lora.region + 1].float()).to(self._family.device)
            text = acts[self._span[tokens]].to(self._family.device)
            both = torch.cat([text, image])
            masks = {(False, len(image)): image, (True, len(text)): text, (False, len(both)): both}
            active.append(ActiveLora(lora, masks))
        return active

    def _padded(self, weights: Tensor, value: float = 0.0) -> Tensor:
        """The weights with those of the padding that the model adds to the image's tokens."""
        paddings = self._family.image_paddings(weights.shape[-1])
        return torch.nn.functional.pad(weights, (0, paddings), value=value)

    def _in_use(self, region_weights: Tensor) -> _TextSpans:
        """Drops the texts that have no weight in any image token: they have no effect. Padding of the image attends to
        every text of its level."""
        by_level = {level: self._text_weights(level, region_weights) for level in self._slots}
        present = torch.stack(list(by_level.values())).amax((0, 2)) > 0
        tokens = present[self._span].nonzero()[:, 0]
        padded = {}
        for level, weights in by_level.items():
            padded[level] = self._padded(weights[present])
            padded[level][:, weights.shape[1] :] = (weights[present].amax(1, keepdim=True) > 0).to(weights)
        return _TextSpans(padded, tokens, (present.cumsum(0) - 1)[self._span[tokens]])

    def _text_weights(self, level: Level, region_weights: Tensor) -> Tensor:
        """Weight of each text in every image token at a level: (texts, image tokens)."""
        out = torch.zeros(len(self.texts), region_weights.shape[1], dtype=torch.float64)
        slots = self._slots[level]
        weights = region_weights if len(slots) > 1 else torch.ones_like(region_weights[:1])
        for slot, weight in zip(slots, weights, strict=True):
            out[self.texts.index(slot)] += weight
        return out.clamp(max=1)


@dataclass(frozen=True)
class _Span:
    """A text's tokens in every row, as long as the longest of its prompt and its negative: states (rows, tokens,
    channels); own, positions, lengths (rows, tokens), see `JointText`; counts (tokens,)."""

    states: Tensor
    own: Tensor
    positions: Tensor
    lengths: Tensor
    counts: Tensor


def _span(prompts: Sequence[Encoded], paddings: int | None) -> _Span:
    """The span of a prompt and its negative. paddings: kept per padded section; None: all."""
    longest = max(len(prompt.states) for prompt in prompts)
    chosen, counts = torch.arange(longest), torch.ones(longest)
    if paddings is not None and all(prompt.sections for prompt in prompts):
        sections = [max(section) for section in zip(*(prompt.sections for prompt in prompts))]
        chosen, counts = condensed(sections, paddings)
    lengths = torch.tensor([[len(prompt.states)] for prompt in prompts]).expand(-1, len(chosen))
    states = [torch.nn.functional.pad(prompt.states, (0, 0, 0, longest - len(prompt.states))) for prompt in prompts]
    return _Span(
        torch.stack([each[chosen.to(each.device)] for each in states]), chosen < lengths, chosen.expand_as(lengths),
        lengths, counts,
    )  # fmt: skip
