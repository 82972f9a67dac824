"""`JointFamily`: models with joint attention of text and image; see `regions/joint_attention.py`."""

from collections.abc import Sequence

from ...prompts.plan import ScenePlan
from ..forward import Encode
from ..regions.joint_attention import JointConditioning
from ..regions.prompt_schedule import Level
from ..weights.lora import LoadedLora
from .base import Family


class JointFamily(Family):
    """All prompts are spans of one sequence with the image tokens; an additive mask restricts who attends to whom."""

    def conditioning(
        self, encode: Encode, plan: ScenePlan, levels: Sequence[Level], grid: tuple[int, int],
        loras: Sequence[LoadedLora] = (),
    ) -> JointConditioning:  # fmt: skip
        return JointConditioning(self, encode, plan, levels, loras)
