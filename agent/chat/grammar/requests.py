"""The forms in which people ask for a change, each a pattern over a message whose mentions of regions are '@0', '@1' …

`change_of` tries them in order; what fits none is not understood, and nothing is guessed.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from ....prompts.layout import Place, box_at_place, box_beside
from ....prompts.plan import Box, ScenePlan
from ....prompts.planner_schema import PlannedObject
from ....prompts.prompt_style import COLOURS, SHADES
from .. import plan_edits as changes
from .backgrounds import AT, MAKE, Change, Plan, Unclear, whole_change
from .mentions import PLACE, Reading, place_said
from .small_talk import VERBS

# What a thing may be made without being replaced; anything else is asked about.
LOOKS = COLOURS | SHADES | frozenset(
    "striped stripy stripey dotted spotted polka-dotted checkered checked plain glossy matte shiny fluffy furry fuzzy hairy wooden metal metallic "
    "glass glassy sparkling sparkly glittering glittery glowing smiling happy sad angry sleepy sleeping cute scary funny old new broken rusty "
    "wet frozen icy colorful colourful transparent round fat thin chubby slim knitted woolen plush stone paper plastic golden silvery dirty clean "
    "darker lighter brighter paler and very more bit a".split()
)  # fmt: skip
_COMPARED = {"darker": "dark", "lighter": "light", "brighter": "bright", "paler": "pale"}
_WAYS: dict[str, changes.Relation] = {"left": "left", "right": "right", "up": "top", "down": "bottom", "upwards": "top",
                                      "downwards": "bottom", "higher": "top", "lower": "bottom"}  # fmt: skip
_RELATIONS: dict[str, changes.Relation] = {
    "left of": "left", "right of": "right", "above": "top", "over": "top", "on top of": "top", "below": "bottom",
    "under": "bottom", "underneath": "bottom", "beneath": "bottom", "next to": "right", "beside": "right",
}  # fmt: skip
_RELATION = rf"(?:to the |on the )?(?P<relation>{'|'.join(_RELATIONS)})(?: of)?"
def is_verb(word: str) -> bool:
    return word in VERBS


def change_of(reading: Reading, change: Change, *, plan: Plan, seed: int) -> Change | None:
    """The change that a reading asks for, None if it fits no form. Raises Unclear.

    `plan` turns 'a small moon' into objects; `seed` is for what is to be drawn from other noise.
    """
    text, meant = reading.text, reading.meant
    if (about_all := whole_change(reading, change, plan)) is not None:
        return about_all
    if not all(meant):
        return change if meant else None  # the caller says what is doubtful about the mention
    after = _forms(text, meant, change.plan, plan, seed)
    return None if after is None else replace(change, plan=after)


def _forms(text: str, meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int) -> ScenePlan | None:
    """The plan after the first form that fits, None if none does."""
    for pattern, form in _FORMS:
        if found := pattern.fullmatch(text):
            after = form(found, meant, now, plan, seed)
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
def _swap(found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int) -> ScenePlan | None:
    who = [index for one in meant for index in one] or list(range(len(now.regions)))
    if "change" in found[0] and not meant:
        return None
    if len(who) != 2:
        raise Unclear(f"Which two shall change places? There are {len(now.regions)}.", certain=True)
    return changes.swapped(now, *who)


@_form(
    r"(?:remove|delete|erase|drop|lose|clear|take away|take out|get rid of|throw out|cut|hide|i don't (?:want|need|like)|no more|without|no|not) @0(?: and @1)?(?: away| out)?(?: anymore| any more)?"
)
@_form(
    r"take @0 (?:away|out)|@0(?: and @1)? (?:should|must|can|has to|needs to) (?:go(?: away)?|disappear|vanish|be (?:removed|gone|deleted))"
)
def _remove(
    found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    return changes.without(now, [index for one in meant for index in one])


@_form(r"(?:remove|delete|erase|drop|clear|take away|get rid of|hide) @0(?: but|,? except(?: for)?| apart from) @1(?: and @2)?")
def _remove_the_others(
    found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    kept = [index for one in meant[1:] for index in one]
    return changes.without(now, [index for index in meant[0] if index not in kept])


@_form(r"(?:keep|leave|show|i want) (?:only|just) @0(?: and @1)?|(?:only|just) (?:keep|leave|show) @0(?: and @1)?")
def _keep_only(
    found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    kept = {index for one in meant for index in one}
    return changes.without(now, [index for index in range(len(now.regions)) if index not in kept])


@_form(
    rf"(?:{MAKE} )?@0 (?:be |is |should be |to be |look |a )?(?:(?P<much>much|a lot|far|a bit|a little|slightly|way|twice as|even) )?(?P<size>bigger|larger|big|large|huge|smaller|small|tiny|little|tinier|taller)"
)
@_form(r"(?:(?P<much>much|a lot|far|a bit|a little|slightly|way|even) )?(?P<size>bigger|larger|smaller|tinier)(?: @0)?")
@_form(r"@0 (?:is|looks|are) (?:(?P<much>much|a bit|a little|far|way) )?(?P<size>too (?:big|large|small|tiny))")
@_form(r"(?P<size>enlarge|shrink|grow) @0(?: (?P<much>a lot|a bit|a little))?")
def _resize(
    found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    if not meant and len(now.regions) > 1:
        raise Unclear(f"Which one shall be {found['size']}: {changes.choices(now)}?", certain=True)
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
    factor = by.get(found["much"] or "", 1.4)
    smaller = found["size"] in ("smaller", "small", "tiny", "little", "tinier", "shrink", "too big", "too large")
    return changes.resized(now, meant[0] if meant else [0], 1 / factor if smaller else factor)


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
def _nudge(found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int) -> ScenePlan | None:
    if not meant and len(now.regions) > 1:
        raise Unclear(f"Which one do you mean: {changes.choices(now)}?", certain=True)
    who = meant[0] if meant else [0]
    if found["way"] in ("left", "right") and not found["bit"]:
        return changes.moved(now, who, found["way"])  # type: ignore[arg-type]
    return changes.nudged(now, who, _WAYS[found["way"]])


@_form(rf"(?:move|put|place|shift|bring|push|pull|slide|drag|set|have|i want) @0 {AT}")
@_form(rf"@0 (?:should (?:be|go|stand|sit)|must be|goes|belongs|go) {AT}")
@_form(rf"@0 (?:to|on|at|in) the (?P<place>{PLACE})(?: (?:side|corner))?")
def _move(found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int) -> ScenePlan | None:
    place: Place = place_said(found["place"])  # type: ignore[assignment]
    return changes.moved(now, meant[0], place)


@_form(rf"(?:move|put|place|shift|bring|push|pull|slide|set) @0 {_RELATION} @1")
@_form(rf"@0 (?:should (?:be|go|stand|sit)|must be|goes|belongs) {_RELATION} @1")
def _move_beside(
    found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    if len(meant[0]) != 1 or len(meant[1]) != 1:
        raise Unclear("I can move one thing next to one other.", certain=True)
    return changes.moved_beside(now, meant[0], _RELATIONS[found["relation"]], meant[1][0])


@_form(
    r"(?:replace|swap|exchange|substitute|switch|change) @0 (?:with|for|by|to|into|against) (?P<new>(?:a|an|some|another) [^@]+)"
)
@_form(r"(?:make|turn|change|transform|let) @0 (?:into |to |be |become |to be )?(?P<new>(?:a|an) [^@]+)")
@_form(r"(?:i want |add |put |draw |paint |use )?(?P<new>(?:a|an) [^@]+?) instead of @0")
@_form(r"@0 (?:should (?:be|become)|becomes) (?P<new>(?:a|an) [^@]+)")
def _replace(
    found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int
) -> ScenePlan | None:
    if re.search(r"\b(?:bit|little|lot) \w+$", found["new"]) or looks_in(found["new"]):
        return None
    things = things_in(found["new"], plan)
    if len(things) != 1:
        raise Unclear("One thing can take the place of another: say which.", certain=True)
    return changes.replaced(now, meant[0], things[0])


@_form(r"(?:give|put|add|draw) (?P<new>(?:a|an|some) [^@]+?) (?:on|to|onto) @0")
@_form(r"(?:give|dress) @0 (?:in )?(?P<new>(?:a|an|some) [^@]+)")
@_form(r"@0 (?:should |must )?(?:wears?|has|have|wearing|gets?) (?P<new>(?:a|an|some) [^@]+)")
def _wear(found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int) -> ScenePlan | None:
    return None if re.search(r" colou?r$", found["new"]) else changes.with_looks(now, meant[0], f"with {found['new']}")


@_form(
    rf"(?:(?:{MAKE}) )?@0 (?:be |is |are |was |were |should be |to be |in |to |into |look |colou?r(?:ed)? )?(?:all )?(?P<looks>[^@]+)"
)
@_form(r"(?:change|make|turn|set)? ?(?:the )?colou?rs? of @0 (?:to |be |into )?(?P<looks>[^@]+)")
@_form(r"(?:an? |the )?(?P<looks>[^@]+?) @0(?: please)?")
@_form(r"(?:give|make) @0 (?:an? )?(?P<looks>[^@]+?) colou?r")
def _look(found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int) -> ScenePlan | None:
    looks = looks_in(found["looks"])
    return changes.with_looks(now, meant[0], looks) if looks else None


@_form(
    r"(?:try|draw|redraw|re-draw|paint|repaint|redo|retry|do)? ?@0(?: (?:again|once more|anew|differently|over))?(?P<again>)"
)
@_form(r"(?:another|a (?:different|new|better)) @0(?P<again>)")
def _again(found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int) -> ScenePlan | None:
    if re.fullmatch(r"@0|do @0", found[0]):
        return None
    return changes.reseeded(now, meant[0], seed)


@_form(
    rf"(?:(?:can we have|i want|i need|i'd like|give me|add|also add|put in|put|place|insert|include|there should be|with|have|and|plus|we need|also) )(?:in |also )?(?P<new>[^@]+?)(?: {AT})?(?: to (?:it|the (?:picture|scene|image)))?"
)
@_form(rf"(?:draw|paint) (?P<new>(?:a|an|another|two|three|some) [^@]+?) {AT}")
@_form(
    rf"(?:(?:i want|give me|add|also add|put in|put|place|insert|draw|there should be) )(?P<new>[^@]+?) {_RELATION} @0(?P<place>)"
)
@_form(r"(?:add|put|draw) (?P<new>[^@]+?) between @0 and @1(?P<place>)")
def _add(found: re.Match[str], meant: Sequence[list[int]], now: ScenePlan, plan: Plan, seed: int) -> ScenePlan | None:
    words = found["new"].strip()
    if re.match(r"(?:the|my|your|it|this|that|these|those)\b", words):
        return None
    if any(is_verb(word) and word not in ("color", "colour") for word in re.findall(r"[a-z]+", words)):
        return None
    if re.fullmatch(r"it|that|this|them|nothing|something|anything|more", words):
        raise Unclear("What shall I add?", certain=True)
    several = re.search(rf"\b{PLACE}\b.*\band\b", words)
    answer = plan(words) if several else None
    things = answer.objects if answer else things_in(words, plan)
    if len(now.regions) + len(things) > 16:
        raise Unclear("There is room for 16 things at most.", certain=True)
    boxes: list[Box | None] = [None] * len(things)
    side = 1 / 3 if found["place"] and place_said(found["place"]) == "center" else 0.5
    if answer:
        boxes = [box_at_place(thing.position) for thing in things]
    elif found["place"]:
        boxes = [box_at_place(place_said(found["place"]), side)] * len(things)  # type: ignore[arg-type]
    elif "between" in found[0] and len(meant) == 2:
        (ax, ay), (bx, by) = (now.regions[one[0]].box.centre for one in meant)
        boxes = [changes.around((ax + bx) / 2, (ay + by) / 2)] * len(things)
    elif meant:
        boxes = [box_beside(now.regions[meant[0][0]].box, _RELATIONS[found["relation"]])] * len(things)
    return changes.added(now, list(zip(things, boxes, strict=True)))


def things_in(words: str, plan: Plan) -> list[PlannedObject]:
    """What a noun phrase names, as the planner understands it. Raises Unclear if the planner sees something else in it."""
    phrase = re.sub(r"^(?:another|one more|one|the)\b", "a", words.strip())
    phrase = phrase if re.match(r"(?:a|an|two|three|four|five|six|some)\b", phrase) else f"a {phrase}"
    things = plan(phrase).objects
    said = phrase.lower()
    if not all(thing.subject.lower().split(" ")[-1][:-1] in said for thing in things):
        raise Unclear(f"I am not sure what {words!r} is; say it in other words.", certain=True)
    return list(things)


def looks_in(words: str) -> str:
    """The words as a low-level prompt, if they say what something looks like; else empty."""
    words = re.sub(r"^(?:much |a bit |a little |very |all |more |an? )+", "", words.strip())
    if re.fullmatch(r"(?:made (?:out )?of|wearing|covered (?:in|with)|with|without) [\w -]{2,50}", words):
        return words
    parts = [_COMPARED.get(word, word) for word in words.replace(",", " ").split()]
    if not parts or len(parts) > 5 or not all(part in LOOKS for part in parts):
        return ""
    return " ".join(part for part in parts if part not in ("a", "bit", "very", "more", "and"))
