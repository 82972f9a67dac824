"""`JointFamily`: models with joint attention of text and image; see `regions/joint_attention.py`."""

from collections.abc import Sequence
from typing import Any

from diffusers.models.embeddings import apply_rotary_emb
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ....prompts.plan import ScenePlan
from ...forward import Encode, Encoded
from ...regions.joint_conditioning import JointConditioning
from ...regions.prompt_schedule import Level
from ...weights.lora import LoadedLora
from ..shifted_flow import ShiftedFlow


class JointFamily(ShiftedFlow):
    """All prompts are spans of one sequence with the image tokens."""

    halves = True

    def conditioning(
        self, encode: Encode, plan: ScenePlan, levels: Sequence[Level], grid: tuple[int, int],
        loras: Sequence[LoadedLora] = (), *, guided: bool = True,
    ) -> JointConditioning:  # fmt: skip
        return JointConditioning(self, encode, plan, levels, loras, guided=guided)

    def image_paddings(self, tokens: int) -> int:
        """The number of tokens that the model adds to that many image tokens."""
        return 0

    def embedded(self, prompt: Encoded) -> Encoded:
        """The prompt as the blocks take it, computed once per render: what does not depend on the step."""
        return prompt


def chat_room(tokenizer: PreTrainedTokenizerBase, limit: int, **template: Any) -> int:
    """Tokens left for a prompt among `limit` after the beginning of the chat template. template: its options."""
    message = [{"role": "user", "content": "\0"}]
    whole = str(tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True, **template))
    return limit - len(tokenizer(whole.partition("\0")[0])["input_ids"])


def rotary_applied(states: Tensor, rotary: tuple[Tensor, Tensor] | None) -> Tensor:
    """States (batch, tokens, heads, head dim), rotated as diffusers does it. rotary: cosines and sines."""
    assert rotary is not None
    rotated: Tensor = apply_rotary_emb(states, rotary, sequence_dim=1)  # type: ignore[arg-type, assignment]
    return rotated


def packed(latents: Tensor) -> Tensor:
    """(batch, channels, h, w) → tokens of 2×2 cells (batch, h/2·w/2, channels·4)."""
    rows, columns = (side // 2 for side in latents.shape[-2:])
    x = latents.unflatten(2, (rows, 2)).unflatten(4, (columns, 2)).permute(0, 2, 4, 1, 3, 5)
    return x.flatten(3).flatten(1, 2)  # type: ignore[no-any-return]


def unpacked(x: Tensor, rows: int, columns: int) -> Tensor:
    """The inverse of `packed`."""
    x = x.unflatten(1, (rows, columns)).unflatten(3, (-1, 2, 2)).permute(0, 3, 1, 4, 2, 5)
    return x.flatten(4, 5).flatten(2, 3)
