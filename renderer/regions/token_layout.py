"""A plan on the grid of image tokens: the weight of each prompt in every token, and the prompt level of each block."""

from dataclasses import dataclass, replace

from torch import Tensor

from ...prompts.errors import RenderError
from ...prompts.plan import ScenePlan
from .prompt_schedule import Level, PromptSchedule
from .region_masks import SCENE, check_masks, region_ids, region_weights


@dataclass(frozen=True)
class TokenLayout:
    """grid: rows and columns of tokens. region_ids: int64 (tokens,). region_weights: (regions + 1, tokens), before
    `strength`, `start` and `end` apply. levels: one per block, from the shallowest."""

    plan: ScenePlan
    grid: tuple[int, int]
    region_ids: Tensor
    region_weights: Tensor
    levels: list[Level]

    @property
    def has_both_levels(self) -> bool:
        """Whether some blocks attend to the scene prompt and others to region prompts."""
        return len({level.startswith("region") for level in self.levels}) == 2

    def cleared(self, tokens: Tensor) -> "TokenLayout":
        """The layout in which these tokens, bool (tokens,), attend to the scene prompt alone."""
        weights, ids = self.region_weights.clone(), self.region_ids.clone()
        weights[:, tokens], weights[SCENE, tokens], ids[tokens] = 0, 1, SCENE
        return replace(self, region_weights=weights, region_ids=ids)


def token_layout(
    plan: ScenePlan, schedule: PromptSchedule, *, grid: tuple[int, int], patch: int, blocks: int
) -> TokenLayout:
    """Computes the layout. Raises RenderError if masks or schedule do not fit, or a region covers no token."""
    rows, columns = grid
    try:
        check_masks(plan)
        return TokenLayout(
            plan, grid, region_ids(plan.regions, rows=rows, columns=columns),
            region_weights(plan.regions, rows=rows, columns=columns, patch=patch), schedule.levels(blocks),
        )  # fmt: skip
    except ValueError as error:
        raise RenderError(str(error)) from error
