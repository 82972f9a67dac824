"""New words in a region's look: what changes, and what stays of the old one. Pure."""

from ....prompts.answers.planner_schema import BEHIND_THE_NOUN
from ....prompts.prompt_style import COLOURS, SHADES


def relooked(low: str, looks: str) -> str:
    """'striped red' with 'orange' is 'striped orange', with 'made of glass' 'striped red, made of glass'."""
    before, _, behind = (part.strip() for part in low.partition(","))
    if looks.split(" ")[0] in BEHIND_THE_NOUN:
        return f"{before}, {looks}" if before else looks
    words = looks.replace(" and ", " ").split()
    if words == [word for word in words if word in SHADES]:  # 'darker' keeps the colour
        rest = [word for word in before.split() if word not in SHADES]
        colour = next((i for i, word in enumerate(rest) if word in COLOURS), 0)
        before = " ".join([*rest[:colour], *words, *rest[colour:]])
    elif any(word in COLOURS for word in words):
        before = " ".join([*(w for w in before.split() if w not in COLOURS | SHADES and w not in words), *words])
    else:
        before = " ".join([*words, *(word for word in before.split() if word not in words)])
    return f"{before}, {behind}" if behind else before
