"""Common wishes in German, Spanish, French and Chinese; the rows stay English."""

import numpy as np

from training.brief_parts import pick
from training.chat.scenes import Item, Scene, usual_colour
from training.chat.wishes import Row, Wish
from training.tables import load_table

LANGUAGES = ("de", "de", "es", "fr", "zh")
AND = {"de": (" und ", ", ", " und dann "), "es": (" y ", ", "), "fr": (" et ", ", "), "zh": ("，", "，再", "，然后")}
BOTH = {
    "de": ("beide", "die beiden", "beide"),
    "es": ("los dos", "ambos"),
    "fr": ("les deux",),
    "zh": ("两个都", "两个"),
}
PLEASE = {
    "de": (" bitte", "bitte "),
    "es": (" por favor", "por favor "),
    "fr": (" s'il te plaît", " stp"),
    "zh": ("请", "谢谢"),
}


CONTRACTED = {
    "es": {" de el ": " del ", " a el ": " al "},
    "fr": {" de le ": " du ", " à le ": " au ", " de les ": " des ", " à les ": " aux "},
}


class Speaker:
    """One language: its words for the things of a scene."""

    def __init__(self, rng: np.random.Generator, language: str) -> None:
        self.rng, self.language = rng, language
        self.nouns: dict[str, tuple[str, ...]] = self.table("nouns")
        self.colours: dict[str, tuple[str, str]] = self.table("colours")
        self.places: dict[str, tuple[str, ...]] = self.table("places")
        self.relations: dict[str, tuple[str, ...]] = self.table("relations")

    def table(self, name: str) -> dict:  # type: ignore[type-arg]
        return dict(load_table("chat_foreign", self.language)[name])

    def patterns(self, name: str) -> tuple[str, ...]:
        return tuple(load_table("chat_foreign", self.language)[name])

    def forms(self, scene: Scene, item: Item, key: str = "") -> dict[str, str]:
        """The thing in its cases, as slots of the patterns."""
        words = self.nouns[item.subject]
        nominative, accusative, dative = words[:3] if self.language == "de" else (words[0],) * 3
        twins = [other for other in scene.items if other.subject == item.subject]
        if scene.touched == (item.name,) and self.rng.random() < 0.35 and not key:
            it = pick(self.rng, tuple(load_table("chat_foreign", self.language)["it"]))
            return {"x": it, "X": it, "d": it}
        if len(twins) > 1 or (self.rng.random() < 0.12 and item.colour in self.colours):
            nominative, accusative, dative = (
                self._coloured(word, item.colour) for word in (nominative, accusative, dative)
            )
        if self.language != "zh" and self.rng.random() < 0.08:  # 'katze größer'
            nominative = accusative = nominative.split(" ", 1)[-1]
        return {"x": nominative, "X": accusative, "d": dative} if not key else {"y": nominative, "Y": accusative}

    def _coloured(self, noun: str, colour: str) -> str:
        plain, inflected = self.colours.get(colour, (colour, colour))
        match self.language:
            case "de":
                article, _, word = noun.partition(" ")
                ending = (
                    ""
                    if inflected in ("lila", "rosa", "orange")
                    else "n"
                    if article in ("den", "dem", "der") and noun[:3] != "die"
                    else ""
                )
                return f"{article} {inflected}{ending} {word}"
            case "zh":
                return f"{inflected}{noun}"
        return f"{noun} {inflected if noun.startswith(('la ', 'La ')) else plain}"

    def colour(self, colour: str) -> str:
        plain, inflected = self.colours[colour]
        return plain if self.language == "de" or self.rng.random() < 0.7 else inflected

    def where(self, scene: Scene, free: list[Item], *, related: float) -> tuple[str, str, list[str]]:
        if free and self.rng.random() < related:
            item, relation = pick(self.rng, free), pick(self.rng, tuple(self.relations))
            words, forms = pick(self.rng, self.relations[relation]), self.forms(scene, item, "d")
            name = self.forms(Scene(scene.plan, scene.items), item)["d"]
            text = f"{forms['y']}{words}" if self.language == "zh" else f"{words} {name}"
            return text, relation, [item.name]
        place = pick(self.rng, tuple(self.places))
        return pick(self.rng, self.places[place]), place, []

    def wish(self, scene: Scene, known: list[Item], free: list[Item]) -> Wish:
        """A wish about one of `free`; it may name the others that are `known`."""
        rng = self.rng
        if rng.random() < 0.12:
            text, kind, words = pick(rng, load_table("chat_foreign", self.language)["scene"])
            return Wish(text, (["scene", kind, words],))
        item, form = pick(rng, free), rng.random()
        x, names = self.forms(scene, item), [item.name]
        rest = [other for other in known if other.name != item.name]
        row: Row
        if form < 0.26:
            new = pick(rng, [colour for colour in self.colours if colour != item.colour])
            if len(scene.items) == 2 and rng.random() < 0.12:
                both, names = pick(rng, BOTH[self.language]), [one.name for one in scene.items]
                x = {"x": both, "X": both, "d": both}
            text, row = pick(rng, self.patterns("look")).format(**x, c=self.colour(new)), ["look", names, new]
        elif form < 0.4:
            text, row = pick(rng, self.patterns("remove")).format(**x), ["remove", names]
        elif form < 0.6:
            subject = pick(rng, [noun for noun in self.nouns if noun not in {i.subject for i in scene.items}])
            thing, said = self.nouns[subject][-1], usual_colour(subject)
            if rng.random() < 0.35:
                said = pick(rng, tuple(self.colours))
                thing = self._new_coloured(thing, said)
            words, field, others = self.where(scene, known, related=0.4)
            bare = rng.random() < 0.45 and any("{where}" not in pattern for pattern in self.patterns("add"))
            options = [pattern for pattern in self.patterns("add") if ("{where}" not in pattern) == bare]
            if bare:
                words, field, others = "", "", []
            text = pick(rng, options).format(a=thing, where=words)
            row = ["add", subject, said, "", 1, field, others]
        elif form < 0.7:
            subject = pick(rng, [noun for noun in self.nouns if noun not in {i.subject for i in scene.items}])
            text = pick(rng, self.patterns("replace")).format(**x, a=self.nouns[subject][-1])
            row = ["replace", names, subject, usual_colour(subject), ""]
        elif form < 0.82:
            words, field, others = self.where(scene, rest, related=0.4)
            text, row = pick(rng, self.patterns("move")).format(**x, place=words), ["move", names, field, others]
        elif form < 0.87:
            ways = self.table("nudge")
            way = pick(rng, tuple(ways))
            text, row = pick(rng, ways[way]).format(**x), ["nudge", names, way]
        elif form < 0.97 or not rest:
            sizes = self.table("size")
            factor = pick(rng, tuple(sizes))
            text, row = pick(rng, sizes[factor]).format(**x), ["size", names, float(factor)]
        else:
            other = pick(rng, rest)
            x = self.forms(Scene(scene.plan, scene.items), item)
            text = pick(rng, self.patterns("swap")).format(**x, **self.forms(scene, other, "y"))
            row = ["swap", item.name, other.name]
        return Wish(text, (row,), tuple(names))

    def _new_coloured(self, noun: str, colour: str) -> str:
        plain, inflected = self.colours[colour]
        match self.language:
            case "de":
                article, _, word = noun.partition(" ")
                ending = "" if inflected in ("lila", "rosa", "orange") else {"einen": "n", "ein": "s"}.get(article, "")
                return f"{article} {inflected}{ending} {word}"
            case "zh":
                return f"{noun[:2]}{inflected}{noun[2:]}" if len(noun) > 2 else f"{inflected}{noun}"
        return f"{noun} {inflected if noun.startswith(('una ', 'une ')) else plain}"


def foreign_wish(rng: np.random.Generator, scene: Scene) -> tuple[str, list[Row]] | None:
    """A message in another language and its rows; None if it has no words for what is there."""
    language = pick(rng, LANGUAGES)
    speaker = Speaker(rng, language)
    known = [item for item in scene.items if item.subject in speaker.nouns and scene_has_one(scene, item)]
    if not known:
        return None
    wish = speaker.wish(scene, known, known)
    text, rows = wish.text, list(wish.rows)
    free = [item for item in known if item.name not in wish.names]
    if free and rng.random() < 0.2:
        second = speaker.wish(Scene(scene.plan, scene.items), known, free)
        if not set(second.names) & set(wish.names):
            text, rows = f"{text}{pick(rng, AND[language])}{second.text}", [*rows, *second.rows]
    text = f" {text} "
    for words, one in CONTRACTED.get(language, {}).items():
        text = text.replace(words, one)
    text = text.strip()
    if rng.random() < 0.12:
        please = pick(rng, PLEASE[language])
        text = f"{text}{please}" if please[0] == " " else f"{please}{text}"
    return text, rows


def scene_has_one(scene: Scene, item: Item) -> bool:
    """Whether it is the only one of its subject, or of its colour among those."""
    same = [other for other in scene.items if other.subject == item.subject]
    return len(same) == 1 or sum(other.colour == item.colour for other in same) == 1
