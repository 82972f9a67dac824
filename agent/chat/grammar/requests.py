"""Request forms: each a pattern over a message whose mentions of regions are '@0', '@1' …

`change_of` tries them in order; a message that fits none is not understood, and nothing is guessed.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from ....prompts.answers.planner_schema import PlannedObject
from ....prompts.layout.places import Place, box_at_place, box_beside
from ....prompts.plan import MAX_REGIONS, Box, ScenePlan
from ....prompts.prompt_style import COLOURS, SHADES
from ..commands import plan_edits
from .backgrounds import AT, MAKE, Change, Plan, Unclear, whole_change
from .mentions import PLACE, Reading, place_named
from .small_talk import VERBS

# Looks that a thing can be given without being replaced; anything else leads to a clarifying question.
LOOKS = COLOURS | SHADES | frozenset(
    "striped stripy stripey dotted spotted polka-dotted checkered checked plain glossy matte shiny fluffy furry fuzzy hairy wooden metal metallic "
    "glass glassy sparkling sparkly glittering glittery glowing smiling happy sad angry sleepy sleeping cute scary funny old new broken rusty "
    "wet frozen icy colorful colourful transparent round fat thin chubby slim knitted woolen plush stone paper plastic golden silvery dirty clean "
    "darker lighter brighter paler and very more bit a".split()
)  # fmt: skip
_COMPARED = {"darker": "dark", "lighter": "light", "brighter": "bright", "paler": "pale"}
_WAYS: dict[str, plan_edits.Relation] = {"left": "left", "right": "right", "up": "top", "down": "bottom", "upwards": "top",
                                      "downwards": "bottom", "higher": "top", "lower": "bottom"}  # fmt: skip
_RELATIONS: dict[str, plan_edits.Relation] = {
    "left of": "left", "right of": "right", "above": "top", "over": "top", "on top of": "top", "below": "bottom",
    "under": "bottom", "underneath": "bottom", "beneath": "bottom", "next to": "right", "beside": "right",
}  # fmt: skip
_RELATION = rf"(?:to the |on the )?(?P<relation>{'|'.join(_RELATIONS)})(?: of)?"


def is_verb(word: str) -> bool:
    return word in VERBS


def change_of(reading: Reading, change: Change, *, plan: Plan, seed: int) -> Change | None:
    """The plan after the change that a reading requests, None if it fits no form. Raises Unclear.

    `plan` turns 'a small moon' into objects; `seed`: for regions that are drawn from new noise.
    """
    text, mentioned = reading.text, reading.mentioned
    if (about_all := whole_change(reading, change, plan)) is not None:
        return about_all
    if not all(mentioned):
        return change if mentioned else None  # the caller asks about the doubtful mention
    after = _forms(text, mentioned, change.plan, plan, seed)
    return None if after is None else replace(change, plan=after)


def _forms(text: str, mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int) -> ScenePlan | None:
    """The plan after the first form that fits, None if none does."""
    for pattern, form in _FORMS:
        if match := pattern.fullmatch(text):
            after = form(match, mentioned, current, plan, seed)
            if after is not None:
                return after
    return None


Form = Callable[[re.Match[str], Sequence[list[int]], ScenePlan, Plan, int], ScenePlan | None]
_FORMS: list[tuple[re.Pattern[str], Form]] = []


def _form(pattern: str) -> Callable[[Form], Form]:
    def add(form: Form) -> Form:
        _FORMS.append((re.compile(pattern), form))
        return form

    return add


@_form(
    r"(?:please )?(?:swap|switch|exchange|change)(?: the)?(?: places?| positions?)?(?: of)? ?(?:@0(?:(?: and| with|,) @1)?)?(?: around| over| places| positions)?"
)
@_form(r"@0(?: and @1)? (?:should |must |to )?(?:swap|switch|change|trade|exchange)(?: places| positions)?")
def _swap(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    indices = [index for mention in mentioned for index in mention] or list(range(len(current.regions)))
    if "change" in match[0] and not mentioned:
        return None
    if len(indices) != 2:
        raise Unclear(f"Which two shall change places? There are {len(current.regions)}.", certain=True)
    return plan_edits.swapped(current, *indices)


@_form(
    r"(?:remove|delete|erase|drop|lose|clear|take away|take out|get rid of|throw out|cut|hide|i don't (?:want|need|like)|no more|without|no|not) @0(?: and @1)?(?: away| out)?(?: anymore| any more)?"
)
@_form(
    r"take @0 (?:away|out)|@0(?: and @1)? (?:should|must|can|has to|needs to) (?:go(?: away)?|disappear|vanish|be (?:removed|gone|deleted))"
)
def _remove(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    return plan_edits.without(current, [index for mention in mentioned for index in mention])


@_form(
    r"(?:remove|delete|erase|drop|clear|take away|get rid of|hide) @0(?: but|,? except(?: for)?| apart from) @1(?: and @2)?"
)
def _remove_the_others(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    spared = {index for mention in mentioned[1:] for index in mention}
    return plan_edits.without(current, [index for index in mentioned[0] if index not in spared])


@_form(r"(?:keep|leave|show|i want) (?:only|just) @0(?: and @1)?|(?:only|just) (?:keep|leave|show) @0(?: and @1)?")
def _keep_only(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    spared = {index for mention in mentioned for index in mention}
    return plan_edits.without(current, [index for index in range(len(current.regions)) if index not in spared])


@_form(
    rf"(?:{MAKE} )?@0 (?:be |is |should be |to be |look |a )?(?:(?P<much>much|a lot|far|a bit|a little|slightly|way|twice as|even) )?(?P<size>bigger|larger|big|large|huge|smaller|small|tiny|little|tinier|taller)"
)
@_form(r"(?:(?P<much>much|a lot|far|a bit|a little|slightly|way|even) )?(?P<size>bigger|larger|smaller|tinier)(?: @0)?")
@_form(r"@0 (?:is|looks|are) (?:(?P<much>much|a bit|a little|far|way) )?(?P<size>too (?:big|large|small|tiny))")
@_form(r"(?P<size>enlarge|shrink|grow) @0(?: (?P<much>a lot|a bit|a little))?")
def _resize(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    if not mentioned and len(current.regions) > 1:
        raise Unclear(f"Which one shall be {match['size']}: {plan_edits.choices(current)}?", certain=True)
    by = {
        "much": 1.8,
        "a lot": 1.8,
        "far": 1.8,
        "way": 1.8,
        "twice as": 2.0,
        "a bit": 1.2,
        "a little": 1.2,
        "slightly": 1.2,
    }
    factor = by.get(match["much"] or "", 1.4)
    smaller = match["size"] in ("smaller", "small", "tiny", "little", "tinier", "shrink", "too big", "too large")
    return plan_edits.resized(current, mentioned[0] if mentioned else [0], 1 / factor if smaller else factor)


@_form(
    r"(?:move|put|place|shift|bring|push|pull|slide|drag|set) @0 (?P<way>left|right|up|down|upwards|downwards|higher|lower)(?P<bit>)"
)
@_form(
    r"(?:move|shift|push|pull|slide|nudge) @0 (?:a (?:bit|little) )?(?:more |further )?(?:to the )?(?P<way>left|right|up|down|upwards|downwards|higher|lower)(?P<bit> a (?:bit|little))"
)
@_form(
    rf"(?:move|shift|push|pull|slide|nudge|put|make|{MAKE})? ?@0 (?P<bit>a (?:bit|little) (?:more |further )?)(?:to the )?(?P<way>left|right|up|down|upwards|downwards|higher|lower)"
)
@_form(r"(?:a (?:bit|little) )?(?:more |further )?(?:to the )?(?P<way>higher|lower|up|down)(?P<bit>)")
def _nudge(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    if not mentioned and len(current.regions) > 1:
        raise Unclear(f"Which one do you mean: {plan_edits.choices(current)}?", certain=True)
    who = mentioned[0] if mentioned else [0]
    if match["way"] in ("left", "right") and not match["bit"]:
        return plan_edits.moved(current, who, match["way"])  # type: ignore[arg-type]
    return plan_edits.nudged(current, who, _WAYS[match["way"]])


@_form(rf"(?:move|put|place|shift|bring|push|pull|slide|drag|set|have|i want) @0 {AT}")
@_form(rf"@0 (?:should (?:be|go|stand|sit)|must be|goes|belongs|go) {AT}")
@_form(rf"@0 (?:to|on|at|in) the (?P<place>{PLACE})(?: (?:side|corner))?")
def _move(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    place: Place = place_named(match["place"])  # type: ignore[assignment]
    return plan_edits.moved(current, mentioned[0], place)


@_form(rf"(?:move|put|place|shift|bring|push|pull|slide|set) @0 {_RELATION} @1")
@_form(rf"@0 (?:should (?:be|go|stand|sit)|must be|goes|belongs) {_RELATION} @1")
def _move_beside(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    if len(mentioned[0]) != 1 or len(mentioned[1]) != 1:
        raise Unclear("I can move one thing next to one other.", certain=True)
    return plan_edits.moved_beside(current, mentioned[0], _RELATIONS[match["relation"]], mentioned[1][0])


@_form(
    r"(?:replace|swap|exchange|substitute|switch|change) @0 (?:with|for|by|to|into|against) (?P<new>(?:a|an|some|another) [^@]+)"
)
@_form(r"(?:make|turn|change|transform|let) @0 (?:into |to |be |become |to be )?(?P<new>(?:a|an) [^@]+)")
@_form(r"(?:i want |add |put |draw |paint |use )?(?P<new>(?:a|an) [^@]+?) instead of @0")
@_form(r"@0 (?:should (?:be|become)|becomes) (?P<new>(?:a|an) [^@]+)")
def _replace(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    if re.search(r"\b(?:bit|little|lot) \w+$", match["new"]) or looks_in(match["new"]):
        return None
    things = things_in(match["new"], plan)
    if len(things) != 1:
        raise Unclear("One thing can take the place of another: say which.", certain=True)
    return plan_edits.replaced(current, mentioned[0], things[0])


@_form(r"(?:give|put|add|draw) (?P<new>(?:a|an|some) [^@]+?) (?:on|to|onto) @0")
@_form(r"(?:give|dress) @0 (?:in )?(?P<new>(?:a|an|some) [^@]+)")
@_form(r"@0 (?:should |must )?(?:wears?|has|have|wearing|gets?) (?P<new>(?:a|an|some) [^@]+)")
def _wear(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    return (
        None
        if re.search(r" colou?r$", match["new"])
        else plan_edits.with_looks(current, mentioned[0], f"with {match['new']}")
    )


@_form(
    rf"(?:(?:{MAKE}) )?@0 (?:be |is |are |was |were |should be |to be |in |to |into |look |colou?r(?:ed)? )?(?:all )?(?P<looks>[^@]+)"
)
@_form(r"(?:change|make|turn|set)? ?(?:the )?colou?rs? of @0 (?:to |be |into )?(?P<looks>[^@]+)")
@_form(r"(?:an? |the )?(?P<looks>[^@]+?) @0(?: please)?")
@_form(r"(?:give|make) @0 (?:an? )?(?P<looks>[^@]+?) colou?r")
def _look(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    looks = looks_in(match["looks"])
    return plan_edits.with_looks(current, mentioned[0], looks) if looks else None


@_form(
    r"(?:try|draw|redraw|re-draw|paint|repaint|redo|retry|do)? ?@0(?: (?:again|once more|anew|differently|over))?(?P<again>)"
)
@_form(r"(?:another|a (?:different|new|better)) @0(?P<again>)")
def _again(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    if re.fullmatch(r"@0|do @0", match[0]):
        return None
    return plan_edits.reseeded(current, mentioned[0], seed)


@_form(
    rf"(?:(?:can we have|i want|i need|i'd like|give me|add|also add|put in|put|place|insert|include|there should be|with|have|and|plus|we need|also) )(?:in |also )?(?P<new>[^@]+?)(?: {AT})?(?: to (?:it|the (?:picture|scene|image)))?"
)
@_form(rf"(?:draw|paint) (?P<new>(?:a|an|another|two|three|some) [^@]+?) {AT}")
@_form(
    rf"(?:(?:i want|give me|add|also add|put in|put|place|insert|draw|there should be) )(?P<new>[^@]+?) {_RELATION} @0(?P<place>)"
)
@_form(r"(?:add|put|draw) (?P<new>[^@]+?) between @0 and @1(?P<place>)")
def _add(
    match: re.Match[str], mentioned: Sequence[list[int]], current: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    words = match["new"].strip()
    if re.match(r"(?:the|my|your|it|this|that|these|those)\b", words):
        return None
    if any(is_verb(word) and word not in ("color", "colour") for word in re.findall(r"[a-z]+", words)):
        return None
    if re.fullmatch(r"it|that|this|them|nothing|something|anything|more", words):
        raise Unclear("What shall I add?", certain=True)
    several = re.search(rf"\b{PLACE}\b.*\band\b", words)
    answer = plan(words) if several else None
    things = answer.objects if answer else things_in(words, plan)
    if len(current.regions) + len(things) > MAX_REGIONS:
        raise Unclear(f"There is room for {MAX_REGIONS} things at most.", certain=True)
    boxes: list[Box | None] = [None] * len(things)
    side = 1 / 3 if match["place"] and place_named(match["place"]) == "center" else 0.5
    if answer:
        boxes = [box_at_place(thing.position) for thing in things]
    elif match["place"]:
        boxes = [box_at_place(place_named(match["place"]), side)] * len(things)  # type: ignore[arg-type]
    elif "between" in match[0] and len(mentioned) == 2:
        (ax, ay), (bx, by) = (current.regions[mention[0]].box.centre for mention in mentioned)
        boxes = [plan_edits.around((ax + bx) / 2, (ay + by) / 2)] * len(things)
    elif mentioned:
        boxes = [box_beside(current.regions[mentioned[0][0]].box, _RELATIONS[match["relation"]])] * len(things)
    return plan_edits.added(current, list(zip(things, boxes, strict=True)))


def things_in(words: str, plan: Plan) -> list[PlannedObject]:
    """The objects that a noun phrase names, as planned. Raises Unclear if the planner answers with other objects."""
    phrase = re.sub(r"^(?:another|one more|one|the)\b", "a", words.strip())
    phrase = phrase if re.match(r"(?:a|an|two|three|four|five|six|some)\b", phrase) else f"a {phrase}"
    things = plan(phrase).objects
    lower = phrase.lower()
    if not all(thing.subject.lower().split(" ")[-1][:-1] in lower for thing in things):
        raise Unclear(f"I am not sure what {words!r} is; say it in other words.", certain=True)
    return list(things)


def looks_in(words: str) -> str:
    """The words as a low-level prompt if they describe looks, else an empty string."""
    words = re.sub(r"^(?:much |a bit |a little |very |all |more |an? )+", "", words.strip())
    if re.fullmatch(r"(?:made (?:out )?of|wearing|covered (?:in|with)|with|without) [\w -]{2,50}", words):
        return words
    parts = [_COMPARED.get(word, word) for word in words.replace(",", " ").split()]
    if not parts or len(parts) > 5 or not all(part in LOOKS for part in parts):
        return ""
    return " ".join(part for part in parts if part not in ("a", "bit", "very", "more", "and"))
