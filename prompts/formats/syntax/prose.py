"""One prompt in prose for models without regions: the scene, and each region at its place in words."""

from __future__ import annotations

from ...answers.planner_schema import PLACE_PHRASES
from ...plan import Region, ScenePlan
from ...prompt_style import place_of
from ...wording import PromptStyle, region_text, scene_text
from ..layout_format import Content, LayoutFormat, LoadedLayout, from_the_back

_WRITES = PromptStyle(lettering=True)
SMALL, LARGE, WHOLE = 0.06, 0.5, 0.9  # shares of the picture


def _sniff(content: Content) -> bool:
    return False


def _read(content: Content) -> LoadedLayout:
    raise ValueError("prose is only written: ditpipe plan makes a plan of a text")


def _write(plan: ScenePlan) -> tuple[str, list[str]]:
    plain = plan.model_copy(update={"style": ""})  # the scene has it
    parts = [scene_text(plan, "both"), *(_sentence(plain, region) for region in from_the_back(plan))]
    notes = ["boxes are said as nine places and three sizes, in words"] if plan.regions else []
    return " ".join(part if part[-1] in ".!?。！？…" else f"{part}." for part in parts if part), notes


def _sentence(plan: ScenePlan, region: Region) -> str:
    """'On the left, small: a red cat'; a region that fills the picture is at no place."""
    text, area = region_text(plan, region, "both", _WRITES), region.box.area
    if not text or area > WHOLE:
        return text
    place = PLACE_PHRASES[place_of(region.box)]
    size = ", small" if area < SMALL else ", large" if area > LARGE else ""
    return f"{place[0].upper()}{place[1:]}{size}: {text}"


PROSE = LayoutFormat(
    "prose", "one prompt in prose", says=frozenset({"style", "lettering"}), boxes="nine places in words",
    sniff=_sniff, read=_read, write=_write,
)  # fmt: skip
