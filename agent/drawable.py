"""Answers about what an image model can draw, where its checkpoint declares a vocabulary. Pure."""

from ..prompts.plan import ScenePlan
from ..prompts.prompt_style import subject_phrase
from ..renderer.checkpoints.vocabulary import Vocabulary
from .chat.phrases import enumerated


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
