"""Regional control where text and image share one attention: a mask on the joint sequence, one per prompt level.

Every distinct prompt has its own stretch of text tokens in the sequence. An image token sees all image tokens and, of
the text, the prompt that it listens to; a text token sees its own prompt and the image tokens that ever listen to it.
Where a token listens to several prompts by shares, the logarithm of a share is added to the attention's logits, so that
a prompt's weight is scaled by it.

These models attend to the paddings of a prompt, hundreds of tokens. The scene's keeps them all, and so does the prompt
of a single region. Of the others few are computed, each with the weight of those that it stands for, added as the
logarithm of their number: text tokens have no position here, so for paddings that are alike nothing changes. Those of
T5 nearly are, which knows distances only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ...prompts.plan import ScenePlan
from ..families.base import Family
from ..weights.lora import ActiveLora, LoadedLora
from .conditioning import loras_by_prompt, negatives_at_level, prompts_at_level, readings
from .prompt_schedule import Level, scene_text

# How many tokens stand for the paddings of one encoder, and what the number of a prompt's own is rounded up to, so that
# prompts about as long make sequences of the same length, which kernels and compiled code prefer.
PADDINGS = 8


def condensed(sections: Sequence[tuple[int, int]], paddings: int = PADDINGS) -> tuple[Tensor, Tensor]:
    """Of a prompt's tokens those that are computed, int64 (n,), and how many each of them stands for, float32 (n,).

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
class JointText:
    """states: (rows, text tokens of all prompts, channels). bias: of each block, (text + image)² added to logits."""

    states: Tensor
    bias: tuple[Tensor, ...]


@dataclass(frozen=True)
class _Stretches:
    """The texts that are heard at some shares, one stretch of the sequence each.

    shares: of each level, (stretches, image tokens). tokens: which of all text tokens they are, int64 (text tokens,).
    stretch: to which of them each belongs. weights: how many tokens each stands for.
    """

    region_weights: Mapping[Level, Tensor]
    tokens: Tensor
    stretch: Tensor
    weights: Tensor


class JointConditioning:
    """What each block of one plan's render hears. A mask takes (text + image tokens)² numbers for each level in use."""

    def __init__(
        self, family: Family, prompts: Any, plan: ScenePlan, levels: Sequence[Level],
        loras: Sequence[LoadedLora] = (), *, paddings: int | None = PADDINGS,
    ) -> None:  # fmt: skip
        """paddings: how many tokens stand for those of a region's prompt, see `condensed`; None: all are computed."""
        self.plan, self.levels, self._family, self._loras = plan, levels, family, loras
        # A slot is a prompt and its negative: they share a stretch of the sequence, in the two halves of the batch.
        speaking = loras_by_prompt(len(plan.regions), loras)
        self._slots = {
            level: list(zip(prompts_at_level(plan, level), negatives_at_level(plan, level), speaking))
            for level in dict.fromkeys(levels)
        }
        self.texts = list(dict.fromkeys(slot for slots in self._slots.values() for slot in slots))
        whole = prompts([plan.negative, scene_text(plan, "scene")])
        positive = prompts([text for text, _, _ in self.texts])
        self.picture_condition = torch.stack([one.pooled for one in (whole if family.guided else whole[1:])])
        rows = [prompts([text for _, text, _ in self.texts]), positive] if family.guided else [positive]
        everywhere = whole if family.guided else whole[1:]  # of a negative that nothing hears nothing is read
        self.readings = readings([*everywhere, *(prompt for row in rows for prompt in row)])
        scenes = {slots[0] for slots in self._slots.values()}
        states, stretch, weights = [], [], []
        for index, (slot, prompt) in enumerate(zip(self.texts, zip(*rows), strict=True)):
            whole_text = paddings is None or slot in scenes or len(plan.regions) == 1
            # A prompt and its negative have stretches of one length: both as long as the longer one's own tokens.
            sections = [max(section) for section in zip(*(text.sections for text in prompt))]
            chosen, counts = condensed([(n, n) for n, _ in sections] if whole_text else sections, paddings or 0)
            states.append(torch.stack([text.states[chosen.to(text.states.device)] for text in prompt]))
            stretch.append(torch.full([len(chosen)], index))
            weights.append(counts)
        self._states = torch.cat(states, 1)
        self._stretch, self._weights = torch.cat(stretch), torch.cat(weights)

    def at(self, region_weights: Tensor, *, pictures: int = 1) -> JointText:
        """The text for a batch, unconditional rows first; shares: (regions + 1, image tokens)."""
        stretches = self._heard(region_weights)
        ever = torch.stack(list(stretches.region_weights.values())).amax(0)
        biases = {level: self._bias(share, ever, stretches) for level, share in stretches.region_weights.items()}
        states = self._states[:, stretches.tokens.to(self._states.device)].repeat_interleave(pictures, 0)
        return JointText(states, tuple(biases[level] for level in self.levels))

    def active_loras(self, region_weights: Tensor) -> list[ActiveLora]:
        """The LoRAs as they act on image tokens, on text tokens, and on both in one stream; shares as in `at`."""
        out = []
        tokens = self._heard(region_weights).tokens
        for one in self._loras:
            if one.region is None:
                out.append(ActiveLora(one))
                continue
            speaks = torch.tensor([float(one in speaking) for *_, speaking in self.texts])
            image = region_weights[one.region + 1].float().to(self._family.device)
            text = speaks[self._stretch[tokens]].to(self._family.device)
            both = torch.cat([text, image])
            masks = {(False, len(image)): image, (True, len(text)): text, (False, len(both)): both}
            out.append(ActiveLora(one, masks))
        return out

    def _heard(self, region_weights: Tensor) -> _Stretches:
        """The texts that some image token hears; one that none hears changes nothing, and is left out."""
        each = {level: self._of_slots(level, region_weights) for level in self._slots}
        present = torch.stack(list(each.values())).amax((0, 2)) > 0
        tokens = present[self._stretch].nonzero()[:, 0]
        return _Stretches(
            {level: share[present] for level, share in each.items()}, tokens,
            (present.cumsum(0) - 1)[self._stretch[tokens]], self._weights[tokens],
        )  # fmt: skip

    def _of_slots(self, level: Level, region_weights: Tensor) -> Tensor:
        """Share of each text in every image token at a level: (texts, image tokens)."""
        out = torch.zeros(len(self.texts), region_weights.shape[1], dtype=torch.float64)
        slots = self._slots[level]
        for slot, share in zip(
            slots, region_weights if len(slots) > 1 else torch.ones_like(region_weights[:1]), strict=True
        ):
            out[self.texts.index(slot)] += share
        return out.clamp(max=1)

    def _bias(self, share: Tensor, ever: Tensor, stretches: _Stretches) -> Tensor:
        text, image, device = len(stretches.tokens), share.shape[1], self._family.device
        bias = torch.zeros(text + image, text + image, dtype=self._family.dtype, device=device)
        own = stretches.stretch.to(device)
        prompts_at_level, ever = (one.log().to(bias)[own] for one in (share, ever))
        bias[text:, :text], bias[:text, text:] = prompts_at_level.T, ever
        bias[:text, :text].masked_fill_(own[:, None] != own[None], -torch.inf)
        bias[:, :text] += stretches.weights.log().to(bias)
        return bias


@torch.compiler.disable  # type: ignore[untyped-decorator]
def own_bias(processor: Any, bias: Sequence[Tensor]) -> Tensor:
    """That of the processor's block; not compiled, or else code would be compiled for each block by itself."""
    own: Tensor = bias[processor.index]
    return own


class JointAttention:
    """The processor of one block of Stable Diffusion 3, whose sequence is image first, then text."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(
        self, attn: Any, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: None = None, bias: Sequence[Tensor] = (),
    ) -> Any:  # fmt: skip
        """hidden_states: (batch, image tokens, channels); returns that, and the text's, where there is text."""

        def split(states: Tensor, norm: Any) -> Tensor:
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
        image = attn.to_out[1](attn.to_out[0](feature[:, -hidden_states.shape[1] :]))
        if encoder_hidden_states is None:
            return image
        heard = feature[:, : encoder_hidden_states.shape[1]]
        return image, heard if attn.context_pre_only else attn.to_add_out(heard)
