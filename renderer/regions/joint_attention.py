"""Regional control for joint attention (text and image in one sequence): an additive mask per prompt level.

Every distinct prompt has its own span of text tokens in the sequence. An image token attends to all image tokens and,
of the text, to its own prompt; a text token to its own prompt and to the image tokens that ever attend to it. Where a
token has several prompts by weights, the logarithm of a weight is added to the attention's logits, which scales the
prompt's attention by it.

These models attend to the padding of a prompt, hundreds of tokens. The scene prompt and the prompt of a single region
keep all of it. Other prompts keep a few padding tokens, each weighted by the number that it represents (its logarithm
is added to the logits). Text tokens have no position here, so this is exact for equal padding tokens. T5's are nearly
equal: T5 encodes relative distances only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from ...prompts.plan import ScenePlan
from ...prompts.wording import PromptStyle, scene_text
from ..forward import Encode, Encoded, JointText, PictureCondition
from ..weights.lora import ActiveLora, LoadedLora
from .conditioning import loras_by_prompt, negatives_at_level, prompts_at_level, readings_of
from .prompt_schedule import Level

# Padding tokens kept per encoder. The number of a prompt's own tokens is rounded up to a multiple of it, so that
# prompts of similar length give sequences of equal length, which kernels and compiled code prefer.
PADDINGS = 8


class JointAttends(Protocol):
    """The part of `JointFamily` that the conditioning uses."""

    device: torch.device
    style: PromptStyle

    @property
    def dtype(self) -> torch.dtype: ...
    @property
    def guided(self) -> bool: ...
    def picture_condition(self, whole: Sequence[Encoded]) -> PictureCondition: ...


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
    span of each of them. counts: the number of tokens that each represents.
    """

    weights: Mapping[Level, Tensor]
    tokens: Tensor
    span: Tensor
    counts: Tensor


class JointConditioning:
    """Text states and masks for the blocks of one render. A mask has (text + image tokens)² elements per level."""

    def __init__(
        self, family: JointAttends, encode: Encode, plan: ScenePlan, levels: Sequence[Level],
        loras: Sequence[LoadedLora] = (), *, paddings: int | None = PADDINGS,
    ) -> None:  # fmt: skip
        """paddings: padding tokens kept of a region's prompt, see `condensed`; None: all."""
        self.plan, self.levels, self._family, self._loras = plan, levels, family, loras
        # A slot is (prompt, negative, LoRAs). Prompt and negative have the same span, in the two halves of the batch.
        by_prompt = loras_by_prompt(len(plan.regions), loras)
        self._slots = {
            level: list(zip(prompts_at_level(plan, level, family.style), negatives_at_level(plan, level), by_prompt))
            for level in dict.fromkeys(levels)
        }
        self.texts = list(dict.fromkeys(slot for slots in self._slots.values() for slot in slots))
        whole = encode([plan.negative, scene_text(plan, "both")])
        positive = encode([text for text, _, _ in self.texts])
        in_use = whole if family.guided else whole[1:]  # without guidance there are no negative rows
        self.picture_condition = family.picture_condition(in_use)
        rows = [encode([text for _, text, _ in self.texts]), positive] if family.guided else [positive]
        self.readings = readings_of([*in_use, *(prompt for row in rows for prompt in row)])
        scenes = {slots[0] for slots in self._slots.values()}
        states, span, counts = [], [], []
        for index, (slot, prompt) in enumerate(zip(self.texts, zip(*rows), strict=True)):
            uncut = paddings is None or slot in scenes or len(plan.regions) == 1
            # A prompt and its negative have spans of equal length: that of the longer of the two.
            sections = [max(section) for section in zip(*(text.sections for text in prompt))]
            chosen, represented = condensed([(n, n) for n, _ in sections] if uncut else sections, paddings or 0)
            states.append(torch.stack([text.states[chosen.to(text.states.device)] for text in prompt]))
            span.append(torch.full([len(chosen)], index))
            counts.append(represented)
        self._states = torch.cat(states, 1)
        self._span, self._counts = torch.cat(span), torch.cat(counts)

    def at(self, region_weights: Tensor, *, pictures: int = 1) -> JointText:
        """The text for a batch, unconditional rows first; region_weights: (regions + 1, image tokens)."""
        spans = self._in_use(region_weights)
        ever = torch.stack(list(spans.weights.values())).amax(0)
        biases = {level: self._bias(weights, ever, spans) for level, weights in spans.weights.items()}
        states = self._states[:, spans.tokens.to(self._states.device)].repeat_interleave(pictures, 0)
        return JointText(states, tuple(biases[level] for level in self.levels))

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
            image = region_weights[lora.region + 1].float().to(self._family.device)
            text = acts[self._span[tokens]].to(self._family.device)
            both = torch.cat([text, image])
            masks = {(False, len(image)): image, (True, len(text)): text, (False, len(both)): both}
            active.append(ActiveLora(lora, masks))
        return active

    def _in_use(self, region_weights: Tensor) -> _TextSpans:
        """Drops the texts that have no weight in any image token: they have no effect."""
        by_level = {level: self._text_weights(level, region_weights) for level in self._slots}
        present = torch.stack(list(by_level.values())).amax((0, 2)) > 0
        tokens = present[self._span].nonzero()[:, 0]
        return _TextSpans(
            {level: weights[present] for level, weights in by_level.items()}, tokens,
            (present.cumsum(0) - 1)[self._span[tokens]], self._counts[tokens],
        )  # fmt: skip

    def _text_weights(self, level: Level, region_weights: Tensor) -> Tensor:
        """Weight of each text in every image token at a level: (texts, image tokens)."""
        out = torch.zeros(len(self.texts), region_weights.shape[1], dtype=torch.float64)
        slots = self._slots[level]
        weights = region_weights if len(slots) > 1 else torch.ones_like(region_weights[:1])
        for slot, weight in zip(slots, weights, strict=True):
            out[self.texts.index(slot)] += weight
        return out.clamp(max=1)

    def _bias(self, weights: Tensor, ever: Tensor, spans: _TextSpans) -> Tensor:
        text, image, device = len(spans.tokens), weights.shape[1], self._family.device
        bias = torch.zeros(text + image, text + image, dtype=self._family.dtype, device=device)
        own = spans.span.to(device)
        from_image, from_text = (weight.log().to(bias)[own] for weight in (weights, ever))
        bias[text:, :text], bias[:text, text:] = from_image.T, from_text
        bias[:text, :text].masked_fill_(own[:, None] != own[None], -torch.inf)
        bias[:, :text] += spans.counts.log().to(bias)
        return bias


class HasBlockIndex(Protocol):
    """A processor with the index of its block."""

    index: int


@torch.compiler.disable  # type: ignore[untyped-decorator]
def own_bias(processor: HasBlockIndex, bias: Sequence[Tensor]) -> Tensor:
    """The bias of the processor's block. Not compiled: the index would make a graph per block."""
    return bias[processor.index]


class JointAttention:
    """The processor of one block of Stable Diffusion 3. Text comes first in the sequence, unlike in diffusers'
    processor."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None, bias: Sequence[Tensor] = (),
    ) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
        """hidden_states: (batch, image tokens, channels). Returns that shape, with text also the text's states."""

        def split(states: Tensor, norm: nn.Module | None) -> Tensor:
            heads: Tensor = states.unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            return heads if norm is None else norm(heads)

        query, key = split(attn.to_q(hidden_states), attn.norm_q), split(attn.to_k(hidden_states), attn.norm_k)
        value, mask = split(attn.to_v(hidden_states), None), None
        if encoder_hidden_states is not None:
            text, mask = encoder_hidden_states, own_bias(self, bias)
            query = torch.cat([split(attn.add_q_proj(text), attn.norm_added_q), query], 2)
            key = torch.cat([split(attn.add_k_proj(text), attn.norm_added_k), key], 2)
            value = torch.cat([split(attn.add_v_proj(text), None), value], 2)
        feature = F.scaled_dot_product_attention(query, key, value, attn_mask=mask).transpose(1, 2).flatten(2)
        image: Tensor = attn.to_out[1](attn.to_out[0](feature[:, -hidden_states.shape[1] :]))
        if encoder_hidden_states is None:
            return image
        text_out = feature[:, : encoder_hidden_states.shape[1]]
        return image, text_out if attn.context_pre_only else attn.to_add_out(text_out)
