"""What a chat message comes to: one command, whoever understood it."""

from typing import Literal, Self

from pydantic import Field, model_validator

from ..plan import MAX_BRIEF, ScenePlan, StrictModel, optional_field
from ..revision import Revision

Kind = Literal["new brief", "change", "question", "undo", "redo", "choose", "accept", "unclear"]


class ChatCommand(StrictModel):
    """What a message asks for.

    plan: the changed plan, where a revision cannot say the change (canvas, style, negative). notes: what of the message
    is not done as it was said.
    """

    kind: Kind = Field(
        description="new brief: another picture is described. change: something of this picture becomes different. "
        "question: they want to know something. undo: back to an earlier picture, or no to the plan that waits. "
        "redo: undo the undo. choose: one of the candidates. accept: they are content, or say yes. unclear: it could "
        "mean several things, or nothing here"
    )
    brief: str = Field(
        default="", max_length=MAX_BRIEF, description="new brief: all that the picture is to show; else empty"
    )
    revision: Revision | None = Field(
        default=None, description="change: only the regions that become different; else null"
    )
    whole: bool = Field(
        default=False,
        description="change: true if it is about the whole picture (background, time of day, style) or asks for "
        "another try of all of it, so that everything is drawn again; false if it is about some regions only",
    )
    fresh: bool = Field(default=False, description="whole change: true if it asks for another try, from new noise")
    steps: int = Field(
        default=1,
        ge=0,
        le=1000,
        description="undo and redo: how many pictures back or forward; redo: 0 for all that the last undo took back",
    )
    choice: int = Field(default=1, ge=1, le=16, description="choose: number of the candidate, from 1")
    reply: str = Field(
        default="",
        max_length=2000,
        description="question: the answer, from the plan and from what was seen. unclear: a question back that says "
        "what would be understood. Else empty",
    )
    plan: ScenePlan | None = optional_field(None)
    notes: list[str] = optional_field([])

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        missing = {
            "new brief": not self.brief.strip() and "brief",
            "change": not (self.revision or self.whole) and "revision",
            "question": not self.reply.strip() and "reply",
            "unclear": not self.reply.strip() and "reply",
        }.get(self.kind)
        if missing:
            raise ValueError(f"kind {self.kind!r} needs {missing!r}")
        return self
