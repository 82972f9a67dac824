"""Regional control where text and image share one attention: a mask on the joint sequence, one per prompt level.

Every distinct prompt has its own stretch of text tokens in the sequence. An image token sees all image tokens and, of
the text, the prompt that it listens to; a text token sees its own prompt and the image tokens that ever listen to it.
Where a token listens to several prompts by shares, the logarithm of a share is added to the attention's logits, so that
a prompt's weight is scaled by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..prompts.scene import ScenePlan
from .depth import Level, scene_text
from .family import Family
from .listening import readings, said, unwanted, voices
from .lora import LoadedLora, Worn


@dataclass(frozen=True)
class JointText:
    """states: (rows, text tokens of all prompts, channels). bias: of each block, (text + image)² added to logits."""

    states: Tensor
    bias: tuple[Tensor, ...]


class JointListening:
    """What each block of one plan's render hears. A mask takes (text + image tokens)² numbers for each level in use."""

    def __init__(
        self, family: Family, prompts: Any, plan: ScenePlan, levels: Sequence[Level], loras: Sequence[LoadedLora] = ()
    ) -> None:
        self.plan, self.levels, self._family, self._loras = plan, levels, family, loras
        # A slot is a prompt and its negative: they share a stretch of the sequence, in the two halves of the batch.
        speaking = voices(len(plan.regions), loras)
        self._slots = {
            level: list(zip(said(plan, level), unwanted(plan, level), speaking)) for level in dict.fromkeys(levels)
        }
        self.texts = list(dict.fromkeys(slot for slots in self._slots.values() for slot in slots))
        whole = prompts([plan.negative, scene_text(plan, "scene")])
        positive = prompts([text for text, _, _ in self.texts])
        self.tone = torch.stack([one.pooled for one in (whole if family.guided else whole[1:])])
        rows = [prompts([text for _, text, _ in self.texts]), positive] if family.guided else [positive]
        everywhere = whole if family.guided else whole[1:]  # of a negative that nothing hears nothing is read
        self.readings = readings([*everywhere, *(prompt for row in rows for prompt in row)])
        self._states = torch.stack([torch.cat([one.states for one in row]) for row in rows])
        self._length = len(positive[0].states)

    def at(self, shares: Tensor, *, pictures: int = 1) -> JointText:
        """The text for a batch, unconditional rows first; shares: (regions + 1, image tokens)."""
        heard = {level: self._of_slots(level, shares) for level in self._slots}
        ever = torch.stack(list(heard.values())).amax(0)
        biases = {level: self._bias(share, ever) for level, share in heard.items()}
        states = self._states.repeat_interleave(pictures, 0)
        return JointText(states, tuple(biases[level] for level in self.levels))

    def worn(self, shares: Tensor) -> list[Worn]:
        """The LoRAs as they act on image tokens, on text tokens, and on both in one stream; shares as in `at`."""
        out = []
        for one in self._loras:
            if one.region is None:
                out.append(Worn(one))
                continue
            speaks = torch.tensor([float(one in speaking) for *_, speaking in self.texts])
            image = shares[one.region + 1].float().to(self._family.device)
            text = speaks.repeat_interleave(self._length).to(self._family.device)
            both = torch.cat([text, image])
            masks = {(False, len(image)): image, (True, len(text)): text, (False, len(both)): both}
            out.append(Worn(one, masks))
        return out

    def _of_slots(self, level: Level, shares: Tensor) -> Tensor:
        """Share of each text in every image token at a level: (texts, image tokens)."""
        out = torch.zeros(len(self.texts), shares.shape[1], dtype=torch.float64)
        slots = self._slots[level]
        for slot, share in zip(slots, shares if len(slots) > 1 else torch.ones_like(shares[:1]), strict=True):
            out[self.texts.index(slot)] += share
        return out.clamp(max=1)

    def _bias(self, share: Tensor, ever: Tensor) -> Tensor:
        text, image, device = len(share) * self._length, share.shape[1], self._family.device
        bias = torch.zeros(text + image, text + image, dtype=self._family.dtype, device=device)
        said, ever = (one.log().to(bias).repeat_interleave(self._length, 0) for one in (share, ever))
        bias[text:, :text], bias[:text, text:] = said.T, ever
        own = torch.arange(len(share), device=device).repeat_interleave(self._length)
        bias[:text, :text].masked_fill_(own[:, None] != own[None], -torch.inf)
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
