"""What a person's message means, given what they see: by one structured call of a named model, or by the embedded one.

Both answer with the same `Heard`. Who draws, and how undo works, is not known here.
"""

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...prompts.chat_schema import ChatCommand
from ...prompts.critique import Critique
from ...prompts.errors import PlanningError
from ...prompts.plan import ScenePlan
from ...prompts.templates import fill_template
from ..llm.chat_models import valid_reply
from ..llm.local_models import LOCAL_MODELS

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

    from ..agent import Agent


@dataclass(frozen=True)
class Shown:
    """What the person has before them. `plan` is None in an empty session."""

    plan: ScenePlan | None = None
    critique: Critique | None = None
    waiting: bool = False  # the plan waits for a yes, nothing is drawn yet
    candidates: int = 0  # pictures to choose from
    said: tuple[str, ...] = ()  # the messages so far, oldest first
    asked: str = ""  # the message that was last answered with a question back, else empty
    touched: tuple[str, ...] = ()  # regions that the last change named: what 'it' means
    draws: str = ""  # what the image model can draw; empty: it has no such list


class Listener(Protocol):
    """Whatever understands messages."""

    def hear(self, message: str, shown: Shown) -> ChatCommand:
        """What a message means. Raises PlanningError or ModelError; what is not understood comes back as 'unclear'."""
        ...


class ModelListener:
    """A chat model that understands messages by one structured call; invalid answers are re-asked, at most twice."""

    def __init__(self, chat_model: "BaseChatModel") -> None:
        self.chat_model = chat_model

    def hear(self, message: str, shown: Shown) -> ChatCommand:
        """Raises PlanningError (with the raw reply) if the answer stays invalid, ModelError without a model."""
        from langchain_core.messages import HumanMessage, SystemMessage

        sight = asdict(shown) | {
            "plan": shown.plan.model_dump() if shown.plan else None,
            "critique": shown.critique.model_dump() if shown.critique else None,
        }
        messages: list[BaseMessage] = [
            SystemMessage(fill_template("listener")), HumanMessage(f"{json.dumps(sight)}\n\nTheir message: {message}"),
        ]  # fmt: skip

        def read(parsed: Any) -> ChatCommand:
            return _possible(ChatCommand.model_validate(parsed), shown)

        return valid_reply(self.chat_model, ChatCommand, messages, read, failed=PlanningError, role="listener")


def _possible(heard: ChatCommand, shown: Shown) -> ChatCommand:
    """The answer itself. Raises ValueError if what it says cannot be done to what is shown."""
    if heard.kind == "change" and shown.plan is None:
        raise ValueError("kind: nothing is drawn yet, so it can only be a new brief, a question or unclear")
    if heard.revision and shown.plan:
        heard.revision.apply(shown.plan)
    if heard.kind == "choose" and heard.choice > shown.candidates:
        raise ValueError(f"choice: there are {shown.candidates} candidates")
    return heard


def listener_for(agent: "Agent") -> Listener:
    """The listener that fits an agent's planner: local planners were trained for plans alone."""
    if agent.planner_name in LOCAL_MODELS:
        from .grammar.embedded_listener import EmbeddedListener

        return EmbeddedListener(lambda brief: agent.planner.answer(brief))
    return ModelListener(agent.planner.chat_model)
