"""Wording of plans: phrases of regions, and a scene prompt that stays consistent with them. Loads no model.

Scene prompts from `planner_schema.plan_from_answer` are lists ("a red cat on the left and a blue rocket on the right at
night") and can be rebuilt. In any other text only phrases of regions that occur in it are replaced.
"""

import re
from collections.abc import Callable
from itertools import product

from .answers.planner_schema import PLACE_PHRASES, PREPOSITIONS, article, sentence_of
from .layout.places import Place
from .plan import Box, LeveledPrompt, Region, ScenePlan
from .revision import Revision
from .wording import joined, mention, word_pattern

COLOURS = frozenset(
    "red orange yellow green blue purple pink white black brown grey gray crimson scarlet azure violet turquoise golden"
    " gold silver teal cyan magenta beige navy maroon bronze indigo olive lime rainbow lilac cream ivory coral"
    " amber".split()
)
SHADES = frozenset("dark light bright pale deep soft hot neon pastel dull vivid".split())
SIZES = frozenset("tiny small little big large huge giant".split())
# Words that give a position ('under' and 'over' are left out: they also occur with the sea and the sky).
_WHERE = re.compile(
    r"\b(?:left|right|top|bottom|upper|lower|cent(?:er|re)|middle|corners?|above|below|beneath|beside|between"
    r"|in front of|next to|side by side|rows?|columns?|grid|foreground)\b",
    re.IGNORECASE,
)
# A drawing style, as it stands between two commas of a prompt.
_KINDS = "style|3d render|illustration|painting|sketch|drawing|cartoon|watercolou?r|pixel art|photo(?:graph)?"
STYLE = rf"(?:[\w'-]+ ){{0,3}}(?:{_KINDS})"
Phrase = Callable[..., str]  # of a region, with or without its size
_ARTICLE = re.compile(r"^an? ", re.IGNORECASE)
_BEFORE = re.compile(r"(?:,? and |, |\bthe )$")  # goes with what stands after it
_COUNTED = re.compile(r"(?:the|some|many|several|two|three|four|five|six|\d+) ", re.IGNORECASE)  # takes no article
_PLACES = sorted(PLACE_PHRASES.values(), key=len, reverse=True)


def place_of(box: Box) -> Place:
    """The position nearest to the centre of a box."""
    x, y = box.centre
    across = "left" if x < 0.4 else "right" if x > 0.6 else ""
    down = "top" if y < 0.4 else "bottom" if y > 0.6 else ""
    place: Place = f"{down} {across}".strip() or "center"  # type: ignore[assignment]
    return place


def subject_of(region: Region) -> str:
    """The subject of a region without its position: 'cat' of 'cat on the left'."""
    text = region.prompt.high_level.strip()
    return next((text[: -len(p)].rstrip() for p in _PLACES if text.lower().endswith(" " + p)), text)


def colour_of(region: Region) -> str:
    """The colour of all of a region, where its low level begins or ends with it: 'dark blue' of 'striped dark blue,
    made of wool', 'red' of 'red with white spots'; else empty: 'soft ginger fur with white paws' may mean a part."""
    words = re.findall(r"[\w-]+", region.prompt.low_level.partition(",")[0])
    for index, word in enumerate(words):
        if word.lower() in COLOURS:
            start = index - 1 if index and words[index - 1].lower() in SHADES else index
            rest = words[index + 1 :]
            whole = not rest or (not start and rest[0].lower() in ("with", "and"))
            return " ".join(words[start : index + 1]) if whole else ""
    return ""


def noun_phrase(region: Region, *, sizes: bool = True) -> str:
    """'a red cat'; with `sizes` also 'a small red cat'. What is no Latin script gets no article."""
    first_words = region.prompt.low_level.lower().split()[:2]  # later ones may be of a part
    size = next((word for word in first_words if word in SIZES), "") if sizes else ""
    words = " ".join(part for part in (size, colour_of(region), _ARTICLE.sub("", subject_of(region))) if part)
    return words if _COUNTED.match(words) or words[:1] > "\u024f" else f"{article(words)} {words}"


def subject_phrase(region: Region) -> str:
    """'an astronaut', 'two owls': what a region shows, without its looks."""
    words = _ARTICLE.sub("", subject_of(region)) or region.name
    return words if _COUNTED.match(words) or words[:1] > "\u024f" else f"{article(words)} {words}"


def region_phrase(region: Region, *, sizes: bool = True) -> str:
    """A region's phrase in the scene prompt: 'a red cat on the left'; without position if its own prompt has none."""
    return f"{noun_phrase(region, sizes=sizes)} {_said_place(region)}".strip()


def _said_place(region: Region) -> str:
    """The position that a region's own prompt names, or nothing."""
    return region.prompt.high_level.strip()[len(subject_of(region)) :].strip()


def style_of(plan: ScenePlan) -> str:
    """The plan's drawing style; else what the scene's low level names, or its high level as '… style': 'glossy style';
    or ''."""
    if plan.style:
        return plan.style
    high, low = (prompt.split(",") for prompt in (plan.scene.high_level.lower(), plan.scene.low_level.lower()))
    styles = [part.strip() for part in high if part.endswith("style")] + [part.strip() for part in low]
    return ", ".join(part for part in dict.fromkeys(styles) if re.fullmatch(STYLE, part))


def without_style(text: str) -> str:
    """A scene's text without the sentences, and the parts between commas, that only name a drawing style: 'A knight at
    dusk.' of 'A knight at dusk. Oil painting.'; one that is nothing else stays."""
    sentences = [", ".join(_no_styles(sentence.split(", "))) for sentence in text.split(". ")]
    rest = ". ".join(sentence for sentence in sentences if sentence)
    return f"{rest}." if rest and text.endswith(".") and not rest.endswith(".") else rest or text


def styles_in(text: str) -> str:
    """What `without_style` leaves out: 'Oil painting' of 'A knight at dusk. Oil painting.'; or ''."""
    rest = re.split(r"[.,] ", without_style(text).rstrip("."))
    return ", ".join(part for part in re.split(r"[.,] ", text.rstrip(".")) if part not in rest)


def _no_styles(parts: list[str]) -> list[str]:
    texts = [part.strip().rstrip(".").lower() for part in parts]  # 'a painting' is a thing
    return [
        part for part, text in zip(parts, texts, strict=True) if _ARTICLE.match(text) or not re.fullmatch(STYLE, text)
    ]


def with_place(region: Region) -> Region:
    """Adds the position of its box to a region's high level. A free shape over the whole picture has no position."""
    if region.mask and not _where(region.box):
        return region
    text = text_at_place(subject_of(region), region.box)
    prompt = LeveledPrompt(high_level=text, low_level=region.prompt.low_level)
    return region.model_copy(update={"prompt": prompt})


def names_places(plan: ScenePlan) -> bool:
    """Whether the regions' own prompts name their places: 'cat on the left'."""
    return any(has_place(region) for region in plan.regions)


def text_at_place(subject: str, box: Box) -> str:
    """'cat on the left'."""
    return f"{subject} {PLACE_PHRASES[place_of(box)]}"


def with_layout(plan: ScenePlan) -> ScenePlan:
    """Appends the regions and their positions to a scene prompt that names no position: 'on the beach' → 'on the beach,
    cat on the left, rocket on the right'.

    Low levels are not copied. Regions that start later or do not act are left out. A plan with a single region in the
    middle is unchanged, and so is one whose scene prompt would exceed 300 characters: CLIP reads 77 tokens.
    """
    text, low = plan.scene.high_level, plan.scene.low_level
    acting = [region for region in plan.regions if region.strength > 0 and region.start == 0]
    phrases = [f"{subject_of(region)} {_where(region.box)}".strip() for region in acting]
    whole = ", ".join(part for part in (text, *phrases) if part)
    alone = len(plan.regions) == 1 and place_of(plan.regions[0].box) == "center"
    if alone or _WHERE.search(text) or len(whole) + len(low) > 300:
        return plan
    return plan.model_copy(update={"scene": LeveledPrompt(high_level=whole, low_level=low)})


def _where(box: Box) -> str:
    """'on the left'; nothing for a box that fills the picture."""
    return "" if (box.right - box.left) * (box.bottom - box.top) > 0.9 else PLACE_PHRASES[place_of(box)]


def region_list(regions: list[Region], *, sizes: bool = True) -> str:
    """'a red cat on the left, a moon at the top and a blue rocket on the right'; empty without regions."""
    return sentence_of([(noun_phrase(region, sizes=sizes), _said_place(region)) for region in regions])


def background_of(plan: ScenePlan) -> str | None:
    """The text after the list of regions in the scene prompt: 'at night', or empty. None if it has no such list."""
    text = plan.scene.high_level
    for sizes in (True, False):  # plans that come from a brief leave sizes to the regions
        body = region_list(plan.regions, sizes=sizes)
        if not body:
            return text.lstrip(" ,")
        if found := re.match(word_pattern(body), text, re.IGNORECASE):
            rest = text[found.end() :]
            if not rest or rest[0] in ",." or set(rest.lower().split()[:1]) & PREPOSITIONS:
                return rest.lstrip(" ,")
    return None


def sync_scene_prompt(before: ScenePlan, after: ScenePlan) -> ScenePlan:
    """Updates `after`: positions in the prompts of regions that moved, in plans whose prompts name positions, and the
    scene prompt, unless it already differs from that of `before`."""
    old = {region.name: region for region in before.regions}
    background = background_of(before)
    placed = background is not None or any(map(has_place, before.regions))
    regions = [_moved(old.get(region.name), region) if placed else region for region in after.regions]
    plan = after.model_copy(update={"regions": regions})
    if after.scene != before.scene:
        return plan
    if background is not None:
        text = with_background(region_list(regions), background)
    else:
        text = _replaced(before.scene.high_level, old, {region.name: region for region in regions})
    scene = LeveledPrompt(high_level=text[:1000], low_level=after.scene.low_level)
    return plan.model_copy(update={"scene": scene})


def sync_revision(revision: Revision, plan: ScenePlan) -> Revision:
    """The revision with an updated scene prompt (see `sync_scene_prompt`), unless it has one of its own."""
    after = revision.apply(plan)
    if not (revision.added or revision.removed or any(change.prompt or change.box for change in revision.changes)):
        return revision
    old, places = {region.name: region for region in plan.regions}, any(map(has_place, plan.regions))

    def is_placed(region: Region) -> bool:
        if len(region.prompt.high_level) > 900:  # no room for it
            return False
        return has_place(old[region.name]) if region.name in old else places

    # Positions are added only to phrase the scene prompt; the regions' own prompts keep their text.
    with_places = [with_place(part) if is_placed(part) and not has_place(part) else part for part in after.regions]
    scene = revision.scene or sync_scene_prompt(plan, after.model_copy(update={"regions": with_places})).scene
    regions = [_moved(old.get(part.name), part) if is_placed(part) else part for part in after.regions]
    synced = after.model_copy(update={"regions": regions, "scene": scene})
    return Revision.between(plan, synced, reason=revision.reason) or revision


def _bare_phrase(region: Region, *, sizes: bool) -> str:
    """'red cat'."""
    phrase = noun_phrase(region, sizes=sizes)
    return phrase.partition(" ")[2] or phrase


def has_place(region: Region) -> bool:
    """Whether a region's own prompt names its place."""
    return subject_of(region) != region.prompt.high_level.strip()


def _moved(was: Region | None, region: Region) -> Region:
    if was is None or was.box == region.box or was.prompt.high_level != region.prompt.high_level:
        return region
    return with_place(region) if place_of(was.box) != place_of(region.box) else region


def with_background(body: str, background: str) -> str:
    """A scene of things and what is behind them, which `background_of` finds again; either may be empty."""
    if not background or not body:
        return body or background
    return f"{body}{' ' if background.split(' ')[0].lower() in PREPOSITIONS else ', '}{background}"


def _replaced(text: str, before: dict[str, Region], after: dict[str, Region]) -> str:
    """Replaces phrases of changed regions, deletes those of removed ones and appends added ones; one that was added in
    the place of a removed one replaces its phrase."""
    others = [region for name, region in after.items() if name not in before]
    phrases: tuple[Phrase, ...] = (region_phrase, noun_phrase, _bare_phrase)
    for name, was in before.items():
        becomes = after.get(name) or next((region for region in others if region.box == was.box), None)
        if becomes == was:
            continue
        neighbours = [subject_of(region) for region in (*before.values(), *after.values()) if region.name != name]
        for phrase, sizes in product(phrases, (True, False)):
            old = phrase(was, sizes=sizes)
            found = mention(old, text, others=neighbours)
            if not found:
                continue
            at, old = found.start(), found[0]
            if becomes:
                new = phrase(becomes, sizes=sizes)
                new = new[:1].upper() + new[1:] if text[at].isupper() else new
                others = [region for region in others if region is not becomes]
                text = text[:at] + new + text[at + len(old) :]
            else:
                text = (_BEFORE.sub("", text[:at]) + text[at + len(old) :]).strip(" ,")
            break
    if _WHERE.search(text) or not text:
        added = [region_phrase(region) for region in others]
    else:  # `with_layout` appends the positions of all regions
        subjects = [re.escape(subject_of(was)) for was in before.values()]
        names_them = any(re.search(rf"\b{subject}", text, re.IGNORECASE) for subject in subjects)
        added = [noun_phrase(region) for region in others if names_them]
    return joined(text, *added) if text else " and ".join(added)
