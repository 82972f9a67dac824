"""Progressive prompts: the prompt level that each transformer block attends to. "Depth" is network depth."""

import re
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...prompts.plan import Region, ScenePlan, optional_field

Level = Literal["scene", "scene-high", "region", "region-high", "region-low"]
LEVELS: tuple[Level, ...] = get_args(Level)
# A drawing style, as a comma-separated part of a prompt.
_KINDS = "style|3d render|illustration|painting|sketch|drawing|cartoon|watercolou?r|pixel art|photo"
STYLE = rf"(?:[\w'-]+ ){{0,3}}(?:{_KINDS})"


def scene_text(plan: ScenePlan, level: Level) -> str:
    """The scene's text at a level: its high level alone for 'scene-high', else both joined."""
    high, low = plan.scene.high_level, plan.scene.low_level
    return high if level == "scene-high" and high else ", ".join(part for part in (high, low) if part)


def style_of(plan: ScenePlan) -> str:
    """The drawing style that the scene's low level names, or its high level as '… style': 'glossy style'; or ''."""
    high, low = (prompt.split(",") for prompt in (plan.scene.high_level.lower(), plan.scene.low_level.lower()))
    styles = [part.strip() for part in high if part.endswith("style")] + [part.strip() for part in low]
    return ", ".join(part for part in dict.fromkeys(styles) if re.fullmatch(STYLE, part))


def region_text(plan: ScenePlan, region: Region, level: Level) -> str:
    """A region's text at a level: its high or low level, or both joined if that one is empty or the level is 'region'.

    Except at 'region-low' the scene's drawing style is appended: blocks that attend to region prompts only would lack
    it.
    """
    own = {"region-high": region.prompt.high_level, "region-low": region.prompt.low_level}.get(level)
    style = style_of(plan) if level != "region-low" else ""
    return ", ".join(part for part in (own or region.prompt.text, style) if part)


class PromptSchedule(BaseModel):
    """Progressive prompts as a matter of network depth (paper, Figure 6).

    Blocks before the share `turn` (0–1) of the depth attend to level `first`, the others to `then`. By default the
    shallow quarter attends to the scene prompt, which describes the layout, and the deeper blocks to the region
    prompts: the best of the schedules that keep the background, in boxes anywhere (docs/adherence.md). `blocks` lists
    the level of every block instead.
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
                raise ValueError(f"the depth schedule lists {len(self.blocks)} blocks, this transformer has {blocks}")
            return list(self.blocks)
        turn = round(self.turn * blocks)
        return [self.first] * turn + [self.then] * (blocks - turn)


PRESETS: dict[str, PromptSchedule] = {
    "scene-then-regions": PromptSchedule(),
    "regions-then-scene": PromptSchedule(first="region", then="scene", turn=0.5),
    "regions": PromptSchedule(first="region", then="region"),
    "scene": PromptSchedule(first="scene", then="scene"),
}


def preset(name: str) -> PromptSchedule:
    """A schedule by name, with an optional turn, or a level per block, with repeats.

    'scene-then-regions', 'scene-then-regions@0.25', 'scene-high*4,region-high*2,region-low*2'.
    Raises ValueError listing the names.
    """
    if "," in name or "*" in name or name.strip() in set(LEVELS) - set(PRESETS):
        return PromptSchedule(blocks=_listed(name))
    base, _, turn = name.partition("@")
    if base not in PRESETS:
        raise ValueError(
            f"unknown depth schedule {base!r}: one of {', '.join(PRESETS)}, "
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
                f"{part.strip()!r} in the depth schedule is no level: one of {', '.join(LEVELS)}, or such as scene*4"
            )
        levels += [level] * int(match[2] or 1)
    return levels
