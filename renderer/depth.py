"""Which prompt level each transformer block listens to. "Depth" is depth of the network, never distance."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Level = Literal["scene", "region"]


class DepthSchedule(BaseModel):
    """Progressive prompts as a matter of network depth (paper, Figure 6).

    `first` is heard by the shallow blocks, `then` by those from the share `turn` (0–1) of the depth on. The default
    lets the scene prompt, which says what is where, rule the shallow half and the region prompts the deep half.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: Level = Field(default="scene", description="level that the shallow blocks hear")
    then: Level = Field(default="region", description="level that the deep blocks hear")
    turn: float = Field(default=0.5, ge=0, le=1, description="share of the depth at which it turns")

    def levels(self, blocks: int) -> list[Level]:
        """The level of every block, from the shallowest."""
        turn = round(self.turn * blocks)
        return [self.first] * turn + [self.then] * (blocks - turn)


PRESETS: dict[str, DepthSchedule] = {
    "scene-then-regions": DepthSchedule(),
    "regions-then-scene": DepthSchedule(first="region", then="scene"),
    "regions": DepthSchedule(first="region", then="region"),
    "scene": DepthSchedule(first="scene", then="scene"),
}


def preset(name: str) -> DepthSchedule:
    """A schedule by name, with an optional turn: 'scene-then-regions@0.25'. Raises ValueError listing the names."""
    base, _, turn = name.partition("@")
    if base not in PRESETS:
        raise ValueError(f"unknown depth schedule {base!r}: one of {', '.join(PRESETS)}")
    schedule = PRESETS[base]
    try:
        return DepthSchedule(first=schedule.first, then=schedule.then, turn=float(turn)) if turn else schedule
    except ValueError as error:
        raise ValueError(f"the turn of {name!r} must be a number from 0 to 1") from error
