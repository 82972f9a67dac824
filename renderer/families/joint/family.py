"""`JointFamily`: models with joint attention of text and image; see `regions/joint_attention.py`."""

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.models.embeddings import apply_rotary_emb
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from ....prompts.plan import ScenePlan
from ...diffusers_types import Config
from ...forward import Encode, Encoded
from ...regions.joint_conditioning import JointConditioning
from ...regions.prompt_schedule import Level
from ...sampling.schedules import Flow, Schedule, shift_of
from ...weights.lora import LoadedLora
from ..base import Family


class JointFamily(Family):
    """All prompts are spans of one sequence with the image tokens. Rectified flows with FLUX.1's noise levels, whose
    shift depends on the picture's size if the scheduler is configured so."""

    flow = True

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

    @classmethod
    def mu(cls, config: Config, tokens: int, steps: int) -> float:
        """mu of dynamic shifting, the logarithm of the shift, for that many image tokens and steps."""
        names = ("base_image_seq_len", "max_image_seq_len", "base_shift", "max_shift")
        return float(calculate_shift(tokens, **{
            theirs: config[name] for name, theirs in zip(names, ("base_seq_len", "max_seq_len", *names[2:]))
            if name in config
        }))  # fmt: skip

    @classmethod
    def shift(cls, config: Config, tokens: int, steps: int) -> float:
        dynamic = config.get("use_dynamic_shifting")
        return shift_of(config, cls.mu(config, tokens, steps)) if dynamic else super().shift(config, tokens, steps)

    @classmethod
    def euler(cls, config: Config, steps: int, denoise: float, tokens: int, device: torch.device) -> Schedule:
        def sigmas(total: int) -> list[float]:
            return torch.linspace(1, 1 / total, total, dtype=torch.float64).tolist()

        mu = cls.mu(config, tokens, round(steps / denoise)) if config.get("use_dynamic_shifting") else None
        return Flow(config, steps, denoise, device, sigmas=sigmas, mu=mu)


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
