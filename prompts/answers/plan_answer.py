"""The answer of any capable language model to a brief, with boxes and both prompt levels, and the ScenePlan made of it.

The field descriptions are what the model is sent. The schema holds under the strict modes of OpenAI and Anthropic:
every field is required and may be null, and nothing but types is demanded; bounds are checked here. Lengths of texts
and lists are for servers that make a grammar of the schema, so that a small model's answer ends; more is read.
"""

import re
from collections.abc import Sequence
from copy import copy
from typing import Annotated, Any, ClassVar, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, create_model, model_validator
from pydantic.json_schema import SkipJsonSchema

from ..errors import CONTROL_CHARACTERS
from ..layout.canvas import MOST, MULTIPLE, drawn_canvas, ratio_of
from ..layout.normalise import normalise, unique_names
from ..layout.places import DEFAULT_PLACES, boxes_for, grid
from ..layout.token_owners import TOKEN
from ..plan import MAX_LETTERING, MAX_PROMPT, MAX_REGIONS, MIN_SIDE, LeveledPrompt, Region, ScenePlan


class Answer(BaseModel):
    """Unknown fields are dropped, and control characters, which nobody sees, with them."""

    model_config = ConfigDict(frozen=True, extra="ignore", json_schema_extra={"additionalProperties": False})
    needed: ClassVar[tuple[str, ...]] = ()  # fields without which it is another answer

    @model_validator(mode="before")
    @classmethod
    def _fills_gaps(cls, values: Any) -> Any:
        """A missing text is empty, as is a missing list; what else is missing and may be null is null."""
        if not isinstance(values, dict):
            return values
        gaps: dict[str, Any] = {}
        for name, field in cls.model_fields.items():
            if name in cls.needed:
                continue
            if get_origin(field.annotation) is list:
                gaps[name] = []
            elif field.annotation is str:
                gaps[name] = ""
            elif type(None) in get_args(field.annotation):
                gaps[name] = None
        return gaps | {name: _printable(value) for name, value in values.items() if value is not None}


def _printable(value: Any) -> Any:
    return CONTROL_CHARACTERS.sub(" ", value).strip() if isinstance(value, str) else value


# Models are asked for one of these, or for integers, and what they give is read.
_ASPECTS = ["1:1", "5:4", "4:3", "3:2", "16:9", "2:1", "21:9", "3:1", "4:5", "3:4", "2:3", "9:16", "1:2", "1:3"]
Aspect = Annotated[str | None, WithJsonSchema({"anyOf": [{"type": "string", "enum": _ASPECTS}, {"type": "null"}]})]
Edge = Annotated[float, WithJsonSchema({"type": "integer"})]
LONGEST_PHRASE, LONGEST_PROSE = 200, 500  # characters
Name = Annotated[str, WithJsonSchema({"type": "string", "maxLength": 60})]
Colour = Annotated[str, WithJsonSchema({"type": "string", "maxLength": 7})]
NoPalette = SkipJsonSchema[list[str]]  # models that take no palette are not asked for one
REGION_COLOURS, SCENE_COLOURS = 5, 16  # most of a palette
NONE = ("", "none", "no", "nothing", "n/a")  # what stands in a field or a list that should have been empty
Phrase = Annotated[str, WithJsonSchema({"type": "string", "maxLength": LONGEST_PHRASE})]
ListAsText = BeforeValidator(lambda value: ", ".join(map(str, value)) if isinstance(value, list) else value)
Prose = Annotated[str, WithJsonSchema({"type": "string", "maxLength": LONGEST_PROSE})]


def entries(most: int) -> Any:
    """The greatest length of a list in the schema, for Field's `json_schema_extra`."""
    return {"maxItems": most}


class AnswerBox(Answer):
    """The place of a whole object, in thousandths of the picture's sides; 0, 0 is the top left corner."""

    left: Edge = Field(description="left edge, 0 to 1000 of the picture's width")
    top: Edge = Field(description="top edge, 0 to 1000 of the picture's height")
    right: Edge = Field(description="right edge, more than left")
    bottom: Edge = Field(description="bottom edge, more than top")

    @model_validator(mode="before")
    @classmethod
    def _reads_lists_and_units(cls, value: Any) -> Any:
        if isinstance(value, list | tuple) and len(value) == 4:
            value = dict(zip(("left", "top", "right", "bottom"), value, strict=True))
        if not isinstance(value, dict):
            return value
        return {name: edge.rstrip("%px ") if isinstance(edge, str) else edge for name, edge in value.items()}


class LayoutRegion(Answer):
    """One object of the picture, or one group that is drawn together."""

    name: Name = Field(description="short unique name in the language of the brief: 'cat', 'cat 2'")
    box: AnswerBox  # no description: beside a reference strict modes take none
    high_level: Phrase = Field(description="what it is, and nothing of the other regions: 'a cat sitting upright'")
    negative: Annotated[Phrase | None, ListAsText] = Field(
        description="what must not appear there, as plain words; else null"
    )
    lettering: Phrase | None = Field(
        description="text to be read on it, letter by letter as the brief has it; else null"
    )
    colors: NoPalette = []


class AnswerRegion(LayoutRegion):
    """One object of the picture, or one group that is drawn together."""

    low_level: Prose = Field(description="what it looks like: colour, texture, material, light, detail, expression")


class InFront(Answer):
    """Two regions whose boxes overlap."""

    front: Name = Field(description="name of the region that stands before the other")
    behind: Name = Field(description="name of the region that it partly hides")


class Count(Answer):
    """A number that the brief names, and the regions that make it."""

    thing: Name = Field(description="what is counted, in the brief's words: 'balloons'")
    number: int = Field(description="how many the brief asks for")
    regions: list[Name] = Field(
        description="names of the regions above that show them, each one of them",
        json_schema_extra=entries(MAX_REGIONS),
    )


class LayoutCheck(Answer):
    """A question that the brief puts to the layout, and its answer."""

    question: Phrase = Field(description="a place, relation or negation of the brief: 'is the cat left of it?'")
    holds: bool = Field(description="whether the boxes, high levels and negatives above are so; look at them")


class Check(LayoutCheck):
    """A question that the brief puts to the plan, and its answer."""

    question: Phrase = Field(
        description="a place, relation, negation or attribute of the brief: 'is the cat left of it?'"
    )
    holds: bool = Field(description="whether the boxes, prompts and negatives above are so; look at them")


class LayoutAnswer(Answer):
    """A picture's layout and high level: its whole, its objects with their places, and what must not be in it. What
    things look like is asked for afterwards."""

    needed: ClassVar[tuple[str, ...]] = ("regions",)

    aspect: Aspect = Field(
        description="shape of the picture as width:height: '16:9' for a wide banner, '3:4' for a portrait format; null "
        "if the brief asks for none"
    )
    width: int | None = Field(description="width in pixels, only if the brief names a size in pixels; else null")
    height: int | None = Field(description="height in pixels, only if the brief names a size in pixels; else null")
    style: Phrase | None = Field(
        description="drawing style of the whole picture, e.g. 'watercolour', '35 mm photograph'; null if none is asked"
    )
    high_level: Prose = Field(
        description="the whole picture in one or two sentences: what is where, the setting, time of day and mood; "
        "without what must not be there"
    )
    negative: Annotated[Prose | None, ListAsText] = Field(
        description="everything that the brief says must not be in the picture, without 'no': 'people, cars'; else null"
    )
    regions: list[LayoutRegion] = Field(
        description="every object that the brief names, one entry each ('three cats' are three); empty for a landscape "
        "or texture without any. The setting and what must not be there are no regions",
        json_schema_extra=entries(MAX_REGIONS),
    )
    in_front: list[InFront] = Field(
        description="for boxes that overlap: which stands before which; else empty", json_schema_extra=entries(16)
    )
    counts: list[Count] = Field(
        description="one entry for each number above one that the brief names; else empty", json_schema_extra=entries(8)
    )
    checks: list[LayoutCheck] = Field(
        description="one question for each place, relation and negation of the brief", json_schema_extra=entries(12)
    )
    left_out: list[Phrase] = Field(
        description="what of the brief, but for looks, neither regions nor prompts say; else empty",
        json_schema_extra=entries(8),
    )
    colors: NoPalette = []


SCENE_LOW_LEVEL = "how the whole looks: light, palette, texture, lens or brush; not the objects"


class PlanAnswer(LayoutAnswer):
    """A picture, planned: its whole, its objects with their places, and what must not be in it."""

    regions: list[AnswerRegion] = Field(  # type: ignore[assignment]
        description=LayoutAnswer.model_fields["regions"].description, json_schema_extra=entries(MAX_REGIONS)
    )
    checks: list[Check] = Field(  # type: ignore[assignment]
        description=LayoutAnswer.model_fields["checks"].description, json_schema_extra=entries(12)
    )
    left_out: list[Phrase] = Field(
        description="what of the brief neither regions nor prompts say; else empty", json_schema_extra=entries(8)
    )
    low_level: Prose = Field(description=SCENE_LOW_LEVEL)


def _palette_field(of: str, most: int) -> Any:
    return Field(
        description=f"palette {of} as '#rrggbb', where the brief wants certain colours exactly; else empty",
        json_schema_extra=entries(most),
    )


class PaletteLayoutRegion(LayoutRegion):
    """One object of the picture, or one group that is drawn together."""

    colors: list[Colour] = _palette_field("of it", REGION_COLOURS)


class PaletteRegion(AnswerRegion):
    """One object of the picture, or one group that is drawn together."""

    colors: list[Colour] = _palette_field("of it", REGION_COLOURS)


class PaletteLayoutAnswer(LayoutAnswer):
    """A picture's layout and high level: its whole, its objects with their places, and what must not be in it. What
    things look like is asked for afterwards."""

    regions: list[PaletteLayoutRegion] = Field(  # type: ignore[assignment]
        description=LayoutAnswer.model_fields["regions"].description, json_schema_extra=entries(MAX_REGIONS)
    )
    colors: list[Colour] = _palette_field("of the picture", SCENE_COLOURS)


class PalettePlanAnswer(PlanAnswer):
    """A picture, planned: its whole, its objects with their places, and what must not be in it."""

    regions: list[PaletteRegion] = Field(  # type: ignore[assignment]
        description=LayoutAnswer.model_fields["regions"].description, json_schema_extra=entries(MAX_REGIONS)
    )
    colors: list[Colour] = _palette_field("of the picture", SCENE_COLOURS)


class RegionDetails(Answer):
    """The low level of one region."""

    name: Name = Field(description="name of the region, as in the layout")
    low_level: Prose = Field(description="what it looks like: colour, texture, material, light, detail, expression")


class DetailsAnswer(Answer):
    """The low level of a layout: of the whole picture and of each region."""

    low_level: Prose = Field(description=SCENE_LOW_LEVEL)
    regions: list[RegionDetails] = Field(
        description="one entry for each region of the layout", json_schema_extra=entries(MAX_REGIONS)
    )
    left_out: list[Phrase] = Field(
        description="looks of the brief that none of these texts has; else empty", json_schema_extra=entries(8)
    )


def details_answer(regions: int) -> type[DetailsAnswer]:
    """The details of a layout of so many regions: its schema has an entry for each, however short it is made for a
    small model."""
    info = copy(DetailsAnswer.model_fields["regions"])
    count = min(regions, MAX_REGIONS)
    info.json_schema_extra = {"minItems": count, "maxItems": count}
    return create_model(
        "DetailsAnswer", __base__=DetailsAnswer, __doc__=DetailsAnswer.__doc__, regions=(list[RegionDetails], info)
    )


def with_details(layout: LayoutAnswer, details: DetailsAnswer) -> PlanAnswer:
    """Both answers of progressive planning as one. Of regions with one name each takes the details of its number ('cat
    2'), or the next of that name; a region without details has no low level."""
    low: dict[str, list[str]] = {}
    for given in details.regions:
        low.setdefault(_plain(given.name), []).append(given.low_level)
    regions = list[dict[str, Any]]()
    for region, name in zip(layout.regions, unique_names([each.name for each in layout.regions]), strict=True):
        texts = low.get(_plain(name)) or low.get(_plain(region.name)) or []
        regions.append(region.model_dump() | {"low_level": texts.pop(0) if len(texts) > 1 else "".join(texts)})
    both = {"low_level": details.low_level, "regions": regions, "left_out": [*layout.left_out, *details.left_out]}
    return PlanAnswer.model_validate(layout.model_dump() | both)


def plan_from(
    answer: PlanAnswer, *, width: int | None = None, height: int | None = None, side: int = 1024, token: int = TOKEN,
    bounded: bool = False,
) -> ScenePlan:  # fmt: skip
    """The plan of an answer; its notes say what is not as it was asked or answered.

    width, height: the picture's, in pixels, where they are not the answer's to say; side: of a square picture, whose
    area another shape gets. token: side of an image token in pixels. bounded: whether a grammar ended texts at the
    schema's lengths.

    Raises ValueError, in words for the model, for texts that no plan has room for.
    """
    notes: list[str] = []

    def short(text: str, field: str, bound: int = LONGEST_PROSE) -> str:
        if len(text) > MAX_PROMPT:
            raise ValueError(f"{field}: {len(text)} characters, at most {MAX_PROMPT}; say it in fewer words")
        if bounded and bound - 1 <= len(text) <= bound:  # a space at its end is gone
            notes.append(f"{field} may be cut off: it has the {bound} characters that the planner was given for it")
        return text

    size = canvas(answer, width=width, height=height, side=side, multiple=max(MULTIPLE, token), notes=notes)
    names = [region.name for region in answer.regions]
    pairs = _pairs(answer, notes)
    boxes = [[box.left, box.top, box.right, box.bottom] for box in (region.box for region in answer.regions)]
    if boxes and not any(value for box in boxes for value in box):
        boxes = [[1000 * edge for edge in box] for box in _default_boxes(len(boxes))]
        notes.append("the planner gave no boxes: the objects were put beside each other")
    sides = min(answer.width or 0, MOST), min(answer.height or 0, MOST)
    pixels = sides if min(sides) > 0 and max(sides) >= MIN_SIDE else None
    layout = normalise(names, boxes, canvas=size or (side, side), pixels=pixels, token=token, in_front=pairs)
    regions = []
    for index, name, box, z_order in zip(layout.indices, layout.names, layout.boxes, layout.z_orders, strict=True):
        given = answer.regions[index]
        prompt = LeveledPrompt(
            high_level=short(given.high_level or given.name, f"high_level of {name!r}", LONGEST_PHRASE),
            low_level=short(given.low_level, f"low_level of {name!r}"),
        )
        negative = short(_filled(given.negative), f"negative of {name!r}", LONGEST_PHRASE)
        lettering = given.lettering or ""
        if len(lettering) > MAX_LETTERING:
            raise ValueError(f"lettering of {name!r}: {len(lettering)} characters, at most {MAX_LETTERING}")
        regions.append(
            Region(
                name=name, box=box, prompt=prompt, negative=negative, z_order=z_order, lettering=lettering,
                colors=_palette(given.colors, REGION_COLOURS, f"colors of {name!r}", notes),
            )
        )  # fmt: skip
    if not answer.high_level:
        raise ValueError("high_level: empty; say in one or two sentences what the whole picture shows")
    scene = LeveledPrompt(
        high_level=short(answer.high_level, "high_level"), low_level=short(answer.low_level, "low_level")
    )
    plan = ScenePlan(
        width=size[0] if size else None, height=size[1] if size else None, scene=scene,
        style=short(_filled(answer.style), "style", LONGEST_PHRASE),
        negative=short(_filled(answer.negative), "negative"),
        colors=_palette(answer.colors, SCENE_COLOURS, "colors", notes), regions=regions,
    )  # fmt: skip
    left_out = [f"left out of the plan: {thing}" for thing in answer.left_out if _filled(thing)]
    left_out += [
        f"the brief asks for {count.number} {count.thing}, and a plan has room for {MAX_REGIONS} regions: how many are "
        "drawn is left to chance"
        for count in answer.counts
        if count.number > MAX_REGIONS
    ]
    return plan.with_notes([*notes, *layout.notes, *left_out])


def _palette(colours: Sequence[str], most: int, field: str, notes: list[str]) -> list[str]:
    """The first colours that are #rrggbb or #rgb; a note is added for others."""
    found, lost = list[str](), list[str]()
    for colour in colours:
        match = re.fullmatch("#?([0-9a-fA-F]{6}|[0-9a-fA-F]{3})", colour.strip())
        if match and len(found) < most:
            found.append("#" + (match[1] if len(match[1]) == 6 else "".join(2 * digit for digit in match[1])))
        else:
            lost.append(repr(colour[:40]))
    if lost:
        notes.append(f"{field}: left out {', '.join(lost)}; a palette has at most {most} colours, as #rrggbb")
    return found


def _pairs(answer: LayoutAnswer, notes: list[str]) -> list[tuple[int, int]]:
    """Indices of the regions of `in_front`; a note is added for names that no region has."""
    names, pairs = [_plain(region.name) for region in answer.regions], list[tuple[int, int]]()
    for pair in answer.in_front:
        front, behind = _plain(pair.front), _plain(pair.behind)
        if front in names and behind in names:
            pairs.append((names.index(front), names.index(behind)))
        else:
            notes.append(f"{pair.front!r} before {pair.behind!r}: left open, the plan has no regions of these names")
    return pairs


def _filled(text: str | None) -> str:
    """The text; empty if all that it says is that there is nothing to say."""
    return text if text and _plain(text).strip(" .-") not in NONE else ""


def _plain(name: str) -> str:
    """A name without what models change when they repeat it: small and large letters, spaces."""
    return " ".join(name.casefold().split())


def _default_boxes(count: int) -> list[list[float]]:
    """Boxes for objects of which no place is known."""
    some = boxes_for(list(DEFAULT_PLACES[count])) if count in DEFAULT_PLACES else grid(-(-count // 4), 4)[:count]
    return [[box.left, box.top, box.right, box.bottom] for box in some]


def canvas(
    answer: LayoutAnswer, *, width: int | None, height: int | None, side: int, multiple: int, notes: list[str]
) -> tuple[int, int] | None:
    """Width and height in pixels: those given, else the answer's, else None for the model's own. A note is added for a
    size or shape that is not taken as it was said."""
    if width and height:
        stated, ratio = (answer.width, answer.height), ratio_of(answer.aspect or "")
        if all(stated) and stated != (width, height):
            notes.append(f"the brief's size, {stated[0]}×{stated[1]}, is not used: {width}×{height} was chosen")
        elif ratio and _unlike(ratio, width / height):
            notes.append(f"the brief's shape, {answer.aspect}, is not used: {width}×{height} was chosen")
        return width, height
    size, note = drawn_canvas(answer.width, answer.height, answer.aspect, side=side, multiple=multiple)
    notes += [note] if note else []
    return None if size == (side, side) and not (answer.width or answer.height) else size


def _unlike(ratio: float, other: float) -> bool:
    return max(ratio, other) > 1.1 * min(ratio, other)


def unmet(answer: LayoutAnswer) -> list[str]:
    """What of the brief the answer does not meet, by its own lists of numbers and questions, a sentence each. Numbers
    that no plan has room for are notes of the plan, see `plan_from`."""
    names = [_plain(region.name) for region in answer.regions]
    short = [
        f"the brief asks for {count.number} {count.thing}, the plan has {found}."
        for count in answer.counts
        if (found := sum(name in map(_plain, count.regions) for name in names)) != count.number <= MAX_REGIONS
    ]
    return short + [f"not so in the plan: {check.question}" for check in answer.checks if not check.holds]
