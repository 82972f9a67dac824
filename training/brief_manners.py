"""Manners of writing that `briefs` lacks: chat, letters, stories; colours and places told in passing; clothes.

A form of `MANNERS` makes the body of a brief, one of `WHOLES` a whole brief that says its background itself.
The answers follow the rules of `briefs`; of one group with exceptions, each is counted where it is told.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ditpipe.prompts.layout import CORNERS
from ditpipe.prompts.layout import DEFAULT_PLACES as DEFAULT
from ditpipe.prompts.planner_schema import article
from training.brief_arrangements import amid
from training.brief_parts import (  # fmt: skip
    ASKED,
    SPOTS,
    Body,
    Source,
    Thing,
    Whole,
    a,
    bare,
    colour_of,
    distinct,
    group,
    number_of,
    pick,
    plural,
    put,
    scenery,
    thing_of,
)
from training.brief_records import record_brief
from training.brief_words import COUNTS, PLAIN_COLOURS

# Words around a phrase {b} and, after a space, the scenery {s}.
SLANG = (
    "yo can u do {b}{s}", "gimme {b}{s}", "gimme {b}{s} pls", "pls make {b}{s} lol", "hey dude, {b}{s}?", "wanna see {b}{s}", "omg can we get {b}{s}", "ok so like {b}{s} ya know", "lemme get {b}{s}", "bro do {b}{s}", "sup, i need {b}{s} asap",
    "can i haz {b}{s}", "u know what'd be cool? {b}{s}", "ngl i kinda want {b}{s}", "heyyy {b}{s} plssss", "k now {b}{s}", "uhm maybe {b}{s} idk", "{b}{s} haha", "{b}{s}, thx m8", "{b}{s} plz n thank u", "lol do {b}{s}", "wassup! {b}{s} would be sick",
    "yoo {b}{s} fr", "cud u paint {b}{s}", "tryna get {b}{s}", "need {b}{s} rn", "hi bot, {b}{s} :D", "how bout {b}{s}?", "whats up, got time for {b}{s}?", "just {b}{s}, k?", "im bored, draw {b}{s}", "WOW imagine {b}{s}!!!", "Oh please please please {b}{s}!", "{b}{s}!!! Now!", "Hooray, {b}{s}!",
    "I'd LOVE {b}{s}!!", "aight, {b}{s}", "mornin! {b}{s} ta", "my guy, {b}{s}",
)  # fmt: skip
EMOJI = (" 😊", " 🙏", "!!!", " lol", " ❤️", " :-)", " xD", " 😂", " <3", " 🎨", " 👍", " ✨", " haha", " ;)", " pls", " thxx", "!!", " 🥰", " tysm")
SHORT = {"and": ("n", "n", "&", "an"), "with": ("w/", "w", "wit"), "to": ("2", "to"), "you": ("u",), "please": ("plz", "pls"), "the": ("da", "the", "the"), "for": ("4", "for"), "between": ("btw", "between", "between")}
PURPOSES = (
    "the parish bulletin", "our school fair", "a birthday invitation", "my dad's 60th", "the club's T-shirts", "the bakery's window", "our team page", "a quilt pattern", "the cat shelter's newsletter", "the annual report", "my wife's 30th", "the bus company's brochure", "the garden centre's leaflet",
    "our wedding menu", "a thank-you card", "the village fête", "the nursery door", "my niece's christening", "the office calendar", "a farewell gift", "our choir's programme", "my nephew's room", "the fishing club's banner", "a jigsaw", "the book club", "page 3 of the brochure", "the science fair",
    "a get-well card", "the dentist's waiting room", "the council's website", "a pub quiz", "the bridge evening", "my pottery class", "an album cover", "the church choir", "our tenth anniversary", "the bird watchers' blog",
)  # fmt: skip
PURPOSED = (
    "for {p} we require {b}{s}", "{p}: {b}{s}", "for {p} I'd like {b}{s}", "{b}{s}, for {p}", "this is for {p}: {b}{s}", "needed for {p}: {b}{s}", "we are planning {p} and would like {b}{s}", "it's about {p}. {b}{s}",
    "{b}{s}. It's for {p}.", "regarding {p}, kindly supply {b}{s}", "{p} needs a picture: {b}{s}", "{b}{s} (to be used for {p})",
)  # fmt: skip
MEMORIES = (
    "I remember {b}{s}", "When I was a child there was {b}{s}", "Last summer I saw {b}{s}", "I still see it before me: {b}{s}", "In my dream there was {b}{s}", "My grandfather always told us about {b}{s}", "Years ago I photographed {b}{s}", "Once upon a time there was {b}{s}", "Picture this: {b}{s}",
    "On our last holiday we came across {b}{s}", "You won't believe it, yesterday I saw {b}{s}", "There it was again, {b}{s}", "The story begins with {b}{s}", "Chapter one: {b}{s}", "Close your eyes and think of {b}{s}", "It was quiet. I only saw {b}{s}", "All that I recall is {b}{s}", "As a boy I used to draw {b}{s}",
    "My mother had a postcard with {b}{s}, and I would love to have it again", "Back then we looked at {b}{s} for hours", "If memory serves, it was {b}{s}",
)  # fmt: skip
GREETINGS = ("Dear Sir or Madam,", "Dear team,", "Hello there,", "Good morning,", "Dear all,", "Hi Sam,", "To whom it may concern,", "Good evening,", "Dear Ms Okafor,", "Hi everyone,", "Dear illustrator,", "Hello again,")
LETTERS = ("kindly prepare {b}{s}.", "I would be most grateful for {b}{s}.", "please could you draw {b}{s}.", "we would like to commission {b}{s}.", "could you send me a picture of {b}{s}?", "I am writing to ask for {b}{s}.", "our committee has agreed on {b}{s}.", "as discussed, we need {b}{s}.",
           "for {p} we need {b}{s}.", "I hope you are well. For {p} I am looking for {b}{s}.", "it is me again. This time I would like {b}{s}.", "thank you for the last one. Next, please, {b}{s}.", "may I request {b}{s}? It is for {p}.")  # fmt: skip
SIGN_OFFS = ("Yours faithfully,\nA. Whitcombe", "Kind regards,\nMarta", "Best,\nJ.", "Many thanks,\nthe committee", "Warmly, Hannah", "Sincerely,\nDr. T. Lindqvist", "Cheers, Ben", "With best wishes, Mr and Mrs Patel", "Love, Grandma", "Regards", "Thank you in advance.", "Yours, Elif", "x Joanna")
NEGATIONS = (
    "no people, no text", "nothing else", "nothing more, nothing less", "no humans", "no frame and no text", "no words on it", "without any decoration", "no shadows, no extras", "that's it", "that is all there is", "no watermark",
    "no writing", "don't add anything", "leave out everything else", "nobody else around", "no props",
)  # fmt: skip
SENTENCE = re.compile(r"[.:;\n()=>\"]|\b(?:is|are|there|put|place|stands?|sits?|lies|goes|see|shows|has|the (?:first|second)|and (?:the|it))\b|^(?:left|right|top|bottom|above|below|center)\b|[A-Z]\w* \w+ [A-Z]")


def phrase(rng: np.random.Generator, body: Source) -> Body:
    """A body that fits in after 'I want': no sentences, no records."""
    while True:
        text, things = body(rng)
        if len(things) < 6 and text[0].islower() and not SENTENCE.search(text):
            return text.rstrip(" ,"), things


def wrapped(rng: np.random.Generator, body: Source, forms: Sequence[str]) -> Whole:
    text, things = phrase(rng, body)
    background, said = scenery(rng, none=0.4)
    form = pick(rng, forms)
    return Whole(form.format(b=text, s=f"{pick(rng, (' ', ' ', ', '))}{said}" if said else "", p=pick(rng, PURPOSES)), things, background)


def chat(rng: np.random.Generator, body: Source) -> Whole:
    whole = wrapped(rng, body, SLANG)
    rate = pick(rng, (0.0, 0.3, 0.8))
    words = [pick(rng, SHORT[word]) if word in SHORT and word != "the" and rng.random() < rate else word for word in whole.text.split(" ")]
    text = " ".join(words) + (pick(rng, EMOJI) if rng.random() < 0.35 else "")
    return replace(whole, text=text)


def breathless(rng: np.random.Generator, body: Source) -> Whole:
    """All in one breath: 'i want a unicorn and a dinosaur and the dinosaur is green and they are on the beach'."""
    count = number_of(rng, most=3)
    things = distinct(rng, count, 0.0)
    late = [rng.random() < 0.75 for _ in things]
    coloured = [replace(thing, colour=colour_of(rng)) if one else thing for thing, one in zip(things, late, strict=True)]
    names = [a(thing, rng) for thing in things]
    parts: list[str] = []
    places: list[str] = list(DEFAULT[count])
    early = rng.random() < 0.35
    if early and late[0]:  # the first colour stands before its noun
        names[0] = bare(replace(coloured[0], said=f"{coloured[0].colour} {things[0].said}"))
    start = pick(rng, ("i want {n}", "there is {n}", "so there's {n}", "can you draw {n}", "draw me {n}", "i like {n}", "make {n}", "i am {k} and i want {n}", "im {k} years old and i love {n}", "my name is Tim and i want {n}", "mommy says i can have a picture so make {n}", "ok so we have {n}", "{n}"))
    parts.append(start.format(n=" and ".join(names), k=int(rng.integers(4, 10))))
    tell = pick(rng, ("the {s} is {c}", "the {s} is {c}", "i want the {s} {c}", "the {s} has to be {c}", "the {s} should be {c}", "make the {s} {c}"))
    told = [tell.format(s=thing.subject, c=thing.colour) if i or rng.random() < 0.5 or count > 1 else pick(rng, ("it is {c}", "it's {c}", "make it {c}", "it should be {c}")).format(c=thing.colour) for i, thing in enumerate(coloured) if late[i] and not (early and i == 0)]
    parts += told
    if count < 3 and rng.random() < 0.45:
        spot = [str(place) for place in rng.permutation(pick(rng, SPOTS[count][:2] if count == 2 else SPOTS[1]))]
        places = spot
        it = "it" if count == 1 else f"the {things[0].subject}"
        parts.append(f"{it} is {ASKED[spot[0]]}" + (f" and the {things[1].subject} is {ASKED[spot[1]]}" if count == 2 and rng.random() < 0.6 else ""))
    background, said = scenery(rng)
    if said:
        parts.append(pick(rng, ("it is {s}", "it's all {s}", "it all happens {s}") if count == 1 else ("they are {s}", "they're {s}", "it's all {s}", "they live {s}", "everybody is {s}")).format(s=said))
    joint = pick(rng, (" and ", " and ", " and ", " and then ", "!! ", "! And "))
    return Whole(joint.join(parts) + pick(rng, ("", "", "", "!", " and thats all", " bye", " thank you")), put(coloured, places), background)


def child(rng: np.random.Generator, body: Source) -> Whole:
    """'i am 6 and i like whales so make a purple one'."""
    thing, count = thing_of(rng, coloured=0.0, before_only=True), int(rng.integers(1, 4))
    thing = replace(thing, colour=colour_of(rng), said=thing.subject, detail="")
    number = bare(replace(thing, said=f"{thing.colour} one")) if count == 1 else f"{pick(rng, COUNTS[count][:2])} {thing.colour} ones"
    background, said = scenery(rng)
    text = pick(
        rng,
        (
            "i am {k} and i like {m} so make {n}", "My favourite things are {m}, please draw {n}", "i love {m}!!! can i have {n}", "hi im {k}. i like {m}. draw {n}", "We learnt about {m} at school and now I want {n}",
            "{m} are the best, i want {n}", "my little brother is crazy about {m}. He would like {n}", "Do you know {m}? I need {n}",
        ),  # fmt: skip
    )
    return Whole(text.format(k=int(rng.integers(4, 11)), m=plural(thing.subject), n=number) + (f" {said}" if said else ""), put([thing] * count, DEFAULT[count]), background)


def letter(rng: np.random.Generator, body: Source) -> Whole:
    whole, gap = wrapped(rng, body, LETTERS), pick(rng, ("\n\n", "\n", " "))
    return replace(whole, text=pick(rng, GREETINGS) + gap + whole.text + (gap + pick(rng, SIGN_OFFS) if rng.random() < 0.8 else ""))


def purposed(rng: np.random.Generator, body: Source) -> Whole:
    return wrapped(rng, body, PURPOSED)


def remembered(rng: np.random.Generator, body: Source) -> Whole:
    return wrapped(rng, body, MEMORIES)


def negated(rng: np.random.Generator, body: Source) -> Whole:
    """What is not wanted is no object."""
    whole = wrapped(rng, body, ("{b}{s}",))
    said = {thing.subject for thing in whole.things}
    other = next(one for one in (thing_of(rng, coloured=0.0) for _ in range(99)) if one.subject not in said).subject
    if len(said) == len(whole.things) == 1 and rng.random() < 0.4:
        (only,) = said
        text = pick(rng, ("{t}, just the {s}", "{t}. Only the {s}, nothing else", "{t}, not {ao}", "{t} instead of the {o} that we had", "no {o} this time, {t}", "{t}, the {s} alone", "{t}. Please don't draw {ao}"))
        return replace(whole, text=text.format(t=whole.text, s=only, o=other, ao=f"{article(other)} {other}"))
    end = pick(rng, NEGATIONS) if rng.random() < 0.6 else pick(rng, ("no {}", "without {}", "but no {}", "but please no {}", "and definitely no {}", "I don't want any {}")).format(plural(other))
    return replace(whole, text=pick(rng, ("{t}, {e}", "{t}. {e}.", "{t} - {e}", "{t} ({e})", "{t}; {e}", "{e}: {t}")).format(t=whole.text, e=end))


WHOLES: tuple[tuple[float, Callable[[np.random.Generator, Source], Whole]], ...] = (
    (12, lambda rng, body: record_brief(rng)), (2, chat), (1.7, breathless), (0.5, child), (1.2, letter), (1.4, purposed), (1, remembered), (1.2, negated), (2, amid),
)  # fmt: skip


def whole_brief(rng: np.random.Generator, body: Source) -> Whole:
    weights = np.array([weight for weight, _ in WHOLES])
    return WHOLES[int(rng.choice(len(weights), p=weights / weights.sum()))][1](rng, body)


def two_colours(rng: np.random.Generator, count: int = 2) -> list[str]:
    return [str(colour) for colour in rng.permutation((*PLAIN_COLOURS[:-1], "teal", "gold", "scarlet", "silver", "beige", "turquoise", "dark red", "light blue", "dark green", "pale pink", "lilac", "bronze"))[:count]]  # fmt: skip


def plain_group(rng: np.random.Generator, count: int) -> tuple[Thing, str]:
    """A thing without a colour, and so many of it in words: 'three small cups'."""
    thing = thing_of(rng, coloured=0.0, before_only=True)
    return thing, group(thing, count, rng)


ROW_NAMES = {"left": "left", "center": "middle", "right": "right"}


def the_rest(rng: np.random.Generator, count: int) -> Body:
    """'four kites, one red, the rest yellow'; 'a cat, a dog and a cup. The dog is black, the rest yellow'."""
    one, other = two_colours(rng)
    if rng.random() < 0.35 and count < 5:
        things, i = distinct(rng, count, 0.0), int(rng.integers(count))
        names = [a(thing, rng) for thing in things]
        text = pick(rng, ("{l}. The {s} is {c}, the rest {d}", "{l}; the {s} {c}, the rest {d}", "{l}. Make the {s} {c} and the rest {d}", "{l}. Everything is {d} except the {s}, which is {c}", "{l}: {s} {c}, all others {d}", "{l}. The {s} is {c}, everything else is {d}"))
        text = text.format(l=", ".join(names[:-1]) + f" and {names[-1]}", s=things[i].subject, c=one, d=other)
        return text, put([replace(thing, colour=one if j == i else other) for j, thing in enumerate(things)], DEFAULT[count])
    thing, many = plain_group(rng, count)
    places, form, rest = list(DEFAULT[count]), rng.random(), "the other" if count == 2 else "the rest"
    if count > 2 and form < 0.5:
        place = pick(rng, places)
        name = ROW_NAMES.get(place, place) if count == 3 or place == "center" else place.replace("top", "top middle").replace("bottom", "bottom middle") if place in ("top", "bottom") else place
        name = name.replace("center", "middle")
        others = [p for p in places if p != place]
        if rng.random() < 0.25:
            text = pick(rng, ("{m}, {d} except for the {p} one, which is {c}", "{m}, all {d} but the {p} one, that one is {c}")).format(m=many, p=name, c=one, d=other)
            return text, put([replace(thing, colour=other)] * (count - 1) + [replace(thing, colour=one)], (*others, place))
        text = pick(rng, ("{m}, the {p} one {c}, the rest {d}", "{m}: the {p} one is {c}, the others are {d}", "{m}. The {p} one is {c}, all the others {d}", "{m}. Only the {p} one is {c}, the remaining ones are {d}", "{m}; {p} one {c}, rest {d}")).format(m=many, p=name, c=one, d=other)
        return text, put([replace(thing, colour=one)] + [replace(thing, colour=other)] * (count - 1), (place, *others))
    number = 1 if count < 4 or form < 0.8 else 2
    said = "one" if number == 1 else "two"
    text = pick(rng, ("{m}, {n} {c}, {r} {d}", "{m}: {n} {c}, {r} {d}", "{m}. {n} of them {c}, {r} {d}", "{m}, {n} in {c} and {r} in {d}", "{m}, {n} is {c} and {r} {d}" if number == 1 else "{m}, {n} {c} and {r} {d}")).format(m=many, n=said, c=one, d=other, r=rest)
    return text, put([replace(thing, colour=one)] * number + [replace(thing, colour=other)] * (count - number), places)


def together_coloured(rng: np.random.Generator, count: int) -> Body:
    """'a pumpkin and an acorn, orange and dark brown respectively', 'both are brown', 'the former gold, the latter red'."""
    things, form = distinct(rng, count, 0.0), rng.random()
    names = [a(thing, rng) for thing in things]
    start = ", ".join(names[:-1]) + f" and {names[-1]}"
    if form < 0.35:
        colour = colour_of(rng)
        ways = ("{l}, both are {c}", "{l}; both {c}", "{l}, both of them in {c}", "{l}, each one {c}", "{l}, the two of them {c}", "{c} for both: {l}") if count == 2 else ("{l}, every one of them {c}", "{l}; all are {c}")
        text = pick(rng, (*ways, "{l}, all of it in {c}", "{l}, all in the same {c}", "{l}. Use {c} for everything", "everything {c}: {l}", "{l}, the whole lot {c}", "{l}. Colour them {c}", "{l}, in {c} only", "{l}, matching {c}")).format(l=start, c=colour)
        return text, put([replace(thing, colour=colour) for thing in things], DEFAULT[count])
    colours = two_colours(rng, count)
    if form < 0.6 or count > 2:
        shades = ", ".join(colours[:-1]) + f" and {colours[-1]}"
        text = pick(rng, ("{l}, {s} respectively", "{l}, coloured {s} respectively", "{l} in {s} respectively", "{l} ({s}, respectively)", "{l}. They are {s}, respectively", "{l}, respectively {s}", "{l}. Colours in this order: {s}", "{l}, {s} in that order", "{l}; colours: {s}")).format(l=start, s=shades)
    else:
        text = pick(rng, ("{l}, the former {c}, the latter {d}", "{l}. The former is {c}, the latter {d}", "{l}. The latter is {d}, the former {c}", "{l}: the first {c}, the second {d}", "{l}, first one {c}, second one {d}", "{l}; the latter {d}, the former {c}")).format(l=start, c=colours[0], d=colours[1])
    return text, put([replace(thing, colour=colour) for thing, colour in zip(things, colours, strict=True)], DEFAULT[count])


# Several of one noun, each told apart by its colour {0}, {1} …, in the order of mention; {m} is 'three books'.
APART: dict[int, tuple[tuple[str, tuple[str, ...]], ...]] = {
    2: (("{m}, one {0} one {1}, the {0} one goes on the right", ("right", "left")), ("{m}, one {0} one {1}, the {0} one goes on the left", ("left", "right")), ("{m}, one {0} and one {1}. The {1} one is on the left", ("right", "left")), ("{m}: one {0}, one {1}; {1} on top", ("bottom", "top")),
        ("{m}, one {0}, one {1}, the {0} one above the {1} one", ("top", "bottom")), ("{m}, {0} on the left, {1} on the right", ("left", "right")), ("{m}: {0} at the top, {1} at the bottom", ("top", "bottom")), ("{m}, bottom one {0}, top one {1}", ("bottom", "top")), ("{m}; right: {0}, left: {1}", ("right", "left")),
        ("{m} stacked, the lower one {0}, the upper one {1}", ("bottom", "top")), ("{m}, the {0} one in the top left corner, the {1} one in the bottom right corner", ("top left", "bottom right")), ("{m}, a {0} one in the bottom left corner and a {1} one in the top right corner", ("bottom left", "top right")), ("{m} facing each other, the left one {0}, the right one {1}", ("left", "right"))),
    3: (("{m} stacked: bottom one {0}, middle one {1}, top one {2}", ("bottom", "center", "top")), ("{m} on top of each other: top one {0}, middle one {1}, bottom one {2}", ("top", "center", "bottom")), ("{m}, the left one {0}, the middle one {1}, the right one {2}", DEFAULT[3]), ("{m} in a row: {0}, {1}, {2}", DEFAULT[3]), ("{m}, from right to left {0}, {1}, {2}", ("right", "center", "left")),
        ("{m} like a traffic light: {0} at the top, {1} in the middle, {2} at the bottom", ("top", "center", "bottom")), ("{m} in a pile, from the bottom up {0}, {1}, {2}", ("bottom", "center", "top")), ("{m}, {0} at the top, {1} bottom left, {2} bottom right", ("top", "bottom left", "bottom right")), ("{m}; the middle one is {0}, the left one {1}, the right one {2}", ("center", "left", "right")),
        ("{m} along the bottom: {0}, {1}, {2}", ("bottom left", "bottom", "bottom right")), ("{m} along the top edge, {0}, {1}, {2} from the left", ("top left", "top", "top right")), ("{m} down the left side, {0}, {1} and {2} from the top", ("top left", "left", "bottom left"))),
    4: (("{m}, going clockwise from the top left: {0}, {1}, {2}, {3}", ("top left", "top right", "bottom right", "bottom left")), ("{m} in a square, clockwise from top left {0}, {1}, {2} and {3}", ("top left", "top right", "bottom right", "bottom left")), ("{m} in two rows; the top row is {0}, the bottom row {1}", ()),
        ("{m} in two rows, top row {0}, bottom row {1}", ()), ("{m} in a 2x2 grid: upper row {0}, lower row {1}", ()), ("{m}, the left column {0}, the right column {1}", ("columns",)), ("{m} in two columns, left ones {0}, right ones {1}", ("columns",)), ("a 2x2 checkerboard of {n}: {0}, {1}, {1}, {0}", ("checks",)), ("{m} like on a chessboard, {0} and {1} alternating, starting with {0} at the top left", ("checks",)),
        ("{m} in a 2x2 checker pattern: {0}, {1} / {1}, {0}", ("checks",)), ("{m}, one in each corner: {0}, {1}, {2}, {3}", CORNERS), ("{m} anticlockwise from the top left: {0}, {1}, {2}, {3}", ("top left", "bottom left", "bottom right", "top right")), ("2x2 tiles of {n}: {0}, {1}, {2}, {3}", CORNERS)),
    6: (("{m} in two rows; the top row is {0}, the bottom row {1}", ()), ("{m}: upper row {0}, lower row {1}", ()), ("{m} in two rows of three, the upper ones {0}, the lower ones {1}", ()), ("{m}, the top three {0}, the bottom three {1}", ()), ("two rows of three {n}, the first row in {0}, the second row in {1}", ())),
    9: (("{m} in a 3x3 grid; top row {0}, middle row {1}, bottom row {2}", ()), ("a 3x3 grid of {n}: first row {0}, second row {1}, third row {2}", ()), ("a 3x3 checkerboard of {n}, alternating {0} and {1}, starting with {0} in the top left corner", ("checks",)), ("3x3 {n}: {0}, {1}, {0} / {1}, {0}, {1} / {0}, {1}, {0}", ("checks",))),
}  # fmt: skip


def told_apart(rng: np.random.Generator, count: int) -> Body:
    thing, many = plain_group(rng, count)
    form, places = pick(rng, APART[count])
    colours = two_colours(rng, 4)
    text = form.format(*colours, m=many, n=f"{thing.said[: -len(thing.subject)]}{plural(thing.subject)}")
    if places == ():  # whole rows
        shape = {4: 2, 6: 3, 9: 3}[count]
        return text, put([replace(thing, colour=colours[i // shape]) for i in range(count)], DEFAULT[count])
    if places == ("columns",):
        return text, put([replace(thing, colour=colours[i // 2]) for i in range(4)], ("top left", "bottom left", "top right", "bottom right"))
    if places == ("checks",):
        pattern = (0, 1, 1, 0) if count == 4 else tuple(i % 2 for i in range(9))
        return text, put([replace(thing, colour=colours[i]) for i in pattern], DEFAULT[count])
    return text, put([replace(thing, colour=colour) for thing, colour in zip([thing] * count, colours[:count], strict=True)], places)


# Different objects {0}, {1} …, their places, told as people tell them.
TOLD_PLACES: dict[int, tuple[tuple[str, tuple[str, ...]], ...]] = {
    1: (("{0}, up left", ("top left",)), ("{0} down right", ("bottom right",)), ("{0}, low down in the left-hand corner", ("bottom left",)), ("{0} in the upper right-hand corner", ("top right",)), ("{0} tucked into the bottom right corner", ("bottom right",)), ("{0} squeezed against the left edge", ("left",)), ("{0} dead centre", ("center",)),
        ("{0} smack in the middle", ("center",)), ("{0} pushed over to the right", ("right",)), ("{0} way up at the top", ("top",)), ("{0}, down left", ("bottom left",)), ("{0} up right", ("top right",)), ("{0} hugging the bottom edge", ("bottom",)), ("{0} in the corner at the top left", ("top left",))),
    2: (("{0} on the left, {1} on the other side", ("left", "right")), ("{0} on the right and on the other side {1}", ("right", "left")), ("{0} at the top, {1} at the opposite end", ("top", "bottom")), ("{0} in the foreground, {1} in the background", ("bottom", "top")), ("in the background {0}, in the foreground {1}", ("top", "bottom")), ("{0} up left and {1} down right", ("top left", "bottom right")),
        ("{0} down left, {1} up right", ("bottom left", "top right")), ("{0} in one corner, at the top left, and {1} in the opposite one", ("top left", "bottom right")), ("{0} has climbed on top of {1}", ("top", "bottom")), ("{0} leans out from behind {1}", ("top", "bottom")), ("in front of {0} somebody has put {1}", ("top", "bottom")), ("behind {0} looms {1}", ("bottom", "top")),
        ("at the far left {0}, at the far right {1}", ("left", "right")), ("{0} sharing the bottom edge with {1}, {0s} on the left", ("bottom left", "bottom right")), ("{0} to my left and {1} to my right", ("left", "right")), ("{0} in the two o'clock corner, top right, and {1} diagonally opposite", ("top right", "bottom left")), ("{0}, crowned by {1}", ("bottom", "top"))),
    3: (("{0} with {1} and {2}, one on either side of it, left and right", ("center", "left", "right")), ("{0} and on either side of it {1} and {2}", ("center", "left", "right")), ("{0} at the top, {1} and {2} in the two lower corners", ("top", "bottom left", "bottom right")), ("{0}; {1} and {2} in the two upper corners, {0s} at the bottom", ("bottom", "top left", "top right")), ("along the bottom: {0}, {1}, {2}", ("bottom left", "bottom", "bottom right")),
        ("{0}, {1} and {2} along the bottom", ("bottom left", "bottom", "bottom right")), ("{0}, {1} and {2} along the top", ("top left", "top", "top right")), ("stacked: bottom one {0}, middle one {1}, top one {2}", ("bottom", "center", "top")), ("a stack with {0} at its base, {1} on it and {2} on the very top", ("bottom", "center", "top")), ("a totem: {0} at the top, {1} below, {2} at the foot", ("top", "center", "bottom")),
        ("down the right side: {0}, {1}, {2}", ("top right", "right", "bottom right")), ("{0}, {1} and {2} down the left edge", ("top left", "left", "bottom left")), ("in the foreground {0} and {1}, behind them {2}", ("bottom left", "bottom right", "top")), ("{0} in the centre, {1} up left, {2} down right", ("center", "top left", "bottom right")), ("on a diagonal from the top left down: {0}, {1}, {2}", ("top left", "center", "bottom right"))),
    4: (("going clockwise from the top left: {0}, {1}, {2}, {3}", ("top left", "top right", "bottom right", "bottom left")), ("{0} up left, {1} up right, {2} down left, {3} down right", CORNERS), ("{0} at twelve o'clock, {1} at three, {2} at six, {3} at nine", ("top", "right", "bottom", "left")), ("a compass: north {0}, east {1}, south {2}, west {3}", ("top", "right", "bottom", "left")),
        ("{0} in the middle and {1}, {2}, {3} along the bottom", ("center", "bottom left", "bottom", "bottom right")), ("{0} at the top and {1}, {2} and {3} in the bottom row", ("top", "bottom left", "bottom", "bottom right")), ("top shelf: {0} and {1}. Bottom shelf: {2} and {3}", CORNERS)),
    5: (("a cross: {0} in the centre, above it {1}, below it {2}, left of it {3}, right of it {4}", ("center", "top", "bottom", "left", "right")), ("{0} in the middle; above {1}, below {2}, to the left {3}, to the right {4}", ("center", "top", "bottom", "left", "right")),
        ("centre: {0}. North of it {1}, south {2}, west {3}, east {4}", ("center", "top", "bottom", "left", "right")), ("{0} with {1}, {2}, {3} and {4} in the corners, from the top left row by row", ("center", *CORNERS)), ("upper shelf: {0}, {1}, {2}; lower shelf: {3}, {4}", ("top left", "top", "top right", "bottom left", "bottom right"))),
    6: (("upper shelf: {0}, {1}, {2}; lower shelf: {3}, {4}, {5}", DEFAULT[6]), ("left column from the top: {0}, {1}, {2}; right column from the top: {3}, {4}, {5}", ("top left", "left", "bottom left", "top right", "right", "bottom right")), ("two to a row, three rows: {0}, {1}; {2}, {3}; {4}, {5}", ("top left", "top right", "left", "right", "bottom left", "bottom right"))),
}  # fmt: skip
# Several of one kind {m}, and perhaps one other {o}: the places, '*' for the other.
CLONES: dict[int, tuple[tuple[str, tuple[str, ...]], ...]] = {
    2: (("{m}, one in each of the two lower corners", ("bottom left", "bottom right")), ("{m}, one in each upper corner", ("top left", "top right")), ("{m} in opposite corners, top left and bottom right", ("top left", "bottom right")), ("{m} in the bottom row", ("bottom left", "bottom right")), ("{m} at the top, left and right", ("top left", "top right"))),
    3: (("{m} along the bottom", ("bottom left", "bottom", "bottom right")), ("{m} in the top row", ("top left", "top", "top right")), ("{m} lined up along the top edge", ("top left", "top", "top right")), ("{m} down the right side", ("top right", "right", "bottom right")), ("{m} on a diagonal from the top left to the bottom right", ("top left", "center", "bottom right")),
        ("{m} stacked", ("top", "center", "bottom")), ("{o} with {m}, one on either side", ("*center", "left", "right")), ("{o} at the top and {m}, one in each of the two lower corners", ("*top", "bottom left", "bottom right")), ("{m}, one in each of the two upper corners, and {o} at the bottom", ("top left", "top right", "*bottom")), ("{m} in a triangle, one above two", ("top", "bottom left", "bottom right"))),
    4: (("{o} at the top and {m} along the bottom", ("*top", "bottom left", "bottom", "bottom right")), ("{m} in the top row and {o} in the middle of the bottom row", ("top left", "top", "top right", "*bottom")), ("{m}, one above, one below, one left and one right", ("top", "bottom", "left", "right")), ("{m}, one at each side of the picture: top, left, right, bottom", ("top", "left", "right", "bottom"))),
    5: (("{m}: three above, two below", ("top left", "top", "top right", "bottom left", "bottom right")), ("{m} in a cross, one in the centre, the others above, below, left and right of it", ("center", "top", "bottom", "left", "right")), ("{m} like the five on a die", DEFAULT[5]), ("{m} in two rows, two in the top row and three in the bottom row", ("top left", "top right", "bottom left", "bottom", "bottom right")), ("{o} with {m}, one in each corner around it", ("*center", *CORNERS))),
    6: (("{m}, two in each of three rows", ("top left", "top right", "left", "right", "bottom left", "bottom right")), ("{m} as on a die", ("top left", "top right", "left", "right", "bottom left", "bottom right")), ("{m}, three on the left side and three on the right side", ("top left", "left", "bottom left", "top right", "right", "bottom right")), ("{m} in a grid of two rows and three columns", DEFAULT[6])),
    7: (("{m}: three at the top, one in the middle, three at the bottom", ("top left", "top", "top right", "center", "bottom left", "bottom", "bottom right")), ("{m} in three rows of 3, 1 and 3", ("top left", "top", "top right", "center", "bottom left", "bottom", "bottom right")), ("{m}, 2 in the top row, 3 in the middle row, 2 in the bottom row", ("top left", "top right", "left", "center", "right", "bottom left", "bottom right"))),
    8: (("{m} in a ring, the middle stays empty", DEFAULT[8]), ("{m}: three at the top, two in the middle row, three at the bottom", DEFAULT[8]), ("{m} in a 3x3 grid with the centre left empty", DEFAULT[8])),
    9: (("{m}, three rows of three", DEFAULT[9]), ("{m} filling a 3x3 grid", DEFAULT[9]), ("{o} in the centre of a ring of {m}", ("*center", *DEFAULT[8])), ("{m} all around {o}, which is in the centre", (*DEFAULT[8], "*center")), ("{m}, 3 by 3", DEFAULT[9])),
}  # fmt: skip


def told_places(rng: np.random.Generator, count: int) -> Body:
    form, places = pick(rng, TOLD_PLACES[count])
    things = distinct(rng, count, pick(rng, (0.0, 0.9, 0.9)))
    names = [a(thing, rng) for thing in things]
    return form.replace("{0s}", f"the {things[0].subject}").format(*names), put(things, places)


def clones(rng: np.random.Generator, count: int) -> Body:
    form, places = pick(rng, CLONES[count])
    thing, other = distinct(rng, 2, 0.75)
    number = sum(place[0] != "*" for place in places)
    words = pick(rng, ("", "", "", "a set of ", "exactly ")) if "{m}" == form[:3] else ""
    many = f"{pick(rng, COUNTS[number][:2])} {thing.said[: -len(thing.subject)]}{plural(thing.subject)}"
    text = words + form.format(m=many, o=a(other, rng))
    return text, [(other if place[0] == "*" else thing).at(place.lstrip("*")) for place in places]


# Clothes and parts are details of what wears or has them; all after the noun.
WEARERS = tuple("cat, dog, rabbit, bear, penguin, owl, frog, robot, snowman, cactus, monkey, fox, pig, cow, duck, elephant, lion, giraffe, mouse, dragon, llama, ghost, teddy bear, octopus, goose, wolf, koala, sheep, turtle, dinosaur, alien, panda bear, hedgehog, skeleton, donkey, snail, potato, lemon, pear".split(", "))  # fmt: skip
WORN = (
    "wearing a sombrero", "in a tuxedo", "with a red bow tie", "wearing sunglasses", "in rubber boots", "with a top hat", "wearing a pink scarf", "with a necklace", "in a raincoat", "wearing a crown", "with a monocle", "holding a balloon", "wearing a knitted sweater", "with a green ribbon", "in pyjamas", "wearing headphones", "with a backpack",
    "wearing a party hat", "holding a flag", "with a moustache", "wearing a blue apron", "in a spacesuit", "wearing a helmet", "with yellow mittens", "wearing a chef's hat", "with a flower behind its ear", "with a cape", "wearing striped socks", "holding a tiny umbrella", "with big ears", "with three eyes", "wearing a tie", "with glasses", "in a white wedding veil",
)  # fmt: skip
PARTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (WEARERS, WORN), (WEARERS, WORN),
    (("bus", "car", "taxi", "truck", "van", "tram", "train", "fire truck", "school bus", "tractor"), ("with two floors", "with big wheels", "with round headlights", "with a flat tyre", "with yellow stripes", "with open doors", "with a roof rack", "with tinted windows", "full of people", "with its lights on", "with a white roof", "with a dented door")),
    (("house", "castle", "cottage", "tower", "barn", "church", "lighthouse", "windmill", "hut", "palace"), ("with a red roof", "with a chimney", "with round windows", "with two towers", "with a blue door", "with ivy on its walls", "with lit windows", "with a thatched roof", "with three floors", "with closed shutters", "with a flag on top")),
    (("mushroom", "toadstool", "teapot", "cup", "mug", "vase", "umbrella", "balloon", "dress", "egg", "plate", "bowl", "kite"), ("with white dots", "with a golden rim", "with a floral pattern", "with zigzag lines", "with tiny stars on it", "with a broken handle", "with black dots", "with green stripes", "with a painted heart", "with a checked pattern", "with initials on it")),
    (("sneaker", "shoe", "boot", "hiking boot", "ice skate", "ballet shoe", "cowboy boot"), ("with dotted laces", "with white laces", "with a worn sole", "without laces", "with a high heel", "with silver buckles", "with a hole in the toe", "with golden eyelets")),
    (("sailboat", "ship", "boat", "pirate ship", "rowing boat", "rocket", "airplane", "hot air balloon", "helicopter", "submarine"), ("with patched sails", "with a striped sail", "with portholes", "with three masts", "with a number 7 on it", "with a wooden deck", "with red fins", "with a flag at the back", "with round windows", "with a torn flag")),
    (("cake", "cupcake", "pizza", "ice cream", "donut", "pancake", "birthday cake", "hamburger"), ("with sprinkles", "with a cherry on top", "with white icing", "with extra cheese", "with candles on it", "with chocolate sauce", "with a bite missing", "with cream on top", "with three layers")),
    (("tree", "oak", "apple tree", "flower", "tulip", "palm tree", "sunflower", "cactus", "rose"), ("with bare branches", "with a thick trunk", "with a broken branch", "with long thorns", "with big leaves", "with a bent stem", "with dew on it", "in full bloom", "with falling leaves", "in a clay pot", "with snow on its branches")),
    (("chair", "armchair", "table", "sofa", "guitar", "clock", "lamp", "book", "suitcase", "door", "wardrobe", "bed"), ("with three legs", "with carved legs", "with a brass handle", "with a cracked frame", "with flowers painted on it", "with stickers on it", "with gold letters", "with a missing knob", "with Roman numerals", "with a torn cover", "with silver strings")),
)  # fmt: skip


def detailed(rng: np.random.Generator, count: int) -> Body:
    """'a cactus wearing a sombrero': one object with a detail, perhaps beside others."""
    things: list[Thing] = []
    used: set[str] = set()
    while len(things) < count:
        nouns, details = pick(rng, PARTS)
        thing = thing_of(rng, coloured=0.0, before_only=True, noun=pick(rng, nouns))
        if thing.subject in used:
            continue
        used.add(thing.subject)
        if rng.random() < 0.6:
            colour = colour_of(rng)
            thing = replace(thing, colour=colour, said=f"{thing.said[: -len(thing.subject)]}{colour} {thing.subject}")
        if len(things) == 0 or rng.random() < 0.5:
            part = pick(rng, details)
            thing = replace(thing, detail=f"{thing.detail}, {part}" if thing.detail else part, said=f"{thing.said} {part}")
        things.append(thing)
    names, form = [a(thing, rng) for thing in things], rng.random()
    if count > 1 and form < 0.5:
        places = [str(place) for place in rng.permutation(pick(rng, SPOTS[count]))]
        shape = pick(rng, ("{w} {n}", "{w}: {n}", "{w}, {n}"))
        return pick(rng, (", ", "; ", " and ", ". ")).join(shape.format(n=n, w=ASKED[p]) for n, p in zip(names, places, strict=True)), put(things, places)
    return pick(rng, (", ", " and ", "; ") if count > 1 else ("",)).join(names), put(things, DEFAULT[count])


# Further forms of `briefs.FORMS`, by the number of objects: (weight, form).
MANNERS: dict[int, list[tuple[float, Callable[[np.random.Generator, int], Body]]]] = {
    1: [(0.5, told_places), (0.6, detailed)],
    2: [(0.5, the_rest), (0.6, together_coloured), (0.6, told_apart), (0.9, told_places), (0.4, clones), (0.7, detailed)],
    3: [(0.5, the_rest), (0.5, together_coloured), (0.5, told_apart), (0.8, told_places), (0.6, clones), (0.4, detailed)],
    4: [(0.5, the_rest), (0.2, together_coloured), (0.7, told_apart), (0.6, told_places), (0.4, clones), (0.2, detailed)],
    5: [(0.3, the_rest), (0.6, told_places), (0.7, clones)],
    6: [(0.3, the_rest), (0.4, told_apart), (0.5, told_places), (0.6, clones)],
    7: [(1, clones)], 8: [(1, clones)], 9: [(0.6, told_apart), (0.8, clones)],
}  # fmt: skip
