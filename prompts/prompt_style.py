"""Keeps what a plan says in step with its regions: who is named where in the scene prompt. Knows no model.

The scene prompts that `answers.compose` writes are lists ("a red cat on the left and a blue rocket on the right at
night"), and so can be taken apart; in any other text only the words of a region that are found there are replaced.
"""

import re

from .layout import Place
from .plan import Box, LeveledPrompt, Region, ScenePlan
from .planner_schema import PLACE_PHRASES, PREPOSITIONS, article
from .revision import Revision

COLOURS = frozenset(
    "red orange yellow green blue purple pink white black brown grey gray crimson scarlet azure violet turquoise golden"
    " gold silver teal cyan magenta beige navy maroon bronze indigo olive lime rainbow lilac cream ivory coral"
    " amber".split()
)
SHADES = frozenset("dark light bright pale deep soft hot neon pastel dull vivid".split())
SIZES = frozenset("tiny small little big large huge giant".split())
# Words by which a text says where something is ('under' and 'over' are said of the sea and the sky, too).
_WHERE = re.compile(
    r"\b(?:left|right|top|bottom|upper|lower|cent(?:er|re)|middle|corners?|above|below|beneath|beside|between"
    r"|in front of|next to|side by side|rows?|columns?|grid|foreground)\b",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^an? ", re.IGNORECASE)
_COUNTED = re.compile(r"(?:the|some|many|several|two|three|four|five|six|\d+) ", re.IGNORECASE)  # takes no article
_PLACES = sorted(PLACE_PHRASES.values(), key=len, reverse=True)


def place_of(box: Box) -> Place:
    """The place word that says best where a box is, by its centre; a box as wide as the picture has no side."""
    x, y = box.centre
    across = "left" if x < 0.4 else "right" if x > 0.6 else ""
    down = "top" if y < 0.4 else "bottom" if y > 0.6 else ""
    place: Place = f"{down} {across}".strip() or "center"  # type: ignore[assignment]
    return place


def subject_of(region: Region) -> str:
    """What a region shows, without its place: 'cat' of 'cat on the left'."""
    text = region.prompt.high_level.strip()
    return next((text[: -len(p)].rstrip() for p in _PLACES if text.lower().endswith(" " + p)), text)


def colour_of(region: Region) -> str:
    """The colour words of a region's low level: 'dark blue' of 'striped dark blue, made of wool'; or empty."""
    words = re.findall(r"[\w-]+", region.prompt.low_level.partition(",")[0])
    for index, word in enumerate(words):
        if word.lower() in COLOURS:
            start = index - 1 if index and words[index - 1].lower() in SHADES else index
            return " ".join(words[start : index + 1])
    return ""


def noun_phrase(region: Region, *, sizes: bool = True) -> str:
    """'a red cat'; with `sizes` also 'a small red cat'."""
    size = next((word for word in region.prompt.low_level.lower().split() if word in SIZES), "") if sizes else ""
    words = " ".join(part for part in (size, colour_of(region), _ARTICLE.sub("", subject_of(region))) if part)
    return words if _COUNTED.match(words) else f"{article(words)} {words}"


def region_phrase(region: Region, *, sizes: bool = True) -> str:
    """How a scene prompt names a region: 'a red cat on the left'; without a place if its own prompt has none."""
    place = region.prompt.high_level[len(subject_of(region)) :].strip()
    return f"{noun_phrase(region, sizes=sizes)} {place}".strip()


def with_place(region: Region) -> Region:
    """The region with the place of its box in its high level. A free shape all over the picture has no place."""
    if region.mask and not _where(region.box):
        return region
    text = f"{subject_of(region)} {PLACE_PHRASES[place_of(region.box)]}"
    prompt = LeveledPrompt(high_level=text, low_level=region.prompt.low_level)
    return region.model_copy(update={"prompt": prompt})


def with_layout(plan: ScenePlan) -> ScenePlan:
    """The plan with a scene prompt that says what stands where. One that names no place itself gets the regions with
    the places of their boxes: 'on the beach' → 'on the beach, cat on the left, rocket on the right'.

    What a region looks like stays its own. One region in the middle needs no place; what acts later or not at all is
    not told; and where 300 characters are too few all is left as it is, for text encoders end at 77 tokens.
    """
    text, low = plan.scene.high_level, plan.scene.low_level
    acting = [region for region in plan.regions if region.strength > 0 and region.start == 0]
    told = [f"{subject_of(region)} {_where(region.box)}".strip() for region in acting]
    whole = ", ".join(part for part in (text, *told) if part)
    alone = len(plan.regions) == 1 and place_of(plan.regions[0].box) == "center"
    if alone or _WHERE.search(text) or len(whole) + len(low) > 300:
        return plan
    return plan.model_copy(update={"scene": LeveledPrompt(high_level=whole, low_level=low)})


def _where(box: Box) -> str:
    """'on the left'; nothing for a box that fills the picture."""
    return "" if (box.right - box.left) * (box.bottom - box.top) > 0.9 else PLACE_PHRASES[place_of(box)]


def region_list(regions: list[Region], *, sizes: bool = True) -> str:
    """'a red cat on the left, a moon at the top and a blue rocket on the right'."""
    parts = [region_phrase(region, sizes=sizes) for region in regions]
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def background_of(plan: ScenePlan) -> str | None:
    """What the scene prompt says after its list of the regions: 'at night', or empty. None if it is no such list."""
    text = plan.scene.high_level
    for sizes in (True, False):  # plans that come from a brief leave sizes to the regions
        body = region_list(plan.regions, sizes=sizes)
        if text.lower().startswith(body.lower()):
            return text[len(body) :].lstrip(" ,")
    return None


def replace_background(plan: ScenePlan, background: str, mood: str = "") -> ScenePlan:
    """The plan at another place or time. `mood`: its new low level; empty to keep it. Raises ValueError if the scene
    prompt is no list of the regions, so that it is not known what in it is the background."""
    if background_of(plan) is None:
        raise ValueError("this picture's scene prompt is not in a form whose background can be told from the rest")
    scene = LeveledPrompt(
        high_level=_joined(region_list(plan.regions), background), low_level=mood or plan.scene.low_level
    )
    return plan.model_copy(update={"scene": scene})


def sync_scene_prompt(before: ScenePlan, after: ScenePlan) -> ScenePlan:
    """`after`, with places in the prompts of regions that moved, and with a scene prompt that names what is there now.

    A scene prompt that differs already is left as it is.
    """
    known = {region.name: region for region in before.regions}
    regions = [_moved(known.get(region.name), region) for region in after.regions]
    plan = after.model_copy(update={"regions": regions})
    if after.scene != before.scene:
        return plan
    background = background_of(before)
    if background is not None:
        text = _joined(region_list(regions), background)
    else:
        text = _replaced(before.scene.high_level, known, {region.name: region for region in regions})
    scene = LeveledPrompt(high_level=text[:1000], low_level=after.scene.low_level)
    return plan.model_copy(update={"scene": scene})


def sync_revision(revision: Revision, plan: ScenePlan) -> Revision:
    """The revision of a plan, with a scene prompt that follows what changes as `retold` says, unless it has its own."""
    after = revision.apply(plan)
    if not (revision.added or revision.removed or any(one.prompt or one.box for one in revision.changes)):
        return revision
    known, places = {region.name: region for region in plan.regions}, any(map(_has_place, plan.regions))

    def is_placed(region: Region) -> bool:
        if len(region.prompt.high_level) > 900:  # no room for it
            return False
        return _has_place(known[region.name]) if region.name in known else places

    # The scene says where a region is, as it did before; what was said of the region itself stays as it was said.
    told = [with_place(one) if is_placed(one) and not _has_place(one) else one for one in after.regions]
    scene = revision.scene or sync_scene_prompt(plan, after.model_copy(update={"regions": told})).scene
    regions = [_moved(known.get(one.name), one) if is_placed(one) else one for one in after.regions]
    said = after.model_copy(update={"regions": regions, "scene": scene})
    return Revision.between(plan, said, reason=revision.reason) or revision


def _has_place(region: Region) -> bool:
    return subject_of(region) != region.prompt.high_level.strip()


def _moved(was: Region | None, region: Region) -> Region:
    if was is None or was.box == region.box or was.prompt.high_level != region.prompt.high_level:
        return region
    return with_place(region) if place_of(was.box) != place_of(region.box) else region


def _joined(body: str, background: str) -> str:
    if not background:
        return body
    return f"{body}{' ' if background.split(' ')[0].lower() in PREPOSITIONS else ', '}{background}"


def _replaced(text: str, before: dict[str, Region], after: dict[str, Region]) -> str:
    """Words of changed regions replaced, of removed ones taken out where they are found, added ones at the end."""
    for name, was in before.items():
        becomes = after.get(name)
        if becomes == was:
            continue
        for old in (region_phrase(was), noun_phrase(was), noun_phrase(was).split(" ", 1)[1]):
            at = text.lower().find(old.lower())
            if at < 0:
                continue
            if becomes:
                new = region_phrase(becomes) if old == region_phrase(was) else noun_phrase(becomes)
                new = new if old == region_phrase(was) or old == noun_phrase(was) else new.split(" ", 1)[1]
                text = text[:at] + new + text[at + len(old) :]
            else:
                gone = re.compile(rf"(,? and |, |\bthe )?{re.escape(text[at : at + len(old)])}")
                text = gone.sub("", text, count=1).strip(" ,")
            break
    others = [region for name, region in after.items() if name not in before]
    if _WHERE.search(text) or not text:
        added = [region_phrase(region) for region in others]
    else:  # `with_layout` tells the places of all
        subjects = [re.escape(subject_of(was)) for was in before.values()]
        names_them = any(re.search(rf"\b{subject}", text, re.IGNORECASE) for subject in subjects)
        added = [noun_phrase(region) for region in others if names_them]
    return ", ".join([text, *added]) if text else " and ".join(added)
