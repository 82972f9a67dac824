"""`CrossFamily`: models whose image tokens cross-attend to text; see `regions/conditioning.py`."""

from abc import abstractmethod
from collections.abc import Sequence

from ...prompts.plan import ScenePlan
from ..diffusers_types import Layer, TextStates
from ..forward import Encode, Encoded, PictureCondition
from ..regions.attention import project_text
from ..regions.conditioning import KeyValues, RegionConditioning
from ..regions.prompt_schedule import Level
from ..weights.lora import LoadedLora
from .base import Family


class CrossFamily(Family):
    """Keys and values of a prompt are the same in every step, so they are computed once per render."""

    def conditioning(
        self, encode: Encode, plan: ScenePlan, levels: Sequence[Level], grid: tuple[int, int],
        loras: Sequence[LoadedLora] = (),
    ) -> RegionConditioning:  # fmt: skip
        return RegionConditioning(self, encode, plan, levels, grid=grid, loras=loras)

    def text_states(self, encoded: Sequence[Encoded]) -> TextStates:
        """The text states of encoded prompts for `project`: (text tokens, channels) each."""
        return [prompt.states for prompt in encoded]

    def picture_condition(self, whole: Sequence[Encoded]) -> PictureCondition:
        """Conditioning of the whole picture. whole: the encoded negative and scene prompt."""
        return None

    @abstractmethod
    def layer(self, index: int) -> Layer:
        """The cross-attention layer of a block."""

    def project(self, index: int, states: TextStates) -> KeyValues:
        """Keys and values of every prompt in a block: (text tokens, heads, head dim) each."""
        pairs = [project_text(self.layer(index), prompt[None]) for prompt in states]
        return [keys[0] for keys, _ in pairs], [values[0] for _, values in pairs]

    def scale(self, index: int) -> int:
        """Downsampling of a block: its token covers scale×scale tokens of the grid."""
        return 1
