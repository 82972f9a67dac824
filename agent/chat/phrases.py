"""Phrases about regions and scores, the parts of replies and questions. Pure functions."""

from collections.abc import Sequence
from itertools import permutations

from ...prompts.answers.planner_schema import sentence_of
from ...prompts.critique import Critique
from ...prompts.layout.token_owners import order_of
from ...prompts.plan import Region, ScenePlan
from ...prompts.prompt_style import background_of, noun_phrase, place_of, subject_of


def enumerated(parts: Sequence[str], joint: str = "and") -> str:
    """'a cat, a dog and a moon'."""
    return "".join(parts) if len(parts) < 2 else f"{', '.join(parts[:-1])} {joint} {parts[-1]}"


def located(region: Region) -> str:
    """'a red cat (left)'."""
    return f"{noun_phrase(region)} ({place_of(region.box)})"


def contents(plan: ScenePlan) -> str:
    """'a red cat (left) and a blue rocket (right)'; of a plan without regions its scene prompt."""
    return enumerated([located(region) for region in plan.regions]) if plan.regions else plan.scene.high_level


def absent(name: str, seen: str, plan: ScenePlan) -> str:
    """The question back about a name that nothing has. seen: what there is."""
    what = "Which one do you mean?" if plan.regions else "What should be different?"
    return f"There is no {name!r} here; I see {seen}. {what}"


def as_judged(region: Region, critique: Critique | None) -> str:
    """'a red cat (seen: red cat, 0.97)'; without a critique 'a red cat'."""
    scores = {score.name: score for score in critique.regions} if critique else {}
    judged = scores.get(region.name)
    if judged is None:
        return noun_phrase(region)
    result = "not judged" if judged.score is None else f"seen: {judged.seen}, {judged.score:.2f}"
    return f"{noun_phrase(region)} ({result})"


def score_text(score: float | None) -> str:
    """'0.97', or a dash if nothing was judged."""
    return "–" if score is None else f"{score:.2f}"


def with_article(region: Region) -> str:
    """'the red cat'."""
    head, _, rest = noun_phrase(region).partition(" ")
    return f"the {rest or head}"


def capitalised(words: str) -> str:
    return words[:1].upper() + words[1:]


def not_done(notes: Sequence[str]) -> str:
    """' I did not understand 'more bokeh'.': what follows a reply; empty without notes."""
    return "".join(f" {capitalised(note)}." for note in notes)


def change_reply(
    before: ScenePlan, after: ScenePlan, *, touched: Sequence[str], fresh: bool = False, notes: Sequence[str] = ()
) -> str:
    """'I changed the cat (white) and removed the rocket. I did not understand 'more bokeh'.' touched: the regions that
    it is about, apart from those that made room."""
    old = {region.name: region for region in before.regions}
    left = {region.name for region in after.regions}
    about = [region for region in after.regions if region.name in touched and region.name in old]
    new = [region for region in after.regions if region.name not in old]
    phrases = [phrase for region in about for phrase in _region_changes(old[region.name], region)]
    phrases += order_changes(before, after, [region.name for region in about])
    for text in dict.fromkeys(map(noun_phrase, new)):
        alike = [region for region in new if noun_phrase(region) == text]
        names = enumerated([region.name for region in alike])
        several = f"{sentence_of([(text, '')] * len(alike))} ({names})"
        phrases.append(f"added {located(alike[0]) if len(alike) == 1 else several}")
    phrases += [f"removed the {name}" for name in old if name not in left]
    still = [region for region in after.regions if region not in about and region not in new]
    aside = [region.name for region in still if region.box != old[region.name].box]
    phrases += [f"let the {enumerated(aside)} make room"] if aside else []
    phrases += _whole_changes(before, after)
    phrases += ["took new noise for all of it"] if fresh else []
    phrases = phrases or [f"changed the {name}" for name in touched if name in left and before != after]
    return f"I {enumerated(phrases)}.{not_done(notes)}" if phrases else not_done(notes).strip()


def _region_changes(was: Region, now: Region) -> list[str]:
    phrases, name = [], f"the {now.name}"
    another = not _words(subject_of(now)) <= _words(subject_of(was))  # 'cat' of 'red cat' is none
    if was.prompt.low_level != now.prompt.low_level:
        looks = now.prompt.low_level or "no looks of its own"
        phrases.append(f"changed {name} ({f'{subject_of(now)}, ' if another else ''}{looks})")
    elif subject_of(was) != subject_of(now):
        phrases.append(f"changed {name} ({subject_of(now)})")
    if was.lettering != now.lettering:
        phrases.append(f"let {name} read {now.lettering!r}" if now.lettering else f"took the text off {name}")
    if was.box != now.box:
        larger, same = now.box.area / was.box.area, abs(now.box.area / was.box.area - 1) < 0.02
        if same or place_of(now.box) != place_of(was.box):
            size = "" if same else f" and made it {_size_word(larger)}"
            phrases.append(f"moved {name} ({place_of(now.box)}){size}")
        else:
            phrases.append(f"made {name} {_size_word(larger)}")
    return phrases or ([f"took new noise for {name}"] if was.seed != now.seed else [])


def _words(subject: str) -> set[str]:
    return set(subject.lower().split()) - {"a", "an", "the"}


def order_changes(before: ScenePlan, after: ScenePlan, about: Sequence[str]) -> list[str]:
    """'put the moon behind the castle': what of two that overlap is in front now."""
    old, new = (
        {plan.regions[index].name: rank for rank, index in enumerate(order_of([r.z_order for r in plan.regions]))}
        for plan in (before, after)
    )
    moves: dict[tuple[str, str], list[str]] = {}  # of a region, in front of or behind: these
    for front, back in permutations([region for region in after.regions if region.name in old], 2):
        if old[front.name] < old[back.name] and new[front.name] > new[back.name] and front.box.overlap(back.box):
            if back.name in about and front.name not in about:
                moves.setdefault((back.name, "behind"), []).append(front.name)
            else:
                moves.setdefault((front.name, "in front of"), []).append(back.name)
    alike: dict[str, list[str]] = {}
    for (name, where), others in moves.items():
        alike.setdefault(f"{where} the {enumerated(others)}", []).append(name)
    return [f"put the {enumerated(names)} {where}" for where, names in alike.items()]


def _size_word(larger: float) -> str:
    return "larger" if larger > 1 else "smaller"


def _whole_changes(before: ScenePlan, after: ScenePlan) -> list[str]:
    phrases = []
    if (after.width, after.height) != (before.width, before.height):
        phrases.append(f"made the picture {after.width}×{after.height}")
    if after.style != before.style:
        phrases.append(f"changed the style ({after.style or 'none'})")
    if after.negative != before.negative:
        phrases.append(f"excluded {after.negative}" if after.negative else "excluded nothing any more")
    rest = background_of(after)
    if rest is not None and background_of(before) is not None:
        phrases += [f"changed the background ({rest or 'none'})"] if rest != background_of(before) else []
    elif after.scene.high_level != before.scene.high_level and after.regions == before.regions:
        phrases.append(f"changed the scene ({after.scene.high_level})")
    if after.scene.low_level != before.scene.low_level:
        phrases.append(f"changed the light and mood ({after.scene.low_level or 'none'})")
    return phrases
