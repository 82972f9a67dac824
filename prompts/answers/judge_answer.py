"""What a vision model answers as the judge of an evaluation: facts about each box, no scores."""

from pydantic import Field

from .plan_answer import Answer


class JudgedBox(Answer):
    """What one numbered box of the picture shows."""

    box: int = Field(description="number of the box in the picture")
    seen: str = Field(description="what is really seen in it, in a few words, whatever was asked for")
    subject: bool = Field(description="whether the subject that was asked for is there, whole and recognisable")
    colour: bool | None = Field(description="whether it has the colour that was asked for; null if none was")
    elsewhere: bool = Field(description="whether this subject is also seen outside the boxes that ask for it")


class JudgeAnswer(Answer):
    """A picture, judged box by box."""

    boxes: list[JudgedBox] = Field(description="one entry for each numbered box, in the order of the numbers")
    background: bool | None = Field(description="whether the setting is the one asked for; null if none was")
