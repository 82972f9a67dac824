"""Progressive prompts: the prompt level that each transformer block attends to."""

import re
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...prompts.plan import optional_field
from ...prompts.wording import Part

Level = Literal["scene", "scene-high", "region", "region-high", "region-low"]
LEVELS: tuple[Level, ...] = get_args(Level)
# What a level is of a prompt.
PARTS: dict[Level, Part] = {
    "scene": "both", "scene-high": "high", "region": "both", "region-high": "high", "region-low": "low",
}  # fmt: skip


class PromptSchedule(BaseModel):
    """Progressive prompts as a matter of network depth (paper, Figure 6).

    Blocks before the share `turn` (0–1) of the depth attend to level `first`, the others to `then`. By default the
    shallow quarter attends to the scene prompt, which describes the layout, and the deeper blocks to the region
    prompts: on the pocket model the best of the schedules that keep the background, in boxes anywhere
    (docs/adherence.md). Each checkpoint has its own, see `registry.Checkpoint.prompt_schedule`. `blocks` lists the
    level of every block instead.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: Level = Field(default="scene", description="level of the shallow blocks")
    then: Level = Field(default="region", description="level of the deep blocks")
    turn: float = Field(default=0.25, ge=0, le=1, description="share of the depth at which it turns")
    blocks: list[Level] | None = optional_field(
        None, description="level of each block from the shallowest; null: as above"
    )

    @model_validator(mode="after")
    def _list_is_not_empty(self) -> Self:
        if self.blocks is not None and not self.blocks:
            raise ValueError("blocks lists no level; give one for each block of the transformer, or null")
        return self

    def levels(self, blocks: int) -> list[Level]:
        """The level of every block, from the shallowest. Raises ValueError if `blocks` lists another number."""
        if self.blocks is not None:
            if len(self.blocks) != blocks:
                raise ValueError(f"the prompt schedule lists {len(self.blocks)} blocks, this transformer has {blocks}")
            return list(self.blocks)
        turn = round(self.turn * blocks)
        return [self.first] * turn + [self.then] * (blocks - turn)


PRESETS: dict[str, PromptSchedule] = {
    "scene-then-regions": PromptSchedule(),
    "regions-then-scene": PromptSchedule(first="region", then="scene", turn=0.5),
    "regions": PromptSchedule(first="region", then="region"),
    "scene": PromptSchedule(first="scene", then="scene"),
}


def schedule_of(name: str) -> PromptSchedule | None:
    """`preset` of a setting; None for an empty one: the model's own."""
    return preset(name) if name else None


def preset(name: str) -> PromptSchedule:
    """A schedule by name, with an optional turn, or a level per block, with repeats

    'scene-then-regions', 'scene-then-regions@0.25', 'scene-high*4,region-high*2,region-low*2'.
    Raises ValueError listing the names.
    """
    if "," in name or "*" in name or name.strip() in set(LEVELS) - set(PRESETS):
        return PromptSchedule(blocks=_listed(name))
    base, _, turn = name.partition("@")
    if base not in PRESETS:
        raise ValueError(
            f"unknown prompt schedule {base!r}: one of {', '.join(PRESETS)}, "
            f"or a level per block such as scene*4,region*4 (levels: {', '.join(LEVELS)})"
        )
    schedule = PRESETS[base]
    try:
        return PromptSchedule(first=schedule.first, then=schedule.then, turn=float(turn)) if turn else schedule
    except ValueError as error:
        raise ValueError(f"the turn of {name!r} must be a number from 0 to 1") from error


def _listed(text: str) -> list[Level]:
    levels: list[Level] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*([a-z-]+)(?:\*(\d{1,3}))?\s*", part)
        level = next((level for level in LEVELS if match and match[1] == level), None)
        if not match or not level:
            raise ValueError(
                f"{part.strip()!r} in the prompt schedule is not a level: one of {', '.join(LEVELS)}, or like scene*4"
            )
        levels += [level] * int(match[2] or 1)
    return levels
