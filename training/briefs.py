"""Synthetic briefs and their right answers, as varied as people are: what the planner's adapter learns from."""

import numpy as np

from training.captions import BACKGROUND_WORDS, COLOUR_WORDS, SUBJECT_WORDS

TYPICAL = {
    "cat": "orange", "dog": "orange", "rabbit": "white", "fish": "blue", "bird": "blue", "duck": "yellow",
    "butterfly": "purple", "turtle": "green", "whale": "blue", "snail": "orange", "apple": "red", "mushroom": "red",
    "cupcake": "pink", "tree": "green", "cactus": "green", "tulip": "pink", "car": "red", "bus": "yellow",
    "rocket": "white", "sailboat": "white", "house": "orange", "castle": "white", "guitar": "red", "umbrella": "purple",
    "balloon": "red", "crown": "yellow", "star": "yellow", "heart": "red", "moon": "yellow", "robot": "white",
}  # fmt: skip
# Nouns that the pocket model does not know: the planner must copy them, not replace them.
OTHERS = {
    "horse": "brown", "elephant": "grey", "lion": "yellow", "frog": "green", "owl": "brown", "penguin": "black",
    "bear": "brown", "fox": "orange", "sheep": "white", "bee": "yellow", "dragon": "green", "unicorn": "white",
    "lamp": "yellow", "chair": "brown", "table": "brown", "book": "blue", "clock": "white", "cup": "white",
    "teapot": "blue", "bottle": "green", "banana": "yellow", "pear": "green", "pizza": "orange", "carrot": "orange",
    "strawberry": "red", "cherry": "red", "lemon": "yellow", "rose": "red", "sunflower": "yellow", "bush": "green",
    "bicycle": "blue", "train": "green", "truck": "red", "airplane": "white", "helicopter": "green", "tractor": "green",
    "lighthouse": "white", "tower": "grey", "bridge": "grey", "tent": "orange", "drum": "red", "trumpet": "yellow",
    "piano": "black", "violin": "brown", "hat": "black", "shoe": "brown", "key": "yellow", "bell": "yellow",
    "cloud": "white", "sun": "yellow", "mountain": "grey", "rock": "grey", "snowman": "white", "ghost": "white",
    "alien": "green", "wizard": "purple", "girl": "pink", "boy": "blue", "ball": "red", "kite": "red", "gift": "red",
    "candle": "white", "mouse": "grey", "pig": "pink", "cow": "white", "monkey": "brown", "octopus": "purple",
    "crab": "red", "shark": "grey", "dinosaur": "green",
}  # fmt: skip
COLOURS = [word for words in COLOUR_WORDS.values() for word in words.split()] + [
    "black", "brown", "grey", "turquoise", "silver", "dark blue", "light green", "bright red", "pale pink", "beige",
]  # fmt: skip
DETAILS = (
    "striped", "dotted", "shiny", "fluffy", "wooden", "tiny", "small", "big", "huge", "sleepy", "smiling", "glowing",
    "old", "little", "glass", "metallic", "round", "fat", "happy", "spotted", "velvet", "furry", "rusty", "tall",
)  # fmt: skip
MOODS = {
    "at night": "soft moonlight", "in the sky": "bright daylight", "at sunset": "warm evening light",
    "on a meadow": "fresh daylight", "on the beach": "bright sunshine", "in the snow": "cold clear light",
    "under water": "shimmering blue light", "in a room": "warm lamp light", "": "clear daylight",
}  # fmt: skip
ELSEWHERE = (
    "in the desert", "in space", "in the forest", "in a city", "in the kitchen", "on the moon", "in the mountains",
    "on a street", "in a garden", "on a table", "in front of a wall", "in the jungle", "by a lake", "in the rain",
)  # fmt: skip
BACKGROUND_SENTENCES = {
    "at night": ("It is night.", "Night sky behind them.", "background: night", "Make it night time.", "with a starry sky behind", "under a dark sky", "at midnight"),
    "in the sky": ("The background is blue sky.", "background: sky", "with a clear blue sky behind", "up in the clouds"),
    "at sunset": ("The sun is setting.", "Sunset in the background.", "background: sunset", "at sundown", "as the sun goes down", "at dawn"),
    "on a meadow": ("They are standing on grass.", "background: meadow", "Green grass everywhere.", "on a green hill", "outside on the grass", "in a meadow"),
    "on the beach": ("The background is a beach.", "It's at the beach.", "background: beach", "on a sunny beach", "at the sea side", "on a sandy shore"),
    "in the snow": ("It has snowed.", "Snow all around.", "background: snow", "on a winter day", "in a snowy landscape"),
    "under water": ("It all happens under the sea.", "background: underwater", "underwater", "at the bottom of the ocean"),
    "in a room": ("They are inside.", "background: a room", "in my bedroom", "inside the house", "in a cosy room"),
}  # fmt: skip
SAID_MOODS = {
    "cosy": "warm cosy light", "dreamy": "soft dreamy light", "gloomy": "dim gloomy light", "cheerful": "bright cheerful colours",
    "spooky": "dark spooky shadows", "calm": "calm soft light", "magical": "magical glow", "romantic": "warm romantic light",
}  # fmt: skip
CORNERS = ("top left", "top right", "bottom left", "bottom right")
PLACES = {
    "top left": ("in the top left corner", "at the top left", "in the upper left", "top left", "in the upper left corner"),
    "top": ("at the top", "on top", "up above", "in the upper middle", "at the very top"),
    "top right": ("in the top right corner", "at the top right", "in the upper right", "top right", "in the upper right corner"),
    "left": ("on the left", "at the left", "on the left side", "to the left", "on the left-hand side"),
    "center": ("in the middle", "in the center", "in the centre", "at the center", "right in the middle"),
    "right": ("on the right", "at the right", "on the right side", "to the right", "on the right-hand side"),
    "bottom left": ("in the bottom left corner", "at the bottom left", "in the lower left", "bottom left", "in the lower left corner"),
    "bottom": ("at the bottom", "down below", "in the lower middle", "at the very bottom"),
    "bottom right": ("in the bottom right corner", "at the bottom right", "in the lower right", "bottom right", "in the lower right corner"),
}  # fmt: skip
ROW = {
    1: ("center",), 2: ("left", "right"), 3: ("left", "center", "right"), 4: CORNERS, 5: (*CORNERS, "center"),
    6: ("top left", "top", "top right", "bottom left", "bottom", "bottom right"),
    7: ("top left", "top", "top right", "left", "center", "right", "bottom"),
    8: ("top left", "top", "top right", "left", "right", "bottom left", "bottom", "bottom right"),
    9: tuple(PLACES),
}  # fmt: skip
NUMBERS = {2: "two", 3: "three", 4: "four"}
OPENINGS = (
    "I want", "please draw", "Draw", "can you make me a picture of", "Paint", "a picture with", "Imagine", "Show me",
    "I'd like to see", "could you draw", "make", "i need", "Create an image of", "An illustration with", "There is",
    "we see", "Please paint me", "how about", "give me",
)  # fmt: skip


def pick(rng: np.random.Generator, options):
    return options[int(rng.integers(len(options)))]


def _thing(rng: np.random.Generator) -> dict[str, str]:
    """One object; `said` is how the brief names it without an article."""
    if rng.random() < 0.65:
        known = pick(rng, list(SUBJECT_WORDS))
        subject, colour = pick(rng, SUBJECT_WORDS[known].split()), TYPICAL[known]
    else:
        subject, colour = pick(rng, list(OTHERS.items()))
    words, detail = [], ""
    if rng.random() < 0.22:
        detail = pick(rng, DETAILS)
        words.append(detail)
    after = ""
    if rng.random() < 0.85:
        colour = pick(rng, COLOURS)
        if rng.random() < 0.06:
            after = pick(rng, (f" in {colour}", f" that is {colour}", f" ({colour})"))
        else:
            words.append(colour)
    return {"subject": subject, "colour": colour, "detail": detail, "said": " ".join([*words, subject]) + after}


def _a(said: str, rng: np.random.Generator) -> str:
    form = rng.random()
    if form < 0.82:
        return f"{'an' if said[0] in 'aeiou' else 'a'} {said}"
    return f"one {said}" if form < 0.86 else f"the {said}" if form < 0.9 else said


def _list(parts: list[str], rng: np.random.Generator) -> str:
    if len(parts) == 1:
        return parts[0]
    joint = pick(
        rng,
        (" and ", ", and ", ", ", " and ", "; ", " plus ", ". ")
        if len(parts) > 2
        else (" and ", ", ", " and ", " with "),
    )
    return ", ".join(parts[:-1]) + joint + parts[-1]


def _arranged(rng: np.random.Generator) -> tuple[str, list[dict[str, str]]]:
    """The brief's body and its objects, in the order of their mention, each with its position."""
    count = int(rng.choice([1, 2, 3, 4, 5, 6, 9], p=[0.15, 0.36, 0.18, 0.17, 0.05, 0.05, 0.04]))
    things = [_thing(rng) for _ in range(count)]
    names = [_a(t["said"], rng) for t in things]
    form = rng.random()

    def put(places) -> list[dict[str, str]]:
        return [t | {"position": p} for t, p in zip(things, places, strict=True)]

    if count <= 4 and count > 1 and form < 0.09:  # several of one kind
        thing = things[0]
        plural = thing["said"] + ("es" if thing["said"].endswith(("s", "x", "ch", "sh")) else "s")
        if thing["said"].endswith(("fish", "sheep", ")")) or " that is " in thing["said"] or " in " in thing["said"]:
            return _arranged(rng)
        extra = _thing(rng) if count < 4 and rng.random() < 0.4 else None
        places = ROW[count + 1] if extra else ROW[count]
        objects = [thing | {"position": p} for p in places[:count]]
        body = f"{NUMBERS[count]} {plural}"
        if extra:
            body += f" and {_a(extra['said'], rng)}"
            objects.append(extra | {"position": places[count]})
        return body + pick(rng, ("", " side by side" if count == 2 and not extra else "", "")), objects
    if count == 1:
        place = pick(rng, list(PLACES))
        if form < 0.4:
            return f"{names[0]} {pick(rng, PLACES[place])}", put([place])
        return names[0] + pick(rng, ("", "", " alone", ", close up", ", nothing else")), put(["center"])
    if count == 2:
        a, b = names
        if form < 0.27:
            wording = pick(rng, (
                "{a} to the left of {b}", "{a} left of {b}", "on the left {a}, on the right {b}", "left {a}, right {b}",
                "{a} on the left and {b} on the right", "{a} on the left, {b} on the right", "left: {a}, right: {b}",
                "{a} is on the left. {b} is on the right", "{a} on the left side and {b} on the right side",
                "on the left there is {a} and on the right {b}", "{a} (left) and {b} (right)", "{a} left and {b} right",
                "{a} on the left looking at {b} on the right", "{a} on the left-hand side and next to it, on the right, {b}",
            ))  # fmt: skip
            return wording.format(a=a, b=b), put(["left", "right"])
        if form < 0.37:
            wording = pick(rng, (
                "{a} to the right of {b}", "{a} right of {b}", "on the right {a}, on the left {b}", "right: {a}, left: {b}",
                "{a} on the right and {b} on the left", "{a} on the right, {b} on the left",
            ))  # fmt: skip
            return wording.format(a=a, b=b), put(["right", "left"])
        if form < 0.56:
            wording = pick(rng, (
                "{a} above {b}", "{a} over {b}", "{a} on top of {b}", "{a} at the top and {b} at the bottom",
                "{a} flying over {b}", "top: {a}, bottom: {b}", "{a} hovering above {b}", "{a} sitting on {b}",
                "at the top {a}, at the bottom {b}", "{a} up above, {b} down below", "{a} at the top, below it {b}",
                "{a} floating above {b}", "{a} standing on {b}", "{a} higher up and {b} underneath",
            ))  # fmt: skip
            return wording.format(a=a, b=b), put(["top", "bottom"])
        if form < 0.68:
            wording = pick(rng, (
                "{a} below {b}", "{a} under {b}", "{a} beneath {b}", "{a} underneath {b}",
                "{a} at the bottom and {b} at the top", "bottom: {a}, top: {b}", "at the bottom {a}, at the top {b}",
            ))  # fmt: skip
            return wording.format(a=a, b=b), put(["bottom", "top"])
        if form < 0.88:
            wording = pick(rng, (
                "{a} and {b}", "{a} next to {b}", "{a} beside {b}", "{a} and {b} side by side", "{a} with {b}", "{a}, {b}",
                "{a} near {b}", "{a} meets {b}", "{a} together with {b}", "{a} by {b}", "{a} looking at {b}",
            ))  # fmt: skip
            return wording.format(a=a, b=b), put(["left", "right"])
    if count == 3 and form < 0.3:
        wording, places = pick(rng, (
            ("{0} between {1} and {2}", ("center", "left", "right")), ("{0}, {1} and {2} in a row", ROW[3]),
            ("{0}, {1}, {2} from left to right", ROW[3]), ("from left to right: {0}, {1}, {2}", ROW[3]),
            ("{0}, {1} and {2} from top to bottom", ("top", "center", "bottom")), ("{0}, {1} and {2}", ROW[3]),
            ("{0}, below it {1}, and {2} at the bottom", ("top", "center", "bottom")), ("{0} with {1} and {2}", ROW[3]),
            ("a row of {0}, {1} and {2}", ROW[3]), ("{0} in the middle, {1} to its left and {2} to its right", ("center", "left", "right")),
        ))  # fmt: skip
        return wording.format(*names), put(places)
    if count == 4 and form < 0.3:
        wording = pick(rng, (
            "{0}, {1}, {2} and {3} in the four corners", "{0}, {1}, {2} and {3}", "in the corners: {0}, {1}, {2}, {3}",
            "a 2x2 grid of {0}, {1}, {2} and {3}", "top row: {0} and {1}; bottom row: {2} and {3}",
            "{0} and {1} at the top, {2} and {3} at the bottom", "two by two: {0}, {1}, {2}, {3}", "{0}; {1}; {2}; {3}",
            "above {0} and {1}, below {2} and {3}",
        ))  # fmt: skip
        return wording.format(*names), put(CORNERS)
    if count in (6, 9) and form < 0.6:
        rows = [_list(names[i : i + 3], rng) for i in range(0, count, 3)]
        titles = (
            ("top row", "bottom row")
            if count == 6
            else pick(rng, (("top row", "middle row", "bottom row"), ("first row", "second row", "third row")))
        )
        joint = pick(rng, ("; ", ". ", ", "))
        return joint.join(f"{title}: {row}" for title, row in zip(titles, rows, strict=True)), put(ROW[count])
    if form > 0.93:
        return _list(names, rng), put(ROW[count])
    base = ROW[count]
    if count == 2:
        base = pick(
            rng,
            (
                ("left", "right"),
                ("top left", "bottom right"),
                ("top right", "bottom left"),
                ("top", "bottom"),
                ("top left", "top right"),
                ("left", "center"),
                ("center", "right"),
                ("bottom left", "bottom right"),
            ),
        )
    elif count == 3:
        base = pick(
            rng,
            (
                ROW[3],
                ("top", "center", "bottom"),
                ("top left", "top right", "bottom"),
                ("left", "top right", "bottom right"),
                ("top", "bottom left", "bottom right"),
                ("top left", "left", "bottom left"),
            ),
        )
    places = [base[i] for i in rng.permutation(count)] if rng.random() < 0.6 else list(base)
    style = rng.random()
    words = [pick(rng, PLACES[p]) for p in places]
    if style < 0.62:
        parts = [f"{name} {word}" for name, word in zip(names, words, strict=True)]
    elif style < 0.78:
        parts = [f"{word} {name}" for name, word in zip(names, words, strict=True)]
    elif style < 0.9:
        parts = [f"{place}: {name}" for name, place in zip(names, places, strict=True)]
    else:
        parts = [f"{name} ({place})" for name, place in zip(names, places, strict=True)]
    if style > 0.78:
        return ", ".join(parts), put(places)
    return _list(parts, rng), put(places)


def _typo(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    i = int(rng.integers(len(words)))
    word = words[i]
    # Only joining words: what the answer must copy stays legible.
    if word in {"the", "and", "left", "right", "bottom", "picture", "please", "corner", "background", "middle", "with"}:
        j = int(rng.integers(len(word) - 1))
        words[i] = word[:j] + word[j + 1] + word[j] + word[j + 2 :]
    return " ".join(words)


def brief_and_answer(rng: np.random.Generator) -> tuple[str, dict]:
    """A brief and the planner's right answer to it."""
    body, objects = _arranged(rng)
    background, mood = "", ""
    form = rng.random()
    if form < 0.62:
        canonical = pick(rng, list(BACKGROUND_SENTENCES))
        key = {"at night": "night", "in the sky": "sky", "at sunset": "sunset", "on a meadow": "meadow", "on the beach": "beach",
               "in the snow": "snow", "under water": "sea", "in a room": "room"}[canonical]  # fmt: skip
        background, said = canonical, pick(rng, BACKGROUND_WORDS[key] + BACKGROUND_SENTENCES[canonical])
    elif form < 0.75:
        background = said = pick(rng, ELSEWHERE)
    else:
        said = ""
    mood = MOODS.get(background, MOODS[""])
    opening = pick(rng, OPENINGS) + " " if rng.random() < 0.4 else ""
    if rng.random() < 0.12:
        word = pick(rng, list(SAID_MOODS))
        mood = SAID_MOODS[word]
        opening = pick(
            rng, (f"a {word} picture of ", f"make it {word}: ", f"a {word} scene with ", f"I want something {word}, ")
        )
    if said and (said[0].isupper() or said.startswith("background")):
        text = pick(
            rng,
            (
                f"{opening}{body}. {said}",
                f"{said.rstrip('.')}. {opening}{body}" if said[0].isupper() else f"{opening}{body}, {said}",
            ),
        )
    elif said:
        text = pick(
            rng,
            (
                f"{opening}{body} {said}",
                f"{opening}{body}, {said}",
                f"{opening}{body} {said}",
                f"{said}, {opening}{body}",
                f"{said}: {opening}{body}",
            ),
        )
    else:
        text = opening + body
    if rng.random() < 0.2:
        text = text.lower()
    elif rng.random() < 0.5:
        text = text[0].upper() + text[1:]
    text += pick(rng, ("", "", "", ".", ".", " please", "!", ", thanks"))
    if rng.random() < 0.08:
        text = _typo(text, rng)
    keep = ("subject", "colour", "detail", "position")
    return text, {"objects": [{k: o[k] for k in keep} for o in objects], "background": background, "mood": mood}
