"""Brief → ScenePlan through a chat model's structured output, with repair and a check against the brief."""

from typing import TYPE_CHECKING, Any

from ..prompts.errors import PlanningError
from ..prompts.plan import MAX_BRIEF, ScenePlan
from ..prompts.planner_schema import PlannerAnswer, ShortAnswer, plan_from_answer
from ..prompts.templates import fill_template
from .layout_repair import repair_layout
from .llm.local_models import LOCAL_MODELS
from .llm.structured import valid_reply
from .plan_checks import check_answer

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage


class Planner:
    """Plans briefs with one chat model. `width` and `height` are the picture's, in pixels; None: left to the model.

    The local models are fine-tuned planners: they get the prompt of their training, and answer a `ShortAnswer`.
    """

    def __init__(self, chat_model: "BaseChatModel", *, width: int | None = None, height: int | None = None) -> None:
        self.chat_model, self.width, self.height = chat_model, width, height
        self.tuned = getattr(chat_model, "model_name", "") in LOCAL_MODELS
        self.instructions = fill_template("planner-embedded" if self.tuned else "planner")

    def plan(self, brief: str) -> ScenePlan:
        """The brief as a plan.

        Raises ValueError for a brief that is empty or longer than 4,000 characters, PlanningError (with the raw reply)
        if the model's answer stays invalid after two repairs, and DitpipeError if the model cannot be reached.
        """
        if not brief.strip():
            raise ValueError("the brief is empty; say what the picture should show")
        if len(brief) > MAX_BRIEF:
            raise ValueError(f"the brief has {len(brief):,} characters; at most {MAX_BRIEF:,} are read")
        return plan_from_answer(self.answer(brief.strip()), width=self.width, height=self.height)

    def answer(self, brief: str) -> PlannerAnswer:
        """The validated answer of the model; asked once more if `check_answer` finds faults in it."""
        from langchain_core.messages import HumanMessage, SystemMessage

        messages: list[BaseMessage] = [SystemMessage(self.instructions), HumanMessage(brief)]
        answer = self._ask(brief, messages)
        findings = check_answer(brief, answer)
        return self._recheck(brief, messages, answer, findings) if findings else answer

    def _recheck(
        self, brief: str, messages: "list[BaseMessage]", answer: PlannerAnswer, findings: list[str]
    ) -> PlannerAnswer:
        """Sends the findings back once; returns the answer with fewer findings."""
        from langchain_core.messages import AIMessage, HumanMessage

        first_answer = ShortAnswer.of(answer) if self.tuned else answer
        recheck = HumanMessage(fill_template("recheck", findings=" ".join(findings)))
        conversation = [*messages, AIMessage(first_answer.model_dump_json()), recheck]
        try:
            second = self._ask(brief, conversation)
        except PlanningError:
            return answer  # the first answer is valid; its findings concern only how it fits the brief
        return second if len(check_answer(brief, second)) < len(findings) else answer

    def _ask(self, brief: str, messages: "list[BaseMessage]") -> PlannerAnswer:
        """One valid answer, repaired and composed once to prove that it makes a plan."""
        schema: type[ShortAnswer] | type[PlannerAnswer] = ShortAnswer if self.tuned else PlannerAnswer

        def parse(parsed: Any) -> PlannerAnswer:
            reply = schema.model_validate(parsed)
            answer = repair_layout(brief, reply.to_planner_answer() if isinstance(reply, ShortAnswer) else reply)
            plan_from_answer(answer, width=self.width, height=self.height)
            return answer

        return valid_reply(self.chat_model, schema, messages, parse, failed=PlanningError, role="planner")
