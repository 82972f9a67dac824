"""What single-stream models share, in which text and image are one sequence from the first block: Z-Image, Lumina 2.

A prompt's tokens have positions 1, 2, …, and the image's tokens the position after its last one. Only distances matter,
so prompts of several lengths end at one position, before the image, each as far from it as if it were alone.
"""

import torch
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from ...diffusers_types import Network
from ...forward import JointText
from ...regions.joint_attention import SequenceLayout, attend_jointly, rotated
from ...sampling.step_cache import StepCache, run_blocks


class SingleStreamAttention:
    """The processor of a block, for all tokens of the sequence, or of a text or an image alone."""

    def __call__(
        self, attn: Attention, hidden_states: Tensor, encoder_hidden_states: Tensor | None = None,
        attention_mask: SequenceLayout | None = None, image_rotary_emb: Tensor | None = None,
        freqs_cis: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """hidden_states: (batch, tokens, channels). attention_mask: who attends to whom; None: all to all. The rotary
        positions, see `rotated`, are `image_rotary_emb` in Lumina 2 and `freqs_cis` in Z-Image."""
        rotary = freqs_cis if image_rotary_emb is None else image_rotary_emb
        head = attn.to_q.out_features // attn.heads

        def split(states: Tensor, norm: nn.Module | None = None) -> Tensor:
            heads: Tensor = states.unflatten(-1, (-1, head))
            heads = heads if norm is None else norm(heads)
            heads = heads if norm is None or rotary is None else rotated(heads, rotary)
            return heads.repeat_interleave(attn.heads // heads.shape[2], 2)  # keys and values may have fewer heads

        query, key = split(attn.to_q(hidden_states), attn.norm_q), split(attn.to_k(hidden_states), attn.norm_k)
        value = split(attn.to_v(hidden_states))
        feature = attend_jointly(attention_mask, query, key, value).flatten(2).to(hidden_states.dtype)
        for layer in attn.to_out:
            feature = layer(feature)
        return feature


def sequence_places(text: JointText, rows: int, columns: int, paddings: int = 0) -> Tensor:
    """Positions (sequence, row, column) of all tokens, text first, in each row of the batch: int64 (batch, tokens, 3).
    paddings: tokens after the image's; their position is 0."""
    longest = text.lengths.amax(1, keepdim=True).to(text.positions.device)
    own = (longest - text.lengths.to(longest) + text.positions + 1)[..., None]
    image = torch.zeros(len(own), rows, columns, 3, dtype=torch.long, device=own.device)
    image[..., 0] = longest[..., None] + 1
    image[..., 1], image[..., 2] = torch.arange(rows)[:, None], torch.arange(columns)[None]
    padded = torch.nn.functional.pad(image.flatten(1, 2), (0, 0, 0, paddings))
    return torch.cat([torch.nn.functional.pad(own, (0, 2)), padded], 1)


def stream(
    model: Network, text: JointText, image: Tensor, rotary: Tensor, time: Tensor, cache: StepCache | None
) -> Tensor:
    """Image tokens through the blocks of their own, then text and image through those of the one sequence, of which all
    tokens are returned. rotary: of the whole sequence; time: embedded."""
    for block in model.noise_refiner:
        image = block(image, None, rotary[:, text.states.shape[1] :], time)

    def run(x: Tensor, pair: tuple[Network, SequenceLayout]) -> Tensor:
        block, layout = pair
        return block(x, layout, rotary, time)  # type: ignore[no-any-return]

    return run_blocks(zip(model.layers, text.layouts, strict=True), run, torch.cat([text.states, image], 1), cache)


def patched(latents: Tensor, patch: int) -> Tensor:
    """(batch, channels, patch·rows, patch·columns) → (batch, rows·columns, patch·patch·channels)."""
    x = latents.unflatten(2, (-1, patch)).unflatten(4, (-1, patch))
    return x.permute(0, 2, 4, 3, 5, 1).flatten(3).flatten(1, 2)  # type: ignore[no-any-return]
