"""Judges of what a picture shows: the pocket model's judge, a detector with a matcher, or a vision model.

All answer the same questions about each region: its subject, its colour, where it is, and whether it is also seen where
nobody asked for it. None: a judge cannot tell, or nothing was asked for.
"""

import base64
import json
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from io import BytesIO
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from ....prompts.answers.judge_answer import JudgeAnswer
from ....prompts.errors import CritiqueError
from ....prompts.layout.places import grid
from ....prompts.outside_json import JsonObject
from ....prompts.plan import Region, ScenePlan
from ....prompts.prompt_style import colour_of, subject_of
from ....prompts.templates import fill_template
from ....renderer.metrics.pocket_labels import (
    BACKGROUNDS,
    COLOURS,
    LIGHTS,
    NOTHING,
    PATTERNS,
    STYLES,
    SUBJECTS,
)
from ...llm.structured import valid_reply
from ...refine.local_critic import PREFIX, LocalCritic, cropped
from ...refine.numbered_boxes import numbered
from ..fixed_plans import BACKGROUND_WORDS, MOODS
from .brief_truth import Thing
from .detection_scores import iou

if TYPE_CHECKING:
    from ....renderer.detection import Detection
    from ....renderer.metrics.pocket_judge import Judge as PocketNets
    from ....renderer.metrics.pocket_judge import SceneJudge

INSIDE = 0.5  # share of a found thing that lies in a region's box, from which it counts as there
# The colours that GenEval's prompts name.
COLOUR_WORDS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "black", "white")
CHANCES = 3  # most found things that are kept of a label for each region of it, as in COCO the surest ones


@dataclass(frozen=True)
class RegionSeen:
    """What was seen of a region. bleeds: its subject is also seen where no region asks for it. iou: of the box that
    fits best with the region's, 0 if none was found."""

    name: str
    seen: str
    subject: bool | None
    colour: bool | None = None
    pattern: bool | None = None
    bleeds: bool | None = None
    iou: float | None = None

    @property
    def right(self) -> bool | None:
        """Subject and, if one was asked for, colour; None if the judge cannot tell the subject."""
        return None if self.subject is None else self.subject and self.colour is not False


@dataclass(frozen=True)
class PictureSeen:
    """What was seen of a picture. found: [label, score, [left, top, right, bottom]] of a detector."""

    regions: list[RegionSeen]
    background: bool | None = None
    found: list[tuple[str, float, list[float]]] = field(default_factory=list)
    light: bool | None = None
    style: bool | None = None

    def as_json(self) -> JsonObject:
        return asdict(self)

    @classmethod
    def from_json(cls, row: JsonObject) -> "PictureSeen":
        """Of `as_json`, other fields beside it."""
        regions, scene = [RegionSeen(**region) for region in row["regions"]], (row.get("light"), row.get("style"))
        return cls(regions, row["background"], row.get("found", []), *scene)


class Judge(Protocol):
    """Whatever says what a picture shows. name: of the report; places: it finds boxes."""

    name: str
    places: bool

    def look(self, image: Image.Image, plan: ScenePlan, background: str) -> PictureSeen: ...


class PocketJudge:
    """Small ResNets trained on composed pictures of the pocket world, which alone they know."""

    name, places = "the pocket judge", False

    @cached_property
    def nets(self) -> "tuple[PocketNets, SceneJudge]":
        from ....renderer.metrics.pocket_judge import Judge, SceneJudge

        return Judge.load(), SceneJudge.load()

    def look(self, image: Image.Image, plan: ScenePlan, background: str) -> PictureSeen:
        """Subjects, colours and backgrounds outside that world are not judged."""
        regions, scenes = self.nets
        boxes = [region.box for region in plan.regions]
        free = [cell for cell in grid(2, 2) if not any(cell.overlap(box) for box in boxes)]
        seen = regions.look(image, [*boxes, *free])
        patterns = regions.patterns_in(image, boxes)
        subjects = [subject_of(region) for region in plan.regions]
        found = []
        for index, region in enumerate(plan.regions):
            own, subject, colour = seen[index], subjects[index], colour_of(region)
            known = subject in SUBJECTS
            others = [each.subject for j, each in enumerate(seen) if j >= len(boxes) or subjects[j] != subject]
            is_there = own.subject == subject if known else None
            pattern = next((word for word in PATTERNS if word in region.prompt.low_level), PATTERNS[0])
            found.append(RegionSeen(
                region.name, str(own), is_there,
                own.colour == colour if colour in COLOURS and own.subject != NOTHING else None if not colour else False,
                patterns[index] == pattern if is_there and pattern != PATTERNS[0] else None,
                subject in others if known else None,
            ))  # fmt: skip
        right = BACKGROUNDS[BACKGROUND_WORDS.index(background)] if background in BACKGROUND_WORDS else ""
        scene, named = scenes.look([image])[0], [word for word, text in MOODS.items() if text in plan.scene.low_level]
        light, style = (next((word for word in named if word in words), "") for words in (LIGHTS, STYLES))
        return PictureSeen(
            found, scene.background == right if right else None,
            light=scene.light == light if light else None, style=scene.style == style if style else None,
        )  # fmt: skip

    def things(self, image: Image.Image, plan: ScenePlan, classes: Sequence[str]) -> list[Thing]:
        """What the boxes of the plan show, and the quarters of the picture that no box touches."""
        boxes = [region.box for region in plan.regions]
        free = [cell for cell in grid(2, 2) if not any(cell.overlap(box) for box in boxes)]
        seen = self.nets[0].look(image, [*boxes, *free])
        pairs = zip(seen, [*boxes, *free], strict=True)
        return [Thing(label.subject, label.colour, box) for label, box in pairs if label.subject != NOTHING]


class LocalJudge:
    """A zero-shot detector finds what stands where, an image-text model compares colours and settings."""

    places = True

    def __init__(self, critic: LocalCritic, name: str = PREFIX) -> None:
        self.critic, self.name, self._lock = critic, f"the detector and matcher {name}", threading.Lock()

    def look(self, image: Image.Image, plan: ScenePlan, background: str) -> PictureSeen:
        """Raises ModelError if a model cannot be loaded."""
        with self._lock:  # one pair of models for all workers
            labels = list(dict.fromkeys(subject_of(region) for region in plan.regions))
            found = self.critic.detector.detect(image, labels)
            colours = [self._colour(image, region, found) for region in plan.regions]
            setting = self._setting(image, background)
        regions = [
            _region_found(region, plan.regions, found, colour)
            for region, colour in zip(plan.regions, colours, strict=True)
        ]
        boxes: list[tuple[str, float, list[float]]] = []
        for label in labels:
            most = CHANCES * sum(subject_of(region) == label for region in plan.regions)
            for each in [each for each in found if each.label == label][:most]:
                edges = [each.box.left, each.box.top, each.box.right, each.box.bottom]
                boxes.append((label, round(each.score, 4), [round(edge, 4) for edge in edges]))
        return PictureSeen(regions, setting, boxes)

    def things(self, image: Image.Image, plan: ScenePlan, classes: Sequence[str]) -> list[Thing]:
        """What the detector finds of these classes, with the colour that each is most like."""
        with self._lock:
            found = self.critic.detector.detect(image, list(dict.fromkeys(classes)))
            things = []
            for each in found[: CHANCES * len(classes)]:
                texts = [f"a {colour} {each.label}" for colour in COLOUR_WORDS]
                (logits,) = self.critic.matcher.match([cropped(image, each.box)], texts)
                things.append(Thing(each.label, COLOUR_WORDS[logits.index(max(logits))], each.box))
        return things

    def _colour(self, image: Image.Image, region: Region, found: "Sequence[Detection]") -> bool | None:
        """Whether the region looks more like its own colour than like any other one."""
        colour, subject = colour_of(region), subject_of(region)
        if not colour:
            return None
        here = [each for each in found if each.label == subject and each.box.share_in(region.box) >= INSIDE]
        box = max(here, key=lambda each: each.score).box if here else region.box
        colours = list(dict.fromkeys([colour, *COLOURS]))
        (logits,) = self.critic.matcher.match([cropped(image, box)], [f"a {each} {subject}" for each in colours])
        return logits.index(max(logits)) == 0

    def _setting(self, image: Image.Image, background: str) -> bool | None:
        if background not in BACKGROUND_WORDS:
            return None
        (logits,) = self.critic.matcher.match([image], [f"a picture {words}" for words in BACKGROUND_WORDS])
        return logits.index(max(logits)) == BACKGROUND_WORDS.index(background)


class VisionJudge:
    """A chat model that sees pictures; it says what it sees, nothing is scored by it."""

    places = False

    def __init__(self, chat_model: Any, name: str) -> None:
        self.chat_model, self.name = chat_model, f"the vision model {name}"

    def look(self, image: Image.Image, plan: ScenePlan, background: str) -> PictureSeen:
        """Raises CritiqueError (with the raw reply) if the answer stays invalid, ModelError if nobody answers."""
        from langchain_core.messages import HumanMessage, SystemMessage

        wanted = [
            {"box": number, "subject": subject_of(region), "colour": colour_of(region)}
            for number, region in enumerate(plan.regions, start=1)
        ]
        buffer = BytesIO()
        numbered(image, [region.box for region in plan.regions]).save(buffer, "PNG")
        url = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        question = json.dumps({"boxes": wanted, "setting": background}, ensure_ascii=False)
        parts: list[Any] = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]

        def parse(parsed: Any) -> PictureSeen:
            return _seen_in(JudgeAnswer.model_validate(parsed), plan, background)

        messages = [SystemMessage(fill_template("judge")), HumanMessage(parts)]
        return valid_reply(self.chat_model, JudgeAnswer, messages, parse, failed=CritiqueError, role="judge")


def _seen_in(answer: JudgeAnswer, plan: ScenePlan, background: str) -> PictureSeen:
    """Raises ValueError, in words for the model, if boxes are missing or not the plan's."""
    by_number, numbers = {entry.box: entry for entry in answer.boxes}, list(range(1, len(plan.regions) + 1))
    if sorted(entry.box for entry in answer.boxes) != numbers:
        raise ValueError(f"boxes: give exactly one entry for each of the numbers {', '.join(map(str, numbers))}")
    regions = []
    for number, region in enumerate(plan.regions, start=1):
        entry, colour = by_number[number], colour_of(region)
        regions.append(
            RegionSeen(region.name, entry.seen, entry.subject, entry.colour if colour else None, bleeds=entry.elsewhere)
        )
    return PictureSeen(regions, answer.background if background else None)


def _region_found(
    region: Region, regions: Sequence[Region], found: "Sequence[Detection]", colour: bool | None
) -> RegionSeen:
    subject = subject_of(region)
    own = [each for each in found if each.label == subject]
    here = [each for each in own if each.box.share_in(region.box) >= INSIDE]
    homes = [other.box for other in regions if subject_of(other) == subject]
    strays = [each for each in own if all(each.box.share_in(home) < INSIDE for home in homes)]
    best = max((iou(each.box, region.box) for each in own), default=0.0)
    seen = subject if here else "elsewhere" if own else "nothing of it"
    return RegionSeen(region.name, seen, bool(here), colour, bleeds=bool(strays), iou=round(best, 4))
