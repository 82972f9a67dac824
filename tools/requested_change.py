"""Messages in plain language: what they come to without drawing, and a change as the input of a job."""

import secrets
from collections.abc import Callable, Sequence
from typing import Protocol

from pydantic import BaseModel, Field

from ..prompts.answers.chat_answer import Command
from ..prompts.answers.chat_schema import Kind, Understanding
from ..prompts.plan import MAX_BRIEF, MAX_REGIONS, ScenePlan
from ..prompts.revision import Revision
from ..renderer.checkpoints.registry import Checkpoint
from ..renderer.request import RenderRequest
from .api_schema import Brief, EditInput, RedrawInput, redraw_of
from .arguments import Arguments


class ChangeReader(Protocol):
    """Understands a message about a plan; None: there is none yet. history: as for `ditpipe.understand`."""

    def __call__(
        self, message: str, plan: ScenePlan | None, history: Sequence[str | Understanding] = ()
    ) -> Understanding:
        """Raises ValueError for an empty or overlong message, DitpipeError if the model behind it fails."""
        ...


class EarlierMessage(Arguments):
    """A message before this one, and what the answer to it said."""

    message: Brief
    kind: Kind = Field(default="change", description="`kind` of its answer")
    reply: str = Field(default="", max_length=MAX_BRIEF, description="`reply` of its answer")
    touched: list[str] = Field(default=[], max_length=MAX_REGIONS, description="`touched` of its answer")


class UnderstandArguments(Arguments):
    message: Brief = Field(
        description="what a person says about the plan: 'make the cat orange', 'same but at night', 'no, the other one'"
    )
    plan: ScenePlan | None = Field(default=None, description="the plan as it is; null: there is none yet")
    history: list[EarlierMessage] = Field(
        default=[], max_length=100, description="the earlier messages of the conversation, the oldest first"
    )


class UnderstoodMessage(BaseModel):
    """The meaning of a message. Nothing is drawn."""

    kind: Kind = Field(
        description="change: `plan` is the changed plan. new brief: `brief` says what else to draw. unclear: `reply` "
        "asks back. question: `reply` is the answer. undo, redo, choose, accept: for whoever keeps the conversation"
    )
    plan: ScenePlan | None = Field(default=None, description="the changed plan of a change")
    brief: str = Field(default="", description="what a new picture is to show")
    reply: str = Field(default="", description="what was changed and what was not, the answer, or the question back")
    notes: list[str] = Field(default=[], description="what was not done as it was said")
    suggestions: list[str] = Field(default=[], description="messages that would answer the question back")
    commands: list[Command] = Field(default=[], description="the commands that the message was understood as")
    touched: list[str] = Field(default=[], description="the regions that it is about, which 'it' means next")
    whole: bool = Field(default=False, description="a change of the whole picture, not of some regions")
    fresh: bool = Field(default=False, description="another try, from new noise")
    steps: int = Field(default=1, description="of an undo or a redo; redo 0: all that the last undo took back")
    number: int = Field(default=1, description="of the candidate that is chosen")


def understood(read: ChangeReader, arguments: UnderstandArguments) -> UnderstoodMessage:
    """The meaning of a message, as every interface answers it. Raises ValueError, DitpipeError."""
    history: list[str | Understanding] = []
    for entry in arguments.history:
        history += [entry.message, Understanding(entry.kind, reply=entry.reply, touched=tuple(entry.touched))]
    return UnderstoodMessage.model_validate(read(arguments.message, arguments.plan, history).as_json())


def read_change(read: ChangeReader, message: str, plan: ScenePlan, *, field: str) -> Understanding:
    """The change in a message. Raises ValueError with the question back, or what else it is, if there is none. field:
    of the message, for the error."""
    result = read(message, plan)
    if result.kind == "change":
        return result
    if result.kind == "new brief":
        raise ValueError(f"{field}: this describes a new picture, not a change of this one; have it painted instead")
    raise not_a_change(result, field=field)


def not_a_change(result: Understanding, *, field: str, otherwise: str = "") -> ValueError:
    """The answer to a message that draws nothing: the question back with suggestions, or what else it is; `otherwise`:
    what else can be done, in a sentence."""
    say = f"You could say: {' · '.join(result.suggestions)}." if result.suggestions else ""
    parts = [result.reply or "say what is to change in this picture.", say, otherwise]
    return ValueError(f"{field}: {' '.join(filter(None, parts))}")


def change_input(
    result: Understanding,
    request: RenderRequest,
    edit: Callable[[Revision], EditInput],
    *,
    here: RenderRequest,
    checkpoint: Checkpoint,
    seed: int | None = None,
) -> tuple[str, EditInput | RedrawInput]:
    """The kind and the input of the job for a change.

    An edit, made by `edit`, if the change is about regions; else the whole picture is rendered again, from the same
    noise unless another try is asked for. `seed`: noise for what is drawn. What was not understood becomes a warning.
    `here` and `checkpoint` are those of `redraw_of`.
    """
    plan, changed = request.edited_plan, result.plan or request.edited_plan
    same_whole = plan.whole == changed.with_size(plan.width, plan.height).whole
    revision = Revision.between(plan, changed) if same_whole else None
    if revision and revision.names and not (result.whole or result.fresh):
        job = edit(_seeded(revision, seed))
        return "edit", job.model_copy(update={"notes": [*job.notes, *result.notes]})
    redraw_seed = secrets.randbelow(2**31) if result.fresh else request.seed % 2**62
    redrawn = redraw_of(
        request, changed, seed=redraw_seed if seed is None else seed, here=here,
        checkpoint=checkpoint,
    )  # fmt: skip
    return "render", redrawn.model_copy(update={"notes": [*redrawn.notes, *result.notes]})


def _seeded(revision: Revision, seed: int | None) -> Revision:
    """The revision with that seed for all regions that it draws; unchanged for None."""
    if seed is None:
        return revision
    changes = [change.model_copy(update={"seed": seed}) for change in revision.changes]
    added = [region.model_copy(update={"seed": seed}) for region in revision.added]
    return revision.model_copy(update={"changes": changes, "added": added})
