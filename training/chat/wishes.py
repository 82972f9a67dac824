"""Wishes about things of a picture: one command each, in the words of the patterns of chat_changes.json."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ditpipe.prompts.answers.planner_schema import article
from training.brief_parts import pick, plural
from training.brief_words import AFTER_DETAILS, DETAILS
from training.chat.mentions import NUMBERS, SYNONYMS, Mention, kind_of, mention, mention_several
from training.chat.scenes import Item, Scene, colour, noun, usual_colour
from training.tables import load_table

Row = list[Any]
OPPOSITE = {"left": "right", "right": "left", "up": "down", "down": "up"}
SUBJECT_FORMS = {"them": "they", "him": "he", "her": "she", "them both": "they both"}
SLIPS: tuple[str, ...] = load_table("chat_changes", "slips")
AT: dict[str, tuple[str, ...]] = load_table("chat_words", "at")
TO: dict[str, tuple[str, ...]] = load_table("chat_words", "to")
RELATIONS: dict[str, tuple[str, ...]] = load_table("chat_words", "relations")
BETWEEN: tuple[str, ...] = load_table("chat_words", "between")
SOME: dict[int, tuple[str, ...]] = load_table("chat_words", "some")
WAYS: dict[str, tuple[str, ...]] = load_table("chat_words", "ways")
# Looks that no size is and no piece of clothing, which other rows say.
PLAIN_DETAILS = tuple(words for words in DETAILS if not {"tiny", "small", "big", "huge", "giant", "large", "enormous", "gigantic", "massive"} & set(words.split()))  # fmt: skip
WITH_PARTS = tuple(words for words in AFTER_DETAILS if words.startswith("with ") and not {"cape", "sunglasses", "scarf", "tie", "stripes", "dots", "surface"} & set(words.split()))  # fmt: skip
VERBS = ("make", "paint", "colour", "color", "turn", "change", "can you", "could you", "would you", "dye", "tint", "recolour", "repaint", "have {x}", "let {x}", "set")  # fmt: skip
MOVING = ("move", "shift", "bring", "drag", "push", "relocate", "reposition", "can you move", "would you mind")
PERCENT: dict[str, tuple[str, ...]] = load_table("chat_changes", "percent")
PARTS = {"more": (10, 15, 20, 25, 30, 40, 50, 60, 75, 80, 100), "less": (10, 15, 20, 25, 30, 40, 50, 60, 70), "to": (25, 40, 50, 60, 70, 75, 80, 90, 110, 120, 125, 150, 200)}  # fmt: skip
WAY_NAMES: dict[str, tuple[str, ...]] = load_table("chat_words", "way_names")


@dataclass(frozen=True)
class Wish:
    """Words and what they ask for; `names`: the things that they are about."""

    text: str
    rows: tuple[Row, ...]
    names: tuple[str, ...] = ()


def patterns(name: str) -> tuple[str, ...]:
    return tuple(load_table("chat_changes", name))


def usable(options: Sequence[str], scene: Scene, who: Mention) -> list[str]:
    """The patterns that may speak of these things: the bare noun is named only where one thing has it."""
    bare = not who.several and sum(item.subject == who.noun for item in scene.items) < 2
    return [o for o in options if bare or "{n}" not in o and "{ns}" not in o]


def fill(rng: np.random.Generator, options: Sequence[str], scene: Scene, who: Mention, **words: str) -> str:
    """One of the patterns, with the mention in it."""
    pattern = pick(rng, usable(options, scene, who))
    text = SUBJECT_FORMS.get(who.text, who.text) if pattern.startswith("{x}") else who.text
    return pattern.format_map({
        "x": text, "n": who.noun, "ns": plural(who.noun), "is": "are" if who.several else "is",
        "it": "them" if who.several else "it", "its": "their" if who.several else "its", **words,
    })  # fmt: skip


def target(rng: np.random.Generator, scene: Scene, free: Sequence[Item], *, several: float = 0.12) -> Mention:
    """Whom a wish is about: one thing, or more of them."""
    if len(free) > 1 and rng.random() < several:
        count = len(free) if rng.random() < 0.45 else int(rng.integers(2, len(free) + 1))
        chosen = [free[i] for i in rng.permutation(len(free))[:count]]
        same = [item for item in free if item.subject == chosen[0].subject]
        if len(same) > 1 and rng.random() < 0.6:
            chosen = same
        return mention_several(rng, scene, chosen)
    item = pick(rng, free)
    if len(scene.items) > 1 and scene.touched and rng.random() < 0.35:  # what was touched last is spoken of more often
        item = next((one for one in free if one.name == scene.touched[0]), item)
    who = mention(rng, scene, item)
    if rng.random() < 0.025 and len(scene.items) > 1:
        other = pick(rng, [one for one in scene.items if one.name != item.name])
        wrong = mention(rng, scene, other, pronouns=False).text
        return Mention(f"{wrong}{pick(rng, SLIPS)}{who.text}", who.names, who.noun)
    return who


def look(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    """New looks: mostly a colour."""
    who = target(rng, scene, free, several=0.12)
    form = rng.random()
    old = {item.colour for item in scene.items if item.name in who.names}
    if form < 0.6:
        new = colour(rng)
        while new in old:
            new = colour(rng)
        said = new if rng.random() > 0.04 else f"{colour(rng)}{pick(rng, SLIPS)}{new}"
        return Wish(fill(rng, patterns("look"), scene, who, look=said), (["look", list(who.names), new],), who.names)
    if form < 0.72:
        new = pick(rng, patterns("looks_plain")) if rng.random() < 0.6 else pick(rng, PLAIN_DETAILS)
        return Wish(
            fill(rng, patterns("look_more"), scene, who, look=new), (["look", list(who.names), new],), who.names
        )
    if form < 0.79:
        thing, new = pick(rng, load_table("chat_changes", "parts"))
        if rng.random() < 0.2:
            new = pick(rng, WITH_PARTS)
            thing = new.removeprefix("with ")
        return Wish(
            fill(rng, patterns("look_with"), scene, who, thing=thing), (["look", list(who.names), new],), who.names
        )
    if form < 0.86:
        thing = pick(rng, patterns("clothes"))
        if rng.random() < 0.2:
            shade = colour(rng)
            plain = re.sub("^an? ", "", thing)
            if plain != thing and " " not in plain:
                thing = f"{article(shade)} {shade} {plain}"
        row = ["look", list(who.names), f"wearing {thing}"]
        return Wish(fill(rng, patterns("look_wear"), scene, who, thing=thing), (row,), who.names)
    if form < 0.91:
        new = pick(rng, patterns("states"))
        return Wish(
            fill(rng, patterns("look_state"), scene, who, look=new), (["look", list(who.names), new],), who.names
        )
    if form < 0.94:
        act, new = pick(rng, load_table("chat_changes", "acts"))
        return Wish(
            fill(rng, patterns("act_frames"), scene, who, act=act), (["look", list(who.names), new],), who.names
        )
    if form < 0.97:
        others = [i for i in scene.items if i.colour and i.name not in who.names and i.colour not in old]
        if others:
            other = pick(rng, others)
            like = mention(rng, scene, other, pronouns=not who.pronoun).text
            row = ["look", list(who.names), other.colour]
            return Wish(fill(rng, patterns("look_like"), scene, who, y=like), (row,), who.names)
    shade, options = pick(rng, (("light", "complaint_dark"), ("dark", "complaint_light")))
    calm = Scene(scene.plan, scene.items)
    named = mention(rng, calm, pick(rng, [item for item in free if item.name in who.names]), pronouns=False)
    return Wish(fill(rng, patterns(options), calm, named), (["look", list(named.names), shade],), named.names)


def several_looks(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    """'the cat red, the dog blue': a verb that stands for more than one thing."""
    count = min(len(free), int(rng.integers(2, 4)))
    chosen = [free[i] for i in rng.permutation(len(free))[:count]]
    first, *rest = [(mention(rng, scene, item, pronouns=False).text, colour(rng)) for item in chosen]
    opening = pick(rng, ("make {x} {c}", "paint {x} {c}", "{x} {c}", "{x} should be {c}", "{x}: {c}", "turn {x} {c}", "i want {x} {c}", "colour {x} {c}", "{x} in {c}", "can you make {x} {c}"))  # fmt: skip
    rest_form = pick(
        rng,
        (
            "{x} {c}",
            "{x} {c}",
            "{x} in {c}" if "in" in opening else "{x} {c}",
            "{x}: {c}" if ":" in opening else "{x} {c}",
        ),
    )
    joint = pick(rng, (" and ", ", ", ", ", " and ", ", and ", " but ", "; ", " & "))
    parts = [opening.format(x=first[0], c=first[1]), *[rest_form.format(x=x, c=c) for x, c in rest]]
    text = joint.join(parts) if rng.random() < 0.6 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    rows = tuple(["look", [item.name], c] for item, (_, c) in zip(chosen, [first, *rest], strict=True))
    return Wish(text, rows, tuple(item.name for item in chosen))


@dataclass(frozen=True)
class New:
    """A new thing: its words with an article, and its fields in a row."""

    text: str
    fields: tuple[str, str, str]
    count: int = 1


def new_thing(rng: np.random.Generator, scene: Scene, *, counted: float = 0.14, not_those: bool = True) -> New:
    """A thing for 'add' and 'replace'; without a colour of its own it has the usual one."""
    there = {item.subject for item in scene.items}
    subject = noun(rng)
    while not_those and (subject in there or any(subject in SYNONYMS.get(one, ()) for one in there)):
        subject = noun(rng)
    said = colour(rng) if rng.random() < 0.45 else ""
    details = []
    if rng.random() < 0.12:
        details.append(pick(rng, load_table("chat_words", "sizes")))
    if rng.random() < 0.08:
        details.append(pick(rng, DETAILS))
    behind = pick(rng, AFTER_DETAILS) if not details and rng.random() < 0.04 else ""
    words = " ".join(part for part in (*details, said, subject) if part)
    count = pick(rng, (2, 2, 3, 3, 3, 4, 5, 6, 8, 10)) if rng.random() < counted else 1
    if count > 1:
        text = f"{pick(rng, SOME[count])} {words[: -len(subject)]}{plural(subject)}"
    else:
        lead = article(words)
        text = f"{pick(rng, (lead,) * 12 + ('one', 'the', 'some', '', 'my'))} {words}".strip()
    text += f" {behind}" if behind else ""
    return New(text, (subject, said or usual_colour(subject), behind or " ".join(details)), count)


def where(
    rng: np.random.Generator, scene: Scene, free: Sequence[Item], places: dict[str, tuple[str, ...]], *, related: float
) -> tuple[str, str, list[str]]:
    """A place in words, its field in a row, and the names that it is relative to."""
    free = [item for item in free if item.name]
    if free and rng.random() < related:
        if len(free) > 1 and rng.random() < 0.15:
            first, second = (free[i] for i in rng.permutation(len(free))[:2])
            y, z = (mention(rng, scene, item, pronouns=False).text for item in (first, second))
            text = pick(rng, BETWEEN).format(y=y, z=z)
            if len(scene.items) == 2 and rng.random() < 0.4:
                text = pick(
                    rng, ("between them", "between the two", "in between", "in between the two", "between both")
                )
                first, second = scene.items
            return text, "between", [first.name, second.name]
        relation, item = pick(rng, tuple(RELATIONS)), pick(rng, free)
        return pick(rng, RELATIONS[relation]).format(y=mention(rng, scene, item).text), relation, [item.name]
    place = pick(rng, tuple(places))
    text = pick(rng, places[place])
    if rng.random() < 0.03:
        text = f"{pick(rng, places[pick(rng, tuple(places))])}{pick(rng, SLIPS)}{text}"
    return text, place, []


def add(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    """Something new, somewhere or anywhere."""
    if free and rng.random() < 0.06:
        new, item = new_thing(rng, scene, counted=0), pick(rng, free)
        row = ["add", *new.fields, 1, "next to", [item.name]]
        return Wish(fill(rng, patterns("add_friend"), scene, mention(rng, scene, item), a=new.text), (row,))
    if scene.items and rng.random() < 0.11:
        return add_again(rng, scene, free)
    news = [new_thing(rng, scene)]
    if rng.random() < 0.12:
        news.append(new_thing(rng, scene))
    text = pick(rng, (" and ", " and ", ", ", " plus ", " and also ")).join(new.text for new in news)
    options, place, field, others = patterns("add"), "", "", list[str]()
    if rng.random() < 0.62:
        place, field, others = where(rng, scene, free, AT, related=0.42)
        options = tuple(option for option in options if "{where}" in option)
    else:
        options = tuple(option for option in options if "{where}" not in option)
    rows = tuple(["add", *new.fields, new.count, field, others] for new in news)
    return Wish(pick(rng, options).format(a=text, where=place), rows)


def add_again(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    """More of what is there: another one, another colour of it, so many of it in all."""
    item, form = pick(rng, scene.items), rng.random()
    there = sum(other.subject == item.subject for other in scene.items)
    forms = {"n": item.subject, "ns": plural(item.subject)}
    if form < 0.2 and there < 4:
        wanted = there + int(rng.integers(1, 4))
        spoken = (str(wanted), pick(rng, SOME[wanted])) if wanted in (2, 3, 4, 5) else (str(wanted),)
        spoken = tuple(words for words in spoken if words not in ("some", "a few", "a bunch of", "several"))
        text = pick(rng, patterns("count")).format(m=pick(rng, spoken), k=there, **forms)
        return Wish(text, (["add", item.subject, item.colour, item.detail, wanted - there, "", []],))
    if form < 0.3:
        count = int(rng.integers(2, 7))
        text = pick(rng, patterns("add_so_many")).format(m=pick(rng, (str(count), NUMBERS[count - 1])), **forms)
        return Wish(text, (["add", item.subject, item.colour, item.detail, count, "", []],))
    if form < 0.4:
        return Wish(
            pick(rng, patterns("add_many")).format(**forms),
            (["add", item.subject, item.colour, item.detail, 3, "", []],),
        )
    if there > 1:
        shade = colour(rng)
        text = pick(rng, ("another {n}, {c}", "one more {c} {n}", "add a {c} {n}", "a {c} {n} as well")).format(
            c=shade, **forms
        )
        return Wish(text, (["add", item.subject, shade, "", 1, "", []],))
    who = mention(rng, scene, item)
    if form < 0.6:
        place, field, others = where(rng, scene, free, AT, related=0.3)
        row = ["add", item.subject, item.colour, item.detail, 1, field, others]
        return Wish(fill(rng, patterns("add_more"), scene, who, where=place), (row,))
    if form < 0.82:
        shade = colour(rng)
        return Wish(
            fill(rng, patterns("add_other"), scene, who, look=shade), (["add", item.subject, shade, "", 1, "", []],)
        )
    row = ["add", item.subject, item.colour, item.detail, 1, "", []]
    return Wish(fill(rng, patterns("add_same"), scene, who), (row,))


def two_in_one(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    """'bigger and blue': two changes of one thing in one breath."""
    who, form = target(rng, scene, free, several=0.06), rng.random()
    names, shade = list(who.names), colour(rng)
    while shade in {item.colour for item in scene.items if item.name in who.names}:
        shade = colour(rng)
    bigger, factor = pick(rng, load_table("chat_words", "size_words"))
    others = [item for item in scene.items if item.name not in who.names]
    calm = scene if not who.pronoun else Scene(scene.plan, scene.items)
    to, field, beside = where(rng, calm, others, TO, related=0.3)
    rows = {"{look}": ["look", names, shade], "{size}": ["size", names, factor], "{to}": ["move", names, field, beside]}
    options = patterns("looks_bigger" if form < 0.45 else "moved_looks" if form < 0.75 else "moved_bigger")
    pattern = pick(rng, usable(options, scene, who))
    text = fill(rng, (pattern,), scene, who, look=shade, size=bigger, to=to)
    said = sorted((slot for slot in rows if slot in pattern), key=pattern.index)
    return Wish(text, tuple(rows[slot] for slot in said), who.names)


def remove(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    who = target(rng, scene, free, several=0.15)
    return Wish(fill(rng, patterns("remove"), scene, who), (["remove", list(who.names)],), who.names)


def keep(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    if len(scene.items) < 2:
        return remove(rng, scene, free)
    chosen = [
        scene.items[i]
        for i in rng.permutation(len(scene.items))[: 2 if len(scene.items) > 2 and rng.random() < 0.25 else 1]
    ]
    who = mention(rng, scene, chosen[0]) if len(chosen) == 1 else mention_several(rng, scene, chosen)
    if len(chosen) > 1 and (" but " in who.text or " except " in who.text):
        who = Mention(
            mention(rng, scene, chosen[0], pronouns=False).text
            + " and "
            + mention(rng, scene, chosen[1], pronouns=False).text,
            who.names,
            who.noun,
            several=True,
        )
    return Wish(fill(rng, patterns("keep"), scene, who), (["keep", list(who.names)],), who.names)


def replace(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    who = target(rng, scene, free, several=0.06)
    new = new_thing(rng, scene, counted=0)
    subject, shade, detail = new.fields
    text = new.text
    item = next(item for item in scene.items if item.name == who.names[0])
    if item.colour and len(who.names) == 1 and rng.random() < 0.06:
        shade = item.colour
        text = f"{article(subject)} {subject} {pick(rng, ('in the same colour', 'of the same colour', 'with the same colour', 'same colour'))}"
        detail = ""
    row = ["replace", list(who.names), subject, shade, detail]
    return Wish(fill(rng, patterns("replace"), scene, who, a=text), (row,), who.names)


def move(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    if len(scene.items) > 1 and rng.random() < 0.06:
        first, second = (scene.items[i] for i in rng.permutation(len(scene.items))[:2])
        y = mention(rng, scene, second, pronouns=False).text
        text = fill(rng, patterns("beside_each"), scene, mention(rng, scene, first), y=y)
        return Wish(text, (["move", [first.name], "next to", [second.name]],), (first.name, second.name))
    who = target(rng, scene, free, several=0.05)
    others = [item for item in scene.items if item.name not in who.names]
    calm = scene if not who.pronoun else Scene(scene.plan, scene.items, ())
    text, field, names = where(rng, calm, others, TO, related=0.5)
    return Wish(fill(rng, patterns("move"), scene, who, to=text), (["move", list(who.names), field, names],), who.names)


def nudge(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    who, way = target(rng, scene, free, several=0.08), pick(rng, tuple(WAYS))
    text = fill(
        rng, patterns("nudge"), scene, who, way=pick(rng, WAYS[way]), opposite=pick(rng, WAY_NAMES[OPPOSITE[way]])
    )
    return Wish(text, (["nudge", list(who.names), way],), who.names)


def swap(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    """Places or looks of two things."""
    if len(scene.items) < 2:
        return move(rng, scene, free)
    looks = rng.random() < 0.25
    kind = "swap looks" if looks else "swap"
    if len(scene.items) == 2 and rng.random() < 0.4:
        names = [item.name for item in scene.items]
        return Wish(pick(rng, patterns("swap_two_looks" if looks else "swap_two")), ([kind, *names],), tuple(names))
    first, second = (scene.items[i] for i in rng.permutation(len(scene.items))[:2])
    other = mention(rng, scene, second, pronouns=False).text
    text = fill(rng, patterns("swap_looks" if looks else "swap"), scene, mention(rng, scene, first), y=other)
    return Wish(text, ([kind, first.name, second.name],), (first.name, second.name))


def size(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    who = target(rng, scene, free, several=0.12)
    if rng.random() < 0.07:
        kind = pick(rng, tuple(PERCENT))
        part = pick(rng, PARTS[kind])
        factor = {"more": 1 + part / 100, "less": 1 - part / 100, "to": part / 100}[kind]
        return Wish(
            fill(rng, PERCENT[kind], scene, who, p=str(part)), (["size", list(who.names), round(factor, 2)],), who.names
        )
    table: dict[str, tuple[str, ...]] = load_table("chat_changes", "size")
    factors = tuple(table)
    odds = np.array([len(table[factor]) + 4 for factor in factors], dtype=float)
    factor = factors[int(rng.choice(len(factors), p=odds / odds.sum()))]
    return Wish(fill(rng, table[factor], scene, who), (["size", list(who.names), float(factor)],), who.names)


def redraw(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    who = mention(rng, scene, pick(rng, free), pronouns=False)
    return Wish(fill(rng, patterns("redraw"), scene, who), (["redraw", list(who.names)],), who.names)


def missing(rng: np.random.Generator, scene: Scene) -> Wish:
    """A wish about something that is not there, named as it was said: code asks back. Without a verb it would be one
    for something new."""
    subject = noun(rng)
    there = {item.subject for item in scene.items}
    close = {word for one in there for word in (one, *SYNONYMS.get(one, ()))}
    kinds = {kind_of(one) for one in there}
    while subject in close or any(subject in word or word in subject for word in close) or subject in kinds:
        subject = noun(rng)
    who = Mention(f"{pick(rng, ('the ', 'the ', 'the ', '', 'that '))}{subject}", (subject,), subject)
    form, names = rng.random(), [subject]
    if form < 0.35:
        new = colour(rng)
        return Wish(
            fill(rng, [p for p in patterns("look") if p.startswith(VERBS)], scene, who, look=new),
            (["look", names, new],),
        )
    if form < 0.6:
        return Wish(fill(rng, patterns("remove"), scene, who), (["remove", names],))
    if form < 0.75:
        text, field, others = where(rng, Scene(scene.plan, scene.items), scene.items, TO, related=0.3)
        return Wish(
            fill(rng, [p for p in patterns("move") if p.startswith(MOVING)], scene, who, to=text),
            (["move", names, field, others],),
        )
    if form < 0.9:
        factor = pick(rng, ("1.4", "0.7"))
        table = load_table("chat_changes", "size")
        return Wish(fill(rng, [p for p in table[factor] if "{x}" in p], scene, who), (["size", names, float(factor)],))
    new = new_thing(rng, scene, counted=0)
    return Wish(fill(rng, patterns("replace"), scene, who, a=new.text), (["replace", names, *new.fields],))


def which(rng: np.random.Generator, scene: Scene) -> Wish | None:
    """'the cat' where there are two: named without a number, and code asks which."""
    twins = sorted({i.subject for i in scene.items if sum(o.subject == i.subject for o in scene.items) > 1})
    if not twins:
        return None
    subject = pick(rng, twins)
    who = Mention(f"the {subject}", (subject,), subject)
    form = rng.random()
    if form < 0.5:
        new = colour(rng)
        return Wish(fill(rng, patterns("look"), scene, who, look=new), (["look", [subject], new],))
    if form < 0.75:
        return Wish(fill(rng, patterns("remove"), scene, who), (["remove", [subject]],))
    return Wish(fill(rng, load_table("chat_changes", "size")["1.4"], scene, who), (["size", [subject], 1.4],))


Kind = Callable[[np.random.Generator, Scene, Sequence[Item]], Wish]
KINDS: tuple[tuple[Kind, float], ...] = (
    (look, 0.27), (add, 0.2), (remove, 0.11), (move, 0.12), (size, 0.09), (replace, 0.09), (nudge, 0.04), (swap, 0.04),
    (keep, 0.025), (redraw, 0.025),
)  # fmt: skip


def any_wish(rng: np.random.Generator, scene: Scene, free: Sequence[Item]) -> Wish:
    """A wish of any kind; about `free` things of the scene."""
    if not free:
        return add(rng, scene, free)
    odds = np.array([weight for _, weight in KINDS])
    kind = KINDS[int(rng.choice(len(KINDS), p=odds / odds.sum()))][0]
    return kind(rng, scene, free)
