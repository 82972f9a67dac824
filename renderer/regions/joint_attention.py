"""Regional control where text and image share one attention: a mask on the joint sequence, one per prompt level.

Every distinct prompt has its own span of text tokens in the sequence. An image token attends to all image tokens and,
of the text, to its own prompt; a text token to its own prompt and to the image tokens that ever attend to it. Where a
token has several prompts by weights, the logarithm of a weight is added to the attention's logits, which scales the
prompt's attention by it.

These models attend to a prompt's paddings, hundreds of tokens. The scene's prompt keeps them all, and so does that of a
single region. Of the others few are computed, each weighted by how many it stands for, as the logarithm of that number:
text tokens have no position here, so for equal paddings nothing changes. T5's nearly are: it knows relative distances
only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...prompts.plan import ScenePlan
from ..diffusers_types import Layer
from ..forward import Encode, JointText, PictureCondition
from ..weights.lora import ActiveLora, LoadedLora
from .conditioning import loras_by_prompt, negatives_at_level, prompts_at_level, readings_of
from .prompt_schedule import Level, scene_text

# How many tokens stand for the paddings of one encoder, and what the number of a prompt's own is rounded up to, so that
# prompts about as long make sequences of the same length, which kernels and compiled code prefer.
PADDINGS = 8


class JointFamily(Protocol):
    """What the conditioning needs to know of a family."""

    device: torch.device

    @property
    def dtype(self) -> torch.dtype: ...
    @property
    def guided(self) -> bool: ...


def condensed(sections: Sequence[tuple[int, int]], paddings: int = PADDINGS) -> tuple[Tensor, Tensor]:
    """The tokens of a prompt that are computed, int64 (n,), and how many each of them stands for, float32 (n,).

    sections: (tokens, of which the first are the prompt's own), see `Encoded`. The paddings are evenly spread ones.
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
    """The texts that some image token attends to, one span of the sequence each.

    weights: of each level, (spans, image tokens). tokens: their indices among all text tokens, int64 (text tokens,).
    span: the span of each token. counts: how many tokens each stands for.
    """

    weights: Mapping[Level, Tensor]
    tokens: Tensor
    span: Tensor
    counts: Tensor


class JointConditioning:
    """What the blocks of one render attend to. A mask takes (text + image tokens)² numbers per level in use."""

    def __init__(
        self, family: JointFamily, encode: Encode, plan: ScenePlan, levels: Sequence[Level],
        loras: Sequence[LoadedLora] = (), *, paddings: int | None = PADDINGS,
    ) -> None:  # fmt: skip
        """paddings: how many tokens stand for those of a region's prompt, see `condensed`; None: all are computed."""
        self.plan, self.levels, self._family, self._loras = plan, levels, family, loras
        # A slot is a prompt, its negative and its LoRAs: prompt and negative share a span of the sequence, in the two
        # halves of the batch.
        by_prompt = loras_by_prompt(len(plan.regions), loras)
        self._slots = {
            level: list(zip(prompts_at_level(plan, level), negatives_at_level(plan, level), by_prompt))
            for level in dict.fromkeys(levels)
        }
        self.texts = list(dict.fromkeys(slot for slots in self._slots.values() for slot in slots))
        whole = encode([plan.negative, scene_text(plan, "scene")])
        positive = encode([text for text, _, _ in self.texts])
        in_use = whole if family.guided else whole[1:]  # without guidance a negative is not attended to
        pooled = [prompt.pooled for prompt in in_use if prompt.pooled is not None]
        self.picture_condition: PictureCondition = torch.stack(pooled)
        rows = [encode([text for _, text, _ in self.texts]), positive] if family.guided else [positive]
        self.readings = readings_of([*in_use, *(prompt for row in rows for prompt in row)])
        scenes = {slots[0] for slots in self._slots.values()}
        states, span, counts = [], [], []
        for index, (slot, prompt) in enumerate(zip(self.texts, zip(*rows), strict=True)):
            uncut = paddings is None or slot in scenes or len(plan.regions) == 1
            # A prompt and its negative have spans of one length: both as long as the longer one's own tokens.
            sections = [max(section) for section in zip(*(text.sections for text in prompt))]
            chosen, stand_for = condensed([(n, n) for n, _ in sections] if uncut else sections, paddings or 0)
            states.append(torch.stack([text.states[chosen.to(text.states.device)] for text in prompt]))
            span.append(torch.full([len(chosen)], index))
            counts.append(stand_for)
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
        """The LoRAs as they act on image tokens, on text tokens, and on both in one stream; region_weights as in
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
        """The texts that some image token attends to; the others change nothing, and are left out."""
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


class OfBlock(Protocol):
    """A processor that knows the index of its block."""

    index: int


@torch.compiler.disable  # type: ignore[untyped-decorator]
def own_bias(processor: OfBlock, bias: Sequence[Tensor]) -> Tensor:
    """That of the processor's block; not compiled, or else code would be compiled for each block by itself."""
    return bias[processor.index]


class JointAttention:
    """The processor of one block of Stable Diffusion 3, whose sequence is image first, then text."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(
        self, attn: Layer, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None, bias: Sequence[Tensor] = (),
    ) -> Tensor | tuple[Tensor, Tensor]:  # fmt: skip
        """hidden_states: (batch, image tokens, channels); returns that, and the text's, where there is text."""

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
