"""The words of the synthetic briefs: nouns, colours, details, places, backgrounds, moods and small talk.

The words are in tables/words.json.
"""

from training.tables import load_table

Words = tuple[str, ...]


def _by_noun(name: str) -> dict[str, str]:
    """Nouns and their usual colour, from a table of (colour, nouns)."""
    return {noun: colour for colour, nouns in load_table("words", name) for noun in nouns}


# What the pocket model draws, under many names, with the usual colour for briefs that name none.
KNOWN = _by_noun("known")
# Nouns that the pocket model may not know: the planner must copy them, not replace them.
OTHERS = _by_noun("others")
# Of both, those that people name most.
EVERYDAY: Words = load_table("words", "everyday")
# Of the others, those that are also words for a background: listed or related like things, they are things.
SCENERY: Words = load_table("words", "scenery")
IRREGULAR: dict[str, str] = load_table("words", "irregular")  # plurals
PLAIN_COLOURS: Words = load_table("words", "plain_colours")
FINE_COLOURS: Words = load_table("words", "fine_colours")
SHADES: Words = load_table("words", "shades")
DETAILS: Words = load_table("words", "details")  # before the noun
AFTER_DETAILS: Words = load_table("words", "after_details")  # behind the noun
MOODS: Words = load_table("words", "moods")
LIGHTS: tuple[tuple[str, str], ...] = load_table("words", "lights")  # (in the brief, the light of the answer)
STYLES: Words = load_table("words", "styles")
USUAL_LIGHT: dict[str, str] = load_table("words", "usual_light")  # by background
# How people describe a background of the pocket world: phrases that end or open a brief, and whole sentences.
BACKGROUND_PHRASES: dict[str, Words] = load_table("words", "background_phrases")
BACKGROUND_SENTENCES: dict[str, Words] = load_table("words", "background_sentences")
# A background described around the objects, which stand for {b}.
BACKGROUND_CLAUSES: dict[str, Words] = load_table("words", "background_clauses")
# Backgrounds that the pocket model may not know are copied word for word.
ELSEWHERE: Words = load_table("words", "elsewhere")
PLACES: dict[str, Words] = load_table("words", "places")
OPENINGS: Words = load_table("words", "openings")
SENTENCE_OPENINGS: Words = load_table("words", "sentence_openings")
CLOSINGS: Words = load_table("words", "closings")
COUNTS: dict[int, Words] = load_table("words", "counts")
# What things do where they are: (singular, plural).
DOES: tuple[tuple[str, str], ...] = load_table("words", "does")
