"""The planner's reply, which names positions in words, and its conversion to a ScenePlan with boxes."""

import re
from typing import Self

from pydantic import Field

from .layout import Place, boxes_for
from .plan import MAX_PROMPT, MAX_REGIONS, LeveledPrompt, Region, ScenePlan, StrictModel

PLACE_PHRASES: dict[Place, str] = {
    "top left": "at the top left", "top": "at the top", "top right": "at the top right", "left": "on the left",
    "center": "in the center", "right": "on the right", "bottom left": "at the bottom left", "bottom": "at the bottom",
    "bottom right": "at the bottom right",
}  # fmt: skip


# Details with these first words follow the noun: 'a red cat with white spots'.
BEHIND_THE_NOUN = {
    "with",
    "made",
    "wearing",
    "covered",
    "full",
    "in",
    "of",
    "on",
    "holding",
    "painted",
    "without",
    "that",
}
PREPOSITIONS = {
    "in", "on", "at", "under", "by", "inside", "near", "against", "above", "with", "among", "over", "beside", "behind",
    "up", "deep", "during", "outside", "between", "along", "through", "high", "below", "within", "across",
}  # fmt: skip


def article(words: str) -> str:
    """'a' or 'an', by spelling."""
    return "an" if re.match(r"(?!uni|eu|one|use)[aeiou]", words.lower()) else "a"


class PlannedObject(StrictModel):
    """One object of the picture, in words."""

    subject: str = Field(
        min_length=1, max_length=60, description="the object in the brief's words, singular, without colour: 'cat'"
    )
    colour: str = Field(
        max_length=40, description="its colour in the brief's words: 'dark blue'; if none is said, the usual one"
    )
    detail: str = Field(
        max_length=120, description="pattern, texture, material or size: 'striped', 'made of glass'; or empty"
    )
    position: Place = Field(description="its place in the picture: what the brief says, else its share of a row")

    @property
    def noun_phrase(self) -> str:
        """'a red cat'."""
        words = f"{self.colour} {self.subject}".strip()
        return f"{article(words)} {words}"

    @property
    def appearance(self) -> str:
        """The low level of its region's prompt: 'striped red', 'red, made of glass'."""
        after = self.detail.split(" ")[0] in BEHIND_THE_NOUN
        parts = (self.colour, self.detail) if after else (self.detail, self.colour)
        return (", " if after else " ").join(part for part in parts if part)

    @property
    def subject_at_place(self) -> str:
        """The high level of its region's prompt: 'cat on the left'."""
        return f"{self.subject} {PLACE_PHRASES[self.position]}"


class PlannerAnswer(StrictModel):
    """A plan in words."""

    objects: list[PlannedObject] = Field(
        min_length=1, max_length=MAX_REGIONS, description="every object of the brief, once"
    )
    background: str = Field(
        max_length=200, description="where or when it is, with a preposition: 'at night', 'in Paris'; or empty"
    )
    mood: str = Field(
        max_length=200, description="light and mood of the whole picture: 'soft moonlight, spooky mood'; never empty"
    )


class ShortAnswer(StrictModel):
    """The same plan with fewer words around it, for a model that was tuned to give it: half the tokens and the time."""

    objects: list[tuple[str, str, str, Place]] = Field(
        min_length=1, max_length=MAX_REGIONS, description="subject, colour, detail and position of every object"
    )
    background: str
    mood: str

    @classmethod
    def of(cls, answer: PlannerAnswer) -> Self:
        rows = [(thing.subject, thing.colour, thing.detail, thing.position) for thing in answer.objects]
        return cls(objects=rows, background=answer.background, mood=answer.mood)

    def to_planner_answer(self) -> PlannerAnswer:
        """The long form. Raises pydantic's ValidationError for texts that are missing or too long."""
        names = list(PlannedObject.model_fields)
        rows = [dict(zip(names, row, strict=True)) for row in self.objects]
        return PlannerAnswer.model_validate({"objects": rows, "background": self.background, "mood": self.mood})


def scene_text(answer: PlannerAnswer) -> str:
    """The high-level scene prompt, which lists objects and positions: 'a red cat on the left and … at night'."""
    if len(answer.objects) == 1 and answer.objects[0].position == "center":
        parts = [answer.objects[0].noun_phrase]
    else:
        parts = [f"{thing.noun_phrase} {PLACE_PHRASES[thing.position]}" for thing in answer.objects]
    body = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    if not answer.background:
        return body
    separator = " " if answer.background.split(" ")[0].lower() in PREPOSITIONS else ", "
    return f"{body}{separator}{answer.background}"


def unique_name(subject: str, taken: set[str]) -> str:
    """A region name that is not taken: 'cat', 'cat 2' …"""
    subject = re.sub(r"\s+", " ", subject)[:55]
    return next(n for i in range(1, 99) if (n := subject if i == 1 else f"{subject} {i}") not in taken)


def plan_from_answer(answer: PlannerAnswer, *, width: int | None, height: int | None) -> ScenePlan:
    """Converts a reply to a plan: unique region names, boxes from positions, both prompt levels.

    A region's high level names its position too: a model trained on captions of whole pictures draws a bare 'red cat'
    as one big cat in the middle. Raises ValueError if the texts are too long for a plan.
    """
    alone = len(answer.objects) == 1 and answer.objects[0].position == "center"
    regions: list[Region] = []
    boxes = boxes_for([thing.position for thing in answer.objects])
    for thing, box in zip(answer.objects, boxes, strict=True):
        taken = {region.name for region in regions}
        name = unique_name(thing.subject, taken)
        high_level = thing.subject if alone else thing.subject_at_place
        prompt = LeveledPrompt(high_level=high_level, low_level=thing.appearance)
        regions.append(Region(name=name, box=box, prompt=prompt))
    if len(sentence := scene_text(answer)) > MAX_PROMPT:
        length = f"{len(sentence)} characters, at most {MAX_PROMPT}"
        raise ValueError(f"objects: their sentence has {length}; say less of each")
    scene = LeveledPrompt(high_level=sentence, low_level=answer.mood)
    return ScenePlan(width=width, height=height, scene=scene, regions=regions)
