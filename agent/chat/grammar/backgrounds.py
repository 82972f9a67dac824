"""Requests about the whole picture: another try, place, time, mood or drawing style. The regions stay.

Also `Change` and `Unclear`, which all requests share.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from ....prompts.answers.planner_schema import PlannerAnswer
from ....prompts.plan import LeveledPrompt, ScenePlan
from ....prompts.prompt_style import STYLE, background_of, region_list, replace_background, style_of
from .mentions import PLACE, Reading

Plan = Callable[[str], PlannerAnswer]

_BACKGROUNDS = {
    r"(?:at |in the |by |late at )?(?:night|nighttime|night time|midnight)": "at night",
    r"(?:at |in the )?(?:sunset|dusk|sunrise|dawn|evening)": "at sunset",
    r"(?:in |up in )?(?:the )?(?:sky|clouds|air)|(?:by |in |at )?(?:the )?day(?:time|light)?": "in the sky",
    r"(?:on |in )?(?:the |a )?(?:meadow|grass|lawn|field|park)": "on a meadow",
    r"(?:on |at )?(?:the |a )?(?:beach|sand|seaside|shore)": "on the beach",
    r"(?:in )?(?:the )?(?:snow|snowy|winter|wintertime)": "in the snow",
    r"under ?water|(?:under |in )?(?:the )?(?:water|sea|ocean)": "under water",
    r"(?:in )?(?:a |the )?(?:room|indoors|inside)": "in a room",
}
_MOODS = frozenset(
    "spooky cozy cosy cheerful dreamy gloomy sunny foggy misty rainy stormy romantic calm mysterious magical dramatic moody".split()
)
_LIGHTS = {"darker": "dark", "dimmer": "dim", "brighter": "bright", "lighter": "bright", "warmer": "warm", "colder": "cold",
           "cooler": "cold", "softer": "soft"}  # fmt: skip
AT = rf"(?:(?:to|on|at|in|into|towards) )?(?:the )?(?:far |very )?(?P<place>{PLACE})(?: (?:side|corner|half|edge))?(?: of the (?:picture|image))?"
MAKE = r"(?:make|paint|colou?r|turn|let|have|give|change|set|dye|i want|do)"


class Unclear(ValueError):
    """A request that cannot be carried out, with a clarifying question. `certain`: no other reading of the message would
    help."""

    def __init__(self, question: str, *, certain: bool = False) -> None:
        super().__init__(question)
        self.certain = certain


@dataclass(frozen=True)
class Change:
    """The plan as changed so far. `whole`: all of the picture is drawn again; `fresh`: from new noise."""

    plan: ScenePlan
    whole: bool = False
    fresh: bool = False


def whole_change(reading: Reading, change: Change, plan: Plan) -> Change | None:
    """Another try, background, mood or style: everything is drawn again. None if the message asks for none of them."""
    text = reading.text
    if not {int(number) for number in re.findall(r"@(\d+)", text)} <= reading.pronouns:
        return None  # it is about a region
    if re.fullmatch(
        r"(?:try |draw |paint |do )?(?:it |that |this |@\d+ )?(?:all )?(?:over )?again|(?:another|a different|a new) (?:one|version|try|attempt|variant|variation)"
        r"|(?:re-?draw|re-?paint|re-?roll|retry|re-?generate)(?: it| that| this| everything| the (?:whole )?picture| @\d+)?|something different|(?:make|do) (?:it|@\d+) (?:different|differently)",
        text,
    ) and (reading.doubts or "@" not in text):
        return replace(change, whole=True, fresh=True)
    same = r"(?:the )?same(?: (?:thing|picture|scene|one))?(?: again)?,? ?(?:but )?(?:now )?(?:make (?:it|@\d+) )?"
    make = rf"{MAKE} (?:it|that|this|@\d+|the (?:scene|picture|image|whole (?:thing|picture)|time)) ?(?:all )?(?:be |to |into |in to |look |take place |happen )?"
    ground = r"(?:(?:change|set|make|turn|put) )?(?:the )?(?:background|scene|setting|place)(?: should be| to be| to| into| is|:|=)? ?"
    match = re.fullmatch(rf"(?P<how>{same}|{make}|{ground}|put (?:it|them|@\d+|everything) |)(?P<scene>[^@]+)", text)
    if not match:
        return None
    how, scene = match["how"], match["scene"].strip()
    explicit = bool(re.match(same, how) or re.match(ground, how)) and bool(how)
    for pattern, background in _BACKGROUNDS.items():
        if re.fullmatch(pattern, scene):
            return _elsewhere(change, background, plan)
    more = re.fullmatch(rf"(?:(?:much|even|far|way|slightly|a (?:bit|little|lot)) )*({'|'.join(_LIGHTS)})", scene)
    if more and how and "@" not in how and not re.search(r"\b(?:it|that|this) ?$", how):
        return _lit(change, _LIGHTS[more[1]])
    mood = scene.removeprefix("more ").removeprefix("a bit ").removeprefix("very ")
    if mood in _MOODS and how:
        scene_prompt = LeveledPrompt(high_level=change.plan.scene.high_level, low_level=f"{mood} mood and light")
        return replace(change, plan=change.plan.model_copy(update={"scene": scene_prompt}), whole=True)
    style = re.fullmatch(rf"(?:now )?(?P<as>(?:in|as|like) )?(?:a |an )?(?P<style>{STYLE})", scene)
    if style and (how or style["as"]):  # else it may be a thing: 'add a painting'
        return replace(change, plan=_drawn_in(change.plan, style["style"]), whole=True)
    if explicit and re.match(r"(?:in|on|at|under|by|near|inside|during|over)\b", scene) and not re.fullmatch(AT, scene):
        return _elsewhere(change, scene, plan)
    if re.match(ground, how) and how and re.fullmatch(r"(?:a |an |the )?[\w-]+(?: [\w-]+)?", scene):
        return _elsewhere(
            change, f"in {scene}" if scene.split(" ")[0] in ("a", "an", "the") else f"{scene} background", plan
        )
    return None


def _drawn_in(plan: ScenePlan, style: str) -> ScenePlan:
    """The same plan in another drawing style, which follows the light and mood of the scene."""
    before = style_of(plan).split(", ")
    rest = [part for part in plan.scene.low_level.split(", ") if part and part.lower() not in before]
    scene = plan.scene.model_copy(update={"low_level": ", ".join([*rest, style])})
    return plan.model_copy(update={"scene": scene})


def _lit(change: Change, light: str) -> Change:
    """The same place and time in another light, which leads the scene's low level."""
    phrase = f"{light} light"
    before = [part for part in change.plan.scene.low_level.split(", ") if part]
    if phrase in before:
        raise Unclear(f"The light is {light} already.", certain=True)
    rest = [part for part in before if part not in {f"{other} light" for other in _LIGHTS.values()}]
    scene = change.plan.scene.model_copy(update={"low_level": ", ".join([phrase, *rest])})
    return replace(change, plan=change.plan.model_copy(update={"scene": scene}), whole=True)


def _elsewhere(change: Change, background: str, plan: Plan) -> Change:
    """The same regions at another place or time, in the mood that the planner gives it."""
    if background_of(change.plan) == background:
        raise Unclear(f"It is {background} already.", certain=True)
    mood = plan(f"{region_list(change.plan.regions)} {background}").mood
    try:
        return replace(change, plan=replace_background(change.plan, background, mood), whole=True)
    except ValueError as error:
        raise Unclear(f"{error}; change the scene prompt itself.", certain=True) from error
