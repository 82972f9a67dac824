"""A chat message as commands: the answer of one structured call. The field descriptions are what the model is sent.

A small closed set. The model says what is meant, in names of the plan's regions; code carries it out on the plan
(`agent/chat/commands/executor.py`), so that boxes, room and order are never the model's arithmetic.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from ..layout.places import Place
from ..plan import MAX_REGIONS
from .plan_answer import Answer, Name, Phrase, Prose, entries

Relation = Literal["left of", "right of", "above", "below", "next to", "in front of", "behind", "between"]
Direction = Literal["left", "right", "up", "down"]
# Null is read too, but not asked for: Anthropic takes no more than 16 fields that may be of several types.
Number = Annotated[int | None, WithJsonSchema({"type": "integer"})]
Factor = Annotated[float | None, WithJsonSchema({"type": "number"})]
Regions = Annotated[list[Name], Field(json_schema_extra=entries(MAX_REGIONS))]


def _above_zero(factor: float) -> float:
    if not factor > 0:
        raise ValueError(f"more than 0, not {factor:g}")
    return factor


class NewThing(Answer):
    """Something that was not there."""

    @model_validator(mode="after")
    def _is_something(self) -> Self:
        if not (getattr(self, "name", "") or getattr(self, "high_level", "")):
            raise ValueError("name and high_level are empty: say what it is")
        return self


REGIONS = "names of the plan's regions, exactly as they stand there"
RELATION = "its place relative to `others`; else null"
OTHERS = f"the regions that `relation` is to, two for 'between'; {REGIONS}; else empty"


class Look(Answer):
    """Regions look different from now on."""

    do: Literal["look"]
    regions: Regions = Field(description=REGIONS)
    high_level: Phrase = Field(
        description="what they are, without words that no longer hold: 'a cat' where 'a red cat' turns blue; '' leaves "
        "it as it is"
    )
    low_level: Prose = Field(
        description="their whole new look: colour, texture, material, clothing, expression; what stays of the old look "
        "and what is new"
    )
    lettering: Phrase | None = Field(description="new text to be read on it, '' for none; null leaves it as it is")


class Add(NewThing):
    """Something new stands in the picture."""

    do: Literal["add"]
    name: Name = Field(description="short name for it, in the language of the conversation")
    high_level: Phrase = Field(description="what it is, in the image model's language")
    low_level: Prose = Field(description="what it looks like, in the image model's language; fitting the picture")
    count: Number = Field(description="how many of it; usually 1")
    lettering: Phrase | None = Field(description="text to be read on it; else null")
    size: Factor = Field(description="its sides beside the usual: small 0.6, big 1.4; usually 1")
    place: Place | None = Field(description="where, if the message says so; else null")
    relation: Relation | None = Field(description=RELATION)
    others: Regions = Field(description=OTHERS)


class Remove(Answer):
    """Regions go."""

    do: Literal["remove"]
    regions: Regions = Field(description=REGIONS)


class KeepOnly(Answer):
    """All regions go but these."""

    do: Literal["keep only"]
    regions: Regions = Field(description=REGIONS)


class Replace(NewThing):
    """Something else stands in the place of each of these regions."""

    do: Literal["replace"]
    regions: Regions = Field(description=REGIONS)
    name: Name = Field(description="short name of what comes in its place")
    high_level: Phrase = Field(description="what it is, in the image model's language")
    low_level: Prose = Field(description="what it looks like; what the message keeps of the old look, stays")


class Move(Answer):
    """Regions stand elsewhere: at a place, beside another region, or a little further in one direction."""

    do: Literal["move"]
    regions: Regions = Field(description=REGIONS)
    place: Place | None = Field(description="their new place; else null")
    relation: Relation | None = Field(description=RELATION)
    others: Regions = Field(description=OTHERS)
    direction: Direction | None = Field(description="a little further that way; else null")


class Swap(Answer):
    """Two regions change places, or looks."""

    do: Literal["swap"]
    first: Name = Field(description="name of a region, exactly as it stands in the plan")
    second: Name = Field(description="name of the other")
    what: Literal["places", "looks"]


class Resize(Answer):
    """Regions become larger or smaller."""

    do: Literal["resize"]
    regions: Regions = Field(description=REGIONS)
    factor: Annotated[float, AfterValidator(_above_zero)] = Field(
        description="of width and height: bigger 1.4, a little 1.2, twice as big 2, smaller 0.7"
    )


class ChangeScene(Answer):
    """The whole picture changes: setting, weather, time of day, light, style, format. Null leaves a thing as it is."""

    do: Literal["scene"]
    high_level: Prose | None = Field(
        description="the whole new scene text: the new setting or time in the old one's place, objects as they are"
    )
    low_level: Prose | None = Field(description="the whole picture's new light, palette and mood")
    style: Phrase | None = Field(description="its new drawing style")
    negative: Prose | None = Field(description="everything that must not be in it, what was excluded before included")
    aspect: Name | None = Field(description="its new shape as width:height, e.g. '16:9'")
    width: int | None = Field(description="its new width, only if the message gives pixels")
    height: int | None = Field(description="its new height, only if the message gives pixels")


class Redraw(Answer):
    """'Try again', 'once more': the same from new noise, these regions, or with an empty list all of the picture."""

    do: Literal["redraw"]
    regions: Regions = Field(description=f"{REGIONS}; empty for the whole picture")


class NewBrief(Answer):
    """Another picture is described; this one is left."""

    do: Literal["new brief"]
    brief: Annotated[str, WithJsonSchema({"type": "string", "maxLength": 1500})] = Field(
        description="all that the new picture is to show, in their words, complete in itself"
    )


class Undo(Answer):
    """Back to an earlier picture, or no to the plan that waits."""

    do: Literal["undo"]
    steps: Number = Field(description="how many pictures back; usually 1")


class Redo(Answer):
    """Forward again, to what an undo took back."""

    do: Literal["redo"]
    steps: Number = Field(description="how many pictures forward; 0 for all that the last undo took back; usually 1")


class Choose(Answer):
    """They take one of the candidates."""

    do: Literal["choose"]
    number: int = Field(description="number of the candidate, from 1")


class Accept(Answer):
    """They are content, or say yes to the plan that waits. Praise of what is there is this, and no change."""

    do: Literal["accept"]


class AnswerQuestion(Answer):
    """They want to know something; nothing changes."""

    do: Literal["answer"]
    reply: Prose = Field(
        description="the answer, in their language, from the plan and from what the critic saw, to just what they ask"
    )


class AskBack(Answer):
    """It could mean several things, or names what is not there: nothing is changed by a guess."""

    do: Literal["ask"]
    reply: Prose = Field(description="one short question, in their language, that says what would be understood")
    suggestions: list[Phrase] = Field(
        description="up to three messages that would answer it, in their language", json_schema_extra=entries(3)
    )


Command = (
    Look | Add | Remove | KeepOnly | Replace | Move | Swap | Resize | ChangeScene | Redraw | NewBrief | Undo | Redo
    | Choose | Accept | AnswerQuestion | AskBack
)  # fmt: skip


class ChatAnswer(Answer):
    """All that a message asks for, in its order."""

    commands: list[Annotated[Command, Field(discriminator="do")]] = Field(
        description="usually one; several wishes in one message are several. 'it' is what was touched last, and fits "
        "the message; if it could be two things, ask",
        json_schema_extra=entries(12),
    )
    scene: Prose | None = Field(
        description="the whole scene text as it should read afterwards, if it names what changed; else null"
    )
    not_done: list[Phrase] = Field(
        description="parts of the message that none of the commands can do, in their words; else empty",
        json_schema_extra=entries(8),
    )

    @model_validator(mode="before")
    @classmethod
    def _has_commands(cls, value: Any) -> Any:
        """A list that is missing is not an empty one."""
        if isinstance(value, dict) and not value.keys() & {"commands", "not_done"}:
            raise ValueError("give an object with commands")
        return value
