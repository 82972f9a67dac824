"""The fixed plans of the figures on adherence, and the right label of each region. Loads no model."""

import random

from ...prompts.answers.planner_schema import PlannedObject, PlannerAnswer, plan_from_answer
from ...prompts.layout.places import PLACES, Place
from ...prompts.plan import Box, ScenePlan
from ...renderer.checkpoints.registry import CHECKPOINTS
from ...renderer.metrics.pocket_labels import (
    BACKGROUNDS,
    COLOURS,
    LIGHTS,
    PATTERNS,
    STYLES,
    SUBJECTS,
    SceneSeen,
    Seen,
)

ARRANGEMENTS: dict[int, tuple[Place, ...]] = {
    1: ("center",),
    2: ("left", "right"),
    4: ("top left", "top right", "bottom left", "bottom right"),
    9: PLACES,
    3: (),  # free boxes; the place words are those of the nearest of nine cells
}
SIZE = CHECKPOINTS["pocket"].size
TITLES = {1: "N=1", 2: "N=2", 4: "N=4", 9: "N=9", 3: "3 free boxes"}
SHARED_BOXES = 10  # consecutive plans with the same free boxes, which can be drawn in one batch
BACKGROUND_WORDS = (  # in the order of the judge's
    "at night", "in the sky", "at sunset", "on a meadow", "on the beach", "in the snow", "under water", "in a room",
    "in the desert", "in the forest", "in the city", "in the mountains",
)  # fmt: skip
MOODS = {"warm": "warm light", "dim": "dim light", "glossy": "glossy style"}  # bright and flat are not named


def fixed_plan(regions: int, number: int) -> tuple[ScenePlan, list[Seen]]:
    """Plan `number` with 1, 2, 4 or 9 regions and its right answers; subjects differ within a plan, colours need not.

    It is composed like a planner's answer: the scene prompt names subjects, colours, positions, background, light and
    style, a region's prompt also its surface pattern, if any. Raises ValueError for another number of regions.
    """
    if regions not in ARRANGEMENTS:
        raise ValueError(f"no fixed plans with {regions} regions: one of {', '.join(map(str, ARRANGEMENTS))}")
    rng = random.Random(f"{regions} regions, plan {number}")
    boxes = free_boxes(number // SHARED_BOXES) if regions == 3 else []
    places = tuple(_nearest(box) for box in boxes) or ARRANGEMENTS[regions]
    right = [Seen(subject, rng.choice(COLOURS)) for subject in rng.sample(SUBJECTS, regions)]
    objects = [
        PlannedObject(subject=label.subject, colour=label.colour, detail=pattern.replace("plain", ""), position=place)
        for label, pattern, place in zip(right, patterns_of(regions, number), places, strict=True)
    ]
    scene = scene_of(regions, number)
    mood = ", ".join(MOODS[word] for word in (scene.light, scene.style) if word in MOODS)
    where = BACKGROUND_WORDS[BACKGROUNDS.index(scene.background)]
    answer = PlannerAnswer(objects=objects, background=where, mood=mood)
    plan = plan_from_answer(answer, width=SIZE, height=SIZE)
    if boxes:
        moved = [region.model_copy(update={"box": box}) for region, box in zip(plan.regions, boxes, strict=True)]
        plan = plan.model_copy(update={"regions": moved})
    return plan, right


def patterns_of(regions: int, number: int) -> list[str]:
    """The surface pattern of each region of a fixed plan: two in three are plain."""
    rng = random.Random(f"patterns of {regions} regions, plan {number}")
    return rng.choices(PATTERNS, weights=(4, 1, 1), k=regions)


def scene_of(regions: int, number: int) -> SceneSeen:
    """Background, light and style of a fixed plan: half of the lights and two thirds of the styles are the default."""
    rng = random.Random(f"scene of {regions} regions, plan {number}")
    (light,), (style,) = rng.choices(LIGHTS, weights=(2, 1, 1)), rng.choices(STYLES, weights=(2, 1))
    return SceneSeen(rng.choice(BACKGROUNDS), light, style)


def free_boxes(number: int) -> list[Box]:
    """Three squares of 0.3 to 0.45 of the canvas's side, anywhere, that do not overlap."""
    rng = random.Random(f"free boxes {number}")
    boxes: list[Box] = []
    while len(boxes) < 3:
        side = rng.uniform(0.3, 0.45)
        left, top = rng.uniform(0, 1 - side), rng.uniform(0, 1 - side)
        box = Box(left=left, top=top, right=left + side, bottom=top + side)
        boxes = [*boxes, box] if all(box.overlap(other) == 0 for other in boxes) else boxes
        if rng.random() < 0.01:  # three that leave no room for each other
            boxes = []
    return boxes


def _nearest(box: Box) -> Place:
    """The word for the cell of a 3×3 grid that holds the box's centre."""
    across, down = (min(2, int(3 * x)) for x in box.centre)
    return PLACES[3 * down + across]


def seed_of(regions: int, number: int) -> int:
    """The noise seed of a plan, the same for every method."""
    return 1000 * regions + number
