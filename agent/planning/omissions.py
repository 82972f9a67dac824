"""Parts of a brief that are missing from every prompt of its plan.

Words are compared with words, whatever their number and form. Pure.
"""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from itertools import pairwise

from ...prompts.plan import ScenePlan
from ...prompts.prompt_style import subject_of
from ...prompts.templates import word_list
from ...renderer.checkpoints.vocabulary import KINDS, Phrase, Vocabulary, forms, quoted

INTRODUCING = frozenset("a an one two three four five six seven eight nine some several in on at".split())
# Words that may stand between one of these and its noun.
DEFINITE = frozenset("the big large small little tiny".split())
SYMBOLS = r"[^\w\s\x00-\xbf\xd7\xf7\u2010-\u205e\u3000-\u303f]+"  # neither words nor punctuation: emoji, arrows, hearts
PLANNED = ("subjects", "colours", "backgrounds")  # kinds of the vocabulary that a plan says in its words
GRID = re.compile(r"\d+(x\d*)?")  # '9', '3x3'


def omission_warnings(brief: str, plan: ScenePlan, vocabulary: Vocabulary) -> list[str]:
    """Warnings about what the plan of a local planner leaves out of its brief, and about subjects that stand in the
    scene prompt alone, where no region draws them ('an astronaut on the moon').

    vocabulary: knows which words have one meaning.
    """
    lost = omitted_phrases(brief, plan, vocabulary)
    warnings = [f"left out of the plan: {quoted(lost)}"] if lost else []
    regions = " . ".join(region.prompt.text for region in plan.regions)
    unplaced = vocabulary.read(brief).of("subjects") & vocabulary.read(plan.scene.text).of("subjects")
    unplaced = (unplaced - vocabulary.read(regions).of("subjects")) if plan.regions else set()
    return warnings + ([f"named in the scene only, no region draws it: {quoted(sorted(unplaced))}"] if unplaced else [])


def omitted_phrases(brief: str, plan: ScenePlan, vocabulary: Vocabulary) -> list[str]:
    """Phrases of a brief of which the plan says nothing: first those that a word such as 'a', 'two' or 'in' introduces
    and symbols, then the subjects, colours and backgrounds of the vocabulary. Most other words, such as greetings,
    verbs and whom the picture is for, are not to be seen in a picture.

    Of each phrase the words that are missing, with what a thing is doing ('a cat sleeping'), and each place that a
    background of the vocabulary names: for planners that repeat the words of the brief.
    """
    planned = PlanWords(_prompts(plan), plan, vocabulary)
    lost, run, introduced, after_thing, after_place = list[str](), list[Phrase](), False, False, False

    def close() -> None:
        missing = [phrase for phrase in run if not planned.says(phrase.text)]
        if missing:
            lost.append(brief[missing[0].start : missing[-1].end])
        run.clear()

    for phrase in vocabulary.phrases(brief):
        word = phrase.text.lower()
        if not phrase.adjacent:
            close()
            introduced = after_thing = after_place = False
        place = planned.place(word) if phrase.kind not in KINDS else None
        lost_place = place is False and not after_place  # 'a sunset sky' is one place
        after_place = bool(place)
        if phrase.kind in KINDS:
            close()
            introduced &= phrase.kind != "subjects"
            after_thing = phrase.kind == "subjects"
        elif word in word_list("function_words") or GRID.fullmatch(word):
            close()
            introduced = word in INTRODUCING or word.isdigit() or (introduced and word in DEFINITE)
            after_thing = False
        elif lost_place or (place is None and (introduced or (after_thing and word.endswith("ing")))):
            run.append(phrase)
            after_thing = planned.names(word)
            introduced &= not after_thing
        else:
            close()
            after_thing = False
    close()
    lost += re.findall(SYMBOLS, brief)
    return list(dict.fromkeys(lost + _names_left_out(brief, planned, vocabulary, PLANNED)))


def left_out_of_change(
    message: str, before: ScenePlan, after: ScenePlan, vocabulary: Vocabulary, kinds: Sequence[str]
) -> list[str]:
    """What of these kinds of the vocabulary a message names, as written, and the plan neither before nor after its
    change does: 'on the grass' of a message of which only the things were added."""
    planned = PlanWords(f"{_prompts(before)} . {_prompts(after)}", after, vocabulary)
    return _names_left_out(message, planned, vocabulary, kinds)


def _names_left_out(text: str, planned: "PlanWords", vocabulary: Vocabulary, kinds: Sequence[str]) -> list[str]:
    requested = vocabulary.read(text)
    words = {(phrase.kind, phrase.name): phrase.text for phrase in vocabulary.phrases(text)}
    lost = list[str]()
    for kind in kinds:
        missing = {name for name in requested.of(kind) - planned.known.of(kind) if not planned.has_form_of(name)}
        lost += [words[kind, name] for name in sorted(missing)]
    return lost


def _prompts(plan: ScenePlan) -> str:
    return " . ".join([plan.scene.text, plan.negative, *(region.prompt.text for region in plan.regions)])


class PlanWords:
    """The words of a plan's prompts, and what of the vocabulary they name."""

    def __init__(self, text: str, plan: ScenePlan, vocabulary: Vocabulary) -> None:
        words = re.findall(r"\w+", text.lower())
        self.known, self._vocabulary = vocabulary.read(text), vocabulary
        self._words = {form for word in words for form in forms(word)} | {a + b for a, b in pairwise(words)}
        # Not of other subjects: a carrot is no form of a car.
        self._stems = {word for word in words if len(word) > 3 and not vocabulary.read(word).of("subjects")}
        self._things = {form for region in plan.regions for form in forms(subject_of(region).lower().split(" ")[-1])}

    def says(self, phrase: str) -> bool:
        """Whether some word of a phrase is in the plan, in any number or form, or slightly misspelt."""
        words = re.findall(r"\w+", phrase.lower())
        return any(self.has_form_of(word) or get_close_matches(word, self._words, 1, cutoff=0.8) for word in words)

    def has_form_of(self, word: str) -> bool:
        """Whether a word in small letters is in the plan in any number or form: 'sun' of 'at sunset'."""
        if {*forms(word)} & self._words:
            return True
        return len(word) > 2 and any(stem.startswith(word) or word.startswith(stem) for stem in self._stems)

    def names(self, word: str) -> bool:
        """Whether a word names one of the plan's regions."""
        return bool({*forms(word)} & self._things)

    def place(self, word: str) -> bool | None:
        """Whether the plan has a background that a word names; None for a word that names no background."""
        places = self._vocabulary.places(word)
        return bool(places & self.known.of("backgrounds")) if places else None
