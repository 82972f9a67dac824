"""Interprets common messages without a model: a small grammar over words and the region names of the plan.

The embedded planner was trained to plan, not to follow a conversation; here it only plans new things ("a small moon").
A message that fits no form is 'unclear'; the reply says which forms there are.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Literal

from ....prompts.answers.chat_schema import Understanding
from ....prompts.answers.planner_schema import PlannerAnswer
from ....prompts.plan import ScenePlan
from ....prompts.prompt_style import sync_scene_prompt
from ....prompts.revision import Revision
from ...drawable import asks_what_can_be_drawn, what_can_be_drawn
from ..chat_state import ChatState
from ..phrases import change_reply, contents
from .answers import answer_to
from .backgrounds import Change, Unclear
from .mentions import Mentions
from .requests import change_of, is_verb
from .small_talk import ACCEPT, REFUSE, VERBS, brief_in, choice_in, is_question, plain, steps_in, without_wish

HELP = (
    "I understand: make the NAME orange, add a THING at the top right, remove the NAME, swap the two, move the NAME to "
    "the left, bigger, replace the NAME with a THING, same but at night, try again, undo, go back two, what is in the "
    "corner?, the second one, start over: A NEW PICTURE."
)


class GrammarInterpreter:
    """`plan`: turns a few words ('a small moon') into planned objects."""

    def __init__(self, plan: Callable[[str], PlannerAnswer]) -> None:
        self.plan = plan

    def interpret(self, message: str, state: ChatState) -> Understanding:
        """The command of a message. Raises PlanningError or ModelError if a needed planner call fails."""
        command = self._interpret(message, state)
        if command.kind != "unclear" or not state.unclear_message:
            return command
        text = plain(message)
        if re.fullmatch(
            r"(?:a )?(?:new|another|different)(?: (?:one|picture))?|start over|new picture|start again", text
        ):
            return Understanding("new brief", brief=brief_in(state.unclear_message) or state.unclear_message)
        added = f"add {state.unclear_message}" if re.fullmatch(r"(?:yes,? )?add(?: it| them)?", text) else ""
        before = state.unclear_message.rstrip(" .!:")
        resolved = re.sub(r"\b(?:it|that|this)\b", text, before, flags=re.I) if len(text.split()) <= 6 else before
        for combined in (resolved if resolved != before else "", added, f"{before}: {message}", f"{before} {message}"):
            if combined and (both := self._interpret(combined, state)).kind != "unclear":
                return both
        return command

    def _interpret(self, message: str, state: ChatState) -> Understanding:
        text = plain(message)
        if state.waiting and REFUSE.fullmatch(" ".join(message.replace("’", "'").split())):
            return Understanding("undo")
        brief = brief_in(message)
        if brief is not None:
            return Understanding("new brief", brief=brief) if brief else _ask("What should the new picture show?")
        if re.fullmatch(r"help|\?|what can (?:i|you) (?:say|do)(?: here)?\??|how does this work\??|commands", text):
            first = "" if state.plan else "Tell me what the picture should show. "
            draws = f" {what_can_be_drawn(state.draws)}" if state.draws else ""
            return Understanding("question", reply=f"{first}{HELP}{draws}")
        if asks_what_can_be_drawn(text):
            return Understanding("question", reply=what_can_be_drawn(state.draws))
        if state.plan is None:
            return _first(message, text)
        kinds: tuple[Literal["undo", "redo"], ...] = ("undo", "redo")
        for kind in kinds:
            if steps := steps_in(text, kind):
                return Understanding(kind, steps=0 if kind == "redo" and text.startswith("undo") else steps)
        if ACCEPT.fullmatch(text):
            return Understanding("accept")
        if choice := choice_in(text, state.candidates):
            if choice <= state.candidates:
                return Understanding("choose", number=choice)
            return _ask("There is only one picture here." if state.candidates < 2 else f"There are {state.candidates}.")
        if is_question(text):
            return Understanding("question", reply=answer_to(text, state))
        command = self._change(text, state)
        first, *rest = text.split(" ")
        if (
            command.kind == "unclear"
            and not is_verb(first)
            and (corrected := get_close_matches(first, VERBS, n=1, cutoff=0.7))
        ):
            retry = self._interpret(" ".join([corrected[0], *rest]), state)  # 'swpa the two'
            return retry if retry.kind == "change" else command
        return command

    def _change(self, text: str, state: ChatState) -> Understanding:
        assert state.plan is not None
        change = Change(state.plan)
        try:
            change = self._parts(text, change, state)
            if change.plan == state.plan and not change.whole:
                return _ask("It is like that already. What should be different?")
        except (Unclear, ValueError) as error:
            return _ask(" ".join(str(error).split()))
        plan = sync_scene_prompt(state.plan, change.plan)
        revision = Revision.between(state.plan, change.plan)
        names = tuple(revision.names if revision else ())
        return Understanding(
            "change", plan=plan, whole=change.whole, fresh=change.fresh, touched=names,
            reply=change_reply(state.plan, plan, touched=names, fresh=change.fresh),
        )  # fmt: skip

    def _parts(self, text: str, change: Change, state: ChatState) -> Change:
        """The whole message as a single change, or else its parts in order. Raises Unclear."""
        try:
            return self._single_change(text, change, state)
        except Unclear as error:
            parts = [part for part in re.split(r"\s*(?:[,;.]|\band then\b|\bthen\b|\band\b)\s*", text) if part]
            if len(parts) < 2:
                raise
            problem, verb = error, ""
            for part in parts:
                first = part.split(" ")[0]
                verb = first if is_verb(first) else verb
                request = part if is_verb(first) or not verb else f"{verb} {part}"
                try:
                    change = self._single_change(request, change, state)
                except Unclear as doubt:
                    raise (doubt if doubt.certain else problem) from doubt
            return change

    def _single_change(self, text: str, change: Change, state: ChatState) -> Change:
        """One change. Raises Unclear with a clarifying question."""
        doubts: list[str] = []
        fresh_seed = 1000 + len(state.messages)
        for reading in Mentions(change.plan.regions, state.touched).readings(text):
            done = change_of(reading, change, plan=self.plan, seed=fresh_seed)
            if done and (not reading.doubts or done.whole != change.whole):
                return done
            doubts += reading.doubts
        if doubts:
            raise Unclear(doubts[0], certain=True)
        raise Unclear(_not_understood(text, change.plan))


def _first(message: str, text: str) -> Understanding:
    """The command of a message while there is no picture: a brief, if it names anything that can be drawn."""
    if re.fullmatch(r"(?:hi|hello|hey|good (?:morning|evening|day)|yo|test)(?: there)?", text) or ACCEPT.fullmatch(
        text
    ):
        return _ask(
            "Hello. What should the picture show? For example: a red cat on the left and a blue rocket at night."
        )
    if steps_in(text, "undo") or steps_in(text, "redo"):
        return _ask("There is no picture yet, so nothing to go back to. What should it show?")
    if is_question(text):
        return _ask("There is no picture yet. What should it show?")
    return Understanding("new brief", brief=without_wish(message))


def _not_understood(text: str, plan: ScenePlan) -> str:
    if re.match(r"(?:paint|draw|create|show)?\s*(?:me )?(?:a|an|another|two|three|four|some)\s", text):
        thing = re.sub(r"^(?:paint|draw|create|show)\s+(?:me\s+)?", "", text)
        return f"Shall I add that, or is it a new picture? Say 'add {thing}' or 'start over: {thing}'."
    reading = next(iter(Mentions(plan.regions).readings(text)))
    missing = re.search(
        r"\bthe ((?!left|right|top|bottom|cent|middle|same|other|two|picture|background)[\w-]+)\b", reading.text
    )
    if missing:
        return f"There is no '{missing[1]}' here; I see {contents(plan)}."
    wish = re.fullmatch(r"(?:make|let|have|turn) @0 (?:be |to )?([^@]+)", reading.text)
    if wish and reading.mentioned[0]:
        name = plan.regions[reading.mentioned[0][0]].name
        return (
            f"I do not know how to make the {name} '{wish[1]}'. I can change its colour and looks, its size and its "
            f"place, replace it, or remove it."
        )
    if not plan.regions:
        return f"I did not understand that. I see {contents(plan)}. You could say: add a moon at the top right · undo."
    name = plan.regions[0].name
    return (
        f"I did not understand that. I see {contents(plan)}. You could say: make the {name} orange · add a moon at the "
        f"top right · remove the {name} · same but at night · undo · start over: a new picture."
    )


def _ask(question: str) -> Understanding:
    return Understanding("unclear", reply=question)
