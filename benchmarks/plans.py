"""The fixed plans that the adherence figures are measured on, and what is right in each region. Knows no model."""

import random

from benchmarks.judging import COLOURS, SUBJECTS, Seen
from ditpipe import ScenePlan
from ditpipe.prompts.answers import PlannedObject, PlannerAnswer, compose
from ditpipe.prompts.layout import PLACES, Place

ARRANGEMENTS: dict[int, tuple[Place, ...]] = {
    1: ("center",),
    2: ("left", "right"),
    4: ("top left", "top right", "bottom left", "bottom right"),
    9: PLACES,
}
BACKGROUNDS = (
    "at night", "in the sky", "at sunset", "on a meadow", "on the beach", "in the snow", "under water", "in a room",
)  # fmt: skip


def fixed_plan(regions: int, number: int) -> tuple[ScenePlan, list[Seen]]:
    """Plan `number` with 1, 2, 4 or 9 regions and its right answers; subjects differ within a plan, colours need not.

    It is composed as a planner's answer is: the scene prompt says everything with position words, a region's prompt its
    colour and subject. Raises ValueError for another number of regions.
    """
    if regions not in ARRANGEMENTS:
        raise ValueError(f"no fixed plans with {regions} regions: one of {', '.join(map(str, ARRANGEMENTS))}")
    rng = random.Random(f"{regions} regions, plan {number}")
    right = [Seen(subject, rng.choice(COLOURS)) for subject in rng.sample(SUBJECTS, regions)]
    objects = [
        PlannedObject(subject=one.subject, colour=one.colour, detail="", position=place)
        for one, place in zip(right, ARRANGEMENTS[regions], strict=True)
    ]
    answer = PlannerAnswer(objects=objects, background=rng.choice(BACKGROUNDS), mood="")
    return compose(answer, width=96, height=96), right


def seed_of(regions: int, number: int) -> int:
    """The noise seed of a plan, the same for every method."""
    return 1000 * regions + number
