"""`CrossFamily`: models whose image tokens cross-attend to text; see `regions/conditioning.py`."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Generic

from diffusers.models.attention_processor import Attention
from torch import Tensor

from ...prompts.plan import ScenePlan
from ..forward import Encode, Encoded
from ..regions.attention import project_text
from ..regions.conditioning import KeyValues, RegionConditioning, States
from ..regions.prompt_schedule import Level
from ..weights.lora import LoadedLora
from .base import Family


class CrossFamily(Family, Generic[States]):
    """Keys and values of a prompt are the same in every step, so they are computed once per render."""

    halves = True

    def conditioning(
        self, encode: Encode, plan: ScenePlan, levels: Sequence[Level], grid: tuple[int, int],
        loras: Sequence[LoadedLora] = (), *, guided: bool = True,
    ) -> RegionConditioning:  # fmt: skip
        return RegionConditioning(self, encode, plan, levels, grid=grid, loras=loras)

    @abstractmethod
    def text_states(self, encoded: Sequence[Encoded]) -> States:
        """The text states of encoded prompts for `project`."""

    @abstractmethod
    def layer(self, index: int) -> Attention:
        """The cross-attention layer of a block."""

    @abstractmethod
    def project(self, index: int, states: States) -> KeyValues:
        """Keys and values of every prompt in a block: (text tokens, heads, head dim) each."""

    def scale(self, index: int) -> int:
        """Downsampling of a block: its token covers scale×scale tokens of the grid."""
        return 1


class TensorCrossFamily(CrossFamily[list[Tensor]]):
    """The text states are a tensor (text tokens, channels) per prompt."""

    def text_states(self, encoded: Sequence[Encoded]) -> list[Tensor]:
        return [prompt.states for prompt in encoded]

    def project(self, index: int, states: list[Tensor]) -> KeyValues:
        pairs = [project_text(self.layer(index), prompt[None]) for prompt in states]
        return [keys[0] for keys, _ in pairs], [values[0] for _, values in pairs]
