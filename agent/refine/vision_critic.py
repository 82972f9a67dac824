"""The critic that is a chat model with eyes: it answers questions with yes or no, and code scores the answers."""

import base64
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image

from ...prompts.answers.visual_checks import critique_from, visual_answer
from ...prompts.critique import Critique
from ...prompts.errors import CritiqueError
from ...prompts.plan import Region, ScenePlan
from ...prompts.templates import fill_template
from ..llm.structured import valid_reply
from .numbered_boxes import crop, numbered

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import BaseMessage

MAX_CROPS = 16  # pictures more than that many servers do not take


class VisionCritic:
    """A chat model that sees pictures. Invalid answers are re-asked with the validation message, at most twice."""

    def __init__(self, chat_model: "BaseChatModel") -> None:
        self.chat_model = chat_model

    def critique(self, image: Image.Image, plan: ScenePlan) -> Critique:
        """A critique with one entry per region of the plan.

        The model sees the plan, the picture with numbered boxes, and a crop of each region, of the smallest if there
        are many. Raises CritiqueError (with the raw reply) if the answer stays invalid, ModelError if the model is
        unreachable.
        """
        from langchain_core.messages import HumanMessage, SystemMessage

        parts: list[Any] = [{"type": "text", "text": f"The plan: {_described(plan)}\n\nThe picture:"}]
        parts.append(_image_part(numbered(image, [region.box for region in plan.regions])))
        for number in _smallest(plan.regions):
            parts.append({"type": "text", "text": f"Box {number}:"})
            parts.append(_image_part(crop(image, plan.regions[number - 1].box)))
        messages: list[BaseMessage] = [SystemMessage(fill_template("critic")), HumanMessage(parts)]
        schema = visual_answer(len(plan.regions))

        def parse(parsed: Any) -> Critique:
            return critique_from(schema.model_validate(parsed), plan)

        return valid_reply(self.chat_model, schema, messages, parse, failed=CritiqueError, role="critic")


def _smallest(regions: list[Region]) -> list[int]:
    """Numbers, in order, of the regions that are shown as crops."""
    by_area = sorted(range(len(regions)), key=lambda index: regions[index].box.area)
    return sorted(index + 1 for index in by_area[:MAX_CROPS])


def _described(plan: ScenePlan) -> str:
    """The plan as JSON without what cannot be seen: seeds, schedules, masks."""
    scene = {"shows": plan.scene.high_level, "looks": plan.scene.low_level, "style": plan.style}
    scene["must not show"] = plan.negative
    boxes = []
    for number, region in enumerate(plan.regions, start=1):
        box = {"box": number, "name": region.name, "shows": region.prompt.high_level}
        box |= {"looks": region.prompt.low_level, "reads": region.lettering, "must not show": region.negative}
        boxes.append({name: value for name, value in box.items() if value})
    return json.dumps(
        {"scene": {name: text for name, text in scene.items() if text}, "boxes": boxes}, ensure_ascii=False
    )


def _image_part(image: Image.Image) -> dict[str, Any]:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}
