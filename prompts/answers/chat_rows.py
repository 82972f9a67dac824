"""The commands of a message as short rows, for small models that were tuned to give them, and the plan as they see it.

A row begins with its command; names are those of the lines of `plan_lines`. Rows are a tenth of the tokens of a
`ChatAnswer`. What the model leaves to code: whole looks, from the words that change; replies to questions.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import ConfigDict, Field

from ..layout.places import Place
from ..plan import Region, ScenePlan, StrictModel
from ..prompt_style import background_of, place_of, subject_of
from .chat_answer import Direction, Relation

Names = list[str]
SceneKind = Literal["background", "light", "style", "format", "without"]
Topic = Literal["what", "where", "how many", "score", "can draw", "help"]
Where = Place | Relation | Literal[""]

Row = (
    tuple[Literal["look"], Names, str]  # names, the words that change: 'white', 'striped', 'made of glass'
    | tuple[Literal["add"], str, str, str, int, Where, Names]  # subject, colour, detail, count, where, the others
    | tuple[Literal["remove"], Names]
    | tuple[Literal["keep"], Names]
    | tuple[Literal["replace"], Names, str, str, str]  # names, subject, colour, detail
    | tuple[Literal["move"], Names, Place | Relation, Names]  # where, the others
    | tuple[Literal["nudge"], Names, Direction]
    | tuple[Literal["swap", "swap looks"], str, str]
    | tuple[Literal["size"], Names, float]  # factor of width and height
    | tuple[Literal["scene"], SceneKind, str]
    | tuple[Literal["redraw"], Names]  # none: the whole picture
    | tuple[Literal["brief"], str]
    | tuple[Literal["undo", "redo", "choose"], int]
    | tuple[Literal["accept"]]
    | tuple[Literal["question"], Topic, Names]  # names, or places: 'left'
    | tuple[Literal["ask"], str]  # what was not understood
)


class ChatRows(StrictModel):
    """All that a message asks for, in its order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: list[Row] = Field(min_length=1, max_length=12)


def aliases(plan: ScenePlan) -> dict[str, str]:
    """The name that each line of `plan_lines` begins with → the region's own: 'cat 1' → 'cat' where there are two."""
    subjects = [base_of(region.name) for region in plan.regions]
    names: dict[str, str] = {}
    for region, subject in zip(plan.regions, subjects, strict=True):
        number = sum(base_of(name) == subject for name in names.values()) + 1
        names[f"{subject} {number}" if subjects.count(subject) > 1 else region.name] = region.name
    return names


def base_of(name: str) -> str:
    """'cat' of 'cat 2'."""
    head, _, tail = name.rpartition(" ")
    return head if head and tail.isdigit() else name


def plan_lines(plan: ScenePlan, touched: Sequence[str] = ()) -> str:
    """The plan as a small model sees it: a line a region, the background, and what was touched last.

    cat 1: striped red, left, biggest
    cat 2: white, right
    granny: old woman, green raincoat, top
    scene: at night
    last: cat 2
    """
    own = {name: alias for alias, name in aliases(plan).items()}
    marks = _size_marks(plan)
    lines = []
    for region in plan.regions:
        parts = (_looks(region), place_of(region.box), marks.get(region.name))
        lines.append(f"{own[region.name]}: {', '.join(part for part in parts if part)}")
    background = background_of(plan)
    lines.append(f"scene: {background if background is not None else plan.scene.high_level[:60]}".rstrip())
    last = [own[name] for name in touched if name in own]
    return "\n".join([*lines, *([f"last: {', '.join(last)}"] if last else [])])


def _looks(region: Region) -> str:
    """The words of its prompt that its name lacks."""
    subject, (before, _, behind) = subject_of(region), region.prompt.low_level.partition(", ")
    subject = "" if subject.lower() == base_of(region.name).lower() else subject
    return " ".join(part for part in (before, subject, behind) if part)[:60]


def _size_marks(plan: ScenePlan) -> dict[str, str]:
    """The largest and the smallest of the regions by name, where their sides differ by a quarter or more."""
    by_size = sorted(plan.regions, key=lambda region: region.box.area)
    if len(by_size) < 2 or by_size[-1].box.area < 1.5 * by_size[0].box.area:
        return {}
    marks = {}
    if by_size[-1].box.area > 1.2 * by_size[-2].box.area:
        marks[by_size[-1].name] = "biggest"
    if by_size[1].box.area > 1.2 * by_size[0].box.area:
        marks[by_size[0].name] = "smallest"
    return marks


def chat_prompt(
    message: str, plan: ScenePlan | None, *, touched: Sequence[str] = (), before: str = "", unclear: str = "",
    candidates: int = 0, waiting: bool = False,
) -> str:  # fmt: skip
    """What a tuned model is asked: the plan's lines, what else the message may speak of, and the message.

    before: the last message. unclear: the last message, if it was answered with a question back; then `before` is
    left out. candidates: pictures to choose from. waiting: the plan waits for a yes.
    """
    lines = [plan_lines(plan, touched) if plan else "nothing yet"]
    if unclear:
        lines.append(f"unclear: {_clipped(unclear)}")
    elif before:
        lines.append(f"before: {_clipped(before)}")
    if candidates > 1:
        lines.append(f"choose from: {candidates}")
    if waiting:
        lines.append("waiting for a yes")
    return "\n".join([*lines, f"> {message.strip()}"])


def _clipped(message: str) -> str:
    text = " ".join(message.split())
    return text if len(text) <= 60 else f"{text[:59]}…"
