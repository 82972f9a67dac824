"""One synthetic chat example: the prompt as `chat_prompt` makes it, and the right rows.

The rules that every answer follows, so that it can be had from the prompt alone:

- names as they stand in the plan's lines; what is not there by its own noun, and one of two twins that is not told
  apart by the noun without a number: code asks back;
- colours and looks as they were said, in English; what is new has the usual colour of its noun if none is said;
- "it" is what was touched last, or the only thing; with several things and nothing touched it is asked about;
- backgrounds as the planner names them; what is praised or is to stay as it is, is no change;
- a message that takes the last one back ("no, the dog") is an undo and the change it meant;
- another picture is a brief: its words, or nothing where the whole message is the brief.
"""

import json
from collections.abc import Callable
from typing import Any

import numpy as np

from ditpipe.prompts.answers.chat_rows import chat_prompt
from training.brief_parts import pick, plural
from training.brief_words import BACKGROUND_PHRASES, ELSEWHERE
from training.briefs import brief_and_answer
from training.chat.foreign import foreign_wish
from training.chat.mentions import mention
from training.chat.noise import typed
from training.chat.scenes import Scene, colour, new_scene, noun
from training.chat.wishes import (
    AT,
    TO,
    WAYS,
    Row,
    Wish,
    any_wish,
    fill,
    look,
    missing,
    move,
    nudge,
    patterns,
    remove,
    several_looks,
    size,
    two_in_one,
    which,
)  # fmt: skip
from training.tables import load_table

Example = tuple[str, list[Row]]  # a prompt and its answer
LabelledMessage = tuple[str, list[Row]]  # a message and its rows
IMPERATIVE = frozenset("make paint colour color turn change try set recolor recolour dye show render give put add draw let place throw stick pop include insert remove delete take get erase kill drop hide replace swap exchange transform move shift bring drag push send nudge scoot switch enlarge scale grow shrink reduce redraw keep leave".split())  # fmt: skip
REFUSALS = ("no", "no thanks", "nope", "stop", "cancel", "don't draw that", "not this", "no, not like that", "forget it", "nah", "not what i want", "wait, no", "i don't want that", "reject", "discard it", "nein", "lieber nicht", "no gracias", "non", "不要")  # fmt: skip
NOUNS: dict[str, tuple[str, ...]] = load_table("chat_talk", "nouns")


def talk(name: str) -> tuple:  # type: ignore[type-arg]
    return tuple(load_table("chat_talk", name))


# Times that keep their own words, where a brief's planner takes them for a background of the pocket world: 'at dawn'.
OWN_TIMES = frozenset(words for _, words in talk("times")) - set(BACKGROUND_PHRASES)


def maybe_touched(rng: np.random.Generator, scene: Scene, share: float = 0.55) -> Scene:
    if not scene.items or rng.random() > share:
        return scene
    count = min(len(scene.items), 2 if rng.random() < 0.15 else 1)
    return scene.touching(*(scene.items[i].name for i in sorted(rng.permutation(len(scene.items))[:count])))


def framed(rng: np.random.Generator, scene: Scene, text: str, names: tuple[str, ...]) -> str:
    """The wish with manners around it, or with what is to stay as it is."""
    form = rng.random()
    if form < 0.62 or "?" in text:
        return text
    rest = [item for item in scene.items if item.name not in names]
    if form < 0.68 and rest:
        other = mention(rng, Scene(scene.plan, scene.items), pick(rng, rest), pronouns=False).text
        return str(pick(rng, patterns("undone_frames")).format(cmd=text, y=other))
    frame = pick(rng, patterns("rest_frames"))
    while "{imp}" in frame and text.split(" ")[0] not in IMPERATIVE:
        frame = pick(rng, patterns("rest_frames"))
    return str(frame.format(cmd=text, imp=text))


def scene_wish(rng: np.random.Generator, scene: Scene) -> Wish:
    """A wish about the whole picture."""
    form = rng.random()
    if form < 0.26:
        text, words = pick(rng, talk("times"))
        return Wish(text, (["scene", "background", words],))
    if form < 0.38:
        name = pick(rng, tuple(BACKGROUND_PHRASES))
        phrase = pick(rng, [phrase for phrase in BACKGROUND_PHRASES[name] if phrase not in OWN_TIMES])
        return Wish(pick(rng, talk("background")).format(bg=phrase), (["scene", "background", name],))
    if form < 0.48:
        name = pick(rng, tuple(NOUNS))
        return Wish(
            pick(rng, talk("background_noun")).format(bn=pick(rng, NOUNS[name])), (["scene", "background", name],)
        )
    if form < 0.56:
        words = pick(rng, ELSEWHERE)
        return Wish(pick(rng, talk("background")).format(bg=words), (["scene", "background", words],))
    if form < 0.72:
        text, words = pick(rng, talk("light"))
        return Wish(text, (["scene", "light", words],))
    if form < 0.84:
        said, style = pick(rng, talk("styles"))
        return Wish(pick(rng, talk("style_frames")).format(s=said), (["scene", "style", style],))
    if form < 0.92:
        text, words = pick(rng, talk("format"))
        return Wish(text, (["scene", "format", words],))
    there = {word for item in scene.items for word in (item.subject, plural(item.subject))}
    unwanted = pick(rng, [words for words in talk("without") if not there & set(words.split())])
    return Wish(pick(rng, talk("without_frames")).format(s=unwanted), (["scene", "without", unwanted],))


def one_change(rng: np.random.Generator, scene: Scene) -> LabelledMessage:
    form = rng.random()
    unsure = which(rng, scene) if form < 0.05 else None
    if form > 0.93:
        wish = two_in_one(rng, scene, scene.items)
        return framed(rng, scene, wish.text, wish.names), list(wish.rows)
    wish = unsure or (missing(rng, scene) if form < 0.11 else any_wish(rng, scene, scene.items))
    if wish.rows[0][0] == "keep":  # says already what is to stay
        return wish.text, list(wish.rows)
    return framed(rng, scene, wish.text, wish.names), list(wish.rows)


def scene_change(rng: np.random.Generator, scene: Scene) -> LabelledMessage:
    wish = scene_wish(rng, scene)
    return framed(rng, scene, wish.text, ()), list(wish.rows)


def several_changes(rng: np.random.Generator, scene: Scene) -> LabelledMessage | None:
    """Two or three wishes in one message."""
    if len(scene.items) < 2:
        return None
    if rng.random() < 0.2:
        wish = several_looks(rng, scene, scene.items)
        return framed(rng, scene, wish.text, wish.names), list(wish.rows)
    text, rows, used, current = "", list[Row](), set[str](), scene
    for turn in range(2 if rng.random() < 0.8 else 3):
        free = [item for item in scene.items if item.name not in used]
        if rng.random() < 0.14:
            wish = scene_wish(rng, scene)
        elif turn and len(current.touched) == 1 and current.touched[0] in used and rng.random() < 0.4 and rows[-1][0] in ("look", "size", "move", "nudge"):  # fmt: skip
            same = [item for item in scene.items if item.name == current.touched[0]]
            wish = pick(rng, (look, size, move, nudge))(rng, current, same)
        else:
            wish = any_wish(rng, current if not turn else Scene(scene.plan, scene.items), free)
        if any(row[0] in ("keep", "redraw") for row in wish.rows) and rows:
            continue
        used |= set(wish.names) | {name for row in wish.rows for part in row if isinstance(part, list) for name in part}
        text = f"{text}{pick(rng, patterns('joints'))}{wish.text}" if text else wish.text
        rows += wish.rows
        current = scene.touching(*wish.names[:1]) if len(wish.names) == 1 else Scene(scene.plan, scene.items)
        if any(row[0] == "keep" or (row[0] == "remove" and len(row[1]) == len(scene.items)) for row in rows):
            break
    return framed(rng, scene, text, tuple(used)), rows


def correction(rng: np.random.Generator) -> tuple[Scene, str, list[Row], str]:
    """A message that can only be understood with the one before it."""
    scene = new_scene(rng, least=2)
    order = rng.permutation(len(scene.items))
    item, other = scene.items[order[0]], scene.items[order[1]]
    bare = Scene(scene.plan, scene.items)
    scene = scene.touching(item.name)
    form = rng.random()
    said = mention(rng, bare, item, pronouns=False)
    if form < 0.25:
        text, kind, value = pick(rng, load_table("chat_words", "more"))
        table = load_table("chat_changes", "size")
        larger = (
            value > 1 or "big" in text or "large" in text or text in ("too much", "a bit less", "less", "etwas weniger")
        )
        before = fill(rng, table["1.4" if larger else "0.7"], bare, said)
        return scene, text, [[kind, [item.name], value]], before
    if form < 0.37:
        way = pick(rng, tuple(WAYS))
        before = fill(rng, patterns("nudge")[:20], bare, said, way=pick(rng, WAYS[way]), opposite="")
        return scene, pick(rng, load_table("chat_words", "further")), [["nudge", [item.name], way]], before
    old, new = item.colour, colour(rng)
    while new == old:
        new = colour(rng)
    before = fill(rng, patterns("look"), bare, said, look=old or "red")
    if form < 0.55:
        text = pick(rng, load_table("chat_words", "other_colour")).format(c=new, d=old or "red")
        return scene, text, [["look", [item.name], new]], before
    target = mention(rng, scene, other)
    wish = pick(rng, (look, look, remove, size))(rng, bare, [item])
    if len(wish.rows) > 1 or wish.rows[0][1] != [item.name]:
        wish = Wish(before, (["look", [item.name], old or "red"],))
    kind = wish.rows[0][0]
    before = wish.text
    again = [kind, [other.name], *wish.rows[0][2:]]
    if form < 0.78 and kind != "remove":
        text = pick(rng, load_table("chat_words", "also")).format(x=target.text)
        if rng.random() < 0.12:
            rest = [i.name for i in scene.items if i.name != item.name]
            return scene, pick(rng, load_table("chat_words", "also_all")), [[kind, rest, *wish.rows[0][2:]]], before
        return scene, text, [again], before
    wrong = pick(rng, load_table("chat_words", "wrong_one")).format(x=target.text, y=said.text)
    if kind == "remove":
        wrong, again = (
            pick(rng, load_table("chat_words", "also")).format(x=mention(rng, bare, other, pronouns=False).text),
            ["remove", [other.name]],
        )
        return scene, wrong, [again], before
    return scene, wrong, [["undo", 1], again], before


def answer_back(rng: np.random.Generator) -> tuple[Scene, str, list[Row], str]:
    """The answer to a question back; or another wish, which leaves the question."""
    scene = new_scene(rng, least=2)
    form = rng.random()
    if form < 0.25:
        wish = any_wish(rng, scene, scene.items)
        before = missing(rng, scene).text if rng.random() < 0.5 else pick(rng, talk("chatter"))
        return scene, wish.text, list(wish.rows), before
    unsure = which(rng, scene) or missing(rng, scene)
    row = unsure.rows[0]
    twins = [item for item in scene.items if item.subject == row[1][0]]
    item = pick(rng, twins or scene.items)
    if row[0] == "move" and item.name in row[3]:
        row = ["move", row[1], "left", []]
        unsure = Wish(f"move the {unsure.rows[0][1][0]} to the left", (row,))
    if len(twins) == 2 and rng.random() < 0.2:
        return (
            scene,
            pick(rng, ("both", "both of them", "all of them", "the two of them", "both please")),
            [[row[0], [t.name for t in twins], *row[2:]]],
            unsure.text,
        )
    text = mention(rng, scene, item, pronouns=False).text
    text = pick(
        rng,
        (
            "{x}",
            "{x}",
            "{x}",
            "i mean {x}",
            "{x} please",
            "{x} of course",
            "i meant {x}",
            "{x}!",
            "oh, {x}",
            "sorry, {x}",
            "well {x}",
        ),
    ).format(x=text)
    return scene, text, [[row[0], [item.name], *row[2:]]], unsure.text


def praise(rng: np.random.Generator, scene: Scene) -> LabelledMessage:
    """What sounds like a wish and is none."""
    who = mention(rng, scene, item := pick(rng, scene.items))
    options = patterns_of("praise", needs_two=len(scene.items) > 1)
    other = next((mention(rng, scene, o, pronouns=False).text for o in scene.items if o.name != item.name), "")
    place = pick(rng, AT[item.place])
    text = fill(
        rng,
        [o for o in options if item.colour or "{look}" not in o],
        scene,
        who,
        look=item.colour,
        y=other,
        place=place,
    )
    return text, [["accept"]]


def patterns_of(name: str, *, needs_two: bool) -> list[str]:
    return [pattern for pattern in talk(name) if needs_two or "{y}" not in pattern]


def question(rng: np.random.Generator, scene: Scene) -> LabelledMessage:
    form = rng.random()
    if form < 0.33:
        text, about = pick(rng, talk("what"))
        if not about:
            return text, [["question", "what", []]]
        who = mention(rng, scene, pick(rng, scene.items))
        if rng.random() < 0.15:
            absent = missing(rng, scene).rows[0][1][0]
            return (
                pick(
                    rng,
                    (
                        "is there a {n}?",
                        "do you see a {n}",
                        "where's the {n}?",
                        "did you draw a {n}?",
                        "what colour is the {n}?",
                    ),
                ).format(n=absent),
                [["question", "what", [absent]]],
            )
        return (
            fill(rng, (text,), scene, who, look=colour(rng))
            if "{n}" not in text or unique(scene, who.noun)
            else "what do you see?",
            [["question", "what", list(who.names) if "{n}" not in text or unique(scene, who.noun) else []]],
        )
    if form < 0.5:
        item = pick(rng, scene.items)
        who = mention(rng, scene, item)
        text = fill(rng, talk("where_is"), scene, who, place=pick(rng, AT[pick(rng, tuple(AT))]))
        return text, [["question", "where", list(who.names)]]
    if form < 0.53:
        return pick(rng, talk("where_all")), [["question", "where", []]]
    if form < 0.58:
        place = pick(rng, tuple(AT))
        return pick(rng, talk("what_at")).format(place=pick(rng, AT[place])), [["question", "what", [place]]]
    if form < 0.62:
        return pick(rng, talk("how_many"))[0], [["question", "how many", []]]
    if form < 0.7:
        subject = pick(rng, scene.items).subject
        names = [item.name for item in scene.items if item.subject == subject]
        if rng.random() < 0.2:
            subject = missing(rng, scene).rows[0][1][0]
            names = [subject]
        text = pick(rng, talk("how_many_of")).format(n=subject, ns=plural(subject))
        return text, [["question", "how many", names]]
    if form < 0.8:
        return pick(rng, talk("score")), [["question", "score", []]]
    if form < 0.9:
        return pick(rng, talk("can_draw")), [["question", "can draw", []]]
    return pick(rng, talk("help")), [["question", "help", []]]


def unique(scene: Scene, subject: str) -> bool:
    return sum(item.subject == subject for item in scene.items) == 1


def ask_back(rng: np.random.Generator, scene: Scene) -> LabelledMessage | None:
    """What nobody could understand, or nothing here can do."""
    form = rng.random()
    if form < 0.42:
        if len(scene.items) < 2 or scene.touched:
            return None
        text = pick(rng, talk("unclear_it")).format(
            look=colour(rng), place=pick(rng, TO[pick(rng, tuple(TO))]), z=noun(rng)
        )
        return text, [["ask", "it"]]
    if form < 0.75:
        pattern, what = pick(rng, talk("beyond"))
        who = mention(rng, scene, pick(rng, scene.items))
        usable = pattern if "{n}" not in pattern or unique(scene, who.noun) else "make it better"
        text = fill(rng, (usable,), scene, who, place=pick(rng, AT[pick(rng, tuple(AT))]))
        return text, [["ask", what if usable == pattern else "better"]]
    return pick(rng, talk("chatter")), [["ask", ""]]


def navigation(rng: np.random.Generator, scene: Scene) -> LabelledMessage:
    """Undo, redo, accept, another try."""
    form = rng.random()
    if form < 0.26:
        return pick(rng, talk("undo")), [["undo", 1]]
    if form < 0.34:
        count = int(rng.integers(2, 6))
        words = {2: ("two", "2"), 3: ("three", "3"), 4: ("four", "4"), 5: ("five", "5")}[count]
        return pick(rng, talk("undo_many"))[0].format(n=pick(rng, words)), [["undo", count]]
    if form < 0.45:
        text, steps = pick(rng, talk("redo"))
        return text, [["redo", steps]]
    if form < 0.75:
        return pick(rng, talk("accept")), [["accept"]]
    return pick(rng, talk("redraw")), [["redraw", []]]


def choice(rng: np.random.Generator, count: int) -> tuple[str, list[Row]]:
    number = int(rng.integers(1, count + 1))
    words, ordinals = load_table("chat_words", "numbers"), load_table("chat_words", "ordinals")
    text = pick(rng, talk("choose"))
    if number == count and rng.random() < 0.15 and "{o}" in text:
        return text.format(o="last"), [["choose", number]]
    spoken = str(number) if rng.random() < 0.6 or number > len(words) or not text.isascii() else words[number - 1]
    ordinal = ordinals[number - 1] if number <= len(ordinals) else f"{number}th"
    return text.format(n=spoken, o=ordinal), [["choose", number]]


def short_brief(rng: np.random.Generator, most: int) -> str:
    """A synthetic brief in one line."""
    while True:
        brief = brief_and_answer(rng)[0].strip()
        if len(brief) <= most and "\n" not in brief:
            return brief


def new_brief(rng: np.random.Generator, scene: Scene) -> LabelledMessage:
    """Another picture than the one that is there."""
    if rng.random() < 0.1:
        return pick(rng, talk("empty_accept")), [["ask", "new picture"]]
    brief = short_brief(rng, 70)
    if rng.random() < 0.5:
        brief = brief[:1].lower() + brief[1:]
    return pick(rng, talk("brief_frames")).format(b=brief), [["brief", brief.rstrip(".!")]]


def nothing_yet(rng: np.random.Generator) -> Example:
    """Messages while there is no picture."""
    form = rng.random()
    if form < 0.7:
        return chat_prompt(short_brief(rng, 130), None), [["brief", ""]]
    if form < 0.8:
        return chat_prompt(typed(rng, pick(rng, talk("help"))), None), [["question", "help", []]]
    if form < 0.86:
        return chat_prompt(typed(rng, pick(rng, talk("can_draw"))), None), [["question", "can draw", []]]
    if form < 0.91:
        return chat_prompt(typed(rng, pick(rng, talk("accept"))), None), [["accept"]]
    if form < 0.95:
        return chat_prompt(typed(rng, pick(rng, talk("undo"))), None), [["undo", 1]]
    return chat_prompt(typed(rng, pick(rng, talk("chatter"))), None), [["ask", ""]]


Kind = Callable[[np.random.Generator, Scene], LabelledMessage | None]
KINDS: tuple[tuple[Kind, float], ...] = (
    (one_change, 0.46), (several_changes, 0.13), (foreign_wish, 0.17), (scene_change, 0.1), (navigation, 0.06),
    (question, 0.06), (ask_back, 0.04), (praise, 0.03), (new_brief, 0.03),
)  # fmt: skip
MOMENTS = (0.03, 0.22, 0.08, 0.04, 0.03, 0.6)  # nothing yet, correction, answer back, choice, waiting, any


def chat_examples(rng: np.random.Generator, count: int = 1) -> list[Example]:
    """Messages that people could write at one moment of a conversation: their prompts differ in the last line only."""
    form = int(rng.choice(6, p=MOMENTS))
    if form == 0:
        return [nothing_yet(rng) for _ in range(count)]
    said, more, exact = list[LabelledMessage](), dict[str, Any](), False
    if form == 1:
        scene, text, rows, before = correction(rng)
        said, more = [(text, rows)], {"before": typed(rng, before)}
    elif form == 2:
        scene, text, rows, before = answer_back(rng)
        said, more = [(text, rows)], {"unclear": typed(rng, before)}
    else:
        scene = maybe_touched(rng, new_scene(rng))
        if form == 3:
            more, exact = {"candidates": int(rng.integers(2, 9))}, True
            said = [choice(rng, more["candidates"]) for _ in range((count + 1) // 2)]
        elif form == 4:
            more = {"waiting": True}
            refused = rng.random() < 0.6
            said = [(pick(rng, REFUSALS), [["undo", 1]]) if refused else (pick(rng, talk("accept")), [["accept"]])]
        elif rng.random() < 0.18:
            more = {"before": earlier(rng, scene)}
    examples = [(prompt(rng, scene, typed(rng, text, exact=exact), **more), rows) for text, rows in said]
    while len(examples) < count:
        examples.append(any_example(rng, scene, more))
    return [examples[i] for i in rng.permutation(count)]


def any_example(rng: np.random.Generator, scene: Scene, more: dict[str, Any]) -> Example:
    """A message of any kind about a plan."""
    odds = np.array([weight for _, weight in KINDS])
    said = None
    while said is None:
        kind = KINDS[int(rng.choice(len(KINDS), p=odds / odds.sum()))][0]
        said = kind(rng, scene)
    text, rows = said
    exact = rows[0][0] in ("brief", "undo", "choose") or (kind is scene_change and rng.random() < 0.7)
    return prompt(rng, scene, typed(rng, text, exact=exact), **more), rows


def chat_example(rng: np.random.Generator) -> Example:
    """The prompt and the rows of one message."""
    return chat_examples(rng)[0]


def prompt(rng: np.random.Generator, scene: Scene, text: str, **more: object) -> str:
    return chat_prompt(text, scene.plan, touched=scene.regions_touched, **more)  # type: ignore[arg-type]


def earlier(rng: np.random.Generator, scene: Scene) -> str:
    """The message before, which matters nothing now."""
    form = rng.random()
    if form < 0.4 or not scene.items:
        return scene.plan.scene.high_level
    touched = [item for item in scene.items if item.name in scene.touched]
    if form < 0.8 and touched:
        item = touched[0]
        who = mention(rng, Scene(scene.plan, scene.items), item, pronouns=False)
        return typed(rng, fill(rng, patterns("look"), scene, who, look=item.colour or "red"))
    if form < 0.9:
        return typed(rng, scene_wish(rng, scene).text)
    return typed(rng, pick(rng, talk("redraw")))


def answer_text(rows: list[Row]) -> str:
    """The answer's JSON, as the grammar of llama.cpp lets it be written and without spaces."""
    return json.dumps({"rows": rows}, ensure_ascii=False, separators=(",", ":"))
