"""Checks of a plan's structure, whatever the language of its brief: hidden, small and duplicate regions."""

from collections.abc import Sequence

from ...prompts.layout.token_owners import TOKEN, span, tokens_by_name
from ...prompts.plan import Region, ScenePlan

SEEN = 0.2  # of a region's own tokens: with less it is hardly seen
SMALL = 4  # tokens that a region needs to show anything
SAME_PLACE = 0.6  # of the area that two boxes cover together


def structure_findings(plan: ScenePlan, *, size: tuple[int, int], token: int = TOKEN) -> list[str]:
    """The faults of the plan's layout at a size in pixels, a sentence each, in words for a planner."""
    return [*hidden(plan, size=size, token=token), *twice(plan.regions)]


def hidden(plan: ScenePlan, *, size: tuple[int, int], token: int = TOKEN) -> list[str]:
    """Regions of which others cover nearly all, or which are too small to show anything."""
    columns, rows = (max(1, side // token) for side in size)
    owned = tokens_by_name(plan.regions, rows=rows, columns=columns)
    least = min(SMALL, max(1, rows * columns // (2 * max(1, len(owned)))))  # fewer where many share few tokens
    findings = []
    for region in plan.regions:
        box, tokens = region.box, owned[region.name]
        whole = len(span(box.left, box.right, columns)) * len(span(box.top, box.bottom, rows))
        if whole < least:
            findings.append(f"{region.name!r} is too small to be drawn: give it a larger box.")
        elif tokens < SEEN * whole:
            findings.append(f"{region.name!r} is hardly seen, for others cover it: move them, or say what is in front.")
    return findings


def twice(regions: Sequence[Region]) -> list[str]:
    """Regions that show the same in the same place."""
    return [
        f"{first.name!r} and {second.name!r} are the same thing in the same place: leave one out, or move it."
        for index, second in enumerate(regions)
        for first in regions[:index]
        if first.prompt == second.prompt and _share(first, second) > SAME_PLACE
    ]


def _share(first: Region, second: Region) -> float:
    common = first.box.overlap(second.box)
    return common / (first.box.area + second.box.area - common)
