"""Answers about what an image model can draw, where its checkpoint declares a vocabulary. Pure."""

from ..prompts.plan import ScenePlan
from ..prompts.prompt_style import subject_phrase
from ..renderer.checkpoints.vocabulary import Vocabulary
from .chat.phrases import enumerated

# The question has a word of each of the first three sets, and no word outside the four.
_QUESTION = frozenset("what which".split())
_WHO = frozenset("you i we it be this".split())
_DEEDS = frozenset("draw paint make create show know render generate drawn painted ask".split())
_OTHERS = frozenset(
    "can could do does are is able to all else kind kinds sort sorts of for the a things thing subjects subject object "
    "objects animals colours colors colour color backgrounds pictures picture images image me here there please "
    "and".split()
)


def asks_what_can_be_drawn(text: str) -> bool:
    """Whether a message asks what can be drawn: 'what can you draw?', 'which animals do you know?'."""
    words = set(text.lower().replace("?", " ").replace(",", " ").split())
    return bool(words & _QUESTION and words & _WHO and words & _DEEDS) and words <= (
        _QUESTION | _WHO | _DEEDS | _OTHERS
    )


def what_can_be_drawn(draws: str) -> str:
    """The answer. `draws`: the summary of the model's vocabulary, empty if it declares none."""
    return f"I can draw {draws}" if draws else "Whatever you can say: this image model has no list of what it draws."


def undrawable_note(plan: ScenePlan, vocabulary: Vocabulary | None, *, is_drawn: bool = True) -> str:
    """'I cannot draw an astronaut; a coloured shape stands there.', or empty where everything can be drawn."""
    shapes = [subject_phrase(region) for region in vocabulary.shapes(plan)] if vocabulary else []
    if not shapes:
        return ""
    noun = "a coloured shape" if len(shapes) == 1 else "coloured shapes"
    verb = ("stands" if len(shapes) == 1 else "stand") if is_drawn else "would stand"
    return f"I cannot draw {enumerated(list(dict.fromkeys(shapes)), 'or')}; {noun} {verb} there."
