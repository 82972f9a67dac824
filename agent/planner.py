"""Brief → ScenePlan through a chat model's structured output, with repair and a check against the brief."""

import asyncio
import json
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage
from pydantic import ValidationError

from ..prompts.answers import PlannerAnswer, ShortAnswer, compose
from ..prompts.errors import PlanningError
from ..prompts.scene import MAX_BRIEF, ScenePlan
from ..prompts.templates import words
from .arrange import arranged
from .chat_models import structured_reply
from .checks import check_answer
from .local_models import LOCAL_MODELS

REPAIRS = 2


class Planner:
    """Plans briefs with one chat model. `width` and `height` are the picture's, in pixels.

    The local models were tuned to plan: they are told only what they were tuned with, and give a `ShortAnswer`.
    """

    def __init__(self, chat_model: BaseChatModel, *, width: int = 128, height: int = 128) -> None:
        self.chat_model, self.width, self.height = chat_model, width, height
        self.tuned = getattr(chat_model, "model_name", "") in LOCAL_MODELS
        self.instructions = words("planner-embedded" if self.tuned else "planner")

    def plan(self, brief: str) -> ScenePlan:
        """The brief as a plan.

        Raises ValueError for a brief that is empty or longer than 4,000 characters, PlanningError (with the raw reply)
        if the model's answer stays invalid after two repairs, and DitpipeError if the model cannot be reached.
        """
        if not brief.strip():
            raise ValueError("the brief is empty; say what the picture should show")
        if len(brief) > MAX_BRIEF:
            raise ValueError(f"the brief has {len(brief):,} characters; at most {MAX_BRIEF:,} are read")
        return compose(self.answer(brief.strip()), width=self.width, height=self.height)

    def answer(self, brief: str) -> PlannerAnswer:
        """The plan in words: what the model says, after one second thought if the checks find something in it."""
        messages: list[BaseMessage] = [SystemMessage(self.instructions), HumanMessage(brief)]
        answer = arranged(brief, self._ask(messages))
        findings = check_answer(brief, answer)
        return self._second_thought(brief, messages, answer, findings) if findings else answer

    async def aplan(self, brief: str) -> ScenePlan:
        """`plan`, without blocking the event loop."""
        return await asyncio.to_thread(self.plan, brief)

    def _second_thought(
        self, brief: str, messages: list[BaseMessage], answer: PlannerAnswer, findings: list[str]
    ) -> PlannerAnswer:
        """Hands the findings back once and keeps the answer with fewer of them."""
        said = ShortAnswer.of(answer) if self.tuned else answer
        recheck = HumanMessage(words("recheck", findings=" ".join(findings)))
        told = [*messages, AIMessage(said.model_dump_json()), recheck]
        try:
            other = arranged(brief, self._ask(told))
        except PlanningError:
            return answer  # the first answer is valid; what was found in it is about the wording only
        return other if len(check_answer(brief, other)) < len(findings) else answer

    def _ask(self, messages: list[BaseMessage]) -> PlannerAnswer:
        """A valid answer, re-asked with the validation message at most twice."""
        for attempt in range(REPAIRS + 1):
            raw, parsed = structured_reply(self.chat_model, ShortAnswer if self.tuned else PlannerAnswer, messages)
            try:
                short = ShortAnswer.model_validate(parsed) if self.tuned else None
                return short.spelt_out() if short else PlannerAnswer.model_validate(parsed)
            except ValidationError as error:
                problem = problem_lines(error)
                if attempt == REPAIRS:
                    message = f"the planner's answer stayed invalid after {REPAIRS} repairs: {problem}"
                    raise PlanningError(message, reply=raw) from error
                messages = [*messages, AIMessage(raw), HumanMessage(words("repair", problem=problem))]
        raise AssertionError("unreachable")


def problem_lines(error: ValidationError) -> str:
    """A validation error in a form that a model can act on."""
    problems: list[dict[str, Any]] = json.loads(error.json(include_url=False, include_input=False))
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'answer'}: {one['msg']}" for one in problems)
