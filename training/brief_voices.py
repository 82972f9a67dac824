"""More voices of whole briefs: captions, dialogues, corrections, abbreviations, broken English, storyboards, prompts.

The answers follow the rules of `briefs`. Of what was corrected, the last word counts; 'it' and 'the animal' are
no further objects, nor are owners, purposes and what is not wanted.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ditpipe.prompts.answers.planner_schema import article
from ditpipe.prompts.layout.places import DEFAULT_PLACES as DEFAULT
from training.brief_manners import phrase
from training.brief_parts import (  # fmt: skip
    AT_PLACE,
    SPOTS,
    Source,
    Thing,
    Whole,
    bare,
    colour_of,
    distinct,
    group,
    joined,
    number_of,
    pick,
    plural,
    put,
    scenery,
)
from training.brief_records import FIELDS, field_of
from training.brief_words import MOODS, STYLES, USUAL_LIGHT
from training.tables import load_table

# Places as people say them in passing.
WHERE: dict[str, tuple[str, ...]] = load_table("voices", "where")
# Two objects: what is said of the first {0} and the second {1}, and where they stand.
RELATIONS: tuple[tuple[str, tuple[str, str]], ...] = load_table("voices", "relations")


def cast(rng: np.random.Generator, *, least: int = 1, most: int = 4, placed: float = 0.55, coloured: float = 0.9) -> tuple[list[Thing], list[str]]:
    """Different things where they stand, and the words for their places: '' where the brief says none."""
    count = number_of(rng, least=least, most=most)
    things = distinct(rng, count, 0.0 if rng.random() < 0.1 else coloured)
    if rng.random() >= placed:
        return put(things, DEFAULT[count]), [""] * count
    places = [str(place) for place in rng.permutation(pick(rng, SPOTS[count]))]
    return put(things, places), [pick(rng, WHERE[place]) for place in places]


def several(rng: np.random.Generator, *, most: int = 5) -> tuple[list[Thing], list[tuple[int, Thing]]]:
    """Things by the number, in their usual order: 'two cats and a dog'."""
    kinds = distinct(rng, int(rng.integers(1, 4)), 0.85)
    counts = [int(rng.choice([1, 2, 3], p=[0.55, 0.3, 0.15])) for _ in kinds]
    while sum(counts) > most:
        counts[int(np.argmax(counts))] -= 1
    things = [thing for thing, count in zip(kinds, counts, strict=True) for _ in range(count)]
    return put(things, DEFAULT[len(things)]), list(zip(counts, kinds, strict=True))


def said_where(things: list[Thing], words: list[str]) -> list[str]:
    """'a red cat on the left'."""
    return [f"{bare(thing)} {where}".strip() for thing, where in zip(things, words, strict=True)]


def upper(text: str) -> str:
    return text[:1].upper() + text[1:]


# Words around a phrase {b} and, after a space, the scenery {s}.
FRAMES: tuple[str, ...] = load_table("voices", "frames")


def framed(rng: np.random.Generator, body: Source) -> Whole:
    """Captions, alt text, stock photos, tweets, tickets, purposes, questions, hesitation."""
    text, things = phrase(rng, body)
    background, wording = scenery(rng, none=0.4)
    return Whole(pick(rng, FRAMES).format(b=text, s=f" {wording}" if wording else ""), things, background)


def shouted(rng: np.random.Generator, body: Source) -> Whole:
    """All capitals."""
    text, things = phrase(rng, body)
    background, wording = scenery(rng, none=0.4)
    text = pick(rng, ("{b}{s}", "{b}{s}!", "{b}{s}!!!", "I WANT {b}{s}", "ATTENTION PLEASE: {b}{s}", "SORRY CAPS LOCK IS STUCK. {b}{s}", "URGENT - {b}{s}", "DRAW {b}{s} NOW", "WANTED: {b}{s}", "TELEGRAM: {b}{s} STOP", "{b}{s} PLEASE AND THANK YOU")).format(b=text, s=f" {wording}" if wording else "")
    return Whole(text.upper(), things, background)


def art_director(rng: np.random.Generator, body: Source) -> Whole:
    """'Hero: a red cat, centre. Secondary: … Backdrop: … Keep it calm.'"""
    things, words = cast(rng, most=3)
    names = said_where(things, words)
    roles = pick(rng, (("Hero", "Secondary element", "Accent"), ("Main motif", "Second motif", "Third motif"), ("Key object", "Supporting object", "Extra"), ("Lead", "Support", "Detail"), ("First read", "Second read", "Third read"), ("A", "B", "C"), ("Layer 1", "Layer 2", "Layer 3")))
    lines = [f"{role}: {name}" for role, name in zip(roles, names, strict=False)]
    background, wording = scenery(rng)
    mood = pick(rng, MOODS) if rng.random() < 0.3 else ""
    lines += [pick(rng, ("Setting: {}", "Location: {}", "Where: {}", "We are {}", "All of it {}")).format(wording)] if wording else []
    lines += [pick(rng, ("Mood: {}", "Keep it {}", "Tone: {}", "Make it feel {}", "It should read as {}")).format(mood)] if mood else []
    lines += [pick(rng, ("No type on this one", "Leave some air around it", "No logo", "Match the house style", "Keep the edges clean", "Do not crop anything", "Nothing else in frame", "Final art by Monday"))] if rng.random() < 0.5 else []
    return Whole(pick(rng, ("", "", "Art note. ", "AD notes: ", "For the illustrator. ", "Cover brief. ")) + pick(rng, (". ", ". ", "\n", "; ")).join(lines) + pick(rng, ("", ".")), things, background, "", mood)


def storyboard(rng: np.random.Generator, body: Source) -> Whole:
    """'FOREGROUND: a red cat. REAR: a tree. SETTING: beach'."""
    form, things = rng.random(), distinct(rng, 2, 0.9)
    background, wording = field_of(rng)
    if wording == "none":
        background, wording = "", ""
    one, two = (pick(rng, (bare(thing), bare(thing), thing.phrase)) for thing in things)
    if form < 0.6:
        names, places = pick(rng, (
            (("FOREGROUND", "BEHIND IT"), ("bottom", "top")), (("FRONT", "BACK"), ("bottom", "top")), (("Foreground", "Further back"), ("bottom", "top")), (("BEHIND", "IN FRONT"), ("top", "bottom")), (("REAR", "FOREGROUND"), ("top", "bottom")), (("FRAME LEFT", "FRAME RIGHT"), ("left", "right")),
            (("Frame right", "Frame left"), ("right", "left")), (("UPPER THIRD", "LOWER THIRD"), ("top", "bottom")), (("Lower half", "Upper half"), ("bottom", "top")), (("LEFT PANEL", "RIGHT PANEL"), ("left", "right")), (("Left of frame", "Right of frame"), ("left", "right")),
        ))  # fmt: skip
        lines = [f"{name}: {what}" for name, what in zip(names, (one, two), strict=True)]
        things = put(things, places)
    elif form < 0.8:
        lines, things = [pick(rng, ("SUBJECT: {}", "MAIN SUBJECT: {}", "ACTION: {} alone", "CHARACTER: {}", "SHOT: close-up of {}", "WE SEE: {}")).format(one)], put(things[:1], DEFAULT[1])
    else:
        lines, things = [pick(rng, ("SUBJECTS: {}, {}", "CHARACTERS: {} / {}", "CAST: {} and {}", "WE SEE: {} and {}", "TWO SHOT: {} and {}")).format(one, two)], put(things, DEFAULT[2])
    last = [f"{pick(rng, ('BACKGROUND', 'SETTING', 'BACKDROP', 'Background', 'LOCATION', 'BG'))}: {wording}"] if wording else []
    head = [pick(rng, ("PANEL 1", "FRAME 03", "SHOT 12", "Scene 4", "Panel A"))] if rng.random() < 0.35 else []
    tail = [pick(rng, ("DIALOGUE: none", "CAMERA: static", "DURATION: 3 s", "SOUND: silence", "CAMERA: eye level"))] if rng.random() < 0.25 else []
    parts = last + lines if rng.random() < 0.25 else lines + last
    return Whole(pick(rng, (". ", "\n", "\n", " | ", "; ")).join(head + parts + tail), things, background)


WEIGHTS: tuple[str, ...] = load_table("voices", "weights")
BOOSTS: tuple[str, ...] = load_table("voices", "boosts")


def engineered(rng: np.random.Generator, body: Source) -> Whole:
    """'masterpiece, (red cat:1.2), blue rocket, night sky, cosy mood, flat style'."""
    things, words = cast(rng, most=4, placed=0.3)
    way = pick(rng, WEIGHTS)
    tags = [way.format(thing.phrase) + (f" {where}" if where else "") for thing, where in zip(things, words, strict=True)]
    background, wording = field_of(rng, none=0.25)
    if wording and wording != "none":
        tags.append(f"{wording} background" if background not in FIELDS else wording)
        background = background if background in FIELDS else tags[-1]
    else:
        background = ""
    boosts = [str(thing) for thing in rng.permutation(BOOSTS)[: int(rng.integers(1, 4))]]
    light, style = "", pick(rng, STYLES) if rng.random() < 0.2 else ""
    mood = pick(rng, MOODS) if rng.random() < 0.2 else ""
    tags += [f"{mood} mood"] if mood else []
    if style:
        tags.append(style)
        light = f"{USUAL_LIGHT.get(background, USUAL_LIGHT[''])}, {style}"
    tags = boosts + tags if rng.random() < 0.4 else tags + boosts
    end = pick(rng, ("", "", "", ". Negative prompt: blurry, text, watermark", " --no text", "\nNegative: ugly, deformed, signature", " | negative: low quality, people")) if rng.random() < 0.5 else ""
    return Whole(", ".join(tags) + end, things, background, light, mood)


def recipe(rng: np.random.Generator, body: Source) -> Whole:
    """'1. Take a red cat. 2. Put a blue dog to its right. 3. Serve on the beach.'"""
    things, words = cast(rng, most=4, placed=0.6)
    background, wording = scenery(rng)
    start = ("Take {}", "Start with {}", "Draw {}", "Begin with {}", "Place {}")
    more = ("Add {}", "Then add {}", "Put in {}", "Now draw {}", "Next, place {}", "Stir in {}", "Fold in {}", "Garnish with {}")
    steps = [pick(rng, more if i else start).format(name) for i, name in enumerate(said_where(things, words))]
    last = [pick(rng, ("Serve {}", "Everything happens {}", "Set the scene {}", "Finish: it is all {}", "The whole takes place {}")).format(wording)] if wording else []
    steps = steps + last + ([pick(rng, ("Done", "Let it cool", "Enjoy", "Do not add anything else", "Ready"))] if rng.random() < 0.4 else [])
    mark = pick(rng, ("{}. ", "Step {}: ", "{}) ", "", "Step {} - ", "{}/ "))
    text = pick(rng, (" ", "\n", " ")).join(f"{mark.format(i)}{step}." for i, step in enumerate(steps, 1))
    return Whole(pick(rng, ("", "", "Recipe for a picture: ", "How to make my picture: ", "Instructions. ")) + text, things, background)


VERSES: tuple[tuple[str, tuple[str, ...]], ...] = load_table("voices", "verses")


def verse(rng: np.random.Generator, body: Source) -> Whole:
    form, places = pick(rng, VERSES)
    things = put(distinct(rng, len(places), 0.9), places)
    background, wording = scenery(rng)
    text = form.format(*(bare(thing) for thing in things))
    text += pick(rng, (",\n{}", ",\nall of it {}", ".\n{}", ",\nand all {}")).format(wording) if wording else ""
    return Whole(upper(text.replace("\n", pick(rng, ("\n", "\n", " / ")))), things, background)


OOPS: tuple[str, ...] = load_table("voices", "oops")


def corrected_self(rng: np.random.Generator, body: Source) -> Whole:
    """'a red, no, a blue car'; 'two, no, three cats': the last word counts."""
    if rng.random() < 0.1:
        wrong_count, right_count = (int(n) for n in rng.permutation((2, 3, 4, 5))[:2])
        (many,), (background, wording) = distinct(rng, 1, 0.8), scenery(rng, none=0.4)
        numbers = pick(rng, (("", "", "two", "three", "four", "five"), ("", "", "2", "3", "4", "5")))
        text = f"{numbers[wrong_count]}{pick(rng, (', ', ' - ', '... '))}{pick(rng, OOPS)} {numbers[right_count]} {many.phrase[: -len(many.subject)]}{plural(many.subject)}"
        return Whole(text + (f" {wording}" if wording else ""), put([many] * right_count, DEFAULT[right_count]), background)
    things, words = cast(rng, most=3, placed=0.4)
    i, oops = int(rng.integers(len(things))), pick(rng, OOPS)
    names = said_where(things, words)
    other = distinct(rng, 1, 0.0)[0]
    background, wording = scenery(rng, none=0.4)
    form, thing, where = rng.random(), things[i], words[i]
    plain = thing.phrase == thing.subject
    colour, wrong = (str(thing) for thing in rng.permutation(("red", "green", "blue", "yellow", "pink", "white", "purple", "turquoise", "black", "brown"))[:2])
    mark = pick(rng, (", ", " - ", "... "))
    if form < 0.4:
        thing = replace(thing, colour=colour, detail="")
        names[i] = pick(rng, ("a{n0} {w}{k}{o} a{n1} {c} {s}", "a{n0} {w} {s}{k}{o} a{n1} {c} one", "a{n0} {w} {s}{k}{o} {c}", "a{n0} {w}{k}{o} {c} {s}")).format(
            n0="n" if wrong[0] in "aeiou" else "", n1="n" if colour[0] in "aeiou" else "", w=wrong, c=colour, s=thing.subject, o=oops, k=mark
        )
        names[i] += f" {where}" if where else ""
    elif form < 0.65 and other.subject not in [thing.subject for thing in things]:
        names[i] = f"{article(other.subject)} {other.subject}{mark}{oops} {bare(thing)}" + (f" {where}" if where else "")
    elif form < 0.8 and where and thing.place in (flip := {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}):
        names[i] = f"{bare(thing)} {pick(rng, WHERE[flip[thing.place]])}{mark}{oops} {where}"
    elif form < 0.9 and wording and background:
        wrong_place = pick(rng, ("in the kitchen", "in space", "in a library", "on the moon", "on a farm", "in a cave"))
        wording = f"{wrong_place}{mark}{oops} {wording}"
    elif plain:
        thing = replace(thing, colour=colour)
        return Whole(f"{upper(joined(names))}{f', {wording}' if wording else ''}. " + pick(rng, ("Make the {s} {w}. {o} {c}.", "The {s} should be {w}. Hmm, {o} {c}.", "The {s} was {w} last time, this time I want it {c}.", "Not a {w} {s}, I want the {s} {c}.", "The {s} must not be {w}, it has to be {c}.")).format(s=thing.subject, w=wrong, c=colour, o=upper(oops)), [*things[:i], thing, *things[i + 1 :]], background)  # fmt: skip
    else:
        names[i] = f"{article(other.subject)} {other.subject}{mark}{oops} {bare(thing)}" + (f" {where}" if where else "")
    things = [*things[:i], thing, *things[i + 1 :]]
    return Whole(pick(rng, ("", "", "I want ", "draw ", "please draw ", "okay, ")) + joined(names, pick(rng, (" and ", " and ", ", "))) + (f", {wording}" if wording else ""), things, background)


def questions(rng: np.random.Generator, body: Source) -> Whole:
    """'Could there be a red cat? And maybe a blue dog to the right? On the beach?'"""
    things, words = cast(rng, most=3)
    names = said_where(things, words)
    background, wording = scenery(rng)
    lines = [pick(rng, ("Could there be {}?", "Can I have {}?", "May I see {}?", "Is {} possible?", "Would you draw {}?", "What about {}?", "Shall we have {}?")).format(names[0])]
    lines += [pick(rng, ("And perhaps {}?", "And {}?", "Could you add {}?", "Also {}?", "Maybe {} too?", "And how about {}?", "Is there room for {}?")).format(name) for name in names[1:]]
    lines += [pick(rng, ("And all of it {}?", "Could it be {}?", "{}?", "Would it look good {}?", "And could we be {}?")).format(wording)] if wording else []
    return Whole(" ".join(map(upper, lines)), things, background)


def foreign(rng: np.random.Generator, body: Source) -> Whole:
    """'please to make picture: cat of colour red is left from dog of colour blue, on beach'."""
    count = int(rng.choice([1, 2, 3], p=[0.3, 0.5, 0.2]))
    things = [replace(thing, phrase=thing.subject, detail="", colour=colour_of(rng)) for thing in distinct(rng, count, 0.0)]
    way = pick(rng, ("{s} of colour {c}", "{s} colour {c}", "{c} {s}", "{c} {s}", "one {c} {s}", "{s} {c}", "{s} in {c} colour", "the {s} {c}", "{s}, it is {c},"))
    names = [way.format(s=thing.subject, c=thing.colour) for thing in things]
    if count == 2 and rng.random() < 0.7:
        form, places = pick(rng, (
            ("{0} is left from {1}", ("left", "right")), ("{0} stay on right from {1}", ("right", "left")), ("{0} is sit above of {1}", ("top", "bottom")), ("{0} under of {1}", ("bottom", "top")), ("left side {0} and right side {1}", ("left", "right")), ("on up is {0}, on down is {1}", ("top", "bottom")),
            ("{0} stands behind of {1}", ("top", "bottom")), ("{0} together with {1}", ("left", "right")), ("in left is being {0}, in right is being {1}", ("left", "right")), ("{0} must be at right, {1} must be at left", ("right", "left")),
        ))  # fmt: skip
        core, things = form.format(*names), put(things, places)
    elif count == 1 and rng.random() < 0.6:
        place = pick(rng, list(AT_PLACE))
        core, things = f"{names[0]} {pick(rng, WHERE[place]).replace(' the', '')}", put(things, (place,))
    else:
        core, things = joined(names, pick(rng, (" and ", " and also ", ", "))), put(things, DEFAULT[count])
    background, wording = scenery(rng)
    wording = " ".join(word for word in wording.split(" ") if word not in ("a", "an", "the")) if background in USUAL_LIGHT else wording
    text = pick(rng, ("please make picture {c}", "I want have {c}", "hello sir, I am need picture: {c}", "make for me please {c}", "is possible draw {c}?", "{c}", "I would like that you paint {c}", "my wish is {c}", "me want see {c}", "please to draw {c}", "In picture there is {c}", "it must to be {c}", "you can make me {c}, yes?"))
    end = pick(rng, (" {}", ", {}", ". It is happen {}", ", all this {}", ". Everything be {}")).format(wording) if wording else ""
    return Whole(text.format(c=core.replace(",,", ",").rstrip(",")) + end + pick(rng, ("", "", ". Thank you very much.", ". Sorry for my English.", ", thanks you")), things, background)


MARKS: dict[str, tuple[str, ...]] = load_table("voices", "marks")


def abbreviated(rng: np.random.Generator, body: Source) -> Whole:
    """'pic of red cat w/ blue dog, bg: beach'; 'red cat L, blue dog R'."""
    background, wording = field_of(rng)
    wording = "" if wording == "none" else wording
    if rng.random() < 0.4:
        things, counted = several(rng)
        names = [thing.phrase if count == 1 else f"{count} {thing.phrase[: -len(thing.subject)]}{plural(thing.subject)}" for count, thing in counted]
        core = pick(rng, (" & ", " + ", " w/ ", ", ")).join(names)
    else:
        things, _ = cast(rng, most=4, placed=1.0)
        form = pick(rng, ("{n} {m}", "{m}: {n}", "{n} ({m})", "{n} @ {m}", "{n} -> {m}"))
        core = pick(rng, (", ", "; ", " & ") if ":" not in form else (", ", "; ")).join(form.format(n=thing.phrase, m=pick(rng, MARKS[thing.place])) for thing in things)
    start = pick(rng, ("", "", "pic of ", "img: ", "pic: ", "req: ", "illus. of ", "pls ", "need ", "dwg of "))
    end = pick(rng, (", bg: {}", "; bg {}", ", bkgd {}", " / bg={}", ", b/g: {}", ". BG: {}")).format(wording) if wording else ""
    return Whole(start + core + end + pick(rng, ("", "", "", " thx", ", tnx", " asap", ", no txt", " pls & thx")), things, background)


def dialogue(rng: np.random.Generator, body: Source) -> Whole:
    """Two voices: 'A: What do you want? B: a red cat. A: Where? B: on the left.'"""
    things, words = cast(rng, most=3, placed=0.7)
    ask, tell = pick(rng, (("A: ", "B: "), ("- ", "- "), ("Designer: ", "Client: "), ("Mum: ", "Kid: "), ("Bot: ", "User: "), ("Q. ", "A. "), ("Tom: ", "Ana: "), ("Agent: ", "Customer: ")))
    lines = []
    for i, (thing, where) in enumerate(zip(things, words, strict=True)):
        lines.append(ask + pick(rng, ("What else?", "Anything else?", "And then?", "What more?") if i else ("What shall I draw?", "What would you like to see?", "What do you want?", "Tell me what you need.", "So, what is it going to be?")))
        if where and rng.random() < 0.5:
            lines += [tell + upper(bare(thing)) + ".", ask + pick(rng, ("Where?", "Where should it go?", "And where?", "Where do you want it?")), tell + upper(where) + "."]
        else:
            lines.append(tell + upper(f"{bare(thing)} {where}".strip()) + ".")
    background, wording = scenery(rng)
    if wording:
        lines += [ask + pick(rng, ("And where does it all take place?", "And the background?", "What is the setting?", "What about the surroundings?")), tell + upper(wording) + "."]
    end = pick(rng, (("Anything else?", "No, that's all."), ("Anything else?", "No thanks."), ("Anything else?", "Nothing else."), ("Is that all?", "Yes, that's all."), ("Is that all?", "That is all."), ("And people?", "No, no people."), ("Any text?", "No text.")))
    lines += [ask + end[0], tell + end[1]] if rng.random() < 0.4 else []
    return Whole(pick(rng, ("\n", "\n", " ")).join(lines), things, background)


# The known backgrounds told at length, before the objects.
SETTINGS: dict[str, tuple[str, ...]] = load_table("voices", "settings")


def setting_first(rng: np.random.Generator, body: Source) -> Whole:
    """The background at length, then the objects."""
    background = pick(rng, list(SETTINGS))
    things, words = cast(rng, most=3)
    names = said_where(things, words)
    if words[0]:
        sentence = pick(rng, ("There {}.", "In this place we find {}.", "Here you see {}.", "Now draw {}.", "Put {} there.", "And then there is {}.", "I want to see {}."))
        sentence = sentence.replace("There {}", "There is {}")
    else:
        sentence = pick(rng, ("There is {}.", "In this place lives {}.", "Here stands {}.", "All alone here: {}.", "And here comes {}.", "Now draw {} there.", "Nobody is here except {}.", "The only thing to be seen: {}.") if len(things) == 1 else ("There are {}.", "Here we meet {}.", "In this place you see {}.", "Now draw {} there.", "Nobody is here except {}."))
    return Whole(pick(rng, SETTINGS[background]) + pick(rng, (" ", " ", "\n")) + sentence.format(joined(names)), things, background)


ANIMALS: tuple[str, ...] = load_table("voices", "animals")
AGAIN: tuple[str, ...] = load_table("voices", "again")


def mentioned_again(rng: np.random.Generator, body: Source) -> Whole:
    """'A red cat on the beach. The animal looks straight at us. I love it.': one object."""
    things, words = cast(rng, most=2, placed=0.0)
    i, (background, wording) = int(rng.integers(len(things))), scenery(rng)
    thing = things[i]
    names = [bare(thing) for thing in things]
    if thing.subject in ANIMALS and len(things) == 1:
        the = pick(rng, ("the animal", f"the {thing.subject}", "it"))
    else:
        the = pick(rng, (f"the {thing.subject}", f"this {thing.subject}")) if len(things) > 1 else pick(rng, (f"the {thing.subject}", "it", f"this {thing.subject}", f"that {thing.subject}"))
    lines = [pick(rng, ("{}", "There is {}" if len(things) == 1 else "There are {}", "I want {}", "Please draw {}", "We need {}", "Show me {}")).format(joined(names)) + (f" {wording}" if wording else "")]
    tell = [str(thing) for thing in rng.permutation(AGAIN)[: int(rng.integers(1, 3))]]
    lines += [thing.format(the=the, The=upper(the)) for thing in tell]
    if rng.random() < 0.45:
        places = [str(place) for place in rng.permutation(pick(rng, SPOTS[1] if len(things) == 1 else SPOTS[2][:2]))]
        things = put(things, places)
        lines.append(pick(rng, ("{} is {}", "Put {} {}", "{} should be {}", "I want {} {}")).format(the, AT_PLACE[places[i]]))
    return Whole(". ".join(map(upper, lines)) + pick(rng, ("", ".")), things, background)


OWNERS: tuple[str, ...] = load_table("voices", "owners")


def owned(rng: np.random.Generator, body: Source) -> Whole:
    """'my uncle's red car next to the teacher's cup': the owners are no objects."""
    count = int(rng.integers(1, 3))
    things = distinct(rng, count, 0.9)
    owners = [str(owner) for owner in rng.permutation(OWNERS)[:count]]
    names = [f"{owner} {thing.phrase}" if i == 0 or rng.random() < 0.5 else bare(thing) for i, (owner, thing) in enumerate(zip(owners, things, strict=True))]
    background, wording = scenery(rng)
    if count == 1:
        place = pick(rng, list(WHERE)) if rng.random() < 0.4 else ""
        core, things = f"{names[0]} {pick(rng, WHERE[place]) if place else ''}".strip(), put(things, (place or "center",))
    else:
        form, places = pick(rng, RELATIONS)
        core, things = form.format(*names), put(things, places)
    return Whole(pick(rng, ("{}", "{}", "Please paint {}", "a picture of {}", "I'd like to see {}", "Draw {} from memory", "for the family album: {}")).format(core) + (f" {wording}" if wording else ""), things, background)


def not_this(rng: np.random.Generator, body: Source) -> Whole:
    """'My last picture had a dog. This one should have a red cat.': only what is wanted counts."""
    things, words = cast(rng, most=2)
    used = {thing.subject for thing in things}
    other = next(thing for thing in (distinct(rng, 1, 0.5)[0] for _ in range(99)) if thing.subject not in used)
    background, wording = scenery(rng)
    core = joined(said_where(things, words)) + (f" {wording}" if wording else "")
    text = pick(rng, (
        "My last picture had {o}. This one should have {b}.", "Last time you drew {o}; this time I want {b}", "Not {o} but {b}", "I don't like {os}. I like {b}.", "We already have {o}, now we need {b}", "Everybody else gets {o}. I'd rather have {b}", "Please no {os}, and no people. {b}", "{b}, without any text, without {os}",
        "Instead of {o} draw {b}", "{b} rather than {o}", "I am tired of {os}. Give me {b}", "{b}. There must not be any {os} in it.", "You may leave out {os}. What I need is {b}", "Forget {o}. {b}", "First I thought of {o}, but then I decided on {b}",
    ))  # fmt: skip
    return Whole(text.format(o=bare(other), os=plural(other.subject), b=core), things, background)


def palette(rng: np.random.Generator, body: Source) -> Whole:
    """Objects first, the colours after: 'A cat and a dog on the beach. Palette: red for the cat, blue for the dog.'"""
    things, words = cast(rng, least=1, most=3, coloured=0.0)
    background, wording = scenery(rng)
    things = [replace(thing, colour=colour_of(rng)) for thing in things]
    start = joined(said_where(things, words)) + (f" {wording}" if wording else "")
    head, form, joint = pick(rng, (
        ("Palette: ", "{c} for the {s}", ", "), ("Colours: ", "{s} = {c}", "; "), ("", "The {s} is {c}", ", "), ("Colour key: ", "{s}: {c}", ", "), ("", "Paint the {s} {c}", ". "), ("I want ", "the {s} {c}", " and "), ("", "For the {s} take {c}", ". "), ("", "The colour of the {s} is {c}", ". "), ("Use ", "{c} for the {s}", " and "),
        ("", "The {s} has to be {c}", ", "), ("Colouring: ", "{s} {c}", ", "), ("", "As for the {s}, make it {c}", ". "),
    ))  # fmt: skip
    order = [things[i] for i in rng.permutation(len(things))] if rng.random() < 0.3 else things
    phrases = [form.format(s=thing.subject, c=thing.colour) for thing in order]
    phrases = [thing[0].lower() + thing[1:] if i and joint == ", " and not head else thing for i, thing in enumerate(phrases)]
    return Whole(upper(start) + pick(rng, (". ", ". ", "\n")) + head + joint.join(phrases) + pick(rng, ("", ".")), things, background)


def messages(rng: np.random.Generator, body: Source) -> Whole:
    """Short messages, one thing a line, no punctuation."""
    things, words = cast(rng, most=3)
    background, wording = scenery(rng)
    lines = [pick(rng, ("hey", "hi", "hello", "hey you there", "quick one", "good morning"))] if rng.random() < 0.6 else []
    lines += [pick(rng, ("can you draw something for me", "need a picture", "got time for a drawing", "i have a request"))] if rng.random() < 0.5 else []
    for i, (thing, where) in enumerate(zip(things, words, strict=True)):
        name = f"{pick(rng, ('and ', 'also ', 'plus ', '')) if i else ''}{bare(thing)}"
        lines += [name, where] if where and rng.random() < 0.35 else [f"{name} {where}".strip()]
    lines += [wording] if wording else []
    lines += [pick(rng, ("thx", "thanks", "thats all", "nothing else", "cheers", "bye"))] if rng.random() < 0.5 else []
    return Whole("\n".join(lines).lower() if rng.random() < 0.6 else "\n".join(lines), things, background)


def run_on(rng: np.random.Generator, body: Source) -> Whole:
    """No punctuation at all: 'i would like a red cat on the left a blue dog on the right the background is a beach'."""
    things, words = cast(rng, most=4, placed=1.0)
    background, wording = scenery(rng)
    names = said_where(things, words)
    start = pick(rng, ("", "", "i would like ", "please draw ", "picture with ", "so i need ", "there should be ", "show "))
    end = pick(rng, (" {}", " everything {}", " all {}", " and it is {}", " it plays {}")).format(wording) if wording else ""
    return Whole(start + pick(rng, (" ", " and ", " then ")).join(names) + end, things, background)


def shopping(rng: np.random.Generator, body: Source) -> Whole:
    """'Shopping list: 2 red cats, 1 blue dog. Background: beach'."""
    things, counted = several(rng)
    background, wording = field_of(rng)
    form = pick(rng, ("{k} {n}", "{k} {n}", "{k}x {n}", "{n} x{k}", "{w}"))
    many = [thing.phrase if count == 1 else f"{thing.phrase[: -len(thing.subject)]}{plural(thing.subject)}" for count, thing in counted]
    items = [form.format(k=count, n=name if form == "{k} {n}" else thing.phrase, w=group(thing, count, rng)) for (count, thing), name in zip(counted, many, strict=True)]
    mark, joint = pick(rng, (("", ", "), ("- ", "\n"), ("", "\n"), ("* ", "\n"), ("", "; ")))
    head = pick(rng, ("Shopping list: ", "My order: ", "Order:", "Inventory: ", "To be drawn: ", "You need: ", "Ingredients: ", "Cast: ", "I'll take: ", "Packing list: ")).strip()
    lines = [mark + item for item in items] + ([f"{pick(rng, ('Background', 'background', 'Setting', 'bg'))}: {wording}"] if wording and wording != "none" else [])
    return Whole(head + ("\n" if joint == "\n" else " ") + joint.join(lines), things, background if wording != "none" else "")


# (weight, voice)
VOICES: tuple[tuple[float, Callable[[np.random.Generator, Source], Whole]], ...] = (
    (4, framed), (0.7, shouted), (1, art_director), (1.1, storyboard), (1.3, engineered), (0.9, recipe), (0.7, verse), (1.6, corrected_self), (0.9, questions), (1.3, foreign), (1.3, abbreviated), (1, dialogue), (1.2, setting_first), (1.2, mentioned_again), (0.7, owned), (1, not_this), (1.2, palette),
    (0.8, messages), (0.8, run_on), (0.9, shopping),
)  # fmt: skip


def voice_brief(rng: np.random.Generator, body: Source) -> Whole:
    weights = np.array([weight for weight, _ in VOICES])
    return VOICES[int(rng.choice(len(weights), p=weights / weights.sum()))][1](rng, body)
