"""Plans for synthetic messages, as `plan_lines` shows them, and the things in them."""

from dataclasses import dataclass, replace

import numpy as np

from ditpipe.prompts.answers.chat_rows import aliases
from ditpipe.prompts.answers.planner_schema import PlannedObject, PlannerAnswer, plan_from_answer
from ditpipe.prompts.layout.places import DEFAULT_PLACES, PLACES, scaled
from ditpipe.prompts.plan import ScenePlan
from ditpipe.prompts.prompt_style import place_of
from training.brief_parts import pick
from training.brief_words import (
    AFTER_DETAILS,
    BACKGROUND_PHRASES,
    DETAILS,
    ELSEWHERE,
    FINE_COLOURS,
    KNOWN,
    OTHERS,
    PLAIN_COLOURS,
)  # fmt: skip
from training.tables import load_table
from training.world import COLOURS, SUBJECTS

KINDS: dict[str, tuple[str, ...]] = load_table("chat_words", "kinds")
USUAL = KNOWN | OTHERS
FOREIGN_NOUNS = sorted(load_table("chat_foreign", "de")["nouns"])
COUNT_ODDS = (0.2, 0.42, 0.26, 0.09, 0.02, 0.01)  # of one to six regions
STYLED = 0.1  # of the plans have a style


@dataclass(frozen=True)
class Item:
    """One region as a message may speak of it. x, y: the centre of its box; area: of the canvas."""

    name: str
    subject: str
    colour: str
    detail: str
    place: str
    x: float
    y: float
    area: float


@dataclass(frozen=True)
class Scene:
    """A plan and its things; `touched`: names of the last ones, as the model sees them."""

    plan: ScenePlan
    items: tuple[Item, ...]
    touched: tuple[str, ...] = ()

    @property
    def regions_touched(self) -> list[str]:
        own = aliases(self.plan)
        return [own[name] for name in self.touched]

    def touching(self, *names: str) -> "Scene":
        return replace(self, touched=names)


def noun(rng: np.random.Generator) -> str:
    """A noun: mostly one that the pocket model draws."""
    form = rng.random()
    if form < 0.68:
        return pick(rng, tuple(SUBJECTS))
    if form < 0.78:
        return pick(rng, FOREIGN_NOUNS)
    if form < 0.9:
        return pick(rng, KINDS[pick(rng, tuple(KINDS))])
    return pick(rng, tuple(USUAL))


def usual_colour(subject: str) -> str:
    """The colour that a planner gives a thing whose colour is not said; empty for a noun that it does not know."""
    return USUAL.get(subject, "")


def colour(rng: np.random.Generator) -> str:
    form = rng.random()
    if form < 0.78:
        return pick(rng, tuple(COLOURS))
    if form < 0.9:
        return pick(rng, PLAIN_COLOURS)
    if form < 0.95:
        return f"{pick(rng, ('dark', 'light', 'bright', 'pale', 'deep'))} {pick(rng, tuple(COLOURS))}"
    return pick(rng, FINE_COLOURS)


def background(rng: np.random.Generator) -> str:
    """A background as a plan names it."""
    return pick(rng, tuple(BACKGROUND_PHRASES)) if rng.random() < 0.8 else pick(rng, ELSEWHERE)


def new_scene(rng: np.random.Generator, *, least: int = 1, nouns: tuple[str, ...] = ()) -> Scene:
    """A plan of `least` to six things; the first ones are `nouns`."""
    odds = np.array(COUNT_ODDS[least - 1 :])
    count = max(len(nouns), least + int(rng.choice(len(odds), p=odds / odds.sum())))
    subjects = list(nouns)
    twins = rng.random() < 0.22 and count > 1
    while len(subjects) < count:
        subjects.append(subjects[0] if twins and subjects and rng.random() < 0.7 else noun(rng))
    subjects = [subjects[i] for i in rng.permutation(count)]
    places = DEFAULT_PLACES[count] if rng.random() < 0.5 else [PLACES[i] for i in rng.permutation(9)[:count]]
    things = []
    for subject, place in zip(subjects, places, strict=True):
        detail = pick(rng, DETAILS) if rng.random() < 0.06 else pick(rng, AFTER_DETAILS) if rng.random() < 0.03 else ""
        shown = usual_colour(subject) if rng.random() < 0.15 else colour(rng)
        things.append(PlannedObject(subject=subject, colour=shown[:40], detail=detail, position=place))
    where = background(rng) if rng.random() < 0.75 else ""
    answer = PlannerAnswer(objects=things, background=where, mood="bright light")
    plan = plan_from_answer(answer, width=None, height=None)
    if rng.random() < STYLED:
        plan = plan.model_copy(update={"style": "watercolour"})
    if count > 1 and rng.random() < 0.3:
        index, factor = int(rng.integers(count)), float(rng.choice([0.6, 0.7, 1.35, 1.5]))
        regions = [
            region.model_copy(update={"box": scaled(region.box, factor)}) if i == index else region
            for i, region in enumerate(plan.regions)
        ]
        plan = plan.model_copy(update={"regions": regions})
    return scene_of(plan, things)


def scene_of(plan: ScenePlan, things: list[PlannedObject]) -> Scene:
    items = []
    for (alias, _), region, thing in zip(aliases(plan).items(), plan.regions, things, strict=True):
        x, y = region.box.centre
        items.append(
            Item(alias, thing.subject, thing.colour, thing.detail, place_of(region.box), x, y, region.box.area)
        )
    return Scene(plan, tuple(items))
