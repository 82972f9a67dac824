"""Brief → ScenePlan through a chat model's structured output, with repair and a check against the brief."""

import asyncio
from typing import TYPE_CHECKING, Any

from ..prompts.errors import PlanningError
from ..prompts.plan import MAX_BRIEF, ScenePlan
from ..prompts.planner_schema import PlannerAnswer, ShortAnswer, plan_from_answer
from ..prompts.templates import fill_template
from .layout_repair import arranged
from .llm.chat_models import valid_reply
from .llm.local_models import LOCAL_MODELS
from .plan_checks import check_answer

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage


class Planner:
    """Plans briefs with one chat model. `width` and `height` are the picture's, in pixels; None: left to the model.

    The local models were tuned to plan: they are told only what they were tuned with, and give a `ShortAnswer`.
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
        """The plan in words: what the model says, after one second thought if the checks find something in it."""
        from langchain_core.messages import HumanMessage, SystemMessage

        messages: list[BaseMessage] = [SystemMessage(self.instructions), HumanMessage(brief)]
        answer = self._ask(brief, messages)
        findings = check_answer(brief, answer)
        return self._second_thought(brief, messages, answer, findings) if findings else answer

    async def aplan(self, brief: str) -> ScenePlan:
        """`plan`, without blocking the event loop."""
        return await asyncio.to_thread(self.plan, brief)

    def _second_thought(
        self, brief: str, messages: "list[BaseMessage]", answer: PlannerAnswer, findings: list[str]
    ) -> PlannerAnswer:
        """Hands the findings back once and keeps the answer with fewer of them."""
        from langchain_core.messages import AIMessage, HumanMessage

        said = ShortAnswer.of(answer) if self.tuned else answer
        recheck = HumanMessage(fill_template("recheck", findings=" ".join(findings)))
        told = [*messages, AIMessage(said.model_dump_json()), recheck]
        try:
            other = self._ask(brief, told)
        except PlanningError:
            return answer  # the first answer is valid; what was found in it is about the wording only
        return other if len(check_answer(brief, other)) < len(findings) else answer

    def _ask(self, brief: str, messages: "list[BaseMessage]") -> PlannerAnswer:
        """An answer that a plan can be made of."""
        schema: type[ShortAnswer] | type[PlannerAnswer] = ShortAnswer if self.tuned else PlannerAnswer

        def read(parsed: Any) -> PlannerAnswer:
            said = schema.model_validate(parsed)
            answer = arranged(brief, said.to_planner_answer() if isinstance(said, ShortAnswer) else said)
            plan_from_answer(answer, width=self.width, height=self.height)
            return answer

        return valid_reply(self.chat_model, schema, messages, read, failed=PlanningError, who="planner")
