"""The small answer that a planner gives: words only. Positions become boxes by arithmetic, in code."""

from pydantic import Field

from .layout import Place, boxes_for
from .scene import MAX_REGIONS, Contract, LeveledPrompt, Region, ScenePlan

PLACE_PHRASES: dict[Place, str] = {
    "top left": "at the top left", "top": "at the top", "top right": "at the top right", "left": "on the left",
    "center": "in the center", "right": "on the right", "bottom left": "at the bottom left", "bottom": "at the bottom",
    "bottom right": "at the bottom right",
}  # fmt: skip


class PlannedObject(Contract):
    """One object of the picture, in words."""

    subject: str = Field(min_length=1, max_length=60, description="the object, without colour or article: 'cat'")
    colour: str = Field(max_length=40, description="its main colour; if the brief says none, the usual one")
    detail: str = Field(
        max_length=120, description="pattern, texture, material or size: 'striped'; empty if none is said"
    )
    position: Place = Field(description="its place in the picture")

    @property
    def named(self) -> str:
        """'a red cat'."""
        words = f"{self.colour} {self.subject}".strip()
        return f"{'an' if words[0].lower() in 'aeiou' else 'a'} {words}"


class PlannerAnswer(Contract):
    """A plan in words."""

    objects: list[PlannedObject] = Field(
        min_length=1, max_length=MAX_REGIONS, description="every object of the brief, once"
    )
    background: str = Field(
        max_length=200, description="where or when it is: 'at night', 'on the beach'; empty if not said"
    )
    mood: str = Field(max_length=200, description="light and mood of the whole picture: 'warm evening light'")


def scene_text(answer: PlannerAnswer) -> str:
    """The high-level scene prompt, one sentence that says what is where: 'a red cat on the left and … at night'."""
    if len(answer.objects) == 1 and answer.objects[0].position == "center":
        parts = [answer.objects[0].named]
    else:
        parts = [f"{one.named} {PLACE_PHRASES[one.position]}" for one in answer.objects]
    body = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    return f"{body} {answer.background}".strip()


def compose(answer: PlannerAnswer, *, width: int, height: int) -> ScenePlan:
    """The plan that an answer means: unique names, boxes from positions, both prompt levels filled."""
    regions: list[Region] = []
    boxes = boxes_for([one.position for one in answer.objects])
    for one, box in zip(answer.objects, boxes, strict=True):
        taken = {region.name for region in regions}
        name = next(n for i in range(1, 99) if (n := one.subject if i == 1 else f"{one.subject} {i}") not in taken)
        low = " ".join(part for part in (one.detail, one.colour) if part)
        regions.append(Region(name=name, box=box, prompt=LeveledPrompt(high_level=one.subject, low_level=low)))
    scene = LeveledPrompt(high_level=scene_text(answer), low_level=answer.mood)
    return ScenePlan(width=width, height=height, scene=scene, regions=regions)
