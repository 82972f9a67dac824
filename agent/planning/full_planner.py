"""Brief → ScenePlan through any capable chat model: boxes, both prompt levels, negatives, style, lettering, canvas."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from ...prompts.answers.plan_answer import (
    DetailsAnswer,
    LayoutAnswer,
    PaletteLayoutAnswer,
    PalettePlanAnswer,
    PlanAnswer,
    details_answer,
    plan_from,
    unmet,
    with_details,
)
from ...prompts.errors import ModelError, PlanningError
from ...prompts.layout.token_owners import TOKEN
from ...prompts.plan import MAX_PROMPT, ScenePlan
from ...prompts.templates import fill_template
from ...prompts.wording import PROSE, PromptStyle, joined
from ..llm.modes import bounds_lengths, definition_for
from ..llm.structured import valid_reply
from .structure_checks import structure_findings

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

Reply = TypeVar("Reply", bound=BaseModel)
TooLong = Callable[[ScenePlan], list[str]]


def nothing_too_long(plan: ScenePlan) -> list[str]:
    """Stands in for the image model's tokenizers where their files are not here: no text counts as too long."""
    return []


class FullPlanner:
    """Plans with a `PlanAnswer` in one call, or with `calls=2` progressively (paper, Figure 4): layout and high level
    first, then the low level of each region, given the layout.

    draws: what the image model draws, in words; empty: it has no list. style: how prompts for the image model are
    worded. token: side of its image tokens in pixels. too_long: the texts of a plan beyond its encoders' limits, a
    sentence each.
    An answer with findings is asked for once more; those that remain are notes of the plan.
    """

    def __init__(
        self, chat_model: "BaseChatModel", *, style: PromptStyle = PROSE, draws: str = "", token: int = TOKEN,
        calls: int = 1, too_long: TooLong = nothing_too_long,
    ) -> None:  # fmt: skip
        self.chat_model, self.style, self.token, self.calls = chat_model, style, token, calls
        self.too_long = too_long
        self.about = f"{style.instructions} It draws {draws}" if draws else style.instructions

    def plan(self, brief: str, *, width: int | None, height: int | None, side: int) -> ScenePlan:
        """The brief as a plan; width, height, side: as in `plan_from`. Raises PlanningError, DitpipeError."""
        from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

        whole: type[PlanAnswer] = PalettePlanAnswer if self.style.palette else PlanAnswer
        only_layout: type[LayoutAnswer] = PaletteLayoutAnswer if self.style.palette else LayoutAnswer

        def made(answer: PlanAnswer) -> ScenePlan:
            return plan_from(
                answer, width=width, height=height, side=side, token=self.token,
                bounded=bounds_lengths(self.chat_model),
            )  # fmt: skip

        def findings_of(answer: LayoutAnswer, plan: ScenePlan) -> list[str]:
            size = plan.with_size(side, side).size
            return [*unmet(answer), *structure_findings(plan, size=size, token=self.token)]

        def read_plan(parsed: Any) -> tuple[PlanAnswer, list[str]]:
            answer = whole.model_validate(parsed)
            plan = made(answer)
            return answer, [*findings_of(answer, plan), *self.too_long(plan)]

        def without_details(layout: LayoutAnswer) -> ScenePlan:
            return made(PlanAnswer.model_validate(layout.model_dump()))

        def read_layout(parsed: Any) -> tuple[LayoutAnswer, list[str]]:
            layout = only_layout.model_validate(parsed)
            plan = without_details(layout)
            return layout, [*findings_of(layout, plan), *self.too_long(plan)]

        about = self.about
        if width and height:
            about += f" The picture has {width}×{height} pixels, whatever the brief says; boxes stay thousandths."
        instructions = fill_template("planner", style=about)
        messages: list[BaseMessage] = [SystemMessage(instructions), HumanMessage(brief)]
        if self.calls == 1:
            answer, notes = self._settled(messages, whole, read_plan)
        else:
            layout, notes = self._settled(messages, only_layout, read_layout)

            def read_details(parsed: Any) -> tuple[DetailsAnswer, list[str]]:
                details = DetailsAnswer.model_validate(parsed)
                plan = made(with_details(layout, details))
                return details, [*undescribed(plan), *self.too_long(plan)]

            messages += [AIMessage(layout.model_dump_json()), HumanMessage(fill_template("details"))]
            measured = self.too_long(without_details(layout))  # and again with the details
            try:
                details, remaining = self._settled(messages, details_answer(len(layout.regions)), read_details)
            except PlanningError as error:  # the layout is a plan as it stands, and is paid for
                details = DetailsAnswer.model_validate({})
                remaining = [*measured, f"the plan has no low levels: {error}"]
            answer = with_details(layout, details)
            notes = [*(note for note in notes if note not in measured), *remaining]
        layout_schema = whole if self.calls == 1 else only_layout
        notes += shortened(layout_schema, definition_for(self.chat_model, layout_schema))
        plan = made(answer).with_notes(note.rstrip(".") for note in notes)
        negative = joined(plan.negative, self.style.negative)
        return plan.model_copy(update={"negative": negative}) if len(negative) <= MAX_PROMPT else plan

    def _settled(
        self, messages: "Sequence[BaseMessage]", schema: type[Reply], read: Callable[[Any], tuple[Reply, list[str]]]
    ) -> tuple[Reply, list[str]]:
        """A valid answer and its findings: asked for once more if there are any, and the better one taken."""
        from langchain_core.messages import AIMessage, HumanMessage

        def ask(conversation: "Sequence[BaseMessage]") -> tuple[Reply, list[str]]:
            return valid_reply(self.chat_model, schema, conversation, read, failed=PlanningError, role="planner")

        answer, findings = ask(messages)
        if not findings:
            return answer, findings
        recheck = HumanMessage(fill_template("recheck", findings=" ".join(findings)))
        try:  # the first answer is valid; its findings concern only how it fits the brief
            second, remaining = ask([*messages, AIMessage(answer.model_dump_json()), recheck])
        except PlanningError:
            return answer, findings
        except ModelError as error:
            return answer, [*findings, f"the planner was asked to mend this, and did not answer: {error}"]
        return (second, remaining) if len(remaining) < len(findings) else (answer, findings)


def undescribed(plan: ScenePlan) -> list[str]:
    """A finding for each region that has no low level."""
    return [f"'{region.name}' has no low level." for region in plan.regions if not region.prompt.low_level]


def shortened(schema: type[LayoutAnswer], definition: Mapping[str, Any]) -> list[str]:
    """A note if a model is given less room for its answer than others, because one was cut off."""
    room, whole = (each["properties"]["regions"]["maxItems"] for each in (definition, schema.model_json_schema()))
    if room == whole:
        return []
    return [
        f"the planner's answer was cut off at its limit of tokens, so it had room for {room} objects and short texts, "
        "which may end early: give it a larger context or output limit"
    ]
