"""How people speak of what is in a picture: by name, colour, place, kind, size, number, or as 'it'."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.brief_parts import pick, plural
from training.chat.scenes import Item, Scene
from training.tables import load_table

SYNONYMS: dict[str, tuple[str, ...]] = load_table("chat_words", "synonyms")
KINDS: dict[str, tuple[str, ...]] = load_table("chat_words", "kinds")
KIND_WORDS: dict[str, tuple[str, ...]] = load_table("chat_words", "kind_words")
ORDINALS: tuple[str, ...] = load_table("chat_words", "ordinals")
NUMBERS: tuple[str, ...] = load_table("chat_words", "numbers")
AFTER: tuple[str, ...] = load_table("chat_words", "after_nouns")
PEOPLE = set(KINDS["person"])
APART = 0.12  # of the canvas: what is further left than that can be called the left one


@dataclass(frozen=True)
class Mention:
    """Words for some things of a scene. noun: what one of them is called, for 'a bigger {n}'."""

    text: str
    names: tuple[str, ...]
    noun: str
    several: bool = False
    pronoun: bool = False


def kind_of(subject: str) -> str:
    return next((kind for kind, nouns in KINDS.items() if subject in nouns), "")


def _kinds(subject: str) -> set[str]:
    kinds = {kind for kind, nouns in KINDS.items() if subject in nouns}
    return kinds | ({"animal"} if kinds & {"bird", "insect"} else set()) | ({"plant"} if "flower" in kinds else set())


def mention(rng: np.random.Generator, scene: Scene, item: Item, *, pronouns: bool = True) -> Mention:
    """One thing, so that it can be no other one of the scene."""
    others = [other for other in scene.items if other.name != item.name]
    options = [*_by_noun(rng, scene, item, others), *_by_other_words(rng, item, others)]
    touched = scene.touched == (item.name,) or (len(scene.items) == 1 and not scene.touched)
    if pronouns and touched:
        words = ("it", "it", "it", "it", "that", "that one", "this", "this one", "that thing")
        options.append((14.0, pick(rng, words), True))
        if item.subject in PEOPLE or kind_of(item.subject) == "animal":
            options.append((1.5, pick(rng, ("him", "her", "it", "the little guy", "that guy")), True))
    if scene.touched and len(scene.items) == 2 and scene.touched == (others[0].name,):
        options.append((4.0, pick(rng, ("the other one", "the other", "the other thing", "the second one")), True))
    weights = np.array([weight for weight, _, _ in options])
    _, words, whole = options[int(rng.choice(len(options), p=weights / weights.sum()))]
    if whole:
        return Mention(words, (item.name,), item.subject, pronoun=words in ("it", "that", "this", "him", "her"))
    lead = pick(rng, ("the ",) * 15 + ("", "", "", "that ", "this ", "my "))
    after = f" {pick(rng, AFTER)}" if lead and rng.random() < 0.03 else ""
    return Mention(f"{lead}{words}{after}", (item.name,), item.subject)


def _by_noun(rng: np.random.Generator, scene: Scene, item: Item, others: list[Item]) -> list[tuple[float, str, bool]]:
    noun, same = item.subject, [other for other in others if other.subject == item.subject]
    if not same:
        options = [(14.0, noun, False)]
        if item.colour:
            options.append((2.5, f"{item.colour} {noun}", False))
        options.append((0.8, f"{noun} {_where(item)}", False))
        taken = {word for other in others for word in (other.subject, *SYNONYMS.get(other.subject, ()))}
        if words := [word for word in SYNONYMS.get(noun, ()) if word not in taken]:
            options.append((3.0, pick(rng, words), False))
        return options
    options = [(1.5, item.name, False)]
    number = [i.name for i in scene.items if i.subject == noun].index(item.name)
    options.append((1.5, f"{ORDINALS[number]} {noun}", False))
    options.append((0.7, pick(rng, (f"{noun} number {number + 1}", f"{noun} no {number + 1}")), True))
    if item.colour and all(item.colour != other.colour for other in same):
        options.append((6.0, f"{item.colour} {noun}", False))
    for side in _sides(item, same):
        options += [(2.5, f"{side} {noun}", False), (2.0, f"{noun} {_on(side)}", False)]
    if len(same) == 1 and scene.touched == (same[0].name,):
        options.append((4.0, f"other {noun}", False))
    options += [(1.5, f"{word} {noun}", False) for word in _sizes(item, same)]
    return options


def _by_other_words(rng: np.random.Generator, item: Item, others: list[Item]) -> list[tuple[float, str, bool]]:
    options: list[tuple[float, str, bool]] = []
    if item.colour and all(item.colour != other.colour for other in others) and others:
        options.append((2.0, f"{item.colour} {pick(rng, ('one', 'one', 'one', 'thing'))}", False))
    if others:
        for side in _sides(item, others):
            form = pick(rng, ("{s} one", "{s} one", "one {on}", "thing {on}", "thing {on}", "{s} thing"))
            options.append((1.0, form.format(s=side, on=_on(side)), False))
        options += [(1.6, f"{word} one", False) for word in _sizes(item, others)]
        if all(other.place != item.place for other in others):
            options.append((1.0, f"{pick(rng, ('one', 'thing', 'object'))} {_where(item)}", False))
    for kind in sorted(_kinds(item.subject)):
        if not any(kind in _kinds(other.subject) for other in others):
            options.append((2.0, pick(rng, KIND_WORDS[kind]), False))
    if item.detail and " " not in item.detail and all(other.detail != item.detail for other in others) and others:
        options.append((1.5, f"{item.detail} one", False))
        options.append((1.0, f"{item.detail} {item.subject}", False))
    return options


def _sides(item: Item, others: list[Item]) -> list[str]:
    """The sides on which the thing stands farthest out: 'left', 'top'."""
    sides = []
    if all(item.x < other.x - APART for other in others):
        sides.append("left")
    if all(item.x > other.x + APART for other in others):
        sides.append("right")
    if all(item.y < other.y - APART for other in others):
        sides.append("top")
    if all(item.y > other.y + APART for other in others):
        sides.append("bottom")
    if len(others) == 2 and any(o.x < item.x - APART for o in others) and any(o.x > item.x + APART for o in others):
        sides.append("middle")
    return sides


def _sizes(item: Item, others: list[Item]) -> list[str]:
    if all(item.area > 1.5 * other.area for other in others):
        return ["bigger"] if len(others) == 1 else ["biggest", "big", "largest"]
    if all(1.5 * item.area < other.area for other in others):
        return ["smaller"] if len(others) == 1 else ["smallest", "small", "tiniest"]
    return []


def _on(side: str) -> str:
    return {"left": "on the left", "right": "on the right", "middle": "in the middle"}.get(side, f"at the {side}")


def _where(item: Item) -> str:
    if item.place == "center":
        return "in the middle"
    return f"in the {item.place}" if " " in item.place else _on(item.place)


def mention_several(rng: np.random.Generator, scene: Scene, items: Sequence[Item]) -> Mention:
    """Some or all things of a scene in one phrase."""
    chosen = {item.name for item in items}
    names = tuple(item.name for item in scene.items if item.name in chosen)
    noun = items[0].subject
    options: list[tuple[float, str]] = []
    first, *rest = [mention(rng, scene, item, pronouns=False).text for item in items]
    listed = f"{', '.join([first, *rest[:-1]])}{pick(rng, (' and ', ' and ', ' & ', ' and also ', ' plus '))}{rest[-1]}"
    options.append((3.0, listed))
    outside = [item for item in scene.items if item.name not in chosen]
    if not outside:
        if len(items) == 2:
            options.append((4.0, pick(rng, ("both", "both of them", "the two", "both things", "them", "them both"))))
        else:
            words = ("everything", "all of them", "them all", "all things", "every thing", "all", "all the things")
            options.append((4.0, pick(rng, words)))
            options.append(
                (1.5, pick(rng, (f"all {NUMBERS[len(items) - 1]}", f"the {NUMBERS[len(items) - 1]} of them")))
            )
    if len({item.subject for item in items}) == 1 and all(o.subject != noun for o in outside):
        words = (f"the {plural(noun)}", f"all {plural(noun)}", f"both {plural(noun)}", f"the two {plural(noun)}")
        options.append((8.0, pick(rng, words[: 2 if len(items) != 2 else 4])))
    for kind in sorted(set.intersection(*(_kinds(item.subject) for item in items))):
        if all(kind not in _kinds(other.subject) for other in outside):
            options.append((5.0, f"{pick(rng, ('the', 'all', 'all the'))} {plural(pick(rng, KIND_WORDS[kind]))}"))
    colours = {item.colour for item in items}
    if len(colours) == 1 and items[0].colour and all(o.colour != items[0].colour for o in outside):
        options.append((4.0, f"{pick(rng, ('the', 'all'))} {items[0].colour} {pick(rng, ('ones', 'things'))}"))
    if scene.touched and set(scene.touched) == chosen:
        options.append((5.0, pick(rng, ("them", "these", "those", "they"))))
    if len(outside) == 1:
        what = mention(rng, scene, outside[0], pronouns=False).text
        form = pick(
            rng, ("everything but {y}", "everything except {y}", "all but {y}", "all except {y}", "everyone but {y}")
        )
        options.append((3.0, form.format(y=what)))
        if scene.touched == (outside[0].name,):
            options.append((3.0, pick(rng, ("the others", "the rest", "all the others", "the other ones"))))
    weights = np.array([weight for weight, _ in options])
    text = options[int(rng.choice(len(options), p=weights / weights.sum()))][1]
    return Mention(text, names, noun, several=True, pronoun=text in ("them", "they"))
