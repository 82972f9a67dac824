"""Understands the common messages without a model: a small grammar over a person's words and the names in the plan.

The embedded planner was trained to plan, not to follow a conversation; here it plans what is new in the picture ("a
small moon"). A message that fits no form is 'unclear', and answered with what would be understood.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Literal

from ....prompts.chat_schema import ChatCommand
from ....prompts.plan import ScenePlan
from ....prompts.planner_schema import PlannerAnswer
from ....prompts.revision import Revision
from ...drawable import asks_what_can_be_drawn, what_can_be_drawn
from ..listener import Shown
from ..replies import answer_to, contents
from .backgrounds import Change, Unclear
from .mentions import Mentions
from .requests import change_of, is_verb
from .small_talk import ACCEPT, REFUSE, VERBS, brief_in, choice_in, is_question, plain, steps_in, without_wish

HELP = (
    "I understand: make the NAME orange, add a THING at the top right, remove the NAME, swap the two, move the NAME to "
    "the left, bigger, replace the NAME with a THING, same but at night, try again, undo, go back two, what is in the "
    "corner?, the second one, start over: A NEW PICTURE."
)


class EmbeddedListener:
    """`plan`: what plans a few words ('a small moon') when something new comes into the picture."""

    def __init__(self, plan: Callable[[str], PlannerAnswer]) -> None:
        self.plan = plan

    def hear(self, message: str, shown: Shown) -> ChatCommand:
        """What a message means. Raises PlanningError or ModelError if the planner that it needs does not answer."""
        heard = self._hear(message, shown)
        if heard.kind != "unclear" or not shown.asked:
            return heard
        text = plain(message)
        if re.fullmatch(
            r"(?:a )?(?:new|another|different)(?: (?:one|picture))?|start over|new picture|start again", text
        ):
            return ChatCommand(kind="new brief", brief=brief_in(shown.asked) or shown.asked)
        added = f"add {shown.asked}" if re.fullmatch(r"(?:yes,? )?add(?: it| them)?", text) else ""
        asked = shown.asked.rstrip(" .!:")
        told = re.sub(r"\b(?:it|that|this)\b", text, asked, flags=re.I) if len(text.split()) <= 6 else asked
        for together in (told if told != asked else "", added, f"{asked}: {message}", f"{asked} {message}"):
            if together and (both := self._hear(together, shown)).kind != "unclear":
                return both
        return heard

    def _hear(self, message: str, shown: Shown) -> ChatCommand:
        text = plain(message)
        if shown.waiting and REFUSE.fullmatch(" ".join(message.replace("’", "'").split())):
            return ChatCommand(kind="undo")
        brief = brief_in(message)
        if brief is not None:
            return ChatCommand(kind="new brief", brief=brief) if brief else _ask("What should the new picture show?")
        if re.fullmatch(r"help|\?|what can (?:i|you) (?:say|do)(?: here)?\??|how does this work\??|commands", text):
            first = "" if shown.plan else "Tell me what the picture should show. "
            draws = f" {what_can_be_drawn(shown.draws)}" if shown.draws else ""
            return ChatCommand(kind="question", reply=f"{first}{HELP}{draws}")
        if asks_what_can_be_drawn(text):
            return ChatCommand(kind="question", reply=what_can_be_drawn(shown.draws))
        if shown.plan is None:
            return _first(message, text)
        kinds: tuple[Literal["undo", "redo"], ...] = ("undo", "redo")
        for kind in kinds:
            if steps := steps_in(text, kind):
                return ChatCommand(kind=kind, steps=0 if kind == "redo" and text.startswith("undo") else steps)
        if ACCEPT.fullmatch(text):
            return ChatCommand(kind="accept")
        if choice := choice_in(text, shown.candidates):
            if choice <= shown.candidates:
                return ChatCommand(kind="choose", choice=choice)
            return _ask("There is only one picture here." if shown.candidates < 2 else f"There are {shown.candidates}.")
        if is_question(text):
            return ChatCommand(kind="question", reply=answer_to(text, shown))
        heard = self._change(text, shown)
        first, *rest = text.split(" ")
        if (
            heard.kind == "unclear"
            and not is_verb(first)
            and (meant := get_close_matches(first, VERBS, n=1, cutoff=0.7))
        ):
            again = self._hear(" ".join([meant[0], *rest]), shown)  # 'swpa the two'
            return again if again.kind == "change" else heard
        return heard

    def _change(self, text: str, shown: Shown) -> ChatCommand:
        assert shown.plan is not None
        change = Change(shown.plan)
        try:
            change = self._parts(text, change, shown)
            if change.plan == shown.plan and not change.whole:
                return _ask("It is like that already. What should be different?")
            revision = Revision.between(shown.plan, change.plan, reason=text[:200])
        except (Unclear, ValueError) as error:
            return _ask(" ".join(str(error).split()))
        return ChatCommand(kind="change", revision=revision, whole=change.whole, fresh=change.fresh)

    def _parts(self, text: str, change: Change, shown: Shown) -> Change:
        """The whole message as one change, or else its parts, one after the other. Raises Unclear."""
        try:
            return self._one(text, change, shown)
        except Unclear as error:
            parts = [part for part in re.split(r"\s*(?:[,;.]|\band then\b|\bthen\b|\band\b)\s*", text) if part]
            if len(parts) < 2:
                raise
            problem, verb = error, ""
            for part in parts:
                first = part.split(" ")[0]
                verb = first if is_verb(first) else verb
                said = part if is_verb(first) or not verb else f"{verb} {part}"
                try:
                    change = self._one(said, change, shown)
                except Unclear as doubt:
                    raise (doubt if doubt.certain else problem) from doubt
            return change

    def _one(self, text: str, change: Change, shown: Shown) -> Change:
        """One change. Raises Unclear with a question back."""
        doubts: list[str] = []
        fresh_seed = 1000 + len(shown.said)
        for reading in Mentions(change.plan.regions, shown.touched).readings(text):
            done = change_of(reading, change, plan=self.plan, seed=fresh_seed)
            if done and (not reading.doubts or done.whole != change.whole):
                return done
            doubts += reading.doubts
        if doubts:
            raise Unclear(doubts[0], certain=True)
        raise Unclear(_not_understood(text, change.plan))


def _first(message: str, text: str) -> ChatCommand:
    """A message while there is no picture: a brief, if it says anything that can be drawn."""
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
    return ChatCommand(kind="new brief", brief=without_wish(message))


def _not_understood(text: str, plan: ScenePlan) -> str:
    if re.match(r"(?:paint|draw|create|show)?\s*(?:me )?(?:a|an|another|two|three|four|some)\s", text):
        what = re.sub(r"^(?:paint|draw|create|show)\s+(?:me\s+)?", "", text)
        return f"Shall I add that, or is it a new picture? Say 'add {what}' or 'start over: {what}'."
    reading = next(iter(Mentions(plan.regions).readings(text)))
    missing = re.search(
        r"\bthe ((?!left|right|top|bottom|cent|middle|same|other|two|picture|background)[\w-]+)\b", reading.text
    )
    if missing:
        return f"There is no '{missing[1]}' here; I see {contents(plan)}."
    wish = re.fullmatch(r"(?:make|let|have|turn) @0 (?:be |to )?([^@]+)", reading.text)
    if wish and reading.meant[0]:
        who = plan.regions[reading.meant[0][0]].name
        return (
            f"I do not know how to make the {who} '{wish[1]}'. I can change its colour and looks, its size and its "
            f"place, replace it, or remove it."
        )
    name = plan.regions[0].name
    return (
        f"I did not understand that. I see {contents(plan)}. You could say: make the {name} orange · add a moon at the "
        f"top right · remove the {name} · same but at night · undo · start over: a new picture."
    )


def _ask(question: str) -> ChatCommand:
    return ChatCommand(kind="unclear", reply=question)
