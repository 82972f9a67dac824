"""Brief → ScenePlan through a chat model's structured output, with repair and a check against the brief."""

from collections.abc import Callable
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from ...prompts.answers.planner_schema import PlannerAnswer, ShortAnswer, plan_from_answer
from ...prompts.errors import ModelError, PlanningError
from ...prompts.layout.canvas import MULTIPLE, SIDE, drawn_canvas
from ...prompts.layout.token_owners import TOKEN
from ...prompts.plan import MAX_BRIEF, MAX_REGIONS, ScenePlan
from ...prompts.prompt_syntax import canvas_flag
from ...prompts.templates import fill_template
from ...prompts.wording import PROSE, PromptStyle
from ...renderer.checkpoints.registry import checkpoint
from ...renderer.checkpoints.vocabulary import Vocabulary, quoted, vocabulary_of
from ..llm.chat_models import chat_model
from ..llm.local_models import EMBEDDED, LOCAL_MODELS
from ..llm.structured import valid_reply
from .brief_language import canvas_words, english_only, hardly_english, unread_words
from .full_planner import FullPlanner, TooLong, nothing_too_long
from .layout_repair import repair_counts, repair_layout
from .plan_checks import check_answer

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage


ANOTHER_PLANNER = "name a capable chat model as the planner (--planner openai:gpt-5, or --base-url)"


class Planner:
    """Plans briefs with one chat model.

    width, height: the picture's in pixels, where they are chosen, whatever the brief says. side: of a square picture
    of the image model, else; None: its size is left open. style, draws, token, calls, too_long: as in `FullPlanner`.
    The local models are fine-tuned planners: they get the prompt of their training, and answer a `ShortAnswer`, whose
    words are checked against the brief. embedded: opens the embedded planner, which plans where another local model's
    answer stays invalid: it was taught more kinds of briefs, such as those that only say what is absent.
    """

    def __init__(
        self, chat_model: "BaseChatModel", *, width: int | None = None, height: int | None = None,
        side: int | None = None, style: PromptStyle = PROSE, draws: str = "", token: int = TOKEN, calls: int = 1,
        too_long: TooLong = nothing_too_long,
        embedded: "Callable[[], BaseChatModel]" = partial(chat_model, EMBEDDED.name),  # noqa: B008
    ) -> None:  # fmt: skip
        self.chat_model, self.width, self.height, self.side = chat_model, width, height, side
        self.token, self._embedded = token, embedded
        self.tuned = getattr(chat_model, "model_name", "") in LOCAL_MODELS
        self._full = FullPlanner(chat_model, style=style, draws=draws, token=token, calls=calls, too_long=too_long)

    @property
    def _vocabulary(self) -> Vocabulary:
        """What the local models call things: they learnt it in the pocket model's world."""
        vocabulary = vocabulary_of(checkpoint("pocket"))
        assert vocabulary
        return vocabulary

    def on_canvas(self, width: int | None, height: int | None) -> Self:
        """This planner for pictures of another size in pixels; None: as for `__init__`."""
        other = copy(self)
        other.width, other.height = width, height
        return other

    def plan(self, brief: str) -> ScenePlan:
        """The brief as a plan, whose notes say what of the brief is not in it.

        Raises ValueError for a brief that is empty, longer than 4,000 characters, or without a word in Latin letters
        where the planner reads English only; PlanningError (with the raw reply) if the model's answer stays invalid
        after two repairs, and DitpipeError if the model cannot be reached.
        """
        words, ratio = canvas_flag(brief)
        if not words:
            raise ValueError("the brief is empty; say what the picture should show")
        if len(brief) > MAX_BRIEF:
            raise ValueError(f"the brief has {len(brief):,} characters; at most {MAX_BRIEF:,} are read")
        width, height, notes = self.width, self.height, list[str]()
        if ratio and width and height:
            notes.append(f"the brief's --ar {ratio[0]:g}:{ratio[1]:g} is not used: {width}×{height} was chosen")
        elif ratio:
            multiple, shape = max(MULTIPLE, self.token), f"{ratio[0]:g}:{ratio[1]:g}"
            size, note = drawn_canvas(None, None, shape, side=self.side or SIDE, multiple=multiple)
            (width, height), notes = size or (None, None), [note] if note else []
        if self.tuned:
            plan = self._tuned_plan(words).with_size(width, height)
        else:
            plan = self._full.plan(words, width=width, height=height, side=self.side or SIDE)
        return plan.with_size(self.side, self.side).with_notes(notes)

    def _tuned_plan(self, brief: str) -> ScenePlan:
        """The plan of a local model, which reads English only; what its checks still find is noted."""
        unread = unread_words(brief)
        if unread and not english_only(brief):
            raise ValueError(f"this planner reads English only, and nothing of {brief[:60]!r} is: {ANOTHER_PLANNER}")
        answer, notes = self._answer_or_embedded(brief)
        notes += [finding.rstrip(".") for finding in check_answer(brief, answer, self._vocabulary)]
        notes += [
            f"more than {MAX_REGIONS} objects: {thing.subject!r} is one region, how many it shows is left to chance"
            for thing in answer.objects
            if thing.count > 1
        ]
        if self._full.calls > 1:
            notes.append("plan_calls: not used, for this planner plans in one call")
        if unread:
            notes.append(f"this planner reads English only: {', '.join(map(repr, unread))} not read; {ANOTHER_PLANNER}")
        plan = plan_from_answer(answer, width=None, height=None)
        if not unread and hardly_english(brief, plan, self._vocabulary):
            notes.append(f"this planner reads English only, which this brief hardly is; {ANOTHER_PLANNER}")
        shape = [words for words in canvas_words(brief) if words.lower() not in plan.negative.lower()]
        if shape and not (self.width and self.height):
            notes.append(f"this planner reads no size or shape, {quoted(shape)}: give it as --size 768x256 or --ar 3:1")
        return plan.with_notes(notes)

    def _answer_or_embedded(self, brief: str) -> tuple[PlannerAnswer, list[str]]:
        """This model's answer or, where it stays invalid, the embedded planner's, with a note that says so."""
        try:
            return self.answer(brief), []
        except PlanningError as error:
            if getattr(self.chat_model, "model_name", "") == EMBEDDED.name:
                raise
            other = copy(self)
            try:
                other.chat_model = self._embedded()
                return other.answer(brief), [f"planned by the embedded planner: {error}"]
            except (ModelError, PlanningError):
                raise error from None

    def answer(self, brief: str) -> PlannerAnswer:
        """The validated answer of a local model; asked once more if `check_answer` finds faults in it."""
        from langchain_core.messages import HumanMessage, SystemMessage

        messages: list[BaseMessage] = [SystemMessage(fill_template("planner-embedded")), HumanMessage(brief)]
        answer = self._ask(brief, messages)
        findings = check_answer(brief, answer, self._vocabulary)
        return self._recheck(brief, messages, answer, findings) if findings else answer

    def _recheck(
        self, brief: str, messages: "list[BaseMessage]", answer: PlannerAnswer, findings: list[str]
    ) -> PlannerAnswer:
        """Sends the findings back once; returns the answer with fewer findings."""
        from langchain_core.messages import AIMessage, HumanMessage

        recheck = HumanMessage(fill_template("recheck", findings=" ".join(findings)))
        conversation = [*messages, AIMessage(ShortAnswer.of(answer).model_dump_json()), recheck]
        try:
            second = self._ask(brief, conversation)
        except PlanningError:
            return answer  # the first answer is valid; its findings concern only how it fits the brief
        remaining = check_answer(brief, second, self._vocabulary)
        return second if len(remaining) < len(findings) else answer

    def _ask(self, brief: str, messages: "list[BaseMessage]") -> PlannerAnswer:
        """One valid answer, repaired and composed once to prove that it makes a plan."""

        def parse(parsed: Any) -> PlannerAnswer:
            given = ShortAnswer.model_validate(parsed).to_planner_answer()
            answer = repair_layout(brief, repair_counts(brief, given, self._vocabulary))
            plan_from_answer(answer, width=None, height=None)
            return answer

        return valid_reply(self.chat_model, ShortAnswer, messages, parse, failed=PlanningError, role="planner")
