"""The planner's reply, which names positions in words, and its conversion to a ScenePlan with boxes."""

import re
from itertools import groupby
from typing import Annotated, Self

from pydantic import Field, model_validator

from ..layout.places import Place, Size, boxes_for
from ..plan import MAX_PROMPT, MAX_REGIONS, LeveledPrompt, Region, ScenePlan, StrictModel, optional_field, unique_name

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


GROUP = re.compile(r"group of (\d{1,4}) ")  # many of one thing as one object


def article(words: str) -> str:
    """'a' or 'an', by spelling."""
    return "an" if re.match(r"(?!uni|eu|one|use)[aeiou]", words.lower()) else "a"


def plural(noun: str) -> str:
    """Several of a noun, by spelling: 'cats', 'boxes', 'cherries', 'cups of tea'."""
    head, of, rest = noun.partition(" of ")
    if re.search(r"[^aeiou]y$", head):
        head = head[:-1] + "ie"
    elif re.search(r"(s|x|z|ch|sh)$", head):
        head += "e"
    return f"{head}s{of}{rest}"


def sentence_of(things: list[tuple[str, str]]) -> str:
    """Noun phrases with their places as one sentence: 'a red cat on the left and 12 red balloons at the top'; equal
    ones that follow each other are counted. Empty if there are none."""
    parts = []
    for (phrase, place), same in groupby(things):
        count = len(list(same))
        words = phrase if count == 1 else f"{count} {plural(re.sub('^an? ', '', phrase))}"
        parts.append(f"{words} {place}".strip())
    return ", ".join(parts[:-1]) + " and " + parts[-1] if len(parts) > 1 else "".join(parts)


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
    size: Size | None = Field(
        default=None, description="its size beside the other objects, only if the brief compares them; else null"
    )

    @property
    def count(self) -> int:
        """How many of it there are: 40 of a 'group of 40 cats', else one."""
        match = GROUP.match(self.subject)
        return int(match[1]) if match else 1

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


MAX_ABSENT = 16
Absent = Annotated[str, Field(min_length=1, max_length=60)]


class PlannerAnswer(StrictModel):
    """A plan in words."""

    objects: list[PlannedObject] = Field(
        max_length=MAX_REGIONS, description="every object of the brief, once; empty if it is all background"
    )
    background: str = Field(
        max_length=200, description="where or when it is, with a preposition: 'at night', 'in Paris'; or empty"
    )
    mood: str = Field(
        max_length=200, description="light and mood of the whole picture: 'soft moonlight, spooky mood'; never empty"
    )
    absent: list[Absent] = optional_field(
        [], max_length=MAX_ABSENT, description="what the brief says is not to be seen, in its words: 'people'"
    )

    @model_validator(mode="after")
    def _shows_something(self) -> Self:
        if not self.objects and not self.background and not self.absent:
            raise ValueError("objects: there is neither an object nor a background; say what the picture shows")
        return self

    @property
    def centred(self) -> bool:
        """Whether all that it shows is in the center, which then need not be said."""
        return all(thing.position == "center" for thing in self.objects)


Count = Annotated[int, Field(ge=1, le=9999)]
Row = tuple[str, str, str, Place] | tuple[str, str, str, Place, Size] | tuple[str, str, str, Place, Count]


class ShortAnswer(StrictModel):
    """The same plan with fewer words around it, for a model that was tuned to give it: half the tokens and the time.

    What most briefs do not say takes no tokens: a row has a size or, where many things look the same, their number only
    if the brief says so, and `absent` stands only where something is.
    """

    objects: list[Row] = Field(
        max_length=MAX_REGIONS, description="subject, colour, detail, position and, if said, size or number of objects"
    )
    background: str
    mood: str
    absent: list[str] = optional_field([], max_length=MAX_ABSENT, description="what is not to be seen")

    @classmethod
    def of(cls, answer: PlannerAnswer) -> Self:
        rows: list[Row] = []
        for thing, same in groupby(answer.objects):
            row, count = (thing.subject, thing.colour, thing.detail, thing.position), len(list(same))
            if count > 1 and not thing.size:
                rows.append((*row, count))
            else:
                rows += [(*row, thing.size) if thing.size else row] * count
        return cls(objects=rows, background=answer.background, mood=answer.mood, absent=answer.absent)

    def to_planner_answer(self) -> PlannerAnswer:
        """The long form, with an object for each of many. More than a plan has room for become a single one, 'group of
        40 cats', the largest number first. Raises pydantic's ValidationError for texts that are missing or too long."""
        counts = [row[4] if len(row) == 5 and isinstance(row[4], int) else 1 for row in self.objects]
        grouped: set[int] = set()
        while sum(1 if i in grouped else count for i, count in enumerate(counts)) > MAX_REGIONS:
            grouped.add(max((i for i in range(len(counts)) if i not in grouped), key=counts.__getitem__))
        things = []
        for i, (row, count) in enumerate(zip(self.objects, counts, strict=True)):
            thing = dict(zip(("subject", "colour", "detail", "position"), row, strict=False))
            if len(row) == 5 and isinstance(row[4], str):
                thing["size"] = row[4]
            if i in grouped:
                thing["subject"] = f"group of {count} {plural(row[0])}"
            things += [thing] * (1 if i in grouped else count)
        answer = {"objects": things, "background": self.background, "mood": self.mood, "absent": self.absent}
        return PlannerAnswer.model_validate(answer)


def scene_text(answer: PlannerAnswer) -> str:
    """The high-level scene prompt, which lists objects and positions: 'a red cat on the left and … at night'; only the
    background if there are no objects; an empty scene where the answer only says what is absent."""
    body = sentence_of(
        [(thing.noun_phrase, "" if answer.centred else PLACE_PHRASES[thing.position]) for thing in answer.objects]
    )
    if not answer.background or not body:
        return body or answer.background or "an empty scene"
    separator = " " if answer.background.split(" ")[0].lower() in PREPOSITIONS else ", "
    return f"{body}{separator}{answer.background}"


def plan_from_answer(answer: PlannerAnswer, *, width: int | None, height: int | None) -> ScenePlan:
    """Converts a reply to a plan: unique region names, boxes from positions, both prompt levels.

    A region's high level names its position too: a model trained on captions of whole pictures draws a bare 'red cat'
    as one big cat in the middle. Raises ValueError if the texts are too long for a plan.
    """
    regions: list[Region] = []
    boxes = boxes_for([thing.position for thing in answer.objects], sizes=[thing.size for thing in answer.objects])
    for thing, box in zip(answer.objects, boxes, strict=True):
        taken = {region.name for region in regions}
        name = unique_name(thing.subject, taken)
        high_level = thing.subject if answer.centred else thing.subject_at_place
        prompt = LeveledPrompt(high_level=high_level, low_level=thing.appearance)
        regions.append(Region(name=name, box=box, prompt=prompt))
    if len(sentence := scene_text(answer)) > MAX_PROMPT:
        length = f"{len(sentence)} characters, at most {MAX_PROMPT}"
        raise ValueError(f"objects: their sentence has {length}; say less of each")
    scene = LeveledPrompt(high_level=sentence, low_level=answer.mood)
    return ScenePlan(width=width, height=height, scene=scene, negative=", ".join(answer.absent), regions=regions)
